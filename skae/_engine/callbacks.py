"""Optional behavior of training, as skorch callbacks."""

import math
import sys
import warnings
from collections import defaultdict
from itertools import chain
from multiprocessing import current_process

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, EarlyStopping
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm.auto import tqdm

# The mean of the weights takes them in after this many steps, since each time costs a little. It
# averages over about a tenth of all weights so far, and over this many at most: the
# choice among 8 horizons, see benchmarks/NOTES.md.
_AVERAGING_INTERVAL, _HORIZON_DIVISOR, _MAX_HORIZON = 4, 10, 25
# Steps whose losses stay tensors on the device: fetching one waits for its step to end. A tensor
# takes 0.7 kB and a number a tenth of it, which counts in epochs of millions of steps.
MAX_WAITING = 4096
# Memory that a loss may hold on to until it is read: that of its parts, which a step copies as one.
_MAX_KEPT_BYTES = 64


class StopTraining(Exception):
    """Raised by a callback to end training. The best weights are restored."""


def apart(value):
    """Return a number as a tensor that holds on to no more memory than a few numbers take."""
    # On a CPU, torch's mean of squares keeps the memory of all squares of the batch. On a GPU it
    # does not, and each copy is a launch.
    is_small = value.untyped_storage().nbytes() <= _MAX_KEPT_BYTES
    return value if is_small else value.clone()


def fetched(losses):
    """Return losses that are tensors as a list of numbers, in one transfer from the device."""
    return torch.stack(losses).tolist() if losses else []


def averaged_weights(network):
    """List what training changes in a network: one list of tensors a dtype."""
    state = network.state_dict()
    return by_dtype([state[name] for name in names_of_averaged(network)])


def names_of_averaged(network):
    """Return the names in `state_dict` of what training changes."""
    constants = {tensor.data_ptr() for tensor in network.constants()}
    return [
        name
        for name, weight in network.state_dict().items()
        if weight.is_floating_point() and weight.data_ptr() not in constants
    ]


def by_dtype(weights):
    """Return lists of tensors of one dtype, as the averaging function takes them."""
    dtypes = dict.fromkeys(weight.dtype for weight in weights)
    return [[w for w in weights if w.dtype == dtype] for dtype in dtypes]


class WeightAverage(Callback):
    """Keep a running mean of the weights, and put it in the module at the end of each epoch.

    The step size keeps the weights at a distance from the minimum around which they move. Their
    mean is nearer to it at any time, not only once the learning rate is low. Steps continue from
    the weights themselves.

    References
    ----------
    Polyak and Juditsky (1992). Acceleration of stochastic approximation by averaging. SIAM
    Journal on Control and Optimization 30(4).

    Karras et al. (2024). Analyzing and improving the training dynamics of diffusion models. CVPR.
    (Means over a fraction of the steps so far.)
    """

    # Before the other callbacks, so that they see the mean.
    position = -1

    def on_train_begin(self, net, **kwargs):
        self.begin(averaged_weights(net.module_))

    def begin(self, weights):
        """Start a mean of tensors, of which there is a list a dtype."""
        self.weights_ = weights
        self.hidden_ = [[torch.clone(weight) for weight in group] for group in self.weights_]
        self.shows_mean_ = False
        self.n_averaged_, self.n_waiting_ = 0, 0

    def move(self, weights, places):
        """Continue with some of the models of a stack, whose weights are now in ``weights``."""
        self.weights_ = weights
        self.hidden_ = [[hidden[places] for hidden in group] for group in self.hidden_]

    def on_epoch_begin(self, net, **kwargs):
        self._show(mean=False)

    def on_batch_end(self, net, training, **kwargs):
        self.n_waiting_ += training
        if self.n_waiting_ == _AVERAGING_INTERVAL:
            self._update()

    def on_batch_begin(self, net, training, **kwargs):
        if not training:
            self._show(mean=True)

    def on_epoch_end(self, net, **kwargs):
        self._show(mean=True)

    def on_train_end(self, net, **kwargs):
        self._show(mean=True)
        del self.weights_, self.hidden_

    def _update(self):
        n = self.n_averaged_
        # Weights count less the older they are: over about n / 10 updates, at most 25.
        decay = min((n + 1) / (n + _HORIZON_DIVISOR), 1 - 1 / _MAX_HORIZON)
        average = get_ema_multi_avg_fn(decay)
        for hidden, weights in zip(self.hidden_, self.weights_, strict=True):
            average(hidden, weights, n)
        self.n_averaged_ += 1
        self.n_waiting_ = 0

    @torch.no_grad()
    def _show(self, mean):
        """Put the mean, or the weights themselves, into the module, in place of the other."""
        if self.shows_mean_ is mean:
            return
        if self.n_waiting_:
            # Steps since the last multiple of the interval count as well.
            self._update()
        pairs = zip(chain(*self.hidden_), chain(*self.weights_), strict=True)
        for hidden, weights in pairs:
            shown = torch.clone(weights)
            weights.copy_(hidden)
            hidden.copy_(shown)
        self.shows_mean_ = mean


