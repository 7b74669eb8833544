"""ReconstructionOutlierDetector: the outlier contract, thresholds, p-values, contributions."""

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.manifold import TSNE
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, ReconstructionOutlierDetector, TableAutoencoder, TableEncoder

METHODS = ["neighbors", "error"]


class PictureCode(TransformerMixin, BaseEstimator):
    """PCA of pictures ``(n, height, width)``."""

    def fit(self, X, y=None):
        self.shape_ = X.shape[1:]
        self.pca_ = PCA(10).fit(X.reshape(len(X), -1))
        return self

    def transform(self, X):
        return self.pca_.transform(X.reshape(len(X), -1))

    def inverse_transform(self, Z):
        return self.pca_.inverse_transform(Z).reshape(-1, *self.shape_)


class Lossy(TransformerMixin, BaseEstimator):
    """Forgets the last columns, or reconstructs nothing but NaN."""

    def __init__(self, to_nan=False):
        self.to_nan = to_nan

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X[:, :-1]

    def inverse_transform(self, Z):
        return np.full((len(Z), Z.shape[1] + 1), np.nan) if self.to_nan else Z


@pytest.fixture(scope="module")
def tumors():
    """Benign tumors, which are the normal ones, and malignant ones."""
    X, y = load_breast_cancer(return_X_y=True)
    return X[y == 1], X[y == 0]


def detector(estimator=None, **parameters):
    return ReconstructionOutlierDetector(estimator, **{"random_state": 0} | parameters)


def contaminated(X, is_outlier, fraction, seed=0):
    """All normal rows of X and as many outliers as make up this fraction of the whole."""
    outliers = np.flatnonzero(is_outlier)
    n_outliers = round(fraction / (1 - fraction) * (len(X) - len(outliers)))
    chosen = np.random.RandomState(seed).permutation(outliers)[:n_outliers]
    rows = np.r_[np.flatnonzero(~is_outlier), chosen]
    return X[rows], is_outlier[rows]


def auc(model, X, is_outlier):
    """Area under the ROC curve on 40 % of the rows, fitted on the rest without labels."""
    train, test, _, hidden = train_test_split(
        X, is_outlier, test_size=0.4, stratify=is_outlier, random_state=0
    )
    return roc_auc_score(hidden, -model.fit(train).score_samples(test))


# -- scores --------------------------------------------------------------------------------


def test_error_is_the_mean_squared_error_of_the_reconstruction(tumors):
    benign, malignant = tumors
    model = detector(PCA(3), method="error").fit(benign)
    pca = model.estimator_
    rebuilt = pca.inverse_transform(pca.transform(malignant))
    expected = -((malignant - rebuilt) ** 2).mean(axis=1)
    np.testing.assert_allclose(model.score_samples(malignant), expected)


def test_neighbors_is_the_mean_squared_distance_to_the_nearest_reconstructions(tumors):
    benign, malignant = tumors
    model = detector(PCA(3), n_neighbors=7).fit(benign)
    squared = cdist(
        malignant / model.scale_, model.references_ / model.scale_, metric="sqeuclidean"
    )
    expected = -np.sort(squared, axis=1)[:, :7].mean(axis=1) / benign.shape[1]
    np.testing.assert_allclose(model.score_samples(malignant), expected)


