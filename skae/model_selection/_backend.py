"""joblib's way to run the fits of a search, for which they train together."""

import joblib
from joblib.parallel import ParallelBackendBase, SequentialBackend

from ._lockstep import run_together

# joblib hands out twice as many tasks before it asks for a result. They have a thread each, and
# hold their data until all have trained.
_N_TASKS = 64


class TogetherBackend(ParallelBackendBase):
    """Collect tasks, and run all of them when the first result is asked for.

    Parameters
    ----------
    n_jobs : int or None
        Processes among which the tasks are divided.
    """

    supports_sharedmem = True
    uses_threads = True

    def __init__(self, n_jobs=None, **kwargs):
        super().__init__(**kwargs)
        self.n_processes = joblib.effective_n_jobs(n_jobs)
        self.waiting = []

    def effective_n_jobs(self, n_jobs):
        """Return how many tasks are collected, whatever ``n_jobs`` of the search is."""
        return _N_TASKS

    def get_nested_backend(self):
        """Let what runs in parallel within a fit run in turn."""
        return SequentialBackend(nesting_level=1), None

    def submit(self, func, callback=None):
        """Take on a task."""
        task = _Task(self, func, callback)
        self.waiting.append(task)
        return task

    # The name before joblib 1.5.
    apply_async = submit

    def abort_everything(self, ensure_ready=True):
        """Forget the tasks that wait."""
        self.waiting = []

    def run_waiting(self):
        """Run all tasks that wait."""
        tasks, self.waiting = self.waiting, []
        for task, outcome in zip(tasks, self._outcomes(tasks), strict=True):
            task.outcome = outcome
            task.callback(task)

    def _outcomes(self, tasks):
        n_parts = min(self.n_processes, len(tasks))
        if n_parts == 1:
            return _run([task.function for task in tasks])
        # Neighbors are the folds of a candidate: each part has folds of all sizes.
        bounds = [len(tasks) * part // n_parts for part in range(n_parts + 1)]
        parts = [tasks[bounds[i] : bounds[i + 1]] for i in range(n_parts)]
        outcomes = joblib.Parallel(n_jobs=n_parts, backend="loky")(
            joblib.delayed(_run)([task.function for task in part]) for part in parts
        )
        return [outcome for part in outcomes for outcome in part]


class _Task:
    """A task of joblib: what `ParallelBackendBase.submit` returns."""

    def __init__(self, backend, function, callback):
        self.backend = backend
        self.function = function
        self.callback = callback
        self.outcome = None

    def get(self):
        """Return the result, or raise the error."""
        if self.outcome is None:
            self.backend.run_waiting()
        results, error = self.outcome
        if error is not None:
            raise error
        return results


def _run(functions):
    """Return (results, error) of each function."""
    return [_outcome(call) for call in run_together(functions)]


def _outcome(call):
    if call.error is not None:
        return None, call.error
    # Tasks of others, as of a forest in the last fit to all data, have other results.
    fits = [each for each in call.result if isinstance(each, dict) and "fit_time" in each]
    for scores in fits:
        # scikit-learn has measured from start to end, the time of other fits in between included.
        scores["fit_time"] = max(scores["fit_time"] - call.n_seconds_waited, 0.0)
    return call.result, None
