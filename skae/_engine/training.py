"""Assembly of skorch's net from a plan, and its run."""

import inspect
import math
import warnings
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import LRScheduler
from skorch.helper import predefined_split
from skorch.utils import noop

from ..networks.generators import use_generator
from .callbacks import BestWeights, EpochBar, LateStopping, LossParts, WeightAverage
from .compiled import make_compiled
from .environment import compute_threads, isolated_global_rng
from .layers import ChangedLayers, lowered
from .net import Net
from .stream import StreamAverage

# One call for all parameters: networks are small, and a call for each would take longer.
_FUSED = {"fused": True}

# name: (class, keyword arguments besides learning rate and weight decay)
OPTIMIZERS = {
    "adam": (torch.optim.Adam, _FUSED),
    "adamw": (torch.optim.AdamW, _FUSED),
    "nadam": (torch.optim.NAdam, {}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "sgd": (torch.optim.SGD, {**_FUSED, "momentum": 0.9, "nesterov": True}),
}

# Without a name skorch does not record the rate of each step, which takes time and is not used.
_EVERY_STEP = {"step_every": "batch", "event_name": None}

# Steps in which the one-cycle learning rate rises to its peak: this many, or a fraction of all if
# there are few, but at least two: at PCA's solution the first gradient is made of rounding errors.
_WARMUP_STEPS, _MAX_WARMUP_FRACTION, _MIN_WARMUP_STEPS = 50, 0.15, 2


@dataclass(frozen=True)
class TrainingPlan:
    """All of training that is neither the network nor the data, with every 'auto' resolved."""

    optimizer: object
    learning_rate_init: float
    learning_rate: str
    weight_decay: float
    batch_size: int
    max_iter: int
    n_iter_no_change: float
    tol: float
    callbacks: tuple
    verbose: int
    seed: int
    n_warmup: int = 0
    n_unstopped: int = 0
    precision: str = "float32"
    compile: bool = False


class _Run(NamedTuple):
    """What learning-rate schedules depend on."""

    learning_rate: float
    n_epochs: int
    n_steps: int
    monitor: str
    patience: float
    tol: float


def _constant(run):
    return []


def _adaptive(run):
    # Half the patience of early stopping, so that the lower rate has time to help.
    patience = int(min(max(run.patience / 2, 1), run.n_epochs))
    policy = torch.optim.lr_scheduler.ReduceLROnPlateau
    return [
        LRScheduler(
            policy, monitor=run.monitor, factor=0.2, patience=patience, threshold=run.tol, eps=0
        )
    ]


def _cosine(run):
    policy = torch.optim.lr_scheduler.CosineAnnealingLR
    return [LRScheduler(policy, T_max=run.n_steps, **_EVERY_STEP)]


def _one_cycle_of_groups(optimizer, max_lr, **arguments):
    """Return torch's schedule with a peak for each group of parameters."""
    peaks = [max_lr * group.get("rate_factor", 1.0) for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, **arguments)


def _one_cycle(run):
    # The rate is set at the start and after every step: once more than there are steps.
    total_steps = run.n_steps + 1
    # A short rise is enough, and during a long one early stopping would lose its patience.
    fraction = min(_MAX_WARMUP_FRACTION, _WARMUP_STEPS / run.n_steps)
    return [
        LRScheduler(
            _one_cycle_of_groups,
            max_lr=run.learning_rate,
            total_steps=total_steps,
            pct_start=max(fraction, _MIN_WARMUP_STEPS / total_steps),
            cycle_momentum=False,
            **_EVERY_STEP,
        )
    ]


SCHEDULES: dict[str, Callable] = {
    "constant": _constant,
    "adaptive": _adaptive,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
}


def make_net(
    network,
    criterion,
    plan,
    *,
    train_data,
    validation_data,
    corruption,
    checkpoint=None,
    stream=None,
    ranks=None,
):
    """Assemble the skorch net that trains ``network``.

    Parameters
    ----------
    network : Network
    criterion : Criterion
    plan : TrainingPlan
    train_data : TrainingData
    validation_data : TrainingData or None
    corruption : Corruption or None
    checkpoint : Checkpoint, default=None
    stream : Stream, default=None
        That which the data belong to; the net keeps it.
    ranks : Ranks, default=None
        The processes that train together.

    Returns
    -------
    net : Net
    """
    monitor = "train_loss" if validation_data is None else "valid_loss"
    n_batches = len(train_data.batches(plan.batch_size))
    run = _Run(
        plan.learning_rate_init,
        plan.max_iter,
        plan.max_iter * n_batches,
        monitor,
        plan.n_iter_no_change,
        plan.tol,
    )
    average = WeightAverage() if stream is None else StreamAverage(stream)
    callbacks = [("weight_average", average), ("best_weights", BestWeights()), LossParts()]
    if math.isfinite(plan.n_iter_no_change):
        stopping = LateStopping(
            monitor=monitor,
            patience=plan.n_iter_no_change,
            threshold=plan.tol,
            sink=noop,
        )
        stopping.n_ignored = plan.n_unstopped
        callbacks.append(("early_stopping", stopping))
    callbacks += SCHEDULES[plan.learning_rate](run)
    callbacks += [EpochBar()] if plan.verbose and (ranks is None or ranks.is_first) else []
    net_class = Net if ranks is None else ranks.net_class(network)
    net = net_class(
        module=network,
        criterion=criterion,
        max_epochs=plan.max_iter,
        batch_size=plan.batch_size,
        train_split=None if validation_data is None else predefined_split(validation_data),
        callbacks=[*callbacks, *plan.callbacks, *([checkpoint] if checkpoint else [])],
        callbacks__print_log=None,
        # Callbacks that score need predictions in the units of the data, and batches are
        # standardized: predictions of training steps must not be reused.
        use_caching=False,
        device=train_data.device,
        verbose=0,
        **_optimizer_arguments(plan),
    )
    net.plan, net.seed = plan, plan.seed
    if plan.precision == "bfloat16":
        net.changes = (lowered(train_data.device),)
        net.layers = ChangedLayers(network, net.changes)
    # Generators of their own: the order of the rows does not depend on what layers draw.
    net.shuffling = torch.Generator().manual_seed(plan.seed)
    net.drawing = torch.Generator(train_data.device).manual_seed(plan.seed)
    net.corruption = corruption
    net.stream = stream
    net.ranks = ranks
    net.validation_data = validation_data
    net.user_callbacks = [
        callback[1] if isinstance(callback, tuple) else callback for callback in plan.callbacks
    ]
    return net.initialize()


def _optimizer_arguments(plan):
    optimizer, extra = OPTIMIZERS.get(plan.optimizer, (plan.optimizer, {}))
    arguments = {"lr": plan.learning_rate_init, **extra}
    # A user's own class need not have one.
    if "weight_decay" in inspect.signature(optimizer).parameters:
        arguments["weight_decay"] = plan.weight_decay
    return {"optimizer": optimizer} | {f"optimizer__{k}": v for k, v in arguments.items()}


def continue_optimizer(net, previous):
    """Let a net's optimizer continue where that of another net of the same network ended."""
    if type(net.optimizer_) is not type(previous.optimizer_):
        return
    pairs = zip(previous.module_.parameters(), net.module_.parameters(), strict=True)
    for before, now in pairs:
        if before in previous.optimizer_.state:
            net.optimizer_.state[now] = previous.optimizer_.state[before]


# What trains in place of `train_alone`, such as a search that trains many networks together.
_TRAINER: ContextVar[Callable] = ContextVar("skae_trainer")


@contextmanager
def use_trainer(trainer):
    """Let ``trainer(net, data, isolate_seed)`` train all networks, in this thread and context."""
    token = _TRAINER.set(trainer)
    try:
        yield
    finally:
        _TRAINER.reset(token)


def train(net, data, isolate_seed=None):
    """Train as `train_alone` does, by another trainer within `use_trainer`."""
    return _TRAINER.get(train_alone)(net, data, isolate_seed)


def train_alone(net, data, isolate_seed=None):
    """Run the net's epochs over ``data``; after an error the network has its earlier weights.

    Parameters
    ----------
    net : Net
    data : TrainingData
    isolate_seed : int or None
        Seed for torch's global generator, where a user's own code may draw from it.

    Returns
    -------
    interrupt : KeyboardInterrupt or None
        The Ctrl-C that ended training early. The network then has the best weights so far.
    """
    before = {name: torch.clone(w) for name, w in net.module_.state_dict().items()}
    net.draws_globally = isolate_seed is not None
    guard = isolated_global_rng(isolate_seed) if net.draws_globally else nullcontext()
    try:
        row_shape = data.training_set.X.shape[1:]
        threads = compute_threads(net.module_, net.batch_size, row_shape)
        with guard, threads, use_generator(net.drawing):
            net.compiled = make_compiled(net) if net.plan.compile else None
            return _run(net, data)
    except BaseException:
        net.module_.load_state_dict(before)
        for _, callback in net.callbacks_:
            if isinstance(callback, EpochBar):
                callback.close()
        raise
    finally:
        net.compiled = None
        net.module_.eval()


def _run(net, data):
    """Do what skorch's ``partial_fit`` does, which hides that the user interrupted it."""
    net.interrupt = None
    net.notify("on_train_begin", X=data, y=None)
    try:
        # All epochs, but for those that a checkpoint holds.
        net.fit_loop(data, epochs=net.max_epochs - len(net.history))
    except KeyboardInterrupt as interrupt:
        net.interrupt = interrupt
        _forget_unfinished_epoch(net)
    net.notify("on_train_end", X=data, y=None)
    return net.interrupt


def _forget_unfinished_epoch(net):
    epoch = len(net.history)
    # skorch adds an entry at the start of each epoch, and its losses at the end.
    if net.history and "train_loss" not in net.history[-1]:
        net.history.pop()
    warnings.warn(
        f"Training was interrupted in epoch {epoch} of {net.max_epochs}: the estimator is fitted "
        "with the best weights so far.",
        ConvergenceWarning,
        stacklevel=2,
    )
