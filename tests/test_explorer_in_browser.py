"""The page of `explore` in a browser: the mouse is moved, and what it shows is compared."""

import json

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skae import Autoencoder, TableAutoencoder
from skae.architectures import Conv, Custom, Dense
from skae.models.umap import UMAPNetwork
from skae.networks.standardization import Standardization
from skae.plotting import explore
from skae.plotting.explorer._decoder import export_decoder
from skae.plotting.explorer._payload import pack
from skae.plotting.explorer._samples import read_table
from skae.plotting.explorer._tables import numbers_of
from tests import browser as chromium
from tests import small

pytest.importorskip("bokeh", reason="the page is drawn by Bokeh")

TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for all tests of this file: its start takes seconds."""
    if chromium.find() is None:
        pytest.skip("no Chromium to open the page in")
    running = chromium.Browser(tmp_path_factory.mktemp("browser"))
    yield running
    running.close()


class Page:
    """An open page, the data and the estimator behind it."""

    def __init__(self, browser, estimator, X, y, path, **kwargs):
        self.browser, self.estimator, self.X, self.y = browser, estimator, X, y
        self.codes = np.asarray(estimator.transform(X))
        self.path = explore(estimator, X, y, path, **kwargs).path
        self.open()

    def open(self):
        self.browser.open(self.path.as_uri())
        self.browser.evaluate("skaeExplorer.ready")
        self.browser.frame()

    def state(self, name):
        """Return an entry of the page's state; arrays become lists."""
        value = f"skaeExplorer.state.{name}"
        text = f"JSON.stringify(ArrayBuffer.isView({value}) ? Array.from({value}) : {value})"
        return json.loads(self.browser.evaluate(text))

    def place(self, x, y):
        """Return where in the window a place in the plot is."""
        return self.browser.evaluate(
            f"""(() => {{
              const {{ figure }} = skaeExplorer.plot, view = Bokeh.index.get_by_id(figure.id);
              const box = view.el.getBoundingClientRect(), {{ left, top }} = view.frame.bbox;
              const {{ x_range, y_range, inner_width, inner_height }} = figure;
              const part = (range, value) => (value - range.start) / (range.end - range.start);
              return [box.left + left + inner_width * part(x_range, {x}),
                      box.top + top + inner_height * (1 - part(y_range, {y}))];
            }})()"""
        )

    def click(self, x, y):
        self.browser.click(*self.place(x, y))
        self.browser.frame()

    def hover(self, row, axes=(0, 1)):
        self.browser.mouse("mouseMoved", *self.place(*self.codes[row, list(axes)]))
        self.browser.frame()

    def drag_until(self, happened, *places):
        """Drag until an expression of JavaScript holds."""
        # On a busy machine a drag may begin so late that Bokeh takes it for a long press.
        for _ in range(5):
            self.browser.drag(*places)
            self.browser.frame()
            if self.browser.evaluate(happened):
                return
        raise AssertionError(f"no drag led to {happened}")

    def pixels(self, canvas):
        """Return the grey levels that a canvas shows."""
        levels = self.browser.evaluate(
            f"""(() => {{
              const canvas = document.getElementById("{canvas}");
              const {{ data }} = canvas.getContext("2d")
                .getImageData(0, 0, canvas.width, canvas.height);
              return Array.from(data).filter((_, i) => i % 4 === 0);
            }})()"""
        )
        return np.array(levels)

    def text(self, selector):
        return self.browser.evaluate(f"document.querySelector('{selector}').textContent")

    def choose(self, mode):
        self.browser.evaluate(f"document.querySelector('#modes [value={mode}]').click()")


@pytest.fixture(scope="module")
def digits_page(browser, tmp_path_factory):
    X, y = load_digits(return_X_y=True)
    X, y = X[:150], y[:150]
    autoencoder = Autoencoder(
        3, architecture=Conv((4, 8)), image_shape=(8, 8), max_iter=3, random_state=0
    ).fit(X)
    return Page(browser, autoencoder, X, y, tmp_path_factory.mktemp("page") / "digits.html")


