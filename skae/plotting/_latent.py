"""The latent space as a scatter plot, or as a density if it has one dimension."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from .._arrays import as_array, naming_types
from .._typing import MatrixLike
from ._style import COLORS, axes_or_new
from ._targets import TargetColors, read_target

# A point may be 0.75 widths of the central 96 % away from these: 5 standard deviations of a normal
# distribution. One that is farther would squeeze all others into a corner.
_CENTRAL = (0.02, 0.98)
_REACH = 0.75  # of the width of the central part, on either side
_MARGIN_FRACTION = 0.05
_GRID_POINTS = 256  # of a density


class LatentSpaceDisplay:
    """Scatter plot of latent codes in two dimensions, colored by a target.

    Codes of more than two dimensions are shown by their first two principal components, codes
    of one dimension as a density above the points. The axes leave out points that are so far away
    that they would hide the structure of the others, and say how many. Build it by
    :meth:`from_estimator` or :meth:`from_codes`.

    Parameters
    ----------
    positions : ndarray of shape (n_samples, 2)
        Coordinates of the points.
    y : array-like of shape (n_samples,), default=None
        Target that colors the points. Classes get a legend; continuous targets, and numbers of
        more than 20 values, a color bar. Points without a target (None, NaN) are grey, and of more
        than 20 classes all but the 19 largest.
    axis_labels : tuple of two str, default=("code 1", "code 2")
        Labels of the two axes; the second is empty for codes of one dimension.
    cyclic : bool, default=False
        Whether y is an angle or another quantity whose smallest and largest value meet; they get
        the same color.

    Attributes
    ----------
    scatter_ : matplotlib PathCollection
        The points.
    ax_ : matplotlib Axes
        The axes they are drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.plotting import LatentSpaceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = LatentSpaceDisplay.from_estimator(PCA(n_components=2).fit(X), X, y)
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['0', '1', '2']
    """

    def __init__(
        self,
        *,
        positions: np.ndarray,
        y: ArrayLike | None = None,
        axis_labels: tuple[str, str] = ("code 1", "code 2"),
        cyclic: bool = False,
    ) -> None:
        self.positions = positions
        self.y = y
        self.axis_labels = axis_labels
        self.cyclic = cyclic

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: ArrayLike | None = None,
        *,
        cyclic: bool = False,
        ax: Any = None,
        legend: bool = True,
        **scatter_kwargs: Any,
    ) -> Self:
        """Draw the latent codes of X.

        Parameters
        ----------
        estimator : object
            A fitted reducer with ``transform``.
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            The data, in a layout that the reducer takes.
        y : array-like of shape (n_samples,), default=None
            Target that colors the points; None and NaN mark missing entries.
        cyclic : bool, default=False
            Whether y is an angle or another quantity whose smallest and largest value meet.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        legend : bool, default=True
            Whether to draw the legend or the color bar.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        LatentSpaceDisplay
            The display, drawn.
        """
        codes = estimator.transform(X)
        return cls.from_codes(codes, y, cyclic=cyclic, ax=ax, legend=legend, **scatter_kwargs)

    @classmethod
    def from_codes(
        cls,
        codes: ArrayLike,
        y: ArrayLike | None = None,
        *,
        cyclic: bool = False,
        ax: Any = None,
        legend: bool = True,
        **scatter_kwargs: Any,
    ) -> Self:
        """Draw given latent codes.

        Parameters
        ----------
        codes : array-like of shape (n_samples, n_components)
            The codes.
        y : array-like of shape (n_samples,), default=None
            Target that colors the points; None and NaN mark missing entries.
        cyclic : bool, default=False
            Whether y is an angle or another quantity whose smallest and largest value meet.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        legend : bool, default=True
            Whether to draw the legend or the color bar.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        LatentSpaceDisplay
            The display, drawn.
        """
        codes = as_array(codes, "codes")
        with naming_types(codes, "codes"):
            checked: np.ndarray = check_array(codes, input_name="codes")
        positions, axis_labels = to_plane(checked)
        if y is not None:
            y = column_or_1d(as_array(y, "y"))
            check_consistent_length(codes, y)
        display = cls(positions=positions, y=y, axis_labels=axis_labels, cyclic=cyclic)
        return display.plot(ax=ax, legend=legend, **scatter_kwargs)

    def plot(self, ax: Any = None, *, legend: bool = True, **scatter_kwargs: Any) -> Self:
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        legend : bool, default=True
            Whether to draw the legend or the color bar.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        LatentSpaceDisplay
            The display itself.
        """
        ax = axes_or_new(ax)
        target = None if self.y is None else read_target(self.y, cyclic=self.cyclic)
        colors = {"color": COLORS[0]} if target is None else target.scatter_arguments()
        # Points of many rows are smaller, so that they do not cover each other.
        style = {"s": np.clip(15000 / len(self.positions), 3, 25), "linewidths": 0, "alpha": 0.8}
        # The caller's own colors replace those of the target.
        if {"color", "c"} & scatter_kwargs.keys():
            colors = {}
        self.scatter_ = ax.scatter(*self.positions.T, **{**style, **colors, **scatter_kwargs})
        if target is not None and colors:
            target.draw_markers(self.scatter_)
        ax.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1])
        ax.set(xticks=[], yticks=[])  # latent codes have no units
        _set_limits(ax, self.positions)
        if not self.axis_labels[1]:
            _draw_densities(ax, self.positions[:, 0], target)
        if legend and target is not None and colors:
            target.explain(self.scatter_, ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _set_limits(ax: Any, positions: np.ndarray) -> None:
    """Show all points but those that would squeeze the others, and count these."""
    limits = np.array([robust_limits(values) for values in positions.T])
    ax.set(xlim=limits[0], ylim=limits[1])
    # Said and not hidden: these may be the outliers one looks for.
    n_outside = int(np.any((positions < limits[:, 0]) | (positions > limits[:, 1]), axis=1).sum())
    if n_outside:
        place = {"xy": (0.99, 0.99), "xycoords": "axes fraction", "ha": "right", "va": "top"}
        ax.annotate(f"{n_outside} farther away", **place, size="small")


def robust_limits(values: np.ndarray) -> tuple[float, float]:
    """Return limits of an axis that no point squeezes which is far from the central ones."""
    low, high = np.quantile(values, _CENTRAL)
    reach = _REACH * (high - low)
    low, high = max(values.min(), low - reach), min(values.max(), high + reach)
    # Equal values have no range: any will do.
    margin = _MARGIN_FRACTION * (high - low) or 1
    return float(low - margin), float(high + margin)


def _draw_densities(ax: Any, values: np.ndarray, target: TargetColors | None) -> None:
    """Draw the density of codes of one dimension, of each class by itself, above the points."""
    groups = [(values, COLORS[0])]
    if target is not None and target.classes is not None:
        groups = [
            (values[target.values == i], COLORS[i % len(COLORS)])
            for i in range(len(target.classes))
        ]
    left, right = ax.get_xlim()
    grid = np.linspace(left, right, _GRID_POINTS)
    # By their size: the areas of all classes sum to one.
    densities = [len(group) / len(values) * _density(group, grid) for group, _ in groups]
    for density, (_, color) in zip(densities, groups, strict=True):
        ax.fill_between(grid, density, color=color, alpha=0.3, linewidth=0)
        ax.plot(grid, density, color=color, linewidth=1)
    # The points lie below the curves.
    highest = max(float(density.max()) for density in densities)
    ax.set_ylim(-0.08 * highest, 1.05 * highest)
    ax.set_ylabel("density")


def _density(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return a Gaussian kernel density, by way of a histogram: linear in the number of values."""
    step = grid[1] - grid[0]
    edges = np.append(grid - step / 2, grid[-1] + step / 2)
    counts, _ = np.histogram(values, edges)
    # Silverman's rule; values that are all alike still get a bump of some width.
    spread = min(np.std(values), np.subtract(*np.quantile(values, (0.75, 0.25))) / 1.34)
    width = max(0.9 * spread * len(values) ** -0.2, 2 * step)
    kernel = np.exp(-0.5 * (np.arange(1 - len(grid), len(grid)) * step / width) ** 2)
    # The kernel's center is its entry len(grid) - 1.
    smooth: np.ndarray = np.convolve(counts, kernel / kernel.sum())[len(grid) - 1 :][: len(grid)]
    density: np.ndarray = smooth / (len(values) * step)
    return density


def to_plane(codes: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
    """Return codes in two dimensions, and the labels of these."""
    n_components = codes.shape[1]
    if n_components > 2:
        return PCA(n_components=2).fit_transform(codes), (
            "PC 1 of the code",
            "PC 2 of the code",
        )
    # A single component is drawn along a line: the second coordinate is zero.
    n_absent = 2 - n_components
    return np.pad(codes, [(0, 0), (0, n_absent)]), ("code 1", "" if n_absent else "code 2")
