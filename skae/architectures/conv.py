"""Description of convolutional networks."""

from numbers import Integral

from torch import nn

from .._sklearn_compat import Interval, StrOptions
from ..networks.conv import (
    DOWNSAMPLING,
    POOLING,
    UPSAMPLING,
    ConvStages,
    conv_decoder,
    conv_encoder,
    stage_sizes,
)
from ._base import COMMON_CONSTRAINTS, Architecture, DataShape, positive_ints

# Stages of the automatic network: channels for images that can be halved in each, and for smaller
# ones, which keep their size in the first stages and have fewer pixels to pay for.
_AUTO_CHANNELS, _AUTO_CHANNELS_OF_SMALL = (16, 32), (24, 48)
# Pixels, of the longer side, that the automatic network leaves at least.
_FEWEST_PIXELS = 4
# Units of the dense layer that goes with them, and of those before a code of so few numbers that
# one layer cannot press the feature maps into it.
_AUTO_DENSE, _AUTO_DENSE_TO_SHORT, _SHORT = (256,), (384, 256), 4


class Conv(Architecture):
    """Convolutional encoder and decoder for images of any size.

    The encoder is a row of stages: convolution, normalisation, activation, dropout, residual
    blocks, down-sampling; then pooling and dense layers to the code. The decoder mirrors it
    unless it is given channels and strides of its own. Data that are no images are taken as
    pictures of one row of pixels.

    Parameters
    ----------
    channels : tuple of int or 'auto', default='auto'
        Channels of the encoder's stages. ``'auto'``: (16, 32), or (24, 48) for images of at
        most 12 pixels on the longer side.
    kernel_size : odd int, default=3
        Side of every convolution kernel, in pixels.
    stride : int, tuple of int or 'auto', default='auto'
        Factor by which each stage shrinks height and width, rounding up; one number for all
        stages or one for each. ``'auto'``: 2, but 1 in the first stages of ``channels='auto'``
        where the longer side would have less than four pixels left.
    downsampling : {'stride', 'max_pool'}, default='stride'
        Whether the convolution itself or a max-pooling behind it shrinks the image.
    upsampling : {'transpose', 'nearest'}, default='transpose'
        Transposed convolutions, or convolutions each followed by nearest-neighbour up-sampling
        and one more convolution at full size.
    batch_norm : bool or tuple of bool, default=False
        Batch normalisation, in all stages or by stage of the encoder; the decoder's stages that
        mirror them have it too.
    dropout : float in [0, 1), default=0.0
        Share of values that are dropped behind each stage in training.
    activation : {'relu', 'leaky_relu', 'elu', 'selu', 'gelu', 'silu', 'tanh', 'identity'}, \
            default='silu'
        What follows each convolution and each inner dense layer.
    n_residual_blocks : int, default=0
        Residual blocks (He et al., 2016) at the end of each stage.
    pooling : {'flatten', 'global_max', 'global_avg'}, default='flatten'
        How the last feature maps become a vector.
    hidden_layer_sizes : tuple of int or 'auto', default='auto'
        Units of dense layers between that vector and the code; mirrored in the decoder.
        ``'auto'``: (256,) where ``channels='auto'``, in the encoder (384, 256) before codes of at
        most four numbers; none where channels are given.
    bottleneck : {'both', 'encoder', 'decoder', 'none'}, default='both'
        Sides on which a dense layer joins feature maps and code. On a side without one the
        feature maps are the code itself, so that ``n_components`` must fit them.
    decoder_channels : tuple of int or None, default=None
        Channels of the decoder's stages; None mirrors the encoder.
    decoder_stride : int, tuple of int or None, default=None
        Factors by which the decoder's stages enlarge the image; None mirrors the encoder.
    linear_skip : bool, default=True
        Add a linear map beside the convolutions of each side. Training then starts exactly at
        the solution of PCA and the convolutions learn what is left to gain.
    weight_init : {'default', 'lecun_normal', 'lecun_uniform', 'he_normal', 'he_uniform', \
            'xavier_normal', 'xavier_uniform', 'orthogonal'}, default='lecun_normal'
        Rule by which weights are drawn; ``'default'`` is torch's own.

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
        "stride": [
            tuple,
            list,
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "downsampling": [StrOptions(set(DOWNSAMPLING))],
        "upsampling": [StrOptions(set(UPSAMPLING))],
        "batch_norm": ["boolean", tuple, list],
        "n_residual_blocks": [Interval(Integral, 0, None, closed="left")],
        "pooling": [StrOptions(set(POOLING))],
        "hidden_layer_sizes": [
            tuple,
            list,
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "bottleneck": [StrOptions({"both", "encoder", "decoder", "none"})],
        "decoder_channels": [tuple, list, None],
        "decoder_stride": [tuple, list, Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        channels="auto",
        *,
        kernel_size=3,
        stride="auto",
        downsampling="stride",
        upsampling="transpose",
        batch_norm=False,
        dropout=0.0,
        activation="silu",
        n_residual_blocks=0,
        pooling="flatten",
        hidden_layer_sizes="auto",
        bottleneck="both",
        decoder_channels=None,
        decoder_stride=None,
        linear_skip=True,
        weight_init="lecun_normal",
    ):
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.downsampling = downsampling
        self.upsampling = upsampling
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.activation = activation
        self.n_residual_blocks = n_residual_blocks
        self.pooling = pooling
        self.hidden_layer_sizes = hidden_layer_sizes
        self.bottleneck = bottleneck
        self.decoder_channels = decoder_channels
        self.decoder_stride = decoder_stride
        self.linear_skip = linear_skip
        self.weight_init = weight_init

    mixes_features = False
    standardizes = True

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
                _AUTO_DENSE if n_outputs > _SHORT else _AUTO_DENSE_TO_SHORT
            ),
            n_outputs=n_outputs if has_dense else None,
        )
        return self._finish(network, shape.n_features, n_outputs)

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
            hidden_layer_sizes=self._dense_layers(_AUTO_DENSE),
            n_inputs=n_inputs if has_dense else None,
        )
        return self._finish(network, n_inputs, shape.n_features)

    def _encoder_stages(self, image_shape):
        """Resolve ``'auto'`` and single numbers into an entry per stage, and check them."""
        self._validate()
        if self.kernel_size % 2 == 0:
            raise ValueError(f"architecture: kernel_size must be odd, got {self.kernel_size}.")
        if self.linear_skip and self.bottleneck in ("decoder", "none"):
            raise ValueError(
                "architecture: linear_skip=True needs a dense layer before the code "
                f"(bottleneck='both' or 'encoder'), got bottleneck={self.bottleneck!r}."
            )
        channels = self._encoder_channels(image_shape)
        strides = self._encoder_strides(image_shape, channels)
        _check_image_survives(image_shape, channels, strides)
        batch_norm = self._per_stage("batch_norm", self.batch_norm, channels)
        return self._stages(channels, strides, batch_norm)

    def _decoder_stages(self, encoder):
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
        batch_norm = encoder.batch_norm[::-1]
        if len(batch_norm) != len(channels):
            batch_norm = self._per_stage("batch_norm", self.batch_norm, channels)
        return self._stages(channels, strides, batch_norm)

    def _stages(self, channels, strides, batch_norm):
        return ConvStages(
            channels=channels,
            strides=strides,
            batch_norm=batch_norm,
            kernel_size=int(self.kernel_size),
            activation=self.activation,
            dropout=self.dropout,
            n_residual_blocks=int(self.n_residual_blocks),
        )

    def _encoder_channels(self, image_shape):
        if not isinstance(self.channels, str):
            return positive_ints(self, "channels", self.channels)
        can_halve_in_each = _n_halvings(image_shape) >= len(_AUTO_CHANNELS)
        return _AUTO_CHANNELS if can_halve_in_each else _AUTO_CHANNELS_OF_SMALL

    def _encoder_strides(self, image_shape, channels):
        if not isinstance(self.stride, str):
            return self._per_stage("stride", self.stride, channels)
        n_halvings = len(channels)
        if isinstance(self.channels, str):
            n_halvings = min(n_halvings, _n_halvings(image_shape))
        return (1,) * (len(channels) - n_halvings) + (2,) * n_halvings

    def _per_stage(self, name, value, channels):
        """Return a tuple with one entry for each of ``channels``."""
        if not isinstance(value, (tuple, list)):
            return (value,) * len(channels)
        if len(value) != len(channels):
            raise ValueError(
                f"architecture: the {name!r} parameter of Conv must be one value or one for each "
                f"of the {len(channels)} stages {channels}, got {value!r}."
            )
        return tuple(value) if name == "batch_norm" else positive_ints(self, name, value)

    def _dense_layers(self, automatic):
        """Resolve ``'auto'``: ``automatic``, or none where channels are given."""
        if isinstance(self.hidden_layer_sizes, str):
            return automatic if isinstance(self.channels, str) else ()
        return positive_ints(self, "hidden_layer_sizes", self.hidden_layer_sizes)

    def _check_code_is_feature_maps(self, image_shape, stages, n_outputs):
        height, width = stage_sizes(image_shape[:2], stages.strides)[-1]
        n_pixels = height * width if self.pooling == "flatten" else 1
        if n_pixels * stages.channels[-1] != n_outputs:
            raise ValueError(
                f"n_components must be {n_pixels * stages.channels[-1]}, the size of the last "
                f"feature maps, with architecture__bottleneck={self.bottleneck!r}; got {n_outputs}."
            )

    def _channels_of_code(self, image_shape, stages, n_inputs):
        height, width = stage_sizes(image_shape[:2], stages.strides)[-1]
        if n_inputs % (height * width):
            raise ValueError(
                f"n_components must be a multiple of {height * width} (feature maps of "
                f"{height}×{width}) with architecture__bottleneck={self.bottleneck!r}; "
                f"got {n_inputs}."
            )
        return n_inputs // (height * width)


def _as_image(shape):
    """Image shape of the data, or one row of pixels where they are no images."""
    return shape.image_shape or (1, shape.n_features, 1)


def _n_halvings(image_shape):
    """How often an image can be halved, rounding up, and keep the fewest pixels."""
    most = (max(image_shape[:2]) - 1) // (_FEWEST_PIXELS - 1)  # 2**k halves k times
    return max(most.bit_length() - 1, 0)


def _check_image_survives(image_shape, channels, strides):
    """Refuse a stage that would shrink an image of one pixel."""
    sizes = stage_sizes(image_shape[:2], strides)
    for stage, (size, stride) in enumerate(zip(sizes, strides, strict=False)):
        # A single stage may meet one pixel: data of one feature, taken as a picture.
        if stride > 1 and max(size) == 1 and stage > 0:
            raise ValueError(
                f"architecture: channels={channels} shrink an image of "
                f"{image_shape[0]}×{image_shape[1]} to nothing: it has one pixel left after "
                f"stage {stage} of {len(channels)}. Use fewer stages or a smaller stride."
            )
