"""Checkpoints, from which a new process continues training with the same results, bit for bit."""

import io
import pickle
import struct
from pathlib import Path

import joblib
import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping, LRScheduler, PassthroughScoring

from .._files import target, write_atomically
from ..sources import RowSource
from .callbacks import BestWeights, WeightAverage

# Raised by one when the layout of the file changes: older files are then refused.
_FORMAT = 1
# The attributes on which further training depends, by the kind of callback.
_STATE = {
    WeightAverage: ("hidden_", "shows_mean_", "n_averaged_", "n_waiting_"),
    BestWeights: ("start_loss_", "best_loss_", "best_epoch_", "diverged_", "weights_"),
    EarlyStopping: ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_"),
    LRScheduler: ("batch_idx_", "lr_scheduler_"),
    PassthroughScoring: ("best_score_",),
}
# The errors that torch.load raises for files that are no checkpoints.
_READ_ERRORS = (
    struct.error,
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
)


class Checkpoint(Callback):
    """Write the whole state of training after each epoch, and continue from it.

    The file is removed once training has ended by itself.

    Parameters
    ----------
    path : str or path-like
    identity : dict of str to str
        What distinguishes this fit from others, by name; see `identify`.
    entropy : int
        Seed of a fit whose ``random_state`` is None.
    state : dict or None
        The state that an earlier process has written.
    """

    # After the other callbacks, whose state it reads and sets.
    position = 1

    def __init__(self, path, identity, entropy, state):
        self.path = Path(path)
        self.identity = identity
        self.entropy = entropy
        self.state = state

    def on_train_begin(self, net, **kwargs):
        if self.state is not None:
            _restore(net, self.state)
            self.state = None

    def on_epoch_end(self, net, **kwargs):
        self._write(net)

    def _write(self, net, **more):
        about = {"format": _FORMAT, "identity": self.identity, "entropy": self.entropy}
        # Written as a whole, or not at all: a process may be killed at any time.
        buffer = io.BytesIO()
        torch.save(about | _collect(net) | more, buffer)
        write_atomically(self.path, buffer.getbuffer())

    def on_train_end(self, net, **kwargs):
        # After Ctrl-C the file stays, so that the same call can continue training.
        if net.interrupt is None:
            self.path.unlink(missing_ok=True)


def open_checkpoint(path, parameters, training_set):
    """Begin a checkpoint, or continue from an existing one.

    Parameters
    ----------
    path : str or path-like
    parameters : dict
        Those of the estimator.
    training_set : TrainingSet

    Returns
    -------
    checkpoint : Checkpoint

    Raises
    ------
    ValueError
        If the file is no checkpoint, or that of another fit.
    """
    return resume(Checkpoint, target(path), identify(parameters, training_set))


def resume(kind, path, identity):
    """Return a `Checkpoint` of a kind, with the state that the file at ``path`` holds, if any."""
    state = _read(path)
    if state is None:
        # From the system, and kept in the file for the process that continues.
        entropy = int(np.random.default_rng().integers(2**31))
        return kind(path, identity, entropy, None)
    # A file of other data or parameters would be continued in silence.
    _check_identity(path, identity, state["identity"])
    return kind(path, identity, state["entropy"], state)


def check_writable(checkpoint):
    """Raise the OSError that writing the file would raise, with the name of the parameter."""
    try:
        target(checkpoint)
    except OSError as error:
        message = f"checkpoint={str(checkpoint)!r} cannot be written: {error.strerror}"
        raise type(error)(error.errno, message, error.filename) from error


def _read(path):
    """Return the state in a checkpoint, or None if there is no file yet."""
    try:
        # Only tensors and plain types: a file from a stranger runs no code.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return None
    except _READ_ERRORS as error:
        raise ValueError(
            f"checkpoint={str(path)!r} is not a file that fit wrote: delete it, or name another."
        ) from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise ValueError(
            f"checkpoint={str(path)!r} is not a checkpoint of format {_FORMAT}, the one that this "
            "version of skae reads."
        )
    return state


