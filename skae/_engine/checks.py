"""Parameters that skorch and torch would refuse once training has begun, checked before."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from sklearn.metrics import get_scorer_names
from skorch.callbacks import Callback, LRScheduler, lr_scheduler
from skorch.callbacks.scoring import ScoringBase
from torch import nn

from .training import OPTIMIZERS

# Of skae's and skorch's own callbacks.
_RESERVED_NAMES = {
    *("weight_average", "best_weights", "early_stopping"),
    *("epoch_timer", "train_loss", "valid_loss", "print_log"),
}


def check_callbacks(
    callbacks: Sequence[Any],
    optimizer: str | Callable[..., Any] = "adamw",
    learning_rate: float = 0.001,
) -> None:
    """Raise an error unless each entry is a skorch callback that can begin, or a name and one.

    Raises
    ------
    TypeError
        If something else is given.
    ValueError
        If a name is taken, or a schedule or a scorer could not be made.
    """
    taken = set(_RESERVED_NAMES)
    for entry in callbacks:
        is_named = isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str)
        callback = entry[1] if is_named else entry
        is_class = isinstance(callback, type) and issubclass(callback, Callback)
        if not is_class and not isinstance(callback, Callback):
            raise TypeError(
                "callbacks must hold skorch callbacks, such as skorch.callbacks.EpochTimer(), or "
                f"tuples (name, callback), got {entry!r}."
            )
        if is_named and entry[0] in taken:
            raise ValueError(
                f"callbacks must have names that are not taken, got {entry[0]!r} twice, or one of "
                f"{sorted(_RESERVED_NAMES)}."
            )
        taken |= {entry[0]} if is_named else set()
        if isinstance(callback, LRScheduler):
            _check_schedule(callback, optimizer, learning_rate)
        if isinstance(callback, ScoringBase):
            _check_scorer(callback)


def _check_schedule(
    schedule: LRScheduler, optimizer: str | Callable[..., Any], learning_rate: float
) -> None:
    policy = schedule.policy
    try:
        policy = getattr(lr_scheduler, policy) if isinstance(policy, str) else policy
        try:
            policy(_trial_optimizer(optimizer, learning_rate), **schedule.kwargs)
        except ValueError:
            # It may hold a value for each group: of weights that decay, and of those that do not.
            in_groups = _trial_optimizer(optimizer, learning_rate)
            in_groups.add_param_group({"params": [nn.Parameter(torch.zeros(2))]})
            policy(in_groups, **schedule.kwargs)
    # User-supplied code may raise anything.
    except Exception as error:
        raise ValueError(
            "callbacks: an LRScheduler must have a policy, a class of torch.optim.lr_scheduler or "
            "a name that skorch knows, and the arguments that it takes, got "
            f"policy={schedule.policy!r} with {schedule.kwargs}: {error}"
        ) from error


def _check_scorer(callback: ScoringBase) -> None:
    scoring = callback.scoring
    is_known = scoring in get_scorer_names() if isinstance(scoring, str) else callable(scoring)
    # None stands for the net's own `score`.
    if scoring is not None and not is_known:
        raise ValueError(
            f"callbacks: {type(callback).__name__} must have a name of scikit-learn's scorers, a "
            f"function of (net, X, y) or None as scoring, got {scoring!r}."
        )


def check_optimizer(optimizer: Callable[..., Any], learning_rate: float) -> None:
    """Raise a ValueError unless the optimizer can be built and make a step.

    It is tried on a matrix and a vector, since some optimizers refuse one of them, or gradients
    that are dense.
    """
    try:
        _trial_optimizer(optimizer, learning_rate).step(lambda: torch.zeros(()))
    # User-supplied code may raise anything.
    except Exception as error:
        raise ValueError(
            "optimizer must be a name, or a class like torch.optim.Adam that is built with "
            f"(parameters, lr=...) and trains matrices and vectors, got {optimizer!r}: {error}"
        ) from error


def _trial_optimizer(optimizer: str | Callable[..., Any], learning_rate: float) -> Any:
    """Return an optimizer of a matrix and a vector that have gradients."""
    parameters = [nn.Parameter(torch.zeros(2, 2)), nn.Parameter(torch.zeros(2))]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    if isinstance(optimizer, str):
        known: Any = OPTIMIZERS[optimizer]
        return known[0](parameters, lr=learning_rate, **known[1])
    return optimizer(parameters, lr=learning_rate)
