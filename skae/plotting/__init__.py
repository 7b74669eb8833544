"""Plots of reductions, as scikit-learn's displays; they need matplotlib."""

from ._comparison import plot_comparison
from ._errors import ErrorMapDisplay
from ._feature_maps import FeatureMapDisplay
from ._grids import ImageGridDisplay
from ._latent import LatentSpaceDisplay
from ._loss import LossComparisonDisplay, LossCurveDisplay
from ._reconstruction import ReconstructionDisplay
from ._trade_offs import TradeOffDisplay
from ._walks import InterpolationDisplay, ManifoldDisplay, TraversalDisplay

__all__ = [
    "ErrorMapDisplay",
    "FeatureMapDisplay",
    "ImageGridDisplay",
    "InterpolationDisplay",
    "LatentSpaceDisplay",
    "LossComparisonDisplay",
    "LossCurveDisplay",
    "ManifoldDisplay",
    "ReconstructionDisplay",
    "TradeOffDisplay",
    "TraversalDisplay",
    "plot_comparison",
]
