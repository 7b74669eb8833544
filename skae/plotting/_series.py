"""Sequences: forecasts beside what happened, and series with the events in them."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_scalar

from .._arrays import as_array, naming_types
from ._images import draw_rows, value_range
from ._style import COLORS, axes_or_new

_MAX_LINES = 6  # values of a frame drawn as lines; more cannot be followed


class ForecastDisplay:
    """One sequence and its forecast: frames of images in rows, other values as lines.

    Build it by :meth:`from_estimator`.

    Parameters
    ----------
    observed : ndarray of shape (n_timesteps, *frame_shape)
        The frames from which the forecast is made.
    forecast : ndarray of shape (n_steps, *frame_shape)
        The frames that are predicted to follow.
    truth : ndarray of shape (n_steps, *frame_shape), default=None
        The frames that did follow.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes it is drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import SequencePredictor
    >>> from skae.plotting import ForecastDisplay
    >>> t = np.arange(12) + np.arange(40)[:, None]
    >>> X = np.sin(t / 3)[..., None]  # 40 sequences of 12 frames of one number
    >>> predictor = SequencePredictor(2, frame_shape=(1,), max_iter=2, random_state=0).fit(X[:, :8])
    >>> display = ForecastDisplay.from_estimator(predictor, X[0, :8], n_steps=4, truth=X[0, 8:])
    >>> display.forecast.shape
    (4, 1)
    """

    def __init__(
        self, *, observed: np.ndarray, forecast: np.ndarray, truth: np.ndarray | None = None
    ) -> None:
        self.observed = observed
        self.forecast = forecast
        self.truth = truth

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        n_steps: int = 5,
        truth: ArrayLike | None = None,
        ax: Any = None,
    ) -> Self:
        """Predict how a sequence continues and draw it.

        Parameters
        ----------
        estimator : SequencePredictor
            A fitted :class:`~skae.SequencePredictor`.
        X : array-like of shape (n_timesteps, *frame_shape)
            One sequence.
        n_steps : int, default=5
            Number of frames to predict.
        truth : array-like of shape (n_steps, *frame_shape), default=None
            The frames that did follow.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.

        Returns
        -------
        ForecastDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `truth` has another shape than the forecast, or `n_steps` is below 1.
        TypeError
            If the estimator predicts no frames of sequences.
        """
        if not hasattr(estimator, "forecast") or not hasattr(estimator, "inverse_transform"):
            raise TypeError(
                f"estimator must be a fitted SequencePredictor, got {type(estimator).__name__}. "
                "What SeriesForecaster returns has time stamps: draw it with the plot of pandas."
            )
        check_scalar(n_steps, "n_steps", Integral, min_val=1)
        observed = np.asarray(as_array(X))
        # One sequence, as a batch of one.
        (forecast,) = np.asarray(estimator.forecast(observed[None], n_steps))
        forecast = forecast.reshape(n_steps, *observed.shape[1:])
        if truth is not None:
            truth = np.asarray(as_array(truth, "truth"))
            if truth.shape != forecast.shape:
                raise ValueError(
                    f"truth must have the shape of the forecast, {forecast.shape}, "
                    f"got {truth.shape}."
                )
        return cls(observed=observed, forecast=forecast, truth=truth).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the sequence.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.

        Returns
        -------
        ForecastDisplay
            The display itself.
        """
        self.ax_ = self._draw_frames(ax) if self.observed.ndim > 2 else self._draw_lines(ax)
        self.figure_ = self.ax_.figure
        return self

    def _draw_frames(self, ax: Any) -> Any:
        """Draw frames of images in two rows: the true ones above the predicted ones."""
        n_observed, n_steps = len(self.observed), len(self.forecast)
        # Both rows have all times: what a row does not know is left blank.
        unknown = np.full_like(self.forecast, np.nan, dtype=float)
        before = np.full_like(self.observed, np.nan, dtype=float)
        rows = np.stack(
            [
                np.concatenate([self.observed, unknown if self.truth is None else self.truth]),
                np.concatenate([before, self.forecast]),
            ]
        )
        # Zero is the last observed frame, as on the axis of lines.
        times = [str(i) for i in range(1 - n_observed, n_steps + 1)]
        labels: dict[str, Any] = {"row_labels": ["observed", "forecast"], "column_labels": times}
        image = draw_rows(rows, value_range(self.observed), hides_missing=True, ax=ax, **labels)
        return image.axes

    def _draw_lines(self, ax: Any) -> Any:
        """Draw a line for each value of a frame; the forecast is dashed."""
        ax = axes_or_new(ax)
        n_observed, n_steps = len(self.observed), len(self.forecast)
        before, after = np.arange(1 - n_observed, 1), np.arange(n_steps + 1)
        observed = self.observed.reshape(n_observed, -1)[:, :_MAX_LINES]
        # From the last observed frame, so that the lines are not broken.
        parts = {"forecast": (self.forecast, "--", 1.5), "what followed": (self.truth, "-", 0.8)}
        for i, values in enumerate(observed.T):
            name = f"value {i}, " if observed.shape[1] > 1 else ""
            ax.plot(before, values, color=COLORS[i], label=f"{name}observed")
            for label, (frames, line, width) in parts.items():
                if frames is not None:
                    after_values = np.append(values[-1], frames.reshape(n_steps, -1)[:, i])
                    style = {"color": COLORS[i], "linestyle": line, "linewidth": width}
                    ax.plot(after, after_values, label=f"{name}{label}", **style)
        # Where the known values end.
        ax.axvline(0, color="0.6", linewidth=0.8)
        ax.set(xlabel="steps from the last observed one", ylabel="value")
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
        return ax


