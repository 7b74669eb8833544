"""Global state that computing must not change: torch's generator, numbers of threads."""

import os
from contextlib import contextmanager, nullcontext
from functools import cache
from threading import RLock

import torch
from threadpoolctl import ThreadpoolController
from torch import nn

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


def compute_threads(network=None, batch_size=1):
    """Limit the number of threads of computations within, if more would slow them down.

    A process that was forked from one that had computed gets one thread. So do training steps
    that are too short to be split, in this thread alone. Other computations are not affected.

    Parameters
    ----------
    network : Module, default=None
        Network that is trained; None outside of training.
    batch_size : int, default=1

    Returns
    -------
    limit : context manager
    """
    if forked_after_computing():
        return _one_thread_everywhere()
    if network is None or batch_size * _weights_per_row(network) > _SHORT_STEP_MULTIPLICATIONS:
        return nullcontext()
    return _controller().limit(limits=1, user_api="openmp")


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


def _weights_per_row(network):
    """Return how many weights multiply each row; infinity if not each of them does so once."""
    # Weights of convolutions multiply each pixel, those of recurrences each time step.
    dense = sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Linear))
    matrices = sum(weight.numel() for weight in network.parameters() if weight.dim() > 1)
    return dense if dense == matrices else float("inf")


@cache
def _controller():
    return ThreadpoolController()  # looks for libraries, which takes milliseconds
