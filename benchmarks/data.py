"""The data of the benchmarks: MNIST where it is at hand, digits of scikit-learn otherwise."""

import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from skae.datasets import load_mnist


def mnist_images():
    """Return (name, images) with images (10000, 28, 28) in [0, 1], or the smaller digits."""
    name, images, _ = labelled_images()
    return name, images


def labelled_images():
    """Return (name, images, labels), likewise."""
    try:
        mnist = load_mnist()
    except (OSError, ImportError) as error:
        print(f"MNIST is not at hand ({error}); measuring on scikit-learn's digits instead.\n")
        digits = load_digits()
        return "digits 8×8", (digits.images / 16).astype(np.float32), digits.target
    images = (mnist.images[-10_000:] / 255).astype(np.float32)
    return "MNIST 28×28", images, mnist.target[-10_000:]


def split(images):
    """Set the last fifth of the images, or of their labels, aside."""
    n_train = len(images) * 4 // 5
    return images[:n_train], images[n_train:]


def outlier_set(name):
    """Return the rows of a data set of ADBench, from ``outliers.npz`` where SKAE_DATA points."""
    with np.load(Path(os.environ["SKAE_DATA"], "outliers.npz")) as sets:
        return sets[f"{name}_X"].astype(np.float64)


def labeled_outlier_sets():
    """Yield name, rows and labels (1 = outlier) of the twenty sets of ADBench in SKAE_DATA."""
    for file in ("outliers.npz", "outliers_more.npz"):
        with np.load(Path(os.environ["SKAE_DATA"], file)) as sets:
            for name in [key[:-2] for key in sets if key.endswith("_X")]:
                yield name, sets[f"{name}_X"].astype(np.float64), sets[f"{name}_y"].astype(int)
