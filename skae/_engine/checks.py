"""Parameters that skorch and torch would refuse once training has begun, checked before."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from skorch.callbacks import Callback
from torch import nn


def check_callbacks(callbacks: Sequence[Any] | None) -> None:
    """Raise a TypeError unless each entry is a skorch callback, or a name and one."""
    for entry in callbacks or ():
        is_named = isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str)
        callback = entry[1] if is_named else entry
        is_class = isinstance(callback, type) and issubclass(callback, Callback)
        if not is_class and not isinstance(callback, Callback):
            raise TypeError(
                "callbacks must hold skorch callbacks, such as skorch.callbacks.EpochTimer(), or "
                f"tuples (name, callback), got {entry!r}."
            )


def check_optimizer(optimizer: str | Callable[..., Any], learning_rate: float) -> None:
    """Raise a ValueError unless the optimizer can be built and make a step.

    It is tried on a matrix and a vector, since some optimizers refuse one of them, or gradients
    that are dense.
    """
    if isinstance(optimizer, str):
        return
    parameters = [nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(2))]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    try:
        optimizer(parameters, lr=learning_rate).step(lambda: torch.zeros(()))
    # User-supplied code may raise anything.
    except Exception as error:
        raise ValueError(
            "optimizer must be a name, or a class like torch.optim.Adam that is built with "
            f"(parameters, lr=...) and trains matrices and vectors, got {optimizer!r}: {error}"
        ) from error
