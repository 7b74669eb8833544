"""Milliseconds for one row, beside PCA, the bare module, pyod and onnxruntime."""

import time
from importlib import import_module
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sklearn.decomposition import PCA

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    HybridAutoencoder,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
    export_onnx,
)

CALLS, WARM_UP = 300, 30
BOUND = "≤ 0.15"
METHODS = ("transform", "inverse_transform", "reconstruct", "score_samples", "predict")
# Features of a row; the second is an image of 28 × 28 pixels.
WIDTHS = (30, 784)
SETTINGS = {"max_iter": 1, "random_state": 0, "architecture": "dense"}
DENSE = (
    Autoencoder(8, **SETTINGS),
    VariationalAutoencoder(8, **SETTINGS),
    HybridAutoencoder(8, **SETTINGS),
    AutoencoderClassifier(8, **SETTINGS),
    AutoencoderRegressor(8, **SETTINGS),
    ReconstructionOutlierDetector(Autoencoder(8, **SETTINGS), method="error"),
    ReconstructionOutlierDetector(PCA(8), method="error"),
    ReconstructionOutlierDetector(),
)
CONV = Autoencoder(8, image_shape=(28, 28), max_iter=1, random_state=0)


def measure():
    """Yield rows of (what, milliseconds, bound)."""
    for width in WIDTHS:
        X = np.random.default_rng(0).random((500, width)).astype(np.float32)
        for dtype in (np.float32, np.float64):
            yield from of_estimators(DENSE, X, dtype, BOUND)
        yield from of_others(X)
    for dtype in (np.float32, np.float64):
        yield from of_estimators([CONV], X, dtype, "")


def of_estimators(estimators, X, dtype, bound):
    """Time every method of fitted estimators."""
    row = X[:1].astype(dtype)
    for estimator in estimators:
        is_regressor = isinstance(estimator, AutoencoderRegressor)
        estimator.fit(X, X[:, 0] if is_regressor else X[:, 0] > 0.5)
        for method in METHODS:
            if hasattr(estimator, method):
                is_inverse = method == "inverse_transform"
                given = estimator.transform(row) if is_inverse else row
                what = f"{name_of(estimator)}.{method}, {X.shape[1]} features, {dtype.__name__}"
                yield what, milliseconds(getattr(estimator, method), given), bound


def name_of(estimator):
    inner = getattr(estimator, "estimator", None)
    within = "" if inner is None else f"({type(inner).__name__})"
    return type(estimator).__name__ + within + (" (conv)" if estimator is CONV else "")


def of_others(X):
    """Time what computes a code of the same size, or a score, without skae."""
    row, width = X[:1], X.shape[1]
    yield f"PCA.transform, {width} features", milliseconds(PCA(8).fit(X).transform, row), ""
    fitted = Autoencoder(8, **SETTINGS).fit(X)
    network = fitted.module_
    rows = torch.from_numpy(row)
    with torch.inference_mode():
        yield f"bare module: encode, {width} features", milliseconds(network.encode, rows), ""
        yield f"bare module: reconstruct, {width} features", milliseconds(network, rows), ""
    for package, timed in (("onnxruntime", of_onnxruntime), ("pyod", of_pyod)):
        try:
            import_module(package)
            found = timed(fitted, X)
        except ImportError as error:
            print(f"{package} is left out: {error}")
            continue
        yield f"{package}, {width} features", found, ""


def of_onnxruntime(fitted, X):
    """Time the reconstruction of one row by the exported estimator."""
    import onnxruntime

    with TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        export_onnx(fitted, path, methods=["reconstruct"])
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return milliseconds(lambda row: session.run(None, {"X": row}), X[:1])


def of_pyod(fitted, X):
    """Time the score of one row by pyod's autoencoder."""
    from pyod.models.auto_encoder import AutoEncoder

    peer = AutoEncoder(epoch_num=1, verbose=0)
    peer.fit(X)
    return milliseconds(peer.decision_function, X[:1])


def milliseconds(function, *args):
    """Return the median wall time of a call."""
    seconds = []
    for _ in range(WARM_UP + CALLS):
        start = time.perf_counter()
        function(*args)
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds[WARM_UP:])
