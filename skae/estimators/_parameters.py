"""Types and constraints of the parameters that trained estimators share."""

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, Self, TypeAlias

import numpy as np
import torch
from sklearn.base import BaseEstimator

from .._engine.layers import PRECISIONS
from .._engine.training import OPTIMIZERS, SCHEDULES
from .._sklearn_compat import HasMethods, Interval, Options, StrOptions
from ..architectures import ARCHITECTURES, Architecture
from ..losses import LOSSES, Loss
from ..noises import NOISES, Noise

ArchitectureLike: TypeAlias = str | Architecture
ImageShape: TypeAlias = Sequence[int] | None
LossLike: TypeAlias = str | Loss | Callable[..., Any]
NoiseLike: TypeAlias = str | Noise | Callable[..., Any] | None
Augment: TypeAlias = Callable[..., Any] | None
OptimizerLike: TypeAlias = str | type[torch.optim.Optimizer]
Callbacks: TypeAlias = Sequence[Any] | None
ClassWeight: TypeAlias = str | dict[Any, float] | None
FilePath: TypeAlias = str | PathLike[str] | None
Device: TypeAlias = str | torch.device

# Apart from the others: only estimators that have the parameter may have its constraint.
REFINE_CONSTRAINTS: dict[str, list[Any]] = {
    "refine_steps": [Interval(Integral, 0, None, closed="left")]
}
CYCLE_CONSTRAINTS: dict[str, list[Any]] = {"cycle_weight": [Interval(Real, 0, None, closed="left")]}


PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "n_components": [
        Interval(Integral, 1, None, closed="left"),
        # A fraction of the variance; neither 1.0, which is no int, nor 0.0 is one.
        Interval(Real, 0, 1, closed="neither"),
        StrOptions({"auto"}),
    ],
    "architecture": [
        StrOptions({"auto", *ARCHITECTURES}),
        # By what it can do: no base class is asked for. `check_architecture` tries the rest.
        HasMethods(["build_encoder", "build_decoder"]),
    ],
    # Modules of torch are callable.
    "loss": [StrOptions(set(LOSSES)), callable, Loss],
    "noise": [StrOptions(set(NOISES)), callable, Noise, None],
    # Without an upper end: only some noises take it for a fraction, see `_begin`.
    "noise_level": [Interval(Real, 0, None, closed="left")],
    # Classes of torch are callable; what they accept is tried by `check_optimizer`.
    "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
    # Zero would train nothing.
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "learning_rate": [StrOptions(set(SCHEDULES))],
    "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        # A float, so that no interval of integers holds it: training is never stopped.
        Options(Real, {math.inf}),
    ],
    "tol": [Interval(Real, 0, None, closed="left")],
    "warm_start": ["boolean"],
    "callbacks": [list, tuple, None],
    "checkpoint": [str, PathLike, None],
    # Which names exist depends on the machine: `resolve_device` looks.
    "device": [str, torch.device],
    "precision": [StrOptions({"auto", *PRECISIONS})],
    "compile": ["boolean"],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
}


def check_noise_level(estimator: Any, noise: Noise) -> None:
    """Refuse a level above one where the noise takes it for a fraction."""
    if noise.level_is_fraction and np.max(estimator.noise_level) > 1:
        raise ValueError(
            f"noise_level must be a fraction in [0, 1] with noise={estimator.noise!r}, got "
            f"{estimator.noise_level}."
        )


class ArchitectureParametersMixin(BaseEstimator):
    """Parameters of an architecture, which a name such as ``'auto'`` does not have."""

    architecture: ArchitectureLike

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the estimator, and of objects in it.

        Parameters
        ----------
        **params : dict
            Values by name; ``architecture__dropout`` is the parameter ``dropout`` of the
            architecture, if that is an object.

        Returns
        -------
        self : estimator
            The estimator.

        Raises
        ------
        ValueError
            If a name is no parameter, or an architecture that is a name is to get parameters.
        """
        architecture = params.get("architecture", self.architecture)
        nested = [name for name in params if name.startswith("architecture__")]
        if nested and isinstance(architecture, str):
            raise ValueError(
                f"architecture={architecture!r} is a name and has no parameters, got "
                f"{', '.join(nested)}: give {type(self).__name__} an object of "
                "skae.architectures, such as architecture=Dense()."
            )
        return super().set_params(**params)
