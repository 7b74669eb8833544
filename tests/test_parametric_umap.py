"""UMAP's graph and loss, the map of rows that were held out, labels, neighbors that are given."""

import sys
import warnings

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from small import images

from skae import ParametricUMAP
from skae.architectures import Conv, Dense
from skae.estimators._graph import fuzzy_graph, nearest_neighbors, with_labels, without_columns
from skae.losses import Criterion, Target, resolve_loss
from skae.metrics import knn_accuracy
from skae.models.umap import MapLabels, NeighborGraph, Repulsion, UMAPNetwork
from skae.networks.standardization import Standardization

umap = pytest.importorskip("umap")

DIGITS, KINDS = load_digits(return_X_y=True)
X, Y = DIGITS[:200], KINDS[:200]
SMALL = ParametricUMAP(architecture=Dense((16, 16)), max_iter=3, random_state=0)


def graph_of(X, n_neighbors=15, metric="euclidean", mix=1.0):
    return fuzzy_graph(nearest_neighbors(X.astype(np.float32), n_neighbors, metric), mix)


# umap-learn drops edges below this fraction of the largest weight, which are hardly ever drawn.
DROPPED = 1 / 500


def graph_of_umap(X, y=None, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = umap.UMAP(n_epochs=1, init="random", random_state=0, **parameters).fit(X, y)
    return fitted.graph_


def network(**options):
    options = {
        "curve": (1.5, 0.9),
        "negative_sample_rate": 5.0,
        "reconstruction_weight": 0,
    } | options
    return UMAPNetwork(
        torch.nn.Linear(4, 2),
        torch.nn.Linear(2, 4),
        Standardization(torch.zeros(4), 1.0),
        **options,
    )


def batch(n_rows=6):
    """Rows of a batch, and the neighbor of each of them."""
    rows = torch.randn(2 * n_rows, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(2 * n_rows, 5)
    labels[:, MapLabels.EDGE_WEIGHT] = torch.arange(2 * n_rows) + 1.0
    return rows, Target(rows, labels)


CRITERION = Criterion(resolve_loss("mse"))

# -- the graph -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters", [{}, {"metric": "cosine"}, {"metric": "canberra"}, {"set_op_mix_ratio": 0.3}]
)
def test_the_graph_is_that_of_umap(parameters):
    renamed = {"set_op_mix_ratio": "mix"}
    ours = graph_of(X, **{renamed.get(name, name): value for name, value in parameters.items()})
    np.testing.assert_allclose(
        ours.toarray(), graph_of_umap(X, **parameters).toarray(), atol=DROPPED
    )


@pytest.mark.parametrize("target_weight", [0.2, 1.0])
def test_labels_change_the_graph_as_in_umap(target_weight):
    labels = np.where(np.arange(200) % 3 == 0, -1, Y)
    ours = with_labels(graph_of(X), labels, target_weight)
    theirs = graph_of_umap(X, labels, target_weight=target_weight)
    np.testing.assert_allclose(ours.toarray(), theirs.toarray(), atol=DROPPED)


def test_neighbors_are_drawn_in_proportion_to_their_weights():
    graph = NeighborGraph(sparse.csr_matrix([[0, 3.0, 1.0], [3.0, 0, 0], [1.0, 0, 0]]))
    drawn = graph.draw(torch.zeros(4000, dtype=torch.long), torch.device("cpu"))
    assert torch.bincount(drawn).tolist() == pytest.approx([0, 3000, 1000], abs=150)


def test_a_row_without_edges_is_its_own_neighbor():
    graph = NeighborGraph(sparse.csr_matrix([[0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]]))
    assert graph.draw(torch.tensor([0, 1, 2]), torch.device("cpu")).tolist() == [0, 2, 1]


def test_fitted_rows_draw_no_rows_that_are_held_out():
    graph = graph_of(X)
    held_out, fitted = np.arange(20), np.arange(20, 200)
    cut = without_columns(graph, held_out, fitted)
    assert cut[fitted][:, held_out].nnz == 0
    np.testing.assert_array_equal(cut[held_out].toarray(), graph[held_out].toarray())
    np.testing.assert_array_equal(cut[:, fitted].toarray(), graph[:, fitted].toarray())


# -- the loss ------------------------------------------------------------------------------


def test_the_loss_is_the_cross_entropy_of_drawn_edges_and_of_all_pairs():
    model = network().eval()
    rows, target = batch()
    codes = model.encode(rows).detach().double().numpy()
    total = 0.0
    similarity = 1 / (1 + 1.5 * np.linalg.norm(codes[:, None] - codes, axis=2) ** 1.8)
    apart = -np.log(1 - similarity, where=~np.eye(12, dtype=bool), out=np.zeros((12, 12)))
    for i in range(6):
        # Both ends of an edge are repelled, each by all codes.
        repulsion = (apart[i].mean() + apart[6 + i].mean()) / 2
        total += (i + 1) * (-np.log(similarity[i, 6 + i]) + 5 * repulsion)
    _, parts = model.training_loss(rows, target, CRITERION)
    assert parts["map"].item() == pytest.approx(total / 6, rel=0.02)


def test_the_slopes_of_the_repulsion_are_those_of_its_values():
    code = torch.randn(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for step in (1, 2):
        assert torch.autograd.gradcheck(
            lambda code, step=step: Repulsion.apply(code, step, 1.5, 0.9), code.requires_grad_()
        )


def test_without_its_weight_the_reconstruction_leaves_the_encoder_alone():
    def gradient(weight, loss):
        torch.manual_seed(0)
        model = network(reconstruction_weight=weight).eval()
        rows, target = batch()
        total, _ = model.training_loss(rows, target, Criterion(resolve_loss(loss)))
        total.backward()
        return model.encoder.weight.grad

    torch.testing.assert_close(gradient(0, "mse"), gradient(0, "l1"), rtol=0, atol=0)
    assert not torch.equal(gradient(1.0, "mse"), gradient(1.0, "l1"))


def test_the_first_epochs_learn_the_layout():
    model, (rows, target) = network().train(), batch()
    model.n_warmup = 2
    model.begin_epoch(0)
    target.labels[:, MapLabels.LAYOUT] = model.encode(rows).detach()
    # The rows themselves, not moved.
    model._moved = lambda inputs, n_rows: inputs
    assert model.training_loss(rows, target, CRITERION)[1]["map"].item() == pytest.approx(
        0, abs=1e-9
    )
    model.begin_epoch(2)
    assert model.training_loss(rows, target, CRITERION)[1]["map"] > 0.1


# -- the map -------------------------------------------------------------------------------


def test_held_out_rows_fall_among_their_kind():
    train, test, y_train, y_test = train_test_split(DIGITS, KINDS, train_size=400, random_state=0)
    model = ParametricUMAP(random_state=0, max_iter=60, batch_size=128).fit(train)
    scores = [
        knn_accuracy(fitted.transform(train), y_train, fitted.transform(test), y_test)
        for fitted in (model, PCA(2).fit(train))
    ]
    assert scores[0] > 0.85
    assert scores[1] < 0.7
    assert model.score(test) > 0.35


def test_no_labels_at_all_are_the_same_as_none():
    unlabelled = clone(SMALL).fit(X, np.full(200, -1)).transform(X)
    np.testing.assert_array_equal(unlabelled, clone(SMALL).fit(X).transform(X))


def test_names_of_classes_are_labels():
    names = np.array(["no", "yes"])[(Y > 4).astype(int)]
    by_name, by_number = (clone(SMALL).fit(X, y).transform(X) for y in (names, (Y > 4).astype(int)))
    np.testing.assert_array_equal(by_name, by_number)


def test_numbers_that_are_not_whole_are_ignored_with_a_warning():
    with pytest.warns(UserWarning, match="y is ignored"):
        model = clone(SMALL).fit(X, Y + 0.5)
    np.testing.assert_array_equal(model.transform(X), clone(SMALL).fit(X).transform(X))


def trained_on(monkeypatch, model, rows, y=None):
    """Fit a model, and return the graph that it is trained on."""
    graphs = []
    monkeypatch.setattr(
        "skae.estimators.parametric_umap.NeighborGraph",
        lambda edges: graphs.append(edges) or NeighborGraph(edges),
    )
    clone(model).set_params(max_iter=1).fit(rows, y)
    return graphs[-1].toarray()


# Pixels are whole numbers, and distances between digits often equal.
DISTINCT = DIGITS[:1200] + np.random.default_rng(0).normal(0, 0.1, (1200, 64))


@pytest.mark.parametrize("n_rows", [200, 1200])
def test_neighbors_that_are_given_make_the_same_graph(monkeypatch, n_rows):
    rows = DISTINCT[:n_rows]
    search = NearestNeighbors(n_neighbors=20, algorithm="brute").fit(rows)
    distances, indices = search.kneighbors(rows)
    given = clone(SMALL).set_params(precomputed_knn=(indices, distances))
    np.testing.assert_allclose(
        trained_on(monkeypatch, given, rows), trained_on(monkeypatch, SMALL, rows), atol=1e-4
    )


def test_sparse_rows_make_the_same_graph(monkeypatch):
    of_sparse = trained_on(monkeypatch, SMALL, sparse.csr_matrix(DISTINCT))
    np.testing.assert_allclose(of_sparse, trained_on(monkeypatch, SMALL, DISTINCT), atol=1e-4)


def test_labels_weaken_the_edges_between_classes(monkeypatch):
    kinds = KINDS[:1200] > 4
    between = kinds[:, None] != kinds
    before, after = (
        trained_on(monkeypatch, SMALL, DISTINCT, y)[between].sum() for y in (None, kinds)
    )
    assert after < 0.2 * before


def test_images_are_mapped_by_convolutions_and_decoded_as_images():
    pictures, _ = images()
    model = ParametricUMAP(3, architecture=Conv((2,)), max_iter=2, random_state=0).fit(pictures)
    assert model.inverse_transform(model.transform(pictures)).shape == pictures.shape


def test_weights_of_zero_leave_rows_out():
    weights = np.ones(1200)
    weights[1100:] = 0
    weighted = clone(SMALL).fit(DIGITS[:1200], sample_weight=weights)
    alone = clone(SMALL).fit(DIGITS[:1100])
    np.testing.assert_array_equal(weighted.transform(X), alone.transform(X))


def test_early_stopping_restores_the_weights_of_the_lowest_loss():
    model = clone(SMALL).set_params(early_stopping=True, max_iter=8).fit(X)
    best = model.history_[-1]
    assert {"valid_map", "valid_reconstruction"} <= set(best)
    assert model.net_.validation_loss() == pytest.approx(
        min(epoch["valid_loss"] for epoch in model.history_), rel=0.2
    )


def test_the_graph_is_dropped_after_training():
    model = clone(SMALL).fit(X)
    assert model.module_.companions is None
    assert not [name for name in vars(model) if name == "_edges"]


# -- errors --------------------------------------------------------------------------------


def test_fewer_rows_than_neighbors_are_all_neighbors_with_a_warning():
    with pytest.warns(UserWarning, match="n_neighbors=15 is more than the 9 rows"):
        codes = clone(SMALL).fit_transform(X[:9])
    assert np.isfinite(codes).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"metric": "euklidean"}, "metric must be one of"),
        ({"min_dist": 2.0}, "min_dist must be at most spread=1.0, got 2.0"),
        ({"precomputed_knn": (np.zeros((200, 15)),)}, "must hold indices and distances"),
        ({"precomputed_knn": (np.zeros((9, 15)),) * 2}, r"two arrays of shape \(200, n_neighbors"),
        ({"precomputed_knn": (np.zeros((200, 5)),) * 2}, "at least n_neighbors=15"),
        ({"precomputed_knn": (np.full((200, 15), 200),) * 2}, "indices of the 200 rows"),
    ],
)
def test_errors_name_the_parameter_and_leave_the_estimator_as_it_was(parameters, message):
    model = clone(SMALL).set_params(**parameters)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(X)
    assert vars(model) == before


def test_a_label_is_needed_for_each_row():
    with pytest.raises(ValueError, match="expected 200, got 10"):
        clone(SMALL).fit(X, Y[:10])


def test_without_umap_learn_the_error_says_how_to_install_it(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] in ("umap", "pynndescent")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "umap", None)
    monkeypatch.setitem(sys.modules, "pynndescent", None)
    with pytest.raises(ImportError, match=r"pip install 'skae\[umap\]'"):
        clone(SMALL).fit(X)
