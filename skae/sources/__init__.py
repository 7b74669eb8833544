"""Rows that are read from disk, from Dask or from a Dataset by slices, and never as a whole."""

from ._base import RowSource
from ._batches import BatchSource as BatchSource
from ._batches import open_batches
from ._open import check_in_memory as check_in_memory
from ._open import find_source as find_source
from ._open import open_rows

__all__ = ["RowSource", "open_batches", "open_rows"]
