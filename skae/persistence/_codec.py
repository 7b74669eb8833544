"""Estimators as plain values and arrays, and back, without knowledge of files."""

import inspect

import numpy as np
import torch
from sklearn.base import BaseEstimator

from ._names import find_class, find_value, known_values, public_name
from ._rebuilt import REBUILT, rebuilt_names

_PLAIN = (bool, int, float, str, type(None))
_TENSOR_TYPES = {np.dtype(kind) for kind in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")}
_TENSOR_TYPES |= {np.dtype(kind) for kind in ("f2", "f4", "f8")}
# Arrays of other types are stored as bytes; of those that hold pointers, never.
_KINDS = "biufcUSmM"


class Encoder:
    """Converts an estimator to values that JSON can hold, and a dict of arrays.

    Attributes
    ----------
    tensors : dict of str to ndarray
    classes : list of (str, int)
        Names and versions of the state, to which the encoded form refers by number.
    values : list of str
        Names to which it refers by number.
    refused : dict of str to str
        Where each name was met that cannot be saved.
    n_replaced : int
        How many objects were replaced.

    Parameters
    ----------
    trusted : frozenset of str
    replacing_method : str, default=None
        Name of a method that returns the object to encode in an object's place, if it has that
        method.
    """

    def __init__(self, trusted: frozenset[str], replacing_method: str | None = None) -> None:
        self._trusted = trusted
        self._replacing_method = replacing_method
        self.tensors: dict[str, np.ndarray] = {}
        self.classes: list[tuple[str, int]] = []
        self.values: list[str] = []
        self.refused: dict[str, str] = {}
        self.n_replaced = 0
        # Number of each object, and the object, which must live on: its id stands for it.
        self._finished: dict[int, tuple[int, object]] = {}
        # Objects whose parts are being encoded: to meet one of them again is a circle.
        self._open: set[int] = set()

    def encode(self, value, where):
        """Encode ``value``, which is found at ``where``; an object met again is a reference."""
        if type(value) in _PLAIN:
            return value
        # Objects that are shared, such as an array in two attributes, stay shared.
        if id(value) in self._finished:
            return {"ref": self._finished[id(value)][0]}
        if id(value) in self._open:
            raise ValueError(f"{where} holds itself, and cannot be saved.")
        self._open.add(id(value))
        node = self._describe(value, where)
        self._open.remove(id(value))
        self._finished[id(value)] = (len(self._finished), value)
        return node

    def _describe(self, value, where):
        if type(value) is list:
            return [self.encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
        # Keys as a list beside the values: keys of JSON are text.
        if type(value) is dict:
            items = [self.encode(item, f"{where}.{key}") for key, item in value.items()]
            return {"dict": [[self.encode(key, f"a key of {where}") for key in value], items]}
        if type(value) in (np.ndarray, np.memmap):
            return self._describe_array(value, where)
        if isinstance(value, np.generic):
            return {"scalar": self._describe_array(np.asarray(value), where)}
        return self._describe_object(value, where)

    def _describe_array(self, array, where):
        if array.dtype == object:
            return {"objects": [list(array.shape), self.encode(array.ravel().tolist(), where)]}
        if array.dtype.kind not in _KINDS:
            return self._refuse(f"numpy.ndarray of dtype {array.dtype}", where)
        # Complex numbers, dates and text: bytes and a dtype hold any of them.
        if array.dtype not in _TENSOR_TYPES:
            flat = np.frombuffer(array.tobytes(), np.uint8)
            return {"bytes": [self._store(flat, where), array.dtype.str, list(array.shape)]}
        # The layout is kept, for products of matrices depend on it in the last bit: on the order
        # of the axes and on whether rows are padded, if not on the width of the padding.
        if not array.flags.c_contiguous and (array.flags.f_contiguous or _is_padded(array.T)):
            return {"transposed": self._describe_array(array.T, where)}
        return {"padded" if _is_padded(array) else "array": self._store(array, where)}

    def _store(self, array, where):
        # Two objects may have the same path, such as keys that print alike.
        name = f"{where}~{len(self.tensors)}" if where in self.tensors else where
        self.tensors[name] = np.asarray(array, order="C")
        return name

    def _describe_object(self, value, where):
        cls = np.dtype if isinstance(value, np.dtype) else type(value)
        if cls in rebuilt_names():
            return self._describe_parts(value, rebuilt_names()[cls], where)
        if _is_function_or_class(value):
            return self._describe_value(value, where)
        name = public_name(cls)
        if isinstance(value, torch.nn.Module):
            # Its attributes include hooks, which are functions.
            return self._refuse(
                f"{name}: it is none of the layers of torch.nn that are kept", where
            )
        # The name must lead back to this very class: another one of its name may exist.
        if find_class(name, self._trusted) is not cls:
            return self._refuse(name, where)
        return self._describe_state(self._replaced(value), name, where)

    def _describe_parts(self, value, name, where):
        if find_class(name, self._trusted) is None:
            return self._refuse(name, where)
        try:
            parts = REBUILT[name].take(value)
        except ValueError as error:
            return self._refuse(f"{name}: {error}", where)
        return {"built": [_number((name, 1), self.classes), self.encode(parts, where)]}

    def _describe_value(self, value, where):
        names = [name for name, known in known_values().items() if known is value]
        name = names[0] if names else public_name(value)
        if find_value(name, self._trusted) is not value:
            return self._refuse(name, where)
        return {"value": _number(name, self.values)}

    def _replaced(self, value):
        replace = getattr(value, self._replacing_method or "", None)
        if replace is None:
            return value
        self.n_replaced += 1
        return replace()

    def _describe_state(self, value, name, where):
        """Encode the attributes of a plain object, if it consists of nothing else."""
        # What pickle would store: the function, its arguments, the state, list and dict items.
        function, arguments, *rest = value.__reduce_ex__(2)
        state, *items = rest or [None]
        is_plain = function.__name__ == "__newobj__" and arguments == (type(value),)
        if not is_plain or type(state) not in (dict, type(None)) or any(items):
            return self._refuse(name, where)
        number = _number((name, state_version(type(value))), self.classes)
        return {"object": [number, self.encode(state or {}, where)]}

    def _refuse(self, name, where):
        self.refused.setdefault(name, where)


def _is_padded(array):
    """Whether rows of a matrix are contiguous with unused memory between them, as a slice's are."""
    if array.ndim != 2 or array.strides[1] != array.itemsize:
        return False
    return array.strides[0] > array.shape[1] * array.itemsize


def _is_function_or_class(value):
    return isinstance(value, (type, np.ufunc)) or hasattr(value, "__qualname__")


def _number(name, names):
    if name not in names:
        names.append(name)
    return names.index(name)


def state_version(cls):
    """Return the version of the state of a class; one that declares none has the first."""
    return getattr(cls, "_state_version", 1)


class Decoder:
    """Builds what an `Encoder` took apart.

    Parameters
    ----------
    tensors : dict of str to ndarray
    classes : list of (str, type, int)
        Names, what they stand for, and versions of the states in the file.
    values : list of object
    """

    def __init__(self, tensors, classes, values):
        self._tensors, self._classes, self._values = tensors, classes, values
        self._finished = []

    def decode(self, node):
        """Build the value of a node; a node that is inconsistent raises any of a dozen errors."""
        if isinstance(node, list):
            value = [self.decode(item) for item in node]
        elif isinstance(node, dict):
            # Objects are numbered in the order in which they are finished, as by the encoder.
            if "ref" in node:
                return self._finished[node["ref"]]
            value = self._part(node)
        else:
            return node
        self._finished.append(value)
        return value

    def _dict(self, content):
        keys, items = content
        items = [self.decode(item) for item in items]
        return dict(zip([self.decode(key) for key in keys], items, strict=True))

    def _array(self, name):
        return self._tensors[name]

    def _padded(self, name):
        rows = self._tensors[name]
        # One column more, of which the result does not show: results then equal the saved ones.
        wide = np.empty((rows.shape[0], rows.shape[1] + 1), rows.dtype)
        wide[:, :-1] = rows
        return wide[:, :-1]

    def _transposed(self, node):
        return self._part(node).T

    def _scalar(self, node):
        return self._part(node)[()]

    def _part(self, node):
        [(form, content)] = node.items()
        return _FORMS[form](self, content)

    def _bytes(self, content):
        name, dtype, shape = content
        dtype = np.dtype(dtype)
        if dtype.kind not in _KINDS:
            raise ValueError(f"an array cannot be of dtype {dtype}")
        return self._tensors[name].view(dtype).reshape(shape)

    def _objects(self, content):
        shape, items = content
        items = self.decode(items)
        # Not np.array(items): it would look into items that are sequences.
        array = np.empty(len(items), dtype=object)
        for place, item in enumerate(items):
            array[place] = item
        return array.reshape(shape)

    def _value(self, number):
        return self._values[number]

    def _built(self, content):
        number, parts = content
        name, cls, version = self._classes[number]
        if version != 1:
            raise ValueError(f"{name} is read in version 1, got {version}")
        return REBUILT[name].build(cls, self.decode(parts))

    def _object(self, content):
        number, state = content
        name, cls, version = self._classes[number]
        state = _upgraded(cls, self.decode(state), name, version)
        state = _new_parameters(cls) | state
        if not all(isinstance(key, str) for key in state):
            raise TypeError(f"attributes of {cls.__name__} must have names")
        # Refuses types that are not plain Python objects.
        value = object.__new__(cls)
        if hasattr(value, "__setstate__"):
            value.__setstate__(dict(state))
        else:
            vars(value).update(state)
        return value


def _upgraded(cls, state, name, version):
    """Bring the state of an older version to the present one."""
    here = state_version(cls)
    if version == here:
        return state
    if version > here:
        raise ValueError(
            f"the state of {name} has version {version}, and this skae reads up to {here}: a newer "
            "skae wrote the file, and reads it"
        )
    if not hasattr(cls, "_upgrade_state"):
        raise ValueError(
            f"the state of {name} has version {version}, which is no longer read (now {here}): "
            "load it with the skae that wrote it"
        )
    return cls._upgrade_state(state, version)


def _new_parameters(cls):
    """Return the defaults of a class's parameters, of which a file may be older than some.

    These keep to what was done before: only skae promises so, and only for its own estimators and
    what they hand down to subclasses.
    """
    ours = [
        each
        for each in cls.__mro__
        if issubclass(each, BaseEstimator) and each.__module__.partition(".")[0] == "skae"
    ]
    if not ours:
        return {}
    parameters = inspect.signature(ours[0]).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


_FORMS = {
    "dict": Decoder._dict,
    "array": Decoder._array,
    "padded": Decoder._padded,
    "transposed": Decoder._transposed,
    "scalar": Decoder._scalar,
    "bytes": Decoder._bytes,
    "objects": Decoder._objects,
    "value": Decoder._value,
    "built": Decoder._built,
    "object": Decoder._object,
}
