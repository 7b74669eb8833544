"""What a call of fit has resolved before the data are read, handed from step to step."""

from typing import Any, NamedTuple

import torch

from .._engine.stream import Stream
from ..losses import Loss
from ..models.autoencoder import Network
from ..noises import Noise
from ._alignment import Alignment
from ._plan import FitMode


class Run(NamedTuple):
    """Settings of a call of ``fit``.

    Attributes
    ----------
    mode : FitMode
    previous : Network or None
        That of an earlier call, from whose weights training starts.
    loss : Loss
    noise : Noise or None
    device : torch.device
    is_double : bool
        Whether the device has float64.
    stream : Stream or None
        That which the rows of ``partial_fit`` belong to.
    alignment : Alignment or None
    ranks : Ranks of the engine, or None
        The processes that train together.
    n_processes : int
    """

    mode: FitMode
    previous: Network | None
    loss: Loss
    noise: Noise | None
    device: torch.device
    is_double: bool
    stream: Stream | None = None
    alignment: Alignment | None = None
    ranks: Any = None
    n_processes: int = 1
