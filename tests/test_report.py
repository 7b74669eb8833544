"""The report of a comparison, its exports, folds, processes and sizes of the code."""

import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.decomposition import PCA, KernelPCA, TruncatedSVD
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, compare
from skae.comparison._features import explained_by_feature

SECONDS = ["fit seconds", "transform seconds"]


class Broken(PCA):
    def fit(self, X, y=None):
        raise ValueError("no <b>good</b> & so on")


class Unportable(Exception):
    """Cannot be rebuilt from its message alone, as pickle would."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


class BrokenElsewhere(PCA):
    def fit(self, X, y=None):
        raise Unportable("it", "broke")


def page(comparison, tmp_path):
    path = tmp_path / "report.html"
    comparison.to_html(path)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tumours():
    data = load_breast_cancer(as_frame=True)
    return data.data[::4], data.target_names[data.target][::4]


@pytest.fixture(scope="module")
def table_comparison(tumours):
    reducers = {
        "PCA": make_pipeline(StandardScaler(), PCA(4)),
        "costs $5 and <$6": make_pipeline(StandardScaler(), TruncatedSVD(2)),
        "no inverse": KernelPCA(2),
        "autoencoder": make_pipeline(StandardScaler(), Autoencoder(2, max_iter=3)),
        "broken": Broken(2),
    }
    with pytest.warns(FitFailedWarning, match="'broken' failed"):
        return compare(*tumours, reducers=reducers, random_state=0)


@pytest.fixture(scope="module")
def table_page(table_comparison, tmp_path_factory):
    return page(table_comparison, tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="module")
def image_comparison():
    X, y = load_digits(return_X_y=True)
    reducers = {"PCA": PCA(), "SVD": TruncatedSVD()}
    return compare(
        X[:300],
        y[:300],
        reducers=reducers,
        n_components=[2, 8],
        image_shape=(8, 8),
        random_state=0,
    )


@pytest.fixture(scope="module")
def image_page(image_comparison, tmp_path_factory):
    return page(image_comparison, tmp_path_factory.mktemp("images"))


# -- the page ----------------------------------------------------------------------------------


@pytest.mark.parametrize("made", ["table_page", "image_page"])
def test_the_page_loads_nothing_from_elsewhere(made, request):
    text = request.getfixturevalue(made)
    addresses = set(re.findall(r"\w+://[\w./]+", text))
    # Names of the formats within, which are not loaded.
    assert {each for each in addresses if "://www.w3.org/" not in each} == set()
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]*)"', text))


def cells(text, name):
    """The cells of a reducer's row in the table of scores: text, and whether it is marked."""
    row = re.search(rf'<tr>\s*<th scope="row" data-value="{name}">.*?</tr>', text, re.DOTALL)[0]
    found = re.findall(r"<td([^>]*)>([^<]*)", row)
    return [(shown.strip(), 'class="best"' in attributes) for attributes, shown in found]


def test_the_best_value_of_each_column_is_marked(table_comparison, table_page):
    table = table_comparison.table
    columns = [name for name in table.columns if name != "error"]
    lower_is_better = {"reconstruction error", *SECONDS}
    for position, column in enumerate(columns, start=1):  # after the size of the code
        best = table[column].min() if column in lower_is_better else table[column].max()
        for name in ("PCA", "no inverse", "autoencoder", "broken"):
            value = table.loc[name, column]
            _, is_marked = cells(table_page, name)[position]
            assert is_marked == (f"{value:.3g}" == f"{best:.3g}")


def test_a_score_that_was_not_measured_is_a_dash(table_page):
    assert cells(table_page, "no inverse")[1] == ("–", False)
    assert {shown for shown, _ in cells(table_page, "broken")} == {"–"}


def test_every_column_is_explained_with_its_direction(table_page):
    for term in ("reconstruction error ↓", "trustworthiness ↑", "fit seconds ↓"):
        assert f"<dt>{term}</dt>" in table_page


