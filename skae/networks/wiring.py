"""How encoder and decoder are joined, and the units in which they meet the data."""

from typing import NamedTuple

import torch
from torch import nn


class NetworkOutput(NamedTuple):
    """What a forward pass gives; a network leaves out what it does not have.

    ``reconstruction`` is the decoder's own output, in standardised units, or the logits where
    the decoder ends in a sigmoid.
    """

    reconstruction: torch.Tensor
    code: torch.Tensor


class Standardization(nn.Module):
    """Centre every feature and divide by one scale: the objective stays PCA's.

    Parameters
    ----------
    center : Tensor of shape (n_features,)
    scale : float
    sigmoid : bool
        Whether the decoder's output passes through a sigmoid on its way back to the data.
    """

    def __init__(self, center, scale, *, sigmoid=False):
        super().__init__()
        self.register_buffer("center", center)
        self.register_buffer("scale", torch.as_tensor(scale, dtype=center.dtype))
        self.sigmoid = sigmoid

    def standardize(self, x):
        """Data to the encoder's units."""
        return (x - self.center) / self.scale

    def unstandardize(self, x):
        """The encoder's units back to data: the inverse of `standardize`."""
        return x * self.scale + self.center

    def to_data(self, x):
        """The decoder's output to data."""
        return torch.sigmoid(x) if self.sigmoid else self.unstandardize(x)


class AutoencoderNetwork(nn.Module):
    """Encoder and decoder between rows of data and codes.

    `encode` and `decode` speak the data's units; `forward`, which training calls, takes rows
    that are standardised already, so that they are standardised once and not every epoch.
    """

    def __init__(self, encoder, decoder, standardization):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.standardization = standardization

    @property
    def input_standardization(self):
        """How rows are prepared before `forward`."""
        return self.standardization

    def forward(self, x):
        code = self.encoder(x)
        return NetworkOutput(self.decoder(code), code)

    def encode(self, x):
        """Rows (n, n_features) to codes (n, n_components)."""
        return self.encoder(self.standardization.standardize(x))

    def decode(self, code):
        """Codes (n, n_components) to rows (n, n_features)."""
        return self.standardization.to_data(self.decoder(code))
