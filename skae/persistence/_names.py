"""The names that a file may hold; no other is looked up, let alone imported.

A class is named as users import it: ``skae.Autoencoder``, ``sklearn.decomposition.PCA``. Where
its code is may change; the public name is a promise.
"""

import builtins
import re
import sys
from functools import cache
from importlib import import_module
from types import FunctionType, ModuleType

import numpy as np
import torch
from sklearn import feature_selection
from sklearn import metrics as sklearn_metrics
from sklearn.base import BaseEstimator

from .. import losses, metrics
from ._rebuilt import REBUILT

# At least two parts, of plain letters: look-alikes from other alphabets are no names.
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
# Parts of scikit-learn that hold no models: its callbacks, for one, open connections.
_CLOSED = {"callback", "conftest", "experimental", "externals", "tests"}
# Packages in which all bases of a class must be defined.
_BASES = {"sklearn", "skae", "builtins", "abc", "typing"}
# Types that parameters such as `dtype` hold; functions of builtins run code.
_BUILTINS = ("bool", "int", "float", "str", "object")


def public_name(value):
    """Return the shortest name by which a function or class can be imported."""
    name = f"{getattr(value, '__module__', None)}.{getattr(value, '__qualname__', '?')}"
    package = name.partition(".")[0]
    if package == "skae":
        # The names that users import: modules behind them may move without breaking files.
        return _own_names().get(value, name)
    return _reexported_name(value, name) if package in ("sklearn", "torch") else name


def _reexported_name(value, name):
    """Look for a value in the public packages above the module that defines it."""
    *parts, attribute = name.split(".")
    # From the shortest on; private packages and modules below them may move.
    for n_parts in range(1, len(parts)):
        if parts[n_parts - 1].startswith("_"):
            break
        package = ".".join(parts[:n_parts])
        if vars(sys.modules[package]).get(attribute) is value:
            return f"{package}.{attribute}"
    return name


@cache
def _public_modules():
    """Return skae and its public modules, by name."""
    # Looked up where it is used: skae itself imports this module.
    whole = import_module("skae")
    parts = [getattr(whole, name) for name in whole.__all__]
    return {m.__name__: m for m in (whole, *parts) if isinstance(m, ModuleType)}


@cache
def _own_classes():
    """Return the classes of skae that a file may hold, by public name."""
    return {
        f"{module}.{name}": getattr(holder, name)
        for module, holder in _public_modules().items()
        for name in holder.__all__
        if _is_a(getattr(holder, name), BaseEstimator)
    }


@cache
def _own_names():
    # Reversed: of two names of one class the first counts, which is the shorter one.
    return {cls: name for name, cls in reversed(_own_classes().items())}


@cache
def known_values():
    """Return the functions and classes that a parameter may hold, by name."""
    holders = {
        "builtins": (builtins, lambda name, value: name in _BUILTINS),
        "numpy": (np, lambda name, value: isinstance(value, np.ufunc) or _is_a(value, np.generic)),
        "torch.optim": (torch.optim, lambda name, value: _is_a(value, torch.optim.Optimizer)),
        "torch.nn.functional": (torch.nn.functional, lambda name, value: name.endswith("_loss")),
        "sklearn.metrics": (sklearn_metrics, _is_public_function(sklearn_metrics)),
        "sklearn.feature_selection": (feature_selection, _is_public_function(feature_selection)),
        # Functions of skae's other modules read and write files.
        "skae.losses": (losses, _is_own_function(losses)),
        "skae.metrics": (metrics, _is_public_function(metrics)),
    }
    return {
        f"{module}.{name}": value
        for module, (holder, is_known) in holders.items()
        for name, value in vars(holder).items()
        if is_known(name, value)
    }


def _is_a(value, base):
    return isinstance(value, type) and issubclass(value, base)


def _is_public_function(module):
    public = set(module.__all__)
    return lambda name, value: name in public and not isinstance(value, type)


def _is_own_function(module):
    return lambda name, value: (
        isinstance(value, FunctionType)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    )


def find_class(name, trusted):
    """Return the class of this name if objects of it may be built, else None."""
    if name in REBUILT:
        return _import(name) if REBUILT[name].is_safe or name in trusted else None
    if name in trusted:
        found = _import(name)
        return found if isinstance(found, type) else None
    if name in _own_classes():
        return _own_classes()[name]
    found = _import(name) if name.startswith("sklearn.") and _is_open(name) else None
    return found if isinstance(found, type) and _is_plain(found, name) else None


def _is_open(name):
    return _CLOSED.isdisjoint(name.split("."))


def _is_plain(cls, name):
    """Whether all of a class is scikit-learn's, and it takes its state as it is."""
    # A class of another package could define a __setstate__ that runs anything.
    bases = {base.__module__.partition(".")[0] for base in cls.__mro__}
    takes_state = issubclass(cls, BaseEstimator) or not hasattr(cls, "__setstate__")
    is_named_so = public_name(cls) == name and _is_open(cls.__module__)
    return is_named_so and bases <= _BASES and takes_state


def find_value(name, trusted):
    """Return the function or class of this name if a parameter may hold it, else None."""
    known = known_values()
    # From a table: to import whatever is named would run a module's code.
    if name in known:
        return known[name]
    return _import(name) if name in trusted else None


def _import(name):
    """Import what has this name, or return None."""
    # Before importing: a name in a file is any text.
    if not _NAME.fullmatch(name):
        return None
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(import_module(module), attribute, None)
    except ImportError:
        return None
