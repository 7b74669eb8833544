"""Autoencoders that behave like scikit-learn's PCA."""

from . import architectures, datasets, metrics, plotting
from .comparison import Comparison, compare
from .estimators.autoencoder import Autoencoder

__version__ = "0.1.0"

__all__ = [
    "Autoencoder",
    "Comparison",
    "architectures",
    "compare",
    "datasets",
    "metrics",
    "plotting",
]
