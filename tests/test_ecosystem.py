"""An autoencoder stands wherever PCA stands in scikit-learn."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import Autoencoder
from skae.architectures import Conv, Dense
from skae.metrics import reconstruction_scorer

QUICK = {"max_iter": 4, "random_state": 0}


@pytest.fixture(scope="module")
def labels():
    return load_digits().target


def test_codes_feed_a_classifier_in_a_pipeline(digits, labels):
    pipeline = make_pipeline(Autoencoder(8, **QUICK), LogisticRegression(max_iter=500))
    assert pipeline.fit(digits[:1200], labels[:1200]).score(digits[1200:], labels[1200:]) > 0.8


def test_cross_validation_scores_a_pipeline(digits, labels):
    pipeline = make_pipeline(StandardScaler(), Autoencoder(8, **QUICK), KNeighborsClassifier())
    assert cross_val_score(pipeline, digits, labels, cv=3).mean() > 0.8


def test_cross_validation_scores_an_autoencoder_alone(digits):
    assert (cross_val_score(Autoencoder(8, **QUICK), digits, cv=3) > 0.6).all()


def test_grid_search_tries_sizes_of_the_code(digits):
    search = GridSearchCV(Autoencoder(**QUICK), {"n_components": [1, 6]}, cv=2).fit(digits[:500])
    assert search.best_params_ == {"n_components": 6}


def test_grid_search_tries_architectures_and_their_parameters(digit_images):
    forms = [
        {"architecture": ["dense", Dense((16,))]},
        {"architecture": [Conv()], "architecture__channels": [(2,), (4, 8)]},
    ]
    search = GridSearchCV(Autoencoder(4, image_shape=(8, 8), **QUICK), forms, cv=2)
    search.fit(digit_images[:300].reshape(-1, 64))
    assert len(search.cv_results_["mean_test_score"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_grid_search_ranks_pca_and_autoencoders_as_one_step(digits):
    pipeline = make_pipeline(StandardScaler(with_std=False), PCA())
    grid = {"pca": [PCA(8), Autoencoder(8, max_iter=20, random_state=0)]}
    search = GridSearchCV(pipeline, grid, scoring=reconstruction_scorer, cv=2).fit(digits)
    assert isinstance(search.best_params_["pca"], Autoencoder)


def test_grid_search_runs_in_two_processes(digits):
    search = GridSearchCV(Autoencoder(**QUICK), {"n_components": [2, 4]}, cv=2, n_jobs=2)
    assert search.fit(digits).transform(digits).shape == (1797, 4)


def test_set_output_gives_frames_with_names():
    X = load_breast_cancer(as_frame=True).data
    codes = Autoencoder(3, **QUICK).set_output(transform="pandas").fit_transform(X)
    assert list(codes.columns) == ["autoencoder0", "autoencoder1", "autoencoder2"]
    assert codes.index.equals(X.index)


def test_names_of_features_are_kept_and_compared():
    X = load_breast_cancer(as_frame=True).data
    fitted = Autoencoder(2, **QUICK).fit(X)
    assert list(fitted.feature_names_in_) == list(X.columns)
    with pytest.raises(ValueError, match="feature names"):
        fitted.transform(X[X.columns[::-1]])


def test_columns_are_reduced_in_a_column_transformer():
    X = load_breast_cancer(as_frame=True).data
    columns = ColumnTransformer(
        [
            ("code", Autoencoder(2, **QUICK), list(X.columns[:20])),
            ("rest", "passthrough", ["mean area"]),
        ]
    ).set_output(transform="pandas")
    reduced = columns.fit_transform(X)
    assert isinstance(reduced, pd.DataFrame)
    assert list(reduced.columns) == ["code__autoencoder0", "code__autoencoder1", "rest__mean area"]


def test_a_pipeline_leads_back_to_the_data(digits):
    pipeline = make_pipeline(StandardScaler(), Autoencoder(16, **QUICK)).fit(digits)
    back = pipeline.inverse_transform(pipeline.transform(digits))
    assert np.mean((back - digits) ** 2) < 0.5 * digits.var()


def test_codes_go_on_to_tsne(digits):
    pipeline = make_pipeline(Autoencoder(4, **QUICK), TSNE(perplexity=5, max_iter=250))
    assert pipeline.fit_transform(digits[:60]).shape == (60, 2)


@pytest.mark.parametrize("clusters", [KMeans(10, random_state=0), AgglomerativeClustering(10)])
def test_clusters_of_codes_resemble_the_classes(digits, labels, clusters):
    pipeline = make_pipeline(Autoencoder(8, **QUICK), clusters)
    assert adjusted_rand_score(labels[:600], pipeline.fit_predict(digits[:600])) > 0.4


def test_a_fitted_autoencoder_stays_as_it_is_in_a_pipeline(digits):
    fitted = Autoencoder(4, **QUICK).fit(digits)
    pipeline = make_pipeline(FrozenEstimator(fitted), KMeans(3, random_state=0)).fit(digits[:300])
    assert np.array_equal(pipeline[:-1].transform(digits), fitted.transform(digits))


class Table:
    """What a Spark DataFrame does in the guide's recipe: a function maps frames, one by one."""

    def __init__(self, frames):
        self.frames = frames

    def mapInPandas(self, function, schema):
        columns = [column.split() for column in schema.split(", ")]
        mapped = list(function(iter(self.frames)))
        for frame in mapped:
            assert list(zip(frame.columns, frame.dtypes, strict=True)) == [
                (name, {"double": np.float64}[kind]) for name, kind in columns
            ]
        return mapped


def test_the_guides_function_for_spark_encodes_frames_one_by_one(tmp_path, monkeypatch):
    guide = Path(__file__).parents[1] / "docs/guide/large_data.md"
    section = guide.read_text(encoding="utf-8").split("## Spark")[1]
    recipe = section.split("```python\n")[1].split("```")[0]
    frame = load_breast_cancer(as_frame=True).data
    frame = (frame - frame.mean()) / frame.std()
    autoencoder = Autoencoder(2, max_iter=1, random_state=0).fit(frame)
    monkeypatch.chdir(tmp_path)
    skae.save(autoencoder, "autoencoder.safetensors")
    table = Table([frame[:300], frame[300:]])
    known = {"skae": skae, "pd": pd, "autoencoder": autoencoder, "table": table}
    exec(recipe, known)
    codes = np.concatenate(known["codes"])
    np.testing.assert_allclose(codes, autoencoder.transform(frame), atol=1e-12)
