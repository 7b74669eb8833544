"""Description of convolutional networks."""

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any, TypeAlias

from torch import nn

from .._sklearn_compat import Interval, StrOptions
from ..networks.blocks import finish
from ..networks.conv import (
    DOWNSAMPLING,
    IMAGE_NORMALIZATIONS,
    POOLING,
    UPSAMPLING,
    ConvStages,
    conv_decoder,
    conv_encoder,
    stage_sizes,
)
from ._base import COMMON_CONSTRAINTS, SIZES, Architecture, DataShape, positive_ints

# Channels of the automatic stages, for images that can be halved in each stage and for smaller
# ones. 32-64 channels have 0.99 times the error on Fashion-MNIST for twice the time, a third
# stage 1.07 times. There are two, and more until the longer side has this many pixels left: dense
# layers after larger feature maps would hold nearly all weights.
# The fourth stage has twice the channels of the third: brain scans of 128×128 have 0.98 times the
# error for 1.2 times the time; twice as many in every stage, 0.97 times for 2.5 times the time.
# Smaller images keep their size in the first stages: two more halvings of the
# digits (8×8) end with 1.08 to 1.13 times the error of a dense network, one with 0.95 to 1.00.
# They have fewer pixels to compute, which pays for 24-48 channels (0.98 with 16-32).
_AUTO_CHANNELS, _AUTO_CHANNELS_OF_SMALL_IMAGES = (16, 32, 64, 128, 128), (24, 48)
_MIN_STAGES, _MAX_PIXELS = 2, 8
# Pixels of the longer side that automatic strides leave at least: from 2×2 pixels, see above,
# too little comes back.
_MIN_PIXELS = 4
# Units of the automatic dense layers. One of 256 is the default: without it the error on digits
# is 1.04 to 1.21 times a dense network's. Before codes of at most four numbers, which are a less
# linear function of the feature maps, the encoder has one more (0.94 to 0.96 times the error on
# digits and MNIST). Before longer codes that layer overfits small sets (1.16 in place of 0.98).
_AUTO_UNITS, _AUTO_UNITS_BEFORE_SHORT_CODE, _SHORT_CODE_COMPONENTS = (256,), (384, 256), 4

# (height, width, channels), and an entry for each stage or layer.
ImageShape: TypeAlias = tuple[int, int, int]
Sizes: TypeAlias = tuple[int, ...]


