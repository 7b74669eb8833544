"""HDF5 and zarr arrays: anything with a shape and a type of which slices are read."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._base import DEFAULT_MEMORY, RowSource, block_bytes, part_edges

# Chunks are read together up to this many bytes: a call for each of many small ones takes time.
_PART_BYTES = 2**23


class ArraySource(RowSource):
    """An array on disk, in chunks of rows.

    Parameters
    ----------
    array : object
        With ``shape`` and ``dtype``, of which slices of rows are read.
    name : str
    chunk_rows : int, default=1
        Rows that are stored together.
    max_memory : int or str
    """

    def __init__(
        self, array: Any, name: str, chunk_rows: int = 1, max_memory: int | str = DEFAULT_MEMORY
    ) -> None:
        self.array = array
        n_rows, *sample_shape = _shape(array, name)
        row_bytes = max(math.prod(sample_shape), 1) * array.dtype.itemsize
        part_bytes = min(_PART_BYTES, block_bytes(max_memory))
        n_chunks = max(part_bytes // (chunk_rows * row_bytes), 1)
        edges = part_edges(n_rows, chunk_rows * n_chunks)
        super().__init__(name, edges, sample_shape, array.dtype, max_memory=max_memory)

    def read_part(self, k: int) -> Any:
        return self.array[int(self.edges[k]) : int(self.edges[k + 1])]


class HDF5Source(ArraySource):
    """A data set of an HDF5 file."""

    def __init__(self, array: Any, max_memory: int | str = DEFAULT_MEMORY) -> None:
        # A data set is false once its file is closed.
        if not array:
            raise ValueError("X must be a data set of an HDF5 file that is open, got a closed one.")
        self.file = array.file.filename
        name = f"{self.file}{array.name}"
        # A compact or contiguous data set has no chunks.
        super().__init__(array, name, (array.chunks or (1,))[0], max_memory)

    def _read_into(self, k: int, out: np.ndarray) -> Any:
        self.array.read_direct(out, np.s_[int(self.edges[k]) : int(self.edges[k + 1])])
        return out

    def part_files(self, k: int) -> Sequence[str]:
        return [self.file] if Path(self.file).exists() else []


class ZarrSource(ArraySource):
    """A zarr array in any store."""

    def __init__(self, array: Any, max_memory: int | str = DEFAULT_MEMORY) -> None:
        # A shard is a file of many chunks.
        chunks = getattr(array, "shards", None) or array.chunks
        self.chunk_rows = chunks[0]
        store = getattr(array, "store", None)
        self.root = getattr(store, "root", None)
        name = str(store if self.root is None else self.root)
        super().__init__(array, f"{name}/{array.path}".rstrip("/"), chunks[0], max_memory)

    def part_files(self, k: int) -> Sequence[Path]:
        if self.root is None:
            return []
        folder = Path(self.root, self.array.path)
        columns = (0,) * len(self.sample_shape)
        keys = (
            self.array.metadata.encode_chunk_key((row // self.chunk_rows, *columns))
            for row in range(int(self.edges[k]), int(self.edges[k + 1]), self.chunk_rows)
        )
        # A chunk of only zeros is not stored.
        return [path for path in (folder / key for key in keys) if path.exists()]


def _shape(array: Any, name: str) -> tuple[int, ...]:
    if not 2 <= len(array.shape) <= 4 or not all(array.shape):
        raise ValueError(
            f"{name} must have shape (n_samples, n_features) or, for images, (n_samples, height, "
            f"width[, channels]), got {tuple(array.shape)}."
        )
    return tuple(map(int, array.shape))


def is_numeric(dtype: Any) -> bool:
    """Return whether values of a numpy type are numbers."""
    return np.dtype(dtype).kind in "biuf"
