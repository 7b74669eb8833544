"""What meta-estimators give the reducer that they wrap: frames, sparse rows, weights, routing."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.decomposition import NMF, PCA, TruncatedSVD
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import ReconstructionOutlierDetector, SequencePredictor
from skae.estimators._reducer import as_seen_by, encode, fit_reducer, tags_of

METHODS = ["neighbors", "error"]
LIBRARIES = [pd.DataFrame, pl.DataFrame]


class Recorder(TransformerMixin, BaseEstimator):
    """Keeps what its ``fit`` was given, and takes weights."""

    def fit(self, X, y=None, sample_weight=None, group=None):
        self.given_ = {"X": X, "y": y, "sample_weight": sample_weight, "group": group}
        return self

    def transform(self, X):
        return np.asarray(X)

    def inverse_transform(self, X):
        return 0.9 * X


class ByName(TransformerMixin, BaseEstimator):
    """Scales the columns of a frame, selected by name, and leads back to them."""

    def fit(self, X, y=None):
        self.scaler_ = ColumnTransformer(
            [(name, StandardScaler(), [name]) for name in X.columns]
        ).fit(X)
        return self

    def transform(self, X):
        return self.scaler_.transform(X)

    def inverse_transform(self, X):
        columns = [
            step.inverse_transform(X[:, [i]])
            for i, (_, step, _) in enumerate(self.scaler_.transformers_)
        ]
        return 0.9 * np.hstack(columns)


@pytest.fixture(scope="module")
def frame():
    return load_wine(as_frame=True).data


@pytest.fixture(scope="module")
def X(frame):
    return frame.to_numpy()


@pytest.fixture(scope="module")
def weights(X):
    return np.random.default_rng(0).uniform(0.1, 2, len(X))


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def detector(estimator=None, **parameters):
    return ReconstructionOutlierDetector(estimator, **{"random_state": 0} | parameters)


def fit(reducer, X, y=None, sample_weight=None, **params):
    owner = detector(reducer)
    return fit_reducer(reducer, X, y, sample_weight, owner=owner, parameter="estimator", **params)


# -- names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_can_be_selected_by_name_inside_the_detector(frame, X, method, library):
    given = library(frame)
    model = detector(ByName(), method=method).fit(given)
    expected = detector(FrozenEstimator(model.estimator_), method=method).fit(given)
    np.testing.assert_allclose(model.score_samples(given), expected.training_scores_)
    assert type(model.feature_scores(given)) is library


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_reducer_sees_the_frame_that_the_caller_gave(frame, library):
    given = detector(Recorder()).fit(library(frame)).estimator_.given_["X"]
    assert type(given) is library
    assert list(given.columns) == list(frame.columns)


def test_an_array_reaches_a_reducer_fitted_on_names_as_a_frame(frame, X):
    seen = as_seen_by(PCA(2).fit(frame), X, X)
    pd.testing.assert_frame_equal(seen, frame)


# -- labels --------------------------------------------------------------------------------


def test_labels_reach_the_reducer_beside_their_rows(X):
    given = detector(Recorder()).fit(X, X[:, 0]).estimator_.given_
    np.testing.assert_array_equal(given["X"][:, 0], given["y"])
    assert len(given["y"]) == 142


def test_labels_of_another_length_are_refused(X):
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[178, 2\]"):
        detector().fit(X, [1, 2])


# -- sparse rows ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_sparse_rows_around_truncated_svd_give_what_dense_ones_give(method, is_weighted):
    rows = sparse.random(200, 40, 0.1, format="csr", random_state=0)
    weights = np.linspace(0.1, 2, 200) if is_weighted else None
    svd = TruncatedSVD(5, random_state=0)
    model = detector(svd, method=method).fit(rows, sample_weight=weights)
    dense = detector(svd, method=method).fit(rows.toarray(), sample_weight=weights)
    np.testing.assert_allclose(model.score_samples(rows), dense.training_scores_, atol=1e-12)
    np.testing.assert_array_equal(model.predict(rows), dense.predict(rows.toarray()))
    np.testing.assert_allclose(
        model.feature_scores(rows), dense.feature_scores(rows.toarray()), atol=1e-12
    )


def test_sparse_rows_reach_the_reducer_as_they_are():
    class TakesSparse(Recorder):
        def transform(self, X):
            return X.toarray()

        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.input_tags.sparse = True
            return tags

    rows = sparse.random(50, 8, 0.3, format="csc", random_state=0)
    assert detector(TakesSparse()).fit(rows).estimator_.given_["X"].format == "csr"


def test_sparse_rows_are_refused_by_the_tags_of_the_reducer():
    rows = sparse.random(50, 8, 0.3, format="csr", random_state=0)
    with pytest.raises(TypeError, match="Sparse data was passed for X, but dense"):
        detector(Recorder()).fit(rows)
    with pytest.raises(TypeError, match=r"dense data is required by Recorder\(\)"):
        as_seen_by(Recorder(), rows, rows)


# -- weights -------------------------------------------------------------------------------


def test_pca_with_weights_learns_the_weighted_covariance(X, weights):
    pca = fit(PCA(3), X, sample_weight=weights)
    _, vectors = np.linalg.eigh(np.cov(X.T, aweights=weights))
    np.testing.assert_allclose(pca.mean_, np.average(X, axis=0, weights=weights))
    np.testing.assert_allclose(np.abs(pca.components_ @ vectors[:, :-4:-1]), np.eye(3), atol=1e-9)


def test_truncated_svd_with_weights_learns_the_weighted_second_moments(X, weights):
    svd = fit(TruncatedSVD(3, algorithm="arpack"), X, sample_weight=weights)
    _, vectors = np.linalg.eigh(X.T @ (weights[:, None] * X))
    np.testing.assert_allclose(np.abs(svd.components_ @ vectors[:, :-4:-1]), np.eye(3), atol=1e-9)


@pytest.mark.parametrize("library", LIBRARIES)
def test_pca_with_weights_keeps_the_names_of_columns(frame, weights, library):
    assert list(fit(PCA(3), library(frame), sample_weight=weights).feature_names_in_) == list(
        frame.columns
    )


def test_a_frame_of_sparse_columns_takes_weights_as_a_plain_one_does(frame, weights):
    given = frame.astype(pd.SparseDtype(float, 0))
    svd = fit(TruncatedSVD(3, algorithm="arpack"), given, sample_weight=weights)
    plain = fit(TruncatedSVD(3, algorithm="arpack"), frame, sample_weight=weights)
    np.testing.assert_allclose(np.abs(svd.components_), np.abs(plain.components_), atol=1e-9)
    assert list(svd.feature_names_in_) == list(frame.columns)


def test_weights_reach_a_reducer_that_takes_them_without_rows_of_weight_zero(X, weights):
    weights = np.where(weights < 1, 0, weights)
    given = fit(Recorder(), X, X[:, 0], weights).given_
    np.testing.assert_array_equal(given["sample_weight"], weights[weights > 0])
    np.testing.assert_array_equal(given["X"], X[weights > 0])
    np.testing.assert_array_equal(given["y"], X[weights > 0, 0])


@pytest.mark.parametrize("reducer", [NMF(2), make_pipeline(StandardScaler(), PCA(2))])
def test_weights_that_the_reducer_cannot_honor_are_an_error_that_names_it(X, weights, reducer):
    model = detector(reducer)
    name = type(reducer).__name__
    with pytest.raises(ValueError, match=rf"estimator={name}[\s\S]* cannot honor sample_weight"):
        model.fit(X, sample_weight=weights)
    assert not hasattr(model, "n_features_in_")


def test_weights_of_zero_and_one_suit_every_reducer(X, weights):
    reducer = make_pipeline(StandardScaler(), PCA(2))
    weighted = detector(reducer).fit(X, sample_weight=weights > 1)
    left_out = detector(reducer).fit(X[weights > 1])
    np.testing.assert_array_equal(weighted.decision_function(X), left_out.decision_function(X))


def test_a_frozen_reducer_stays_as_it_is_whatever_the_weights(X, weights):
    pca = PCA(2).fit(X)
    model = detector(FrozenEstimator(pca)).fit(X, sample_weight=weights)
    assert model.estimator_.estimator is pca


# -- routing -------------------------------------------------------------------------------


def test_weights_that_the_reducer_requests_reach_it(routing, X, weights):
    reducer = Recorder().set_fit_request(sample_weight=True)
    given = detector(reducer).fit(X, sample_weight=weights).estimator_.given_
    rows = [np.flatnonzero((row == X).all(axis=1))[0] for row in given["X"]]
    np.testing.assert_array_equal(given["sample_weight"], weights[rows])


def test_weights_that_are_neither_requested_nor_declined_raise_as_in_scikit_learn(
    routing, X, weights
):
    with pytest.raises(UnsetMetadataPassedError, match="not requested for Recorder.fit"):
        detector(Recorder()).fit(X, sample_weight=weights)


def test_declined_weights_count_for_the_threshold_alone(routing, X, weights):
    reducer = Recorder().set_fit_request(sample_weight=False)
    model = detector(reducer, contamination=0.3).fit(X, sample_weight=weights)
    assert model.estimator_.given_["sample_weight"] is None
    is_outlier = model.predict(X) == -1
    assert weights[is_outlier].sum() / weights.sum() == pytest.approx(0.3, abs=0.02)


def test_weights_requested_by_a_step_reach_it(routing, X, weights):
    scaler = StandardScaler().set_fit_request(sample_weight=True)
    model = detector(make_pipeline(scaler, PCA(2)), calibration_fraction=0.005)
    model.fit(X, sample_weight=weights)
    mean = np.average(X, axis=0, weights=weights)
    np.testing.assert_allclose(model.estimator_[0].mean_, mean, rtol=0.05)
    assert model.estimator_[0].n_samples_seen_ == pytest.approx(weights.sum(), abs=2)


def test_weights_that_no_step_of_a_pipeline_can_request_are_an_error(routing, X, weights):
    with pytest.raises(ValueError, match="cannot honor sample_weight"):
        detector(make_pipeline(PCA(5), PCA(2))).fit(X, sample_weight=weights)


@pytest.mark.parametrize("reducer", [None, PCA(3)])
def test_reducers_that_need_no_request_honor_weights_with_routing_too(routing, X, weights, reducer):
    routed = detector(reducer).fit(X, sample_weight=weights)
    with sklearn.config_context(enable_metadata_routing=False):
        plain = detector(reducer).fit(X, sample_weight=weights)
    np.testing.assert_array_equal(routed.training_scores_, plain.training_scores_)


def test_other_metadata_reach_the_reducer_that_requests_them(routing, X):
    reducer = Recorder().set_fit_request(group=True)
    given = detector(reducer).fit(X, group=X[:, 0]).estimator_.given_
    np.testing.assert_array_equal(given["group"], given["X"][:, 0])


def test_other_metadata_need_routing(X):
    with pytest.raises(ValueError, match="only supported if enable_metadata_routing=True"):
        detector().fit(X, group=X[:, 0])


def test_a_search_routes_weights_through_the_detector(routing, X, weights):
    reducer = Recorder().set_fit_request(sample_weight=True)
    model = detector(reducer).set_fit_request(sample_weight=True)
    fitted = cross_validate(
        model,
        X,
        params={"sample_weight": weights},
        scoring=lambda model, X, y=None: 0.0,
        cv=2,
        return_estimator=True,
    )["estimator"]
    for each in fitted:
        assert set(each.estimator_.given_["sample_weight"]) < set(weights)


# -- what comes out ------------------------------------------------------------------------


def test_codes_of_fewer_rows_are_refused(X):
    class Dropping(Recorder):
        def transform(self, X):
            return X[1:]

    with pytest.raises(ValueError, match="what reducer=Dropping returns must have a code for each"):
        encode(Dropping(), X, "reducer")


def test_sparse_codes_come_out_dense(X):
    class Sparse(Recorder):
        def transform(self, X):
            return sparse.csr_matrix(X)

    np.testing.assert_array_equal(encode(Sparse(), X, "reducer"), X)


def test_a_reducer_without_tags_is_a_plain_one():
    assert not tags_of(object()).input_tags.sparse


def test_tags_follow_the_reducer():
    tags = sklearn.utils.get_tags(detector(NMF(2))).input_tags
    assert tags.positive_only
    assert tags.sparse


# -- sequences -----------------------------------------------------------------------------

WINDOWS = [(40, 6), (40, 6, 3), (20, 4, 8, 8)]


@pytest.mark.parametrize("shape", WINDOWS)
def test_windows_are_scored_by_the_error_of_the_predicted_last_frame(shape):
    windows = np.random.default_rng(0).normal(size=shape)
    predictor = SequencePredictor(2, hidden_size=4, max_iter=1, random_state=0)
    model = detector(predictor, method="error").fit(windows)
    np.testing.assert_allclose(
        model.score_samples(windows), model.estimator_.score_samples(windows)
    )
    model.set_threshold(contamination=0.25)
    assert (model.predict(windows) == -1).mean() == 0.25
    assert not hasattr(model, "feature_scores")


@pytest.mark.parametrize("shape", WINDOWS)
def test_windows_are_refused_at_once_where_reconstructions_are_needed(shape):
    windows = np.zeros(shape)
    for predictor in (SequencePredictor(), make_pipeline(StandardScaler(), SequencePredictor())):
        with pytest.raises(ValueError, match=r"predicts what follows on X. Use method='error'"):
            detector(predictor).fit(windows)
