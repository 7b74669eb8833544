"""Successive halving whose candidates continue training from rung to rung."""

import shutil
from math import floor, log
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from .._engine.rungs import Rung
from ..estimators._docs import DocLinkMixin


class ResumingMixin(DocLinkMixin):
    """Searches of scikit-learn whose candidates get their epochs as a `Rung`."""

    _doc_link_template = (
        "https://skae-dev.github.io/skae/generated/skae.model_selection.{estimator_name}.html"
    )

    # Of scikit-learn's searches.
    estimator: Any
    resource: str
    factor: float
    aggressive_elimination: bool

    def _run_search(self: Any, evaluate_candidates: Any, *, callback_ctx: Any = None) -> None:
        self._check_resource()
        # scikit-learn has it since 1.9.
        context = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        # After Ctrl-C another process may still write.
        with TemporaryDirectory(prefix="skae-", ignore_cleanup_errors=True) as folder:
            pauses = _Pauses(folder, self.resource)

            def evaluate(candidates: Any, *args: Any, **options: Any) -> Any:
                candidates = list(candidates)
                pauses.begin(candidates, self._count_last_epochs())
                try:
                    return evaluate_candidates(candidates, *args, **options)
                finally:
                    pauses.end(candidates)

            search: Any = super()
            search._run_search(evaluate, **context)

    def _check_resource(self) -> None:
        prefix = self.resource.removesuffix("max_iter")
        # Estimators of others have a parameter max_iter as well, but cannot continue.
        if prefix == self.resource or f"{prefix}checkpoint" not in self.estimator.get_params():
            raise ValueError(
                "resource must name max_iter of an estimator of skae that trains a network, such "
                f"as 'max_iter', or 'autoencoder__max_iter' in a Pipeline, got {self.resource!r} "
                f"for {type(self.estimator).__name__}. HalvingGridSearchCV and "
                "HalvingRandomSearchCV of scikit-learn take other resources."
            )

    def _count_last_epochs(self: Any) -> int:
        """Return the resources of the last iteration, which scikit-learn computes like this."""
        n_possible = 1 + floor(log(self.max_resources_ // self.min_resources_, self.factor))
        n_required = 1 + floor(log(self.n_candidates_[0], self.factor))
        n_steps = n_possible if self.aggressive_elimination else min(n_possible, n_required)
        return min(int(self.factor ** (n_steps - 1) * self.min_resources_), self.max_resources_)


class _Pauses:
    """The folder in which the training of candidates pauses.

    Parameters
    ----------
    folder : str
    resource : str
        Name of the parameter that is a number of epochs.
    """

    def __init__(self, folder, resource):
        self.folder = folder
        self.resource = resource
        # The folder of each candidate, by its values.
        self.folders = {}

    def begin(self, candidates, n_planned):
        """Put rungs in place of numbers of epochs, and forget candidates that are not there."""
        keys = [self._key(candidate) for candidate in candidates]
        for key in set(self.folders) - set(keys):
            shutil.rmtree(self.folders.pop(key))
        for key, candidate in zip(keys, candidates, strict=True):
            if key not in self.folders:
                self.folders[key] = mkdtemp(dir=self.folder)
            n_epochs = candidate[self.resource]
            candidate[self.resource] = Rung(n_epochs, n_planned, self.folders[key])

    def end(self, candidates):
        """Put the numbers back, which are what results and the last fit get."""
        for candidate in candidates:
            candidate[self.resource] = int(candidate[self.resource])

    def _key(self, candidate):
        # Values of parameters need be neither hashable nor comparable, but from rung to rung
        # scikit-learn hands on the same objects.
        names = sorted(candidate.keys() - {self.resource})
        return tuple((name, id(candidate[name])) for name in names)
