"""Values that are missing: training leaves them out, and reconstruction fills them in."""

import pickle

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.utils import get_tags
from skorch.callbacks import Callback

from skae import Autoencoder, VariationalAutoencoder
from skae.architectures import Conv, Dense
from skae.losses import LOSSES, Criterion, Target, resolve_loss
from skae.networks.standardization import Standardization

QUICK = {"missing_values": "mask", "max_iter": 3, "random_state": 0}


@pytest.fixture(scope="module")
def gaps(digits):
    """One in five of the digits' pixels."""
    return np.random.default_rng(0).random(digits.shape) < 0.2


@pytest.fixture(scope="module")
def lost(digits, gaps):
    return np.where(gaps, np.nan, digits)


@pytest.fixture(scope="module")
def fitted(lost):
    return Autoencoder(8, **{**QUICK, "max_iter": 15}).fit(lost)


def test_missing_values_are_refused_unless_asked_for(lost):
    with pytest.raises(ValueError, match=r"X contains NaN, .*Autoencoder\(missing_values='mask'\)"):
        Autoencoder().fit(lost)


def test_gaps_in_a_target_are_refused_unless_asked_for(lost, digits):
    with pytest.raises(ValueError, match=r"X_target contains NaN, .*missing_values='mask'"):
        Autoencoder().fit(digits, X_target=lost)


def test_infinity_is_refused_in_either_case(lost):
    spoilt = lost.copy()
    spoilt[3, 5] = np.inf
    with pytest.raises(ValueError, match="X contains infinity"):
        Autoencoder(**QUICK).fit(spoilt)
    with pytest.raises(ValueError, match="X contains infinity"):
        Autoencoder(**QUICK).fit(lost).transform(spoilt)


def test_gaps_are_filled_better_than_by_imputers(digits, gaps, lost):
    train, test = train_test_split(np.arange(len(digits)), random_state=0)

    def error(fill):
        return np.mean((fill(lost[test]) - digits[test])[gaps[test]] ** 2)

    imputers = SimpleImputer(), IterativeImputer(keep_empty_features=True)
    theirs = [error(imputer.fit(lost[train]).transform) for imputer in imputers]
    ours = Autoencoder(8, missing_values="mask", max_iter=50, random_state=0).fit(lost[train])
    assert error(ours.reconstruct) < 0.8 * min(theirs)


