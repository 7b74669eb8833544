"""Weights of rows in the detector: held-out rows, quantiles, p-values, neighborhoods."""

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skae import ReconstructionOutlierDetector
from skae.estimators._held_out import split_rows
from skae.estimators._thresholds import p_values_of_ranks, weighted_quantile

METHODS = ["neighbors", "error"]


@pytest.fixture(scope="module")
def X():
    return StandardScaler().fit_transform(load_wine().data)


@pytest.fixture(scope="module")
def weights(X):
    return np.random.default_rng(0).uniform(0.1, 2, len(X))


def detector(estimator=None, **parameters):
    return ReconstructionOutlierDetector(estimator, **{"random_state": 0} | parameters)


# -- rows ----------------------------------------------------------------------------------


def test_a_split_holds_out_the_fraction_and_loses_no_row(X, weights):
    split = split_rows(X, weights, 0.3, 0)
    assert len(split.held_out) == round(0.3 * len(X))
    assert sorted([*split.held_out, *split.fitted]) == list(range(len(X)))


def test_rows_of_weight_zero_are_in_neither_part(X, weights):
    split = split_rows(X, np.where(weights < 1, 0, weights), 0.3, 0)
    assert set(split.held_out) | set(split.fitted) == set(np.flatnonzero(weights >= 1))


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_whole_weights_split_rows_as_repeating_them_does(X, make):
    counts = np.random.default_rng(0).integers(0, 4, len(X))
    order = np.random.default_rng(1).permutation(len(X))
    weighted = split_rows(make(X[order]), counts[order].astype(float), 0.3, 0)
    repeated = split_rows(make(X.repeat(counts, axis=0)), None, 0.3, 0)
    for one, other in zip(weighted[:2], repeated[:2], strict=True):
        np.testing.assert_array_equal(X[order][one], X.repeat(counts, axis=0)[other])


def test_the_weights_of_fitted_rows_count_what_is_not_held_out():
    X, counts = np.arange(30.0).reshape(10, 3), np.arange(10.0)
    split = split_rows(X, counts, 0.3, 0)
    rows, weights = split.fitted_once()
    fitted = np.zeros(10)
    fitted[rows] = weights
    np.testing.assert_array_equal(fitted + np.bincount(split.held_out, minlength=10), counts)


@pytest.mark.parametrize("method", METHODS)
def test_a_weight_of_zero_is_the_same_as_leaving_the_row_out(X, weights, method):
    used = weights > 0.6
    for kept in (np.ones(len(X)), weights):
        zeroed = detector(method=method).fit(X, sample_weight=np.where(used, kept, 0))
        left_out = detector(method=method).fit(X[used], sample_weight=kept[used])
        np.testing.assert_allclose(zeroed.decision_function(X), left_out.decision_function(X))
        zeroed.set_threshold(contamination=0.1)
        assert zeroed.offset_ == pytest.approx(left_out.set_threshold(contamination=0.1).offset_)


@pytest.mark.parametrize("method", METHODS)
def test_the_unit_of_weights_does_not_matter(X, weights, method):
    one, other = (
        detector(method=method).fit(X, sample_weight=factor * weights) for factor in (1, 1e-3)
    )
    np.testing.assert_allclose(one.decision_function(X), other.decision_function(X))
    np.testing.assert_allclose(one.p_values(X), other.p_values(X))


def test_equal_weights_change_nothing(X):
    weighted = detector().fit(X, sample_weight=np.full(len(X), 0.3))
    np.testing.assert_array_equal(
        weighted.decision_function(X), detector().fit(X).decision_function(X)
    )


def test_weights_of_zero_that_leave_too_few_rows_are_refused(X):
    with pytest.raises(ValueError, match="calibration_fraction=0.2 of 2 rows leaves 1 to fit"):
        detector().fit(X, sample_weight=np.arange(len(X)) < 2)


# -- what weights do -----------------------------------------------------------------------


def test_a_weighted_quantile_with_equal_weights_is_that_of_numpy():
    scores = np.random.default_rng(0).normal(size=31)
    quantiles = np.linspace(0, 1, 23)
    np.testing.assert_allclose(
        weighted_quantile(scores, quantiles, np.full(31, 0.2)), np.quantile(scores, quantiles)
    )


def test_a_weighted_quantile_has_its_fraction_of_the_weight_below():
    rng = np.random.default_rng(0)
    scores, weights = rng.normal(size=5000), rng.uniform(0, 5, 5000)
    for quantile in (0.1, 0.5, 0.9):
        below = scores < weighted_quantile(scores, quantile, weights)
        assert weights[below].sum() / weights.sum() == pytest.approx(quantile, abs=1e-3)


def test_contamination_is_the_fraction_of_the_weight_called_outliers(X, weights):
    model = detector(contamination=0.2).fit(X, sample_weight=weights)
    is_outlier = model.predict(X) == -1
    assert weights[is_outlier].sum() / weights.sum() == pytest.approx(0.2, abs=0.02)


def test_p_values_count_held_out_rows_by_their_weights():
    p_values = p_values_of_ranks(3, np.array([2.0, 1.0, 3.0]))
    np.testing.assert_allclose(p_values, [1 / 4, 2 / 4, 2.5 / 4, 1])
    np.testing.assert_allclose(p_values_of_ranks(3), [1 / 4, 2 / 4, 3 / 4, 1])


@pytest.mark.parametrize("rate", [0.05, 0.29, 0.5])
def test_a_false_positive_rate_goes_by_weighted_p_values(X, weights, rate):
    model = detector().fit(X, sample_weight=weights).set_threshold(false_positive_rate=rate)
    np.testing.assert_array_equal(model.predict(X) == -1, model.p_values(X) <= rate)


def test_neighbors_count_by_their_weights(X, weights):
    model = detector(PCA(3), n_neighbors=7).fit(X, sample_weight=weights)
    squared = cdist(X / model.scale_, model.references_ / model.scale_, metric="sqeuclidean")
    nearest = np.argsort(squared, axis=1)[:, :7]
    fitted = split_rows(X, weights, 0.2, 0).fitted
    expected = np.average(
        np.take_along_axis(squared, nearest, axis=1), axis=1, weights=weights[fitted][nearest]
    )
    np.testing.assert_allclose(model.score_samples(X), -expected / X.shape[1])
