"""Split-conformal intervals of forecasts, one width for each step ahead and value of a frame."""

import math
from abc import abstractmethod
from collections.abc import Callable
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from .._typing import MatrixLike
from .._utils import unchanged_on_error
from ._sequence_input import Sequences


def sorted_errors(truth: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Return the absolute errors of each value in increasing order, NaN for missing ones last.

    Parameters
    ----------
    truth, forecast : ndarray of shape (n_samples, n_values)
    """
    return np.sort(np.abs(truth - forecast), axis=0)


def conformal_widths(errors: np.ndarray, coverage: float) -> np.ndarray:
    """Return the half width of an interval for each value, from errors on held-out data.

    It is the ``ceil((n + 1) * coverage)``-th smallest of n errors, which is at least as large as a
    further error, exchangeable with them, with a probability of at least ``coverage``.

    Parameters
    ----------
    errors : ndarray of shape (n_samples, n_values)
        As of `sorted_errors`.
    coverage : float in (0, 1)
    """
    counts = np.count_nonzero(~np.isnan(errors), axis=0)
    # Rounding must not lift an integer by one.
    ranks = np.ceil((counts + 1) * coverage - 1e-9).astype(int)
    if (ranks > counts).any():
        n_needed = math.ceil(coverage / (1 - coverage) - 1e-9)
        raise ValueError(
            f"coverage={coverage} needs at least {n_needed} held-out forecasts to calibrate on, "
            f"got {counts.min()}: calibrate on more data, or lower the coverage."
        )
    widths: np.ndarray = np.take_along_axis(errors, ranks[None] - 1, axis=0)[0]
    return widths


class ForecastIntervalMixin:
    """Intervals of forecasts, calibrated on sequences that were held out."""

    _read: Callable[..., Sequences]
    _forecast: Callable[..., np.ndarray]
    _shaped: Callable[..., np.ndarray]

    @abstractmethod
    def _checked_steps(self, n_steps: int | None) -> int:
        """Return the number of steps to forecast."""

    def calibrate(self, X: MatrixLike, n_steps: int | None = None) -> Self:
        """Measure the errors of forecasts of held-out sequences, for `predict_interval`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Sequences that `fit` has not seen, in a layout that it takes. The last frames of each
            are forecast from the frames before them.
        n_steps : int, default=None
            Number of steps ahead that intervals will reach. If None, as many as are predicted at
            once.

        Returns
        -------
        self : SequencePredictor
            With `calibration_errors_`, until it is trained again.

        Raises
        ------
        ValueError
            If a sequence has no frame before the last ``n_steps``.
        """
        check_is_fitted(self)
        n_steps = self._checked_steps(n_steps)
        with unchanged_on_error(self):
            sequences = self._read(X, min_timesteps=n_steps + 1)
            forecast = self._forecast(sequences.without_last(n_steps), n_steps)
            self.calibration_errors_ = sorted_errors(
                sequences.last(n_steps).astype(np.float64), forecast
            )
        return self

    def predict_interval(
        self, X: MatrixLike, n_steps: int | None = None, *, coverage: float = 0.9
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return bounds between which the next frames lie with a given probability.

        They are split-conformal: if new sequences and those of `calibrate` are exchangeable, such
        as sequences drawn at random from the same population, each value of each step lies between
        its bounds with a probability of at least ``coverage``, on average over sequences, whatever
        the model and the distribution. That holds for each value by itself, not for all of them at
        once.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_timesteps, *frame_shape), flat, or a list
            Sequences, in a layout that `fit` takes.
        n_steps : int, default=None
            Number of frames to predict. If None, as many as are predicted at once.
        coverage : float in (0, 1), default=0.9
            Probability that a value lies within its interval. 0.9 needs nine calibration
            sequences, 0.99 needs 99.

        Returns
        -------
        lower, upper : ndarray of shape (n_samples, n_steps, *frame_shape)
            In the layout that `forecast` returns.

        Raises
        ------
        ValueError
            If `calibrate` has not been called, or with too few sequences or steps.
        """
        check_is_fitted(self)
        n_steps = self._checked_steps(n_steps)
        check_scalar(coverage, "coverage", Real, min_val=0, max_val=1, include_boundaries="neither")
        sequences = self._read(X)
        widths = conformal_widths(self._errors_of(n_steps), coverage)
        forecast = self._forecast(sequences, n_steps)
        lower, upper = (forecast + sign * widths.astype(forecast.dtype) for sign in (-1, 1))
        shapes: dict[str, Any] = {"n_steps": n_steps, "is_flat": sequences.is_flat}
        return self._shaped(lower, **shapes), self._shaped(upper, **shapes)

    def _errors_of(self, n_steps: int) -> np.ndarray:
        """Return the errors of the first steps, (n_samples, n_steps * frame size)."""
        errors = getattr(self, "calibration_errors_", None)
        n_values: int = n_steps * self._n_outputs  # type: ignore[attr-defined]
        if errors is None or errors.shape[1] < n_values:
            got = "none" if errors is None else f"{errors.shape[1] * n_steps // n_values} steps"
            raise ValueError(
                f"Intervals of {n_steps} steps need as many that are calibrated, got {got}: call "
                f"calibrate(X_held_out, n_steps={n_steps}) after fit, with sequences that fit has "
                "not seen."
            )
        return errors[:, :n_values]
