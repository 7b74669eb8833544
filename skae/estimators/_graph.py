"""UMAP's fuzzy graph of rows, and where a map of it starts: what umap-learn computes."""

import warnings
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import distance_metrics
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array, gen_batches

from .._utils import import_optional, lookup

# Of fewer rows all distances are computed, as in umap-learn; of more, neighbors are searched for.
_MAX_COMPARED_ROWS = 4096
# Neighbors are searched for at random: from a fixed seed, one graph belongs to one set of rows.
_SEED = 42
# Labels that differ multiply the weight of an edge by exp(-d), with this d at a target weight of 0.
_LABEL_DISTANCE, _MAX_LABEL_DISTANCE = 2.5, 1e12
# Metrics of differences: a shift of all rows changes nothing, and a common factor only units.
_DIFFERENCES = {"euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev", "minkowski"}
_CHUNK_ROWS = 4096
# Distances in float32 below this fraction of usual ones are rounding errors.
_ROUNDING = 1e-5
# Layouts that start a map reach so far from the origin, as in umap-learn.
_LAYOUT_RADIUS = 10.0
# Steps from row to row by which rows without a place come to lie among those that have one.
_LAYOUT_ROUNDS = 10


def as_floats(rows: Any, metric: Any) -> Any:
    """Return rows as floats in memory: what neighbors are searched for in.

    Where the metric allows, they are centered and scaled first: in float32, data far from zero
    would lose their digits, and squares of large values overflow. Few rows are compared in
    float64, so that rounding does not choose between neighbors at equal distances.
    """
    dtype = np.float64 if _is_small(rows, metric) else np.float32
    if callable(metric) or metric not in _DIFFERENCES:
        return _in_memory(rows.astype(dtype))
    if sparse.issparse(rows):
        return (rows / (abs(rows).max() or 1.0)).astype(dtype)
    center = np.mean(rows, axis=0, dtype=np.float64)
    scale = max(np.abs(rows - center).max() for rows in _chunks(rows)) or 1.0
    converted = np.empty(rows.shape, dtype=dtype)
    for some, part in zip(_chunks(rows), _chunks(converted), strict=True):
        part[:] = (some - center) / scale
    return converted


def _is_small(rows: Any, metric: Any) -> bool:
    """Return whether all distances are computed, by scikit-learn."""
    is_known = not callable(metric) and metric in distance_metrics()
    return is_known and rows.shape[0] < _MAX_COMPARED_ROWS


def _chunks(rows: Any) -> list[Any]:
    return [rows[some] for some in gen_batches(len(rows), _CHUNK_ROWS)]


def _in_memory(rows: Any) -> Any:
    return rows if sparse.issparse(rows) else np.asarray(rows)


def check_metric(metric: Any) -> None:
    """Refuse a name that pynndescent does not know."""
    if not callable(metric):
        lookup("metric", metric, import_optional("pynndescent.distances", "umap").named_distances)


def curve(spread: float, min_dist: float) -> tuple[float, float]:
    """Return a and b of the similarity 1 / (1 + a d^(2 b)) of codes at distance d."""
    a, b = import_optional("umap.umap_", "umap").find_ab_params(spread, min_dist)
    return float(a), float(b)


