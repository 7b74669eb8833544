"""How a fit's cost grows with rows and features, and what two processes gain a grid search."""

from statistics import median

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skae import Autoencoder
from skae.metrics import reconstruction_scorer

from .data import mnist_images
from .overhead import seconds

ROWS = 10_000 * 2 ** np.arange(4)
FEATURES = 2 ** np.arange(5, 13)
ROUNDS = 3
SEARCHED = Autoencoder(max_iter=20, random_state=0)
GRID = {"n_components": [2, 4, 8, 16]}


def measure():
    """Yield rows of (what, value, bound)."""
    yield from searches()
    by_rows = {n: fit_seconds(made(n, 256)) for n in ROWS}
    yield from growth("rows of 256 features", by_rows)
    by_features = {n: fit_seconds(made(ROWS[0], n)) for n in FEATURES}
    yield from growth(f"features, {ROWS[0]} rows", by_features)


def made(n_rows, n_features):
    """Rows of twelve directions and noise."""
    generator = np.random.default_rng(0)
    codes = generator.standard_normal((n_rows, 12), dtype=np.float32)
    noise = generator.standard_normal((n_rows, n_features), dtype=np.float32)
    return codes @ generator.standard_normal((12, n_features), dtype=np.float32) + noise


def fit_seconds(X):
    """Seconds of two epochs and of the fit around them: the median of some fits."""
    autoencoder = Autoencoder(8, max_iter=2, early_stopping=False, random_state=0)
    return median(seconds(autoencoder.fit, X) for _ in range(ROUNDS))


def growth(what, by_size):
    """Yield the seconds of each size and the slopes of their logarithms."""
    for size, value in by_size.items():
        yield f"two epochs of {size} {what}: seconds", value, ""
    sizes, values = np.log(list(by_size)), np.log(list(by_size.values()))
    yield f"{what}: log-log slope", np.polyfit(sizes, values, 1)[0], "≤ 1.1"
    yield f"{what}: steepest slope of a doubling", max(np.diff(values) / np.diff(sizes)), ""


def searches():
    """Yield how many times as fast a grid search is in two processes as in one.

    One process has the threads that torch gives it, each of two a single one; what threads gain
    a single fit is therefore lost to the search. The processes have started before.
    """
    name, images = mnist_images()
    sets = {"digits": load_digits().data, name: images[:2000].reshape(-1, images[0].size)}
    run_search(sets["digits"][:100], n_jobs=2)
    for name, X in sets.items():
        turns = [[run_search(X, n_jobs) for n_jobs in (1, 2)] for _ in range(ROUNDS)]
        what = f"{name}, {len(X)} rows, grid search of 8 fits"
        yield f"{what}: seconds, n_jobs=1", median(one for one, _ in turns), ""
        ratio = median(one / two for one, two in turns)
        yield f"{what}: n_jobs=1 / n_jobs=2", ratio, "≥ 1.6"


def run_search(X, n_jobs):
    """Seconds of a grid search."""
    search = GridSearchCV(
        SEARCHED, GRID, cv=2, refit=False, scoring=reconstruction_scorer, n_jobs=n_jobs
    )
    return seconds(search.fit, X)
