"""Searches whose fits train together, continue from each other, or run on a cluster."""

from ._halving import ResumingHalvingGridSearchCV, ResumingHalvingRandomSearchCV
from ._resilient import ResilientClient
from ._search import BatchedGridSearchCV

__all__ = [
    "BatchedGridSearchCV",
    "ResilientClient",
    "ResumingHalvingGridSearchCV",
    "ResumingHalvingRandomSearchCV",
]
