"""Batches that an iterable gives, such as a DataLoader: they are trained on as they come."""

import copy
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from numbers import Integral
from typing import Any, Self

import numpy as np

from .._arrays import as_array
from ._base import RowSource
from ._batch_entries import as_rows, check_names, first_entry, names_of


class BatchSource(RowSource):
    """An iterable of batches, or a function that returns an iterator of them.

    The rows that can be read by slices are those of its first batches.

    Parameters
    ----------
    batches : iterable or callable
    steps_per_epoch : int
    validation : array-like or int or None
    """

    def __init__(self, batches: Any, steps_per_epoch: int, validation: Any = None) -> None:
        self.batches, self.steps_per_epoch = batches, int(steps_per_epoch)
        self.validation = validation
        name = getattr(batches, "__name__", type(batches).__name__)
        with closing(self._numbered(name)) as numbered:
            entry: Any = next(
                (first_entry(batch, f"batch 0 of {name}") for _, batch in numbered), None
            )
        first = None if entry is None else as_rows(entry)
        if first is None or first.dtype.kind not in "biuf" or not 2 <= first.ndim <= 4:
            got = "none" if first is None else f"shape {first.shape} and type {first.dtype}"
            if first is not None and not first.shape:
                # Such as a dict, or a sparse matrix, which numpy takes for a single object.
                got = f"class {type(entry).__name__}"
            raise ValueError(
                "batches must hold numbers of shape (n_samples, n_features) or, for images, "
                "(n_samples, height, width[, channels]), or tuples that begin with such an array "
                f"or tensor, got a first batch of {got} from {name}."
            )
        super().__init__(
            name, [0, len(first)], first.shape[1:], first.dtype, feature_names=names_of(entry)
        )
        # Names that scikit-learn refuses, such as numbers beside strings, are among its columns.
        self.columns = entry[:0] if hasattr(entry, "columns") else super().example()
        # A copy, here and below: iterables may give every batch in the same memory.
        self.first = [self._checked(0, entry).copy()]
        self.n_drawn = 0

    # -- drawing ---------------------------------------------------------------------------

    def _numbered(self, name: str) -> Generator[tuple[int, Any]]:
        """Start the iterable, and yield each batch with its number."""
        made = self.batches if isinstance(self.batches, Iterable) else self.batches()
        batches, k = iter(made), 0
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            # Code of users may raise anything.
            except Exception as error:
                message = f"batch {k} of {name} cannot be drawn: {type(error).__name__}: {error}"
                raise OSError(message) from error
            yield k, batch
            k += 1

    def _checked(self, k: int, batch: Any) -> np.ndarray:
        """Return a batch as rows of features, once it has been compared with the first one."""
        part = self.part_name(k)
        entry = first_entry(batch, part)
        check_names(names_of(entry), self.feature_names, part)
        rows = as_rows(entry)
        is_alike = rows.shape[1:] == self.sample_shape and rows.dtype == self.stored_dtype
        if not is_alike or not len(rows):
            expected = ", ".join(map(str, ("n_samples", *self.sample_shape)))
            raise ValueError(
                f"{part} must have shape ({expected}) and type {self.stored_dtype}, as the first, "
                f"got {rows.shape} and {rows.dtype}."
            )
        return self._as_features(rows, part)

    def started(self) -> Generator[np.ndarray]:
        """Start the iterable, and yield its batches as rows of features.

        Yields
        ------
        rows : ndarray of shape (n_rows, n_features)
        """
        for k, batch in self._numbered(self.name):
            yield self._checked(k, batch)

    def endless(self) -> Iterator[np.ndarray]:
        """Yield batches to train on; the iterable is started again whenever it has ended.

        Yields
        ------
        rows : ndarray of shape (n_rows, n_features)
        """
        while True:
            k = -1
            for k, rows in enumerate(self.started()):
                if k < self.n_held_out:
                    self._compare(k, rows)
                    continue
                self.n_drawn += len(rows)
                yield rows
            if k < self.n_held_out:
                raise ValueError(
                    f"{self.name} must give more than {self.n_held_out} batch(es) each time it is "
                    f"started, got {k + 1}: give a function that returns a new iterator."
                )

    def _compare(self, k: int, rows: np.ndarray) -> None:
        if not np.array_equal(rows, self.first[k], equal_nan=rows.dtype.kind == "f"):
            raise ValueError(
                f"{self.part_name(k)} is held out, and must be the same each time the iterable is "
                "started: give open_batches(..., validation=X_valid), rows that it does not hold, "
                "where it shuffles."
            )

    # -- for a fit -------------------------------------------------------------------------

    @property
    def n_held_out(self) -> int:
        """Return how many batches at the beginning are held out."""
        return int(self.validation) if isinstance(self.validation, Integral) else 0

    @property
    def batch_rows(self) -> int:
        """Return the number of rows of a batch, the mean of the first ones."""
        return max(round(self.shape[0] / len(self.first)), 1)

    def begun(self, n_wanted: int) -> Self:
        """Return the same source with its first batches, from which training can start.

        Parameters
        ----------
        n_wanted : int
            Rows of these batches, if an epoch has as many.

        Returns
        -------
        source : BatchSource
            A copy.
        """
        source = copy.copy(self)
        source.first, n_rows, source.n_drawn = [], 0, 0
        with closing(source.started()) as batches:
            for _, rows in zip(
                range(self.n_held_out + self.steps_per_epoch), batches, strict=False
            ):
                source.first.append(rows.copy())
                n_rows += len(rows)
                if n_rows >= n_wanted and len(source.first) > self.n_held_out:
                    break
        if len(source.first) <= self.n_held_out:
            raise ValueError(
                f"{self.name} must give more batches than validation={self.validation}, got "
                f"{len(source.first)}. If it gives batches once only, give a function that "
                "returns a new iterator."
            )
        source.edges = np.cumsum([0, *map(len, source.first)])
        source.shape = (n_rows, self.shape[1])
        return source

    def held_out(self) -> np.ndarray:
        """Return the rows to validate on.

        Returns
        -------
        rows : ndarray of shape (n_rows, n_features)
        """
        if self.n_held_out:
            return np.concatenate(self.first[: self.n_held_out])
        return self._as_features(self.validation, "validation")

    # -- as a source -----------------------------------------------------------------------

    def read(self, k: int, out: np.ndarray | None = None) -> np.ndarray:
        return self._as_features(self.first[k], self.part_name(k))

    def read_part(self, k: int) -> Any:
        return self.first[k]

    def example(self) -> Any:
        return self.columns

    def part_name(self, k: int) -> str:
        return f"batch {k} of {self.name}"

    @property
    def fits(self) -> bool:
        """Return False: there is no end of batches."""
        return False

    def load(self) -> np.ndarray:
        """Refuse what would need all rows."""
        raise self._refusal()

    def parts(self) -> Iterator[np.ndarray]:
        """Refuse what would need all rows."""
        raise self._refusal()

    def _checked_indices(self, rows: Any) -> np.ndarray:
        try:
            return super()._checked_indices(rows)
        # As searches and other splits ask for rows: there is no `load` to advise here.
        except IndexError:
            raise self._refusal() from None

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise self._refusal()

    def _refusal(self) -> TypeError:
        return TypeError(
            f"{self.name} gives batches to fit: give other methods and functions a batch at a time."
        )


