"""Refits in the coordinates of an earlier fit."""

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import ortho_group
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import nn

from skae import Autoencoder, HybridAutoencoder
from skae.architectures import Custom, Dense
from skae.estimators._alignment import rotation_to

X, _ = load_digits(return_X_y=True)
EARLY, LATE = X[:600], X[300:1200]
QUICK = Autoencoder(3, architecture=Dense((32,)), max_iter=8, random_state=0)


class Turned(TransformerMixin, BaseEstimator):
    """The codes of an estimator in other coordinates."""

    def __init__(self, estimator, rotation, shift):
        self.estimator = estimator
        self.rotation = rotation
        self.shift = shift

    def transform(self, X):
        return self.estimator.transform(X) @ self.rotation + self.shift


def relative_move(codes, places):
    """Return the root mean square of the moves, over that of the places."""
    return np.sqrt(np.mean((codes - places) ** 2) / np.mean((places - places.mean(0)) ** 2))


@pytest.fixture(scope="module")
def earlier():
    """An autoencoder whose codes are turned and moved."""
    fitted = clone(QUICK).fit(EARLY)
    return Turned(fitted, ortho_group.rvs(3, random_state=0), np.array([5.0, -2.0, 1.0]))


def test_the_best_rotation_is_found_with_its_shift():
    rng = np.random.default_rng(0)
    codes, rotation = rng.normal(size=(50, 3)), ortho_group.rvs(3, random_state=1)
    found, shift = rotation_to(codes, codes @ rotation + [1, 2, 3], None)
    np.testing.assert_allclose(found, rotation, atol=1e-12)
    np.testing.assert_allclose(shift, [1, 2, 3], atol=1e-12)


def test_rows_of_weight_zero_do_not_turn_codes():
    rng = np.random.default_rng(0)
    codes, rotation = rng.normal(size=(50, 3)), ortho_group.rvs(3, random_state=1)
    places = codes @ rotation
    places[40:] = 100 * rng.normal(size=(10, 3))
    found, _ = rotation_to(codes, places, np.where(np.arange(50) < 40, 2.0, 0.0))
    np.testing.assert_allclose(found, rotation, atol=1e-12)


def test_a_turned_network_decodes_turned_codes_as_before():
    fitted = clone(QUICK).fit(EARLY)
    codes, reconstruction = fitted.transform(LATE), fitted.reconstruct(LATE)
    rotation, shift = ortho_group.rvs(3, random_state=2), np.array([1.0, 2.0, 3.0])
    assert fitted.module_.turn(rotation, shift)
    np.testing.assert_allclose(fitted.transform(LATE), codes @ rotation + shift, atol=1e-5)
    np.testing.assert_allclose(fitted.reconstruct(LATE), reconstruction, atol=1e-4)


def test_a_refit_comes_back_in_the_earlier_coordinates(earlier):
    free = clone(QUICK).fit(LATE)
    aligned = clone(QUICK).fit(LATE, align_to=earlier)
    places = earlier.transform(LATE)
    assert relative_move(aligned.transform(LATE), places) < 0.4
    assert relative_move(free.transform(LATE), places) > 1
    assert aligned.score(LATE) > free.score(LATE) - 0.02
    assert {"train_places", "train_reconstruction"} <= set(aligned.history_[0])


def test_rows_in_sparse_form_and_weights_are_aligned_too(earlier):
    weights = np.linspace(0, 2, len(LATE))
    dense, of_sparse = (
        clone(QUICK).fit(rows, sample_weight=weights, align_to=PCA(3).fit(EARLY))
        for rows in (LATE, sparse.csr_matrix(LATE))
    )
    np.testing.assert_allclose(dense.transform(LATE), of_sparse.transform(LATE), atol=1e-4)


@pytest.mark.parametrize("distill", [False, True])
def test_the_codes_of_a_hybrid_are_turned(distill):
    earlier = Turned(PCA(3).fit(EARLY), ortho_group.rvs(3, random_state=0), np.ones(3))
    hybrid = HybridAutoencoder(
        3, distill=distill, architecture=Dense((32,)), max_iter=8, random_state=0
    )
    aligned = clone(hybrid).fit(LATE, align_to=earlier)
    moves = [
        relative_move(each.transform(LATE), earlier.transform(LATE))
        for each in (aligned, clone(hybrid).fit(LATE))
    ]
    assert moves[0] < 0.6 * moves[1]
    assert aligned.score(LATE) == pytest.approx(clone(hybrid).fit(LATE).score(LATE), abs=0.02)


def test_the_size_of_the_code_is_that_of_the_earlier_one():
    model = clone(QUICK).set_params(n_components="auto", max_iter=1)
    assert model.fit(LATE, align_to=PCA(4).fit(EARLY)).n_components_ == 4


@pytest.mark.parametrize("model", [QUICK, HybridAutoencoder(3, max_iter=1)])
@pytest.mark.parametrize(
    ("align_to", "error", "message"),
    [
        (PCA(2).fit(EARLY), ValueError, "codes of the same size, 3, got codes of 2"),
        ("old", TypeError, "must be a fitted estimator with transform, got 'old'"),
        (PCA(3), ValueError, "not fitted"),
    ],
)
def test_what_cannot_be_aligned_to_is_refused(model, align_to, error, message):
    model = clone(model)
    before = dict(vars(model))
    with pytest.raises(error, match=message):
        model.fit(LATE, align_to=align_to)
    assert vars(model) == before


def test_ordered_components_cannot_be_turned():
    with pytest.raises(ValueError, match="ordered=True orders its components"):
        clone(QUICK).set_params(ordered=True).fit(LATE, align_to=PCA(3).fit(EARLY))


def test_layers_that_cannot_be_turned_are_refused_before_training():
    modules = nn.Sequential(nn.Linear(64, 3), nn.Tanh()), nn.Linear(3, 64)
    model = clone(QUICK).set_params(architecture=Custom(*modules))
    with pytest.raises(ValueError, match="needs an encoder that ends in a linear layer"):
        model.fit(LATE, align_to=PCA(3).fit(EARLY))