@pytest.fixture
def digits(digits_page):
    """The page of digits as it is when it is opened, which takes too long to do for each test."""
    digits_page.browser.evaluate(
        """(() => {
          const change = (id, value) => {
            const select = document.getElementById(id);
            if (select.value === value) return;
            select.value = value;
            select.dispatchEvent(new Event("change"));
          };
          change("y-axis", "1");
          change("color", "0");
          document.querySelector("#modes [value=decode]").click();
          document.getElementById("reset").click();
          skaeExplorer.plot.rows.selected.indices = [];
          skaeExplorer.goTo(JSON.parse(document.getElementById("settings").textContent).medians);
        })()"""
    )
    digits_page.browser.frame()
    return digits_page


def grey(row):
    """Return the levels that pixels of digits, from 0 to 16, are drawn with."""
    return np.clip(255 * row / 16, 0, 255)


# -- decoders ------------------------------------------------------------------------------

DIGITS = load_digits().images[:60]


class Map(BaseEstimator):
    """What `ParametricUMAP` decodes with, without the graph that takes umap-learn to compile."""

    def fit(self, X, y=None):
        standardization = Standardization(torch.from_numpy(X.mean(axis=0)), X.std())
        layers = [nn.Linear(64, 2), nn.Linear(2, 64)]
        options = {"curve": (1, 1), "negative_sample_rate": 5, "reconstruction_weight": 0}
        self.module_ = UMAPNetwork(*layers, standardization, **options)
        return self

    def transform(self, X):
        with torch.no_grad():
            return self.module_.encode(torch.from_numpy(X).float()).numpy()

    def inverse_transform(self, codes):
        with torch.no_grad():
            return self.module_.decode(torch.from_numpy(codes).float()).numpy()


CUSTOM_IMAGE = nn.Sequential(
    *(nn.Linear(2, 4 * 4), nn.Softplus(), nn.Unflatten(1, (4, 2, 2))),
    *(nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.GroupNorm(2, 4)),
    *(nn.GELU(approximate="tanh"), nn.ConvTranspose2d(4, 2, 3, 2, 1, 1, groups=2)),
    *(nn.ELU(), nn.Conv2d(2, 1, 3, padding=2, dilation=2), nn.Sigmoid()),
)
CUSTOM_ROW = nn.Sequential(nn.Linear(2, 6), nn.LayerNorm(6), nn.LeakyReLU(), nn.Linear(6, 64))
ARCHITECTURES = {
    "tanh": Dense((5,), activation="tanh", normalization="layer", linear_skip=False),
    "gelu": Dense((5,), activation="gelu", normalization="batch", dropout=0.2),
    "selu": Dense((5, 4), activation="selu"),
    "leaky": Dense((5,), activation="leaky_relu"),
    "elu": Dense((5,), activation="elu"),
    "stride": Conv((3, 4), normalization="batch"),
    "nearest": Conv((3, 4), upsampling="nearest", normalization="layer", activation="relu"),
    "residual": Conv((3,), n_residual_blocks=1, stride=3),
    "custom images": Custom(decoder=CUSTOM_IMAGE),
    "custom rows": Custom(decoder=nn.Sequential(CUSTOM_ROW, nn.Unflatten(1, (1, 8, 8)))),
}
FITTED = {
    **{f"{name} of rows": (each, *small.wine()) for name, each in small.NETWORKS.items()},
    **{
        f"{name} of images": (each, *small.images())
        for name, each in small.FOR_IMAGES.items()
        if name != "UNet"
    },
    **{
        name: (Autoencoder(2, architecture=each, max_iter=1, random_state=0), DIGITS, None)
        for name, each in ARCHITECTURES.items()
    },
    "odd sizes": (
        Autoencoder(2, architecture=Conv((2, 3), kernel_size=5), max_iter=1),
        DIGITS[:, :7, :5],
        None,
    ),
    "colors": (
        Autoencoder(2, architecture=Conv((2,)), max_iter=1),
        np.stack([DIGITS, DIGITS / 2, 16 - DIGITS], axis=-1),
        None,
    ),
    "logits": (Autoencoder(2, loss="bce", **small.QUICK), DIGITS.reshape(60, -1) / 16, None),
    "ordered": (Autoencoder(3, ordered=True, **small.QUICK), DIGITS.reshape(60, -1), None),
    "map": (Map(), DIGITS.reshape(60, -1), None),
    "pipeline": (make_pipeline(StandardScaler(), PCA(3)), *small.wine()),
}


