"""Images for the studies: from the folder that SKAE_DATA names, or what scikit-learn ships."""

import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from skae.datasets import load_mnist


def find(filename):
    """Return the path of a file in the folder that SKAE_DATA names, or None."""
    folder = os.environ.get("SKAE_DATA")
    path = Path(folder or "", filename)
    return path if folder and path.is_file() else None


def handwritten_digits(n_train=None):
    """Return name, images in [0, 1] and digits to train on, and the same held out.

    MNIST where it lies, 8,000 and 2,000 images; otherwise scikit-learn's digits of 8×8 pixels.
    """
    if find("mnist_10k.npz"):
        name, digits, largest, n_all = "MNIST", load_mnist(), 255, 8000
    else:
        name, digits, largest, n_all = "8×8 digits", load_digits(), 16, 1400
    images = (digits.images / largest).astype(np.float32)
    train = slice(min(n_train or n_all, n_all))
    return name, images[train], digits.target[train], images[n_all:], digits.target[n_all:]
