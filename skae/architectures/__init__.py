"""Descriptions of networks as parameters: what `clone`, `set_params` and grid searches see.

An architecture builds an encoder and a decoder for data of a given shape. It knows nothing of
losses or of training.
"""

from .._utils import lookup
from ._base import DataShape
from .conv import Conv
from .custom import Custom
from .dense import Dense

__all__ = ["Conv", "Custom", "DataShape", "Dense"]

_BY_NAME = {"dense": Dense, "conv": Conv}


def resolve_architecture(architecture, shape):
    """Turn a name or an object into an architecture; ``'auto'`` is conv where images are."""
    if architecture == "auto":
        return Dense() if shape.image_shape is None else Conv()
    if hasattr(architecture, "build_encoder") and hasattr(architecture, "build_decoder"):
        return architecture
    return lookup("architecture", architecture, _BY_NAME)()
