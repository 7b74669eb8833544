"""Weights of rows reach the scorer of reconstructions, by metadata routing and without it."""

import pickle
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, cross_val_score

from skae import HybridAutoencoder
from skae.metrics import reconstruction_scorer


@pytest.fixture(scope="module")
def iris():
    return load_iris().data


class Halves:
    """The first half of the rows to train on, the other one to score."""

    def split(self, X, y=None, groups=None):
        yield np.arange(len(X) // 2), np.arange(len(X) // 2, len(X))

    def get_n_splits(self, X=None, y=None, groups=None):
        return 1


@pytest.mark.skipif(
    not hasattr(GridSearchCV, "_check_scorers_accept_sample_weight"),
    reason="earlier versions of scikit-learn hand no weights to scorers without metadata routing",
)
@pytest.mark.parametrize("scorer", [reconstruction_scorer, {"a": reconstruction_scorer}])
def test_a_search_hands_the_weights_of_its_fit_to_the_scorer(scorer, iris):
    times = np.arange(len(iris)) % 3
    grid, cv = {"n_components": [1]}, Halves()
    search = GridSearchCV(HybridAutoencoder(max_iter=1, random_state=0), grid, cv=cv, refit=False)
    search.set_params(scoring=scorer).fit(iris, sample_weight=times)
    half = len(iris) // 2
    fitted = HybridAutoencoder(1, max_iter=1, random_state=0)
    fitted.fit(iris[:half], sample_weight=times[:half])
    expected = reconstruction_scorer(fitted, iris[half:], sample_weight=times[half:])
    name = "mean_test_a" if isinstance(scorer, dict) else "mean_test_score"
    assert_allclose(search.cv_results_[name], expected)


def test_weights_are_routed_to_the_scorer_once_it_asks_for_them(iris):
    times = np.arange(len(iris)) % 3
    pca, half = PCA(n_components=1).fit(iris[: len(iris) // 2]), len(iris) // 2
    validate = partial(
        cross_val_score, PCA(n_components=1), iris, cv=Halves(), params={"sample_weight": times}
    )
    asking = reconstruction_scorer.set_score_request(sample_weight=True)
    with config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            validate(scoring=reconstruction_scorer)
        for scorer in (asking, pickle.loads(pickle.dumps(asking)), clone(asking, safe=False)):
            expected = reconstruction_scorer(pca, iris[half:], sample_weight=times[half:])
            assert_allclose(validate(scoring=scorer), expected)
        declining = asking.set_score_request(sample_weight=False)
        plain = cross_val_score(PCA(n_components=1), iris, cv=Halves(), scoring=declining)
        assert_allclose(plain, reconstruction_scorer(pca, iris[half:]))
    assert repr(asking) == "reconstruction_scorer.set_score_request(sample_weight=True)"
