"""User-supplied losses, noise and augmentation, tried on a few rows before work begins."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from .._engine.data import Sample, TrainingSet, to_float
from .._engine.environment import isolated_global_rng
from .._utils import refuse_class
from ..losses import Loss, Target
from ..networks.generators import use_generator
from ..networks.standardization import Standardization
from ..noises import Noise
from ._plan import MIN_BATCH_ROWS


class TrialMixin:
    """One call of each function that a user supplied, as training would make it."""

    # Of the estimator that this is mixed into.
    noise: Any
    batch_size: Any
    _criterion: Callable[..., Any]
    _corruption: Callable[..., Any]

    @property
    def _trains_on_rows(self) -> bool:
        """Return whether the network's inputs are rows of X."""
        return True

    def _try_user_code(self, training_set: TrainingSet, run: Any) -> None:
        """Raise a ValueError or TypeError that names the function that cannot be used.

        Training would find out at its first batch. The functions get rows of X, as many as in a
        batch, since they may be defined only for such values.
        """
        tries = {
            "loss": self._try_loss,
            "augment": self._try_augment,
            "noise": self._try_noise,
        }
        parameters = vars(self)
        given = [name for name in tries if not isinstance(parameters.get(name), str | None)]
        batch_size = MIN_BATCH_ROWS if self.batch_size == "auto" else self.batch_size
        sample = _first_rows(self._rows_to_train_on(training_set, run), batch_size)
        drawing = torch.Generator(run.device).manual_seed(0)
        with isolated_global_rng(0), use_generator(drawing):
            for name in given:
                with _naming(name):
                    tries[name](sample, run)

    def _rows_to_train_on(self, training_set: TrainingSet, run: Any) -> TrainingSet:
        """Return the rows with equal ones merged into weights, unless the loss takes none."""
        merged = training_set.merged()
        if merged.weights is None or training_set.weights is not None:
            return merged
        return training_set if self._compares_batches(training_set, run) else merged

    def _compares_batches(self, training_set: TrainingSet, run: Any) -> bool:
        """Return whether the loss is one number for a batch; those with names are not."""
        if isinstance(vars(self).get("loss", ""), str):
            return False
        sample = _first_rows(training_set, MIN_BATCH_ROWS)
        with isolated_global_rng(0), _naming("loss"):
            result = self._call_loss(
                sample, run, lambda criterion, *batch: criterion.compares_batches(*batch)
            )
        return bool(result)

    def _try_loss(self, sample: Sample, run: Any) -> None:
        def call(criterion: Any, prediction: Any, batch: Any, units: Any) -> None:
            weights = None if sample.weights is None else batch.new_ones(len(batch))
            criterion(prediction, Target(batch, weights=weights), units)

        self._call_loss(sample, run, call)

    def _call_loss(self, sample: Sample, run: Any, call: Callable[..., Any]) -> Any:
        """Return ``call(criterion, prediction, rows, units)`` for rows of the sample."""
        units = _units(sample.rows, run.loss, run.device)
        # Frames of sequences are compared one by one.
        batch = _standardized(sample.rows, units).flatten(0, -2)
        criterion = self._criterion(run.loss).to(run.device).eval()
        prediction = batch.nan_to_num()
        try:
            return call(criterion, prediction.requires_grad_(), batch, units)
        except (ValueError, ArithmeticError, RuntimeError):
            # A loss may be defined only for some values, such as positive ones, to which the
            # decoder's output is limited: values at the border are no fair trial.
            inner = prediction.detach().mean(0).expand_as(prediction).clone().requires_grad_()
            return call(criterion, inner, batch, units)

    def _try_noise(self, sample: Sample, run: Any) -> None:
        # Codes of a reducer are not known before it is fitted.
        if self._trains_on_rows:
            self._try_change(sample, run.noise, run, "corrupted")

    def _try_augment(self, sample: Sample, run: Any) -> None:
        refuse_class("augment", getattr(self, "augment", None))
        self._try_change(sample, None, run, "augmented")

    def _try_change(self, sample: Sample, noise: Noise | None, run: Any, method: str) -> None:
        units = _units(sample.X, noise, run.device)
        corruption = self._corruption(noise, units, sample)
        getattr(corruption, method)(_standardized(sample.X, units))


def _first_rows(training_set: TrainingSet, n_rows: int) -> Sample:
    few = TrainingSet(*(None if part is None else part[:n_rows] for part in training_set))
    return Sample(to_float(few.X), to_float(few.rows), few.labels, few.weights)


def _units(rows: np.ndarray, function: Loss | Noise | None, device: torch.device) -> Any:
    """Return about the units of all rows; for functions of data, units that round nothing."""
    center, scale = np.zeros(rows.shape[-1]), 1.0
    if function is not None and function.units == "standardized":
        known = np.nan_to_num(rows.reshape(-1, rows.shape[-1]))
        center, scale = known.mean(axis=0), float(known.std()) or 1.0
    is_sigmoid = function is not None and function.units == "logits"
    # Not all devices have float64.
    return Standardization(torch.from_numpy(center), scale, sigmoid=is_sigmoid).float().to(device)


def _standardized(rows: np.ndarray, units: Any) -> torch.Tensor:
    batch: torch.Tensor = units.standardize(torch.from_numpy(rows).to(units.center))
    return batch


@contextmanager
def _naming(parameter: str) -> Iterator[None]:
    """Name the parameter in an error of the user's own code."""
    try:
        yield
    # User-supplied code may raise anything.
    except Exception as error:
        if str(error).startswith(f"{parameter} must"):
            raise
        raise ValueError(
            f"{parameter} must be a function of batches of the data, and raised "
            f"{type(error).__name__} for rows of X: {error}"
        ) from error
