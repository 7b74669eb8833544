"""The public door: arrays of every kind become rows, and rows the layout they came in."""

import math
from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_array, validate_data

_DTYPES = [np.float64, np.float32, np.uint8]


def read_rows(estimator, X, *, reset, min_rows=1, check_finite=True):
    """Validate X as rows of features.

    Parameters
    ----------
    estimator : estimator
        Its ``n_features_in_`` and ``feature_names_in_`` are set or compared.
    X : array-like, sparse matrix, or images (n, height, width[, channels])
    reset : bool
        Whether the attributes are set, as in ``fit``.
    min_rows : int, default=1
    check_finite : bool, default=True
        False leaves it to inference, which checks each chunk of rows as it passes.

    Returns
    -------
    rows : ndarray or csr_matrix of shape (n, n_features)
        float64, float32 or uint8; a memmap stays one.
    layout : tuple or None
        Shape of one image, None where X has two dimensions.
    """
    X, layout = _flatten(X)
    rows = validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse="csr",
        dtype=_DTYPES,
        ensure_min_samples=min_rows,
        ensure_all_finite=check_finite,
    )
    # check_array looks through a memmap, and what is read from a disk must not be copied.
    if isinstance(X, np.memmap) and rows.dtype == X.dtype:
        rows = X
    return rows, layout


def read_target(X_target, rows):
    """Validate what is to be reconstructed in place of X: rows of the same shape."""
    target = check_array(
        _flatten(X_target)[0], accept_sparse="csr", dtype=_DTYPES, input_name="X_target"
    )
    if target.shape != rows.shape:
        raise ValueError(
            f"X_target must have the shape of X, {rows.shape} as rows, got {target.shape}."
        )
    return target


def read_image_shape(image_shape, layout, n_features):
    """Combine the parameter and the layout of X into (height, width, channels) or None."""
    given = image_shape if image_shape is not None else layout
    if given is None:
        return None
    sides = tuple(given) if isinstance(given, (tuple, list)) else ()
    if len(sides) not in (2, 3) or not all(isinstance(s, Integral) and s > 0 for s in sides):
        raise ValueError(
            "image_shape must be (height, width) or (height, width, channels) of positive "
            f"integers, got {given!r}."
        )
    if math.prod(sides) != n_features:
        raise ValueError(
            f"image_shape={sides} has {math.prod(sides)} values, but X has {n_features} features."
        )
    sides = (*map(int, sides), 1)[:3]
    if layout is not None and (*layout, 1)[:3] != sides:
        raise ValueError(f"image_shape={given} differs from the images in X, {layout}.")
    return sides


def check_layout(layout, image_shape):
    """Refuse images of another shape than those of ``fit``."""
    if layout is not None and image_shape is not None and (*layout, 1)[:3] != image_shape:
        raise ValueError(
            f"X holds images of shape {layout}, expected {image_shape} as (height, width, "
            "channels)."
        )


def check_unit_interval(rows, loss):
    """Refuse data outside [0, 1]."""
    lowest, highest = rows.min(), rows.max()
    if lowest < 0 or highest > 1:
        raise ValueError(
            f"loss={loss!r} expects values in [0, 1], got values from {lowest:.6g} to "
            f"{highest:.6g}: scale the data, for instance by MinMaxScaler or X / 255."
        )


def _flatten(X):
    """Images to rows of pixels; everything else as it is."""
    shape = getattr(X, "shape", ())
    if len(shape) <= 2:
        return X, None
    if len(shape) > 4:
        raise ValueError(
            "X must be rows (n, n_features) or images (n, height, width[, channels]), got an "
            f"array of shape {tuple(shape)}."
        )
    return X.reshape(shape[0], -1), tuple(shape[1:])
