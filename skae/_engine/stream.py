"""What a stream of batches keeps from call to call, beside the network it trains."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from sklearn.utils import gen_batches

from .callbacks import WeightAverage, averaged_weights
from .data import TrainingSet

# The mean of the weights reaches back over a fifth of the rows so far, and over this many at most:
# a longer mean is slow to follow data that change, a shorter one follows single rows.
_HORIZON_DIVISOR, _MAX_HORIZON_ROWS = 5, 2000
# A stream starts anew until so many rows have come: fewer determine neither scale nor principal
# directions. They are kept meanwhile, fewer of them if they are long.
_FIRST_ROWS, _FIRST_VALUES = 500, 2**22


@dataclass
class Stream:
    """State of a stream of batches.

    Each call makes a new one, so that a call that fails leaves none behind.

    Attributes
    ----------
    weights : list of list of Tensor, or None
        The weights that steps continue from; the network holds their mean. None if both are the
        same.
    n_rows : float
        Rows that the mean has taken in; infinite after a fit on all data.
    first_rows : TrainingSet or None
        All rows so far, while they are few.
    n_started : int
        Number of rows from which training has started.
    """

    weights: list | None = None
    n_rows: float = math.inf
    first_rows: TrainingSet | None = None
    n_started: int = 0

    @classmethod
    def started(cls, training_set):
        """Return a stream that starts from these rows, which it keeps if they are few."""
        n_rows = training_set.X.shape[0]
        if _is_constant(training_set.rows):
            # Nothing can be learned from them, and one of them says all.
            first = (None if part is None else part[:1] for part in training_set)
            return cls(None, 0, TrainingSet(*first), 1)
        is_short = n_rows < _first_rows(training_set)
        return cls(None, 0, training_set if is_short else None, n_rows)

    def joined(self, training_set):
        """Return first rows and new ones as one, or None if the first ones are not kept."""
        if self.first_rows is None or not _are_alike(self.first_rows, training_set):
            return None
        return concatenated(self.first_rows, training_set)

    def starts_anew(self, joined):
        """Return whether there are enough rows more than at the last start."""
        return joined.X.shape[0] >= min(2 * self.n_started, _first_rows(joined))

    def continued(self, first_rows):
        """Return a stream that continues this one, with weights of its own."""
        weights = self.weights
        if weights is not None:
            weights = [[weight.clone() for weight in group] for group in weights]
        return Stream(weights, self.n_rows, first_rows, self.n_started)

    def change(self, network, change):
        """Apply a change to the mean of the weights, in the network, and to the weights."""
        change(network)
        if self.weights is not None:
            self._exchange(network)
            change(network)
            self._exchange(network)

    @torch.no_grad()
    def _exchange(self, network):
        """Exchange the weights that steps continue from for their mean, in the network."""
        for kept, shown in zip(self.weights, averaged_weights(network), strict=True):
            for a, b in zip(kept, shown, strict=True):
                a_before = a.clone()
                a.copy_(b)
                b.copy_(a_before)


def _are_alike(first, second):
    """Return whether rows and labels have the same shapes; sequences may be longer."""
    parts = [(first.X, second.X), (first.labels, second.labels)]
    return all(a is None or a.shape[1:] == b.shape[1:] for a, b in parts)


def _first_rows(training_set):
    return min(_FIRST_ROWS, max(_FIRST_VALUES // math.prod(training_set.X.shape[1:]), 1))


def _is_constant(rows):
    if sparse.issparse(rows):
        return rows.count_nonzero() == 0
    return all((rows[some] == rows[0]).all() for some in gen_batches(len(rows), _FIRST_ROWS))


def concatenated(first, second):
    """Return the rows of both; those without weights have weight one."""
    X = _stacked(first.X, second.X)
    has_target = first.X_target is not None or second.X_target is not None
    labels = None if first.labels is None else np.concatenate([first.labels, second.labels])
    weights = None
    if first.weights is not None or second.weights is not None:
        both = (first, second)
        weights = [np.ones(s.X.shape[0]) if s.weights is None else s.weights for s in both]
        weights = np.concatenate(weights)
    return TrainingSet(
        X, _stacked(first.rows, second.rows) if has_target else None, labels, weights
    )


def _stacked(first, second):
    if sparse.issparse(first) or sparse.issparse(second):
        return sparse.vstack([first, second], format="csr")
    return np.concatenate([first, second])


class StreamAverage(WeightAverage):
    """Keep the mean of the weights over the last rows of a stream.

    The network holds the mean between calls, and steps continue from the weights themselves.

    Parameters
    ----------
    stream : Stream
        Holds these weights; they are replaced when training ends.
    """

    def __init__(self, stream):
        self.stream = stream

    def on_train_begin(self, net, **kwargs):
        super().on_train_begin(net)
        # The module shows the mean, which is restored if training diverges.
        self.shows_mean_ = True
        if self.stream.weights is not None:
            self.hidden_ = self.stream.weights

    def on_batch_end(self, net, batch, training, **kwargs):
        n_rows = len(batch[0])
        self.stream.n_rows += n_rows
        horizon = min(self.stream.n_rows / _HORIZON_DIVISOR, _MAX_HORIZON_ROWS)
        for hidden, weights in zip(self.hidden_, self.weights_, strict=True):
            torch._foreach_lerp_(hidden, weights, min(n_rows / horizon, 1.0))

    def on_train_end(self, net, **kwargs):
        self._show(mean=True)
        is_finite = all(w.isfinite().all() for group in self.hidden_ for w in group)
        self.stream.weights = self.hidden_ if is_finite else None
        del self.weights_, self.hidden_
