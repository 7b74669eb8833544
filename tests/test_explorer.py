"""The page of `explore`: what it holds, how large it is, and what it refuses."""

import json
import re

import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, KernelPCA, TruncatedSVD
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from torch import nn

from skae import (
    Autoencoder,
    ReconstructionOutlierDetector,
    SequencePredictor,
    TableAutoencoder,
    TableEncoder,
)
from skae.architectures import Custom
from skae.models import AutoencoderNetwork
from skae.plotting import explore
from skae.plotting.explorer._decoder import export_decoder
from skae.plotting.explorer._samples import read_rows, read_table
from skae.plotting.explorer._tables import table_encoder
from tests.small import QUICK

pytest.importorskip("bokeh", reason="the page is drawn by Bokeh")


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def pca(iris):
    return PCA(2).fit(iris[0])


@pytest.fixture(scope="module")
def autoencoder(iris):
    return Autoencoder(2, **QUICK).fit(iris[0])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "page.html"


def settings_of(page):
    text = page.path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="settings">(.*?)</script>', text)[1])


# -- decoders ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reducer",
    [
        PCA(2, whiten=True),
        TruncatedSVD(2),
        make_pipeline(StandardScaler(), PCA(2)),
        make_pipeline(MinMaxScaler(), "passthrough", RobustScaler(), PCA(3), PCA(2)),
        make_pipeline(StandardScaler(), Autoencoder(2, **QUICK)),
        GridSearchCV(make_pipeline(StandardScaler(), PCA()), {"pca__n_components": [1, 2]}, cv=2),
    ],
    ids=repr,
)
def test_the_inverse_of_linear_steps_and_networks_is_expressed(reducer, iris):
    X = iris[0]
    reducer = reducer.fit(X)
    decoder = export_decoder(reducer, reducer.transform(X), read_rows(X, None, None).spread)
    assert decoder.error < 1e-3


def test_a_frozen_estimator_is_expressed_as_what_it_holds(autoencoder, iris):
    frozen = FrozenEstimator(autoencoder)
    decoder = export_decoder(frozen, autoencoder.transform(iris[0]), np.ones(1))
    assert any(step["op"] == "sum" for step in decoder.program.steps)


def test_data_far_from_zero_are_decoded_in_their_own_units(iris):
    X = iris[0] + 1e7
    autoencoder = Autoencoder(2, **QUICK).fit(X)
    codes = autoencoder.transform(X)
    decoder = export_decoder(autoencoder, codes, read_rows(X, None, None).spread)
    assert decoder.error < 1e-3
    assert decoder.rows.min() > 9e6


def test_weights_are_halved_where_the_result_stays_the_same(autoencoder, iris):
    decoder = export_decoder(autoencoder, autoencoder.transform(iris[0]), np.ones(1))
    assert {array.dtype.name for array in decoder.program.arrays} == {"float16", "float64"}


def test_weights_stay_in_single_precision_where_halves_are_too_coarse(autoencoder, iris):
    decoder = export_decoder(autoencoder, autoencoder.transform(iris[0]), np.full(1, 1e-3))
    assert {array.dtype.name for array in decoder.program.arrays} == {"float32", "float64"}


@pytest.mark.parametrize(
    ("reducer", "name"),
    [
        (KernelPCA(2, kernel="rbf", fit_inverse_transform=True), "KernelPCA"),
        (make_pipeline(QuantileTransformer(n_quantiles=20), PCA(2)), "QuantileTransformer"),
        (
            make_pipeline(FunctionTransformer(np.log1p, np.expm1), PCA(2)),
            "FunctionTransformer",
        ),
        (KMeans(2, n_init=1), "KMeans has no inverse_transform"),
    ],
)
def test_a_step_that_the_page_cannot_run_is_named(reducer, name, iris, path):
    X = iris[0]
    with pytest.raises(ValueError, match=rf"{name}.*decode=False"):
        explore(reducer.fit(X), X, path=path)
    assert not path.exists()
    explore(reducer, X, path=path, decode=False)
    assert path.exists()


