"""Estimators as plain values and arrays, and back; knows nothing of files."""

import numpy as np

from ._trust import REBUILT, find_class, find_value, known_values, name_of, rebuilt_names

_PLAIN = (bool, int, float, str, type(None))
_TENSOR_TYPES = {np.dtype(kind) for kind in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")}
_TENSOR_TYPES |= {np.dtype(kind) for kind in ("f2", "f4", "f8")}
# Arrays of other types are stored as bytes; of those that hold pointers, never.
_KINDS = "biufcUSmM"


class Encoder:
    """Turns an estimator into what JSON can hold, beside a dict of arrays.

    Attributes
    ----------
    tensors : dict of str to ndarray
    classes, values : list of str
        Names to which the encoded form refers by number.
    refused : dict of str to str
        Where each name was met that cannot be saved.
    """

    def __init__(self, trusted):
        self._trusted = trusted
        self.tensors, self.classes, self.values, self.refused = {}, [], [], {}
        # Number of each object, and the object, which must live on: its id stands for it.
        self._finished = {}
        self._open = set()

    def encode(self, value, where):
        """Encode ``value``, which is found at ``where``; an object met again is a reference."""
        if type(value) in _PLAIN:
            return value
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
        if array.dtype not in _TENSOR_TYPES:
            flat = np.frombuffer(array.tobytes(), np.uint8)
            return {"bytes": [self._store(flat, where), array.dtype.str, list(array.shape)]}
        # The layout is kept, for products of matrices depend on it in the last bit: on the order
        # of the axes and on whether there is a gap between rows, if not on how wide that is.
        if not array.flags.c_contiguous and (array.flags.f_contiguous or _is_gapped(array.T)):
            return {"transposed": self._describe_array(array.T, where)}
        return {"gapped" if _is_gapped(array) else "array": self._store(array, where)}

    def _store(self, array, where):
        name = f"{where}~{len(self.tensors)}" if where in self.tensors else where
        self.tensors[name] = np.asarray(array, order="C")
        return name

    def _describe_object(self, value, where):
        cls = np.dtype if isinstance(value, np.dtype) else type(value)
        if cls in rebuilt_names():
            name = rebuilt_names()[cls]
            parts = REBUILT[name].take(value)
        elif _is_function_or_class(value):
            return self._describe_value(value, where)
        else:
            name, parts = name_of(cls), None
        if find_class(name, self._trusted) is not cls:
            return self._refuse(name, where)
        if parts is not None:
            return {"built": [_number(name, self.classes), self.encode(parts, where)]}
        return self._describe_state(value, name, where)

    def _describe_value(self, value, where):
        names = [name for name, known in known_values().items() if known is value]
        name = names[0] if names else name_of(value)
        if find_value(name, self._trusted) is not value:
            return self._refuse(name, where)
        return {"value": _number(name, self.values)}

    def _describe_state(self, value, name, where):
        """Encode the attributes of a plain object, if they are all there is to it."""
        function, arguments, *rest = value.__reduce_ex__(2)
        state, *items = rest or [None]
        is_plain = function.__name__ == "__newobj__" and arguments == (type(value),)
        if not is_plain or type(state) not in (dict, type(None)) or any(items):
            return self._refuse(name, where)
        return {"object": [_number(name, self.classes), self.encode(state or {}, where)]}

    def _refuse(self, name, where):
        self.refused.setdefault(name, where)


def _is_gapped(array):
    """Whether the rows of a matrix are contiguous, but not their sequence: a slice's are."""
    if array.ndim != 2 or array.strides[1] != array.itemsize:
        return False
    return array.strides[0] > array.shape[1] * array.itemsize


def _is_function_or_class(value):
    return isinstance(value, (type, np.ufunc)) or hasattr(value, "__qualname__")


def _number(name, names):
    if name not in names:
        names.append(name)
    return names.index(name)


class Decoder:
    """Builds what an `Encoder` took apart.

    Parameters
    ----------
    tensors : dict of str to ndarray
    classes : list of (str, type)
        Names and what they stand for.
    values : list of object
    """

    def __init__(self, tensors, classes, values):
        self._tensors, self._classes, self._values = tensors, classes, values
        self._finished = []

    def decode(self, node):
        """Build the value of a node. What does not fit raises any of a dozen errors."""
        if isinstance(node, list):
            value = [self.decode(item) for item in node]
        elif isinstance(node, dict):
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

    def _gapped(self, name):
        rows = self._tensors[name]
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
        array = np.empty(len(items), dtype=object)
        for place, item in enumerate(items):
            array[place] = item
        return array.reshape(shape)

    def _value(self, number):
        return self._values[number]

    def _built(self, content):
        number, parts = content
        name, cls = self._classes[number]
        return REBUILT[name].build(cls, self.decode(parts))

    def _object(self, content):
        number, state = content
        _, cls = self._classes[number]
        state = self.decode(state)
        if not all(isinstance(key, str) for key in state):
            raise TypeError(f"attributes of {cls.__name__} must have names")
        # Refuses types that are not plain Python objects.
        value = object.__new__(cls)
        if hasattr(value, "__setstate__"):
            value.__setstate__(dict(state))
        else:
            vars(value).update(state)
        return value


_FORMS = {
    "dict": Decoder._dict,
    "array": Decoder._array,
    "gapped": Decoder._gapped,
    "transposed": Decoder._transposed,
    "scalar": Decoder._scalar,
    "bytes": Decoder._bytes,
    "objects": Decoder._objects,
    "value": Decoder._value,
    "built": Decoder._built,
    "object": Decoder._object,
}
