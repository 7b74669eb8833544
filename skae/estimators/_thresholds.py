"""Where an outlier detector puts its threshold: the ways of `set_threshold`, by name."""

from numbers import Real

import numpy as np

from .._sklearn_compat import Interval, StrOptions


def weighted_quantile(scores, quantile, weights=None):
    """Return the quantile of scores as numpy does; with equal weights it is the same.

    Each score stands in the middle of its weight on the line of all weights, which is stretched
    so that the lowest and the highest score stand at 0 and 1: numpy's linear interpolation.
    """
    if weights is None or len(scores) == 1:
        return np.quantile(scores, quantile)
    order = np.argsort(scores, kind="stable")
    weights = np.asarray(weights)[order]
    middles = np.cumsum(weights) - weights / 2
    positions = (middles - middles[0]) / (middles[-1] - middles[0])
    return np.interp(quantile, positions, np.asarray(scores)[order])


def p_values_of_ranks(n_scores, weights=None):
    """Return the p-value of a row by how many of the sorted scores are not above its own.

    Parameters
    ----------
    n_scores : int
        Number of held-out scores.
    weights : ndarray of shape (n_scores,), default=None
        What each counts, in the order of the sorted scores. The new row counts as much as
        these on average, so that the unit of weights does not matter.

    Returns
    -------
    p_values : ndarray of shape (n_scores + 1,)
    """
    counts = np.arange(n_scores + 1.0)
    if weights is not None:
        counts[1:] = np.cumsum(weights / weights.mean())
        # The sum may miss it by rounding, and no p-value is above one.
        counts[-1] = n_scores
    return (1 + counts) / (1 + n_scores)


def offset_by_contamination(detector, contamination):
    if contamination == "auto":
        low, high = weighted_quantile(
            detector.calibration_scores_, [0.25, 0.75], detector._calibration_weights
        )
        # Tukey's fence: in a normal distribution 0.35 % of the rows are beyond it.
        return float(low - 1.5 * (high - low))
    return _training_quantile(detector, contamination)


def _offset_by_quantile(detector, quantile):
    return _training_quantile(detector, 1 - quantile)


def _training_quantile(detector, quantile):
    scores = detector.training_scores_[detector._training_rows]
    return float(weighted_quantile(scores, quantile, detector._training_weights))


def _offset_by_false_positive_rate(detector, rate):
    """Put the offset where a score is below it just if its p-value is at most ``rate``."""
    scores = detector.calibration_scores_
    # The last is 1, the p-value of rows that score above all held-out ones.
    p_values = p_values_of_ranks(len(scores), detector._calibration_weights)[:-1]
    n_positives = np.searchsorted(p_values, rate, side="right")
    if n_positives == 0:
        raise ValueError(
            f"false_positive_rate must be at least {p_values[0]:.3g} with {len(scores)} held-out "
            f"rows, got {rate}: fit with more rows or a larger calibration_fraction."
        )
    return float(scores[n_positives - 1])


CONTAMINATION = [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")]
_FRACTION = [Interval(Real, 0, 1, closed="neither")]

THRESHOLDS = {
    "contamination": (CONTAMINATION, offset_by_contamination),
    "quantile": (_FRACTION, _offset_by_quantile),
    "false_positive_rate": (_FRACTION, _offset_by_false_positive_rate),
}