def test_a_module_that_the_page_cannot_run_is_named_with_its_place(iris, path):
    X = iris[0]
    decoder = nn.Sequential(nn.Linear(2, 16), nn.Sequential(nn.GLU()), nn.Linear(8, 4))
    architecture = Custom(decoder=decoder)
    autoencoder = Autoencoder(2, architecture=architecture, max_iter=1).fit(X)
    with pytest.raises(ValueError, match=r"GLU \(at decoder\.decoder\.1\.0\).*decode=False"):
        explore(autoencoder, X, path=path)


def test_a_network_that_decodes_in_its_own_way_is_refused(autoencoder, iris, path, monkeypatch):
    decode = AutoencoderNetwork.decode
    monkeypatch.setattr(AutoencoderNetwork, "decode", lambda self, code: decode(self, code) ** 3)
    with pytest.raises(ValueError, match="would not decode as Autoencoder.inverse_transform"):
        explore(autoencoder, iris[0], path=path)


# -- page ----------------------------------------------------------------------------------


def test_the_page_returns_its_path_and_the_sizes_of_its_parts(pca, iris, path):
    page = explore(pca, *iris, path)
    assert page.path == path
    assert page.size == path.stat().st_size
    assert set(page.sizes) == {"bokeh", "decoder", "data", "rest"}


def test_the_page_weighs_at_most_three_megabytes_beyond_data_and_decoder(pca, iris, path):
    sizes = explore(pca, *iris, path).sizes
    assert sizes["bokeh"] + sizes["rest"] < 3e6


def test_the_page_allows_itself_no_connection(pca, iris, path):
    explore(pca, *iris, path)
    assert "default-src 'none'" in path.read_text(encoding="utf-8")


def test_names_cannot_break_out_of_their_places(pca, iris, path):
    X, y = iris
    columns = {"</script><b>": y, '"&': y}
    page = explore(pca, X, path=path, columns=columns, title="<i>&")
    assert [column["name"] for column in settings_of(page)["columns"][:2]] == list(columns)
    assert "</script><b>" not in path.read_text(encoding="utf-8")
    assert "<title>&lt;i&gt;&amp;</title>" in path.read_text(encoding="utf-8")


def test_of_more_rows_than_fit_evenly_spaced_ones_are_in_the_page(pca, iris, path):
    X, y = iris
    page = explore(pca, X, y, path, max_megabytes=0.0004)
    samples = settings_of(page)["samples"]
    n_kept = settings_of(page)["kept"]["shape"][0]
    # Few rows are compressed less well than the hundred by which it is estimated.
    assert 0.75 * 400 < len(samples["data"]) < 1.5 * 400
    assert 10 < n_kept < len(X) / 2
    assert settings_of(page)["samples"]["shape"] == [n_kept, 4]
    assert page.sizes["data"] < 10_000


def test_without_rows_the_page_holds_none(pca, iris, path):
    assert settings_of(explore(pca, *iris, path, max_megabytes=0))["samples"] is None


def test_frames_give_names_to_features_and_columns(iris, path):
    pandas = pytest.importorskip("pandas")
    X, y = (pandas.DataFrame(iris[0], columns=list("abcd")), pandas.Series(iris[1], name="kind"))
    pca = PCA(2).set_output(transform="pandas").fit(X)
    settings = settings_of(explore(pca, X, y, path, columns=X[["a"]]))
    assert settings["features"] == list("abcd")
    assert [column["name"] for column in settings["columns"]] == [
        "kind",
        "a",
        "reconstruction error",
    ]


@pytest.fixture(scope="module")
def mixed(iris):
    """A frame of every kind of column, with missing values."""
    pandas = pytest.importorskip("pandas")
    X, y = iris
    start = pandas.Timestamp("2020-01-01")
    steps = np.arange(len(X)) * 7919 % 997
    X = pandas.DataFrame(X[:, :2], columns=["length", "width"]).assign(
        kind=np.array(list("xyz"))[y],
        large=y > 1,
        size=pandas.Categorical(np.array(list("SML"))[y], categories=list("SML"), ordered=True),
        whole=steps,
        day=start + pandas.to_timedelta(steps, unit="D"),
        moment=start + pandas.to_timedelta(steps * 86_431, unit="s"),
        wait=pandas.to_timedelta(steps, unit="s"),
        clock=[(start + pandas.Timedelta(minutes=int(step))).time() for step in steps],
        same="x",
    )
    X.loc[::7, ["length", "day"]] = None
    X.loc[::11, "kind"] = None
    return X


