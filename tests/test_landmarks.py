"""Maps that hold the places of earlier rows: landmarks, and rows that `partial_fit` keeps."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits

from skae import ParametricUMAP
from skae.architectures import Dense
from skae.estimators._graph import layout_around
from skae.estimators._landmarks import sample_of, updated_sample
from skae.metrics import knn_accuracy

pytest.importorskip("umap")

X, Y = load_digits(n_class=5, return_X_y=True)
IS_OLD = (np.arange(len(X)) % 5 > 0) & (Y != 4)
SMALL = ParametricUMAP(
    architecture=Dense((64, 64)), max_iter=50, batch_size=128, replay_size=200, random_state=0
)


@pytest.fixture(scope="module")
def old_map():
    """A map of four kinds of digits, and where it has them."""
    fitted = clone(SMALL).fit(X[IS_OLD])
    return fitted, fitted.transform(X[IS_OLD])


def move(model, places):
    """Return the median move of the old rows as a fraction of the old map's width."""
    moves = np.linalg.norm(model.transform(X[IS_OLD]) - places, axis=1)
    return np.median(moves) / np.ptp(places, axis=0).max()


def accuracy_of_new_kind(model):
    """Return the fraction of held-out fours whose neighbors on the map are fours."""
    train = np.arange(len(X)) % 5 > 0
    held_out = ~train & (Y == 4)
    codes = model.transform(X)
    return knn_accuracy(codes[train], Y[train], codes[held_out], Y[held_out])


# -- landmarks -----------------------------------------------------------------------------


def test_old_rows_stay_while_a_new_kind_finds_a_place_of_its_own(old_map):
    _, places = old_map
    free = clone(SMALL).set_params(random_state=1).fit(X)
    held = clone(SMALL).set_params(random_state=1).fit(X, landmarks=(X[IS_OLD], places))
    assert move(held, places) < 0.05 < 0.15 < move(free, places)
    assert accuracy_of_new_kind(held) > 0.8


def test_a_fitted_map_is_held_by_the_rows_that_it_kept(old_map):
    fitted, _ = old_map
    kept = fitted.replay_rows_
    one = clone(SMALL).set_params(max_iter=3).fit(X, landmarks=fitted)
    other = clone(SMALL).set_params(max_iter=3).fit(X, landmarks=(kept, fitted.transform(kept)))
    np.testing.assert_array_equal(one.transform(X), other.transform(X))


def test_landmarks_that_are_no_rows_of_x_join_the_map(old_map):
    _, places = old_map
    quick = clone(SMALL).set_params(max_iter=3)
    apart = quick.fit(X[~IS_OLD], landmarks=(X[IS_OLD], places))
    assert apart.n_samples_seen_ == (~IS_OLD).sum()
    together = [*map(tuple, apart.set_params(replay_size=2000).fit(X).replay_rows_)]
    joined = clone(quick).set_params(replay_size=2000)
    joined.fit(X[~IS_OLD], landmarks=(X[IS_OLD], places))
    assert sorted(map(tuple, joined.replay_rows_)) == sorted(together)


def test_sparse_rows_and_other_precisions_are_found_among_the_rows(old_map):
    _, places = old_map
    quick = clone(SMALL).set_params(max_iter=2)
    given = [X[IS_OLD], X[IS_OLD].astype(np.float32), sparse.csr_matrix(X[IS_OLD])]
    codes = [clone(quick).fit(X, landmarks=(rows, places)).transform(X) for rows in given]
    np.testing.assert_array_equal(codes[0], codes[1])
    np.testing.assert_array_equal(codes[0], codes[2])


def test_the_size_of_the_landmarks_is_that_of_the_map():
    model = clone(SMALL).set_params(n_components="auto", max_iter=1)
    assert model.fit(X, landmarks=(X[:50], X[:50, :3])).n_components_ == 3


def test_rows_without_a_place_start_among_their_neighbors():
    places = np.array([[0.0, 0.0], [4.0, 2.0], [np.nan, np.nan], [np.nan, np.nan], [np.nan] * 2])
    edges = np.zeros((5, 5))
    edges[0, 2] = edges[2, 0] = 3.0
    edges[1, 2] = edges[2, 1] = 1.0
    edges[2, 3] = edges[3, 2] = 0.001
    layout = layout_around(places, sparse.csr_matrix(edges))
    np.testing.assert_array_equal(layout[:2], places[:2])
    np.testing.assert_allclose(layout[2:], [[1.0, 0.5], [1.0, 0.5], [2.0, 1.0]], atol=0.01)


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        ((X[:9, :5], X[:9, :2]), "rows like those of X, of 64 features, got rows of 5"),
        ((X[:9], X[:9, :3]), "n_components=2 numbers, got codes of 3"),
        ((X[:9], X[:8, :2]), "a code for each row: expected 9, got 8"),
        ((X[:9], np.full((9, 2), np.nan)), "Input landmarks contains NaN"),
        (X[:9], r"must be a tuple \(rows, codes\)"),
        (ParametricUMAP(), "which has kept no rows"),
    ],
)
def test_landmarks_that_cannot_be_held_are_refused(landmarks, message):
    model = clone(SMALL)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(X, landmarks=landmarks)
    assert vars(model) == before


def test_lists_of_neighbors_need_landmarks_among_the_rows():
    lists = (np.tile(np.arange(15), (len(X), 1)), np.ones((len(X), 15)))
    model = clone(SMALL).set_params(precomputed_knn=lists)
    with pytest.raises(ValueError, match="must be rows of X if precomputed_knn lists"):
        model.fit(X, landmarks=(X[:9] + 1, X[:9, :2]))


# -- partial_fit ---------------------------------------------------------------------------


def test_new_rows_join_a_map_whose_old_rows_stay(old_map):
    fitted, places = old_map
    streamed = clone(SMALL).partial_fit(X[IS_OLD])
    np.testing.assert_array_equal(streamed.transform(X), fitted.transform(X))
    streamed.partial_fit(X[~IS_OLD])
    assert move(streamed, places) < 0.04
    assert accuracy_of_new_kind(streamed) > 0.6
    assert streamed.n_samples_seen_ == len(X)


def test_partial_fit_takes_single_rows_and_gives_the_same_bits_again(old_map):
    def after_one_row():
        model = clone(SMALL).set_params(max_iter=2).fit(X[IS_OLD])
        return model.partial_fit(X[~IS_OLD][:1]).transform(X)

    np.testing.assert_array_equal(after_one_row(), after_one_row())


def test_no_rows_are_kept_if_none_are_wanted():
    model = clone(SMALL).set_params(replay_size=0, max_iter=1).fit(X)
    assert model.replay_rows_.shape == (0, 64)
    assert model.partial_fit(X[:20]).replay_rows_.shape == (0, 64)


def test_the_rows_that_are_kept_are_a_sample_of_all_so_far():
    kept, n_before = sample_of(np.arange(1000.0)[:, None], 100, seed=0), 1000
    for start in range(1000, 4000, 100):
        kept = updated_sample(kept, n_before, np.arange(start, start + 100.0)[:, None], 100)
        n_before += 100
    assert len(np.unique(kept)) == 100
    # A fourth of all rows is as old as the first thousand.
    assert 15 <= (kept < 1000).sum() <= 35
