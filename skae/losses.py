"""Reconstruction losses: pure functions of tensors, and one table of their names."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from ._utils import lookup

# Constants of Wang et al. (2004): they keep the ratios stable where an image is flat.
_K1, _K2 = 0.01, 0.03
_SSIM_WINDOW = 7


def structural_similarity(x, y, data_range=1.0):
    """Mean structural similarity (SSIM) of each pair of images.

    A uniform window of 7 × 7 pixels (the largest odd size that fits, on smaller images) slides
    over the images; variances are the sample's. This is what
    `skimage.metrics.structural_similarity` computes by default.

    Parameters
    ----------
    x, y : Tensor of shape (n, channels, height, width)
    data_range : float or 0-d Tensor, default=1.0
        Largest minus smallest value that an image can have, in the units of ``x``.

    Returns
    -------
    Tensor of shape (n,)
        1 where the images are equal, lower the less alike they are.

    References
    ----------
    Wang, Bovik, Sheikh and Simoncelli (2004). Image quality assessment: from error visibility
    to structural similarity. IEEE Transactions on Image Processing 13(4).

    Examples
    --------
    >>> import torch
    >>> from skae.losses import structural_similarity
    >>> x = torch.arange(64.0).reshape(1, 1, 8, 8) / 64
    >>> structural_similarity(x, x)
    tensor([1.])
    """
    side = min(_SSIM_WINDOW, *x.shape[-2:])
    window = side - 1 + side % 2
    unbiased = window**2 / max(window**2 - 1, 1)

    def mean(image):
        return F.avg_pool2d(image, window, stride=1)

    mean_x, mean_y = mean(x), mean(y)
    variance_x = unbiased * (mean(x * x) - mean_x * mean_x)
    variance_y = unbiased * (mean(y * y) - mean_y * mean_y)
    covariance = unbiased * (mean(x * y) - mean_x * mean_y)
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return (luminance * structure).mean(dim=(1, 2, 3))


@dataclass(frozen=True)
class Loss:
    """A reconstruction loss and what it has to be given.

    Attributes
    ----------
    function : callable
        ``function(prediction, target)`` gives the mean over a batch; with ``reduction="none"``
        a value for each sample or for each entry.
    units : {'standardized', 'logits', 'data'}
        What the prediction is in: the network's own units, logits of values in [0, 1], or the
        units of the data.
    needs_images : bool
        Whether the loss means something for images alone.
    takes_reduction : bool
        Whether ``function`` knows the ``reduction`` argument.
    hit : tuple of float
        A prediction and a target between which there is no loss.
    """

    function: Callable
    units: str = "standardized"
    needs_images: bool = False
    takes_reduction: bool = True
    hit: tuple = (0.0, 0.0)

    @property
    def is_probabilistic(self):
        """Whether the decoder has to end in a sigmoid."""
        return self.units == "logits"

    def per_sample(self, prediction, target):
        """Loss of each sample, as a tensor of shape (n,)."""
        reduction = {"reduction": "none"} if self.takes_reduction else {}
        values = self.function(prediction, target, **reduction)
        if values.ndim == 0 or len(values) != len(target):
            raise ValueError(
                "loss must return a value for each sample or each entry where sample_weight is "
                f"given (reduction='none'), got a tensor of shape {tuple(values.shape)}."
            )
        return values.flatten(1).mean(dim=1) if values.ndim > 1 else values

    def mean(self, prediction, target):
        """Mean loss of a batch, as a tensor without dimensions."""
        loss = self.function(prediction, target)
        return loss if loss.ndim == 0 else loss.mean()


def _one_minus_ssim(prediction, target, reduction="mean"):
    loss = 1 - structural_similarity(prediction, target)
    return loss if reduction == "none" else loss.mean()


LOSSES = {
    "mse": Loss(F.mse_loss),
    "l1": Loss(F.l1_loss),
    "huber": Loss(F.huber_loss),
    "bce": Loss(F.binary_cross_entropy_with_logits, units="logits", hit=(1e3, 1.0)),
    "ssim": Loss(_one_minus_ssim, units="data", needs_images=True),
}


def resolve_loss(loss):
    """Turn a name, a function or a module into a `Loss`.

    A loss of the user's own compares data with data: rows, or (n, channels, height, width)
    where images are given.
    """
    if isinstance(loss, nn.Module) or callable(loss):
        return Loss(loss, units="data", takes_reduction=False)
    return lookup("loss", loss, LOSSES)


def weighted_mean(values, weights):
    """Mean of ``values`` (n,), each times its weight; weights have a mean of one in all."""
    return torch.mean(values if weights is None else values * weights)
