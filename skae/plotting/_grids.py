"""Images in a grid, with nothing beside them but their labels."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_scalar

from ._images import as_images, draw_rows, value_range


class ImageGridDisplay:
    """Images in rows and columns, on the grey scale of the data.

    For samples, components, decoded codes: whatever has the form of images. Missing values are
    light blue. Build it by :meth:`from_images`.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width[, channels])
        The images, row by row.
    n_columns : int, default=10
        Number of columns.
    labels : sequence of str, default=None
        A label above each image.
    value_range : tuple of two float, default=None
        The values that are drawn black and white. If None, 0 and the end of the scale of the
        data: 255 for bytes, 1 for fractions, the largest value otherwise.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The picture.
    ax_ : matplotlib Axes
        The axes it is drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae.plotting import ImageGridDisplay
    >>> display = ImageGridDisplay.from_images(load_digits().images, n_images=20)
    >>> display.images.shape
    (20, 8, 8)
    """

    def __init__(
        self,
        *,
        images: np.ndarray,
        n_columns: int = 10,
        labels: Sequence[str] | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self.images = images
        self.n_columns = n_columns
        self.labels = labels
        self.value_range = value_range

    @classmethod
    def from_images(
        cls,
        X: ArrayLike,
        *,
        image_shape: tuple[int, ...] | None = None,
        n_images: int = 50,
        n_columns: int = 10,
        labels: Sequence[Any] | None = None,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> Self:
        """Draw images in a grid.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            The images. NaN marks missing values.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)``. Needed if X is 2-D.
        n_images : int, default=50
            The largest number of images to show; they are the first.
        n_columns : int, default=10
            The largest number of columns.
        labels : sequence of objects, default=None
            A label for each image, written above it.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ImageGridDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X does not hold images of this shape, `labels` has another length, or a number is
            below 1.
        """
        for name, number in (("n_images", n_images), ("n_columns", n_columns)):
            check_scalar(number, name, Integral, min_val=1)
        images = as_images(X, image_shape)
        if labels is not None and len(labels) != len(images):
            raise ValueError(
                f"labels must have a label for each image, got {len(labels)} for {len(images)}."
            )
        shown = images[:n_images]
        display = cls(
            images=shown,
            n_columns=min(n_columns, len(shown)),
            labels=None if labels is None else [str(label) for label in labels[:n_images]],
            # Of all images, so that parts of one set have the same scale.
            value_range=value_range(images),
        )
        return display.plot(ax=ax, **imshow_kwargs)

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> Self:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ImageGridDisplay
            The display itself.
        """
        images = self.images
        # Rounded up: the last row may have empty places.
        n_rows = -(-len(images) // self.n_columns)
        limits = value_range(images) if self.value_range is None else self.value_range
        height, width = images.shape[1:3]
        # Places without an image are white, the color of the paper.
        filled = np.full((n_rows * self.n_columns, *images.shape[1:]), float(limits[1]))
        filled[: len(images)] = images
        rows = filled.reshape(n_rows, self.n_columns, *images.shape[1:])
        self.im_ = draw_rows(rows, limits, ax=ax, **imshow_kwargs)
        self.ax_, self.figure_ = self.im_.axes, self.im_.figure
        self._write_labels(height, width)
        return self

    def _write_labels(self, height: int, width: int) -> None:
        """Write labels within the upper left corner of the images, readable on any grey."""
        for i, label in enumerate(self.labels or ()):
            row, column = divmod(i, self.n_columns)
            # As wide as the padding of `mosaic`, behind which the next image begins.
            pixels = max(1, width // 14)
            place = (column * (width + pixels), row * (height + pixels))
            box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1}
            style: dict[str, Any] = {"ha": "left", "va": "top", "color": "black", "bbox": box}
            self.ax_.text(*place, label, fontsize="x-small", **style)
