"""Warnings for data that could as well be read in another way than they are."""

import math
import warnings

import numpy as np
from sklearn.exceptions import DataConversionWarning

from ._frames import is_frame

# Channels that pictures have: gray, gray and alpha, color, color and alpha.
_MAX_CHANNELS = 4
# Pictures are seldom this much taller than wide, windows of a series often are; wide pictures, such
# as lines of text and spectrograms, are more common, but have more rows of pixels than this.
_MIN_WINDOW_ASPECT, _MIN_PICTURE_HEIGHT = 3, 8
# A table of measurements has many more rows than columns. Windows of single numbers do so as well,
# but in an array they seldom have so few columns; in a frame with names they are rare.
_ROWS_PER_COLUMN, _MAX_TABLE_COLUMNS = 100, 9
# Columns that hold so much of the variance leave none to the others to be seen in loss and score:
# raw wines have one such of 13. At most a quarter of the columns are few; spectra and series, of
# more than so many columns, have one unit, and wide ranges that are meant.
_DOMINANT_FRACTION, _MAX_DOMINANT_FRACTION, _MAX_COLUMNS_OF_UNITS = 0.99, 0.25, 200
# Rows on which it is looked whether one continues the other.
_COMPARED_ROWS = 10
# Rows that hold square images: values a side apart are neighbors in a column, and differ less than
# those half a side apart. Their squared differences are in a proportion of 0.05 to 0.42 for digits,
# clothes and brain scans, of 0.76 or more for spectra, windows of series and tables.
_MIN_SIDE, _MAX_PROPORTION, _LAYOUT_ROWS = 8, 0.5, 100


def warn_of_image_layout(layout):
    """Warn if images have their channels first, or may be windows of a series.

    Parameters
    ----------
    layout : tuple of int
        (height, width) or (height, width, channels), as found in the shape of X.
    """
    if are_channels_first(layout):
        _warn_of_channels(layout, "X", 1, f"image_shape={layout}")
    elif len(layout) == 2 and _may_be_window(*layout):
        n_timesteps, n_features = layout
        _warn(
            f"X of shape (n_samples, {n_timesteps}, {n_features}) is read as images of "
            f"{n_timesteps} × {n_features} pixels. If they are, give image_shape={layout}. If they "
            f"are windows of {n_timesteps} time steps of {n_features} feature(s), give them as "
            "rows, X.reshape(len(X), -1), or use SequencePredictor, which predicts the next step."
        )


def warn_of_frame_layout(frame_shape):
    """Warn if the frames of sequences are images that have their channels first."""
    if are_channels_first(frame_shape):
        _warn_of_channels(frame_shape, "the frames of X", 2, f"frame_shape={frame_shape}")


def are_channels_first(shape):
    """Return whether a shape is (channels, height, width) rather than (height, width, channels)."""
    return len(shape) == 3 and shape[0] <= _MAX_CHANNELS < shape[2] and shape[0] < shape[1]


def _warn_of_channels(shape, name, axis, settles):
    height, width, channels = shape
    _warn(
        f"The shape {shape} of {name} is read as (height, width, channels): {height} × {width} "
        f"pixels with {channels} channels. If the channels come first, as in torch, move them to "
        f"the end: np.moveaxis(X, {axis}, -1). If it is as it should be, give {settles}."
    )


def _may_be_window(height, width):
    is_low = height < _MIN_PICTURE_HEIGHT and width >= _MIN_WINDOW_ASPECT * height
    return is_low or height >= _MIN_WINDOW_ASPECT * width


def warn_of_table(X, rows):
    """Warn if rows, read as series of numbers, look like time steps of a table.

    Parameters
    ----------
    X : object
        What the caller gave.
    rows : ndarray of shape (n_rows, n_columns)
    """
    n_rows, n_columns = rows.shape
    is_named = is_frame(X) and all(isinstance(name, str) for name in X.columns)
    is_long = n_rows >= _ROWS_PER_COLUMN * n_columns
    if is_long and (is_named or n_columns <= _MAX_TABLE_COLUMNS) and not _slides(rows):
        _warn(
            f"X of shape {rows.shape} is read as {n_rows} sequences of {n_columns} numbers: its "
            "columns are time steps. If they are, give frame_shape=(). If its rows are the time "
            f"steps, of {n_columns} features each, cut windows of them: "
            "np.lib.stride_tricks.sliding_window_view(X, 20, axis=0).swapaxes(1, 2) for 20 steps."
        )


