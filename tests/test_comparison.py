import re
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import DBSCAN
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_digits
from sklearn.decomposition import PCA, KernelPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import VarianceThreshold
from sklearn.manifold import TSNE
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.random_projection import GaussianRandomProjection
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, TensorDataset

from skae import Autoencoder, ParametricUMAP, compare
from skae.architectures import Dense
from skae.comparison._reducers import default_reducers
from skae.metrics import (
    continuity,
    explained_variance,
    knn_accuracy,
    reconstruction_error,
    trustworthiness,
)

SCORES = ["reconstruction error", "explained variance", "trustworthiness", "continuity"]
SECONDS = ["fit seconds", "transform seconds"]
RECONSTRUCTED = SCORES[:2]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


class Failing(PCA):
    """Raises an error in one of its methods."""

    def __init__(self, method="fit", n_components=2):
        super().__init__(n_components)
        self.method = method

    def __getattribute__(self, name):
        if name in ("fit", "transform", "inverse_transform") and name == self.method:
            return self._fail
        return super().__getattribute__(name)

    def _fail(self, *args):
        raise ArithmeticError(f"no {self.method} here")


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


def test_estimators_codes_and_reconstructions_are_kept(comparison):
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


def test_the_split_keeps_the_fractions_of_the_classes(digits):
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
    """Like UMAP itself, it has an inverse that takes too long."""

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
    assert result.table.loc["reducer", RECONSTRUCTED].isna().all()
    assert result.table.loc["reducer"].drop(RECONSTRUCTED).notna().all()
    assert result.reconstructions == {}


class Witness(PCA):
    """Remembers the target and the type of X."""

    def fit(self, X, y=None):
        self.seen_, self.type_ = y, type(X)
        return super().fit(X)


def test_only_reducers_that_need_classes_see_them(digits):
    reducers = {"witness": Witness(2), "LDA": LinearDiscriminantAnalysis()}
    result = compare(*digits, reducers=reducers, random_state=0)
    assert result.estimators["witness"].seen_ is None
    assert_array_equal(result.estimators["LDA"].classes_, np.arange(10))


class ImageReducer(PCA):
    """Has a parameter for the shape of the images, as autoencoders do."""

    def __init__(self, n_components=2, image_shape=None):
        super().__init__(n_components)
        self.image_shape = image_shape


def test_reducers_are_given_the_shape_of_the_images_unless_they_have_one(digits):
    reducers = {"any": ImageReducer(), "own": ImageReducer(image_shape=(4, 16))}
    result = compare(digits[0].reshape(-1, 8, 8), reducers=reducers)
    shapes = [reducer.image_shape for reducer in result.estimators.values()]
    assert shapes == [(8, 8), (4, 16)]


@pytest.fixture
def quick_umap(monkeypatch):
    """Put quick reducers in the place of those that need UMAP, which compiles for long."""
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=UMAP))
    monkeypatch.setattr(
        "skae.comparison._reducers.ParametricUMAP", lambda size, **_: TruncatedSVD(size)
    )


AUTOENCODERS = ["variational autoencoder", "PCA + trained decoder"]


@pytest.mark.usefixtures("quick_umap")
def test_images_are_reduced_by_pca_umap_and_autoencoders(digits):
    result = compare(digits[0][:60].reshape(-1, 8, 8), n_components=4, random_state=0)
    maps = ["UMAP", "parametric UMAP"]
    names = ["PCA", *maps, "dense autoencoder", "conv autoencoder", *AUTOENCODERS]
    assert list(result.estimators) == names
    assert {codes.shape[1] for codes in result.codes.values()} == {4}
    assert list(result.reconstructions) == [name for name in names if name != "UMAP"]


def test_the_inverse_of_a_parametric_map_is_a_network_and_is_scored(digits):
    pytest.importorskip("umap")
    own = ParametricUMAP(2, architecture=Dense((8,)), n_neighbors=5, max_iter=2)
    result = compare(digits[0][:60], reducers={"map": own}, random_state=0)
    assert_allclose(
        result.table.loc["map", "explained variance"], result.estimators["map"].score(result.X_test)
    )


