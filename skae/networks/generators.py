"""Random draws in training come from a local generator, never from torch's global one."""

from contextlib import contextmanager
from contextvars import ContextVar

import torch

# A context variable: fits in other threads draw from generators of their own.
_GENERATOR = ContextVar("skae_generator", default=None)


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
    """Return ones with this probability, and zeros, in the shape, dtype and device of ``x``.

    A probability may be a tensor that broadcasts with ``x``.
    """
    return torch.empty_like(x).bernoulli_(probability, generator=_GENERATOR.get())


def uniform(n_values, device):
    """Return a vector of uniform numbers in [0, 1)."""
    return torch.empty(n_values, device=device).uniform_(generator=_GENERATOR.get())
