"""Linear autoregression of codes by ridge regression: where predictors of sequences start."""

import numpy as np
from scipy import linalg

# Columns of a regression at most: more take longer to solve than an epoch of training.
_MAX_COLUMNS = 512
# What a degree of freedom costs (Kim and Gu, 2004): more than one, because windows that overlap are
# fewer examples than their number. On 13 real series the mean error is 0.75 with 1.4 and 0.76 with
# 2; with 1 it is higher for short ones.
_USED_FACTOR = 1.4
# Penalties that are tried, in units of the mean square of a column summed over the rows.
_PENALTIES = np.logspace(-8, 2, 31)


def count_lags(lengths, n_components, min_history):
    """Return how many of the last codes a linear prediction sees.

    Parameters
    ----------
    lengths : ndarray of shape (n_samples,)
        Numbers of frames of sequences.
    n_components : int
        Components with a variance.
    min_history : int
        Frames that are known before the first prediction.
    """
    # Half of most sequences: their other halves are the examples to learn from.
    n_timesteps = int(np.median(lengths))
    wanted = max(min_history, n_timesteps // 2)
    return max(1, min(wanted, n_timesteps - 1, _MAX_COLUMNS // n_components))


def fit_autoregression(codes, n_lags, n_ahead, weights):
    """Fit the change from the last code to one ahead, as a linear function of the last codes.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_timesteps, n_components)
        NaN behind the end of a sequence.
    n_lags : int
    n_ahead : int
        1 is the next code.
    weights : ndarray of shape (n_samples,) or None

    Returns
    -------
    weight : ndarray of shape (n_components, n_components, n_lags)
        By component of the change, component and lag; the last lag is the last code.
    bias : ndarray of shape (n_components,)
    """
    n_components = codes.shape[2]
    shape = (n_components, n_components, n_lags)
    rows, changes, row_weights = _examples(codes, n_lags, n_ahead, weights)
    if len(rows) < 2:
        return np.zeros(shape), np.zeros(n_components)
    coefficients, bias = fit_ridge(rows, changes, row_weights)
    return coefficients.T.reshape(shape), bias


def _examples(codes, n_lags, n_ahead, weights):
    """Return windows of codes (n_rows, n_components * n_lags) and what they change to."""
    n_starts = codes.shape[1] - n_lags - n_ahead + 1
    if n_starts < 1:
        return np.empty((0, 0)), None, None
    # (n_samples, n_windows, n_components, n_lags)
    windows = np.lib.stride_tricks.sliding_window_view(codes, n_lags, axis=1)[:, :n_starts]
    ahead = codes[:, n_lags - 1 + n_ahead :]
    is_frame = ~np.isnan(codes[:, :, 0])
    is_known = np.lib.stride_tricks.sliding_window_view(is_frame, n_lags, axis=1)[:, :n_starts]
    is_known = is_known.all(axis=2) & is_frame[:, n_lags - 1 + n_ahead :]
    rows, last = windows[is_known], windows[..., -1][is_known]
    row_weights = np.ones(len(codes)) if weights is None else weights
    row_weights = np.broadcast_to(row_weights[:, None], is_known.shape)[is_known]
    return rows.reshape(len(rows), -1), ahead[is_known] - last, row_weights


def fit_ridge(rows, targets, weights):
    """Return coefficients and intercept, with the penalty of least generalized cross-validation.

    Golub, Heath and Wahba (1979): no rows have to be held out.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
    targets : ndarray of shape (n_rows, n_targets)
    weights : ndarray of shape (n_rows,)

    Returns
    -------
    coefficients : ndarray of shape (n_columns, n_targets)
    intercept : ndarray of shape (n_targets,)
    """
    weights = weights / weights.sum()
    center, mean = weights @ rows, weights @ targets
    rows, targets = rows - center, targets - mean
    weighted = rows.T * weights
    eigenvalues, vectors = linalg.eigh(weighted @ rows)
    eigenvalues = np.maximum(eigenvalues, 0)
    # (n_columns, n_targets), along the principal directions of the rows.
    products = vectors.T @ (weighted @ targets)
    unit = eigenvalues.mean() or 1.0
    scores = [
        _cross_validation(eigenvalues, products, weights @ targets**2, len(rows), unit * penalty)
        for penalty in _PENALTIES
    ]
    penalty = unit * _PENALTIES[int(np.argmin(scores))]
    coefficients = vectors @ (products / (eigenvalues + penalty)[:, None])
    return coefficients, mean - center @ coefficients


def _cross_validation(eigenvalues, products, squares, n_rows, penalty):
    """Return the generalized cross-validation error of a penalty."""
    shrunk = products / (eigenvalues + penalty)[:, None]
    residual = squares.sum() - (2 * products * shrunk - eigenvalues[:, None] * shrunk**2).sum()
    n_used = 1 + (eigenvalues / (eigenvalues + penalty)).sum()
    n_free = n_rows - _USED_FACTOR * n_used
    return residual / max(n_free, 1e-3) ** 2
