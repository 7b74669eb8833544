"""How many steps a window should have: a given number, a time, or as the series repeat."""

import sys
from numbers import Integral
from typing import Any

import numpy as np

from ._reading import Series

# Autocorrelation from which a period is clear enough to be a window: on the labeled series of NAB
# 0.2 and 0.3 do as well. Windows of a period need eight of them to compare.
_CLEAR_CORRELATION, _MIN_PERIODS = 0.5, 8
_MIN_PERIOD, _MAX_PERIOD = 16, 512
# Peaks of at least this fraction of the highest are as high: the week of a series of days is not.
_SAME_HEIGHT = 0.95
# Without a period: 256 steps, and a twentieth of a short series. On NAB 192 to 256 and 16 to 20
# are within 0.01; 64 steps lose 0.1 of the area under the ROC curve.
_MAX_STEPS, _MIN_WINDOWS = 256, 20
# Autocorrelations of independent steps are beyond so many standard errors once in 16,000 lags.
_INDEPENDENT_ERRORS = 4
# Longer series are judged by this many steps: 2**17 take some 10 ms a channel.
_MAX_JUDGED_STEPS = 2**17


def resolve_window(window: Any, series: list[Series]) -> int:
    """Return the number of steps in a window.

    Parameters
    ----------
    window : int, str or time
        ``'auto'``, a number of steps, or a time that pandas understands as an offset.
    series : list of Series
    """
    if isinstance(window, Integral) and not isinstance(window, (bool, np.timedelta64)):
        if window < 1:
            raise ValueError(f"window must be at least 1 step, got {window}.")
        return int(window)
    return _auto_window(series) if window == "auto" else _steps_of(window, series)


def _steps_of(window: Any, series: list[Series]) -> int:
    steps = [each.step for each in series if each.step is not None]
    if not steps:
        raise ValueError(
            f"window must be a number of steps or 'auto' if X has no time stamps, got {window!r}: "
            "give a pandas frame whose index holds dates, or a polars frame with a column of dates."
        )
    try:
        length = int(np.timedelta64(_as_time(window)).astype("timedelta64[ns]").astype(np.int64))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"window must be 'auto', a number of steps, or a time such as '1h', got {window!r}."
        ) from error
    n_steps = round(length / steps[0])
    if n_steps < 1:
        raise ValueError(f"window={window!r} is shorter than a step, {steps[0] / 1e9:g} s.")
    return n_steps


def _as_time(window: Any) -> Any:
    if "pandas" not in sys.modules:  # times of polars, and nobody's names of offsets
        return window
    pandas = sys.modules["pandas"]
    # An offset such as '1D' has no number of its own.
    offset = f"1{window}" if isinstance(window, str) and window[:1].isalpha() else window
    return pandas.Timedelta(offset).to_timedelta64()


def _auto_window(series: list[Series]) -> int:
    """Return a clear period; otherwise a sufficient length, and 1 for independent steps."""
    values = max((each.values for each in series), key=len)[-_MAX_JUDGED_STEPS:]
    n_steps = len(values)
    correlations = autocorrelation(values)
    # With fewer pairs of steps, correlations of independent ones vary more.
    errors = 1 / np.sqrt(n_steps - np.arange(len(correlations)))
    if (np.abs(correlations) < _INDEPENDENT_ERRORS * errors[:, None])[1:].all():
        return 1
    period = _clear_period(correlations.mean(axis=1), n_steps)
    return period or max(1, min(_MAX_STEPS, n_steps // _MIN_WINDOWS))


def autocorrelation(values: np.ndarray) -> np.ndarray:
    """Return the autocorrelation of each channel at lags of up to a quarter of the steps.

    Parameters
    ----------
    values : ndarray of shape (n_timesteps, n_channels)
        Missing values count as the mean.

    Returns
    -------
    correlations : ndarray of shape (n_timesteps // 4 + 1, n_channels)
    """
    n_steps = len(values)
    counts = np.maximum((~np.isnan(values)).sum(axis=0), 1)
    centered = np.nan_to_num(values - np.nansum(values, axis=0) / counts).astype(np.float64)
    scale = np.abs(centered).max(axis=0)
    centered /= np.where(scale > 0, scale, 1)  # squares of large values overflow
    # Twice as many, so that the end does not meet the beginning.
    n_fft = 1 << (2 * n_steps - 1).bit_length()
    spectrum = np.fft.rfft(centered, n_fft, axis=0)
    lags = np.arange(n_steps // 4 + 1)
    products = np.fft.irfft(np.abs(spectrum) ** 2, n_fft, axis=0)[lags]
    variance = np.where(products[0] > 0, products[0], 1)
    correlations: np.ndarray = products / variance * (n_steps / (n_steps - lags))[:, None]
    return correlations


def dominant_period(series: list[Series]) -> int | None:
    """Return after how many steps the changes of the longest series repeat; None if they do not.

    Periods may be as short as two steps, and the series as short as four periods.
    """
    values = max((each.values for each in series), key=len)[-_MAX_JUDGED_STEPS:]
    # Changes, because a trend hides all periods.
    changes = np.diff(values.astype(np.float64), axis=0)
    if len(changes) < 8:
        return None
    return _clear_period(autocorrelation(changes).mean(axis=1), len(changes), 2, 4)


def _clear_period(
    correlations: np.ndarray,
    n_steps: int,
    min_period: int = _MIN_PERIOD,
    min_periods: int = _MIN_PERIODS,
) -> int | None:
    """Return the lag of the first of the highest peaks behind negative ones, if it is clear."""
    lags = np.arange(1, len(correlations) - 1)
    before, here, after = correlations[:-2], correlations[1:-1], correlations[2:]
    negative = np.flatnonzero(correlations < 0)
    # What comes before are neighbors in time and no period.
    first = negative[0] if len(negative) else len(correlations)
    peaks = lags[(here > before) & (here >= after) & (lags > first)]
    if not len(peaks):
        return None
    # Twice a period is one as well, and its correlation may be higher by chance.
    shortest = peaks[np.argmax(correlations[peaks] >= _SAME_HEIGHT * correlations[peaks].max())]
    # Noise makes several peaks of one.
    peaks = peaks[(peaks >= shortest) & (peaks < 1.5 * shortest)]
    period = int(peaks[np.argmax(correlations[peaks])])
    is_clear = correlations[period] >= _CLEAR_CORRELATION
    fits = min_period <= period <= min(_MAX_PERIOD, n_steps // min_periods)
    return period if is_clear and fits else None
