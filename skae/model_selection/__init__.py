"""Searches that train the networks of many candidates and folds as one."""

from ._search import BatchedGridSearchCV

__all__ = ["BatchedGridSearchCV"]
