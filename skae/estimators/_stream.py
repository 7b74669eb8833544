"""How batches of a stream follow each other: from a start on the first rows to single steps."""

import copy
from numbers import Integral
from typing import Any

import numpy as np

from .._engine.data import Sample, TrainingSet
from .._engine.stream import Stream
from ..models._units import moved_units
from ._plan import FIRST_BATCH, NEW_START

# Center and scale of a stream are those of about so many rows: data that change are followed.
_REMEMBERED_ROWS = 5000


class StreamMixin:
    """What `partial_fit` of all families does before training."""

    # Of the estimator that this is mixed into.
    n_components: Any

    @property
    def _can_start_anew(self) -> bool:
        """Return whether a stream starts anew while few rows have come."""
        return True

    @property
    def _n_samples_before(self) -> int:
        """Return the number of samples before this call; files of earlier versions lack it."""
        return getattr(self, "n_samples_seen_", 0)

    def _check_size_of_stream(self) -> None:
        """Refuse a size of the code that the first batch cannot determine."""
        if not isinstance(self.n_components, Integral):
            raise ValueError(
                f"n_components={self.n_components!r} depends on all training rows: partial_fit "
                "without fit before it needs an integer."
            )

    def _in_stream(self, training_set: TrainingSet, run: Any) -> tuple[TrainingSet, Any]:
        """Return the rows to train on, and how.

        The first rows are kept while they are few, and training starts anew from all of them each
        time they have doubled: a few rows determine neither the scale nor where to start.
        """
        if run.mode == FIRST_BATCH:
            stream = Stream.started(training_set)
            if not self._can_start_anew:
                # Nothing is kept: training never starts anew from these rows.
                stream.first_rows = None
            return training_set, run._replace(stream=stream)
        earlier = getattr(getattr(self, "net_", None), "stream", None) or Stream()
        joined = earlier.joined(training_set)
        if joined is not None and earlier.starts_anew(joined):
            run = run._replace(mode=NEW_START, previous=None, stream=Stream.started(joined))
            return joined, run
        # A copy: a call that fails leaves the estimator's own network as it was.
        network, stream = copy.deepcopy(run.previous), earlier.continued(joined)
        return training_set, run._replace(previous=network, stream=stream)

    def _joined_ends(self, ends: Sample) -> Sample:
        """Return the smallest and largest values of all batches so far.

        A dark image changes neither what salt is nor the scale of SSIM. As the optimizer's moments,
        they start anew after pickle.
        """
        earlier = getattr(getattr(self, "net_", None), "ends", None)
        if earlier is None:
            return ends
        X = np.concatenate([earlier.X, ends.X])
        return Sample(X, np.concatenate([earlier.rows, ends.rows]), None, None).ends()

    def _move_units(self, sample, run):
        """Let center and scale follow the data, and the network compute the same in these units."""
        rows, weights = self._reconstructed_rows(sample)
        n_rows = sample.X.shape[0]
        n_before = min(self._n_samples_before or _REMEMBERED_ROWS, _REMEMBERED_ROWS)
        network, units = run.previous, run.previous.standardization
        factor, shift = moved_units(network, rows, weights, n_rows / (n_before + n_rows))
        if factor == 1 and not shift.any():
            return
        run.stream.change(network, lambda network: network.change_units(factor, shift))
        # In place: the network and a user's modules in it share this object. The shift is in units
        # of the old scale, and comes first.
        units.center += units.scale * shift
        units.scale *= factor

    def _check_basis(self, run):
        """Refuse parameters that are defined by features if the network sees a basis."""
        has_basis = run.previous.standardization.basis is not None
        if has_basis and not self._can_use_basis(run.loss):
            raise ValueError(
                "partial_fit continues with a network that sees principal directions in place of "
                "features, as fit chose. It has to be fitted anew with noise, augment or loss, got "
                f"noise={self.noise!r}, augment={getattr(self, 'augment', None)!r}, "
                f"loss={self.loss!r}."
            )
