"""Every parameter that is 'auto', resolved. These numbers stand only here, with their reasons.

They were chosen on 12 data sets of 133 to 7,500 rows and judged on others: benchmarks/NOTES.md.
"""

import math
from numbers import Integral
from typing import NamedTuple

from .._engine.environment import multiplications_per_row
from .._engine.layers import has_fast_bfloat16
from .._engine.rungs import Rung
from .._engine.training import TrainingPlan

# ``batch_size='auto'`` makes this many updates an epoch, within limits: below 24 rows steps cost
# more than they bring (small fits are bound by the number of steps), above 192 an epoch makes so
# few updates that more epochs are needed.
_UPDATES_PER_EPOCH, MIN_BATCH_ROWS, _MAX_BATCH_ROWS = 16, 24, 192
# Pixels in a batch of images whose places share weights: those of 192 images of 28×28. Larger ones
# give gradients as exact in fewer rows, and more updates in as many epochs: brain scans of 64×64
# have 0.98 times the error, of 128×128 0.99 times, in less time.
_MAX_BATCH_PIXELS = 192 * 28 * 28
# ``max_iter='auto'`` aims at this many updates in all, within these numbers of epochs: MNIST's
# error falls little after 2,000, and 60 epochs overfit small sets.
_UPDATES, _MIN_EPOCHS, _MAX_EPOCHS = 2000, 30, 60
# More rows do not need more updates without end. From these on, which are 30 epochs of a million
# rows, training makes fewer epochs; where a single one would make more, batches grow instead.
_MAX_UPDATES = 160_000
# Few rows are soon overfitted: at most one epoch for this many rows, but this many epochs at least.
_ROWS_PER_EPOCH, _MIN_EPOCHS_OF_SMALL_SETS = 9, 15
# AdamW decays weights apart from the gradient, and needs more; optimizers that add decay to the
# gradient diverge with as much.
_DECAY, _COUPLED_DECAY = {"adamw": 1.0}, 0.01
# Ordered components: training has as many tasks as there are components, and takes longer. It
# decodes truncated codes, which regularizes the network as well: less decay is needed.
_ORDERED_EPOCHS_FACTOR, _ORDERED_DECAY_FACTOR = 3, 0.5
# Fraction of a schedule that anneals the learning rate before which training is not stopped: while
# the rate is high, the loss may rise above that of the start and fall again.
_UNSTOPPED_FRACTIONS = {"one_cycle": 0.5, "cosine": 0.5}
# A stream has no schedule: its constant rate is this fraction of the peak, if that is one. It takes
# up to this many rows in one step, and with fewer it is smaller by their square root, so that the
# noise of as many rows adds up to the same.
_STREAM_RATE, _STREAM_BATCH_ROWS = 0.5, 64
# Fraction of the observed values that training hides from the encoder, if values are missing.
HIDDEN_FRACTION = 0.3
# Of tables training hides about as many columns of a row as are missing, within these limits: from
# few hidden columns little is learned of imputation, and from many codes get worse. On eight tables
# of which a fifth was removed, fractions from 0.2 to 0.5 imputed alike.
_MIN_HIDDEN_COLUMNS, _MAX_HIDDEN_COLUMNS = 0.2, 0.5

# Multiplications of a forward pass of a batch from which ``precision='auto'`` is bfloat16 on a GPU.
# Its casts are further launches: on an H200, steps of up to 20e9 multiplications take 1.2 to 1.6
# times as long, since they wait for the host (2 to 5 ms in float32, 3 to 7 in bfloat16). Above that
# nothing was measured. With so many, float32 computes for 47 ms in dense layers, at 25e12
# multiplications a second, and for some 12 ms in convolutions, whose inputs torch rounds anyway;
# bfloat16 makes 440e12.
_LONG_STEP_MULTIPLICATIONS = 4e11


# ``n_components='auto'`` explains this fraction of the variance as PCA would: the upper end of the
# usual range (Jolliffe, 2002, Principal component analysis, section 6.1), since what a code leaves
# out cannot be decoded.
_VARIANCE_FRACTION = 0.9


def size_for_pca(n_components: float | str) -> float:
    """Return ``n_components`` as `sklearn.decomposition.PCA` takes it."""
    return _VARIANCE_FRACTION if isinstance(n_components, str) else n_components


