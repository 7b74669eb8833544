"""U-Net between images of the same size: skip connections at every resolution."""

import torch
from torch import nn

from .blocks import ACTIVATIONS, Dropout
from .conv import normalized

# Shrinking and enlarging have kernels as large as their stride: no pixel is seen more often than
# others, which would leave a pattern of squares.
_STRIDE = 2


class UNetLevel(nn.Module):
    """Feature maps at one resolution, and all coarser resolutions between two of its stages.

    Images of any size pass: one that is not even is padded by copies of its border on the way
    down, and cropped on the way up.

    Parameters
    ----------
    n_inputs : int
        Channels that come in.
    channels : tuple of int
        Channels of this level, and of each coarser one.
    n_convolutions : int
        Convolutions of each of the two stages.
    form : dict
        ``kernel_size``, ``activation``, ``normalization`` and ``dropout`` of every stage.
    """

    def __init__(self, n_inputs, channels, n_convolutions, form):
        super().__init__()
        n_channels, *coarser = channels
        self.before = _stage(n_inputs, n_channels, n_convolutions, form)
        self.coarser = None
        if coarser:
            self.down = nn.Conv2d(n_channels, coarser[0], _STRIDE, stride=_STRIDE)
            self.coarser = UNetLevel(coarser[0], coarser, n_convolutions, form)
            self.up = nn.ConvTranspose2d(coarser[0], n_channels, _STRIDE, stride=_STRIDE)
            self.after = _stage(2 * n_channels, n_channels, n_convolutions, form)

    def forward(self, x):
        fine = self.before(x)  # (n_samples, n_channels, height, width)
        if self.coarser is None:
            return fine
        height, width = fine.shape[-2:]
        # (n_samples, n_channels, height / 2, width / 2) and back
        coarse = self.up(self.coarser(self.down(_even(fine))))[..., :height, :width]
        return self.after(torch.cat([fine, coarse], dim=1))


def _even(maps):
    """Repeat the last row and column where their number is odd."""
    # Not torch's padding by copies: it changes the layout of its gradients, which torch.compile
    # does not expect.
    if maps.shape[-2] % 2:
        maps = torch.cat([maps, maps[..., -1:, :]], dim=-2)
    if maps.shape[-1] % 2:
        maps = torch.cat([maps, maps[..., -1:]], dim=-1)
    return maps


def _stage(n_inputs, n_channels, n_convolutions, form):
    layers = []
    for _ in range(n_convolutions):
        size = form["kernel_size"]
        layers.append(nn.Conv2d(n_inputs, n_channels, size, padding=size // 2))
        layers += normalized(n_channels, form["normalization"])
        layers.append(ACTIVATIONS[form["activation"]]())
        n_inputs = n_channels
    return nn.Sequential(*layers, *([Dropout(form["dropout"])] if form["dropout"] else []))
