"""The loss of a table, as the losses of its columns in one unit."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from ..losses import weighted_mean
from ..networks.parts import mean_of_batch

# Probabilities nearer to zero or one start with the logits of these: steeper ones do not train.
_MIN_PROBABILITY = 0.01
# Frequencies of categories are not zero; this keeps rounding from making them so.
_MIN_FREQUENCY = 1e-9
# Added to the fraction of observed columns: a batch without any must not divide by zero.
_MIN_OBSERVED_FRACTION = 1e-3


class ColumnLoss(nn.Module):
    """The losses of columns, each in units of what it is without knowledge of the row.

    A column is a group of the encoded numbers. The squared error of numeric ones is divided by
    their variance, and the cross-entropy of categories by their entropy: each then is one where
    the mean, or the frequencies of the categories, are predicted for every row.

    Decoded numbers are in encoded units. Those of categories become logits by the tangent at the
    frequencies, so that a decoder that starts at PCA starts near its solution.

    Parameters
    ----------
    losses : list of {'squared', 'softmax', 'sigmoid'}
        Of each column.
    widths : list of int
        Number of encoded features of each column.
    weights : list of float
        Weight of each column.
    center, scale : Tensor of shape (n_encoded,)
        Lead from encoded to raw numbers, see `skae.tables`.
    """

    def __init__(self, losses, widths, weights, center, scale):
        super().__init__()
        self.n_columns = len(widths)
        # From lists: shapes must not depend on values where a network is built without memory.
        column = [i for i, width in enumerate(widths) for _ in range(width)]
        self._register(
            column=torch.tensor(column),
            # Of each column; its numbers are missing together.
            first=torch.tensor([column.index(i) for i in range(self.n_columns)]),
            is_squared=torch.tensor([losses[i] == "squared" for i in column]),
            is_softmax=torch.tensor([losses[i] == "softmax" for i in column]),
            # (n_encoded, n_columns): sums over the numbers of each column.
            members=torch.eye(self.n_columns)[torch.tensor(column)],
            center=center,
            scale=scale,
            weights=torch.tensor(weights).to(center) * (len(weights) / sum(weights)),
            # Of the training values, within which numbers are decoded.
            low=torch.full_like(center, -math.inf),
            high=torch.full_like(center, math.inf),
        )
        self._register(**self._tangent(), baseline=self._baseline())

    def _register(self, **buffers):
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer)

    def _tangent(self):
        """Return the logits of the frequencies, and their slope in encoded units."""
        p = self.center.clamp(_MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
        slope = torch.where(self.is_softmax, 1 / p, 1 / (p * (1 - p)))
        start = torch.where(
            self.is_softmax, self.center.clamp(min=_MIN_FREQUENCY).log(), torch.logit(p)
        )
        return {"logit_start": start, "logit_slope": slope * self.scale}

    def _baseline(self):
        """Return the loss of each column where the frequencies are predicted: an entropy."""
        p = self.center.clamp(_MIN_FREQUENCY, 1 - _MIN_FREQUENCY)
        entropy = -(p * p.log() + torch.where(self.is_softmax, 0.0, (1 - p) * torch.log1p(-p)))
        total = torch.where(self.is_squared, 0.0, entropy) @ self.members
        # Of numbers it is their variance: one, as they are encoded.
        return torch.where(total == 0, 1.0, total)

    def forward(self, decoded, target):
        """Return the loss of each column, zero where the target is missing.

        Parameters
        ----------
        decoded, target : Tensor of shape (n_samples, n_encoded)

        Returns
        -------
        losses : Tensor of shape (n_samples, n_columns)
        """
        return self.entries(decoded, target) @ self.members / self.baseline

    def entries(self, decoded, target):
        """Return the loss of each number (n_samples, n_encoded), in nats for categories."""
        is_missing = target.isnan()
        target = target.masked_fill(is_missing, 0.0)
        logits = self._logits(decoded)
        normalizer = torch.where(self.is_softmax, self._log_sums(logits), F.softplus(logits))
        raw = target * self.scale + self.center
        # A softmax counts its normalizer once: indicators add up to one.
        cross_entropy = torch.where(self.is_softmax, raw, 1.0) * normalizer - raw * logits
        losses = torch.where(self.is_squared, (decoded - target).square(), cross_entropy)
        return losses.masked_fill(is_missing, 0.0)

    def predicted(self, decoded):
        """Return decoded numbers within their limits, and probabilities for categories."""
        logits = self._logits(decoded)
        softmax = torch.exp(logits - self._log_sums(logits))
        raw = torch.where(self.is_softmax, softmax, torch.sigmoid(logits))
        numbers = torch.minimum(torch.maximum(decoded, self.low), self.high)
        return torch.where(self.is_squared, numbers, (raw - self.center) / self.scale)

    def observed(self, rows):
        """Return which columns (n_samples, n_columns) have a value, as zeros and ones."""
        return (~rows[:, self.first].isnan()).to(rows)

    def constant_losses(self, rows):
        """Return the mean loss (n_columns,) of the best constants for rows, as `entries` has it."""
        raw = (rows * self.scale + self.center).nanmean(dim=0).clamp(0, 1)
        entropy = -torch.xlogy(raw, raw)
        entropy = entropy - torch.where(self.is_softmax, 0.0, torch.xlogy(1 - raw, 1 - raw))
        variance = (rows - rows.nanmean(dim=0)).square().nanmean(dim=0)
        return torch.where(self.is_squared, variance, entropy).nan_to_num() @ self.members.to(rows)

    def weighted(self, entries):
        """Return the sum over columns of the losses of numbers (n_samples, n_encoded)."""
        return entries @ (self.members @ self.weights)

    def mean(self, losses, rows, weights):
        """Return the mean loss of a batch over its observed columns.

        Parameters
        ----------
        losses : Tensor of shape (n_samples, n_columns)
        rows : Tensor of shape (n_samples, n_encoded)
        weights : Tensor of shape (n_samples,) or None
        """
        per_sample = losses @ self.weights / self.n_columns
        fraction = mean_of_batch((self.observed(rows) @ self.weights).mean()) / self.n_columns
        return weighted_mean(per_sample, weights) / fraction.clamp(min=_MIN_OBSERVED_FRACTION)

    def set_limits(self, rows):
        """Learn the smallest and the largest number of each encoded feature."""
        self.low.copy_(rows.min(dim=0).values)
        self.high.copy_(rows.max(dim=0).values)

    def _logits(self, decoded):
        return self.logit_start + self.logit_slope * decoded

    def _log_sums(self, logits):
        """Return, for each number, the logarithm of the sum of exponentials of its column."""
        index = self.column.expand_as(logits)
        largest = logits.new_full((logits.shape[0], self.n_columns), -math.inf)
        largest = largest.scatter_reduce(1, index, logits.detach(), "amax")
        sums = torch.exp(logits - largest[:, self.column]) @ self.members
        return (sums.log() + largest)[:, self.column]
