"""What large images cost beside a hand-written network, and wide rows beside PCA of their rank.

    python -m benchmarks large_images

Seconds are of processor time, so that figures of a machine with other work compare.
"""

import time
import warnings
from itertools import pairwise

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import nn
from torch.nn import functional as F

from skae import Autoencoder

from .quality import squared_error
from .stability import _scans

N_TRAIN, N_COMPONENTS, SEEDS = 1500, 32, (0, 1, 2)
# Where the error is to be, as a multiple of PCA's.
BOUNDS = {"rows": "≤ 0.80", "images": "≤ 0.75"}
CHANNELS, EPOCHS, BATCH_ROWS = (1, 16, 32, 64, 64, 64), 20, 32
# Principal directions that a network of wide rows sees at most.
RANK = 500


def measure():
    """Yield rows of (what, value, bound): scans of 128×128 pixels as rows and as images."""
    scans = _scans(128)
    train, test = scans[:N_TRAIN], scans[N_TRAIN:]
    rows = train.reshape(N_TRAIN, -1), test.reshape(len(test), -1)
    images = train[..., None], test[..., None]
    of_pca = squared_error(PCA(N_COMPONENTS, random_state=0).fit(rows[0]), rows[1])
    _, by_hand = seconds(train_by_hand, train)
    yield f"hand-written network, {EPOCHS} epochs, seconds", by_hand, ""
    for kind, (X, X_test) in {"rows": rows, "images": images}.items():
        fits = [seconds(fit, Autoencoder(N_COMPONENTS, random_state=s), X) for s in SEEDS]
        errors = [squared_error(fitted, X_test) for fitted, _ in fits]
        yield f"{kind}: held-out error / PCA's", np.mean(errors) / of_pca, BOUNDS[kind]
        taken = np.mean([taken for _, taken in fits])
        yield f"{kind}: seconds / those of the hand-written network", taken / by_hand, "≤ 1"
    yield from wide_rows(rows[0])


def wide_rows(X):
    """Compare a fit of wide rows with PCA of their rank and a network of as many features."""
    pca = PCA(RANK, svd_solver="randomized", random_state=0)
    scores, of_pca = seconds(pca.fit_transform, X)
    _, of_scores = seconds(fit, Autoencoder(N_COMPONENTS, random_state=0), scores)
    _, of_rows = seconds(fit, Autoencoder(N_COMPONENTS, random_state=0), X)
    yield f"PCA({RANK}) of {X.shape[0]} × {X.shape[1]}, seconds", of_pca, ""
    yield f"network of {RANK} features, seconds", of_scores, ""
    yield "(fit of the rows - that network) / PCA", (of_rows - of_scores) / of_pca, "≤ 4"


def fit(estimator, X):
    """Fit, without the warning that nothing beyond PCA was found: the error shows it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X)


def seconds(function, *arguments):
    """Return what a function returns, and its processor time."""
    started = time.process_time()
    result = function(*arguments)
    return result, time.process_time() - started


def hand_written():
    """Return five convolutions of stride 2 with batch norm and leaky ReLU, and their mirror."""
    pairs = list(pairwise(CHANNELS))
    side = 128 // 2 ** len(pairs)
    n_units = CHANNELS[-1] * side * side
    layers = []
    for n_in, n_out in pairs:
        layers += [nn.Conv2d(n_in, n_out, 3, 2, 1), nn.BatchNorm2d(n_out), nn.LeakyReLU()]
    layers += [nn.Flatten(), nn.Linear(n_units, N_COMPONENTS)]
    layers += [nn.Linear(N_COMPONENTS, n_units), nn.Unflatten(1, (CHANNELS[-1], side, side))]
    for n_out, n_in in reversed(pairs):
        layers += [nn.ConvTranspose2d(n_in, n_out, 3, 2, 1, 1)]
        layers += [nn.BatchNorm2d(n_out), nn.LeakyReLU()] if n_out > 1 else []
    return nn.Sequential(*layers)


def train_by_hand(images):
    """Train it as one would: Adam, a constant rate, shuffled batches."""
    torch.manual_seed(0)
    network, rows = hand_written(), torch.from_numpy(images[:, None])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
    for _ in range(EPOCHS):
        for batch in rows[torch.randperm(len(rows))].split(BATCH_ROWS):
            optimizer.zero_grad()
            F.mse_loss(network(batch), batch).backward()
            optimizer.step()
    return network
