"""Descriptions of networks as parameters: what `clone`, `set_params` and grid searches see.

An architecture builds an encoder and a decoder for data of a given shape. It knows nothing of
losses or of training.
"""

from typing import Any

from .._utils import lookup, refuse_class
from ._base import ARCHITECTURE_MEMBERS, Architecture, DataShape
from .conv import Conv
from .custom import Custom
from .dense import Dense
from .temporal import Recurrent, TemporalConv
from .unet import UNet

__all__ = [
    "Architecture",
    "Conv",
    "Custom",
    "DataShape",
    "Dense",
    "Recurrent",
    "TemporalConv",
    "UNet",
]

# The names that estimators accept, next to 'auto'.
ARCHITECTURES: dict[str, type[Architecture]] = {"dense": Dense, "conv": Conv}
# Those that only estimators without a latent code accept.
CODELESS_ARCHITECTURES: dict[str, type[Architecture]] = {"unet": UNet}
# Those of whole sequences.
SEQUENCE_ARCHITECTURES: dict[str, type[Architecture]] = {
    "conv": TemporalConv,
    "recurrent": Recurrent,
    "dense": Dense,
}
# Sequences of fewer steps have hardly any neighborhoods in time, and get dense layers: on the
# digits, 8 steps of 8 channels, convolutions have 1.12 times their error.
_MIN_CONVOLVED_STEPS = 16


def check_architecture(architecture: Any) -> None:
    """Raise if an object lacks what estimators ask of an architecture, or its parameters are bad.

    Parameters
    ----------
    architecture : Architecture or object with its members
    """
    refuse_class("architecture", architecture)
    missing = [name for name in ARCHITECTURE_MEMBERS if not hasattr(architecture, name)]
    if missing:
        raise TypeError(
            "architecture must be a name or an instance of skae.architectures.Architecture, got "
            f"an object of type {type(architecture).__name__} without {', '.join(missing)}. "
            "Subclass Architecture, which has defaults for all but build_encoder and build_decoder."
        )
    # Its parameters, too: an error of torch during training would name none of them.
    architecture.validate()


def resolve_architecture(architecture: str | Architecture, shape: DataShape) -> Architecture:
    """Turn a name or an object into an architecture.

    Parameters
    ----------
    architecture : 'auto', str or Architecture
        ``'auto'`` is `Conv` if rows are images, `TemporalConv` if they are sequences of 16
        frames or more, and `Dense` otherwise.
    shape : DataShape

    Returns
    -------
    architecture : Architecture
    """
    if not isinstance(architecture, str):
        return architecture
    if shape.n_timesteps is not None:
        if architecture == "auto":
            return TemporalConv() if shape.n_timesteps >= _MIN_CONVOLVED_STEPS else Dense()
        return lookup("architecture", architecture, SEQUENCE_ARCHITECTURES)()
    if architecture == "auto":
        return Dense() if shape.image_shape is None else Conv()
    return lookup("architecture", architecture, {**ARCHITECTURES, **CODELESS_ARCHITECTURES})()
