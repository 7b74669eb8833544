"""Descriptions of networks for whole sequences: convolutions in time, and recurrence."""

import math
from collections.abc import Sequence
from numbers import Integral

from torch import nn

from .._sklearn_compat import Interval, StrOptions
from ..networks.blocks import ACTIVATIONS, finish, zero_init_last_layer
from ..networks.temporal import (
    CELLS,
    RecurrentFeatures,
    RecurrentFrames,
    SequenceDecoder,
    SequenceEncoder,
    convolved_steps,
    dense_head,
    temporal_decoder,
    temporal_encoder,
)
from ._base import COMMON_CONSTRAINTS, Architecture, DataShape, positive_ints

# Automatic stages halve the time steps until so many are left, in at least two stages and at most
# as many as there are channels here: dense layers after longer maps would hold nearly all weights.
# On 150 series of 150 steps (GunPoint) errors are 0.37, 0.28 and 0.36 times PCA's with 2, 3 and 5
# stages; kernels of 5 steps have 0.98 to 1.13 times the error of 9.
_AUTO_CHANNELS, _MAX_STEPS, _MIN_STAGES = (32, 64, 64, 64, 64, 64), 32, 2
# Fewer steps are not halved: too little comes back.
_MIN_STEPS = 4
# Units of the automatic dense layer next to the code.
_AUTO_UNITS = (256,)


