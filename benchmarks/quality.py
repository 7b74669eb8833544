"""How well the defaults reconstruct held-out data, beside PCA."""

import time

import numpy as np
from sklearn.decomposition import PCA

from skae import Autoencoder
from skae.architectures import Dense

from .data import mnist_images, split


def measure():
    """Fit PCA and autoencoders of 16 components; return rows of (what, value, bound)."""
    name, images = mnist_images()
    train, test = split(images.reshape(len(images), -1))
    of_pca = held_out_error(PCA(16, random_state=0), train, test)
    linear = Autoencoder(16, architecture=Dense(()), random_state=0)
    start = time.perf_counter()
    of_defaults = held_out_error(Autoencoder(16, random_state=0), train, test)
    seconds = time.perf_counter() - start
    return [
        (f"{name}: held-out error, Autoencoder(16) / PCA(16)", of_defaults / of_pca, "≤ 0.55"),
        (f"{name}: its fit, seconds", seconds, ""),
        (
            f"{name}: held-out error, linear Autoencoder(16) / PCA(16)",
            held_out_error(linear, train, test) / of_pca,
            "0.99 to 1.01",
        ),
    ]


def held_out_error(estimator, train, test):
    """Mean squared error of the reconstruction of ``test`` after a fit on ``train``."""
    return squared_error(estimator.fit(train), test)


def squared_error(fitted, X):
    """Mean squared error of the reconstruction of X."""
    return np.mean((fitted.inverse_transform(fitted.transform(X)) - X) ** 2)
