"""Scores of tables: of values, rows and columns of all kinds, in one unit."""

import copy
from typing import Any

import numpy as np
import torch

from .._engine.inference import map_rows
from .._typing import TableLike
from ..tables._filling import scores_like

# Columns of a smaller variance or entropy are constant in the rows that are scored.
_MIN_CONSTANT_LOSS = 1e-9


class TableScoresMixin:
    """Scores of an estimator of tables, by the losses of its columns."""

    # Of the estimator that this is mixed into.
    module_: Any
    encoder_: Any
    n_features_in_: int

    def _read(self, X: Any) -> Any:
        raise NotImplementedError

    def score(self, X: TableLike, y: object = None) -> float:
        """Return the fraction of the columns' variance and entropy that the codes explain.

        For each column, one minus its loss divided by the loss of a constant prediction: the
        variance of a numeric column, the entropy of one of categories. Missing values, and columns
        that are constant in X, are left out.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.
        y : None
            Ignored.

        Returns
        -------
        score : float
            The mean over columns: 1 is perfect, 0 as good as the means and frequencies of X.
        """
        rows = self._read(X)
        columns = copy.deepcopy(self.module_.columns).double().cpu()
        of_constants = columns.constant_losses(torch.from_numpy(rows)).numpy()
        varies = of_constants > _MIN_CONSTANT_LOSS
        losses = (
            np.nanmean(self._losses(rows)[:, varies], axis=0) * columns.baseline.numpy()[varies]
        )
        return float(np.mean(1 - losses / of_constants[varies])) if varies.any() else 1.0

    def column_scores(self, X: TableLike) -> Any:
        """Return how well each value is reconstructed, in one unit for all kinds of columns.

        The score is one minus the loss of the value, divided by what this is on training rows
        without knowledge of the row: the variance of a numeric column, the entropy of categories.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.

        Returns
        -------
        scores : {DataFrame, ndarray} of shape (n_samples, n_features)
            1 is perfect, 0 as good as the mean or the frequencies, and lower is worse. NaN for
            missing values, and for columns that were constant in `fit`. A frame if X is one.
        """
        losses = self._losses(self._read(X))
        scores = np.full((len(losses), self.n_features_in_), np.nan)
        scores[:, [column.n_encoded > 0 for column in self.encoder_.columns_]] = 1 - losses
        return scores_like(X, scores)

    def score_samples(self, X: TableLike) -> np.ndarray:
        """Return minus the mean loss of each row's columns.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Higher is more normal. Missing values are left out; a row without observed values
            scores 0.
        """
        losses = self._losses(self._read(X))
        n_observed = np.maximum(np.sum(~np.isnan(losses), axis=1), 1)
        scores: np.ndarray = -np.nansum(losses, axis=1) / n_observed
        return scores

    def _losses(self, rows: np.ndarray) -> Any:
        """Return the loss of each column that varies, NaN where it is missing."""
        columns = self.module_.columns
        losses = map_rows(self.module_, "column_losses", rows, columns.n_columns, allow_nan=True)
        losses[np.isnan(rows[:, columns.first.numpy(force=True)])] = np.nan
        return losses
