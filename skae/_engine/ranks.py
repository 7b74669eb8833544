"""Training by several processes, each of which computes a part of every batch.

The processes agree on the data and the first weights, add up gradients at every step, and decide
together when training ends. They hold the same network at any time.
"""

import itertools
import os
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from datetime import timedelta

import numpy as np
import torch

# Its functions keep, as a default, the group that there is when it is imported, and optimizers
# import it: connections would stay open after the fit.
import torch.distributed.nn.functional
from torch import distributed, nn

from ..networks.parts import BatchPart, use_part
from .callbacks import StopTraining
from .checkpoint import Checkpoint, identify, open_checkpoint
from .data import TrainingSet
from .net import Net
from .rendezvous import meet

# How long a process waits for others to arrive, and for their part of a step: reading the data may
# take one of them some minutes longer. A process that has died is noticed at once.
_TIMEOUT = timedelta(minutes=10)
# Rows of the sample that processes compare: other data differ in the first of them.
_COMPARED_ROWS = 2000
# Means and variances of a batch are those of the rows at hand. `SyncBatchNorm` is another class.
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)

# The processes of the fit that is running: a fit within it uses the same.
_CURRENT = ContextVar("skae_ranks", default=None)


class OtherProcessError(RuntimeError):
    """Another process has failed, or does not answer."""


class Interrupted(BaseException):
    """Ctrl-C in training: the others cannot be asked to end well, and the estimator is not fitted.

    It is no KeyboardInterrupt, after which a single process keeps the best weights.
    """


