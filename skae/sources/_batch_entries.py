"""One batch of an iterable: its rows, without what comes with them, and names of its columns."""

from itertools import zip_longest
from typing import Any

import numpy as np

from .._arrays import as_array, check_columns

_ADVICE = (
    "Each batch must be an array, a tensor or a frame of shape (n_samples, n_features) or of "
    "images (n_samples, height, width[, channels]), or a tuple or list that begins with one"
)


def first_entry(batch: Any, part: str) -> Any:
    """Return what holds the rows of a batch: the batch, or the first entry of a tuple or list.

    Parameters
    ----------
    batch : object
    part : str
        What errors call the batch.

    Raises
    ------
    ValueError
        If a list may be one of samples as well.
    """
    if not isinstance(batch, (tuple, list)):
        return batch
    kind = type(batch).__name__
    if not batch or not hasattr(batch[0], "shape"):
        got = f"that begins with {type(batch[0]).__name__}" if batch else "without entries"
        raise ValueError(f"{_ADVICE}; {part} is a {kind} {got}.")
    shape = tuple(batch[0].shape)
    # A row and its label, or two arrays of as many rows, have different shapes.
    if len(batch) > 1 and all(np.shape(entry) == shape for entry in batch):
        raise ValueError(
            f"{_ADVICE}; {part} is a {kind} of {len(batch)} arrays of shape {shape}. If each is a "
            "sample, give numpy.stack(batch); if the first holds all rows, give batch[0]."
        )
    return batch[0]


def as_rows(entry: Any) -> np.ndarray:
    """Return the first entry of a batch as an array.

    Parameters
    ----------
    entry : object
    """
    check_columns(entry, "batches")
    return np.asarray(as_array(entry, "batches"))


def names_of(entry: Any) -> list[str] | None:
    """Return the names of a frame's columns; None where they are not all strings, or for arrays.

    Parameters
    ----------
    entry : object
    """
    names = list(getattr(entry, "columns", ()))
    # As everywhere in scikit-learn, only strings are names.
    return names if names and all(isinstance(name, str) for name in names) else None


def check_names(names: list[str] | None, expected: list[str] | None, part: str) -> None:
    """Raise a ValueError unless names of columns are those of the first batch, in their order.

    Parameters
    ----------
    names, expected : list of str or None
    part : str
        What errors call the rows.
    """
    if names == expected:
        return
    if names is None or expected is None:
        wanted, got = ("names", "none") if names is None else ("no names", repr(names[0]))
        raise ValueError(f"{part} must have {wanted} of columns, as the first batch, got {got}.")
    pairs = zip_longest(names, expected)
    k, (got, wanted) = next((k, pair) for k, pair in enumerate(pairs) if pair[0] != pair[1])
    raise ValueError(
        f"{part} must have the columns of the first batch in their order, {wanted!r} as column "
        f"{k}, got {got!r}."
    )
