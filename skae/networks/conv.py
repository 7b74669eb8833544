"""Convolutional encoder and decoder between rows of pixels and codes.

Rows are pixels in channels-last order. Every size works: downsampling by s gives the ceiling of
size / s, and the decoder has exactly the encoder's sizes, in reverse.
"""

from dataclasses import dataclass

from torch import nn
from torch.nn import functional as F

from .blocks import ACTIVATIONS, Dropout, multilayer_perceptron
from .layout import ImagesToRows, RowsToImages

# Names of the parameters of `Conv`: a stride in the convolution, or max-pooling after it.
DOWNSAMPLING = ("stride", "max_pool")
UPSAMPLING = ("transpose", "nearest")
# One group holds all channels: over images, this is what layer normalization is to rows.
IMAGE_NORMALIZATIONS = {
    "batch": nn.BatchNorm2d,
    "layer": lambda n_channels: nn.GroupNorm(1, n_channels),
}
POOLING = {
    "flatten": nn.Identity,
    "global_max": lambda: nn.AdaptiveMaxPool2d(1),
    "global_avg": lambda: nn.AdaptiveAvgPool2d(1),
}


@dataclass(frozen=True)
class ConvStages:
    """Parameters of the stages of one side; tuples have an entry per stage."""

    channels: tuple
    strides: tuple
    normalizations: tuple
    kernel_size: int
    activation: str
    dropout: float
    n_residual_blocks: int

    def following(self, stage):
        """List the layers after the convolution whose output has the stage's channels."""
        # Normalization comes before the activation, dropout after it, as in dense networks.
        channels, normalization = self.channels[stage], self.normalizations[stage]
        layers = normalized(channels, normalization)
        layers.append(ACTIVATIONS[self.activation]())
        layers += [Dropout(self.dropout)] if self.dropout else []
        return layers + [
            ResidualBlock(channels, self.kernel_size, self.activation, normalization)
            for _ in range(self.n_residual_blocks)
        ]


def normalized(n_channels, normalization):
    """List the normalization of feature maps: one layer, or none for None."""
    return [] if normalization is None else [IMAGE_NORMALIZATIONS[normalization](n_channels)]


class Resize(nn.Module):
    """Nearest-neighbor upsampling to a given size in pixels."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        return F.interpolate(x, size=self.size, mode="nearest")

    def extra_repr(self):
        return f"size={self.size}"


class ResidualBlock(nn.Module):
    """Two convolutions with an identity skip connection around them (He et al., 2016)."""

    def __init__(self, channels, kernel_size, activation, normalization):
        super().__init__()

        def convolution():
            # The padding of an odd kernel keeps the size, so that input and output can be added.
            layer = nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2)
            return [layer, *normalized(channels, normalization)]

        self.body = nn.Sequential(*convolution(), ACTIVATIONS[activation](), *convolution())
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x):
        return self.activation(x + self.body(x))


def stage_sizes(image_size, strides):
    """List (height, width) before the first stage and after each."""
    sizes = [tuple(image_size)]
    for stride in strides:
        # Rounded up: a last pixel without a partner is kept.
        sizes.append(tuple(-(-side // stride) for side in sizes[-1]))
    return sizes


def conv_encoder(image_shape, stages, *, downsampling, pooling, hidden_layer_sizes, n_outputs):
    """Build rows of pixels -> code; with ``n_outputs=None`` the feature maps are the code."""
    height, width, n_channels = image_shape
    layers = [RowsToImages(*image_shape)]
    for stage, (channels, stride) in enumerate(zip(stages.channels, stages.strides, strict=True)):
        # (n_samples, n_channels, height, width) to (n_samples, channels, height / stride, ...)
        by_stride = downsampling == "stride"
        layers.append(
            nn.Conv2d(
                n_channels,
                channels,
                stages.kernel_size,
                stride=stride if by_stride else 1,
                padding=stages.kernel_size // 2,
            )
        )
        layers += stages.following(stage)
        if stride > 1 and not by_stride:
            # Rounded up as a stride is, so that the decoder's sizes fit either.
            layers.append(nn.MaxPool2d(stride, ceil_mode=True))
        n_channels = channels
    layers += [POOLING[pooling](), ImagesToRows()]
    if n_outputs is not None:
        height, width = stage_sizes((height, width), stages.strides)[-1]
        # Global pooling leaves one value of each channel.
        n_pixels = height * width if pooling == "flatten" else 1
        sizes = (n_pixels * n_channels, *hidden_layer_sizes, n_outputs)
        layers.append(multilayer_perceptron(sizes, activation=stages.activation))
    return nn.Sequential(*layers)


def conv_decoder(image_shape, stages, *, upsampling, start_channels, hidden_layer_sizes, n_inputs):
    """Build code -> rows of pixels; ``n_inputs=None`` reshapes the code to feature maps."""
    *image_size, n_image_channels = image_shape
    # The sizes of an encoder with the decoder's strides, in reverse.
    sizes = stage_sizes(image_size, stages.strides[::-1])[::-1]
    layers = []
    if n_inputs is not None:
        start = sizes[0][0] * sizes[0][1] * start_channels
        # (n_samples, n_inputs) to (n_samples, start), which are the first feature maps.
        widths = (n_inputs, *hidden_layer_sizes[::-1], start)
        layers.append(multilayer_perceptron(widths, activation=stages.activation))
        layers.append(ACTIVATIONS[stages.activation]())
    layers.append(RowsToImages(*sizes[0], start_channels))
    build = _UPSAMPLING_STAGES[upsampling]
    layers += build(stages, sizes, start_channels, n_image_channels)
    return nn.Sequential(*layers, ImagesToRows())


def _transpose_stages(stages, sizes, n_channels, n_image_channels):
    """List transposed convolutions, the last of which returns the image."""
    layers = []
    outputs = (*stages.channels[1:], n_image_channels)
    for stage, channels in enumerate(outputs):
        stride = stages.strides[stage]
        layers.append(
            nn.ConvTranspose2d(
                n_channels,
                channels,
                stages.kernel_size,
                stride=stride,
                padding=stages.kernel_size // 2,
                # Several sizes shrink to the same: this adds the pixels that are missing to the
                # encoder's own.
                output_padding=[
                    after - 1 - (before - 1) * stride
                    for before, after in zip(sizes[stage], sizes[stage + 1], strict=True)
                ],
            )
        )
        # Pixels of the image take any value: no activation after the last convolution.
        if stage < len(outputs) - 1:
            layers += stages.following(stage + 1)
        n_channels = channels
    return layers


def _nearest_stages(stages, sizes, n_channels, n_image_channels):
    """List convolutions, each followed by upsampling, and one more that returns the image."""
    layers = []
    padding = stages.kernel_size // 2
    for stage, channels in enumerate(stages.channels):
        layers.append(nn.Conv2d(n_channels, channels, stages.kernel_size, padding=padding))
        layers += stages.following(stage)
        # To the encoder's size, which a factor of the stride may miss by a pixel.
        if sizes[stage] != sizes[stage + 1]:
            layers.append(Resize(sizes[stage + 1]))
        n_channels = channels
    return [
        *layers,
        nn.Conv2d(n_channels, n_image_channels, stages.kernel_size, padding=padding),
    ]


_UPSAMPLING_STAGES = {"transpose": _transpose_stages, "nearest": _nearest_stages}
