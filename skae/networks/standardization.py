"""Conversion between the units of the data and those of the networks."""

import math

import torch
from torch import nn


class Standardization(nn.Module):
    """Center every feature and divide by one scale, so that the objective stays PCA's.

    If a basis is given, the network sees the coordinates along it, whose mean square is the
    fraction of the variance that they hold. Statistics are kept in
    float64: in float32, data far from zero would lose their digits when they are centered.

    Parameters
    ----------
    center : Tensor of shape (n_features,)
    scale : float
    sigmoid : bool
        Whether the decoder's output passes through a sigmoid on its way back to the data.
    basis : Tensor of shape (n_features, n_directions) or None
        Orthonormal columns. Deviations outside of their span are left out.
    """

    center: torch.Tensor
    scale: torch.Tensor
    basis: torch.Tensor | None

    def __init__(self, center, scale, *, sigmoid=False, basis=None):
        super().__init__()
        self.register_buffer("center", center.double())
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float64))
        self.sigmoid = sigmoid
        # Fewer coordinates hold nearly all of the variance: without this factor each would be
        # larger, and losses could not be compared with those of all features.
        self._stretch = 1.0
        if basis is not None:
            n_features, n_directions = basis.shape
            self._stretch = n_features / n_directions
            basis = basis.double() / math.sqrt(self._stretch)
        self.register_buffer("basis", basis)
        # The number of values in a row as the network sees it.
        self.n_outputs = center.shape[0] if basis is None else basis.shape[1]

    def standardize(self, x):
        """Map data to the encoder's units."""
        return self._project(self._centered(x))

    def standardize_exactly(self, x):
        """Map data, however far from zero, to the encoder's units in single precision."""
        return self._project(self._centered(x.double()).float())

    def _centered(self, x):
        # In place: the difference is a new tensor, and rows may be many.
        return (x - self.center.to(x.dtype)).div_(self.scale)

    def _project(self, x):
        # (n_samples, n_features) to (n_samples, n_directions)
        return x if self.basis is None else x @ self.basis.to(x.dtype)

    def unstandardize(self, x):
        """Map the encoder's units to data: the inverse of `standardize` within its span."""
        if self.basis is not None:
            # Both the coordinates and the basis were divided by the root of the factor.
            x = x @ self.basis.to(x.dtype).T * self._stretch
        return x * self.scale + self.center.to(x.dtype)

    def to_data(self, x):
        """Map the decoder's output to data."""
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
        # The network standardizes its input: here this is undone.
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
        # Logits have no units: a sigmoid leads from them to data.
        return rows if self.standardization.sigmoid else self.standardization.standardize(rows)