@pytest.mark.parametrize("numeric_scaling", ["standard", "robust", "quantile"])
@pytest.mark.parametrize(
    "reducer",
    [
        TableAutoencoder(2, **QUICK),
        TableAutoencoder(2, variational=True, **QUICK),
        make_pipeline(TableEncoder(), PCA(3)),
    ],
    ids=["autoencoder", "variational", "PCA"],
)
def test_tables_of_mixed_columns_are_expressed(reducer, numeric_scaling, mixed):
    owner = reducer[0] if hasattr(reducer, "steps") else reducer
    owner.set_params(numeric_scaling=numeric_scaling)
    codes = np.asarray(reducer.fit(mixed).transform(mixed))
    spread = read_table(table_encoder(reducer), mixed).spread
    decoder = export_decoder(reducer, codes, spread)
    assert decoder.error < 1e-3
    assert decoder.rows.shape[1] == mixed.shape[1]


def test_tables_are_shown_with_their_labels_and_missing_values(mixed, path):
    autoencoder = TableAutoencoder(2, **QUICK).fit(mixed)
    settings = settings_of(explore(autoencoder, mixed, path=path))
    assert settings["features"] == list(mixed.columns)
    formats = dict(zip(settings["features"], settings["formats"], strict=True))
    assert formats["kind"] == {"labels": list("xyz")}
    assert formats["size"] == {"labels": list("SML")}
    assert [formats[name]["kind"] for name in ("day", "moment", "wait")] == [
        "day",
        "moment",
        "duration",
    ]
    rows = read_table(autoencoder.encoder_, mixed)
    assert np.array_equal(np.isnan(rows.values), mixed.isna())
    values = dict(zip(settings["features"], rows.values.T, strict=True))
    assert np.array_equal(values["large"], mixed["large"])
    assert np.array_equal(values["size"], mixed["size"].cat.codes)
    milliseconds = mixed["moment"].to_numpy().astype("datetime64[ms]").astype(float)
    assert np.array_equal(values["moment"], milliseconds)
    assert np.array_equal(values["wait"], mixed["wait"].dt.total_seconds())
    assert values["clock"].tolist() == [time.hour * 3600 + time.minute * 60 for time in mixed.clock]


def test_a_column_of_text_that_a_reducer_leaves_out_is_a_color(iris, path):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(iris[0], columns=list("abcd")).assign(kind=np.array(list("xyz"))[iris[1]])
    numbers = ColumnTransformer([("numbers", StandardScaler(), list("abcd"))])
    reducer = make_pipeline(numbers, PCA(2)).fit(X)
    with pytest.raises(ValueError, match=r"\['kind'\].*decode=False"):
        explore(reducer, X, path=path)
    settings = settings_of(explore(reducer, X, path=path, decode=False))
    assert settings["features"] == list("abcd")
    assert settings["columns"][0]["classes"] == list("xyz")


def test_sparse_rows_are_taken(iris, path):
    X = sparse.csr_array(iris[0])
    svd = TruncatedSVD(2).fit(X)
    assert settings_of(explore(svd, X, path=path))["samples"]["shape"] == [150, 4]


def test_a_forecast_is_shown_without_the_sequences_it_came_from(path, digit_images):
    X = np.stack([digit_images[i : i + 12] for i in range(4)], axis=1)
    predictor = SequencePredictor(2, hidden_size=4, **QUICK).fit(X)
    settings = settings_of(explore(predictor, X, path=path))
    assert settings["imageShape"] == [8, 8, 1]
    assert settings["samples"] is None


# -- colors --------------------------------------------------------------------------------


def columns_of(pca, X, path, y=None, **kwargs):
    page = explore(pca, X, y, path, decode=False, **kwargs)
    return {column["name"]: column for column in settings_of(page)["columns"]}


def test_texts_and_few_numbers_are_classes(pca, iris, path):
    X, y = iris
    names = np.array(["a", "b", None], dtype=object)[y]
    columns = columns_of(pca, X, path, y, columns={"text": names})
    assert columns["y"]["classes"] == ["0", "1", "2"]
    assert columns["text"]["classes"] == ["a", "b"]


