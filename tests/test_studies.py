"""The studies are modules that run, and their table knows those that measure."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies import __main__ as table
from skae.metrics import reconstruction_error

FOLDER = Path(table.__file__).parent
STUDIES = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def load(name):
    return importlib.import_module(f"benchmarks.studies.{name}")


@pytest.fixture
def no_data(monkeypatch):
    monkeypatch.delenv("SKAE_DATA", raising=False)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_says_how_to_run_it_and_can_be_imported(name):
    study = load(name)
    assert f"python -m benchmarks.studies.{name}" in study.__doc__
    assert callable(study.main)


@pytest.fixture(scope="module")
def measuring():
    """Names of the modules that are in the table."""
    return [name for name in STUDIES if hasattr(load(name), "measure")]


def test_every_study_that_measures_is_in_the_table(measuring):
    assert set(measuring) == set(table.STUDIES)
    assert set(STUDIES) - set(measuring) <= {"compare_reducers"}


def test_every_study_is_told_of_in_the_readme(measuring):
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in measuring if f"`{name}`" not in readme] == []


def test_the_table_has_a_row_for_each_figure(no_data, capsys):
    table.main(["--quick", "outliers"])
    rows = capsys.readouterr().out.splitlines()
    assert rows[:2] == ["| study | figure | asked | reached |", "|---|---|---|---|"]
    assert len(rows) > 2
    assert all(row.startswith("| outliers | ") and row.count("|") == 5 for row in rows[2:])


def test_a_study_without_its_data_asks_for_nothing(no_data):
    for what, reached, asked in load("outliers").measure(quick=True):
        assert what.startswith("scikit-learn's tumours")
        assert 0 <= reached <= 1
        assert asked == ""


def test_squares_are_added_to_the_share_that_is_asked_for(digit_images):
    shown, bare = load("healing_images").add_squares(digit_images, 0, rotated=0, square=0.25)
    has_square = (shown != bare).any(axis=(1, 2))
    assert has_square.mean() == pytest.approx(0.25, abs=0.01)
    assert (shown[has_square, :2, :2] == 1).all()


def test_a_healer_is_judged_by_the_digit_without_the_square(digit_images, monkeypatch):
    study = load("healing_images")
    monkeypatch.setattr(study, "MODELS", {"healing": {"heals": True, "linear_skip": True}})
    data = (digit_images[:800], None, digit_images[800:], None)
    [(_, in_square, elsewhere, rebuilt)] = study.compare_losses(data, {"rotated": 0}, 1, 0)
    shown, bare = study.add_squares(data[2], 1, rotated=0)
    share = (shown != bare).mean()
    mean = share * in_square + (1 - share) * elsewhere
    assert mean == pytest.approx(reconstruction_error(bare, rebuilt))


def test_the_entropy_of_black_and_white_pixels_is_nearly_zero():
    cross_entropy = load("fashion_conv").cross_entropy
    X = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert cross_entropy(X, X) == pytest.approx(0, abs=2e-3)
    assert cross_entropy(X, np.full_like(X, 0.5)) == pytest.approx(np.log(2))


def test_colour_scenes_are_rows_of_pixels_in_the_unit_interval():
    study = load("colour_scenes")
    scenes, kinds = study.make_scenes(12, np.random.default_rng(0))
    assert scenes.shape == (12, 128 * 128 * 3)
    assert scenes.dtype == np.float32
    assert scenes.min() >= 0
    assert scenes.max() <= 1
    assert set(kinds) <= set(range(len(study.KINDS)))


def test_the_network_of_colour_scenes_has_the_weights_that_are_reported():
    assert load("colour_scenes").count_weights() == [2_093_888, 1_587_011]


def test_crops_to_test_on_show_columns_that_no_crop_to_train_on_has(monkeypatch):
    study = load("colour_crops")
    columns = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (130, 256, 3))
    monkeypatch.setattr(study, "load_photographs", lambda: {"columns": columns})
    monkeypatch.setattr(study, "load_surfaces", lambda: [columns] * 3)
    train, test, numbers, surfaces = study.load(20, 6)
    assert train.shape == (20, 128, 128, 3)
    assert len(test) == len(numbers) == len(surfaces) == 6
    assert train.max() < test.min()


def test_scans_that_correlate_are_on_one_side_of_the_split(digit_images):
    study = load("brain_mri")
    # A head is an image and a darker one, which correlates with it wholly.
    heads = digit_images[:40].repeat(2, axis=0)
    heads[1::2] /= 2
    train, test = study.split_by_head(heads, n_test=20, side=8, correlation=0.999)
    assert len(train) + len(test) == 80
    assert 10 <= len(test) <= 20
    crossing = np.corrcoef(*(part.reshape(len(part), -1) for part in (train, test)))
    assert crossing[: len(train), len(train) :].max() < 0.999


def test_copies_of_training_scans_are_found(digit_images):
    train, new = digit_images[:10], digit_images[20:23]
    is_copy = load("brain_mri").find_copies(train, np.concatenate([train[:2], new]))
    assert is_copy.tolist() == [True, True, False, False, False]
