"""Autoencoders that behave like scikit-learn's PCA."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import architectures, losses, noises
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

if TYPE_CHECKING:
    from . import datasets, export, inspection, metrics, model_selection, plotting, sources
    from ._card import model_card
    from .comparison import Comparison, compare
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

# What stands around the estimators is imported at its first use: a process that only fits or
# predicts does not wait for it.
_SUBMODULES = (
    "datasets",
    "export",
    "inspection",
    "metrics",
    "model_selection",
    "plotting",
    "sources",
)
_FUNCTION_MODULES = {
    "Comparison": "comparison",
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
        if name not in _FUNCTION_MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f".{_FUNCTION_MODULES[name]}", __name__), name)
        # From now on found without this function.
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
