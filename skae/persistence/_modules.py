"""Layers and losses of torch.nn as plain values and arrays, and back.

A layer is stored as the arguments of its constructor, read from its attributes, and its tensors.
The constructor then checks what a file says, as it checks a user; setting a stranger's attributes
on an empty object would leave that to the compiled code that computes with them.
"""

import inspect
from collections import OrderedDict
from functools import cache

import numpy as np
import torch
from torch import nn

# Left out on purpose: layers that are more than a constructor's arguments and tensors
# (Transformer, MultiheadAttention, lazy layers), that index with what they are given (Embedding,
# MaxUnpool, CTCLoss) or that take functions; and those of volumes, which no estimator of skae has
# (the gradient of MaxPool3d reads beyond its array for some dilations, torch 2.13).
_DIMENSIONED = (
    "AdaptiveAvgPool AdaptiveMaxPool AvgPool BatchNorm CircularPad ConstantPad Conv ConvTranspose "
    "Dropout InstanceNorm LPPool MaxPool ReflectionPad ReplicationPad ZeroPad"
)
_OTHERS = (
    "AlphaDropout Bilinear CELU Dropout ELU FeatureAlphaDropout Flatten GELU GLU GRU GRUCell "
    "GroupNorm Hardshrink Hardsigmoid Hardswish Hardtanh Identity LSTM LSTMCell LayerNorm "
    "LeakyReLU Linear LocalResponseNorm LogSigmoid LogSoftmax Mish PReLU PixelShuffle "
    "PixelUnshuffle RMSNorm RNN RNNCell RReLU ReLU ReLU6 SELU Sequential SiLU Sigmoid Softmax "
    "Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold Unflatten Upsample "
    "UpsamplingBilinear2d UpsamplingNearest2d "
    "BCELoss BCEWithLogitsLoss HingeEmbeddingLoss HuberLoss KLDivLoss L1Loss MSELoss "
    "PoissonNLLLoss SmoothL1Loss SoftMarginLoss"
)
LAYERS = {
    f"torch.nn.{name}": getattr(nn, name)
    for name in [
        *(f"{stem}{n_dims}d" for stem in _DIMENSIONED.split() for n_dims in (1, 2)),
        *_OTHERS.split(),
    ]
}

# Arguments, with their defaults, of constructors whose signatures do not name them.
_RECURRENT = {
    "input_size": None,
    "hidden_size": None,
    "num_layers": 1,
    "bias": True,
    "batch_first": False,
    "dropout": 0.0,
    "bidirectional": False,
}
_ARGUMENTS = {
    nn.GRU: _RECURRENT,
    nn.LSTM: {**_RECURRENT, "proj_size": 0},
    nn.RNN: {**_RECURRENT, "nonlinearity": "tanh"},
}
_UNNAMED = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
_TENSOR_ARGUMENTS = {"weight", "pos_weight"}
# What every module has, and lists that a recurrent layer makes of its tensors.
_INTERNAL = {*vars(nn.Module()), "_flat_weights", "_flat_weight_refs"}
_FLOATS = {np.dtype(kind) for kind in ("f2", "f4", "f8")}
# The largest number that every kernel of torch holds, some count in 32 bits.
_MAX_NUMBER = 2**31 - 1
# Of windows and of enlarged images, in entries. The gradient of a convolution with a stride of
# 2**16 reads beyond its array (torch 2.13, found by random arguments), and an image enlarged so
# much takes all memory; no network needs a thousandth of it.
_MAX_WINDOW = 2**12
_WINDOW_ARGUMENTS = {
    "dilation",
    "kernel_size",
    "output_padding",
    "output_size",
    "padding",
    "scale_factor",
    "size",
    "stride",
    "upscale_factor",
}


def take_module(module):
    """Take a layer apart; raises a ValueError that says why it cannot be built again.

    Returns
    -------
    parts : dict
        ``arguments`` of the constructor, ``training`` (whether the layer is in training mode),
        ``tensors`` as arrays by name, ``frozen`` (names of those that do not train) and the
        ``layers`` inside by name.
    """
    _check_whole(module)
    parts = {
        "arguments": _arguments_of(module),
        "training": module.training,
        "tensors": {name: _to_array(name, each) for name, each in _tensors_of(module).items()},
        "frozen": [
            name for name, p in module.named_parameters(recurse=False) if not p.requires_grad
        ],
        "layers": dict(module._modules),
    }
    try:
        # Tried while saving: a file that cannot be read is found out when it is too late.
        twin = build_module(type(module), parts)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"it cannot be built from its attributes: {error}") from error
    changed = _changed_attributes(module, twin)
    if changed:
        raise ValueError(f"its constructor does not set {', '.join(changed)} to what it has")
    return parts


def build_module(cls, parts):
    """Build a layer from what `take_module` gave, or from a forgery of it."""
    if parts.keys() != {"arguments", "training", "tensors", "frozen", "layers"}:
        raise ValueError(f"{cls.__name__} is stored as {sorted(parts)}")
    arguments, tensors, layers = parts["arguments"], parts["tensors"], parts["layers"]
    _check_arguments(cls, arguments, len(tensors))
    # Others may be attached by hand, and would never be called.
    if layers and cls is not nn.Sequential:
        raise ValueError(f"{cls.__name__} cannot hold other layers")
    given = {name: _to_argument(value) for name, value in arguments.items()}
    # No memory is taken for tensors before the file has shown that it holds them.
    with torch.device("meta"):
        module = cls(**given) if cls is not nn.Sequential else _build_sequence(layers)
    _set_tensors(module, tensors, frozenset(parts["frozen"]))
    module.training = bool(parts["training"])
    return module


