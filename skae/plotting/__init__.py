"""Plots of reductions, as scikit-learn's displays; they need matplotlib."""

from ._comparison import plot_comparison
from ._latent import LatentSpaceDisplay
from ._loss import LossComparisonDisplay, LossCurveDisplay
from ._reconstruction import ReconstructionDisplay
from ._trade_offs import TradeOffDisplay

__all__ = [
    "LatentSpaceDisplay",
    "LossComparisonDisplay",
    "LossCurveDisplay",
    "ReconstructionDisplay",
    "TradeOffDisplay",
    "plot_comparison",
]
