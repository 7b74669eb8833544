"""Denoising without a code: a network that predicts the residual to add to noisy rows."""

import torch

from ._linear import LOGIT_LIMITS
from .autoencoder import Network


class DenoisingNetwork(Network):
    """Noisy data plus what a network predicts from them.

    The noise is what has to be predicted, which is easier than the data themselves (Zhang et al.,
    2017). Training starts where the data are returned as they are.

    Parameters
    ----------
    residual : Module
        From noisy rows to the residual to add, both standardized. It starts at zero.
    standardization : Standardization
    """

    def __init__(self, residual, standardization):
        super().__init__(standardization)
        self.residual = residual

    def forward(self, x):
        """Map noisy rows (n_samples, n_features) to clean ones, in the units of the data."""
        return self.standardization.to_data(self._clean(self.standardization.standardize(x)))

    def training_loss(self, inputs, target, criterion):
        """Return the loss of denoised rows, which has one part."""
        return criterion(self._clean(inputs), target, self.standardization), {}

    def _clean(self, rows):
        """Return what `to_data` turns into clean rows, which are standardized or logits."""
        added = self.residual(rows)
        if not self.standardization.sigmoid:
            return rows + added
        # Noise leads out of [0, 1], and values at its ends have infinite logits.
        data = self.standardization.unstandardize(rows).clamp(*LOGIT_LIMITS)
        return torch.logit(data) + added
