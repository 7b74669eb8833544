"""Optional behaviour of training, as skorch callbacks."""

import math
import warnings
from collections import Counter

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, EarlyStopping
from tqdm.auto import tqdm


class BestWeights(Callback):
    """Keep the weights with the lowest validation loss and restore them at the end.

    The weights before the first step count as well. Without validation data the last weights
    stand. Either way training that diverges ends with the last good ones and a warning.

    Parameters
    ----------
    validates : bool
        Whether there are validation data.
    """

    def __init__(self, validates):
        self.validates = validates

    def on_train_begin(self, net, **kwargs):
        self.best_loss_ = net.validation_loss() if self.validates else math.inf
        self.diverged_ = False
        self._remember(net)

    def on_epoch_end(self, net, **kwargs):
        losses = net.history[-1]
        self.diverged_ = not math.isfinite(losses["train_loss"])
        if self.diverged_:
            raise KeyboardInterrupt  # how skorch's callbacks end training
        monitored = losses.get("valid_loss", -math.inf)
        # A start at a loss that is not finite loses to anything that is.
        if not self.validates or not monitored >= self.best_loss_:
            self.best_loss_ = monitored
            self._remember(net)

    def on_train_end(self, net, **kwargs):
        if self.validates or self.diverged_:
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

    def _remember(self, net):
        self.weights_ = {
            name: torch.clone(weight) for name, weight in net.module_.state_dict().items()
        }


class LossParts(Callback):
    """Record the mean over each epoch of what an objective keeps in ``parts``.

    A part ``kl`` of the objective becomes ``train_kl`` and ``valid_kl`` in the history.
    """

    def on_epoch_begin(self, net, **kwargs):
        self.totals_, self.n_rows_ = Counter(), Counter()

    def on_batch_end(self, net, batch, training, **kwargs):
        prefix = "train" if training else "valid"
        for part, value in net.criterion_.parts.items():
            name = f"{prefix}_{part}"
            self.totals_[name] += len(batch[0]) * value.item()
            self.n_rows_[name] += len(batch[0])

    def on_epoch_end(self, net, **kwargs):
        for name, total in self.totals_.items():
            net.history.record(name, total / self.n_rows_[name])


class WarmUp(Callback):
    """Let the ``kl_scale`` of an objective rise from zero to one.

    Parameters
    ----------
    n_epochs : int
        Epochs that it takes.
    """

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        net.criterion_.kl_scale = min((len(net.history) - 1) / self.n_epochs, 1.0)


class LateStopping(EarlyStopping):
    """skorch's early stopping, which does not look at the first epochs.

    Parameters
    ----------
    n_ignored : int
        Number of these epochs.
    **kwargs : dict
        As for `skorch.callbacks.EarlyStopping`.
    """

    def __init__(self, n_ignored, **kwargs):
        super().__init__(**kwargs)
        self.n_ignored = n_ignored

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) > self.n_ignored:
            super().on_epoch_end(net, **kwargs)


class EpochBar(Callback):
    """A bar that shows how far training is, the losses, and the time left."""

    def on_train_begin(self, net, **kwargs):
        self.bar_ = tqdm(total=net.max_epochs, unit="epoch")

    def on_epoch_end(self, net, **kwargs):
        losses = net.history[-1]
        shown = {name: losses[name] for name in ("train_loss", "valid_loss") if name in losses}
        self.bar_.set_postfix(shown, refresh=False)
        # A run that goes on from a checkpoint jumps ahead.
        self.bar_.update(len(net.history) - self.bar_.n)

    def on_train_end(self, net, **kwargs):
        self.bar_.close()
        del self.bar_