@pytest.fixture(scope="module")
def decoding(browser, digits_page):
    """A function that decodes codes in the browser."""

    def decode(decoder, codes):
        packed = {
            "steps": decoder.program.steps,
            "arrays": [pack(array) for array in decoder.program.arrays],
        }
        return browser.evaluate(
            f"""(async () => {{
              const program = await skaePayload.unpackProgram({json.dumps(packed)});
              const codes = {json.dumps(codes.tolist())};
              return codes.map((code) => Array.from(skaeDecoder.decode(program, code)));
            }})()"""
        )

    return decode


@pytest.mark.filterwarnings("ignore")  # trials of an epoch learn nothing
@pytest.mark.parametrize("name", FITTED)
def test_the_browser_decodes_as_inverse_transform_does(name, decoding):
    estimator, X, y = FITTED[name]
    estimator.fit(X, y)
    codes = np.asarray(estimator.transform(X))
    spread = np.ptp(X)
    decoder = export_decoder(estimator, codes, np.full(1, spread))
    # Between the codes of the data and beyond them as well.
    codes = np.concatenate([codes[:3], (codes[:3] + codes[3:6]) / 2, 3 * codes[:2]])
    expected = np.asarray(estimator.inverse_transform(codes)).reshape(len(codes), -1)
    assert np.abs(decoding(decoder, codes) - expected).max() / spread < TOLERANCE


def test_the_last_zeros_of_an_ordered_code_stand_for_absent_components(decoding):
    estimator, X, _ = FITTED["ordered"]
    codes = np.array([[1.0, 0.5, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 2.0]])
    decoder = export_decoder(estimator.fit(X), estimator.transform(X), np.full(1, 16.0))
    difference = np.array(decoding(decoder, codes)) - estimator.inverse_transform(codes)
    assert np.abs(difference).max() / 16 < TOLERANCE


# -- mouse ---------------------------------------------------------------------------------


def test_the_page_opens_without_an_error_or_a_request(digits):
    assert digits.browser.messages == []
    assert digits.state("difference") < TOLERANCE
    assert not digits.text("#message")


def test_a_browser_that_decodes_otherwise_is_noticed(digits):
    digits.browser.evaluate(
        """(async () => {
          const { data } = skaeRows.data.program.arrays.at(-1), kept = data[0];
          data[0] = NaN;
          await skaeExplorer.checkDecoder();
          data[0] = kept;
        })()"""
    )
    assert "do not trust what is decoded" in digits.text("#message")


def test_a_click_decodes_its_place(digits):
    x, y = digits.codes[7, :2]
    digits.click(x, y)
    spot = digits.state("spot")
    assert spot[:2] == pytest.approx([x, y], abs=0.01 * np.ptp(digits.codes))
    [expected] = digits.estimator.inverse_transform([spot])
    assert np.array(digits.state("decoded")) == pytest.approx(expected, abs=16 * TOLERANCE)
    assert digits.pixels("spot-picture") == pytest.approx(grey(expected), abs=1)


def test_components_that_are_not_drawn_are_at_their_medians(digits):
    digits.click(0, 0)
    assert digits.state("spot")[2] == pytest.approx(np.median(digits.codes[:, 2]))


