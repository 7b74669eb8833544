import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn import manifold
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.metrics.pairwise import nan_euclidean_distances
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import resample

from skae import Autoencoder
from skae.metrics import (
    continuity,
    explained_variance,
    knn_accuracy,
    reconstruction_error,
    reconstruction_scorer,
    trustworthiness,
)


@pytest.fixture(scope="module")
def digits():
    """Rows, more than fit one batch, with the classes."""
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)[0]


def reconstruct(X, n_components):
    pca = PCA(n_components=n_components).fit(X)
    return pca.inverse_transform(pca.transform(X))


def test_reconstruction_error_is_the_mean_squared_error(digits):
    X, _ = digits
    R = reconstruct(X, 8)
    assert_allclose(reconstruction_error(X, R), mean_squared_error(X, R))


def test_weights_count_rows_in_the_reconstruction_error(digits):
    X, y = digits
    R = reconstruct(X, 8)
    assert_allclose(
        reconstruction_error(X, R, sample_weight=y), mean_squared_error(X, R, sample_weight=y)
    )


@pytest.mark.parametrize("metric", [reconstruction_error, explained_variance])
def test_bytes_do_not_wrap_around(metric, digits):
    X = digits[0].astype("uint8")
    R = X[::-1]
    assert_allclose(metric(X, R), metric(X.astype(float), R.astype(float)))


@pytest.mark.parametrize("metric", [reconstruction_error, explained_variance])
def test_images_score_as_their_rows_do(metric, digits):
    X, _ = digits
    R = reconstruct(X, 8)
    assert metric(X.reshape(-1, 8, 8), R.reshape(-1, 8, 8)) == metric(X, R)


@pytest.mark.parametrize("metric", [reconstruction_error, explained_variance])
def test_shapes_that_differ_are_named(metric):
    with pytest.raises(ValueError, match=r"X_reconstructed .* got \(3, 3\), expected \(3, 4\)"):
        metric(np.zeros((3, 4)), np.zeros((3, 3)))


@pytest.mark.parametrize("metric", [reconstruction_error, explained_variance])
def test_a_missing_value_is_refused_by_name(metric):
    with pytest.raises(ValueError, match="X_reconstructed contains NaN"):
        metric([[1.0], [2.0]], [[1.0], [np.nan]])


def test_explained_variance_is_the_weighted_r2_score(iris):
    R = reconstruct(iris, 1)
    expected = r2_score(iris, R, multioutput="variance_weighted")
    assert_allclose(explained_variance(iris, R), expected)


def test_explained_variance_of_pca_is_the_fraction_that_pca_reports(digits):
    X, _ = digits
    pca = PCA(n_components=8).fit(X)
    R = pca.inverse_transform(pca.transform(X))
    assert_allclose(explained_variance(X, R), pca.explained_variance_ratio_.sum())


def test_errors_in_constant_features_count_in_explained_variance(iris):
    constant = np.full((len(iris), 1), 0.1)
    X, R = np.hstack([iris, constant]), np.hstack([iris, constant + 1])
    assert_allclose(explained_variance(X, R), 1 - 1 / iris.var(axis=0).sum())


@pytest.mark.parametrize("n_rows", [1, 5])
def test_explained_variance_is_undefined_without_variance(n_rows):
    X = np.full((n_rows, 3), 0.1)
    with pytest.warns(UndefinedMetricWarning, match=f"{n_rows} equal row"):
        assert np.isnan(explained_variance(X, X))


def test_neighbor_scores_are_those_of_scikit_learn_with_the_spaces_in_turn(iris):
    Z = iris[:, [2]]
    assert trustworthiness(iris, Z) == manifold.trustworthiness(iris, Z)
    assert continuity(iris, Z, n_neighbors=9) == manifold.trustworthiness(Z, iris, n_neighbors=9)


def test_merged_points_cost_trustworthiness_and_separated_ones_continuity(iris):
    X, Z = np.vstack([iris, iris + 100]), np.vstack([iris, iris])
    assert trustworthiness(X, Z) < 0.7 < 0.97 < continuity(X, Z)
    assert continuity(Z, X) < 0.7 < 0.97 < trustworthiness(Z, X)


@pytest.mark.parametrize("metric", [trustworthiness, continuity])
def test_a_seed_decides_which_rows_are_compared(metric, digits):
    X, _ = digits
    Z = PCA(n_components=2).fit_transform(X)
    few = resample(X, Z, replace=False, n_samples=300, random_state=7)
    assert metric(X, Z, max_samples=300, random_state=7) == metric(*few, max_samples=None)


def test_a_subset_of_rows_scores_about_as_all_rows_do(digits):
    X, _ = digits
    Z = PCA(n_components=2).fit_transform(X)
    few = trustworthiness(X, Z, max_samples=600, random_state=0)
    assert_allclose(few, trustworthiness(X, Z, max_samples=None), atol=0.03)


