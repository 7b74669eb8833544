"""Images as rows of pixels, channels last, and as torch has them, channels first."""

import torch
from torch import nn


def rows_to_images(rows: torch.Tensor, image_shape: tuple[int, ...]) -> torch.Tensor:
    """Return rows of pixels as images.

    Parameters
    ----------
    rows : Tensor of shape (n_samples, height * width * channels)
    image_shape : tuple of int
        (height, width, channels).

    Returns
    -------
    images : Tensor of shape (n_samples, channels, height, width)
    """
    # Without a copy: rows in channels-last order are channels-last tensors of torch.
    return rows.reshape(-1, *image_shape).permute(0, 3, 1, 2)


def images_to_rows(images: torch.Tensor) -> torch.Tensor:
    """Return images (n_samples, channels, height, width) as rows of pixels."""
    return images.permute(0, 2, 3, 1).flatten(1)


class RowsToImages(nn.Module):
    """Layer of `rows_to_images`."""

    def __init__(self, height, width, channels):
        super().__init__()
        self.shape = (height, width, channels)

    def forward(self, x):
        return rows_to_images(x, self.shape)

    def extra_repr(self):
        return f"shape={self.shape}"


class ImagesToRows(nn.Module):
    """Layer of `images_to_rows`."""

    def forward(self, x):
        return images_to_rows(x)
