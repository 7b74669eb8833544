"""Optional imports, and columns that hold no numbers, at the doors of every public function."""

import datetime
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skae import Autoencoder
from skae._arrays import check_columns, columns_without_numbers
from skae._utils import import_optional


def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it():
    with pytest.raises(
        ImportError, match=r"needs no_such_package, which is not .*pip install 'skae\[vision\]'"
    ):
        import_optional("no_such_package.part", "vision")


@pytest.fixture
def broken(tmp_path, monkeypatch, request):
    """A package whose import runs the code of the parameter."""
    (tmp_path / "broken_package.py").write_text(request.param)
    monkeypatch.syspath_prepend(tmp_path)
    yield "broken_package"
    sys.modules.pop("broken_package", None)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("import no_such_dependency", "No module named 'no_such_dependency'"),
        ("from math import no_such_name", "cannot import name 'no_such_name'"),
        ("raise RuntimeError('no such operator')", "RuntimeError: no such operator"),
        ("raise OSError('lib.so: undefined symbol')", "OSError: lib.so: undefined symbol"),
        ("1 +", "SyntaxError"),
    ],
    indirect=["broken"],
)
def test_a_package_that_does_not_import_says_so_in_its_own_words(broken, words):
    with pytest.raises(ImportError, match=f"{broken}, which is installed but .*{words}") as raised:
        import_optional(broken, "vision")
    assert "pip install" not in str(raised.value)


def test_a_package_that_imports_is_returned():
    assert import_optional("json", "vision") is __import__("json")


NUMBERS = {
    "float": [1.0, 2.0],
    "int": [1, 2],
    "bool": [True, False],
    "object": np.array([1, None], dtype=object),
    "nullable": pd.array([1, None], dtype="Int64"),
    "numbers as category": pd.Categorical([1, 2]),
    "sparse": pd.arrays.SparseArray([0.0, 1.0]),
}
OTHERS = {
    "text": ["a", "b"],
    "digits as text": np.array(["1", "2"], dtype=object),
    "category": pd.Categorical(["a", "b"]),
    "datetime": pd.to_datetime(["2020", "2021"]),
    "duration": pd.to_timedelta([1, 2]),
    "period": pd.period_range("2020", periods=2, freq="D"),
    "interval": pd.interval_range(0, 2),
    "date": np.array([datetime.date(2020, 1, 1), None], dtype=object),
}


def test_columns_of_text_and_dates_are_found_among_numbers():
    found = columns_without_numbers(pd.DataFrame(NUMBERS | OTHERS))
    assert [name for name, _ in found] == list(OTHERS)


def test_columns_of_text_and_dates_are_found_in_polars():
    numbers = {"float": [1.0], "int": [1], "bool": [True], "empty": [None]}
    others = {"text": ["a"], "date": [datetime.date(2020, 1, 1)], "list": [[1]]}
    found = columns_without_numbers(pl.DataFrame(numbers | others))
    assert [name for name, _ in found] == list(others)


def test_the_error_names_each_column_with_its_type():
    X = pd.DataFrame({"age": [1, 2], "city": ["a", "b"], "since": pd.to_datetime(["2020", "2021"])})
    with pytest.raises(
        ValueError, match=r"X must hold numbers, got column\(s\) 'city' \(.*\), 'since' \(datetime"
    ):
        check_columns(X)


def test_an_array_of_dates_is_refused():
    with pytest.raises(ValueError, match="X must hold numbers, got an array of datetime64"):
        check_columns(np.array(["2020-01-01"], dtype="datetime64[D]"))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_estimators_refuse_columns_of_text_by_name(make):
    X = make({"age": [1, 2], "city": ["1", "2"]})
    with pytest.raises(ValueError, match=r"X must hold numbers, got column\(s\) 'city'"):
        Autoencoder().fit(X)
