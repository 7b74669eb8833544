"""Where images are reconstructed badly."""

from typing import Any, Self

import numpy as np

from .._arrays import as_array
from ._estimators import fitted_image_shape
from ._images import as_images, draw_rows


class ErrorMapDisplay:
    """Root mean square error of every pixel, a map for each reducer, on one scale.

    Build it by :meth:`from_estimator`.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (height, width)
        The errors by the name of the reducer; NaN where no sample has an observed value.

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
    >>> from sklearn.decomposition import PCA
    >>> from skae.plotting import ErrorMapDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> reducers = {"PCA(2)": PCA(2).fit(X), "PCA(8)": PCA(8).fit(X)}
    >>> display = ErrorMapDisplay.from_estimator(reducers, X, image_shape=(8, 8))
    >>> display.maps["PCA(2)"].mean() > display.maps["PCA(8)"].mean()
    np.True_
    """

    def __init__(self, *, maps: dict[str, np.ndarray]) -> None:
        self.maps = maps

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> Self:
        """Reconstruct images by one or several fitted reducers and draw their errors.

        Parameters
        ----------
        estimator : object or dict of str to object
            A fitted reducer with ``transform`` and ``inverse_transform``, or several by name.
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            The images. NaN marks missing values.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)``. If None, that of X if it holds
            images, or else the ``image_shape_`` of the fitted estimator.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ErrorMapDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X does not hold images of this shape.
        """
        several = isinstance(estimator, dict)
        reducers = estimator if several else {type(estimator).__name__: estimator}
        X = as_array(X)
        if image_shape is None and len(X.shape) == 2:
            image_shape = fitted_image_shape(reducers.values(), X.shape[1])
        # As floats: differences of bytes would wrap around below zero.
        images = as_images(X, image_shape).astype(float)
        maps = {}
        for name, reducer in reducers.items():
            rebuilt = as_images(reducer.inverse_transform(reducer.transform(X)), images.shape[1:])
            maps[name] = _root_mean_squares(images - rebuilt)
        return cls(maps=maps).plot(ax=ax, **imshow_kwargs)

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> Self:
        """Draw the maps.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ErrorMapDisplay
            The display itself.
        """
        rows = np.stack(list(self.maps.values()))[None]  # (1, n_reducers, height, width)
        finite = rows[np.isfinite(rows)]
        # From zero, on one scale for all reducers: colors of different maps can be compared.
        limits = (0.0, float(finite.max()) if finite.size and finite.max() > 0 else 1.0)
        # Dark where all is well, as the images themselves are dark where there is nothing.
        style = {"cmap": "inferno", "column_labels": list(self.maps), "image_inches": 2.0}
        self.im_ = draw_rows(rows, limits, ax=ax, **{**style, **imshow_kwargs})
        self.ax_, self.figure_ = self.im_.axes, self.im_.figure
        bar = self.figure_.colorbar(self.im_, ax=self.ax_, ticks=[0, 0.5, 1], shrink=0.8)
        bar.set_ticklabels([f"{each * limits[1]:.2g}" for each in (0, 0.5, 1)])
        bar.set_label("root mean square error")
        return self


def _root_mean_squares(errors: np.ndarray) -> np.ndarray:
    """Return the error of each pixel over samples and channels, leaving out missing values."""
    squares = np.ma.masked_invalid(errors**2)
    axes = (0, 3) if errors.ndim == 4 else (0,)
    maps: np.ndarray = np.ma.filled(np.ma.sqrt(squares.mean(axis=axes)), np.nan)
    return maps
