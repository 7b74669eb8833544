"""What users call a series, as arrays: frames with times, lists of recordings, lost steps."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from .._arrays import as_array, naming_types
from ..sources import check_in_memory

# A one-dimensional array of fewer values is more likely one step of many channels than a series,
# and scikit-learn's contract is that rows without a second axis are refused.
_MIN_FLAT_STEPS = 30
# Steps further apart than this multiple of the usual distance have lost steps between them.
_GAP_STEPS = 1.5


@dataclass(frozen=True)
class Series:
    """One recording.

    Attributes
    ----------
    values : ndarray of shape (n_timesteps, n_channels)
        Floats; NaN is a missing value.
    times : ndarray of shape (n_timesteps,), int64, or None
        Nanoseconds since 1970, strictly increasing.
    index : pandas Index or None
        That of the frame.
    segments : list of slice
        Stretches without lost time steps, in order.
    """

    values: np.ndarray
    times: np.ndarray | None
    index: Any
    segments: list[slice]

    @property
    def labels(self) -> Any:
        """What the steps are called: the index of the frame, its times, or numbers."""
        if self.index is not None:
            return self.index
        return range(len(self.values)) if self.times is None else self.times.view("datetime64[ns]")

    def end(self, step: int | None) -> tuple[int, int | None] | None:
        """Return the last time, and the usual step, which a short series does not know."""
        return None if self.times is None else (int(self.times[-1]), step)

    def follows(self, end: tuple[int, int | None] | None) -> bool:
        """Return whether no step is lost between the `end` of another series and this one."""
        if end is None or self.times is None:
            return True
        time, step = end
        step = self.step if step is None else step
        return step is None or bool(self.times[0] - time <= _GAP_STEPS * step)

    def in_steps_of(self, step: int | None) -> "Series":
        """Return the series with the stretches that it has if this is the usual step."""
        if step is None or self.times is None:
            return self
        return replace(self, segments=_segments(self.times, len(self.values), step))

    def last(self, n_steps: int) -> "Series":
        """Return the last steps."""
        if len(self.values) <= n_steps:
            return self
        times = None if self.times is None else self.times[-n_steps:]
        return bare_series(self.values[-n_steps:], times)

    @property
    def step(self) -> int | None:
        """The usual time between two steps in nanoseconds; None without times."""
        return None if self.times is None else usual_step(self.times)


def read_series(
    estimator: Any, X: Any, *, reset: bool, min_steps: int = 1
) -> tuple[list[Series], bool]:
    """Validate X as one series or as several.

    Parameters
    ----------
    estimator : estimator
        Its ``n_features_in_`` and ``feature_names_in_`` are set or compared: those of channels.
    X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
        Of one channel, a vector or a Series of pandas will do. The time stamps are a pandas index
        of dates, or the one column of dates of a polars frame.
    reset : bool
        Whether to set the attributes, as in ``fit``.
    min_steps : int, default=1
        Of one series; several of a list may be short.

    Returns
    -------
    series : list of Series
    is_list : bool
        Whether X is a list of series.
    """
    is_list = is_list_of_series(X)
    parts = list(X) if is_list else [X]
    series = []
    for i, part in enumerate(parts):
        with _naming_part(i) if is_list else nullcontext():
            # The first one sets the attributes, and the others are compared with them.
            series.append(_read_one(estimator, part, reset and i == 0, 1 if is_list else min_steps))
    return series, is_list


@contextmanager
def _naming_part(number: int) -> Iterator[None]:
    """Say of which series in a list an error is."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"X[{number}]: {error}") from error


def is_list_of_series(X: Any) -> bool:
    """Return whether X is a list of arrays or frames; lists of numbers are one array."""
    return isinstance(X, (list, tuple)) and any(len(getattr(part, "shape", ())) > 0 for part in X)


def _read_one(estimator: Any, X: Any, reset: bool, min_steps: int) -> Series:
    check_in_memory(X, type(estimator).__name__)
    X, index, times = times_apart(X)
    X = as_array(X)
    shape = getattr(X, "shape", ())
    if len(shape) > 2:
        _refuse_sequences(estimator, shape)
    if len(shape) == 1:
        X = _as_column(estimator, X, reset)
    with naming_types(X):
        values = validate_data(
            estimator,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            ensure_min_samples=min_steps,
        )
    return Series(values, times, index, _segments(times, len(values)))


