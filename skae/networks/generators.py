"""Random draws in training come from a local generator, never from torch's global one.

Where several processes compute a batch in parts, each draws for all of it and keeps its rows: the
numbers are those that one process would draw, and the generators stay alike.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

import torch

from .parts import current_part

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


class GeneratorStack:
    """Generators of the models that `torch.vmap` computes at once: each draws from its own.

    Parameters
    ----------
    generators : list of torch.Generator
    model : Tensor of shape ()
        Index of the model, over which vmap maps.
    """

    def __init__(self, generators, model):
        self.generators = generators
        self.model = model

    def draw(self, like, fill, *args):
        """Return what ``fill``, a method of tensors, fills a tensor of the shape of ``like`` with.

        Arguments are the same for all models.
        """
        empty = partial(torch.empty, like.shape, dtype=like.dtype, device=like.device)
        return _Drawn.apply(
            self.model, lambda model: fill(empty(), *args, generator=self.generators[model])
        )


class _Drawn(torch.autograd.Function):
    """Draws of one model, or under vmap of several: a stack of the draws of each."""

    @staticmethod
    def forward(model, draw):
        return draw(int(model))

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(info, in_dims, model, draw):
        return torch.stack([draw(int(each)) for each in model]), 0


def _draw(like, fill, *args):
    """Return draws for the rows of a batch, or for those of them that this process computes."""
    part = current_part()
    if part is not None:
        return part.own(_filled(part.whole(like), fill, *args))
    return _filled(like, fill, *args)


def _filled(like, fill, *args):
    generator = _GENERATOR.get()
    if isinstance(generator, GeneratorStack):
        return generator.draw(like, fill, *args)
    return fill(torch.empty_like(like), *args, generator=generator)


def standard_normal_like(x):
    """Return standard normal numbers in the shape, dtype and device of ``x``."""
    return _draw(x, torch.Tensor.normal_)


def bernoulli_mask(x, probability):
    """Return ones with this probability, and zeros, in the shape, dtype and device of ``x``.

    A probability may be a tensor that broadcasts with ``x``.
    """
    part = current_part()
    if part is not None and isinstance(probability, torch.Tensor) and probability.ndim:
        # One for each row: those of other rows do not matter, since these are left out.
        probability = part.padded(probability)
    return _draw(x, torch.Tensor.bernoulli_, probability)


def uniform(n_values, device):
    """Return a vector of uniform numbers in [0, 1), one for each row of a batch."""
    return _draw(torch.empty(n_values, device=device), torch.Tensor.uniform_)


def spread(n_values, device):
    """Return numbers in [0, 1) at equal distances, for rows of a batch, with one random offset."""
    part = current_part()
    n_all = n_values if part is None else part.n_whole(n_values)
    offset = _filled(torch.empty(1, device=device), torch.Tensor.uniform_)
    numbers = (torch.arange(n_all, device=device) + offset) / n_all
    return numbers if part is None else part.own(numbers)