def hidden_fraction(missing_fraction: float) -> float:
    """Return the fraction of a table's columns to hide, given that of its missing values."""
    return min(max(missing_fraction, _MIN_HIDDEN_COLUMNS), _MAX_HIDDEN_COLUMNS)


class FitMode(NamedTuple):
    """How a call of ``fit`` or ``partial_fit`` trains.

    Attributes
    ----------
    is_partial : bool
        Whether one pass is made over a batch of data.
    continues : bool
        Whether training starts from the weights of an earlier call.
    forgets : bool
        Whether nothing that an earlier call learned is kept.
    resets : bool
        Whether attributes of the input are set, rather than compared.
    min_rows : int
        Rows that the call needs.
    """

    is_partial: bool
    continues: bool
    forgets: bool
    resets: bool
    min_rows: int


# A fit needs two rows: one does not determine the scale. A stream may begin with one.
FIT = FitMode(is_partial=False, continues=False, forgets=True, resets=True, min_rows=2)
WARM_START = FitMode(is_partial=False, continues=True, forgets=False, resets=True, min_rows=2)
FIRST_BATCH = FitMode(is_partial=True, continues=False, forgets=True, resets=True, min_rows=1)
NEXT_BATCH = FitMode(is_partial=True, continues=True, forgets=False, resets=False, min_rows=1)
# The network starts anew from the rows so far; the description of the input stays.
NEW_START = FitMode(is_partial=True, continues=False, forgets=False, resets=False, min_rows=1)


class Traits(NamedTuple):
    """Training traits of a family.

    Attributes
    ----------
    learns_targets : bool
        Whether it learns to predict: it then needs all epochs, also for few rows.
    ordered : bool
        Whether components are ordered.
    batch_rows : int or None
        Its ``batch_size='auto'``; None for the default of rows.
    decay_factor : float
        Factor of its ``alpha='auto'``.
    kl_warmup : int or float
        Epochs, or fraction of all epochs, in which training is not stopped early.
    n_updates : tuple of int or None
        Updates at which its ``max_iter='auto'`` aims: half as many as there are rows, but within
        these limits; None for the default of rows.
    n_stream_updates : int
        Updates at which a call of ``partial_fit`` aims: it makes as many passes, at least one.
    """

    learns_targets: bool = False
    ordered: bool = False
    batch_rows: int | None = None
    decay_factor: float = 1.0
    kl_warmup: float = 0
    n_updates: tuple[int, int] | None = None
    n_stream_updates: int = 1


def make_plan(estimator, traits, n_rows, mode, seed, n_processes=1):
    """Resolve the parameters of training.

    Parameters
    ----------
    estimator : NetworkEstimator
    traits : Traits
    n_rows : int
        Rows that are trained on.
    mode : FitMode
    seed : int
    n_processes : int, default=1
        Each of them computes ``batch_size`` rows of a step.

    Returns
    -------
    plan : TrainingPlan
        Its ``batch_size`` is the number of rows of a step.
    """
    # By default the steps are the same whatever the number of processes.
    n_parts = 1 if estimator.batch_size == "auto" else n_processes
    batch_size = min(n_parts * _batch_size(estimator, traits, n_rows), n_rows)
    if mode.is_partial and estimator.batch_size == "auto":
        batch_size = _even(max(batch_size, _STREAM_BATCH_ROWS), n_rows)
    max_iter = _max_iter(estimator.max_iter, traits, n_rows, batch_size)
    is_long = traits.ordered and estimator.max_iter == "auto"
    is_fraction = not isinstance(traits.kl_warmup, Integral)
    n_warmup = math.ceil(traits.kl_warmup * (max_iter if is_fraction else 1))
    unstopped = _UNSTOPPED_FRACTIONS.get(estimator.learning_rate, 0)
    plan = {
        "optimizer": estimator.optimizer,
        # Scalars of numpy, as searches draw them, would make checkpoints that torch does not load.
        "learning_rate_init": float(estimator.learning_rate_init),
        "learning_rate": estimator.learning_rate,
        "weight_decay": float(_weight_decay(estimator, traits, mode)),
        "batch_size": batch_size,
        "max_iter": max_iter,
        "n_iter_no_change": estimator.n_iter_no_change * (_ORDERED_EPOCHS_FACTOR if is_long else 1),
        "tol": float(estimator.tol),
        "callbacks": tuple(estimator.callbacks or ()),
        "verbose": int(estimator.verbose),
        "seed": seed,
        "n_warmup": 0 if mode.continues else n_warmup,
        "compile": bool(estimator.compile),
        "n_unstopped": max(n_warmup, math.ceil(unstopped * max_iter)),
    }
    if mode.is_partial:
        plan |= {
            "learning_rate": "constant",
            "learning_rate_init": _stream_rate(estimator, batch_size),
            "max_iter": math.ceil(traits.n_stream_updates / math.ceil(n_rows / batch_size)),
            "n_iter_no_change": math.inf,
            "n_warmup": 0,
        }
    return TrainingPlan(**plan)


