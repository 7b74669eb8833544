"""Pickled state of a fitted estimator: its weights as arrays, from which the network is rebuilt."""

import copy
from typing import Any

import torch

from .._engine.environment import compute_threads
from ..networks.standardization import Standardization

# What only training, and looking back on it, need.
_OF_TRAINING = ("history_", "loss_curve_", "replay_rows_")


class StoredNetwork:
    """State of an estimator whose ``module_`` is a network that it can build itself.

    The state holds weights as arrays, once. Optimizer, skorch net and data are left out.
    """

    def __getstate__(self):
        state = dict(super().__getstate__())
        state.pop("net_", None)
        module = state.pop("module_", None)
        # Arrays on the host: a file written on a GPU opens without one.
        if module is not None:
            state["weights_"] = {name: w.cpu().numpy() for name, w in module.state_dict().items()}
            state["sigmoid_"] = module.standardization.sigmoid
        if self.callbacks:
            state["callbacks"] = type(self.callbacks)(map(_without_learned, self.callbacks))
        return state

    def __setstate__(self, state):
        state = dict(state)
        weights, sigmoid = state.pop("weights_", None), state.pop("sigmoid_", None)
        super().__setstate__(state)
        if weights is None:
            return
        with compute_threads():
            tensors = {name: torch.tensor(w) for name, w in weights.items()}
            self.module_ = self._rebuild_network(tensors, sigmoid).eval()

    def _for_inference(self: Any) -> Any:
        """Return a copy without the record of its training, which shares the network."""
        copied = copy.copy(self)
        for name in _OF_TRAINING:
            copied.__dict__.pop(name, None)
        return copied

    def _rebuild_network(self, tensors, sigmoid):
        """Build the network around its weights: layers of other sizes are never allocated."""
        if not self.architecture_.supports_meta_device:
            network = self._seeded_network(self._empty_shape(tensors, sigmoid), seed=0)
            network.load_state_dict(tensors)
            return network
        # Layers on the meta device have shapes and no memory: the weights are assigned, not copied.
        with torch.device("meta"):
            network = self._build_network(self._empty_shape(tensors, sigmoid))
        network.load_state_dict(tensors, assign=True)
        return network.to(memory_format=torch.channels_last)

    def _empty_shape(self, tensors, sigmoid):
        basis = tensors.get("standardization.basis")
        basis = None if basis is None else torch.empty_like(basis, device="meta")
        center = torch.zeros(self._n_outputs)
        return self._data_shape(Standardization(center, 1.0, sigmoid=sigmoid, basis=basis))


def _without_learned(callback):
    """Copy a callback without what it learned: it may hold on to an optimizer."""
    if isinstance(callback, tuple):
        name, callback = callback
        return name, _without_learned(callback)
    # Classes are given to skorch as well, and hold no state.
    if isinstance(callback, type):
        return callback
    copied = copy.copy(callback)
    for name in [name for name in vars(copied) if name.endswith("_")]:
        delattr(copied, name)
    return copied


def load_previous(network, previous):
    """Start from the weights of the previous fit, if the network has the same layers."""
    # A copy: an error must leave the previous network as it was.
    try:
        network.load_state_dict(copy.deepcopy(previous.state_dict()))
    except RuntimeError as error:
        raise ValueError(
            "warm_start=True continues with the network of the previous fit, but n_components, "
            f"architecture, loss, noise or the number of features changed since: {error}"
        ) from error
