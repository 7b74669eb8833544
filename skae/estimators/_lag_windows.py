"""Windows of series as examples of what follows, and the linear forecast of them."""

from typing import Any

import numpy as np

from ..models._autoregression import fit_ridge
from ..series._blocks import interpolated
from ..series._layout import window_rows
from ..series._reading import Series


def example_windows(series: list[Series], n_lags: int, n_steps: int) -> np.ndarray:
    """Return windows of known steps and of those that follow, in order of their ends.

    Windows of which a following step is missing are left out; missing known ones are interpolated.

    Parameters
    ----------
    series : list of Series
    n_lags, n_steps : int

    Returns
    -------
    windows : ndarray of shape (n_windows, n_lags + n_steps, n_channels)
    """
    length, n_channels = n_lags + n_steps, series[0].values.shape[1]
    windows, places = [], []
    for each in series:
        for segment in each.segments:
            values = each.values[segment].astype(np.float64)
            rows = window_rows(interpolated(values), length)
            followed = window_rows(values, length)[:, n_lags * n_channels :]
            is_known = ~np.isnan(followed).any(axis=1)
            windows.append(rows[is_known])
            # How far from the end: series of a list may begin at different times.
            places.append(np.flatnonzero(is_known) + segment.start - len(each.values))
    order = np.argsort(np.concatenate(places), kind="stable")
    return np.concatenate(windows)[order].reshape(-1, length, n_channels)


def last_steps(series: Series, n_lags: int) -> np.ndarray:
    """Return the last steps without missing values, (n_lags, n_channels); short ones are padded."""
    segment = series.segments[-1]
    values = interpolated(series.values[segment].astype(np.float64))[-n_lags:]
    # Before its beginning a series is taken to have been as it was then.
    return np.pad(values, ((n_lags - len(values), 0), (0, 0)), mode="edge")


def fit_linear(windows: np.ndarray, n_lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and intercept of ridge regression of the following steps on the lags.

    Parameters
    ----------
    windows : ndarray of shape (n_windows, n_lags + n_steps, n_channels)
    n_lags : int

    Returns
    -------
    coefficients : ndarray of shape (n_lags * n_channels, n_steps * n_channels)
    intercept : ndarray of shape (n_steps * n_channels,)
    """
    lags, ahead = (
        part.reshape(len(windows), -1) for part in (windows[:, :n_lags], windows[:, n_lags:])
    )
    coefficients, intercept = fit_ridge(lags, ahead, np.ones(len(windows)))
    return coefficients, intercept


def relative_to_last(windows: np.ndarray, n_lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Return windows minus their last known step, and that step.

    Trends and drifting levels then look the same at all times: on 13 real series the error is 0.87
    times that of lags as they are.
    """
    last = windows[:, n_lags - 1 : n_lags]
    return windows - last, last


def fit_network(estimator: Any, windows: np.ndarray, n_lags: int) -> Any:
    """Return a `SequencePredictor` that is fitted to windows, whose lags are all known."""
    return estimator.set_params(
        n_steps=windows.shape[1] - n_lags, min_history=n_lags, frame_shape=None
    ).fit(windows)
