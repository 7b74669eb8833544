"""The names that a file may hold; no other is looked up, let alone imported."""

import builtins
import operator
import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import NamedTuple

import numpy as np
import torch
from sklearn import feature_selection
from sklearn import metrics as sklearn_metrics
from sklearn.base import BaseEstimator

from .. import losses, metrics

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
_OWN = ("sklearn.", "skae.estimators.", "skae.architectures.")
# Parts of scikit-learn that hold no models: its callbacks, for one, open connections.
_CLOSED = {"callback", "conftest", "experimental", "externals", "tests"}
_BASES = {"sklearn", "skae", "builtins", "abc", "typing"}
_BUILTINS = ("bool", "int", "float", "str", "object")

# DistanceMetric of a tree: the name by which it is built anew.
_TREE_METRICS = {
    "EuclideanDistance64": "euclidean",
    "ManhattanDistance64": "manhattan",
    "ChebyshevDistance64": "chebyshev",
}
_MERSENNE_WORDS = 624


class Rebuilt(NamedTuple):
    """How objects that are no plain Python objects are taken apart and built again.

    ``take(object)`` gives lists, numbers, strings and arrays; ``build(type, parts)`` checks
    them. ``is_safe`` says whether that holds for the parts of a stranger.
    """

    take: Callable
    build: Callable
    is_safe: bool = True


def _call(cls, parts):
    return cls(*parts)


def _collect(cls, parts):
    return cls(parts)


def _attributes(*names):
    return Rebuilt(lambda value: list(operator.attrgetter(*names)(value)), _call)


def _take_dtype(dtype):
    if dtype.names is not None:
        raise ValueError(f"a dtype with fields cannot be saved: {dtype}")
    return [dtype.str]


def _take_masked(array):
    return [array.data, np.ma.getmaskarray(array), array.fill_value]


def _build_masked(cls, parts):
    data, mask, fill_value = parts
    if data.shape != mask.shape:
        raise ValueError(f"a mask of shape {mask.shape} does not fit an array of {data.shape}")
    return cls(data, mask=mask, fill_value=fill_value)


def _take_sparse(matrix):
    return [matrix.data, matrix.indices, matrix.indptr, list(matrix.shape)]


def _build_sparse(cls, parts):
    *arrays, shape = parts
    matrix = cls(tuple(arrays), shape=tuple(shape))
    matrix.check_format(full_check=True)
    return matrix


def _take_random_state(random_state):
    state = random_state.get_state(legacy=False)
    _check_mersenne(state)
    return state


def _build_random_state(cls, state):
    _check_mersenne(state)
    random_state = cls()
    random_state.set_state(state)
    return random_state


def _check_mersenne(state):
    """numpy takes any position, and then reads beyond the end of the key."""
    if state["bit_generator"] != "MT19937" or not 0 <= state["state"]["pos"] <= _MERSENNE_WORDS:
        raise ValueError("RandomState must be that of a Mersenne twister.")


def _take_neighbors_tree(tree):
    data, *_, leaf_size = tree.__getstate__()[:5]
    metric = type(tree.__getstate__()[11]).__name__
    if metric not in _TREE_METRICS:
        raise ValueError(
            f"{type(tree).__name__} can be saved with {sorted(_TREE_METRICS.values())}"
        )
    return [data, leaf_size, _TREE_METRICS[metric]]


def _take_decision_tree(tree):
    _, arguments, state = tree.__reduce__()
    nodes = {name: state["nodes"][name] for name in state["nodes"].dtype.names}
    return [list(arguments), {**state, "nodes": nodes}]


def _build_decision_tree(cls, parts):
    arguments, state = parts
    tree = cls(*arguments)
    nodes = np.zeros(state["node_count"], dtype=tree.__getstate__()["nodes"].dtype)
    for name, column in state["nodes"].items():
        nodes[name] = column
    tree.__setstate__({**state, "nodes": nodes})
    return tree


_SPARSE = Rebuilt(_take_sparse, _build_sparse)
_SGD_LOSS = Rebuilt(lambda loss: list(loss.__reduce__()[1]), _call)

REBUILT = {
    "builtins.tuple": Rebuilt(list, _collect),
    "builtins.set": Rebuilt(list, _collect),
    "builtins.frozenset": Rebuilt(list, _collect),
    "builtins.slice": _attributes("start", "stop", "step"),
    "builtins.range": _attributes("start", "stop", "step"),
    "numpy.dtype": Rebuilt(_take_dtype, _call),
    "numpy.ma.MaskedArray": Rebuilt(_take_masked, _build_masked),
    "numpy.random.RandomState": Rebuilt(_take_random_state, _build_random_state),
    "sklearn.utils.Bunch": Rebuilt(dict, lambda cls, parts: cls(**parts)),
    "torch.device": Rebuilt(lambda device: [str(device)], _call),
    "sklearn.neighbors.KDTree": Rebuilt(_take_neighbors_tree, _call),
    "sklearn.neighbors.BallTree": Rebuilt(_take_neighbors_tree, _call),
    # Its compiled code follows the indices of nodes wherever they lead.
    "sklearn.tree._tree.Tree": Rebuilt(_take_decision_tree, _build_decision_tree, is_safe=False),
    **{
        f"scipy.sparse.{kind}_{form}": _SPARSE
        for kind in ("csr", "csc")
        for form in ("matrix", "array")
    },
    **{
        f"sklearn.linear_model._sgd_fast.{loss}": _SGD_LOSS
        for loss in (
            "EpsilonInsensitive",
            "Hinge",
            "ModifiedHuber",
            "SquaredEpsilonInsensitive",
            "SquaredHinge",
        )
    },
}


@cache
def rebuilt_names():
    """Return the names of `REBUILT` by the classes that they stand for."""
    return {_import(name): name for name in REBUILT}


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
        "skae.metrics": (metrics, _is_public_function(metrics)),
        "skae.losses": (losses, lambda name, value: name == "structural_similarity"),
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


def name_of(value):
    """Return the name by which a function or class can be imported."""
    return f"{getattr(value, '__module__', None)}.{getattr(value, '__qualname__', '?')}"


def find_class(name, trusted):
    """Return the class of this name if objects of it may be built, else None."""
    if name in REBUILT:
        return _import(name) if REBUILT[name].is_safe or name in trusted else None
    if name in trusted:
        found = _import(name)
        return found if isinstance(found, type) else None
    is_own = name.startswith(_OWN) and _CLOSED.isdisjoint(name.split("."))
    found = _import(name) if is_own else None
    return found if isinstance(found, type) and _is_plain(found, name) else None


def _is_plain(cls, name):
    """Whether all of a class is skae's or scikit-learn's, and it takes its state as it is."""
    bases = {base.__module__.partition(".")[0] for base in cls.__mro__}
    takes_state = issubclass(cls, BaseEstimator) or not hasattr(cls, "__setstate__")
    return name_of(cls) == name and bases <= _BASES and takes_state


def find_value(name, trusted):
    """Return the function or class of this name if a parameter may hold it, else None."""
    known = known_values()
    if name in known:
        return known[name]
    return _import(name) if name in trusted else None


def _import(name):
    """Import what has this name, or return None."""
    if not _NAME.fullmatch(name):
        return None
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(import_module(module), attribute, None)
    except ImportError:
        return None
