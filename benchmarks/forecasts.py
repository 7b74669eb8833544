"""Forecasts: the next frames of Healing MNIST, and of 13 real seasonal series.

Series: the last quarter of each is forecast, a period at a time and at most five times, by models
of what comes before it. Errors are divided by those of the seasonal naive forecast within that
(MASE). The period is that of the calendar for all methods; nothing else is chosen for a series.
"""

import numpy as np
from sklearn.linear_model import RidgeCV

from benchmarks.seasonal_series import seasonal_series
from benchmarks.studies.healing_sequences import fit_linear_autoregression, load
from skae import SequencePredictor, SeriesForecaster

N_ORIGINS, TESTED_FRACTION = 5, 0.25
# Periods shorter than this are forecast two at a time.
MIN_HORIZON = 8
N_SHOWN = 3


def measure():
    """Yield rows of (what, value, bound)."""
    yield from of_series()
    yield from of_frames()


# -- seasonal series -----------------------------------------------------------------------


def seasonal_naive(known, period, horizon):
    return lambda values: np.resize(values[-period:], horizon)


def ridge(known, period, horizon):
    """Ridge regression of each step on the lags that `SeriesForecaster` has, as they are."""
    n_lags = SeriesForecaster(horizon, period=period).fit(known).n_lags_
    windows = np.lib.stride_tricks.sliding_window_view(known, n_lags + horizon)
    mean, scale = known.mean(), known.std()
    windows = (windows - mean) / scale
    model = RidgeCV(np.logspace(-4, 4, 17)).fit(windows[:, :n_lags], windows[:, n_lags:])
    return lambda values: model.predict((values[None, -n_lags:] - mean) / scale)[0] * scale + mean


def forecaster(known, period, horizon):
    return SeriesForecaster(horizon, period=period).fit(known).forecast


METHODS = {
    "seasonal naive": seasonal_naive,
    "ridge on lags": ridge,
    "SeriesForecaster": forecaster,
}


def origins(n_steps, horizon):
    """Return where forecasts begin."""
    n_origins = max(1, min(N_ORIGINS, int(TESTED_FRACTION * n_steps) // horizon))
    return [n_steps - horizon * (i + 1) for i in range(n_origins)][::-1]


def of_series():
    errors, covered = {label: [] for label in METHODS}, []
    for name, values, period in seasonal_series():
        horizon = period if period >= MIN_HORIZON else 2 * period
        starts = origins(len(values), horizon)
        known = values[: starts[0]]
        scale = np.abs(known[period:] - known[:-period]).mean()
        for label, fit in METHODS.items():
            predict = fit(known, period, horizon)
            deviations = [predict(values[:i]) - values[i : i + horizon] for i in starts]
            errors[label].append(np.abs(deviations).mean() / scale)
            yield f"{name}: MASE, {label}", errors[label][-1], ""
        covered.append(coverage(values, starts, period, horizon))
    if not covered:
        return
    means = {label: np.mean(values) for label, values in errors.items()}
    for label, mean in means.items():
        bound = "≤ 0.95 × seasonal naive, ≤ ridge" if label == "SeriesForecaster" else ""
        yield f"{len(covered)} series: mean MASE, {label}", mean, bound
    yield "intervals of SeriesForecaster: values within those of 0.9", np.mean(covered), ""


def coverage(values, starts, period, horizon):
    fitted = SeriesForecaster(horizon, period=period).fit(values[: starts[0]])
    is_within = []
    for start in starts:
        lower, upper = fitted.predict_interval(values[:start], coverage=0.9)
        truth = values[start : start + horizon]
        is_within.append((lower <= truth) & (truth <= upper))
    return np.mean(is_within)


# -- next frames ---------------------------------------------------------------------------


def of_frames():
    name, train, test = load(3000)
    linear = fit_linear_autoregression(train)
    for label, cell in (("", "lstm"), (", cell='tcn'", "tcn")):
        predictor = SequencePredictor(128, cell=cell, max_iter=10, random_state=0).fit(train)
        what = f"Healing {name}{label}: error of the next frame"
        asked = name == "MNIST" and cell == "lstm"
        to_linear, to_repetition = ratios(predictor, linear, test, test.shape[1] - 1, 1)
        yield f"{what} / linear autoregression", to_linear[0], "≤ 0.55" if asked else ""
        yield f"{what} / repetition", to_repetition[0], "≤ 0.16" if asked else ""
        if cell == "lstm":
            both_ratios = np.transpose(ratios(predictor, linear, test, N_SHOWN, 5))
            for ahead, both in enumerate(both_ratios, 1):
                what = f"Healing {name}: error of frame {ahead} after the first {N_SHOWN}"
                yield f"{what} / linear autoregression", both[0], ""
                yield f"{what} / repetition", both[1], ""


def ratios(predictor, linear, sequences, n_shown, n_steps):
    """Return errors of forecasts, over those of linear autoregression and of repetition."""
    shown, truth = sequences[:, :n_shown], sequences[:, n_shown : n_shown + n_steps]
    forecast = predictor.forecast(shown, n_steps)
    frames = list(np.moveaxis(shown[:, -2:].reshape(len(shown), 2, -1), 1, 0))
    for _ in range(n_steps):
        frames.append(linear.predict(np.hstack(frames[-2:])))
    linearly = np.stack(frames[2:], axis=1).reshape(truth.shape)
    error = errors_of_steps(forecast, truth)
    return (
        error / errors_of_steps(linearly, truth),
        error / errors_of_steps(shown[:, -1:], truth),
    )


def errors_of_steps(predicted, truth):
    return np.mean((predicted - truth) ** 2, axis=(0, 2, 3))
