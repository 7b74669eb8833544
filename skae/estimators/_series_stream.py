"""Scores of the steps of a stream, as they come."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np

from .._arrays import as_array
from ..series._reading import Series, is_list_of_series, read_series
from ._series_scores import causal_deviations_of_steps, mean_of_observed


class SeriesStreamMixin:
    """`score_next` of a detector that scores windows."""

    window_: int
    n_features_in_: int
    center_: np.ndarray
    scale_: np.ndarray

    @property
    @abstractmethod
    def _n_smoothed(self) -> int:
        """Steps over which errors are averaged."""

    @abstractmethod
    def _check_fitted(self) -> None:
        """Raise a NotFittedError before `fit`."""

    @abstractmethod
    def _deviations_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the squared deviations of windows (n_windows, n_steps, n_channels)."""

    def score_next(self, X: Any) -> np.ndarray:
        """Score the next steps of a stream as they come; the detector remembers those before.

        Each step is scored by the window that ends with it, whether steps come one by one or many
        at once: as ``score_samples`` of all of them together does with ``causal=True``, to whose
        scores `offset_` then belongs. Time stamps that skip steps begin anew. See `start_stream`.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_new, n_channels), or array-like of shape \
                (n_channels,)
            New steps, or one step.

        Returns
        -------
        scores : ndarray of shape (n_new,)
            Higher is more normal.
        """
        self._check_fitted()
        series = self._read_next(X)
        history, end = vars(self).get("_history", (None, None))
        _check_later(series, end)
        step = self._usual_step(series, end)
        series = series.in_steps_of(step)
        parts = []
        for i, segment in enumerate(series.segments):
            values = (series.values[segment] - self.center_) / self.scale_
            # Between two segments of one call steps are lost, and between two calls they may be.
            if i > 0 or not series.follows(end):
                history = None
            deviations = causal_deviations_of_steps(
                values, self.window_, self._deviations_of, self._n_smoothed, history
            )
            parts.append(-mean_of_observed(deviations, 1))
            known = values if history is None else np.concatenate([history, values])
            # One step less than a window: with the next step they are one.
            history = known[max(len(known) - self.window_ + 1, 0) :]
        # After all is computed: a call that fails leaves the stream as it was.
        self._history = history, series.end(step)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def start_stream(self, X: Any = None) -> Self:
        """Let `score_next` begin anew.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), default=None
            The steps just before the stream, such as the end of the training series. If None,
            nothing is known of them, and the first windows have missing steps.

        Returns
        -------
        self : SeriesOutlierDetector
            The detector itself.
        """
        self._check_fitted()
        if X is None:
            self.__dict__.pop("_history", None)
            return self
        series = self._read_one(X)
        step = self._usual_step(series, None)
        # Only what comes after the last lost step is continued by the stream.
        last = series.in_steps_of(step).segments[-1]
        values = (series.values[last] - self.center_) / self.scale_
        self._history = values[max(len(values) - self.window_ + 1, 0) :], series.end(step)
        return self

    def _usual_step(self, series: Series, end: tuple[int, int | None] | None) -> int | None:
        """Return the time between two steps: a call may hold one step, or two with lost ones."""
        known = vars(self).get("_step")
        if known is None and end is not None:
            known = end[1]
        return series.step if known is None else known

    def _read_next(self, X: Any) -> Series:
        if isinstance(X, (list, tuple)) and not is_list_of_series(X):
            X = as_array(X)
        if getattr(X, "shape", ()) == (self.n_features_in_,):
            # A row of pandas is named by its time: as a frame, that is its index again.
            X = X.to_frame().T if hasattr(X, "to_frame") and len(X) > 1 else X
            X = X[None] if isinstance(X, np.ndarray) else X
        return self._read_one(X)

    def _read_one(self, X: Any) -> Series:
        series, is_list = read_series(self, X, reset=False)
        if is_list:
            raise ValueError(
                "X must hold the next steps of one series, of shape (n_new, "
                f"{self.n_features_in_}), got a list of {len(series)} series: a detector remembers "
                "one stream. Use a copy of it (copy.deepcopy) for each."
            )
        return series[0]


def _check_later(series: Series, end: tuple[int, int | None] | None) -> None:
    """Raise a ValueError if a series begins before the end of the one that it follows on."""
    if end is None or series.times is None or series.times[0] > end[0]:
        return
    last, first = np.array([end[0], series.times[0]]).view("datetime64[ns]").astype("datetime64[s]")
    raise ValueError(
        f"X must follow on the steps so far, the last of which is of {last}, got one of {first}: "
        "leave out steps that were scored before, or call start_stream() to begin anew."
    )
