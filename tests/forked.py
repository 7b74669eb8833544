"""Processes that are forked from that of the tests: they need no seconds to import torch."""

import multiprocessing
import os

import pytest

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def started(task, *arguments):
    """Return a forked process that runs ``task(*arguments)``."""
    process = multiprocessing.get_context("fork").Process(target=task, args=arguments)
    process.start()
    return process


def finish(process, seconds=60):
    """Wait for a process, which must end well and in time."""
    process.join(timeout=seconds)
    if process.is_alive():
        process.kill()
        pytest.fail("The forked process did not end.")
    # Nothing would ever come from a process that died.
    assert process.exitcode == 0


def in_fork(task):
    """Return what a task gives in a forked process, which has a minute."""
    queue = multiprocessing.get_context("fork").SimpleQueue()
    finish(started(lambda: queue.put(task())))
    return queue.get()
