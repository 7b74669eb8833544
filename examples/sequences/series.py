"""
A forecast of a series
======================

A series of numbers becomes windows: each row holds consecutive values. Here it is a wave whose
amplitude swings, with noise.
"""

import numpy as np

from skae import SequencePredictor
from skae.plotting import ForecastDisplay

rng = np.random.default_rng(0)
t = np.arange(700)
series = np.sin(t / 4) * (1 + 0.5 * np.sin(t / 40)) + rng.normal(scale=0.1, size=len(t))
windows = np.lib.stride_tricks.sliding_window_view(series, 30)

# %%
# Windows of the first 500 values are for training. Two-dimensional X is a series of numbers for
# each row.

predictor = SequencePredictor(4, hidden_size=32, max_iter=20, random_state=0).fit(windows[:470])

# %%
# Twenty values ahead, of a part that training has not seen.

start = 560
ForecastDisplay.from_estimator(
    predictor, series[start : start + 30], n_steps=20, truth=series[start + 30 : start + 50]
)

# %%
# The error of the next value in the unseen part, beside that of repeating the last one and that of
# linear regression on the window.

from sklearn.linear_model import LinearRegression

known, following = windows[500:670, :-1], windows[500:670, -1]
linear = LinearRegression().fit(windows[:470, :-1], windows[:470, -1])
shorter = SequencePredictor(4, hidden_size=32, max_iter=20, random_state=0).fit(windows[:470, :-1])
for name, predicted in (
    ("repetition", known[:, -1]),
    ("linear regression", linear.predict(known)),
    ("SequencePredictor", shorter.predict(known)),
):
    print(f"{name:18} {np.mean((predicted - following) ** 2):.4f}")
