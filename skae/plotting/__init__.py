"""Plots of reductions, as scikit-learn's displays; they need matplotlib."""

from ._comparison import plot_comparison
from ._components import (
    ComponentActivityDisplay,
    ComponentImportancesDisplay,
    DisentanglementDisplay,
)
from ._errors import ErrorMapDisplay
from ._feature_maps import FeatureMapDisplay
from ._grids import ImageGridDisplay
from ._latent import LatentSpaceDisplay
from ._live import LiveLoss, animate_latent
from ._loss import LossComparisonDisplay, LossCurveDisplay
from ._moves import MapMovesDisplay
from ._outliers import ContributionDisplay, OutlierDisplay
from ._reconstruction import ReconstructionDisplay
from ._series import ForecastDisplay, SeriesDisplay
from ._series_outliers import SeriesOutlierDisplay
from ._trade_offs import TradeOffDisplay
from ._walks import InterpolationDisplay, ManifoldDisplay, TraversalDisplay
from .explorer import ExplorerPage, explore

__all__ = [
    "ComponentActivityDisplay",
    "ComponentImportancesDisplay",
    "ContributionDisplay",
    "DisentanglementDisplay",
    "ErrorMapDisplay",
    "ExplorerPage",
    "FeatureMapDisplay",
    "ForecastDisplay",
    "ImageGridDisplay",
    "InterpolationDisplay",
    "LatentSpaceDisplay",
    "LiveLoss",
    "LossComparisonDisplay",
    "LossCurveDisplay",
    "ManifoldDisplay",
    "MapMovesDisplay",
    "OutlierDisplay",
    "ReconstructionDisplay",
    "SeriesDisplay",
    "SeriesOutlierDisplay",
    "TradeOffDisplay",
    "TraversalDisplay",
    "animate_latent",
    "explore",
    "plot_comparison",
]