def _check_whole(module):
    hooks = [name for name, value in vars(module).items() if name.endswith("_hooks") and value]
    if hooks:
        raise ValueError(f"it has hooks ({', '.join(hooks)}), and those are code")
    owners = [tensor for layer in module.modules() for tensor in layer.parameters(recurse=False)]
    if len({id(tensor) for tensor in owners}) < len(owners):
        # Each would be built with a copy, and training would let the copies part.
        raise ValueError("two of its layers share a parameter")


def _arguments_of(module):
    """Read the constructor's arguments from the attributes of the same names."""
    found = {}
    for name, default in _parameters_of(type(module)).items():
        if not hasattr(module, name):
            continue
        value = getattr(module, name)
        # An attribute such as a bias is the tensor where the argument says whether there is one.
        is_flag = isinstance(default, bool)
        found[name] = value is not None if is_flag and not isinstance(value, bool) else value
    return {name: _to_plain(name, value) for name, value in found.items()}


@cache
def _parameters_of(cls):
    """Return the constructor's arguments by name, with their defaults."""
    if cls in _ARGUMENTS:
        return _ARGUMENTS[cls]
    return {
        name: parameter.default
        for name, parameter in inspect.signature(cls).parameters.items()
        if name not in ("device", "dtype") and parameter.kind not in _UNNAMED
    }


def _to_plain(name, value):
    if isinstance(value, torch.Tensor):
        return _to_array(name, value)
    if isinstance(value, np.generic):
        return value.item()
    return tuple(value) if isinstance(value, (tuple, list)) else value


def _to_array(name, tensor):
    try:
        array = tensor.detach().cpu().numpy()
    except (TypeError, RuntimeError, ValueError) as error:
        raise ValueError(f"its {name} is no array of numpy: {error}") from error
    return array


def _to_argument(value):
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


def _check_arguments(cls, arguments, n_tensors):
    known = _parameters_of(cls)
    for name, value in arguments.items():
        if name not in known or not _is_argument(name, value):
            raise ValueError(f"{cls.__name__} cannot be given {name}={value!r}")
        if isinstance(known[name], bool) and not isinstance(value, bool):
            raise ValueError(f"{cls.__name__} expects True or False as {name}, got {value!r}")
    # A recurrent layer makes a list of names for each of its layers, before any tensor.
    if arguments.get("num_layers", 0) > n_tensors:
        raise ValueError(f"{cls.__name__} has fewer tensors than layers")


def _is_argument(name, value):
    """Whether a value is plain: a number, a string, None or a tuple of numbers."""
    if isinstance(value, np.ndarray):
        return name in _TENSOR_ARGUMENTS and value.dtype in _FLOATS
    if isinstance(value, tuple):
        return all(item is None or _is_number(name, item) for item in value)
    return value is None or isinstance(value, str) or _is_number(name, value)


def _is_number(name, value):
    if name in _WINDOW_ARGUMENTS:
        return isinstance(value, (int, float)) and abs(value) <= _MAX_WINDOW
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= _MAX_NUMBER)


def _build_sequence(layers):
    if not all(isinstance(layer, nn.Module) for layer in layers.values()):
        raise ValueError("Sequential holds an object that is not a layer")
    return nn.Sequential(OrderedDict(layers))


def _tensors_of(module):
    """Return a layer's own parameters and buffers by name."""
    both = {**module._parameters, **module._buffers}
    return {name: tensor for name, tensor in both.items() if tensor is not None}


def _set_tensors(module, tensors, frozen):
    """Put arrays in the place of the tensors that the constructor made, if they fit."""
    made = _tensors_of(module)
    if made.keys() != tensors.keys() or not frozen <= module._parameters.keys():
        raise ValueError(f"{type(module).__name__} has {sorted(made)}, got {sorted(tensors)}")
    for name, array in tensors.items():
        _check_fit(f"{type(module).__name__}.{name}", array, made[name])
        tensor = torch.tensor(array)
        is_parameter = name in module._parameters
        setattr(module, name, nn.Parameter(tensor, name not in frozen) if is_parameter else tensor)
    # Kernels read all tensors of a layer as numbers of one size.
    dtypes = {array.dtype for array in tensors.values() if array.dtype in _FLOATS}
    if len(dtypes) > 1:
        raise ValueError(f"{type(module).__name__} has tensors of {len(dtypes)} precisions")


def _check_fit(name, array, made):
    is_float = made.is_floating_point()
    fits = array.dtype in _FLOATS if is_float else array.dtype == np.int64
    if not fits or array.shape != tuple(made.shape):
        raise ValueError(
            f"{name} must be of shape {tuple(made.shape)} and "
            f"{'floating' if is_float else 'int64'}, got {array.shape} of {array.dtype}"
        )


def _changed_attributes(module, twin):
    """Name the attributes in which two layers differ, their tensors and layers apart."""
    pair = [
        {name: value for name, value in vars(each).items() if name not in _INTERNAL}
        for each in (module, twin)
    ]
    names = sorted(pair[0].keys() | pair[1].keys())
    missing = object()
    return [
        name
        for name in names
        if not _is_equal(*(attributes.get(name, missing) for attributes in pair))
    ]


def _is_equal(a, b):
    a, b = (
        _to_plain("", each) if isinstance(each, (np.generic, list, tuple)) else each
        for each in (a, b)
    )
    return type(a) is type(b) and a == b
