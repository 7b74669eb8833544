"""Odd weights and labels: a right result, or an error that tells what it got."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from small import ESTIMATORS, NETWORKS, results, wine

X, Y = wine()


def assert_equal(made, expected, tolerance=1e-10):
    for one, other in zip(made, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def numbers_with(entry):
    """The numbers of a feature, with one entry that is none."""
    numbers = X[:, 0].copy()
    numbers[3] = entry
    return numbers


USED = np.arange(len(X)) % 3 > 0
# name: (weights, rows and weights that are the same)
WEIGHTS = {
    "zeros": (USED * 1.0, (USED, np.ones(30))),
    "booleans": (USED, (USED, np.ones(30))),
    "list": ((USED * 2).tolist(), (USED, np.ones(30))),
    "tensor": (torch.tensor(USED * 2.0, requires_grad=True), (USED, np.ones(30))),
    "Series": (pd.Series(1.0 + USED), (slice(None), 1.0 + USED)),
    "huge": ((1 + USED) * 1e30, (slice(None), 1.0 + USED)),
    "tiny": ((1 + USED) * 1e-30, (slice(None), 1.0 + USED)),
    "a number": (3.0, (slice(None), np.ones(45))),
}
WEIGHTS_REFUSED = {
    "all zero": (np.zeros(45), "[Ss]ample.weights? must .* (above |non-)zero"),
    "negative": (-np.ones(45), "Negative values in data passed to `sample_weight`"),
    "too few": (np.ones(44), r"sample_weight.shape == \(44,\), expected \(45,\)"),
    "two dimensions": (np.ones((45, 1)), "[Ss]ample.weights? must be 1D array or scalar, got 2D"),
    "NaN": (np.full(45, np.nan), "Input sample_weight contains NaN"),
    "infinity": (np.full(45, np.inf), "Input sample_weight contains infinity"),
    "words": (np.full(45, "heavy"), "could not convert string to float.*'heavy'"),
}


@pytest.mark.parametrize("case", WEIGHTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_odd_weights_count_for_what_they_are(name, case):
    weights, (rows, same) = WEIGHTS[case]
    one = clone(ESTIMATORS[name]).fit(X, **labels(name), sample_weight=weights)
    other = clone(ESTIMATORS[name]).fit(X[rows], **labels(name, rows), sample_weight=same)
    assert_equal(results(one, X), results(other, X), 1e-4)


def labels(name, rows=slice(None)):
    return {"y": Y[rows]} if name in {"AutoencoderClassifier", "AutoencoderRegressor"} else {}


@pytest.mark.parametrize("case", WEIGHTS_REFUSED)
@pytest.mark.parametrize("name", NETWORKS)
def test_impossible_weights_are_refused(name, case):
    weights, message = WEIGHTS_REFUSED[case]
    estimator = clone(ESTIMATORS[name])
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, **labels(name), sample_weight=weights)
    assert vars(estimator).keys() == vars(clone(estimator)).keys()


# name: (estimator, labels, what the message tells)
LABELS_REFUSED = {
    "none": ("AutoencoderClassifier", None, "requires y to be passed, but the target y is None"),
    "too few": ("AutoencoderClassifier", Y[:9], r"inconsistent numbers of samples: \[45, 9\]"),
    "one class": ("AutoencoderClassifier", Y * 0, "y must hold 2 classes or more.* got one class"),
    "numbers for classes": ("AutoencoderClassifier", X[:, 0], "Unknown label type: continuous"),
    "two columns of classes": ("AutoencoderClassifier", X > 0, r"1d array, got an array of shape"),
    "NaN": ("AutoencoderRegressor", numbers_with(np.nan), "y must hold a number .* got 1 missing"),
    "infinity": ("AutoencoderRegressor", numbers_with(np.inf), "Input y contains inf"),
    "words": ("AutoencoderRegressor", np.full(45, "red"), "could not convert string to float"),
}


@pytest.mark.parametrize("case", LABELS_REFUSED)
def test_impossible_labels_are_refused(case):
    name, given, message = LABELS_REFUSED[case]
    estimator = clone(ESTIMATORS[name])
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, given)
    assert vars(estimator).keys() == vars(clone(estimator)).keys()


@pytest.mark.parametrize(
    "given",
    [Y.tolist(), torch.tensor(Y), pd.Series(Y), Y.astype(">i2"), Y.astype(float)],
    ids=["list", "tensor", "Series", "big-endian", "floats"],
)
@pytest.mark.parametrize("name", ["AutoencoderClassifier", "AutoencoderRegressor"])
def test_odd_forms_of_labels_give_what_the_plain_array_gives(name, given):
    assert_equal(
        results(clone(ESTIMATORS[name]).fit(X, given), X),
        results(clone(ESTIMATORS[name]).fit(X, Y), X),
    )
