"""Random draws of networks come from a local generator, never from torch's global one."""

from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch.overrides import TorchFunctionMode

# A context variable: fits in other threads draw from generators of their own.
_GENERATOR = ContextVar("skae_generator", default=None)
# The methods that torch's layers initialize their weights with, besides torch.nn.init.
_DRAWS = {torch.Tensor.uniform_, torch.Tensor.normal_, torch.Tensor.bernoulli_}


@contextmanager
def use_generator(generator):
    """Let the functions below draw from ``generator``, in this thread and context."""
    token = _GENERATOR.set(generator)
    try:
        yield
    finally:
        _GENERATOR.reset(token)


def standard_normal_like(x):
    """Return standard normal numbers in the shape, dtype and device of ``x``."""
    return torch.empty_like(x).normal_(generator=_GENERATOR.get())


def bernoulli_mask(x, probability):
    """Return ones with this probability, and zeros, in the shape, dtype and device of ``x``."""
    return torch.empty_like(x).bernoulli_(probability, generator=_GENERATOR.get())


def uniform(n_values, device):
    """Return a vector of uniform numbers in [0, 1)."""
    return torch.empty(n_values, device=device).uniform_(generator=_GENERATOR.get())


class SeededInit(TorchFunctionMode):
    """Within this context, modules that are built draw their weights from one seed.

    torch's layers initialize themselves and accept no generator. The mode passes one to each
    draw as it happens, which works for every layer, user-supplied ones included.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        # Functions of torch.nn.init arrive as a whole, with the generator that they pass on.
        takes_generator = func in _DRAWS or "generator" in kwargs
        if takes_generator and kwargs.get("generator") is None:
            kwargs["generator"] = self.generator
        return func(*args, **kwargs)
