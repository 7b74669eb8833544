"""Arrays of every kind: tensors and lists as arrays, checks of their values and weights."""

from contextlib import contextmanager

import numpy as np
import torch
from sklearn.utils.validation import assert_all_finite

from ._sklearn_compat import check_sample_weight

# How the names of types of numbers begin, in numpy, pandas and polars.
_NUMERIC = ("bool", "int", "uint", "float", "complex", "sparse")


def as_array(X, name="X"):
    """Turn tensors on any device and nested sequences into arrays; leave the rest as it is."""
    if isinstance(X, torch.Tensor):
        # numpy has no type of sixteen bits with the range of this one.
        return (X.float() if X.dtype == torch.bfloat16 else X).numpy(force=True)
    if isinstance(X, (list, tuple)):
        with naming_types(X, name):
            return np.asarray(X)
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{name} must have a value everywhere, got an array with {np.ma.count_masked(X)} "
            f"masked value(s): fill them first, for instance by {name}.filled(0)."
        )
    return X


@contextmanager
def naming_types(X, name="X"):
    """Add to an error what X is, where it is not numbers: numpy tells only of one entry."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        types = _types_of_entries(X)
        if types and all(kind.lower().startswith(_NUMERIC) for kind in types):
            raise
        got = type(X).__name__ + (f" of type {', '.join(types)}" if types else "")
        kind = TypeError if isinstance(error, TypeError) else ValueError
        message = str(error).rstrip(".")
        raise kind(f"{message}. Expected {name} to hold numbers alone, got {got}.") from error


def _types_of_entries(X):
    """List the types of an array or of a frame's columns; nothing for other objects."""
    if not hasattr(X, "shape"):
        return []
    types = getattr(X, "dtypes", getattr(X, "dtype", ()))
    types = types if np.iterable(types) else [types]
    return sorted({str(getattr(each, "name", each)) for each in types})


def check_finite(X, name="X", *, allow_nan=False):
    """Raise a ValueError where a float array holds infinity or, unless allowed, NaN."""
    # A sum is finite only where all its terms are; torch's uses all cores.
    if not torch.from_numpy(X).sum().isfinite():
        assert_all_finite(X, allow_nan=allow_nan, input_name=name)


def check_weights(sample_weight, X):
    """Return ``sample_weight`` as a float64 vector of ``len(X)`` with something above zero."""
    weights = as_array(sample_weight, "sample_weight")
    weights = check_sample_weight(weights, X, dtype="float64", ensure_non_negative=True)
    if not weights.any():
        raise ValueError("sample_weight must have an entry above zero, got zeros alone.")
    return weights
