"""Rows that are read from disk, from Dask or from a Dataset by slices, and never as a whole."""

from ._base import RowSource
from ._open import find_source as find_source
from ._open import open_rows

__all__ = ["RowSource", "open_rows"]
