"""Searches over rates and decays: one stack of networks beside one fit after the other.

Both use two processes. The network of one hidden layer is small enough for a stack; those of the
defaults are trained one by one by both, since their computations take the time.
"""

import warnings
from itertools import product

from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale
from sklearn.utils import shuffle

from skae import Autoencoder
from skae.architectures import Dense
from skae.model_selection import BatchedGridSearchCV

from .overhead import seconds

GRID = {"learning_rate_init": [0.001, 0.003, 0.006, 0.01], "alpha": [0.0, 0.5, 1.0]}
DATA = {
    "wine, 150 × 13": (lambda: scale(shuffle(load_wine().data, random_state=0)[:150]), 4, 5.0),
    "digits, 1797 × 64": (lambda: load_digits().data, 8, 2.0),
}
ARCHITECTURES = {"one hidden layer of 32": Dense((32,)), "default": "auto"}


def measure():
    """Time both searches in turn, and yield rows of (what, value, bound)."""
    for (data, (load, n_components, target)), (name, architecture) in product(
        DATA.items(), ARCHITECTURES.items()
    ):
        estimator = Autoencoder(n_components, architecture=architecture, random_state=0)
        alone, together = (
            _searched(each, estimator, load()) for each in (GridSearchCV, BatchedGridSearchCV)
        )
        what = f"{data}, {name}: GridSearchCV(n_jobs=2) / BatchedGridSearchCV(n_jobs=2)"
        yield what, alone[0] / together[0], f"≥ {target}" if architecture != "auto" else ""
        yield "the same: seconds of BatchedGridSearchCV", together[0], ""
        yield "the same: largest difference of mean scores", abs(alone[1] - together[1]).max(), ""


def _searched(search_class, estimator, X):
    """Return the seconds of a search, and its mean scores."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        # The first call starts the processes.
        start = search_class(estimator.set_params(max_iter=1), {"alpha": [0.0, 1.0]}, n_jobs=2)
        start.fit(X)
        search = search_class(
            estimator.set_params(max_iter="auto"), GRID, n_jobs=2, cv=5, refit=False
        )
        taken = seconds(search.fit, X)
    return taken, search.cv_results_["mean_test_score"]