def test_the_default_is_the_more_unusual_of_near_and_wide_distances(tumors):
    benign, malignant = tumors
    model = detector(PCA(3)).fit(benign)
    odd = malignant[:50]
    near, wide, features = (model._parts[name] for name in ("near", "wide", "features"))

    def nearest(part, k):
        squared = cdist(
            (odd - part["origins"]) / part["ranges"], part["references"], metric="sqeuclidean"
        )
        order = np.argsort(squared, axis=1)[:, :k]
        return np.take_along_axis(squared, order, axis=1).mean(axis=1) / 30, order

    size_near, order = nearest(near, 5)
    ratio_near = size_near / np.sqrt(near["spreads"][order].mean(axis=1)) / near["usual"]
    size_wide, _ = nearest(wide, round(0.1 * len(model.references_)))
    # Of each feature alone, all pairs of values.
    rows = (odd - features["origins"]) / features["ranges"]
    squared = np.sort((rows[:, None] - features["values"]) ** 2, axis=1)
    alone = np.sqrt(squared[:, : len(features["values"]) // 2].mean(axis=1)) / features["unit"]
    ratio_wide = np.sqrt(size_wide / wide["usual"] * alone.mean(axis=1) / features["usual"])
    expected = -wide["usual"] * np.maximum(ratio_near, ratio_wide)
    np.testing.assert_allclose(model.score_samples(odd), expected)
    assert 0 < (ratio_near > ratio_wide).mean() < 1


def test_what_is_usual_in_training_deviates_by_one(tumors):
    benign, _ = tumors
    model = detector(PCA(3)).fit(benign)
    usual = model._parts["wide"]["usual"]
    assert np.median(-model.calibration_scores_) == pytest.approx(usual, rel=0.5)


def test_a_fraction_of_neighbors_counts_the_references(tumors):
    benign, _ = tumors
    by_fraction = detector(n_neighbors=0.05).fit(benign)
    number = round(0.05 * len(by_fraction.references_))
    by_number = detector(n_neighbors=number).fit(benign)
    np.testing.assert_array_equal(by_fraction.training_scores_, by_number.training_scores_)


@pytest.mark.parametrize("method", METHODS)
def test_feature_scores_add_up_to_the_score(tumors, method):
    benign, malignant = tumors
    model = detector(PCA(3), method=method).fit(benign)
    deviations = model.feature_scores(malignant) / model.scale_
    np.testing.assert_allclose(-(deviations**2).mean(axis=1), model.score_samples(malignant))


def test_feature_scores_of_weighted_references_add_up_to_the_score(tumors):
    benign, malignant = tumors
    weights = np.random.default_rng(0).uniform(0.5, 3, len(benign))
    model = detector(n_neighbors=5).fit(benign, sample_weight=weights)
    deviations = model.feature_scores(malignant) / model.scale_
    np.testing.assert_allclose(-(deviations**2).mean(axis=1), model.score_samples(malignant))


def test_another_fit_scores_by_its_own_references(tumors):
    benign, malignant = tumors
    model = detector().fit(benign)
    model.score_samples(malignant)
    again = model.fit(malignant).score_samples(benign)
    np.testing.assert_array_equal(again, detector().fit(malignant).score_samples(benign))


def test_the_units_of_the_columns_do_not_matter_to_the_default(tumors):
    benign, malignant = tumors
    units, origins = np.logspace(-4, 4, benign.shape[1]), np.linspace(-1e3, 1e3, 30)
    scores = detector().fit(benign).score_samples(malignant)
    changed = detector().fit(benign * units + origins).score_samples(malignant * units + origins)
    np.testing.assert_allclose(changed, scores, rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_row_scores_the_same_whichever_rows_come_with_it(tumors, method):
    benign, malignant = tumors
    model = detector(PCA(3), method=method).fit(benign)
    alone = np.concatenate([model.score_samples(row[None]) for row in malignant[:20]])
    np.testing.assert_allclose(model.score_samples(malignant)[:20], alone, rtol=1e-9)


def test_a_view_that_runs_backward_scores_as_a_copy_of_it():
    X = load_digits().data[:300]
    model = detector().fit(X)
    backward = X[::-1, ::-1]
    np.testing.assert_array_equal(
        model.score_samples(backward), model.score_samples(backward.copy())
    )


def test_a_constant_feature_is_measured_in_the_median_range_of_the_others():
    X = load_wine().data[:, :5].copy()
    X[:, 2] = 7
    model = detector(PCA(2)).fit(X)
    assert model.scale_[2] == np.median(np.delete(model.scale_, 2))


@pytest.mark.filterwarnings("ignore:invalid value")  # PCA divides by their variance
def test_rows_that_are_all_alike_are_all_normal():
    X = np.ones((20, 3))
    assert (detector(PCA(1)).fit(X).predict(X) == 1).all()


def test_pictures_of_bytes_score_like_pictures_of_floats():
    images = load_digits().images[:300]
    as_floats = detector(PictureCode()).fit(images)
    as_bytes = detector(PictureCode()).fit(images.astype(np.uint8))
    np.testing.assert_allclose(as_bytes.training_scores_, as_floats.training_scores_)
    assert as_bytes.feature_scores(images[:2].astype(np.uint8)).shape == (2, 8, 8)


# -- detection -----------------------------------------------------------------------------


def test_malignant_tumors_are_found_among_benign_ones():
    X, y = load_breast_cancer(return_X_y=True)
    assert auc(detector(), *contaminated(X, y == 0, 0.05)) > 0.9


@pytest.mark.parametrize("digit", [0, 1, 4, 6])
def test_other_digits_are_found_among_one_digit(digit):
    X, y = load_digits(return_X_y=True)
    assert auc(detector(), *contaminated(X, y != digit, 0.1)) > 0.9


@pytest.mark.parametrize("digit", [1, 6])
def test_a_cluster_of_outliers_is_not_its_own_neighborhood(digit):
    X, y = load_digits(return_X_y=True)
    rows = contaminated(X, y == digit, 0.05)
    assert auc(detector(), *rows) > auc(detector(n_neighbors=1), *rows) + 0.05


def test_the_neighbors_find_what_the_plain_error_misses():
    X, y = load_digits(return_X_y=True)
    rows = contaminated(X, y == 6, 0.03)
    assert auc(detector(), *rows) > auc(detector(method="error"), *rows) + 0.2


def test_one_default_finds_the_outliers_of_eleven_sets():
    folder = os.environ.get("SKAE_DATA")
    if not folder or not (path := Path(folder) / "outliers.npz").exists():
        pytest.skip("needs outliers.npz, the ADBench sets, in the folder that SKAE_DATA names")
    areas = []
    with np.load(path) as sets:
        for name in {key[:-2] for key in sets}:
            X, y = sets[f"{name}_X"], sets[f"{name}_y"]
            train, test, _, hidden = train_test_split(
                X, y, test_size=0.4, stratify=y, random_state=0
            )
            scaler = StandardScaler().fit(train)
            model = detector().fit(scaler.transform(train))
            scores = model.score_samples(scaler.transform(test))
            areas.append(roc_auc_score(hidden, -scores))
    assert len(areas) == 11
    assert np.mean(areas) > 0.88


# -- threshold -----------------------------------------------------------------------------


def test_contamination_is_the_fraction_of_training_rows_called_outliers(tumors):
    benign, _ = tumors
    labels = detector(contamination=0.1).fit_predict(benign)
    assert (labels == -1).sum() == round(0.1 * len(benign))


def test_auto_spares_most_normal_rows_and_finds_most_outliers(tumors):
    benign, malignant = tumors
    model = detector().fit(benign)
    assert (model.predict(benign) == 1).mean() > 0.9
    assert (model.predict(malignant) == -1).mean() > 0.75


def test_auto_is_the_fence_of_tukey_below_the_held_out_scores(tumors):
    model = detector(contamination="auto").fit(tumors[0])
    low, high = np.quantile(model.calibration_scores_, [0.25, 0.75])
    assert model.offset_ == pytest.approx(low - 1.5 * (high - low))


def test_a_threshold_set_later_is_the_one_that_fit_would_have_set(tumors):
    benign, _ = tumors
    late = detector(contamination=0.3).fit(benign).set_threshold(contamination="auto")
    assert late.offset_ == detector(contamination="auto").fit(benign).offset_
    by_contamination = late.set_threshold(contamination=0.3).offset_
    assert by_contamination == detector(contamination=0.3).fit(benign).offset_
    assert by_contamination == pytest.approx(late.set_threshold(quantile=0.7).offset_)


def test_quantile_is_the_fraction_of_training_rows_called_normal(tumors):
    benign, _ = tumors
    model = detector().fit(benign).set_threshold(quantile=0.25)
    assert (model.predict(benign) == 1).mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.29, 0.5, 0.9])
def test_a_false_positive_rate_calls_the_rows_with_p_values_up_to_it(tumors, rate):
    X = np.vstack(tumors)
    model = detector().fit(tumors[0]).set_threshold(false_positive_rate=rate)
    np.testing.assert_array_equal(model.predict(X) == -1, model.p_values(X) <= rate)


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ({}, "exactly one"),
        ({"contamination": 0.1, "quantile": 0.9}, "exactly one"),
        ({"contamination": 0.7}, "'contamination' parameter"),
        ({"quantile": 1.0}, "'quantile' parameter"),
        ({"false_positive_rate": "low"}, "'false_positive_rate' parameter"),
        ({"false_positive_rate": 1e-4}, "at least 0.0139 with 71 held-out"),
    ],
)
def test_a_wrong_threshold_says_so_and_changes_nothing(tumors, threshold, message):
    model = detector().fit(tumors[0])
    before = model.offset_
    with pytest.raises(ValueError, match=message):
        model.set_threshold(**threshold)
    assert model.offset_ == before


