"""Outliers in series: 26 labeled series of NAB, made sensors, and the time a step takes.

Every method sees a whole series, without labels, and scores its steps; none is tuned for a series.
A step's score is the mean of those of the windows of 64 steps that hold it. The default of
`SeriesOutlierDetector` chooses its own window, so that the methods are measured a second time with
that one. Area under the ROC curve and average precision are means over the series.
"""

import os
import time
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from threadpoolctl import threadpool_limits

from skae import SeriesOutlierDetector, Windows
from skae.datasets import make_sensors

WINDOW = 64
N_SENSOR_SEEDS = 10
# Detectors of pyod that are fitted to a series, with their own windows of 50 steps. KShape had not
# scored the series after a quarter of an hour, SAND was not tried.
PYOD = {
    "isolation forest": ("ts_od", "TimeSeriesOD"),
    "matrix profile": ("ts_matrix_profile", "MatrixProfile"),
    "spectral residual": ("ts_spectral_residual", "SpectralResidual"),
}


def pca_residual(rows):
    pca = PCA(0.9, svd_solver="full").fit(rows)
    return np.square(rows - pca.inverse_transform(pca.transform(rows))).mean(axis=1)


def pca_mahalanobis(rows):
    codes = PCA(0.9, svd_solver="full", whiten=True).fit_transform(rows)
    return np.square(codes).sum(axis=1)


def k_means(rows):
    return KMeans(20, n_init=1, random_state=0).fit(rows).transform(rows).min(axis=1)


def isolation_forest(rows):
    return -IsolationForest(random_state=0).fit(rows).score_samples(rows)


def local_outlier_factor(rows):
    return -LocalOutlierFactor().fit(rows).negative_outlier_factor_


OF_WINDOWS = {
    "PCA, residual": pca_residual,
    "PCA, Mahalanobis": pca_mahalanobis,
    "k-means": k_means,
    "isolation forest": isolation_forest,
    "local outlier factor": local_outlier_factor,
}


def measure():
    """Yield rows of (what, value, bound)."""
    yield from of_labeled_series()
    yield from of_sensors()
    yield from of_time()


# -- labeled series ------------------------------------------------------------------------


def labeled_series():
    """Return values (n_timesteps, 1) and labels by name, of ``series.npz`` in SKAE_DATA."""
    path = Path(os.environ.get("SKAE_DATA", "."), "series.npz")
    if not path.exists():
        print("series.npz is not where SKAE_DATA points; the labeled series are left out.\n")
        return {}
    with np.load(path) as stored:
        names = [key[:-2] for key in stored if key.endswith("_X")]
        return {
            name: (stored[f"{name}_X"].astype(np.float64)[:, None], stored[f"{name}_y"])
            for name in names
        }


def of_labeled_series():
    series = labeled_series()
    if not series:
        return
    windows = {name: SeriesOutlierDetector().fit(X).window_ for name, (X, _) in series.items()}
    methods = {
        "SeriesOutlierDetector": lambda name, X: by_detector(X),
        "SeriesOutlierDetector, windows of 64": lambda name, X: by_detector(X, window=WINDOW),
    }
    for label, score in OF_WINDOWS.items():
        methods[f"{label}, windows of 64"] = with_windows(score, dict.fromkeys(windows, WINDOW))
    for label, score in OF_WINDOWS.items():
        methods[f"{label}, windows as the detector's"] = with_windows(score, windows)
    methods.update(peers())
    for label, score in methods.items():
        areas, precisions = zip(
            *[
                (roc_auc_score(y, scores), average_precision_score(y, scores))
                for name, (X, y) in series.items()
                for scores in [np.nan_to_num(score(name, X))]
            ],
            strict=True,
        )
        yield f"{len(series)} series of NAB: area under the ROC curve, {label}", np.mean(areas), ""
        yield f"the same: average precision, {label}", np.mean(precisions), ""


def by_detector(X, **parameters):
    return -SeriesOutlierDetector(**parameters).fit(X).score_samples(X)


def with_windows(score, lengths):
    """Return a method that scores the windows of a series, and means these over the steps."""

    def of_series(name, X):
        windows = Windows(lengths[name])
        rows = windows.fit_transform((X - X.mean()) / (X.std() or 1))
        return windows.inverse_transform(score(rows), X)

    return of_series


def peers():
    """Return methods of other packages, as far as they are installed."""
    methods = {}
    try:
        import stumpy

        methods["matrix profile of stumpy, windows of 64"] = lambda name, X: matrix_profile(
            stumpy, X
        )
    except ImportError:
        print("stumpy is not installed; its matrix profile is left out.\n")
    try:
        from importlib import import_module

        for label, (module, cls) in PYOD.items():
            detector = getattr(import_module(f"pyod.models.{module}"), cls)
            methods[f"pyod, {label}"] = lambda name, X, detector=detector: by_pyod(detector, X)
    except ImportError:
        print("pyod is not installed; its detectors of series are left out.\n")
    return methods


def matrix_profile(stumpy, X):
    profile = stumpy.stump(X[:, 0], WINDOW)[:, 0].astype(float)
    # Windows without any variation have no distance.
    profile[~np.isfinite(profile)] = 0
    windows = Windows(WINDOW).fit(X)
    return windows.inverse_transform(profile, X)


def by_pyod(detector, X):
    scores = np.asarray(detector().fit(X).decision_scores_, dtype=float)
    # Some leave the first or last steps out.
    return np.pad(scores, (len(X) - len(scores), 0), mode="edge")


# -- sensors -------------------------------------------------------------------------------


def of_sensors():
    for what, n_fitted in (("steps before the first fault", 2000), ("all steps", 5000)):
        areas, is_right = [], []
        for seed in range(N_SENSOR_SEEDS):
            sensors = make_sensors(random_state=seed)
            detector = SeriesOutlierDetector().fit(sensors.data[:n_fitted])
            scores = -detector.score_samples(sensors.data)[2000:]
            areas.append(roc_auc_score(sensors.target[2000:], scores))
            deviations = (detector.channel_scores(sensors.data) / detector.scale_) ** 2
            is_right += [
                deviations[fault.start : fault.end].mean(axis=0).argmax() == fault.channel
                for fault in sensors.faults
            ]
        yield (
            f"sensors, fitted to {what}: faulty steps, area under the ROC curve",
            np.mean(areas),
            "≥ 0.97",
        )
        yield f"sensors, fitted to {what}: faults of the right channel", np.mean(is_right), "≥ 0.9"


# -- time ----------------------------------------------------------------------------------


def of_time():
    rng = np.random.default_rng(0)
    steps = np.arange(100_000)[:, None]
    X = np.sin(steps * 2 * np.pi / [96, 96, 96, 50, 200]) + rng.normal(0, 0.2, (100_000, 5))
    start = time.perf_counter()
    SeriesOutlierDetector().fit(X)
    yield "fit of 100,000 steps of 5 channels, seconds", time.perf_counter() - start, "≤ 30"
    for method in ("error", "neighbors"):
        detector = SeriesOutlierDetector(window=WINDOW, method=method).fit(X[:10_000])
        for row in X[:WINDOW]:
            detector.score_next(row)
        with threadpool_limits(1):
            start = time.process_time()
            for row in X[:1000]:
                detector.score_next(row)
            seconds = time.process_time() - start
        # Seconds for a thousand are milliseconds for one.
        yield f"score_next on one core, {method}, milliseconds", seconds, "≤ 1"
