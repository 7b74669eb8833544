"""How a trained network is pickled: its weights, and what it takes to build it around them."""

import copy

import torch

from ..networks.standardization import Standardization


class StoredNetwork:
    """State of an estimator whose ``module_`` is a network that it can build itself."""

    def __getstate__(self):
        """Weights as arrays, once; neither the optimizer nor any data go along."""
        state = dict(super().__getstate__())
        state.pop("net_", None)
        module = state.pop("module_", None)
        if module is not None:
            weights = {name: w.cpu().numpy() for name, w in module.state_dict().items()}
            state["_weights"] = (module.standardization.sigmoid, weights)
        if self.callbacks:
            state["callbacks"] = type(self.callbacks)(map(_without_learned, self.callbacks))
        return state

    def __setstate__(self, state):
        state = dict(state)
        sigmoid, weights = state.pop("_weights", (None, None))
        super().__setstate__(state)
        if weights is None:
            return
        tensors = {name: torch.tensor(w) for name, w in weights.items()}
        self.module_ = self._rebuild_network(tensors, sigmoid).eval()

    def _rebuild_network(self, tensors, sigmoid):
        """Build the network around its weights: layers of other sizes are never allocated."""
        if not self.architecture_.supports_meta_device:
            network = self._seeded_network(self._empty_standardization(tensors, sigmoid), seed=0)
            network.load_state_dict(tensors)
            return network
        with torch.device("meta"):
            network = self._build_network(self._empty_standardization(tensors, sigmoid))
        network.load_state_dict(tensors, assign=True)
        return self._in_image_layout(network)

    def _empty_standardization(self, tensors, sigmoid):
        directions = tensors.get("standardization.basis")
        directions = None if directions is None else torch.empty_like(directions, device="meta")
        return Standardization(torch.zeros(self._n_outputs), 1.0, sigmoid=sigmoid, basis=directions)


def _without_learned(callback):
    """Copy a callback without what it learned: it may hold on to an optimizer."""
    if isinstance(callback, tuple):
        name, callback = callback
        return name, _without_learned(callback)
    if isinstance(callback, type):
        return callback
    copied = copy.copy(callback)
    for name in [name for name in vars(copied) if name.endswith("_")]:
        delattr(copied, name)
    return copied
