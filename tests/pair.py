"""Two processes of torchrun, forked from that of the tests: what these have imported is there."""

import os
import pickle
import select
import signal
import warnings
from datetime import timedelta

import pytest
from torch import distributed

# A test that hangs ends all the same.
_SECONDS = 240


class Died(Exception):
    """What stands for the result of a process that has left none."""


def in_two_processes(function, *arguments, launched=True):
    """Return what ``function(rank, *arguments)`` returns in each of two processes.

    An error that is raised there is returned. The processes have the variables that torchrun sets,
    unless ``launched`` is False, and the store of its agent.
    """
    if not hasattr(os, "fork") or not distributed.is_available():
        pytest.skip("The processes of this test are forked.")
    children = [_forked(rank, function, arguments, launched) for rank in (0, 1)]
    # Only now: a thread of the store must not be running when processes are forked.
    store = distributed.TCPStore(
        "127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60)
    )
    try:
        for _, to_child, _ in children:
            os.write(to_child, pickle.dumps(store.port))
            os.close(to_child)
        return [_result(pid, from_child) for pid, _, from_child in children]
    finally:
        for pid, _, _ in children:
            _end(pid)


def _forked(rank, function, arguments, launched):
    of_parent, of_child = os.pipe(), os.pipe()
    with warnings.catch_warnings():
        # Of threads that do not survive: the children use none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        os.close(of_parent[0])
        os.close(of_child[1])
        return pid, of_parent[1], of_child[0]
    try:
        os.close(of_parent[1])
        port = pickle.loads(os.read(of_parent[0], 100))
        if launched:
            os.environ |= variables(rank, port)
        arguments = arguments if launched else (port, *arguments)
        try:
            result = function(rank, *arguments)
        # Whatever it is: the test looks at it.
        except BaseException as error:  # noqa: BLE001
            result = error
        with os.fdopen(of_child[1], "wb") as stream:
            pickle.dump(result, stream)
    finally:
        # Without the clean-up of pytest, whose process was forked.
        os._exit(0)


def variables(rank, port):
    """Return what torchrun sets for one of two processes."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }


def _result(pid, stream):
    content = b""
    with os.fdopen(stream, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], _SECONDS)[0]:
            part = pipe.read(2**16)
            if not part:
                break
            content += part
    return pickle.loads(content) if content else Died()


def _end(pid):
    """End a process that is still running, and wait for it."""
    if os.waitpid(pid, os.WNOHANG)[0]:
        return
    # It has left its result, or hangs.
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def values_of(estimator):
    """Return what training has determined, as lists and arrays."""
    weights = {name: w.numpy() for name, w in estimator.module_.state_dict().items()}
    losses = [
        [epoch[name] for name in sorted(epoch) if name != "dur" and isinstance(epoch[name], float)]
        for epoch in estimator.history_
    ]
    return losses, weights
