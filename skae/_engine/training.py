"""Training with skorch: it runs the loop, and knows nothing of the model it trains."""

import inspect
import math
import warnings
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from skorch.callbacks import Callback, LRScheduler
from skorch.helper import predefined_split
from skorch.utils import noop

from ..networks.blocks import LinearSkip
from ..networks.generators import use_generator
from .averaging import WeightAverage
from .callbacks import BestWeights, EpochBar, LateStopping, LossParts, WarmUp
from .data import BatchIterator
from .interruption import Interruption, is_within_search
from .isolation import isolated_global_rng, survive_forks
from .threads import one_thread_if_short

_FUSED = {"fused": True}

# name: (class, keyword arguments beside learning rate and weight decay)
OPTIMIZERS = {
    "adam": (torch.optim.Adam, _FUSED),
    "adamw": (torch.optim.AdamW, _FUSED),
    "nadam": (torch.optim.NAdam, {}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "sgd": (torch.optim.SGD, {**_FUSED, "momentum": 0.9, "nesterov": True}),
}

# ``alpha='auto'``: the one keeps decay apart from the gradient, which takes and needs more.
_AUTO_DECAY, _AUTO_DECAY_OF_OTHERS = {"adamw": 1.0}, 0.01

# The rate of each step would be recorded, which takes its time, and then forgotten.
_EVERY_STEP = {"step_every": "batch", "event_name": None}

# What callbacks can do, and do not unless they say so.
_IDLE = {name: method for name, method in vars(Callback).items() if name.startswith("on_")}

# Steps in which the one-cycle learning rate rises to its peak: so many, a share of all where they
# are few, but never at once, since the gradient where training starts may be rounding alone.
_WARM_UP, _SHARE_OF_WARM_UP, _SHORTEST_WARM_UP = 50, 0.15, 2


@dataclass(frozen=True)
class Schedule:
    """All of training that is neither the network nor the data: see the estimators."""

    optimizer: object
    learning_rate_init: float
    learning_rate: str
    alpha: float | str
    batch_size: int
    max_iter: int
    n_iter_no_change: float
    tol: float
    callbacks: tuple
    verbose: int
    seed: int
    n_warmup: int = 0
    averages: bool = True
    share_of_decay: float = 1.0


class _Run(NamedTuple):
    """What the making of a learning-rate schedule has to know of a run."""

    learning_rate: float
    n_epochs: int
    n_steps: int
    monitor: str
    patience: float
    tol: float


def _constant(run):
    return []


def _adaptive(run):
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


def _one_cycle(run):
    total_steps = run.n_steps + 1
    # A short rise is enough, and a long one would use up the patience of early stopping.
    share = min(_SHARE_OF_WARM_UP, _WARM_UP / run.n_steps)
    return [
        LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR,
            max_lr=run.learning_rate,
            total_steps=total_steps,
            pct_start=max(share, _SHORTEST_WARM_UP / total_steps),
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


class Net(NeuralNet):
    """skorch's net with batches of `TrainingData` and an objective in place of a criterion."""

    def get_iterator(self, dataset, training=False):
        """Iterate over batches: shuffled for training, always the same ones for validation."""
        if training:
            return BatchIterator(
                dataset, self.batch_size, generator=self.shuffling, corruption=self.corruption
            )
        return BatchIterator(dataset, max(self.batch_size, 512), corruption=self.corruption)

    def get_loss(self, y_pred, y_true, *args, **kwargs):
        """Ask the objective."""
        return self.criterion_(y_pred, y_true)

    def infer(self, x, **fit_params):
        """Batches are tensors on the device already: nothing needs converting."""
        return self.module_(x, **fit_params)

    def initialize_callbacks(self):
        """Note which callbacks have something to do, which at a batch few have."""
        super().initialize_callbacks()
        self.listeners = defaultdict(list)
        for _, callback in self.callbacks_:
            for method_name, idle in _IDLE.items():
                if getattr(type(callback), method_name) is not idle:
                    self.listeners[method_name].append(getattr(callback, method_name))
        return self

    def notify(self, method_name, **cb_kwargs):
        """Call those callbacks."""
        getattr(self, method_name)(self, **cb_kwargs)
        for listener in self.listeners[method_name]:
            listener(self, **cb_kwargs)
        if self.interruption and method_name == "on_batch_end":
            raise KeyboardInterrupt

    def fit_loop(self, X, y=None, epochs=None, **kwargs):
        """Run the epochs that are left: all of them, unless a checkpoint has some."""
        return super().fit_loop(X, y, self.max_epochs - len(self.history), **kwargs)

    def _set_training(self, training=True):
        """Walk through the modules only where the mode changes, not at every step."""
        if self.module_.training is not training:
            super()._set_training(training)

    def _zero_grad_optimizer(self, set_to_none=None):
        """Drop the gradients, without what optimizers tell a profiler meanwhile."""
        for group in self.optimizer_.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Do what skorch does, without asking each batch what it is made of.

        Validation is under the same noise in every epoch, so that losses can be compared.
        """
        if iterator is None:
            return
        with nullcontext() if training else use_generator(self._validation_noise()):
            batches = self.history[-1]["batches"]
            loss, size = f"{prefix}_loss", f"{prefix}_batch_size"
            for batch in iterator:
                self.notify("on_batch_begin", batch=batch, training=training)
                step = step_fn(batch, **fit_params)
                batches[-1] |= {loss: step["loss"].item(), size: len(batch[0])}
                self.notify("on_batch_end", batch=batch, training=training, **step)
        self.history.record(f"{prefix}_batch_count", len(iterator))

    def validation_loss(self):
        """Mean loss on the validation data, which leaves no trace in the history."""
        total, n_rows = 0.0, 0
        with use_generator(self._validation_noise()):
            for batch in self.get_iterator(self.validation_data):
                size = len(batch[0])
                total += size * self.validation_step(batch)["loss"].item()
                n_rows += size
        return total / n_rows

    def _validation_noise(self):
        return torch.Generator(self.device).manual_seed(self.seed)


def make_net(
    network, objective, schedule, *, train_data, validation_data, corruption, checkpoint=None
):
    """Assemble the skorch net that trains ``network``."""
    monitor = "train_loss" if validation_data is None else "valid_loss"
    n_batches = len(BatchIterator(train_data, schedule.batch_size))
    run = _Run(
        schedule.learning_rate_init,
        schedule.max_iter,
        schedule.max_iter * n_batches,
        monitor,
        schedule.n_iter_no_change,
        schedule.tol,
    )
    callbacks = [("weight_average", WeightAverage())] if schedule.averages else []
    callbacks.append(("best_weights", BestWeights(validation_data is not None)))
    callbacks += [LossParts()] if hasattr(objective, "parts") else []
    if math.isfinite(schedule.n_iter_no_change):
        stopping = LateStopping(
            schedule.n_warmup,
            monitor=monitor,
            patience=schedule.n_iter_no_change,
            threshold=schedule.tol,
            sink=noop,
        )
        callbacks.append(("early_stopping", stopping))
    callbacks += SCHEDULES[schedule.learning_rate](run)
    callbacks += [WarmUp(schedule.n_warmup)] if schedule.n_warmup else []
    callbacks += [EpochBar()] if schedule.verbose else []
    net = Net(
        module=network,
        criterion=objective,
        max_epochs=schedule.max_iter,
        batch_size=schedule.batch_size,
        train_split=None if validation_data is None else predefined_split(validation_data),
        callbacks=[*callbacks, *schedule.callbacks, *([checkpoint] if checkpoint else [])],
        callbacks__print_log=None,
        device=train_data.device,
        verbose=0,
        **_optimizer_arguments(schedule, network),
    )
    net.seed = schedule.seed
    net.shuffling = torch.Generator().manual_seed(schedule.seed)
    net.drawing = torch.Generator(train_data.device).manual_seed(schedule.seed)
    net.interruption = Interruption()
    net.corruption = corruption
    net.validation_data = validation_data
    return net.initialize()


def _optimizer_arguments(schedule, network):
    optimizer, extra = OPTIMIZERS.get(schedule.optimizer, (schedule.optimizer, {}))
    arguments = {"lr": schedule.learning_rate_init, **extra}
    if "weight_decay" in inspect.signature(optimizer).parameters:
        is_auto = schedule.alpha == "auto"
        automatic = _AUTO_DECAY.get(schedule.optimizer, _AUTO_DECAY_OF_OTHERS)
        automatic *= schedule.share_of_decay
        arguments["weight_decay"] = automatic if is_auto else schedule.alpha
        if any(isinstance(layer, LinearSkip) for layer in network.modules()):
            # The linear paths stay where PCA would have them, not nearer to zero. One pattern
            # for both coders: every group is a step of its own.
            arguments["param_groups"] = [("??coder.linear.*", {"weight_decay": 0.0})]
    return {"optimizer": optimizer} | {f"optimizer__{k}": v for k, v in arguments.items()}


def train(net, data, isolate_seed=None):
    """Run the net's epochs over ``data``; an error gives the network its weights back.

    Parameters
    ----------
    net : Net
    data : TrainingData
    isolate_seed : int or None
        Seed for torch's global generator, where a user's own code may draw from it.
    """
    survive_forks()
    before = {name: torch.clone(w) for name, w in net.module_.state_dict().items()}
    net.draws_globally = isolate_seed is not None
    guard = isolated_global_rng(isolate_seed) if net.draws_globally else nullcontext()
    try:
        with (
            guard,
            one_thread_if_short(net.module_, net.batch_size),
            use_generator(net.drawing),
            net.interruption.noticed(),
        ):
            net.partial_fit(data)
        if net.interruption:
            _tell_of_interruption(net)
    except BaseException:
        net.module_.load_state_dict(before)
        raise
    finally:
        net.module_.eval()


def _tell_of_interruption(net):
    """Warn that training was cut short, or hand the interruption on to a search."""
    if is_within_search():
        raise KeyboardInterrupt
    epoch = len(net.history)
    if net.history and "train_loss" not in net.history[-1]:
        net.history.pop()
    warnings.warn(
        f"Training was interrupted in epoch {epoch} of {net.max_epochs}: the estimator is fitted "
        "with the best weights so far.",
        ConvergenceWarning,
        stacklevel=2,
    )
