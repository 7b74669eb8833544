"""Maps of held-out rows by `ParametricUMAP`, beside UMAP's transform and a distilled hybrid."""

import os
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skae import HybridAutoencoder, ParametricUMAP
from skae.metrics import cycle_error, knn_accuracy, trustworthiness

from .data import labelled_images, outlier_set
from .latency import milliseconds

SEEDS, SIZES, TEST_ROWS = (0, 1, 2), (2, 8), 2000
# UMAP's own inverse takes half a second a row.
INVERTED_ROWS, DECODED_ROWS = 100, 2000


def measure():
    """Yield rows of (what, value, bound), means over the seeds."""
    from umap import UMAP

    UMAP(n_epochs=1, random_state=0).fit(load_digits().data[:300])  # compiles
    # UMAP with a seed runs on one core; and threads that wait for others count as processor time.
    torch.set_num_threads(1)
    for name, (X, y) in data_sets():
        for n_components in SIZES:
            found = [of_seed(UMAP, X, y, n_components, seed) for seed in SEEDS]
            for what in found[0]:
                value = np.mean([each[what] for each in found if what in each])
                yield f"{name}, {n_components} components: {what}", value, BOUNDS.get(what, "")
    yield from stability()


BOUNDS = {
    "k-NN accuracy less UMAP's": "≥ -0.005",
    "trustworthiness less UMAP's": "≥ -0.005",
    "k-NN accuracy less the distilled hybrid's": "≥ 0",
    "trustworthiness less the distilled hybrid's": "≥ 0",
    "processor time of fit over UMAP's": "≤ 3",
    "ms for one row": "≤ 0.3",
    f"ms to decode {DECODED_ROWS} codes": "≤ 50",
    "error of the inverse over UMAP's": "< 1",
}


def data_sets():
    """Yield names with rows and labels: digits, images, and two tables of an outlier benchmark."""
    digits = load_digits()
    yield "digits", ((digits.data / 16).astype(np.float32), digits.target)
    name, images, labels = labelled_images()
    if len(images) > len(digits.data):
        yield name, (images.reshape(len(images), -1), labels)
    folder = Path(os.environ.get("SKAE_DATA", "."))
    if (folder / "fashion_mnist_3615.npz").exists():
        with np.load(folder / "fashion_mnist_3615.npz") as fashion:
            rows = fashion["X"].reshape(len(fashion["X"]), -1) / 255
            yield "Fashion-MNIST", (rows.astype(np.float32), fashion["y"])
    for table in ("pendigits", "satellite"):
        if (folder / "outliers.npz").exists():
            yield table, standardized(table)


def standardized(name):
    X = outlier_set(name)
    with np.load(Path(os.environ["SKAE_DATA"], "outliers.npz")) as sets:
        y = sets[f"{name}_y"]
    return ((X - X.mean(0)) / X.std(0)).astype(np.float32), y


def of_seed(UMAP, X, y, n_components, seed):
    """Return the figures of one split and seed."""
    split = train_test_split(X, y, test_size=min(TEST_ROWS, len(X) // 5), random_state=seed)
    train, test, *_ = split
    own = ParametricUMAP(n_components, random_state=seed)
    own, seconds = fitted(own, train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a seed runs on one core
        theirs, their_seconds = fitted(UMAP(n_components=n_components, random_state=seed), train)
    hybrid = HybridAutoencoder(reducer=FrozenEstimator(theirs), distill=True, random_state=seed)
    models = {"own": own, "UMAP": theirs, "hybrid": hybrid.fit(train)}
    scores = {name: scores_of(model, *split) for name, model in models.items()}
    codes = own.transform(test)
    result = {
        f"{what} less {whose}": scores["own"][i] - scores[other][i]
        for other, whose in (("UMAP", "UMAP's"), ("hybrid", "the distilled hybrid's"))
        for i, what in enumerate(("k-NN accuracy", "trustworthiness"))
    }
    result |= {
        "k-NN accuracy": scores["own"][0],
        "trustworthiness": scores["own"][1],
        "seconds of processor time of fit": seconds,
        "processor time of fit over UMAP's": seconds / their_seconds,
        "ms for one row": milliseconds(own.transform, test[:1]),
        f"ms to decode {DECODED_ROWS} codes": milliseconds(
            own.inverse_transform, np.resize(codes, (DECODED_ROWS, n_components))
        ),
        "explained variance": own.score(test),
        "cycle error": cycle_error(own, codes),
    }
    if n_components == 2 and seed == 0:
        result["error of the inverse over UMAP's"] = inverse_errors(own, theirs, test)
    return result


def fitted(model, X):
    """Return a fitted model, and the seconds of processor time that it took."""
    start = time.process_time()
    return model.fit(X), time.process_time() - start


def scores_of(model, train, test, y_train, y_test):
    """Return k-NN accuracy and trustworthiness of held-out rows, all transformed at once."""
    codes, new = model.transform(train), model.transform(test)
    return knn_accuracy(codes, y_train, new, y_test), trustworthiness(test, new)


def inverse_errors(own, theirs, test):
    """Return the squared error of decoded rows over that of UMAP's inverse."""
    rows = test[:INVERTED_ROWS]
    codes = [model.transform(test)[:INVERTED_ROWS] for model in (own, theirs)]
    errors = [
        np.mean((model.inverse_transform(code) - rows) ** 2)
        for model, code in zip((own, theirs), codes, strict=True)
    ]
    return errors[0] / errors[1]


def stability():
    """Yield how far the rows of an earlier map move when a fifth more is added to it."""
    digits = load_digits()
    X, y = (digits.data / 16).astype(np.float32), digits.target
    found = []
    for seed in SEEDS:
        train, test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)
        before = train[: len(train) * 4 // 5]
        old = ParametricUMAP(random_state=seed).fit(before)
        places = old.transform(before)
        model = ParametricUMAP(random_state=seed + 100)
        free = clone(model).fit(train)
        for name, landmarks in (("rows and places", (before, places)), ("the old map", old)):
            held = clone(model).fit(train, landmarks=landmarks)
            moves = np.linalg.norm(held.transform(before) - places, axis=1)
            accuracies = [
                knn_accuracy(each.transform(train), y_train, each.transform(test), y_test)
                for each in (held, free)
            ]
            move = np.median(moves) / np.ptp(places, axis=0).max()
            found.append((name, move, accuracies[0] - accuracies[1]))
    for name in dict.fromkeys(name for name, *_ in found):
        moves, accuracies = zip(*(rest for which, *rest in found if which == name), strict=True)
        yield f"digits, landmarks {name}: median move", np.mean(moves), "≤ 0.02"
        yield (
            f"digits, landmarks {name}: accuracy less a free fit's",
            np.mean(accuracies),
            "≥ -0.01",
        )