def test_a_drag_decodes_where_it_ends_and_leaves_the_view_as_it_is(digits):
    before = digits.browser.evaluate("skaeExplorer.plot.figure.x_range.start")
    start, end = digits.codes[3, :2], digits.codes[9, :2]
    middle = digits.place(*(start + end) / 2)
    digits.browser.drag(digits.place(*start), middle, digits.place(*end))
    digits.browser.frame()
    assert digits.state("spot")[:2] == pytest.approx(end, abs=0.02 * np.ptp(digits.codes))
    [expected] = digits.estimator.inverse_transform([digits.state("spot")])
    assert digits.pixels("spot-picture") == pytest.approx(grey(expected), abs=1)
    assert digits.browser.evaluate("skaeExplorer.plot.figure.x_range.start") == before


def test_the_row_under_the_mouse_is_shown_beside_its_reconstruction(digits):
    digits.hover(11)
    row = digits.state("hovered")
    # Another one may lie at the same place.
    assert digits.codes[row, :2] == pytest.approx(digits.codes[11, :2], abs=0.05)
    [expected] = digits.estimator.inverse_transform(digits.codes[[row]])
    assert digits.pixels("sample-picture") == pytest.approx(grey(digits.X[row]), abs=1)
    assert digits.pixels("rebuilt-picture") == pytest.approx(grey(expected), abs=1)
    assert f"Row {row} · y {digits.y[row]}" in digits.text("#hovered")


def test_no_row_is_found_where_there_is_none(digits):
    digits.hover(11)
    corner = [digits.browser.evaluate(f"skaeExplorer.plot.figure.{a}_range.start") for a in "xy"]
    x, y = digits.place(*corner)
    digits.browser.mouse("mouseMoved", x + 2, y - 2)
    digits.browser.frame()
    assert digits.state("hovered") == -1


def test_a_slider_changes_the_component_that_is_not_drawn(digits):
    assert digits.browser.evaluate("document.querySelectorAll('#sliders input').length") == 1
    digits.browser.evaluate(
        """(() => {
          const slider = document.querySelector("#sliders input");
          slider.value = slider.max;
          slider.dispatchEvent(new Event("input"));
        })()"""
    )
    digits.browser.frame()
    spot = digits.state("spot")
    assert spot[2] >= np.quantile(digits.codes[:, 2], 0.98)
    [expected] = digits.estimator.inverse_transform([spot])
    assert digits.pixels("spot-picture") == pytest.approx(grey(expected), abs=1)


def test_the_nearest_rows_are_those_of_a_search_in_all_components(digits):
    digits.click(*digits.codes[5, :2])
    distances = np.linalg.norm(digits.codes - digits.state("spot"), axis=1)
    assert digits.state("nearest") == np.argsort(distances)[:5].tolist()


def test_a_click_on_a_nearest_row_decodes_its_code(digits):
    digits.click(0, 0)
    row = digits.state("nearest")[1]
    digits.browser.evaluate("document.querySelectorAll('#nearest canvas')[1].click()")
    digits.browser.frame()
    assert digits.state("spot") == pytest.approx(digits.codes[row].tolist(), rel=1e-6)


def test_a_lasso_lists_the_rows_within_it(digits):
    digits.choose("lasso")
    x, y = np.median(digits.codes[:, 0]), np.median(digits.codes[:, 1])
    x1, y1 = np.quantile(digits.codes[:, :2], 0.99, axis=0)
    corners = [(x, y), (x1 + 1, y), (x1 + 1, y1 + 1), (x, y1 + 1), (x, y)]
    places = [digits.place(*corner) for corner in corners]
    digits.drag_until("skaeExplorer.state.selected.length > 0", *places)
    inside = (digits.codes[:, 0] > x) & (digits.codes[:, 1] > y)
    within = np.all(digits.codes[:, :2] < [x1 + 1, y1 + 1], axis=1)
    selected = digits.state("selected")
    # The edge of the lasso is a pixel wide.
    assert len(set(selected) ^ set(np.flatnonzero(inside & within))) <= 2
    assert len(selected) > 10
    assert digits.text("#n-selected") == str(len(selected))
    listed = digits.browser.evaluate("document.getElementById('selected').value")
    assert [int(each) for each in listed.split(", ")] == selected


