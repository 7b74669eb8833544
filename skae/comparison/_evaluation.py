"""Fit one reducer, score it on held-out rows, and survive its failure."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from threadpoolctl import ThreadpoolController

from .._arrays import dense
from .._engine.environment import UnchangedThreads
from ..metrics import (
    continuity,
    explained_variance,
    knn_accuracy,
    reconstruction_error,
    trustworthiness,
)
from ._data import N_NEIGHBORS, Split, numbers
from ._reducers import pipeline_steps

T = TypeVar("T")

_MAX_ROWS = 2000  # for the neighbor scores, whose time and memory grow with the square of that

# Their inverse searches for each row: seconds for a handful, and it fails above a few
# dimensions. That of skae's own ParametricUMAP is a network.
_SLOW_INVERSES = {"UMAP", "ParametricUMAP"}


@dataclass
class Evaluation:
    """The scores of a reducer on one split, and its error if it failed."""

    scores: dict[str, float] = field(default_factory=dict)
    codes: np.ndarray | None = None
    reconstruction: np.ndarray | None = None
    error: Exception | None = None
    estimator: Any = None  # fitted


def evaluate(reducer: Any, split: Split) -> Evaluation:
    """Fit a reducer on the training rows and score it on the held-out ones."""
    evaluation = Evaluation(estimator=reducer)
    try:
        with unchanged_threads():
            _measure(reducer, split, evaluation)
    # Reducers are anybody's code: whatever one raises, the others are still compared.
    except Exception as error:  # noqa: BLE001
        evaluation.error = error
    return evaluation


@contextmanager
def unchanged_threads() -> Iterator[None]:
    """Give every library its number of threads back at the end.

    Numba's OpenMP layer, which UMAP starts, sets that of torch to the number of cores: reducers
    that come later would be timed with other threads than those that came first.
    """
    with ThreadpoolController().limit(limits=None), UnchangedThreads():
        yield


def _measure(reducer: Any, split: Split, evaluation: Evaluation) -> None:
    """Measure one thing after the other, so that what precedes an error is kept."""
    scores, rows = evaluation.scores, split.rows_test
    Z_train, Z_test = _embed(reducer, split, scores)
    evaluation.codes = Z = _as_matrix(Z_test)
    if rows.shape[1]:
        # The split has shuffled the rows: the first are as good a sample as any.
        near = (rows[:_MAX_ROWS], Z[:_MAX_ROWS])
        scores["trustworthiness"] = trustworthiness(*near, n_neighbors=N_NEIGHBORS)
        scores["continuity"] = continuity(*near, n_neighbors=N_NEIGHBORS)
    if split.y_train is not None and split.y_test is not None:
        Z_train = reducer.transform(split.X_train) if Z_train is None else Z_train
        scores["k-NN accuracy"] = knn_accuracy(
            _as_matrix(Z_train), split.y_train, Z, split.y_test, n_neighbors=N_NEIGHBORS
        )
    X_reconstructed = _reconstruct(reducer, Z_test)
    if X_reconstructed is not None and rows.shape[1]:
        X_reconstructed = numbers(X_reconstructed, like=split.X_test)
        scores["reconstruction error"] = reconstruction_error(rows, X_reconstructed)
        scores["explained variance"] = explained_variance(rows, X_reconstructed)
        evaluation.reconstruction = X_reconstructed


def _embed(reducer: Any, split: Split, scores: dict[str, float]) -> tuple[Any, Any]:
    """Return the codes of the training rows, None if not yet known, and of the held-out rows."""
    needs_y = any(get_tags(step).target_tags.required for step in pipeline_steps(reducer))
    if hasattr(reducer, "transform"):
        y = split.y_train if needs_y else None
        _, scores["fit seconds"] = _timed(reducer.fit, split.X_train, y)
        Z_test, scores["transform seconds"] = _timed(reducer.transform, split.X_test)
        return None, Z_test
    # It can only embed the rows it is fitted on.
    Z, scores["fit seconds"] = _timed(reducer.fit_transform, split.X)
    Z = _as_matrix(Z)
    return Z[split.train], Z[split.test]


def _timed(function: Callable[..., T], *args: Any) -> tuple[T, float]:
    """Return the result of the function, and the seconds it took."""
    start = perf_counter()
    result = function(*args)
    return result, perf_counter() - start


def _as_matrix(Z: Any) -> np.ndarray:
    return np.asarray(dense(Z))


def _reconstruct(reducer: Any, Z: Any) -> Any:
    """Return the reconstruction from codes, None if it has none, or takes too long."""
    is_slow = any(_has_slow_inverse(type(step)) for step in pipeline_steps(reducer))
    if is_slow or not hasattr(reducer, "inverse_transform"):
        return None
    try:
        return reducer.inverse_transform(Z)
    except NotFittedError:  # KernelPCA has the method, but fits an inverse only on demand
        return None


def _has_slow_inverse(kind: type) -> bool:
    return kind.__name__ in _SLOW_INVERSES and not kind.__module__.startswith("skae.")
