"""Ctrl-C, told from the callbacks that end training by the same exception."""

import inspect
import signal
import threading
from contextlib import contextmanager

# Where these call `fit`, Ctrl-C is to end all of it, not a single fit.
_SEARCHES = ("sklearn.model_selection", "optuna")


class Interruption:
    """Whether the user has asked training to end.

    The first Ctrl-C is noted, and training looks at the note between two batches, where nothing
    is half done; the second one interrupts at once, as without skae. Only the main thread is
    told of signals.
    """

    def __init__(self):
        self._noted = threading.Event()

    def __bool__(self):
        return self._noted.is_set()

    @contextmanager
    def noticed(self):
        """Note a Ctrl-C within this context."""
        usual = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(usual):
            yield
            return

        def note(number, frame):
            if self:
                usual(number, frame)
            self._noted.set()

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, usual)


def is_within_search():
    """Whether a search calls: scikit-learn's model selection or Optuna."""
    modules = (caller.frame.f_globals.get("__name__", "") for caller in inspect.stack(context=0))
    return any(module.startswith(_SEARCHES) for module in modules)
