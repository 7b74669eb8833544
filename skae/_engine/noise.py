"""Corruption of a batch: noise to be removed, and augmentation to be learned.

Vincent, Larochelle, Bengio and Manzagol (2008): Extracting and composing robust features with
denoising autoencoders.
"""

from dataclasses import dataclass

import torch

from ..networks.generators import bernoulli_mask, standard_normal_like


@dataclass(frozen=True)
class Corruption:
    """Noise on what the network is shown, and augmentation of what it is to learn.

    Attributes
    ----------
    noise : str, callable or None
        A name of `NOISES`, or a function of a batch in the units of the data.
    level : float
    augment : callable or None
        A function of a batch in the units of the data.
    standardization : Standardization
    limits : tuple of Tensor
        Smallest and largest value, of each feature or of all, in standardised units.
    image_shape : tuple or None
    hidden : float
        Share of the values that the network is shown as missing (NaN).
    """

    noise: object
    level: float
    augment: object
    standardization: object
    limits: tuple
    image_shape: tuple | None
    hidden: float = 0.0

    def augmented(self, x):
        """A batch as it is to be learned."""
        return x if self.augment is None else self._in_data_units(self.augment, x)

    def corrupted(self, x):
        """A batch as the network is shown it."""
        if callable(self.noise):
            x = self._in_data_units(self.noise, x)
        elif self.noise is not None:
            x = NOISES[self.noise](self, x)
        if self.hidden:
            x = x.masked_fill(bernoulli_mask(x, self.hidden).bool(), torch.nan)
        return x

    def _in_data_units(self, function, x):
        """Apply a user's function to rows, or to (n, channels, height, width) of images."""
        batch = self.standardization.unstandardize(x)
        if self.image_shape is not None:
            batch = batch.reshape(-1, *self.image_shape).permute(0, 3, 1, 2)
        changed = function(batch)
        if not isinstance(changed, torch.Tensor) or changed.shape != batch.shape:
            raise ValueError(
                "noise and augment must return a tensor of the shape they were given, "
                f"{tuple(batch.shape)}, got {tuple(getattr(changed, 'shape', ())) or changed!r}."
            )
        if self.image_shape is not None:
            changed = changed.permute(0, 2, 3, 1).reshape(x.shape)
        return self.standardization.standardize(changed.to(x.dtype))


def _gaussian(corruption, x):
    return x + corruption.level * standard_normal_like(x)


def _masking(corruption, x):
    """Set a share of the entries to the data's zero."""
    zero = corruption.standardization.standardize(torch.zeros_like(x[:1]))
    return torch.where(bernoulli_mask(x, 1 - corruption.level).bool(), x, zero)


def _salt_pepper(corruption, x):
    """Set a share of the entries to the smallest or the largest value."""
    smallest, largest = corruption.limits
    salt_or_pepper = torch.where(bernoulli_mask(x, 0.5).bool(), largest, smallest)
    return torch.where(bernoulli_mask(x, 1 - corruption.level).bool(), x, salt_or_pepper)


NOISES = {"gaussian": _gaussian, "masking": _masking, "salt_pepper": _salt_pepper}
