"""Prediction of the next frames: encoder, cell and linear autoregression, decoder."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..losses import Target
from ..networks.blocks import LinearSkip, zero_init_last_layer
from ..networks.recurrence import CELLS, LinearAutoregression
from ._autoregression import fit_autoregression
from ._linear import safe_deviations
from .autoencoder import AutoencoderNetwork

# Frames that are encoded at once before training: convolutions of many take much memory.
_ENCODED_FRAMES = 512


class RecurrentNetwork(AutoencoderNetwork):
    """Encode frames, predict the next codes by a cell and a linear autoregression, decode them.

    Both return changes from the last frame's code to the next ones. The cell starts at no change,
    so that training begins at the linear prediction.

    Parameters
    ----------
    encoder, decoder : Module
        Between frames (n_samples, n_features) and codes (n_samples, n_components).
    standardization : Standardization
        Of a frame.
    n_components : int
    cell : str
        A name in `CELLS`.
    hidden_size : int
        Size of the hidden state of the cell.
    n_steps : int, default=1
        Number of next codes that are predicted at once.
    n_lags : int, default=0
        Codes that the linear autoregression sees; 0 for none.
    min_history : int, default=1
        Frames before the first one that training predicts.
    mask_missing : bool, default=False
        Whether missing values (NaN) may come in.
    """

    # Whether a frame of a batch may have no value. Where none is padding, nothing has to be looked
    # for: selecting frames by their values waits for an accelerator, in every step.
    is_padded = True

    def __init__(
        self,
        encoder,
        decoder,
        standardization,
        *,
        n_components,
        cell,
        hidden_size,
        n_steps=1,
        n_lags=0,
        min_history=1,
        mask_missing=False,
    ):
        super().__init__(encoder, decoder, standardization, mask_missing=mask_missing)
        self.n_steps = n_steps
        self.n_lags = n_lags
        self.min_history = min_history
        self.cell = cell
        n_outputs = n_steps * n_components
        self.recurrence = CELLS[cell].build(n_components, hidden_size)
        self.change = zero_init_last_layer(nn.Linear(hidden_size, n_outputs))
        if n_lags:
            self.autoregression = LinearAutoregression(n_components, n_lags, n_outputs)

    def forward(self, x):
        """Map sequences (n_samples, n_timesteps, n_features) to their next frames."""
        return self.decode(self.encode(x))

    def encode(self, x):
        """Map sequences (n_samples, n_timesteps, n_features) to codes of the next frame."""
        codes, _ = self._next_codes(self.standardization.standardize(x))
        return codes[:, -1, 0]

    def forecast(self, x, n_steps):
        """Map sequences to the next frames, side by side (n_samples, n_steps * n_features).

        The frames that are predicted at once are inputs of the next prediction.
        """
        frames, state = [], None
        for _ in range(0, n_steps, self.n_steps):
            codes, state = self._next_codes(self.standardization.standardize(x), state)
            # Decoded at once: the next input is the frame as it would be measured, not the code.
            # (n_samples, self.n_steps, n_features): the state holds all earlier frames.
            x = self.decode(codes[:, -1].flatten(0, 1)).unflatten(0, (len(codes), self.n_steps))
            frames.append(x)
        return torch.cat(frames, dim=1)[:, :n_steps].flatten(1)

    def training_loss(self, inputs, target, criterion):
        """Return the mean loss of all frames that are predicted from the frames before."""
        # (n_samples, n_timesteps, n_features): the last frame is predicted, and not shown.
        shown, followed = inputs[:, :-1], target.rows[:, 1:]
        codes, _ = self._following(self._codes_of_frames(shown, followed))
        # (n_samples, n_timesteps, n_steps, n_features): what follows on each frame.
        followed = torch.stack([_ahead(followed, n) for n in range(self.n_steps)], dim=2)
        codes, followed = codes[:, self.min_history - 1 :], followed[:, self.min_history - 1 :]
        select = self._selection(followed)
        weights = target.weights
        if weights is not None:
            # Each frame counts as its sequence does.
            weights = select(weights[:, None, None].expand(followed.shape[:3]))
        frames = Target(select(followed), weights=weights)
        return self.reconstruction_loss(select(codes), frames, criterion), {}

    def _selection(self, followed):
        """Return a function that takes from each step ahead those that are targets, as rows."""
        if self.is_padded:
            is_target = ~followed.isnan().all(dim=3)
            is_target |= ~is_target.any()  # only missing values, which have no loss
            return lambda values: values[is_target]
        # Whole sequences: each step ahead ends where the sequence does. In the order of the mask.
        _, n_timesteps, n_steps, _ = followed.shape
        if n_steps == 1:
            return lambda values: values.flatten(0, 2)
        places = [
            time * n_steps + step
            for time in range(n_timesteps)
            for step in range(n_steps)
            if time + step < n_timesteps
        ]
        index = torch.tensor(places, device=followed.device)
        return lambda values: values.flatten(1, 2).index_select(1, index).flatten(0, 1)

    def _next_codes(self, x, state=None):
        """Return the codes after each frame, (n_samples, n_timesteps, n_steps, n_components)."""
        # The encoder sees frames one by one: (n_samples * n_timesteps, n_features).
        return self._following(self._code(x.flatten(0, 1)).unflatten(0, x.shape[:2]), state)

    def _codes_of_frames(self, x, followed):
        """Return the codes of frames, and zeros for those that no target depends on."""
        if not self.is_padded:
            return self._code(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        # Frames without any value are padding behind the end of a sequence, or have no target.
        is_observed = ~followed.isnan().all(dim=2)
        is_needed = is_observed.int().flip(1).cummax(dim=1).values.flip(1).bool()
        # Left out, not hidden: batch normalization must not see them.
        codes = self._code(x[is_needed])
        scattered = codes.new_zeros(*x.shape[:2], codes.shape[1])
        scattered[is_needed] = codes
        return scattered

    def _following(self, codes, state=None):
        of_cell, of_lags = (None, None) if state is None else state
        hidden, of_cell = self.recurrence(codes, of_cell)
        changes = self.change(hidden)
        if self.n_lags:
            linear, of_lags = self.autoregression(codes, of_lags)
            changes = changes + linear
        # (n_samples, n_timesteps, n_steps, n_components); ONNX would fix the sizes of a reshape.
        changes = torch.stack(changes.chunk(self.n_steps, dim=2), dim=2)
        return codes[:, :, None] + changes, (of_cell, of_lags)

    def _first_weight(self):
        return CELLS[self.cell].first_weight(self.recurrence)

    def code_parameters(self):
        makers, readers = super().code_parameters()
        return [*makers, *self.change.parameters()], [*readers, self._first_weight()]

    def undecayed_parameters(self):
        linear = self.autoregression.parameters() if self.n_lags else []
        return [*super().undecayed_parameters(), *linear]

    @torch.no_grad()
    def start(self, sample, seed):
        """Start encoder and decoder at PCA of the frames, and predictions at ridge regression.

        The cell sees codes at unit variance, as its initial weights expect.
        """
        frames, weights = as_frames(sample.X, sample.weights)
        self.start_at_pca(frames, weights, seed)
        codes = self._codes_of_sample(sample.X)
        deviations = np.nanstd(codes, axis=(0, 1))
        # Inputs of the first layer, one column for each component.
        self._first_weight().div_(safe_deviations(torch.tensor(deviations).float()))
        # Codes of an encoder that starts at random have yet to get a meaning.
        if self.n_lags and isinstance(self.encoder, LinearSkip):
            for step in range(self.n_steps):
                weight, bias = fit_autoregression(codes, self.n_lags, step + 1, sample.weights)
                self._set_autoregression(step, weight, bias)

    def _codes_of_sample(self, sequences):
        """Return codes of sequences in float64, NaN for padding."""
        n_samples, n_timesteps, _ = sequences.shape
        frames = self.standardization.standardize(torch.from_numpy(sequences).flatten(0, 1))
        is_frame = ~frames.isnan().all(dim=1)
        codes = np.full((n_samples * n_timesteps, self.change.out_features // self.n_steps), np.nan)
        parts = frames[is_frame].float().split(_ENCODED_FRAMES)
        codes[is_frame.numpy()] = torch.cat([self.eval().encoder(part) for part in parts]).numpy()
        return codes.reshape(n_samples, n_timesteps, -1)

    def _set_autoregression(self, step, weight, bias):
        linear, n_components = self.autoregression.linear, len(bias)
        rows = slice(step * n_components, (step + 1) * n_components)
        linear.weight[rows] = torch.from_numpy(weight).float()
        linear.bias[rows] = torch.from_numpy(bias).float()


def _ahead(followed, n_frames):
    """Return frames that lie ahead, NaN where the sequence has ended."""
    return F.pad(
        followed[:, n_frames:], (0, 0, 0, min(n_frames, followed.shape[1])), value=torch.nan
    )


def as_frames(sequences, weights):
    """Return the frames of sequences, each with the weight of its sequence.

    Parameters
    ----------
    sequences : ndarray of shape (n_samples, n_timesteps, n_features)
    weights : ndarray of shape (n_samples,) or None

    Returns
    -------
    frames : ndarray of shape (n_frames, n_features)
        Without those that have no value, such as padding.
    weights : ndarray of shape (n_frames,) or None
    """
    n_timesteps, n_features = sequences.shape[1:]
    frames = sequences.reshape(-1, n_features)
    weights = None if weights is None else weights.repeat(n_timesteps)
    is_empty = np.isnan(frames).all(axis=1)
    if not is_empty.any():
        return frames, weights
    return frames[~is_empty], None if weights is None else weights[~is_empty]


def filled_frames(sequences, weights):
    """Impute missing values by the mean of their feature over all frames; padding stays."""
    frames, frame_weights = as_frames(sequences, weights)
    known = np.ma.masked_invalid(frames)
    means = np.ma.average(known, axis=0, weights=frame_weights).filled(0.0)
    is_missing = np.isnan(sequences) & ~np.isnan(sequences).all(axis=2, keepdims=True)
    return np.where(is_missing, means, sequences)
