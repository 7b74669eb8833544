"""How far windows deviate from their expected values, and the scores of steps from this."""

from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from .._arrays import chunks
from ..series._blocks import interpolated
from ..series._layout import to_steps, window_rows, window_starts
from ._reducer import reconstruct

# Components of the PCA that several channels are compared with. Of made sensors with faults in
# training, 8 and 10 find faulty steps with the same area under the ROC curve, 5 and 14
# with up to 0.03 less; without the 30 % of the windows that fit worst 0.97, with them 0.92.
_N_COMPONENTS, _TRIMMED_FRACTION, _N_TRIMS = 10, 0.3, 2
# Each step is in about so many windows. On NAB all windows find 0.003 more of the area under the
# ROC curve than every eighth of a window's length, in as many times the time.
_WINDOWS_OF_STEP = 8


def nearest_deviations(
    rows: np.ndarray, references: np.ndarray, squares: np.ndarray, n_neighbors: int, n_channels: int
) -> np.ndarray:
    """Return the mean squared deviation of windows from their nearest references.

    Parameters
    ----------
    rows : ndarray of shape (n_windows, window * n_channels)
        Step by step; NaN is missing, and counts for nothing.
    references : ndarray of shape (n_references, window * n_channels)
    squares : ndarray of shape (n_references,)
        Sums of squares of the references.
    n_neighbors, n_channels : int

    Returns
    -------
    deviations : ndarray of shape (n_windows, n_channels)
        Over the neighbors and the steps of a window; NaN for a channel without observed values.
    """
    n_rows, width = rows.shape
    deviations = np.empty((n_rows, n_channels))
    shape = (-1, n_neighbors, width // n_channels, n_channels)
    for some in chunks(n_rows, max(len(references), width), for_products=True):
        places = _nearest(rows[some], references, squares, n_neighbors)
        for few in chunks(len(places), n_neighbors * width):
            # Computed anew: the result of a window does not depend on others, to the last digit.
            errors = np.square(rows[some][few, None] - references[places[few]]).reshape(shape)
            deviations[some][few] = mean_of_observed(errors, (1, 2))
    return deviations


def _nearest(
    rows: np.ndarray, references: np.ndarray, squares: np.ndarray, n_neighbors: int
) -> np.ndarray:
    """Return the places of the nearest references (n_windows, n_neighbors), in no order."""
    is_missing = np.isnan(rows)
    # Squared distances, but for the row's own square, which is the same for all references.
    if is_missing.any():
        distances = (~is_missing).astype(rows.dtype) @ np.square(references).T
        distances -= 2 * (np.where(is_missing, 0, rows) @ references.T)
    else:
        distances = squares - 2 * (rows @ references.T)
    return np.argpartition(distances, n_neighbors - 1, axis=1)[:, :n_neighbors]


def can_be_reduced(width: int) -> bool:
    """Return whether windows have many more values than the PCA of `trimmed_pca` components."""
    return width >= 4 * _N_COMPONENTS


def trimmed_pca(rows: np.ndarray) -> PCA:
    """Return a PCA of windows without those that fit worst: outliers may be among them."""
    n_components = min(_N_COMPONENTS, max(rows.shape[1] // 2, 1), max(len(rows) // 2, 1))
    kept = rows
    for i in range(_N_TRIMS + 1):
        # Its start is random, and the same each time: results do not depend on a seed.
        with np.errstate(invalid="ignore"):  # fractions of the variance of constant channels
            pca = PCA(n_components, svd_solver="randomized", random_state=0).fit(kept)
        if i < _N_TRIMS:
            errors = np.square(rows - reconstruct(pca, rows, "estimator")).mean(axis=1)
            kept = rows[errors <= np.quantile(errors, 1 - _TRIMMED_FRACTION)]
    # As a pickle holds them: products of matrices in another order round otherwise.
    pca.components_ = np.ascontiguousarray(pca.components_)
    return pca


def mean_of_observed(values: np.ndarray, axis: Any) -> np.ndarray:
    """Return the mean without missing values, and NaN where all are missing."""
    is_missing = np.isnan(values)
    if not is_missing.any():
        return np.asarray(values.mean(axis=axis))
    sums = np.where(is_missing, 0, values).sum(axis=axis)
    counts = (~is_missing).sum(axis=axis)
    means = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def reconstruction_deviations(estimator: Any, rows: np.ndarray, n_channels: int) -> np.ndarray:
    """Return the squared error of the reconstruction (n_windows, window, n_channels).

    The parameters are those of `nearest_deviations`.
    """
    filled = filled_windows(rows, n_channels)
    errors: np.ndarray = np.square(rows - reconstruct(estimator, filled, "estimator"))
    return errors.reshape(len(rows), -1, n_channels)


def forecast_deviations(estimator: Any, rows: np.ndarray, n_channels: int) -> np.ndarray:
    """Return the squared error of the predicted last step (n_windows, 1, n_channels)."""
    windows = filled_windows(rows, n_channels).reshape(len(rows), -1, n_channels)
    predicted = np.asarray(estimator.predict(windows[:, :-1])).reshape(len(rows), n_channels)
    deviations: np.ndarray = np.square(rows[:, -n_channels:] - predicted)[:, None]
    return deviations


def filled_windows(rows: np.ndarray, n_channels: int) -> np.ndarray:
    """Return windows with missing values on the line between the observed ones of their channel."""
    if not np.isnan(rows).any():
        return rows
    windows = rows.reshape(len(rows), -1, n_channels)
    return np.stack([interpolated(each) for each in windows]).reshape(rows.shape)


def stride_of_windows(window: int) -> int:
    """Return how many steps lie between windows that steps get the mean of."""
    return max(1, window // _WINDOWS_OF_STEP)


def deviations_of_steps(
    values: np.ndarray, window: int, deviations_of: Any, n_smoothed: int
) -> np.ndarray:
    """Return for each step the mean of what it deviates in the windows that hold it.

    Parameters
    ----------
    values : ndarray of shape (n_timesteps, n_channels)
        A stretch without lost steps. If it is shorter than a window, it is one with missing values.
    window : int
    deviations_of : callable
        Returns (n_windows, window, n_channels) for windows as rows.
    n_smoothed : int
        Steps around each one over which the mean is taken.

    Returns
    -------
    deviations : ndarray of shape (n_timesteps, n_channels)
    """
    n_steps = len(values)
    values = _padded(values, 0, max(window - n_steps, 0))
    stride = stride_of_windows(window)
    deviations = deviations_of(window_rows(values, window, stride))
    starts = window_starts(len(values), window, stride)
    return _smoothed(to_steps(deviations, starts, len(values))[:n_steps], n_smoothed)


def _smoothed(steps: np.ndarray, n_smoothed: int) -> np.ndarray:
    """Return the mean of the observed values around each step."""
    if n_smoothed <= 1:
        return steps
    before = (n_smoothed - 1) // 2
    padded = _padded(steps, before, n_smoothed - 1 - before)
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_smoothed, axis=0)
    means = [mean_of_observed(windows[some], 2) for some in chunks(len(steps), windows[0].size)]
    return np.concatenate(means)


def causal_deviations_of_steps(
    values: np.ndarray,
    window: int,
    deviations_of: Any,
    n_smoothed: int,
    history: np.ndarray | None = None,
) -> np.ndarray:
    """Return for each step what the last steps of the window deviate that ends with it.

    Parameters
    ----------
    values, window, deviations_of, n_smoothed
        As for `deviations_of_steps`; of a window, the last `n_smoothed` steps count.
    history : ndarray of shape (n_before, n_channels), default=None
        The steps just before, as many as are known.

    Returns
    -------
    deviations : ndarray of shape (n_timesteps, n_channels)
    """
    n_before = 0 if history is None else min(len(history), window - 1)
    known = (
        values if history is None else np.concatenate([history[len(history) - n_before :], values])
    )
    rows = window_rows(_padded(known, window - 1 - n_before, 0), window)
    # In parts: windows that overlap are copied where they are worked on.
    parts = [
        mean_of_observed(deviations_of(rows[some])[:, -max(n_smoothed, 1) :], 1)
        for some in chunks(len(rows), rows.shape[1])
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _padded(values: np.ndarray, n_before: int, n_after: int) -> np.ndarray:
    """Return a stretch with missing steps before and after it."""
    if n_before == n_after == 0:
        return values
    return np.pad(values, ((n_before, n_after), (0, 0)), constant_values=np.nan)
