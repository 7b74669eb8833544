"""What the convolutions of a network see in one image."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.utils import check_scalar

from .._arrays import as_array
from ._estimators import held_attribute
from ._images import draw_rows


class FeatureMapDisplay:
    """The output of each convolution for one image, a row for each layer.

    Every map has its own scale from dark (its smallest value) to light, and is enlarged to the
    size of the largest one. Build it by :meth:`from_estimator`.

    Parameters
    ----------
    maps : dict of str to ndarray of shape (height, width, channels)
        The maps by the name of the layer, in the order in which the data pass.
    n_channels : int, default=8
        The largest number of channels to show; they are those that vary most.

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
    >>> from skae import Autoencoder
    >>> from skae.architectures import Conv
    >>> from skae.plotting import FeatureMapDisplay
    >>> images = load_digits().images[:100]
    >>> autoencoder = Autoencoder(4, architecture=Conv((4, 8)), max_iter=1, random_state=0)
    >>> display = FeatureMapDisplay.from_estimator(autoencoder.fit(images), images[:1])
    >>> [maps.shape for maps in display.maps.values()][:2]
    [(4, 4, 4), (2, 2, 8)]
    """

    def __init__(self, *, maps: dict[str, np.ndarray], n_channels: int = 8) -> None:
        self.maps = maps
        self.n_channels = n_channels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_channels: int = 8,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> Self:
        """Compute the maps of one image and draw them.

        Parameters
        ----------
        estimator : object
            A fitted estimator with ``feature_maps``, such as a convolutional
            :class:`~skae.Autoencoder`.
        X : array-like of shape (n_samples, n_features) or (n_samples, *image_shape)
            Images, of which the first is shown.
        n_channels : int, default=8
            The largest number of channels to show of each layer.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        FeatureMapDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator has no ``feature_maps``.
        ValueError
            If its network has no convolution, or `n_channels` is below 1.
        """
        check_scalar(n_channels, "n_channels", Integral, min_val=1)
        feature_maps = held_attribute(estimator, "feature_maps")
        if feature_maps is None:
            raise TypeError(
                f"estimator must have feature_maps, got {type(estimator).__name__}, which has none."
            )
        maps = {name: each[0] for name, each in feature_maps(as_array(X)[:1]).items()}
        if not maps:
            raise ValueError(
                "estimator must have convolutions to look at, got a network without any: give "
                "architecture='conv'."
            )
        return cls(maps=maps, n_channels=n_channels).plot(ax=ax, **imshow_kwargs)

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
        FeatureMapDisplay
            The display itself.
        """
        shape = tuple(max(each.shape[i] for each in self.maps.values()) for i in (0, 1))
        n_columns = min(self.n_channels, max(each.shape[2] for each in self.maps.values()))
        rows = np.full((len(self.maps), n_columns, *shape), np.nan)
        for row, maps in zip(rows, self.maps.values(), strict=True):
            chosen = _most_varied(maps, n_columns)
            # (height, width, channels) to (channels, height, width): each channel is a picture.
            row[: chosen.shape[2]] = _enlarged(_own_range(chosen), shape).transpose(2, 0, 1)
        # Layers with fewer channels than others leave places empty.
        style = {"cmap": "viridis", "row_labels": list(self.maps), "hides_missing": True}
        self.im_ = draw_rows(rows, (0.0, 1.0), ax=ax, **{**style, **imshow_kwargs})
        self.ax_, self.figure_ = self.im_.axes, self.im_.figure
        return self


def _most_varied(maps: np.ndarray, n_channels: int) -> np.ndarray:
    """Return the channels that vary most, in their own order: others are plain areas."""
    order = np.argsort(-maps.std(axis=(0, 1)), kind="stable")[:n_channels]
    return maps[..., np.sort(order)]


def _own_range(maps: np.ndarray) -> np.ndarray:
    low, high = maps.min(axis=(0, 1)), maps.max(axis=(0, 1))
    # Each channel by itself, since their scales differ; one that is constant stays at zero.
    unit: np.ndarray = (maps - low) / np.where(high > low, high - low, 1)
    return unit


def _enlarged(maps: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Repeat pixels until the maps have this shape."""
    rows, columns = (
        np.arange(new) * old // new for new, old in zip(shape, maps.shape, strict=False)
    )
    # Repeated and not interpolated: what a layer has is seen pixel by pixel.
    enlarged: np.ndarray = maps[rows][:, columns]
    return enlarged
