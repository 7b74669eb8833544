"""UMAP with an inverse in milliseconds, and a UMAP whose codes stand still.

UMAP draws beautiful maps, and leaves two wishes open. The way back: its inverse searches for
every point, which takes seconds for a handful of images and comes to no end above a few
dimensions. And the way there: the place that UMAP gives an image depends on which other images
are in the batch. A hybrid autoencoder trains a decoder for the map as it is; with
``distill=True`` it trains an encoder as well, which needs neither the batch nor UMAP. It is a
copy, not the original: the numbers tell how good a one, and the picture shows what lies between
the digits.

    SKAE_DATA=/where/mnist_10k.npz/is python -m benchmarks.studies.hybrid_umap
    python -m benchmarks.studies.hybrid_umap --many 5
"""

import argparse
import warnings
from multiprocessing import get_context
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from umap import UMAP

from skae import HybridAutoencoder
from skae.metrics import explained_variance, knn_accuracy, reconstruction_error
from skae.plotting import LatentSpaceDisplay

from ._data import handwritten_digits

N_INVERTED, N_PER_BATCH, N_GRID = 100, 3, 12


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n-train", type=int, default=3000, help="images to train on, at most")
    parser.add_argument("--many", type=int, default=10, help="dimensions of the second map")
    parser.add_argument("--patience", type=float, default=30, help="seconds for UMAP's inverse")
    parser.add_argument("--output", default="hybrid_umap.png", help="where the picture goes")
    parser.add_argument("--random-state", type=int, default=0, help="seed of all chance")
    return parser.parse_args(argv)


def load(n_train=None):
    """Return the data's name, rows of training and of held-out images, and digits of both."""
    name, train, y_train, test, y_test = handwritten_digits(n_train)
    rows = (images.reshape(len(images), -1) for images in (train, test))
    return name, *rows, y_train, y_test


def timed(function, *args):
    """Return what the function returns, and the seconds it took."""
    start = perf_counter()
    result = function(*args)
    return result, perf_counter() - start


def invert_with_patience(umap, codes, seconds):
    """Return UMAP's inverse of the codes, or None where it does not answer in time."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(umap.inverse_transform(codes)))
    process.start()
    sender.close()
    try:
        return receiver.recv() if receiver.poll(seconds) else None
    except EOFError:  # it failed, and said why on the screen
        return None
    finally:
        process.kill()


def ways_back(umap, hybrid, X, patience):
    """Invert the map of X in two ways; return the reconstruction, or None, and the seconds."""
    codes = umap.transform(X)
    return {
        "UMAP's own inverse": timed(invert_with_patience, umap, codes, patience),
        "trained decoder": timed(hybrid.inverse_transform, codes),
    }


def tell_way_back(umap, hybrid, X, X_train, patience):
    """Print how well and how fast the map is inverted."""
    pca = PCA(umap.n_components).fit(X_train)
    rows = {"PCA and back": (pca.inverse_transform(pca.transform(X)), None)}
    rows.update(ways_back(umap, hybrid, X, patience))
    for name, (reconstruction, took) in rows.items():
        quality = "no answer"
        if reconstruction is not None:
            quality = f"explains {explained_variance(X, reconstruction):.2f}"
        time = "" if took is None else f"  after {took:7.3f} s"
        print(f"  {name:<20} {quality:<14}{time}")


def tell_way_there(umap, distilled, X, y, X_train, y_train):
    """Print how fast rows are placed, how far they move in another batch, and how well."""
    codes = umap.transform(X_train)
    for name, reducer in {"UMAP": umap, "distilled encoder": distilled}.items():
        places, seconds = timed(reducer.transform, X)
        few = X[: 30 * N_PER_BATCH]
        batches = np.split(few, len(few) // N_PER_BATCH)
        moved = np.concatenate([reducer.transform(batch) for batch in batches])
        distances = np.linalg.norm(moved - places[: len(few)], axis=1)
        accuracy = knn_accuracy(codes, y_train, places, y)
        print(
            f"  {name:<20} {seconds:7.3f} s for {len(X)} rows, which move by up to "
            f"{distances.max():.3f} in batches of {N_PER_BATCH}; neighbours tell "
            f"{accuracy:.2f} of the classes"
        )


def error_beside_pca(train, test, max_iter="auto"):
    """Held-out error of PCA(16) with a trained decoder, over that of PCA's own inverse."""
    pca = PCA(16, random_state=0).fit(train)
    reducer = FrozenEstimator(pca)
    hybrid = HybridAutoencoder(reducer=reducer, max_iter=max_iter, random_state=0).fit(train)
    codes = pca.transform(test)
    trained, own = (
        reconstruction_error(test, inverse.inverse_transform(codes)) for inverse in (hybrid, pca)
    )
    return trained / own


