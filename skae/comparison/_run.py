"""Evaluate every reducer on every split, one after the other or in parallel."""

import pickle
from collections.abc import Iterator
from typing import Any

from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed
from tqdm.auto import tqdm

from ._data import Split
from ._evaluation import Evaluation, evaluate

_DONE = "compared"
# No rate and no time left: reducers differ too much in their seconds for either to mean anything.
_BAR = "{desc} |{bar:20}| {n_fmt}/{total_fmt} reducers, {elapsed}"


def evaluate_all(
    estimators: dict[str, Any], splits: list[Split], n_jobs: int | None, verbose: int
) -> dict[str, list[Evaluation]]:
    """Return an evaluation for each split by the name of the reducer."""
    jobs = [(name, fold) for name in estimators for fold in range(len(splits))]
    evaluate_jobs = _one_by_one if n_jobs in (None, 1) else _in_parallel
    # Names of the same width, so that the bar does not jump.
    width = max(len(str(name)) for name in [*estimators, _DONE])
    evaluations: dict[str, list[Evaluation]] = {name: [] for name in estimators}
    with tqdm(total=len(estimators), bar_format=_BAR, disable=not verbose) as bar:
        results = evaluate_jobs(estimators, splits, jobs, n_jobs, _Label(bar, width))
        for (name, fold), evaluation in zip(jobs, results, strict=True):
            evaluations[name].append(evaluation)
            # The bar counts reducers: one is done with its last fold.
            bar.update(fold == len(splits) - 1)
        bar.set_description_str(_DONE.ljust(width))
    return evaluations


class _Label:
    """Shows the name of the reducer at work in a progress bar."""

    def __init__(self, bar: Any, width: int) -> None:
        self.bar = bar
        self.width = width

    def __call__(self, name: str) -> None:
        self.bar.set_description_str(str(name).ljust(self.width))


def _one_by_one(
    estimators: dict[str, Any],
    splits: list[Split],
    jobs: list[tuple[str, int]],
    n_jobs: int | None,
    label: _Label,
) -> Iterator[Evaluation]:
    for name, fold in jobs:
        # Before the work: the bar names the reducer that is being fitted.
        label(name)
        yield _job(estimators[name], splits[fold], fold)


def _in_parallel(
    estimators: dict[str, Any],
    splits: list[Split],
    jobs: list[tuple[str, int]],
    n_jobs: int | None,
    label: _Label,
) -> Iterator[Evaluation]:
    label("comparing")
    # A generator in the order of the jobs, so that the bar moves as they end.
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    evaluations: Iterator[Evaluation] = parallel(
        delayed(_portable_job)(estimators[name], splits[fold], fold) for name, fold in jobs
    )
    return evaluations


def _job(estimator: Any, split: Split, fold: int) -> Evaluation:
    """Evaluate a reducer; of later folds, only the scores are kept."""
    evaluation = evaluate(clone(estimator), split)
    if fold:
        # The report shows those of the first fold; all of them would multiply the memory.
        evaluation.estimator = evaluation.codes = evaluation.reconstruction = None
    return evaluation


def _portable_job(estimator: Any, split: Split, fold: int) -> Evaluation:
    """Evaluate a reducer in another process, from which every result must come back."""
    evaluation = _job(estimator, split, fold)
    if evaluation.error is not None:
        evaluation.error = _portable(evaluation.error)
    return evaluation


def _portable(error: Exception) -> Exception:
    """Return an error that can be sent to another process: some cannot be rebuilt there."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    # Whatever its class raises while it is rebuilt.
    except Exception:  # noqa: BLE001
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
