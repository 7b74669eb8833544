"""Decoded walks through the latent space: between samples, along components, over a plane."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.utils import check_scalar

from .._arrays import as_array
from ._estimators import fitted_image_shape
from ._images import as_images, draw_rows, value_range

_MAX_COMPONENTS = 10  # rows of a traversal, unless components are named
# A step beyond the data would show what the decoder never learned.
_WALK = (0.02, 0.98)


def _codes_of(estimator: Any, X: Any) -> np.ndarray:
    return np.asarray(estimator.transform(X), dtype=float)


def _decoded(
    estimator: Any, codes: np.ndarray, image_shape: tuple[int, ...] | None, X: Any
) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the images of codes (n_rows, n_columns, n_components), and the grey scale of X."""
    n_rows, n_columns, n_components = codes.shape
    # (n_rows, n_columns, n_components) to rows of codes, decoded in one call.
    decoded = as_array(estimator.inverse_transform(codes.reshape(-1, n_components)))
    if image_shape is None and len(decoded.shape) == 2:
        shape = as_array(X).shape[1:]
        image_shape = shape if len(shape) > 1 else fitted_image_shape([estimator], shape[0])
    images = as_images(decoded, image_shape)
    shape = images.shape[1:]
    return images.reshape(n_rows, n_columns, *shape), value_range(as_images(X, shape))


class _Walk:
    """Decoded images in rows, and how they are drawn; the displays say what the rows are."""

    images: np.ndarray
    value_range: tuple[float, float] | None

    def _draw(self, ax: Any, imshow_kwargs: dict[str, Any], **labels: Any) -> None:
        limits = value_range(self.images) if self.value_range is None else self.value_range
        self.im_ = draw_rows(self.images, limits, ax=ax, **labels, **imshow_kwargs)
        self.ax_, self.figure_ = self.im_.axes, self.im_.figure


