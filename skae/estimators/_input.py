"""Validation of public input: arrays of every kind become rows, sequences or codes."""

import math
from functools import partial
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.utils import get_tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .._arrays import (
    as_array,
    check_finite,
    check_weights,
    is_plain_float,
    naming_types,
)
from .._engine.data import TrainingSet
from ..sources import BatchSource, RowSource, find_source
from ._frames import is_frame
from ._readings import warn_of_image_layout
from ._sources import check_alone, in_memory, read_source, read_target_source

# Bytes stay bytes until a batch is taken. Other types are converted to the first, as in
# scikit-learn, but for floats of sixteen bits, which `as_array` has made float32.
_DTYPES = [np.float64, np.float32, np.uint8]


def check_fitted(estimator, attribute):
    """Raise a NotFittedError unless the estimator has an attribute that `fit` sets.

    `check_is_fitted` collects tags first, which takes up to as long as a row.
    """
    if attribute not in vars(estimator):
        check_is_fitted(estimator)


def read_rows(
    estimator,
    X,
    *,
    reset,
    min_rows=1,
    check_finite=True,
    any_width=False,
    streams=False,
    part_check=None,
):
    """Validate X as rows of features.

    Parameters
    ----------
    estimator : estimator
        Its ``n_features_in_`` and ``feature_names_in_`` are set or compared.
    X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
    reset : bool
        Whether the attributes are set, as in ``fit``.
    min_rows : int, default=1
    check_finite : bool or 'allow-nan', default=True
        If False, inference checks each chunk of rows as it passes.
    any_width : bool, default=False
        Take any number of features, and leave the attributes alone.
    streams : bool, default=False
        Whether rows that do not fit into memory may be read block by block.
    part_check : callable, default=None
        Gets rows and the name of each part of a source when it is read, and raises an error.

    Returns
    -------
    rows : {ndarray, csr_matrix, RowSource} of shape (n_samples, n_features)
        float64, float32 or uint8; a memmap stays one.
    layout : tuple or None
        Shape of one image, None where X has two dimensions.
    """
    if not (reset or check_finite or any_width) and _is_as_in_fit(estimator, X):
        return X, None
    source = None if isinstance(X, np.ndarray) else find_source(X)
    if source is not None:
        source = source if part_check is None else source.checked_by(part_check)
        rows, layout = read_source(estimator, source, reset=reset, streams=streams)
        _check_number(estimator, rows, min_rows)
        return rows, layout
    X, layout = _flatten(X)
    if not (reset or any_width):
        _refuse_one_image(estimator, X, layout)
    # validate_data compares the number of features, which a sequence of another length has not.
    check = check_array if any_width else partial(validate_data, estimator, reset=reset)
    with naming_types(X):
        rows = check(
            X,
            accept_sparse="csr",
            dtype=_DTYPES,
            ensure_min_samples=min_rows,
            ensure_all_finite=check_finite,
        )
    return _still_mapped(rows, X), layout


def _check_number(estimator, rows, min_rows):
    """Raise scikit-learn's error where a source has fewer rows than are needed."""
    if rows.shape[0] < min_rows:
        raise ValueError(
            f"Found array with {rows.shape[0]} sample(s) (shape={rows.shape}) while a minimum "
            f"of {min_rows} is required by {type(estimator).__name__}."
        )


def _refuse_one_image(estimator, X, layout):
    """Refuse an image of the shape of those in `fit` that is not in an array of images."""
    image_shape = vars(estimator).get("image_shape_")
    if image_shape is None or not isinstance(X, np.ndarray) or X.ndim != 2:
        return
    shape = X.shape[:1] + (layout or X.shape[1:])
    # Of images one pixel high, such an array is a row.
    if (*shape, 1)[:3] == image_shape and X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input: X of shape {shape} is one image. Give "
            "an array of images, X[np.newaxis]."
        )


def _is_as_in_fit(estimator, X):
    """Return whether `validate_data` would return X as it is, and warn of nothing.

    It takes 50 µs to find out, about as long as a row takes through a small network.
    """
    return (
        is_plain_float(X)
        and X.shape[1] == estimator.n_features_in_
        and "feature_names_in_" not in vars(estimator)
    )


