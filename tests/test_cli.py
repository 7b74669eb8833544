"""The command line: files in, tables and files out, statuses for scripts."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA

import skae
from skae.cli import main
from skae.comparison import _compare as comparing


@pytest.fixture(autouse=True)
def few_epochs(monkeypatch):
    """Compare PCA and SVD alone: what is tested here is the command around them."""
    from sklearn.decomposition import TruncatedSVD

    monkeypatch.setattr(
        comparing,
        "default_reducers",
        lambda size, **_: {"PCA": PCA(size), "SVD": TruncatedSVD(size)},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the same 60 wines as a CSV and as a Parquet file, and digits as arrays."""
    path = tmp_path_factory.mktemp("data")
    wine = load_wine(as_frame=True)
    table = wine.frame.iloc[::3, [0, 1, 2, -1]].reset_index(drop=True)
    table["grape"] = np.where(table["target"] == 1, "red", "white")
    table["tasted"] = pd.date_range("2024-01-01", periods=len(table), freq="D")
    table.to_csv(path / "wine.csv", index=False)
    pl.DataFrame({name: table[name].to_list() for name in table}).write_parquet(
        path / "wine.parquet"
    )
    digits = load_digits()
    np.save(path / "digits.npy", digits.images[:60])
    np.savez(path / "digits.npz", X=digits.data[:60], y=digits.target[:60])
    return path


def run(*arguments):
    return main([str(each) for each in arguments])


# -- compare -----------------------------------------------------------------------------------


def test_a_table_is_compared_and_reports_are_written(folder, tmp_path, capsys):
    reports = {kind: tmp_path / f"report.{kind}" for kind in ("html", "json", "markdown")}
    options = [part for kind, path in reports.items() for part in (f"--{kind}", path)]
    status = run("compare", folder / "wine.csv", "--label", "target", "--components", 2, *options)
    assert status == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("PCA")
    assert json.loads(reports["json"].read_text(encoding="utf-8"))["scores"][1]["name"] == "SVD"
    assert "grape_red" in reports["html"].read_text(encoding="utf-8")
    assert reports["markdown"].read_text(encoding="utf-8").startswith("|  | reconstruction error")


