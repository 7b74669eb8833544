"""Images above what reducers make of them."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_scalar

from .._utils import import_optional


class ReconstructionDisplay:
    """Rows of images: the originals on top, one row of reconstructions for each reducer below.

    All rows share the brightness scale of the originals, so that a reconstruction that is too
    pale looks it. Build it by :meth:`from_estimator` or :meth:`from_reconstructions`.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width[, channels])
        The originals. Three channels are shown as colours, any other number by their mean.
    reconstructions : dict of str to ndarray of the same shape
        What each reducer makes of them, by the name to write beside the row.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The picture of all rows.
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure around it.

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

    def __init__(self, *, images, reconstructions):
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
        """Rebuild images by one or several fitted reducers and draw them.

        Parameters
        ----------
        estimator : object or dict of str to object
            A fitted reducer with ``transform`` and ``inverse_transform``, or several by name.
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            The images, in a layout that the reducers take.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)``; needed where X is 2-D.
        n_images : int, default=10
            How many are shown at most; they are the first.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **imshow_kwargs : dict
            For matplotlib's ``imshow``.

        Returns
        -------
        ReconstructionDisplay

        Raises
        ------
        ValueError
            If X does not hold images of this shape, or `n_images` is below 1.
        """
        several = isinstance(estimator, dict)
        reducers = estimator if several else {type(estimator).__name__: estimator}
        check_scalar(n_images, "n_images", Integral, min_val=1)
        X = X[:n_images]
        rebuilt = {
            name: reducer.inverse_transform(reducer.transform(X))
            for name, reducer in reducers.items()
        }
        return cls.from_reconstructions(
            X, rebuilt, image_shape=image_shape, n_images=n_images, ax=ax, **imshow_kwargs
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
        """Draw images above reconstructions that are there already.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            The originals.
        reconstructions : dict of str to array-like of as many values as X
            The reconstructions by name; empty draws the originals alone.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)``; needed where X is 2-D.
        n_images : int, default=10
            How many are shown at most; they are the first.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **imshow_kwargs : dict
            For matplotlib's ``imshow``.

        Returns
        -------
        ReconstructionDisplay

        Raises
        ------
        ValueError
            If X does not hold images of this shape, or `n_images` is below 1.
        """
        check_scalar(n_images, "n_images", Integral, min_val=1)
        images = as_images(X, image_shape)[:n_images]
        shape = images.shape[1:]
        rebuilt = {name: as_images(R, shape)[:n_images] for name, R in reconstructions.items()}
        return cls(images=images, reconstructions=rebuilt).plot(ax=ax, **imshow_kwargs)

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> Self:
        """Draw the rows.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **imshow_kwargs : dict
            For matplotlib's ``imshow``.

        Returns
        -------
        ReconstructionDisplay
            The display itself.
        """
        plt = import_optional("matplotlib.pyplot", "plot")
        rows = np.stack([self.images, *self.reconstructions.values()])
        mosaic = _mosaic(_to_unit_range(_to_grey_or_rgb(rows), self.images))
        height, width = mosaic.shape[:2]
        if ax is None:
            size = (len(self.images) + 1.5, len(self.images) * height / width)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.im_ = ax.imshow(mosaic, **{"cmap": "gray", "vmin": 0, "vmax": 1, **imshow_kwargs})
        ax.set_xticks([])
        centres = (np.arange(len(rows)) + 0.5) * height / len(rows) - 1
        ax.set_yticks(centres, ["original", *self.reconstructions])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set_anchor("W")  # else constrained layout leaves too little room for the names
        self.ax_, self.figure_ = ax, ax.figure
        return self


def as_images(X, image_shape=None):
    """Return X as ``(n_samples, height, width[, channels])``, or say why that cannot be."""
    X = check_array(X, allow_nd=True)
    shape = X.shape[1:] if image_shape is None else tuple(np.atleast_1d(image_shape))
    if len(shape) not in (2, 3) or np.prod(shape) != np.prod(X.shape[1:]):
        raise ValueError(
            "image_shape must be (height, width) or (height, width, channels) of the images "
            f"in X, got {image_shape} for X of shape {X.shape}."
        )
    return X.reshape(len(X), *shape)


def _to_grey_or_rgb(rows):
    """Take the channels out of all but colour images."""
    is_grey = rows.ndim == 4  # (rows, images, height, width)
    return rows if is_grey or rows.shape[-1] == 3 else rows.mean(axis=-1)


def _to_unit_range(rows, originals):
    """Scale so that the originals fill [0, 1], and cut what lies beyond."""
    low, high = float(originals.min()), float(originals.max())
    return np.clip((rows - low) / ((high - low) or 1), 0, 1)


def _mosaic(rows):
    """Put rows of images into one image, with a white gap right of and below each."""
    gap = max(1, rows.shape[3] // 14)
    padding = [(0, 0), (0, 0), (0, gap), (0, gap)] + [(0, 0)] * (rows.ndim - 4)
    rows = np.pad(rows, padding, constant_values=1)
    n_rows, n_images, height, width, *channels = rows.shape
    return rows.swapaxes(1, 2).reshape(n_rows * height, n_images * width, *channels)
