"""Sequences of unequal length as one array, padded with NaN behind their ends."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from .._arrays import as_array, naming_types


def pad_sequences(X: Any) -> tuple[Any, np.ndarray | None]:
    """Return sequences that are given one by one as an array padded with NaN, and their lengths.

    Parameters
    ----------
    X : list of arrays or frames, array of objects, awkward array or nested tensor
        Each has shape (n_timesteps, *frame_shape). Anything else is returned as it is.

    Returns
    -------
    X : ndarray of shape (n_samples, n_timesteps, *frame_shape), or X itself
    lengths : ndarray of shape (n_samples,), or None
        None if X is an array already: its ends are where `find_lengths` finds them.
    """
    parts = _separate(X)
    if parts is None:
        return X, None
    sequences = [_as_sequence(part, i) for i, part in enumerate(parts)]
    _check_frames(sequences)
    lengths = np.array([len(each) for each in sequences])
    dtype = np.result_type(*sequences)
    if (lengths == lengths[0]).all():
        return np.stack(sequences), lengths
    # Bytes have no NaN; other types are converted to float64 wherever arrays are read.
    is_short = dtype in (np.uint8, np.float16, np.float32)
    shape = (len(sequences), lengths.max(), *sequences[0].shape[1:])
    padded = np.full(shape, np.nan, np.float32 if is_short else np.float64)
    for row, each in zip(padded, sequences, strict=True):
        row[: len(each)] = each
    return padded, lengths


def _separate(X: Any) -> list[Any] | None:
    """Return the sequences that X is made of; None for arrays and what reads as one."""
    if isinstance(X, torch.Tensor):
        return list(X.unbind()) if X.is_nested else None
    if type(X).__module__.partition(".")[0] == "awkward":
        return list(X)
    is_list = isinstance(X, (list, tuple))
    if not is_list and (getattr(X, "dtype", None) != np.dtype(object) or X.ndim != 1):
        return None
    parts = list(X)
    if not parts or not all(_holds_frames(part) for part in parts):
        return None
    # Nested lists of numbers that are equally long are one array.
    is_array = is_list and not any(hasattr(part, "shape") for part in parts)
    return None if is_array and len({len(part) for part in parts}) == 1 else parts


def names_of_frames(X: Any) -> list[str] | None:
    """Return the names of the columns of sequences that are frames; None if they have none.

    Raises
    ------
    ValueError
        If two sequences have other names, or another order of them.
    """
    names: list[str] | None = None
    for i, part in enumerate(X if isinstance(X, (list, tuple)) else ()):
        of_part = list(getattr(part, "columns", ()))
        # As everywhere in scikit-learn, only strings are names.
        if not of_part or not all(isinstance(name, str) for name in of_part):
            continue
        if names is not None and of_part != names:
            raise ValueError(
                f"All sequences in X must have the same columns in the same order, got {of_part} "
                f"in X[{i}] after {names}."
            )
        names = of_part
    return names


def _holds_frames(part: Any) -> bool:
    return len(part.shape) > 0 if hasattr(part, "shape") else isinstance(part, (list, tuple))


def _as_sequence(part: Any, number: int) -> np.ndarray:
    name = f"X[{number}]"
    part = as_array(part, name)
    with naming_types(part, name):
        sequence = np.asarray(part)
        if sequence.dtype.kind not in "biuf":
            sequence = sequence.astype(np.float64)
    if not len(sequence):
        raise ValueError(f"Each sequence in X must hold a frame, got none in {name}.")
    return sequence


def _check_frames(sequences: list[np.ndarray]) -> None:
    for i, each in enumerate(sequences):
        if each.shape[1:] != sequences[0].shape[1:]:
            raise ValueError(
                f"All sequences in X must have frames of one shape, got {each.shape[1:]} in X[{i}] "
                f"and {sequences[0].shape[1:]} in X[0]: only their numbers of time steps, the "
                "first axis, may differ."
            )


def find_lengths(values: np.ndarray) -> np.ndarray | None:
    """Return how many frames the sequences of a padded array have.

    Frames of only NaN behind all others are padding; before others they are missing.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_timesteps, n_features)

    Returns
    -------
    lengths : ndarray of shape (n_samples,), or None
        None if no value is NaN.
    """
    if values.dtype.kind != "f" or not values.size or not np.isnan(values.min()):
        return None
    is_observed = ~np.isnan(values).all(axis=2)
    n_timesteps = values.shape[1]
    # argmax finds the first: from the end backward, that is the last observed frame.
    lengths = n_timesteps - is_observed[:, ::-1].argmax(axis=1)
    # Of no observed frame argmax is zero, which would be the whole length.
    return np.where(is_observed.any(axis=1), lengths, 0)


def is_within(lengths: np.ndarray, n_timesteps: int) -> np.ndarray:
    """Return which frames of an array (n_samples, n_timesteps) belong to its sequences."""
    belongs: np.ndarray = np.arange(n_timesteps) < lengths[:, None]
    return belongs


def groups_by_length(lengths: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each length with the indices of the sequences that have it.

    Sequences of one length make an array without padding: what is computed of them cannot depend
    on those beside them.
    """
    for length in np.unique(lengths):
        yield int(length), np.flatnonzero(lengths == length)
