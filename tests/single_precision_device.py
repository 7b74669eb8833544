"""A device that computes in float32 alone, as the GPUs of Apple do, made of tensors on the host."""

import contextlib
import importlib

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

# torch takes it for a device of its own in names and autograd; the values lie on the host.
DEVICE = torch.device("meta")
HOST = torch.device("cpu")
# Between devices, or with places that lie on the host.
_ACROSS_DEVICES = ("aten::copy_", "aten::_to_copy", "aten::index")

# Take devices and return no tensors.
_OF_DEVICES = (torch.device, torch._C._nn._parse_to)


class OnDevice(torch.Tensor):
    """A tensor on the device. Of float64 there is none."""

    @staticmethod
    def __new__(cls, values):
        if values.dtype == torch.float64:
            raise TypeError("The device has no float64.")
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            dtype=values.dtype,
            device=DEVICE,
            requires_grad=values.requires_grad,
        )
        made.values_on_host = values
        return made

    def __init__(self, values):
        pass

    # torch has these of no tensors but its own.
    def numpy(self, *, force):
        return self.values_on_host.numpy(force=force)

    def tolist(self):
        return self.values_on_host.tolist()

    def data_ptr(self):
        return self.values_on_host.data_ptr()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = func._schema.name
        hosts = [a for a in args if isinstance(a, torch.Tensor) and not isinstance(a, cls)]
        if name not in _ACROSS_DEVICES and any(host.dim() for host in hosts):
            raise RuntimeError(f"{name} of tensors on two devices")
        to_host = any(isinstance(a, torch.device) and a == HOST for a in [*args, *kwargs.values()])
        result = func(*tree_map(_on_host, args), **tree_map(_on_host, kwargs))

        def wrapped(value):
            if not isinstance(value, torch.Tensor) or to_host:
                return value
            # Operations in place return what they were given.
            given = [a for a in args if _on_host(a) is value]
            return given[0] if given else OnDevice(value)

        return tree_map(wrapped, result)


def _on_host(value):
    if isinstance(value, OnDevice):
        return value.values_on_host
    return HOST if _is_device(value) else value


def _is_device(value):
    return isinstance(value, (str, torch.device)) and str(value) == "meta"


class _Device(TorchFunctionMode):
    """Tensors that are made on the device, or moved there, hold values."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.to and isinstance(args[1], OnDevice):
            args = (args[0], DEVICE, args[1].dtype)
        is_asked = any(map(_is_device, [*args, kwargs.get("device")]))
        if not is_asked or func in _OF_DEVICES or any(isinstance(a, OnDevice) for a in args):
            return func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            return OnDevice(func(*tree_map(_on_host, args), **tree_map(_on_host, kwargs)))


class _Generator(torch.Generator):
    """Draws of the device are made on the host as well."""

    def __new__(cls, device=HOST):
        return super().__new__(cls, HOST if _is_device(device) else device)


@contextlib.contextmanager
def single_precision_device(monkeypatch):
    """Let the device exist, and skae know what it cannot do."""
    monkeypatch.setattr("torch.Generator", _Generator)
    optimizers = importlib.import_module("torch.optim.optimizer")
    monkeypatch.setattr(optimizers, "_get_fused_kernels_supported_devices", lambda: ["cpu", "meta"])
    monkeypatch.setattr("skae._utils.DEVICES_WITHOUT_FLOAT64", {"meta"})
    with _Device():
        yield DEVICE