# -- p-values ------------------------------------------------------------------------------


def test_p_values_rank_rows_among_the_held_out_ones(tumors):
    benign, malignant = tumors
    model = detector().fit(benign)
    held_out = model.calibration_scores_
    as_odd = (held_out <= model.score_samples(malignant)[:, None]).sum(axis=1)
    np.testing.assert_allclose(model.p_values(malignant), (1 + as_odd) / (1 + len(held_out)))


@pytest.mark.parametrize("estimator", [None, make_pipeline(StandardScaler(), PCA(25))])
@pytest.mark.parametrize("method", METHODS)
def test_p_values_below_alpha_are_as_rare_as_alpha_on_normal_rows(tumors, estimator, method):
    benign, _ = tumors
    p_values = []
    for seed in range(40):
        train, test = train_test_split(benign, test_size=0.3, random_state=seed)
        model = detector(estimator, method=method, random_state=seed).fit(train)
        p_values.append(model.p_values(test))
    for alpha in (0.05, 0.1, 0.2):
        assert 0.6 * alpha < np.mean(np.array(p_values) <= alpha) < 1.2 * alpha


def test_p_values_stay_valid_where_the_training_rows_hold_outliers(tumors):
    benign, malignant = tumors
    rates = []
    for seed in range(20):
        train, test = train_test_split(benign, test_size=0.3, random_state=seed)
        model = detector(random_state=seed).fit(np.vstack([train, malignant[:25]]))
        rates.append(np.mean(model.p_values(test) <= 0.1))
    assert np.mean(rates) < 0.1


