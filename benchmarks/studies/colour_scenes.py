"""What is a code of colour images good for? Clusters, odd ones, and what lies between two.

The scenes are painted by a few lines of numpy: sea, forest, mountains and houses under some sky, at
128×128 pixels in colour. A deep convolutional network with SELU takes them to 1,024 numbers and
back: five convolutions, max-pooling, global max-pooling and a dense layer; then six convolutions
with up-sampling, straight from the code. At full width it has 2,093,888 and 1,587,011 weights,
which is work for a GPU; here its convolutions are a quarter as wide (``--width 1`` is all of it).
It trains with left-right flips, a learning rate that falls where the loss stalls, and stops early.

Then its code goes on in scikit-learn's Pipelines: t-SNE draws it, and k-means looks for the kinds
of scenes, in codes as they are and in standardised ones. The error of the reconstruction goes to a
linear classifier that is to tell scenes that lie on their side. PCA with a code of the same size
stands beside it in everything.

This network is reported with a test error of 0.015 after 50 epochs on 14,000 photographs.

    python -m benchmarks.studies.colour_scenes
    python -m benchmarks.studies.colour_scenes --quick
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder
from skae.architectures import Conv, DataShape
from skae.metrics import reconstruction_error
from skae.plotting import ReconstructionDisplay

SIDE = 128
IMAGE_SHAPE = (SIDE, SIDE, 3)
N_COMPONENTS, N_FEATURES = 1024, SIDE * SIDE * 3
# Numbers of scenes to train on and to test on, share of the filters, and epochs.
FULL, QUICK = (1200, 300, 0.25, 10), (100, 60, 0.125, 3)


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer images, epochs and filters")
    parser.add_argument("--width", type=float, help="share of the network's filters")
    parser.add_argument("--output", default="colour_scenes.png", help="where the picture goes")
    parser.add_argument("--random-state", type=int, default=0, help="seed of all chance")
    return parser.parse_args(argv)


# -- scenes --------------------------------------------------------------------------------

# Rows (SIDE, 1) from the top and columns (1, SIDE) from the left, from 0 to 1.
Y, X = np.ogrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]


def make_scenes(n_scenes, rng):
    """Return rows of pixels in [0, 1], float32, and which kind of scene each is."""
    kinds = rng.integers(len(KINDS), size=n_scenes)
    painters = list(KINDS.values())
    scenes = np.empty((n_scenes, *IMAGE_SHAPE), np.float32)
    for scene, kind in zip(scenes, kinds, strict=True):
        paint_sky(scene, rng)
        painters[kind](scene, rng)
    return np.clip(scenes, 0, 1, out=scenes).reshape(n_scenes, -1), kinds


def paint(scene, mask, colour):
    """Paint a colour (3,), or one a pixel, where the mask is one."""
    scene += np.broadcast_to(mask, (SIDE, SIDE))[..., None] * (colour - scene)


def shade(rng, *colour, spread=0.12):
    """Return a colour near the one given."""
    return np.asarray(colour) + rng.uniform(-spread, spread, 3)


def paint_sky(scene, rng):
    """A gradient from blue, grey or red above to a pale horizon."""
    above = [(0.2, 0.4, 0.8), (0.5, 0.5, 0.55), (0.8, 0.4, 0.3)][rng.integers(3)]
    above, below = shade(rng, *above), shade(rng, 0.85, 0.8, 0.75)
    scene[:] = above + Y[..., None] * (below - above)


def paint_sea(scene, rng):
    """Waves that shrink towards the horizon, and a sun above it."""
    horizon = rng.uniform(0.4, 0.65)
    place = np.hypot(X - rng.uniform(0.1, 0.9), Y - horizon + rng.uniform(0, 0.25))
    paint(scene, place < rng.uniform(0.05, 0.12), shade(rng, 1, 0.85, 0.5))
    depth = np.maximum(Y - horizon, 0.01)
    waves = np.sin(rng.uniform(2, 4) / depth + rng.uniform(4, 10) * X + rng.uniform(0, 6))
    water = shade(rng, 0.1, 0.35, 0.5) + 0.12 * np.clip(8 * depth * waves, -1, 1)[..., None]
    paint(scene, horizon < Y, water)


def paint_forest(scene, rng):
    """Trunks and round crowns, the nearer the lower."""
    paint(scene, Y > 0.6, shade(rng, 0.25, 0.35, 0.1))
    for foot in np.sort(rng.uniform(0.62, 0.95, rng.integers(5, 12))):
        centre, height = rng.uniform(0, 1), rng.uniform(0.5, 0.8) * foot
        trunk = (abs(X - centre) < 0.03 * foot) & (foot > Y) & (foot - height < Y)
        paint(scene, trunk, shade(rng, 0.3, 0.2, 0.1, spread=0.06))
        crown = np.hypot(X - centre, Y - foot + height) < rng.uniform(0.12, 0.25) * foot
        paint(scene, crown, shade(rng, 0.15, 0.4, 0.12))


def paint_mountains(scene, rng):
    """Ridges one before the other, with snow on top."""
    for peak in np.sort(rng.uniform(0.15, 0.7, rng.integers(2, 5))):
        below = Y - peak - rng.uniform(0.5, 1.4) * abs(X - rng.uniform(0, 1))
        paint(scene, below > 0, shade(rng, 0.35, 0.32, 0.35))
        paint(scene, (below > 0) & (below < 0.4 - peak), shade(rng, 0.95, 0.95, 0.98, spread=0.04))


def paint_houses(scene, rng):
    """Blocks with rows of windows."""
    for roof in np.sort(rng.uniform(0.2, 0.75, rng.integers(3, 7))):
        left, width = rng.uniform(-0.1, 0.9), rng.uniform(0.15, 0.35)
        block = (roof < Y) & (left < X) & (left + width > X)
        paint(scene, block, shade(rng, 0.55, 0.45, 0.4, spread=0.2))
        rate = rng.uniform(12, 20)
        window = ((Y - roof) * rate % 1 > 0.5) & ((X - left) * rate % 1 > 0.5)
        paint(scene, block & window, shade(rng, 0.9, 0.85, 0.5))


KINDS = {
    "sea": paint_sea,
    "forest": paint_forest,
    "mountains": paint_mountains,
    "houses": paint_houses,
}


# -- network -------------------------------------------------------------------------------


def make_architecture(width=1):
    """The network; at width 1 it is that of the report."""

    def channels(*full):
        return tuple(max(1, round(width * number)) for number in full)

    return Conv(
        channels(32, 64, 128, 256, 512),
        stride=(2, 2, 2, 2, 1),
        activation="selu",
        downsampling="max_pool",
        upsampling="nearest",
        pooling="global_max",
        bottleneck="encoder",
        decoder_channels=channels(512, 256, 128, 64, 32),
        decoder_stride=(2, 2, 2, 1, 1),
        weight_init="lecun_normal",
        linear_skip=False,
    )


def count_weights(width=1):
    """Return the number of weights of encoder and decoder."""
    form, shape = make_architecture(width), DataShape(N_FEATURES, IMAGE_SHAPE)
    sides = form.build_encoder(shape, N_COMPONENTS), form.build_decoder(shape, N_COMPONENTS)
    return [sum(weight.numel() for weight in side.parameters()) for side in sides]


def flip_half(images):
    """Flip half of a batch (n, channels, height, width) left to right."""
    chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(chosen, images.flip(-1), images)


def fit_reducers(train, width, max_iter, random_state, verbose=0):
    """Return PCA and the autoencoder, fitted, with codes of one size."""
    autoencoder = Autoencoder(
        N_COMPONENTS,
        architecture=make_architecture(width),
        image_shape=IMAGE_SHAPE,
        augment=flip_half,
        optimizer="adam",
        learning_rate_init=0.001,
        learning_rate="adaptive",
        alpha=0,
        batch_size=16,
        max_iter=max_iter,
        early_stopping=True,
        n_iter_no_change=6,
        verbose=verbose,
        random_state=random_state,
    )
    pca = PCA(min(N_COMPONENTS, len(train)), random_state=random_state)
    return {"PCA": pca.fit(train), "autoencoder": autoencoder.fit(train)}


# -- what the codes are good for -----------------------------------------------------------


def reconstruct(reducer, scenes):
    return reducer.inverse_transform(reducer.transform(scenes))


def find_kinds(reducer, scenes, kinds, random_state, *scaler):
    """Return how well clusters of the codes agree with the kinds: 1 wholly, 0 by chance."""
    clusters = KMeans(len(KINDS), n_init=10, random_state=random_state)
    pipeline = make_pipeline(FrozenEstimator(reducer), *scaler, clusters)
    return adjusted_rand_score(kinds, pipeline.fit_predict(scenes))


def find_sideways(reducer, scenes):
    """Return how often a linear classifier of the error tells scenes that lie on their side."""
    sideways = scenes.reshape(-1, *IMAGE_SHAPE).swapaxes(1, 2).reshape(scenes.shape)
    both = np.concatenate([scenes, sideways])
    errors = np.mean((both - reconstruct(reducer, both)) ** 2, axis=1)
    lies = np.repeat([0, 1], len(scenes))
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    return cross_val_score(classifier, np.log(errors)[:, None], lies).mean()


def judge(reducer, train, kinds_of_train, test, random_state):
    """Return the figures of a reducer by name."""
    return {
        "mean squared error": reconstruction_error(test, reconstruct(reducer, test)),
        "clusters are kinds": find_kinds(reducer, train, kinds_of_train, random_state),
        "so they are, scaled": find_kinds(
            reducer, train, kinds_of_train, random_state, StandardScaler()
        ),
        "sideways told": find_sideways(reducer, test),
    }


def map_of_codes(reducer, scenes, random_state):
    """Return the places of scenes on a map of their codes."""
    tsne = TSNE(2, perplexity=min(30, len(scenes) // 4), random_state=random_state)
    return make_pipeline(FrozenEstimator(reducer), tsne).fit_transform(scenes)


def draw(reducers, scenes, kinds, random_state):
    """Draw reconstructions, what lies between two scenes, and the map."""
    figure = plt.figure(figsize=(12, 9), layout="constrained")
    axes = figure.subplot_mosaic([["rebuilt"] * 2, ["between", "map"]], height_ratios=[3, 4])
    show = ReconstructionDisplay.from_reconstructions
    rebuilt = {name: reconstruct(reducer, scenes[:10]) for name, reducer in reducers.items()}
    show(scenes[:10], rebuilt, image_shape=IMAGE_SHAPE, ax=axes["rebuilt"])
    first, second = scenes[:6], scenes[6:12]
    between = {"the other": second}
    for name, reducer in reducers.items():
        average = (reducer.transform(first) + reducer.transform(second)) / 2
        between[f"average, {name}"] = reducer.inverse_transform(average)
    show(first, between, image_shape=IMAGE_SHAPE, ax=axes["between"])
    axes["between"].set_title("Averages of two codes, decoded")
    places = map_of_codes(reducers["autoencoder"], scenes, random_state)
    for kind, name in enumerate(KINDS):
        axes["map"].scatter(*places[kinds == kind].T, s=12, label=name)
    axes["map"].set(title="t-SNE of the autoencoder's codes", xticks=[], yticks=[])
    axes["map"].legend()
    return figure


def measure(quick=False):
    """Yield what, reached and asked of PCA and the autoencoder."""
    n_train, n_test, width, max_iter = QUICK if quick else FULL
    of_encoder, of_decoder = count_weights()
    yield "weights of the full encoder", of_encoder, "2093888"
    yield "weights of the full decoder", of_decoder, "1587011"
    rng = np.random.default_rng(0)
    (train, kinds), (test, _) = make_scenes(n_train, rng), make_scenes(n_test, rng)
    for name, reducer in fit_reducers(train, width, max_iter, random_state=0).items():
        for what, reached in judge(reducer, train, kinds, test, random_state=0).items():
            yield f"made scenes: {what}, {name}", reached, ""


def main(argv=None):
    arguments = parse_arguments(argv)
    seed = arguments.random_state
    n_train, n_test, width, max_iter = QUICK if arguments.quick else FULL
    width = arguments.width or width
    for share in dict.fromkeys((1, width)):
        print(
            "weights of encoder and decoder at width {}: {:,} and {:,}".format(
                share, *count_weights(share)
            )
        )
    rng = np.random.default_rng(seed)
    (train, kinds), (test, kinds_of_test) = make_scenes(n_train, rng), make_scenes(n_test, rng)
    reducers = fit_reducers(train, width, max_iter, seed, verbose=1)
    for name, reducer in reducers.items():
        print(f"\n{name}")
        for what, reached in judge(reducer, train, kinds, test, seed).items():
            print(f"  {what:<20} {reached:.4f}")
    draw(reducers, test, kinds_of_test, seed).savefig(arguments.output, dpi=100)
    print(f"\nThe picture is in {arguments.output}")


if __name__ == "__main__":
    main()
