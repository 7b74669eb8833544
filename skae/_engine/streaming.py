"""Training on rows that are read block by block, since they need not fit into memory.

The order of blocks is new in each epoch. Some blocks at a time are read into a buffer, whose rows
are shuffled as a whole, while the buffer before is trained on.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from .._arrays import chunks
from ..losses import Target
from .data import Rows, TrainingData, TrainingSet
from .environment import one_thread_here


def split_source(training_set, sample, n_validation, units, device):
    """Return data that are read block by block, and rows of the sample that are held out of them.

    All rows that are held out are in memory: at most those of the sample, which are enough to
    compare epochs by.
    """
    # Regularly, as the rows of a sample are in the order of storage.
    n_validation = min(n_validation, len(sample.X))
    places = np.linspace(0, len(sample.X) - 1, n_validation).astype(int)
    held_out = sample.indices[places]
    training = StreamedData(training_set, *units, device, held_out)
    if not n_validation:
        return training, None
    parts = (None if part is None else part[places] for part in sample[:4])
    X, rows, labels, weights = parts
    target = None if training_set.X_target is None else rows
    return training, TrainingData(TrainingSet(X, target, labels, weights), *units, device)


class NotInMemory(TrainingData):
    """Data of which only batches are in memory."""

    @property
    def X(self):
        """Refuse what skorch's callbacks look for, and that would be all rows at once."""
        raise TypeError(
            "callbacks that score on training data need them in memory, got rows that are read "
            "block by block: score on held-out data, or give X as an array."
        )

    y = X


class StreamedData(NotInMemory):
    """Rows of a source, without those that are held out.

    Parameters
    ----------
    training_set : TrainingSet
        ``X`` is a `RowSource`; ``X_target`` is read by the same slices.
    standardization, input_standardization : Standardization
        Of targets, and of inputs.
    device : torch.device
    held_out : ndarray of int
        Sorted indices of rows that are not trained on.
    """

    def __init__(self, training_set, standardization, input_standardization, device, held_out):
        self.training_set = training_set
        self.units = [
            (HostUnits(units), units) for units in (input_standardization, standardization)
        ]
        self.device = device
        self.held_out = held_out
        # Made once: memory that is taken anew for each buffer is cleared by the system each time,
        # and between small objects it does not all come back.
        self._storages = {}
        weights = training_set.weights
        # With a mean of one, losses and learning rate mean the same as without weights.
        self.weights = None if weights is None else weights / weights.mean()

    def __len__(self):
        return self.training_set.X.shape[0] - len(self.held_out)

    def storage(self, key, width, dtype):
        """Return memory for the rows of a buffer, the same at each call with the same key."""
        if key not in self._storages:
            source = self.training_set.X
            n_rows = min(source.buffer_rows, len(source))
            # Page-locked for a GPU: the thread that reads sends the rows at full speed.
            is_pinned = self.device.type == "cuda"
            self._storages[key] = torch.empty(n_rows, width, dtype=dtype, pin_memory=is_pinned)
        return self._storages[key]

    def scratch(self, key, source):
        """Return memory for a part as it is stored, the same at each call with the same key."""
        if key not in self._storages:
            self._storages[key] = source.scratch()
        return self._storages[key]

    def batches(self, batch_size, *, generator=None, corruption=None):
        """Return an iterable of batches, in a new random order at each pass."""
        return StreamedBatches(self, batch_size, generator, corruption)

    def buffers(self, generator):
        """List the blocks of each buffer, in a random order; within a buffer in that of storage."""
        source = self.training_set.X
        blocks = source.blocks()
        sizes = np.array([source.edges[b.stop] - source.edges[b.start] for b in blocks])
        n_buffers = math.ceil(len(source) / source.buffer_rows)
        while True:
            buffer_of = _dealt(len(blocks), n_buffers, generator)
            if np.bincount(buffer_of, sizes).max() <= source.buffer_rows:
                break
            n_buffers += 1  # blocks of unequal size
        found = [[] for _ in range(n_buffers)]
        # In the order of storage: a disk that turns reads forward.
        for parts, buffer in zip(blocks, buffer_of, strict=True):
            found[buffer].extend(parts)
        order = range(n_buffers)
        if generator is not None:
            order = torch.randperm(n_buffers, generator=generator).tolist()
        return [found[buffer] for buffer in order if found[buffer]]


def _dealt(n_blocks, n_buffers, generator):
    """Return the buffer of each block: of neighboring blocks every buffer gets one, at random.

    Rows that are sorted, by time or by class, are then mixed in every buffer as in all data.
    """
    if generator is None:
        return np.arange(n_blocks) % n_buffers
    rounds = [
        torch.randperm(n_buffers, generator=generator).numpy()
        for _ in range(0, n_blocks, n_buffers)
    ]
    return np.concatenate(rounds)[:n_blocks]