def test_a_drag_moves_the_view_where_that_is_chosen(digits):
    digits.choose("pan")
    spot = digits.state("spot")
    x, y = digits.place(*digits.codes[3, :2])
    moved = "skaeExplorer.plot.figure.x_range.start"
    before = digits.browser.evaluate(moved)
    digits.drag_until(f"{moved} !== {before}", (x, y), (x + 40, y), (x + 80, y))
    width = digits.browser.evaluate("skaeExplorer.plot.figure.inner_width")
    span = digits.browser.evaluate("skaeExplorer.plot.figure.x_range.end - " + moved)
    assert digits.browser.evaluate(moved) == pytest.approx(before - 80 * span / width, rel=0.05)
    assert digits.state("spot") == spot


def test_the_wheel_zooms_and_a_button_shows_all_again(digits):
    span = "skaeExplorer.plot.figure.x_range.end - skaeExplorer.plot.figure.x_range.start"
    before = digits.browser.evaluate(span)
    digits.browser.wheel(*digits.place(0, 0), -200)
    digits.browser.frame()
    assert digits.browser.evaluate(span) < 0.95 * before
    digits.browser.evaluate("document.getElementById('reset').click()")
    assert digits.browser.evaluate(span) == pytest.approx(before)


def test_other_components_can_be_drawn(digits):
    digits.browser.evaluate(
        """(() => {
          const select = document.getElementById("y-axis");
          select.value = 2;
          select.dispatchEvent(new Event("change"));
        })()"""
    )
    digits.click(*digits.codes[4, [0, 2]])
    spot = np.array(digits.state("spot"))
    assert spot[[0, 2]] == pytest.approx(digits.codes[4, [0, 2]], abs=0.02 * np.ptp(digits.codes))
    assert digits.text("#sliders label").startswith("code 2")


# -- colors --------------------------------------------------------------------------------


def test_points_are_colored_by_the_target_first(digits):
    colors = digits.browser.evaluate("Array.from(skaeExplorer.plot.rows.data.color)")
    assert colors == digits.y.tolist()
    assert digits.text("#legend") == "0123456789"


def test_a_class_in_the_legend_selects_its_rows(digits):
    digits.browser.evaluate("document.querySelectorAll('#legend button')[3].click()")
    assert digits.state("selected") == np.flatnonzero(digits.y == 3).tolist()


def test_the_error_of_the_reconstruction_is_a_color(digits):
    errors = digits.estimator.reconstruct(digits.X) - digits.X
    digits.browser.evaluate(
        """(() => {
          const select = document.getElementById("color");
          select.value = [...select.options].find((each) => each.text.includes("error")).value;
          select.dispatchEvent(new Event("change"));
        })()"""
    )
    colors = digits.browser.evaluate("Array.from(skaeExplorer.plot.rows.data.color)")
    assert colors == pytest.approx(np.sqrt((errors**2).mean(axis=1)), rel=1e-4)


def test_a_click_on_a_pixel_colors_by_it(digits):
    box = digits.browser.evaluate(
        """(() => {
          const { left, top, width } =
            document.getElementById("spot-picture").getBoundingClientRect();
          return [left, top, width];
        })()"""
    )
    left, top, width = box
    digits.browser.click(left + 4.5 * width / 8, top + 2.5 * width / 8)
    colors = digits.browser.evaluate("Array.from(skaeExplorer.plot.rows.data.color)")
    # Pixels are kept as bytes.
    assert colors == pytest.approx(digits.X[:, 2 * 8 + 4], abs=16 / 254)


# -- tables --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed():
    """Wines with a column of every kind."""
    pandas = pytest.importorskip("pandas")
    data = load_wine(as_frame=True)
    steps = np.arange(len(data.data)) * 7919 % 997
    start = pandas.Timestamp("2020-01-01")
    return data.data.iloc[:, :2].assign(
        kind=np.array(["red", "white", "rosé"])[data.target],
        size=pandas.Categorical(
            np.array(list("SML"))[data.target], categories=list("SML"), ordered=True
        ),
        large=data.target > 1,
        whole=steps,
        day=start + pandas.to_timedelta(steps, unit="D"),
        moment=start + pandas.to_timedelta(steps * 86_431, unit="s"),
        wait=pandas.to_timedelta(steps, unit="s"),
        clock=[(start + pandas.Timedelta(minutes=int(step))).time() for step in steps],
        same="x",
    )


