"""The code as a cloud of points."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target

from .._typing import MatrixLike
from .._utils import import_optional

_MOST_CLASSES = 20


class LatentSpaceDisplay:
    """Scatter plot of a code in two dimensions, coloured by a target.

    Codes of more than two dimensions are shown by their first two principal components, codes
    of one dimension along a line. Build it by :meth:`from_estimator` or :meth:`from_codes`.

    Parameters
    ----------
    positions : ndarray of shape (n_samples, 2)
        Where the points are drawn.
    y : array-like of shape (n_samples,), default=None
        What colours them: classes get a legend; continuous targets, and numbers of more than
        20 values, a colour bar.
    axis_labels : tuple of two str, default=("code 1", "code 2")
        What the two axes are.

    Attributes
    ----------
    scatter_ : matplotlib PathCollection
        The points.
    ax_ : matplotlib Axes
        Where they are drawn.
    figure_ : matplotlib Figure
        The figure around them.

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

    def __init__(self, *, positions, y=None, axis_labels=("code 1", "code 2")):
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
        """Draw the code that a fitted reducer gives to X.

        Parameters
        ----------
        estimator : object
            A fitted reducer with ``transform``.
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            The data, in a layout that the reducer takes.
        y : array-like of shape (n_samples,), default=None
            What colours the points.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        legend : bool, default=True
            Whether the colours are explained.
        **scatter_kwargs : dict
            For matplotlib's ``scatter``.

        Returns
        -------
        LatentSpaceDisplay
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
        """Draw codes that are there already.

        Parameters
        ----------
        codes : array-like of shape (n_samples, n_components)
            The codes.
        y : array-like of shape (n_samples,), default=None
            What colours the points.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        legend : bool, default=True
            Whether the colours are explained.
        **scatter_kwargs : dict
            For matplotlib's ``scatter``.

        Returns
        -------
        LatentSpaceDisplay
        """
        positions, axis_labels = _to_plane(check_array(codes, input_name="codes"))
        if y is not None:
            y = column_or_1d(y)
            check_consistent_length(codes, y)
        display = cls(positions=positions, y=y, axis_labels=axis_labels)
        return display.plot(ax=ax, legend=legend, **scatter_kwargs)

    def plot(self, ax: Any = None, *, legend: bool = True, **scatter_kwargs: Any) -> Self:
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        legend : bool, default=True
            Whether the colours are explained.
        **scatter_kwargs : dict
            For matplotlib's ``scatter``.

        Returns
        -------
        LatentSpaceDisplay
            The display itself.
        """
        plt = import_optional("matplotlib.pyplot", "plot")
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        classes, colours = _colours(self.y, plt)
        style = {
            "s": np.clip(15000 / len(self.positions), 3, 25),
            "linewidths": 0,
            "alpha": 0.8,
        }
        self.scatter_ = ax.scatter(*self.positions.T, **{**style, **colours, **scatter_kwargs})
        ax.set(xlabel=self.axis_labels[0], ylabel=self.axis_labels[1])
        ax.set(xticks=[], yticks=[])  # a code has no units
        if legend and self.y is not None:
            _explain(self.scatter_, classes, ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _to_plane(codes):
    """Return codes in two dimensions, and what these are."""
    n_components = codes.shape[1]
    if n_components > 2:
        return PCA(n_components=2).fit_transform(codes), (
            "PC 1 of the code",
            "PC 2 of the code",
        )
    missing = 2 - n_components
    return np.pad(codes, [(0, 0), (0, missing)]), ("code 1", "" if missing else "code 2")


def _colours(y, plt):
    """Return the classes in y, None if it is a quantity, and arguments of ``scatter``."""
    if y is None:
        return None, {}
    classes, indices = np.unique(y, return_inverse=True)
    if _is_quantity(y, classes):
        return None, {"c": y, "cmap": "viridis"}
    n_classes = len(classes)
    cmap = plt.get_cmap("tab10") if n_classes <= 10 else plt.get_cmap("turbo", n_classes)
    return classes, {"c": indices, "cmap": cmap, "vmin": -0.5, "vmax": cmap.N - 0.5}


def _is_quantity(y, values):
    is_number = np.asarray(y).dtype.kind in "iuf"
    return is_number and (type_of_target(y) == "continuous" or len(values) > _MOST_CLASSES)


def _explain(scatter, classes, ax):
    """Say what the colours mean: by a legend for classes, by a colour bar for a quantity."""
    if classes is None:
        ax.figure.colorbar(scatter, ax=ax)
        return
    handles, _ = scatter.legend_elements(num=None, alpha=1)
    ax.legend(handles, classes, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