# -- features ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_value_moved_far_off_contributes_about_as_much(tumors, method):
    X = load_breast_cancer(as_frame=True).data.loc[load_breast_cancer().target == 1]
    odd = X.iloc[:1].copy()
    odd["worst texture"] += 200
    reducer = make_pipeline(StandardScaler(), PCA(5))
    contributions = detector(reducer, method=method).fit(X).feature_scores(odd).iloc[0]
    relative = contributions / X.std()
    assert relative.idxmax() == "worst texture"
    assert 100 < contributions["worst texture"] < 210


def test_feature_scores_of_a_pandas_frame_are_one_with_its_index_and_columns():
    X = load_wine(as_frame=True).data
    contributions = detector().fit(X).feature_scores(X.iloc[5:8])
    assert isinstance(contributions, pd.DataFrame)
    assert list(contributions.columns) == list(X.columns)
    assert list(contributions.index) == [5, 6, 7]


def test_feature_scores_of_a_polars_frame_are_one_with_its_columns():
    X = load_wine(as_frame=True).data
    model = detector().fit(pl.DataFrame(X))
    contributions = model.feature_scores(pl.DataFrame(X[:4]))
    assert isinstance(contributions, pl.DataFrame)
    assert contributions.columns == list(X.columns)
    expected = detector().fit(X).feature_scores(X[:4])
    np.testing.assert_allclose(contributions.to_numpy(), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_feature_scores_have_the_precision_of_the_data(tumors, dtype, method):
    X = tumors[0].astype(dtype)
    assert detector(PCA(3), method=method).fit(X).feature_scores(X).dtype == dtype


# -- absent attributes, missing values -----------------------------------------------------


def test_references_are_absent_where_the_method_has_none(tumors):
    model = detector(PCA(3)).fit(tumors[0])
    assert model.references_.shape == (286, 30)
    model.set_params(method="error").fit(tumors[0])
    assert not hasattr(model, "references_")
    np.testing.assert_array_equal(
        model.training_scores_, detector(PCA(3), method="error").fit(tumors[0]).training_scores_
    )


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_a_missing_value_is_refused_by_the_name_of_its_column(library):
    X = load_wine(as_frame=True).data
    X.loc[3, "ash"] = np.nan
    with pytest.raises(ValueError, match=r"NaN in column\(s\) 'ash'. .* complete rows: fill"):
        detector(PCA(3)).fit(library(X))


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_the_default_leaves_missing_values_out_of_distances(library):
    X = load_wine(as_frame=True).data
    X.loc[::3, "ash"] = np.nan
    model = detector().fit(library(X))
    deviations = np.asarray(model.feature_scores(library(X))) / model.scale_
    assert np.isnan(deviations[::3, 2]).all()
    assert np.isfinite(np.delete(deviations, 2, axis=1)).all()
    expected = -np.nanmean(deviations**2, axis=1)
    np.testing.assert_allclose(model.score_samples(library(X)), expected)


def test_outliers_are_found_among_rows_with_missing_values():
    X, y = load_breast_cancer(return_X_y=True)
    X, is_outlier = contaminated(X, y == 0, 0.05)
    X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    assert auc(detector(), X, is_outlier) > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_rows_and_columns_without_any_value_deviate_by_nothing(method):
    X = load_wine().data.copy()
    X[:, 3] = np.nan
    model = detector(method=method).fit(X)
    X[5] = np.nan
    scores = model.score_samples(X)
    assert scores[5] == 0
    assert np.isfinite(scores).all()


def test_missing_values_are_taken_where_the_reducer_takes_them():
    X = StandardScaler().fit_transform(load_wine().data)
    odd = X[:1].copy()
    odd[0, 4] = 30
    X[::5, 2] = odd[0, 2] = np.nan
    masking = Autoencoder(3, missing_values="mask", max_iter=5, random_state=0)
    for method in METHODS:
        model = detector(masking, method=method).fit(X)
        assert np.isfinite(model.training_scores_).all()
        assert np.nanargmax(model.feature_scores(odd)[0]) == 4
    with pytest.raises(ValueError, match="needs complete rows"):
        detector(Autoencoder(3, max_iter=1)).fit(X)


# -- tables of mixed columns ---------------------------------------------------------------


def mixed_wines():
    """Wines with the region, which goes with the measurements, and a year."""
    X, y = load_wine(return_X_y=True, as_frame=True)
    X = X[["alcohol", "flavanoids", "proline"]].assign(
        region=y.map({0: "north", 1: "south", 2: "west"}).astype(object), year=2000 + y.index % 9
    )
    return X


@pytest.mark.parametrize(
    "library", [pd.DataFrame, lambda X: pl.DataFrame(X.to_dict("list"))], ids=["pandas", "polars"]
)
def test_columns_of_a_mixed_table_are_named_by_what_they_contribute(library):
    X = mixed_wines()
    X.loc[3:9, "region"] = None
    odd = X.iloc[[0, 70]].copy()
    odd.iloc[0, 2] = 9000
    odd.iloc[1, 4] = 2090
    table = TableAutoencoder(2, max_iter=15, random_state=0)
    model = detector(table).fit(library(X))
    contributions = model.feature_scores(library(odd))
    assert list(contributions.columns) == list(X.columns)
    assert np.asarray(contributions).argmax(axis=1).tolist() == [2, 4]
    assert (model.predict(library(odd)) == -1).all()


@pytest.mark.parametrize("method", METHODS)
def test_contributions_of_columns_add_up_to_the_score_of_a_mixed_table(method):
    X = mixed_wines()
    X.loc[::4, "flavanoids"] = np.nan
    reducer = make_pipeline(TableEncoder(), PCA(3))
    model = detector(reducer, method=method).fit(X)
    expected = -np.nanmean((model.feature_scores(X) / model.scale_) ** 2, axis=1)
    np.testing.assert_allclose(model.score_samples(X), expected)


def test_a_mixed_table_is_refused_by_a_reducer_of_numbers_alone():
    with pytest.raises(ValueError, match="got column.*'region'"):
        detector().fit(mixed_wines())


def test_a_shift_of_a_mixed_table_names_numbers_and_categories():
    X = mixed_wines()
    model = detector(make_pipeline(TableEncoder(), PCA(3))).fit(X[::2])
    assert not model.shift_test(X[1::2]).features
    moved = X[1::2].assign(year=X["year"] + 9, region="north")
    assert {"year", "region"} <= set(model.shift_test(moved).features)


# -- the reducer ---------------------------------------------------------------------------


def test_the_given_reducer_is_cloned(tumors):
    pca = PCA(3)
    model = detector(pca).fit(tumors[0])
    assert not hasattr(pca, "components_")
    assert model.estimator_.n_components_ == 3


def test_a_frozen_reducer_stays_as_it_is_and_gets_the_names_it_knows():
    X = load_wine(as_frame=True).data
    reducer = make_pipeline(StandardScaler(), PCA(3)).fit(X[:60])
    components = reducer[-1].components_.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = detector(FrozenEstimator(reducer)).fit(X)
    assert model.estimator_.estimator is reducer
    np.testing.assert_array_equal(reducer[-1].components_, components)


def test_an_autoencoder_is_a_reducer_too(tumors):
    benign, malignant = tumors
    autoencoder = Autoencoder(n_components=8, max_iter=5, random_state=0)
    model = detector(make_pipeline(StandardScaler(), autoencoder)).fit(benign)
    assert (model.predict(malignant) == -1).mean() > 0.75


def test_held_out_rows_take_no_part_in_fitting(tumors):
    benign, _ = tumors
    model = detector(make_pipeline(StandardScaler(), PCA(3)), calibration_fraction=0.4)
    model.fit(benign)
    n_held_out = round(0.4 * len(benign))
    assert len(model.calibration_scores_) == n_held_out
    assert model.estimator_[0].n_samples_seen_ == len(benign) - n_held_out


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"estimator": TSNE()}, "'estimator' parameter .* TSNE"),
        ({"estimator": Lossy()}, r"own shape, \(142, 13\), got \(142, 12\) from Lossy"),
        ({"estimator": Lossy(to_nan=True)}, "reconstruction contains NaN"),
        ({"method": "mse"}, "'method' parameter"),
        ({"n_neighbors": 1.5}, "'n_neighbors' parameter"),
        ({"calibration_fraction": 0.999}, "calibration_fraction=0.999 of 178 rows leaves 0"),
    ],
)
def test_a_failed_fit_says_why_and_leaves_the_detector_as_it_was(parameters, message):
    X = load_wine().data
    model = detector().fit(X)
    scores = model.score_samples(X)
    model.set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(X)
    np.testing.assert_array_equal(model.score_samples(X), scores)


def test_pictures_of_another_shape_are_refused():
    images = load_digits().images[:100]
    model = detector(PictureCode()).fit(images)
    with pytest.raises(ValueError, match=r"samples of shape \(8, 8\), got \(8, 7\)"):
        model.score_samples(images[:, :, :7])
