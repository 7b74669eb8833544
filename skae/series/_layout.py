"""Where windows lie in a series, and how values of windows become values of time steps."""

import numpy as np


def window_starts(n_steps: int, window: int, stride: int) -> np.ndarray:
    """Return the first steps of windows; the last window ends with the series.

    Returns
    -------
    starts : ndarray of int
        Empty if the series is shorter than a window.
    """
    starts = np.arange(0, n_steps - window + 1, stride)
    is_left = len(starts) and starts[-1] != n_steps - window
    return np.append(starts, n_steps - window) if is_left else starts


def window_rows(values: np.ndarray, window: int, stride: int = 1) -> np.ndarray:
    """Return windows as rows, step by step, as a view of the series where it has none left over.

    Parameters
    ----------
    values : ndarray of shape (n_timesteps, n_channels)

    Returns
    -------
    rows : ndarray of shape (n_windows, window * n_channels)
        Read-only.
    """
    # One copy of the series, where it is a column of a frame, in place of one for each window.
    values = np.ascontiguousarray(values)
    n_steps, n_channels = values.shape
    n_windows = max(n_steps - window + 1, 0)
    rows = np.lib.stride_tricks.as_strided(
        values,
        (n_windows, window * n_channels),
        (values.strides[0], values.itemsize),
        writeable=False,
    )
    starts = window_starts(n_steps, window, stride)
    is_even = not len(starts) or starts[-1] % stride == 0
    return rows[::stride] if is_even else rows[starts]


def to_steps(windows: np.ndarray, starts: np.ndarray, n_steps: int) -> np.ndarray:
    """Return for each step the mean over the windows that hold it; NaN where none does.

    Parameters
    ----------
    windows : ndarray of shape (n_windows, window, n_channels)
        A value for each step of each window, NaN for none; of values that are the same for all
        steps of a window, `np.broadcast_to` makes such.
    starts : ndarray of shape (n_windows,)
        First step of each window, all different.
    n_steps : int

    Returns
    -------
    steps : ndarray of shape (n_steps, n_channels)
    """
    sums = np.zeros((n_steps, windows.shape[2]))
    counts = np.zeros(sums.shape)
    # Not by differences of cumulative sums: a large value would leave its rounding error in all
    # steps that follow.
    for offset in range(windows.shape[1]):
        values = windows[:, offset]
        is_known = ~np.isnan(values)
        sums[starts + offset] += np.where(is_known, values, 0)
        counts[starts + offset] += is_known
    steps: np.ndarray = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return steps