def test_neighbor_scores_take_images_of_bytes(digits):
    X = digits[0][:200]
    Z = X[:, 20:40]
    images = X.reshape(-1, 8, 8).astype("uint8")
    # Bytes and floats order equal distances differently.
    assert_allclose(trustworthiness(images, Z.astype("uint8")), trustworthiness(X, Z), atol=1e-3)


@pytest.mark.parametrize("metric", [trustworthiness, continuity])
def test_neighbor_scores_refuse_spaces_of_different_length(metric):
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[20, 19\]"):
        metric(np.zeros((20, 3)), np.zeros((19, 2)))


def test_no_rows_to_compare_are_refused(iris):
    with pytest.raises(ValueError, match="max_samples == 0, must be >= 1"):
        trustworthiness(iris, iris, max_samples=0)


def test_too_few_rows_for_the_neighbors_are_refused(iris):
    with pytest.raises(ValueError, match=r"n_neighbors \(5\)"):
        trustworthiness(iris, iris, max_samples=10)


def test_one_neighbor_predicts_the_class_of_the_nearest_code(digits):
    X, y = digits
    nearest = cdist(X[1000:], X[:1000]).argmin(axis=1)
    expected = np.mean(y[:1000][nearest] == y[1000:])
    assert knn_accuracy(X[:1000], y[:1000], X[1000:], y[1000:], n_neighbors=1) == expected


def test_nearest_neighbors_need_classes(iris):
    with pytest.raises(ValueError, match="continuous"):
        knn_accuracy(iris, iris[:, 0], iris, iris[:, 0])


def test_the_scorer_gives_the_variance_that_is_explained(digits):
    X, _ = digits
    pca = PCA(n_components=8).fit(X[:1000])
    expected = explained_variance(X[1000:], pca.inverse_transform(pca.transform(X[1000:])))
    assert reconstruction_scorer(pca, X[1000:]) == expected


def test_the_scorer_measures_pipelines_in_the_units_of_the_data(iris):
    scaled = make_pipeline(StandardScaler(), PCA(n_components=2)).fit(iris)
    plain = PCA(n_components=2).fit(iris)
    assert reconstruction_scorer(scaled, iris) < reconstruction_scorer(plain, iris) < 1


def test_the_scorer_lets_a_search_choose_between_reducers(iris):
    reducers = [PCA(n_components=1), Autoencoder(n_components=3, max_iter=5, random_state=0)]
    search = GridSearchCV(
        Pipeline([("reduce", PCA())]), {"reduce": reducers}, scoring=reconstruction_scorer
    )
    assert search.fit(iris).best_index_ == 1


def test_the_scorer_survives_pickling():
    assert pickle.loads(pickle.dumps(reconstruction_scorer)) is reconstruction_scorer


# -- missing values ----------------------------------------------------------------------------

RECONSTRUCTION = [reconstruction_error, explained_variance]
NEIGHBORS = [trustworthiness, continuity]


@pytest.fixture(scope="module")
def missing(iris):
    """One value in five of iris."""
    return np.random.default_rng(0).random(iris.shape) < 0.2


def test_reconstruction_error_is_the_mean_over_observed_values(iris, missing):
    R = reconstruct(iris, 1)
    expected = mean_squared_error(iris[~missing], R[~missing])
    assert_allclose(reconstruction_error(np.where(missing, np.nan, iris), R), expected)


def test_explained_variance_compares_observed_values_with_their_column_means(iris, missing):
    X, R = np.where(missing, np.nan, iris), reconstruct(iris, 1)
    expected = 1 - np.nansum((X - R) ** 2) / np.nansum((X - np.nanmean(X, axis=0)) ** 2)
    assert_allclose(explained_variance(X, R), expected)


def test_the_scorer_agrees_with_score_on_missing_values(iris, missing):
    X = np.where(missing, np.nan, iris)
    fitted = Autoencoder(2, missing_values="mask", max_iter=3, random_state=0).fit(X)
    assert_allclose(reconstruction_scorer(fitted, X), fitted.score(X))


def test_a_search_over_missing_values_finds_the_better_reducer(iris, missing):
    X = np.where(missing, np.nan, iris)
    search = GridSearchCV(
        Autoencoder(missing_values="mask", max_iter=5, random_state=0),
        {"n_components": [1, 3]},
        scoring=reconstruction_scorer,
        cv=2,
    ).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_ == {"n_components": 3}


@pytest.mark.parametrize("metric", RECONSTRUCTION)
def test_a_reconstruction_may_lack_what_the_data_lack(metric, iris, missing):
    X, R = np.where(missing, np.nan, iris), reconstruct(iris, 1)
    assert metric(X, np.where(missing, np.nan, R)) == metric(X, R)