class Ranks:
    """The processes that train a network together, seen from one of them.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup
    """

    def __init__(self, group):
        self.group = group
        self.rank, self.n = distributed.get_rank(group), distributed.get_world_size(group)
        self.part = BatchPart(self.rank, self.n, self.add)
        # Steps are being made: there is no time to report an error to the others.
        self.is_training = False
        # Whether the seed of the fit is not the user's.
        self.draws_seed = False

    @property
    def is_first(self):
        """Return whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def add(self, x):
        """Replace a tensor by its sum over the processes, and return it."""
        self._call(distributed.all_reduce, x)
        return x

    def exchange(self, value=None, error=None):
        """Return the values that the processes give; an error of another one is raised here."""
        received = [None] * self.n
        self._call(distributed.all_gather_object, received, (value, error))
        failed = {rank: text for rank, (_, text) in enumerate(received) if text is not None}
        if failed and error is None:
            rank, text = next(iter(failed.items()))
            raise OtherProcessError(
                f"Process {rank} of {self.n} could not fit, so that no process can: {text}"
            )
        return [value for value, _ in received]

    def first(self, value):
        """Return the value that the first process gives."""
        return self.exchange(value if self.is_first else None)[0]

    def any(self, flag):
        """Return whether it is so in any process."""
        return bool(self.add(torch.tensor(float(flag))).item())

    def report(self, error):
        """Let the others raise an error, too, in place of waiting for this process."""
        # During steps they find the connection closed.
        if self.is_training or isinstance(error, OtherProcessError):
            return
        self.exchange(error=f"{type(error).__name__}: {error}")

    def device(self, device):
        """Return the device of this process: on a machine each has a GPU of its own."""
        if device != torch.device("cuda"):
            return device
        index, n_gpus = _local_gpu(), torch.cuda.device_count()
        if index >= n_gpus:
            raise ValueError(
                f"device='cuda' needs a GPU for each process of a machine, got process {index} "
                f"and {n_gpus} GPUs: start as many processes as GPUs, or set device='cpu'."
            )
        return torch.device("cuda", index)

    def net_class(self, network):
        """Return the class of the net that trains a network, if its batches can be divided."""
        _check_parts(network)
        return RankNet

    def open_checkpoint(self, estimator, training_set):
        """Return a checkpoint from which all processes continue; the first one writes it.

        What belongs to the fit is the number of rows of a step: as many in total by another number
        of processes continue it.
        """
        parameters = estimator.get_params()
        if parameters["batch_size"] != "auto":
            parameters["batch_size"] *= self.n
        if self.draws_seed:
            parameters["random_state"] = None
        opened = None
        if self.is_first:
            opened = open_checkpoint(estimator.checkpoint, parameters, training_set)
        entropy, state = self.first(opened and (opened.entropy, opened.state))
        if self.draws_seed:
            estimator.random_state = entropy
        return opened or _FollowedCheckpoint(estimator.checkpoint, None, entropy, state)

    def agree(self, estimator, n_rows, sample, seed):
        """Raise a ValueError in all processes unless they fit the same data by the same numbers.

        Parameters
        ----------
        estimator : NetworkEstimator
        n_rows : int
        sample : Sample
        seed : int
        """
        X, rows, labels, weights = (p if p is None else p[:_COMPARED_ROWS] for p in sample[:4])
        some = TrainingSet(X, None if sample.rows is sample.X else rows, labels, weights)
        own = identify(estimator.get_params(), some) | {"n_samples": n_rows, "seed": seed}
        first, *others = self.exchange(own | {"estimator": type(estimator).__name__})
        for rank, other in enumerate(others, start=1):
            names = [name for name in {**first, **other} if first.get(name) != other.get(name)]
            if names:
                raise ValueError(
                    "All processes must fit the same rows in the same order with the same "
                    f"parameters, and process {rank} differs from process 0 in "
                    f"{', '.join(names)}: give each of them all rows, and a random_state to "
                    "whatever draws before."
                )

    def _call(self, collective, *arguments):
        try:
            collective(*arguments, group=self.group)
        # What torch raises where a connection is closed or nothing comes.
        except RuntimeError as error:
            # Without its frames: they hold on to the group, see `close`.
            raise _lost(self.rank, self.n) from error.with_traceback(None)

    def close(self):
        """Close the connections, by which others notice that this process has failed."""
        if self.is_training:
            # Computations of a GPU would wait for the others.
            self.group.abort()
        distributed.destroy_process_group(self.group)
        # Connections are closed with the last reference, and a traceback keeps this object.
        self.group = None


def _lost(rank, n):
    return OtherProcessError(
        f"Process {rank} of {n} has lost another one, which failed, was killed or did not answer "
        f"within {_TIMEOUT}: its own output shows why. A fit with checkpoint= continues where it "
        "was once all processes run again."
    )


class _FollowedCheckpoint(Checkpoint):
    """The checkpoint of a process that leaves writing to the first one."""

    def on_epoch_end(self, net, **kwargs):
        pass

    def on_train_end(self, net, **kwargs):
        pass


@contextmanager
def open_ranks(estimator):
    """Connect this process to the others for the time of a fit.

    An error of one of them before training is raised in all.
    """
    current = _CURRENT.get()
    if current is not None:
        with _shared_seed(estimator, current):
            yield current
        return
    # Devices called "cuda" are then those of this process.
    has_gpu = torch.cuda.is_available() and _local_gpu() < torch.cuda.device_count()
    gpu = torch.cuda.device(_local_gpu()) if has_gpu else nullcontext()
    with gpu:
        ranks = Ranks(_open_group())
        token = _CURRENT.set(ranks)
        try:
            with use_part(ranks.part), _shared_seed(estimator, ranks):
                yield ranks
            # An estimator is fitted in all processes or in none.
            ranks.exchange()
        except Interrupted as interrupt:
            raise KeyboardInterrupt from interrupt
        except Exception as error:
            ranks.report(error)
            raise
        finally:
            _CURRENT.reset(token)
            ranks.close()


def _local_gpu():
    """Return the index of this process's GPU: torchrun counts the processes of a machine."""
    index = os.environ.get("LOCAL_RANK")
    return torch.cuda.current_device() if index is None else int(index)


def _open_group():
    """Return a new group of the processes."""
    has_nccl = torch.cuda.is_available() and distributed.is_nccl_available()
    backend = "cpu:gloo,cuda:nccl" if has_nccl else "gloo"
    if distributed.is_initialized():
        # The user's own collectives do not mix with these.
        return distributed.new_group(backend=backend, timeout=_TIMEOUT)
    rank, n = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    try:
        store, _, _ = next(distributed.rendezvous("env://", timeout=_TIMEOUT))
        name = meet(store, rank, n, _TIMEOUT)
        distributed.init_process_group(
            backend,
            store=distributed.PrefixStore(name, store),
            rank=rank,
            world_size=n,
            timeout=_TIMEOUT,
        )
    except RuntimeError as error:
        raise _lost(rank, n) from error
    return distributed.group.WORLD


@contextmanager
def _shared_seed(estimator, ranks):
    """Let an estimator without a random_state have the same one in all processes."""
    seed = ranks.first(int(np.random.default_rng().integers(2**31)))
    before, ranks.draws_seed = ranks.draws_seed, estimator.random_state is None
    if not ranks.draws_seed:
        yield
        ranks.draws_seed = before
        return
    # For the time of the fit: everything that draws numbers in it reads it there.
    estimator.random_state = seed
    try:
        yield
    finally:
        estimator.random_state, ranks.draws_seed = None, before