def test_names_are_shown_as_they_are_and_never_as_markup_or_formulas(table_page):
    assert "costs $5 and &lt;$6" in table_page
    assert "<$6" not in table_page


def test_a_reducer_that_failed_is_listed_with_its_whole_error(table_page):
    assert "ValueError: no &lt;b&gt;good&lt;/b&gt; &amp; so on" in table_page


def test_the_features_stand_with_their_names_the_worst_first(table_comparison, table_page):
    explained = np.mean(list(explained_by_feature(table_comparison).values()), axis=0)
    features = table_page[table_page.index("Features, the worst") :]
    shown = re.findall(r'<th scope="row" data-value="([^"]*)"', features)
    assert shown == [table_comparison.feature_names[i] for i in np.argsort(explained)]


def test_what_is_explained_of_each_feature_is_its_r2_score(table_comparison):
    explained = explained_by_feature(table_comparison)["PCA"]
    reconstruction = table_comparison.reconstructions["PCA"]
    expected = r2_score(table_comparison.X_test, reconstruction, multioutput="raw_values")
    assert_allclose(explained, expected)


def test_what_is_explained_of_a_constant_feature_is_not_known():
    X = np.column_stack([load_iris().data, np.ones(150)])
    comparison = compare(X, reducers={"PCA": PCA(2)}, random_state=0)
    explained = explained_by_feature(comparison)["PCA"]
    assert_array_equal(np.isnan(explained), [False, False, False, False, True])


def test_missing_values_are_left_out_of_the_errors_of_features(tmp_path):
    X = load_iris().data.copy()
    X[::3, 0] = np.nan
    own = Autoencoder(2, missing_values="mask", max_iter=2)
    comparison = compare(X, reducers={"own": own}, random_state=0)
    seen = ~np.isnan(comparison.X_test[:, 0])
    expected = r2_score(comparison.X_test[seen, 0], comparison.reconstructions["own"][seen, 0])
    assert explained_by_feature(comparison)["own"][0] == pytest.approx(expected)
    assert "feature 0" in page(comparison, tmp_path)


def test_the_page_records_how_it_was_made(table_page):
    assert "compare(X, y, reducers={" in table_page
    assert "random_state=0)" in table_page
    assert "143 rows of 30 features, DataFrame, 2 classes" in table_page
    assert "107 rows to fit on, 36 held out, stratified by class" in table_page
    assert re.search(r"Python 3\.\d+\.\d+, skae \S+, scikit-learn", table_page)
    assert "PCA(n_components=4, random_state=0)" in table_page


def test_images_stand_beside_their_reconstructions_and_error_maps(image_page, image_comparison):
    assert image_page.count("data:image/png") >= 1 + 3 * len(image_comparison.reconstructions)
    for name in image_comparison.reconstructions:
        assert f'alt="Errors of {name} by pixel"' in image_page


def test_losses_are_drawn_where_something_was_trained(table_page, image_page):
    assert "<h2>Training</h2>" in table_page
    assert "<h2>Training</h2>" not in image_page


def test_several_sizes_make_a_curve_over_the_size_of_the_code(image_page, table_page):
    assert "How many components" in image_page
    assert "How many components" not in table_page


def test_the_first_sentences_name_the_best(image_page):
    assert re.search(r"<li>With 8 components: lowest reconstruction error by (PCA|SVD)", image_page)


def test_color_images_make_a_page(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (60, 6, 5, 3), dtype="uint8")
    comparison = compare(images, reducers={"PCA": PCA(4)}, random_state=0)
    assert 'alt="Reconstructions by PCA"' in page(comparison, tmp_path)


def test_a_page_can_be_made_where_all_failed(tumours, tmp_path):
    with pytest.warns(FitFailedWarning):
        comparison = compare(*tumours, reducers={"broken": Broken()})
    assert "Reducers that failed" in page(comparison, tmp_path)