class SeriesDisplay:
    """A series with events in it, and the scores of a detector below.

    Build it by :meth:`from_series`.

    Parameters
    ----------
    series : ndarray of shape (n_timesteps, n_series)
        Values over time.
    scores : ndarray of shape (n_timesteps,), default=None
        How unusual each time is.
    events : list of tuple of two int, default=None
        First time of each event, and the one after its last.
    threshold : float, default=None
        Scores above it are alarms.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes it is drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.plotting import SeriesDisplay
    >>> series = np.sin(np.arange(200) / 5)
    >>> series[120:130] = 0
    >>> display = SeriesDisplay.from_series(series, events=[(120, 130)])
    >>> display.series.shape
    (200, 1)
    """

    def __init__(
        self,
        *,
        series: np.ndarray,
        scores: np.ndarray | None = None,
        events: Sequence[tuple[int, int]] | None = None,
        threshold: float | None = None,
    ) -> None:
        self.series = series
        self.scores = scores
        self.events = events
        self.threshold = threshold

    @classmethod
    def from_series(
        cls,
        series: ArrayLike,
        *,
        scores: ArrayLike | None = None,
        events: Sequence[tuple[int, int]] | None = None,
        threshold: float | None = None,
        ax: Any = None,
        **line_kwargs: Any,
    ) -> Self:
        """Draw a series.

        Parameters
        ----------
        series : array-like of shape (n_timesteps,) or (n_timesteps, n_series)
            Values over time; NaN leaves a break.
        scores : array-like of shape (n_timesteps,), default=None
            How unusual each time is, higher is more unusual; drawn below the series.
        events : sequence of tuple of two int, default=None
            First time of each event, and the one after its last; shaded.
        threshold : float, default=None
            Scores above it are alarms.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **line_kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        SeriesDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `scores` has another length than the series, or an event does not lie within it.
        """
        values = np.asarray(as_array(series, "series"))
        values = values[:, None] if values.ndim == 1 else values
        with naming_types(values, "series"):
            values = check_array(values, ensure_all_finite="allow-nan", input_name="series")
        if scores is not None:
            scores = np.asarray(as_array(scores, "scores"), dtype=float)
            if scores.shape != (len(values),):
                raise ValueError(
                    f"scores must have a value for each of {len(values)} times, got an array of "
                    f"shape {scores.shape}."
                )
        # Before anything is drawn on axes that may be the user's own.
        for event in events or ():
            if not 0 <= event[0] < event[1] <= len(values):
                raise ValueError(
                    f"events must begin before they end and lie within 0 and {len(values)}, got "
                    f"{tuple(event)}."
                )
        display = cls(series=values, scores=scores, events=events, threshold=threshold)
        return display.plot(ax=ax, **line_kwargs)

    def plot(self, ax: Any = None, **line_kwargs: Any) -> Self:
        """Draw the series.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **line_kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        SeriesDisplay
            The display itself.
        """
        ax = axes_or_new(ax, figsize=(10, 3.2))
        for i, values in enumerate(self.series.T):
            style = {"color": COLORS[i % len(COLORS)], "linewidth": 1}
            ax.plot(values, **{**style, **line_kwargs})
        for i, (start, end) in enumerate(self.events or ()):
            # One entry in the legend for all of them.
            label = {"label": "event"} if i == 0 else {}
            ax.axvspan(start, end, color=COLORS[1], alpha=0.35, linewidth=0, **label)
        ax.set(xlabel="time", ylabel="value", xlim=(0, len(self.series)))
        if self.scores is not None:
            self._draw_scores(ax)
        if self.events:
            ax.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_scores(self, ax: Any) -> None:
        """Draw the scores in the lower quarter, below the series, which is moved up."""
        low, high = np.nanmin(self.series), np.nanmax(self.series)
        span = (high - low) or 1
        # Room below the series, which keeps its own scale.
        ax.set_ylim(low - 0.45 * span, high + 0.05 * span)
        # No ticks of the series beside the scores.
        ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= high])
        below = ax.inset_axes((0, 0, 1, 0.25))
        scores = np.asarray(self.scores)
        below.fill_between(np.arange(len(scores)), scores, color="0.55", linewidth=0)
        if self.threshold is not None:
            below.axhline(self.threshold, color=COLORS[2], linestyle="--", linewidth=1)
        below.set(xlim=ax.get_xlim(), xticks=[], yticks=[])
        below.set_ylabel("score", fontsize="small")
        below.yaxis.set_label_position("right")
        below.patch.set_alpha(0)
