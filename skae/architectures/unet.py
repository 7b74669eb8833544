"""Description of U-Nets, which lead from images to images and have no code."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import NoReturn

from torch import nn

from .._sklearn_compat import Interval, StrOptions
from ..networks.blocks import ACTIVATIONS, INITIALIZATIONS, initialize, zero_init_last_layer
from ..networks.conv import IMAGE_NORMALIZATIONS
from ..networks.layout import ImagesToRows, RowsToImages
from ..networks.unet import UNetLevel
from ._base import Architecture, DataShape, positive_ints

# One convolution in place of two at each resolution has 0.9 dB less on MNIST, for 0.6 of the time;
# he_normal keeps the size of what passes ten convolutions better than lecun_normal.
# Channels of the automatic levels, of which there are as many as leave this many pixels of the
# longer side.
_AUTO_CHANNELS, _MIN_PIXELS = (16, 32, 64), 4


class UNet(Architecture):
    """Convolutional network from images to images of the same size, without a code between.

    Stages of convolutions at ever lower resolutions see ever more of the image; on the way back
    each resolution also gets its own feature maps from the way there, so that no detail passes a
    bottleneck. Images of any size will do. It is an architecture of :class:`~skae.Denoiser`; the
    other estimators need a code, which a U-Net has not.

    Parameters
    ----------
    channels : tuple of int or 'auto', default='auto'
        Channels at each resolution, from that of the image on; each has half the height and width
        of the one before, rounded up. ``'auto'`` is as much of (16, 32, 64) as leaves four pixels
        of the longer side.
    n_convolutions : int, default=2
        Convolutions at each resolution, on the way there and on the way back each.
    kernel_size : odd int, default=3
        Side of the kernels, in pixels.
    activation : {'relu', 'leaky_relu', 'elu', 'selu', 'gelu', 'silu', 'tanh', 'identity'}, \
            default='silu'
        Activation function after each convolution.
    normalization : {'batch', 'layer'} or None, default=None
        Normalization before each activation: ``'batch'`` normalizes each channel over the batch,
        ``'layer'`` each image over channels and pixels.
    dropout : float in [0, 1), default=0.0
        Fraction of the values that are set to zero after each stage in training.
    weight_init : {'default', 'lecun_normal', 'lecun_uniform', 'he_normal', 'he_uniform', \
            'xavier_normal', 'xavier_uniform', 'orthogonal'}, default='he_normal'
        Rule by which weights are initialized; ``'default'`` is torch's own.

    See Also
    --------
    skae.Denoiser : The transformer that uses it.

    References
    ----------
    Ronneberger, Fischer and Brox (2015). U-Net: convolutional networks for biomedical image
    segmentation. MICCAI.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Denoiser
    >>> from skae.architectures import UNet
    >>> images = load_digits().images
    >>> denoiser = Denoiser(UNet(channels=(8, 16)), noise_level=2.0, max_iter=2, random_state=0)
    >>> denoiser.fit(images).transform(images).shape
    (1797, 8, 8)
    """

    _parameter_constraints = {
        "channels": [tuple, list, StrOptions({"auto"})],
        "n_convolutions": [Interval(Integral, 1, None, closed="left")],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "normalization": [StrOptions(set(IMAGE_NORMALIZATIONS)), None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "weight_init": [StrOptions({*INITIALIZATIONS, "default"})],
    }

    def __init__(
        self,
        channels: Sequence[int] | str = "auto",
        *,
        n_convolutions: int = 2,
        kernel_size: int = 3,
        activation: str = "silu",
        normalization: str | None = None,
        dropout: float = 0.0,
        weight_init: str = "he_normal",
    ) -> None:
        self.channels = channels
        self.n_convolutions = n_convolutions
        self.kernel_size = kernel_size
        self.activation = activation
        self.normalization = normalization
        self.dropout = dropout
        self.weight_init = weight_init

    uses_global_rng = False
    supports_meta_device = True

    def build_encoder(self, shape: DataShape, n_outputs: int) -> nn.Module:
        self._refuse_code()

    def build_decoder(self, shape: DataShape, n_inputs: int) -> nn.Module:
        self._refuse_code()

    def build_residual(self, shape: DataShape) -> nn.Module:
        """Build a network from noisy images to the residual to add to them.

        Parameters
        ----------
        shape : DataShape
            Shape of the data, which have to be images.

        Returns
        -------
        residual : torch.nn.Module
            Maps rows of pixels to rows of pixels. Before training it returns zeros.

        Raises
        ------
        ValueError
            If rows are not images, or a parameter is out of its range.
        """
        self.validate()
        if shape.image_shape is None:
            raise ValueError(
                "architecture='unet' needs images: give image_shape, or X as images (n_samples, "
                f"height, width[, channels]); got rows of {shape.n_features} features without "
                "image_shape."
            )
        channels = self._channels(shape.image_shape)
        n_image_channels = shape.image_shape[2]
        form = {
            name: getattr(self, name)
            for name in ("kernel_size", "activation", "normalization", "dropout")
        }
        # (n_samples, n_features) to (n_samples, channels, height, width) and back.
        network = nn.Sequential(
            RowsToImages(*shape.image_shape),
            UNetLevel(n_image_channels, channels, self.n_convolutions, form),
            nn.Conv2d(channels[0], n_image_channels, 1),
            ImagesToRows(),
        )
        if self.weight_init != "default":
            initialize(network, self.weight_init)
        # Training then starts where the data are returned as they are.
        residual: nn.Module = zero_init_last_layer(network)
        return residual

    def validate(self) -> None:
        super().validate()
        if self.kernel_size % 2 == 0:
            raise ValueError(f"architecture: kernel_size must be odd, got {self.kernel_size}.")

    def _channels(self, image_shape: tuple[int, int, int]) -> tuple[int, ...]:
        if not isinstance(self.channels, str):
            channels = positive_ints(self, "channels", self.channels)
            if not channels:
                raise ValueError("architecture: channels of UNet must not be empty, got ().")
            return channels
        largest_factor = max(image_shape[:2]) // _MIN_PIXELS  # 2**k halves k times
        return _AUTO_CHANNELS[: max(largest_factor.bit_length(), 1)]

    def _refuse_code(self) -> NoReturn:
        raise ValueError(
            "architecture: a UNet has no latent code, since its skip connections pass by it; "
            "expected an architecture with encoder and decoder, such as 'conv'. Use UNet with "
            "Denoiser and n_components=None."
        )