class BestWeights(Callback):
    """Keep the weights with the lowest validation loss and restore them at the end.

    The weights before the first step count as well. Without validation data those of the last
    complete epoch are kept. Training that diverges ends with the last good ones and a warning.
    """

    def on_train_begin(self, net, **kwargs):
        self.validates_ = net.validation_data is not None
        self.best_loss_ = net.validation_loss() if self.validates_ else math.inf
        self.start_loss_, self.best_epoch_ = self.best_loss_, 0
        self.diverged_ = False
        self.remember(net)

    def on_epoch_end(self, net, **kwargs):
        losses = net.history[-1]
        # Further epochs would not recover: weights that are not finite stay so.
        self.diverged_ = not math.isfinite(losses["train_loss"])
        if self.diverged_:
            raise StopTraining
        monitored = losses.get("valid_loss", -math.inf)
        # A loss at the start that is not finite loses to any that is.
        if not self.validates_ or not monitored >= self.best_loss_:
            self.best_loss_, self.best_epoch_ = monitored, len(net.history)
            self.remember(net)

    def on_train_end(self, net, **kwargs):
        net.module_.load_state_dict(self.weights_)
        if self.diverged_:
            warnings.warn(
                f"Training diverged in epoch {len(net.history)}: the loss is not finite. The "
                "last good weights are restored. Try a smaller learning_rate_init, and look for "
                "extreme values in X.",
                ConvergenceWarning,
                stacklevel=2,
            )
        del self.weights_

    def remember(self, net):
        """Take the weights as they are for the best ones."""
        self.weights_ = {
            name: torch.clone(weight) for name, weight in net.module_.state_dict().items()
        }


class LossParts(Callback):
    """Record the mean over each epoch of the named parts of the loss.

    A part ``kl`` becomes ``train_kl`` and ``valid_kl`` in the history.
    """

    def on_epoch_begin(self, net, **kwargs):
        self.values_, self.n_rows_ = defaultdict(list), defaultdict(list)

    def on_batch_end(self, net, batch, training, parts, **kwargs):
        prefix = "train" if training else "valid"
        for part, value in parts.items():
            values = self.values_[f"{prefix}_{part}"]
            values.append(apart(value))
            self.n_rows_[f"{prefix}_{part}"].append(net.n_rows_of(batch))
            if len(values) % MAX_WAITING == 0:
                values[-MAX_WAITING:] = fetched(values[-MAX_WAITING:])

    def on_epoch_end(self, net, **kwargs):
        for name, values in self.values_.items():
            n_numbers = len(values) - len(values) % MAX_WAITING
            values[n_numbers:] = fetched(values[n_numbers:])
            mean = np.average(values, weights=self.n_rows_[name])
            net.history.record(name, float(mean))


class LateStopping(EarlyStopping):
    """skorch's early stopping, which ignores the first epochs: ``n_ignored`` of them."""

    n_ignored = 0

    def is_complete(self, net):
        """Return whether training came to its own end, rather than to one by Ctrl-C or a user."""
        return len(net.history) == net.max_epochs or self.misses_ == self.patience

    def on_epoch_end(self, net, **kwargs):
        # While a learning rate is high, or a term of the loss rises: no reason to stop.
        if len(net.history) > self.n_ignored:
            super().on_epoch_end(net, **kwargs)


class EpochBar(Callback):
    """Show a bar with the finished epochs, the losses, and the time left.

    In a worker process, as of a search with ``n_jobs``, it is shown once, as a line at the end:
    bars of several processes would overwrite each other.
    """

    def on_train_begin(self, net, **kwargs):
        self.is_worker_ = current_process().name != "MainProcess"
        # ``leave=None``: a bar below another one, as in a search or a comparison, vanishes. One
        # whose delay never ends is not drawn.
        delay = math.inf if self.is_worker_ else 0
        self.bar_ = tqdm(total=net.max_epochs, unit="epoch", leave=None, delay=delay)

    def on_epoch_end(self, net, **kwargs):
        losses = net.history[-1]
        shown = {name: losses[name] for name in ("train_loss", "valid_loss") if name in losses}
        start = dict(net.callbacks_)["best_weights"].start_loss_
        if "valid_loss" in losses and start > 0:
            # What training has gained: below one, it is better than PCA where it starts there.
            shown["of_start"] = losses["valid_loss"] / start
        self.bar_.set_postfix(shown, refresh=False)
        # Training that continues from a checkpoint jumps ahead.
        self.bar_.update(len(net.history) - self.bar_.n)

    def on_train_end(self, net, **kwargs):
        line = str(self.bar_)
        self.close()
        if self.is_worker_:
            tqdm.write(line, file=sys.stderr)

    def close(self):
        """Leave the bar as it is, also where training has failed: text begins a line of its own."""
        bar = self.__dict__.pop("bar_", None)
        if bar is not None:
            bar.close()