def plan_precision(precision, batch_size, network, row_shape, device):
    """Return the precision in which layers are trained, given the parameter of that name.

    Parameters
    ----------
    precision : str
    batch_size : int
    network : Network
    row_shape : tuple of int
        Shape of one input.
    device : torch.device

    Returns
    -------
    precision : {'float32', 'bfloat16'}
    """
    # Where it is known at once nothing else is asked.
    if precision != "auto":
        return precision
    if device.type != "cuda" or not has_fast_bfloat16(device):
        return "float32"
    n_multiplications = batch_size * multiplications_per_row(network, row_shape)
    # Infinity stands for layers of which nothing is known.
    pays = _LONG_STEP_MULTIPLICATIONS <= n_multiplications < math.inf
    return "bfloat16" if pays else "float32"


def _batch_size(estimator, traits, n_rows):
    if estimator.batch_size != "auto":
        return int(estimator.batch_size)
    if traits.batch_rows is not None:
        return traits.batch_rows
    n_most = max(_MAX_BATCH_ROWS, math.ceil(n_rows / _MAX_UPDATES))
    image_shape = getattr(estimator, "image_shape_", None)
    if image_shape is not None and not estimator.architecture_.accepts_any_basis:
        n_most = min(n_most, _MAX_BATCH_PIXELS // math.prod(image_shape[:2]))
    return max(min(n_rows // _UPDATES_PER_EPOCH, n_most), MIN_BATCH_ROWS)


def _even(batch_size, n_rows):
    """Return the size of equal batches that are not longer: a short last one is all noise."""
    return math.ceil(n_rows / math.ceil(n_rows / batch_size))


def _stream_rate(estimator, batch_size):
    peak_fraction = 1.0 if estimator.learning_rate == "constant" else _STREAM_RATE
    return (
        estimator.learning_rate_init
        * peak_fraction
        * min(1.0, math.sqrt(batch_size / _STREAM_BATCH_ROWS))
    )


def _max_iter(max_iter, traits, n_rows, batch_size):
    if isinstance(max_iter, Rung):
        return max_iter.n_planned
    if max_iter != "auto":
        return int(max_iter)
    updates_per_epoch = math.ceil(n_rows / batch_size)
    if traits.n_updates is not None:
        fewest, most = traits.n_updates
        return math.ceil(min(max(n_rows // 2, fewest), most) / updates_per_epoch)
    n_epochs = math.ceil(_UPDATES / updates_per_epoch)
    n_epochs = min(max(n_epochs, _MIN_EPOCHS), _MAX_EPOCHS)
    n_epochs = min(n_epochs, max(_MAX_UPDATES // updates_per_epoch, 1))
    if not traits.learns_targets:
        n_epochs = min(n_epochs, max(n_rows // _ROWS_PER_EPOCH, _MIN_EPOCHS_OF_SMALL_SETS))
    return n_epochs * (_ORDERED_EPOCHS_FACTOR if traits.ordered else 1)


def _weight_decay(estimator, traits, mode):
    if estimator.alpha != "auto":
        return estimator.alpha
    decay = _DECAY.get(estimator.optimizer, _COUPLED_DECAY)
    is_ordered = traits.ordered and not mode.is_partial
    return decay * traits.decay_factor * (_ORDERED_DECAY_FACTOR if is_ordered else 1)
