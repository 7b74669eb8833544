"""Labels, p-values and events from the scores of the steps of series."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._engine.environment import compute_threads
from ..series._reading import Series, read_series
from ._series_events import describe_event, find_runs, table_of_events
from ._series_scores import mean_of_observed
from ._thresholds import ThresholdMixin, p_values_of_ranks


class SeriesThresholdMixin(ThresholdMixin):
    """Alarms of a detector of series, calibrated on held-out blocks of steps."""

    window_: int
    n_features_in_: int
    training_scores_: np.ndarray

    @abstractmethod
    def _check_fitted(self) -> None:
        """Raise a NotFittedError before `fit`."""

    @abstractmethod
    def _for_each(self, X: Any, compute: Callable[[Series], np.ndarray]) -> Any:
        """Apply a function to a series, or to each of a list of series."""

    @abstractmethod
    def _score_series(self, series: Series) -> np.ndarray:
        """Return the scores of the steps of a series."""

    @abstractmethod
    def _score_stretch(self, values: np.ndarray) -> np.ndarray:
        """Return the scores of consecutive steps."""

    @abstractmethod
    def _deviations_of_series(self, series: Series) -> np.ndarray:
        """Return the squared deviation of each step and channel."""

    def _calibrate_on(self, blocks: list[np.ndarray]) -> None:
        """Store the scores of held-out blocks, each of which counts as one observation."""
        scores, weights = [], []
        for block in blocks:
            of_block = self._score_stretch(block)
            is_known = ~np.isnan(of_block)
            scores.append(of_block[is_known])
            # Steps of a block depend on each other: together they weigh as one row does elsewhere.
            weights.append(np.full(is_known.sum(), 1 / max(is_known.sum(), 1)))
        joined = np.concatenate(scores)
        if not len(joined):
            raise ValueError("X must hold observed values in the held-out blocks, got none there.")
        order = np.argsort(joined, kind="stable")
        self.calibration_scores_ = joined[order]
        self._calibration_weights = np.concatenate(weights)[order]
        self.n_calibration_blocks_ = sum(len(each) > 0 for each in scores)
        # Steps of which nothing was observed have no score, and no place in a quantile.
        self._training_rows = np.flatnonzero(~np.isnan(self.training_scores_))
        self._training_weights = None

    def _p_values_of_ranks(self) -> np.ndarray:
        p_values: np.ndarray = p_values_of_ranks(
            len(self.calibration_scores_), self._calibration_weights, self.n_calibration_blocks_
        )
        return p_values

    def _calibration_units(self) -> str:
        return f"{self.n_calibration_blocks_} held-out blocks of {self.window_} steps or more"

    def decision_function(self, X: Any) -> Any:
        """Score time steps as `score_samples` does, shifted so that outliers are below zero.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            Series.

        Returns
        -------
        decisions : ndarray of shape (n_timesteps,), or a list of such
            ``score_samples(X) - offset_``.
        """
        return self._for_each(X, lambda series: self._score_series(series) - self.offset_)

    def predict(self, X: Any) -> Any:
        """Predict whether time steps are normal or outliers.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            Series.

        Returns
        -------
        labels : ndarray of shape (n_timesteps,), or a list of such
            1 for normal steps, -1 for outliers.
        """
        # NaN is not below.
        return self._for_each(
            X, lambda series: np.where(self._score_series(series) - self.offset_ < 0, -1, 1)
        )

    def p_values(self, X: Any) -> Any:
        """Return conformal p-values of time steps, from blocks of steps that depend on each other.

        With B held-out blocks it is ``(1 + sum over blocks of the fraction of their steps that
        score no higher) / (B + 1)``: a block counts as one observation, however many steps it has,
        and 1 / (B + 1) is the lower limit. If a new stretch of the length of a block, scored by
        itself, and the held-out blocks are exchangeable, then a step drawn from it at random has
        a p-value of at most alpha with a probability of at most alpha, however much the steps
        within a block depend on each other. Blocks are exchangeable if the series is stationary and
        remembers less than a block; the less this holds, the less the p-values do. The p-values of
        neighboring steps depend on each other. Training steps have no valid p-values.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            Series.

        Returns
        -------
        p_values : ndarray of shape (n_timesteps,), or a list of such
            1 for steps of which nothing was observed.
        """
        return self._for_each(X, self._p_values_of_series)

    def _p_values_of_series(self, series: Series) -> np.ndarray:
        # NaN sorts behind all scores.
        ranks = np.searchsorted(self.calibration_scores_, self._score_series(series), side="right")
        return self._p_values_of_ranks()[ranks]

    def events(self, X: Any) -> Any:
        """List the events: stretches of outliers, with the channels that deviate most.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            Series.

        Returns
        -------
        events : pandas.DataFrame
            A row for each event, in order of time: ``start`` and ``end``, its first and last step,
            and ``peak``, its most unusual one, as time stamps if X has them and as numbers of steps
            otherwise; ``n_steps``; ``score`` at the peak; ``channels``, the list of those that
            deviate at least half as much there as the channel that deviates most, in that order.
            Outliers within a window of each other are one event. For a list of series, ``series``
            is the number of the series.
        """
        self._check_fitted()
        series, is_list = read_series(self, X, reset=False)
        rows = []
        with compute_threads():
            for number, each in enumerate(series):
                # Computed once, for the scores and for the channels of an event.
                deviations = self._deviations_of_series(each)
                scores = -mean_of_observed(deviations, 1)
                for run in find_runs(scores < self.offset_, self.window_ - 1):
                    event = describe_event(run, scores, deviations, self._names, each.labels)
                    rows.append({"series": number, **event} if is_list else event)
        return table_of_events(rows, has_series=is_list)

    @property
    def _names(self) -> Sequence[Any]:
        return list(getattr(self, "feature_names_in_", range(self.n_features_in_)))
