"""Columns of series whose values are known in advance: which, their effect, and their values."""

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_array

from .._arrays import naming_types
from ..models._autoregression import fit_ridge
from ..series._future import future_labels
from ..series._reading import Series, is_list_of_series, times_apart
from ._lag_windows import example_windows, fit_linear, relative_to_last

# The regression on lags and the effect of columns are fitted in turns. On made series and the
# taxi series the second turn matters where effects are rare events, and a third changes nothing.
_N_TURNS = 2
# Values of the regression for the effect: more windows take long and hardly change it.
_MAX_EFFECT_VALUES = 4_000_000
# Known columns of the whole window are further columns of the regression if it has at most so many
# in all, which take a second. The days of the week, at 48 hours and the next 24, lower the error
# of hourly taxi rides from 0.46 to 0.28; with wider windows only the effect is used.
_MAX_INPUTS = 1024


def resolve_columns(known_future: Any, estimator: Any) -> np.ndarray:
    """Return the positions of columns that are known in advance.

    Parameters
    ----------
    known_future : array-like of str or int, or None
        Names or positions.
    estimator : estimator
        With ``n_features_in_`` and, of frames, ``feature_names_in_``.
    """
    n_columns = estimator.n_features_in_
    wanted = [] if known_future is None else list(known_future)
    names = [str(name) for name in getattr(estimator, "feature_names_in_", ())]
    places = {name: place for place, name in enumerate(names)}
    places.update((place, place) for place in range(n_columns))  # type: ignore[misc]
    unknown = [each for each in wanted if not _is_name(each) or each not in places]
    if unknown:
        raise ValueError(
            f"known_future must hold columns of X, {names or f'numbers from 0 to {n_columns - 1}'},"
            f" got {unknown}."
        )
    columns = [places[each] for each in wanted]
    if len(set(columns)) < len(columns):
        raise ValueError(f"known_future must hold each column once, got {wanted}.")
    if wanted and len(columns) == n_columns:
        raise ValueError(
            f"known_future={wanted} are all columns of X, and none is left to forecast."
        )
    return np.array(columns, dtype=int)


def _is_name(given: Any) -> bool:
    return isinstance(given, (str, Integral)) and not isinstance(given, bool)


