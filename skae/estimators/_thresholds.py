"""Where an outlier detector puts its threshold: the ways of `set_threshold`, by name."""

from numbers import Real

import numpy as np

from .._sklearn_compat import Interval, StrOptions


def offset_by_contamination(detector, contamination):
    if contamination == "auto":
        low, high = np.quantile(detector.calibration_scores_, [0.25, 0.75])
        return float(low - 1.5 * (high - low))
    return float(np.quantile(detector.training_scores_, contamination))


def _offset_by_quantile(detector, quantile):
    return float(np.quantile(detector.training_scores_, 1 - quantile))


def _offset_by_false_alarm_rate(detector, rate):
    """Put the offset where a score is below it just if its p-value is at most ``rate``."""
    scores = detector.calibration_scores_
    p_values = np.arange(1, len(scores) + 1) / (len(scores) + 1)
    n_alarms = np.searchsorted(p_values, rate, side="right")
    if n_alarms == 0:
        raise ValueError(
            f"false_alarm_rate must be at least {p_values[0]:.3g} with {len(scores)} held-out "
            f"rows, got {rate}: fit with more rows or a larger calibration_fraction."
        )
    return float(scores[n_alarms - 1])


CONTAMINATION = [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")]
_SHARE = [Interval(Real, 0, 1, closed="neither")]

THRESHOLDS = {
    "contamination": (CONTAMINATION, offset_by_contamination),
    "quantile": (_SHARE, _offset_by_quantile),
    "false_alarm_rate": (_SHARE, _offset_by_false_alarm_rate),
}
