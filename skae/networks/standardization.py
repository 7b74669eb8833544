"""The units in which networks meet the data."""

import math

import torch
from torch import nn


class Standardization(nn.Module):
    """Centre every feature and divide by one scale: the objective stays PCA's.

    Where a basis is given, the network sees the coordinates along them, and their mean
    square is the share of the variance that lies along them. All is kept in float64, or data
    far from zero would not be centred.

    Parameters
    ----------
    center : Tensor of shape (n_features,)
    scale : float
    sigmoid : bool
        Whether the decoder's output passes through a sigmoid on its way back to the data.
    basis : Tensor of shape (n_features, n_directions) or None
        Orthonormal columns. What lies outside of their span is left out.
    """

    def __init__(self, center, scale, *, sigmoid=False, basis=None):
        super().__init__()
        self.register_buffer("center", center.double())
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))
        self.sigmoid = sigmoid
        self._stretch = 1.0
        if basis is not None:
            n_features, n_directions = basis.shape
            self._stretch = n_features / n_directions
            basis = basis.double() / math.sqrt(self._stretch)
        self.register_buffer("basis", basis)

    @property
    def n_outputs(self):
        """Number of values in a row as the network sees it."""
        return len(self.center) if self.basis is None else self.basis.shape[1]

    def standardize(self, x):
        """Data to the encoder's units."""
        return self._project(self._centered(x))

    def standardize_exactly(self, x):
        """Data to the encoder's units, in single precision, however far from zero they are."""
        return self._project(self._centered(x.double()).float())

    def _centered(self, x):
        return (x - self.center.to(x.dtype)).div_(self.scale)

    def _project(self, x):
        return x if self.basis is None else x @ self.basis.to(x.dtype)

    def unstandardize(self, x):
        """The encoder's units back to data: the inverse of `standardize`, but for what it left."""
        if self.basis is not None:
            x = x @ self.basis.to(x.dtype).T * self._stretch
        return x * self.scale + self.center.to(x.dtype)

    def to_data(self, x):
        """The decoder's output to data."""
        return torch.sigmoid(x) if self.sigmoid else self.unstandardize(x)


class EncodesData(nn.Module):
    """An encoder that sees data in their own units, in a network of standardized rows.

    Parameters
    ----------
    encoder : Module
    standardization : Standardization
        That of the network: a shared module, so that both always use the same units.
    """

    def __init__(self, encoder, standardization):
        super().__init__()
        self.encoder = encoder
        self.standardization = standardization

    def forward(self, x):
        return self.encoder(self.standardization.unstandardize(x))


class DecodesToData(nn.Module):
    """A decoder that returns data in their own units, in a network of standardized rows.

    Parameters
    ----------
    decoder : Module
        Returns logits if the network ends in a sigmoid.
    standardization : Standardization
        That of the network, as for `EncodesData`.
    """

    def __init__(self, decoder, standardization):
        super().__init__()
        self.decoder = decoder
        self.standardization = standardization

    def forward(self, code):
        rows = self.decoder(code)
        return rows if self.standardization.sigmoid else self.standardization.standardize(rows)
