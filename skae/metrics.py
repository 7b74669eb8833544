"""Scores of a reduction: what it rebuilds, which neighbours it keeps, what its code tells.

Nothing here knows which model made the code or the reconstruction.
"""

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import manifold
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import (
    check_array,
    check_consistent_length,
    check_scalar,
    gen_batches,
    resample,
)

from ._arrays import as_array, check_weights
from ._typing import Seed

__all__ = [
    "continuity",
    "explained_variance",
    "knn_accuracy",
    "reconstruction_error",
    "reconstruction_scorer",
    "trustworthiness",
]

_BATCH_SIZE = 1024


def reconstruction_error(
    X: ArrayLike, X_reconstructed: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Mean squared difference between data and their reconstruction.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, height, width[, channels])
        The data, of any numeric type.
    X_reconstructed : array-like of the same shape as X
        What an inverse transform made of their code.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row in the mean; None weighs all the same.

    Returns
    -------
    float
        In squared units of X; 0 is perfect.

    Raises
    ------
    ValueError
        If the shapes differ, or a value is missing or infinite.

    Examples
    --------
    >>> from skae.metrics import reconstruction_error
    >>> reconstruction_error([[0, 4], [2, 2]], [[0, 3], [2, 1]])
    0.5
    """
    X, X_reconstructed = _check_pair(X, X_reconstructed)
    weights = check_weights(sample_weight, X)
    return float(np.average(mean_squares(X, X_reconstructed), weights=weights))


def explained_variance(X: ArrayLike, X_reconstructed: ArrayLike) -> float:
    """Share of the variance of the data that their reconstruction keeps.

    This is one minus the squared residuals over the squared deviations from the column means
    of X, both summed over all features. It equals
    ``r2_score(X, X_reconstructed, multioutput="variance_weighted")`` of scikit-learn wherever
    no feature is constant; unlike there, errors in constant features count here.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, height, width[, channels])
        The data, of any numeric type.
    X_reconstructed : array-like of the same shape as X
        What an inverse transform made of their code.

    Returns
    -------
    float
        1 is perfect, 0 as good as the mean of X, below 0 worse than that. Not a number, with an
        ``UndefinedMetricWarning``, where X has one row or equal rows alone.

    Raises
    ------
    ValueError
        If the shapes differ, or a value is missing or infinite.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.metrics import explained_variance
    >>> X, _ = load_iris(return_X_y=True)
    >>> pca = PCA(n_components=2).fit(X)
    >>> round(explained_variance(X, pca.inverse_transform(pca.transform(X))), 3)
    0.978
    """
    X, X_reconstructed = _check_pair(X, X_reconstructed)
    if np.all(X[0] == X):
        warnings.warn(
            f"The explained variance is undefined, got X of {len(X)} equal row(s).",
            UndefinedMetricWarning,
            stacklevel=2,
        )
        return float("nan")
    deviations = mean_squares(X, np.broadcast_to(X.mean(axis=0, dtype="float64"), X.shape))
    return float(1 - mean_squares(X, X_reconstructed).sum() / deviations.sum())


def trustworthiness(
    X: ArrayLike,
    Z: ArrayLike,
    *,
    n_neighbors: int = 5,
    max_samples: int | None = 2000,
    random_state: Seed = None,
) -> float:
    """Tell how far neighbours in the code are neighbours in the data.

    It falls where points that the code puts side by side are far apart in the data. This is
    :func:`sklearn.manifold.trustworthiness` on a random subset of the rows, since that one
    builds arrays of ``n_samples ** 2`` entries.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, height, width[, channels])
        The data.
    Z : array-like of shape (n_samples, n_components)
        Their code.
    n_neighbors : int, default=5
        Size of the neighbourhoods; less than half the number of rows that are looked at.
    max_samples : int, default=2000
        Number of rows that are drawn where there are more; None takes all.
    random_state : int, RandomState instance or None, default=None
        Decides which rows are drawn.

    Returns
    -------
    float
        Between 0 and 1, which is best.

    Raises
    ------
    ValueError
        If X and Z differ in length, or there are too few rows for `n_neighbors`.

    References
    ----------
    Venna and Kaski, Neighborhood preservation in nonlinear projection methods: an experimental
    study, ICANN 2001.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae.metrics import trustworthiness
    >>> X, _ = load_iris(return_X_y=True)
    >>> round(trustworthiness(X, X[:, [2]]), 2)
    0.9
    """
    X, Z = _check_spaces(X, Z, max_samples, random_state)
    return float(manifold.trustworthiness(X, Z, n_neighbors=n_neighbors))


def continuity(
    X: ArrayLike,
    Z: ArrayLike,
    *,
    n_neighbors: int = 5,
    max_samples: int | None = 2000,
    random_state: Seed = None,
) -> float:
    """Tell how far neighbours in the data are still neighbours in the code.

    It falls where the code tears points apart that are side by side in the data: this is
    :func:`trustworthiness` with the two spaces swapped.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, height, width[, channels])
        The data.
    Z : array-like of shape (n_samples, n_components)
        Their code.
    n_neighbors : int, default=5
        Size of the neighbourhoods; less than half the number of rows that are looked at.
    max_samples : int, default=2000
        Number of rows that are drawn where there are more; None takes all.
    random_state : int, RandomState instance or None, default=None
        Decides which rows are drawn.

    Returns
    -------
    float
        Between 0 and 1, which is best.

    Raises
    ------
    ValueError
        If X and Z differ in length, or there are too few rows for `n_neighbors`.

    References
    ----------
    Venna and Kaski, Neighborhood preservation in nonlinear projection methods: an experimental
    study, ICANN 2001.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae.metrics import continuity
    >>> X, _ = load_iris(return_X_y=True)
    >>> round(continuity(X, X[:, [2]]), 2)
    0.94
    """
    X, Z = _check_spaces(X, Z, max_samples, random_state)
    return float(manifold.trustworthiness(Z, X, n_neighbors=n_neighbors))


def knn_accuracy(
    Z_train: ArrayLike,
    y_train: ArrayLike,
    Z_test: ArrayLike,
    y_test: ArrayLike,
    n_neighbors: int = 5,
) -> float:
    """Accuracy with which the nearest neighbours in the code tell the class.

    Parameters
    ----------
    Z_train : array-like of shape (n_train, n_components)
        Codes of known class.
    y_train : array-like of shape (n_train,)
        Their classes.
    Z_test : array-like of shape (n_test, n_components)
        Codes whose class is asked for.
    y_test : array-like of shape (n_test,)
        Their true classes.
    n_neighbors : int, default=5
        Number of neighbours that vote.

    Returns
    -------
    float
        Share of the test rows whose class is found.

    Raises
    ------
    ValueError
        If codes and classes differ in length, or `y_train` is continuous.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae.metrics import knn_accuracy
    >>> X, y = load_iris(return_X_y=True)
    >>> round(knn_accuracy(X[::2], y[::2], X[1::2], y[1::2]), 2)
    0.99
    """
    Z_train, Z_test = _check_rows(Z_train, "Z_train"), _check_rows(Z_test, "Z_test")
    classifier = KNeighborsClassifier(n_neighbors=n_neighbors).fit(Z_train, y_train)
    return float(classifier.score(Z_test, y_test))


def reconstruction_scorer(estimator: Any, X: ArrayLike, y: object = None) -> float:
    """Score a fitted reducer by the variance that it rebuilds; for ``scoring=``.

    It ranks PCA, pipelines and autoencoders by the same number, the
    :func:`explained_variance` of ``inverse_transform(transform(X))``, so that one search can
    choose between them.

    Parameters
    ----------
    estimator : object
        A fitted reducer with ``transform`` and ``inverse_transform``.
    X : array-like of shape (n_samples, n_features) or (n_samples, height, width[, channels])
        The data, preferably held out, in a layout that the estimator takes.
    y : object, default=None
        Ignored; scikit-learn hands it to every scorer.

    Returns
    -------
    float
        1 is perfect; not a number where X has one row or equal rows alone.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA, FastICA
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import Pipeline
    >>> from skae.metrics import reconstruction_scorer
    >>> X, _ = load_iris(return_X_y=True)
    >>> search = GridSearchCV(
    ...     Pipeline([("reduce", PCA())]),
    ...     {"reduce": [PCA(n_components=1), PCA(n_components=2)]},
    ...     scoring=reconstruction_scorer,
    ... )
    >>> search.fit(X).best_params_
    {'reduce': PCA(n_components=2)}
    """
    return explained_variance(X, estimator.inverse_transform(estimator.transform(X)))


def _check_rows(X: Any, name: str) -> np.ndarray:
    """Return X as a finite numeric matrix, images flattened, in the type it came in."""
    X = check_array(as_array(X, name), allow_nd=True, input_name=name)
    return X.reshape(len(X), -1)


def _check_pair(X: ArrayLike, X_reconstructed: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the two as matrices, or say that their shapes differ."""
    if np.shape(X) != np.shape(X_reconstructed):
        raise ValueError(
            "X_reconstructed must have the shape of X, "
            f"got {np.shape(X_reconstructed)}, expected {np.shape(X)}."
        )
    return _check_rows(X, "X"), _check_rows(X_reconstructed, "X_reconstructed")


def _check_spaces(X, Z, max_samples, random_state):
    """Return at most `max_samples` rows of data and code, the same of both."""
    X, Z = _check_rows(X, "X"), _check_rows(Z, "Z")
    check_consistent_length(X, Z)
    if max_samples is None:
        return X, Z
    check_scalar(max_samples, "max_samples", Integral, min_val=1)
    if len(X) <= max_samples:
        return X, Z
    return resample(X, Z, replace=False, n_samples=max_samples, random_state=random_state)


def mean_squares(A, B):
    """Mean squared difference of each row, in float64.

    Bytes would wrap around and squares of float32 overflow; it converts a batch at a time.
    Values that A masks are left out; a row without others gets 0.
    """
    squares = np.empty(len(A))
    for rows in gen_batches(len(A), _BATCH_SIZE):
        means = np.square(A[rows].astype("float64") - B[rows]).mean(axis=1)
        squares[rows] = np.ma.filled(means, 0.0)
    return squares
