"""Images above their reconstructions."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_scalar

from .._arrays import as_array
from .._utils import import_optional
from ._estimators import held_attribute
from ._images import MISSING_COLOR, as_images, mosaic, to_grey_or_rgb, to_unit_range


class ReconstructionDisplay:
    """Rows of images: the originals on top, one row of reconstructions for each reducer below.

    All rows share the brightness scale of the originals, so that a reconstruction that is too
    pale looks so. Missing values are light blue. Build it by :meth:`from_estimator` or
    :meth:`from_reconstructions`.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width[, channels])
        The originals. Three channels are shown as colors, any other number by their mean.
    reconstructions : dict of str to ndarray of the same shape
        The reconstructions, by the name to write beside the row.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The picture of all rows.
    ax_ : matplotlib Axes
        The axes it is drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae.plotting import ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> pca = PCA(n_components=8).fit(X[100:])
    >>> display = ReconstructionDisplay.from_estimator(pca, X[:10], image_shape=(8, 8))
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['original', 'PCA']
    """

    def __init__(self, *, images: np.ndarray, reconstructions: dict[str, np.ndarray]) -> None:
        self.images = images
        self.reconstructions = reconstructions

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        image_shape: tuple[int, ...] | None = None,
        n_images: int = 10,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> Self:
        """Reconstruct images by one or several fitted reducers and draw them.

        Parameters
        ----------
        estimator : object or dict of str to object
            A fitted reducer with ``transform`` and ``inverse_transform``, or several by name.
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            The images, in a layout that the reducers take. NaN marks missing values.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)``. If None, that of X if it holds
            images, or else the ``image_shape_`` of the first fitted estimator that has one, also
            within a Pipeline or a search.
        n_images : int, default=10
            The largest number of images to show; they are the first.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ReconstructionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X does not hold images of this shape, or `n_images` is below 1.
        """
        several = isinstance(estimator, dict)
        reducers = estimator if several else {type(estimator).__name__: estimator}
        check_scalar(n_images, "n_images", Integral, min_val=1)
        X = as_array(X)[:n_images]
        if image_shape is None and len(X.shape) == 2:
            image_shape = _fitted_image_shape(reducers.values(), X.shape[1])
        reconstructions = {
            name: reducer.inverse_transform(reducer.transform(X))
            for name, reducer in reducers.items()
        }
        return cls.from_reconstructions(
            X, reconstructions, image_shape=image_shape, n_images=n_images, ax=ax, **imshow_kwargs
        )

    @classmethod
    def from_reconstructions(
        cls,
        X: ArrayLike,
        reconstructions: Any,
        *,
        image_shape: tuple[int, ...] | None = None,
        n_images: int = 10,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> Self:
        """Draw images above given reconstructions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            The originals. NaN marks missing values.
        reconstructions : dict of str to array-like of as many values as X
            The reconstructions by name. If empty, only the originals are drawn.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)``. Needed if X is 2-D.
        n_images : int, default=10
            The largest number of images to show; they are the first.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ReconstructionDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X does not hold images of this shape, or `n_images` is below 1.
        """
        check_scalar(n_images, "n_images", Integral, min_val=1)
        images = as_images(X, image_shape)[:n_images]
        shape = images.shape[1:]
        others = {name: as_images(R, shape)[:n_images] for name, R in reconstructions.items()}
        return cls(images=images, reconstructions=others).plot(ax=ax, **imshow_kwargs)

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> Self:
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ReconstructionDisplay
            The display itself.
        """
        plt = import_optional("matplotlib.pyplot", "plot")
        # (n_reducers + 1, n_images, height, width[, channels])
        rows = np.stack([self.images, *self.reconstructions.values()])
        picture = mosaic(to_unit_range(to_grey_or_rgb(rows), self.images))
        height, width = picture.shape[:2]
        if ax is None:
            # An inch for each image, and room for the names.
            size = (len(self.images) + 1.5, len(self.images) * height / width)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        cmap = plt.get_cmap("gray").with_extremes(bad=MISSING_COLOR)
        self.im_ = ax.imshow(picture, **{"cmap": cmap, "vmin": 0, "vmax": 1, **imshow_kwargs})
        ax.set_xticks([])
        # In pixels, of which the first has its center at 0.
        centers = (np.arange(len(rows)) + 0.5) * height / len(rows) - 1
        ax.set_yticks(centers, ["original", *self.reconstructions])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_anchor("W")  # otherwise constrained layout leaves too little room for the names
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _fitted_image_shape(reducers: Iterable[Any], n_features: int) -> tuple[int, ...] | None:
    """Return the image shape of the first reducer that has one for so many features, or None."""
    shapes = (held_attribute(reducer, "image_shape_") for reducer in reducers)
    # A pipeline may end in images of another size than those it is given.
    return next((shape for shape in shapes if shape and np.prod(shape) == n_features), None)
