"""Arrays of every kind: conversion, checks of their values and weights, chunks of rows."""

import math
from contextlib import contextmanager
from datetime import date, time, timedelta

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import assert_all_finite, column_or_1d

from ._sklearn_compat import check_sample_weight

# How the names of types of numbers begin, in numpy, pandas and polars.
_NUMERIC = ("bool", "int", "uint", "float", "complex", "sparse")
_FLOATS = (np.dtype("float32"), np.dtype("float64"))
_SHORT_TENSORS = (torch.float16, torch.bfloat16)
_NOT_NUMBERS = (str, bytes, date, time, timedelta)
# Arrays that are summed faster than torch begins.
_MAX_SMALL_VALUES = 2**13
# The chunks in which rows are worked on: values at most, but so many rows at least.
# Arithmetic: 2 MB in float64 stay in a processor's cache. Made images and errors of MNIST take 1.1
# to 2.2 times as long in chunks of eight times this size, and hardly less in half of it.
_ARITHMETIC_VALUES, _MIN_ARITHMETIC_ROWS = 2**18, 1
# Products with matrices: chunks of fewer than 2,000 rows of 784 lose more to starting threads than
# the cache brings. A single row would not be a product of matrices at all.
_PRODUCT_VALUES, _MIN_PRODUCT_ROWS = 2**21, 16
# Of narrow rows, the hidden layers and not the rows take the memory.
_MAX_CHUNK_ROWS = 8192


def is_plain_float(X):
    """Return whether X is an array of rows of floats that needs no conversion of any kind."""
    return type(X) is np.ndarray and X.ndim == 2 and X.dtype in _FLOATS and X.size > 0


def as_array(X, name="X"):
    """Turn tensors on any device and nested sequences into arrays; leave the rest as it is.

    Floats of sixteen bits become float32, also in frames.
    """
    if isinstance(X, torch.Tensor):
        return (X.float() if X.dtype in _SHORT_TENSORS else X).numpy(force=True)
    if isinstance(X, (list, tuple)):
        rows = _without_labels(X, name)
        with naming_types(rows, name):
            return _without_halves(np.asarray(rows))
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{name} must have a value everywhere, got an array with {np.ma.count_masked(X)} "
            f"masked value(s): fill them first, for instance by {name}.filled(0)."
        )
    return _without_halves(X)


def _without_halves(X):
    """Return arrays and frames of float16 in float32, and the rest as it is."""
    if isinstance(X, np.ndarray):
        # Not astype, which makes another memmap of one.
        return np.asarray(X, np.float32) if X.dtype == np.float16 else X
    # Of pandas: polars has no such type.
    types = X.dtypes if hasattr(X, "iloc") and getattr(X, "ndim", 1) == 2 else ()
    is_half = len(types) and all(dtype == np.float16 for dtype in types)
    return X.astype(np.float32) if is_half else X


def _without_labels(X, name):
    """Return the rows where X lists samples, a row each and what comes with it; otherwise X.

    That is what scikit-learn's splits make of a Dataset whose samples are tuples.
    """
    if not (len(X) and all(_is_sample(entry) for entry in X)):
        return X
    first = X[0]
    shapes = {tuple(np.shape(part)) if _has_axes(part) else None for part in first}
    if len(first) > 1 and len(shapes) == 1:
        raise ValueError(
            f"{name} must be an array, got a list of tuples of {len(first)} arrays of shape "
            f"{shapes.pop()} each. If they are samples of which the first entry is the row, give "
            f"[sample[0] for sample in {name}]; if all entries belong to the row, numpy.asarray"
            f"({name})."
        )
    return [entry[0] for entry in X]


def _is_sample(entry):
    """Return whether an entry is a row with what comes with it, and not a row by itself."""
    if not isinstance(entry, (tuple, list)) or not entry or isinstance(entry[0], (tuple, list)):
        return False
    # Lists are nested for rows and columns, too, unless a label follows.
    has_labels = len(entry) > 1 and not any(map(_has_axes, entry[1:]))
    return _has_axes(entry[0]) and (has_labels or isinstance(entry, tuple))


def _has_axes(value):
    return isinstance(value, (tuple, list)) or np.ndim(value) > 0


@contextmanager
def naming_types(X, name="X"):
    """Refuse columns of text or dates, and add to any other error the types of X.

    numpy's own errors name one entry at most.
    """
    check_columns(X, name)
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        types = _types_of_entries(X)
        if types and all(kind.lower().startswith(_NUMERIC) for kind in types):
            raise
        got = type(X).__name__ + (f" of type {', '.join(types)}" if types else "")
        kind = TypeError if isinstance(error, TypeError) else ValueError
        message = str(error).rstrip(".")
        raise kind(f"{message}. Expected {name} to hold only numbers, got {got}.") from error


