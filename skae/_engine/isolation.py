"""What is kept apart: random draws of other people's code, and processes that are forked."""

import os
from contextlib import contextmanager
from functools import cache
from threading import RLock

import torch
from threadpoolctl import threadpool_limits

_GLOBAL_GENERATOR = RLock()


@contextmanager
def isolated_global_rng(seed):
    """Seed torch's global generator for code that draws from it; give it back as it was."""
    with _GLOBAL_GENERATOR, torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@cache
def survive_forks():
    """Let processes that are forked from now on compute, too; to be called before computing.

    They inherit pools of threads without the threads, and would wait for these forever; and
    perhaps a lock whose owner has stayed behind.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork():
    global _GLOBAL_GENERATOR
    _GLOBAL_GENERATOR = RLock()
    # One reaches scikit-learn's pools, the other those within torch.
    threadpool_limits(1)
    torch.set_num_threads(1)
