"""Images as arrays: read from rows, brought to one scale of brightness, put side by side."""

from typing import Any

import numpy as np
from sklearn.utils import check_array

from .._arrays import as_array, naming_types

# Light blue stands out from any grey, also to the color-blind.
MISSING_COLOR = (0.62, 0.79, 0.88)


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


def to_unit_range(rows: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Scale so that the originals fill [0, 1], and clip what lies beyond."""
    observed = originals[~np.isnan(originals)]
    low, high = (float(observed.min()), float(observed.max())) if observed.size else (0.0, 1.0)
    # One scale for all rows, or a reconstruction that is too pale would not look so.
    unit = np.clip((rows - low) / ((high - low) or 1), 0, 1)
    if unit.ndim < 5:  # (rows, images, height, width): missing values get their color from the cmap
        return unit
    return np.where(np.isnan(unit).any(axis=-1, keepdims=True), MISSING_COLOR, unit)


def mosaic(rows: np.ndarray) -> np.ndarray:
    """Join rows of images into one image, with white pixels right of and below each."""
    # Two pixels between digits of 28.
    n_pixels = max(1, rows.shape[3] // 14)
    padding = [(0, 0), (0, 0), (0, n_pixels), (0, n_pixels)] + [(0, 0)] * (rows.ndim - 4)
    rows = np.pad(rows, padding, constant_values=1)
    n_rows, n_images, height, width, *channels = rows.shape
    # Pixel rows of all images of a row come one after the other.
    return rows.swapaxes(1, 2).reshape(n_rows * height, n_images * width, *channels)
