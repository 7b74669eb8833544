"""What the codes are good for: neighbours, images given as images, and parts of ordered codes."""

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.metrics import knn_accuracy, trustworthiness

from .defaults import IMAGES
from .quality import held_out_error, squared_error

N_COMPONENTS, SEED = 8, 0
SHORTER = (1, 2, 4, 8)


def measure():
    """Yield rows of (what, value, asked)."""
    for name, images, labels in image_sets():
        train, test, *labels = train_test_split(images, labels, random_state=SEED)
        train_rows, test_rows = (part.reshape(len(part), -1) for part in (train, test))
        pca = PCA(N_COMPONENTS, random_state=SEED).fit(train_rows)
        vectors = Autoencoder(N_COMPONENTS, random_state=SEED).fit(train_rows)
        yield from neighbours(name, vectors, pca, train_rows, test_rows, labels)
        as_images = held_out_error(clone(vectors), train, test)
        as_vectors = squared_error(vectors, test_rows)
        yield f"{name}: error of images / of vectors", as_images / as_vectors, "< 1"
        yield from shorter_codes(name, train_rows, test_rows)


def image_sets():
    """Yield name, images in [0, 1] and labels of what is at hand."""
    digits = load_digits()
    yield "digits", (digits.images / 16).astype(np.float32), digits.target
    for name, load in IMAGES.items():
        try:
            loaded = load()
        except (OSError, ImportError) as error:
            print(f"{name} is not at hand ({error}).\n")
            continue
        yield name, (loaded.images[-10_000:] / 255).astype(np.float32), loaded.target[-10_000:]


def neighbours(name, autoencoder, pca, train, test, labels):
    """Compare what the neighbours of a held-out code tell, by either method."""
    for what, score in (
        ("k-NN accuracy", lambda fitted: accuracy(fitted, train, test, labels)),
        ("trustworthiness", lambda fitted: trustworthiness(test, fitted.transform(test))),
    ):
        of_pca = score(pca)
        yield f"{name}: {what}, PCA({N_COMPONENTS})", of_pca, ""
        yield f"{name}: {what}, Autoencoder({N_COMPONENTS})", score(autoencoder), f"≥ {of_pca:.3f}"


def accuracy(fitted, train, test, labels):
    """Share of held-out labels that the nearest codes of the training rows give."""
    y_train, y_test = labels
    return knn_accuracy(fitted.transform(train), y_train, fitted.transform(test), y_test)


def shorter_codes(name, train, test):
    """Compare the first k components of one ordered code with codes of size k."""
    longest = SHORTER[-1]
    ordered = Autoencoder(longest, ordered=True, random_state=SEED).fit(train)
    codes = ordered.transform(test)
    for k in SHORTER:
        of_first = np.mean((ordered.inverse_transform(codes[:, :k]) - test) ** 2)
        ratio = of_first / held_out_error(Autoencoder(k, random_state=SEED), train, test)
        yield f"{name}: first {k} of {longest} ordered components / a code of {k}", ratio, "≤ 1.15"