def warn_of_flat_images(rows, estimator):
    """Warn if rows that are convolved along their features look like square images.

    Parameters
    ----------
    rows : ndarray of shape (..., n_features)
    estimator : estimator
    """
    n_features = rows.shape[-1]
    rows = rows.reshape(-1, n_features)
    parameter = "image_shape" if hasattr(estimator, "image_shape") else "frame_shape"
    for n_channels in (1, 3):
        side = math.isqrt(n_features // n_channels)
        if side < _MIN_SIDE or n_channels * side**2 != n_features:
            continue
        apart = _squared_difference(rows, side // 2 * n_channels)
        if _squared_difference(rows, side * n_channels) >= _MAX_PROPORTION * apart:
            continue
        shape = (side, side) if n_channels == 1 else (side, side, n_channels)
        _warn(
            f"X of {n_features} features without {parameter} is convolved along its rows, as one "
            f"line of {n_features} pixels, but looks like images of {side} × {side} pixels. If it "
            f"holds these, give {parameter}={shape}; if it does not, {parameter}=(1, {n_features})."
        )


def _squared_difference(rows, lag):
    """Return the mean squared difference of features that are so many places apart."""
    some = rows[:_LAYOUT_ROWS]
    return np.nanmean((some[:, lag:] - some[:, :-lag]) ** 2)


def _slides(rows):
    """Return whether each row is the one before, moved by a step: windows of one series."""
    some = rows[:_COMPARED_ROWS]
    return np.array_equal(some[1:, :-1], some[:-1, 1:])


def warn_of_units(rows, weights, names, owner):
    """Warn if a few columns hold nearly all of the variance: their units decide then.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None
    names : sequence of str or None
        Of the columns; of sequences they may be those of all time steps, which are not used.
    owner : str
        Name of the estimator.
    """
    n_features = rows.shape[1]
    if not 1 < n_features <= _MAX_COLUMNS_OF_UNITS:
        return
    deviations = rows - np.average(rows, axis=0, weights=weights)
    # Neither very large nor very small numbers can be squared.
    deviations /= np.abs(deviations).max() or 1.0
    variances = np.average(deviations**2, axis=0, weights=weights)
    order = np.argsort(variances)[::-1]
    held = np.cumsum(variances[order])
    n_dominant = int(np.searchsorted(held, _DOMINANT_FRACTION * held[-1])) + 1
    n_varying = np.count_nonzero(variances)
    if n_varying < 2 or n_dominant > max(_MAX_DOMINANT_FRACTION * n_varying, 1):
        return
    is_named = names is not None and len(names) == n_features
    listed = ", ".join(repr(names[i]) if is_named else f"x{i}" for i in order[:n_dominant])
    warnings.warn(
        f"{n_dominant} of {n_varying} columns of X hold {held[n_dominant - 1] / held[-1]:.1%} of "
        f"its variance: {listed}. {owner} divides X by one scale, so that the others hardly count "
        "in its loss and score. If columns have different units, standardize them before: "
        f"make_pipeline(StandardScaler(), {owner}(...)).",
        UserWarning,
        stacklevel=2,
    )


def warn_of_ignored_target(X, y, message):
    """Warn if y has the shape of X and other values: perhaps the target of the reconstruction.

    Parameters
    ----------
    X, y : object
        What the caller gave.
    message : str
        What becomes of y, and where it belongs.
    """
    if y is None or y is X:
        return
    shape, shape_of_y = _shape(X), _shape(y)
    is_target = len(shape_of_y) > 1 and shape_of_y[0] == shape[0]
    n_values = math.prod(shape_of_y[1:])
    if not is_target or n_values != math.prod(shape[1:]) or n_values < 2 or not _has_numbers(y):
        return
    if type(X) is type(y) is np.ndarray and np.array_equal(X, y.reshape(X.shape)):
        return
    warnings.warn(f"y has the shape of X, {shape_of_y}. {message}", UserWarning, stacklevel=4)


def _shape(X):
    """Return the shape of an array, frame, tensor or of nested lists, () of anything else."""
    if hasattr(X, "shape"):
        return tuple(X.shape)
    shape = ()
    while isinstance(X, (list, tuple)) and X:
        shape, X = (*shape, len(X)), X[0]
    return (*shape, *getattr(X, "shape", ()))


def _has_numbers(y):
    """Return whether an array holds numbers other than truth values; True if it does not say."""
    kind = getattr(getattr(y, "dtype", None), "kind", "f")
    return kind in "fiu"


def _warn(message):
    warnings.warn(message, DataConversionWarning, stacklevel=3)