def test_rows_have_no_convolution_and_umap_is_left_out_where_missing(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    result = compare(digits[0][:60], n_components=4, random_state=0)
    assert list(result.estimators) == ["PCA", "dense autoencoder", *AUTOENCODERS]


def test_a_broken_umap_is_left_out_with_its_own_error(digits, tmp_path, monkeypatch):
    (tmp_path / "umap.py").write_text("raise OSError('libllvm: undefined symbol')")
    monkeypatch.delitem(sys.modules, "umap", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(FitFailedWarning, match=r"UMAP is not compared.*OSError: libllvm"):
        result = compare(digits[0][:60], n_components=2, random_state=0)
    assert "UMAP" not in result.table.index


def test_importing_umap_changes_no_number_of_threads(digits, tmp_path, monkeypatch):
    before = torch.get_num_threads()
    (tmp_path / "umap.py").write_text(
        "import threadpoolctl\nthreadpoolctl.ThreadpoolController().limit(limits=3)\nUMAP = dict\n"
    )
    # Set before it is deleted, so that nothing of it is left to other tests.
    monkeypatch.setitem(sys.modules, "umap", None)
    monkeypatch.delitem(sys.modules, "umap")
    monkeypatch.syspath_prepend(tmp_path)
    with threadpool_limits(None):
        default_reducers(2, has_images=False, has_missing=False, is_seeded=True)
        assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("reducer", "message"),
    [
        (DBSCAN(), "'odd': DBSCAN, which has no transform or fit_transform"),
        (np.mean, "'odd': .*, which has no get_params"),
        (PCA, "the class PCA as 'odd'"),
    ],
)
def test_what_is_no_reducer_is_refused_before_any_is_fitted(digits, reducer, message):
    with pytest.raises(TypeError, match=message):
        compare(digits[0], reducers={"fails": Failing("fit"), "odd": reducer})


@pytest.mark.parametrize("reducers", [{}, [PCA()], PCA()])
def test_reducers_that_are_no_dict_are_refused(digits, reducers):
    with pytest.raises(TypeError, match="reducers must be a dict"):
        compare(digits[0], reducers=reducers)


@pytest.mark.parametrize("reducers", [{"PCA": PCA()}, [PCA()], PCA()])
def test_reducers_in_the_place_of_data_are_refused_with_how_to_give_them(digits, reducers):
    with pytest.raises(TypeError, match=r"y must hold data, got a .* reducers=\{"):
        compare(digits[0], reducers)
    with pytest.raises(TypeError, match="X must hold data"):
        compare(reducers, digits[0])


def test_a_dataset_is_compared_as_its_rows_and_a_loader_is_refused(digits):
    rows = torch.as_tensor(digits[0])
    table, expected = (
        compare(X, reducers={"PCA": PCA(2)}, random_state=0).table["explained variance"]
        for X in (TensorDataset(rows), digits[0])
    )
    np.testing.assert_allclose(table, expected)
    with pytest.raises(TypeError, match="got a DataLoader: give its dataset"):
        compare(DataLoader(rows), reducers={"PCA": PCA(2)})


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


def test_the_bar_names_the_reducer_at_work_and_counts_those_done(digits, capsys):
    reducers = {"constant": VarianceThreshold(), "PCA": PCA(2)}
    compare(digits[0], reducers=reducers, verbose=1)
    shown = [line.rstrip() for line in capsys.readouterr().err.split("\r")]
    assert any(line.startswith("constant |") and "0/2 reducers" in line for line in shown)
    assert any(line.startswith("PCA      |") and "1/2 reducers" in line for line in shown)
    assert shown[-1].startswith("compared |")
    assert "2/2 reducers" in shown[-1]


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
    assert 'data-value="SVD"' in page
    assert f"{comparison.table.loc['SVD', 'explained variance']:.3g}" in page
    assert "data:image/png;base64,iVBOR" in page


# -- reducers that fail ------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["fit", "transform", "inverse_transform"])
def failed(request, digits):
    reducers = {"fails": Failing(request.param), "PCA": PCA(2)}
    with pytest.warns(FitFailedWarning, match=r"The reducer 'fails' failed with ArithmeticError"):
        return compare(*digits, reducers=reducers, random_state=0)


def test_a_reducer_that_fails_gets_a_row_with_its_error(failed):
    assert failed.table.loc["fails", "error"].startswith("ArithmeticError: no ")
    assert failed.table.loc["fails", RECONSTRUCTED].isna().all()
    assert list(failed.errors) == ["fails"]
    assert isinstance(failed.errors["fails"], ArithmeticError)


def test_a_long_error_is_shortened_in_the_table_alone(digits):
    class Wordy(PCA):
        def fit(self, X, y=None):
            raise ValueError("word " * 100 + "\nanother line")

    with pytest.warns(FitFailedWarning, match="another line"):
        result = compare(digits[0], reducers={"wordy": Wordy()})
    shown = result.table.loc["wordy", "error"]
    assert shown.startswith("ValueError: word word")
    assert len(shown) <= 80
    assert str(result.errors["wordy"]).endswith("another line")


def test_the_others_are_compared_all_the_same(failed):
    assert failed.table.loc["PCA"].drop("error").notna().all()
    assert pd.isna(failed.table.loc["PCA", "error"])
    assert set(failed.table.drop(columns="error").dtypes) == {np.dtype(float)}
    assert "PCA" in failed.estimators


def test_what_was_measured_before_a_failure_is_kept(digits):
    reducers = {"fails": Failing("inverse_transform")}
    with pytest.warns(FitFailedWarning):
        result = compare(*digits, reducers=reducers, random_state=0)
    assert result.table.loc["fails"].drop(RECONSTRUCTED).notna().all()
    assert result.codes["fails"].shape == (150, 2)


def test_a_comparison_with_failures_can_be_shown(failed, tmp_path):
    failed.to_html(tmp_path / "page.html")
    assert "ArithmeticError: no " in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "ArithmeticError: no " in repr(failed)


def test_a_comparison_without_any_codes_is_not_drawn(digits):
    with pytest.warns(FitFailedWarning):
        result = compare(digits[0], reducers={"fails": Failing()})
    with pytest.raises(ValueError, match="ArithmeticError"):
        result.plot()


def test_without_failures_there_is_no_column_of_errors(comparison):
    assert comparison.errors == {}
    assert "error" not in comparison.table


def test_codes_that_are_not_finite_are_an_error_of_their_reducer(digits):
    class Diverged(PCA):
        def transform(self, X):
            return np.full((len(X), 2), np.nan)

    with pytest.warns(FitFailedWarning, match="Z contains NaN"):
        compare(digits[0], reducers={"diverged": Diverged(2)})


def test_a_reducer_without_transform_is_scored_on_the_held_out_rows_it_embedded(digits):
    X, y = digits
    reducers = {"t-SNE": TSNE(init="pca", perplexity=5, max_iter=250)}
    result = compare(X[:150], y[:150], reducers=reducers, random_state=0)
    Z = clone(result.estimators["t-SNE"]).fit_transform(X[:150])
    _, test = train_test_split(np.arange(150), random_state=0, stratify=y[:150])
    assert_allclose(result.codes["t-SNE"], Z[test])
    assert_allclose(
        result.table.loc["t-SNE", "trustworthiness"], trustworthiness(X[:150][test], Z[test])
    )
    unknown = [*RECONSTRUCTED, "transform seconds"]
    assert result.table.loc["t-SNE", unknown].isna().all()
    assert result.table.loc["t-SNE"].drop(unknown).notna().all()


# -- frames, sparse matrices and missing values --------------------------------------------------


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(80, 3))
    return pd.DataFrame(numbers, columns=["a", "b", "c"]).assign(city=rng.choice(["x", "y"], 80))


