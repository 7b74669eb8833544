"""Objects that are no plain Python objects: how each is taken apart, and built again."""

import dataclasses
import operator
import pathlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import NamedTuple

import numpy as np

from .. import tables
from ._modules import LAYERS, build_module, take_module

# DistanceMetric of a tree: the name by which it is built anew.
_TREE_METRICS = {
    "EuclideanDistance64": "euclidean",
    "ManhattanDistance64": "manhattan",
    "ChebyshevDistance64": "chebyshev",
}
# Words of the state of a Mersenne twister, of which the position is an index.
_MERSENNE_WORDS = 624
# pathlib makes an object of another class than the one that is named.
_PATHS = (
    pathlib.Path,
    pathlib.PosixPath,
    pathlib.PurePath,
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.WindowsPath,
)


class Rebuilt(NamedTuple):
    """How objects of one class are taken apart and built again.

    ``take(object)`` returns lists, numbers, strings and arrays, or raises a ValueError that says
    why it cannot. ``build(type, parts)`` checks them; ``is_safe`` is whether that holds for a
    forged file too.
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
        # Fields may hold objects, which are no numbers of a known size.
        raise ValueError(f"a dtype with fields cannot be saved: {dtype}")
    return [dtype.str]


def _take_masked(array):
    return [array.data, np.ma.getmaskarray(array), array.fill_value]


def _build_masked(cls, parts):
    # numpy would broadcast a mask of another shape.
    data, mask, fill_value = parts
    if data.shape != mask.shape:
        raise ValueError(f"a mask of shape {mask.shape} does not fit an array of {data.shape}")
    return cls(data, mask=mask, fill_value=fill_value)


def _take_sparse(matrix):
    # Not the state of the object, whose attributes differ between releases of scipy.
    return [matrix.data, matrix.indices, matrix.indptr, list(matrix.shape)]


def _build_sparse(cls, parts):
    *arrays, shape = parts
    matrix = cls(tuple(arrays), shape=tuple(shape))
    # Indices out of bounds would be read and written by compiled code.
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
    # The tree itself is built anew, from data and settings: a forged one could lead anywhere.
    data, *_, leaf_size = tree.__getstate__()[:5]
    metric = type(tree.__getstate__()[11]).__name__
    if metric not in _TREE_METRICS:
        raise ValueError(
            f"{type(tree).__name__} can be saved with {sorted(_TREE_METRICS.values())}"
        )
    return [data, leaf_size, _TREE_METRICS[metric]]


def _take_decision_tree(tree):
    # Nodes as columns: arrays of records are not stored.
    _, arguments, state = tree.__reduce__()
    nodes = {name: state["nodes"][name] for name in state["nodes"].dtype.names}
    return [list(arguments), {**state, "nodes": nodes}]


def _build_decision_tree(cls, parts):
    arguments, state = parts
    tree = cls(*arguments)
    nodes = np.zeros(state["node_count"], dtype=tree.__getstate__()["nodes"].dtype)
    # By name: releases of scikit-learn order and extend the fields.
    for name, column in state["nodes"].items():
        nodes[name] = column
    tree.__setstate__({**state, "nodes": nodes})
    return tree


def _build_path(cls, parts):
    [text] = parts
    return cls(text)


def _take_fields(value):
    # Not by `asdict`, which would take apart what the fields hold as well.
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _build_fields(cls, fields):
    return cls(**fields)


_SPARSE = Rebuilt(_take_sparse, _build_sparse)
_SGD_LOSS = Rebuilt(lambda loss: list(loss.__reduce__()[1]), _call)

REBUILT = {
    "builtins.tuple": Rebuilt(list, _collect),
    "builtins.set": Rebuilt(list, _collect),
    "builtins.frozenset": Rebuilt(list, _collect),
    "builtins.slice": _attributes("start", "stop", "step"),
    "builtins.range": _attributes("start", "stop", "step"),
    "pathlib.Path": Rebuilt(lambda path: [str(path)], _build_path),
    "numpy.dtype": Rebuilt(_take_dtype, _call),
    "numpy.ma.MaskedArray": Rebuilt(_take_masked, _build_masked),
    "numpy.random.RandomState": Rebuilt(_take_random_state, _build_random_state),
    "skae.losses.Loss": Rebuilt(_take_fields, _build_fields),
    "skae.noises.Noise": Rebuilt(_take_fields, _build_fields),
    # Their fields are numbers, names and scalers, which are built by this table again.
    **{f"skae.tables.{name}": Rebuilt(_take_fields, _build_fields) for name in tables.__all__},
    "sklearn.utils.Bunch": Rebuilt(dict, lambda cls, parts: cls(**parts)),
    "torch.device": Rebuilt(lambda device: [str(device)], _call),
    "sklearn.neighbors.KDTree": Rebuilt(_take_neighbors_tree, _call),
    "sklearn.neighbors.BallTree": Rebuilt(_take_neighbors_tree, _call),
    # Its compiled code follows the indices of nodes wherever they lead.
    "sklearn.tree._tree.Tree": Rebuilt(_take_decision_tree, _build_decision_tree, is_safe=False),
    **dict.fromkeys(LAYERS, Rebuilt(take_module, build_module)),
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
    return {
        # The class of a path depends on the system that it is for; a file has one name for all.
        **dict.fromkeys(_PATHS, "pathlib.Path"),
        **{_import(name): name for name in REBUILT},
    }


def _import(name):
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)
