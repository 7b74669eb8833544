"""Random draws of networks come from a local generator, never from torch's global one."""

from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch.overrides import TorchFunctionMode

_GENERATOR = ContextVar("skae_generator", default=None)
_DRAWS = {torch.Tensor.uniform_, torch.Tensor.normal_, torch.Tensor.bernoulli_}


@contextmanager
def use_generator(generator):
    """Let `standard_normal_like` and `bernoulli_mask` in this thread draw from ``generator``."""
    token = _GENERATOR.set(generator)
    try:
        yield
    finally:
        _GENERATOR.reset(token)


def standard_normal_like(x):
    """Standard normal numbers in the shape of ``x``."""
    return torch.empty_like(x).normal_(generator=_GENERATOR.get())


def bernoulli_mask(x, share):
    """Ones with probability ``share`` and zeros, in the shape of ``x``."""
    return torch.empty_like(x).bernoulli_(share, generator=_GENERATOR.get())


def uniform(n, device):
    """Uniform numbers in [0, 1)."""
    return torch.empty(n, device=device).uniform_(generator=_GENERATOR.get())


class SeededInit(TorchFunctionMode):
    """Within this context, modules that are built draw their weights from one seed.

    torch's layers initialise themselves without a way to name a generator; handing it to the
    draws as they happen serves every layer, also those of a user's own factory.
    """

    def __init__(self, seed):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        # Functions of torch.nn.init come here whole, with the generator they would pass on.
        takes_generator = func in _DRAWS or "generator" in kwargs
        if takes_generator and kwargs.get("generator") is None:
            kwargs["generator"] = self.generator
        return func(*args, **kwargs)