def by_name(*columns):
    return ColumnTransformer([("numbers", StandardScaler(), list(columns))])


@pytest.mark.parametrize("make", [lambda table: table, pl.from_pandas], ids=["pandas", "polars"])
def test_frames_reach_reducers_that_select_by_name(table, make):
    X = make(table[["a", "b", "c"]])
    reducers = {"selects": make_pipeline(by_name("a", "c"), PCA(2)), "witness": Witness(2)}
    result = compare(X, reducers=reducers, random_state=0)
    assert result.errors == {}
    assert result.estimators["witness"].type_ is type(X)
    assert result.codes["selects"].shape == (20, 2)


@pytest.mark.filterwarnings("error")
def test_frames_score_as_arrays_do(table):
    X = table[["a", "b", "c"]]
    reducers = {"PCA": PCA(2), "pandas": make_pipeline(StandardScaler(), PCA(1))}
    reducers["pandas"].set_output(transform="pandas")
    frame, array = (compare(each, reducers=reducers, random_state=0) for each in (X, X.to_numpy()))
    assert_allclose(frame.table[SCORES], array.table[SCORES])


def test_pipelines_that_take_text_are_compared_by_the_numbers_of_the_frame(table):
    encode = ColumnTransformer(
        [("text", OneHotEncoder(), ["city"])], remainder="passthrough", sparse_threshold=0
    )
    with pytest.warns(FitFailedWarning, match="'plain' failed with ValueError"):
        result = compare(
            table, reducers={"encodes": make_pipeline(encode, PCA(2)), "plain": PCA(2)}
        )
    assert list(result.errors) == ["plain"]
    assert_array_equal(
        np.sort(result.X_test[:, 0]), np.sort(table["a"].loc[lambda a: a.isin(result.X_test[:, 0])])
    )
    assert result.X_test.shape == (20, 3)
    expected = trustworthiness(result.X_test, result.codes["encodes"])
    assert result.table.loc["encodes", "trustworthiness"] == expected