@pytest.mark.parametrize("loss", ["mse", "l1", "huber", "bce", torch.nn.functional.mse_loss])
def test_the_loss_is_the_mean_over_what_is_there(loss, digits, gaps):
    standardization = Standardization(torch.full((64,), 0.3), 2.0, sigmoid=loss == "bce")
    rows = standardization.standardize(torch.tensor(digits[:50]).float())
    output = torch.randn(50, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    gaps = torch.tensor(gaps[:50])
    criterion = Criterion(resolve_loss(loss), observed_only=True)
    found = criterion(output, Target(rows.masked_fill(gaps, torch.nan)), standardization)
    found.backward()
    # Each value that is there as a row of its own.
    each = Standardization(torch.full((1,), 0.3), 2.0, sigmoid=loss == "bce")
    plain = Criterion(resolve_loss(loss))
    expected = plain(output[~gaps][:, None], Target(rows[~gaps][:, None]), each)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert not output.grad[gaps].any()
    assert output.grad[~gaps].any()


@pytest.mark.parametrize("loss", ["mse", "l1", "huber", "bce"])
@pytest.mark.parametrize("weights", [None, torch.linspace(0.5, 1.5, 50)])
def test_the_loss_of_complete_rows_is_the_plain_one_to_the_bit(loss, weights, digits):
    standardization = Standardization(torch.full((64,), 0.3), 2.0, sigmoid=loss == "bce")
    target = Target(torch.tensor(digits[:50]).float() / 4, weights=weights)
    output = torch.randn(50, 64, generator=torch.Generator().manual_seed(0))
    masked, plain = (
        Criterion(LOSSES[loss], observed_only=observed_only)(output, target, standardization)
        for observed_only in (True, False)
    )
    assert masked == plain


def test_data_are_centred_at_the_mean_of_what_is_there(fitted, lost):
    center = fitted.module_.standardization.center
    np.testing.assert_allclose(center, np.nanmean(lost, axis=0), atol=1e-6)


def test_a_row_without_any_value_has_the_code_of_the_mean(fitted):
    mean = fitted.module_.standardization.center.numpy()[None]
    nothing = np.full_like(mean, np.nan)
    np.testing.assert_allclose(fitted.transform(nothing), fitted.transform(mean), atol=1e-6)
    assert fitted.score_samples(nothing) == 0


def test_a_feature_without_any_value_is_filled_with_zero(lost):
    empty = lost + 5
    empty[:, 20] = np.nan
    filled = Autoencoder(4, **QUICK).fit(empty).reconstruct(empty)
    np.testing.assert_allclose(filled[:, 20], 0, atol=1e-6)


def test_scores_count_what_is_there_alone(fitted, lost):
    squares = (fitted.reconstruct(lost) - lost) ** 2
    deviations = (lost - np.nanmean(lost, axis=0)) ** 2
    expected = 1 - np.nansum(squares) / np.nansum(deviations)
    assert fitted.score(lost) == pytest.approx(expected)
    np.testing.assert_allclose(fitted.score_samples(lost), -np.nanmean(squares, axis=1))
    assert fitted.reconstruction_err_ == pytest.approx(np.nanmean(squares), rel=1e-3)


def test_complete_rows_are_scored_as_ever(fitted, digits):
    squares = (fitted.reconstruct(digits) - digits) ** 2
    assert fitted.score(digits) == pytest.approx(1 - squares.mean() / digits.var(axis=0).mean())
    assert not np.ma.isMaskedArray(fitted.score_samples(digits))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reconstruction_has_a_value_everywhere_in_the_precision_of_the_data(dtype, fitted, lost):
    filled = fitted.reconstruct(lost.astype(dtype))
    assert filled.dtype == dtype
    assert np.isfinite(filled).all()


def test_images_with_gaps_are_filled_as_images(lost):
    images = lost.reshape(-1, 8, 8)
    fitted = Autoencoder(8, architecture=Conv((8,)), loss="bce", **QUICK).fit(images)
    filled = fitted.reconstruct(images)
    assert filled.shape == images.shape
    assert np.isfinite(filled).all()
    assert all(np.isfinite(layer).all() for layer in fitted.feature_maps(images[:3]).values())


def test_sparse_rows_and_memmaps_may_have_gaps(lost, tmp_path):
    rows = lost.astype(np.float32)
    rows.tofile(tmp_path / "lost.dat")
    mapped = np.memmap(tmp_path / "lost.dat", dtype=np.float32, mode="r", shape=rows.shape)
    dense, from_sparse, from_disk = (
        Autoencoder(4, **QUICK).fit(X) for X in (rows, sparse.csr_matrix(rows), mapped)
    )
    for other in (from_sparse, from_disk):
        np.testing.assert_allclose(other.transform(rows), dense.transform(rows), atol=1e-3)
    assert from_sparse.score(sparse.csr_matrix(rows)) == pytest.approx(dense.score(rows), abs=1e-3)


def test_a_column_of_a_frame_may_hold_missing_integers(lost):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.round(16 * lost)).astype("Int64")
    fitted = Autoencoder(4, **QUICK).fit(frame)
    np.testing.assert_array_equal(
        fitted.reconstruct(frame), fitted.reconstruct(np.round(16 * lost))
    )


def test_a_weight_of_two_is_a_row_twice_also_where_values_are_missing(lost):
    few = lost[:60]
    twice = np.vstack([few, few[:20]])
    weights = np.r_[np.full(20, 2.0), np.ones(40)]
    form = {"architecture": Dense((16,)), **QUICK}
    weighted = Autoencoder(4, **form).fit(few, sample_weight=weights)
    repeated = Autoencoder(4, **form).fit(twice)
    np.testing.assert_array_equal(weighted.transform(few), repeated.transform(few))


