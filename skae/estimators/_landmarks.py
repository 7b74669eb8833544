"""Rows whose places on a map are known: landmarks that are given, and training rows that are kept.

It knows no graph and no network.
"""

from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_array, gen_batches

from .._arrays import as_array, dense, naming_types
from .._engine.data import TrainingSet
from .._engine.stream import concatenated
from ._input import read_rows

# Rows are kept while they hold no more values than this: 16 MB in float32.
_KEPT_VALUES = 2**22
# Rows that are compared at a time, sparse ones as dense ones.
_CHUNK_ROWS = 1024
# Of what stands for a row: no two rows that differ will ever have the same.
_KEY_BYTES = 16
_FORMS = "a tuple (rows, codes), or a fitted map that has kept rows (replay_size > 0)"


class Landmarks(NamedTuple):
    """Rows and where they lie.

    Attributes
    ----------
    rows : {ndarray, csr_matrix} of shape (n_landmarks, n_features)
    places : ndarray of shape (n_landmarks, n_components)
    """

    rows: Any
    places: np.ndarray


def read_landmarks(given: Any, owner: Any) -> Landmarks:
    """Validate what `fit` got as landmarks.

    Parameters
    ----------
    given : tuple of array-like, or fitted estimator
    owner : estimator
        Its ``n_features_in_`` is known.
    """
    if hasattr(given, "transform"):
        given = _of_map(given)
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise ValueError(f"landmarks must be {_FORMS}, got {given!r}.")
    rows, _ = read_rows(owner, given[0], reset=False, any_width=True)
    if rows.shape[1] != owner.n_features_in_:
        raise ValueError(
            f"landmarks must be rows like those of X, of {owner.n_features_in_} features, got rows "
            f"of {rows.shape[1]}."
        )
    codes = as_array(given[1], "landmarks")
    with naming_types(codes, "landmarks"):
        places = check_array(codes, dtype=np.float64, input_name="landmarks")
    if len(places) != rows.shape[0]:
        raise ValueError(
            f"landmarks must have a code for each row: expected {rows.shape[0]}, got {len(places)}."
        )
    return Landmarks(rows, places)


def _of_map(fitted: Any) -> tuple[Any, Any]:
    """Return the rows that a fitted map has kept, and their codes."""
    kept = getattr(fitted, "replay_rows_", None)
    if kept is None or not len(kept):
        raise ValueError(f"landmarks must be {_FORMS}, got {fitted!r}, which has kept no rows.")
    return kept, fitted._encode(kept)  # its rows are plain, whatever it was fitted on


def check_size(landmarks: Landmarks, n_components: int) -> None:
    """Refuse codes of another size than those of the map."""
    width = landmarks.places.shape[1]
    if width != n_components:
        raise ValueError(
            f"landmarks must have codes of n_components={n_components} numbers, got codes of "
            f"{width}."
        )


def with_landmarks(training_set: TrainingSet, landmarks: Landmarks) -> TrainingSet:
    """Append to the labels of each row its place, NaN for a row that has none.

    Landmarks that are no rows of the training set join it, with labels of -1.
    """
    n_rows = training_set.X.shape[0]
    found = _positions(training_set.X, landmarks.rows)
    is_new = found < 0
    # Equal landmarks are one row.
    new = landmarks.rows[is_new]
    more = TrainingSet(new, labels=np.full((new.shape[0], training_set.labels.shape[1]), -1.0))
    joined = concatenated(training_set, more) if is_new.any() else training_set
    places = np.full((joined.X.shape[0], landmarks.places.shape[1]), np.nan)
    places[found[~is_new]] = landmarks.places[~is_new]
    places[n_rows:] = landmarks.places[is_new]
    return joined._replace(labels=np.column_stack([joined.labels, places]))


def _positions(rows: Any, wanted: Any) -> np.ndarray:
    """Return the position of each wanted row among others, -1 where it is not among them."""
    known = {key: position for position, key in enumerate(_keys(rows))}
    return np.array([known.get(key, -1) for key in _keys(wanted)], dtype=np.int64)


def _keys(rows: Any) -> list[bytes]:
    """Return what rows that are equal in single precision have in common."""
    keys: list[bytes] = []
    for some in gen_batches(rows.shape[0], _CHUNK_ROWS):
        # Adding zero turns minus zero into zero.
        chunk = np.asarray(dense(rows[some]), dtype=np.float32) + 0.0
        keys += [blake2b(row.tobytes(), digest_size=_KEY_BYTES).digest() for row in chunk]
    return keys


def sample_of(rows: Any, n_wanted: int, seed: int) -> np.ndarray:
    """Return at most ``n_wanted`` rows, drawn from a fixed seed, as a dense array."""
    n_rows, n_features = rows.shape
    n_kept = min(n_wanted, n_rows, _KEPT_VALUES // n_features)
    chosen = np.random.RandomState(seed).choice(n_rows, n_kept, replace=False)
    # Sorted: rows of a memmap are read in their order.
    return np.array(dense(rows[np.sort(chosen)]))


def updated_sample(kept: np.ndarray, n_before: int, rows: Any, n_wanted: int) -> np.ndarray:
    """Return a sample of all rows so far, given one of the rows before, and new rows.

    Parameters
    ----------
    kept : ndarray of shape (n_kept, n_features)
        Sample of the ``n_before`` rows before.
    n_before : int
        It is the seed as well: each batch draws other numbers, and always the same.
    rows : {ndarray, csr_matrix} of shape (n_samples, n_features)
        New rows.
    n_wanted : int
    """
    n_new = rows.shape[0]
    n_all = min(n_wanted, n_before + n_new, _KEPT_VALUES // rows.shape[1])
    if not n_all:
        return kept[:0]
    n_of_new = np.random.RandomState(n_before).hypergeometric(n_new, n_before, n_all)
    # A sample of few rows cannot grow by others of them.
    n_of_kept = min(n_all - n_of_new, len(kept))
    samples = sample_of(kept, n_of_kept, n_before), sample_of(rows, n_of_new, n_before)
    return np.concatenate(samples)
