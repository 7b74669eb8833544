"""What a fit leaves: attributes that training determines, and a warning where it gained nothing."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._engine.data import Sample, TrainingSet, computing_dtype
from ._plan import FitMode

# Rows on which the error of the fitted network is measured: more hardly change its first digits.
MEASURED_ROWS = 10_000
# Fits of fewer epochs are trials, which are not expected to gain anything.
_MIN_EPOCHS = 5


class OutcomeMixin:
    """Attributes of a fitted estimator, beside those of its input."""

    # Of the estimator that this is mixed into.
    _reconstruct: Callable[..., Any]

    def _remember(self, net, mode):
        """Set the attributes that training determines."""
        epochs = [{k: v for k, v in epoch.items() if k != "batches"} for epoch in net.history]
        earlier = getattr(self, "history_", []) if mode.is_partial else []
        self.net_ = net
        self.module_ = net.module_
        self.history_ = earlier + epochs
        self.loss_curve_ = [epoch["train_loss"] for epoch in self.history_]
        self.n_iter_ = len(self.history_)
        if net.validation_data is not None:
            self.best_n_iter_ = dict(net.callbacks_)["best_weights"].best_epoch_
            _warn_of_no_gain(self, net)

    def _finish(self, training_set: TrainingSet, sample: Sample, mode: FitMode) -> None:
        """Set the attributes that depend on the trained network."""
        self.reconstruction_err_ = self._measure(sample, computing_dtype(training_set.X))

    def _measure(self, sample: Sample, dtype: Any) -> float:
        """Return the mean squared error of the reconstruction, in the data's units squared."""
        rows = sample.X[:MEASURED_ROWS].astype(dtype)
        errors = sample.rows[:MEASURED_ROWS] - self._reconstruct(rows)
        # nanmean would copy the errors.
        return float(np.mean(np.square(errors, out=errors), where=~np.isnan(errors)))


def _warn_of_no_gain(estimator, net):
    """Warn if the fitted network is the one that training started from.

    Parameters
    ----------
    estimator : NetworkEstimator
        Fitted with validation.
    net : Net
    """
    # Interrupted fits do not show what training can find; divergence has a warning of its own.
    stopping = dict(net.callbacks_).get("early_stopping")
    was_ended = stopping is not None and not stopping.is_complete(net)
    is_trial = was_ended or estimator.n_iter_ < _MIN_EPOCHS
    if estimator.best_n_iter_ or is_trial or not math.isfinite(estimator.loss_curve_[-1]):
        return
    warnings.warn(
        f"{type(estimator).__name__} found nothing beyond its start, which is {estimator._start}: "
        f"no epoch of {estimator.n_iter_} had a lower validation "
        "loss. Try a lower learning_rate_init, a larger max_iter, more rows, or more n_components; "
        "early_stopping=False trains without validation.",
        ConvergenceWarning,
        stacklevel=6,
    )