def test_frames_of_text_alone_have_no_neighbor_scores(table):
    reducers = {"encoder": make_pipeline(OneHotEncoder(), TruncatedSVD(2))}
    result = compare(table[["city"]], table["city"], reducers=reducers, random_state=0)
    assert result.errors == {}
    assert result.table.loc["encoder", SCORES].isna().all()
    assert result.table.loc["encoder", "k-NN accuracy"] == 1


@pytest.mark.usefixtures("quick_umap")
@pytest.mark.parametrize(
    "make",
    # Without pyarrow, polars reads no dates from pandas.
    [lambda table: table, lambda table: pl.DataFrame({k: table[k].to_list() for k in table})],
    ids=["pandas", "polars"],
)
def test_default_reducers_take_categories_dates_and_missing_values(table, make, tmp_path):
    dates = pd.date_range("2024-01-01", periods=len(table), freq="D")
    mixed = table.assign(day=dates, a=table["a"].mask(table["a"] > 1))
    result = compare(make(mixed), n_components=2, random_state=0)
    assert result.errors == {}
    assert {"a", "b", "c", "city_x", "city_y"} < set(result.feature_names)
    assert result.table.loc["PCA"].notna().all()
    result.to_html(tmp_path / "report.html")
    assert "city_x" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_default_reducers_refuse_columns_of_text_by_name(table):
    notes = [f"note {i} on this row" for i in range(len(table))]
    with pytest.raises(ValueError, match="column 'note' holds text"):
        compare(table.assign(note=notes))


def test_sparse_rows_are_handed_on_and_scored(digits):
    X = sparse.csr_matrix(digits[0])
    result = compare(X, reducers={"SVD": TruncatedSVD(8)}, random_state=0)
    dense = compare(digits[0], reducers={"SVD": TruncatedSVD(8)}, random_state=0)
    assert_allclose(result.table[SCORES], dense.table[SCORES], rtol=1e-6)