def test_several_sizes_and_folds_are_compared(folder, capsys):
    run("compare", folder / "digits.npy", "--components", 2, 4, "--folds", 3)
    names = [line.split(")")[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert names == ["PCA (2", "PCA (4", "SVD (2", "SVD (4"]


def test_more_components_than_features_become_as_many(folder, capsys):
    assert run("compare", folder / "wine.csv", "--drop", "grape", "tasted", "target") == 0
    assert "PCA" in capsys.readouterr().out


def test_a_comparison_in_which_all_failed_is_a_failure(folder, monkeypatch, capsys):
    monkeypatch.setattr(comparing, "default_reducers", lambda size, **_: {"PCA": PCA(10**6)})
    assert run("compare", folder / "digits.npy") == 1
    assert "skae: warning: The reducer 'PCA' failed with" in capsys.readouterr().err


def test_no_progress_is_shown_where_nobody_watches(folder, capsys):
    run("compare", folder / "digits.npy", "--components", 2)
    assert capsys.readouterr().err == ""


def test_progress_is_shown_on_a_terminal_unless_it_is_to_be_quiet(folder, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    run("compare", folder / "digits.npy", "--components", 2)
    assert "2/2 reducers" in capsys.readouterr().err
    run("compare", folder / "digits.npy", "--components", 2, "--quiet")
    assert capsys.readouterr().err == ""


# -- embed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_csv_and_parquet_files_of_the_same_rows_have_the_same_codes(folder, tmp_path, kind):
    out = tmp_path / "codes.csv"
    run("embed", folder / f"wine.{kind}", "--label", "target", "--reducer", "pca", "--out", out)
    codes = pd.read_csv(out)
    table = pd.read_csv(folder / "wine.csv", parse_dates=["tasted"]).drop(columns="target")
    encoded = skae.TableEncoder(numeric_scaling="standard").fit_transform(table)
    expected = PCA(2, random_state=0).fit_transform(encoded)
    assert_allclose(codes[["code_0", "code_1"]], expected, atol=1e-6)
    assert list(codes.columns) == ["row", "target", "code_0", "code_1"]


def test_codes_of_an_archive_keep_its_labels(folder, tmp_path):
    out = tmp_path / "codes.npz"
    run("embed", folder / "digits.npz", "--label", "y", "--reducer", "pca", "--out", out)
    with np.load(out) as codes:
        assert_array_equal(codes["y"], load_digits().target[:60])
        assert codes["code_0"].shape == (60,)


def test_codes_can_go_to_parquet_and_npy(folder, tmp_path):
    for name in ("codes.parquet", "codes.npy"):
        run("embed", folder / "digits.npy", "--reducer", "pca", "--out", tmp_path / name)
    codes = np.load(tmp_path / "codes.npy")
    assert_array_equal(pl.read_parquet(tmp_path / "codes.parquet")["code_1"], codes[:, 1])


def test_a_reducer_can_be_saved_and_gives_the_same_codes(folder, tmp_path):
    out, model = tmp_path / "codes.npy", tmp_path / "model"
    status = run("embed", folder / "digits.npy", "--out", out, "--components", 3, "--save", model)
    assert status == 0
    loaded = skae.load(model)
    assert_allclose(loaded.transform(np.load(folder / "digits.npy")), np.load(out), atol=1e-5)


def test_a_folder_of_images_is_labelled_by_its_folders(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    digits = load_digits()
    for i in range(30):
        place = tmp_path / "images" / f"{digits.target[i] % 2}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[i] * 15).astype("uint8")).save(place / f"{i:02}.png")
    out = tmp_path / "codes.csv"
    run("embed", tmp_path / "images", "--label", "folder", "--reducer", "pca", "--out", out)
    codes = pd.read_csv(out)
    assert list(codes["row"][:2]) == ["0/00.png", "0/02.png"]
    assert set(codes["folder"]) == {0, 1}
    # Files are read in the order of their names.
    order = [int(Path(name).stem) for name in codes["row"]]
    expected = PCA(2, random_state=0).fit_transform((digits.data[order] * 15).astype("uint8"))
    assert_allclose(codes[["code_0", "code_1"]], expected, atol=1e-6)


# -- outliers ----------------------------------------------------------------------------------


def test_the_strangest_row_comes_first_with_the_column_that_makes_it_so(folder, tmp_path, capsys):
    table = pd.read_csv(folder / "wine.csv").drop(columns="tasted")
    table.loc[7, "ash"] = 60.0
    table.to_csv(tmp_path / "odd.csv", index=False)
    out = tmp_path / "scores.csv"
    assert run("outliers", tmp_path / "odd.csv", "--train", folder / "wine.csv",
               "--drop", "target", "--out", out) == 1  # fmt: skip
    assert "tasted" in capsys.readouterr().err
    pd.read_csv(folder / "wine.csv").drop(columns="tasted").to_csv(tmp_path / "normal.csv")
    assert run("outliers", tmp_path / "odd.csv", "--train", tmp_path / "normal.csv",
               "--drop", "target", "--out", out, "--rate", 0.1) == 0  # fmt: skip
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "row\tscore\tp_value\tcolumns"
    row, *_, columns = shown[1].split("\t")
    assert (row, columns.split(", ")[0]) == ("7", "ash")
    scores = pd.read_csv(out)
    assert scores["score"].idxmin() == 7
    assert scores["is_outlier"][7]
    assert len(scores) == len(table)


def test_arrays_have_no_columns_to_name(folder, capsys):
    assert run("outliers", folder / "digits.npz", "--label", "y", "--rate", 0.2) == 0
    assert capsys.readouterr().out.splitlines()[0] == "row\tscore\tp_value\tcolumns"


# -- what goes wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "does not exist"),
        ("empty.csv", b"", "empty.csv could not be read: No columns"),
        ("header.csv", b"a,b\n", "header.csv holds no rows"),
        ("few.csv", b"a,b\n1,2\n3,4\n", "2 sample"),
        ("broken.parquet", b"hello", "broken.parquet could not be read"),
        ("broken.npy", b"hello", "broken.npy could not be read"),
        ("data.xyz", b"", "one of .csv, .parquet, .npy, .npz, got data.xyz"),
        ("text.csv", "".join(f"word {i} of {i}\n" for i in range(60)).encode(), "--drop COLUMN"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_in_one_line(tmp_path, capsys, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert run("outliers", tmp_path / name) == 1
    error = capsys.readouterr().err
    assert error.startswith("skae outliers: error: ")
    assert message in error
    assert error.count("\n") == 1


def test_arrays_that_need_pickle_are_refused(tmp_path, capsys):
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    assert run("outliers", tmp_path / "objects.npy") == 1
    assert "allow_pickle=False" in capsys.readouterr().err


def test_images_of_several_sizes_are_refused(tmp_path, capsys):
    Image = pytest.importorskip("PIL.Image")
    for size in (4, 5):
        Image.new("L", (size, size)).save(tmp_path / f"{size}.png")
    assert run("embed", tmp_path, "--out", tmp_path / "codes.csv") == 1
    assert "of one size and kind" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "none"], "has no column 'none'; it has alcohol"),
        (["--drop", "none"], "has no column 'none'"),
        (["--html", "/none/report.html"], "/none/report.html: Its folder does not exist"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_fitted(folder, capsys, options, message):
    assert run("compare", folder / "wine.csv", *options) == 1
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["embed", "x.csv"],
        ["compare", "x.csv", "--components", "0"],
        ["outliers", "x.csv", "--rate", "2"],
    ],
)
def test_wrong_arguments_have_status_2_and_show_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: skae" in capsys.readouterr().err


def test_a_traceback_is_shown_on_demand(folder, capsys):
    run("compare", folder / "wine.csv", "--label", "none", "--traceback")
    assert "Traceback" in capsys.readouterr().err


def test_an_interruption_has_the_status_of_shells(folder, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("skae.cli._commands.compare", interrupt)
    assert run("compare", folder / "digits.npy") == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_ends_the_command_in_silence(folder):
    # A pipe that nobody reads, in a process of its own: Python complains when it ends.
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        ended = subprocess.run(
            [sys.executable, "-m", "skae", "outliers", folder / "digits.npy"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert "Broken" not in ended.stderr


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"skae {version('skae')}\n"


def test_the_command_is_installed_under_the_name_of_the_package():
    project = tomllib.loads((Path(skae.__file__).parents[1] / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"skae": "skae.cli:main"}
