"""Calls that run until they train a network, wait for each other, and train together.

Each call has a thread of its own, of which one runs at a time: what a call does before and after
training, such as scaling in a Pipeline or a score, is the same as ever. Nothing runs in parallel.
"""

import threading
import time
from collections import defaultdict
from contextvars import copy_context

from .._engine.stack import stack_key, stack_size, train_together
from .._engine.training import train_alone, use_trainer


class _Call:
    """A function in a thread of its own, which runs only within `advance`."""

    def __init__(self, function):
        self.function = function
        # The training that it waits for: (net, data, key).
        self.request = None
        self.result = self.error = self.failure = None
        self.n_seconds_waited = 0.0
        self.is_done = False
        self.my_turn, self.your_turn = threading.Semaphore(0), threading.Semaphore(0)
        context = copy_context()
        # A daemon: an interpreter that ends does not wait for a search that was left.
        self.thread = threading.Thread(target=context.run, args=(self._run,), daemon=True)
        self.thread.start()

    def advance(self):
        """Run up to the next training, or the end."""
        self.request = None
        self.my_turn.release()
        self.your_turn.acquire()

    def _run(self):
        self.my_turn.acquire()
        try:
            with use_trainer(self._train):
                self.result = self.function()
        # Raised again by whoever asks for the result.
        except BaseException as error:  # noqa: BLE001
            self.error = error
        self.is_done = True
        self.your_turn.release()

    def _train(self, net, data, isolate_seed):
        key = stack_key(net, data, isolate_seed)
        if key is None:
            return train_alone(net, data, isolate_seed)
        self.request = key, net, data
        start = time.perf_counter()
        self.your_turn.release()
        self.my_turn.acquire()
        self.n_seconds_waited += time.perf_counter() - start
        if self.failure is not None:
            raise self.failure
        return net.interrupt


def run_together(functions):
    """Call functions without arguments; what they train is trained together where possible.

    Parameters
    ----------
    functions : list of callable

    Returns
    -------
    calls : list of _Call
        Each with ``result`` or ``error``, and the seconds ``n_seconds_waited`` in which the call
        waited for others.
    """
    calls = [_Call(function) for function in functions]
    waiting = list(calls)
    try:
        while waiting:
            for call in waiting:
                call.advance()
            waiting = [call for call in waiting if not call.is_done]
            _train(waiting)
    except BaseException as failure:
        _end(calls, failure)
        raise
    return calls


def _train(calls):
    """Train the networks that calls wait for."""
    groups = defaultdict(list)
    for call in calls:
        groups[call.request[0]].append(call)
    for group in groups.values():
        size = stack_size(group[0].request[1].module_)
        for first in range(0, len(group), size):
            _train_some(group[first : first + size])


def _train_some(calls):
    start = time.perf_counter()
    nets, datas = [call.request[1] for call in calls], [call.request[2] for call in calls]
    if len(calls) == 1:
        train_alone(nets[0], datas[0])
    else:
        train_together(nets, datas)
    for call in calls:
        # Its part of the work was no waiting.
        call.n_seconds_waited -= (time.perf_counter() - start) / len(calls)


def _end(calls, failure):
    """Let unfinished calls fail, so that no thread is left behind."""
    for call in calls:
        call.failure = failure
    for call in calls:
        while not call.is_done:
            call.advance()
