"""What holds for any shape, type and parameters, tried on examples that hypothesis makes up."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from small import ESTIMATORS, NETWORKS

from skae.architectures import Conv, Dense

few = settings(max_examples=12, deadline=None, derandomize=True, database=None)
names = st.sampled_from(sorted(ESTIMATORS))
networks = st.sampled_from(sorted(NETWORKS))
types = st.sampled_from([np.float64, np.float32, np.float16, np.int32, np.uint8, bool])

parameters = st.fixed_dictionaries(
    {},
    optional={
        "loss": st.sampled_from(["mse", "bce"]),
        "learning_rate": st.sampled_from(["constant", "adaptive", "cosine", "one_cycle"]),
        "optimizer": st.sampled_from(["adam", "adamw", "nadam", "rmsprop", "sgd"]),
        "noise": st.sampled_from([None, "gaussian", "masking", "salt_pepper"]),
        "noise_level": st.floats(0, 1),
        "batch_size": st.integers(1, 50) | st.just("auto"),
        "early_stopping": st.booleans(),
        "validation_fraction": st.floats(0.01, 0.5),
        "n_iter_no_change": st.integers(1, 5) | st.just(np.inf),
        "alpha": st.floats(0, 1),
        "warm_start": st.booleans(),
        "n_components": st.integers(1, 4),
        "architecture": st.builds(
            Dense,
            st.lists(st.integers(1, 9), max_size=2).map(tuple),
            activation=st.sampled_from(["relu", "silu", "tanh"]),
            normalization=st.sampled_from(["batch", "layer", None]),
            dropout=st.floats(0, 0.5),
        ),
    },
)


@st.composite
def tables(draw, dtype=types, least_features=4):
    """Shares in [0, 1] with up to 30 rows, in which two classes can be told."""
    shape = draw(st.tuples(st.integers(6, 30), st.integers(least_features, 9)))
    X = draw(arrays.arrays(np.float64, shape, elements=st.floats(0, 1, width=16)))
    return np.round(X).astype(draw(dtype)) if draw(st.booleans()) else X.astype(draw(dtype))


def labels(X):
    return np.arange(len(X)) % 2


def learned(estimator):
    """Names of all that fit has set."""
    return vars(estimator).keys() - estimator.get_params(deep=False).keys()


@few
@given(networks, tables(), parameters)
@pytest.mark.filterwarnings("ignore")
def test_codes_and_their_reconstructions_keep_rows_features_and_precision(name, X, parameters):
    estimator = clone(ESTIMATORS[name]).set_params(**parameters)
    codes = estimator.fit(X, labels(X)).transform(X)
    precision = np.float32 if X.dtype in (np.float32, np.float16, np.uint8) else np.float64
    assert codes.shape == (len(X), estimator.n_components_)
    assert codes.dtype == precision
    assert np.isfinite(codes).all()
    back = estimator.inverse_transform(codes)
    assert back.shape == (X.shape if name != "SequencePredictor" else (len(X),))
    assert back.dtype == precision
    assert np.isfinite(back).all()
    if parameters.get("loss") == "bce":
        assert back.min() >= 0
        assert back.max() <= 1


@few
@given(
    st.tuples(st.integers(6, 12), st.integers(5, 11), st.integers(5, 11), st.integers(1, 3)),
    st.sampled_from([np.float64, np.float32, np.uint8]),
    st.lists(st.integers(1, 4), min_size=1, max_size=2).map(tuple),
    st.sampled_from(["AutoencoderClassifier", "Autoencoder", "VariationalAutoencoder"]),
)
@pytest.mark.filterwarnings("ignore")
def test_images_of_any_size_come_back_in_their_layout(shape, dtype, channels, name):
    images = (np.random.RandomState(0).uniform(size=shape) * 9).astype(dtype)
    estimator = clone(ESTIMATORS[name]).set_params(architecture=Conv(channels), max_iter=1)
    codes = estimator.fit(images, labels(images)).transform(images)
    assert codes.shape == (len(images), 2)
    back = estimator.inverse_transform(codes)
    assert back.shape == images.shape
    assert back.dtype == codes.dtype


spoilt = st.sampled_from(
    [
        {"n_components": 0},
        {"max_iter": 0},
        {"batch_size": -1},
        {"loss": "hinge"},
        {"validation_fraction": 0.999},
        {"architecture": Dense((0,))},
        {"device": "abacus"},
        {"random_state": "dice"},
    ]
)


@few
@given(networks, tables(), spoilt | st.none(), st.sampled_from([np.nan, np.inf]))
@pytest.mark.filterwarnings("ignore")
def test_a_fit_that_fails_leaves_no_half_of_an_estimator(name, X, parameters, value):
    estimator, rows = clone(ESTIMATORS[name]), X
    if parameters is None:
        rows = X.astype(np.float64)
        rows[-1, -1] = value
    else:
        estimator.set_params(**parameters)
    with pytest.raises((ValueError, TypeError)):
        estimator.fit(rows, labels(X))
    assert not learned(estimator)
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)
    fitted = clone(ESTIMATORS[name]).fit(X, labels(X))
    before = fitted.transform(X), copy.copy(learned(fitted))
    if parameters is not None:
        fitted.set_params(**parameters)
    with pytest.raises((ValueError, TypeError)):
        fitted.fit(rows, labels(X))
    np.testing.assert_array_equal(fitted.transform(X), before[0])
    assert learned(fitted) == before[1]


@few
@given(networks, tables(), parameters)
@pytest.mark.filterwarnings("ignore")
def test_a_clone_of_a_fitted_estimator_is_unfitted(name, X, parameters):
    fitted = clone(ESTIMATORS[name]).set_params(**parameters).fit(X, labels(X))
    other = clone(fitted)
    assert not learned(other)
    assert repr(other.get_params()) == repr(fitted.get_params())


@few
@given(networks, tables(), parameters)
@pytest.mark.filterwarnings("ignore")
def test_parameters_set_to_what_they_are_change_nothing(name, X, parameters):
    estimator = clone(ESTIMATORS[name]).set_params(**parameters)
    before = repr(estimator)
    assert repr(estimator.set_params(**estimator.get_params())) == before
    estimator.fit(X, labels(X))
    codes = estimator.transform(X)
    estimator.set_params(**estimator.get_params())
    np.testing.assert_array_equal(estimator.transform(X), codes)
    again = clone(estimator).set_params(**estimator.get_params(deep=False))
    np.testing.assert_array_equal(again.fit(X, labels(X)).transform(X), codes)


@few
@given(tables(least_features=1), st.sampled_from(["neighbors", "error"]), st.floats(0.01, 0.5))
@pytest.mark.filterwarnings("ignore")
def test_the_detector_judges_every_row(X, method, contamination):
    detector = clone(ESTIMATORS["detector"]).set_params(method=method, contamination=contamination)
    scores = detector.fit(X).score_samples(X)
    assert scores.shape == (len(X),)
    assert np.isfinite(scores).all()
    assert (scores <= 0).all()
    np.testing.assert_array_equal(detector.predict(X) == -1, scores < detector.offset_)
    assert detector.feature_scores(X).shape == X.shape
    assert not learned(clone(detector))
