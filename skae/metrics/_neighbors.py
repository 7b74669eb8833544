"""Scores of codes: which neighbors they keep, and what their neighbors predict."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.utils import check_consistent_length, check_scalar, resample

from .._arrays import check_labels, check_weights
from .._typing import MatrixLike, Seed
from ._rows import check_rows, has_missing


def trustworthiness(
    X: MatrixLike,
    Z: ArrayLike,
    *,
    n_neighbors: int = 5,
    max_samples: int | None = 2000,
    random_state: Seed = None,
) -> float:
    """Measure how far neighbors in the latent space are neighbors in the data.

    It falls where points that are close in the latent space are far apart in the data. It equals
    :func:`sklearn.manifold.trustworthiness` on a random subset of the rows, and takes missing
    values.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or images
        The data; images are array-like of shape (n_samples, height, width[, channels]). NaN marks
        missing values.
    Z : array-like of shape (n_samples, n_components)
        Their latent code.
    n_neighbors : int, default=5
        Size of the neighborhoods; less than half the number of rows that are compared.
    max_samples : int or None, default=2000
        Number of rows to draw at random if there are more: time and memory grow with its square.
        If None, all rows are compared.
    random_state : int, RandomState instance or None, default=None
        Seed of the rows that are drawn.

    Returns
    -------
    float
        Between 0 and 1, which is best.

    Raises
    ------
    ValueError
        If X and Z differ in length, or there are too few rows for `n_neighbors`.

    See Also
    --------
    continuity : The same with the two spaces swapped.

    Notes
    -----
    Missing values of X are left out of the distances, as in
    :func:`sklearn.metrics.pairwise.nan_euclidean_distances`. Rows that have no observed value in
    common count as farthest from each other, and rows without any observed value are left out.

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
    return _kept_neighbors(X, Z, n_neighbors)


def continuity(
    X: MatrixLike,
    Z: ArrayLike,
    *,
    n_neighbors: int = 5,
    max_samples: int | None = 2000,
    random_state: Seed = None,
) -> float:
    """Measure how far neighbors in the data are still neighbors in the latent space.

    It falls where points that are close in the data are far apart in the latent space: this is
    :func:`trustworthiness` with the two spaces swapped.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or images
        The data; images are array-like of shape (n_samples, height, width[, channels]). NaN marks
        missing values.
    Z : array-like of shape (n_samples, n_components)
        Their latent code.
    n_neighbors : int, default=5
        Size of the neighborhoods; less than half the number of rows that are compared.
    max_samples : int or None, default=2000
        Number of rows to draw at random if there are more: time and memory grow with its square.
        If None, all rows are compared.
    random_state : int, RandomState instance or None, default=None
        Seed of the rows that are drawn.

    Returns
    -------
    float
        Between 0 and 1, which is best.

    Raises
    ------
    ValueError
        If X and Z differ in length, or there are too few rows for `n_neighbors`.

    See Also
    --------
    trustworthiness : The same with the two spaces swapped.

    Notes
    -----
    Missing values of X are left out of the distances, as in
    :func:`sklearn.metrics.pairwise.nan_euclidean_distances`. Rows that have no observed value in
    common count as farthest from each other, and rows without any observed value are left out.

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
    return _kept_neighbors(Z, X, n_neighbors)


def knn_accuracy(
    Z_train: ArrayLike,
    y_train: ArrayLike,
    Z_test: ArrayLike,
    y_test: ArrayLike,
    n_neighbors: int = 5,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the accuracy with which nearest neighbors in the latent space predict the class.

    Parameters
    ----------
    Z_train : array-like of shape (n_train, n_components)
        Latent codes of known class. Missing values are left out of the distances, as in
        :func:`sklearn.metrics.pairwise.nan_euclidean_distances`.
    y_train : array-like of shape (n_train,)
        Their classes.
    Z_test : array-like of shape (n_test, n_components)
        Latent codes whose class is predicted.
    y_test : array-like of shape (n_test,)
        Their true classes.
    n_neighbors : int, default=5
        Number of neighbors that vote.
    sample_weight : array-like of shape (n_test,), default=None
        Weight of each row of `Z_test` in the accuracy. If None, all weigh the same.

    Returns
    -------
    float
        Fraction of the test rows whose class is predicted.

    Raises
    ------
    ValueError
        If codes and classes differ in length, a class is missing, or `y_train` is continuous.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skae.metrics import knn_accuracy
    >>> X, y = load_iris(return_X_y=True)
    >>> round(knn_accuracy(X[::2], y[::2], X[1::2], y[1::2]), 2)
    0.99
    """
    Z_train, Z_test = check_rows(Z_train, "Z_train"), check_rows(Z_test, "Z_test")
    y_train, y_test = check_labels(y_train, "y_train"), check_labels(y_test, "y_test")
    metric = _metric(Z_train, Z_test)
    classifier = KNeighborsClassifier(n_neighbors=n_neighbors, metric=metric)
    if sample_weight is not None:
        sample_weight = check_weights(sample_weight, Z_test)
    return float(classifier.fit(Z_train, y_train).score(Z_test, y_test, sample_weight))


