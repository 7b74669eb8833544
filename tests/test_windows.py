"""Windows: from series to rows and back, time stamps, lost steps, labels, lengths."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from skae import Windows


def recording(n_steps=60, n_channels=2):
    """Steps times ten plus the channel: every value says where it is from."""
    return np.arange(n_steps)[:, None] * 10.0 + np.arange(n_channels)


def hourly(values, lost=()):
    """A frame with a row for each hour but the lost ones."""
    index = pd.date_range("2025-03-01", periods=len(values), freq="h", name="time")
    return pd.DataFrame(values, index=index).add_prefix("c").drop(index[list(lost)])


def test_rows_hold_windows_step_by_step():
    X = recording()
    expected = sliding_window_view(X, 7, axis=0).transpose(0, 2, 1).reshape(54, 14)
    np.testing.assert_array_equal(Windows(7).fit_transform(X), expected)


def test_rows_are_a_view_that_cannot_be_written_to():
    X = recording()
    for stride in (1, 5):
        rows = Windows(10, stride=stride).fit_transform(X)
        assert np.shares_memory(rows, X)
        assert not rows.flags.writeable


def test_rows_of_a_memmap_are_not_read(tmp_path):
    X = np.memmap(tmp_path / "series", dtype=np.float32, mode="w+", shape=(60, 2))
    assert np.shares_memory(Windows(10).fit_transform(X), X)


def test_columns_of_a_frame_make_the_same_rows_as_an_array():
    X = recording()
    expected = Windows(5).fit_transform(X)
    for frame in (pd.DataFrame(X), pl.DataFrame(X)):
        np.testing.assert_array_equal(Windows(5).fit_transform(frame), expected)


def test_the_last_window_ends_with_the_series_whatever_the_stride():
    rows = Windows(10, stride=7).fit_transform(recording())
    np.testing.assert_array_equal(rows[:, 0], np.array([0, 7, 14, 21, 28, 35, 42, 49, 50]) * 10)


@pytest.mark.parametrize("stride", [1, 3, 7, 20])
def test_inverse_transform_returns_the_series(stride):
    X = recording()
    windows = Windows(20, stride=stride).fit(X)
    np.testing.assert_array_equal(windows.inverse_transform(windows.transform(X), X), X)


def test_inverse_transform_averages_where_windows_overlap():
    windows = Windows(3).fit(recording(4, 1))
    series = windows.inverse_transform([[1, 2, 3], [20, 30, 40]])
    np.testing.assert_array_equal(series[:, 0], [1, 11, 16.5, 40])


def test_a_number_for_each_window_becomes_one_for_each_step():
    windows = Windows(3).fit(recording(5, 2))
    np.testing.assert_array_equal(windows.inverse_transform([0.0, 3.0, 9.0]), [0, 1.5, 4, 6, 9])


def test_a_large_value_leaves_no_rounding_error_in_later_steps():
    numbers = np.full(50, 0.1)
    numbers[3] = 1e30
    steps = Windows(4).fit(recording(53)).inverse_transform(numbers)
    np.testing.assert_allclose(steps[7:], 0.1)


def test_no_window_reaches_across_lost_steps():
    frame = hourly(recording(), lost=[20, 21])
    rows = Windows(10).fit_transform(frame)
    starts = rows[:, 0] / 10
    np.testing.assert_array_equal(starts, [*range(11), *range(22, 51)])


def test_stretches_shorter_than_a_window_have_no_values_when_they_come_back():
    frame = hourly(recording(), lost=[5])
    windows = Windows(10).fit(frame)
    series = windows.inverse_transform(windows.transform(frame), frame)
    assert np.isnan(series[:5]).all()
    np.testing.assert_array_equal(series[5:], frame.to_numpy()[5:])


def test_no_window_reaches_from_one_series_into_the_next():
    series = [recording(30), recording(5), recording(12)]
    windows = Windows(10).fit(series)
    rows = windows.transform(series)
    assert len(rows) == 21 + 0 + 3
    first, short, last = windows.inverse_transform(rows, series)
    np.testing.assert_array_equal(first, series[0])
    assert np.isnan(short).all()
    np.testing.assert_array_equal(last, series[2])


def test_a_list_of_one_series_gives_a_list_and_a_list_of_numbers_is_one_series():
    X = recording()
    windows = Windows(10).fit([X])
    (series,) = windows.inverse_transform(windows.transform([X]), [X])
    np.testing.assert_array_equal(series, X)
    numbers = list(X[:, 0])
    rows = Windows(10).fit_transform(numbers)
    np.testing.assert_array_equal(rows, Windows(10).fit_transform(X[:, :1]))


def test_a_column_of_dates_in_polars_is_the_time():
    X = hourly(recording(), lost=[20])
    frame = pl.from_pandas(X.reset_index())
    expected = Windows("6h").fit(X)
    windows = Windows("6h").fit(frame)
    assert windows.window_ == expected.window_ == 6
    np.testing.assert_array_equal(windows.transform(frame), expected.transform(X))


@pytest.mark.parametrize(
    ("window", "n_steps"),
    [("1D", 24), ("D", 24), (pd.Timedelta("3h"), 3), (np.timedelta64(3, "h"), 3)],
)
def test_a_time_becomes_steps_by_the_time_stamps(window, n_steps):
    assert Windows(window).fit(hourly(recording())).window_ == n_steps


def test_a_clock_that_is_put_forward_loses_no_step():
    index = pd.date_range("2025-03-29", periods=60, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame(recording(), index=index).add_prefix("c")
    assert len(Windows(10).fit_transform(frame)) == 51


@pytest.mark.parametrize("period", [24, 48, 130])
def test_auto_finds_the_period_of_a_noisy_series(period):
    rng = np.random.default_rng(0)
    X = np.sin(np.arange(3000) * 2 * np.pi / period) + rng.normal(0, 0.5, 3000)
    assert abs(Windows().fit(X).window_ - period) <= 1


def test_auto_without_a_period_is_a_twentieth_and_256_at_most():
    steps = np.random.default_rng(0).normal(size=(8000, 1)).cumsum(axis=0)
    assert Windows().fit(steps[:2000]).window_ == 100
    assert Windows().fit(steps).window_ == 256


def test_auto_is_one_step_where_steps_are_independent():
    X = np.random.default_rng(0).normal(size=(2000, 3))
    assert Windows().fit(X).window_ == 1


def test_auto_does_not_depend_on_the_units():
    X = np.sin(np.arange(2000) / 8)[:, None]
    assert Windows().fit(X * 1e200).window_ == Windows().fit(X).window_


@pytest.mark.parametrize(
    ("reduce", "expected"), [("max", [0, 1, 1]), ("first", [0, 0, 1]), ("mean", [0, 0.5, 0.5])]
)
def test_labels_of_windows_come_from_their_steps(reduce, expected):
    windows = Windows(2).fit(recording(4))
    np.testing.assert_array_equal(windows.align([0, 0, 1, 0], reduce=reduce), expected)


def test_labels_keep_to_the_windows_of_lost_steps_and_lists():
    frame = hourly(recording(), lost=[20])
    y = np.arange(len(frame))
    windows = Windows(10).fit(frame)
    both = windows.align([y, y], [frame, frame], reduce="last")
    one = windows.align(y, frame, reduce="last")
    np.testing.assert_array_equal(both, [*one, *one])
    np.testing.assert_array_equal(frame.to_numpy()[one], windows.transform(frame)[:, -2:])


def test_missing_values_stay_missing():
    X = recording()
    X[7, 1] = np.nan
    windows = Windows(5).fit(X)
    np.testing.assert_array_equal(windows.inverse_transform(windows.transform(X), X), X)


@pytest.mark.parametrize(
    ("X", "window", "message"),
    [
        (np.zeros((4, 30, 2)), 5, r"a set of 4 sequences of 30 steps.*SequencePredictor"),
        (np.zeros(20), 5, r"Reshape your data: X.reshape\(-1, 1\) is one channel over time"),
        (hourly(recording())[::-1], 5, "time stamps of X must increase.*sort_index"),
        (recording(), "3h", "number of steps or 'auto' if X has no time stamps, got '3h'"),
        (hourly(recording()), "often", "a time such as '1h', got 'often'"),
        (hourly(recording()), "1min", "shorter than a step"),
        (hourly(recording()), 0, "at least 1 step, got 0"),
        (recording(), 2.5, "window must be"),
        (recording() + np.inf, 5, "infinity"),
        (pd.DataFrame({"a": list("abc") * 20}), 5, "must hold numbers"),
        ([], 5, "one-dimensional array of 0 values"),
        ([recording(), recording(n_channels=3)], 5, r"X\[1\]: X has 3 features"),
        ([hourly(recording()), hourly(recording())[::-1]], 5, r"X\[1\]: The time stamps"),
        (hourly(recording()).reset_index(), 5, r"time stamps as its index.*X.set_index\('time'\)"),
    ],
)
def test_what_is_no_series_or_no_window_is_refused(X, window, message):
    windows = Windows(window)
    with pytest.raises((ValueError, TypeError), match=message):
        windows.fit(X)
    assert not hasattr(windows, "window_")


def test_as_many_rows_are_asked_for_as_the_series_has_windows():
    X = recording()
    windows = Windows(10).fit(X)
    with pytest.raises(ValueError, match="51 windows of X, got 50"):
        windows.inverse_transform(windows.transform(X)[1:], X)
    with pytest.raises(ValueError, match="label for each of"):
        windows.align(np.zeros(59), X)


def test_labels_that_have_no_maximum_are_refused_and_others_may_be_a_column():
    windows = Windows(10).fit(recording())
    for reduce in ("max", "mean"):
        with pytest.raises(ValueError, match=f"reduce='{reduce}' needs labels that are numbers"):
            windows.align(["normal"] * 60, reduce=reduce)
    assert windows.align(["normal"] * 60, reduce="last").tolist() == ["normal"] * 51
    assert windows.align(np.ones((60, 1), int)).tolist() == [1] * 51


def test_windows_of_text_do_not_come_back():
    with pytest.raises(ValueError, match="Expected rows to hold only numbers"):
        Windows(2).fit(recording()).inverse_transform([["a", "b", "c", "d"]])
