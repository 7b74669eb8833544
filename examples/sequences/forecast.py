"""
Forecasts with their uncertainty
================================

The number of passengers of international airlines in each month of the years 1949 to 1960, in
thousands (Box and Jenkins, 1976). :class:`skae.SeriesForecaster` predicts two years that it has
not seen, with the months as their index and an interval for each.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skae import SeriesForecaster

passengers = [
    112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118,
    115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140,
    145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166,
    171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194,
    196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201,
    204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229,
    242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278,
    284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306,
    315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336,
    340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337,
    360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405,
    417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432,
]  # fmt: skip
months = pd.date_range("1949-01-01", periods=len(passengers), freq="MS")
series = pd.Series(passengers, months, name="passengers")

# %%
# All but the last two years are known. Their period is found, and two of it are the lags of ridge
# regression.

known, unseen = series[:-24], series[-24:]
forecaster = SeriesForecaster(24).fit(known)
forecaster.period_, forecaster.n_lags_

# %%
# The steps ahead, and bounds between which 80 % of the values should lie. They come from the
# errors of forecasts that were held out, of each number of months ahead by itself.

forecast = forecaster.forecast(known)
lower, upper = forecaster.predict_interval(known, coverage=0.8)
forecast.head(3)

# %%
# Beneath the same in units of the forecast: how far the unseen months are from it.

figure, (above, below) = plt.subplots(
    2, 1, sharex=True, figsize=(8, 5), height_ratios=[3, 1], layout="constrained"
)
above.plot(known[-60:], color="0.4", label="known")
above.plot(unseen, color="0.1", marker=".", linestyle="", label="unseen")
above.plot(forecast, color="C0", label="forecast")
above.fill_between(forecast.index, lower, upper, color="C0", alpha=0.2, label="80 % intervals")
above.set_ylabel("passengers (thousands)")
above.legend(loc="upper left")
below.axhline(0, color="C0")
below.fill_between(forecast.index, lower - forecast, upper - forecast, color="C0", alpha=0.2)
below.plot(unseen - forecast, color="0.1", marker=".", linestyle="")
below.set_ylabel("unseen − forecast")
figure.align_ylabels()

# %%
# Repeating the year before misses the growth.

naive = np.tile(known[-12:], 2)
pd.Series(
    {
        "SeriesForecaster": (forecast - unseen).abs().mean(),
        "the year before": np.abs(naive - unseen).mean(),
    },
    name="mean absolute error",
).round(1)
