import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_diabetes, load_digits
from sklearn.decomposition import PCA, KernelPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import VarianceThreshold
from sklearn.manifold import TSNE
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.random_projection import GaussianRandomProjection

from skae import compare
from skae.metrics import (
    continuity,
    explained_variance,
    knn_accuracy,
    reconstruction_error,
    trustworthiness,
)

SCORES = ["reconstruction error", "explained variance", "trustworthiness", "continuity"]
SECONDS = ["fit seconds", "transform seconds"]
REBUILT = SCORES[:2]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


@pytest.fixture(scope="module")
def comparison(digits):
    reducers = {"PCA": PCA(n_components=8), "SVD": TruncatedSVD(n_components=8)}
    return compare(*digits, reducers=reducers, image_shape=(8, 8), random_state=0)


def test_the_table_has_a_row_a_reducer_and_a_column_a_score(comparison):
    assert list(comparison.table.index) == ["PCA", "SVD"]
    assert list(comparison.table.columns) == [*SCORES, "k-NN accuracy", *SECONDS]


def test_the_scores_are_those_of_the_metrics_on_the_held_out_rows(comparison, digits):
    X, y = digits
    X, X_test, y, y_test = train_test_split(X, y, random_state=0, stratify=y)
    pca = PCA(n_components=8, random_state=0).fit(X)
    Z = pca.transform(X_test)
    R = pca.inverse_transform(Z)
    expected = {
        "reconstruction error": reconstruction_error(X_test, R),
        "explained variance": explained_variance(X_test, R),
        "trustworthiness": trustworthiness(X_test, Z),
        "continuity": continuity(X_test, Z),
        "k-NN accuracy": knn_accuracy(pca.transform(X), y, Z, y_test),
    }
    assert_allclose(comparison.table.loc["PCA", list(expected)], list(expected.values()))


def test_what_was_fitted_and_rebuilt_can_be_looked_at(comparison):
    pca = comparison.estimators["PCA"]
    Z = pca.transform(comparison.X_test)
    assert_array_equal(comparison.codes["PCA"], Z)
    assert_array_equal(comparison.reconstructions["PCA"], pca.inverse_transform(Z))


def test_seconds_are_above_zero(comparison):
    assert (comparison.table[SECONDS] > 0).all(axis=None)


def test_images_are_compared_as_their_rows_are(comparison, digits):
    X, y = digits
    images = X.reshape(-1, 8, 8).astype("uint8")
    again = compare(images, y, reducers={"PCA": PCA(n_components=8)}, random_state=0)
    assert again.image_shape == (8, 8)
    # Bytes and floats order equal distances differently.
    assert_allclose(again.table.loc["PCA", SCORES], comparison.table.loc["PCA", SCORES], rtol=1e-3)


def test_the_split_keeps_the_shares_of_the_classes(digits):
    X, y = digits
    X, y = np.vstack([X[y == 0], X[y == 1][:20]]), np.repeat([0, 1], [np.sum(y == 0), 20])
    result = compare(X, y, reducers={"PCA": PCA(n_components=2)}, random_state=0)
    assert_allclose(result.y_test.mean(), y.mean(), atol=0.01)


def test_without_classes_there_is_no_accuracy(digits):
    result = compare(digits[0], reducers={"PCA": PCA(n_components=2)})
    assert list(result.table.columns) == [*SCORES, *SECONDS]
    assert result.y_test is None


def test_the_given_reducers_stay_unfitted(digits):
    pca = PCA(n_components=2)
    compare(digits[0], reducers={"PCA": pca}, random_state=0)
    assert not hasattr(pca, "components_")
    assert pca.random_state is None


def test_one_seed_decides_all(digits):
    reducers = {
        "projection": GaussianRandomProjection(4),
        "pipeline": make_pipeline(StandardScaler(), PCA(4, svd_solver="randomized")),
    }
    tables = [
        compare(*digits, reducers=reducers, random_state=seed).table.drop(columns=SECONDS)
        for seed in (3, 3, 4)
    ]
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_a_generator_serves_as_seed(digits):
    reducers = {"projection": GaussianRandomProjection(4)}
    first, second = (
        compare(digits[0], reducers=reducers, random_state=np.random.RandomState(0))
        for _ in range(2)
    )
    assert_array_equal(first.codes["projection"], second.codes["projection"])


def test_without_a_seed_reducers_keep_theirs(digits):
    result = compare(digits[0], reducers={"PCA": PCA(2, random_state=5)})
    assert result.estimators["PCA"].random_state == 5


class UMAP(PCA):
    """Like its namesake, it has an inverse that nobody should wait for."""

    def __init__(self, n_components=2, n_jobs=-1):
        super().__init__(n_components)
        self.n_jobs = n_jobs

    def inverse_transform(self, X):
        raise AssertionError("called")


@pytest.mark.parametrize(
    "reducer",
    [
        UMAP(n_components=4),
        make_pipeline(StandardScaler(), UMAP(n_components=4)),
        KernelPCA(n_components=4),
        make_pipeline(PCA(n_components=4), LinearDiscriminantAnalysis()),
    ],
    ids=["UMAP", "UMAP in a pipeline", "no inverse fitted", "no inverse"],
)
def test_without_a_quick_inverse_only_the_code_is_scored(digits, reducer):
    result = compare(*digits, reducers={"reducer": reducer}, random_state=0)
    assert result.table.loc["reducer", REBUILT].isna().all()
    assert result.table.loc["reducer"].drop(REBUILT).notna().all()
    assert result.reconstructions == {}


