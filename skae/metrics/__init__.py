"""Scores of a reduction: what it reconstructs, which neighbors it keeps, what its code predicts.

Nothing here knows which model made the code or the reconstruction.
"""

from ._cycle import cycle_error
from ._neighbors import continuity, knn_accuracy, trustworthiness
from ._reconstruction import explained_variance, reconstruction_error, reconstruction_scorer

__all__ = [
    "continuity",
    "cycle_error",
    "explained_variance",
    "knn_accuracy",
    "reconstruction_error",
    "reconstruction_scorer",
    "trustworthiness",
]
