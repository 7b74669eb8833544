"""Sizes of the code that the data decide: a fraction of the variance, as PCA takes one."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from small import ESTIMATORS, NETWORKS, wine

from skae import Autoencoder, load, save

X, Y = wine()
OF_ROWS = sorted({*NETWORKS} - {"SequencePredictor"})


def small(name, n_components):
    return clone(ESTIMATORS[name]).set_params(n_components=n_components, max_iter=1)


@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("name", OF_ROWS)
def test_a_fraction_gives_the_size_that_pca_needs_to_explain_it(name, fraction):
    fitted = small(name, fraction).fit(X, Y)
    assert fitted.n_components_ == PCA(fraction).fit(X).n_components_
    assert fitted.transform(X).shape == (len(X), fitted.n_components_)
    assert fitted.get_params()["n_components"] == fraction


@pytest.mark.parametrize("name", NETWORKS)
def test_auto_is_nine_tenths_of_the_variance(name):
    sizes = [small(name, size).fit(X, Y).n_components_ for size in ("auto", 0.9)]
    assert sizes[0] == sizes[1]


def test_frames_of_sequences_decide_the_size_of_their_code():
    frames = np.random.default_rng(0).normal(size=(30, 4, 6)) * [9, 9, 1, 1, 1, 1]
    fitted = small("SequencePredictor", 0.9).fit(frames)
    assert fitted.n_components_ == PCA(0.9).fit(frames.reshape(-1, 6)).n_components_ == 2


def test_weights_count_as_that_many_rows():
    weights = np.arange(len(X)) % 3
    weighted = small("Autoencoder", 0.7).fit(X, sample_weight=weights)
    assert weighted.n_components_ == PCA(0.7).fit(np.repeat(X, weights, axis=0)).n_components_


@pytest.mark.parametrize("name", NETWORKS)
def test_partial_fit_needs_an_integer_or_a_fit_before(name):
    classes = {"classes": [0, 1, 2]} if name == "AutoencoderClassifier" else {}
    with pytest.raises(ValueError, match="n_components=0.9 depends on all training rows"):
        small(name, 0.9).partial_fit(X, Y, **classes)
    fitted = small(name, 0.9).fit(X, Y)
    size = fitted.n_components_
    assert fitted.partial_fit(X, Y).n_components_ == size


@pytest.mark.parametrize("name", NETWORKS)
def test_a_warm_start_keeps_the_size(name):
    fitted = small(name, 0.6).set_params(warm_start=True).fit(X, Y)
    size = fitted.n_components_
    assert fitted.fit(X[:30], Y[:30]).n_components_ == size


def test_searches_and_another_fit_decide_anew():
    search = GridSearchCV(small("Autoencoder", 1), {"n_components": [0.5, "auto", 2]}, cv=2)
    assert search.fit(X).best_estimator_.n_components_ >= 1
    fitted = small("Autoencoder", 0.3).fit(X)
    assert fitted.set_params(n_components=0.99).fit(X).n_components_ > 1


@pytest.mark.parametrize("size", [0.0, 1.5, -1, "mle", None])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="'n_components' parameter"):
        small("Autoencoder", size).fit(X)


# -- ordered components: as few as explain the fraction themselves ---------------------------


@pytest.fixture(scope="module")
def ordered():
    """An ordered fit of curved rows, whose codes need fewer components than PCA's."""
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, (500, 1))
    rows = np.hstack([np.cos(angles), np.sin(angles), np.cos(2 * angles), np.sin(2 * angles)])
    fitted = Autoencoder(0.9, ordered=True, max_iter=30, random_state=0).fit(rows)
    return fitted, rows


def test_ordered_components_are_as_few_as_explain_the_fraction_themselves(ordered):
    fitted, rows = ordered
    ratios = fitted.explained_variance_ratio_
    assert len(ratios) == fitted.n_components_ < PCA(0.9).fit(rows).n_components_
    assert ratios.sum() >= 0.9 > ratios[:-1].sum()
    assert fitted.score(rows) > 0.89


def test_components_that_are_left_out_are_in_no_code(ordered):
    fitted, rows = ordered
    codes = fitted.transform(rows)
    assert codes.shape == (500, fitted.n_components_)
    assert len(fitted.get_feature_names_out()) == fitted.n_components_
    np.testing.assert_allclose(fitted.inverse_transform(codes), fitted.reconstruct(rows))
    np.testing.assert_allclose(fitted.transform(rows.astype(np.float32)), codes, atol=1e-4)
    error = np.mean((fitted.reconstruct(rows) - rows) ** 2)
    assert fitted.reconstruction_err_ == pytest.approx(error)


def test_what_leaves_components_out_is_kept_and_trained_on(ordered, tmp_path):
    fitted, rows = ordered
    size, expected = fitted.n_components_, fitted.transform(rows)
    save(fitted, tmp_path / "ordered.skae")
    for copied in (load(tmp_path / "ordered.skae"), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_allclose(copied.transform(rows), expected, atol=1e-6)
        assert copied.partial_fit(rows[:50]).n_components_ == size
        assert copied.set_params(warm_start=True, max_iter=1).fit(rows).n_components_ == size
        assert copied.transform(rows).shape == (500, size)
    assert clone(fitted).set_params(n_components=3, max_iter=1).fit(rows).n_components_ == 3


def test_all_components_are_kept_where_they_do_not_reach_the_fraction():
    noise = np.random.default_rng(0).normal(size=(300, 12))
    fitted = Autoencoder(0.9, ordered=True, max_iter=1, random_state=0).fit(noise)
    assert fitted.n_components_ <= PCA(0.9).fit(noise).n_components_
    assert fitted.explained_variance_ratio_[:-1].sum() < 0.9
