"""What an estimator has to say of training by several processes."""

from collections.abc import Callable
from typing import Any

from .._engine import checkpoint
from .._engine.data import TrainingSet
from .._engine.rungs import Rung, open_rung
from ..sources import RowSource


class ParallelMixin:
    """Refusal of what several processes cannot divide, before work begins."""

    # Of the estimator that this is mixed into.
    compile: bool
    max_iter: int | str
    _compares_batches: Callable[..., bool]

    def _find_whole_batch_term(self) -> str | None:
        """Return what of the loss compares the rows of a batch with each other, in words.

        None if it is a mean over rows, of which several processes can compute parts; other values
        of a whole batch come from `networks.parts`.
        """
        return None

    def _check_parallel(self, training_set: TrainingSet, run: Any) -> None:
        """Raise a ValueError if several processes cannot divide the training."""
        term = self._find_whole_batch_term()
        if run.mode.is_partial:
            term = "partial_fit trains on a few rows at a time"
        elif isinstance(training_set.X, RowSource):
            term = "rows that are read block by block are not divided yet, expected an array"
        elif self.compile:
            term = "compile=True compiles the steps of one process, expected False"
        elif isinstance(self.max_iter, Rung):
            term = "a search whose fits pause keeps the state of one process"
        if term is not None:
            raise ValueError(
                f"{type(self).__name__} cannot be trained by several processes: {term}. Set the "
                "environment variable SKAE_DISTRIBUTED=0, by which every process trains a model of "
                "its own."
            )
        if self._compares_batches(training_set, run):
            raise ValueError(
                "loss must return a value for each sample or each entry (reduction='none') where "
                "several processes train together, got one number for a batch."
            )


def open_checkpoint(estimator: Any, training_set: TrainingSet, ranks: Any) -> Any:
    """Return the checkpoint of a fit of one process, of several, or of a rung of a search."""
    if isinstance(estimator.max_iter, Rung):
        return open_rung(estimator.max_iter, estimator.get_params(), training_set)
    if ranks is not None:
        return ranks.open_checkpoint(estimator, training_set)
    return checkpoint.open_checkpoint(estimator.checkpoint, estimator.get_params(), training_set)
