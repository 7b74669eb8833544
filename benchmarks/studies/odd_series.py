"""What was odd, and when: a machine's temperature and the taxis of a city.

The detector gets a whole series without labels and scores its steps; known failures and holidays
are drawn below the series. Without ``series.npz`` (see ``SKAE_DATA``) made sensors stand in.

    SKAE_DATA=/where/the/data/are python -m benchmarks.studies.odd_series
"""

import argparse

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from skae import SeriesOutlierDetector
from skae.datasets import make_sensors
from skae.plotting import SeriesOutlierDisplay

from ._data import find

NAMES = {
    "ambient_temperature_system_failure": "temperature of a machine",
    "nyc_taxi": "taxis of New York",
}


def load_series():
    """Return series and labels by name; without the data, made sensors."""
    path = find("series.npz")
    if path is None:
        sensors = make_sensors(random_state=0)
        return {"made sensors": (sensors.data, sensors.target)}
    with np.load(path) as stored:
        return {
            label: (stored[f"{name}_X"].astype(float)[:, None], stored[f"{name}_y"])
            for name, label in NAMES.items()
        }


def measure(quick=False):
    """Yield what, reached and asked; a quick run is no other."""
    for label, (X, y) in load_series().items():
        detector = SeriesOutlierDetector().fit(X)
        deviations = -detector.score_samples(X)
        yield f"{label}: steps in a window", int(detector.window_), ""
        yield f"{label}: area under the ROC curve", roc_auc_score(y, deviations), ""
        yield f"{label}: average precision", average_precision_score(y, deviations), ""


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fraction", type=float, default=0.1, help="of steps called odd")
    parser.add_argument("--save", help="where the pictures go: the beginning of their names")
    arguments = parser.parse_args(argv)
    for label, (X, y) in load_series().items():
        detector = SeriesOutlierDetector(contamination=arguments.fraction).fit(X)
        print(f"\n{label}, windows of {detector.window_} steps")
        print(detector.events(X).to_string())
        display = SeriesOutlierDisplay.from_estimator(detector, X, y)
        if arguments.save:
            display.figure_.savefig(f"{arguments.save}-{label.replace(' ', '-')}.png")


if __name__ == "__main__":
    main()