def _check_spaces(
    X: Any, Z: Any, max_samples: int | None, random_state: Seed
) -> tuple[np.ndarray, np.ndarray]:
    """Return at most `max_samples` rows of data and code, the same of both."""
    # A code without some of its values is an error of the reducer, not missing data.
    X, Z = check_rows(X, "X"), check_rows(Z, "Z", allow_nan=False)
    check_consistent_length(X, Z)
    if has_missing(X):
        # Rows without any value have no distances.
        observed = ~np.isnan(X).all(axis=1)
        X, Z = X[observed], Z[observed]
    if max_samples is None:
        return X, Z
    check_scalar(max_samples, "max_samples", Integral, min_val=1)
    if len(X) <= max_samples:
        return X, Z
    X, Z = resample(X, Z, replace=False, n_samples=max_samples, random_state=random_state)
    return X, Z


def _metric(*spaces: np.ndarray) -> str:
    """Return the distance that rows need: that between observed values if some are missing."""
    return "nan_euclidean" if any(has_missing(X) for X in spaces) else "euclidean"


def _kept_neighbors(X: np.ndarray, Z: np.ndarray, n_neighbors: int) -> float:
    """Return the trustworthiness of neighbors in Z: 1 if all of them are neighbors in X."""
    n_samples = len(X)
    if n_neighbors >= n_samples / 2:
        raise ValueError(
            f"n_neighbors ({n_neighbors}) must be less than half the number of rows compared "
            f"({n_samples})."
        )
    distances = pairwise_distances(X, metric=_metric(X))
    # Rows that share no observed value are farthest, but before the row itself.
    distances[np.isnan(distances)] = np.finfo(distances.dtype).max
    # Last of all: a row is not its own neighbor.
    np.fill_diagonal(distances, np.inf)
    # (n_samples, n_samples): the rank of each row among the neighbors of each other, from 1.
    ranks = np.empty((n_samples, n_samples), dtype=int)
    np.put_along_axis(
        ranks, np.argsort(distances, axis=1), np.arange(1, n_samples + 1)[None], axis=1
    )
    neighbors = NearestNeighbors(n_neighbors=n_neighbors, metric=_metric(Z)).fit(Z)
    # (n_samples, n_neighbors): the ranks in X of the neighbors in Z.
    found = np.take_along_axis(ranks, neighbors.kneighbors(return_distance=False), axis=1)
    excess = np.maximum(found - n_neighbors, 0).sum()
    # The largest excess there can be, by Venna and Kaski, scales the score to [0, 1].
    worst = n_samples * n_neighbors * (2 * n_samples - 3 * n_neighbors - 1) / 2
    return float(1 - excess / worst)
