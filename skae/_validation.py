"""Checks that every layer shares, and all that skae needs of scikit-learn's private parts."""

from contextlib import contextmanager
from importlib import import_module

import numpy as np
import torch
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _check_sample_weight, assert_all_finite

__all__ = [
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "as_array",
    "check_finite",
    "check_weights",
    "import_optional",
    "lookup",
    "naming_types",
    "resolve_device",
    "unchanged_on_error",
    "validate_parameter_constraints",
]

# How the names of types of numbers begin, in numpy, pandas and polars.
_NUMERIC = ("bool", "int", "uint", "float", "complex", "sparse")


def import_optional(module, extra):
    """Import an optional dependency, or say which ``pip install`` brings it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This needs {module.partition('.')[0]}, which could not be imported ({error}). "
            f"Install it with: pip install 'skae[{extra}]'"
        ) from error


def lookup(parameter, value, table):
    """Return ``table[value]``, or raise a ValueError that lists the valid names."""
    try:
        return table[value]
    except (KeyError, TypeError):
        raise ValueError(f"{parameter} must be one of {sorted(table)}, got {value!r}.") from None


def resolve_device(device):
    """Turn ``"auto"``, a name or a ``torch.device`` into a ``torch.device`` that is there."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device must be 'auto', 'cpu' or a device that torch finds here, got {device!r}: "
            f"{error}"
        ) from error
    return device


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
    weights = _check_sample_weight(weights, X, dtype="float64", ensure_non_negative=True)
    if not weights.any():
        raise ValueError("sample_weight must have an entry above zero, got zeros alone.")
    return weights


@contextmanager
def unchanged_on_error(estimator):
    """Give the estimator its attributes back where the body raises."""
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        estimator.__dict__ = before
        raise
