"""Searches that train the networks of many candidates and folds as one, or on a cluster."""

from ._resilient import ResilientClient
from ._search import BatchedGridSearchCV

__all__ = ["BatchedGridSearchCV", "ResilientClient"]
