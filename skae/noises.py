"""Corruption of the input in training: functions of tensors, and one table of their names.

Vincent, Larochelle, Bengio and Manzagol (2008): Extracting and composing robust features with
denoising autoencoders.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ._utils import lookup, refuse_class
from .networks.generators import bernoulli_mask, standard_normal_like

__all__ = ["NOISES", "Noise", "NoiseContext", "resolve_noise"]

# Logits, which losses may have, are units of the decoder's output and of no input.
_UNITS = ("standardized", "data")


class NoiseContext(NamedTuple):
    """Values of the training data that a noise may put in place of others.

    All three broadcast with the batch and are in its units.

    Parameters
    ----------
    zero : Tensor
        The data's zero.
    smallest, largest : Tensor
        Smallest and largest value of each feature; of all pixels, if rows are images.

    Examples
    --------
    >>> import torch
    >>> from skae.noises import NOISES, NoiseContext
    >>> context = NoiseContext(*torch.tensor([0.0, -1.0, 5.0]))
    >>> NOISES["masking"].function(torch.ones(1, 3), 1.0, context)
    tensor([[0., 0., 0.]])
    """

    zero: torch.Tensor
    smallest: torch.Tensor
    largest: torch.Tensor


@dataclass(frozen=True)
class Noise:
    """A corruption of the input, with the properties that estimators ask for.

    Instances can be given as ``noise=`` to every estimator. A plain callable ``corrupt(batch)``
    means the same as a `Noise` in the units of the data that ignores ``noise_level``.

    Parameters
    ----------
    function : callable
        ``function(batch, level, context)`` returns the corrupted batch, a new tensor of the same
        shape. ``level`` is the estimator's ``noise_level`` and ``context`` a `NoiseContext`. It
        may draw random numbers from torch's global generator, which is seeded from
        ``random_state`` and restored afterwards.
    level_is_fraction : bool, default=False
        Whether ``noise_level`` is a fraction of the values. If so, levels above 1 are refused.
    units : {'standardized', 'data'}, default='standardized'
        Units of batch and context. ``'standardized'``: centered and scaled rows of shape
        (n_samples, n_features). ``'data'``: rows in the units of the data or, if images are
        given, images of shape (n_samples, n_channels, height, width).

    Raises
    ------
    TypeError
        If ``function`` is not callable.
    ValueError
        If ``units`` is not one of the names above.

    See Also
    --------
    skae.losses.Loss : The same for losses.

    Examples
    --------
    Counts with more or less of Poisson's noise:

    >>> import torch
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.noises import Noise
    >>> def poisson(batch, level, context):
    ...     return torch.poisson(batch.clamp(min=0) / level) * level
    >>> X, _ = load_digits(return_X_y=True)
    >>> noise = Noise(poisson, units="data")
    >>> Autoencoder(8, noise=noise, noise_level=2.0, max_iter=3).fit_transform(X).shape
    (1797, 8)
    """

    function: Callable[..., Any]
    level_is_fraction: bool = False
    units: str = "standardized"

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"function of Noise must be callable, got {self.function!r}.")
        if self.units not in _UNITS:
            raise ValueError(f"units of Noise must be one of {_UNITS}, got {self.units!r}.")


def _gaussian(batch: torch.Tensor, level: float, context: NoiseContext) -> torch.Tensor:
    # Standardized data have an overall standard deviation of one: the level is in units of it.
    normal: torch.Tensor = standard_normal_like(batch)
    return batch + level * normal


def _masking(batch: torch.Tensor, level: float, context: NoiseContext) -> torch.Tensor:
    """Set a fraction of the entries to the data's zero."""
    # Of the data and not of the standardized rows, whose zero is the mean: black stays black.
    return torch.where(bernoulli_mask(batch, 1 - level).bool(), batch, context.zero)


def _salt_pepper(batch: torch.Tensor, level: float, context: NoiseContext) -> torch.Tensor:
    """Set a fraction of the entries to the smallest or the largest value, each as often."""
    # Two masks: which extreme it is must not depend on where it strikes.
    extremes = torch.where(bernoulli_mask(batch, 0.5).bool(), context.largest, context.smallest)
    return torch.where(bernoulli_mask(batch, 1 - level).bool(), batch, extremes)


# Standardized rows are at hand in the loop: units of the data would cost two conversions a batch.
NOISES = {
    "gaussian": Noise(_gaussian),
    "masking": Noise(_masking, level_is_fraction=True),
    "salt_pepper": Noise(_salt_pepper, level_is_fraction=True),
}


def resolve_noise(noise: "str | Callable[..., Any] | Noise | None") -> Noise | None:
    """Turn a name or a function into a `Noise`.

    Parameters
    ----------
    noise : str, callable, Noise or None
        A name in `NOISES`, or a user-supplied noise. A callable maps a batch in the units of the
        data to its corrupted version; a `Noise` and None are returned as they are.

    Returns
    -------
    noise : Noise or None
        With the properties that estimators ask for; None for no noise.

    Raises
    ------
    TypeError
        If ``noise`` is a class, in place of an object.
    ValueError
        If no noise has this name.

    Examples
    --------
    >>> from skae.noises import resolve_noise
    >>> resolve_noise("masking").level_is_fraction
    True
    """
    refuse_class("noise", noise)
    if noise is None or isinstance(noise, Noise):
        return noise
    if callable(noise):
        # A plain function knows of no level and no context.
        return Noise(lambda batch, level, context: noise(batch), units="data")
    return lookup("noise", noise, NOISES)
