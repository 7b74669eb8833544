"""Decoders for the codes of a reducer, and encoders that learn to compute these codes."""

import numpy as np
import torch
from torch.nn import functional as F

from ..losses import weighted_mean
from ..networks.blocks import LinearSkip
from ..networks.standardization import Standardization
from ._linear import (
    center_and_scale,
    divide_by_deviations,
    pass_through_sigmoid,
    principal_components,
    root_mean_squares,
    set_to_least_squares,
    set_to_zero,
    standardized,
)
from ._units import layers_of_both
from .autoencoder import Network


class DecoderNetwork(Network):
    """A decoder for the codes of a reducer.

    Its inputs are codes: ``forward`` is `decode`.

    Parameters
    ----------
    decoder : Module
        Between standardized codes and standardized rows.
    standardization : Standardization
        Of the rows.
    n_components : int
    standardize_codes : bool, default=True
        Whether the decoder sees standardized codes; otherwise it sees their own units.
    """

    def __init__(self, decoder, standardization, n_components, *, standardize_codes=True):
        super().__init__(standardization)
        self.decoder = decoder
        # Replaced by that of the codes when these are known, see `start`.
        self.code_standardization = Standardization(torch.zeros(n_components), 1.0)
        self.standardize_codes = standardize_codes

    @property
    def input_standardization(self):
        return self.code_standardization

    def forward(self, x):
        """Map codes (n_samples, n_components) to rows (n_samples, n_features)."""
        return self.decode(x)

    def decode(self, code):
        """Map codes (n_samples, n_components) to rows (n_samples, n_features)."""
        # Codes come in the reducer's units, here as in `encode`.
        code = self.code_standardization.standardize(code)
        return self.standardization.to_data(self.decoder(code))

    def training_loss(self, inputs, target, criterion):
        """Return the reconstruction loss of codes, which are the inputs."""
        return criterion(self.decoder(inputs), target, self.standardization), {}

    def data_layers(self):
        return layers_of_both(None, self.decoder, self.standardization)

    def constants(self):
        return super().constants() + list(self.code_standardization.buffers())

    def start(self, sample, seed):
        """Start linear skip connections at the best linear map from the codes to the data."""
        self._start_decoder(sample.X, sample)

    def _start_decoder(self, codes, sample):
        # Codes of UMAP and others come in any units, and layers expect them about unit variance.
        if self.standardize_codes:
            center, scale = center_and_scale(codes, sample.weights)
            self.code_standardization = Standardization(torch.tensor(center), scale)
        codes = standardized(self.code_standardization, codes)
        if not isinstance(self.decoder, LinearSkip):
            return codes
        rows = standardized(self.standardization, sample.rows)
        linear = self.decoder.linear
        with torch.no_grad():
            set_to_zero(linear)
            set_to_least_squares(linear, codes, rows, sample.weights)
            if self.standardization.sigmoid:
                pass_through_sigmoid(linear, self.standardization)
            # One scale for the whole code leaves components of unequal variance.
            deviations = root_mean_squares(codes, sample.weights)
            divide_by_deviations(self.decoder.nonlinear, deviations)
        return codes


class DistilledNetwork(DecoderNetwork):
    """A decoder for codes of a reducer, and an encoder that learns to compute them itself.

    The loss is the sum of the reconstruction loss and of the squared distance between the
    encoder's codes and the given ones. The two train different layers and need no balance.

    Parameters
    ----------
    encoder, decoder : Module
    standardization : Standardization
        Of the rows.
    n_components : int
    mask_missing : bool, default=False
        Whether missing values (NaN) may come in.
    standardize_codes : bool, default=True
    """

    # The reducer's codes come as labels: the inputs are the rows.
    needs_labels = True

    def __init__(
        self, encoder, decoder, standardization, n_components, *, mask_missing=False, **options
    ):
        super().__init__(decoder, standardization, n_components, **options)
        self.encoder = encoder
        self.mask_missing = mask_missing

    @property
    def input_standardization(self):
        return self.standardization

    def forward(self, x):
        """Map rows (n_samples, n_features) to their reconstructions."""
        return self.decode(self.encode(x))

    def encode(self, x):
        """Map rows (n_samples, n_features) to codes (n_samples, n_components)."""
        code = self.encoder(self.seen(self.standardization.standardize(x)))
        return self.code_standardization.unstandardize(code)

    def data_layers(self):
        return layers_of_both(self.encoder, self.decoder, self.standardization)

    def training_loss(self, inputs, target, criterion):
        """Return the sum of both losses, and its parts."""
        code = self.encoder(self.seen(inputs))
        # Both in standardized units: the distance counts as much whatever the reducer's scale.
        wanted = self.code_standardization.standardize(target.labels).to(code.dtype)
        # By row, so that sample weights apply as in the reconstruction.
        distances = F.mse_loss(code, wanted, reduction="none").mean(dim=1)
        distillation = weighted_mean(distances, target.weights)
        # Detached: the decoder adapts to the encoder's codes, the encoder only to the given ones.
        reconstruction, _ = super().training_loss(code.detach(), target, criterion)
        parts = {
            "reconstruction": reconstruction.detach(),
            "distillation": distillation.detach(),
        }
        return reconstruction + distillation, parts

    def start(self, sample, seed):
        """Start linear skip connections at least-squares maps between codes and data.

        The encoder starts as the best linear map to the codes from as many principal components
        as a code has numbers: a map from more of them would overfit, and a code of PCA's own
        needs no others.
        """
        codes = self._start_decoder(sample.labels.astype(np.float64), sample)
        if not isinstance(self.encoder, LinearSkip):
            return
        inputs = standardized(self.standardization, sample.X)
        n_components = min(codes.shape[1], *inputs.shape)
        components, _ = principal_components(inputs, sample.weights, n_components, seed)
        with torch.no_grad():
            set_to_least_squares(self.encoder.linear, inputs, codes, sample.weights, components)