def test_a_missing_jinja2_is_named(table_comparison, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"needs jinja2.*pip install 'skae\[plot\]'"):
        table_comparison.to_html(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_refused(table_comparison, tmp_path):
    with pytest.raises(FileNotFoundError, match="folder does not exist"):
        table_comparison.to_html(tmp_path / "none" / "report.html")


def test_a_page_leaves_the_settings_of_matplotlib_as_they_are(image_comparison, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    before = dict(matplotlib.rcParams)
    image_comparison.to_html(tmp_path / "report.html")
    assert dict(matplotlib.rcParams) == before


# -- other forms -------------------------------------------------------------------------------


def test_json_holds_the_scores_with_null_for_what_was_not_measured(table_comparison, tmp_path):
    text = table_comparison.to_json(tmp_path / "scores.json")
    assert (tmp_path / "scores.json").read_text(encoding="utf-8") == text
    document = json.loads(text)
    scores = {each.pop("name"): each for each in document["scores"]}
    assert scores["no inverse"]["explained variance"] is None
    expected = table_comparison.table.loc["PCA"].drop("error").to_dict()
    assert scores["PCA"] == expected
    assert document["errors"] == {"broken": "ValueError: no <b>good</b> & so on"}
    assert document["settings"]["call"].startswith("compare(X, y")


def test_markdown_is_a_table_of_as_many_columns_in_each_row(table_comparison, tmp_path):
    text = table_comparison.to_markdown(tmp_path / "scores.md")
    assert (tmp_path / "scores.md").read_text(encoding="utf-8") == text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count(" | ") for row in rows}) == 1
    assert rows[0].startswith("|  | reconstruction error ↓ | explained variance ↑ |")
    assert [row.split(" | ")[0] for row in rows[2:4]] == ["| PCA", "| costs $5 and <$6"]


def test_a_pipe_in_a_name_ends_no_column_of_markdown(tumours):
    X, _ = tumours
    text = compare(X, reducers={"a|b": PCA(2)}, random_state=0).to_markdown()
    assert "| a\\|b |" in text


# -- folds -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200], y[:200]


def test_folds_are_scored_by_themselves_and_their_mean_is_in_the_table(digits):
    folds = KFold(3, shuffle=True, random_state=1)
    comparison = compare(*digits, reducers={"PCA": PCA(2), "SVD": TruncatedSVD(2)}, cv=folds)
    single = comparison.folds.loc["PCA", "explained variance"]
    assert list(single.index) == [0, 1, 2]
    expected = []
    for train, test in folds.split(digits[0]):
        pca = PCA(2).fit(digits[0][train])
        X = digits[0][test]
        R = pca.inverse_transform(pca.transform(X))
        expected.append(r2_score(X, R, multioutput="variance_weighted"))
    # Constant pixels of the border count here, and nearly nothing.
    assert_allclose(single, expected, rtol=1e-3)
    assert comparison.table.loc["PCA", "explained variance"] == pytest.approx(single.mean())


def test_a_number_of_folds_is_shuffled_and_stratified(digits):
    comparison = compare(*digits, reducers={"PCA": PCA(2)}, cv=4, random_state=3)
    expected = StratifiedKFold(4, shuffle=True, random_state=3)
    _, test = next(expected.split(*digits))
    assert_array_equal(comparison.y_test, digits[1][test])


def test_one_split_has_no_folds(table_comparison):
    assert table_comparison.folds is None


def test_the_page_shows_the_spread_over_folds(digits, tmp_path):
    comparison = compare(*digits, reducers={"PCA": PCA(2)}, cv=3, random_state=0)
    spread = comparison.folds["explained variance"].std()
    assert f"± {spread:.2g}" in page(comparison, tmp_path)
    assert json.loads(comparison.to_json())["folds"][2]["fold"] == 2


def test_folds_that_are_too_small_are_refused(digits):
    with pytest.raises(ValueError, match="cv must hold out more than 10 rows in each fold"):
        compare(digits[0], reducers={"PCA": PCA(2)}, cv=30)


