"""Weights in ``score``: they count rows, in every estimator that scores."""

import inspect

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from small import ESTIMATORS, NETWORKS, wine

X, Y = wine()
COUNTS = np.arange(len(X)) % 3
_FITTED = {}


def fitted(name):
    if name not in _FITTED:
        _FITTED[name] = clone(ESTIMATORS[name]).set_params(max_iter=1).fit(X, Y)
    return _FITTED[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_weight_counts_as_that_many_rows_in_score(name):
    rows = np.repeat(np.arange(len(X)), COUNTS)
    weighted = fitted(name).score(X, Y, sample_weight=COUNTS)
    assert weighted == pytest.approx(fitted(name).score(X[rows], Y[rows]))
    assert weighted != fitted(name).score(X, Y)


def test_weights_count_sequences_against_the_repeated_last_frame_as_well():
    rows = np.repeat(np.arange(len(X)), COUNTS)
    predictor = fitted("SequencePredictor")
    weighted = predictor.score(X, sample_weight=COUNTS, baseline="last")
    assert weighted == pytest.approx(predictor.score(X[rows], baseline="last"))


def test_weights_count_rows_with_missing_values():
    holed = np.where(np.arange(X.size).reshape(X.shape) % 7 == 0, np.nan, X)
    estimator = clone(ESTIMATORS["Autoencoder"]).set_params(missing_values="mask").fit(holed)
    rows = np.repeat(np.arange(len(X)), COUNTS)
    weighted = estimator.score(holed, sample_weight=COUNTS)
    assert weighted == pytest.approx(estimator.score(holed[rows]))


@pytest.mark.parametrize("name", NETWORKS)
def test_impossible_weights_are_refused_in_score(name):
    with pytest.raises(ValueError, match=r"sample_weight|numbers of samples"):
        fitted(name).score(X, Y, sample_weight=np.ones(3))


@pytest.mark.parametrize("name", ["Autoencoder", "VariationalAutoencoder", "SequencePredictor"])
def test_a_search_routes_weights_to_score(name):
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = clone(ESTIMATORS[name]).set_params(max_iter=1)
        estimator.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(estimator, {"n_components": [2]}, cv=[(range(30), range(30, 45))])
        weights = 1.0 + COUNTS
        search.fit(X, sample_weight=weights)
    expected = (
        clone(ESTIMATORS[name])
        .set_params(max_iter=1)
        .fit(X[:30], sample_weight=weights[:30])
        .score(X[30:], sample_weight=weights[30:])
    )
    assert search.best_score_ == pytest.approx(expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_sample_weight_follows_y_in_score_as_in_scikit_learn(name):
    parameters = list(inspect.signature(ESTIMATORS[name].score).parameters)
    assert parameters[:3] == ["X", "y", "sample_weight"]
