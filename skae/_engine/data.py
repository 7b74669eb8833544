"""Rows of the data as standardized float32 tensors, a batch at a time.

No DataLoader: it would collect samples one by one. A batch is one indexing of the array.
"""

import copy
import math
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils.random import sample_without_replacement
from skorch.dataset import Dataset

from .._arrays import chunks, dense
from ..losses import Target
from ..sources import BatchSource, RowSource

# Training on up to this many rows does not depend on their order or repetition.
_MERGED_ROWS = 1000
# Statistics of larger sets, and where training starts, come from a sample of so many rows, fewer
# where they are long: it is held in float64, several times over.
_SAMPLED_ROWS, _SAMPLED_VALUES = 20_000, 2**25
# But so many for each component: of 4,000 color crops of 128×128, 682 rows gave a start with 1.57
# times the held-out error of PCA(1024), all of them 1.00 times.
_ROWS_PER_COMPONENT = 4
# Fraction of a GPU's free memory that rows may take; the rest is for the network and its steps.
_DATA_MEMORY_FRACTION = 0.5


def computing_dtype(X):
    """Return the precision in which X is encoded, and its codes are decoded."""
    return np.float64 if X.dtype == np.float64 else np.float32


def to_float(rows, dtype=np.float64):
    """Return rows as a dense float array of the kind that torch takes over without a copy."""
    if type(rows) is np.ndarray and rows.dtype == dtype and rows.flags.carray:
        return rows  # `np.require` takes 5 µs to find that out
    return np.require(dense(rows), dtype=dtype, requirements="CW")


class TrainingSet(NamedTuple):
    """The data that an estimator is fitted on, row by row.

    Attributes
    ----------
    X : {ndarray, csr_matrix, RowSource} of shape (n_samples, n_inputs)
    X_target : {ndarray, csr_matrix, RowSource} of shape (n_samples, n_features), or None
        Target of the reconstruction; None stands for X itself.
    labels : ndarray of shape (n_samples, n_labels), or None
        Target of the prediction.
    weights : ndarray of shape (n_samples,), or None
        None if every row counts the same.
    """

    X: Any
    X_target: Any = None
    labels: Any = None
    weights: np.ndarray | None = None

    @property
    def rows(self):
        """Return the target of the reconstruction."""
        return self.X if self.X_target is None else self.X_target

    def in_memory(self, sample):
        """Return the set itself, or the sample where rows are read block by block."""
        if not isinstance(self.X, RowSource):
            return self
        X_target = None if self.X_target is None else sample.rows
        return TrainingSet(sample.X.astype(self.X.dtype), X_target, sample.labels, sample.weights)

    def used(self):
        """Return the rows whose weight is above zero."""
        if self.weights is None or self.weights.all():
            return self
        return TrainingSet(*(p if p is None else p[self.weights > 0] for p in self))

    def merged(self):
        """Merge rows that are equal into one with the sum of their weights.

        Only small sets are merged, and they are sorted as well: a weight of two is then exactly
        the same as giving the row twice, and the order of the rows does not matter.
        """
        if self.X.shape[0] > _MERGED_ROWS or isinstance(self.X, RowSource):
            return self
        weights = np.ones(self.X.shape[0]) if self.weights is None else self.weights
        used = weights > 0
        parts = [p if p is None else dense(p)[used] for p in self[:3]]
        # Rows are equal if all their parts are: data, target and labels.
        keys = np.column_stack([part for part in parts if part is not None])
        # Missing values are alike, though NaN differs from NaN.
        keys = np.where(np.isnan(keys), np.inf, keys)
        _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        merged = np.bincount(inverse.ravel(), weights=weights[used])
        parts = [part if part is None else part[first] for part in parts]
        return TrainingSet(*parts, weights=None if np.ptp(merged) == 0 else merged)


class Sample(NamedTuple):
    """Part of a `TrainingSet`, dense and in float64.

    Statistics are computed from it, and training starts from it.

    Attributes
    ----------
    X : ndarray of shape (n_samples, n_inputs)
    rows : ndarray of shape (n_samples, n_features)
        Target of the reconstruction: ``X`` itself where there is no other.
    labels : ndarray of shape (n_samples, n_labels), or None
    weights : ndarray of shape (n_samples,), or None
    indices : ndarray of shape (n_samples,), or None
        Sorted indices in the `TrainingSet`; None where these are all.
    """

    X: np.ndarray
    rows: np.ndarray
    labels: np.ndarray | None
    weights: np.ndarray | None
    indices: np.ndarray | None = None

    def filled(self):
        """Impute missing values by the mean of their feature, or zero if it has no values."""
        X = _filled(self.X, self.weights)
        rows = X if self.rows is self.X else _filled(self.rows, self.weights)
        return self._replace(X=X, rows=rows)

    def ends(self):
        """Return the smallest and the largest value of each feature, as rows of a sample."""
        return Sample(_ends(self.X), _ends(self.rows), None, None)


