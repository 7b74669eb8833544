"""How encoder and decoder are joined, and the units in which they meet the data."""

from typing import NamedTuple

import torch
from torch import nn

from .generators import uniform

# How often training keeps the first k components is the sum of a share proportional to a power
# of k, and this one for all of them: the last is learned from whole codes alone.
_WHOLE, _POWER = 0.25, -0.2
# How many parts of each code a step decodes: gradients are less noisy, and codes are made once.
_PARTS = 2


class NetworkOutput(NamedTuple):
    """What a forward pass gives; a network leaves out what it does not have.

    ``reconstruction`` is the decoder's own output, in standardised units, or the logits where
    the decoder ends in a sigmoid. Where it decodes each code several times, all of them once are
    followed by all of them again. ``mean`` and ``log_variance`` are those of the normal
    distribution that the code was drawn from. ``prediction`` holds a head's outputs.
    """

    reconstruction: torch.Tensor | None
    code: torch.Tensor
    mean: torch.Tensor | None = None
    log_variance: torch.Tensor | None = None
    prediction: torch.Tensor | None = None


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
    is_ordered : bool
        Whether `forward` decodes only so many first components of a code, see `truncated`, twice
        over, and the decoder is told which ones, see `with_presence`.
    """

    def __init__(self, encoder, decoder, standardization, *, fills_gaps=False, is_ordered=False):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.standardization = standardization
        self.fills_gaps = fills_gaps
        self.is_ordered = is_ordered

    @property
    def input_standardization(self):
        """How rows are prepared before `forward`."""
        return self.standardization

    def forward(self, x):
        code = self._code_of(x)
        parts = truncated(code.repeat(_PARTS, 1)) if self.is_ordered else code
        return NetworkOutput(self._decoded(parts), code)

    def encode(self, x):
        """Rows (n, n_features) to codes (n, n_components)."""
        return self._code_of(self.standardization.standardize(x))

    def decode(self, code):
        """Codes (n, n_components) to rows (n, n_features)."""
        return self.standardization.to_data(self._decoded(code))

    def _decoded(self, code):
        return self.decoder(with_presence(code) if self.is_ordered else code)

    def _code_of(self, x):
        return self.encoder(x.masked_fill(x.isnan(), 0.0) if self.fills_gaps else x)

    def reconstruct(self, x):
        """Rows (n, n_features) to what is decoded from their codes."""
        return self.decode(self.encode(x))


def truncated(code):
    """Set the last components of each code to zero, at random how many.

    This is the nested dropout of Rippel, Gelbart and Adams (2014). The numbers of components
    kept are spread evenly over their distribution: each batch holds about the same of them.

    Parameters
    ----------
    code : Tensor of shape (n, n_components)
        Rows in random order.

    Returns
    -------
    Tensor of shape (n, n_components)
    """
    n_rows, n_components = code.shape
    places = torch.arange(n_components, device=code.device)
    shares = (places + 1.0) ** _POWER
    bounds = (1 - _WHOLE) * shares.cumsum(0)[:-1] / shares.sum()
    draws = (torch.arange(n_rows, device=code.device) + uniform(1, code.device)) / n_rows
    last = torch.bucketize(draws, bounds)
    return code * (places <= last[:, None])


def with_presence(code):
    """Put beside each component whether it is there: a code may end in zeros that stand for none.

    Parameters
    ----------
    code : Tensor of shape (n, n_components)

    Returns
    -------
    Tensor of shape (n, 2 * n_components)
        The code, then ones up to its last component that is not zero.
    """
    backwards = (code != 0).to(code.dtype).flip(1)
    return torch.cat([code, backwards.cummax(dim=1).values.flip(1)], dim=1)


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
