"""Distances from rows to the nearest of some references, fast for a single row as well."""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from .._arrays import chunks

# Scaled references and their squares, by the object that was fitted to them: for one row they take
# longer than all else. Threads that compute them at once find the same.
_KEPT: WeakKeyDictionary[Any, tuple[np.ndarray, np.ndarray]] = WeakKeyDictionary()


def kept_references(
    fitted: Any, compute: Callable[[], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return references and the square of each, computed once while an object lives.

    They are no attributes of an estimator: methods that predict must leave it as it is.

    Parameters
    ----------
    fitted : object
        Stands for the references; another fit makes another one.
    compute : callable
        Returns the references, an ndarray of shape (n_references, n_features).
    """
    kept = _KEPT.get(fitted)
    if kept is None:
        references = compute()
        kept = _KEPT[fitted] = references, np.square(references).sum(axis=1)
    return kept


def mean_squared_distances(
    rows: np.ndarray,
    references: np.ndarray,
    squares: np.ndarray,
    n_neighbors: int,
    weights: np.ndarray | None,
) -> np.ndarray:
    """Return the mean of the squared differences between rows and their nearest references.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
    references : ndarray of shape (n_references, n_features)
    squares : ndarray of shape (n_references,)
        Sums of squares of the references.
    n_neighbors : int
    weights : ndarray of shape (n_references,) or None
        What each reference counts in the mean. If None, all count the same.

    Returns
    -------
    means : ndarray of shape (n_samples,)
        Over features and neighbors.
    """
    # Squared distances, but for the row's own square, which is the same for all references.
    distances = squares - 2 * (rows @ references.T)
    nearest = np.argpartition(distances, n_neighbors - 1, axis=1)[:, :n_neighbors]
    means = np.empty(len(rows))
    for some in chunks(len(rows), n_neighbors * rows.shape[1]):
        places = nearest[some]
        # Computed anew: the result of a row does not depend on others, to the last digit.
        distances = np.square(rows[some, None] - references[places]).mean(axis=2)
        of_places = None if weights is None else weights[places]
        means[some] = np.average(distances, axis=1, weights=of_places)
    return means