@pytest.mark.parametrize("metric", RECONSTRUCTION)
@pytest.mark.parametrize("name", ["X", "X_reconstructed"])
def test_infinity_is_refused_by_name(metric, name):
    arrays = {"X": np.ones((3, 2)), "X_reconstructed": np.ones((3, 2))}
    arrays[name][1, 1] = np.inf
    with pytest.raises(ValueError, match=f"Input {name} contains infinity"):
        metric(**arrays)


@pytest.mark.parametrize("metric", RECONSTRUCTION)
def test_without_observed_values_the_scores_are_undefined(metric):
    X = np.full((3, 2), np.nan)
    with pytest.warns(UndefinedMetricWarning, match="undefined, got X of"):
        assert np.isnan(metric(X, np.zeros((3, 2))))


def test_trustworthiness_takes_distances_between_observed_values(iris, missing):
    X, Z = np.where(missing, np.nan, iris), iris[:, [2]]
    X = X[~missing.all(axis=1)]
    distances = np.nan_to_num(nan_euclidean_distances(X), nan=1e9)
    Z = Z[~missing.all(axis=1)]
    expected = manifold.trustworthiness(distances, Z, metric="precomputed")
    assert trustworthiness(X, Z) == expected


@pytest.mark.parametrize("metric", NEIGHBORS)
def test_a_feature_that_is_always_missing_changes_no_neighbor_score(metric, iris):
    X, Z = iris + np.random.default_rng(0).normal(0, 1e-3, iris.shape), iris[:, [2]]
    empty = np.full((len(X), 1), np.nan)
    assert_allclose(metric(np.hstack([X, empty]), Z), metric(X, Z), atol=1e-3)


@pytest.mark.parametrize("metric", NEIGHBORS)
def test_rows_without_observed_values_are_left_out_of_neighbor_scores(metric, iris):
    X, Z = np.vstack([iris, np.full((9, 4), np.nan)]), np.vstack([iris, iris[:9]])[:, [2]]
    assert metric(X, Z) == metric(iris, iris[:, [2]])


def test_neighbors_vote_by_distances_between_observed_values(digits):
    X, y = digits
    X = np.where(np.random.default_rng(0).random(X.shape) < 0.3, np.nan, X)
    assert knn_accuracy(X[:1000], y[:1000], X[1000:], y[1000:]) > 0.9


@pytest.mark.parametrize("name", ["y_train", "y_test"])
def test_a_class_that_is_missing_is_refused_by_name(name, iris):
    labels = {"y_train": ["a"] * 150, "y_test": ["a"] * 150}
    labels[name] = [*labels[name][1:], None]
    with pytest.raises(ValueError, match=f"{name} must hold a label for each row, got 1 missing"):
        knn_accuracy(Z_train=iris, Z_test=iris, **labels)


# -- weights and containers --------------------------------------------------------------------


def test_weights_count_rows_in_explained_variance(digits):
    X, y = digits
    R = reconstruct(X, 8)
    varied = X.std(axis=0) > 0
    expected = r2_score(
        X[:, varied], R[:, varied], sample_weight=y, multioutput="variance_weighted"
    )
    assert_allclose(explained_variance(X, R, sample_weight=y), expected, rtol=1e-3)


@pytest.mark.parametrize("metric", RECONSTRUCTION)
def test_a_weight_counts_a_row_so_many_times(metric, iris, missing):
    X, R = np.where(missing, np.nan, iris), reconstruct(iris, 1)
    times = np.arange(len(X)) % 3
    expected = metric(np.repeat(X, times, axis=0), np.repeat(R, times, axis=0))
    assert_allclose(metric(X, R, sample_weight=times), expected)


def test_weights_count_rows_in_the_accuracy(digits):
    X, y = digits
    times = np.arange(797) % 3
    repeated = np.repeat(X[1000:], times, axis=0), np.repeat(y[1000:], times)
    weighted = knn_accuracy(X[:1000], y[:1000], X[1000:], y[1000:], sample_weight=times)
    assert_allclose(weighted, knn_accuracy(X[:1000], y[:1000], *repeated))


def test_the_scorer_weighs_rows(iris):
    pca = PCA(n_components=1).fit(iris)
    times = np.arange(len(iris)) % 3
    assert_allclose(
        reconstruction_scorer(pca, iris, sample_weight=times),
        reconstruction_scorer(pca, np.repeat(iris, times, axis=0)),
    )


def test_sparse_rows_score_as_dense_ones(digits):
    X = digits[0][:200]
    R = reconstruct(X, 8)
    assert_allclose(explained_variance(sparse.csr_array(X), R), explained_variance(X, R))
    assert trustworthiness(sparse.csr_matrix(X), R) == trustworthiness(X, R)


@pytest.mark.parametrize("metric", [*RECONSTRUCTION, *NEIGHBORS])
def test_columns_of_text_are_refused_by_name(metric):
    X = pd.DataFrame({"age": [1.0, 2.0], "city": ["1", "2"]})
    with pytest.raises(ValueError, match=r"X must hold numbers, got column\(s\) 'city'"):
        metric(X, np.zeros((2, 2)))
