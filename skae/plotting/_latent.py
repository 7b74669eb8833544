"""The latent space as a scatter plot."""

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from .._arrays import as_array, is_missing, naming_types
from .._typing import MatrixLike
from .._utils import import_optional

_MAX_CLASSES = 20  # more have no colors that an eye distinguishes
# A light grey, which neither color map has.
_MISSING_COLOR = (0.8, 0.8, 0.8)


class LatentSpaceDisplay:
    """Scatter plot of latent codes in two dimensions, colored by a target.

    Codes of more than two dimensions are shown by their first two principal components, codes
    of one dimension along a line. Build it by :meth:`from_estimator` or :meth:`from_codes`.

    Parameters
    ----------
    positions : ndarray of shape (n_samples, 2)
        Coordinates of the points.
    y : array-like of shape (n_samples,), default=None
        Target that colors the points. Classes get a legend; continuous targets, and numbers of
        more than 20 values, a color bar. Points without a target (None, NaN) are grey.
    axis_labels : tuple of two str, default=("code 1", "code 2")
        Labels of the two axes.

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
    ) -> None:
        self.positions = positions
        self.y = y
        self.axis_labels = axis_labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: ArrayLike | None = None,
        *,
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
        return cls.from_codes(codes, y, ax=ax, legend=legend, **scatter_kwargs)

    @classmethod
    def from_codes(
        cls,
        codes: ArrayLike,
        y: ArrayLike | None = None,
        *,
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
        positions, axis_labels = _to_plane(checked)
        if y is not None:
            y = column_or_1d(as_array(y, "y"))
            check_consistent_length(codes, y)
        display = cls(positions=positions, y=y, axis_labels=axis_labels)
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
        plt = import_optional("matplotlib.pyplot", "plot")
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        classes, colors = _colors(self.y, plt)
        # Points of many rows are smaller, so that they do not cover each other.
        style = {
            "s": np.clip(15000 / len(self.positions), 3, 25),
            "linewidths": 0,
            "alpha": 0.8,
        }
        self.scatter_ = ax.scatter(*self.positions.T, **{**style, **colors, **scatter_kwargs})
        ax.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1])
        ax.set(xticks=[], yticks=[])  # latent codes have no units
        if legend and self.y is not None:
            _explain(self.scatter_, classes, ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _to_plane(codes: np.ndarray) -> tuple[np.ndarray, tuple[str, str]]:
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


def _colors(y: ArrayLike | None, plt: Any) -> tuple[np.ndarray | None, dict[str, Any]]:
    """Return the classes in y, None if it is a quantity, and arguments of ``scatter``."""
    if y is None:
        return None, {}
    y = np.asarray(y)
    missing = is_missing(y)
    classes, indices = np.unique(_of_one_type(y[~missing]), return_inverse=True)
    is_quantity = _is_quantity(classes)
    # NaN gets the color of missing entries from the cmap.
    values = np.full(len(y), np.nan)
    values[~missing] = y[~missing] if is_quantity else indices
    cmap, limits = plt.get_cmap("viridis"), dict[str, float]()
    if not is_quantity:
        n_classes = len(classes)
        # tab10 is made for classes, and has ten colors.
        cmap = plt.get_cmap("tab10") if n_classes <= 10 else plt.get_cmap("turbo", n_classes)
        # Each class is in the middle of its color.
        limits = {"vmin": -0.5, "vmax": cmap.N - 0.5}
    colors = {"c": values, "cmap": cmap.with_extremes(bad=_MISSING_COLOR), "plotnonfinite": True}
    return None if is_quantity else classes, colors | limits


def _of_one_type(values: np.ndarray) -> np.ndarray:
    """Return objects as numbers if they are such, and as text if they cannot be sorted."""
    if values.dtype.kind != "O":
        return values
    if all(isinstance(value, Real) and not isinstance(value, bool) for value in values):
        return values.astype(float if any(value % 1 for value in values) else int)
    return values.astype(str)


def _is_quantity(values: np.ndarray) -> bool:
    """Return whether sorted distinct values are a quantity rather than classes."""
    is_continuous = values.dtype.kind == "f" and np.any(values % 1)
    return values.dtype.kind in "iuf" and bool(is_continuous or len(values) > _MAX_CLASSES)


def _explain(scatter: Any, classes: np.ndarray | None, ax: Any) -> None:
    """Explain the colors: by a legend for classes, by a color bar for a quantity."""
    if classes is None:
        ax.figure.colorbar(scatter, ax=ax)
        return
    Line2D = import_optional("matplotlib.lines", "plot").Line2D
    colors = map(tuple, scatter.cmap(scatter.norm(np.arange(len(classes)))))
    # Classes that came as floats only because some are missing read as integers.
    labels = [f"{label:.0f}" if isinstance(label, float) else str(label) for label in classes]
    entries = list(zip(labels, colors, strict=True))
    if np.ma.is_masked(scatter.get_array()):
        entries.append(("missing", _MISSING_COLOR))
    point = {"linestyle": "", "marker": scatter.get_paths()[0]}
    handles = [Line2D([], [], color=color, label=label, **point) for label, color in entries]
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
