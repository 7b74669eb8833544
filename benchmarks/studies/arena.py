"""An animal in a round arena: what does a code of its pictures know?

The pictures are small and noisy. An autoencoder that rebuilds them from sixteen numbers leaves
the noise out, and the numbers know where the animal is and where it faces, though nobody told
them: their nearest neighbours are asked. A code of the same size trained to tell the direction
alone knows nothing else: it has forgotten how far from the centre the animal is. UMAP shows both
codes side by side, and an animation shows how the first comes about. A PCA with a trained
decoder, last, comes close to the autoencoder in less time.

    python -m benchmarks.studies.arena --output arena.png --animation arena.gif
    python -m benchmarks.studies.arena --quick
"""

import argparse
from time import process_time

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsRegressor
from umap import UMAP

from skae import Autoencoder, AutoencoderRegressor, HybridAutoencoder
from skae.architectures import Conv
from skae.datasets import make_arena
from skae.metrics import reconstruction_error
from skae.plotting import LatentSpaceDisplay, ReconstructionDisplay

N_COMPONENTS, N_TEST, N_FRAMES = 16, 1000, 16
NETWORK = Conv((8, 16, 32), downsampling="max_pool", activation="relu", linear_skip=False)
LABELS = ("direction", "distance")


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer images and epochs")
    parser.add_argument("--output", default="arena.png", help="where the picture goes")
    parser.add_argument("--animation", default="arena.gif", help="where the animation goes")
    return parser.parse_args(argv)


def load(quick):
    """Return the arena to train on and the one held out."""
    n_train = 1000 if quick else 5000
    return make_arena(n_train, random_state=0), make_arena(N_TEST, random_state=1)


def on_circle(angles):
    """Angles as points: what lies a full turn apart is the same."""
    return np.column_stack([np.cos(angles), np.sin(angles)])


def training(quick):
    """Parameters that all networks share."""
    n_components = {"n_components": N_COMPONENTS, "architecture": NETWORK}
    return n_components | {"max_iter": 10 if quick else 20, "random_state": 0}


def fit_direction_only(train, quick):
    """A code for the direction and nothing else, which a linear head can read."""
    regressor = AutoencoderRegressor(
        reconstruction_weight=0, head_hidden_layer_sizes=(), **training(quick)
    )
    return regressor.fit(train.images, on_circle(train.direction))


def fit_with_time(estimator, images):
    """Return the fitted estimator and the seconds of processor time it took."""
    start = process_time()
    estimator.fit(images)
    return estimator, process_time() - start


def told_by_neighbours(estimator, train, test):
    """R² of direction and of distance, as the nearest neighbours of the held-out codes tell."""
    codes, held_out = estimator.transform(train.images), estimator.transform(test.images)
    truths = {
        "direction": (on_circle(train.direction), on_circle(test.direction)),
        "distance": (train.distance, test.distance),
    }
    return {
        name: KNeighborsRegressor(10, weights="distance").fit(codes, known).score(held_out, true)
        for name, (known, true) in truths.items()
    }


def measure(quick=False):
    """Fit all and yield (what, reached, asked)."""
    train, test = load(quick)
    autoencoder, seconds = fit_with_time(Autoencoder(**training(quick)), train.images)
    noise = reconstruction_error(test.clean, test.images)
    denoised = reconstruction_error(test.clean, autoencoder.reconstruct(test.images))
    yield "error of the denoised images / of the noisy ones", denoised / noise, "< 1"
    told = told_by_neighbours(autoencoder, train, test)
    yield "autoencoder's code, nearest neighbours: R² of direction", told["direction"], "≥ 0.9"
    yield "the same: R² of distance", told["distance"], "≥ 0.9"
    told = told_by_neighbours(fit_direction_only(train, quick), train, test)
    yield "code for direction only: R² of direction", told["direction"], "≥ 0.9"
    yield "the same: R² of distance", told["distance"], "forgotten"
    of_autoencoder = reconstruction_error(test.images, autoencoder.reconstruct(test.images))
    for what, reducer, asked in reducers():
        parameters = training(quick) | {"reducer": reducer}
        hybrid, seconds_of_hybrid = fit_with_time(HybridAutoencoder(**parameters), train.images)
        error = reconstruction_error(test.images, hybrid.reconstruct(test.images))
        ratios = (error / of_autoencoder, seconds_of_hybrid / seconds)
        for ratio, of, limit in zip(ratios, ("error", "time"), asked, strict=True):
            yield f"{what} + trained decoder / autoencoder: {of}", ratio, limit