class _Buffer(TrainingData):
    """Rows of some parts, standardized, of which batches are taken as of data in memory.

    Parameters
    ----------
    data : StreamedData
    slot : int
        Which of the memories for buffers is used.
    parts : list of int
    """

    def __init__(self, data, slot, parts):
        X, X_target, labels, _ = data.training_set
        rows = np.concatenate([np.arange(X.edges[k], X.edges[k + 1]) for k in parts])
        input_units, target_units = data.units
        self.device, self.companions = data.device, None
        self.inputs = _FilledRows(data, ("inputs", slot), X, *input_units)
        self.targets = None
        if X_target is not None:
            self.targets = _FilledRows(data, ("targets", slot), X_target, *target_units)
        for k in parts:
            self.inputs.add(X.read(k, data.scratch("part", X)))
            if self.targets is not None:
                edges = slice(X.edges[k], X.edges[k + 1])
                self.targets.add(np.require(X_target[edges], requirements="CW"))
        for filled in (self.inputs, self.targets):
            if filled is not None:
                filled.move(data.device)
        self._label(
            None if labels is None else labels[rows],
            None if data.weights is None else data.weights[rows],
        )
        # Rows that are held out are in the buffer, and in no batch: to leave them out of it would
        # be to copy nearly every part.
        is_held_out = np.isin(rows, data.held_out, assume_unique=True)
        self.indices = torch.from_numpy(np.flatnonzero(~is_held_out))


class HostUnits:
    """Standardization on the host, into memory that is there: in single precision.

    Parameters
    ----------
    standardization : Standardization
    """

    def __init__(self, standardization):
        center = standardization.center.cpu()
        # Two numbers in single precision hold the digits of one in double: rows far from zero
        # are centered as exactly as in double precision, in a fourth of the time.
        self.center = center
        self.centers = center.float(), (center - center.float()).float()
        self.factor = 1 / standardization.scale.item()
        basis = standardization.basis
        self.basis = None if basis is None else basis.cpu().float()

    def fill(self, rows, out):
        """Standardize rows of the data into another tensor."""
        centered = out if self.basis is None else torch.empty(rows.shape)
        if rows.dtype == torch.float32:
            high, low = self.centers
            torch.sub(rows, high, out=centered).sub_(low)
        else:
            centered.copy_(rows - self.center)
        centered.mul_(self.factor)
        if self.basis is not None:
            torch.mm(centered, self.basis, out=out)


class _FilledRows(Rows):
    """Rows of a buffer: floats are standardized as they come, part by part, and bytes stay bytes.

    Parameters
    ----------
    data : StreamedData
    key : tuple
        Of the memory of ``data`` that is used.
    X : RowSource or ndarray
        Where the rows come from.
    host_units, standardization : HostUnits, Standardization
        On the host, where blocks are standardized, and on the device.
    """

    def __init__(self, data, key, X, host_units, standardization):
        self.host_units, self.standardization = host_units, standardization
        self.is_ready = X.dtype != np.uint8
        width = standardization.n_outputs if self.is_ready else X.shape[1]
        dtype = torch.float32 if self.is_ready else torch.uint8
        self.source = data.storage(key, width, dtype)
        self.n_added = 0

    def add(self, X):
        added = self.source[self.n_added : self.n_added + len(X)]
        self.n_added += len(X)
        if not self.is_ready:
            added.copy_(torch.from_numpy(X))
            return
        for some in chunks(len(X), X.shape[1]):
            self.host_units.fill(torch.from_numpy(X[some]), added[some])

    def move(self, device):
        self.device, self.source = device, self.source.to(device)


class StreamedBatches:
    """Batches of a pass over `StreamedData`.

    A last batch of a single row joins the one before: batch normalization needs two.
    """

    def __init__(self, data, batch_size, generator, corruption):
        self.data = data
        self.generator = generator
        self.corruption = corruption
        n_batches = math.ceil(len(data) / batch_size)
        self.sizes = [batch_size] * (n_batches - 1) + [len(data) - batch_size * (n_batches - 1)]
        if self.sizes[-1] == 1 and n_batches > 1:
            self.sizes[-2:] = [batch_size + 1]

    def __len__(self):
        return len(self.sizes)

    def __iter__(self):
        sizes = iter(self.sizes)
        size, parts, n_rows = next(sizes), [], 0
        # The order is drawn here, and not while buffers are filled: it is the same whatever the
        # time that reading takes.
        buffers = self.data.buffers(self.generator)
        # Two memories in turn: one is filled while the other is trained on.
        jobs = [(self.data, k % 2, parts) for k, parts in enumerate(buffers)]
        for buffer in prefetched(lambda job: _Buffer(*job), jobs):
            order = buffer.indices
            if self.generator is not None:
                order = order[torch.randperm(len(order), generator=self.generator)]
            start = 0
            while n_rows + len(order) - start >= size:
                stop = start + size - n_rows
                yield _joined([*parts, buffer.batch(order[start:stop], self.corruption)])
                parts, n_rows, start, size = [], 0, stop, next(sizes, math.inf)
            if start < len(order):
                # Taken now, so that the buffer can be forgotten.
                parts.append(buffer.batch(order[start:], self.corruption))
                n_rows += len(order) - start


def _joined(batches):
    """Return batches as one."""
    if len(batches) == 1:
        return batches[0]
    inputs, targets = zip(*batches, strict=True)
    parts = (None if part[0] is None else torch.cat(part) for part in zip(*targets, strict=True))
    return torch.cat(inputs), Target(*parts)


def prefetched(make: Callable[[Any], Any], jobs: list[Any]) -> Iterator[Any]:
    """Yield ``make(job)`` of each job, the next of which is made in a thread meanwhile.

    The thread ends with the iterator, also where that is closed early; an error is raised here.
    It computes with one thread: further ones would take turns with those of the steps.
    """

    def make_alone(job):
        with one_thread_here():
            return make(job)

    with ThreadPoolExecutor(1, thread_name_prefix="skae-read") as reader:
        coming = reader.submit(make_alone, jobs[0])
        for job in jobs[1:]:
            made, coming = coming.result(), reader.submit(make_alone, job)
            yield made
        yield coming.result()
