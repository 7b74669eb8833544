"""skorch's net with batches of `TrainingData` and losses that networks compute.

It does not know which model it trains: it uses the methods that `skae.models.Network` defines.
"""

import dis
from collections import defaultdict
from contextlib import closing, nullcontext
from functools import partial

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, LRScheduler
from skorch.utils import to_tensor

from ..networks.generators import use_generator
from .callbacks import MAX_WAITING, StopTraining, apart, fetched
from .data import TrainingData, TrainingSet, to_float
from .steps import loss_and_gradients

# Rows of a batch that is not trained on, at least: its gradients take no memory.
_MIN_INFERENCE_BATCH = 512
# The methods that a callback may define, as its base class has them: they do nothing.
_IDLE = {name: method for name, method in vars(Callback).items() if name.startswith("on_")}


class Net(NeuralNet):
    """skorch's net whose module computes its own training loss.

    As skorch documents it, its methods take arrays, in the units of the data: `predict` and
    `forward` return what ``module_(X)`` returns, `partial_fit` trains for ``max_epochs`` more
    at the constant rate ``optimizer__lr``, callbacks that score get the data. ``y`` is the target
    of the reconstruction, by default X. Images are taken as rows of their pixels.
    """

    # How layers compute in training: changes to their functions, and what makes these within it.
    changes = ()
    layers = nullcontext()
    # What compiles the steps of the training that runs.
    compiled = None

    def __getstate__(self):
        # Graphs and compiled code belong to the training that runs.
        return super().__getstate__() | {"compiled": None}

    # -- data ------------------------------------------------------------------------------

    def get_dataset(self, X, y=None):
        """Return `TrainingData` as they are, and arrays as such."""
        # Everything but skae's own training comes as arrays, in the units of the data.
        if isinstance(X, TrainingData):
            return X
        if self.module_.needs_labels:
            raise TypeError(
                "net_ trains on arrays only if reconstruction is the whole loss, expected "
                f"TrainingData for a {type(self.module_).__name__}: call partial_fit of the "
                "estimator."
            )
        target = None if y is None else self._as_rows(y)
        training_set = TrainingSet(self._as_rows(X), target)
        units = self.module_.standardization, self.module_.input_standardization
        return TrainingData(training_set, *units, torch.device(self.device))

    def _as_rows(self, X):
        """Return an array or a tensor in float32, images as rows of pixels."""
        X = X.numpy(force=True) if isinstance(X, torch.Tensor) else X
        n_features = len(self.module_.input_standardization.center)
        if X.ndim > 2 and X.shape[-1] != n_features:
            X = X.reshape(len(X), -1)
        return to_float(X, np.float32)

    def get_iterator(self, dataset, training=False):
        """Iterate over batches: shuffled for training, always the same ones for validation."""
        if training:
            return dataset.batches(
                self.batch_size, generator=self.shuffling, corruption=self.corruption
            )
        return dataset.batches(
            max(self.batch_size, _MIN_INFERENCE_BATCH), corruption=self.corruption_in(training)
        )

    def corruption_in(self, training):
        """Return how the batches of a pass are changed, None if they are not."""
        is_held_out = self.corruption is not None and not training
        return self.corruption.of_held_out_rows() if is_held_out else self.corruption

    def n_rows_of(self, batch):
        """Return the number of rows of a batch."""
        return len(batch[0])

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Group the parameters by the weight decay and the learning rate that the network asks."""
        args, kwargs = super().get_params_for_optimizer(prefix, named_parameters)
        # Optimizers without weight decay, such as LBFGS, may take no groups.
        if "weight_decay" not in kwargs:
            return args, kwargs
        # Sets and dictionaries find tensors by identity.
        factors, undecayed = self.module_.rate_factors(), set(self.module_.undecayed_parameters())
        groups = defaultdict(list)
        for parameter in args[0][0]["params"]:
            groups[parameter in undecayed, factors.get(parameter, 1.0)].append(parameter)
        # The optimizers keep what they do not know, such as the factor, for schedules to read.
        listed = [
            {"params": parameters, "rate_factor": factor, "lr": self.optimizer__lr * factor}
            | ({"weight_decay": 0.0} if is_undecayed else {})
            for (is_undecayed, factor), parameters in groups.items()
        ]
        return (listed,), kwargs

    # -- steps -----------------------------------------------------------------------------

    def train_step_single(self, batch, **fit_params):
        """Let the network compute loss and gradients."""
        self._set_training(True)
        # No prediction is returned: it would be kept, and nobody asks for it.
        if self.compiled is None:
            loss, parts = loss_and_gradients(self, batch)
        else:
            loss, parts = self.compiled.loss_and_gradients(self, batch)
        return {"loss": loss, "y_pred": None, "parts": parts}

    def train_step(self, batch, **fit_params):
        """Take a step: compiled as a whole, or gradients and optimizer one after the other."""
        made = None if self.compiled is None else self.compiled.take_step(self, batch)
        if made is None:
            return super().train_step(batch, **fit_params)
        return {"loss": made[0], "y_pred": None, "parts": made[1]}

    def validation_step(self, batch, **fit_params):
        """Let the network compute the loss, as it is after training."""
        self._set_training(False)
        with torch.no_grad():
            loss, parts = self.module_.training_loss(*batch, self.criterion_)
        return {"loss": loss, "y_pred": None, "parts": parts}

    def evaluation_step(self, batch, training=False):
        """Map a batch in the units of the data by the module itself."""
        self.check_is_fitted()
        self._set_training(training)
        # In training mode callers may want gradients.
        with torch.set_grad_enabled(training):
            return self.infer(batch)

    def forward_iter(self, X, training=False, device="cpu"):
        """Yield the outputs of the module for arrays or `TrainingData`, a batch at a time."""
        X = X.X if isinstance(X, TrainingData) else X
        for start in range(0, X.shape[0], _MIN_INFERENCE_BATCH):
            rows = self._as_rows(X[start : start + _MIN_INFERENCE_BATCH])
            yield self.evaluation_step(to_tensor(rows, self.device), training).to(device)

    # -- loop ------------------------------------------------------------------------------

    def initialize_callbacks(self):
        """Bring callbacks into the order that they ask for by ``position`` (0 by default)."""
        super().initialize_callbacks()
        self.callbacks_.sort(key=lambda named: getattr(named[1], "position", 0))
        self._collect_listeners()
        return self

    def _collect_listeners(self):
        """List by method the callbacks that have something to do, which at a batch few have."""
        # Calling only these saves up to 1 % of a fit. It is also where a user's callback is given
        # the data in their units.
        self.listeners = defaultdict(list)
        for _, callback in self.callbacks_:
            for method_name, idle in _IDLE.items():
                if getattr(type(callback), method_name) is not idle:
                    listener = getattr(callback, method_name)
                    if callback in self.user_callbacks:
                        listener = partial(_call_in_data_units, listener)
                    self.listeners[method_name].append(listener)

    def on_epoch_begin(self, net, **kwargs):
        """Let the network prepare for the epoch."""
        super().on_epoch_begin(net, **kwargs)
        self.module_.begin_epoch(len(self.history) - 1)
        if self.compiled is not None:
            self.compiled.begin_epoch(self)

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Run epochs until they are done or a callback ends training."""
        try:
            return super().fit_loop(X, y, epochs, **fit_params)
        # Raised by callbacks; skorch's own loop ends only on KeyboardInterrupt.
        except StopTraining:
            return self

    def partial_fit(self, X, y=None, classes=None, **fit_params):
        """Train on arrays for ``max_epochs`` more."""
        self._use_constant_rate()
        super().partial_fit(X, y, classes, **fit_params)
        self.module_.eval()
        return self

    def _use_constant_rate(self):
        """Leave out the schedule, which was made for the steps of another training."""
        schedules = [
            named
            for named in self.callbacks_
            if isinstance(named[1], LRScheduler) and named[1] not in self.user_callbacks
        ]
        self.leave_out(schedules)
        for _, schedule in schedules:
            if schedule.lr_scheduler_ is None:  # initialized, not trained yet
                continue
            last_rates = schedule.lr_scheduler_.get_last_lr()
            for group, last in zip(self.optimizer_.param_groups, last_rates, strict=True):
                # Not if the user has set another meanwhile.
                if group["lr"] == last:
                    group["lr"] = self.optimizer__lr * group.get("rate_factor", 1.0)

    def leave_out(self, named_callbacks):
        """Train without some of the callbacks."""
        self.callbacks_ = [named for named in self.callbacks_ if named not in named_callbacks]
        self._collect_listeners()

    def notify(self, method_name, **cb_kwargs):
        """Call the callbacks; one that raises KeyboardInterrupt, as skorch's do, ends training."""
        # The net's own method first, as in skorch.
        getattr(self, method_name)(self, **cb_kwargs)
        try:
            for listener in self.listeners[method_name]:
                listener(self, **cb_kwargs)
        except KeyboardInterrupt as interrupt:
            if _is_signal(interrupt):
                raise
            raise StopTraining from interrupt

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Do what skorch does, with losses that stay on the device for many steps.

        Validation has the same noise in every epoch, so that losses can be compared. On a CPU it
        takes as long as skorch's; on an accelerator no step waits for the device.
        """
        if iterator is None:
            return
        with nullcontext() if training else use_generator(self.validation_noise()):
            batches = self.history[-1]["batches"]
            loss, size = f"{prefix}_loss", f"{prefix}_batch_size"
            waiting = []
            # Closed at once where a step fails: rows may be read in a thread meanwhile.
            with closing(iter(iterator)) as passed:
                for batch in passed:
                    self.notify("on_batch_begin", batch=batch, training=training)
                    step = step_fn(batch, **fit_params)
                    value = apart(step["loss"].detach())
                    batches[-1] |= {loss: value, size: self.n_rows_of(batch)}
                    waiting.append(batches[-1])
                    if len(waiting) == MAX_WAITING:
                        waiting = _fetch(waiting, loss)
                    self.notify("on_batch_end", batch=batch, training=training, **step)
        _fetch(waiting, loss)
        self.history.record(f"{prefix}_batch_count", len(iterator))

    def _set_training(self, training=True):
        """Set the mode of all modules only if it changes: at every step it takes 2 to 3 %."""
        if self.module_.training is not training:
            super()._set_training(training)

    def _zero_grad_optimizer(self, set_to_none=None):
        """Drop the gradients without the optimizer's report to a profiler, which takes 3 %."""
        # Both figures: processor time of a fit of 150 rows of 13 features, and of one of a network
        # 784-128-16 in batches of 128.
        for group in self.optimizer_.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def validation_loss(self):
        """Return the mean loss on the validation data, without an entry in the history."""
        total, n_rows = 0.0, 0
        with use_generator(self.validation_noise()):
            for batch in self.get_iterator(self.validation_data):
                n_of_batch = self.n_rows_of(batch)
                total += n_of_batch * self.validation_step(batch)["loss"].item()
                n_rows += n_of_batch
        return total / n_rows

    def validation_noise(self):
        return torch.Generator(self.device).manual_seed(self.seed)


def _fetch(batches, loss):
    """Put numbers in place of the losses of batches, and return a list for the next ones."""
    values = fetched([batch[loss] for batch in batches])
    for batch, value in zip(batches, values, strict=True):
        batch[loss] = value
    return []


def _call_in_data_units(listener, net, *, batch=None, **kwargs):
    """Call a user's callback with the batch in the units of the data, as those that score need."""
    if batch is not None:
        inputs, target = batch
        batch = (
            net.module_.input_standardization.unstandardize(inputs),
            net.module_.standardization.unstandardize(target.rows),
        )
        kwargs["batch"] = batch
    try:
        listener(net, **kwargs)
    except Exception as error:
        error.add_note(f"Raised by a callback in callbacks=: {listener.__self__!r}.")
        raise


def _is_signal(interrupt):
    """Return whether Ctrl-C raised a KeyboardInterrupt, not a ``raise`` statement of a callback.

    A signal interrupts between two instructions, and leaves no such statement behind.
    """
    # The innermost frame is where it was raised.
    last = interrupt.__traceback__
    while last.tb_next:
        last = last.tb_next
    return dis.opname[last.tb_frame.f_code.co_code[last.tb_lasti]] != "RAISE_VARARGS"
