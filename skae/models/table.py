"""Autoencoders of tables: columns that are hidden from the encoder, and a loss of columns."""

import torch
from torch import nn

from ..networks.blocks import LinearSkip
from ..networks.generators import bernoulli_mask, standard_normal_like
from ..networks.parts import sum_of_batch
from ._linear import set_to_zero
from .autoencoder import AutoencoderNetwork
from .variational import VariationalNetwork

# The noise of a number has at least this variance, where all numbers of a column have one together,
# so that the likelihood of columns that are decoded exactly is bounded.
_MIN_NOISE_VARIANCE = 1e-3
# Running variances average over about this many rows, as in `VariationalNetwork`.
_RUNNING_ROWS = 1000


class HiddenColumns:
    """Corruption that hides whole columns from the encoder, as missing (NaN).

    Parameters
    ----------
    column : Tensor of shape (n_encoded,)
        The column of each number.
    n_columns : int
    fraction : float
        Of the columns of a row that are hidden, at random which.
    """

    def __init__(self, column, n_columns, fraction):
        self.column = column
        self.n_columns = n_columns
        self.fraction = fraction

    def of_held_out_rows(self):
        """Return the change of rows to validate on: hidden columns belong to the task."""
        return self

    def augmented(self, x):
        """Return the batch, which is the target of the reconstruction."""
        return x

    def corrupted(self, x):
        """Return the batch that the encoder gets."""
        hidden = bernoulli_mask(x.new_empty(len(x), self.n_columns), self.fraction).bool()
        return x.masked_fill(hidden[:, self.column.to(x.device)], torch.nan)


class ColumnsMixin:
    """What networks of tables have in common; rows are those of `skae.TableEncoder`.

    The encoder gets the numbers, zero for missing ones, and an indicator of each column that is
    missing: a mean that is observed differs from one that stands in.
    """

    def decode(self, code):
        """Map codes (n_samples, n_components) to encoded rows (n_samples, n_encoded)."""
        return self.columns.predicted(self.standardization.unstandardize(self._decoded(code)))

    def column_losses(self, x):
        """Map encoded rows to the loss of each column (n_samples, n_columns), see `ColumnLoss`."""
        decoded = self.standardization.unstandardize(self._decoded(self.encode(x)))
        return self.columns(decoded, x)

    def with_indicators(self, rows):
        """Return standardized rows, and which columns are missing (n_samples, n_inputs)."""
        is_missing = 1 - self.columns.observed(rows)
        return torch.cat([rows.masked_fill(rows.isnan(), 0.0), is_missing], dim=1)

    def constants(self):
        """List the tensors of `state_dict` that training does not change."""
        return super().constants() + list(self.columns.buffers())

    @torch.no_grad()
    def start(self, sample, seed):
        """Start linear skip connections at PCA, which sees no indicators."""
        wide = self.encoder
        if isinstance(wide, LinearSkip):
            n_encoded = sample.rows.shape[1]
            # Its values are set by the start, and not drawn.
            linear = nn.utils.skip_init(nn.Linear, n_encoded, wide.linear.out_features)
            self.encoder = LinearSkip(linear, wide.nonlinear)
            super().start(sample, seed)
            set_to_zero(wide.linear)
            wide.linear.weight[:, :n_encoded] = linear.weight
            wide.linear.bias.copy_(linear.bias)
            self.encoder = wide
        else:
            super().start(sample, seed)
        self.columns.set_limits(torch.from_numpy(sample.rows))


class TableNetwork(ColumnsMixin, AutoencoderNetwork):
    """Encoder and decoder between encoded tables and latent codes.

    Parameters
    ----------
    encoder, decoder : Module
    standardization : Standardization
    columns : ColumnLoss
    """

    def __init__(self, encoder, decoder, standardization, columns):
        super().__init__(encoder, decoder, standardization, mask_missing=True)
        self.columns = columns

    def _code(self, rows):
        return self.encoder(self.with_indicators(rows))

    def reconstruction_loss(self, code, target, criterion):
        """Return the mean loss of the observed columns, given codes."""
        units = self.standardization
        decoded, rows = units.unstandardize(self._decoded(code)), units.unstandardize(target.rows)
        return self.columns.mean(self.columns(decoded, rows), rows, target.weights)


class VariationalTableNetwork(ColumnsMixin, VariationalNetwork):
    """The variational autoencoder of encoded tables.

    The likelihood is normal for each number, with a variance of its own that follows the errors,
    and that of the decoded probabilities for categories.

    Parameters
    ----------
    encoder, decoder : Module
    standardization : Standardization
    columns : ColumnLoss
    n_components : int
    beta : float
        Factor of the Kullback-Leibler divergence.

    Attributes
    ----------
    noise_variances : Tensor of shape (n_encoded,)
        Of the likelihood of each number, in encoded units.
    """

    def __init__(self, encoder, decoder, standardization, columns, n_components, *, beta):
        super().__init__(encoder, decoder, standardization, n_components, beta=beta)
        self.columns = columns
        self.register_buffer("noise_variances", torch.ones(len(columns.column)))

    def _distribution(self, rows):
        return super()._distribution(self.with_indicators(rows))

    def training_loss(self, inputs, target, criterion):
        """Return the negative ELBO of a batch per column, and its parts in nats per row."""
        mean, log_variance = self._distribution(inputs)
        units = self.standardization
        draw = self._decoded_draw(mean, log_variance, standard_normal_like(mean))
        decoded, rows = units.unstandardize(draw), units.unstandardize(target.rows)
        errors = self.columns.entries(decoded, rows)
        if self.training:
            self._update_statistics(mean, log_variance, target.weights)
            self._update_noise_variances(errors, rows)
        nll = self.columns.weighted(self._negative_log_likelihood(errors, rows))
        kl = (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=1) / 2
        beta = self.beta * (self.kl_scale if self.training else 1.0)
        parts = {"reconstruction": nll.detach().mean(), "kl": kl.detach().mean()}
        return (nll + beta * kl).mean() / self.columns.n_columns, parts

    def _negative_log_likelihood(self, errors, rows):
        """Return that of each number in nats, above the least that it can be."""
        variances = self.noise_variances
        # Missing numbers have no likelihood.
        excess = torch.log(variances / _MIN_NOISE_VARIANCE) * ~rows.isnan()
        return torch.where(self.columns.is_squared, (errors / variances + excess) / 2, errors)

    @torch.no_grad()
    def _update_noise_variances(self, errors, rows):
        observed = (~rows.isnan()).to(errors)
        n_observed = sum_of_batch(observed.sum(dim=0))
        step = (n_observed / _RUNNING_ROWS).clamp(max=1.0)
        means = sum_of_batch(errors.sum(dim=0)) / n_observed.clamp(min=1.0)
        self.noise_variances.add_(step * (means - self.noise_variances))
        self.noise_variances.clamp_(min=_MIN_NOISE_VARIANCE)

    @torch.no_grad()
    def start(self, sample, seed):
        """Start at probabilistic PCA, with the noise that it has in the mean."""
        super().start(sample, seed)
        # In standardized units, in which it is the mean over all numbers.
        variance = self.noise_variance * self.standardization.scale.float().square()
        self.noise_variances.fill_(variance).clamp_(min=_MIN_NOISE_VARIANCE, max=1.0)
