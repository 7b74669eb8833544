"""What training minimises: a network's output and a batch's target become one number."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from .losses import weighted_mean

# Added to losses that are balanced: else one that is zero from the start, such as that of a code
# as long as the row, would take all the weight.
_NEGLIGIBLE = 1e-3


class Target(NamedTuple):
    """What a batch is compared with.

    ``rows`` are the clean data in standardised units, ``labels`` (n, n_labels) what is to be
    predicted, ``weights`` have a mean of one over the training set.
    """

    rows: torch.Tensor
    labels: torch.Tensor | None = None
    weights: torch.Tensor | None = None

    def repeated(self, n_times):
        """All rows, so many times one after the other."""
        if n_times == 1:
            return self
        parts = (part if part is None else torch.cat([part] * n_times) for part in self)
        return Target(*parts)


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

    def __init__(self, loss, standardization, image_shape, data_range=1.0):
        super().__init__()
        self.loss = loss
        self.image_shape = image_shape
        self.data_range = data_range
        # In a list, so that the network's buffers are not registered here a second time.
        self._standardization = [standardization]

    def forward(self, output, target):
        n_times = len(output.reconstruction) // len(target.rows)
        return self.reconstruction(output.reconstruction, target.repeated(n_times))

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


class ObservedObjective(ReconstructionObjective):
    """Distance of the reconstruction from what is there of data with gaps (NaN)."""

    def reconstruction(self, reconstruction, target):
        """Reconstruction loss of a batch, as the mean over the values that are there."""
        gaps = target.rows.isnan().to(reconstruction.dtype).mean()
        return super().reconstruction(reconstruction, target) / (1 - gaps).clamp(min=_NEGLIGIBLE)

    def _in_units_of_loss(self, reconstruction, rows):
        """Count what is missing as hit."""
        prediction, rows = super()._in_units_of_loss(reconstruction, rows)
        gaps = rows.isnan()
        right, wanted = self.loss.zero_at
        return prediction.masked_fill(gaps, right), rows.masked_fill(gaps, wanted)


class VariationalObjective(ReconstructionObjective):
    """Minus the evidence lower bound (ELBO) of a variational network, per feature.

    Squared errors stand for a gaussian likelihood whose one variance follows them, which is its
    maximum-likelihood value: the balance of reconstruction and divergence is right whatever the
    units of the data. A constant keeps the loss from being negative, so that shares of it mean
    something.

    Parameters
    ----------
    loss : Loss
        Squared error or binary cross-entropy.
    network : VariationalNetwork
    image_shape : tuple or None
    beta : float
        Factor of the divergence.

    Attributes
    ----------
    kl_scale : float
        Share of ``beta`` that counts in training. Validation always takes all of it.
    parts : dict of Tensor
        ``reconstruction`` and ``kl`` of the last batch, in nats per row.

    References
    ----------
    Kingma and Welling (2014). Auto-encoding variational Bayes. ICLR.

    Rybkin, Daniilidis and Levine (2021). Simple and effective VAE training with calibrated
    decoders. ICML.
    """

    def __init__(self, loss, network, image_shape, beta):
        super().__init__(loss, network.standardization, image_shape)
        self.beta = beta
        self.kl_scale = 1.0
        self.parts = {}
        self._network = [network]

    def forward(self, output, target):
        if self.training:
            self._follow(output, target)
        nll, kl = (weighted_mean(term, target.weights) for term in self.terms(output, target.rows))
        self.parts = {"reconstruction": nll.detach(), "kl": kl.detach()}
        beta = self.beta * (self.kl_scale if self.training else 1.0)
        n_features = target.rows.shape[1]
        return (nll + beta * kl) / n_features - self._lowest()

    def terms(self, output, rows):
        """Both parts of minus the bound for each row, in nats and the units of the data.

        Returns
        -------
        nll, kl : Tensor of shape (n,)
            Minus the log-likelihood of a row given its code, and the Kullback-Leibler
            divergence of the code's distribution from the standard normal one.
        """
        (network,) = self._network
        mean, log_variance = output.mean, output.log_variance
        kl = (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=1) / 2
        nll = self._errors(output, rows)
        if not self.loss.is_probabilistic:
            noise = network.noise_variance
            nll = (nll / noise + self._log_normalizer(noise)) / 2
        return rows.shape[1] * nll, kl

    def _errors(self, output, rows):
        return self.loss.per_sample(*self._in_units_of_loss(output.reconstruction, rows))

    def _follow(self, output, target):
        (network,) = self._network
        errors = self._errors(output, target.rows)
        weights = torch.ones_like(errors) if target.weights is None else target.weights
        network.follow_codes(output, weights)
        if not self.loss.is_probabilistic:
            network.follow_noise(errors, weights)

    def _log_normalizer(self, variance):
        """Twice the logarithm of the gaussian's normalising constant, in the data's units."""
        (standardization,) = self._standardization
        # The square of the scale may be more than float32 can hold.
        return torch.log(2 * math.pi * variance) + 2 * standardization.scale.log().to(variance)

    def _lowest(self):
        """The least that the loss could be with its constants."""
        (network,) = self._network
        if self.loss.is_probabilistic:
            return 0.0
        return self._log_normalizer(network.least_noise_variance) / 2


class EvidenceBound(nn.Module):
    """The evidence lower bound of rows, by the mean over given draws.

    Parameters
    ----------
    network : VariationalNetwork
    objective : VariationalObjective
    draws : Tensor of shape (n_draws, n_components)
        Standard normal; the same for every row.
    """

    def __init__(self, network, objective, draws):
        super().__init__()
        self.network = network
        self.objective = objective
        self.register_buffer("draws", draws)

    def forward(self, x):
        """Rows (n, n_features), in their own units, to nats (n, 1)."""
        rows = self.network.standardization.standardize(x)
        mean, log_variance = self.network.distribution(rows)
        total = 0.0
        for draw in self.draws:
            output = self.network.decode_draw(mean, log_variance, draw)
            nll, kl = self.objective.terms(output, rows)
            total = total - nll - kl
        return total[:, None] / len(self.draws)


class NextFrameObjective(ReconstructionObjective):
    """Distance of predicted frames from those that followed."""

    def forward(self, output, target):
        # (n, n_timesteps - 1, n_features): a frame was predicted from all those before it.
        predicted, followed = output.reconstruction, target.rows[:, 1:]
        weights = target.weights
        if weights is not None:
            weights = weights.repeat_interleave(followed.shape[1])
        frames = Target(followed.flatten(0, 1), weights=weights)
        return self.reconstruction(predicted.flatten(0, 1), frames)


class DistillationObjective(ReconstructionObjective):
    """Reconstruction, and the squared distance of an encoder's codes from given ones.

    The two train different layers, see `DistilledNetwork`, and need no balance.

    Parameters
    ----------
    loss : Loss
    network : DistilledNetwork
    image_shape : tuple or None
    data_range : float

    Attributes
    ----------
    parts : dict of Tensor
        ``reconstruction`` and ``distillation`` loss of the last batch.
    """

    def __init__(self, loss, network, image_shape, data_range):
        super().__init__(loss, network.standardization, image_shape, data_range)
        self.parts = {}
        self._code_standardization = [network.code_standardization]

    def forward(self, output, target):
        (code_standardization,) = self._code_standardization
        codes = code_standardization.standardize(target.labels).to(output.code.dtype)
        distances = F.mse_loss(output.code, codes, reduction="none").mean(dim=1)
        distillation = weighted_mean(distances, target.weights)
        reconstruction = super().forward(output, target)
        self.parts = {
            "reconstruction": reconstruction.detach(),
            "distillation": distillation.detach(),
        }
        return reconstruction + distillation


class PredictionObjective(nn.Module):
    """Distance of a head's outputs from the labels.

    Parameters
    ----------
    per_sample : callable
        ``per_sample(prediction, labels)`` gives the loss of each row, a tensor of shape (n,).
    """

    def __init__(self, per_sample):
        super().__init__()
        self.per_sample = per_sample

    def forward(self, output, target):
        return weighted_mean(self.per_sample(output.prediction, target.labels), target.weights)


class JointObjective(nn.Module):
    """Reconstruction and prediction at once.

    Parameters
    ----------
    reconstruction, prediction : Module
        Objectives.
    weight : float in [0, 1] or 'balanced'
        Share of the reconstruction; see `balanced`.

    Attributes
    ----------
    parts : dict of Tensor
        ``reconstruction`` and ``prediction`` loss of the last batch.
    """

    def __init__(self, reconstruction, prediction, weight):
        super().__init__()
        self.reconstruction = reconstruction
        self.prediction = prediction
        self.weight = weight
        self.parts = {}

    def forward(self, output, target):
        reconstruction = self.reconstruction(output, target)
        prediction = self.prediction(output, target)
        self.parts = {"reconstruction": reconstruction.detach(), "prediction": prediction.detach()}
        if self.weight == "balanced":
            return balanced(reconstruction, prediction)
        return self.weight * reconstruction + (1 - self.weight) * prediction


def balanced(first, second):
    """Weigh each of two losses by the other's share of their sum.

    A relative gain of either then counts the same: steps go down the product of the two. The
    gradient is that of the sum so weighed, with the weights held fixed. The value is the
    geometric mean of the losses, which falls where their product does; the sum itself would
    hardly see the larger loss.

    Parameters
    ----------
    first, second : Tensor without dimensions
        Not negative.

    Returns
    -------
    Tensor without dimensions
    """
    lowest = min(first, second).item()
    if lowest <= -_NEGLIGIBLE:
        raise ValueError(
            "reconstruction_weight='balanced' expects losses that are not negative, got "
            f"{lowest:.6g}: change the loss, or give the weight as a number."
        )
    a, b = first.detach() + _NEGLIGIBLE, second.detach() + _NEGLIGIBLE
    weighted = (b * first + a * second) / (a + b)
    return torch.sqrt(a * b) + weighted - weighted.detach()
