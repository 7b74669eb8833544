"""Batches that several processes compute in parts: means and draws of the whole batch."""

from contextlib import contextmanager
from contextvars import ContextVar

import torch

# A context variable: fits in other threads have batches of their own.
_PART = ContextVar("skae_batch_part", default=None)


class BatchPart:
    """The rows of each batch that this process computes.

    Parameters
    ----------
    index, n_parts : int
        Which part, of how many.
    add : callable
        Returns the sum of a tensor over the processes; all of them call it.
    """

    def __init__(self, index, n_parts, add):
        self.index = index
        self.n_parts = n_parts
        self._add = add
        self.n_rows = 0

    def begin(self, n_rows):
        """Begin a batch of so many rows, and return the first and behind the last of this part."""
        start, stop = (n_rows * i // self.n_parts for i in (self.index, self.index + 1))
        self.n_rows, self.fraction = n_rows, (stop - start) / n_rows
        # With fewer rows than processes some get a row that does not count: a mean of none is NaN.
        self.start, self.stop = (start, stop) if stop > start else (0, 1)
        return self.start, self.stop

    def end(self):
        """End the last batch: from now on values belong to no batch."""
        self.n_rows = 0

    def sum(self, x):
        """Return the sum over the processes whose rows count."""
        return self._add(x.clone() if self.fraction else torch.zeros_like(x))

    def n_whole(self, n_values):
        """Return how many values all processes have, where this one has one or more for each row.

        A batch that is repeated is so as a whole.
        """
        n_copies, rest = divmod(n_values, self.stop - self.start)
        if rest:
            raise ValueError(
                f"Random numbers are drawn for {n_values} rows, which is no multiple of the "
                f"{self.stop - self.start} rows of the batch: this network cannot be trained by "
                "several processes."
            )
        return n_copies * self.n_rows

    def whole(self, x):
        """Return an empty tensor like ``x`` with the rows of all processes."""
        # With its strides: numbers are drawn in the order of memory.
        shape = self.n_whole(len(x)), *x.shape[1:]
        return torch.empty_strided(shape, x.stride(), dtype=x.dtype, device=x.device)

    def own(self, whole):
        """Return the rows of this process from those of all."""
        return self._of_own(whole).flatten(0, 1)

    def padded(self, x):
        """Return ``x`` with zeros for the rows of other processes."""
        whole = self.whole(x).zero_()
        self._of_own(whole).copy_(x.unflatten(0, (-1, self.stop - self.start)))
        return whole

    def _of_own(self, whole):
        # (n_copies, n_own, ...)
        return whole.unflatten(0, (-1, self.n_rows))[:, self.start : self.stop]


@contextmanager
def use_part(part):
    """Let batches be computed in parts, in this thread and context."""
    token = _PART.set(part)
    try:
        yield part
    finally:
        _PART.reset(token)


def current_part():
    """Return the `BatchPart` of the current batch, or None if this process computes all of it."""
    part = _PART.get()
    return part if part is not None and part.n_rows else None


def mean_of_batch(mean):
    """Return the mean over the rows of a batch, given that over the rows of this process.

    It has no gradient. One process returns its argument.
    """
    part = current_part()
    return mean if part is None else part.sum(mean.detach() * part.fraction)


def sum_of_batch(total):
    """Return the sum over the rows of a batch, given that over the rows of this process."""
    part = current_part()
    return total if part is None else part.sum(total.detach())