class Conv(Architecture):
    """Convolutional encoder and decoder for images of any size.

    The encoder is a row of stages: convolution, normalization, activation, dropout, residual
    blocks, downsampling. Pooling and dense layers lead from the last stage to the code. The
    decoder mirrors the encoder unless it has channels and strides of its own. Rows that are not
    images are treated as images one pixel high.

    Parameters
    ----------
    channels : tuple of int or 'auto', default='auto'
        Channels of the encoder's stages. ``'auto'`` is (16, 32) for images of up to 32 pixels on
        the longer side, or (24, 48) up to 12, and as much of (16, 32, 64, 128, 128) for larger ones
        as leaves eight pixels.
    kernel_size : odd int, default=3
        Side of every convolution kernel, in pixels.
    stride : int, tuple of int or 'auto', default='auto'
        Factor by which each stage shrinks height and width, rounding up: one number for all
        stages, or one for each. ``'auto'`` is 2, but 1 in the first stages of ``channels='auto'``
        if the longer side would have fewer than four pixels left.
    downsampling : {'stride', 'max_pool'}, default='stride'
        Whether the convolution itself or a max-pooling after it shrinks the image.
    upsampling : {'transpose', 'nearest'}, default='transpose'
        Transposed convolutions, or convolutions each followed by nearest-neighbor upsampling and
        one more convolution at full size.
    n_residual_blocks : int, default=0
        Number of residual blocks (He et al., 2016) at the end of each stage.
    pooling : {'flatten', 'global_max', 'global_avg'}, default='flatten'
        How the last feature maps become a vector.
    hidden_layer_sizes : tuple of int or 'auto', default='auto'
        Units of the dense layers between that vector and the code; the decoder has them in
        reverse. ``'auto'`` is (256,) if ``channels='auto'``, with (384, 256) in the encoder before
        codes of at most four numbers, and () if channels are given.
    bottleneck : {'both', 'encoder', 'decoder', 'none'}, default='both'
        Sides on which a dense layer connects feature maps and code. On a side without one the
        feature maps are the code itself, so that ``n_components`` must fit them.
    decoder_channels : tuple of int, default=None
        Channels of the decoder's stages. If None, those of the encoder in reverse.
    decoder_stride : int or tuple of int, default=None
        Factors by which the decoder's stages enlarge the image. If None, those of the encoder in
        reverse.
    activation : {'relu', 'leaky_relu', 'elu', 'selu', 'gelu', 'silu', 'tanh', 'identity'}, \
            default='silu'
        Activation function after each convolution and each hidden dense layer.
    normalization : {'batch', 'layer'}, tuple or None, default=None
        Normalization of the feature maps before each activation, in all stages, or in a tuple
        with an entry for each stage of the encoder; the decoder's stages mirror them. ``'batch'``
        normalizes each channel over the batch, ``'layer'`` each image over channels and pixels.
        Dense layers have none.
    dropout : float in [0, 1), default=0.0
        Fraction of the values that are set to zero after each stage in training.
    linear_skip : bool, default=True
        Whether to add a linear skip connection around the other layers of encoder and decoder.
        Training then starts exactly at PCA's solution, and the convolutions learn the rest.
    weight_init : {'default', 'lecun_normal', 'lecun_uniform', 'he_normal', 'he_uniform', \
            'xavier_normal', 'xavier_uniform', 'orthogonal'}, default='lecun_normal'
        Rule by which weights are initialized; ``'default'`` is torch's own.

    References
    ----------
    Masci, Meier, Cireşan and Schmidhuber (2011). Stacked convolutional auto-encoders for
    hierarchical feature extraction. ICANN.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.architectures import Conv
    >>> images = load_digits().images
    >>> small = Conv(channels=(8, 16), downsampling="max_pool", upsampling="nearest")
    >>> Autoencoder(8, architecture=small, max_iter=3).fit(images).reconstruct(images).shape
    (1797, 8, 8)
    """

    _parameter_constraints = {
        **COMMON_CONSTRAINTS,
        "channels": [tuple, list, StrOptions({"auto"})],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "stride": SIZES,
        "downsampling": [StrOptions(set(DOWNSAMPLING))],
        "upsampling": [StrOptions(set(UPSAMPLING))],
        "n_residual_blocks": [Interval(Integral, 0, None, closed="left")],
        "pooling": [StrOptions(set(POOLING))],
        "bottleneck": [StrOptions({"both", "encoder", "decoder", "none"})],
        "decoder_channels": [tuple, list, None],
        "decoder_stride": [tuple, list, Interval(Integral, 1, None, closed="left"), None],
        "normalization": [StrOptions(set(IMAGE_NORMALIZATIONS)), tuple, list, None],
    }

    def __init__(
        self,
        channels: Sequence[int] | str = "auto",
        *,
        kernel_size: int = 3,
        stride: Sequence[int] | int | str = "auto",
        downsampling: str = "stride",
        upsampling: str = "transpose",
        n_residual_blocks: int = 0,
        pooling: str = "flatten",
        hidden_layer_sizes: Sequence[int] | int | str = "auto",
        bottleneck: str = "both",
        decoder_channels: Sequence[int] | None = None,
        decoder_stride: Sequence[int] | int | None = None,
        activation: str = "silu",
        normalization: str | Sequence[str | None] | None = None,
        dropout: float = 0.0,
        linear_skip: bool = True,
        weight_init: str = "lecun_normal",
    ) -> None:
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.downsampling = downsampling
        self.upsampling = upsampling
        self.n_residual_blocks = n_residual_blocks
        self.pooling = pooling
        self.hidden_layer_sizes = hidden_layer_sizes
        self.bottleneck = bottleneck
        self.decoder_channels = decoder_channels
        self.decoder_stride = decoder_stride
        self.activation = activation
        self.normalization = normalization
        self.dropout = dropout
        self.linear_skip = linear_skip
        self.weight_init = weight_init

    uses_global_rng = False
    supports_meta_device = True

    def build_encoder(self, shape: DataShape, n_outputs: int) -> nn.Module:
        image_shape = _as_image(shape)
        stages = self._encoder_stages(image_shape)
        has_dense = self.bottleneck in ("both", "encoder")
        if not has_dense:
            self._check_code_is_feature_maps(image_shape, stages, n_outputs)
        network = conv_encoder(
            image_shape,
            stages,
            downsampling=self.downsampling,
            pooling=self.pooling,
            hidden_layer_sizes=self._dense_layers(
                _AUTO_UNITS if n_outputs > _SHORT_CODE_COMPONENTS else _AUTO_UNITS_BEFORE_SHORT_CODE
            ),
            n_outputs=n_outputs if has_dense else None,
        )
        return self._finished(network, shape.n_features, n_outputs)

    def build_decoder(self, shape: DataShape, n_inputs: int) -> nn.Module:
        image_shape = _as_image(shape)
        encoder = self._encoder_stages(image_shape)
        stages = self._decoder_stages(encoder)
        has_dense = self.bottleneck in ("both", "decoder")
        start_channels = (encoder.channels or image_shape[2:])[-1]
        if not has_dense:
            start_channels = self._channels_of_code(image_shape, stages, n_inputs)
        network = conv_decoder(
            image_shape,
            stages,
            upsampling=self.upsampling,
            start_channels=start_channels,
            hidden_layer_sizes=self._dense_layers(_AUTO_UNITS),
            n_inputs=n_inputs if has_dense else None,
        )
        return self._finished(network, n_inputs, shape.n_features)

    def validate(self) -> None:
        super().validate()
        if self.kernel_size % 2 == 0:
            raise ValueError(f"architecture: kernel_size must be odd, got {self.kernel_size}.")
        if self.linear_skip and self.bottleneck in ("decoder", "none"):
            raise ValueError(
                "architecture: linear_skip=True needs a dense layer before the code "
                f"(bottleneck='both' or 'encoder'), got bottleneck={self.bottleneck!r}."
            )
        self._check_normalization()

    def _check_normalization(self) -> None:
        """Refuse a tuple that holds anything but names and None."""
        if not isinstance(self.normalization, (tuple, list)):
            return
        if any(entry not in (*IMAGE_NORMALIZATIONS, None) for entry in self.normalization):
            raise ValueError(
                "architecture: the 'normalization' parameter of Conv must hold entries of "
                f"{sorted(IMAGE_NORMALIZATIONS)} and None, got {self.normalization!r}."
            )

    def _finished(self, network: nn.Module, n_inputs: int, n_outputs: int) -> nn.Module:
        skip, rule = self.linear_skip, self.weight_init
        return finish(network, n_inputs, n_outputs, linear_skip=skip, weight_init=rule)

    def _encoder_stages(self, image_shape: ImageShape) -> ConvStages:
        """Resolve ``'auto'`` and single numbers into an entry per stage, and check them."""
        self.validate()
        channels = self._encoder_channels(image_shape)
        strides = self._encoder_strides(image_shape, channels)
        _check_image_survives(image_shape, channels, strides)
        normalizations = self._per_stage("normalization", self.normalization, channels)
        return self._stages(channels, strides, normalizations)

    def _decoder_stages(self, encoder: ConvStages) -> ConvStages:
        channels, strides = encoder.channels[::-1], encoder.strides[::-1]
        if self.decoder_channels is not None:
            channels = positive_ints(self, "decoder_channels", self.decoder_channels)
        if self.decoder_stride is not None:
            strides = self._per_stage("decoder_stride", self.decoder_stride, channels)
        if len(strides) != len(channels):
            raise ValueError(
                f"architecture: decoder_channels={self.decoder_channels} has {len(channels)} "
                f"stages where the encoder has {len(strides)}: give decoder_stride as well."
            )
        # Mirrored; with another number of stages there is nothing to mirror.
        normalizations = encoder.normalizations[::-1]
        if len(normalizations) != len(channels):
            normalizations = self._per_stage("normalization", self.normalization, channels)
        return self._stages(channels, strides, normalizations)

    def _stages(
        self, channels: Sizes, strides: Sizes, normalizations: tuple[str | None, ...]
    ) -> ConvStages:
        return ConvStages(
            channels=channels,
            strides=strides,
            normalizations=normalizations,
            kernel_size=int(self.kernel_size),
            activation=self.activation,
            dropout=self.dropout,
            n_residual_blocks=int(self.n_residual_blocks),
        )

    def _encoder_channels(self, image_shape: ImageShape) -> Sizes:
        if not isinstance(self.channels, str):
            return positive_ints(self, "channels", self.channels)
        if _n_halvings(image_shape) < _MIN_STAGES:
            return _AUTO_CHANNELS_OF_SMALL_IMAGES
        n_stages = math.ceil(math.log2(max(image_shape[:2]) / _MAX_PIXELS))
        return _AUTO_CHANNELS[: max(n_stages, _MIN_STAGES)]

    def _encoder_strides(self, image_shape: ImageShape, channels: Sizes) -> Sizes:
        if not isinstance(self.stride, str):
            return self._per_stage("stride", self.stride, channels)
        n_halvings = len(channels)
        # Given channels are halved in each stage, whatever is left of the image.
        if isinstance(self.channels, str):
            n_halvings = min(n_halvings, _n_halvings(image_shape))
        # Halved in the last stages: the first ones see all pixels.
        return (1,) * (len(channels) - n_halvings) + (2,) * n_halvings

    def _per_stage(self, name: str, value: Any, channels: Sizes) -> tuple[Any, ...]:
        """Return a tuple with one entry for each of ``channels``."""
        if not isinstance(value, (tuple, list)):
            return (value,) * len(channels)
        if len(value) != len(channels):
            raise ValueError(
                f"architecture: the {name!r} parameter of Conv must be one value or one for each "
                f"of the {len(channels)} stages {channels}, got {value!r}."
            )
        return tuple(value) if name == "normalization" else positive_ints(self, name, value)

    def _dense_layers(self, automatic: Sizes) -> Sizes:
        """Resolve ``'auto'``: ``automatic``, or none where channels are given."""
        if isinstance(self.hidden_layer_sizes, str):
            return automatic if isinstance(self.channels, str) else ()
        return positive_ints(self, "hidden_layer_sizes", self.hidden_layer_sizes)

    def _check_code_is_feature_maps(
        self, image_shape: ImageShape, stages: ConvStages, n_outputs: int
    ) -> None:
        height, width = stage_sizes(image_shape[:2], stages.strides)[-1]
        n_pixels = height * width if self.pooling == "flatten" else 1
        if n_pixels * stages.channels[-1] != n_outputs:
            raise ValueError(
                f"n_components must be {n_pixels * stages.channels[-1]}, the size of the last "
                f"feature maps, with architecture__bottleneck={self.bottleneck!r}; got {n_outputs}."
            )

    def _channels_of_code(self, image_shape: ImageShape, stages: ConvStages, n_inputs: int) -> int:
        height, width = stage_sizes(image_shape[:2], stages.strides)[-1]
        if n_inputs % (height * width):
            raise ValueError(
                f"n_components must be a multiple of {height * width} (feature maps of "
                f"{height}×{width}) with architecture__bottleneck={self.bottleneck!r}; "
                f"got {n_inputs}."
            )
        n_channels: int = n_inputs // (height * width)
        return n_channels


def _as_image(shape: DataShape) -> ImageShape:
    """Return the image shape of rows; rows that are not images are one pixel high."""
    return shape.image_shape or (1, shape.n_features, 1)


def _n_halvings(image_shape: ImageShape) -> int:
    """Count how often an image can be halved, rounding up, and keep `_MIN_PIXELS`."""
    largest_factor = (max(image_shape[:2]) - 1) // (_MIN_PIXELS - 1)  # 2**k halves k times
    return max(largest_factor.bit_length() - 1, 0)


def _check_image_survives(image_shape: ImageShape, channels: Sizes, strides: Sizes) -> None:
    """Refuse a stage that would shrink an image of one pixel."""
    sizes = stage_sizes(image_shape[:2], strides)
    for stage, (size, stride) in enumerate(zip(sizes, strides, strict=False)):
        # The first stage may get one pixel: rows of one feature, treated as images.
        if stride > 1 and max(size) == 1 and stage > 0:
            raise ValueError(
                f"architecture: channels={channels} shrink an image of "
                f"{image_shape[0]}×{image_shape[1]} to nothing: it has one pixel left after "
                f"stage {stage} of {len(channels)}. Use fewer stages or a smaller stride."
            )