class TemporalConv(Architecture):
    """Convolutions in time, for sequences of any number of channels.

    Stages of one-dimensional convolutions halve the number of time steps; dense layers lead from
    the last one to the code. The decoder mirrors the encoder. Rows that are not sequences are
    treated as sequences of single numbers.

    Parameters
    ----------
    channels : tuple of int or 'auto', default='auto'
        Channels of the encoder's stages, each of which halves the number of time steps. ``'auto'``
        is (32, 64), and further stages of 64 until at most 32 steps are left.
    kernel_size : odd int, default=9
        Length of every convolution kernel, in time steps.
    hidden_layer_sizes : tuple of int or 'auto', default='auto'
        Units of the dense layers between the last stage and the code; the decoder has them in
        reverse. ``'auto'`` is (256,).
    activation : {'relu', 'leaky_relu', 'elu', 'selu', 'gelu', 'silu', 'tanh', 'identity'}, \
            default='silu'
        Activation function after each convolution and each hidden dense layer.
    dropout : float in [0, 1), default=0.0
        Fraction of the values that are set to zero after each stage in training.
    linear_skip : bool, default=True
        Whether to add a linear skip connection around the other layers of encoder and decoder.
        Training then starts exactly at PCA's solution, and the convolutions learn the rest.
    weight_init : {'default', 'lecun_normal', 'lecun_uniform', 'he_normal', 'he_uniform', \
            'xavier_normal', 'xavier_uniform', 'orthogonal'}, default='lecun_normal'
        Rule by which weights are initialized; ``'default'`` is torch's own.

    See Also
    --------
    Recurrent : A recurrence in place of the convolutions.

    References
    ----------
    Bai, Kolter and Koltun (2018). An empirical evaluation of generic convolutional and recurrent
    networks for sequence modeling. arXiv:1803.01271.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import SequenceAutoencoder
    >>> from skae.architectures import TemporalConv
    >>> rows_of_pixels = load_digits().images  # 8 steps of 8 channels
    >>> small = TemporalConv((8, 16), kernel_size=3)
    >>> autoencoder = SequenceAutoencoder(4, architecture=small, max_iter=2)
    >>> autoencoder.fit_transform(rows_of_pixels).shape
    (1797, 4)
    """

    _parameter_constraints = {
        **COMMON_CONSTRAINTS,
        "channels": [tuple, list, StrOptions({"auto"})],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
    }

    uses_global_rng = False
    supports_meta_device = True

    def __init__(
        self,
        channels: Sequence[int] | str = "auto",
        *,
        kernel_size: int = 9,
        hidden_layer_sizes: Sequence[int] | int | str = "auto",
        activation: str = "silu",
        dropout: float = 0.0,
        linear_skip: bool = True,
        weight_init: str = "lecun_normal",
    ) -> None:
        self.channels = channels
        self.kernel_size = kernel_size
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.linear_skip = linear_skip
        self.weight_init = weight_init

    def validate(self) -> None:
        super().validate()
        if self.kernel_size % 2 == 0:
            raise ValueError(f"architecture: kernel_size must be odd, got {self.kernel_size}.")
        if not isinstance(self.channels, str) and not self.channels:
            raise ValueError("architecture: channels must hold a number for each stage, got none.")

    def build_encoder(self, shape: DataShape, n_outputs: int) -> nn.Module:
        n_timesteps, n_channels, n_extra = _frames_of(shape)
        channels, strides = self._stages(n_timesteps)
        features = temporal_encoder((n_timesteps, n_channels), channels, strides, **self._layers())
        n_features = channels[-1] * convolved_steps(n_timesteps, strides)[-1] + n_extra
        head = dense_head(n_features, self._units(), n_outputs, self.activation)
        network = SequenceEncoder(features, head, n_timesteps, n_channels)
        return self._finished(network, shape.n_features, n_outputs)

    def build_decoder(self, shape: DataShape, n_inputs: int) -> nn.Module:
        n_timesteps, n_channels, n_extra = _frames_of(shape)
        channels, strides = self._stages(n_timesteps)
        n_features = channels[-1] * convolved_steps(n_timesteps, strides)[-1]
        head = nn.Sequential(
            dense_head(n_inputs, self._units()[::-1], n_features, self.activation),
            ACTIVATIONS[self.activation](),
        )
        frames = temporal_decoder((n_timesteps, n_channels), channels, strides, **self._layers())
        network = SequenceDecoder(head, _extra(n_features, n_extra), frames)
        return self._finished(network, n_inputs, shape.n_features)

    def _finished(self, network: nn.Module, n_inputs: int, n_outputs: int) -> nn.Module:
        return _finished(self, network, n_inputs, n_outputs)

    def _layers(self) -> dict[str, object]:
        return {
            "kernel_size": int(self.kernel_size),
            "activation": self.activation,
            "dropout": self.dropout,
        }

    def _units(self) -> tuple[int, ...]:
        if isinstance(self.hidden_layer_sizes, str):
            return _AUTO_UNITS
        return positive_ints(self, "hidden_layer_sizes", self.hidden_layer_sizes)

    def _stages(self, n_timesteps: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return channels and strides of the encoder's stages."""
        self.validate()
        if isinstance(self.channels, str):
            n_stages = max(math.ceil(math.log2(max(n_timesteps / _MAX_STEPS, 1))), _MIN_STAGES)
            channels = _AUTO_CHANNELS[:n_stages]
        else:
            channels = positive_ints(self, "channels", self.channels)
        strides: list[int] = []
        for _ in channels:
            n_left = convolved_steps(n_timesteps, strides)[-1]
            strides.append(2 if n_left > _MIN_STEPS else 1)
        return channels, tuple(strides)


class Recurrent(Architecture):
    """A recurrence that reads a sequence, and one that writes it, each in both directions.

    The encoder's last states become the code by a linear layer. The decoder reads the code, after
    a hidden layer, at each time step and makes a frame of each state. Rows that are not sequences
    are treated as sequences of single numbers.

    Parameters
    ----------
    cell : {'gru', 'lstm'}, default='gru'
        The recurrence: gated recurrent units (Cho et al., 2014) or long short-term memory
        (Hochreiter and Schmidhuber, 1997).
    hidden_size : int, default=64
        Size of the state of each direction.
    linear_skip : bool, default=True
        Whether to add a linear skip connection around encoder and decoder. Training then starts
        exactly at PCA's solution, and the recurrences learn the rest.
    weight_init : {'default', 'lecun_normal', 'lecun_uniform', 'he_normal', 'he_uniform', \
            'xavier_normal', 'xavier_uniform', 'orthogonal'}, default='lecun_normal'
        Rule by which the weights of dense layers are initialized; recurrences have torch's own.

    See Also
    --------
    TemporalConv : Convolutions in time: several times as fast.

    References
    ----------
    Srivastava, Mansimov and Salakhutdinov (2015). Unsupervised learning of video representations
    using LSTMs. ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import SequenceAutoencoder
    >>> from skae.architectures import Recurrent
    >>> rows_of_pixels = load_digits().images  # 8 steps of 8 channels
    >>> lstm = Recurrent("lstm", hidden_size=16)
    >>> autoencoder = SequenceAutoencoder(4, architecture=lstm, max_iter=2)
    >>> autoencoder.fit_transform(rows_of_pixels).shape
    (1797, 4)
    """

    _parameter_constraints = {
        "cell": [StrOptions(set(CELLS))],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "linear_skip": COMMON_CONSTRAINTS["linear_skip"],
        "weight_init": COMMON_CONSTRAINTS["weight_init"],
    }

    uses_global_rng = False
    supports_meta_device = True

    def __init__(
        self,
        cell: str = "gru",
        *,
        hidden_size: int = 64,
        linear_skip: bool = True,
        weight_init: str = "lecun_normal",
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.linear_skip = linear_skip
        self.weight_init = weight_init

    def build_encoder(self, shape: DataShape, n_outputs: int) -> nn.Module:
        self.validate()
        n_timesteps, n_channels, n_extra = _frames_of(shape)
        features = RecurrentFeatures(self.cell, n_channels, int(self.hidden_size))
        # The last states of both directions, and the length.
        head = nn.Linear(2 * int(self.hidden_size) + n_extra, n_outputs)
        network = SequenceEncoder(features, head, n_timesteps, n_channels)
        return _finished(self, network, shape.n_features, n_outputs)

    def build_decoder(self, shape: DataShape, n_inputs: int) -> nn.Module:
        self.validate()
        n_timesteps, n_channels, n_extra = _frames_of(shape)
        n_features = int(self.hidden_size)
        head = nn.Sequential(nn.Linear(n_inputs, n_features), nn.SiLU())
        frames = RecurrentFrames(self.cell, n_features, n_features, n_timesteps, n_channels)
        network = SequenceDecoder(head, _extra(n_features, n_extra), frames)
        return _finished(self, network, n_inputs, shape.n_features)


def _frames_of(shape: DataShape) -> tuple[int, int, int]:
    """Return the number of time steps, of channels, and of values behind the frames."""
    if shape.n_timesteps is None:
        return shape.n_features, 1, 0
    # What is left behind whole frames is the length of the sequence.
    return shape.n_timesteps, *divmod(shape.n_features, shape.n_timesteps)


def _extra(n_features: int, n_extra: int) -> nn.Module | None:
    return nn.Linear(n_features, n_extra) if n_extra else None


def _finished(
    architecture: TemporalConv | Recurrent, network: nn.Module, n_inputs: int, n_outputs: int
) -> nn.Module:
    finished = finish(
        network,
        n_inputs,
        n_outputs,
        linear_skip=architecture.linear_skip,
        weight_init=architecture.weight_init,
    )
    # The linear skip connection also holds the best start of the columns behind the frames.
    extra = getattr(network, "extra", None)
    if architecture.linear_skip and extra is not None:
        zero_init_last_layer(extra)
    return finished
