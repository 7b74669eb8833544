"""The criterion of training: how far reconstructions are from their targets, in the loss's units.

It knows a loss and the shape of images, but neither networks nor training.
"""

import copy
import dataclasses
from typing import NamedTuple

import torch
from torch import nn

from .losses import LOSSES

# Added to the fraction of observed values, so that a batch without any does not divide by zero.
_MIN_OBSERVED_FRACTION = 1e-3


class Target(NamedTuple):
    """What a batch is compared with.

    Attributes
    ----------
    rows : Tensor of shape (n_samples, n_outputs)
        Clean data, standardized.
    labels : Tensor of shape (n_samples, n_labels) or None
        What is to be predicted.
    weights : Tensor of shape (n_samples,) or None
        Sample weights, with a mean of one over the training set.
    """

    rows: torch.Tensor
    labels: torch.Tensor | None = None
    weights: torch.Tensor | None = None

    def repeated(self, n_times):
        """Return the target with all rows repeated one after the other."""
        if n_times == 1:
            return self
        return Target(*(None if part is None else torch.cat([part] * n_times) for part in self))


class Criterion(nn.Module):
    """Reconstruction loss of a batch.

    A loss that is a module of its own is registered here: it moves to the device with the
    criterion, follows its training mode, and its parameters are trained.

    Parameters
    ----------
    loss : Loss
    image_shape : tuple of int or None
        (height, width, channels) of the images that rows are.
    data_range : float, default=1.0
        Largest minus smallest value of the data: losses that need images in [0, 1] divide by it.
    observed_only : bool, default=False
        Whether targets may be missing (NaN). The loss is then the mean over observed values.
    """

    def __init__(self, loss, image_shape=None, data_range=1.0, *, observed_only=False):
        super().__init__()
        # Losses of users may be negative.
        self.is_builtin = loss in LOSSES.values()
        if isinstance(loss.function, nn.Module):
            # A copy, so that training does not change the user's own module.
            self.module = copy.deepcopy(loss.function)
            loss = dataclasses.replace(loss, function=self.module)
        self.loss = loss
        self.image_shape = image_shape
        self.data_range = data_range
        self.observed_only = observed_only

    def forward(self, reconstruction, target, standardization):
        """Return the mean loss of a batch.

        Parameters
        ----------
        reconstruction : Tensor of shape (n_samples, n_outputs)
            Output of a decoder: standardized, or logits.
        target : Target
        standardization : Standardization
            Leads from standardized rows to the data's units, where the loss compares these.

        Returns
        -------
        Tensor of shape ()
        """
        prediction, rows = self._in_units_of_loss(reconstruction, target.rows, standardization)
        if target.weights is None:
            loss = self.loss.mean(prediction, rows)
        else:
            loss = weighted_mean(self.loss.per_sample(prediction, rows), target.weights)
        if not self.observed_only:
            return loss
        missing_fraction = target.rows.isnan().to(loss.dtype).mean()
        return loss / (1 - missing_fraction).clamp(min=_MIN_OBSERVED_FRACTION)

    def per_sample(self, reconstruction, rows, standardization):
        """Return the loss of each row, a tensor of shape (n_samples,)."""
        return self.loss.per_sample(*self._in_units_of_loss(reconstruction, rows, standardization))

    def _in_units_of_loss(self, reconstruction, rows, standardization):
        if self.loss.units != "standardized":
            rows = standardization.unstandardize(rows)
            if self.loss.units == "data":
                reconstruction = standardization.to_data(reconstruction)
            if self.loss.needs_images:
                reconstruction, rows = reconstruction / self.data_range, rows / self.data_range
            reconstruction, rows = self._as_images(reconstruction), self._as_images(rows)
        if not self.observed_only:
            return reconstruction, rows
        # Missing values cost nothing: both sides are set to values without a loss between them.
        is_missing = rows.isnan()
        prediction, wanted = self.loss.zero_at
        return reconstruction.masked_fill(is_missing, prediction), rows.masked_fill(
            is_missing, wanted
        )

    def _as_images(self, rows):
        """Return rows as (n_samples, channels, height, width), where they are images."""
        if self.image_shape is None:
            return rows
        return rows.reshape(-1, *self.image_shape).permute(0, 3, 1, 2)


def weighted_mean(values, weights):
    """Return the mean of ``values`` (n_samples,), each multiplied by its weight."""
    return torch.mean(values if weights is None else values * weights)
