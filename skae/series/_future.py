"""The time stamps that follow on a series, and forecasts in the form in which it was given."""

import sys
import warnings
from typing import Any

import numpy as np

from ._reading import Series


def future_labels(series: Series, n_steps: int) -> Any:
    """Return the pandas index of the steps that follow; None for a series without one.

    Parameters
    ----------
    series : Series
    n_steps : int
    """
    index = series.index
    if index is None:
        return None
    pandas = sys.modules["pandas"]
    if isinstance(index, pandas.PeriodIndex):
        return pandas.period_range(index[-1] + 1, periods=n_steps, freq=index.freq, name=index.name)
    if isinstance(index, pandas.DatetimeIndex):
        step = _frequency(pandas, index, series)
        return pandas.date_range(
            index[-1] + step, periods=n_steps, freq=step, tz=None, name=index.name
        )
    if isinstance(index, pandas.RangeIndex):
        first = index[-1] + index.step
        stop = first + n_steps * index.step
        return pandas.RangeIndex(first, stop, index.step, name=index.name)
    # Of other labels none is known that follows: the number of steps ahead.
    return pandas.RangeIndex(1, n_steps + 1, name="steps ahead")


def _frequency(pandas: Any, index: Any, series: Series) -> Any:
    """Return an offset: months and quarters have no fixed length."""
    last = index[series.segments[-1]]
    with warnings.catch_warnings():
        # pandas 3 announces that it will return an offset, which `to_offset` takes as well.
        warnings.simplefilter("ignore")
        name = last.freqstr or last.inferred_freq
    if name is not None:
        return pandas.tseries.frequencies.to_offset(name)
    step = series.step
    if step is None:
        raise ValueError(
            "X must have at least two time stamps, from which the next ones follow, or an index "
            "with a freq, got a single one."
        )
    return pandas.Timedelta(step, unit="ns")


def in_form_of(
    values: np.ndarray, X: Any, series: Series, columns: np.ndarray | None = None
) -> Any:
    """Return a forecast (n_steps, n_channels) as a frame or Series of pandas, or as an array.

    Parameters
    ----------
    values : ndarray of shape (n_steps, n_channels)
    X : object
        What the caller gave, one series.
    series : Series
        What was read of it.
    columns : ndarray of int, default=None
        Positions of the columns of X that are forecast; all of them if None.
    """
    labels = future_labels(series, len(values))
    if labels is None:
        return values[:, 0] if len(getattr(X, "shape", (0, 0))) == 1 else values
    pandas = sys.modules["pandas"]
    if X.ndim == 1:
        return pandas.Series(values[:, 0], labels, name=X.name)
    names = X.columns if columns is None else X.columns[columns]
    return pandas.DataFrame(values, labels, names)
