"""Streams of batches beside fits of all data: after a fit, from scratch, and data that change."""

import time
from statistics import median

import numpy as np
from sklearn.datasets import load_digits, make_friedman1
from sklearn.utils import shuffle

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    HybridAutoencoder,
    VariationalAutoencoder,
)

FAMILIES = (
    Autoencoder(8),
    VariationalAutoencoder(8),
    HybridAutoencoder(8),
    AutoencoderClassifier(8),
    AutoencoderRegressor(5),
)
CALLS, PASSES = 200, 10


def measure(n_seeds=5):
    """Stream digits (regression: Friedman's function); yield rows of (what, value, asked)."""
    seeds = range(n_seeds)
    for family in FAMILIES:
        name = type(family).__name__
        for batch_size in (50, 10, 1):
            loss = max(lowered(family, seed, batch_size) for seed in seeds)
            what = f"{name}: score lost in {CALLS} calls of {batch_size} after a fit"
            yield what, loss, "≤ 0.01"
        for batch_size in (32, 100):
            loss = max(behind_fit(family, seed, batch_size) for seed in seeds)
            what = f"{name}: fit of {PASSES} epochs ahead of as many passes of {batch_size}"
            yield what, loss, "≤ 0.03"
    yield "changed digits: a fresh stream ahead of one that followed", drift(), "≤ 0.03"
    yield "a call of 50 digits, milliseconds", milliseconds(), ""


def data(family, seed):
    """Return rows and labels to train on, to stream and to hold out."""
    if isinstance(family, AutoencoderRegressor):
        X, y = make_friedman1(1797, noise=1.0, random_state=seed)
    else:
        X, y = shuffle(*load_digits(return_X_y=True), random_state=seed)
    return (X[:1000], y[:1000]), (X[1000:1500], y[1000:1500]), (X[1500:], y[1500:])


def call(estimator, X, y):
    classes = {"classes": range(10)} if isinstance(estimator, AutoencoderClassifier) else {}
    estimator.partial_fit(X, y, **classes)


def fresh(family, seed, **params):
    return type(family)(**{**family.get_params(deep=False), "random_state": seed, **params})


def lowered(family, seed, batch_size):
    """Return by how much the held-out score falls at most, looked at every 20 calls."""
    train, more, test = data(family, seed)
    estimator = fresh(family, seed).fit(*train)
    scores = [estimator.score(*test)]
    for i in range(CALLS):
        rows = np.arange(i * batch_size, (i + 1) * batch_size) % len(more[0])
        call(estimator, more[0][rows], more[1][rows])
        if i % 20 == 19:
            scores.append(estimator.score(*test))
    return scores[0] - min(scores)


def behind_fit(family, seed, batch_size):
    (X, y), _, test = data(family, seed)
    streamed = fresh(family, seed)
    for _ in range(PASSES):
        for start in range(0, len(X), batch_size):
            rows = slice(start, start + batch_size)
            call(streamed, X[rows], y[rows])
    return fresh(family, seed, max_iter=PASSES).fit(X, y).score(*test) - streamed.score(*test)


def drift():
    """Let digits become mirrored, three times as large and shifted ones over 60 calls of 200."""
    (X, _), _, (test, _) = data(FAMILIES[0], 0)
    followed, anew = fresh(FAMILIES[0], 0).fit(X), fresh(FAMILIES[0], 0)
    for i in range(CALLS):
        rows, fraction = X[np.arange(i * 50, i * 50 + 50) % len(X)], min(i / 60, 1.0)
        followed.partial_fit((1 - fraction) * rows + fraction * changed(rows))
        if fraction == 1:
            anew.partial_fit(changed(rows))
    return anew.score(changed(test)) - followed.score(changed(test))


def changed(rows):
    return 3 * rows[:, ::-1] - 20


def milliseconds():
    (X, _), (more, _), _ = data(FAMILIES[0], 0)
    estimator, seconds = fresh(FAMILIES[0], 0, max_iter=1).fit(X), []
    for i in range(50):
        start = time.perf_counter()
        estimator.partial_fit(more[i : i + 50])
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds)
