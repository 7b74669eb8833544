"""How encoder and decoder are joined, and the units in which they meet the data."""

from typing import NamedTuple

import torch
from torch import nn


class NetworkOutput(NamedTuple):
    """What a forward pass gives; a network leaves out what it does not have.

    ``reconstruction`` is the decoder's own output, in standardised units, or the logits where
    the decoder ends in a sigmoid. ``mean`` and ``log_variance`` are those of the normal
    distribution that the code was drawn from. ``prediction`` holds a head's outputs.
    """

    reconstruction: torch.Tensor | None
    code: torch.Tensor
    mean: torch.Tensor | None = None
    log_variance: torch.Tensor | None = None
    prediction: torch.Tensor | None = None


class Standardization(nn.Module):
    """Centre every feature and divide by one scale: the objective stays PCA's.

    Both are kept in float64, or data far from zero would not be centred.

    Parameters
    ----------
    center : Tensor of shape (n_features,)
    scale : float
    sigmoid : bool
        Whether the decoder's output passes through a sigmoid on its way back to the data.
    """

    def __init__(self, center, scale, *, sigmoid=False):
        super().__init__()
        self.register_buffer("center", center.double())
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))
        self.sigmoid = sigmoid

    def standardize(self, x):
        """Data to the encoder's units."""
        return (x - self.center.to(x.dtype)).div_(self.scale)

    def unstandardize(self, x):
        """The encoder's units back to data: the inverse of `standardize`."""
        return x * self.scale + self.center.to(x.dtype)

    def to_data(self, x):
        """The decoder's output to data."""
        return torch.sigmoid(x) if self.sigmoid else self.unstandardize(x)


class AutoencoderNetwork(nn.Module):
    """Encoder and decoder between rows of data and codes.

    `encode` and `decode` speak the data's units; `forward`, which training calls, takes rows
    that are standardised already, so that they are standardised once and not every epoch.

    Parameters
    ----------
    encoder, decoder : Module
    standardization : Standardization
    fills_gaps : bool
        Whether missing values (NaN) may come in: the encoder sees zero there, which is the
        feature's mean where data are centred.
    """

    def __init__(self, encoder, decoder, standardization, *, fills_gaps=False):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.standardization = standardization
        self.fills_gaps = fills_gaps

    @property
    def input_standardization(self):
        """How rows are prepared before `forward`."""
        return self.standardization

    def forward(self, x):
        code = self._code_of(x)
        return NetworkOutput(self.decoder(code), code)

    def encode(self, x):
        """Rows (n, n_features) to codes (n, n_components)."""
        return self._code_of(self.standardization.standardize(x))

    def decode(self, code):
        """Codes (n, n_components) to rows (n, n_features)."""
        return self.standardization.to_data(self.decoder(code))

    def _code_of(self, x):
        return self.encoder(x.masked_fill(x.isnan(), 0.0) if self.fills_gaps else x)

    def reconstruct(self, x):
        """Rows (n, n_features) to what is decoded from their codes."""
        return self.decode(self.encode(x))


class SupervisedNetwork(AutoencoderNetwork):
    """Encoder and decoder, and a head that predicts from the code.

    Attributes
    ----------
    reconstructs : bool
        Whether `forward` gives a reconstruction, or saves the work.
    """

    def __init__(self, encoder, decoder, head, standardization):
        super().__init__(encoder, decoder, standardization)
        self.head = head
        self.reconstructs = True

    def forward(self, x):
        code = self.encoder(x)
        reconstruction = self.decoder(code) if self.reconstructs else None
        return NetworkOutput(reconstruction, code, prediction=self.head(code))

    def predict(self, x):
        """Rows (n, n_features) to the head's outputs (n, n_outputs)."""
        return self.head(self.encode(x))


class DecoderNetwork(nn.Module):
    """A decoder alone, for codes that come from elsewhere.

    Parameters
    ----------
    decoder : Module
        From codes to rows, both in standardised units.
    standardization, code_standardization : Standardization
        Of the rows and of the codes.
    """

    def __init__(self, decoder, standardization, code_standardization):
        super().__init__()
        self.decoder = decoder
        self.standardization = standardization
        self.code_standardization = code_standardization

    @property
    def input_standardization(self):
        """How codes are prepared before `forward`."""
        return self.code_standardization

    def forward(self, code):
        return NetworkOutput(self.decoder(code), code)

    def decode(self, code):
        """Codes (n, n_components) to rows (n, n_features)."""
        return self.standardization.to_data(
            self.decoder(self.code_standardization.standardize(code))
        )


class DistilledNetwork(DecoderNetwork):
    """A decoder for codes from elsewhere, and an encoder that learns to give them itself."""

    def __init__(self, encoder, decoder, standardization, code_standardization):
        super().__init__(decoder, standardization, code_standardization)
        self.encoder = encoder

    @property
    def input_standardization(self):
        """How rows are prepared before `forward`."""
        return self.standardization

    def forward(self, x):
        code = self.encoder(x)
        # The decoder follows the encoder, which is to follow nothing but the given codes.
        return NetworkOutput(self.decoder(code.detach()), code)

    def encode(self, x):
        """Rows (n, n_features) to codes (n, n_components)."""
        code = self.encoder(self.standardization.standardize(x))
        return self.code_standardization.unstandardize(code)

    def reconstruct(self, x):
        """Rows (n, n_features) to what is decoded from their codes."""
        return self.decode(self.encode(x))
