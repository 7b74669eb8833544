"""The way from codes to data of each family of networks, as steps of a program."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ...models.autoencoder import AutoencoderNetwork
from ...models.hybrid import DecoderNetwork
from ...models.umap import _CODE_UNIT, UMAPNetwork
from ...models.variational import VariationalNetwork
from ._modules import add_module
from ._program import Program


def add_network(program: Program, network: Any) -> bool:
    """Append the steps of ``network.decode``; return whether the family is known."""
    for kind in type(network).__mro__:
        if kind in _FAMILIES:
            _FAMILIES[kind](program, network)
            add_module(program, network.decoder)
            _add_units(program, network.standardization)
            return True
    return False


def _add_units(program: Program, units: Any) -> None:
    """Append the steps of ``Standardization.to_data``."""
    if units.sigmoid:
        program.add("activation", name="sigmoid", parameters=[])
        return
    center = units.center.numpy(force=True)
    if units.basis is None:
        program.add_affine(units.scale.item(), center)
        return
    # (n_directions, n_features): what each coordinate adds to the data.
    with torch.no_grad():
        unit = torch.eye(units.n_outputs, dtype=torch.float64, device=units.center.device)
        directions = (units.unstandardize(unit) - units.center).numpy(force=True)
    program.add("linear", weight=program.keep(directions.T), bias=program.keep(center))


def _add_code(program: Program, network: Any) -> None:
    """Append what an autoencoder does before its decoder."""
    if network.n_left_out:
        program.add("pad", size=network.n_left_out)
    if network.ordered:
        program.add("presence")


def _add_variational_code(program: Program, network: Any) -> None:
    deviations = network.code_variance.double().sqrt()
    program.add_affine(deviations.numpy(force=True), network.code_mean.numpy(force=True))


def _add_map_code(program: Program, network: Any) -> None:
    program.add_affine(1 / _CODE_UNIT, 0.0)


def _add_reducer_code(program: Program, network: Any) -> None:
    units = network.code_standardization
    scale, center = units.scale.item(), units.center.numpy(force=True)
    program.add_affine(1 / scale, -np.divide(center, scale))


_FAMILIES: dict[type, Callable[[Program, Any], None]] = {
    AutoencoderNetwork: _add_code,
    VariationalNetwork: _add_variational_code,
    UMAPNetwork: _add_map_code,
    DecoderNetwork: _add_reducer_code,
}
