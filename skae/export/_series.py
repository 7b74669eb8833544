"""What estimators of series compute, as modules: windows, scores of time steps, forecasts.

They read one series (n_timesteps, n_channels) without lost steps, NaN for missing values. As the
estimators, they compute in double precision.
"""

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from ..estimators._reducer import is_forecaster
from ..estimators._series_scores import stride_of_windows
from ..estimators._series_training import as_number
from ..estimators.forecaster import SeriesForecaster
from ..estimators.series_outlier import SeriesOutlierDetector
from ..estimators.windows import Windows
from ._modules import METHODS
from ._parts import Part, as_rows, observed_squares
from ._reducers import of_frames, reconstruction

# By name of an input: the shape that is traced, and its axes that have any size.
Inputs = dict[str, tuple[tuple[int, ...], dict[int, Any]]]
# Windows of the series that a module is traced with, and rows of one.
_TRACED_WINDOWS = 3


# -- windows ---------------------------------------------------------------------------------


def _starts(n_steps: int, window: int, stride: int) -> torch.Tensor:
    """Return the first steps of windows, as `series._layout.window_starts` does."""
    last = n_steps - window
    # The last window ends with the series, also where the stride leaves steps over.
    return (torch.arange((last + stride - 1) // stride + 1) * stride).clamp(max=last)


def _cut(values: torch.Tensor, starts: torch.Tensor, window: int) -> torch.Tensor:
    """Return windows (n_windows, window, n_channels)."""
    return values[starts[:, None] + torch.arange(window)]


def _padded(values: torch.Tensor, n_before: Any, n_after: Any) -> torch.Tensor:
    """Return a series with missing steps before and after it."""
    return F.pad(values, (0, 0, n_before, n_after), value=torch.nan)


def _mean_of_observed(values: torch.Tensor, dim: Any) -> torch.Tensor:
    observed = ~values.isnan()
    # Nothing observed: zero divided by zero is NaN.
    return torch.where(observed, values, 0.0).sum(dim) / observed.sum(dim)


def _to_steps(
    windows: torch.Tensor, starts: torch.Tensor, window: int, stride: int, n_steps: int
) -> torch.Tensor:
    """Return for each step the mean over the windows that hold it (n_steps, n_channels).

    Parameters
    ----------
    windows : Tensor of shape (n_windows, window, n_channels) or (n_windows, 1, n_channels)
        The latter has one value for all steps of a window.
    """
    steps = torch.arange(n_steps)[:, None]
    n_holding = -(-window // stride)
    # (n_steps, n_holding + 1): the last window may begin before its turn.
    places = steps // stride + 1 - torch.arange(n_holding + 1)
    clamped = places.clamp(min=0).clamp(max=len(starts) - 1)
    offsets = steps - starts[clamped]
    holds = (places == clamped) & (offsets >= 0) & (offsets < window)
    if windows.shape[1] == 1:
        values = windows[:, 0][clamped]
    else:
        values = windows[clamped, offsets.clamp(0, window - 1)]
    return _mean_of_observed(torch.where(holds[:, :, None], values, torch.nan), 1)


def _filled(values: torch.Tensor, starts: torch.Tensor, window: int) -> torch.Tensor:
    """Return windows with missing values on the line between the observed ones of the window."""
    steps = torch.arange(len(values))[:, None]
    parts = _neighbors(values, steps, window)
    # (n_windows, 1, 1)
    first = starts[:, None, None]
    in_windows = _Neighbors(*(_cut(each, starts, window) for each in parts))
    return _between(in_windows, first, first + window)


class _Neighbors(NamedTuple):
    """The nearest observed steps before and after each one, their values, and the line between."""

    before: torch.Tensor
    after: torch.Tensor
    left: torch.Tensor
    right: torch.Tensor
    line: torch.Tensor


def _neighbors(values: torch.Tensor, positions: torch.Tensor, window: int) -> _Neighbors:
    """Return the observed neighbors of each step.

    Parameters
    ----------
    values, positions : Tensor of shape (n_steps, n_channels)
        Where a value is in time.
    window : int
        Steps before and after that are looked at, the step itself included. If none of them was
        observed, they are -1 and n_steps.
    """
    n_steps, observed = len(values), ~values.isnan()
    steps = torch.arange(n_steps)[:, None]
    before = _latest(torch.where(observed, steps, -1), window)
    after = n_steps - 1 - _latest(torch.where(observed, n_steps - 1 - steps, -1).flip(0), window)
    after = after.flip(0)
    places = before.clamp(min=0), after.clamp(max=n_steps - 1)
    left, right = (values.gather(0, each) for each in places)
    positions = positions.expand(values.shape)
    start, end = (positions.gather(0, each) for each in places)
    line = (right - left) / (end - start).clamp(min=1) * (positions - start) + left
    return _Neighbors(before, after, left, right, line)


def _between(neighbors: _Neighbors, first: Any, end: Any) -> torch.Tensor:
    """Return the line where both neighbors lie in [first, end), and the one that does otherwise."""
    has_before, has_after = neighbors.before >= first, neighbors.after < end
    ends = torch.where(has_before, neighbors.left, torch.where(has_after, neighbors.right, 0.0))
    return torch.where(has_before & has_after, neighbors.line, ends)


def _latest(places: torch.Tensor, window: int) -> torch.Tensor:
    """Return the largest of the last places of each step: cumulative maxima, which ONNX lacks."""
    # In double precision, which holds any number of steps.
    padded = F.pad(places.T.double(), (window - 1, 0), value=-1)
    # Not by max_pool1d, for which torch.export fixes the number of steps.
    return F.max_pool2d(padded[None], (1, window), 1)[0].T.long()


class _OfWindows(nn.Module):
    """Base of the methods of `Windows`.

    Parameters
    ----------
    windows : Windows
    """

    def __init__(self, windows: Windows) -> None:
        super().__init__()
        self.window, self.stride = windows.window_, int(windows.stride)
        self.n_channels = windows.n_features_in_


class WindowRows(_OfWindows):
    """`Windows.transform`."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Cut a series (n_timesteps, n_channels)."""
        return _cut(X, _starts(len(X), self.window, self.stride), self.window).flatten(1)


class JoinedWindows(_OfWindows):
    """`Windows.inverse_transform` of the windows of one series."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Join windows (n_windows, window * n_channels)."""
        windows = rows.double().unflatten(1, (self.window, self.n_channels))
        starts = torch.arange(len(rows)) * self.stride
        n_steps = (len(rows) - 1) * self.stride + self.window
        return _to_steps(windows, starts, self.window, self.stride, n_steps).to(rows.dtype)


# -- scores of steps -------------------------------------------------------------------------


class _NeighborDeviations(Part):
    """Map windows to their mean squared deviation from the nearest references."""

    references: torch.Tensor

    def __init__(self, detector: SeriesOutlierDetector) -> None:
        super().__init__(references=detector.references_)
        self.n_neighbors = as_number(detector.n_neighbors, len(detector.references_))
        self.window = detector.window_

    def forward(self, values: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        windows = _cut(values, starts, self.window)
        rows = as_rows(windows.flatten(1))
        # (n_windows, n_references): squared distances, but for the row's own square.
        distances = observed_squares(rows, self.references)
        filled = torch.where(rows.observed, rows.values, 0.0)
        distances = distances - 2 * filled @ self.references.T
        nearest = distances.topk(self.n_neighbors, dim=1, largest=False).indices
        # (n_windows, n_neighbors, window, n_channels), not from the distances: these are rounded.
        references = self.references[nearest].unflatten(2, windows.shape[1:])
        errors = (windows[:, None] - references).square()
        return _mean_of_observed(errors, (1, 2))[:, None]


class _ErrorDeviations(nn.Module):
    """Map windows to the squared errors of their reconstruction."""

    def __init__(self, detector: SeriesOutlierDetector) -> None:
        super().__init__()
        self.reconstruct = reconstruction(detector.estimator_)
        self.window = detector.window_

    def forward(self, values: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        filled = _filled(values, starts, self.window)
        made = self.reconstruct(filled.flatten(1)).double().unflatten(1, filled.shape[1:])
        return (_cut(values, starts, self.window) - made).square()


class _ForecastDeviations(nn.Module):
    """Map windows to the squared error of their last step, as predicted from those before it."""

    def __init__(self, detector: SeriesOutlierDetector) -> None:
        super().__init__()
        self.predict = of_frames(detector.estimator_, "predict")
        self.window = detector.window_

    def forward(self, values: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        filled = _filled(values, starts, self.window)
        last = values[starts + (self.window - 1)]
        made = self.predict(filled[:, :-1]).double().reshape(last.shape)
        return (last - made).square()[:, None]


def _deviations(detector: SeriesOutlierDetector) -> nn.Module:
    if detector.method_ == "neighbors":
        return _NeighborDeviations(detector)
    is_prediction = is_forecaster(detector.estimator_)
    return (_ForecastDeviations if is_prediction else _ErrorDeviations)(detector)


class StepScores(Part):
    """`SeriesOutlierDetector.score_samples`.

    Parameters
    ----------
    detector : SeriesOutlierDetector
    """

    center: torch.Tensor
    scale: torch.Tensor

    def __init__(self, detector: SeriesOutlierDetector) -> None:
        super().__init__(center=detector.center_, scale=detector.scale_)
        self.deviations = _deviations(detector)
        self.window, self.n_smoothed = detector.window_, detector._n_smoothed
        self.is_causal = detector.causal or is_forecaster(detector.estimator_)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Score the steps of a series (n_timesteps, n_channels)."""
        values = (X.double() - self.center) / self.scale
        spread = self._causal if self.is_causal else self._of_all_windows
        return -_mean_of_observed(spread(values), 1)

    def _causal(self, values: torch.Tensor) -> torch.Tensor:
        starts = torch.arange(len(values))
        deviations = self.deviations(_padded(values, self.window - 1, 0), starts)
        return _mean_of_observed(deviations[:, -self.n_smoothed :], 1)

    def _of_all_windows(self, values: torch.Tensor) -> torch.Tensor:
        n_steps, window = len(values), self.window
        stride = stride_of_windows(window)
        # A series that is shorter than a window is one with missing values.
        values = _padded(values, 0, torch.sym_max(window - n_steps, 0))
        starts = _starts(len(values), window, stride)
        deviations = self.deviations(values, starts)
        steps = _to_steps(deviations, starts, window, stride, len(values))[:n_steps]
        if self.n_smoothed == 1:
            return steps
        before = (self.n_smoothed - 1) // 2
        padded = _padded(steps, before, self.n_smoothed - 1 - before)
        return _mean_of_observed(_cut(padded, torch.arange(n_steps), self.n_smoothed), 1)


# -- forecasts -------------------------------------------------------------------------------


class Forecasts(Part):
    """`SeriesForecaster.forecast` of as many steps as are predicted at once.

    Parameters
    ----------
    forecaster : SeriesForecaster
    """

    scale: torch.Tensor
    effect: torch.Tensor

    def __init__(self, forecaster: SeriesForecaster) -> None:
        effect = forecaster.known_coef_ * forecaster._known_scale
        super().__init__(scale=forecaster.scale_, effect=effect)
        self.n_lags, self.n_steps = forecaster.n_lags_, forecaster._n_steps
        self.channels = torch.as_tensor(forecaster._channels)
        self.known = torch.as_tensor(forecaster.known_columns_)
        is_linear = forecaster.estimator_ is None
        self.ahead = _LinearAhead(forecaster) if is_linear else _NetworkAhead(forecaster)

    def forward(self, X: torch.Tensor, future: torch.Tensor | None = None) -> torch.Tensor:
        """Forecast how a series (n_timesteps, n_columns) continues, (n_steps, n_channels).

        Of columns that are known in advance, `future` holds the next values (n_steps, n_known).
        """
        steps = _last_steps(X.double(), self.n_lags) / self.scale
        last = steps[-1]
        lags, known = (steps - last)[:, self.channels], (steps - last)[:, self.known]
        if future is None:
            forecast = self.ahead(lags, known, last[self.known])
        else:
            ahead = future.double() / self.scale[self.known] - last[self.known]
            lags = lags - known @ self.effect
            known = torch.cat([known, ahead])
            forecast = self.ahead(lags, known, last[self.known]) + ahead @ self.effect
        made: torch.Tensor = (forecast + last[self.channels]) * self.scale[self.channels]
        return made.float()


def _last_steps(values: torch.Tensor, n_lags: int) -> torch.Tensor:
    """Return the last steps of a series without missing values; short ones are padded."""
    # Missing steps before its beginning: they get the first observed values.
    values = _padded(values, n_lags, 0)
    n_before = len(values) - n_lags
    earlier, steps = values[:n_before], torch.arange(n_before)[:, None]
    last = torch.where(earlier.isnan(), -1, steps).amax(0, keepdim=True)
    # One step stands for all earlier ones: the last that was observed, with its distance.
    first = last.clamp(min=0)
    kept = torch.cat([earlier.gather(0, first), values[n_before:]])
    positions = n_before + torch.arange(n_lags)[:, None].expand(-1, values.shape[1])
    positions = torch.cat([first, positions])
    return _between(_neighbors(kept, positions, n_lags + 1), 0, n_lags + 1)[1:]


class _LinearAhead(Part):
    """What follows on lags by ridge regression, also on known columns at the lags and after."""

    coef: torch.Tensor
    intercept: torch.Tensor

    def __init__(self, forecaster: SeriesForecaster) -> None:
        super().__init__(coef=forecaster.coef_, intercept=forecaster.intercept_)
        self.n_lags, self.n_steps = forecaster.n_lags_, forecaster._n_steps
        n_of_lags = self.n_lags * len(forecaster._channels)
        self.has_known = len(forecaster.coef_) > n_of_lags

    def forward(self, lags: torch.Tensor, known: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        row = lags.flatten()
        if self.has_known:
            # Of the last step the level itself, in the place of its difference from itself.
            before, after = known[: self.n_lags - 1], known[self.n_lags :]
            row = torch.cat([row, torch.cat([before, last[None], after]).flatten()])
        return (row @ self.coef + self.intercept).unflatten(0, (self.n_steps, -1))


class _NetworkAhead(nn.Module):
    """What follows on lags by a fitted `SequencePredictor`."""

    def __init__(self, forecaster: SeriesForecaster) -> None:
        super().__init__()
        self.forecast = METHODS["forecast"](forecaster.estimator_)
        self.shape = forecaster._n_steps, len(forecaster._channels)

    def forward(self, lags: torch.Tensor, known: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.forecast(lags[None].float())
        return made.double().reshape(self.shape)


@METHODS["transform"].register
def _(estimator: Windows) -> nn.Module:
    return WindowRows(estimator)


@METHODS["inverse_transform"].register
def _(estimator: Windows) -> nn.Module:
    return JoinedWindows(estimator)


@METHODS["forecast"].register
def _(estimator: SeriesForecaster) -> nn.Module:
    return Forecasts(estimator)


def inputs_of_series(estimator: Any, methods: list[str]) -> Inputs:
    """Return the inputs of a module: a series, what is known of its future, or windows."""
    any_length = {0: torch.export.Dim.DYNAMIC}
    n_columns = estimator.n_features_in_
    if methods == ["inverse_transform"]:
        return {"X": ((_TRACED_WINDOWS, estimator.window_ * n_columns), any_length)}
    length = estimator.n_lags_ if isinstance(estimator, SeriesForecaster) else estimator.window_
    inputs: Inputs = {"X": ((_TRACED_WINDOWS * length + 1, n_columns), any_length)}
    if isinstance(estimator, SeriesForecaster) and len(estimator.known_columns_):
        inputs["future"] = (estimator._n_steps, len(estimator.known_columns_)), {}
    return inputs