def read_samples(estimator, X, *, reset, min_rows=1, allow_missing=False):
    """Validate X as samples of any shape, which they keep.

    Parameters
    ----------
    estimator : estimator
        Its ``n_features_in_`` and ``feature_names_in_`` are set or compared, and its tags
        determine whether X may be sparse.
    X : {array-like, sparse matrix} of shape (n_samples, ...)
    reset : bool
        Whether to set the attributes, as in ``fit``.
    min_rows : int, default=1
    allow_missing : bool, default=False
        Whether NaN passes, as a missing value.

    Returns
    -------
    samples : {ndarray, csr_matrix} of the shape of X
        float64, float32 or uint8.
    """
    if not reset and _is_as_in_fit(estimator, X):
        if not allow_missing:
            _refuse_missing(estimator, X, X)
        check_finite(X, allow_nan=True)
        return X
    X = as_array(in_memory(X, type(estimator).__name__))
    # Tags take longer to collect than a row to check: those of arrays do not matter.
    may_be_sparse = not isinstance(X, np.ndarray) and get_tags(estimator).input_tags.sparse
    with naming_types(X):
        samples = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse="csr" if may_be_sparse else False,
            allow_nd=True,
            dtype=_DTYPES,
            ensure_min_samples=min_rows,
            ensure_all_finite="allow-nan",
        )
    if not allow_missing:
        _refuse_missing(estimator, X, samples)
    return samples


def _refuse_missing(estimator, X, samples):
    """Refuse NaN, and name the columns of a frame that hold it."""
    # Values that a sparse matrix does not store are zeros.
    values = samples.data if sparse.issparse(samples) else samples
    # The minimum is NaN if any value is, and takes no second array of the size of the data.
    if values.dtype.kind != "f" or not values.size or not np.isnan(values.min()):
        return
    # Of a frame the columns can be named, which is most of the work of finding the cause.
    where = ""
    if is_frame(X) and not sparse.issparse(samples):
        columns = np.flatnonzero(np.isnan(samples).any(axis=0))
        where = f" in column(s) {', '.join(repr(X.columns[i]) for i in columns)}"
    raise ValueError(
        f"Input X contains NaN{where}. {type(estimator).__name__} needs complete rows: fill "
        "missing values before, for instance by SimpleImputer, or leave such rows out."
    )


def read_training_set(estimator, X, sample_weight, X_target, *, mode, image_shape, allow_missing):
    """Validate the arguments of a fit, except labels.

    Parameters
    ----------
    estimator : estimator
        As for `read_rows`.
    X, X_target : {array-like, sparse matrix} of shape (n_samples, n_features), or images
    sample_weight : array-like of shape (n_samples,) or None
    mode : FitMode
    image_shape : tuple of int or None
        That of the earlier fit, which X has to have where ``mode`` does not reset it.
    allow_missing : bool
        Whether NaN passes.

    Returns
    -------
    training_set : TrainingSet
    sample_shape : tuple of int
    image_shape : tuple of int or None
    """
    # Infinity is refused here, and NaN below, where the error says what accepts it.
    streams = estimator._streams_rows and not mode.is_partial
    rows, layout = read_rows(
        estimator,
        X,
        reset=mode.resets,
        min_rows=mode.min_rows,
        check_finite="allow-nan",
        streams=streams,
        part_check=None if allow_missing else partial(_refuse_nan, estimator),
    )
    if mode.resets:
        image_shape = read_image_shape(estimator.image_shape, layout, rows.shape[1])
    check_layout(layout, image_shape)
    if isinstance(rows, BatchSource):
        check_alone(rows, sample_weight=sample_weight, X_target=X_target)
    weights = None if sample_weight is None else check_weights(sample_weight, rows)
    target = None if X_target is None else read_target(X_target, rows)
    if not allow_missing:
        # Parts of a source are checked when they are read.
        in_memory_rows = None if isinstance(rows, RowSource) else rows
        refuse_missing(estimator, X=in_memory_rows, X_target=target)
    return TrainingSet(rows, target, weights=weights), layout or rows.shape[1:], image_shape


def refuse_augmented_pairs(estimator):
    """Refuse augmentation of X and ``X_target``, of which each would be changed in its own way."""
    if getattr(estimator, "augment", None) is not None:
        raise ValueError(
            "augment must be None where X_target is given, since it would draw another change for "
            "the target than for X: change both before, and append them to X and X_target."
        )


def read_target(X_target, rows):
    """Validate the target of the reconstruction, rows of the shape of X.

    NaN passes, as a missing value.
    """
    source = None if isinstance(X_target, np.ndarray) else find_source(X_target)
    if source is not None:
        _check_shape(source, rows)
        return read_target_source(source, rows)
    X_target, _ = _flatten(X_target, "X_target")
    with naming_types(X_target, "X_target"):
        # Not validate_data: names of the columns need not be those of X.
        target = check_array(
            X_target,
            accept_sparse="csr",
            dtype=_DTYPES,
            input_name="X_target",
            ensure_all_finite="allow-nan",
        )
    _check_shape(target, rows)
    return _still_mapped(target, X_target)


def _check_shape(target, rows):
    if target.shape != rows.shape:
        raise ValueError(
            f"X_target must have the shape of X, {rows.shape} as rows, got {target.shape}."
        )


