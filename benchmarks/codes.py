"""What the codes are good for: neighbours, images given as images, and parts of ordered codes."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae.metrics import knn_accuracy, trustworthiness

from .defaults import IMAGES
from .quality import held_out_error, squared_error

N_COMPONENTS = 8
SIZES = (2, 4, 8, 16)
SHORTER = (1, 2, 4, 8)
# Seeds of the splits; so many images and more need but one.
SEEDS, MANY = (0, 1, 2), 5_000


def measure():
    """Yield rows of (what, value, bound), means over the seeds of splits and fits."""
    for name, images, labels in image_sets():
        seeds = SEEDS if len(images) < MANY else SEEDS[:1]
        by_seed = [list(figures(images, labels, seed)) for seed in seeds]
        for rows in zip(*by_seed, strict=True):
            what, bound = rows[0][0], rows[0][2]
            yield f"{name}: {what}", np.mean([value for _, value, _ in rows]), bound


def figures(images, labels, seed):
    """Yield the measurements of one split."""
    train, test, *labels = train_test_split(images, labels, random_state=seed)
    train_rows, test_rows = (part.reshape(len(part), -1) for part in (train, test))
    pca = PCA(N_COMPONENTS, random_state=seed).fit(train_rows)
    vectors = {
        k: Autoencoder(k, random_state=seed).fit(train_rows) for k in sorted({*SIZES, *SHORTER})
    }
    yield from neighbours(vectors[N_COMPONENTS], pca, train_rows, test_rows, labels)
    errors = {k: squared_error(fitted, test_rows) for k, fitted in vectors.items()}
    for k in SIZES:
        of_images = held_out_error(Autoencoder(k, random_state=seed), train, test)
        yield f"{k} components, error of images / of vectors", of_images / errors[k], "< 1"
    yield from shorter_codes(train_rows, test_rows, errors, seed)


def image_sets():
    """Yield name, images in [0, 1] and labels of the data at hand."""
    digits = load_digits()
    yield "digits", (digits.images / 16).astype(np.float32), digits.target
    for name, load in IMAGES.items():
        try:
            loaded = load()
        except (OSError, ImportError) as error:
            print(f"{name} is not at hand ({error}).\n")
            continue
        images = (loaded.images[-10_000:] / 255).astype(np.float32)
        yield name, images, loaded.target[-10_000:]


def neighbours(autoencoder, pca, train, test, labels):
    """Compare how well neighbors of a held-out code predict its label, by either method."""
    for what, score in (
        ("k-NN accuracy", lambda fitted: accuracy(fitted, train, test, labels)),
        ("trustworthiness", lambda fitted: trustworthiness(test, fitted.transform(test))),
    ):
        yield f"{what}, PCA({N_COMPONENTS})", score(pca), ""
        yield f"{what}, Autoencoder({N_COMPONENTS})", score(autoencoder), "≥ PCA's"


def accuracy(fitted, train, test, labels):
    """Share of held-out labels that the nearest codes of the training rows give."""
    y_train, y_test = labels
    return knn_accuracy(fitted.transform(train), y_train, fitted.transform(test), y_test)


def shorter_codes(train, test, errors, seed):
    """Compare the first k components of one ordered code with codes of size k, of known error."""
    longest = SHORTER[-1]
    ordered = Autoencoder(longest, ordered=True, random_state=seed).fit(train)
    codes = ordered.transform(test)
    for k in SHORTER:
        of_first = np.mean((ordered.inverse_transform(codes[:, :k]) - test) ** 2)
        ratio = of_first / errors[k]
        yield f"first {k} of {longest} ordered components / a code of {k}", ratio, "≤ 1.15"
