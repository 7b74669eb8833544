"""
Faults of sensors: when, and which one
======================================

:class:`skae.SeriesOutlierDetector` finds unusual steps in recordings of several channels. Here five
sensors of one machine follow a daily cycle and a common load; ten times one of them is at fault:
it is off, frozen, out of step, noisy, or drops out.
"""

import pandas as pd

from skae import SeriesOutlierDetector
from skae.datasets import make_sensors

sensors = make_sensors(random_state=0)
X = pd.DataFrame(sensors.data, columns=list("abcde"), index=pd.DatetimeIndex(sensors.time))
print(X.head().round(2))

# %%
# The detector is fitted to the first weeks. The length of its windows is the period that it finds:
# a day.

detector = SeriesOutlierDetector().fit(X[:2000])
print(detector.window_ * pd.Timedelta("15min"))

# %%
# Each time step gets a score. One step in a thousand of those in training is to be an outlier.

detector.set_threshold(quantile=0.999)
events = detector.events(X)
print(events[["start", "end", "score", "channels"]].round({"score": 2}).to_string())

# %%
# What was made, for comparison:

print(
    pd.DataFrame(
        [
            (X.index[start], X.index[end], X.columns[i], kind)
            for start, end, i, kind in sensors.faults
        ],
        columns=["start", "end", "channel", "fault"],
    ).to_string()
)

# %%
# The series, the scores with the threshold and the events, and the channels that deviate. The red
# bars are the faults that were made.

from skae.plotting import SeriesOutlierDisplay

SeriesOutlierDisplay.from_estimator(detector, X, sensors.target)

# %%
# A stream: steps are scored one by one, as they come. Thresholds for streams belong to a detector
# with ``causal=True``, which never looks ahead.

online = SeriesOutlierDetector(causal=True).fit(X[:2000]).set_threshold(quantile=0.999)
online.start_stream(X[1900:2000])
for i in range(2000, 2100):
    (score,) = online.score_next(X[i : i + 1])
    if score < online.offset_:
        print(f"first alarm at {X.index[i]}, the fault began at {X.index[sensors.faults[0].start]}")
        break
