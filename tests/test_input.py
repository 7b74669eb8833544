"""Bad input is refused by name before training, and a fitted estimator stays as it was."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skae import Autoencoder
from skae.architectures import Conv


@pytest.fixture(scope="module")
def fitted(digits):
    return Autoencoder(3, max_iter=3, random_state=0).fit(digits)


def with_nan(X, value=np.nan):
    X = X.copy()
    X[3, 5] = value
    return X


BAD_DATA = {
    "NaN": (with_nan, "Input X contains NaN"),
    "infinity": (lambda X: with_nan(X, np.inf), "Input X contains infinity"),
    "no row": (lambda X: X[:0], r"0 sample\(s\)"),
    "one row": (lambda X: X[:1], r"1 sample\(s\).*minimum of 2"),
    "no feature": (lambda X: X[:, :0], r"0 feature\(s\)"),
    "complex": (lambda X: X + 1j, "Complex data not supported"),
    "strings": (lambda X: np.full(X.shape, "pixel"), "could not convert string to float"),
    "one dimension": (lambda X: X[0], "Expected 2D array, got 1D array"),
    "five dimensions": (lambda X: X.reshape(-1, 2, 2, 4, 4), r"got an array of shape \(1797, 2"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_are_refused(case, fitted, digits):
    spoil, message = BAD_DATA[case]
    before = fitted.transform(digits)
    with pytest.raises(ValueError, match=message):
        fitted.fit(spoil(digits))
    np.testing.assert_array_equal(fitted.transform(digits), before)
    assert fitted.n_features_in_ == 64


BAD_PARAMETERS = {
    "n_components=0": ({"n_components": 0}, r"'n_components'.*\[1, inf\).*Got 0"),
    "n_components=2.5": ({"n_components": 2.5}, "'n_components'.*Got 2.5"),
    "architecture": (
        {"architecture": "transformer"},
        "'architecture'(?=.*'conv')(?=.*'dense').*transformer",
    ),
    "loss": ({"loss": "rmse"}, "'loss'(?=.*'bce')(?=.*'huber')(?=.*'mse').*Got 'rmse'"),
    "noise": ({"noise": "poisson"}, "'noise'(?=.*'gaussian').*Got 'poisson'"),
    "noise_level": (
        {"noise": "masking", "noise_level": 1.5},
        "noise_level must be a fraction.*got 1.5",
    ),
    "optimizer": ({"optimizer": "adamax"}, "'optimizer'(?=.*'adamw').*Got 'adamax'"),
    "learning_rate": ({"learning_rate": "step"}, "'learning_rate'(?=.*'one_cycle').*Got 'step'"),
    "batch_size": ({"batch_size": 0}, "'batch_size'.*Got 0"),
    "max_iter": ({"max_iter": 0}, "'max_iter'.*Got 0"),
    "validation_fraction": ({"validation_fraction": 1.0}, "'validation_fraction'.*Got 1.0"),
    "validation leaves nothing": (
        {"validation_fraction": 0.9999},
        "validation_fraction=0.9999 of .* rows leaves none",
    ),
    "device": ({"device": "abacus"}, "device must be 'auto', 'cpu' or .* got 'abacus'"),
    "precision": ({"precision": "float16"}, "'precision'(?=.*'bfloat16').*Got 'float16'"),
    "compile": ({"compile": "yes"}, "'compile'.*Got 'yes'"),
    "image_shape product": (
        {"image_shape": (7, 8)},
        r"image_shape=\(7, 8\) has 56 values.*64 feat",
    ),
    "image_shape kind": ({"image_shape": (64,)}, r"image_shape must be \(height, width\).*\(64,\)"),
    "image_shape type": ({"image_shape": "8x8"}, "'image_shape'.*Got '8x8'"),
    "callbacks": ({"callbacks": "EarlyStopping"}, "'callbacks'.*Got 'EarlyStopping'"),
}


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_bad_parameters_are_refused_by_name(case, digits):
    parameters, message = BAD_PARAMETERS[case]
    estimator = Autoencoder(3, max_iter=2, random_state=0).fit(digits)
    before = estimator.transform(digits)
    with pytest.raises((ValueError, TypeError), match=message):
        estimator.set_params(**parameters).fit(digits)
    np.testing.assert_array_equal(estimator.transform(digits), before)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("method", ["transform", "score", "reconstruct", "partial_fit"])
def test_values_that_are_not_finite_are_refused_after_fit_as_well(method, value, digits):
    fitted = Autoencoder(3, max_iter=1).fit(digits)
    with pytest.raises(ValueError, match="contains (NaN|infinity)"):
        getattr(fitted, method)(with_nan(digits, value))


def test_an_unfitted_estimator_stays_unfitted_after_an_error(digits):
    estimator = Autoencoder(loss="bce")
    with pytest.raises(ValueError, match="loss='bce'"):
        estimator.fit(digits * 16)
    with pytest.raises(NotFittedError):
        estimator.transform(digits)


def test_an_error_in_the_midst_of_training_leaves_the_estimator_as_it_was(digits):
    calls = []

    def breaks_later(batch):
        calls.append(1)
        if len(calls) > 20:
            raise RuntimeError("the camera fell")
        return batch

    estimator = Autoencoder(3, max_iter=2, random_state=0).fit(digits)
    before = estimator.transform(digits)
    estimator.set_params(noise=breaks_later, warm_start=True)
    for train in (estimator.fit, lambda X: [estimator.partial_fit(X) for _ in range(9)]):
        calls.clear()
        with pytest.raises(RuntimeError, match="the camera fell"):
            train(digits)
    estimator.set_params(noise=None, warm_start=False)
    assert estimator.fit(digits).transform(digits).shape == before.shape


def test_partial_fit_that_breaks_gives_the_weights_back(digits):
    def breaks(batch):
        raise RuntimeError("the camera fell")

    estimator = Autoencoder(3, random_state=0).partial_fit(digits)
    before = estimator.transform(digits)
    with pytest.raises(RuntimeError, match="the camera fell"):
        estimator.set_params(noise=breaks).partial_fit(digits)
    np.testing.assert_array_equal(estimator.transform(digits), before)


def test_another_number_of_features_is_refused(fitted, digits):
    with pytest.raises(ValueError, match="X has 60 features, but Autoencoder is expecting 64"):
        fitted.transform(digits[:, :60])


def test_another_number_of_components_is_refused(fitted):
    with pytest.raises(ValueError, match="X has 5 components, .* expecting codes of 3"):
        fitted.inverse_transform(np.zeros((2, 5)))


def test_an_image_shape_that_contradicts_the_images_is_refused(digit_images):
    with pytest.raises(ValueError, match=r"image_shape=\(4, 16\) differs from the images in X"):
        Autoencoder(image_shape=(4, 16)).fit(digit_images)


@pytest.mark.parametrize("method", ["partial_fit", "transform"])
def test_later_images_of_another_shape_with_as_many_pixels_are_refused(method, digit_images):
    model = Autoencoder(max_iter=1).partial_fit(digit_images)
    with pytest.raises(ValueError, match=r"images of shape \(4, 16\), expected \(8, 8, 1\)"):
        getattr(model, method)(digit_images.reshape(-1, 4, 16))


def test_a_target_of_another_shape_is_refused(digits):
    with pytest.raises(ValueError, match=r"X_target must have the shape of X.*\(1797, 60\)"):
        Autoencoder().fit(digits, X_target=digits[:, :60])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), "sample_weight"),
        (-np.ones(1797), "[Nn]egative"),
        (np.zeros(1797), "zero"),
    ],
)
def test_impossible_weights_are_refused(weights, message, digits):
    with pytest.raises(ValueError, match=message):
        Autoencoder().fit(digits, sample_weight=weights)


def test_training_that_diverges_warns_and_keeps_good_weights(digits):
    wild = Autoencoder(4, optimizer="sgd", learning_rate_init=1e6, learning_rate="constant")
    with pytest.warns(ConvergenceWarning, match="diverged in epoch .* Try a smaller learning_rate"):
        wild.fit(digits)
    assert wild.score(digits) > 0.4


def test_divergence_without_validation_keeps_the_last_good_weights(digits):
    wild = Autoencoder(
        4, optimizer="sgd", learning_rate_init=1e6, learning_rate="constant", early_stopping=False
    )
    with pytest.warns(ConvergenceWarning):
        wild.fit(digits)
    assert np.isfinite(wild.transform(digits)).all()


def test_ordinary_training_does_not_warn(digits, digit_images):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Autoencoder(2, max_iter=3).fit(digits)
        Autoencoder(2, max_iter=1).fit(digit_images)


@pytest.mark.parametrize("n_rows", [2, 3, 129])
def test_batch_normalisation_survives_sets_that_leave_one_row_over(n_rows, digit_images):
    form = Conv(channels=(4,), normalization="batch")
    fitted = Autoencoder(2, architecture=form, max_iter=2, early_stopping=False)
    assert fitted.fit(digit_images[:n_rows]).transform(digit_images).shape == (1797, 2)
