"""A fitted network in the precision of the data, converted once while it stays the same."""

import copy

import numpy as np
import torch
from torch import nn

from .._utils import has_float64
from ..networks.standardization import Standardization

# Copies of larger networks (128 MiB in float64) are not kept: one row takes milliseconds anyway.
_MAX_KEPT_VALUES = 2**24
_FLOATS = (torch.float32, torch.float64)


def in_precision(network, dtype):
    """Return a network that computes in ``dtype`` what the given one does.

    The copy is renewed where weights, layers or modes have changed. It shares hooks. Nothing is
    converted in place, since other threads may be using the network; two threads that convert it
    at once make equal copies. Neither pickles nor copies of the network hold it.

    Parameters
    ----------
    network : Network
        Has its weights in float32, and standardizes by numbers in float64.
    dtype : {numpy.float32, numpy.float64}

    Returns
    -------
    converted : Network
    device : torch.device
    computed : {numpy.float32, numpy.float64}
        Single precision where the device has no other.
    """
    kept = network.__dict__.setdefault("_kept_conversions", {})
    conversion = kept.get(dtype)
    if conversion is None or not conversion.is_current():
        computed = dtype if has_float64(network.standardization.scale.device) else np.float32
        conversion = _CONVERSIONS[computed](network)
        if conversion.n_values <= _MAX_KEPT_VALUES:
            kept[dtype] = conversion
    return conversion.network, conversion.device, conversion.dtype


class _Conversion:
    """A converted network, and the state of the modules that it was made from."""

    def __init__(self, modules, network, dtype):
        self.network = network
        self.dtype = dtype
        self.modules = modules
        self.holders = [each for m in modules for each in (m._parameters, m._buffers) if each]
        self.children = [module._modules for module in modules if module._modules]
        # Kept, or other tensors might come to lie at the same addresses.
        self.tensors = self._current_tensors()
        self.device = self.tensors[0].device
        self.n_values = sum(tensor.numel() for tensor in self.tensors)
        self.entries = [view for view in map(_view_of_largest, self.tensors) if view is not None]
        self.state = self._current_state()

    def is_current(self):
        """Return whether the modules are still in the state that was converted."""
        # About 8 µs for a network of eight layers. Comparing all weights would take longer than
        # a row through the network.
        return self.state is not None and self._current_state() == self.state

    def _current_tensors(self):
        return [t for holder in self.holders for t in holder.values() if t is not None]

    def _current_state(self):
        try:
            tensors = [(t._version, t.data_ptr()) for t in self._current_tensors()]
        except RuntimeError:  # tensors made in inference mode count no versions
            return None
        children = [id(child) for each in self.children for child in each.values()]
        modes = [module.training for module in self.modules]
        # What is written through `.data` or numpy counts no version: it shows in these values.
        return tensors, children, modes, [entry[0] for entry in self.entries]


def _view_of_largest(tensor):
    """Return a memory view of the entry of largest magnitude, of floats on the host."""
    if tensor.device.type != "cpu" or tensor.dtype not in _FLOATS or not tensor.numel():
        return None
    values = tensor.detach().numpy()
    place = np.unravel_index(np.abs(values).argmax(), values.shape)
    return memoryview(values[tuple(slice(i, i + 1) for i in place)].reshape(1))


def _to_single(network):
    """Convert what standardizes; everything else is shared."""
    parts = {name: m for name, m in network._modules.items() if isinstance(m, Standardization)}
    converted = copy.copy(network)
    converted._modules = network._modules | {n: _single_standardization(parts[n]) for n in parts}
    return _Conversion([network, *parts.values()], converted, np.float32)


def _single_standardization(standardization):
    """Convert what `Standardization` would convert at each call; its scale stays as it is."""
    converted = copy.copy(standardization)
    converted._buffers = {
        name: tensor if tensor is None or tensor.dim() == 0 else tensor.float()
        for name, tensor in standardization._buffers.items()
    }
    return converted


def _to_double(network):
    """Convert all weights and buffers, and copy layers with what else they hold but hooks."""
    modules = list(network.modules())
    # What a deep copy finds here it takes in place of a copy.
    memo = {}
    for module in modules:
        memo |= {id(value): value for name, value in vars(module).items() if "_hooks" in name}
        for tensor in [*module._parameters.values(), *module._buffers.values()]:
            if tensor is not None and tensor.is_floating_point():
                memo[id(tensor)] = _double(tensor)
    return _Conversion(modules, copy.deepcopy(network, memo), np.float64)


def _double(tensor):
    converted = tensor.detach().double()
    is_parameter = isinstance(tensor, nn.Parameter)
    return nn.Parameter(converted, requires_grad=False) if is_parameter else converted


_CONVERSIONS = {np.float32: _to_single, np.float64: _to_double}