def _check_identity(path, identity, other):
    differences = [
        f"{name} was {_shorten(other.get(name))} and is {_shorten(identity.get(name))}"
        for name in sorted({*identity, *other})
        if other.get(name) != identity.get(name)
    ]
    if differences:
        raise ValueError(
            f"checkpoint={str(path)!r} belongs to another fit: {'; '.join(differences)}. "
            "Continue with the same data and parameters, name another file, or delete this one."
        )


def identify(parameters, training_set):
    """Describe a fit by what determines its result: parameters and data, each by name."""
    # These may differ in the process that continues.
    ignored = {"checkpoint", "callbacks", "device", "compile", "verbose"}
    described = {
        name: _describe(value)
        for name, value in parameters.items()
        if name.partition("__")[0] not in ignored
    }
    parts = zip(("X", "X_target", "y", "sample_weight"), training_set, strict=True)
    data = {
        # A hash: the data themselves would make each file as large as they are.
        name: f"of shape {part.shape} with hash {_hash(part)}"
        for name, part in parts
        if part is not None
    }
    return described | data


def _hash(part):
    # Rows that are read block by block may be too many to be read only for this.
    return part.fingerprint() if isinstance(part, RowSource) else joblib.hash(part)


def _describe(value):
    """Return a text that is the same in every process if the value is."""
    # Without addresses, which a plain repr of functions and objects would hold.
    if isinstance(value, np.random.RandomState):
        return f"RandomState {joblib.hash(value.get_state())}"
    if isinstance(value, torch.nn.Module) or hasattr(value, "get_params"):
        # What an estimator holds is described by names of its own, as architecture__dropout.
        return type(value).__qualname__
    return getattr(value, "__qualname__", None) or repr(value)


def _shorten(text):
    return "absent" if text is None else text if len(text) < 80 else f"{text[:77]}..."


def _collect(net):
    """Gather the state of a net between two epochs."""
    return {
        "module": net.module_.state_dict(),
        "criterion": net.criterion_.state_dict(),
        "optimizer": net.optimizer_.state_dict(),
        "callbacks": {name: _state_of(callback, names) for name, callback, names in _stateful(net)},
        "history": [_plain(epoch, without="batches") for epoch in net.history],
        # The same batches, and the same noise, as if nothing had happened.
        "generators": [generator.get_state() for generator in (net.shuffling, net.drawing)],
        "global_generator": torch.random.get_rng_state() if net.draws_globally else None,
    }


def _restore(net, state):
    """Bring a net to the state that `_collect` gathered."""
    # Into the tensors that are there: callbacks and the optimizer hold on to them.
    net.module_.load_state_dict(state["module"])
    net.criterion_.load_state_dict(state["criterion"])
    for name, callback, _ in _stateful(net):
        _set_state(callback, dict(state["callbacks"][name]))
    # After the schedulers, which set the learning rate of the first step when they are made.
    net.optimizer_.load_state_dict(state["optimizer"])
    for epoch in state["history"]:
        net.history.append({"batches": [], **epoch})
    for generator, bits in zip((net.shuffling, net.drawing), state["generators"], strict=True):
        generator.set_state(bits)
    if net.draws_globally:
        torch.random.set_rng_state(state["global_generator"])


def _stateful(net):
    """List name, callback and the names of its attributes that training changes."""
    return [
        (name, callback, names)
        for name, callback in net.callbacks_
        for kind, names in _STATE.items()
        if isinstance(callback, kind)
    ]


def _state_of(callback, names):
    state = {name: getattr(callback, name) for name in names if hasattr(callback, name)}
    if "lr_scheduler_" in state:
        state["lr_scheduler_"] = _plain(state["lr_scheduler_"].state_dict())
    return _plain(state)


def _set_state(callback, state):
    scheduler = state.pop("lr_scheduler_", None)
    if scheduler is not None:
        callback.lr_scheduler_.load_state_dict(scheduler)
    vars(callback).update(state)
    if isinstance(callback, WeightAverage):
        # Files are read to the host, wherever training computes.
        callback.hidden_ = [
            [mean.to(weight.device) for mean, weight in zip(means, weights, strict=True)]
            for means, weights in zip(callback.hidden_, callback.weights_, strict=True)
        ]


def _plain(values, without=None):
    """Replace scalars of numpy by Python's: torch.load with ``weights_only`` refuses others."""
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in values.items()
        if name != without
    }
