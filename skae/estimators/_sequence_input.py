"""Validation of sequences: arrays, padded arrays and lists become frames with known ends."""

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from .._arrays import as_array, dense
from ..series._ragged import (
    find_lengths,
    groups_by_length,
    is_within,
    names_of_frames,
    pad_sequences,
)
from ._input import read_rows
from ._readings import warn_of_frame_layout, warn_of_table
from ._sources import in_memory


class Sequences(NamedTuple):
    """Sequences that have been validated.

    Attributes
    ----------
    values : ndarray of shape (n_samples, n_timesteps, frame size)
        Padded with NaN behind the end of shorter sequences.
    lengths : ndarray of shape (n_samples,), or None
        Number of frames of each sequence; None if all have ``n_timesteps``.
    frame_shape : tuple of int
    is_flat : bool
        Whether a sequence was a vector.
    """

    values: np.ndarray
    lengths: np.ndarray | None
    frame_shape: tuple[int, ...]
    is_flat: bool

    def map(self, compute: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return a row for each sequence, computed of those of one length at a time.

        Parameters
        ----------
        compute : callable
            Maps sequences without padding, of shape (n_samples, n_timesteps, frame size).
        """
        if self.lengths is None:
            return compute(self.values)
        order, parts = [], []
        for length, rows in groups_by_length(self.lengths):
            order.append(rows)
            parts.append(compute(self.values[rows, :length]))
        # Results came group by group: back in the order of the sequences.
        inverse = np.argsort(np.concatenate(order))
        return np.concatenate(parts)[inverse]

    def without_last(self, n_frames: int = 1) -> "Sequences":
        """Return what comes before the last frames of each sequence."""
        lengths = None if self.lengths is None else self.lengths - n_frames
        return self._replace(values=self.values[:, :-n_frames], lengths=lengths)

    def last(self, n_frames: int = 1) -> np.ndarray:
        """Return the last frames, (n_samples, n_frames * frame size)."""
        return self.map(lambda values: values[:, -n_frames:].reshape(len(values), -1))


def read_sequences(
    estimator: Any,
    X: Any,
    frame_shape: Any,
    *,
    reset: bool,
    any_width: bool,
    allow_missing: bool = False,
    min_rows: int = 1,
    min_timesteps: int = 1,
) -> Sequences:
    """Validate X as sequences of frames.

    Parameters
    ----------
    estimator : estimator
        As for `read_rows`.
    X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list of sequences
        If flat, of shape (n_samples, n_timesteps * frame size). Sequences of unequal length are
        given one by one, or padded with frames of NaN behind their ends.
    frame_shape : tuple of int, or None
        None takes it from X: each feature of a flat X is a frame, of one number.
    reset : bool
        As for `read_rows`.
    any_width : bool
        Whether a flat X may be narrower or wider than in ``fit``; others always may.
    allow_missing : bool, default=False
        Whether NaN passes within sequences, as a missing value.
    min_rows, min_timesteps : int, default=1
        The latter of each sequence.

    Returns
    -------
    sequences : Sequences
    """
    _check_names(estimator, names_of_frames(X), reset)
    X, lengths = pad_sequences(in_memory(X, type(estimator).__name__))
    X = as_array(X)
    shape: tuple[int, ...] = getattr(X, "shape", ())
    is_flat = len(shape) <= 2
    is_series = reset and frame_shape is None and shape and math.prod(shape[1:]) == 1
    if is_series:
        X = np.reshape(X, (-1, 1))
    elif not is_flat:
        X = X.reshape(shape[0], math.prod(shape[1:]))
    # A list is padded to the longest sequence of this call, and has another width than in `fit`.
    any_width = not reset and (any_width or not is_flat or lengths is not None)
    # NaN may be padding: it is judged when the lengths are known.
    rows, _ = read_rows(
        estimator,
        X,
        reset=reset,
        min_rows=min_rows,
        check_finite="allow-nan",
        any_width=any_width,
    )
    if is_series:
        # Only now: text or too few values have errors of their own, which come first.
        _refuse_series(shape)
    rows = dense(rows)
    if reset and frame_shape is None:
        warn_of_table(X, rows) if is_flat else warn_of_frame_layout(shape[2:])
    frame_shape = _read_frame_shape(frame_shape, None if is_flat else shape[2:])
    n_values = math.prod(frame_shape)
    _check_width(rows.shape[1], n_values, min_timesteps)
    # (n_samples, n_timesteps, frame size): images within sequences are flat from here on.
    values = rows.reshape(len(rows), -1, n_values)
    if lengths is None:
        lengths = find_lengths(values)
    elif is_flat:
        lengths = _count_frames(lengths, n_values)
    if lengths is not None:
        _check_lengths(lengths, min_timesteps)
        if not allow_missing:
            _refuse_missing(estimator, values, lengths)
        # Sequences of one length need no groups: one pass computes all of them.
        lengths = None if (lengths == values.shape[1]).all() else lengths
    return Sequences(values, lengths, frame_shape, is_flat)


def _check_names(estimator: Any, names: list[str] | None, reset: bool) -> None:
    """Keep the names of the columns of frames, or compare them with those of `fit`."""
    # Not `feature_names_in_`, which are those of all values of a sequence.
    known = None if reset else vars(estimator).get("_frame_names")
    if reset:
        vars(estimator).pop("_frame_names", None)
    if names is None:
        return
    if known is not None and names != known:
        raise ValueError(
            f"Sequences in X must have the columns of fit in the same order, {known}, got {names}."
        )
    if reset:
        estimator._frame_names = names


def _check_width(n_features: int, n_values: int, min_timesteps: int) -> None:
    # Of a flat X only the width is known: it must hold whole frames.
    if n_features % n_values or n_features < min_timesteps * n_values:
        raise ValueError(
            f"X must hold sequences of at least {min_timesteps} frames of {n_values} values each, "
            f"got n_features={n_features} values in all."
        )


def _count_frames(n_features: np.ndarray, n_values: int) -> np.ndarray:
    """Return the lengths of flat sequences in frames, given those in values."""
    is_odd = n_features % n_values != 0
    if is_odd.any():
        first = int(is_odd.argmax())
        raise ValueError(
            f"X must hold sequences of frames of {n_values} values each, got {n_features[first]} "
            f"values in X[{first}]."
        )
    counts: np.ndarray = n_features // n_values
    return counts


def _check_lengths(lengths: np.ndarray, min_timesteps: int) -> None:
    shortest = int(lengths.argmin())
    if lengths[shortest] < min_timesteps:
        raise ValueError(
            f"X must hold sequences of at least {min_timesteps} frames each, got "
            f"{lengths[shortest]} in X[{shortest}]: leave such sequences out. Frames of only NaN "
            "at the end of a sequence are padding and do not count."
        )


def _refuse_missing(estimator: Any, values: np.ndarray, lengths: np.ndarray) -> None:
    is_missing = np.isnan(values).any(axis=2) & is_within(lengths, values.shape[1])
    if not is_missing.any():
        return
    sample, step = (int(each) for each in np.argwhere(is_missing)[0])
    raise ValueError(
        f"Input X contains NaN within sequences, first at time step {step} of X[{sample}]. Frames "
        "of only NaN at the end of a sequence are padding; others are missing values: use "
        f"{type(estimator).__name__}(missing_values='mask'), or fill them, for instance by "
        "interpolation."
    )


def _refuse_series(shape: tuple[int, ...]) -> None:
    """Refuse a single series of numbers, and say how to cut it into windows."""
    series = "X" if len(shape) == 1 else "np.ravel(X)"
    raise ValueError(
        f"X must hold many sequences of at least 2 frames, got one series of {shape[0]} values, in "
        f"shape {tuple(shape)}: n_features=1. Cut it into windows, for instance of 20 values: "
        f"np.lib.stride_tricks.sliding_window_view({series}, 20). How one series continues is "
        "what SeriesForecaster predicts, and SeriesOutlierDetector finds its outliers."
    )


def _read_frame_shape(given: Any, found: Any) -> tuple[int, ...]:
    """Combine the parameter and the dimensions of X into the shape of a frame."""
    sides = (found or ()) if given is None else tuple(given)
    if len(sides) > 3 or not all(isinstance(side, Integral) and int(side) > 0 for side in sides):
        raise ValueError(
            "frame_shape must be (n_features,), (height, width) or (height, width, channels) of "
            f"positive integers, got {sides!r}."
        )
    if found is not None and found != sides:
        raise ValueError(f"X holds frames of shape {found}, expected frame_shape={sides}.")
    return tuple(map(int, sides))