def open_batches(batches: Any, steps_per_epoch: int, *, validation: Any = None) -> BatchSource:
    """Open an iterable of batches, to be given to `fit` in place of X.

    Batches are trained on as they come, one a step; to shuffle them and to read ahead is up to the
    iterable. Center, scale and the start at PCA come from its first batches, up to 20,000 rows.

    Parameters
    ----------
    batches : iterable or callable
        A DataLoader of torch, a list, or anything else of which iteration can start again; or a
        function without arguments that returns a new iterator. Each batch is an array, a tensor
        or a frame of shape (n_samples, n_features) or of images, or a tuple or list that begins
        with one and has no other of its shape. Batches may have different numbers of rows.
        Columns of frames have the same names in the same order in all of them.
    steps_per_epoch : int
        Batches of an epoch. The next epoch continues where this one ended; where the batches end,
        the iterable is started again.
    validation : int or array-like of shape (n_samples, n_features), default=None
        Rows to compare epochs by; another source is read as a whole. If an int, so many batches
        at the beginning are held out: they must be the same whenever the iterable is started. If
        None, `fit` needs ``early_stopping=False``.

    Returns
    -------
    source : BatchSource
        To be given to `fit`. Other methods take batches themselves.

    Raises
    ------
    TypeError
        If ``batches`` can be iterated over only once.
    ValueError
        If its first batch holds no numbers, or ``validation`` does not fit to it.

    Examples
    --------
    >>> import torch
    >>> from skae import Autoencoder
    >>> from skae.sources import open_batches
    >>> X = torch.randn(1000, 20)
    >>> loader = torch.utils.data.DataLoader(X[200:], batch_size=100, shuffle=True)
    >>> source = open_batches(loader, steps_per_epoch=8, validation=X[:200])
    >>> Autoencoder(max_iter=2).fit(source).n_samples_seen_
    1600
    """
    is_count = isinstance(steps_per_epoch, Integral) and not isinstance(steps_per_epoch, bool)
    if not is_count or steps_per_epoch < 1:
        raise ValueError(
            f"steps_per_epoch must be a number of batches, 1 or more, got {steps_per_epoch!r}."
        )
    _check_restarts(batches)
    source = BatchSource(batches, steps_per_epoch, validation)
    if not isinstance(validation, Integral) and validation is not None:
        source.validation = _validation_rows(validation, source)
    elif validation is not None and (isinstance(validation, bool) or validation < 1):
        raise ValueError(
            f"validation must be rows or a number of batches, 1 or more, got {validation!r}."
        )
    return source