def check_columns(X, name="X"):
    """Raise a ValueError where a frame has columns of text or dates, or an array is of dates.

    Both would often pass: text that reads as numbers and dates are cast to floats in silence.
    """
    columns = columns_without_numbers(X)
    if columns:
        listed = ", ".join(f"{column!r} ({kind})" for column, kind in columns)
        raise ValueError(
            f"{name} must hold numbers, got column(s) {listed}. Drop them, or turn them into "
            "numbers first: skae.TableEncoder takes categories and dates, scikit-learn's "
            "OneHotEncoder within a ColumnTransformer text."
        )
    if getattr(getattr(X, "dtype", None), "kind", "") in ("M", "m"):
        raise ValueError(
            f"{name} must hold numbers, got an array of {X.dtype}. Turn dates into numbers "
            "first, for instance by the time since a start."
        )


def columns_without_numbers(X):
    """List name and type of a frame's columns of text or dates; nothing for other objects."""
    # A lazy frame of polars has no shape, and warns where it is asked for its columns. A column of
    # Dask has columns.
    is_frame = all(hasattr(X, name) for name in ("shape", "columns", "dtypes"))
    if not is_frame or getattr(X, "ndim", 2) != 2:
        return []
    types = zip(list(X.columns), list(X.dtypes), strict=True)  # names may occur twice
    return [
        (column, str(getattr(dtype, "name", dtype)))
        for position, (column, dtype) in enumerate(types)
        if not _holds_numbers(dtype, X, position)
    ]


def _holds_numbers(dtype, X, position):
    """Return whether values of a column are numbers; ``object`` is judged by its entries."""
    if hasattr(dtype, "is_numeric"):  # polars, which does not count truth values as numbers
        return dtype.is_numeric() or str(dtype) in ("Boolean", "Null")
    dtype = getattr(getattr(dtype, "categories", None), "dtype", dtype)
    if dtype.name != "object":
        return dtype.kind in "biufc"
    return not any(isinstance(value, _NOT_NUMBERS) for value in X.iloc[:, position])


def _types_of_entries(X):
    """List the types of an array or of a frame's columns; nothing for other objects."""
    if not hasattr(X, "shape"):
        return []
    types = getattr(X, "dtypes", getattr(X, "dtype", ()))
    types = types if np.iterable(types) else [types]
    return sorted({str(getattr(each, "name", each)) for each in types})


def check_labels(y, name="y"):
    """Return labels as a vector, or raise a ValueError if some of them are missing."""
    labels = as_array(y, name)
    check_complete(labels, name, "a label")
    return column_or_1d(labels)


def check_complete(y, name, expected):
    """Raise a ValueError if values of an array, Series or frame are None, NaN, NaT or NA."""
    n_missing = np.count_nonzero(is_missing(np.ravel(np.asarray(y))))
    if n_missing:
        raise ValueError(
            f"{name} must hold {expected} for each row, got {n_missing} missing value(s). Drop "
            "these rows first."
        )


def is_missing(values):
    """Return which entries of a 1-D array are None, NaN, NaT or pandas.NA."""
    if values.dtype.kind != "O":
        return values != values  # only NaN and NaT differ from themselves
    return np.array([_is_missing(value) for value in values], dtype=bool)


def _is_missing(value):
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA, which is neither equal nor different
        return True


def check_finite(X, name="X", *, allow_nan=False):
    """Raise a ValueError where a float array holds infinity or, unless allowed, NaN."""
    # A sum is finite only where all its terms are. This one takes 1 µs for a row; torch's uses all
    # cores. Where squares overflow, each value is looked at.
    is_small = X.size <= _MAX_SMALL_VALUES
    # torch takes no views that run backward.
    total = (
        np.vdot(X, X) if is_small else torch.from_numpy(X + 0 if min(X.strides) < 0 else X).sum()
    )
    if not math.isfinite(total):
        assert_all_finite(X, allow_nan=allow_nan, input_name=name)


def check_weights(sample_weight, X):
    """Return ``sample_weight`` as a float64 vector of ``len(X)`` with something above zero."""
    weights = as_array(sample_weight, "sample_weight")
    weights = check_sample_weight(weights, X, dtype="float64", ensure_non_negative=True)
    if not weights.any():
        raise ValueError("sample_weight must have an entry above zero, got only zeros.")
    return weights


def dense(X):
    """Return a sparse matrix as an array, and anything else as it is."""
    return X.toarray() if sparse.issparse(X) else X


def chunks(n_rows: int, row_size: int, *, for_products: bool = False) -> list[slice]:
    """Split rows into consecutive slices, which bound the memory of intermediate arrays.

    Results must not depend on them but by rounding.

    Parameters
    ----------
    n_rows : int
    row_size : int
        Values of a row, of the largest array that is made from the rows.
    for_products : bool, default=False
        Whether the rows are multiplied with matrices, rather than worked on value by value.

    Returns
    -------
    parts : list of slice
    """
    n_values, min_rows = _ARITHMETIC_VALUES, _MIN_ARITHMETIC_ROWS
    if for_products:
        n_values, min_rows = _PRODUCT_VALUES, _MIN_PRODUCT_ROWS
    # Not gen_batches, whose validation of its parameters takes longer than a row.
    step = min(max(n_values // row_size, min_rows), _MAX_CHUNK_ROWS)
    return [slice(start, start + step) for start in range(0, n_rows, step)]
