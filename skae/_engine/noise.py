"""Changes of a batch before the network gets it: augmentation, noise, hidden values."""

from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real

import numpy as np
import torch

from ..networks.generators import bernoulli_mask, uniform
from ..networks.layout import images_to_rows, rows_to_images
from ..noises import NoiseContext


@dataclass(frozen=True)
class Corruption:
    """Noise on the input of the network, and augmentation of input and target alike.

    Attributes
    ----------
    noise : Noise or None
    level : float or (float, float)
        The estimator's ``noise_level``, or the range from which each row draws its own.
    augment : callable or None
        A function of a batch in the units of the data.
    standardization : Standardization
    limits : tuple of Tensor
        Smallest and largest value, of each feature or of all, in standardized units.
    image_shape : tuple or None
        (height, width, channels) of the images that rows are.
    hidden : float
        Fraction of the values that are hidden from the encoder, as missing (NaN).
    """

    noise: object
    level: float | tuple
    augment: object
    standardization: object
    limits: tuple
    image_shape: tuple | None
    hidden: float = 0.0

    def of_held_out_rows(self):
        """Return the change of rows to validate on: None if only training changes them.

        Noise and hidden values belong to the task. Augmentation does not: with it, the best epoch
        would be chosen on rows that are not those of the data.
        """
        has_task = self.noise is not None or self.hidden
        return replace(self, augment=None) if has_task else None

    def augmented(self, x):
        """Return the augmented batch, which is the target of the reconstruction."""
        return x if self.augment is None else self._in_data_units("augment", self.augment, x)

    def corrupted(self, x):
        """Return the batch that the encoder gets."""
        if self.noise is not None:
            x = _APPLY[self.noise.units](self, x)
        if self.hidden:
            x = x.masked_fill(bernoulli_mask(x, self.hidden).bool(), torch.nan)
        return x

    # Computed once: the values are the same for every batch.
    @cached_property
    def _standardized_context(self):
        # The data's zero, which centering moves: masking sets values to it.
        zero = torch.zeros_like(self.standardization.center)
        return NoiseContext(self.standardization.standardize(zero).float(), *self.limits)

    @cached_property
    def _data_context(self):
        smallest, largest = (self.standardization.unstandardize(limit) for limit in self.limits)
        if self.image_shape is not None:  # one value for all pixels, whatever the layout
            smallest, largest = smallest.min(), largest.max()
        return NoiseContext(torch.zeros_like(smallest), smallest, largest)

    def _level_of(self, batch):
        """Return the level of a batch, or a tensor with one for each row of it."""
        if isinstance(self.level, Real):
            return self.level
        low, high = self.level
        levels = low + (high - low) * uniform(len(batch), batch.device)
        # (n_samples, 1, ...): broadcasts with the batch.
        return levels.reshape(-1, *[1] * (batch.ndim - 1)).to(batch.dtype)

    def _corrupted_as_standardized(self, x):
        changed = self.noise.function(x, self._level_of(x), self._standardized_context)
        return _checked("noise", changed, x).to(x.dtype)

    def _corrupted_as_data(self, x):
        def function(batch):
            return self.noise.function(batch, self._level_of(batch), self._data_context)

        return self._in_data_units("noise", function, x)

    def _in_data_units(self, parameter, function, x):
        """Apply a function to rows, or to (n_samples, channels, height, width) of images."""
        # (n_samples, n_features), or (n_samples, channels, height, width) below.
        batch = self.standardization.unstandardize(x)
        if self.image_shape is not None:
            batch = rows_to_images(batch, self.image_shape)
        changed = _checked(parameter, function(batch), batch)
        if self.image_shape is not None:
            changed = images_to_rows(changed).reshape(x.shape)
        return self.standardization.standardize(changed.to(x.dtype))


def limits_of(rows, standardization, image_shape):
    """Return the smallest and the largest value of each feature, standardized.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        In the units of the data.
    standardization : Standardization
    image_shape : tuple of int or None
        Of images, the values are those of all pixels.

    Returns
    -------
    limits : tuple of Tensor
    """
    axis = 0 if image_shape is None else None
    bounds = (torch.tensor(bound) for bound in (rows.min(axis), rows.max(axis)))
    limits = (standardization.standardize(bound.to(standardization.center)) for bound in bounds)
    return tuple(limit.float() for limit in limits)


# By the units in which a noise is defined.
_APPLY = {
    "standardized": Corruption._corrupted_as_standardized,
    "data": Corruption._corrupted_as_data,
}


def _checked(parameter, changed, batch):
    """Return the result of a noise or an augmentation if it has the shape of the batch."""
    if not isinstance(changed, torch.Tensor) or changed.shape != batch.shape:
        got = repr(changed) if np.isscalar(changed) or changed is None else type(changed).__name__
        got = tuple(changed.shape) if isinstance(changed, torch.Tensor) else got
        raise ValueError(
            f"{parameter} must return a tensor of the shape it was given, "
            f"{tuple(batch.shape)}, got {got}."
        )
    return changed
