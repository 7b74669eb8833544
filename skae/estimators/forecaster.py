"""Forecasts of long series."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_scalar

from .._engine.environment import compute_threads
from .._sklearn_compat import Interval, StrOptions
from .._utils import lookup, unchanged_on_error
from ..series._future import in_form_of
from ..series._periods import dominant_period
from ..series._reading import Series, read_series
from ._checked import CheckedMixin, ObjectsWith
from ._forecast_intervals import conformal_widths, sorted_errors
from ._input import check_fitted
from ._known_columns import fit_effect, known_inputs, read_futures, resolve_columns, without_effect
from ._lag_windows import (
    choose_lags,
    example_windows,
    fit_linear,
    fit_network,
    last_steps,
    predict_linear,
    relative_to_last,
    repeated,
)
from ._series_training import center_and_scale

# Fewer examples than this are no regression.
_MIN_WINDOWS = 3


class SeriesForecaster(CheckedMixin, BaseEstimator):
    """Forecast how one or many long series continue.

    A series of several channels is cut into windows: some known steps, the lags, and those that
    follow. All values are relative to the last known step. By default the steps that follow are a
    linear function of the lags, found by ridge regression; a :class:`~skae.SequencePredictor`
    begins there and learns more, if there is more. Series may have missing values and lost time
    steps.

    Parameters
    ----------
    n_steps : int, default=12
        Number of steps that are predicted at once. `forecast` of more steps than that continues
        from its own predictions.
    estimator : SequencePredictor, default=None
        What predicts from windows; a clone of it is fitted. If None, the linear prediction.
    period : int, 'auto' or None, default='auto'
        Number of steps after which the series repeat, such as 12 for months. ``'auto'`` is the
        dominant period, if there is one.
    n_lags : int or 'auto', default='auto'
        Number of known steps from which is predicted. ``'auto'`` is two periods, or 24 steps
        without a period; at most a quarter of the longest series, and 512 values in all channels.
    known_future : list of str or int, default=None
        Columns of X that are known in advance, such as holidays, days of the week, prices or the
        weather forecast: their names, or their positions in an array. They are not forecast, and
        `forecast` gets their next values as `future`. If None, all columns are forecast.
    calibration_fraction : float in (0, 1), default=0.2
        Fraction of the windows, the last ones, whose forecasts by a model of the windows before
        them are measured for `predict_interval`.

    Attributes
    ----------
    estimator_ : SequencePredictor or None
        The fitted estimator; None for the linear prediction.
    period_ : int or None
        The period in use; None if there is none.
    n_lags_ : int
        Number of lags.
    known_columns_ : ndarray of int
        Positions of the columns that are known in advance; empty if there are none.
    known_coef_ : ndarray of shape (n_known, n_channels)
        How much a unit of each known column adds to each channel at the same step.
    coef_ : ndarray of shape (n_inputs, n_steps * n_channels)
        Coefficients of the linear prediction. Its inputs are the lags of all channels, and the
        known columns at the lags and the steps that follow. Only available without an `estimator`.
    intercept_ : ndarray of shape (n_steps * n_channels,)
        Its intercepts. Only available without an `estimator`.
    scale_ : ndarray of shape (n_features_in_,)
        Standard deviation of each column of X, by which it is divided.
    calibration_errors_ : ndarray of shape (n_windows, n_steps * n_channels)
        Absolute errors of held-out forecasts, sorted for each step and channel, in units of
        `scale_`.
    n_features_in_ : int
        Number of columns in `fit`: channels, and columns known in advance.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns. Only available if X has names that are all strings.

    See Also
    --------
    skae.SequencePredictor : Next frames of many sequences.
    skae.SeriesOutlierDetector : Outliers in series.

    Notes
    -----
    All channels are predicted, each from the lags of all: what may help to predict a channel, but
    is not known in advance, is one more channel.

    Columns that are known in advance add to a channel in proportion, at the same step: regression
    with autocorrelated errors finds `known_coef_`. What remains is predicted from lags, by ridge
    regression also from known columns at other steps, if a window of all has at most 1,024 values.
    An `estimator` sees what remains, without known columns.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skae import SeriesForecaster
    >>> months = pd.date_range("2015-01-01", periods=120, freq="MS")
    >>> wave = 10 * np.sin(np.arange(120) * np.pi / 6)
    >>> sales = pd.DataFrame({"sales": 100 + np.arange(120) + wave}, months)
    >>> forecaster = SeriesForecaster(3).fit(sales)
    >>> forecaster.period_
    12
    >>> forecaster.forecast(sales).round(1)
                sales
    2025-01-01  220.0
    2025-02-01  226.0
    2025-03-01  230.7

    A column that is known in advance:

    >>> sales["campaign"] = np.random.RandomState(0).uniform(size=120) < 0.2
    >>> sales["sales"] += 30 * sales["campaign"]
    >>> forecaster = SeriesForecaster(3, known_future=["campaign"]).fit(sales)
    >>> forecaster.known_coef_.round()
    array([[30.]])
    >>> forecaster.forecast(sales, future=pd.DataFrame({"campaign": [0, 1, 1]})).round(1)
                sales
    2025-01-01  220.0
    2025-02-01  256.0
    2025-03-01  260.7
    """

    _parameter_constraints = {
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "estimator": [ObjectsWith(["fit", "forecast"]), None],
        "period": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "n_lags": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "known_future": ["array-like", None],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        n_steps: int = 12,
        *,
        estimator: Any = None,
        period: int | str | None = "auto",
        n_lags: int | str = "auto",
        known_future: Any = None,
        calibration_fraction: float = 0.2,
    ) -> None:
        self.n_steps = n_steps
        self.estimator = estimator
        self.period = period
        self.n_lags = n_lags
        self.known_future = known_future
        self.calibration_fraction = calibration_fraction

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn to predict the steps that follow.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            One series or several; a vector or Series is one channel. Time stamps are an index of
            dates (pandas) or the one column of dates (polars).
        y : None
            Ignored.

        Returns
        -------
        self : SeriesForecaster
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If X is no series, or too short; the estimator stays as it was.
        """
        with unchanged_on_error(self), compute_threads():
            self._validate_params()
            series, _ = read_series(self, X, reset=True)
            self.known_columns_ = resolve_columns(self.known_future, self)
            _, self.scale_ = center_and_scale([each.values for each in series])
            self.period_ = self._resolved_period(series)
            self.n_lags_ = self._resolved_lags(series)
            self._n_steps = n_steps = int(self.n_steps)
            windows = example_windows(series, self.n_lags_, n_steps, _MIN_WINDOWS) / self.scale_
            self._calibrate(windows)
            self._learn(windows)
            self._learn_baseline(windows)
        return self

    @property
    def _channels(self) -> np.ndarray:
        """Positions of the columns that are forecast."""
        return np.setdiff1d(np.arange(self.n_features_in_), self.known_columns_)

    def _resolved_period(self, series: list[Series]) -> int | None:
        if not isinstance(self.period, str):
            return None if self.period is None else int(self.period)
        # Holidays and prices hide how channels repeat by themselves, and a calendar holds it.
        remaining, channels = without_effect(series, self.known_columns_, self.scale_)
        return dominant_period(remaining) or dominant_period(channels)

    def _resolved_lags(self, series: list[Series]) -> int:
        longest = max(len(each.values[part]) for each in series for part in each.segments)
        if isinstance(self.n_lags, str):
            n_lags = choose_lags(self.period_, longest, len(self._channels))
        else:
            n_lags = int(self.n_lags)
        n_needed = n_lags + int(self.n_steps) + _MIN_WINDOWS - 1
        if longest < n_needed:
            raise ValueError(
                f"X must hold a series of at least {n_needed} steps without lost ones between them "
                f"for n_steps={self.n_steps} and {n_lags} lags, got n_samples={longest}. Sets of "
                "many short sequences are what SequencePredictor takes."
            )
        return n_lags

    def _calibrate(self, windows: np.ndarray) -> None:
        """Measure the errors of the last windows by a model of those that end before them."""
        n_held_out = max(1, round(self.calibration_fraction * len(windows)))
        # Between them lie the windows that share following steps with both.
        n_learned = max(len(windows) - n_held_out - self._n_steps + 1, _MIN_WINDOWS - 1)
        self._learn(windows[:n_learned])
        held_out = windows[-n_held_out:]
        truth = held_out[:, self.n_lags_ :, self._channels]
        pair = (part.reshape(n_held_out, -1) for part in (truth, self._following(held_out)))
        self.calibration_errors_ = sorted_errors(*pair)

    def _learn(self, windows: np.ndarray) -> None:
        relative, _ = relative_to_last(windows, self.n_lags_)
        channels, known = relative[..., self._channels], relative[..., self.known_columns_]
        effect = fit_effect(channels, known, self.n_lags_)
        self.known_coef_ = effect / self._known_scale
        remaining = channels - known @ effect
        if self.estimator is None:
            self.estimator_ = None
            more = known_inputs(windows, self.known_columns_, self.n_lags_)
            self.coef_, self.intercept_ = fit_linear(remaining, self.n_lags_, more)
        else:
            self.estimator_ = fit_network(clone(self.estimator), remaining, self.n_lags_)

    def _learn_baseline(self, windows: np.ndarray) -> None:
        """Fit the linear prediction from lags, which `score` compares with."""
        if self.estimator is None and not len(self.known_columns_):
            self._lag_coef, self._lag_intercept = self.coef_, self.intercept_
            return
        relative, _ = relative_to_last(windows[..., self._channels], self.n_lags_)
        self._lag_coef, self._lag_intercept = fit_linear(relative, self.n_lags_)

    @property
    def _known_scale(self) -> np.ndarray:
        """Units of `known_coef_`, (n_known, n_channels)."""
        return self.scale_[self.known_columns_][:, None] / self.scale_[self._channels]

    def _following(self, windows: np.ndarray) -> np.ndarray:
        """Return the next steps of all channels, (n_windows, n_steps, n_channels).

        Parameters
        ----------
        windows : ndarray of shape (n_windows, n_lags + n_steps, n_features_in_)
            Divided by `scale_`. Of the following steps only known columns are read.
        """
        relative, last = relative_to_last(windows, self.n_lags_)
        effect = relative[..., self.known_columns_] @ (self.known_coef_ * self._known_scale)
        lags = (relative[..., self._channels] - effect)[:, : self.n_lags_]
        following: np.ndarray = self._ahead(lags, windows) + effect[:, self.n_lags_ :]
        return following + last[..., self._channels]

    def _ahead(self, lags: np.ndarray, windows: np.ndarray) -> np.ndarray:
        """Return what follows on lags, apart from the effect of known columns."""
        if self.estimator_ is not None:
            forecast: np.ndarray = self.estimator_.forecast(lags, self._n_steps)
            return forecast
        inputs = np.hstack(
            [lags.reshape(len(lags), -1), known_inputs(windows, self.known_columns_, self.n_lags_)]
        )
        rows = inputs @ self.coef_ + self.intercept_
        return rows.reshape(len(lags), self._n_steps, -1)

    # -- forecasts -------------------------------------------------------------------------

    def forecast(self, X: Any, n_steps: int | None = None, *, future: Any = None) -> Any:
        """Predict the steps that follow on X.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            What is known: the series of `fit`, what came later, or other series of the same
            channels. Only the last steps are used.
        n_steps : int, default=None
            Number of steps to predict. If None, the parameter `n_steps`.
        future : {array-like, DataFrame, Series} of shape (n_steps, n_known), or a list of such, \
                default=None
            The columns of `known_future` in the steps that follow on X; a list if X is one. Of a
            frame with time stamps, or with the labels that follow on those of X, the rows are
            found by these; otherwise they are the next steps in order. Other columns are ignored.

        Returns
        -------
        forecast : {ndarray, DataFrame, Series} of shape (n_steps, n_channels), or a list of such
            In the form of X, without the columns that are known. If X is of pandas, with the time
            stamps that follow; of polars, an array.

        Raises
        ------
        ValueError
            If X has other columns than in `fit`, or `future` lacks a column or a step.
        """
        return self._for_each(X, n_steps, future, lambda values: values)

    def predict_interval(
        self, X: Any, n_steps: int | None = None, *, coverage: float = 0.9, future: Any = None
    ) -> tuple[Any, Any]:
        """Return bounds between which the steps that follow on X lie with a given probability.

        Their distance from `forecast` is that of held-out forecasts, split-conformal for each step
        ahead and channel. Where errors at different times are exchangeable, a value lies between
        its bounds with a probability of at least ``coverage``. Errors of neighboring times depend
        on each other, and series change: for these the rate is approximate, and on 13 real series
        it is 0.92 in the mean for a coverage of 0.9.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            What is known, as for `forecast`.
        n_steps : int, default=None
            Number of steps, at most the parameter `n_steps`. If None, as many.
        coverage : float in (0, 1), default=0.9
            Probability that a value lies within its interval.
        future : {array-like, DataFrame, Series} of shape (n_steps, n_known), or a list of such, \
                default=None
            The columns of `known_future` in these steps, as for `forecast`.

        Returns
        -------
        lower, upper : {ndarray, DataFrame, Series} of shape (n_steps, n_channels), or lists of such
            In the form of X, as `forecast` returns.

        Raises
        ------
        ValueError
            If there are too few held-out forecasts for this coverage.
        """
        check_fitted(self, "calibration_errors_")
        check_scalar(coverage, "coverage", Real, min_val=0, max_val=1, include_boundaries="neither")
        n_steps = self._checked_steps(n_steps)
        if n_steps > self._n_steps:
            raise ValueError(
                f"n_steps must be at most {self._n_steps}, the number that fit has calibrated, got "
                f"{n_steps}: fit with a larger n_steps."
            )
        widths = conformal_widths(self.calibration_errors_, coverage)
        widths = widths.reshape(self._n_steps, -1)[:n_steps] * self.scale_[self._channels]
        lower = self._for_each(X, n_steps, future, lambda values: values - widths)
        return lower, self._for_each(X, n_steps, future, lambda values: values + widths)

    def score(self, X: Any, y: object = None, *, baseline: str = "seasonal") -> float:
        """Compare the errors of forecasts within X with those of a baseline: 1 is perfect.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            Series that `fit` has not seen, such as a later stretch that begins with the lags of its
            first forecast. All of its windows count.
        y : None
            Ignored.
        baseline : {'seasonal', 'last', 'linear'}, default='seasonal'
            Prediction that scores 0. ``'seasonal'`` repeats the last period, ``'last'`` the last
            step, as both do without a period. ``'linear'`` is ridge regression on the lags in
            `fit`, which an `estimator` and columns that are known in advance have to beat; without
            either of them, it is the forecast itself.

        Returns
        -------
        score : float
            One minus the ratio of the mean absolute errors, channels divided by `scale_`.

        Raises
        ------
        ValueError
            If X is too short for a forecast, or there is no baseline of this name.
        """
        check_fitted(self, "calibration_errors_")
        n_repeated = {"seasonal": self.period_ or 1, "last": 1, "linear": 0}
        n_known = max(self.n_lags_, lookup("baseline", baseline, n_repeated))
        series, _ = read_series(self, X, reset=False)
        windows = example_windows(series, n_known, self._n_steps) / self.scale_
        if not len(windows):
            raise ValueError(
                f"X must hold a series of at least {n_known + self._n_steps} steps, got "
                f"{max(len(each.values) for each in series)}."
            )
        channels = windows[..., self._channels]
        known, truth = channels[:, :n_known], channels[:, n_known:]
        reference = repeated(known, n_repeated[baseline] or 1, self._n_steps)
        if baseline == "linear":
            lags = known[:, -self.n_lags_ :]
            reference = predict_linear(lags, self._lag_coef, self._lag_intercept)
        error = np.abs(self._following(windows[:, n_known - self.n_lags_ :]) - truth).mean()
        return float(1 - error / np.abs(reference - truth).mean())

    def _forecast_one(self, series: Series, future: np.ndarray) -> np.ndarray:
        n_steps, channels, known = len(future), self._channels, self.known_columns_
        lags = last_steps(series, self.n_lags_)
        # Behind the end of the forecast, known columns stay as they are there.
        n_more = -n_steps % self._n_steps
        ahead = np.zeros((n_steps + n_more, lags.shape[1]))
        ahead[:, known] = np.pad(future, ((0, n_more), (0, 0)), mode="edge")
        steps: np.ndarray = np.concatenate([lags, ahead]) / self.scale_
        length = self.n_lags_ + self._n_steps
        for start in range(0, n_steps, self._n_steps):
            window = steps[start : start + length]
            window[self.n_lags_ :, channels] = self._following(window[None])[0]
        forecast: np.ndarray = (steps * self.scale_)[self.n_lags_ :, channels][:n_steps]
        return forecast

    def _for_each(
        self, X: Any, n_steps: int | None, future: Any, change: Callable[..., np.ndarray]
    ) -> Any:
        check_fitted(self, "calibration_errors_")
        n_steps = self._checked_steps(n_steps)
        series, is_list = read_series(self, X, reset=False)
        futures = read_futures(self, future, series, is_list, n_steps)
        with compute_threads():
            made = [change(self._forecast_one(*pair)) for pair in zip(series, futures, strict=True)]
        parts = zip(made, X if is_list else [X], series, strict=True)
        formed = [in_form_of(*part, self._channels) for part in parts]
        return formed if is_list else formed[0]

    def _checked_steps(self, n_steps: int | None) -> int:
        if n_steps is None:
            return self._n_steps
        check_scalar(n_steps, "n_steps", Integral, min_val=1)
        return int(n_steps)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
