"""Parquet files and folders of them: columns of numbers, a row group at a time."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .._utils import import_optional
from ._base import DEFAULT_MEMORY, RowSource

# What is known of a file's row groups takes so many times its bytes in the file, once it is read,
# and at most this fraction of the memory for rows.
_PARSED_BYTES, _MAX_METADATA_FRACTION = 8, 0.25
_SUFFIXES = (".parquet", ".pq")
_MAGIC = b"PAR1"
# How names begin of what Spark, Dask and macOS leave beside data, such as files that are not yet
# written to their end: pyarrow and Spark pass over them, too.
_HIDDEN_PREFIXES = ("_", ".")


class ParquetSource(RowSource):
    """Row groups of Parquet files, in the order of the files' names.

    Parameters
    ----------
    path : str or path-like
        A file, or a folder whose files (``*.parquet`` or ``*.pq``, also in folders within) have
        the same columns. Names that begin with ``_`` or ``.`` are passed over.
    columns : sequence of str, default=None
        The columns to read. If None, all but those that pandas or Dask wrote as the index.
    max_memory : int or str
    """

    def __init__(
        self,
        path: Any,
        columns: Sequence[str] | None = None,
        max_memory: int | str = DEFAULT_MEMORY,
    ) -> None:
        parquet = import_optional("pyarrow.parquet", "sources")
        files = _files(Path(path))
        with _naming(files[0]):
            schema = parquet.read_schema(files[0])
        self.columns = _numeric_columns(schema, columns, files[0])
        self.schema = _selected(schema, self.columns)
        self.groups, sizes = [], [0]
        for file in files:
            for group, n_rows in self._row_groups(parquet, file):
                self.groups.append((file, group))
                sizes.append(n_rows)
        if sum(sizes) == 0:
            raise ValueError(f"{path} must hold rows, got none in {len(files)} file(s).")
        super().__init__(
            str(path),
            np.cumsum(sizes),
            (len(self.columns),),
            np.result_type(*(_numpy_type(field.type) for field in self.schema)),
            feature_names=self.columns,
            max_memory=max_memory,
        )
        # pyarrow makes rows of columns of one type, none of them truth values.
        types = {field.type for field in self.schema}
        self.may_be_tensor = len(types) == 1 and self.stored_dtype.kind != "b"
        self.metadata: dict[Path, Any] = {}
        self.metadata_bytes = 0

    def _row_groups(self, parquet: Any, file: Path) -> list[tuple[int, int]]:
        """List the row groups of a file that have rows, once its columns have been checked."""
        with _naming(file):
            about = parquet.read_metadata(file)
            schema = about.schema.to_arrow_schema()
        for field in self.schema:
            found = (
                schema.field(field.name).type if field.name in schema.names else "no such column"
            )
            if found != field.type:
                raise ValueError(
                    f"{file} must have column {field.name!r} of type {field.type}, as the first "
                    f"file has, got {found}."
                )
        sizes = [about.row_group(k).num_rows for k in range(about.num_row_groups)]
        return [(k, n_rows) for k, n_rows in enumerate(sizes) if n_rows]

    def read_part(self, k: int) -> np.ndarray:
        parquet = import_optional("pyarrow.parquet", "sources")
        file, group = self.groups[k]
        with parquet.ParquetFile(file, metadata=self._about(parquet, file)) as opened:
            # Threads of its own: pyarrow's pool would compete with training.
            table = opened.read_row_group(group, columns=self.columns, use_threads=False)
        return self._as_rows(table.combine_chunks())

    def _about(self, parquet: Any, file: Path) -> Any:
        """Return what a file says of its row groups.

        It is kept, within limits: to read it takes as long as a row group of a megabyte.
        """
        about = self.metadata.get(file)
        if about is None:
            about = parquet.read_metadata(file)
            size = _PARSED_BYTES * about.serialized_size
            # Files come in turn: to drop one for another would be to read all of them again.
            if self.metadata_bytes + size <= self.max_memory * _MAX_METADATA_FRACTION:
                self.metadata[file] = about
                self.metadata_bytes += size
        return about

    def _as_rows(self, table: Any) -> np.ndarray:
        batches = table.to_batches()
        is_plain = len(batches) == 1 and not any(column.null_count for column in table.columns)
        if is_plain and self.may_be_tensor:
            # One call, in which Python's lock is free: a loop over columns takes turns with the
            # steps of training.
            rows: np.ndarray = batches[0].to_tensor(row_major=True).to_numpy()
            return rows
        rows = np.empty((table.num_rows, len(self.columns)), self.stored_dtype)
        for i, column in enumerate(table.columns):
            # Nulls become NaN, also in columns of integers.
            rows[:, i] = column.to_numpy()
        return rows

    def part_name(self, k: int) -> str:
        file, group = self.groups[k]
        return f"row group {group} of {file}"

    def part_files(self, k: int) -> Sequence[Path]:
        return [self.groups[k][0]]

    def example(self) -> Any:
        return self.schema.empty_table()


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Turn errors of pyarrow, which has classes of its own, into one that names the file."""
    try:
        yield
    except Exception as error:
        raise OSError(f"{file} cannot be read: {type(error).__name__}: {error}") from error


def is_parquet(path: Path) -> bool:
    """Return whether a file is one of Parquet, by its name or by its first bytes."""
    if path.suffix in _SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise FileNotFoundError(f"No file or folder {path} to read rows from.")
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if _is_data(file.relative_to(path)))
    if not files:
        raise ValueError(f"{path} must hold files *.parquet or *.pq, got none.")
    return files


def _is_data(file: Path) -> bool:
    is_hidden = any(name.startswith(_HIDDEN_PREFIXES) for name in file.parts)
    return file.suffix in _SUFFIXES and not is_hidden


def _numeric_columns(schema: Any, columns: Sequence[str] | None, file: Path) -> list[str]:
    if isinstance(columns, str):
        raise TypeError(
            f"columns must be a sequence of names, got {columns!r}: give [{columns!r}]."
        )
    index = _index_columns(schema)
    names = [name for name in schema.names if name not in index] if columns is None else columns
    names = list(names)
    if len(set(names)) < len(names) or any(schema.names.count(name) > 1 for name in names):
        raise ValueError(f"columns must have names of their own in {file}, got {names}.")
    absent = [name for name in names if name not in schema.names]
    if absent:
        raise ValueError(f"columns must be among {schema.names} of {file}, got {absent}.")
    others = [name for name in names if _numpy_type(schema.field(name).type) is None]
    if others or not names:
        kinds = ", ".join(f"{name!r} ({schema.field(name).type})" for name in others)
        raise ValueError(
            f"{file} must have columns of numbers, got {kinds or 'no column'}: choose others by "
            "open_rows(path, columns=[...])."
        )
    return names


def _index_columns(schema: Any) -> set[str]:
    """Return the columns that are the index of the frame that was written: row numbers or times.

    pandas.read_parquet makes an index of them, too.
    """
    try:
        found = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"]
        # A range is described by a dict, and has no column.
        return {each for each in found if isinstance(each, str)}
    # Another program may write anything there, or nothing.
    except (ValueError, TypeError, LookupError):
        return set()


def _numpy_type(arrow_type: Any) -> Any:
    """Return numpy's type of a column, None where it holds no numbers."""
    try:
        dtype = np.dtype(arrow_type.to_pandas_dtype())
    except (NotImplementedError, TypeError):
        return None
    return dtype if dtype.kind in "biuf" else None


def _selected(schema: Any, columns: Sequence[str]) -> Any:
    pyarrow = import_optional("pyarrow", "sources")
    return pyarrow.schema([schema.field(name) for name in columns])