def times_apart(X: Any) -> tuple[Any, Any, np.ndarray | None]:
    """Return the numbers of a frame, its index, and its time stamps if it has such."""
    if hasattr(X, "iloc"):
        frame = X.to_frame(name="value" if X.name is None else X.name) if X.ndim == 1 else X
        times = _pandas_times(X.index)
        if times is None:
            _refuse_dates(frame)
        return frame, X.index, times
    # Where it was not imported, nothing can be of it: it is not imported to find out.
    if "polars" not in sys.modules:
        return X, None, None
    polars = sys.modules["polars"]
    if isinstance(X, polars.Series):
        return X.to_numpy(), None, None
    if isinstance(X, polars.DataFrame):
        # Frames of polars have no index. Of several columns of dates none is known to be the time.
        names = [name for name, kind in X.schema.items() if kind in (polars.Date, polars.Datetime)]
        if len(names) == 1:
            times = _checked_times(X[names[0]].to_numpy())
            return X.drop(names), None, times
    return X, None, None


def _pandas_times(index: Any) -> np.ndarray | None:
    pandas = sys.modules["pandas"]
    if isinstance(index, pandas.PeriodIndex):
        # Of a period its start.
        index = index.to_timestamp()
    if not isinstance(index, pandas.DatetimeIndex):
        return None
    # Clocks of a time zone jump; the time in UTC does not.
    index = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    return _checked_times(index.to_numpy())


def _refuse_dates(frame: Any) -> None:
    """Raise a ValueError if a frame of pandas has its time stamps in a column."""
    dates = [name for name, kind in frame.dtypes.items() if getattr(kind, "kind", "") == "M"]
    if dates:
        raise ValueError(
            f"X must have its time stamps as its index, got column {dates[0]!r} of dates: give "
            f"X.set_index({dates[0]!r})."
        )


def _checked_times(dates: np.ndarray) -> np.ndarray:
    """Return dates as nanoseconds since 1970."""
    if np.isnat(dates).any():
        raise ValueError("The time stamps of X must be complete, got some that are missing (NaT).")
    # One unit, whatever that of the frame: differences are then whole numbers without rounding.
    times = dates.astype("datetime64[ns]").astype(np.int64)
    check_increasing(times)
    return times


def check_increasing(times: np.ndarray) -> None:
    """Raise a ValueError unless each time is later than the one before."""
    is_late = np.diff(times) > 0
    if not is_late.all():
        place = int(np.argmin(is_late))
        first, second = times[place : place + 2].view("datetime64[ns]").astype("datetime64[s]")
        raise ValueError(
            f"The time stamps of X must increase, got {first} before {second}: sort the frame by "
            "time (sort_index), and leave one row for each time. Recordings that run side by side "
            "are given as a list of frames."
        )


def _refuse_sequences(estimator: Any, shape: tuple[int, ...]) -> None:
    name = type(estimator).__name__
    raise ValueError(
        f"X must be one series of shape (n_timesteps, n_channels) or a list of such, got an array "
        f"of shape {tuple(shape)}: a set of {shape[0]} sequences of {shape[1]} steps. "
        f"{name} takes long series: give list(X) if each sequence is a recording of its own. Sets "
        "of many short sequences are what SequencePredictor takes."
    )


def _as_column(estimator: Any, X: Any, reset: bool) -> np.ndarray:
    """Return a vector as a series of one channel, unless it may as well be one step."""
    n_values = len(X)
    n_channels = 1 if reset else estimator.n_features_in_
    # After `fit` the number of channels settles it, and a stream may come in short pieces.
    if n_channels == 1 and (n_values >= _MIN_FLAT_STEPS or not reset):
        return np.asarray(X).reshape(-1, 1)
    raise ValueError(
        f"X must be a series of shape (n_timesteps, {'n_channels' if reset else n_channels}), got "
        f"a one-dimensional array of {n_values} values. Reshape your data: X.reshape(-1, 1) is one "
        "channel over time, X.reshape(1, -1) is one step of many channels."
    )


def _segments(times: np.ndarray | None, n_steps: int, step: int | None = None) -> list[slice]:
    """Return the stretches between which the time stamps skip at least one step."""
    ends = [n_steps]
    if times is not None and n_steps > 1:
        steps = np.diff(times) / (step or usual_step(times))
        ends = [*(np.flatnonzero(steps > _GAP_STEPS) + 1), n_steps]
    starts = [0, *ends[:-1]]
    return [slice(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def usual_step(times: np.ndarray) -> int | None:
    """Return the median time between two steps; None for a single one."""
    if len(times) < 2:
        return None
    steps = np.diff(times)
    # One of the steps themselves: the mean of two may be none that occurs.
    return int(np.partition(steps, len(steps) // 2)[len(steps) // 2])


def bare_series(values: np.ndarray, times: np.ndarray | None = None) -> Series:
    """Return a series of values that have been read before."""
    return Series(values, times, None, _segments(times, len(values)))


def joined_series(before: Series, after: Series) -> Series:
    """Return a series with the one that follows on it."""
    if (before.times is None) != (after.times is None):
        raise ValueError("X must have time stamps in all calls of partial_fit, or in none.")
    values = np.concatenate([before.values, after.values])
    times = None
    if before.times is not None:
        times = np.concatenate([before.times, after.times])
        check_increasing(times)
    return bare_series(values, times)