@pytest.mark.parametrize("numeric_scaling", ["standard", "robust", "quantile"])
@pytest.mark.parametrize("variational", [False, True])
def test_the_browser_decodes_tables_as_inverse_transform_does(
    numeric_scaling, variational, mixed, decoding
):
    autoencoder = TableAutoencoder(
        2, numeric_scaling=numeric_scaling, variational=variational, **small.QUICK
    ).fit(mixed)
    codes, rows = autoencoder.transform(mixed), read_table(autoencoder.encoder_, mixed)
    decoder = export_decoder(autoencoder, codes, rows.spread)
    codes = np.concatenate([codes[:5], 2 * codes[:5]])
    expected = numbers_of(autoencoder.encoder_, autoencoder.inverse_transform(codes))
    difference = (np.array(decoding(decoder, codes)) - expected) / rows.spread
    assert np.abs(difference).max() < TOLERANCE


@pytest.fixture(scope="module")
def table(browser, mixed, tmp_path_factory):
    """The page of a table, a row of it chosen and another under the mouse: its cells by feature."""
    autoencoder = TableAutoencoder(2, **small.QUICK).fit(mixed)
    page = Page(browser, autoencoder, mixed, None, tmp_path_factory.mktemp("page") / "table.html")
    page.click(*page.codes[20])
    page.hover(30)
    page.head, *cells = browser.evaluate(
        """[...document.querySelectorAll("#features tr")]
          .map((row) => [...row.cells].map((cell) => cell.textContent))"""
    )
    page.cells = {name: values for name, *values in cells}
    return page


def test_a_table_shows_rows_in_place_of_pictures(table):
    row, nearest = table.state("hovered"), table.state("nearest")
    assert list(table.cells) == list(table.X.columns)
    names = ["", "decoded at +", f"row {row}", "rebuilt", *(f"row {each}" for each in nearest)]
    assert table.head == names
    shown = {name: [float(cell) for cell in table.cells[name]] for name in ("alcohol", "whole")}
    decoded = table.estimator.inverse_transform([table.state("spot"), table.codes[row]])
    rows = table.X.iloc[[row, *nearest]]
    for name in shown:
        [spot, rebuilt], [original, *others] = decoded[name], rows[name]
        assert shown[name] == pytest.approx([spot, original, rebuilt, *others], rel=1e-3)


def test_categories_dates_and_times_are_decoded_as_such(table):
    shown = {name: cells[0] for name, cells in table.cells.items()}
    decoded = table.estimator.inverse_transform([table.state("spot")]).iloc[0]
    for name in ("kind", "size", "same", "large", "moment", "clock"):
        assert shown[name] == str(decoded[name])
    assert shown["day"] == str(decoded["day"].date())
    assert table.browser.messages == []


def test_a_single_component_is_drawn_along_a_line_and_rows_without_decoding(browser, tmp_path):
    X, y = small.images()
    rows = X.reshape(30, -1)
    path, shape = tmp_path / "page.html", (8, 8)
    page = Page(browser, PCA(1).fit(rows), rows, y, path, decode=False, image_shape=shape)
    [place] = page.browser.evaluate("[[...skaeExplorer.plot.rows.data.y]]")
    browser.mouse("mouseMoved", *page.place(page.codes[2, 0], place[2]))
    browser.frame()
    assert page.state("hovered") == 2
    assert page.pixels("sample-picture") == pytest.approx(grey(rows[2]), abs=1)
    assert browser.evaluate("document.getElementById('spot-picture')") is None
    page.click(page.codes[5, 0], 0)
    assert page.state("spot") == pytest.approx(page.codes[5], abs=0.01 * np.ptp(page.codes))
    assert browser.messages == []
