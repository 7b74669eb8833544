"""Images as arrays: read from rows, brought to one scale of brightness, put side by side."""

import numpy as np
from sklearn.utils import check_array

from .._arrays import as_array, naming_types

# Light blue stands out from any grey, also to the color-blind.
MISSING_COLOR = (0.62, 0.79, 0.88)


def as_images(X, image_shape=None):
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
    return X.reshape(len(X), *shape)


def to_grey_or_rgb(rows):
    """Average the channels of all but color images."""
    is_grey = rows.ndim == 4  # (rows, images, height, width)
    return rows if is_grey or rows.shape[-1] == 3 else rows.mean(axis=-1)


def to_unit_range(rows, originals):
    """Scale so that the originals fill [0, 1], and clip what lies beyond."""
    observed = originals[~np.isnan(originals)]
    low, high = (float(observed.min()), float(observed.max())) if observed.size else (0.0, 1.0)
    unit = np.clip((rows - low) / ((high - low) or 1), 0, 1)
    if unit.ndim < 5:  # (rows, images, height, width): missing values get their color from the cmap
        return unit
    return np.where(np.isnan(unit).any(axis=-1, keepdims=True), MISSING_COLOR, unit)


def mosaic(rows):
    """Join rows of images into one image, with a white gap right of and below each."""
    gap = max(1, rows.shape[3] // 14)
    padding = [(0, 0), (0, 0), (0, gap), (0, gap)] + [(0, 0)] * (rows.ndim - 4)
    rows = np.pad(rows, padding, constant_values=1)
    n_rows, n_images, height, width, *channels = rows.shape
    return rows.swapaxes(1, 2).reshape(n_rows * height, n_images * width, *channels)
