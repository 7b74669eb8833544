"""What is special about autoencoders of whole sequences: losses and noises see frames.

The network is that of rows: the frames of a sequence one after the other and, if lengths differ,
one more number, which holds the length. It starts at PCA of such rows.
"""

import dataclasses
import math
from typing import Any

import torch

from ..losses import Criterion, Loss, Target, weighted_mean
from ..noises import Noise, NoiseContext


class SequenceCriterion(Criterion):
    """Reconstruction loss of a batch of sequences.

    Functions of data get only frames, as (n_samples, n_timesteps, n_channels). To their loss the
    squared error of the length is added, which counts as one value among those of the sequence.

    Parameters
    ----------
    loss : Loss
    shape : tuple of int
        (n_timesteps, n_channels).
    observed_only : bool, default=False
        As for `Criterion`.
    """

    def __init__(self, loss: Loss, shape: tuple[int, int], *, observed_only: bool = False) -> None:
        super().__init__(loss, observed_only=observed_only)
        self.shape = shape

    def forward(
        self, reconstruction: torch.Tensor, target: Target, standardization: Any
    ) -> torch.Tensor:
        """Return the mean loss of a batch."""
        loss = super().forward(reconstruction, target, standardization)
        n_values = math.prod(self.shape)
        # Other losses compare all values of a row, among them the length.
        if self.loss.units != "data" or reconstruction.shape[1] == n_values:
            return loss
        # (n_samples,): the length is the only value behind those of the frames.
        errors = (reconstruction[:, n_values:] - target.rows[:, n_values:]).square().sum(1)
        return loss + weighted_mean(errors / n_values, target.weights)

    def _as_images(self, rows: torch.Tensor) -> torch.Tensor:
        """Return rows as (n_samples, n_timesteps, n_channels) for functions of data."""
        if self.loss.units != "data":
            return rows
        return rows[:, : math.prod(self.shape)].unflatten(1, self.shape)


def noise_of_frames(noise: Noise, shape: tuple[int, int]) -> Noise:
    """Return a noise of rows that gives its function frames, and does not change the length.

    Parameters
    ----------
    noise : Noise
        Of tensors (n_samples, n_timesteps, n_channels).
    shape : tuple of int
        (n_timesteps, n_channels).

    Returns
    -------
    noise : Noise
    """
    n_values = math.prod(shape)

    def function(batch: torch.Tensor, level: float, context: NoiseContext) -> torch.Tensor:
        frames = batch[:, :n_values].unflatten(1, shape)
        inner = NoiseContext(*(each[..., :n_values].unflatten(-1, shape) for each in context))
        # (n_samples, n_timesteps, n_channels)
        changed = noise.function(frames, level, inner)
        if not isinstance(changed, torch.Tensor) or changed.shape != frames.shape:
            is_tensor = isinstance(changed, torch.Tensor)
            got = tuple(changed.shape) if is_tensor else type(changed).__name__
            raise ValueError(
                "noise must return a tensor of the shape it was given, "
                f"{tuple(frames.shape)}, got {got}."
            )
        return torch.cat([changed.flatten(1), batch[:, n_values:]], dim=1)

    return dataclasses.replace(noise, function=function)
