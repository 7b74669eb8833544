"""HDF5 and zarr arrays: anything with a shape and a type of which slices are read."""

import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ._base import DEFAULT_MEMORY, RowSource, block_bytes, checked_shape, part_edges

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
        self.array, self.chunk_rows = array, chunk_rows
        n_rows, *sample_shape = checked_shape(array.shape, name)
        row_bytes = max(math.prod(sample_shape), 1) * array.dtype.itemsize
        part_bytes = min(_PART_BYTES, block_bytes(max_memory))
        n_chunks = max(part_bytes // (chunk_rows * row_bytes), 1)
        edges = part_edges(n_rows, chunk_rows * n_chunks)
        super().__init__(name, edges, sample_shape, array.dtype, max_memory=max_memory)

    def read_part(self, k: int) -> Any:
        return self.array[int(self.edges[k]) : int(self.edges[k + 1])]

    def _unreadable_name(self, k: int) -> str:
        # A part is many chunks: the one that cannot be read is found by itself.
        if self.chunk_rows == 1:
            return self.part_name(k)
        stop = int(self.edges[k + 1])
        for start in range(int(self.edges[k]), stop, self.chunk_rows):
            end = min(start + self.chunk_rows, stop)
            if not self._can_read(start, end):
                return f"rows {start} to {end - 1} of {self.name}"
        return self.part_name(k)

    def _can_read(self, start: int, stop: int) -> bool:
        try:
            self.array[start:stop]
        # Those of h5py and zarr: of files, of filters and codecs, of stores.
        except (OSError, RuntimeError, ValueError, TypeError, LookupError):
            return False
        return True


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
        self.column_chunks = chunks[1:]
        store = getattr(array, "store", None)
        self.root = getattr(store, "root", None)
        name = str(store if self.root is None else self.root)
        super().__init__(array, f"{name}/{array.path}".rstrip("/"), chunks[0], max_memory)

    def part_files(self, k: int) -> Sequence[Path]:
        if self.root is None:
            return []
        folder = Path(self.root, self.array.path)
        sizes = zip(self.sample_shape, self.column_chunks, strict=True)
        columns = [range(math.ceil(size / chunk)) for size, chunk in sizes]
        first, stop = int(self.edges[k]), int(self.edges[k + 1])
        rows = range(first // self.chunk_rows, math.ceil(stop / self.chunk_rows))
        keys = map(self.array.metadata.encode_chunk_key, product(rows, *columns))
        # A chunk of only zeros is not stored.
        return [path for path in (folder / key for key in keys) if path.exists()]
