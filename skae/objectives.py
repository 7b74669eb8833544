"""What training minimises: a network's output and a batch's target become one number."""

from typing import NamedTuple

import torch
from torch import nn

from .losses import Loss, weighted_mean


class Target(NamedTuple):
    """What a batch is compared with.

    ``rows`` are the clean data in standardised units, ``labels`` (n, n_labels) what is to be
    predicted, ``weights`` have a mean of one over the training set.
    """

    rows: torch.Tensor
    labels: torch.Tensor | None = None
    weights: torch.Tensor | None = None


class ReconstructionObjective(nn.Module):
    """Distance of the reconstruction from the clean data.

    Parameters
    ----------
    loss : Loss
    standardization : Standardization
        Leads from the network's units to the data's where the loss speaks these.
    image_shape : tuple or None
        (height, width, channels) of the images that rows are.
    data_range : float
        Span of the data, by which the losses that need images in [0, 1] divide.
    """

    def __init__(self, loss: Loss, standardization, image_shape, data_range=1.0):
        super().__init__()
        self.loss = loss
        self.image_shape = image_shape
        self.data_range = data_range
        # In a list, so that the network's buffers are not registered here a second time.
        self._standardization = [standardization]

    def forward(self, output, target):
        return self.reconstruction(output.reconstruction, target)

    def reconstruction(self, reconstruction, target):
        """Reconstruction loss of a batch."""
        prediction, rows = self._in_units_of_loss(reconstruction, target.rows)
        if target.weights is None:
            return self.loss.mean(prediction, rows)
        return weighted_mean(self.loss.per_sample(prediction, rows), target.weights)

    def _in_units_of_loss(self, reconstruction, rows):
        if self.loss.units == "standardized":
            return reconstruction, rows
        (standardization,) = self._standardization
        rows = standardization.unstandardize(rows)
        if self.loss.units == "data":
            reconstruction = standardization.to_data(reconstruction)
        if self.loss.needs_images:
            reconstruction, rows = reconstruction / self.data_range, rows / self.data_range
        return self._as_images(reconstruction), self._as_images(rows)

    def _as_images(self, rows):
        """Rows to (n, channels, height, width), where they are images."""
        if self.image_shape is None:
            return rows
        return rows.reshape(-1, *self.image_shape).permute(0, 3, 1, 2)
