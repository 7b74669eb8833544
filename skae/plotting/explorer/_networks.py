"""The way from codes to data of each family of networks, as steps of a program."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ...models.autoencoder import AutoencoderNetwork
from ...models.hybrid import DecoderNetwork
from ...models.table import ColumnsMixin
from ...models.umap import CODE_UNIT, UMAPNetwork
from ...models.variational import VariationalNetwork
from ._modules import add_module
from ._program import Program


def add_network(program: Program, network: Any) -> bool:
    """Append the steps of ``network.decode``; return whether the family is known."""
    # The most derived one: a variational network is an AutoencoderNetwork as well.
    kind = next((kind for kind in type(network).__mro__ if kind in _FAMILIES), None)
    if kind is None:
        return False
    _FAMILIES[kind](program, network)
    # Codes in the decoder's units have come before, and the units of the data follow.
    add_module(program, network.decoder)
    _add_units(program, network.standardization)
    if issubclass(type(network), ColumnsMixin):
        _add_columns(program, network.columns)
    return True


def _add_columns(program: Program, columns: Any) -> None:
    """Append the steps of ``ColumnLoss.predicted``.

    Categories are decoded to the most probable one: a sigmoid of each logit finds the same as the
    softmax of all.
    """
    parts = ("is_squared", "low", "high", "logit_start", "logit_slope", "center", "scale")
    is_squared, low, high, start, slope, center, scale = (
        getattr(columns, name).numpy(force=True) for name in parts
    )
    # Numbers of categories have no limits: the next step makes logits of them.
    low, high = np.where(is_squared, low, -np.inf), np.where(is_squared, high, np.inf)
    program.add("clamp", low=program.keep(low), high=program.keep(high))
    program.add_affine(np.where(is_squared, 1, slope), np.where(is_squared, 0, start))
    program.add("sigmoid_where", mask=program.keep(~is_squared))
    program.add_affine(np.where(is_squared, 1, 1 / scale), np.where(is_squared, 0, -center / scale))


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
    # The inverse of how the encoder's codes were scaled to mean zero and variance one.
    deviations = network.code_variance.double().sqrt()
    program.add_affine(deviations.numpy(force=True), network.code_mean.numpy(force=True))


def _add_map_code(program: Program, network: Any) -> None:
    program.add_affine(1 / CODE_UNIT, 0.0)


def _add_reducer_code(program: Program, network: Any) -> None:
    units = network.code_standardization
    scale, center = units.scale.item(), units.center.numpy(force=True)
    # A reducer's codes come in its own units, and the decoder sees standardized ones.
    program.add_affine(1 / scale, -np.divide(center, scale))


_FAMILIES: dict[type, Callable[[Program, Any], None]] = {
    AutoencoderNetwork: _add_code,
    VariationalNetwork: _add_variational_code,
    UMAPNetwork: _add_map_code,
    DecoderNetwork: _add_reducer_code,
}
