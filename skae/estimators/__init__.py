"""Estimators: what has ``fit``. New families build on what is named here."""

from ._base import NetworkEstimator
from ._mixins import AUGMENT_CONSTRAINTS, ROWS_CONSTRAINTS, ReconstructionMixin

__all__ = ["AUGMENT_CONSTRAINTS", "ROWS_CONSTRAINTS", "NetworkEstimator", "ReconstructionMixin"]