def reducers():
    """Yield name, reducer, and what is asked of its error and time."""
    yield "PCA(16)", PCA(N_COMPONENTS, random_state=0), ("≤ 1.1", "≤ 0.5")
    yield "PCA(2)", PCA(2, random_state=0), ("", "")
    yield "UMAP(16)", UMAP(n_components=N_COMPONENTS, random_state=0, n_jobs=1), ("", "")
    yield "UMAP(2)", UMAP(n_components=2, random_state=0, n_jobs=1), ("", "")


def to_plane(codes, start="spectral"):
    """UMAP of the codes, from where the points were before if that is given."""
    return UMAP(init=start, random_state=0, n_jobs=1).fit_transform(codes)


def draw(estimators, test):
    """Draw images and what is rebuilt of them, and maps of the codes by both labels."""
    figure = plt.figure(figsize=(13, 12), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[2, 5])
    autoencoder = next(iter(estimators.values()))
    rows = {"denoised": autoencoder.reconstruct(test.images[:12]), "truth": test.clean[:12]}
    ReconstructionDisplay.from_reconstructions(test.images, rows, n_images=12, ax=top.add_subplot())
    axes = bottom.subplots(2, 2)
    for (name, estimator), row in zip(estimators.items(), axes, strict=True):
        plane = to_plane(estimator.transform(test.images))
        for label, ax in zip(LABELS, row, strict=True):
            paint(ax, plane, test, label)
            ax.set(title=f"{name}, by {label}")
    return figure


def paint(ax, plane, test, label):
    """Draw a map with its points coloured by a label."""
    LatentSpaceDisplay.from_codes(plane, test[label], ax=ax, cyclic=label == "direction")
    ax.set(xlabel="", ylabel="")


def animate(train, test, quick):
    """Train epoch by epoch, and let the map of the code follow."""
    parameters = training(quick) | {"learning_rate_init": 5e-4}
    autoencoder, planes = Autoencoder(**parameters), []
    for _ in range(N_FRAMES // 4 if quick else N_FRAMES):
        codes = autoencoder.partial_fit(train.images).transform(test.images)
        planes.append(to_plane(codes, planes[-1] if planes else "spectral"))
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6))

    def show(epoch):
        for label, ax in zip(LABELS, axes, strict=True):
            ax.clear()
            colours = {"c": test[label], "s": 6}
            ax.scatter(*planes[epoch].T, **colours, cmap="twilight" if ax is axes[0] else None)
            ax.set(xticks=[], yticks=[], title=f"by {label}, epoch {epoch + 1}")

    return FuncAnimation(figure, show, frames=len(planes))


def main(argv=None):
    arguments = parse_arguments(argv)
    train, test = load(arguments.quick)
    estimators = {
        "Rebuilds the image": Autoencoder(**training(arguments.quick)).fit(train.images),
        "Tells the direction": fit_direction_only(train, arguments.quick),
    }
    for name, estimator in estimators.items():
        told = told_by_neighbours(estimator, train, test)
        print(f"{name:<20} " + ", ".join(f"R² of {k} {v:.2f}" for k, v in told.items()))
    draw(estimators, test).savefig(arguments.output, dpi=100)
    animation = animate(train, test, arguments.quick)
    animation.save(arguments.animation, writer=PillowWriter(fps=3))
    print(f"The picture is in {arguments.output}, the animation in {arguments.animation}")


if __name__ == "__main__":
    main()
