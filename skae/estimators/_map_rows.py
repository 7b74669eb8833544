"""The rows of a map: the graph of their neighbors, those that are held, and those that are kept."""

import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse

from .._engine.data import TrainingSet, sample_rows
from .._engine.environment import compute_threads
from ..models.umap import MapLabels
from ._graph import (
    as_floats,
    fuzzy_graph,
    layout_around,
    nearest_neighbors,
    read_neighbors,
    spectral_layout,
    with_labels,
    without_columns,
)
from ._labels import UNLABELLED, read_partial_labels
from ._landmarks import (
    Landmarks,
    check_size,
    read_landmarks,
    sample_of,
    updated_sample,
    with_landmarks,
)
from ._plan import FitMode


class MapRowsMixin:
    """Preparation of rows before a map of them is trained, and rows that are kept after it."""

    # Of the estimator that this is mixed into.
    n_components: Any
    n_neighbors: int
    metric: Any
    set_op_mix_ratio: float
    target_weight: float
    precomputed_knn: Any
    replay_size: int
    n_components_: int
    _n_samples_before: int
    _encode: Callable[..., Any]
    _set_size: Callable[..., None]

    def _prepare_training_set(
        self, training_set: TrainingSet, run: Any, X: Any, y: Any, landmarks: Any = None
    ) -> TrainingSet:
        """Compute the graph, and describe each row's part in the map by its labels."""
        n_rows = training_set.X.shape[0]
        labels = read_partial_labels(y, n_rows)
        training_set = training_set._replace(labels=np.column_stack([labels, np.arange(n_rows)]))
        # Class and position in X, (n_samples, 2). Landmarks append their places, and rows that are
        # not among those of X, with a position of -1.
        held = self._landmarks(landmarks, run)
        if held is not None:
            training_set = with_landmarks(training_set, held)
        # Rows that training merges are one node of the graph, but lists of neighbors have them all.
        if self.precomputed_knn is None:
            training_set.labels[:, 1] = 0
        # Rows of weight zero are left out before the graph: they would be neighbors of others.
        nodes = training_set.used().merged()
        (labels, index), places = nodes.labels[:, :2].astype(np.int64).T, nodes.labels[:, 2:]
        rows = as_floats(nodes.X, self.metric)
        with compute_threads():  # Numba starts others: training has those from before
            graph = self._graph(rows, index, n_rows)
        if (labels != UNLABELLED).any():
            graph = with_labels(graph, labels, self.target_weight)
        if not hasattr(self, "n_components_"):
            # A seed of its own: the size of a code belongs to the rows, whatever random_state is.
            self._set_size(sample_rows(nodes, np.random.RandomState(0)))
        if held is None:
            with compute_threads():
                layout = spectral_layout(rows, graph, self.n_components_, self.metric)
            # NaN stands for no place: no row is held.
            places = np.full_like(layout, np.nan)
        else:
            layout = layout_around(places, graph)
        self._edges = graph
        return nodes._replace(labels=_map_labels(graph, layout, ~np.isnan(places[:, 0])))

    def _landmarks(self, given: Any, run: Any) -> Landmarks | None:
        """Return the rows that are held: those given or, in `partial_fit`, those kept."""
        if run.mode.is_partial:
            # Held where the map has them now: otherwise each batch would move the rows before it.
            rows = getattr(self, "replay_rows_", None)
            return Landmarks(rows, self._encode(rows)) if rows is not None and len(rows) else None
        if given is None:
            return None
        landmarks = read_landmarks(given, self)
        if not isinstance(self.n_components, Integral):
            self.n_components_ = landmarks.places.shape[1]
        check_size(landmarks, self.n_components_)
        return landmarks

    def _graph(self, rows: Any, index: np.ndarray, n_rows: int) -> sparse.csr_matrix:
        if self.precomputed_knn is not None:
            if (index < 0).any():
                raise ValueError(
                    "landmarks must be rows of X if precomputed_knn lists only the neighbors "
                    f"of X, got {(index < 0).sum()} others."
                )
            neighbors = read_neighbors(self.precomputed_knn, n_rows, self.n_neighbors)
            # The lists are of all rows of X; nodes are those that are used, in another order.
            return fuzzy_graph(neighbors, self.set_op_mix_ratio)[index][:, index]
        n_neighbors = min(self.n_neighbors, rows.shape[0])
        if n_neighbors < self.n_neighbors:
            warnings.warn(
                f"n_neighbors={self.n_neighbors} is more than the {rows.shape[0]} rows of X, equal "
                "ones counted once: all of them are neighbors.",
                UserWarning,
                stacklevel=5,
            )
        neighbors = nearest_neighbors(rows, n_neighbors, self.metric)
        return fuzzy_graph(neighbors, self.set_op_mix_ratio)

    def _split(self, training_set: Any, run: Any, random_state: Any) -> tuple[Any, int]:
        order, n_held_out = super()._split(training_set, run, random_state)  # type: ignore[misc]
        if n_held_out:
            # Held-out rows would otherwise attract fitted ones, and validate what they have shaped.
            self._edges = without_columns(self._edges, order[:n_held_out], order[n_held_out:])
        return order, n_held_out

    def _keep_rows(self, training_set: TrainingSet, mode: FitMode) -> None:
        """Keep a sample of all rows so far."""
        rows, kept = training_set.X, getattr(self, "replay_rows_", None)
        if not mode.is_partial:
            self.replay_rows_ = sample_of(rows, self.replay_size, seed=0)
        elif kept is not None:
            # The held ones are kept already, and would be counted twice.
            new = rows[training_set.labels[:, MapLabels.IS_HELD] == 0]
            self.replay_rows_ = updated_sample(kept, self._n_samples_before, new, self.replay_size)


def _map_labels(graph: sparse.csr_matrix, layout: np.ndarray, is_held: np.ndarray) -> np.ndarray:
    """Return what `MapLabels` names, a row for each node."""
    weights = np.asarray(graph.sum(axis=1)).ravel()
    # Mean one, so that the loss is about the same for all graphs.
    weights = weights / (weights.mean() or 1.0)
    # (n_nodes, 3 + n_components), float64 in which indices of any size are exact.
    labels = np.zeros((len(layout), 3 + layout.shape[1]))
    labels[:, MapLabels.INDEX] = np.arange(len(layout))
    labels[:, MapLabels.EDGE_WEIGHT] = weights
    labels[:, MapLabels.IS_HELD] = is_held
    labels[:, MapLabels.LAYOUT] = layout
    return labels
