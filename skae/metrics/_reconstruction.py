"""Scores of reconstructions: their errors on observed values."""

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import UndefinedMetricWarning

from .._arrays import check_weights, chunks
from .._typing import MatrixLike
from ._routing import takes_weights
from ._rows import check_rows, has_missing


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
        ``UndefinedMetricWarning``, if X has no variance: one row, or only equal rows.

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


@takes_weights
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
        Weight of each row. If None, all weigh the same. With metadata routing,
        ``reconstruction_scorer.set_score_request(sample_weight=True)`` returns a scorer that gets
        those of a search; without, `GridSearchCV` of scikit-learn 1.9 hands it those of its `fit`.

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


def _check_pair(X: Any, X_reconstructed: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both as matrices, the second finite wherever the first is observed."""
    # Before both are flattened: images of another shape may have as many pixels.
    shape, got = (getattr(each, "shape", None) or np.shape(each) for each in (X, X_reconstructed))
    if tuple(shape) != tuple(got):
        raise ValueError(
            f"X_reconstructed must have the shape of X, got {tuple(got)}, expected {tuple(shape)}."
        )
    X, X_reconstructed = check_rows(X, "X"), check_rows(X_reconstructed, "X_reconstructed")
    if has_missing(X_reconstructed) and np.any(np.isnan(X_reconstructed) & ~np.isnan(X)):
        raise ValueError(
            "X_reconstructed contains NaN where X has a value: expected a reconstruction of every "
            "observed value."
        )
    return X, X_reconstructed


def _row_weights(sample_weight: ArrayLike | None, X: np.ndarray) -> np.ndarray:
    return np.ones(len(X)) if sample_weight is None else check_weights(sample_weight, X)


def _column_means(X: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of each column's observed values, in float64."""
    totals, counts = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    # In chunks: bytes are never blown up to float64 as a whole.
    for rows in chunks(*X.shape):
        values = X[rows].astype("float64")
        observed = ~np.isnan(values)
        totals += weights[rows] @ np.where(observed, values, 0)
        counts += weights[rows] @ observed
    # A column without values has no mean: zero, which nothing is compared with.
    return np.divide(totals, counts, out=np.zeros_like(totals), where=counts > 0)


def squared_errors(A: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of squared differences of each row, and its number of observed values.

    Values that A lacks, NaN or masked, are left out. Bytes would wrap around and squares of
    float32 overflow: float64 it is, a batch at a time.
    """
    squares, counts = np.empty(len(A)), np.empty(len(A))
    for rows in chunks(*A.shape):
        squares[rows], counts[rows] = _squared_errors(A[rows], B[rows])
    return squares, counts


def _squared_errors(A: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, Any]:
    if not isinstance(A, np.ma.MaskedArray):
        differences = np.subtract(A, B, dtype="float64")
        squares: np.ndarray = np.add.reduce(np.square(differences, out=differences), axis=1)
        # A sum is a number only if all its terms are: most data need not be looked at twice.
        if not math.isnan(np.vdot(squares, squares)):
            return squares, A.shape[1]
    values = np.ma.filled(A.astype("float64"), np.nan)
    observed = ~np.isnan(values)
    return np.square(np.where(observed, values - B, 0)).sum(axis=1), observed.sum(axis=1)


def mean_squares(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return the mean squared difference of each row; 0 for a row without observed values."""
    squares, counts = squared_errors(A, B)
    means: np.ndarray = squares / np.maximum(counts, 1)
    return means
