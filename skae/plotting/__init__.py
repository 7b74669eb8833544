"""Plots of reductions, as scikit-learn's displays; they need matplotlib."""

from ._comparison import plot_comparison
from ._latent import LatentSpaceDisplay
from ._loss import LossCurveDisplay
from ._reconstruction import ReconstructionDisplay

__all__ = [
    "LatentSpaceDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
    "plot_comparison",
]
