"""The variational autoencoder: codes with a distribution, the evidence lower bound as the loss."""

import math

import numpy as np
import torch

from ..losses import weighted_mean
from ..networks.blocks import LinearSkip
from ..networks.generators import standard_normal_like
from ..networks.parts import sum_of_batch
from ._linear import pass_through_sigmoid, principal_components, set_to_zero, standardized
from .autoencoder import AutoencoderNetwork

# The noise has at least this fraction of the data's variance, so that the likelihood of data that
# can be reconstructed exactly is bounded.
_MIN_NOISE_FRACTION = 1e-6
# Running statistics average over about this many rows: some batches, but not a whole epoch.
_RUNNING_ROWS = 1000
# Values of the reconstructions that are held at once to estimate a bound: 2 MB in float64.
_DECODED_VALUES = 2**18


# Observed fractions of a batch to divide by.
_MIN_OBSERVED_FRACTION = 1e-3


class VariationalNetwork(AutoencoderNetwork):
    """Draw codes from the encoder's distribution in training; use its mean afterwards.

    The encoder returns mean and log-variance of each component in turn: interleaved, so that an
    encoder that ends in feature maps keeps means and log-variances in channels of their own.
    Codes are centered and scaled by running statistics to mean zero and variance one over the
    training rows, and scaled back before they are decoded: of all scales this one is nearest to
    the standard normal prior, and the layers need not find it.

    The loss is minus the evidence lower bound (ELBO), per feature. Squared errors stand for a
    Gaussian likelihood whose one variance follows them, which is its maximum-likelihood value:
    reconstruction and divergence are balanced whatever the units of the data. A constant keeps
    the loss from being negative.

    Parameters
    ----------
    encoder, decoder : Module
    standardization : Standardization
    n_components : int
    beta : float, default=1.0
        Factor of the Kullback-Leibler divergence.
    n_warmup : int, default=0
        Epochs over which the factor rises to ``beta`` in training.
    mask_missing : bool, default=False
        Whether missing values (NaN) may come in.

    Attributes
    ----------
    noise_variance : Tensor of shape ()
        Variance of the Gaussian likelihood of each feature, in standardized units.
    min_noise_variance : Tensor of shape ()
        Its lower limit.
    code_mean, code_variance : Tensor of shape (n_components,)
        Of the encoder's own codes, the spread of each row's distribution included.
    kl_scale : float
        Fraction of ``beta`` that counts in the current epoch of training. Validation always
        takes all of it.

    References
    ----------
    Kingma and Welling (2014). Auto-encoding variational Bayes. ICLR.

    Rybkin, Daniilidis and Levine (2021). Simple and effective VAE training with calibrated
    decoders. ICML.
    """

    varying = ("beta",)

    def __init__(
        self,
        encoder,
        decoder,
        standardization,
        n_components,
        *,
        beta=1.0,
        n_warmup=0,
        mask_missing=False,
    ):
        super().__init__(encoder, decoder, standardization, mask_missing=mask_missing)
        self.beta = beta
        self.n_warmup = n_warmup
        self.kl_scale = 1.0
        self.register_buffer("noise_variance", torch.ones(()))
        self.register_buffer("min_noise_variance", torch.full((), _MIN_NOISE_FRACTION))
        self.register_buffer("code_mean", torch.zeros(n_components))
        self.register_buffer("code_variance", torch.ones(n_components))

    # -- data to data ----------------------------------------------------------------------

    def encode(self, x):
        """Map rows (n_samples, n_features) to the means of their codes."""
        return self._distribution(self.standardization.standardize(x))[0]

    def posterior(self, x):
        """Map rows to means and standard deviations of their codes, side by side."""
        mean, log_variance = self._distribution(self.standardization.standardize(x))
        return torch.cat([mean, torch.exp(log_variance / 2)], dim=1)

    def evidence_bound(self, x, draws, criterion, n_at_once=None):
        """Map rows (n_samples, n_features) to their ELBO in nats (n_samples, 1).

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_features)
        draws : Tensor of shape (n_draws, n_components)
            Standard normal; the same for every row. The bound is the mean over them.
        criterion : Criterion
        n_at_once : int, default=None
            Draws that one pass through the decoder takes. If None, as many as fit the cache.
        """
        rows = self.standardization.standardize(x)
        mean, log_variance = self._distribution(rows)
        if n_at_once is None:
            # Of a few rows all: each pass takes time.
            n_at_once = max(1, _DECODED_VALUES // max(rows.numel(), 1))
        total = 0.0
        for some in draws.to(x).split(n_at_once):
            # (n_some, n_samples, n_components): the same draws for every row.
            code = mean + torch.exp(log_variance / 2) * some[:, None]
            reconstruction = self._decoded(code.flatten(0, 1))
            target = rows.repeat(len(some), 1)
            errors = criterion.per_sample(reconstruction, target, self.standardization)
            errors = errors.unflatten(0, (len(some), len(rows)))
            nll, kl = self._terms(
                errors, mean, log_variance, rows.shape[1], self._n_observed(rows), criterion
            )
            total = total - (nll + kl).sum(0)
        return total[:, None] / len(draws)

    def _distribution(self, rows):
        """Return mean and log-variance of standardized rows, each (n_samples, n_components)."""
        # (n_samples, 2 * n_components), mean and log-variance in turn.
        mean, log_variance = self.encoder(self.seen(rows)).unflatten(1, (-1, 2)).unbind(2)
        mean = (mean - self.code_mean) / self.code_variance.sqrt()
        return mean, log_variance - self.code_variance.log()

    def _decoded_draw(self, mean, log_variance, draw):
        """Decode the codes that lie ``draw`` standard deviations from the mean."""
        return self._decoded(mean + torch.exp(log_variance / 2) * draw)

    def _decoded(self, code):
        return self.decoder(self.code_mean + self.code_variance.sqrt() * code)

    # -- training --------------------------------------------------------------------------

    def change_units(self, factor, shift):
        super().change_units(factor, shift)
        self.noise_variance /= factor**2
        self.min_noise_variance /= factor**2

    def begin_epoch(self, n_finished):
        self.kl_scale = min(n_finished / self.n_warmup, 1.0) if self.n_warmup else 1.0

    def training_loss(self, inputs, target, criterion):
        """Return the negative ELBO of a batch per feature, and its parts in nats per row.

        In training mode the running statistics follow the batch first.
        """
        mean, log_variance = self._distribution(inputs)
        reconstruction = self._decoded_draw(mean, log_variance, standard_normal_like(mean))
        errors = criterion.per_sample(reconstruction, target.rows, self.standardization)
        is_gaussian = not criterion.loss.is_probabilistic
        n_features, n_observed = target.rows.shape[1], self._n_observed(target.rows)
        if self.training:
            self._update_statistics(mean, log_variance, target.weights)
            if is_gaussian:
                self._update_noise(errors, n_observed / n_features, target.weights)
        # Per feature: the loss then has the same scale as that of other autoencoders.
        terms = self._terms(errors, mean, log_variance, n_features, n_observed, criterion)
        nll, kl = (weighted_mean(term, target.weights) for term in terms)
        beta = self.beta * (self.kl_scale if self.training else 1.0)
        loss = (nll + beta * kl) / n_features
        if is_gaussian:
            # The least that the loss can be: subtracting it keeps the loss from being negative.
            # Numbers do not become tensors on the host: the device would be waited for.
            fraction = torch.ones_like(errors) * (n_observed / n_features)
            least = self._log_normalizer(self.min_noise_variance) / 2
            loss = loss - weighted_mean(fraction, target.weights) * least
        return loss, {"reconstruction": nll.detach(), "kl": kl.detach()}

    def _n_observed(self, rows):
        """Return the number of values of each row that are not missing."""
        return (~rows.isnan()).sum(dim=1) if self.mask_missing else rows.shape[1]

    def _terms(self, errors, mean, log_variance, n_features, n_observed, criterion):
        """Return both parts of the negative ELBO of each row, in nats and the units of the data.

        These are the negative log-likelihood of a row given its code, and the Kullback-Leibler
        divergence of the code's distribution from the standard normal one.
        """
        # Closed form for two normal distributions, summed over components: (n_samples,).
        kl = (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=1) / 2
        # Missing values have errors of zero.
        nll = n_features * errors
        if not criterion.loss.is_probabilistic:
            normalizers = n_observed * self._log_normalizer(self.noise_variance)
            nll = (nll / self.noise_variance + normalizers) / 2
        return nll, kl

    def _log_normalizer(self, variance):
        """Return twice the logarithm of the Gaussian's normalizing constant, in data units."""
        # The logarithm first: the square of the scale may be more than float32 can hold.
        log_scale = self.standardization.scale.log().to(variance)
        return torch.log(2 * math.pi * variance) + 2 * log_scale

    @torch.no_grad()
    def _update_statistics(self, mean, log_variance, weights):
        """Let the running statistics of the codes follow a batch."""
        weights, step = _batch_weights(mean, weights)
        # In units of the statistics that are updated.
        batch_mean = sum_of_batch(weights @ mean)
        variance = sum_of_batch(weights @ ((mean - batch_mean).square() + log_variance.exp()))
        self.code_mean.add_(step * self.code_variance.sqrt() * batch_mean)
        self.code_variance.mul_(1 + step * (variance - 1))

    @torch.no_grad()
    def _update_noise(self, errors, observed_fraction, weights):
        """Let the noise variance follow the mean error of the observed values of a batch."""
        weights, step = _batch_weights(errors, weights)
        observed = weights @ (torch.ones_like(errors) * observed_fraction)
        observed = sum_of_batch(observed)
        # A batch may hold no observed value.
        error = sum_of_batch(weights @ errors) / observed.clamp(min=_MIN_OBSERVED_FRACTION)
        # Not in place: `torch.vmap` would compute model by model.
        followed = self.noise_variance.lerp(error, step).clamp(min=self.min_noise_variance)
        self.noise_variance.copy_(followed)

    def start(self, sample, seed):
        """Start at probabilistic PCA, where the network has linear skip connections.

        Codes then have unit variance and the encoder returns the exact posterior, so that under
        a Gaussian likelihood training starts with the best bound of a linear network. Without
        linear skip connections only the noise variance is set, to the variance of the data.

        References
        ----------
        Tipping and Bishop (1999). Probabilistic principal component analysis. Journal of the
        Royal Statistical Society B 61(3).

        Lucas, Tucker, Grosse and Norouzi (2019). Don't blame the ELBO! A linear VAE perspective
        on posterior collapse. NeurIPS.
        """
        rows, weights = standardized(self.standardization, sample.rows), sample.weights
        mean = np.average(rows, axis=0, weights=weights)
        data_variance = np.average((rows - mean) ** 2, axis=0, weights=weights).mean() or 1.0
        self._start_noise(data_variance, data_variance)
        encoder, decoder = self.encoder, self.decoder
        if isinstance(encoder, LinearSkip) and isinstance(decoder, LinearSkip):
            self._start_at_probabilistic_pca(rows, weights, data_variance, seed)

    @torch.no_grad()
    def _start_at_probabilistic_pca(self, rows, weights, data_variance, seed):
        encoder, decoder = self.encoder.linear, self.decoder.linear
        n_components = min(decoder.in_features, *rows.shape)
        components, deviations = principal_components(rows, weights, n_components, seed)
        # The maximum-likelihood noise is the mean variance of the directions that the code leaves.
        n_left = rows.shape[1] - n_components
        left = rows.shape[1] * data_variance - deviations.double().square().sum()
        self._start_noise(left / n_left if n_left else 0.0, data_variance)
        noise = self.noise_variance
        variances = deviations.square().clamp(min=noise)
        # Probabilistic PCA: the decoder's columns, and the posterior's means and variances.
        gains = torch.sqrt(variances - noise)[:, None]
        set_to_zero(encoder, decoder)
        # Means and log-variances of the components come in turn.
        encoder.weight[: 2 * n_components : 2] = components * gains / variances[:, None]
        encoder.bias[1 : 2 * n_components : 2] = torch.log(noise / variances)
        decoder.weight[:, :n_components] = (components * gains).T
        if self.standardization.sigmoid:
            pass_through_sigmoid(decoder, self.standardization)

    @torch.no_grad()
    def _start_noise(self, variance, data_variance):
        self.min_noise_variance.fill_(_MIN_NOISE_FRACTION * data_variance)
        self.noise_variance.fill_(variance).clamp_(min=self.min_noise_variance)


def _batch_weights(values, weights):
    """Return weights of a sum of one, and the step of an average that follows the batch.

    The average is exponential; its memory is a number of rows, whatever the batch size.
    """
    weights = values.new_ones(len(values)) if weights is None else weights
    total = sum_of_batch(weights.sum())
    step = (total / _RUNNING_ROWS).clamp(max=1.0)
    return weights / total.clamp(min=1e-12), step  # rows of a batch may all have weight zero