def test_of_three_hundred_classes_the_largest_have_a_color(pca, iris, path):
    X = np.concatenate([iris[0]] * 4)
    y = np.array([f"class {i}" for i in [*range(300)] * 2])
    column = columns_of(pca, X, path, y)["y"]
    assert len(column["classes"]) == 19
    assert column["rest"] == "281 others"


def test_quantities_have_limits_that_one_extreme_value_does_not_set(pca, iris, path):
    X = iris[0]
    y = np.append(np.linspace(0, 1, len(X) - 2), [1e6, np.nan])
    low, high = columns_of(pca, X, path, y)["y"]["limits"]
    assert -0.1 < low < high < 1.1


def test_a_target_of_several_columns_gives_several_colors(pca, iris, path):
    X = iris[0]
    assert list(columns_of(pca, X, path, X[:, :2])) == ["y 0", "y 1"]


# -- nonsense ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": 3}, "y must have a value for each row of X, got 3"),
        ({"y": [0, 1]}, "y must have a value for each of the 150 rows of X, got 2 values"),
        ({"columns": {"c": [1.0]}}, "c must have a value for each"),
        ({"columns": {"c": np.zeros((150, 2))}}, "1d array"),
        ({"axes": (0, 0)}, "axes must be two different components, from 0 to 1"),
        ({"axes": (0, 2)}, "axes must be two different components"),
        ({"axes": 1}, "axes must be two different components"),
        ({"image_shape": (3, 3)}, "image_shape must be .* of 4 values, got .3, 3."),
        ({"feature_names": ["a"]}, "feature_names must name the 4 features, got 1"),
        ({"max_megabytes": -1}, "max_megabytes"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_before_anything_is_written(
    arguments, message, pca, iris, path
):
    with pytest.raises(ValueError, match=message):
        explore(pca, iris[0], path=path, **arguments)
    assert not path.exists()


def test_columns_without_names_are_refused(pca, iris, path):
    with pytest.raises(TypeError, match="columns must be a mapping"):
        explore(pca, *iris, path, columns=[iris[1]])


def test_a_class_is_refused(iris, path):
    with pytest.raises(TypeError, match="estimator must be an object"):
        explore(PCA, iris[0], path=path)


def test_differences_are_measured_in_ranges_that_are_above_zero():
    X = np.column_stack([[0.0, 3.0], [5.0, 5.0], [np.nan, np.nan]])
    assert read_rows(X, None, None).spread.tolist() == [3, 3, 3]
    assert read_rows(X[:, 1:], None, None).spread.tolist() == [5, 5]
    assert read_rows(X[:, 2:], None, None).spread.tolist() == [1]


def test_features_that_are_constant_stand_in_no_ones_way(path):
    X = np.column_stack([load_iris().data, np.zeros(150), np.full(150, 7.0)])
    pca = PCA(3).fit(X)
    assert explore(pca, X, path=path, axes=np.array([2, 0])).decoding_error < 1e-3
    assert settings_of(explore(pca, X[[0] * 9], path=path))["axes"] == [0, 1]


def test_codes_with_missing_values_are_refused(iris, path):
    class Broken(PCA):
        def transform(self, X):
            return super().transform(X) * np.nan

    with pytest.raises(ValueError, match="codes contains NaN"):
        explore(Broken(2).fit(iris[0]), iris[0], path=path)


def test_vectors_are_refused(pca, iris, path):
    with pytest.raises(ValueError, match="2D array"):
        explore(pca, iris[0][0], path=path)


def test_a_detector_is_refused_with_a_hint_to_what_it_holds(iris, path):
    detector = ReconstructionOutlierDetector(PCA(2)).fit(iris[0])
    with pytest.raises(TypeError, match="estimator_"):
        explore(detector, iris[0], path=path)
    explore(detector.estimator_, iris[0], path=path)


def test_a_folder_that_does_not_exist_is_noticed_before_the_work(pca, iris, tmp_path):
    with pytest.raises(FileNotFoundError):
        explore(pca, iris[0], path=tmp_path / "no" / "page.html")