def _check_restarts(batches: Any) -> None:
    """Raise a TypeError unless iteration can start again."""
    # Not by the attribute, which a class has as well.
    if not isinstance(batches, Iterable):
        if not callable(batches):
            raise TypeError(
                "batches must be an iterable, such as a DataLoader, or a function that returns an "
                f"iterator, got {type(batches).__name__}."
            )
        made = batches()
        if not isinstance(made, Iterable):
            raise TypeError(
                "batches must return an iterator where it is a function, got one that returns "
                f"{type(made).__name__}."
            )
        is_once = iter(made) is made and batches() is made
    else:
        # Others are not started for this: a DataLoader would start its workers.
        is_once = isinstance(batches, Iterator)
    if is_once:
        raise TypeError(
            "batches must be an iterable of which iteration can start again, got one that gives "
            "its batches once: give a function that returns a new iterator, such as "
            "open_batches(lambda: read_batches(path), ...), or each batch to partial_fit."
        )


def _validation_rows(validation: Any, source: BatchSource) -> np.ndarray:
    # Here: it knows of this file.
    from ._open import find_source

    other = None if isinstance(validation, np.ndarray) else find_source(validation)
    names = names_of(validation) if other is None else other.feature_names
    check_names(names, source.feature_names, "validation")
    rows = np.asarray(as_array(validation, "validation") if other is None else other.load())
    # Floats of another precision are converted; bytes and floats have different units.
    is_alike = rows.dtype.kind in "biuf" and (rows.dtype == np.uint8) == (source.dtype == np.uint8)
    if rows.shape[1:] != source.sample_shape or not is_alike or not len(rows):
        expected = ", ".join(map(str, ("n_samples", *source.sample_shape)))
        raise ValueError(
            f"validation must have shape ({expected}) and type {source.stored_dtype}, as batches "
            f"have, got {rows.shape} and {rows.dtype}."
        )
    return source._as_features(rows, "validation")
