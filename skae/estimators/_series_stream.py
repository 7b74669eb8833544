"""Scores of the steps of a stream, as they come."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np

from ..series._reading import Series, read_series
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
        self._history = history, series.end
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
        self.__dict__.pop("_history", None)
        if X is not None:
            (series,) = read_series(self, X, reset=False)[0]
            # Only what comes after the last lost step is continued by the stream.
            values = (series.values[series.segments[-1]] - self.center_) / self.scale_
            self._history = values[max(len(values) - self.window_ + 1, 0) :], series.end
        return self

    def _read_next(self, X: Any) -> Series:
        if type(X) is np.ndarray and X.shape == (self.n_features_in_,):
            X = X[None]
        (series,) = read_series(self, X, reset=False)[0]
        return series