def nearest_neighbors(rows: Any, n_neighbors: int, metric: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return indices and distances of the nearest rows of each, itself included.

    Parameters
    ----------
    rows : {ndarray, csr_matrix} of shape (n_samples, n_features)
        Of `as_floats`.
    n_neighbors : int
        At most ``n_samples``.
    metric : str or callable

    Returns
    -------
    indices, distances : ndarray of shape (n_samples, n_neighbors)
    """
    if _is_small(rows, metric):
        search = NearestNeighbors(n_neighbors=n_neighbors, metric=metric, algorithm="brute")
        distances, indices = search.fit(rows).kneighbors(rows)
        return indices, distances
    umap = import_optional("umap.umap_", "umap")
    if rows.shape[0] < _MAX_COMPARED_ROWS:
        dense = rows.toarray() if sparse.issparse(rows) else rows
        between = import_optional("umap.distances", "umap").pairwise_special_metric(
            dense, metric=metric
        )
        indices = np.argsort(between, axis=1, kind="stable")[:, :n_neighbors]
        return indices, np.take_along_axis(between, indices, axis=1)
    random_state = np.random.RandomState(_SEED)
    indices, distances, _ = umap.nearest_neighbors(
        rows, n_neighbors, metric, {}, False, random_state
    )
    return indices, distances


def read_neighbors(given: Any, n_rows: int, n_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
    """Validate neighbors that the user has found: indices and distances, the first of each row."""
    if len(given) < 2:
        raise ValueError(
            "precomputed_knn must hold indices and distances, got a sequence of length "
            f"{len(given)}."
        )
    indices, distances = (check_array(part, input_name="precomputed_knn") for part in given[:2])
    if indices.shape != distances.shape or len(indices) != n_rows:
        raise ValueError(
            f"precomputed_knn must hold two arrays of shape ({n_rows}, n_neighbors), as X has "
            f"{n_rows} rows, got {indices.shape} and {distances.shape}."
        )
    if indices.shape[1] < n_neighbors:
        raise ValueError(
            f"precomputed_knn must hold at least n_neighbors={n_neighbors} neighbors of each row, "
            f"got {indices.shape[1]}."
        )
    if indices.min() < 0 or indices.max() >= n_rows:
        raise ValueError(
            f"precomputed_knn must hold indices of the {n_rows} rows of X, got some from "
            f"{indices.min()} to {indices.max()}."
        )
    return indices[:, :n_neighbors], distances[:, :n_neighbors]


def fuzzy_graph(
    neighbors: tuple[np.ndarray, np.ndarray], set_op_mix_ratio: float
) -> sparse.csr_matrix:
    """Return the weights of the edges between rows, a symmetric matrix.

    Parameters
    ----------
    neighbors : tuple of ndarray of shape (n_samples, n_neighbors)
        Indices and distances.
    set_op_mix_ratio : float in [0, 1]
        Fraction of the union, the rest being the intersection, of the neighborhoods.
    """
    umap = import_optional("umap.umap_", "umap")
    indices, distances = neighbors
    # Rounding leaves a distance between equal rows, and the smallest one above zero matters.
    is_rounding = distances < _ROUNDING * np.median(distances)
    distances = np.where(is_rounding, 0, distances)
    graph, *_ = umap.fuzzy_simplicial_set(
        indices,  # only the number of rows is used
        indices.shape[1],
        np.random.RandomState(_SEED),
        "precomputed",
        knn_indices=indices.astype(np.int32),
        knn_dists=distances.astype(np.float32),
        set_op_mix_ratio=set_op_mix_ratio,
    )
    return sparse.csr_matrix(graph)


def with_labels(
    graph: sparse.csr_matrix, labels: np.ndarray, target_weight: float
) -> sparse.csr_matrix:
    """Weaken the edges between rows of different labels; -1 stands for no label."""
    umap = import_optional("umap.umap_", "umap")
    distance = _MAX_LABEL_DISTANCE
    if target_weight < 1:
        distance = _LABEL_DISTANCE / (1 - target_weight)
    intersection = umap.discrete_metric_simplicial_set_intersection(
        graph, labels.astype(np.float32), far_dist=distance
    )
    return sparse.csr_matrix(intersection)


def without_columns(
    graph: sparse.csr_matrix, held_out: np.ndarray, fitted: np.ndarray
) -> sparse.csr_matrix:
    """Remove the edges that lead from rows that are fitted to rows that are held out."""
    keeps = np.ones(graph.shape[0])
    keeps[held_out] = 0
    is_fitted = np.zeros(graph.shape[0], dtype=bool)
    is_fitted[fitted] = True
    start = np.repeat(is_fitted, np.diff(graph.indptr))
    kept = graph.copy()
    kept.data = np.where(start, graph.data * keeps[graph.indices], graph.data)
    kept.eliminate_zeros()
    return kept


def spectral_layout(
    rows: Any, graph: sparse.csr_matrix, n_components: int, metric: Any
) -> np.ndarray:
    """Return coordinates of the graph's nodes: eigenvectors of its Laplacian.

    Returns
    -------
    layout : ndarray of shape (n_samples, n_components)
        Centered, float64.
    """
    if rows.shape[0] <= 2 * n_components + 3:  # too few for the solver
        layout = _principal_coordinates(rows, n_components)
    else:
        spectral = import_optional("umap.spectral", "umap")
        with warnings.catch_warnings():
            # It falls back to random coordinates, from which a map can be learned as well.
            warnings.simplefilter("ignore")
            layout = spectral.spectral_layout(
                rows, graph, n_components, np.random.RandomState(_SEED), metric=metric
            )
    centered: np.ndarray = np.asarray(layout, dtype=np.float64) - np.mean(layout, axis=0)
    return centered * (_LAYOUT_RADIUS / (np.abs(centered).max() or 1.0))


def layout_around(places: np.ndarray, graph: sparse.csr_matrix) -> np.ndarray:
    """Return a layout with some rows where they are to be, and the others among their neighbors.

    Parameters
    ----------
    places : ndarray of shape (n_samples, n_components)
        NaN for rows that have no place; at least one row has one.
    graph : csr_matrix of shape (n_samples, n_samples)
        Weights of edges.

    Returns
    -------
    layout : ndarray of shape (n_samples, n_components)
        Rows that no path leads to lie in the center of the places.
    """
    is_held = ~np.isnan(places[:, 0])
    layout = np.where(is_held[:, None], places, places[is_held].mean(axis=0))
    reached = is_held.astype(np.float64)
    for _ in range(_LAYOUT_ROUNDS):
        weights = graph @ reached
        moves = ~is_held & (weights > 0)
        layout[moves] = (graph @ (reached[:, None] * layout))[moves] / weights[moves, None]
        reached[moves] = 1
    return layout


def _principal_coordinates(rows: Any, n_components: int) -> np.ndarray:
    dense = rows.toarray() if sparse.issparse(rows) else rows
    left, sizes, _ = np.linalg.svd(dense - dense.mean(axis=0), full_matrices=False)
    coordinates = (left * sizes)[:, :n_components]
    return np.pad(coordinates, ((0, 0), (0, n_components - coordinates.shape[1])))
