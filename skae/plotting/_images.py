"""Images as arrays: read from rows, brought to one scale of brightness, put side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_array

from .._arrays import as_array, naming_types
from .._utils import import_optional
from ._style import axes_or_new

# Light blue stands out from any grey, also to the color-blind.
MISSING_COLOR = (0.62, 0.79, 0.88)
_GAP = 2.0  # above all pixels; matplotlib takes infinity for a missing value
_DARKEST_WHITE = 0.05  # largest value of images whose scale still is taken to end at 1


def as_images(X: Any, image_shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return X as an array of shape (n_samples, height, width[, channels]).

    Raises a ValueError if X does not hold images of this shape.
    """
    X = as_array(X)
    with naming_types(X):
        X = check_array(X, allow_nd=True, ensure_all_finite="allow-nan", input_name="X")
    shape = X.shape[1:] if image_shape is None else tuple(np.atleast_1d(image_shape))
    if len(shape) not in (2, 3) or np.prod(shape) != np.prod(X.shape[1:]):
        raise ValueError(
            "image_shape must be (height, width) or (height, width, channels) of the images "
            f"in X, got {image_shape} for X of shape {X.shape}."
        )
    images: np.ndarray = X.reshape(len(X), *shape)
    return images


def to_grey_or_rgb(rows: np.ndarray) -> np.ndarray:
    """Average the channels of all but color images."""
    is_grey = rows.ndim == 4  # (rows, images, height, width)
    # Two, four or more channels have no colors of their own.
    return rows if is_grey or rows.shape[-1] == 3 else np.mean(rows, axis=-1)


def value_range(originals: np.ndarray) -> tuple[float, float]:
    """Return the values that are black and white in images of this kind.

    Zero stays black unless values lie below it. Bytes end at 255 and fractions at 1; anything else
    ends at the largest value.
    """
    if originals.dtype == np.uint8:
        return 0.0, 255.0
    observed = originals[~np.isnan(originals)] if originals.dtype.kind == "f" else originals
    low, high = (float(observed.min()), float(observed.max())) if observed.size else (0.0, 1.0)
    low = min(low, 0.0)
    # Where nothing exceeds a twentieth of 1, that is not the scale, and all would be black.
    high = 1.0 if low == 0 and _DARKEST_WHITE < high < 1 else high
    return low, high if high > low else low + 1


def to_unit_range(rows: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Scale so that `limits` become 0 and 1, and clip what lies beyond; NaN stays NaN."""
    # One scale for all rows, or a reconstruction that is too pale would not look so.
    low, high = limits
    unit: np.ndarray = np.clip((rows.astype(float) - low) / (high - low), 0, 1)
    return unit


def mosaic(rows: np.ndarray) -> np.ndarray:
    """Join rows of images into one, with transparent pixels right of and below each.

    Grey images make a matrix in which these pixels are above 1, color images one of RGBA.
    """
    if rows.ndim == 5:
        is_missing = np.isnan(rows).any(axis=-1, keepdims=True)
        rows = np.where(is_missing, MISSING_COLOR, rows)
        rows = np.concatenate([rows, np.ones_like(rows[..., :1])], axis=-1)
    # Two pixels between digits of 28.
    n_pixels = max(1, rows.shape[3] // 14)
    padding = [(0, 0), (0, 0), (0, n_pixels), (0, n_pixels)] + [(0, 0)] * (rows.ndim - 4)
    rows = np.pad(rows, padding, constant_values=_GAP if rows.ndim == 4 else 0)
    n_rows, n_images, height, width, *channels = rows.shape
    # Pixel rows of all images of a row come one after the other.
    return rows.swapaxes(1, 2).reshape(n_rows * height, n_images * width, *channels)


def draw_rows(
    rows: np.ndarray,
    limits: tuple[float, float],
    *,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    cmap: Any = "gray",
    hides_missing: bool = False,
    image_inches: float = 1.0,
    ax: Any = None,
    **imshow_kwargs: Any,
) -> Any:
    """Draw rows of images (n_rows, n_images, height, width[, channels]); return the AxesImage.

    `limits` are the values that become black and white. Missing values are light blue, or
    transparent where `hides_missing` is True: there, they are images that do not exist.
    """
    colormaps = import_optional("matplotlib", "plot").colormaps
    picture = mosaic(to_unit_range(to_grey_or_rgb(rows), limits))
    height, width = picture.shape[:2]
    n_rows, n_images = rows.shape[:2]
    # Room for the names, and for what stands above.
    drawn = image_inches * n_images
    size = (
        drawn + (1.5 if row_labels else 0.3),
        drawn * height / width + 0.3 * bool(column_labels),
    )
    ax = axes_or_new(ax, figsize=size)
    missing = (1, 1, 1, 0) if hides_missing else MISSING_COLOR
    colors = colormaps.get_cmap(cmap).with_extremes(bad=missing, over=(1, 1, 1, 0))
    image = ax.imshow(picture, **{"cmap": colors, "vmin": 0, "vmax": 1, **imshow_kwargs})
    # In pixels, of which the first has its center at 0. Labels are left out if there are none.
    ax.set_yticks(_centers(n_rows, height)[: len(row_labels)], row_labels)
    ax.set_xticks(_centers(n_images, width)[: len(column_labels)], column_labels)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.set_anchor("W")  # otherwise constrained layout leaves too little room for the names
    return image


def _centers(n_images: int, n_pixels: int) -> np.ndarray:
    centers: np.ndarray = (np.arange(n_images) + 0.5) * n_pixels / n_images - 1
    return centers
