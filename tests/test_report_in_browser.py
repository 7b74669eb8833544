"""The report in a browser: tables that sort, and no page wider than a phone."""

import json
import shutil
import subprocess

import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, KernelPCA, TruncatedSVD

from skae import compare

# Presses the heading of a column twice, then that of the names, and writes down the order of the
# rows each time, and how far the page reaches.
PROBE = """<script>
const headings = document.querySelectorAll("thead button");
const seen = [];
for (const i of [2, 2, 0]) {
  headings[i].click();
  const rows = [...document.querySelector("tbody").rows];
  seen.push(rows.map((row) => row.cells[0].dataset.value).join(" "));
}
const page = document.documentElement;
document.title = JSON.stringify([...seen, page.scrollWidth - page.clientWidth]);
</script></body>"""


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """What a browser made of the report, in a window of 500 pixels."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium to open the report in")
    folder = tmp_path_factory.mktemp("browser")
    path = folder / "report.html"
    X, y = load_digits(return_X_y=True)
    reducers = {"c": PCA(2), "a": PCA(8), "b": TruncatedSVD(4), "without": KernelPCA(2)}
    compare(X[:150], y[:150], reducers=reducers, image_shape=(8, 8), random_state=0).to_html(path)
    path.write_text(path.read_text(encoding="utf-8").replace("</body>", PROBE), encoding="utf-8")
    # Its own sandbox does not start where tests run as root.
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900", "--dump-dom"]
    shown = subprocess.run(
        [browser, *options, f"--user-data-dir={folder}/profile", path.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    title = shown.stdout.partition("<title>")[2].partition("</title>")[0]
    return json.loads(title)


def test_a_click_on_a_heading_sorts_the_best_first(probed):
    assert probed[0] == "a b c without"


def test_a_second_click_turns_the_order_round_and_leaves_what_was_not_measured_last(probed):
    assert probed[1] == "c b a without"


def test_names_are_sorted_by_the_alphabet(probed):
    assert probed[2] == "a b c without"


def test_the_page_does_not_scroll_sideways_on_a_narrow_screen(probed):
    assert probed[3] <= 0
