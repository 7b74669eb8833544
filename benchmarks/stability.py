"""Does training keep what it starts with, at every size? Rows and images, 8×8 to 256×256.

python -m benchmarks stability           # all, about half an hour on two cores
python -m benchmarks.stability MRI 16×16 # those whose names contain one of the words
"""

import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, load_sample_images
from sklearn.feature_extraction.image import extract_patches_2d

from skae import Autoencoder
from skae.datasets import load_fashion_mnist, load_mnist, make_arena

from .quality import squared_error

# name: (function that loads images, rows to train on, rows to test on, components)
SETS = {
    "digits 8×8": (lambda: load_digits().images / 16, 1400, 397, 8),
    "digits 8×8, few": (lambda: load_digits().images / 16, 100, 397, 4),
    "MNIST 28×28": (lambda: _first(load_mnist()), 8000, 2000, 16),
    "MNIST 28×28, many": (lambda: _first(load_mnist()), 9000, 1000, 32),
    "Fashion-MNIST 28×28": (lambda: _first(load_fashion_mnist()), 2900, 715, 16),
    "arena 50×50": (lambda: make_arena(2400, random_state=0).images, 2000, 400, 8),
    "MRI 32×32": (lambda: _scans(32), 2000, 394, 32),
    "MRI 64×64": (lambda: _scans(64), 2000, 394, 32),
    "MRI 128×128": (lambda: _scans(128), 1500, 394, 32),
    "patches 8×8, many": (lambda: _patches(8, 22_000)[..., 1], 20_000, 2000, 8),
    "color patches 16×16": (lambda: _patches(16, 12_000), 10_000, 2000, 32),
    "color patches 32×32": (lambda: _patches(32, 3600), 3000, 600, 32),
    "color patches 64×64": (lambda: _patches(64, 1200), 1000, 200, 32),
    "patches 256×256": (lambda: _patches(256, 260)[..., 1], 200, 60, 16),
}


def measure():
    """Yield rows of (what, value, bound)."""
    for name in SETS:
        yield from compare(name)


def compare(name):
    """Fit rows and images of a set, by both losses, and describe each fit."""
    load, n_train, n_test, n_components = SETS[name]
    images = load().astype(np.float32)[: n_train + n_test]
    train, test = images[:n_train], images[n_train:]
    of_pca = _error_of_pca(n_components, *(part.reshape(len(part), -1) for part in (train, test)))
    for kind, loss in (("rows", "mse"), ("images", "mse"), ("images", "bce")):
        shape = (-1, images[0].size) if kind == "rows" else images.shape
        parts = [part.reshape(-1, *shape[1:]) for part in (train, test)]
        yield from describe(f"{name}, {kind}, {loss}", n_components, loss, *parts, of_pca)


def describe(what, n_components, loss, train, test, of_pca):
    """Yield what a fit reached, and how its validation loss moved on the way."""
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        autoencoder = Autoencoder(n_components, loss=loss, random_state=0).fit(train)
    seconds = time.perf_counter() - started
    losses = np.array([epoch["valid_loss"] for epoch in autoencoder.history_])
    start = dict(autoencoder.net_.callbacks_)["best_weights"].start_loss_
    n_epochs = len(losses)
    yield f"{what}: held-out error / PCA's", squared_error(autoencoder, test) / of_pca, "≤ 1"
    yield "- highest loss after a tenth / start's", losses[n_epochs // 10 :].max() / start, ""
    yield "- last third's highest / start's", losses[-(n_epochs // 3) :].max() / start, "≤ 1"
    yield f"- epochs (best: {autoencoder.best_n_iter_}); seconds {seconds:.0f}", n_epochs, ""


def _error_of_pca(n_components, train, test):
    from sklearn.decomposition import PCA

    return squared_error(PCA(n_components, random_state=0).fit(train), test)


def _first(images):
    return images.images[-10_000:] / 255


def _scans(side):
    """Return scans whose pixels are means of squares, and those to test on at the end."""
    with np.load(Path(os.environ["SKAE_DATA"], "brain_mri_128.npz")) as scans:
        train, test = scans["X_train"], scans["X_test"]
    n_train = 1500 if side == 128 else 2000
    chosen = np.random.default_rng(0).permutation(len(train))[:n_train]
    images, size = np.concatenate([train[chosen], test]), 128 // side
    blocks = images.reshape(len(images), side, size, side, size)
    return blocks.mean(axis=(2, 4), dtype=np.float32) / 255


def _patches(side, n_patches):
    """Return squares of the two photographs of scikit-learn, in random order."""
    photographs = load_sample_images().images
    n_each = n_patches // len(photographs)
    patches = np.concatenate(
        [
            extract_patches_2d(photograph, (side, side), max_patches=n_each, random_state=seed)
            for seed, photograph in enumerate(photographs)
        ]
    )
    return patches[np.random.default_rng(0).permutation(len(patches))] / np.float32(255)


if __name__ == "__main__":
    for name in SETS:
        if any(word in name for word in sys.argv[1:]):
            for what, value, bound in compare(name):
                print(f"| {what} | {value:.3f} | {bound} |", flush=True)