def measure(quick=False):
    """Yield what, reached and asked of the ways back from PCA and from UMAP in two dimensions."""
    warnings.filterwarnings("ignore", module="umap")
    name, train, test, *_ = load(1500 if quick else None)
    ratio = error_beside_pca(train, test, max_iter=30 if quick else "auto")
    asked = "≤ 0.68" if name == "MNIST" and not quick else ""
    yield f"{name}: held-out error, PCA(16) + trained decoder / PCA's inverse", ratio, asked
    shown = train[: 500 if quick else 3000]
    umap = UMAP(random_state=0, n_jobs=1).fit(shown)
    hybrid = HybridAutoencoder(reducer=FrozenEstimator(umap), max_iter=30, random_state=0)
    hybrid.fit(shown)
    few = test[: 10 if quick else N_INVERTED]
    for way, (rebuilt, seconds) in ways_back(umap, hybrid, few, 60).items():
        yield f"{name}: {len(few)} images from UMAP(2), {way}, milliseconds", 1e3 * seconds, ""
        if rebuilt is not None:
            quality = explained_variance(few, rebuilt)
            yield f"{name}: their variance explained, {way}", quality, ""


def draw(hybrid, X, y, image_shape):
    """Draw the map, and what the decoder sees on a grid over it."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 6), layout="constrained")
    LatentSpaceDisplay.from_estimator(hybrid, X, y, ax=left, s=8)
    low, high = np.transpose([left.get_xlim(), left.get_ylim()])
    x, y = (np.linspace(low[axis], high[axis], N_GRID) for axis in (0, 1))
    grid = np.stack(np.meshgrid(x, y[::-1]), axis=-1).reshape(-1, 2)
    images = hybrid.inverse_transform(grid).reshape(N_GRID, N_GRID, *image_shape)
    height, width = image_shape
    mosaic = images.transpose(0, 2, 1, 3).reshape(N_GRID * height, N_GRID * width)
    extent = (low[0], high[0], low[1], high[1])
    right.imshow(mosaic, cmap="gray", vmin=0, vmax=1, extent=extent, aspect="auto")
    left.set(title="UMAP of held-out images")
    right.set(title="The same plane, decoded", xticks=[], yticks=[])
    return figure


def main(argv=None):
    arguments = parse_arguments(argv)
    warnings.filterwarnings("ignore", module="umap")
    name, X_train, X, y_train, y = load(arguments.n_train)
    print(f"{name}: {len(X_train)} images to train on")
    side = round(X.shape[1] ** 0.5)
    seed = arguments.random_state
    hybrids = {}
    for n_components in (2, arguments.many):
        umap = UMAP(n_components=n_components, random_state=seed, n_jobs=1).fit(X_train)
        frozen = FrozenEstimator(umap)
        hybrid = HybridAutoencoder(reducer=frozen, random_state=seed).fit(X_train)
        hybrids[n_components] = hybrid
        print(f"\nFrom {n_components} dimensions back to {N_INVERTED} held-out images:")
        tell_way_back(umap, hybrid, X[:N_INVERTED], X_train, arguments.patience)
        distilled = HybridAutoencoder(reducer=frozen, distill=True, random_state=seed)
        distilled.fit(X_train)
        print("And there:")
        tell_way_there(umap, distilled, X, y, X_train, y_train)
    draw(hybrids[2], X, y, (side, side)).savefig(arguments.output, dpi=150)
    print(f"\nThe picture is in {arguments.output}")


if __name__ == "__main__":
    main()
