"""Checks that every layer shares, and all that skae needs of scikit-learn's private parts."""

from contextlib import contextmanager
from importlib import import_module

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
    "check_finite",
    "check_weights",
    "import_optional",
    "lookup",
    "resolve_device",
    "unchanged_on_error",
    "validate_parameter_constraints",
]


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


def check_finite(X, name="X", *, allow_nan=False):
    """Raise a ValueError where a float array holds infinity or, unless allowed, NaN."""
    # A sum is finite only where all its terms are; torch's uses all cores.
    if not torch.from_numpy(X).sum().isfinite():
        assert_all_finite(X, allow_nan=allow_nan, input_name=name)


def check_weights(sample_weight, X):
    """Return ``sample_weight`` as a float64 vector of ``len(X)`` with something above zero."""
    weights = _check_sample_weight(sample_weight, X, dtype="float64", ensure_non_negative=True)
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
