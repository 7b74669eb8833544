"""Autoencoders that behave like scikit-learn's PCA."""

from . import (
    architectures,
    datasets,
    inspection,
    metrics,
    model_selection,
    plotting,
    sources,
)
from ._card import model_card
from .comparison import Comparison, compare
from .estimators._shift_tests import ShiftTest
from .estimators.autoencoder import Autoencoder
from .estimators.classifier import AutoencoderClassifier
from .estimators.denoiser import Denoiser
from .estimators.forecaster import SeriesForecaster
from .estimators.hybrid import HybridAutoencoder
from .estimators.outlier import ReconstructionOutlierDetector
from .estimators.parametric_umap import ParametricUMAP
from .estimators.regressor import AutoencoderRegressor
from .estimators.sequence import SequencePredictor
from .estimators.sequence_autoencoder import SequenceAutoencoder
from .estimators.series_outlier import SeriesOutlierDetector
from .estimators.table import TableAutoencoder
from .estimators.table_encoder import TableEncoder
from .estimators.variational import VariationalAutoencoder
from .estimators.windows import Windows
from .export._onnx import export_onnx
from .persistence import load, save

__version__ = "0.1.0"

__all__ = [
    "Autoencoder",
    "AutoencoderClassifier",
    "AutoencoderRegressor",
    "Comparison",
    "Denoiser",
    "HybridAutoencoder",
    "ParametricUMAP",
    "ReconstructionOutlierDetector",
    "SequenceAutoencoder",
    "SequencePredictor",
    "SeriesForecaster",
    "SeriesOutlierDetector",
    "ShiftTest",
    "TableAutoencoder",
    "TableEncoder",
    "VariationalAutoencoder",
    "Windows",
    "architectures",
    "compare",
    "datasets",
    "export_onnx",
    "inspection",
    "load",
    "metrics",
    "model_card",
    "model_selection",
    "plotting",
    "save",
    "sources",
]
