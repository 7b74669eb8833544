"""What a forecaster of series makes of columns that are known in advance."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import skae
from skae import SequencePredictor, SeriesForecaster

DAYS = pd.date_range("2024-01-01", periods=260, freq="D")


def price_and_demand(n_steps=260):
    """A price that wanders, and what falls by 3 for each unit of it, with noise of 0.3."""
    rng = np.random.default_rng(0)
    price = rng.normal(size=n_steps).cumsum()
    return np.column_stack([50 - 3 * price + 0.3 * rng.normal(size=n_steps), price])


def shop():
    """Sales with a trend and a week, and 15 more on a few holidays."""
    rng = np.random.default_rng(0)
    holiday = rng.uniform(size=len(DAYS)) < 0.06
    weekly = np.array([0, 1, 2, 3, 2, 9, 8])[np.arange(len(DAYS)) % 7]
    noise = 0.3 * rng.normal(size=len(DAYS))
    sales = 100 + np.arange(len(DAYS)) / 20 + weekly + 15 * holiday + noise
    return pd.DataFrame({"holiday": holiday, "sales": sales}, DAYS)


def error(forecast, truth):
    return np.abs(np.asarray(forecast) - np.asarray(truth)).mean()


# -- what they change ----------------------------------------------------------------------


def test_a_multiple_of_a_known_column_is_forecast_as_far_as_its_noise():
    X = price_and_demand()
    forecaster = SeriesForecaster(12, known_future=[1]).fit(X[:240])
    np.testing.assert_allclose(forecaster.known_coef_, [[-3]], atol=0.1)
    forecast = forecaster.forecast(X[:240], future=X[240:252, 1:])
    assert forecast.shape == (12, 1)
    # The mean absolute value of normal noise of 0.3 is 0.24.
    assert error(forecast[:, 0], X[240:252, 0]) < 0.35
    without = SeriesForecaster(12).fit(X[:240]).forecast(X[:240])
    assert error(without[:, 0], X[240:252, 0]) > 1
    assert forecaster.score(X[200:]) > 0.9


def test_holidays_that_come_are_forecast_and_the_period_is_found_beside_them():
    X = shop()
    forecaster = SeriesForecaster(14, known_future=["holiday"]).fit(X[:200])
    assert forecaster.period_ == 7
    np.testing.assert_allclose(forecaster.known_coef_, [[15]], atol=0.3)
    quiet = pd.Series(0, DAYS[200:214], name="holiday")
    festive = quiet.copy()
    festive.iloc[3] = 1
    without = forecaster.forecast(X[:200], future=quiet)["sales"]
    change = forecaster.forecast(X[:200], future=festive)["sales"] - without
    np.testing.assert_allclose(change.iloc[3], 15, atol=2)
    assert change.drop(DAYS[203]).abs().max() < 2
    assert forecaster.score(X[180:], baseline="linear") > 0.6


def test_days_of_the_week_help_where_lags_do_not_reach_a_week():
    X = shop()
    days = pd.get_dummies(pd.Series(np.arange(len(DAYS)) % 7, DAYS)).add_prefix("day ")
    X = days.assign(sales=X["sales"] - 15 * X["holiday"])
    forecaster = SeriesForecaster(5, n_lags=3, period=None, known_future=list(days.columns))
    forecaster.fit(X[:200])
    assert forecaster.score(X[197:], baseline="linear") > 0.7
    forecast = forecaster.forecast(X[:200], future=X)
    assert error(forecast["sales"], X["sales"][200:205]) < 0.6


def test_an_effect_that_comes_two_steps_later_is_found_by_the_regression():
    X = price_and_demand()
    later = np.column_stack([np.roll(X[:, 0], 2)[2:], X[2:, 1]])
    forecaster = SeriesForecaster(6, known_future=[1]).fit(later[:240])
    forecast = forecaster.forecast(later[:240], future=later[240:246, 1])
    assert error(forecast[:, 0], later[240:246, 0]) < 0.5


def test_a_column_without_any_effect_changes_little():
    X = shop()
    X["noise"] = np.random.default_rng(1).normal(size=len(X))
    scores = [
        SeriesForecaster(5, known_future=known)
        .fit(X[["sales", *known]][:200])
        .score(X[["sales", *known]][186:], baseline="last")
        for known in (["holiday"], ["holiday", "noise"])
    ]
    assert scores[1] > scores[0] - 0.05


def test_a_constant_column_and_one_with_a_trend_are_taken():
    X = price_and_demand()
    more = np.column_stack([X, np.ones(len(X)), np.arange(len(X))])
    forecaster = SeriesForecaster(4, known_future=[1, 2, 3]).fit(more[:240])
    forecast = forecaster.forecast(more[:240], future=more[240:244, 1:])
    assert error(forecast[:, 0], X[240:244, 0]) < 0.6


def test_more_steps_than_are_predicted_at_once_use_their_own_columns():
    X = price_and_demand()
    forecaster = SeriesForecaster(4, known_future=[1]).fit(X[:230])
    forecast = forecaster.forecast(X[:230], 10, future=X[230:240, 1])
    assert error(forecast[:, 0], X[230:240, 0]) < 0.5
    first = forecaster.forecast(X[:230], future=X[230:234, 1])
    np.testing.assert_array_equal(forecast[:4], first)


def test_a_network_predicts_what_remains():
    X = shop()
    still = SequencePredictor(1, hidden_size=2, learning_rate_init=1e-12, max_iter=1)
    still.set_params(random_state=0)
    forecaster = SeriesForecaster(7, estimator=still, known_future=["holiday"]).fit(X[:200])
    np.testing.assert_allclose(forecaster.known_coef_, [[15]], atol=0.3)
    forecast = forecaster.forecast(X[:200], future=X)
    assert error(forecast["sales"], X["sales"][200:207]) < 1


def test_intervals_are_those_of_forecasts_with_the_columns():
    X = price_and_demand(400)
    forecaster = SeriesForecaster(3, known_future=[1]).fit(X[:300])
    is_within = []
    for end in range(300, 396, 3):
        future, truth = X[end : end + 3, 1], X[end : end + 3, :1]
        lower, upper = forecaster.predict_interval(X[:end], coverage=0.8, future=future)
        is_within.append((lower <= truth) & (truth <= upper))
        assert (upper - lower < 2).all()
    np.testing.assert_allclose(np.mean(is_within), 0.8, atol=0.12)


# -- forms ---------------------------------------------------------------------------------


def test_rows_of_the_future_are_found_by_their_dates_and_columns_by_their_names():
    X = shop().assign(price=price_and_demand()[:, 1])
    forecaster = SeriesForecaster(3, known_future=["holiday", "price"]).fit(X[:200])
    forecast = forecaster.forecast(X[:200], future=X[["price", "holiday"]][200:203])
    assert forecast.columns.tolist() == ["sales"]
    assert forecast.index.tolist() == list(DAYS[200:203])
    ahead = X[["holiday", "price"]][200:203]
    # A calendar of all days with further columns; rows in order; an array.
    for future in (X[::-1], ahead.reset_index(drop=True), ahead.to_numpy(float)):
        pd.testing.assert_frame_equal(forecaster.forecast(X[:200], future=future), forecast)


def test_frames_of_polars_and_lists_of_series_are_taken():
    X = shop()
    forecaster = SeriesForecaster(3, known_future=["holiday"]).fit([X[:200], X[50:250]])
    both = forecaster.forecast([X[:200], X[:220]], future=[X[200:203], X[220:223]])
    assert [each.index[0] for each in both] == [DAYS[200], DAYS[220]]
    of_polars = pl.DataFrame({"day": DAYS.to_numpy(), **{name: X[name].to_numpy() for name in X}})
    forecast = forecaster.forecast(of_polars[:200], future=of_polars[200:203])
    np.testing.assert_allclose(forecast, both[0])
    with pytest.raises(ValueError, match="future must begin after the last step of X, 2024-07-18"):
        forecaster.forecast(of_polars[:200], future=of_polars[100:103])


def test_a_saved_forecaster_uses_the_same_columns(tmp_path):
    X = shop()
    forecaster = SeriesForecaster(3, known_future=["holiday"]).fit(X[:200])
    skae.save(forecaster, tmp_path / "forecaster.safetensors")
    loaded = skae.load(tmp_path / "forecaster.safetensors")
    expected = forecaster.forecast(X[:200], future=X)
    pd.testing.assert_frame_equal(loaded.forecast(X[:200], future=X), expected)
    assert loaded.score(X, baseline="linear") == forecaster.score(X, baseline="linear")


# -- what cannot be used -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known_future", "message"),
    [
        (["holidays"], r"known_future must hold columns of X, \['holiday', 'sales'\], got"),
        ([2], "known_future must hold columns of X"),
        ([-1], "known_future must hold columns of X"),
        ([True], "known_future must hold columns of X"),
        ([["holiday"]], "known_future must hold columns of X"),
        (["holiday", 0], "each column once"),
        (["holiday", "sales"], "none is left to forecast"),
        ("holiday", "'known_future' parameter"),
    ],
)
def test_columns_that_are_not_there_are_refused(known_future, message):
    forecaster = SeriesForecaster(3, known_future=known_future)
    with pytest.raises(ValueError, match=message):
        forecaster.fit(shop())
    assert not hasattr(forecaster, "n_features_in_")


@pytest.mark.parametrize(
    ("future", "message"),
    [
        (None, "future must hold the columns 'holiday', which are known in advance, in the 3"),
        (shop()[["sales"]][200:203], "'holiday' is missing, got 'sales'"),
        (shop()[200:202], r"2024-07-19 .*2024-07-21 .* is missing, got 2024-07-19"),
        (shop()[:200], "2024-07-19 00:00:00 is missing"),
        (shop()[:0], "is missing, got no rows"),
        (shop()[200:203].tz_localize("UTC"), "is missing"),
        (shop().iloc[[200, 201, 201, 202]], "one row for each step, got 2024-07-20 .* twice"),
        (np.zeros((2, 1)), r"a row for each of the n_steps=3 .*got shape \(2, 1\)"),
        (np.zeros((3, 2)), r"columns 'holiday', got shape \(3, 2\)"),
        (np.full((3, 1), np.nan), "future contains NaN"),
        (pd.DataFrame({"holiday": ["no", "yes", "no"]}), "future must hold numbers, got column"),
        ("holiday", "Expected future to hold only numbers, got str"),
        ([shop()[200:203]], "future must be one frame, as X is, got 1"),
    ],
)
def test_a_future_that_does_not_follow_is_refused(future, message):
    X = shop()[:200]
    forecaster = SeriesForecaster(3, known_future=["holiday"]).fit(X)
    with pytest.raises(ValueError, match=message):
        forecaster.forecast(X, future=future)


def test_a_future_is_refused_where_nothing_is_known_and_lists_are_compared():
    X = shop()
    plain = SeriesForecaster(3).fit(X)
    with pytest.raises(ValueError, match=r"SeriesForecaster\(known_future=\[\.\.\.\]\)"):
        plain.forecast(X, future=X)
    known = SeriesForecaster(3, known_future=["holiday"]).fit(X)
    with pytest.raises(ValueError, match="a list of 2 frames, as X is, got 1"):
        known.forecast([X[:100], X[:200]], future=[X[100:103]])
    with pytest.raises(ValueError, match="a list of 2 frames, as X is, got no list"):
        known.forecast([X[:100], X[:200]], future=X)
