"""The table of sources, by the kind of object they read from."""

import sys
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .._utils import import_optional
from ._arrays import HDF5Source, ZarrSource
from ._base import DEFAULT_MEMORY, RowSource
from ._batches import BatchSource
from ._dask import DaskArraySource, DaskFrameSource
from ._parquet import ParquetSource, is_parquet
from ._torch import DatasetSource

Entry = TypeVar("Entry")

# Module and class of X: where a library was not imported, X cannot be of it.
_SOURCES: dict[tuple[str, str], Callable[..., RowSource]] = {
    ("h5py", "Dataset"): HDF5Source,
    ("zarr", "Array"): ZarrSource,
    ("dask.array", "Array"): DaskArraySource,
    ("dask.dataframe", "DataFrame"): DaskFrameSource,
    ("torch.utils.data", "Dataset"): DatasetSource,
}

# What holds rows and is none of these, and what to give in its place.
_ADVICE = {
    ("h5py", "Group"): "one of its data sets, such as X['rows']",
    ("zarr", "Group"): "one of its arrays, such as X['rows']",
    ("torch.utils.data", "DataLoader"): "its dataset, or to fit skae.sources.open_batches(X, ...)",
    ("pyarrow.parquet", "ParquetFile"): "its path",
    ("pyarrow.dataset", "Dataset"): "the path of its file or folder, or X.to_table()",
    ("polars", "LazyFrame"): "X.collect(), or the path of a Parquet file",
    ("dask.delayed", "Delayed"): "X.compute()",
    ("collections.abc", "Iterator"): "an array, or to fit open_batches of skae.sources with a "
    "function that returns a new iterator of batches",
}
# What numpy would read without the names, types or time stamps of its columns, or not at all.
_NO_FRAMES: dict[tuple[str, str], str] = {
    ("dask.dataframe", "DataFrame"): "X.compute()",
    ("dask.dataframe", "Series"): "X.compute()",
    ("pyarrow", "Table"): "X.to_pandas()",
    ("polars", "LazyFrame"): "X.collect()",
    ("torch.utils.data", "Dataset"): "an array of its samples",
    ("torch.utils.data", "DataLoader"): "an array of its samples",
    ("collections.abc", "Iterator"): "a list or an array of what it gives",
    ("builtins", "str"): "the frame that is in the file, for instance by pandas.read_parquet",
    ("os", "PathLike"): "the frame that is in the file, for instance by pandas.read_parquet",
}
_PATHS = "the path of a Parquet file, of a folder of them or of a zarr array"


def open_rows(
    X: Any, *, columns: Sequence[str] | None = None, max_memory: int | str = DEFAULT_MEMORY
) -> RowSource:
    """Open rows that need not fit into memory, for `fit` and other methods.

    Estimators take the same objects as X themselves; this function is for what there is to choose.

    Parameters
    ----------
    X : str, path-like, h5py.Dataset, zarr.Array, dask Array or DataFrame, torch Dataset
        A path is that of a Parquet file, of a folder of Parquet files, or of a zarr array.
    columns : sequence of str, default=None
        Columns of Parquet files. If None, all but those that pandas or Dask wrote as the index.
    max_memory : int or str, default=536870912
        Bytes that rows may take at any time during `fit`, such as ``"2GB"``. A source that fits is
        read once, and trained on as an array. Otherwise rows are read in blocks and shuffled within
        buffers of a fourth of it; more memory mixes rows from more places.

    Returns
    -------
    source : RowSource
        To be given to `fit` and other methods in place of X.

    Raises
    ------
    ValueError, TypeError
        If X holds no numbers, or is of no such kind.
    OSError
        If a file cannot be read.

    Examples
    --------
    >>> import torch
    >>> from skae import Autoencoder
    >>> from skae.sources import open_rows
    >>> rows = torch.utils.data.TensorDataset(torch.randn(1000, 20))
    >>> source = open_rows(rows, max_memory="100kB")
    >>> source.shape
    (1000, 20)
    >>> Autoencoder(max_iter=2).fit(source).n_samples_seen_
    1000
    """
    if isinstance(X, (str, PathLike)):
        return _open_path(Path(X), columns, max_memory)
    if columns is not None:
        raise ValueError("columns must be left out unless X is a path of Parquet files.")
    opener = None if isinstance(X, RowSource) else _opener(X)
    if opener is None:
        raise TypeError(
            "X must be a path, an h5py.Dataset, a zarr.Array, an Array or DataFrame of Dask, or a "
            f"Dataset of torch, got {type(X).__name__}."
        )
    return opener(X, max_memory=max_memory)


def find_source(X: Any) -> RowSource | None:
    """Return X as a source, or None if it is already in memory.

    Parameters
    ----------
    X : object
        Data in any form.

    Returns
    -------
    source : RowSource or None
    """
    if isinstance(X, RowSource):
        return X
    if isinstance(X, (str, PathLike)):
        return _open_name(Path(X))
    opener = _opener(X)
    advice = _entry(_ADVICE, X) if opener is None else None
    if advice is not None:
        raise TypeError(f"X must be rows, got a {type(X).__name__}: give {advice}.")
    return None if opener is None else opener(X)


def check_in_memory(X: Any, owner: str) -> None:
    """Raise a TypeError if X is no array or frame in memory, for what reads frames as a whole.

    Parameters
    ----------
    X : object
        Arrays on disk pass: numpy reads them as they are.
    owner : str
        What needs X.
    """
    if isinstance(X, np.ndarray):
        return
    advice = _entry(_NO_FRAMES, X)
    if isinstance(X, RowSource):
        advice = "an array" if isinstance(X, BatchSource) else "X.load()"
    if advice is not None:
        raise TypeError(
            f"X must be an array or a frame in memory for {owner}, got {type(X).__name__}: give "
            f"{advice}."
        )


def _open_name(path: Path) -> RowSource:
    """Return the source of a path, if it is one that needs no call of `open_rows`."""
    if path.is_file() and not is_parquet(path):
        raise ValueError(
            f"X must be rows, or {_PATHS}, got {str(path)!r}: read or open it first, for instance "
            "by pandas.read_csv or h5py.File."
        )
    return _open_path(path, None, DEFAULT_MEMORY)


def _opener(X: Any) -> Callable[..., RowSource] | None:
    return _entry(_SOURCES, X)


def _entry(table: dict[tuple[str, str], Entry], X: Any) -> Entry | None:
    """Return what a table has for the class of X, None if nothing."""
    for (module, name), entry in table.items():
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(X, kind):
            return entry
    return None


def _open_path(path: Path, columns: Sequence[str] | None, max_memory: int | str) -> RowSource:
    # The metadata of versions 3 and 2 of zarr.
    if columns is None and any((path / name).exists() for name in ("zarr.json", ".zarray")):
        return ZarrSource(_zarr_array(path), max_memory=max_memory)
    return ParquetSource(path, columns, max_memory)


def _zarr_array(path: Path) -> Any:
    zarr = import_optional("zarr", "sources")
    try:
        return zarr.open_array(path, mode="r")
    # Those of zarr: of groups, of metadata that cannot be read.
    except Exception as error:
        raise OSError(f"{path} is no zarr array: {type(error).__name__}: {error}") from error