def test_complete_targets_teach_what_was_in_the_gaps(digits, gaps, lost):
    with_truth = Autoencoder(16, **{**QUICK, "max_iter": 20}).fit(lost, X_target=digits)
    without = Autoencoder(16, **{**QUICK, "max_iter": 20}).fit(lost)
    errors = [np.mean((a.reconstruct(lost) - digits)[gaps] ** 2) for a in (with_truth, without)]
    assert errors[0] < errors[1]


def test_gaps_in_targets_are_left_out(digits, gaps, lost):
    wrong = np.where(np.arange(64) < 32, np.nan, digits)
    fitted = Autoencoder(8, **{**QUICK, "max_iter": 10}).fit(digits, X_target=wrong)
    right_half = np.arange(64) >= 32
    errors = np.mean((fitted.reconstruct(digits) - digits) ** 2, axis=0)
    assert errors[right_half].mean() < 0.5 * digits.var(axis=0)[right_half].mean()


def test_partial_fit_takes_gaps_as_well(lost):
    estimator = Autoencoder(8, missing_values="mask", random_state=0)
    for _ in range(5):
        estimator.partial_fit(lost)
    assert estimator.score(lost) > 0.6


def test_a_fitted_estimator_keeps_its_way_with_gaps(fitted, lost):
    other = pickle.loads(pickle.dumps(fitted)).set_params(missing_values=None)
    again = pickle.loads(pickle.dumps(other))
    np.testing.assert_array_equal(again.transform(lost), fitted.transform(lost))


def test_an_estimator_fitted_without_gaps_refuses_them(digits, lost):
    complete = Autoencoder(4, max_iter=1).fit(digits).set_params(missing_values="mask")
    with pytest.raises(ValueError, match="contains NaN"):
        complete.transform(lost)


def test_a_loss_of_whole_images_is_refused(lost):
    with pytest.raises(ValueError, match="loss='ssim' compares whole images.*'mask'"):
        Autoencoder(loss="ssim", image_shape=(8, 8), **QUICK).fit(lost)


def test_probabilities_outside_the_unit_interval_are_found_between_gaps(lost):
    with pytest.raises(ValueError, match=r"loss='bce' expects values in \[0, 1\].* to 2"):
        Autoencoder(loss="bce", **QUICK).fit(2 * lost)
    with pytest.raises(ValueError, match=r"loss='bce' expects values in \[0, 1\].* to 2"):
        Autoencoder(loss="bce", **QUICK).fit(sparse.csr_matrix(2 * lost))


def test_the_tag_follows_the_parameter():
    assert get_tags(Autoencoder(missing_values="mask")).input_tags.allow_nan
    assert not get_tags(Autoencoder()).input_tags.allow_nan
    assert not get_tags(VariationalAutoencoder()).input_tags.allow_nan


def test_noise_and_augmentation_go_with_gaps(lost):
    # Rows that are held out are not mirrored, and would end training.
    parameters = {**QUICK, "max_iter": 8, "early_stopping": False}
    noisy = Autoencoder(8, noise="salt_pepper", augment=lambda batch: batch.flip(1), **parameters)
    assert noisy.fit(lost).score(lost[:, ::-1]) > 0.5


def test_three_tenths_of_the_observed_values_are_hidden_and_the_same_at_each_validation(digits):
    hidden = {True: [], False: []}

    class Recorder(Callback):
        def on_batch_begin(self, net, batch, training, **kwargs):
            hidden[training].append(batch[0].isnan())

    Autoencoder(2, callbacks=[Recorder()], **QUICK).fit(digits)
    assert torch.cat(hidden[True]).double().mean().item() == pytest.approx(0.3, abs=0.01)
    first, *later = hidden[False]
    assert first.any()
    assert all(torch.equal(first, each) for each in later)
