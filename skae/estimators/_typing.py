"""Types of the parameters that trained estimators share."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, TypeAlias

import torch

from ..architectures import Architecture
from ..losses import Loss
from ..noises import Noise

ArchitectureLike: TypeAlias = str | Architecture
ImageShape: TypeAlias = Sequence[int] | None
LossLike: TypeAlias = str | Loss | Callable[..., Any]
NoiseLike: TypeAlias = str | Noise | Callable[..., Any] | None
Augment: TypeAlias = Callable[..., Any] | None
OptimizerLike: TypeAlias = str | type[torch.optim.Optimizer]
Callbacks: TypeAlias = Sequence[Any] | None
FilePath: TypeAlias = str | PathLike[str] | None
Device: TypeAlias = str | torch.device
