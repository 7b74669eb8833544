"""Scores of a reduction: what it reconstructs, which neighbors it keeps, what its code predicts.

Nothing here knows which model made the code or the reconstruction.
"""

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.utils import (
    check_array,
    check_consistent_length,
    check_scalar,
    gen_batches,
    resample,
)

from ._arrays import as_array, check_labels, check_weights, dense, naming_types
from ._typing import MatrixLike, Seed

__all__ = [
    "continuity",
    "explained_variance",
    "knn_accuracy",
    "reconstruction_error",
    "reconstruction_scorer",
    "trustworthiness",
]

# Rows converted to float64 at a time: some megabytes of images, so that bytes stay bytes.
_BATCH_ROWS = 1024


def reconstruction_error(
    X: MatrixLike, X_reconstructed: MatrixLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the mean squared difference between data and their reconstruction.

    Missing values of X are left out: this is the mean over observed values.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or images
        The data, of any numeric type; images are array-like of shape
        (n_samples, height, width[, channels]). NaN marks missing values.
    X_reconstructed : {array-like, sparse matrix} of the same shape as X
        The reconstruction from their latent code, finite wherever X is observed.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of the values of each row in the mean. If None, all weigh the same.

    Returns
    -------
    float
        In squared units of X; 0 is perfect. NaN, with an ``UndefinedMetricWarning``, if X has no
        observed value.

    Raises
    ------
    ValueError
        If the shapes differ, a value of X is infinite, or a value of `X_reconstructed` is
        infinite or missing where X has one.

    See Also
    --------
    explained_variance : The same, on a scale on which 1 is perfect.

    Examples
    --------
    >>> from skae.metrics import reconstruction_error
    >>> reconstruction_error([[0, 4], [2, 2]], [[0, 3], [2, 1]])
    0.5
    >>> reconstruction_error([[0, 4], [2, float("nan")]], [[0, 3], [2, 1]])
    0.3333333333333333
    """
    X, X_reconstructed = _check_pair(X, X_reconstructed)
    weights = _row_weights(sample_weight, X)
    squares, counts = squared_errors(X, X_reconstructed)
    if not weights @ counts:
        return _undefined("reconstruction error", "no observed value")
    return float(weights @ squares / (weights @ counts))


def explained_variance(
    X: MatrixLike, X_reconstructed: MatrixLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Return the fraction of the variance of the data that their reconstruction explains.

    This is one minus the squared residuals over the squared deviations from the column means
    of X, both summed over all observed values. It equals
    ``r2_score(X, X_reconstructed, multioutput="variance_weighted")`` of scikit-learn wherever
    no value is missing and no feature is constant; unlike there, errors in constant features
    count here.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or images
        The data, of any numeric type; images are array-like of shape
        (n_samples, height, width[, channels]). NaN marks missing values.
    X_reconstructed : {array-like, sparse matrix} of the same shape as X
        The reconstruction from their latent code, finite wherever X is observed.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row in the sums and in the means. If None, all weigh the same.

    Returns
    -------
    float
        1 is perfect, 0 as good as the mean of X, below 0 worse than that. NaN, with an
        ``UndefinedMetricWarning``, if X has no variance: one row, or equal rows alone.

    Raises
    ------
    ValueError
        If the shapes differ, a value of X is infinite, or a value of `X_reconstructed` is
        infinite or missing where X has one.

    See Also
    --------
    reconstruction_error : The mean squared difference, in squared units of X.

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
    weights = _row_weights(sample_weight, X)
    weighty = X[weights > 0] if not weights.all() else X
    # Rounding of the mean would leave constant features a variance above zero.
    lowest, highest = (extreme.reduce(weighty, axis=0) for extreme in (np.fmin, np.fmax))
    if not np.any(lowest < highest):
        return _undefined("explained variance", f"{len(weighty)} equal row(s)")
    means = np.broadcast_to(_column_means(X, weights), X.shape)
    residuals, deviations = (
        weights @ squared_errors(X, other)[0] for other in (X_reconstructed, means)
    )
    return float(1 - residuals / deviations)


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
    Z_train, Z_test = _check_rows(Z_train, "Z_train"), _check_rows(Z_test, "Z_test")
    y_train, y_test = check_labels(y_train, "y_train"), check_labels(y_test, "y_test")
    metric = _metric(Z_train, Z_test)
    classifier = KNeighborsClassifier(n_neighbors=n_neighbors, metric=metric)
    if sample_weight is not None:
        sample_weight = check_weights(sample_weight, Z_test)
    return float(classifier.fit(Z_train, y_train).score(Z_test, y_test, sample_weight))


def reconstruction_scorer(
    estimator: Any, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None
) -> float:
    """Score a fitted reducer by the variance that it explains; for ``scoring=``.

    It ranks PCA, pipelines and autoencoders by the same number, the
    :func:`explained_variance` of ``inverse_transform(transform(X))``, so that one search can
    choose between them. Missing values of X are left out, so that it also ranks reducers that
    take them.

    Parameters
    ----------
    estimator : object
        A fitted reducer with ``transform`` and ``inverse_transform``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or images
        The data, preferably held out, in a layout that the estimator takes; images are array-like
        of shape (n_samples, height, width[, channels]).
    y : object, default=None
        Ignored; scikit-learn passes it to every scorer.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row. If None, all weigh the same.

    Returns
    -------
    float
        1 is perfect. NaN, with an ``UndefinedMetricWarning``, if X has no variance.

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
    X_reconstructed = estimator.inverse_transform(estimator.transform(X))
    return explained_variance(X, X_reconstructed, sample_weight=sample_weight)


def _undefined(metric: str, found: str) -> float:
    """Warn that a metric is undefined, and return NaN for it."""
    # The level of whoever called the metric.
    warnings.warn(
        f"The {metric} is undefined, got X of {found}.", UndefinedMetricWarning, stacklevel=3
    )
    return float("nan")


def _check_rows(X: Any, name: str, *, allow_nan: bool = True) -> np.ndarray:
    """Return X as a numeric matrix without infinity, images flattened, in its own type."""
    X = as_array(X, name)
    with naming_types(X, name):
        X = check_array(
            X,
            accept_sparse="csr",
            allow_nd=True,
            ensure_all_finite="allow-nan" if allow_nan else True,
            input_name=name,
        )
    rows: np.ndarray = dense(X)
    return rows.reshape(len(rows), -1)


def _check_pair(X: Any, X_reconstructed: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both as matrices, the second finite wherever the first is observed."""
    shape, got = (getattr(each, "shape", None) or np.shape(each) for each in (X, X_reconstructed))
    if tuple(shape) != tuple(got):
        raise ValueError(
            f"X_reconstructed must have the shape of X, got {tuple(got)}, expected {tuple(shape)}."
        )
    X, X_reconstructed = _check_rows(X, "X"), _check_rows(X_reconstructed, "X_reconstructed")
    if _has_missing(X_reconstructed) and np.any(np.isnan(X_reconstructed) & ~np.isnan(X)):
        raise ValueError(
            "X_reconstructed contains NaN where X has a value: expected a reconstruction of every "
            "observed value."
        )
    return X, X_reconstructed


def _check_spaces(
    X: Any, Z: Any, max_samples: int | None, random_state: Seed
) -> tuple[np.ndarray, np.ndarray]:
    """Return at most `max_samples` rows of data and code, the same of both."""
    # A code without some of its values is an error of the reducer, not missing data.
    X, Z = _check_rows(X, "X"), _check_rows(Z, "Z", allow_nan=False)
    check_consistent_length(X, Z)
    if _has_missing(X):
        observed = ~np.isnan(X).all(axis=1)
        X, Z = X[observed], Z[observed]
    if max_samples is None:
        return X, Z
    check_scalar(max_samples, "max_samples", Integral, min_val=1)
    if len(X) <= max_samples:
        return X, Z
    X, Z = resample(X, Z, replace=False, n_samples=max_samples, random_state=random_state)
    return X, Z


def _has_missing(X: np.ndarray) -> bool:
    # A minimum needs no array of the size of X.
    return X.dtype.kind == "f" and bool(np.isnan(X.min(initial=np.inf)))


def _metric(*spaces: np.ndarray) -> str:
    """Return the distance that rows need: that between observed values if some are missing."""
    return "nan_euclidean" if any(_has_missing(X) for X in spaces) else "euclidean"


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
    np.fill_diagonal(distances, np.inf)
    # (n_samples, n_samples): the rank of each row among the neighbors of each other, from 1.
    ranks = np.empty((n_samples, n_samples), dtype=int)
    np.put_along_axis(
        ranks, np.argsort(distances, axis=1), np.arange(1, n_samples + 1)[None], axis=1
    )
    neighbors = NearestNeighbors(n_neighbors=n_neighbors, metric=_metric(Z)).fit(Z)
    found = np.take_along_axis(ranks, neighbors.kneighbors(return_distance=False), axis=1)
    excess = np.maximum(found - n_neighbors, 0).sum()
    # The largest excess there can be, by Venna and Kaski, scales the score to [0, 1].
    worst = n_samples * n_neighbors * (2 * n_samples - 3 * n_neighbors - 1) / 2
    return float(1 - excess / worst)


def _row_weights(sample_weight: ArrayLike | None, X: np.ndarray) -> np.ndarray:
    return np.ones(len(X)) if sample_weight is None else check_weights(sample_weight, X)


def _column_means(X: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of each column's observed values, in float64."""
    totals, counts = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for rows in gen_batches(len(X), _BATCH_ROWS):
        values = X[rows].astype("float64")
        observed = ~np.isnan(values)
        totals += weights[rows] @ np.where(observed, values, 0)
        counts += weights[rows] @ observed
    return np.divide(totals, counts, out=np.zeros_like(totals), where=counts > 0)


def squared_errors(A: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of squared differences of each row, and its number of observed values.

    Values that A lacks, NaN or masked, are left out. Bytes would wrap around and squares of
    float32 overflow: float64 it is, a batch at a time.
    """
    squares, counts = np.empty(len(A)), np.empty(len(A))
    for rows in gen_batches(len(A), _BATCH_ROWS):
        values = np.ma.filled(A[rows].astype("float64"), np.nan)
        observed = ~np.isnan(values)
        squares[rows] = np.square(np.where(observed, values - B[rows], 0)).sum(axis=1)
        counts[rows] = observed.sum(axis=1)
    return squares, counts


def mean_squares(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return the mean squared difference of each row; 0 for a row without observed values."""
    squares, counts = squared_errors(A, B)
    means: np.ndarray = squares / np.maximum(counts, 1)
    return means
