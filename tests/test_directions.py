"""Wide rows, of which a dense network sees the coordinates along their leading directions."""

import pickle

import numpy as np
import pytest
from scipy.ndimage import zoom
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

import skae
from skae import Autoencoder, AutoencoderClassifier, HybridAutoencoder
from skae.architectures import Conv, Dense

QUICK = {"architecture": Dense((32,)), "max_iter": 3, "random_state": 0}


@pytest.fixture(scope="module")
def wide(digits):
    """Digits enlarged to 12×12, a row each."""
    images = zoom(digits.reshape(-1, 8, 8), (1, 1.5, 1.5), order=1)
    return images.reshape(len(images), -1).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(wide):
    return Autoencoder(4, **QUICK).fit(wide)


def directions_of(estimator):
    return estimator.module_.standardization.basis


def test_what_is_left_out_is_at_most_a_tenth_of_what_pca_leaves(fitted, wide):
    n_directions = directions_of(fitted).shape[1]
    assert n_directions == wide.shape[1] // 4
    variances = PCA().fit(wide).explained_variance_
    assert variances[n_directions:].sum() <= 0.1 * variances[4:].sum()


def test_more_directions_are_seen_where_a_quarter_leaves_out_too_much(wide):
    rough = wide + np.random.default_rng(0).normal(scale=0.07, size=wide.shape)
    n_directions = directions_of(Autoencoder(4, **QUICK).fit(rough)).shape[1]
    assert wide.shape[1] // 4 < n_directions <= wide.shape[1] // 2
    variances = PCA().fit(rough).explained_variance_
    bearable = 0.1 * variances[4:].sum()
    assert variances[n_directions:].sum() <= bearable < variances[n_directions - 1 :].sum()


def test_directions_are_those_of_pca(fitted, wide):
    directions = directions_of(fitted).numpy()
    directions = directions / np.linalg.norm(directions, axis=0)
    expected = PCA().fit(wide).components_[: directions.shape[1]]
    np.testing.assert_allclose(np.linalg.svd(expected @ directions)[1], 1, atol=1e-3)


def test_training_starts_at_the_error_of_pca(wide):
    start = Autoencoder(4, **{**QUICK, "learning_rate_init": 1e-12, "max_iter": 1}).fit(wide)
    pca = PCA(4).fit(wide)
    np.testing.assert_allclose(start.score(wide), pca.explained_variance_ratio_.sum(), atol=1e-3)


def test_losses_are_shares_of_the_variance(wide):
    fitted = Autoencoder(4, early_stopping=False, **QUICK).fit(wide)
    left_out = 1 - Autoencoder(143, **QUICK).fit(wide).score(wide)
    assert fitted.loss_curve_[-1] == pytest.approx(1 - fitted.score(wide), abs=0.1)
    assert left_out < 0.01