@pytest.mark.parametrize("cv", ["many", 1])
def test_what_is_no_splitter_is_refused(digits, cv):
    with pytest.raises(ValueError, match=r"cv|n_splits"):
        compare(digits[0], reducers={"PCA": PCA(2)}, cv=cv)


# -- processes ---------------------------------------------------------------------------------


def test_processes_find_the_scores_that_one_process_finds(digits):
    # Some seconds: each process imports torch.
    reducers = {"PCA": PCA(2), "SVD": TruncatedSVD(2), "broken": BrokenElsewhere(2)}
    with pytest.warns(FitFailedWarning):
        one, two = (
            compare(*digits, reducers=reducers, random_state=0, cv=2, n_jobs=n_jobs)
            for n_jobs in (None, 2)
        )
    pd.testing.assert_frame_equal(
        one.table.drop(columns=[*SECONDS, "error"]), two.table.drop(columns=[*SECONDS, "error"])
    )
    assert_array_equal(one.codes["PCA"], two.codes["PCA"])
    assert two.estimators["PCA"].n_components_ == 2
    # An error that another process cannot send is sent as its message.
    assert str(two.errors["broken"]) == "Unportable: it broke"


# -- sizes -------------------------------------------------------------------------------------


def test_a_list_of_sizes_compares_every_reducer_at_each(image_comparison):
    table = image_comparison.table
    assert list(table.index) == ["PCA (2)", "PCA (8)", "SVD (2)", "SVD (8)"]
    assert list(table["reducer"]) == ["PCA", "PCA", "SVD", "SVD"]
    assert list(table["n_components"]) == [2, 8, 2, 8]
    assert {name: codes.shape[1] for name, codes in image_comparison.codes.items()} == dict(
        zip(table.index, table["n_components"], strict=True)
    )


def test_the_curve_over_the_sizes_is_that_of_the_table(image_comparison):
    display = image_comparison.plot_sizes()
    expected = image_comparison.table.set_index("reducer").loc["PCA"]
    points = display.lines_[0].get_xydata()
    assert_array_equal(points, expected[["n_components", "reconstruction error"]])


def test_default_reducers_are_compared_at_several_sizes(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    result = compare(digits[0][:80], n_components=[1, 2], random_state=0)
    assert len(result.table) == 8
    assert set(result.table["n_components"]) == {1, 2}


def test_of_a_pipeline_the_last_size_is_set(digits):
    pipeline = make_pipeline(PCA(20), StandardScaler(), TruncatedSVD(9))
    result = compare(digits[0], reducers={"both": pipeline}, n_components=[3], random_state=0)
    assert result.codes["both (3)"].shape[1] == 3
    assert result.estimators["both (3)"][0].n_components == 20


def test_a_reducer_without_sizes_is_refused_before_any_is_fitted(digits):
    reducers = {"broken": Broken(), "scaler": StandardScaler()}
    with pytest.raises(TypeError, match="n_components, got 'scaler': StandardScaler"):
        compare(digits[0], reducers=reducers, n_components=[2, 3])


@pytest.mark.parametrize("sizes", [[], [2, 2], [0], 0])
def test_sizes_that_are_none_or_twice_are_refused(digits, sizes):
    with pytest.raises(ValueError, match="n_components"):
        compare(digits[0], reducers={"PCA": PCA()}, n_components=sizes)


@pytest.mark.parametrize("sizes", [[2.5], "many", None])
def test_sizes_that_are_no_integers_are_refused(digits, sizes):
    with pytest.raises(TypeError, match="n_components"):
        compare(digits[0], reducers={"PCA": PCA()}, n_components=sizes)


def test_without_several_sizes_there_is_no_curve_over_them(table_comparison):
    with pytest.raises(ValueError, match="got 'n_components'"):
        table_comparison.plot_sizes()
