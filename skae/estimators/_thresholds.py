"""Thresholds, labels and p-values from the scores of an outlier detector."""

from abc import abstractmethod
from numbers import Real
from typing import Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._sklearn_compat import Interval, StrOptions, validate_parameter_constraints
from .._typing import MatrixLike
from ._blocks import by_blocks


def weighted_quantile(scores, quantile, weights=None):
    """Return the quantile of scores as numpy does; with equal weights it is the same.

    Each score stands in the middle of its weight on the line of all weights, which is stretched
    so that the lowest and the highest score stand at 0 and 1: numpy's linear interpolation.
    """
    if weights is None or len(scores) == 1:
        return np.quantile(scores, quantile)
    # Stable: results must not depend on how ties are sorted.
    order = np.argsort(scores, kind="stable")
    weights = np.asarray(weights)[order]
    middles = np.cumsum(weights) - weights / 2
    positions = (middles - middles[0]) / (middles[-1] - middles[0])
    return np.interp(quantile, positions, np.asarray(scores)[order])


def p_values_of_ranks(n_scores, weights=None, n_units=None):
    """Return the p-value of a row by how many of the sorted scores are not above its own.

    Parameters
    ----------
    n_scores : int
        Number of held-out scores.
    weights : ndarray of shape (n_scores,), default=None
        What each counts, in the order of the sorted scores. The new row counts as much as
        these on average, so that the unit of weights does not matter.
    n_units : int, default=None
        How many independent observations the scores are, such as blocks of dependent ones. If None,
        as many as scores.

    Returns
    -------
    p_values : ndarray of shape (n_scores + 1,)
    """
    counts = np.arange(n_scores + 1.0)
    if weights is not None:
        counts[1:] = np.cumsum(weights / weights.mean())
        # The sum may miss it by rounding, and no p-value is above one.
        counts[-1] = n_scores
    n_units = n_scores if n_units is None else n_units
    return (1 + counts * (n_units / n_scores)) / (1 + n_units)


def _offset_by_contamination(detector, contamination):
    if contamination == "auto":
        low, high = weighted_quantile(
            detector.calibration_scores_, [0.25, 0.75], detector._calibration_weights
        )
        # Tukey's fence: in a normal distribution 0.35 % of the rows are beyond it.
        return float(low - 1.5 * (high - low))
    return _training_quantile(detector, contamination)


def _offset_by_quantile(detector, quantile):
    # Scores of outliers are low.
    return _training_quantile(detector, 1 - quantile)


def _training_quantile(detector, quantile):
    scores = detector.training_scores_[detector._training_rows]
    return float(weighted_quantile(scores, quantile, detector._training_weights))


def _offset_by_false_positive_rate(detector, rate):
    """Put the offset where a score is below it just if its p-value is at most ``rate``."""
    scores = detector.calibration_scores_
    # The last is 1, the p-value of rows that score above all held-out ones.
    p_values = detector._p_values_of_ranks()[:-1]
    # Of equal p-values all or none: a rate that one of them reaches includes it.
    n_positives = np.searchsorted(p_values, rate, side="right")
    if n_positives == 0:
        raise ValueError(
            f"false_positive_rate must be at least {p_values[0]:.3g} with "
            f"{detector._calibration_units()}, got {rate}: fit with more rows or a larger "
            "calibration_fraction."
        )
    return float(scores[n_positives - 1])


CONTAMINATION = [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")]
_FRACTION = [Interval(Real, 0, 1, closed="neither")]

# By the argument of set_threshold: its constraints, and the offset for it.
_THRESHOLDS = {
    "contamination": (CONTAMINATION, _offset_by_contamination),
    "quantile": (_FRACTION, _offset_by_quantile),
    "false_positive_rate": (_FRACTION, _offset_by_false_positive_rate),
}


class ThresholdMixin:
    """Labels and p-values from ``score_samples``, for detectors that hold out rows."""

    @abstractmethod
    def score_samples(self, X: MatrixLike) -> np.ndarray:
        """Score rows: higher is more normal."""

    def _calibrate(self, split):
        """Store the scores and weights from which thresholds and p-values are computed."""
        scores = self.training_scores_[split.held_out]
        # Sorted once, so that a p-value is a binary search.
        order = np.argsort(scores, kind="stable")
        self.calibration_scores_ = scores[order]
        self._calibration_weights = split.weights(split.held_out[order])
        self._training_rows = np.concatenate([split.held_out, split.fitted])
        self._training_weights = split.weights(self._training_rows)

    @by_blocks
    def decision_function(self, X: MatrixLike) -> np.ndarray:
        """Score rows as `score_samples` does, shifted so that outliers are below zero.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        decisions : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    @by_blocks
    def predict(self, X: MatrixLike) -> np.ndarray:
        """Predict whether rows are normal or outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            1 for normal rows, -1 for outliers.
        """
        # Zero is normal, by scikit-learn's convention of detectors.
        return np.where(self.decision_function(X) < 0, -1, 1)

    def set_threshold(
        self,
        *,
        contamination: float | str | None = None,
        quantile: float | None = None,
        false_positive_rate: float | None = None,
    ) -> Self:
        """Move `offset_` without another fit; give exactly one of the three.

        Parameters
        ----------
        contamination : 'auto' or float in (0, 0.5], default=None
            As the parameter of the class: the fraction of the training rows called outliers.
        quantile : float in (0, 1), default=None
            Fraction of the training rows called normal.
        false_positive_rate : float in (0, 1), default=None
            Call a row an outlier if its p-value is at most this, which holds for at most
            this fraction of normal rows, see `p_values`. With m held-out rows it is
            ``1 / (m + 1)`` at least.

        Returns
        -------
        self : estimator
            The detector itself.

        Raises
        ------
        ValueError
            If none or several are given, or one is out of its range.
        """
        check_is_fitted(self)
        given = {
            "contamination": contamination,
            "quantile": quantile,
            "false_positive_rate": false_positive_rate,
        }
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) != 1:
            raise ValueError(
                "set_threshold needs exactly one of contamination, quantile and "
                f"false_positive_rate, got {given or 'none'}."
            )
        [(name, value)] = given.items()
        constraints, offset = _THRESHOLDS[name]
        validate_parameter_constraints({name: constraints}, given, "set_threshold")
        self.offset_ = offset(self, value)
        return self

    @by_blocks
    def p_values(self, X: MatrixLike) -> np.ndarray:
        """Return conformal p-values: how often a normal row scores at most as high.

        With m held-out rows it is ``(1 + those that score no higher) / (m + 1)``. For a new
        row from the population of the training rows, a p-value of at most alpha has a
        probability of at most alpha, whatever the reducer. This is on average over draws of
        the held-out rows; for one draw the rate varies by some ``sqrt(alpha / m)``. Held-out
        rows that are outliers, and have low scores, make p-values larger. Training rows have
        no valid p-values, and neither has any row if a frozen reducer was fitted on the
        training rows. With ``sample_weight``, held-out rows count by their weights, and a new
        row as much as they do on average.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p_values : ndarray of shape (n_samples,)
            From ``1 / (m + 1)``, for outliers, to 1.
        """
        scores = self.score_samples(X)
        # Ties count against normality: p-values are then valid, if a little large.
        ranks = np.searchsorted(self.calibration_scores_, scores, side="right")
        return self._p_values_of_ranks()[ranks]

    def _p_values_of_ranks(self):
        return p_values_of_ranks(len(self.calibration_scores_), self._calibration_weights)

    def _calibration_units(self):
        """Return in words what the p-values count."""
        return f"{len(self.calibration_scores_)} held-out rows"
