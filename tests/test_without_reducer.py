"""Distilled hybrids saved without their reducer, which no file may be able to hold."""

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import skae
from skae import Autoencoder, HybridAutoencoder, ReconstructionOutlierDetector
from skae.architectures import Dense

QUICK = {"architecture": Dense((8,)), "max_iter": 1, "random_state": 0}


class Reducer(TransformerMixin, BaseEstimator):
    """A reducer that cannot be saved, as UMAP: its class is not trusted."""

    def fit(self, X, y=None):
        self.pca_ = PCA(2).fit(X)
        return self

    def transform(self, X):
        return self.pca_.transform(X)


@pytest.fixture(scope="module")
def rows(digits):
    return digits[:100]


def hybrid(distill=True):
    return HybridAutoencoder(reducer=Reducer(), distill=distill, **QUICK)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def test_a_reducer_that_cannot_be_saved_is_named_where_it_is_kept(rows, path):
    with pytest.raises(ValueError, match=r"Reducer \(HybridAutoencoder\.reducer"):
        skae.save(hybrid().fit(rows), path)


def test_a_distilled_hybrid_predicts_the_same_bits_without_its_reducer(rows, path):
    fitted = hybrid().fit(rows)
    skae.save(fitted, path, without_reducer=True)
    loaded = skae.load(path)
    assert not hasattr(loaded, "reducer_")
    for method in ("transform", "reconstruct", "score_samples"):
        expected = getattr(fitted, method)(rows)
        np.testing.assert_array_equal(getattr(loaded, method)(rows), expected)


def test_the_saved_estimator_keeps_its_reducer(rows, path):
    fitted = hybrid().fit(rows)
    skae.save(fitted, path, without_reducer=True)
    assert isinstance(fitted.reducer_, Reducer)
    assert isinstance(fitted.reducer, Reducer)


def test_a_pipeline_around_it_is_saved_without_the_reducer(rows, path):
    pipeline = make_pipeline(hybrid(), LogisticRegression()).fit(rows, np.arange(100) % 2)
    skae.save(pipeline, path, without_reducer=True)
    np.testing.assert_array_equal(skae.load(path).predict(rows), pipeline.predict(rows))


def test_a_detector_around_it_is_saved_without_the_reducer(rows, path):
    detector = ReconstructionOutlierDetector(hybrid(), method="error").fit(rows)
    skae.save(detector, path, without_reducer=True)
    np.testing.assert_array_equal(skae.load(path).score_samples(rows), detector.score_samples(rows))


def test_a_hybrid_that_needs_its_reducer_is_refused(rows, path):
    with pytest.raises(ValueError, match="distill"):
        skae.save(hybrid(distill=False).fit(rows), path, without_reducer=True)
    assert not path.exists()


def test_an_estimator_without_a_hybrid_is_refused(path):
    message = "without_reducer=True needs a HybridAutoencoder, and Pipeline holds none"
    with pytest.raises(ValueError, match=message):
        skae.save(make_pipeline(PCA(), Autoencoder()), path, without_reducer=True)


def test_parameters_and_architecture_come_back_without_the_reducer(rows, path):
    skae.save(hybrid().fit(rows), path, without_reducer=True)
    loaded = skae.load(path)
    assert loaded.get_params()["architecture"].hidden_layer_sizes == (8,)
    assert loaded.distill is True


def test_a_pickle_without_the_reducer_computes_the_same_and_holds_none(rows):
    fitted = hybrid().fit(rows)
    small = fitted.without_reducer()
    data = pickle.dumps(small)
    assert b"Reducer" not in data
    np.testing.assert_array_equal(pickle.loads(data).transform(rows), fitted.transform(rows))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_without_the_reducer_is_refused_by_its_name(method, rows):
    small = hybrid().fit(rows).without_reducer()
    with pytest.raises(ValueError, match="reducer='removed' cannot be fitted"):
        getattr(small, method)(rows)


def test_a_file_for_inference_holds_no_record_of_training(rows, path):
    fitted = Autoencoder(2, **QUICK).fit(rows)
    skae.save(fitted, path, for_inference=True)
    loaded = skae.load(path)
    np.testing.assert_array_equal(loaded.transform(rows), fitted.transform(rows))
    assert hasattr(fitted, "history_")
    assert not hasattr(loaded, "history_")


def test_a_file_without_its_reducer_has_the_score_of_the_whole_one(rows, path):
    fitted = hybrid().fit(rows)
    skae.save(fitted, path, for_inference=True)
    loaded = skae.load(path)
    assert loaded.score(rows) == fitted.score(rows)
    with pytest.raises(ValueError, match="left out by without_reducer=True or for_inference=True"):
        loaded.fit(rows)


@pytest.mark.parametrize("distill", [True, False])
def test_a_file_for_inference_holds_the_reducers_that_are_needed(distill, rows, path):
    fitted = HybridAutoencoder(reducer=PCA(2), distill=distill, **QUICK).fit(rows)
    pipeline = make_pipeline(fitted, LogisticRegression()).fit(
        rows, rows[:, 10] > np.median(rows[:, 10])
    )
    skae.save(pipeline, path, for_inference=True)
    loaded = skae.load(path)
    np.testing.assert_array_equal(loaded.predict_proba(rows), pipeline.predict_proba(rows))
    assert hasattr(loaded[0], "reducer_") is not distill


def test_an_option_of_inference_without_an_effect_is_an_error(rows, path):
    with pytest.raises(ValueError, match="for_inference=True leaves out .* PCA holds none"):
        skae.save(PCA(2).fit(rows), path, for_inference=True)
    with pytest.raises(ValueError, match="give only without_reducer=True"):
        skae.save(hybrid().fit(rows), path, for_inference=True, without_reducer=True)
    assert not path.exists()
