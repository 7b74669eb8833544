"""The one interface through which rows are read that need not fit into memory."""

import copy
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from os import PathLike, stat
from typing import Any, Self

import joblib
import numpy as np

# Two buffers of rows, one that is trained on and one that is filled meanwhile, and up to two
# copies of a part while it is decoded.
_BUFFERS = 4
# Blocks of a buffer: it mixes rows of so many places of the data. With the default memory a block
# has 4 MB, which a spinning disk reads in three times the time that it seeks.
_BLOCKS_PER_BUFFER = 32
DEFAULT_MEMORY = 2**29
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20}
_UNITS |= {"GIB": 2**30}
# Types that rows may have; others are converted to float64, as those of arrays are, or to these.
_DTYPES = np.float64, np.float32, np.uint8
_WIDER_DTYPES = {np.dtype(np.float16): np.dtype(np.float32)}
_FINGERPRINT_ROWS = 100
_MAX_AXES = 5


class RowSource(ABC):
    """Rows of an array, table or dataset that are read part by part.

    A child calls ``super().__init__`` and defines `read_part`. Estimators take its instances as X:
    that is how a kind of storage is added which skae does not know.

    Parameters
    ----------
    name : str
        What errors call it, such as the path of a file.
    edges : array-like of shape (n_parts + 1,)
        Rows at which parts begin, and the number of rows: ``edges[k]`` to ``edges[k + 1]`` are
        read together, since they are stored together.
    sample_shape : tuple of int
        Shape of one row: ``(n_features,)``, or that of an image.
    dtype : dtype
        Type of the numbers as they are stored.
    feature_names : sequence of str, default=None
        Names of the features.
    max_memory : int or str, default=536870912
        Bytes that rows may take at any time during `fit`, such as ``"2GB"``. A source that fits
        is read once, and trained on as an array.

    Attributes
    ----------
    shape : tuple (n_samples, n_features)
        Images are rows of their pixels.
    dtype : dtype
        float64, float32 or uint8; float16 is converted to float32, other types to float64.

    Examples
    --------
    >>> import numpy as np
    >>> from skae import Autoencoder
    >>> from skae.sources import RowSource

    >>> class Made(RowSource):
    ...     \"\"\"Rows that are computed when they are asked for.\"\"\"
    ...
    ...     def __init__(self, n_parts):
    ...         super().__init__("made rows", 50 * np.arange(n_parts + 1), (10,), np.float32)
    ...
    ...     def read_part(self, k):
    ...         return np.random.default_rng(k).standard_normal((50, 10), dtype=np.float32)

    >>> Autoencoder(max_iter=2).fit(Made(4)).n_samples_seen_
    200
    """

    def __init__(
        self,
        name: str,
        edges: Any,
        sample_shape: Sequence[int],
        dtype: Any,
        *,
        feature_names: Sequence[str] | None = None,
        max_memory: int | str = DEFAULT_MEMORY,
    ) -> None:
        self.name = name
        self.edges = _checked_edges(edges, name)
        self.sample_shape = tuple(map(int, sample_shape))
        self.stored_dtype = np.dtype(dtype)
        self.feature_names = None if feature_names is None else list(feature_names)
        self.max_memory = read_bytes(max_memory)
        if self.stored_dtype.kind not in "biuf":
            raise ValueError(f"{name} must hold numbers, got values of type {self.stored_dtype}.")
        if not self.edges[-1]:
            raise ValueError(f"{name} must hold rows, got none.")
        if not math.prod(self.sample_shape):
            raise ValueError(f"{name} must hold features, got rows of shape {self.sample_shape}.")
        wider = _WIDER_DTYPES.get(self.stored_dtype, np.dtype(np.float64))
        n_features = math.prod(self.sample_shape)
        if feature_names is not None and len(feature_names) != n_features:
            raise ValueError(
                f"feature_names must have a name for each of {n_features} features of {name}, got "
                f"{len(feature_names)}."
            )
        self.dtype = self.stored_dtype if self.stored_dtype in _DTYPES else wider
        self.shape = (int(self.edges[-1]), n_features)
        self.checks: list[Callable[[np.ndarray, str], None]] = []
        self._stamps: dict[Any, Any] = {}

    # -- what a child defines --------------------------------------------------------------

    @abstractmethod
    def read_part(self, k: int) -> Any:
        """Read a part.

        Parameters
        ----------
        k : int
            Number of the part.

        Returns
        -------
        rows : array-like of shape (n_rows, *sample_shape)
            As they are stored, in the type of all other parts.
        """

    def part_name(self, k: int) -> str:
        """Return what errors call a part.

        Parameters
        ----------
        k : int
            Number of the part.

        Returns
        -------
        name : str
            Such as "row group 3 of a.parquet"; by default its rows and the name of the source.
        """
        return f"rows {self.edges[k]} to {self.edges[k + 1] - 1} of {self.name}"

    def part_files(self, k: int) -> Sequence[str | PathLike[str]]:
        """List the files of a part: it is an error if they change during `fit`.

        Parameters
        ----------
        k : int
            Number of the part.

        Returns
        -------
        files : sequence of path
            Empty if there are none, or none that can be looked at.
        """
        return ()

    def example(self) -> Any:
        """Return something with the columns of the source, of which their names are read.

        Returns
        -------
        example : array or frame of shape (0, n_features)
            A frame of a library that scikit-learn knows where features have names.
        """
        return np.empty((0, self.shape[1]), self.dtype)

    # -- reading ---------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        # Otherwise numpy would ask for the rows one by one.
        raise TypeError(
            f"{self.name} is read by slices, as X of estimators that say so. Otherwise give an "
            "array: source[:n], or source.load()."
        )

    def read(self, k: int, out: np.ndarray | None = None) -> np.ndarray:
        """Read a part and check it.

        Parameters
        ----------
        k : int
            Number of the part.
        out : ndarray of shape (n_rows or more, n_features), default=None
            Memory in the type that is stored, into which the part may be read. It saves taking
            new memory for each part.

        Returns
        -------
        rows : ndarray of shape (n_rows, n_features)
            In the type of the attribute `dtype`; it may be part of ``out``.

        Raises
        ------
        OSError
            If it cannot be read, or its file has changed since `fit` began.
        ValueError
            If its shape, type or values are not those that are expected.
        """
        part = self.part_name(k)
        expected = (int(self.edges[k + 1] - self.edges[k]), *self.sample_shape)
        try:
            place = None if out is None else out[: expected[0]].reshape(expected)
            rows = np.asarray(self.read_part(k) if place is None else self._read_into(k, place))
        # Readers raise whatever their libraries do.
        except Exception as error:
            self._check_unchanged(k)
            name = self._unreadable_name(k)
            message = f"{name} cannot be read: {type(error).__name__}: {error}"
            raise OSError(message) from error
        self._check_unchanged(k)
        if rows.shape != expected or rows.dtype != self.stored_dtype:
            raise ValueError(
                f"{part} must have shape {expected} and type {self.stored_dtype}, as the rest, got "
                f"{rows.shape} and {rows.dtype}."
            )
        return self._as_features(rows, part)

    def _as_features(self, rows: np.ndarray, part: str) -> np.ndarray:
        """Return rows of features in the type of `dtype`, once they have been checked."""
        # Some libraries return what may not be written to, which torch does not take.
        rows = np.require(rows.reshape(len(rows), -1), self.dtype.type, ["C", "W"])
        for check in self.checks:
            check(rows, part)
        return rows

    def _read_into(self, k: int, out: np.ndarray) -> Any:
        """Read a part into an array of its shape and type, if that is how a library can read.

        Returns the rows: ``out``, or an array of their own.
        """
        return self.read_part(k)

    def scratch(self) -> np.ndarray:
        """Return memory into which any part can be read.

        Returns
        -------
        scratch : ndarray of shape (n_rows, n_features)
            As many rows as the largest part has, in the type that is stored.
        """
        return np.empty((int(np.diff(self.edges).max()), self.shape[1]), self.stored_dtype)

    def _unreadable_name(self, k: int) -> str:
        """Return what an error calls a part that cannot be read, or the smaller one within it."""
        return self.part_name(k)

    def _check_unchanged(self, k: int) -> None:
        files = self.part_files(k)
        # Of zarr, chunks without a file are zeros, as they are where one is lost.
        if self._stamps.setdefault(k, len(files)) != len(files):
            raise OSError(f"{self.name} has changed during the fit: {self.part_name(k)}.")
        for file in files:
            try:
                about = stat(file)
            except OSError as error:
                raise OSError(f"{self.part_name(k)} cannot be read: {error}") from error
            stamp = about.st_mtime_ns, about.st_size
            if self._stamps.setdefault(file, stamp) != stamp:
                raise OSError(f"{file} has changed during the fit: it holds {self.part_name(k)}.")

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return rows by a slice without a step, or by sorted indices."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = self._checked_indices(rows)
        found, scratch = np.empty((len(rows), self.shape[1]), self.dtype), self.scratch()
        # Where the rows of each part begin among those that are asked for.
        places = np.searchsorted(rows, self.edges)
        for k in np.flatnonzero(np.diff(places)):
            some = slice(places[k], places[k + 1])
            found[some] = self.read(int(k), scratch)[rows[some] - self.edges[k]]
        return found

    def _checked_indices(self, rows: Any) -> np.ndarray:
        # Tuples are how scikit-learn asks arrays for the rows of a fold.
        indices = np.asarray(() if isinstance(rows, tuple) else rows)
        is_sorted = (
            indices.ndim == 1 and indices.dtype.kind in "iu" and (np.diff(indices) >= 0).all()
        )
        if not is_sorted or (len(indices) and not 0 <= indices[0] <= indices[-1] < len(self)):
            raise IndexError(
                f"{self.name} is read by slices and by sorted indices from 0 to {len(self) - 1}: "
                "searches and other splits take source.load(), or an array of some of its rows."
            )
        return indices

    def load(self) -> np.ndarray:
        """Read all rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, *sample_shape)
            They have to fit into memory.
        """
        return self[:].reshape(-1, *self.sample_shape)

    def parts(self) -> Iterator[np.ndarray]:
        """Read one part after the other.

        Returns
        -------
        parts : iterator of ndarray of shape (n_rows, n_features)
            Each is read when it is asked for.
        """
        return map(self.read, range(len(self.edges) - 1))

    # -- memory ----------------------------------------------------------------------------

    @property
    def row_bytes(self) -> int:
        """Return the bytes of a row: as it is, or in single precision as it is trained on."""
        itemsize = self.dtype.itemsize if self.dtype == np.uint8 else max(self.dtype.itemsize, 4)
        return max(self.shape[1], 1) * itemsize

    @property
    def fits(self) -> bool:
        """Return whether all rows fit into ``max_memory``."""
        return self.shape[0] * self.row_bytes <= self.max_memory

    @property
    def buffer_rows(self) -> int:
        """Return the number of rows that one buffer holds."""
        return max(self.max_memory // (_BUFFERS * self.row_bytes), 1)

    def check_memory(self) -> None:
        """Check that each part fits into a buffer.

        Raises
        ------
        ValueError
            If one does not.
        """
        sizes = np.diff(self.edges)
        k = int(sizes.argmax())
        if sizes[k] > self.buffer_rows:
            needed = int(sizes[k]) * self.row_bytes
            raise ValueError(
                f"max_memory={self.max_memory} bytes is too little for {self.part_name(k)}: "
                f"{needed} bytes are read together, and {_BUFFERS} times as much is needed at a "
                f"time. Give open_rows(..., max_memory={_BUFFERS * needed}), or store the rows "
                "in smaller chunks, row groups or partitions."
            )

    def blocks(self) -> list[range]:
        """Group neighboring parts into blocks that are small beside a buffer, if the parts are.

        Returns
        -------
        blocks : list of range
            Numbers of the parts of each block.
        """
        limit = max(self.buffer_rows // _BLOCKS_PER_BUFFER, 1)
        groups, first = [], 0
        for k in range(1, len(self.edges) - 1):
            if self.edges[k + 1] - self.edges[first] > limit:
                groups.append(range(first, k))
                first = k
        return [*groups, range(first, len(self.edges) - 1)]

    # -- for a fit -------------------------------------------------------------------------

    def checked_by(self, check: Callable[[np.ndarray, str], None]) -> Self:
        """Return the same source, each part of which is checked whenever it is read.

        Parameters
        ----------
        check : callable
            Gets rows and the name of their part, and raises an error.

        Returns
        -------
        source : RowSource
            A copy.
        """
        checked = copy.copy(self)
        checked.checks = [*self.checks, check]
        checked._stamps = {}
        return checked

    def fingerprint(self) -> str:
        """Return a text that differs for other data, without reading all of them.

        Returns
        -------
        fingerprint : str
            A hash of the shape and of the first and last rows.
        """
        first, last = self.read(0), self.read(len(self.edges) - 2)
        some = first[:_FINGERPRINT_ROWS], last[-_FINGERPRINT_ROWS:]
        return str(joblib.hash((self.shape, str(self.dtype), some)))


def _checked_edges(edges: Any, name: str) -> np.ndarray:
    """Return the rows at which parts begin; an error unless they increase from zero."""
    found = np.asarray(edges)
    is_count = found.ndim == 1 and found.size > 0 and found.dtype.kind in "iu"
    if not is_count or found[0] != 0 or (np.diff(found.astype(np.int64)) < 0).any():
        raise ValueError(
            f"edges of {name} must be integers that begin with 0 and do not decrease, the rows at "
            f"which parts begin and the number of rows, got {edges!r}."
        )
    return found.astype(np.int64)


def read_bytes(amount: int | str) -> int:
    """Return bytes of a number or a text such as "500MB"."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(amount))
    unit = None if found is None else _UNITS.get(found[2].upper())
    if found is None or unit is None or not float(found[1]):
        raise ValueError(
            "max_memory must be a number of bytes, or a text such as '500MB' or '2GiB', got "
            f"{amount!r}."
        )
    return int(float(found[1]) * unit)


def checked_shape(shape: Sequence[int], name: str) -> tuple[int, ...]:
    """Return the shape of an array as integers, once it is known to be one of rows.

    Those of images and of sequences of images may have two or three axes more.
    """
    if not 2 <= len(shape) <= _MAX_AXES:
        raise ValueError(
            f"{name} must have shape (n_samples, n_features), that of images, (n_samples, height, "
            "width[, channels]), or of sequences of them, (n_samples, n_timesteps, ...), got "
            f"{tuple(shape)}."
        )
    return tuple(map(int, shape))


def part_edges(n_rows: int, part_rows: int) -> np.ndarray:
    """Return the edges of parts of equal size, of which the last may be shorter."""
    return np.append(np.arange(0, n_rows, part_rows), n_rows)


def block_bytes(max_memory: int | str) -> int:
    """Return the size of a block within a memory, if rows can be read in pieces of any size."""
    return read_bytes(max_memory) // (_BUFFERS * _BLOCKS_PER_BUFFER)