@pytest.mark.parametrize(
    "parameters",
    [
        {"loss": "l1"},
        {"loss": "huber"},
        {"noise": "gaussian"},
        {"noise": "masking"},
        {"augment": lambda batch: batch},
        {"missing_values": "mask"},
        {"architecture": Conv((4,))},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_what_speaks_of_single_features_is_shown_them(parameters, wide):
    assert directions_of(Autoencoder(4, **{**QUICK, **parameters}).fit(wide)) is None


def test_few_features_few_rows_and_flat_spectra_are_seen_as_they_are(digits, wide):
    noise = np.random.default_rng(0).standard_normal((400, 120))
    for rows in (digits, wide[:280], noise):
        assert directions_of(Autoencoder(4, **QUICK).fit(rows)) is None


def test_a_first_batch_is_not_asked_for_directions(wide):
    assert directions_of(Autoencoder(4, **QUICK).partial_fit(wide)) is None


def test_codes_and_reconstructions_keep_shape_and_precision(fitted, wide):
    for dtype in (np.float32, np.float64):
        rows = wide.astype(dtype)
        codes, rebuilt = fitted.transform(rows), fitted.reconstruct(rows)
        assert codes.dtype == rebuilt.dtype == dtype
        assert codes.shape == (len(wide), 4)
        assert rebuilt.shape == wide.shape


def test_rows_one_by_one_give_the_codes_of_all(fitted, wide):
    rows = wide[:20].astype(np.float64)
    one_by_one = np.concatenate([fitted.transform(row[None]) for row in rows])
    np.testing.assert_allclose(fitted.transform(rows), one_by_one, atol=1e-9)


def test_a_shifted_and_scaled_world_makes_no_difference(wide, fitted):
    moved = Autoencoder(4, **QUICK).fit(1e5 + 1e3 * wide.astype(np.float64))
    assert moved.score(1e5 + 1e3 * wide.astype(np.float64)) == pytest.approx(
        fitted.score(wide), abs=0.01
    )


def test_bytes_train_as_floats_do(wide):
    as_bytes = (255 * wide).clip(0, 255).astype(np.uint8)
    scores = [
        Autoencoder(4, **QUICK).fit(rows).score(rows)
        for rows in (as_bytes, as_bytes.astype(np.float32))
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_copies_decode_alike(fitted, wide, tmp_path):
    expected = fitted.reconstruct(wide)
    skae.save(fitted, tmp_path / "file")
    for copied in (pickle.loads(pickle.dumps(fitted)), skae.load(tmp_path / "file")):
        np.testing.assert_array_equal(copied.reconstruct(wide), expected)


def test_a_warm_start_goes_on_with_the_same_directions(wide):
    estimator = Autoencoder(4, warm_start=True, **QUICK).fit(wide)
    before, score = directions_of(estimator), estimator.score(wide)
    estimator.fit(0.5 * wide[::2] ** 2 + 0.5 * wide[::2])
    np.testing.assert_array_equal(directions_of(estimator), before)
    assert estimator.fit(wide).score(wide) > score
    with pytest.raises(ValueError, match="warm_start=True .* loss, noise"):
        estimator.set_params(loss="l1").fit(wide)


def test_partial_fit_goes_on_after_fit(wide):
    estimator = Autoencoder(4, **QUICK).fit(wide)
    score = estimator.score(wide)
    for _ in range(5):
        estimator.partial_fit(wide)
    assert estimator.score(wide) > score - 0.01


def test_weights_count_in_the_choice_of_directions(wide):
    weights = np.where(np.arange(len(wide)) % 2, 1.0, 1e-9)
    weighted = Autoencoder(4, **QUICK).fit(wide, sample_weight=weights)
    half = Autoencoder(4, **QUICK).fit(wide[1::2])
    assert directions_of(weighted).shape == directions_of(half).shape


def test_classifier_and_hybrid_see_directions_as_well(wide):
    y = np.arange(len(wide)) % 2
    classifier = AutoencoderClassifier(4, **QUICK).fit(wide, y)
    for estimator in (
        classifier,
        HybridAutoencoder(4, **QUICK).fit(wide),
        HybridAutoencoder(4, distill=True, **QUICK).fit(wide),
    ):
        assert directions_of(estimator) is not None
        assert estimator.reconstruct(wide).shape == wide.shape
        assert estimator.score_samples(wide).mean() > -0.6 * wide.var(axis=0).mean()


def test_held_out_rows_lose_little_by_it(wide):
    train, test = train_test_split(wide, random_state=0)
    common = {"max_iter": 15, "random_state": 0}
    with_directions = Autoencoder(4, **common).fit(train)
    without = Autoencoder(4, noise="gaussian", noise_level=0.0, **common).fit(train)
    assert directions_of(with_directions) is not None
    assert with_directions.score(test) > without.score(test) - 0.02


@pytest.mark.parametrize("of_features", [{"noise": "masking"}, {"loss": "l1"}])
def test_partial_fit_does_not_take_directions_for_features(of_features, wide):
    estimator = Autoencoder(4, **QUICK).fit(wide)
    before = estimator.transform(wide)
    estimator.set_params(**of_features)
    with pytest.raises(ValueError, match="fitted anew"):
        estimator.partial_fit(wide)
    np.testing.assert_array_equal(estimator.transform(wide), before)


def test_rows_without_weight_may_stand_anywhere(wide):
    X = np.repeat(wide, 2, axis=0)
    weights = np.tile([0.0, 1.0], len(wide))
    weighted = Autoencoder(4, **QUICK).fit(X, sample_weight=weights)
    assert weighted.score(wide) > PCA(4).fit(wide).explained_variance_ratio_.sum() - 1e-3
