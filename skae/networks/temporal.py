"""Encoders and decoders between flattened sequences and codes: convolutions in time, recurrence.

Rows are frames one after the other. What follows behind the frames, such as a length, is left to
dense layers.
"""

import torch
from torch import nn

from .blocks import ACTIVATIONS, Dropout, multilayer_perceptron

CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}


class SequenceEncoder(nn.Module):
    """Frames to features, features and what follows behind the frames to the code.

    Parameters
    ----------
    features : Module
        Maps sequences (n_samples, n_timesteps, n_channels) to features (n_samples, n_features).
    head : Module
    n_timesteps, n_channels : int
    """

    def __init__(self, features, head, n_timesteps, n_channels):
        super().__init__()
        self.shape = (n_timesteps, n_channels)
        self.features = features
        self.head = head

    def forward(self, x):
        n_values = self.shape[0] * self.shape[1]
        features = self.features(x[:, :n_values].unflatten(1, self.shape))
        return self.head(torch.cat([features, x[:, n_values:]], dim=1))

    def extra_repr(self):
        return f"shape={self.shape}"


class SequenceDecoder(nn.Module):
    """The way back: code to features, features to frames and to what follows behind them.

    Parameters
    ----------
    head : Module
        Maps codes to features (n_samples, n_features).
    extra : Module or None
        Maps features to what follows behind the frames.
    frames : Module
        Maps features to sequences (n_samples, n_timesteps, n_channels).
    """

    def __init__(self, head, extra, frames):
        super().__init__()
        # In this order: the last layer of the frames is the one that starts at zero.
        self.head = head
        self.extra = extra
        self.frames = frames

    def forward(self, code):
        features = self.head(code)
        rows = self.frames(features).flatten(1)
        return rows if self.extra is None else torch.cat([rows, self.extra(features)], dim=1)


class ChannelsFirst(nn.Module):
    """Frames (n_samples, n_timesteps, n_channels) to (n_samples, n_channels, n_timesteps)."""

    def forward(self, x):
        return x.transpose(1, 2)


def convolved_steps(n_timesteps, strides):
    """List the number of time steps before the first stage and after each."""
    steps = [n_timesteps]
    for stride in strides:
        # Rounded up: a last step without a partner is kept.
        steps.append(-(-steps[-1] // stride))
    return steps


def temporal_encoder(shape, channels, strides, *, kernel_size, activation, dropout):
    """Build sequences -> features, the last feature maps side by side."""
    n_channels, layers = shape[1], [ChannelsFirst()]
    for n_outputs, stride in zip(channels, strides, strict=True):
        # (n_samples, n_channels, n_timesteps) to (n_samples, n_outputs, n_timesteps / stride)
        padding = kernel_size // 2
        layers.append(nn.Conv1d(n_channels, n_outputs, kernel_size, stride, padding))
        layers += _after(activation, dropout)
        n_channels = n_outputs
    return nn.Sequential(*layers, nn.Flatten())


def temporal_decoder(shape, channels, strides, *, kernel_size, activation, dropout):
    """Build features -> sequences: the stages of the encoder in reverse."""
    steps = convolved_steps(shape[0], strides)[::-1]
    layers = [nn.Unflatten(1, (channels[-1], steps[0]))]
    outputs = (*channels[-2::-1], shape[1])
    for stage, (n_outputs, stride) in enumerate(zip(outputs, strides[::-1], strict=True)):
        n_inputs = channels[len(channels) - 1 - stage]
        # Several lengths shrink to the same: this adds the steps that are missing.
        missing = steps[stage + 1] - 1 - (steps[stage] - 1) * stride
        layers.append(
            nn.ConvTranspose1d(n_inputs, n_outputs, kernel_size, stride, kernel_size // 2, missing)
        )
        # Values of frames are of any size: no activation after the last convolution.
        if stage < len(outputs) - 1:
            layers += _after(activation, dropout)
    return nn.Sequential(*layers, ChannelsFirst())


def _after(activation, dropout):
    return [ACTIVATIONS[activation](), *([Dropout(dropout)] if dropout else [])]


class RecurrentFeatures(nn.Module):
    """The last states of a recurrence that reads a sequence in both directions."""

    def __init__(self, cell, n_channels, hidden_size):
        super().__init__()
        self.recurrence = CELLS[cell](n_channels, hidden_size, batch_first=True, bidirectional=True)

    def forward(self, x):
        # (n_samples, n_timesteps, 2 * hidden_size): forward ends at the last step, back at the
        # first.
        states, _ = self.recurrence(x)
        forward, backward = states.chunk(2, dim=2)
        return torch.cat([forward[:, -1], backward[:, 0]], dim=1)


class RecurrentFrames(nn.Module):
    """A recurrence that reads the same features at each step, and a frame of each state.

    Both directions: the first frames know as much of later frames as the last ones of earlier
    before.
    """

    def __init__(self, cell, n_features, hidden_size, n_timesteps, n_channels):
        super().__init__()
        self.n_timesteps = n_timesteps
        self.recurrence = CELLS[cell](n_features, hidden_size, batch_first=True, bidirectional=True)
        self.frame = nn.Linear(2 * hidden_size, n_channels)

    def forward(self, features):
        # (n_samples, n_features) to (n_samples, n_timesteps, n_features)
        repeated = features[:, None].expand(-1, self.n_timesteps, -1)
        states, _ = self.recurrence(repeated)
        return self.frame(states)

    def extra_repr(self):
        return f"n_timesteps={self.n_timesteps}"


def dense_head(n_inputs, hidden_layer_sizes, n_outputs, activation):
    """Build the dense layers next to the code."""
    return multilayer_perceptron((n_inputs, *hidden_layer_sizes, n_outputs), activation=activation)
