"""What a forecaster of series predicts, and the forms in which it is asked and answers."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge

import skae
from skae import SequencePredictor, SeriesForecaster
from skae.estimators._lag_windows import example_windows
from skae.series._reading import bare_series

MONTHS = pd.date_range("2001-01-01", periods=144, freq="MS")


def yearly(n_steps=144, seed=0, noise=0.3):
    """A trend and a year of twelve steps, in two channels of different units."""
    rng = np.random.default_rng(seed)
    steps = np.arange(n_steps)
    wave = np.sin(steps * np.pi / 6)
    channels = np.column_stack([5 * wave + steps / 10, 100 * np.cos(steps * np.pi / 6)])
    return channels + noise * rng.normal(size=(n_steps, 2)) * [1, 20]


def frame(**options):
    return pd.DataFrame(yearly(**options), MONTHS, ["sales", "visits"])


# -- what is predicted ---------------------------------------------------------------------


def test_a_trend_with_a_year_is_forecast_as_far_as_its_noise():
    whole = yearly(180)
    forecaster = SeriesForecaster().fit(whole[:144])
    assert forecaster.period_ == 12
    assert forecaster.n_lags_ == 24
    errors = np.abs(forecaster.forecast(whole[:144]) - whole[144:156]).mean(axis=0)
    assert (errors < [0.6, 12]).all()
    assert forecaster.score(whole[120:]) > 0.2
    assert forecaster.score(whole[120:], baseline="last") > 0.8


def test_the_forecast_is_ridge_regression_on_lags_relative_to_the_last():
    series = yearly()[:, :1]
    forecaster = SeriesForecaster(3, n_lags=5).fit(series)
    windows = np.lib.stride_tricks.sliding_window_view(series[:, 0], 8)
    windows = windows - windows[:, 4:5]
    # A penalty that hardly matters with so many windows.
    linear = Ridge(1e-3).fit(windows[:, :5], windows[:, 5:])
    last = series[-5:, 0]
    expected = linear.predict([last - last[-1]])[0] + last[-1]
    np.testing.assert_allclose(forecaster.forecast(series)[:, 0], expected, atol=0.15)


def test_a_constant_added_to_the_series_is_added_to_the_forecast():
    X = yearly()
    forecaster = SeriesForecaster(5).fit(X)
    moved = np.array([1000, -50])
    difference = forecaster.forecast(X + moved) - forecaster.forecast(X)
    np.testing.assert_allclose(difference, np.tile(moved, (5, 1)), atol=1e-8)


def test_more_steps_continue_from_predictions():
    X = yearly()
    forecaster = SeriesForecaster(4).fit(X)
    first, all_steps = forecaster.forecast(X), forecaster.forecast(X, 7)
    np.testing.assert_array_equal(all_steps[:4], first)
    again = forecaster.forecast(np.concatenate([X, first]))
    np.testing.assert_allclose(all_steps[4:], again[:3])


def test_a_sequence_predictor_starts_at_the_linear_forecast():
    X = yearly()
    still = SequencePredictor(
        2, hidden_size=4, learning_rate_init=1e-12, max_iter=1, random_state=0
    )
    network = SeriesForecaster(4, estimator=still).fit(X)
    linear = SeriesForecaster(4).fit(X)
    assert network.estimator_.n_steps == 4
    difference = network.forecast(X) - linear.forecast(X)
    assert np.abs(difference / linear.scale_).max() < 0.1
    assert still.n_steps == 1


def test_intervals_hold_new_values_about_as_often_as_asked():
    X = yearly(600)
    forecaster = SeriesForecaster(3).fit(X[:400])
    is_within = []
    for end in range(400, 590, 3):
        lower, upper = forecaster.predict_interval(X[:end], coverage=0.8)
        is_within.append((lower <= X[end : end + 3]) & (X[end : end + 3] <= upper))
        assert (lower < upper).all()
    np.testing.assert_allclose(np.mean(is_within), 0.8, atol=0.06)


def test_held_out_errors_are_those_of_a_model_that_has_not_seen_them():
    # The level jumps for good: a model of all would know how what follows looks.
    X = yearly()
    forecaster = SeriesForecaster(3).fit(X)
    n_windows = 144 - 24 - 3 + 1
    n_held_out = round(0.2 * n_windows)
    assert forecaster.calibration_errors_.shape == (n_held_out, 6)
    # Nothing before the held-out windows' own following steps is changed.
    changed = X.copy()
    changed[-n_held_out - 2 :] += 50
    other = SeriesForecaster(3).fit(changed)
    assert other.calibration_errors_[-1, 0] > 5 * forecaster.calibration_errors_[-1, 0]


# -- forms ---------------------------------------------------------------------------------


def test_frames_come_back_with_the_dates_that_follow():
    X = frame()
    forecaster = SeriesForecaster(3).fit(X)
    forecast = forecaster.forecast(X)
    assert forecast.index.tolist() == list(pd.date_range("2013-01-01", periods=3, freq="MS"))
    assert forecast.columns.tolist() == ["sales", "visits"]
    lower, upper = forecaster.predict_interval(X, 2)
    assert lower.index.tolist() == forecast.index[:2].tolist()
    assert ((lower < forecast[:2]) & (forecast[:2] < upper)).all(axis=None)


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (pd.date_range("2020-01-31", periods=144, freq="ME"), "2032-01-31"),
        (pd.DatetimeIndex(np.array(MONTHS)), "2013-01-01"),
        (
            pd.date_range("2020", periods=144, freq="h", tz="UTC"),
            "2020-01-07 00:00Z",
        ),
        (pd.date_range("2020", periods=144, freq="37min"), "2020-01-04 16:48"),
    ],
)
def test_the_next_date_is_a_step_after_the_last(index, expected):
    series = pd.Series(yearly()[:, 0], index, name="sales")
    forecast = SeriesForecaster(2).fit(series).forecast(series)
    assert isinstance(forecast, pd.Series)
    assert forecast.name == "sales"
    assert forecast.index[0] == pd.Timestamp(expected)
    assert forecast.index[1] > forecast.index[0]


def test_periods_and_numbers_continue():
    X = yearly()
    quarters = pd.DataFrame(X, pd.period_range("2000Q1", periods=144, freq="Q"))
    forecaster = SeriesForecaster(2).fit(X)
    assert forecaster.forecast(quarters).index[0] == pd.Period("2036Q1", freq="Q")
    assert forecaster.forecast(pd.DataFrame(X)).index.tolist() == [144, 145]
    named = pd.DataFrame(X, [f"step {i}" for i in range(144)])
    assert forecaster.forecast(named).index.name == "steps ahead"
    with_dates = pl.DataFrame({"day": MONTHS.to_numpy(), "a": X[:, 0], "b": X[:, 1]})
    np.testing.assert_allclose(forecaster.forecast(with_dates), forecaster.forecast(X))


def test_vectors_give_vectors_and_lists_give_lists():
    X = yearly()[:, 0]
    forecaster = SeriesForecaster(2).fit([X, X[30:] + 7])
    both = forecaster.forecast([X, X[:50]])
    assert [each.shape for each in both] == [(2,), (2,)]
    np.testing.assert_array_equal(both[0], forecaster.forecast(X))
    lower, _ = forecaster.predict_interval([X, X[:50]])
    assert len(lower) == 2


def test_missing_values_and_lost_steps_are_taken():
    X = frame()
    X.iloc[[5, 40, -1], 0] = np.nan
    X = X.drop(X.index[60:66])
    forecaster = SeriesForecaster(3).fit(X)
    assert np.isfinite(forecaster.forecast(X).to_numpy()).all()
    whole = SeriesForecaster(3).fit(frame())
    difference = (forecaster.forecast(X) - whole.forecast(frame())).abs() / whole.scale_
    assert (difference.iloc[:, 1] < 0.5).all()


def test_examples_neither_cross_lost_steps_nor_follow_on_missing_ones():
    times = np.r_[0:20, 25:40] * 10**9
    values = np.arange(35.0)[:, None]
    values[10] = np.nan
    windows = example_windows([bare_series(values, times)], 3, 2)[..., 0]
    known = [window for window in windows if not np.isnan(window).any()]
    assert len(known) == len(windows) == (20 - 4 - 2) + (15 - 4)
    assert not any((np.diff(window) > 2).any() for window in windows)


def test_a_saved_forecaster_forecasts_the_same(tmp_path):
    X = frame()
    small = SequencePredictor(2, hidden_size=4, max_iter=1, random_state=0)
    for estimator in (None, small):
        forecaster = SeriesForecaster(3, estimator=estimator).fit(X)
        skae.save(forecaster, tmp_path / "forecaster.safetensors")
        loaded = skae.load(tmp_path / "forecaster.safetensors")
        pd.testing.assert_frame_equal(loaded.forecast(X), forecaster.forecast(X))
        for bound, expected in zip(
            loaded.predict_interval(X), forecaster.predict_interval(X), strict=True
        ):
            pd.testing.assert_frame_equal(bound, expected)


# -- what cannot be used -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "parameters", "message"),
    [
        (np.zeros((5, 40, 2)), {}, r"a set of 5 sequences.*SequencePredictor"),
        (yearly(12), {}, r"at least 17 steps .*got n_samples=12.*SequencePredictor"),
        (yearly(), {"n_lags": 140}, r"at least 154 steps .*got n_samples=144"),
        (yearly(), {"n_steps": 0}, "'n_steps' parameter"),
        (yearly(), {"period": "year"}, "'period' parameter"),
        (yearly(), {"estimator": Ridge()}, "'estimator' parameter"),
        (yearly(), {"calibration_fraction": 1}, "'calibration_fraction' parameter"),
        (yearly() * [1, np.nan], {}, "no missing value in any channel, got 0: fill missing"),
        (np.full((144, 2), np.nan), {}, "no missing value in any channel, got 0: fill missing"),
    ],
)
def test_what_is_no_series_and_no_parameter_is_refused(X, parameters, message):
    forecaster = SeriesForecaster(**parameters)
    with pytest.raises(ValueError, match=message):
        forecaster.fit(X)
    assert not hasattr(forecaster, "n_lags_")


def test_nonsense_questions_are_refused():
    forecaster = SeriesForecaster(3).fit(yearly())
    with pytest.raises(ValueError, match="n_steps"):
        forecaster.forecast(yearly(), 0)
    with pytest.raises(ValueError, match="at most 3, the number that fit has calibrated"):
        forecaster.predict_interval(yearly(), 4)
    with pytest.raises(ValueError, match="needs at least 999 held-out forecasts"):
        forecaster.predict_interval(yearly(), coverage=0.999)
    with pytest.raises(ValueError, match="baseline"):
        forecaster.score(yearly(), baseline="mean")
    with pytest.raises(ValueError, match=r"an observed value .* none of channels \[1\]"):
        forecaster.forecast(yearly() * [1, np.nan])
    with pytest.raises(ValueError, match="at least 27 steps"):
        forecaster.score(yearly(20))
    assert clone(forecaster).get_params() == forecaster.get_params()
