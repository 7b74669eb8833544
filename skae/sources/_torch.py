"""Map-style Datasets of torch."""

from typing import Any

import numpy as np

from .._arrays import as_array
from ._base import DEFAULT_MEMORY, RowSource, part_edges

# Samples are collected one by one: a part is as many as are asked for at a time.
_PART_ROWS = 256


class DatasetSource(RowSource):
    """Samples of a `torch.utils.data.Dataset` that has a length.

    Where a sample is a tuple, such as an image and its label, its first entry is the row.

    Parameters
    ----------
    dataset : Dataset
    max_memory : int or str
    """

    def __init__(self, dataset: Any, max_memory: int | str = DEFAULT_MEMORY) -> None:
        self.dataset = dataset
        name = type(dataset).__name__
        if not hasattr(dataset, "__len__") or not len(dataset):
            raise TypeError(
                f"X must be a Dataset of one sample or more that has a length, got {name}. Of an "
                "iterable one, give open_batches(DataLoader(dataset, batch_size), ...)."
            )
        first = _row(dataset[0], name)
        edges = part_edges(len(dataset), _PART_ROWS)
        super().__init__(name, edges, first.shape, first.dtype, max_memory=max_memory)

    def read_part(self, k: int) -> np.ndarray:
        indices = range(int(self.edges[k]), int(self.edges[k + 1]))
        # The protocol by which torch's DataLoader asks for many at once.
        if hasattr(self.dataset, "__getitems__"):
            samples = self.dataset.__getitems__(list(indices))
        else:
            samples = [self.dataset[i] for i in indices]
        return np.stack([_row(sample, self.name) for sample in samples])

    def _unreadable_name(self, k: int) -> str:
        # Of hundreds that are read together, the first one that fails by itself.
        for i in range(int(self.edges[k]), int(self.edges[k + 1])):
            if not self._can_read(i):
                return f"sample {i} of {self.name}"
        return self.part_name(k)

    def _can_read(self, i: int) -> bool:
        try:
            return _row(self.dataset[i], self.name).shape == self.sample_shape
        # Code of users may raise anything: the error itself has been seen.
        except Exception:  # noqa: BLE001
            return False


def _row(sample: Any, name: str) -> np.ndarray:
    """Return a sample as an array, without the label that may come with it."""
    row = sample
    if isinstance(sample, (tuple, list)):
        row = sample[0] if sample else None
    # Of numbers and lists of them the first is not the row.
    if isinstance(row, (tuple, list)) or np.ndim(row) == 0:
        raise ValueError(
            f"{name} must have samples that are arrays or tensors of shape (n_features,) or of "
            f"images, or tuples that begin with one, got {_described(sample)}."
        )
    return np.asarray(as_array(row, "X"))


def _described(sample: Any) -> str:
    kind = type(sample).__name__
    if not isinstance(sample, (tuple, list)):
        return kind
    return f"a {kind} that begins with {type(sample[0]).__name__}" if sample else f"an empty {kind}"
