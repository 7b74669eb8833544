"""Prediction of the next frame: encoder, recurrence, decoder."""

import numpy as np
import torch
from torch import nn

from ..losses import Target
from ..networks.blocks import zero_init_last_layer
from ._linear import safe_deviations
from .autoencoder import AutoencoderNetwork

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}

# Sequences from which the standard deviations of the codes are estimated before training.
_DEVIATION_SEQUENCES = 200


class RecurrentNetwork(AutoencoderNetwork):
    """Encode frames, predict the next code by a recurrence, decode it.

    The recurrence returns the change from the last frame's code to the next one's. It starts at
    no change, so that training begins by repeating the last frame.

    Parameters
    ----------
    encoder, decoder : Module
        Between frames (n_samples, n_features) and codes (n_samples, n_components).
    standardization : Standardization
        Of a frame.
    n_components : int
    cell : {'lstm', 'gru'}
    hidden_size : int
        Size of the state of the recurrence.
    mask_missing : bool, default=False
        Whether missing values (NaN) may come in.
    """

    def __init__(
        self,
        encoder,
        decoder,
        standardization,
        *,
        n_components,
        cell,
        hidden_size,
        mask_missing=False,
    ):
        super().__init__(encoder, decoder, standardization, mask_missing=mask_missing)
        self.recurrence = CELLS[cell](n_components, hidden_size, batch_first=True)
        self.change = zero_init_last_layer(nn.Linear(hidden_size, n_components))

    def forward(self, x):
        """Map sequences (n_samples, n_timesteps, n_features) to their next frames."""
        return self.decode(self.encode(x))

    def encode(self, x):
        """Map sequences (n_samples, n_timesteps, n_features) to codes of the next frame."""
        codes, _ = self._next_codes(self.standardization.standardize(x))
        return codes[:, -1]

    def forecast(self, x, n_steps):
        """Map sequences to the next frames, side by side (n_samples, n_steps * n_features).

        Each predicted frame is an input of the next prediction.
        """
        frames, state = [], None
        for _ in range(n_steps):
            codes, state = self._next_codes(self.standardization.standardize(x), state)
            # Decoded at once: the next input is the frame as it would be measured, not the code.
            frames.append(self.decode(codes[:, -1]))
            # (n_samples, 1, n_features): the state holds all that came before.
            x = frames[-1][:, None]
        return torch.cat(frames, dim=1)

    def training_loss(self, inputs, target, criterion):
        """Return the mean loss of all frames that are predicted from the frames before."""
        # (n_samples, n_timesteps, n_features): the last frame is predicted, and not shown.
        shown, followed = inputs[:, :-1], target.rows[:, 1:]
        # Frames without any value are padding behind the end of a sequence, or have no target.
        is_target = ~followed.isnan().all(dim=2)
        is_target |= ~is_target.any()  # missing values alone, which have no loss
        is_needed = is_target.int().flip(1).cummax(dim=1).values.flip(1).bool()
        codes, _ = self._following(self._codes_of_frames(shown, is_needed))
        weights = target.weights
        if weights is not None:
            # Each frame counts as its sequence does.
            weights = weights[:, None].expand(is_target.shape)[is_target]
        frames = Target(followed[is_target], weights=weights)
        return self.reconstruction_loss(codes[is_target], frames, criterion), {}

    def _next_codes(self, x, state=None):
        """Return the code of the frame after each, (n_samples, n_timesteps, n_components)."""
        # The encoder sees frames one by one: (n_samples * n_timesteps, n_features).
        return self._following(self._code(x.flatten(0, 1)).unflatten(0, x.shape[:2]), state)

    def _codes_of_frames(self, x, is_needed):
        """Return the codes of frames, and zeros for those that nothing depends on."""
        # Left out, not hidden: batch normalization must not see them.
        codes = self._code(x[is_needed])
        scattered = codes.new_zeros(*x.shape[:2], codes.shape[1])
        scattered[is_needed] = codes
        return scattered

    def _following(self, codes, state=None):
        hidden, state = self.recurrence(codes, state)
        return codes + self.change(hidden), state

    def code_parameters(self):
        makers, readers = super().code_parameters()
        return [*makers, *self.change.parameters()], [*readers, self.recurrence.weight_ih_l0]

    @torch.no_grad()
    def start(self, sample, seed):
        """Start encoder and decoder at PCA of the frames.

        The recurrence sees codes at unit variance, as its initial weights expect.
        """
        frames, weights = as_frames(sample.X, sample.weights)
        self.start_at_pca(frames, weights, seed)
        some, _ = as_frames(sample.X[:_DEVIATION_SEQUENCES], None)
        some = self.standardization.standardize(torch.from_numpy(some).float())
        codes = self.eval().encoder(some)
        # Inputs of the first layer, one column for each component.
        self.recurrence.weight_ih_l0 /= safe_deviations(codes.std(dim=0, correction=0))


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
