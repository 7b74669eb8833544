"""Odd values and shapes of X and of codes: a right result, or an error that tells what it got."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from small import ESTIMATORS, FOR_IMAGES, NETWORKS, images, results, wine

from skae import Denoiser
from skae.architectures import Dense
from skae.metrics import explained_variance

X, Y = wine()
IMAGES, IS_LARGE = images()
NAMES = list("abcde")

_FITTED = {}


def fitted(name):
    """The estimator fitted on the plain array, once."""
    if name not in _FITTED:
        _FITTED[name] = clone(ESTIMATORS[name]).fit(X, Y)
    return _FITTED[name]


def assert_equal(made, expected, tolerance=1e-10):
    for one, other in zip(made, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


# -- values --------------------------------------------------------------------------------

# name: (factor, offset, type, tolerance)
UNITS = {
    "huge": (1e30, 0, np.float64, 1e-3),
    "huger than float32 holds": (1e100, 0, np.float64, 1e-3),
    "tiny": (1e-30, 0, np.float64, 1e-3),
    "tinier than float32 holds": (1e-100, 0, np.float64, 1e-3),
    "huge float32": (1e30, 0, np.float32, 1e-3),
    "tiny float32": (1e-30, 0, np.float32, 1e-3),
    "far from zero": (1, 1e8, np.float64, 1e-3),
    "huge and far from zero": (1e30, 1e36, np.float64, 1e-3),
}


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")  # of PCA in float32
@pytest.mark.parametrize("case", UNITS)
@pytest.mark.parametrize("name", NETWORKS)
def test_units_of_x_do_not_matter(name, case):
    factor, offset, dtype, tolerance = UNITS[case]
    given = (factor * X + offset).astype(dtype)
    estimator = clone(ESTIMATORS[name]).fit(given, Y)
    codes = estimator.transform(given)
    assert codes.dtype == dtype
    assert np.isfinite(codes).all()
    assert np.isfinite(estimator.score_samples(given)).all()
    back = (estimator.inverse_transform(codes).astype(np.float64) - offset) / factor
    expected = fitted(name).inverse_transform(fitted(name).transform(X))
    np.testing.assert_allclose(back, expected, rtol=tolerance, atol=tolerance)
    if name != "AutoencoderClassifier":
        error = estimator.reconstruction_err_ / factor**2
        assert error == pytest.approx(fitted(name).reconstruction_err_, rel=tolerance)


# To the MinMaxScaler of its default reducer a range below 1e-6 in float32 is none.
@pytest.mark.parametrize("case", sorted({*UNITS} - {"tiny float32"}))
def test_units_of_x_do_not_matter_to_the_detector(case):
    factor, offset, dtype, tolerance = UNITS[case]
    given = (factor * X + offset).astype(dtype)
    scores = clone(ESTIMATORS["detector"]).fit(given).score_samples(given)
    np.testing.assert_allclose(scores, fitted("detector").score_samples(X), rtol=tolerance)


def with_outlier(X, value):
    X = X.copy()
    X[3, 1] = value
    return X


def one_feature_scaled(X, factor):
    X = X.copy()
    X[:, 0] *= factor
    return X


EXTREME = {
    "a constant feature": np.column_stack([X[:, :4], np.full(len(X), 7.0)]),
    "features that are equal": np.repeat(X[:, :1], 5, axis=1),
    "every row twice": np.repeat(X[:22], 2, axis=0),
    "two kinds of rows": X[np.arange(len(X)) % 2],
    "three rows": X[[0, 20, 40]],
    "more features than rows": np.tile(X[::8], 40),
    "one feature huge": one_feature_scaled(X, 1e30),
    "one feature tiny": one_feature_scaled(X, 1e-30),
    "one enormous outlier": with_outlier(X, 1e30),
    "one enormous outlier in float32": with_outlier(X, 1e30).astype(np.float32),
    "indicators": np.eye(len(X))[:, :5],
}


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")  # of PCA in float32
@pytest.mark.parametrize("case", EXTREME)
@pytest.mark.parametrize("name", ["Autoencoder", "HybridAutoencoder"])
def test_extreme_data_are_reconstructed_no_worse_than_by_pca(name, case):
    given = EXTREME[case]
    estimator = clone(ESTIMATORS[name]).fit(given)
    assert all(np.isfinite(each).all() for each in results(estimator, given))
    rows = given.astype(np.float64)
    pca = PCA(2, svd_solver="full").fit(rows)
    expected = explained_variance(rows, pca.inverse_transform(pca.transform(rows)))
    assert explained_variance(given, estimator.reconstruct(given)) > expected - 1e-6


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")  # of PCA in float32
@pytest.mark.parametrize("case", EXTREME)
@pytest.mark.parametrize("name", NETWORKS)
def test_extreme_data_are_reconstructed_no_worse_than_by_their_mean(name, case):
    given = EXTREME[case]
    estimator = clone(ESTIMATORS[name]).fit(given, np.arange(len(given)) % 2)
    assert all(np.isfinite(each).all() for each in results(estimator, given))
    if name not in {"SequencePredictor", "distilled"}:
        assert explained_variance(given, estimator.reconstruct(given)) > 0


@pytest.mark.parametrize("value", [0.0, 0.1, 7.0, 1e30, 1e-30])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore:invalid value")  # PCA's own, of shares of no variance
def test_constant_data_are_reconstructed(name, value):
    given = np.full_like(X, value)
    estimator = clone(ESTIMATORS[name]).fit(given, Y)
    reconstructed = estimator.inverse_transform(estimator.transform(given))
    np.testing.assert_allclose(reconstructed, np.full_like(reconstructed, value), rtol=1e-6)
    assert estimator.reconstruction_err_ == pytest.approx(0, abs=(1e-6 * value) ** 2)


@pytest.mark.parametrize("value", [1e3, 1e30])
def test_one_enormous_outlier_is_found(value):
    detector = clone(ESTIMATORS["detector"]).fit(with_outlier(X, value))
    assert detector.score_samples(with_outlier(X, value)).argmin() == 3


def test_a_deviation_that_cannot_be_squared_is_refused():
    with pytest.raises(ValueError, match=r"standard deviation below 1e\+150, .* got 1e\+200"):
        clone(ESTIMATORS["Autoencoder"]).fit(X * 1e200)


def test_a_single_feature_is_coded():
    left_out = {"HybridAutoencoder", "distilled", "SequencePredictor", "SequenceAutoencoder"}
    for name in {*NETWORKS} - left_out:
        estimator = clone(ESTIMATORS[name]).fit(X[:, :1], Y)
        assert explained_variance(X[:, :1], estimator.reconstruct(X[:, :1])) > 0.9
    assert clone(ESTIMATORS["detector"]).fit(X[:, :1]).predict([[99.0]]) == -1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("HybridAutoencoder", "n_components=2 must be between 0 and min"),
        ("SequencePredictor", "one series of 45 values, .* n_features=1"),
    ],
)
def test_a_single_feature_is_refused_where_it_is_too_few(name, message):
    with pytest.raises(ValueError, match=message):
        clone(ESTIMATORS[name]).fit(X[:, :1], Y)


@pytest.mark.parametrize("n_rows", [3, 45])
@pytest.mark.parametrize("name", sorted({*NETWORKS} - {"HybridAutoencoder", "distilled"}))
def test_codes_may_have_more_components_than_features_and_rows(name, n_rows):
    rows = np.linspace(0, 44, n_rows).astype(int)
    estimator = clone(ESTIMATORS[name]).set_params(n_components=60).fit(X[rows], Y[rows])
    made = results(estimator, X)
    assert made[0].shape == (45, 60)
    assert all(np.isfinite(each).all() for each in made)
    if name == "Autoencoder":
        np.testing.assert_allclose(made[1][rows], X[rows], atol=1e-3)


# -- after fit -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ESTIMATORS)
def test_one_row_gives_what_it_gives_among_others(name):
    among = [each[7:8] for each in results(fitted(name), X)]
    assert_equal(results(fitted(name), X[7:8]), among)


def renamed(X, names):
    return pd.DataFrame(X, columns=names)


REFUSED_AFTER_FIT = {
    "no rows": (X[:0], r"Found array with 0 sample\(s\)"),
    "too few features": (X[:, :4], "X has 4 features, but .* is expecting 5 features"),
    "too many features": (np.hstack([X, X]), "X has 10 features, but .* is expecting 5 features"),
    "columns in another order": (
        renamed(X[:, ::-1], NAMES[::-1]),
        "Feature names must be in the same order as they were in fit",
    ),
    "other names": (renamed(X, list("vwxyz")), "Feature names unseen at fit time:\n- v"),
    "NaN": (with_outlier(X, np.nan), "Input X contains NaN"),
    "infinity": (with_outlier(X, np.inf), "Input X contains infinity"),
    "words": (np.full(X.shape, "red"), "Expected X to hold only numbers"),
    "masked": (np.ma.array(X, mask=X > 1), "X must have a value everywhere"),
    "one dimension": (X[0], "Expected 2D array, got 1D array"),
}


# The default detector takes missing values.
REFUSED = [
    (name, case)
    for name in ESTIMATORS
    for case in REFUSED_AFTER_FIT
    if (name, case) != ("detector", "NaN")
]


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize(("name", "case"), REFUSED)
def test_what_does_not_fit_the_training_data_is_refused(name, case):
    given, message = REFUSED_AFTER_FIT[case]
    estimator = clone(ESTIMATORS[name]).fit(renamed(X, NAMES), Y)
    for method in ("transform", "predict", "score_samples", "partial_fit"):
        if hasattr(estimator, method):
            labels = [Y[: len(given)]] if method == "partial_fit" else []
            with pytest.raises(ValueError, match=message):
                getattr(estimator, method)(given, *labels)
    assert_equal(results(estimator, renamed(X, NAMES)), results(fitted(name), X))


# name: (codes, what the message tells, or None where they are fine)
CODES = {
    "list": (np.zeros((3, 2)).tolist(), None),
    "DataFrame": (pd.DataFrame(np.zeros((3, 2))), None),
    "tensor": (torch.zeros(3, 2, requires_grad=True), None),
    "integers": (np.zeros((3, 2), dtype=int), None),
    "float16": (np.zeros((3, 2), dtype=np.float16), None),
    "too few components": (np.zeros((3, 1)), "X has 1 components, but .* expecting codes of 2"),
    "one dimension": (np.zeros(2), "Expected 2D array, got 1D array"),
    "NaN": (np.full((3, 2), np.nan), "Input X contains NaN"),
    "words": (np.full((3, 2), "red"), "Expected X to hold only numbers"),
    "no rows": (np.zeros((0, 2)), r"Found array with 0 sample\(s\)"),
    "sparse": (sparse.csr_matrix((3, 2)), "Sparse data was passed"),
}


@pytest.mark.parametrize("case", CODES)
@pytest.mark.parametrize("name", NETWORKS)
def test_codes_of_every_form_are_decoded_or_refused(name, case):
    codes, message = CODES[case]
    if message is None:
        expected = fitted(name).inverse_transform(np.zeros((3, 2)))
        decoded = fitted(name).inverse_transform(codes)
        np.testing.assert_allclose(decoded, expected, rtol=1e-4, atol=1e-5)
        return
    with pytest.raises((ValueError, TypeError), match=message):
        fitted(name).inverse_transform(codes)


# -- images --------------------------------------------------------------------------------

IMAGE_FORMS = {
    "float32": (IMAGES.astype(np.float32), 1e-3),
    "bytes": (IMAGES.astype(np.uint8), 1e-3),
    "integers": (IMAGES.astype(int), 1e-10),
    "big-endian": (IMAGES.astype(">f8"), 1e-10),
    "Fortran order": (np.asfortranarray(IMAGES), 1e-10),
    "negative strides": (IMAGES[:, ::-1].copy()[:, ::-1], 1e-10),
    "lists": (IMAGES.tolist(), 1e-10),
    "list of images": (list(IMAGES), 1e-10),
    "tensor": (torch.tensor(IMAGES, requires_grad=True), 1e-10),
    "one channel": (IMAGES[..., None], 1e-10),
}


@pytest.mark.parametrize("case", IMAGE_FORMS)
@pytest.mark.parametrize("name", FOR_IMAGES)
def test_odd_forms_of_images_give_what_the_plain_array_gives(name, case):
    given, tolerance = IMAGE_FORMS[case]
    one = clone(FOR_IMAGES[name]).fit(given, IS_LARGE)
    other = clone(FOR_IMAGES[name]).fit(IMAGES, IS_LARGE)
    # A denoiser has no code: what it makes of images is images.
    given_back, plain_back = (getattr(each, "reconstruct", each.transform) for each in (one, other))
    expected = plain_back(IMAGES).reshape(np.shape(given))
    np.testing.assert_allclose(given_back(given), expected, rtol=tolerance, atol=tolerance)
    made = [each.transform(X).reshape(30, -1) for each, X in ((one, given), (other, IMAGES))]
    assert_equal(made[:1], made[1:], tolerance)


IMAGES_REFUSED = {
    "five dimensions": (IMAGES.reshape(30, 2, 4, 2, 4), r"got an array of shape \(30, 2, 4, 2, 4"),
    "another shape": (IMAGES.reshape(30, 4, 16), r"images of shape \(4, 16\), expected \(8, 8, 1"),
    "channels": (np.stack([IMAGES] * 3, axis=-1), "X has 192 features, .* expecting 64"),
    "larger": (np.tile(IMAGES, (1, 2, 2)), "X has 256 features, .* expecting 64"),
    "one image": (IMAGES[0], r"X has 8 features, .* expecting 64 .* one image.*X\[np.newaxis\]"),
    "one image with its channel": (IMAGES[0][..., None], r"of shape \(8, 8, 1\) is one image"),
}


@pytest.mark.parametrize("case", IMAGES_REFUSED)
def test_images_of_the_wrong_shape_are_refused(case):
    given, message = IMAGES_REFUSED[case]
    for name, estimator in FOR_IMAGES.items():
        trained = clone(estimator).set_params(max_iter=1).fit(IMAGES, IS_LARGE)
        with pytest.raises(ValueError, match=message):
            trained.transform(given)
        expected = IMAGES.shape if isinstance(trained, Denoiser) else (30, 2)
        assert trained.transform(IMAGES).shape == expected, name


# -- sizes of batches, and what is held out ------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_a_batch_larger_than_the_data_holds_all_of_them(name):
    whole, larger = (
        clone(ESTIMATORS[name]).set_params(batch_size=size, early_stopping=False).fit(X, Y)
        for size in (len(X), 10_000)
    )
    assert_equal(results(larger, X), results(whole, X))


@pytest.mark.parametrize("n_rows", [3, 17, 33])
@pytest.mark.parametrize("name", NETWORKS)
def test_batch_normalisation_survives_a_last_batch_of_one_row(name, n_rows):
    estimator = clone(ESTIMATORS[name]).set_params(
        architecture=Dense((8,), normalization="batch"), batch_size=16, early_stopping=False
    )
    rows = np.linspace(0, 44, n_rows).astype(int)
    estimator.fit(X[rows], Y[rows])
    assert all(np.isfinite(each).all() for each in results(estimator, X))


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("max_iter", 0, r"'max_iter'.*\[1, inf\).*Got 0"),
        ("batch_size", 0, r"'batch_size'.*\[1, inf\).*Got 0"),
        ("n_components", 0, r"'n_components'.*\[1, inf\).*Got 0"),
        ("validation_fraction", 0.0, r"'validation_fraction'.*\(0.0, 1.0\).*Got 0"),
        ("validation_fraction", 0.99, "validation_fraction=0.99 of 45 rows leaves none to train"),
    ],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_sizes_that_leave_nothing_are_refused(name, parameter, value, message):
    with pytest.raises(ValueError, match=message):
        # Not every estimator holds rows out by default.
        clone(ESTIMATORS[name]).set_params(early_stopping=True, **{parameter: value}).fit(X, Y)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_small_validation_fraction_still_holds_a_row_out(name):
    parameters = {"early_stopping": True, "validation_fraction": 1e-9}
    estimator = clone(ESTIMATORS[name]).set_params(**parameters).fit(X, Y)
    assert np.isfinite(estimator.history_[-1]["valid_loss"])