def read_image_shape(image_shape, layout, n_features):
    """Combine the parameter and the layout of X into (height, width, channels) or None."""
    given = image_shape if image_shape is not None else layout
    if given is None:
        return None
    if image_shape is None:
        # A given image_shape determines which axis is which.
        warn_of_image_layout(layout)
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
    # One channel if none is given.
    sides = (*map(int, sides), 1)[:3]
    if layout is not None and (*layout, 1)[:3] != sides:
        raise ValueError(f"image_shape={given} differs from the images in X, {layout}.")
    return sides


def read_codes(estimator, X, *, allow_short=False):
    """Validate X as codes of a fitted estimator, floats of shape (n_samples, n_components).

    With ``allow_short`` the last components may be left out; zeros stand in for them.
    """
    if is_plain_float(X) and X.shape[1] == estimator.n_components_:
        return X  # inference checks that the values are finite
    X = as_array(X)
    with naming_types(X):
        codes = check_array(X, dtype=[np.float64, np.float32], input_name="X")
    n_absent = estimator.n_components_ - codes.shape[1]
    # Training with nested dropout has shown the decoder such zeros.
    if allow_short and n_absent > 0:
        return np.pad(codes, ((0, 0), (0, n_absent)))
    if n_absent:
        raise ValueError(
            f"X has {codes.shape[1]} components, but {type(estimator).__name__} is expecting "
            f"codes of {estimator.n_components_}."
        )
    return codes


def check_layout(layout, image_shape):
    """Refuse images of another shape than those of ``fit``."""
    if layout is not None and image_shape is not None and (*layout, 1)[:3] != image_shape:
        raise ValueError(
            f"X holds images of shape {layout}, expected {image_shape} as (height, width, "
            "channels)."
        )


def refuse_missing(estimator, **parts):
    """Refuse NaN in any of the named parts of the data, and name estimators that accept it."""
    for name, rows in parts.items():
        # Integers hold no NaN, and may be many: they are not read once more.
        if rows is not None and rows.dtype.kind == "f":
            _check_rows(rows, name, partial(_refuse_nan, estimator))


def _check_rows(rows, name, check):
    """Call ``check(rows, name)``: at once, or for each part of a source when it is read."""
    if isinstance(rows, RowSource):
        rows.checks.append(check)
    else:
        check(rows, name)


def _refuse_nan(estimator, rows, name):
    if np.isnan(rows.min()):
        raise ValueError(
            f"Input {name} contains NaN, but {type(estimator).__name__} with its parameters "
            "needs complete rows: impute missing values first, for instance by "
            f"SimpleImputer, or use {_masking(estimator)}(missing_values='mask'), which trains "
            "on observed values."
        )


def _masking(estimator):
    """Return the name of an estimator that can mask missing values: this one, if it can."""
    return type(estimator).__name__ if hasattr(estimator, "missing_values") else "Autoencoder"


def check_images(loss, image_shape, mask_missing):
    """Refuse what a loss of whole images cannot compare."""
    if image_shape is None:
        raise ValueError(
            f"loss={loss!r} compares images: give image_shape, or X as images "
            "(n_samples, height, width[, channels]); got rows without image_shape."
        )
    if mask_missing:
        raise ValueError(
            f"loss={loss!r} compares whole images, but missing_values='mask' needs a "
            "loss of single values, such as 'mse', 'l1', 'huber' or 'bce'."
        )


def check_unit_interval(rows, loss):
    """Refuse data outside [0, 1]; missing values may be anything."""
    _check_rows(rows, "X", partial(_refuse_beyond, loss))


def _refuse_beyond(loss, rows, name):
    if sparse.issparse(rows):
        # Of scipy these count the zeros that are not stored.
        lowest, highest = rows.nanmin(), rows.nanmax()
    else:
        # fmin and fmax pass over NaN without a copy.
        lowest, highest = np.fmin.reduce(rows, axis=None), np.fmax.reduce(rows, axis=None)
    if lowest < 0 or highest > 1:
        raise ValueError(
            f"loss={loss!r} expects values in [0, 1], got {name} with values from {lowest:.6g} to "
            f"{highest:.6g}: scale the data, for instance by MinMaxScaler or X / 255."
        )


def _still_mapped(rows, X):
    """Return a memmap as such: check_array returns it as a plain array, which would be copied."""
    return X if isinstance(X, np.memmap) and rows.dtype == X.dtype else rows


def _flatten(X, name="X"):
    """Return images as rows of pixels, with their shape; everything else as it is."""
    X = as_array(X, name)
    shape = getattr(X, "shape", ())
    if len(shape) <= 2:
        return X, None
    # Volumes and sequences have more dimensions, which no network here takes.
    if len(shape) > 4:
        raise ValueError(
            f"{name} must have shape (n_samples, n_features) or, for images, (n_samples, height, "
            f"width[, channels]), got an array of shape {tuple(shape)}."
        )
    # (n_samples, height, width[, channels]) to (n_samples, n_features); a memmap stays one.
    return X.reshape(shape[0], -1), tuple(shape[1:])
