"""Methods of autoencoders of sequences of unequal length, which are stretched to one grid."""

from typing import Any

import torch
from torch import nn

from ..estimators._base import NetworkEstimator
from ..estimators.sequence_autoencoder import SequenceAutoencoder
from ._modules import METHODS, mean_square_scores, network_of


def is_of_unequal_length(estimator: Any) -> bool:
    """Return whether an estimator encodes the lengths of sequences beside their frames."""
    return isinstance(estimator, SequenceAutoencoder) and estimator.length_range_ is not None


class _Sequences(nn.Module):
    """Base of the methods: sequences as rows of the network, and rows as sequences."""

    def __init__(self, estimator: SequenceAutoencoder) -> None:
        super().__init__()
        self.network = network_of(estimator)
        self.n_timesteps, self.n_channels = estimator._grid
        self.length_scale = estimator.length_scale_
        self.length_range = estimator.length_range_
        # Where values may be missing, NaN at the end of an array is no padding: as in Python.
        self.has_padding = not estimator._mask_missing
        self.is_flat = len(estimator.sample_shape_) == 1
        self.frame_shape = estimator.frame_shape_

    def _frames(self, X: torch.Tensor) -> torch.Tensor:
        """Return sequences as (n_samples, n_timesteps, n_channels)."""
        if self.is_flat:
            return X.unflatten(1, (-1, self.n_channels))
        return X.flatten(2) if self.frame_shape else X[:, :, None]

    def _lengths(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the number of frames of each sequence, (n_samples, 1)."""
        observed = ~frames.isnan().all(dim=2)
        if not self.has_padding:
            observed = torch.ones_like(observed)
        ends = torch.arange(1, frames.shape[1] + 1)
        # A sequence without any frame, which Python refuses, has one.
        return torch.where(observed, ends, 1).amax(dim=1, keepdim=True)

    def _rows(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        n_after = torch.full_like(lengths, self.n_timesteps)
        values = _stretched(frames, lengths, n_after, self.n_timesteps).flatten(1)
        return torch.cat([values, (lengths.double() * self.length_scale).to(values.dtype)], dim=1)

    def _as_long_as(self, rows: torch.Tensor, lengths: torch.Tensor, n_steps: int) -> torch.Tensor:
        """Return the frames of rows with these lengths, NaN behind their ends."""
        frames = rows[:, : self.n_timesteps * self.n_channels]
        frames = frames.unflatten(1, (self.n_timesteps, self.n_channels))
        n_before = torch.full_like(lengths, self.n_timesteps)
        return _stretched(frames, n_before, lengths, n_steps)

    def _in_layout(self, frames: torch.Tensor) -> torch.Tensor:
        if self.is_flat:
            return frames.flatten(1)
        return frames.unflatten(2, self.frame_shape) if self.frame_shape else frames[:, :, 0]


def _stretched(
    values: torch.Tensor, n_before: torch.Tensor, n_after: torch.Tensor, n_steps: int
) -> torch.Tensor:
    """Return sequences with another number of time steps, as `series._stretching.stretch` does.

    Parameters
    ----------
    values : Tensor of shape (n_samples, n_timesteps, n_channels)
    n_before, n_after : Tensor of shape (n_samples, 1)
        Number of time steps of each sequence now, and then.
    n_steps : int
        Time steps of the result, NaN behind the ends of shorter sequences.
    """
    steps = torch.arange(n_steps)
    last_before, last_after = n_before - 1, n_after - 1
    # (n_samples, n_steps), as numpy.linspace computes them: the last place is exact.
    places = steps * (last_before.double() / last_after.clamp(min=1))
    places = torch.where(steps < last_after, places, last_before.double() * (last_after > 0))
    left = places.long()
    right = torch.minimum(left + 1, last_before)
    weights = (places - left).to(values.dtype)[:, :, None]
    before, after = (
        values.gather(1, each[:, :, None].expand(-1, -1, values.shape[2])) for each in (left, right)
    )
    nearer = torch.where(weights < 0.5, before, after)
    before, after = (torch.where(each.isnan(), nearer, each) for each in (before, after))
    stretched = (1 - weights) * before + weights * after
    return torch.where((steps < n_after)[:, :, None], stretched, torch.nan)


class _Codes(_Sequences):
    """`transform`."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        frames = self._frames(X)
        codes: torch.Tensor = self.network.encode(  # type: ignore[operator]
            self._rows(frames, self._lengths(frames))
        )
        return codes


class _Reconstructions(_Sequences):
    """`reconstruct`: as long as the sequences that are given."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        frames = self._frames(X)
        lengths = self._lengths(frames)
        rows = self.network(self._rows(frames, lengths))
        return self._in_layout(self._as_long_as(rows, lengths, frames.shape[1]))


class _SequenceScores(_Reconstructions):
    """`score_samples`."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return mean_square_scores(X.flatten(1), super().forward(X).flatten(1))


class _Decoded(_Sequences):
    """`inverse_transform`: as long as codes say."""

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        rows = self.network.decode(codes)  # type: ignore[operator]
        lengths = (rows[:, -1:].double() / self.length_scale).round()
        lengths = lengths.clamp(*self.length_range).long()
        return self._in_layout(self._as_long_as(rows, lengths, self.n_timesteps))


def _register(method: str, kind: type[_Sequences]) -> None:
    otherwise = METHODS[method].dispatch(NetworkEstimator)

    def module(estimator: SequenceAutoencoder) -> nn.Module:
        return kind(estimator) if is_of_unequal_length(estimator) else otherwise(estimator)

    METHODS[method].register(SequenceAutoencoder, module)


_register("transform", _Codes)
_register("reconstruct", _Reconstructions)
_register("score_samples", _SequenceScores)
_register("inverse_transform", _Decoded)