def _check_parts(network):
    """Raise a ValueError if layers need all rows of a batch."""
    for name, module in network.named_modules():
        if isinstance(module, _BATCH_NORMS):
            raise ValueError(
                "Batch normalization cannot be trained by several processes, each of which has "
                f"statistics of its own, got {name}: {module!r}. Choose another normalization "
                "of the architecture, such as 'layer', or fit in one process."
            )


class _OwnRows:
    """The rows of each batch that this process computes."""

    def __init__(self, iterator, part):
        self.iterator = iterator
        self.part = part

    def __len__(self):
        return len(self.iterator)

    def __iter__(self):
        data, corruption = self.iterator.data, self.iterator.corruption
        # The order is drawn in all processes alike.
        try:
            for indices in self.iterator.index_batches():
                start, stop = self.part.begin(len(indices))
                yield data.batch(indices[start:stop], corruption)
        finally:
            self.part.end()


class RankNet(Net):
    """A net that makes the steps of a batch of which each process computes a part.

    After training it is a `Net` like any other.
    """

    def get_iterator(self, dataset, training=False):
        """Iterate over this process's rows of each batch."""
        return _OwnRows(super().get_iterator(dataset, training), self.ranks.part)

    def n_rows_of(self, batch):
        """Return the number of rows of a batch in all processes."""
        return self.ranks.part.n_rows

    def train_step_single(self, batch, **fit_params):
        """Compute the gradients of the whole batch: losses are means over rows."""
        self._set_training(True)
        with self.layers:
            loss, parts = self.module_.training_loss(*batch, self.criterion_)
        (loss * self.ranks.part.fraction).backward()
        groups = self.optimizer_.param_groups
        parameters = itertools.chain.from_iterable(group["params"] for group in groups)
        # A layer that is not trained has no gradient in any process.
        return self._added(loss, parts, [p.grad for p in parameters if p.grad is not None])

    def validation_step(self, batch, **fit_params):
        """Compute the loss of the whole batch."""
        step = super().validation_step(batch, **fit_params)
        return self._added(step["loss"], step["parts"], [])

    def _added(self, loss, parts, gradients):
        """Add up the gradients, in place, and the losses over the processes, all at once."""
        fraction = self.ranks.part.fraction
        losses = [value.detach() * fraction for value in (loss, *parts.values())]
        tensors = [*gradients, *losses]
        whole = self.ranks.add(torch.cat([tensor.reshape(-1) for tensor in tensors]))
        summed = whole.split([tensor.numel() for tensor in tensors])
        for gradient, values in zip(gradients, summed, strict=False):
            gradient.copy_(values.view_as(gradient))
        loss, *values = (value.squeeze() for value in summed[len(gradients) :])
        return {"loss": loss, "y_pred": None, "parts": dict(zip(parts, values, strict=True))}

    def on_train_begin(self, net, **kwargs):
        """Start from the weights of the first process: another machine may round otherwise."""
        super().on_train_begin(net, **kwargs)
        self._share_weights()
        self.ranks.is_training = True

    def on_epoch_begin(self, net, **kwargs):
        """Let code of users draw other numbers in each process: it knows of no whole batch."""
        super().on_epoch_begin(net, **kwargs)
        if self.draws_globally:
            epoch = len(self.history)
            seeds = np.random.SeedSequence([self.seed, epoch, self.ranks.rank])
            torch.manual_seed(int(seeds.generate_state(1)[0]))

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Run epochs; Ctrl-C ends this process, and with it the others."""
        try:
            return super().fit_loop(X, y, epochs, **fit_params)
        except KeyboardInterrupt as interrupt:
            raise Interrupted from interrupt

    def notify(self, method_name, **cb_kwargs):
        """Call the callbacks; at the end of an epoch all processes stop if one of them does."""
        is_stopped = False
        try:
            super().notify(method_name, **cb_kwargs)
        except StopTraining:
            is_stopped = True
        if method_name == "on_epoch_end":
            is_stopped = self.ranks.any(is_stopped)
        elif is_stopped:
            raise RuntimeError(
                "A callback can end the training of several processes only in on_epoch_end, got "
                f"one that ends it in {method_name}."
            )
        if is_stopped:
            raise StopTraining
        if method_name == "on_train_end":
            self._end()

    def _end(self):
        self.ranks.is_training = False
        self._share_weights()
        # It keeps no connection: the result is as if one process had fitted it.
        self.ranks = None
        self.__class__ = Net

    def _share_weights(self):
        modules = self.module_, self.criterion_
        # On the host: the GPU of this process has another number than those of others.
        states = [{k: w.cpu() for k, w in module.state_dict().items()} for module in modules]
        for module, state in zip(modules, self.ranks.first(states), strict=True):
            module.load_state_dict(state)
