"""Every public estimator, small enough to be fitted in milliseconds, and data for it."""

import numpy as np
from sklearn.datasets import load_digits, load_wine
from sklearn.preprocessing import StandardScaler

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Denoiser,
    HybridAutoencoder,
    ReconstructionOutlierDetector,
    SequenceAutoencoder,
    SequencePredictor,
    SeriesOutlierDetector,
    TableAutoencoder,
    TableEncoder,
    VariationalAutoencoder,
)
from skae.architectures import Conv, Dense, UNet

QUICK = {"architecture": Dense((8,)), "max_iter": 2, "random_state": 0}

# They own a network with a code.
NETWORKS = {
    "Autoencoder": Autoencoder(2, **QUICK),
    "VariationalAutoencoder": VariationalAutoencoder(2, **QUICK),
    "HybridAutoencoder": HybridAutoencoder(2, **QUICK),
    "distilled": HybridAutoencoder(2, distill=True, **QUICK),
    "AutoencoderClassifier": AutoencoderClassifier(2, **QUICK),
    "AutoencoderRegressor": AutoencoderRegressor(2, **QUICK),
    "SequenceAutoencoder": SequenceAutoencoder(2, **QUICK),
    "SequencePredictor": SequencePredictor(2, hidden_size=8, **QUICK),
}
DENOISERS = {
    "Denoiser": Denoiser(**QUICK),
    "with a code": Denoiser(n_components=2, noise_level=(0.1, 0.4), **QUICK),
}
ESTIMATORS = {**NETWORKS, **DENOISERS, "detector": ReconstructionOutlierDetector(random_state=0)}
# They take arrays as well, and return them as they were, of truth values or text too.
FOR_TABLES = {
    "TableEncoder": TableEncoder(),
    "TableAutoencoder": TableAutoencoder(2, **QUICK),
    "variational table": TableAutoencoder(2, variational=True, **QUICK),
}
# They take rows as steps of a series: those of a step depend on its neighbors.
FOR_SERIES = {
    "SeriesOutlierDetector": SeriesOutlierDetector(),
    "by errors": SeriesOutlierDetector(method="error", window=3),
}
FOR_IMAGES = {
    name: estimator.__class__(**{**estimator.get_params(deep=False), "architecture": Conv((2,))})
    for name, estimator in NETWORKS.items()
    if not name.startswith("Sequence")
}
FOR_IMAGES["UNet"] = Denoiser(UNet((2, 3)), noise_level=2.0, max_iter=2, random_state=0)


def wine():
    """45 wines of three kinds, five measurements each, standardised."""
    X, y = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(X[::4, :5]), y[::4]


def images():
    """30 digits (n, 8, 8) with values from 0 to 16, and whether they are above four."""
    digits = load_digits()
    return digits.images[:30], digits.target[:30] > 4


def results(estimator, X):
    """List all that a fitted estimator makes of X: codes, reconstructions, predictions, scores."""
    made = []
    if hasattr(estimator, "transform"):
        made.append(estimator.transform(X))
    if hasattr(estimator, "inverse_transform"):
        made.append(estimator.inverse_transform(made[0]))
    if hasattr(estimator, "predict_proba"):
        made.append(estimator.predict_proba(X))
    elif hasattr(estimator, "predict"):
        made.append(estimator.predict(X))
    if hasattr(estimator, "score_samples"):
        made.append(estimator.score_samples(X))
    return [np.asarray(each) for each in made]
