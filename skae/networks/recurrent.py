"""A recurrent network between encoder and decoder: it carries the code on to the next frame."""

import torch
from torch import nn

from .blocks import zero_init_last_layer
from .wiring import AutoencoderNetwork, NetworkOutput

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentNetwork(AutoencoderNetwork):
    """Encode frames, carry the code on by a recurrence, decode the next frame.

    The recurrence gives the change from the last frame's code to the next one's. It starts at
    no change, so that training begins by repeating the last frame.

    Parameters
    ----------
    encoder, decoder : Module
        Between frames (n, n_features) and codes (n, n_components).
    standardization : Standardization
        Of a frame.
    n_components : int
    cell : {'lstm', 'gru'}
    hidden_size : int
        Size of the state that the recurrence carries along.
    """

    def __init__(self, encoder, decoder, standardization, *, n_components, cell, hidden_size):
        super().__init__(encoder, decoder, standardization)
        self.recurrence = CELLS[cell](n_components, hidden_size, batch_first=True)
        self.change = zero_init_last_layer(nn.Linear(hidden_size, n_components))

    def forward(self, x):
        # (n, n_timesteps, n_features): the last frame is to be predicted, and is not shown.
        codes, _ = self._next_codes(x[:, :-1])
        frames = self.decoder(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
        return NetworkOutput(frames, codes)

    def encode(self, x):
        """Sequences (n, n_timesteps, n_features) to codes of the next frame."""
        codes, _ = self._next_codes(self.standardization.standardize(x))
        return codes[:, -1]

    def forecast(self, x, n_steps):
        """Sequences to the next frames (n, n_steps, n_features), each seen by the one after."""
        frames, state = [], None
        for _ in range(n_steps):
            codes, state = self._next_codes(self.standardization.standardize(x), state)
            frames.append(self.decode(codes[:, -1]))
            x = frames[-1][:, None]
        return torch.stack(frames, dim=1)

    @torch.no_grad()
    def expect_codes_of(self, x):
        """Let the recurrence see the codes of these sequences at unit variance, as it expects."""
        codes = self.encoder(self.standardization.standardize(x).flatten(0, 1))
        deviations = codes.std(dim=0, correction=0)
        self.recurrence.weight_ih_l0 /= torch.where(deviations > 1e-3, deviations, 1.0)

    def _next_codes(self, x, state=None):
        """Code of the frame after each, (n, n_timesteps, n_components), and the last state."""
        codes = self.encoder(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        hidden, state = self.recurrence(codes, state)
        return codes + self.change(hidden), state


class Forecaster(nn.Module):
    """A `RecurrentNetwork` that looks a given number of frames ahead."""

    def __init__(self, network, n_steps):
        super().__init__()
        self.network = network
        self.n_steps = n_steps

    def forward(self, x):
        """Sequences, in their own units, to the next frames as rows."""
        return self.network.forecast(x, self.n_steps).flatten(1)
