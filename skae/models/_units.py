"""Networks in changed units of the data: what standardizes them moves, their function stays."""

import numpy as np
import torch
from torch import nn

from ..networks.blocks import WEIGHTED_LAYERS, LinearSkip
from ..networks.layout import ImagesToRows, RowsToImages
from ._linear import center_and_scale

_RESHAPES = (RowsToImages, ImagesToRows, nn.Identity, nn.Flatten)


def end_layers(module, *, last):
    """List the layers that meet the inputs of a module, or give its outputs.

    Parameters
    ----------
    module : Module
    last : bool
        Whether to list those of the outputs. The outputs are the sum of what they give.

    Returns
    -------
    layers : list of Module, or None
        None if units cannot be moved into layers, as in a user's own module.
    """
    if isinstance(module, WEIGHTED_LAYERS):
        return [module]
    if isinstance(module, LinearSkip):
        linear, nonlinear = (end_layers(m, last=last) for m in (module.linear, module.nonlinear))
        return None if linear is None or nonlinear is None else linear + nonlinear
    if isinstance(module, nn.Sequential):
        parts = [part for part in module if not isinstance(part, _RESHAPES)]
        return end_layers(parts[-1 if last else 0], last=last) if parts else None
    return None


def layers_of_both(encoder, decoder, standardization):
    """Return what `end_layers` lists of an encoder's inputs and of a decoder's outputs.

    Logits are in no units of the data; an encoder may be None.
    """
    inputs = [] if encoder is None else end_layers(encoder, last=False)
    outputs = [] if standardization.sigmoid else end_layers(decoder, last=True)
    return None if inputs is None or outputs is None else (inputs, outputs)


@torch.no_grad()
def change_inputs(layers, factor, shift):
    """Let layers compute the same of ``(x - shift) / factor`` as of x."""
    for layer in layers:
        if isinstance(layer, nn.Linear):  # others take no shift, see `moved_units`
            # In the precision of the shift: float64, unless the device has none.
            layer.bias += (layer.weight.to(shift.dtype) @ shift).float()
        layer.weight *= factor


@torch.no_grad()
def change_outputs(layers, factor, shift):
    """Let the sum of layers be ``(y - shift) / factor`` where it was y."""
    for i, layer in enumerate(layers):
        if i == 0 and isinstance(layer, nn.Linear):
            layer.bias -= shift.float()
        layer.weight /= factor
        if layer.bias is not None:
            layer.bias /= factor


def moved_units(network, rows, weights, fraction):
    """Return how center and scale move, as far as a network can take it, once new rows count.

    Means and variances are merged as by Chan, Golub and LeVeque (1983). Convolutions have one
    shift for all pixels and see zeros beyond the border: behind them the center stays.

    Parameters
    ----------
    network : Network
    rows : ndarray of shape (n_samples, n_features)
        New rows, in the units of the data.
    weights : ndarray of shape (n_samples,) or None
    fraction : float
        Number of the new rows, as a fraction of the rows that count.

    Returns
    -------
    factor : float
        The new scale in units of the old one. One if the network can take no other units.
    shift : Tensor of shape (n_features,)
        Difference of the centers, in units of the old scale.
    """
    units, layers = network.standardization, network.data_layers()
    unchanged = 1.0, torch.zeros_like(units.center)
    if layers is None or units.basis is not None:
        return unchanged
    center, scale = center_and_scale(rows, weights)
    if (rows == rows[0]).all():
        scale = 0.0  # it is a placeholder
    scale, center = scale / units.scale.item(), (center - units.center.numpy(force=True))
    center /= units.scale.item()
    variance = (1 - fraction) + fraction * scale**2 + fraction * (1 - fraction) * np.mean(center**2)
    if not np.isfinite(variance) or not variance > 0:
        return unchanged
    shift = torch.from_numpy(fraction * center).to(units.center)
    if not all(isinstance(layer, nn.Linear) for ends in layers for layer in ends):
        shift = torch.zeros_like(shift)
    return float(np.sqrt(variance)), shift