class InterpolationDisplay(_Walk):
    """Decoded steps on the straight way between the codes of two samples, a pair in each row.

    Build it by :meth:`from_estimator`.

    Parameters
    ----------
    images : ndarray of shape (n_pairs, n_steps, height, width[, channels])
        The decoded steps. The first and last of a row are reconstructions of its two samples.
    value_range : tuple of two float, default=None
        The values that are drawn black and white. If None, those of `images`.

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
    >>> from skae.plotting import InterpolationDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> pca = PCA(8).fit(X)
    >>> display = InterpolationDisplay.from_estimator(pca, X[:6], image_shape=(8, 8), n_steps=5)
    >>> display.images.shape
    (3, 5, 8, 8)
    """

    def __init__(
        self, *, images: np.ndarray, value_range: tuple[float, float] | None = None
    ) -> None:
        self.images = images
        self.value_range = value_range

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_steps: int = 8,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> Self:
        """Decode the ways between samples and draw them.

        Parameters
        ----------
        estimator : object
            A fitted reducer with ``transform`` and ``inverse_transform``.
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            Samples; the first and the second are a pair, the third and the fourth, and so on.
        n_steps : int, default=8
            Number of steps, both ends included.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)``. If None, that of X if it holds
            images, or else the ``image_shape_`` of the fitted estimator.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        InterpolationDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X does not hold images or two samples, or `n_steps` is below 2.
        """
        check_scalar(n_steps, "n_steps", Integral, min_val=2)
        codes = _codes_of(estimator, X)
        if len(codes) < 2:
            raise ValueError(f"X must hold pairs of samples, got {len(codes)} sample(s).")
        # A last sample without a partner is left out.
        starts, ends = codes[: len(codes) // 2 * 2 : 2, None], codes[1::2, None]
        fractions = np.linspace(0, 1, n_steps)[:, None]
        way = (1 - fractions) * starts + fractions * ends  # (n_pairs, n_steps, n_components)
        images, limits = _decoded(estimator, way, image_shape, X)
        return cls(images=images, value_range=limits).plot(ax=ax, **imshow_kwargs)

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> Self:
        """Draw the steps.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        InterpolationDisplay
            The display itself.
        """
        self._draw(ax, imshow_kwargs)
        return self


class TraversalDisplay(_Walk):
    """What each component of the code changes: a row of decoded steps along each.

    A row goes through the values of one component in the data, from its 2nd to its 98th
    percentile, with the other components at their medians. Rows of equal images belong to
    components that the decoder does not use. Build it by :meth:`from_estimator`.

    Parameters
    ----------
    images : ndarray of shape (n_components, n_steps, height, width[, channels])
        The decoded steps.
    components : sequence of int
        The component of each row, the first of which is 0.
    value_range : tuple of two float, default=None
        The values that are drawn black and white. If None, those of `images`.

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
    >>> from skae.plotting import TraversalDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> display = TraversalDisplay.from_estimator(PCA(4).fit(X), X, image_shape=(8, 8))
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['code 1', 'code 2', 'code 3', 'code 4']
    """

    def __init__(
        self,
        *,
        images: np.ndarray,
        components: Sequence[int],
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self.images = images
        self.components = components
        self.value_range = value_range

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        components: Sequence[int] | None = None,
        n_steps: int = 7,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> Self:
        """Decode a walk along each component and draw it.

        Parameters
        ----------
        estimator : object
            A fitted reducer with ``transform`` and ``inverse_transform``.
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            Data, whose codes determine how far the walks go.
        components : sequence of int, default=None
            The components to walk along. If None, the first ten.
        n_steps : int, default=7
            Number of steps.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)``. If None, that of X if it holds
            images, or else the ``image_shape_`` of the fitted estimator.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        TraversalDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X does not hold images, a component does not exist, or `n_steps` is below 2.
        """
        check_scalar(n_steps, "n_steps", Integral, min_val=2)
        codes = _codes_of(estimator, X)
        chosen = _check_components(components, codes.shape[1])
        # Medians, since one outlier moves the mean out of what the decoder has seen.
        steps = np.repeat(np.median(codes, axis=0)[None, None], n_steps, axis=1)
        steps = np.repeat(steps, len(chosen), axis=0)  # (n_chosen, n_steps, n_components)
        for row, component in enumerate(chosen):
            # Within the data: beyond them decoders draw what means nothing.
            low, high = np.quantile(codes[:, component], _WALK)
            steps[row, :, component] = np.linspace(low, high, n_steps)
        images, limits = _decoded(estimator, steps, image_shape, X)
        display = cls(images=images, components=chosen, value_range=limits)
        return display.plot(ax=ax, **imshow_kwargs)

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> Self:
        """Draw the steps.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        TraversalDisplay
            The display itself.
        """
        self._draw(ax, imshow_kwargs, row_labels=[f"code {each + 1}" for each in self.components])
        return self


class ManifoldDisplay(_Walk):
    """A plane through the latent space, decoded on a grid.

    The first component grows to the right and the second upwards, over the middle 96 % of their
    values in the data; other components stay at their medians. Build it by :meth:`from_estimator`.

    Parameters
    ----------
    images : ndarray of shape (n_side, n_side, height, width[, channels])
        The decoded grid; its first row has the largest values of the second component.
    components : tuple of two int, default=(0, 1)
        The components that span the plane.
    value_range : tuple of two float, default=None
        The values that are drawn black and white. If None, those of `images`.

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
    >>> from skae.plotting import ManifoldDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> display = ManifoldDisplay.from_estimator(PCA(2).fit(X), X, image_shape=(8, 8), n_side=5)
    >>> display.images.shape
    (5, 5, 8, 8)
    """

    def __init__(
        self,
        *,
        images: np.ndarray,
        components: tuple[int, int] = (0, 1),
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self.images = images
        self.components = components
        self.value_range = value_range

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        components: tuple[int, int] = (0, 1),
        n_side: int = 12,
        image_shape: tuple[int, ...] | None = None,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> Self:
        """Decode a grid of codes and draw it.

        Parameters
        ----------
        estimator : object
            A fitted reducer with ``transform`` and ``inverse_transform``.
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            Data, whose codes determine how far the grid reaches.
        components : tuple of two int, default=(0, 1)
            The components that span the plane.
        n_side : int, default=12
            Number of images along each side.
        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(height, width, channels)``. If None, that of X if it holds
            images, or else the ``image_shape_`` of the fitted estimator.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ManifoldDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If X does not hold images, a component does not exist, or `n_side` is below 2.
        """
        check_scalar(n_side, "n_side", Integral, min_val=2)
        codes = _codes_of(estimator, X)
        if len(set(components)) != 2:
            raise ValueError(f"components must be two different ones, got {components!r}.")
        first, second = _check_components(components, codes.shape[1])
        grid = np.tile(np.median(codes, axis=0), (n_side, n_side, 1))
        for component in (first, second):
            low, high = np.quantile(codes[:, component], _WALK)
            values = np.linspace(low, high, n_side)
            # To the right, and upwards.
            grid[..., component] = values if component == first else values[::-1, None]
        images, limits = _decoded(estimator, grid, image_shape, X)
        display = cls(images=images, components=(first, second), value_range=limits)
        return display.plot(ax=ax, **imshow_kwargs)

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> Self:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ManifoldDisplay
            The display itself.
        """
        self._draw(ax, imshow_kwargs, image_inches=0.5)
        first, second = self.components
        self.ax_.set(xlabel=f"code {first + 1} →", ylabel=f"code {second + 1} →")
        return self


def _check_components(components: Sequence[int] | None, n_components: int) -> list[int]:
    """Return the components, the first ones by default; refuse those that the code lacks."""
    if components is None:
        return list(range(min(n_components, _MAX_COMPONENTS)))
    for each in components:
        check_scalar(each, "components", Integral, min_val=0, max_val=n_components - 1)
    return [int(each) for each in components]
