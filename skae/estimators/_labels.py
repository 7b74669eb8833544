"""What classifiers and regressors are to predict: missing values, kinds of labels, weights."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import type_of_target

from .._arrays import check_complete, check_labels, naming_types

# What stands for a row without a label, in y of numbers and in positions of classes.
UNLABELLED = -1


def read_numbers(estimator: Any, y: Any) -> np.ndarray:
    """Return y as an array of floats of one or two dimensions, without missing values."""
    with naming_types(y, "y"):
        check_complete(y, "y", "a number")
        return check_array(
            # In float64: years and prices lose digits in float32 before they are standardized.
            y,
            ensure_2d=False,
            dtype=np.float64,
            estimator=estimator,
            input_name="y",
        )


def sorted_labels(y: np.ndarray, name: str) -> np.ndarray:
    """Return the distinct labels, sorted, or raise a TypeError if they cannot be."""
    try:
        return np.unique(y)
    except TypeError as error:
        # numpy's error names two types of the many, and not the parameter.
        kinds = sorted({type(label).__name__ for label in y})
        raise TypeError(
            f"{name} must hold labels of one type, got labels of types {', '.join(kinds)}."
        ) from error


def read_partial_labels(y: Any, n_rows: int) -> np.ndarray:
    """Return the position of each row's class, and -1 for rows without a label.

    Numbers that are not whole are not labels and are ignored, with a warning.
    """
    if y is None:
        return np.full(n_rows, UNLABELLED)
    labels = check_labels(y)
    if len(labels) != n_rows:
        raise ValueError(
            f"y must have a label for each row of X: expected {n_rows}, got {len(labels)}."
        )
    if type_of_target(labels) == "continuous":
        warnings.warn(
            "y holds numbers that are not whole. Labels move the rows of a map, numbers do not: y "
            "is ignored.",
            UserWarning,
            stacklevel=5,
        )
        return np.full(n_rows, UNLABELLED)
    positions = np.searchsorted(sorted_labels(labels, "y"), labels)
    is_number = labels.dtype.kind in "iuf"
    return np.where(labels == UNLABELLED, UNLABELLED, positions) if is_number else positions


def class_weights(
    class_weight: str | Mapping[Any, float],
    classes: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None,
) -> np.ndarray:
    """Return the weight of each row: that of its class, times its own.

    Parameters
    ----------
    class_weight : 'balanced' or mapping
        ``'balanced'`` lets the weights of all classes have the same sum.
    classes : ndarray of shape (n_classes,)
    labels : ndarray of shape (n_samples,)
        Positions of the rows' classes.
    weights : ndarray of shape (n_samples,) or None

    Returns
    -------
    weights : ndarray of shape (n_samples,)
    """
    weights = np.ones(len(labels)) if weights is None else weights
    if isinstance(class_weight, str):
        totals = np.bincount(labels, weights, minlength=len(classes))
        # Unlike scikit-learn's, which counts rows: weights of rows count, and a class whose rows
        # all weigh nothing does not divide by zero.
        present = totals > 0
        each = totals.sum() / np.count_nonzero(present)
        factors = np.divide(each, totals, out=np.zeros(len(classes)), where=present)
    else:
        factors = compute_class_weight(class_weight, classes=classes, y=classes[labels])
    # A negative weight would train towards wrong answers, without an error of its own.
    if not (factors >= 0).all() or not np.isfinite(factors).all():
        raise ValueError(
            f"class_weight must hold finite numbers of at least 0, got {class_weight!r}."
        )
    weighted: np.ndarray = weights * factors[labels]
    if not weighted.any():
        raise ValueError(f"class_weight={class_weight!r} leaves no row a weight above zero.")
    return weighted
