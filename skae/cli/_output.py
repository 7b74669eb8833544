"""Results as files, of a kind that their name says."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np

from .._files import target, write_atomically
from .._utils import import_optional

Columns = dict[str, np.ndarray]


def check_target(path: Path | None, *, allowed: tuple[str, ...] | None = None) -> None:
    """Raise an error before the work where a result could not be written after it."""
    if path is None:
        return
    target(path)
    if allowed is not None and path.suffix.lower() not in allowed:
        raise ValueError(f"--out must end in one of {', '.join(allowed)}, got {path.name}.")


def write(path: Path, columns: Columns) -> None:
    """Write columns of one length; arrays of numpy hold only those of numbers."""
    write_atomically(path, WRITERS[path.suffix.lower()](columns))


def _csv(columns: Columns) -> bytes:
    text: str = import_optional("pandas", "cli").DataFrame(columns).to_csv(index=False)
    return text.encode()


def _parquet(columns: Columns) -> bytes:
    file = BytesIO()
    import_optional("polars", "cli").DataFrame(columns).write_parquet(file)
    return file.getvalue()


def _npy(columns: Columns) -> bytes:
    file = BytesIO()
    # One array has one type: names of rows and labels are left to the other formats.
    numbers = [values for values in columns.values() if values.dtype.kind in "fiu"]
    np.save(file, np.column_stack(numbers), allow_pickle=False)
    return file.getvalue()


def _npz(columns: Columns) -> bytes:
    file = BytesIO()
    # Fixed-width text, which needs no pickle, in place of objects.
    plain = {k: v.astype(str) if v.dtype.kind == "O" else v for k, v in columns.items()}
    np.savez(file, allow_pickle=False, **plain)
    return file.getvalue()


WRITERS: dict[str, Callable[[Columns], bytes]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".npy": _npy,
    ".npz": _npz,
}
TABLES = (".csv", ".parquet")