def _ends(rows):
    """Return two rows, or sequences of one frame: minimum and maximum of each feature."""
    axes = tuple(range(rows.ndim - 1))
    # Of sequences, NaN is padding.
    ends = [np.fmin.reduce(rows, axes, keepdims=True), np.fmax.reduce(rows, axes, keepdims=True)]
    return np.concatenate(ends)


def _filled(rows, weights):
    known = np.ma.masked_invalid(rows)
    return known.filled(np.ma.average(known, axis=0, weights=weights).filled(0.0))


def n_sampled_rows(n_features, n_components=0):
    """Return the number of rows, of such a length, from which statistics and the start come."""
    n_rows = max(_SAMPLED_VALUES // n_features, _ROWS_PER_COMPONENT * n_components, 1)
    return min(_SAMPLED_ROWS, n_rows)


def sample_rows(training_set, random_state, n_components=0):
    """Return part of a `TrainingSet` as a `Sample`.

    It has up to 20,000 rows or, of sequences, frames; fewer where these are long, but four for
    each of the ``n_components`` of a code.
    """
    n_rows, *inner, _ = training_set.X.shape
    n_frames = n_sampled_rows(training_set.rows.shape[-1], n_components)
    chosen, n_wanted = slice(None), max(n_frames // math.prod(inner), 1)
    if isinstance(training_set.X, RowSource):
        n_wanted = min(n_wanted, n_rows)
        # `choice` would make a permutation of all rows, which may be too many.
        chosen = np.sort(sample_without_replacement(n_rows, n_wanted, random_state=random_state))
    elif n_rows > n_wanted:
        # Sorted: rows of a memmap are read in their order.
        chosen = np.sort(random_state.choice(n_rows, n_wanted, replace=False))
    X, X_target, labels, weights = (None if p is None else p[chosen] for p in training_set)
    X = to_float(X)
    indices = None if isinstance(chosen, slice) else chosen
    return Sample(X, X if X_target is None else to_float(X_target), labels, weights, indices)


class Rows:
    """Rows of an array that are converted and standardized when they are needed.

    Arrays in memory are kept as a tensor on the device, if it has room: floats standardized once,
    bytes as bytes. A memmap or a sparse matrix is read a batch at a time.
    """

    def __init__(self, X, standardization, device):
        self.standardization = standardization
        self.device = device
        self.is_ready = X.dtype != np.uint8 and type(X) is np.ndarray
        self.source = X
        if self.is_ready:
            self.source = _placed(_standardized(X, standardization), device)
        elif type(X) is np.ndarray:
            self.source = _placed(torch.from_numpy(np.require(X, requirements="CW")), device)

    def take(self, indices, on_device):
        """Return some rows, standardized, given their indices on the host and on the device."""
        if not isinstance(self.source, torch.Tensor):
            rows = torch.from_numpy(to_float(self.source[indices.numpy()], np.float32))
            rows = sent(rows, self.device)
        elif self.source.device.type == self.device.type:
            rows = self.source.index_select(0, on_device)
        else:
            rows = sent(self.source.index_select(0, indices), self.device)
        return rows if self.is_ready else self.standardization.standardize(rows.float())


def has_room(device, n_bytes):
    """Return whether a device has memory for rows of so many bytes, beside a network."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    # What torch has taken and nobody uses.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return n_bytes <= _DATA_MEMORY_FRACTION * free


def _placed(rows, device):
    """Return rows on the device, or on the host where they are too many."""
    return rows.to(device) if has_room(device, rows.nbytes) else rows


def sent(tensor, device):
    """Return a tensor on the device. The host does not wait for what the device is computing."""
    if device.type != "cuda":
        return tensor.to(device)
    # Page-locked memory, which torch keeps until the copy is made.
    return tensor.pin_memory().to(device, non_blocking=True)


def _standardized(X, standardization):
    """Return all rows in the network's units, as a tensor."""
    rows = torch.empty(*X.shape[:-1], standardization.n_outputs)
    standardization = copy.deepcopy(standardization).cpu()
    for some in chunks(len(X), math.prod(X.shape[1:])):
        part = np.require(X[some], np.float64, requirements="CW")
        rows[some] = standardization.standardize_exactly(torch.from_numpy(part))
    return rows


class TrainingData(Dataset):
    """Inputs and targets of which batches are taken.

    Parameters
    ----------
    training_set : TrainingSet
    standardization, input_standardization : Standardization
        Of targets, and of inputs.
    device : torch.device
    companions : object, default=None
        Draws the rows that come with those of a batch, given their indices and the device.
    """

    # Rows of a step, where the data determine them.
    batch_rows = None

    def __init__(
        self, training_set, standardization, input_standardization, device, companions=None
    ):
        X, X_target, labels, weights = training_set
        self.training_set = training_set
        self.device = device
        self.inputs = Rows(X, input_standardization, device)
        self.targets = None
        if X_target is not None:
            self.targets = Rows(X_target, standardization, device)
        # With a mean of one, losses and learning rate mean the same as without weights.
        self._label(labels, None if weights is None else weights / weights.mean())
        self.companions = companions
        self.indices = torch.arange(X.shape[0])

    def _label(self, labels, weights):
        """Keep labels and normalized weights on the device."""
        self.labels = self.weights = None
        if labels is not None:
            labels = torch.from_numpy(labels)
            # Numbers in float32, as the network gives them: a device may have no other.
            dtype = torch.float32 if labels.is_floating_point() else None
            self.labels = labels.to(self.device, dtype)
        if weights is not None:
            self.weights = torch.from_numpy(weights).to(self.device, torch.float32)

    def __len__(self):
        return len(self.indices)

    def batches(self, batch_size, *, generator=None, corruption=None):
        """Return an iterable of batches: in a new random order at each pass with a generator."""
        return BatchIterator(self, batch_size, generator=generator, corruption=corruption)

    @property
    def X(self):
        """Return the inputs in the units of the data, as skorch's callbacks look for them."""
        return self.training_set.X[self.indices.numpy()]

    @property
    def y(self):
        """Return the target of the reconstruction, in the units of the data."""
        return self.training_set.rows[self.indices.numpy()]

    def subset(self, indices):
        """Return the same data restricted to some rows, without a copy."""
        part = object.__new__(type(self))
        part.__dict__ = {**self.__dict__, "indices": self.indices[torch.as_tensor(indices)]}
        return part

    def batch(self, indices, corruption=None, on_device=None):
        """Return the inputs and the `Target` of some rows, given their indices on the host.

        Those of their companions, if there are any, follow. The indices may be on the device, too.
        """
        if self.companions is not None:
            indices = torch.cat([indices, self.companions.draw(indices, self.device)])
            on_device = None
        # Sent once: labels, weights and rows that are on the device share them.
        if on_device is None:
            on_device = sent(indices, self.device)
        inputs = self.inputs.take(indices, on_device)
        targets = inputs if self.targets is None else self.targets.take(indices, on_device)
        labels = None if self.labels is None else self.labels[on_device]
        weights = None if self.weights is None else self.weights[on_device]
        batch = inputs, Target(targets, labels, weights)
        return batch if corruption is None else self.corrupted(*batch, corruption)

    def corrupted(self, inputs, target, corruption):
        """Return a batch with the noise that training adds."""
        rows = corruption.augmented(target.rows)
        inputs = corruption.corrupted(rows if self.targets is None else inputs)
        return inputs, target._replace(rows=rows)


class BatchIterator:
    """Batches in a new random order at each pass, or always in the same.

    A last batch of a single row joins the one before: batch normalization needs two.
    """

    def __init__(self, data, batch_size, *, generator=None, corruption=None):
        self.data = data
        self.batch_size = batch_size
        self.generator = generator
        self.corruption = corruption

    def __len__(self):
        n_batches = math.ceil(len(self.data) / self.batch_size)
        n_in_last = len(self.data) - (n_batches - 1) * self.batch_size
        return n_batches - (n_in_last == 1 and n_batches > 1)

    def __iter__(self):
        batches = self.index_batches()
        # All at once: each transfer takes the host as long as a step takes the device.
        sizes = [len(batch) for batch in batches]
        on_device = sent(torch.cat(batches), self.data.device).split(sizes)
        for batch, same in zip(batches, on_device, strict=True):
            yield self.data.batch(batch, self.corruption, same)

    def index_batches(self):
        """Return the indices of the batches of the next pass, on the host."""
        indices = self.data.indices
        if self.generator is not None:
            # On the host: the order is the same whatever the device.
            indices = indices[torch.randperm(len(indices), generator=self.generator)]
        if len(indices) == 1:
            # Batch normalization needs two rows; the mean loss of a row given twice is its own.
            indices = indices.repeat(2)
        *batches, last = indices.split(self.batch_size)
        if len(last) == 1 and batches:
            last = torch.cat([batches.pop(), last])
        return [*batches, last]


def split_data(training_set, sample, order, n_validation, units, device, companions=None):
    """Return the rows to train on and those that are held out, as data of which batches are taken.

    Parameters
    ----------
    training_set : TrainingSet
    sample : Sample
        Part of it; rows of a source that are held out are among these.
    order : ndarray of int or None
        Order of the rows, of which the first ``n_validation`` are held out.
    n_validation : int
    units : tuple of Standardization
        Of targets, and of inputs.
    device : torch.device
    companions : object, default=None
        As for `TrainingData`.

    Returns
    -------
    training : TrainingData
    validation : TrainingData or None
    """
    # Here: they build on this file.
    if isinstance(training_set.X, BatchSource):
        from .drawn import split_batches

        return split_batches(training_set, n_validation, units, device)
    if isinstance(training_set.X, RowSource):
        from .streaming import split_source

        return split_source(training_set, sample, n_validation, units, device)
    data = TrainingData(training_set, *units, device, companions)
    if not n_validation:
        return data, None
    return data.subset(order[n_validation:]), data.subset(order[:n_validation])