class Witness(PCA):
    """Remembers the target it was shown."""

    def fit(self, X, y=None):
        self.seen_ = y
        return super().fit(X)


def test_only_reducers_that_need_classes_see_them(digits):
    reducers = {"witness": Witness(2), "LDA": LinearDiscriminantAnalysis()}
    result = compare(*digits, reducers=reducers, random_state=0)
    assert result.estimators["witness"].seen_ is None
    assert_array_equal(result.estimators["LDA"].classes_, np.arange(10))


class ImageReducer(PCA):
    """Wants to know the shape of the images, as autoencoders do."""

    def __init__(self, n_components=2, image_shape=None):
        super().__init__(n_components)
        self.image_shape = image_shape


def test_reducers_learn_the_shape_of_the_images_unless_they_have_one(digits):
    reducers = {"any": ImageReducer(), "own": ImageReducer(image_shape=(4, 16))}
    result = compare(digits[0].reshape(-1, 8, 8), reducers=reducers)
    shapes = [reducer.image_shape for reducer in result.estimators.values()]
    assert shapes == [(8, 8), (4, 16)]


@pytest.fixture
def quick_umap(monkeypatch):
    """Put a quick reducer in the place of UMAP, which compiles for long on first use."""
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=UMAP))
    monkeypatch.setattr("skae.comparison.find_spec", {"umap": "installed"}.get)


AUTOENCODERS = ["variational autoencoder", "PCA + trained decoder"]


@pytest.mark.usefixtures("quick_umap")
def test_images_are_reduced_by_pca_umap_and_autoencoders(digits):
    result = compare(digits[0][:60].reshape(-1, 8, 8), n_components=4, random_state=0)
    names = ["PCA", "UMAP", "dense autoencoder", "conv autoencoder", *AUTOENCODERS]
    assert list(result.estimators) == names
    assert {codes.shape[1] for codes in result.codes.values()} == {4}
    assert list(result.reconstructions) == [name for name in names if name != "UMAP"]


def test_rows_have_no_convolution_and_umap_is_left_out_where_missing(digits, monkeypatch):
    monkeypatch.setattr("skae.comparison.find_spec", {}.get)
    result = compare(digits[0][:60], n_components=4, random_state=0)
    assert list(result.estimators) == ["PCA", "dense autoencoder", *AUTOENCODERS]


def test_a_reducer_that_cannot_transform_is_refused_before_any_is_fitted(digits):
    with pytest.raises(TypeError, match=r"'neighbours': TSNE, which has no transform"):
        compare(digits[0], reducers={"witness": None, "neighbours": TSNE()} | {"witness": PCA()})


@pytest.mark.parametrize("reducers", [{}, [PCA()], PCA()])
def test_reducers_that_are_no_dict_are_refused(digits, reducers):
    with pytest.raises(TypeError, match="reducers must be a dict"):
        compare(digits[0], reducers=reducers)


def test_a_continuous_target_is_refused(digits):
    X, _ = load_diabetes(return_X_y=True)
    with pytest.raises(ValueError, match="y must hold classes, got a continuous target"):
        compare(X, X[:, 0], reducers={"PCA": PCA(2)})


def test_images_of_another_shape_are_refused(digits):
    with pytest.raises(ValueError, match=r"image_shape must be .* got \(8, 9\)"):
        compare(digits[0], reducers={"PCA": PCA(2)}, image_shape=(8, 9))


def test_too_few_held_out_rows_are_refused(digits):
    with pytest.raises(ValueError, match="more than 10 rows, got 10, which makes 10 of 600"):
        compare(digits[0], reducers={"PCA": PCA(2)}, test_size=10)


def test_progress_is_shown_on_demand_alone(digits, capsys):
    reducers = {"constant": VarianceThreshold()}
    compare(digits[0], reducers=reducers)
    assert capsys.readouterr() == ("", "")
    compare(digits[0], reducers=reducers, verbose=1)
    assert "1/1" in capsys.readouterr().err


def test_a_missing_pandas_is_named_before_anything_is_fitted(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"needs pandas.*pip install 'skae\[plot\]'"):
        compare(digits[0], reducers={"PCA": PCA(2)})


def test_the_text_shows_three_digits_and_a_dash_for_what_is_missing(digits):
    result = compare(digits[0], reducers={"LDA": KernelPCA(2)}, random_state=0)
    assert repr(result).split("\n")[1].split()[:4] == [
        "LDA",
        "–",
        "–",
        f"{result.table.loc['LDA', 'trustworthiness']:.3g}",
    ]


def test_the_page_holds_the_table_and_the_picture(comparison, tmp_path):
    path = tmp_path / "page.html"
    comparison.to_html(path)
    page = path.read_text(encoding="utf-8")
    assert "<th>SVD</th>" in page
    assert f"{comparison.table.loc['SVD', 'explained variance']:.3g}" in page
    assert "data:image/png;base64,iVBOR" in page
