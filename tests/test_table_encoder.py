"""Tables of mixed columns become numbers, and come back as they were."""

import datetime as dt
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import TableEncoder

N_ROWS = 60


def repeated(*values):
    return list(values) * (N_ROWS // len(values))


@pytest.fixture
def frame():
    """A column of every type that pandas has for a table, some with missing values."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "count": rng.integers(0, 90, N_ROWS),
            "size": rng.normal(size=N_ROWS),
            "size32": rng.normal(size=N_ROWS).astype("float32"),
            "byte": rng.integers(0, 255, N_ROWS).astype("uint8"),
            "Int64": pd.array(repeated(1, None, 3), dtype="Int64"),
            "with holes": np.where(rng.random(N_ROWS) > 0.5, np.nan, rng.integers(0, 9, N_ROWS)),
            "truth": rng.random(N_ROWS) > 0.5,
            "boolean": pd.array(repeated(True, None, False), dtype="boolean"),
            "truth of objects": np.array(repeated(True, None, False), dtype=object),
            "word": repeated("a", "b", "c"),
            "string": pd.array(repeated("q", None, "r"), dtype="string"),
            "category": pd.Categorical(repeated("u", "v")),
            "number as category": pd.Categorical(repeated(3, 1)),
            "grade": pd.Categorical(
                repeated("lo", "mid", "hi"), categories=["lo", "mid", "hi"], ordered=True
            ),
            "mixed": repeated(1, "a", 2.5),
            "day": pd.date_range("2015-01-01", periods=N_ROWS, freq="37D"),
            "moment": pd.date_range("2020-01-01 03:00", periods=N_ROWS, freq="5h", tz="Asia/Tokyo"),
            "date of objects": repeated(dt.date(2020, 1, 1), None, dt.date(2020, 5, 1)),
            "clock": repeated(dt.time(1, 2), dt.time(2), dt.time(23)),
            "duration": pd.to_timedelta(rng.integers(1, 50, N_ROWS), "h"),
            "constant": repeated(7),
            "constant day": pd.Timestamp("2020-02-02"),
            "constant word": repeated("same"),
            "nothing": repeated(None),
            "no number": repeated(np.nan),
            "no day": repeated(pd.NaT),
        }
    )


@pytest.fixture
def polars_frame():
    return pl.DataFrame(
        {
            "count": pl.Series(range(N_ROWS), dtype=pl.Int8),
            "size": pl.Series(np.linspace(0, 1, N_ROWS), dtype=pl.Float32),
            "price": pl.Series(repeated("1.50", "2.25")).cast(pl.Decimal(10, 2)),
            "truth": repeated(True, None, False),
            "word": repeated("a", "b"),
            "category": pl.Series(repeated("u", "v"), dtype=pl.Categorical),
            "enum": pl.Series(repeated("u", "v"), dtype=pl.Enum(["v", "u"])),
            "moment": pl.Series(
                repeated(dt.datetime(2020, 1, 1), dt.datetime(2021, 3, 1, 2))
            ).dt.replace_time_zone("Europe/Paris"),
            "day": repeated(dt.date(2020, 1, 1), dt.date(2020, 1, 2)),
            "clock": repeated(dt.time(1), None, dt.time(4)),
            "duration": repeated(dt.timedelta(1), dt.timedelta(2)),
            "nothing": repeated(None),
        }
    )


def assert_same_where_known(found, expected):
    """Compare column by column; numbers up to rounding."""
    for name in expected.columns:
        values, wanted = list(found[name]), list(expected[name])
        known = [i for i, value in enumerate(wanted) if value is not None and not pd.isna(value)]
        if known and isinstance(wanted[known[0]], float):
            np.testing.assert_allclose([values[i] for i in known], [wanted[i] for i in known], 1e-5)
        else:
            assert [values[i] for i in known] == [wanted[i] for i in known], name


@pytest.mark.parametrize("numeric_scaling", ["robust", "standard", "quantile"])
def test_a_pandas_frame_comes_back_with_its_columns_types_and_values(frame, numeric_scaling):
    encoder = TableEncoder(numeric_scaling=numeric_scaling).fit(frame)
    decoded = encoder.inverse_transform(encoder.transform(frame))
    pd.testing.assert_series_equal(decoded.dtypes, frame.dtypes)
    assert_same_where_known(decoded, frame)


def test_a_polars_frame_comes_back_with_its_columns_types_and_values(polars_frame):
    encoder = TableEncoder().fit(polars_frame)
    decoded = encoder.inverse_transform(encoder.transform(polars_frame))
    assert decoded.schema == polars_frame.schema
    assert_same_where_known(decoded, polars_frame)


def test_each_column_has_mean_zero_and_a_total_variance_of_one(frame):
    encoder = TableEncoder(missing_values="nan").fit(frame)
    encoded = encoder.transform(frame)
    for name, where in encoder.output_indices_.items():
        if encoder.kinds_[name] != "constant":
            np.testing.assert_allclose(np.nanmean(encoded[:, where], axis=0), 0, atol=1e-9)
            assert np.nanvar(encoded[:, where], axis=0).sum() == pytest.approx(1), name


def test_kinds_follow_from_types(frame):
    kinds = TableEncoder().fit(frame).kinds_
    expected = {
        "numeric": ["count", "size", "size32", "byte", "Int64", "with holes"],
        "boolean": ["truth", "boolean", "truth of objects"],
        "categorical": ["word", "string", "category", "number as category", "mixed"],
        "ordinal": ["grade"],
        "datetime": ["day", "moment", "date of objects"],
        "time": ["clock"],
        "duration": ["duration"],
        "constant": ["constant", "constant day", "constant word", "nothing", "no number", "no day"],
    }
    assert kinds == {name: kind for kind, names in expected.items() for name in names} | kinds
    assert sorted(kinds) == sorted(name for names in expected.values() for name in names)


def test_kinds_can_be_given_by_name():
    X = pd.DataFrame({"deck": [1, 2, 3, 2], "size": ["S", "L", "M", "S"], "alive": [0, 1, 1, 0]})
    kinds = {"deck": "categorical", "size": ["S", "M", "L"], "alive": "boolean"}
    encoder = TableEncoder(kinds=kinds).fit(X)
    assert encoder.kinds_ == {"deck": "categorical", "size": "ordinal", "alive": "boolean"}
    assert encoder.get_feature_names_out().tolist() == [
        "deck_1", "deck_2", "deck_3", "size>=M", "size>=L", "alive",
    ]  # fmt: skip
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)


def test_a_step_of_an_ordinal_column_is_shorter_than_two():
    X = pd.DataFrame({"size": ["S", "M", "L"] * 4})
    small, medium, large = TableEncoder(kinds={"size": ["S", "M", "L"]}).fit_transform(X)[:3]
    step, both = (np.linalg.norm(other - small) for other in (medium, large))
    assert step == pytest.approx(np.linalg.norm(large - medium))
    assert step < both


def test_missing_values_become_the_mean_or_nan():
    X = pd.DataFrame({"x": [1.0, None, 3.0], "word": ["a", "b", None]})
    np.testing.assert_array_equal(TableEncoder().fit_transform(X)[[1, 2], [0, 1]], 0)
    as_nan = TableEncoder(missing_values="nan").fit_transform(X)
    np.testing.assert_array_equal(np.isnan(as_nan), [[0, 0, 0], [1, 0, 0], [0, 1, 1]])


def test_rare_categories_share_an_indicator_and_are_decoded_as_the_most_frequent_of_them():
    X = pd.DataFrame({"word": ["a"] * 9 + ["b"] * 2 + ["c"] + ["d"] * 8})
    for limits in ({"min_frequency": 3}, {"min_frequency": 0.15}, {"max_categories": 3}):
        encoder = TableEncoder(**limits).fit(X)
        assert encoder.get_feature_names_out().tolist() == ["word_a", "word_d", "word_infrequent"]
        decoded = encoder.inverse_transform(encoder.transform(X))["word"]
        assert decoded.tolist() == X["word"].replace("c", "b").tolist()


@pytest.mark.parametrize("handle_unknown", ["infrequent_if_exist", "missing"])
def test_unseen_categories_are_missing_with_a_warning_that_names_them(handle_unknown):
    X = pd.DataFrame({"word": ["a", "b", "b"]})
    encoder = TableEncoder(handle_unknown=handle_unknown, missing_values="nan").fit(X)
    with pytest.warns(UserWarning, match=r"column\(s\) 'word' \(\['z'\]\)"):
        encoded = encoder.transform(pd.DataFrame({"word": ["z", "a"]}))
    assert np.isnan(encoded[0]).all()
    assert not np.isnan(encoded[1]).any()


def test_unseen_categories_are_rare_ones_where_these_share_an_indicator():
    X = pd.DataFrame({"word": ["a"] * 9 + ["b", "c"]})
    encoder = TableEncoder(min_frequency=3).fit(X)
    with pytest.warns(UserWarning, match="did not see"):
        unseen, rare = encoder.transform(pd.DataFrame({"word": ["z", "c"]}))
    np.testing.assert_array_equal(unseen, rare)


def test_unseen_categories_are_refused_if_asked_for():
    encoder = TableEncoder(handle_unknown="error").fit(pd.DataFrame({"word": ["a", "b"]}))
    with pytest.raises(ValueError, match=r"did not see, in column\(s\) 'word' \(\['z'\]\)"):
        encoder.transform(pd.DataFrame({"word": ["z"]}))


def test_robust_scaling_leaves_the_order_of_the_middle_where_one_value_is_huge():
    X = pd.DataFrame({"x": [*np.linspace(-1, 1, 99), 1e6]})
    robust, standard = (
        TableEncoder(numeric_scaling=name).fit_transform(X)[:99].std()
        for name in ("robust", "standard")
    )
    assert robust > 100 * standard


def test_the_phases_of_dates_are_decoded_more_exactly_than_the_trend():
    X = pd.DataFrame({"day": pd.date_range("2010-01-01", "2020-01-01", freq="D")})
    encoder = TableEncoder().fit(X)
    assert encoder.get_feature_names_out().tolist() == [
        "day_trend", "day_year_sin", "day_year_cos", "day_week_sin", "day_week_cos",
    ]  # fmt: skip
    encoded = encoder.transform(X)
    encoded[:, 0] += 0.01 * np.random.default_rng(0).normal(size=len(X))  # about 18 days
    errors = (encoder.inverse_transform(encoded)["day"] - X["day"]).abs()
    assert (errors <= pd.Timedelta("7D")).mean() > 0.9


def test_any_reducer_after_it_has_an_inverse_to_frames(frame):
    pipeline = make_pipeline(TableEncoder(), PCA(20)).fit(frame)
    decoded = pipeline.inverse_transform(pipeline.transform(frame))
    pd.testing.assert_series_equal(decoded.dtypes, frame.dtypes)
    assert (decoded["word"] == frame["word"]).mean() > 0.9


def test_numeric_columns_are_those_of_standard_scaler():
    X = load_wine(as_frame=True).data
    encoded = TableEncoder(numeric_scaling="standard").fit_transform(X)
    np.testing.assert_allclose(encoded, StandardScaler().fit_transform(X), atol=1e-12)


def test_set_output_names_the_encoded_features():
    X = pd.DataFrame({"x": [1.0, 2.0], "word": ["a", "b"]}, index=[5, 6])
    encoder = TableEncoder().set_output(transform="pandas")
    encoded = encoder.fit_transform(X)
    assert encoded.columns.tolist() == ["x", "word_a", "word_b"]
    pd.testing.assert_frame_equal(encoder.inverse_transform(encoded), X)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, bool, object])
def test_arrays_come_back_as_arrays_of_their_type(dtype):
    X = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], dtype=dtype)
    encoder = TableEncoder().fit(X)
    decoded = encoder.inverse_transform(encoder.transform(X))
    assert decoded.dtype == dtype
    np.testing.assert_array_equal(decoded, X)


def test_arrays_of_objects_hold_columns_of_several_kinds():
    X = np.array([[1.5, "a"], [None, "b"], [2.5, "b"]], dtype=object)
    encoder = TableEncoder().fit(X)
    assert encoder.kinds_ == {0: "numeric", 1: "categorical"}
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1_a", "x1_b"]


def test_a_table_of_constants_has_no_encoded_features():
    X = pd.DataFrame({"x": [1, 1], "word": ["a", "a"]})
    encoder = TableEncoder().fit(X)
    assert encoder.transform(X).shape == (2, 0)
    pd.testing.assert_frame_equal(encoder.inverse_transform(np.empty((2, 0))), X)


def test_numbers_beyond_all_data_are_decoded_to_finite_ones():
    encoder = TableEncoder().fit(np.arange(10.0)[:, None])
    assert np.isfinite(encoder.inverse_transform([[1e9], [-1e9]])).all()


def test_integers_stay_within_their_type():
    encoder = TableEncoder().fit(pd.DataFrame({"x": np.array([250, 251, 255], dtype="uint8")}))
    assert encoder.inverse_transform([[50.0], [-500.0]])["x"].tolist()[0] == 255


def test_a_batch_may_hold_no_value_of_a_column():
    encoder = TableEncoder().fit(pd.DataFrame({"x": [1.0, 2.0], "word": ["a", "b"]}))
    np.testing.assert_array_equal(
        encoder.transform(pd.DataFrame({"x": [None], "word": [None]})), np.zeros((1, 3))
    )


def test_a_frame_of_the_other_library_is_encoded_as_well():
    X = {"x": [1.0, 2.0, 4.0], "word": ["a", "b", "a"], "truth": [True, False, None]}
    encoder = TableEncoder().fit(pd.DataFrame(X))
    np.testing.assert_allclose(
        encoder.transform(pl.DataFrame(X)), encoder.transform(pd.DataFrame(X))
    )


@pytest.mark.parametrize("copied", ["pickle", "file"])
def test_it_is_saved_with_all_its_columns(copied, frame, tmp_path):
    encoder = TableEncoder(max_categories=3).fit(frame)
    if copied == "pickle":
        other = pickle.loads(pickle.dumps(encoder))
    else:
        skae.save(encoder, tmp_path / "encoder.safetensors")
        other = skae.load(tmp_path / "encoder.safetensors")
    encoded = encoder.transform(frame)
    np.testing.assert_array_equal(other.transform(frame), encoded)
    pd.testing.assert_frame_equal(
        other.inverse_transform(encoded), encoder.inverse_transform(encoded)
    )


def text(n_rows):
    return [f"sentence {i}" for i in range(n_rows)]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ({"note": text(50)}, r"'note' holds text: 50 different strings .*skrub.*kinds="),
        ({"x": [1, np.inf]}, "'x' must be numeric, .* infinity"),
        ({"x": [[1], [2]]}, "'x' holds an entry of type list"),
        ({"x": [1j, 2]}, "'x' of type complex128 must hold numbers"),
        ({"x": pd.period_range("2020", periods=2, freq="M")}, r"'x' of type period\[M\]"),
        ({"x": []}, "0 sample"),
    ],
)
def test_columns_that_cannot_be_encoded_are_refused_by_name(X, message):
    encoder = TableEncoder()
    with pytest.raises((TypeError, ValueError), match=message):
        encoder.fit(pd.DataFrame(X))
    assert not hasattr(encoder, "columns_")


def test_names_that_occur_twice_are_refused():
    X = pd.DataFrame([[1, 2], [3, 4]], columns=["x", "x"])
    with pytest.raises(ValueError, match=r"must differ, got \['x'\] more than once"):
        TableEncoder().fit(X)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"y": "numeric"}, "kinds must name columns of X"),
        ({"word": "number"}, r"kinds\['word'\] must be one of .*'boolean'"),
        ({"word": "numeric"}, "column 'word' must be numeric, .*'a'"),
        ({"word": "datetime"}, "column 'word' must be datetime, .*to_datetime"),
        ({"word": "boolean"}, "column 'word' must be boolean"),
        ({"word": ["a"]}, r"kinds\['word'\] must list all categories .*\['b'\]"),
    ],
)
def test_kinds_that_do_not_fit_are_refused(kinds, message):
    with pytest.raises((TypeError, ValueError), match=message):
        TableEncoder(kinds=kinds).fit(pd.DataFrame({"word": ["a", "b"]}))


@pytest.mark.parametrize(
    "changed",
    [
        {"x": ["one"]},
        {"x": pd.to_datetime(["2020-01-01"])},
        {"x": [object()]},
    ],
)
def test_a_column_of_another_type_is_refused_by_name(changed):
    encoder = TableEncoder().fit(pd.DataFrame({"x": [1.0, 2.0]}))
    with pytest.raises((TypeError, ValueError), match="column 'x' must be numeric"):
        encoder.transform(pd.DataFrame(changed))


def test_other_columns_are_refused_as_scikit_learn_does():
    encoder = TableEncoder().fit(pd.DataFrame({"x": [1.0, 2.0], "word": ["a", "b"]}))
    for columns in (["word", "x"], ["x"], ["x", "word", "other"]):
        X = pd.DataFrame({"x": [1.0], "word": ["a"], "other": [1]})[columns]
        with pytest.raises(ValueError, match="feature names should match"):
            encoder.transform(X)


def test_it_agrees_with_scikit_learn_where_that_has_an_inverse():
    X = pd.DataFrame({"x": [1.0, 2.0, 4.0]})
    scaler = ColumnTransformer([("scale", StandardScaler(), ["x"])])
    np.testing.assert_allclose(
        TableEncoder(numeric_scaling="standard").fit_transform(X), scaler.fit_transform(X)
    )
