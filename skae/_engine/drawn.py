"""Training on batches that an iterable gives, one a step."""

import numpy as np
import torch

from ..losses import Target
from .data import TrainingData, TrainingSet, sent
from .streaming import HostUnits, NotInMemory


def split_batches(training_set, n_validation, units, device):
    """Return data that are drawn batch by batch, and the rows to validate on, if there are any."""
    training = DrawnData(training_set, *units, device)
    if not n_validation:
        return training, None
    held_out = TrainingSet(training_set.X.held_out())
    return training, TrainingData(held_out, *units, device)


class DrawnData(NotInMemory):
    """Batches of a `BatchSource`, as they come.

    Parameters
    ----------
    training_set : TrainingSet
        ``X`` is a `BatchSource`.
    standardization, input_standardization : Standardization
        Of targets, and of inputs, which are the same rows.
    device : torch.device
    """

    targets = None

    def __init__(self, training_set, standardization, input_standardization, device):
        self.training_set = training_set
        self.standardization = input_standardization
        self.host_units = HostUnits(input_standardization)
        self.device = device
        self.batch_rows = training_set.X.batch_rows
        # One for all epochs: each continues where the one before ended.
        self.coming = training_set.X.endless()

    def __len__(self):
        return self.training_set.X.steps_per_epoch * self.batch_rows

    def batches(self, batch_size, *, generator=None, corruption=None):
        """Return an iterable of the next batches, whatever their size."""
        return DrawnBatches(self, corruption)

    def standardized(self, rows):
        """Return a batch on the device, in the network's units."""
        if len(rows) == 1:
            # Batch normalization needs two rows; the mean loss of a row given twice is its own.
            rows = rows.repeat(2, axis=0)
        x = torch.from_numpy(rows)
        if rows.dtype == np.uint8:
            return self.standardization.standardize(sent(x, self.device).float())
        inputs = torch.empty(len(x), self.standardization.n_outputs)
        self.host_units.fill(x, inputs)
        return sent(inputs, self.device)


class DrawnBatches:
    """Batches of an epoch of `DrawnData`."""

    def __init__(self, data, corruption):
        self.data = data
        self.corruption = corruption

    def __len__(self):
        return self.data.training_set.X.steps_per_epoch

    def __iter__(self):
        for _ in range(len(self)):
            inputs = self.data.standardized(next(self.data.coming))
            batch = inputs, Target(inputs, None, None)
            if self.corruption is not None:
                batch = self.data.corrupted(*batch, self.corruption)
            yield batch
