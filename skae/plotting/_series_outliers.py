"""Outliers of a series: the channels, the scores with events, and which channels deviate when."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length

from .._arrays import as_array
from ..estimators._series_events import find_runs
from ._style import COLORS, axes_or_new

# Parts of the height, from the bottom: what deviates, the scores, the series.
_HEIGHTS = {"channels": (0.0, 0.24), "scores": (0.3, 0.2), "series": (0.56, 0.44)}
_HEIGHTS_OF_ONE = {"scores": (0.0, 0.3), "series": (0.37, 0.63)}
_MAX_NAMES = 20  # more names of channels cannot be read beside each other
_MAX_STEPS = 4000  # of the table of colors; a figure has fewer pixels


class SeriesOutlierDisplay:
    """A series with its scores, threshold and events, and the channels that deviate.

    Build it by :meth:`from_estimator`.

    Parameters
    ----------
    series : ndarray of shape (n_timesteps, n_channels)
        Values over time.
    deviations : ndarray of shape (n_timesteps,)
        Scores of the steps, such that higher ones are more unusual.
    threshold : float
        Steps that deviate more are outliers.
    events : list of tuple of two int
        First step of each event, and the one after its last.
    channel_deviations : ndarray of shape (n_timesteps, n_channels)
        How far each channel is off, in standard deviations of the channel.
    channel_names : list of str
        Names of the channels.
    times : ndarray of shape (n_timesteps,), default=None
        Time stamps. If None, steps are numbered.
    y : ndarray of shape (n_timesteps,), default=None
        True for known outliers, drawn as a bar below the series.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that hold the others.
    axes_ : dict of str to matplotlib Axes
        ``'series'``, ``'scores'`` and, of several channels, ``'channels'``.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> from skae import SeriesOutlierDetector
    >>> from skae.datasets import make_sensors
    >>> from skae.plotting import SeriesOutlierDisplay
    >>> sensors = make_sensors(random_state=0)
    >>> detector = SeriesOutlierDetector().fit(sensors.data[:2000])
    >>> display = SeriesOutlierDisplay.from_estimator(detector, sensors.data, sensors.target)
    >>> sorted(display.axes_)
    ['channels', 'scores', 'series']
    """

    def __init__(
        self,
        *,
        series: np.ndarray,
        deviations: np.ndarray,
        threshold: float,
        events: list[tuple[int, int]],
        channel_deviations: np.ndarray,
        channel_names: list[str],
        times: np.ndarray | None = None,
        y: np.ndarray | None = None,
    ) -> None:
        self.series = series
        self.deviations = deviations
        self.threshold = threshold
        self.events = events
        self.channel_deviations = channel_deviations
        self.channel_names = channel_names
        self.times = times
        self.y = y

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        ax: Any = None,
        **line_kwargs: Any,
    ) -> Self:
        """Score a series by a fitted detector and draw it.

        Parameters
        ----------
        estimator : SeriesOutlierDetector
            A fitted :class:`~skae.SeriesOutlierDetector`.
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels)
            One series.
        y : array-like of shape (n_timesteps,), default=None
            1 or True for known outliers.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **line_kwargs : dict
            Passed to matplotlib's ``plot`` of the series.

        Returns
        -------
        SeriesOutlierDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator scores no channels of a series, or X is a list of series.
        ValueError
            If y has another length than X.
        """
        if not hasattr(estimator, "channel_scores"):
            raise TypeError(
                f"estimator must be a fitted SeriesOutlierDetector, got {type(estimator).__name__}."
            )
        # Drawn upwards: scores are negative, and the lowest ones are looked for.
        deviations = -np.asarray(estimator.score_samples(X))
        if deviations.ndim != 1 or isinstance(X, (list, tuple)):
            raise TypeError("X must be one series, got a list: draw each of its series.")
        known = None if y is None else np.asarray(as_array(y, "y")).astype(bool).ravel()
        if known is not None:
            check_consistent_length(deviations, known)
        # As `events` lists them.
        events = find_runs(deviations > -estimator.offset_, estimator.window_ - 1)
        channels = np.asarray(estimator.channel_scores(X), dtype=float)[
            :, -estimator.n_features_in_ :
        ]
        names = getattr(estimator, "feature_names_in_", range(estimator.n_features_in_))
        display = cls(
            series=_values(X, estimator.n_features_in_),
            deviations=deviations,
            threshold=-float(estimator.offset_),
            events=events,
            channel_deviations=channels / estimator.scale_,
            channel_names=[str(name) for name in names],
            times=_times(X),
            y=known,
        )
        return display.plot(ax=ax, **line_kwargs)

    def plot(self, ax: Any = None, **line_kwargs: Any) -> Self:
        """Draw the series, its scores and its events.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **line_kwargs : dict
            Passed to matplotlib's ``plot`` of the series.

        Returns
        -------
        SeriesOutlierDisplay
            The display itself.
        """
        has_channels = self.series.shape[1] > 1
        ax = axes_or_new(ax, figsize=(10, 6 if has_channels else 4))
        ax.set_axis_off()
        heights = _HEIGHTS if has_channels else _HEIGHTS_OF_ONE
        # The room at the right is that of the color bar.
        width = 0.9 if has_channels else 1
        self.axes_ = {
            name: ax.inset_axes((0, bottom, width, height))
            for name, (bottom, height) in heights.items()
        }
        steps = np.arange(len(self.series)) if self.times is None else self.times
        self._draw_series(self.axes_["series"], steps, line_kwargs)
        self._draw_scores(self.axes_["scores"], steps)
        if has_channels:
            self._draw_channels(
                self.axes_["channels"], ax.inset_axes((0.92, 0, 0.015, 0.24)), steps
            )
        for name, part in self.axes_.items():
            part.set_xlim(steps[0], steps[-1])
            is_lowest = name == next(iter(heights))
            part.tick_params(labelbottom=is_lowest)
            if is_lowest:
                part.set_xlabel("time step" if self.times is None else "time")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw_series(self, ax: Any, steps: np.ndarray, line_kwargs: dict[str, Any]) -> None:
        for i, values in enumerate(self.series.T):
            style = {"color": COLORS[i % len(COLORS)], "linewidth": 0.8}
            label = self.channel_names[i] if 1 < len(self.channel_names) <= len(COLORS) else None
            ax.plot(steps, values, **{**style, "label": label, **line_kwargs})
        if self.y is not None:
            low, high = ax.get_ylim()
            # A band below the series, which the marks of known outliers would otherwise cover.
            place = low - 0.06 * (high - low), low - 0.02 * (high - low)
            style = {"color": COLORS[2], "linewidth": 0, "label": "known"}
            ax.fill_between(steps, *place, where=self.y, step="mid", **style)
        ax.set_ylabel("value")
        if ax.get_legend_handles_labels()[0]:
            style = {"loc": "lower right", "bbox_to_anchor": (1, 1), "frameon": False}
            ax.legend(ncols=len(COLORS) + 1, fontsize="small", **style)

    def _draw_scores(self, ax: Any, steps: np.ndarray) -> None:
        ax.fill_between(steps, self.deviations, color="0.45", linewidth=0)
        ax.axhline(self.threshold, color="black", linestyle="--", linewidth=1)
        ax.set(ylabel="deviation", ylim=(0, None))
        for part in (ax, self.axes_["series"]):
            for start, end in self.events:
                # `end` is the step after the event, and the last event may end with the series.
                last = min(end, len(steps) - 1)
                part.axvspan(steps[start], steps[last], color=COLORS[1], alpha=0.35, linewidth=0)

    def _draw_channels(self, ax: Any, bar: Any, steps: np.ndarray) -> None:
        """Draw which channels deviate when, from white (0) to dark."""
        # The largest of some steps: the mean of them would hide short events.
        stride = -(-len(steps) // _MAX_STEPS)
        starts = np.arange(0, len(steps), stride)
        values = np.fmax.reduceat(self.channel_deviations, starts, axis=0)
        # pcolormesh takes the borders of columns, one more than there are columns.
        edges = np.append(steps[starts], steps[-1:])
        n_channels = values.shape[1]
        # The largest deviations of all would leave no color for the others.
        highest = np.nanquantile(self.channel_deviations, 0.995) or 1
        style = {"cmap": "Blues", "vmin": 0, "vmax": highest, "rasterized": True}
        mesh = ax.pcolormesh(edges, np.arange(n_channels + 1) - 0.5, values.T, **style)
        ax.invert_yaxis()
        if n_channels <= _MAX_NAMES:
            ax.set_yticks(range(n_channels), self.channel_names)
            ax.tick_params(axis="y", length=0)
        else:
            ax.set_ylabel("channel")
        ax.figure.colorbar(mesh, cax=bar, extend="max").set_label(
            "off by, in std.", fontsize="small"
        )


def _values(X: Any, n_channels: int) -> np.ndarray:
    """Return the numbers of a series as (n_timesteps, n_channels)."""
    if hasattr(X, "select") and hasattr(X, "schema"):  # polars: without the column of dates
        X = X.select([name for name, kind in X.schema.items() if kind.is_numeric()])
    return np.asarray(as_array(X), dtype=float).reshape(-1, n_channels)


def _times(X: Any) -> np.ndarray | None:
    """Return the time stamps of a frame of pandas or polars."""
    if hasattr(X, "iloc"):
        # Only an index of dates has a time zone, be it None; numbers are drawn as steps.
        index = X.index.to_timestamp() if hasattr(X.index, "to_timestamp") else X.index
        return index.to_numpy() if hasattr(index, "tz") else None
    if hasattr(X, "schema"):
        names = [name for name, kind in X.schema.items() if kind.is_temporal()]
        return X[names[0]].to_numpy() if len(names) == 1 else None
    return None
