"""What computing finds around it: torch's generator, numbers of threads, other processes."""

import ctypes
import math
import os
import sys
from contextlib import contextmanager, nullcontext
from functools import cache
from multiprocessing import current_process
from pathlib import Path
from threading import RLock, current_thread, main_thread

import torch
from threadpoolctl import ThreadpoolController
from torch import distributed, nn

# Multiplications of a forward pass up to which two threads gain nothing on two idle cores. On busy
# ones threads wait for each other, several times a step, until the machine gives each its turn.
_SHORT_STEP_MULTIPLICATIONS = 20e6


class _GlobalGenerator:
    """Lock of torch's global generator, and the process that it belongs to."""

    def __init__(self):
        self.pid, self.lock = os.getpid(), RLock()


_global_generator = _GlobalGenerator()
# The process that computed first: its pools of threads do not survive a fork.
_computing_pid: int | None = None


@contextmanager
def isolated_global_rng(seed):
    """Seed torch's global generator for code that draws from it; restore it afterwards."""
    global _global_generator
    if _global_generator.pid != os.getpid():
        # A process that was forked while another thread held the lock would wait forever.
        _global_generator = _GlobalGenerator()
    with _global_generator.lock, torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def forked_after_computing():
    """Return whether this process was forked from one that had computed.

    It has then inherited pools of threads without the threads, and would wait for these forever.
    """
    global _computing_pid
    pid = os.getpid()
    if _computing_pid is None:
        _computing_pid = pid
    return _computing_pid != pid


def compute_threads(network=None, batch_size=1, row_shape=()):
    """Limit the number of threads of computations within, if more would slow them down.

    A process that was forked from one that had computed gets one thread. So do training steps
    that are too short to be split, only in this thread. Other computations are not affected, and
    torch's number of threads is the same afterwards, whatever ran within. The
    rule depends on shapes and not on timings: results may differ in the last digits between
    numbers of threads.

    Parameters
    ----------
    network : Module, default=None
        Network that is trained; None outside of training.
    batch_size : int, default=1
    row_shape : tuple of int
        Shape of one input.

    Returns
    -------
    limit : context manager
    """
    if forked_after_computing():
        return _one_thread_everywhere()
    if network is None:
        return UnchangedThreads()
    n_multiplications = batch_size * multiplications_per_row(network, row_shape)
    if n_multiplications > _SHORT_STEP_MULTIPLICATIONS:
        return nullcontext()
    return one_thread_here()


def parallel_processes(estimator):
    """Connect this process to those that fit the estimator together with it, if there are any.

    These are the processes of a group that the user has initialized, or those that torchrun has
    started.

    Returns
    -------
    connection : context manager
        Of `ranks.Ranks`, or of None.
    """
    if not _has_companions():
        return nullcontext()
    # Here: it builds on the files that build on this one.
    from .ranks import open_ranks

    return open_ranks(estimator)


def _has_companions():
    # Threads are not alike in all processes: each would wait for another one.
    if os.environ.get("SKAE_DISTRIBUTED") == "0" or current_thread() is not main_thread():
        return False
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size() > 1
    # The workers of a search inherit the variables of torchrun, and are none of its processes.
    is_worker = current_process().name != "MainProcess"
    is_launched = "TORCHELASTIC_RUN_ID" in os.environ and not is_worker
    return is_launched and int(os.environ.get("WORLD_SIZE", "1")) > 1


class UnchangedThreads:
    """Give torch its number of threads back where code of others has changed it.

    Numba's OpenMP layer, which UMAP starts, sets it to the number of cores.
    """

    def __enter__(self):
        self.n_threads = torch.get_num_threads()

    def __exit__(self, *error):
        if torch.get_num_threads() == self.n_threads:
            return
        # By OpenMP's own number, as Numba does: torch's would also be MKL's from then on.
        _controller().limit(limits=self.n_threads, user_api="openmp")
        mkl = _mkl()
        if mkl is not None and mkl.MKL_Get_Max_Threads() != self.n_threads:
            # It was torch's that had changed.
            torch.set_num_threads(self.n_threads)


@contextmanager
def one_thread_here():
    """Limit torch only in this thread."""
    # Once the user has called `torch.set_num_threads`, MKL has a number of its own. It must be the
    # same: OpenMP starts its threads anew each time the number changes, which makes steps ten times
    # as long.
    mkl = _mkl()
    with _controller().limit(limits=1, user_api="openmp"):
        # Of this thread; before it was zero if that of the process held.
        before = None if mkl is None else mkl.MKL_Set_Num_Threads_Local(1)
        try:
            yield
        finally:
            if before is not None:
                mkl.MKL_Set_Num_Threads_Local(before)


@cache
def _mkl():
    """Return the library that holds torch's MKL, None for a torch without MKL."""
    file = "torch_cpu.dll" if sys.platform == "win32" else "libtorch_cpu.so"
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / file))
    except OSError:
        return None
    return library if hasattr(library, "MKL_Set_Num_Threads_Local") else None


@contextmanager
def _one_thread_everywhere():
    """Limit the pools of scikit-learn, numpy and torch."""
    n_threads = torch.get_num_threads()
    with _controller().limit(limits=1):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(n_threads)


def multiplications_per_row(network, row_shape):
    """Count the multiplications of a forward pass; infinity for layers of unknown kinds."""
    layers = [layer for layer in network.modules() if type(layer) in _N_PLACES]
    matrices = sum(weight.numel() for weight in network.parameters() if weight.dim() > 1)
    if sum(map(_n_weights, layers)) != matrices:
        return math.inf
    if all(isinstance(layer, nn.Linear) for layer in layers):
        return matrices
    # Weights of convolutions multiply each pixel, those of recurrences each time step: how many
    # these are shows when a row passes, which takes a millisecond.
    counts = []

    def note(layer, inputs, output):
        counts.append(_n_weights(layer) * _N_PLACES[type(layer)](inputs[0], output))

    hooks = [layer.register_forward_hook(note) for layer in layers]
    was_training = network.training
    weight = next(network.parameters())
    try:
        # A user's layers may draw random numbers.
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            network.eval()(torch.zeros(1, *row_shape, device=weight.device))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return sum(counts)


def _n_weights(layer):
    return sum(weight.numel() for weight in layer.parameters(recurse=False) if weight.dim() > 1)


# Places of one row at which a layer multiplies all of its weights.
_N_PLACES = {
    nn.Linear: lambda x, y: y[..., 0].numel(),
    nn.Conv1d: lambda x, y: y[0, 0].numel(),
    nn.Conv2d: lambda x, y: y[0, 0].numel(),
    nn.ConvTranspose1d: lambda x, y: x[0, 0].numel(),
    nn.ConvTranspose2d: lambda x, y: x[0, 0].numel(),
    nn.LSTM: lambda x, y: x.shape[1],
    nn.GRU: lambda x, y: x.shape[1],
}


@cache
def _controller():
    return ThreadpoolController()  # looks for libraries, which takes milliseconds
