"""Ordered components: the first ones of a code are worth a shorter code."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.architectures import Conv, Dense
from skae.losses import Criterion, Target, resolve_loss
from skae.models.autoencoder import AutoencoderNetwork, truncated, with_presence
from skae.networks.generators import use_generator
from skae.networks.standardization import Standardization

QUICK = {"ordered": True, "max_iter": 5, "random_state": 0}


@pytest.fixture(scope="module")
def fitted(digits):
    return Autoencoder(4, ordered=True, max_iter=15, random_state=0).fit(digits)


def errors_of_first(estimator, X, sizes):
    codes = estimator.transform(X)
    return [np.mean((estimator.inverse_transform(codes[:, :k]) - X) ** 2) for k in sizes]


def test_a_linear_autoencoder_finds_the_components_of_pca_in_their_order(digits):
    form = Dense((), linear_skip=False)
    linear = Autoencoder(
        2,
        ordered=True,
        architecture=form,
        alpha=0,
        learning_rate_init=0.02,
        early_stopping=False,
        n_iter_no_change=np.inf,
        max_iter=100,
        random_state=0,
    ).fit(digits)
    pca = PCA(2).fit(digits)
    codes, expected = linear.transform(digits), pca.transform(digits)
    cosines = [abs(np.corrcoef(codes[:, k], expected[:, k])[0, 1]) for k in range(2)]
    assert min(cosines) > 0.98
    np.testing.assert_allclose(
        linear.explained_variance_ratio_, pca.explained_variance_ratio_, atol=0.005
    )


def test_first_components_decode_nearly_as_well_as_a_shorter_code(digits):
    X, X_test = train_test_split(digits[:1000], random_state=0)
    # A third of the epochs of 'auto', for all of them: in these the order has come.
    ordered = Autoencoder(4, ordered=True, max_iter=60, random_state=0).fit(X)
    plain = Autoencoder(4, max_iter=20, random_state=0).fit(X)
    shorter = [Autoencoder(k, max_iter=20, random_state=0).fit(X) for k in (1, 2)]
    expected = [np.mean((each.reconstruct(X_test) - X_test) ** 2) for each in shorter]
    ratios = np.divide(errors_of_first(ordered, X_test, (1, 2)), expected)
    assert ratios.max() < 1.3
    codes = plain.transform(X_test) * (np.arange(4) < 1)
    assert np.mean((plain.inverse_transform(codes) - X_test) ** 2) > 1.3 * expected[0]


def test_components_left_out_are_the_same_as_zeros(fitted, digits):
    codes = fitted.transform(digits)
    short = fitted.inverse_transform(codes[:, :3])
    codes[:, 3:] = 0
    np.testing.assert_array_equal(short, fitted.inverse_transform(codes))


def test_longer_codes_are_refused_and_shorter_ones_where_nothing_is_ordered(fitted, digits):
    with pytest.raises(ValueError, match="X has 5 components, .* expecting codes of 4"):
        fitted.inverse_transform(np.zeros((2, 5)))
    plain = Autoencoder(4, max_iter=1).fit(digits)
    with pytest.raises(ValueError, match="X has 3 components, .* expecting codes of 4"):
        plain.inverse_transform(np.zeros((2, 3)))


def test_ratios_say_what_each_component_adds(fitted, digits):
    left = [digits.var(axis=0).mean(), *errors_of_first(fitted, digits, (1, 2, 3, 4))]
    np.testing.assert_allclose(
        fitted.explained_variance_ratio_, -np.diff(left) / left[0], atol=1e-6
    )
    assert fitted.explained_variance_ratio_.sum() == pytest.approx(fitted.score(digits), abs=1e-6)
    assert (np.diff(fitted.explained_variance_ratio_) < 0).all()


def test_constant_data_and_empty_features_have_ratios_without_a_warning(digits):
    empty = digits.copy()
    empty[:, 20] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        constant = Autoencoder(2, **QUICK).fit(np.full((20, 3), 7.0))
        without = Autoencoder(2, missing_values="mask", **QUICK).fit(empty)
    np.testing.assert_allclose(constant.explained_variance_ratio_, 0, atol=1e-6)
    assert np.isfinite(without.explained_variance_ratio_).all()


def test_without_order_there_are_no_ratios(fitted, digits):
    again = Autoencoder(4, ordered=True, max_iter=1).fit(digits).set_params(ordered=False)
    assert not hasattr(again.fit(digits), "explained_variance_ratio_")


@pytest.mark.parametrize("n_components", [1, 2, 7])
def test_truncation_keeps_first_components_and_often_all(n_components):
    code = torch.ones(6000, n_components)
    with use_generator(torch.Generator().manual_seed(0)):
        kept = truncated(code)
    assert not (kept.diff(dim=1) > 0).any()
    n_kept = kept.sum(dim=1)
    assert n_kept.min() == 1
    counts = torch.bincount(n_kept.long(), minlength=n_components + 1)[1:]
    shares = torch.arange(1, n_components + 1) ** -0.2
    expected = 0.75 * shares / shares.sum()
    expected[-1] += 0.25
    torch.testing.assert_close(counts / 6000, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 0.5, 1.5])])
def test_each_code_is_truncated_twice_and_the_loss_is_the_mean_of_both(weights):
    code, target = torch.rand(3, 4), Target(torch.rand(3, 4), weights=weights)
    standardization = Standardization(torch.zeros(4), 1.0)
    decoder = torch.nn.Linear(8, 4)
    network = AutoencoderNetwork(torch.nn.Identity(), decoder, standardization, ordered=True)
    criterion = Criterion(resolve_loss("mse"))
    with use_generator(torch.Generator().manual_seed(0)):
        both = network.reconstruction_loss(code, target, criterion)
    with use_generator(torch.Generator().manual_seed(0)):
        first, second = truncated(torch.cat([code, code])).split(3)
    losses = [
        criterion(decoder(with_presence(part)), target, standardization) for part in (first, second)
    ]
    torch.testing.assert_close(both, sum(losses) / 2)


def test_the_decoder_is_told_which_components_are_there():
    code = torch.tensor([[2.0, 0.0, 3.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    expected = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(with_presence(code), torch.cat([code, expected], dim=1))


def test_training_starts_at_the_error_of_pca(digits):
    start = Autoencoder(4, **{**QUICK, "learning_rate_init": 1e-12, "max_iter": 1}).fit(digits)
    pca = PCA(4).fit(digits)
    np.testing.assert_allclose(
        start.explained_variance_ratio_, pca.explained_variance_ratio_, atol=1e-3
    )


def test_feature_maps_as_codes_are_ordered_as_well(digit_images):
    form = Conv((8, 1), bottleneck="none", linear_skip=False)
    fitted = Autoencoder(4, architecture=form, **QUICK).fit(digit_images)
    assert fitted.inverse_transform(fitted.transform(digit_images)[:, :2]).shape == (1797, 8, 8)


def test_a_pickle_keeps_the_order(fitted, digits):
    again = pickle.loads(pickle.dumps(fitted)).set_params(ordered=False)
    np.testing.assert_array_equal(again.reconstruct(digits), fitted.reconstruct(digits))
    assert again.inverse_transform(np.zeros((2, 3))).shape == (2, 64)


def test_the_same_seed_gives_the_same_bits(digits):
    first, second = (Autoencoder(4, **QUICK).fit(digits) for _ in range(2))
    np.testing.assert_array_equal(first.transform(digits), second.transform(digits))


def test_images_and_missing_values_go_with_order(digit_images):
    lost = digit_images.copy()
    lost[:, 2:4, 2:4] = np.nan
    lost[::2] = digit_images[::2]
    fitted = Autoencoder(4, missing_values="mask", architecture=Conv((8,)), **QUICK).fit(lost)
    assert fitted.inverse_transform(fitted.transform(lost)[:, :2]).shape == lost.shape
    assert fitted.explained_variance_ratio_.sum() == pytest.approx(fitted.score(lost), abs=1e-4)


def test_partial_fit_keeps_the_order(digits):
    estimator = Autoencoder(4, ordered=True, random_state=0)
    for _ in range(10):
        estimator.partial_fit(digits)
    errors = errors_of_first(estimator, digits, (1, 2, 3, 4))
    assert (np.diff(errors) < 0).all()