def fit_effect(channels: np.ndarray, known: np.ndarray, n_lags: int) -> np.ndarray:
    """Return how much known columns add to each channel at the same step.

    Regression with autocorrelated errors (Cochrane and Orcutt, 1949): what the lags predict is
    taken from both sides before the effect is fitted.

    Parameters
    ----------
    channels : ndarray of shape (n_windows, n_lags + n_steps, n_channels)
        Relative to the last known step.
    known : ndarray of shape (n_windows, n_lags + n_steps, n_known)
        Likewise.
    n_lags : int

    Returns
    -------
    effect : ndarray of shape (n_known, n_channels)
    """
    n_channels, n_known = channels.shape[2], known.shape[2]
    effect = np.zeros((n_known, n_channels))
    if not n_known or not len(channels):
        return effect
    n_values = channels[0, n_lags:].size * n_known * n_channels
    stride = -(-len(channels) * n_values // _MAX_EFFECT_VALUES)
    some, some_known = channels[::stride], known[::stride]
    # At first nothing is known of the lags.
    coefficients = np.zeros((n_lags * n_channels, channels[0, n_lags:].size))
    for turn in range(_N_TURNS):
        if turn:
            coefficients, _ = fit_linear(channels - known @ effect, n_lags)
        columns = [
            _unpredicted(part, n_lags, coefficients).ravel()
            for part in _single_effects(some_known, n_channels)
        ]
        # A change of the effect: columns that the lags predict keep the one that they have.
        target = _unpredicted(some - some_known @ effect, n_lags, coefficients).reshape(-1, 1)
        change, _ = fit_ridge(np.stack(columns, axis=1), target, np.ones(len(target)))
        effect = effect + change.reshape(n_known, n_channels)
    return effect


def without_effect(
    series: list[Series], columns: np.ndarray, scale: np.ndarray
) -> tuple[list[Series], list[Series]]:
    """Return the channels less what known columns add by their changes, and as they are.

    Parameters
    ----------
    series : list of Series
    columns : ndarray of int
        Positions of known columns.
    scale : ndarray of shape (n_columns,)
        Units of all columns.
    """
    others = np.setdiff1d(np.arange(len(scale)), columns)
    channels = [replace(each, values=each.values[:, others]) for each in series]
    if not len(columns):
        return channels, channels
    windows, _ = relative_to_last(example_windows(series, 1, 1) / scale, 1)
    effect = fit_effect(windows[..., others], windows[..., columns], 1)
    effect *= scale[others] / scale[columns][:, None]
    added = [each.values[:, columns] @ effect for each in series]
    pairs = zip(channels, added, strict=True)
    return [replace(each, values=each.values - part) for each, part in pairs], channels


def _single_effects(known: np.ndarray, n_channels: int) -> Any:
    """Yield windows of all channels, in which one known column adds to one channel."""
    for column in np.moveaxis(known, 2, 0):
        for channel in range(n_channels):
            windows = np.zeros((*column.shape, n_channels))
            windows[:, :, channel] = column
            yield windows


def _unpredicted(windows: np.ndarray, n_lags: int, coefficients: np.ndarray) -> np.ndarray:
    """Return the following steps without what the lags predict of them, a row for each window."""
    lags, ahead = (
        part.reshape(len(windows), -1) for part in (windows[:, :n_lags], windows[:, n_lags:])
    )
    return ahead - lags @ coefficients


def known_inputs(windows: np.ndarray, columns: np.ndarray, n_lags: int) -> np.ndarray:
    """Return what a regression sees of known columns, (n_windows, n_inputs).

    They are relative to the last known step, as all is, with that step itself in its place.

    Parameters
    ----------
    windows : ndarray of shape (n_windows, n_lags + n_steps, n_columns)
    columns : ndarray of int
        Positions of known columns.
    n_lags : int
    """
    n_windows, length, n_columns = windows.shape
    if n_lags * (n_columns - len(columns)) + length * len(columns) > _MAX_INPUTS:
        return np.empty((n_windows, 0))
    relative, last = relative_to_last(windows[..., columns], n_lags)
    # Of itself a level may say how fast a channel grows.
    relative[:, n_lags - 1] = last[:, 0]
    return relative.reshape(n_windows, -1)


# -- values given for the future -------------------------------------------------------------


def read_futures(
    estimator: Any, future: Any, series: list[Series], is_list: bool, n_steps: int
) -> list[np.ndarray]:
    """Validate the known columns of the steps that follow on each series.

    Parameters
    ----------
    estimator : SeriesForecaster
        Fitted.
    future : {array-like, DataFrame, Series}, a list of such, or None
    series : list of Series
    is_list : bool
        Whether X is a list of series; `future` then is one as well.
    n_steps : int

    Returns
    -------
    futures : list of ndarray of shape (n_steps, n_known)
    """
    columns = estimator.known_columns_
    if not len(columns):
        if future is not None:
            raise ValueError(
                "future must be None without columns that are known in advance: name those of X "
                f"in {type(estimator).__name__}(known_future=[...])."
            )
        return [np.empty((n_steps, 0)) for _ in series]
    names = list(getattr(estimator, "feature_names_in_", np.arange(estimator.n_features_in_)))
    names = [names[column] for column in columns]
    if future is None:
        raise ValueError(
            f"future must hold the columns {_listed(names)}, which are known in advance, in the "
            f"{n_steps} steps that follow on X; got None."
        )
    parts = list(future) if is_list and isinstance(future, (list, tuple)) else [future]
    if is_list_of_series(future) != is_list or len(parts) != len(series):
        raise ValueError(
            f"future must be {f'a list of {len(series)} frames' if is_list else 'one frame'}, as X "
            f"is, got {len(parts) if is_list_of_series(future) else 'no list'}."
        )
    pairs = zip(parts, series, strict=True)
    return [_read_future(part, names, each, n_steps) for part, each in pairs]


def _read_future(future: Any, names: list[Any], series: Series, n_steps: int) -> np.ndarray:
    if hasattr(future, "iloc"):
        frame = future if future.ndim == 2 else future.to_frame(future.name or names[0])
        frame = _following_rows(_chosen(frame, names), series, n_steps)
    else:
        frame, _, times = times_apart(future)
        frame = _chosen(frame, names)
        _check_later(times, series)
    if len(getattr(frame, "shape", ())) == 1 and len(names) == 1:
        frame = np.reshape(frame, (-1, 1))
    with naming_types(frame, "future"):
        values: np.ndarray = check_array(frame, dtype=np.float64, input_name="future")
    if values.shape != (n_steps, len(names)):
        raise ValueError(
            f"future must have a row for each of the n_steps={n_steps} steps that follow on X, and "
            f"the columns {_listed(names)}, got shape {values.shape}."
        )
    return values


def _chosen(frame: Any, names: list[Any]) -> Any:
    """Return the columns with these names, if the columns of X had names."""
    if not hasattr(frame, "columns") or not all(isinstance(name, str) for name in names):
        return frame
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ValueError(
            f"future must hold the columns {_listed(names)}, which are known in advance; "
            f"{_listed(missing)} is missing, got {_listed(frame.columns)}."
        )
    # In the order of `fit`; a frame may hold others, such as all columns of X.
    return frame[[str(name) for name in names]]


def _following_rows(frame: Any, series: Series, n_steps: int) -> Any:
    """Return the rows of a frame of pandas with the labels that follow on X."""
    labels, index = future_labels(series, n_steps), frame.index
    has_dates = series.times is not None and isinstance(index, type(labels))
    if labels is None or not (has_dates or labels.isin(index).all()):
        # Labels that X does not continue, such as those of a new frame: rows in their order.
        return frame
    if not index.is_unique:
        raise ValueError(
            f"future must have one row for each step, got {index[index.duplicated()][0]} twice."
        )
    lost = labels[~labels.isin(index)]
    if len(lost):
        got = f"{index[0]} to {index[-1]}" if len(index) else "no rows"
        raise ValueError(
            f"future must have a row for each of the n_steps={n_steps} steps that follow on X, "
            f"{labels[0]} to {labels[-1]}; {lost[0]} is missing, got {got}."
        )
    return frame.loc[labels]


def _check_later(times: np.ndarray | None, series: Series) -> None:
    """Raise a ValueError if rows with time stamps begin before X ends."""
    if times is None or series.times is None or times[0] > series.times[-1]:
        return
    ends = np.array([series.times[-1], times[0]]).view("datetime64[ns]").astype("datetime64[s]")
    raise ValueError(f"future must begin after the last step of X, {ends[0]}, got {ends[1]}.")


def _listed(names: Any) -> str:
    return ", ".join(f"'{name}'" if isinstance(name, str) else str(name) for name in names)
