"""Milliseconds for one row by ONNX files, in onnxruntime with one thread."""

import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.datasets import load_digits, load_wine
from sklearn.preprocessing import scale

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Denoiser,
    HybridAutoencoder,
    ReconstructionOutlierDetector,
    SequenceAutoencoder,
    SequencePredictor,
    SeriesForecaster,
    SeriesOutlierDetector,
    VariationalAutoencoder,
    export_onnx,
)
from skae.architectures import UNet
from skae.datasets import make_sensors

from .data import labelled_images

BOUND = "≤ 0.05"
CALLS, REPETITIONS = 300, 7
N_IMAGES = 2000
SETTINGS = {"max_iter": 1, "random_state": 0}
DENSE = {**SETTINGS, "architecture": "dense"}


def measure():
    """Yield rows of (what, milliseconds, bound)."""
    wine, digits = load_wine(), load_digits()
    _, images, labels = labelled_images()
    yield from of_rows(scale(wine.data), wine.target, None)
    yield from of_rows(digits.data / 16, digits.target, (8, 8))
    rows = images[:N_IMAGES].reshape(N_IMAGES, -1)
    yield from of_rows(rows, labels[:N_IMAGES], images.shape[1:])
    yield from of_series(make_sensors(random_state=0).data)


def of_rows(X, y, image_shape):
    """Time estimators of rows: each method alone, and a file of all of them."""
    X = X.astype(np.float32)
    for name, estimator in estimators_of_rows(image_shape).items():
        fitted = estimator.fit(X, y)
        for methods in methods_of(fitted):
            what = f"{name}, {X.shape[1]} features, {methods[0] if methods else 'all methods'}"
            yield what, milliseconds(fitted, methods, X[:1]), BOUND


def estimators_of_rows(image_shape):
    estimators = {
        "Autoencoder": Autoencoder(8, **DENSE),
        "VariationalAutoencoder": VariationalAutoencoder(8, **DENSE),
        "AutoencoderClassifier": AutoencoderClassifier(8, **DENSE),
        "AutoencoderRegressor": AutoencoderRegressor(8, **DENSE),
        "HybridAutoencoder": HybridAutoencoder(8, **DENSE),
        "Denoiser": Denoiser(**DENSE),
        "detector by neighbors": ReconstructionOutlierDetector(random_state=0),
        "detector by errors of PCA": ReconstructionOutlierDetector(method="error", random_state=0),
        "detector by errors of an Autoencoder": ReconstructionOutlierDetector(
            Autoencoder(8, **DENSE), method="error", random_state=0
        ),
    }
    if image_shape is not None:
        images = {"image_shape": image_shape, **SETTINGS}
        estimators |= {
            "Autoencoder (conv)": Autoencoder(8, **images),
            "AutoencoderClassifier (conv)": AutoencoderClassifier(8, **images),
            "Denoiser (UNet)": Denoiser(UNet(), **images),
        }
    return estimators


def methods_of(fitted):
    """List the methods of each file; None for one of all."""
    names = ("transform", "reconstruct", "score_samples", "predict")
    found = [[name] for name in names if hasattr(fitted, name)]
    return [*found, None] if len(found) > 1 else found


def of_series(X):
    """Time one sequence, and the newest window of series of five channels."""
    X = X.astype(np.float32)
    sequences = np.lib.stride_tricks.sliding_window_view(X[:2000], 24, axis=0).swapaxes(1, 2)
    for estimator in (SequencePredictor(8, **SETTINGS), SequenceAutoencoder(8, **SETTINGS)):
        fitted = estimator.fit(sequences[::4])
        for methods in methods_of(fitted)[:2]:
            what = f"{type(fitted).__name__}, 24 × 5 values, {methods[0]}"
            yield what, milliseconds(fitted, methods, sequences[:1].copy()), BOUND
    for method in ("error", "neighbors"):
        detector = SeriesOutlierDetector(method=method, window=96, causal=True).fit(X[:2000])
        what = f"SeriesOutlierDetector by {method}, 96 steps of 5 channels, score_samples"
        yield what, milliseconds(detector, ["score_samples"], X[-96:]), ""
    forecaster = SeriesForecaster(12).fit(X[:2000])
    yield "SeriesForecaster, 1000 × 5 values", milliseconds(forecaster, None, X[-1000:]), BOUND


def milliseconds(fitted, methods, X):
    """Return the wall time of a call: the least of some medians, since cores may be busy."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with TemporaryDirectory() as folder:
        export_onnx(fitted, Path(folder, "file"), methods=methods)
        session = onnxruntime.InferenceSession(Path(folder, "file"), options)
    medians = []
    for _ in range(REPETITIONS):
        seconds = []
        for _ in range(CALLS):
            start = time.perf_counter()
            session.run(None, {"X": X})
            seconds.append(time.perf_counter() - start)
        medians.append(median(seconds))
    return 1000 * min(medians)