@pytest.fixture(scope="module")
def incomplete(digits):
    X, _ = digits
    return np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)


def test_missing_values_are_left_out_of_the_scores(incomplete):
    reducers = {"own": Autoencoder(4, missing_values="mask", max_iter=2), "PCA": PCA(4)}
    with pytest.warns(FitFailedWarning, match="'PCA' failed with ValueError: Input X contains NaN"):
        result = compare(incomplete, reducers=reducers, random_state=0)
    own = result.estimators["own"]
    assert_allclose(result.table.loc["own", "explained variance"], own.score(result.X_test))
    assert result.table.loc["own", SCORES].notna().all()


@pytest.mark.usefixtures("quick_umap")
def test_default_reducers_take_missing_values_and_can_be_drawn(incomplete):
    result = compare(incomplete[:80].reshape(-1, 8, 8), n_components=2, random_state=0)
    assert result.errors == {}
    assert result.table.loc["PCA"].notna().all()
    result.plot()


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
def test_a_class_that_is_missing_is_refused_by_the_name_of_y(digits, nothing):
    y = np.array(["a", "b", nothing] * 200, dtype=object)
    with pytest.raises(ValueError, match=r"y must hold a label for each row, got 200 missing"):
        compare(digits[0], y, reducers={"PCA": PCA(2)})


def test_an_array_of_dates_is_refused():
    X = np.datetime64("2020-01-01") + np.arange(120).reshape(60, 2)
    with pytest.raises(ValueError, match="X must hold numbers, got an array of datetime64"):
        compare(X, reducers={"PCA": PCA(2)})


# -- threads -----------------------------------------------------------------------------------


class Threads(PCA):
    """Remembers with how many threads it was fitted, and leaves another number behind."""

    def fit(self, X, y=None):
        self.n_threads_ = torch.get_num_threads()
        torch.set_num_threads(self.n_threads_ + 1)
        return super().fit(X)


def threads_of_libraries():
    info = torch.__config__.parallel_info()
    return torch.get_num_threads(), re.findall(r"(omp|mkl)_get_max_threads\(\) : (\d+)", info)


def test_every_reducer_is_fitted_with_the_same_number_of_threads(digits):
    before, libraries = torch.get_num_threads(), threads_of_libraries()
    result = compare(digits[0], reducers={"first": Threads(2), "second": Threads(2)})
    assert [each.n_threads_ for each in result.estimators.values()] == [before, before]
    # MKL has a number of its own: steps with two numbers take ten times as long.
    assert threads_of_libraries() == libraries


# -- what the docstrings promise besides -------------------------------------------------------


def test_neighbor_scores_are_those_of_the_first_held_out_rows(digits, monkeypatch):
    monkeypatch.setattr("skae.comparison._evaluation._MAX_ROWS", 50)
    result = compare(digits[0], reducers={"PCA": PCA(2)}, random_state=0)
    expected = trustworthiness(result.X_test[:50], result.codes["PCA"][:50])
    assert result.table.loc["PCA", "trustworthiness"] == expected


def test_a_page_can_go_to_the_home_folder(comparison, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    comparison.to_html("~/page.html")
    assert (tmp_path / "page.html").is_file()


def test_frames_of_images_are_compared_as_images(digits):
    X = pd.DataFrame(digits[0], columns=[f"pixel {i}" for i in range(64)])
    result = compare(X, reducers={"any": ImageReducer()}, image_shape=(8, 8))
    assert result.estimators["any"].image_shape == (8, 8)
    assert list(result.estimators["any"].feature_names_in_) == list(X.columns)


def test_columns_of_equal_names_are_refused_by_name(digits):
    frame = pd.DataFrame(digits[0][:60, :4], columns=["a", "b", "b", "c"])
    with pytest.raises(ValueError, match="more than one column named 'b'"):
        compare(frame, reducers={"PCA": PCA(2)})
