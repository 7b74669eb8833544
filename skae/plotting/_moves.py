"""Two maps of the same rows, one over the other, and how each row has moved."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from .._arrays import as_array, naming_types
from .._typing import MatrixLike
from .._utils import import_optional
from ._latent import LatentSpaceDisplay, robust_limits, to_plane
from ._style import MISSING_COLOR


class MapMovesDisplay:
    """The latent codes of the same rows in two maps, with a line from each old place to the new.

    Old places are grey points, new ones are colored by a target. Codes of more than two dimensions
    are shown along the first two principal components of both maps' codes together. Build it by
    :meth:`from_estimators` or :meth:`from_codes`.

    Parameters
    ----------
    before, after : ndarray of shape (n_samples, 2)
        Coordinates of the same rows in the old and in the new map.
    y : array-like of shape (n_samples,), default=None
        Target that colors the new places, as in `LatentSpaceDisplay`.
    axis_labels : tuple of two str, default=("code 1", "code 2")
        Labels of the two axes.
    median_move : float, default=None
        Median distance between the codes of a row, as a fraction of the old map's width, for the
        title. If None, that of the coordinates.

    Attributes
    ----------
    median_move_ : float
        Median distance between the codes of a row, as a fraction of the width of the old map,
        which is the largest extent of its codes along an axis.
    lines_ : matplotlib LineCollection
        The moves.
    before_ : matplotlib PathCollection
        The old places.
    scatter_ : matplotlib PathCollection
        The new places.
    ax_ : matplotlib Axes
        The axes they are drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.plotting import MapMovesDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> before, after = PCA(2).fit(X[:100]), PCA(2).fit(X)
    >>> display = MapMovesDisplay.from_estimators(before, after, X, y)
    >>> display.ax_.get_title()
    'median move: 15.3 % of the width'
    """

    def __init__(
        self,
        *,
        before: np.ndarray,
        after: np.ndarray,
        y: ArrayLike | None = None,
        axis_labels: tuple[str, str] = ("code 1", "code 2"),
        median_move: float | None = None,
    ) -> None:
        self.before = before
        self.after = after
        self.y = y
        self.axis_labels = axis_labels
        self.median_move = median_move

    @classmethod
    def from_estimators(
        cls,
        before: Any,
        after: Any,
        X: MatrixLike,
        y: ArrayLike | None = None,
        *,
        ax: Any = None,
        legend: bool = True,
        **scatter_kwargs: Any,
    ) -> Self:
        """Draw where two fitted reducers place the rows of X.

        Parameters
        ----------
        before, after : object
            Fitted reducers with ``transform``, and codes of the same size.
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            The data, in a layout that both take.
        y : array-like of shape (n_samples,), default=None
            Target that colors the new places; None and NaN mark missing entries.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        legend : bool, default=True
            Whether to draw the legend or the color bar.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter`` of the new places.

        Returns
        -------
        MapMovesDisplay
            The display, drawn.
        """
        old, new = before.transform(X), after.transform(X)
        return cls.from_codes(old, new, y, ax=ax, legend=legend, **scatter_kwargs)

    @classmethod
    def from_codes(
        cls,
        before: ArrayLike,
        after: ArrayLike,
        y: ArrayLike | None = None,
        *,
        ax: Any = None,
        legend: bool = True,
        **scatter_kwargs: Any,
    ) -> Self:
        """Draw given codes of the same rows.

        Parameters
        ----------
        before, after : array-like of shape (n_samples, n_components)
            Codes in the old and in the new map.
        y : array-like of shape (n_samples,), default=None
            Target that colors the new places; None and NaN mark missing entries.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        legend : bool, default=True
            Whether to draw the legend or the color bar.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter`` of the new places.

        Returns
        -------
        MapMovesDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the two have not the same shape.
        """
        old, new = _read_codes(before, "before"), _read_codes(after, "after")
        if old.shape != new.shape:
            raise ValueError(
                "before and after must hold codes of the same rows and size, got shapes "
                f"{old.shape} and {new.shape}."
            )
        if y is not None:
            y = column_or_1d(as_array(y, "y"))
            check_consistent_length(new, y)
        # One plane for both maps: principal components of each would turn one against the other.
        positions, axis_labels = to_plane(np.concatenate([old, new]))
        display = cls(
            before=positions[: len(old)],
            after=positions[len(old) :],
            y=y,
            axis_labels=axis_labels,
            # Of the codes themselves: the plane leaves out moves in other directions.
            median_move=_median_move(old, new),
        )
        return display.plot(ax=ax, legend=legend, **scatter_kwargs)

    def plot(self, ax: Any = None, *, legend: bool = True, **scatter_kwargs: Any) -> Self:
        """Draw both maps and the moves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        legend : bool, default=True
            Whether to draw the legend or the color bar.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter`` of the new places.

        Returns
        -------
        MapMovesDisplay
            The display itself.
        """
        collections = import_optional("matplotlib.collections", "plot")
        new = LatentSpaceDisplay(positions=self.after, y=self.y, axis_labels=self.axis_labels)
        new.plot(ax, legend=legend, **scatter_kwargs)
        ax = new.ax_
        # Of both maps: each line begins in one and ends in the other.
        both = np.concatenate([self.before, self.after])
        ax.set_xlim(robust_limits(both[:, 0]))
        if self.axis_labels[1]:  # densities have a scale of their own
            ax.set_ylim(robust_limits(both[:, 1]))
        # (n_samples, 2 ends, 2 coordinates)
        ends = np.stack([self.before, self.after], axis=1)
        # One collection below the points: an artist for each row would be slow to draw.
        self.lines_ = collections.LineCollection(ends, colors="0.6", linewidths=0.5, zorder=0.5)
        ax.add_collection(self.lines_)
        sizes = new.scatter_.get_sizes()
        self.before_ = ax.scatter(
            *self.before.T, s=sizes, color=MISSING_COLOR, linewidths=0, zorder=0.4
        )
        self.median_move_ = self.median_move
        if self.median_move_ is None:
            self.median_move_ = _median_move(self.before, self.after)
        ax.set_title(f"median move: {100 * self.median_move_:.1f} % of the width", size="medium")
        self.scatter_, self.ax_, self.figure_ = new.scatter_, ax, ax.figure
        return self


def _read_codes(codes: ArrayLike, name: str) -> np.ndarray:
    codes = as_array(codes, name)
    with naming_types(codes, name):
        checked: np.ndarray = check_array(codes, dtype=np.float64, input_name=name)
    return checked


def _median_move(before: np.ndarray, after: np.ndarray) -> float:
    """Return the median distance between codes of a row, as a fraction of the old map's width."""
    # Relative to the map: a distance between codes means nothing by itself.
    width = np.ptp(before, axis=0).max() or 1.0
    return float(np.median(np.linalg.norm(after - before, axis=1)) / width)
