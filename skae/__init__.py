"""Autoencoders that behave like scikit-learn's PCA."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import (
        architectures,
        datasets,
        export,
        inspection,
        losses,
        metrics,
        model_selection,
        noises,
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
    "export",
    "export_onnx",
    "inspection",
    "load",
    "losses",
    "metrics",
    "model_card",
    "model_selection",
    "noises",
    "plotting",
    "save",
    "sources",
]

# Imported at their first use: a process that fits one estimator does not wait for the others.
_SUBMODULES = (
    "architectures",
    "datasets",
    "export",
    "inspection",
    "losses",
    "metrics",
    "model_selection",
    "noises",
    "plotting",
    "sources",
)
# The modules of classes and functions.
_MODULES = {
    "Autoencoder": "estimators.autoencoder",
    "AutoencoderClassifier": "estimators.classifier",
    "AutoencoderRegressor": "estimators.regressor",
    "Comparison": "comparison",
    "Denoiser": "estimators.denoiser",
    "HybridAutoencoder": "estimators.hybrid",
    "ParametricUMAP": "estimators.parametric_umap",
    "ReconstructionOutlierDetector": "estimators.outlier",
    "SequenceAutoencoder": "estimators.sequence_autoencoder",
    "SequencePredictor": "estimators.sequence",
    "SeriesForecaster": "estimators.forecaster",
    "SeriesOutlierDetector": "estimators.series_outlier",
    "ShiftTest": "estimators._shift_tests",
    "TableAutoencoder": "estimators.table",
    "TableEncoder": "estimators.table_encoder",
    "VariationalAutoencoder": "estimators.variational",
    "Windows": "estimators.windows",
    "compare": "comparison",
    "export_onnx": "export._onnx",
    "load": "persistence",
    "model_card": "_card",
    "save": "persistence",
}


# Type checkers know all names from above: by this function every misspelled one would be valid.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _SUBMODULES:
            return import_module(f".{name}", __name__)
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f".{_MODULES[name]}", __name__), name)
        # From now on found without this function.
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
