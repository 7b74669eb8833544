"""Images above their reconstructions."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_scalar

from .._arrays import as_array
from ._estimators import fitted_image_shape
from ._images import as_images, draw_rows, value_range


class ReconstructionDisplay:
    """Rows of images: the originals on top, one row of reconstructions for each reducer below.

    All rows share the grey scale of the originals, so that a reconstruction that is too pale
    looks so: 0 is black unless there are negative values, white is 255 for bytes, 1 for fractions
    and the largest value otherwise. Missing values are light blue. Build it by
    :meth:`from_estimator` or :meth:`from_reconstructions`.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width[, channels])
        The originals. Three channels are shown as colors, any other number by their mean.
    reconstructions : dict of str to ndarray of the same shape
        The reconstructions, by the name to write beside the row.
    label : str, default="original"
        The name beside the first row.
    value_range : tuple of two float, default=None
        The values that are drawn black and white. If None, those of `images`.

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

    def __init__(
        self,
        *,
        images: np.ndarray,
        reconstructions: dict[str, np.ndarray],
        label: str = "original",
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self.images = images
        self.reconstructions = reconstructions
        self.label = label
        self.value_range = value_range

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        image_shape: tuple[int, ...] | None = None,
        n_images: int = 10,
        label: str = "original",
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
        label : str, default="original"
            The name beside the first row.
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
        # Rows have no shape of their own: the reducer may know it.
        if image_shape is None and len(X.shape) == 2:
            image_shape = fitted_image_shape(reducers.values(), X.shape[1])
        reconstructions = {
            # Not `reconstruct`, which only estimators of skae have.
            name: reducer.inverse_transform(reducer.transform(X))
            for name, reducer in reducers.items()
        }
        return cls.from_reconstructions(
            X,
            reconstructions,
            image_shape=image_shape,
            n_images=n_images,
            label=label,
            ax=ax,
            **imshow_kwargs,
        )

    @classmethod
    def from_reconstructions(
        cls,
        X: ArrayLike,
        reconstructions: Any,
        *,
        image_shape: tuple[int, ...] | None = None,
        n_images: int = 10,
        label: str = "original",
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
        label : str, default="original"
            The name beside the first row.
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
        images = as_images(X, image_shape)
        shape = images.shape[1:]
        # In the shape of the originals, whatever layout a reducer returns.
        others = {name: as_images(R, shape)[:n_images] for name, R in reconstructions.items()}
        display = cls(
            images=images[:n_images],
            reconstructions=others,
            label=label,
            # Of all images: some may be darker than others.
            value_range=value_range(images),
        )
        return display.plot(ax=ax, **imshow_kwargs)

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
        # (n_reducers + 1, n_images, height, width[, channels])
        rows = np.stack([self.images, *self.reconstructions.values()])
        limits = value_range(self.images) if self.value_range is None else self.value_range
        labels = [self.label, *self.reconstructions]
        self.im_ = draw_rows(rows, limits, row_labels=labels, ax=ax, **imshow_kwargs)
        self.ax_, self.figure_ = self.im_.axes, self.im_.figure
        return self
