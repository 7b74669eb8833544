"""Which loss rebuilds what is rare? A white square lies in the corner of some digits.

A convolutional autoencoder has five numbers for a digit of 28×28 pixels. First for the digits
alone: how large is the error, and how well does a small classifier read the digit from the code?
Then a share of them gets a square of 5×5 in the corner, and squared error, absolute error,
cross-entropy and structural similarity are each minimised by the same network. All are asked the
same: how large is the squared error where the square lies, and how large elsewhere? The square
lies in half of the images, in one of ten, is of random size, or beside digits that are turned.
Two rows more: the same network with the linear path that skae adds by default, which starts at
PCA; and one that heals, which is shown the square and is to rebuild the digit without it. Its
errors are those to the digit.

    SKAE_DATA=/where/mnist_10k.npz/is python -m benchmarks.studies.healing_images
    python -m benchmarks.studies.healing_images --quick
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder
from skae.architectures import Conv
from skae.datasets import make_healing_images
from skae.metrics import reconstruction_error
from skae.plotting import ReconstructionDisplay

from ._data import handwritten_digits

SETTINGS = {
    "square in half": {"rotated": 0},
    "in one of ten": {"rotated": 0, "square": 0.1},
    "of random size": {"rotated": 0, "square_size": "random"},
    "beside turned digits": {"rotated": 0.5},
}
MODELS = {
    "mse": {"loss": "mse"},
    "l1": {"loss": "l1"},
    "bce": {"loss": "bce"},
    "ssim": {"loss": "ssim"},
    "mse, linear path": {"linear_skip": True},
    "mse, healing": {"heals": True},
}
N_COMPONENTS, N_DRAWN = 5, 5


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer images and epochs")
    parser.add_argument("--output", default="healing_images.png", help="where the picture goes")
    parser.add_argument("--random-state", type=int, default=0, help="seed of all chance")
    return parser.parse_args(argv)


def make_autoencoder(side, max_iter, random_state, loss="mse", linear_skip=False):
    """Three convolutions, a batch norm after the second, two dense layers, and back."""
    channels = (8, 16, 32) if side > 8 else (8, 16)
    form = Conv(
        channels,
        activation="relu",
        normalization=tuple("batch" if stage == 1 else None for stage in range(len(channels))),
        hidden_layer_sizes=(128,),
        linear_skip=linear_skip,
    )
    return Autoencoder(
        N_COMPONENTS,
        architecture=form,
        loss=loss,
        max_iter=max_iter,
        random_state=random_state,
    )


def judge_plain(data, max_iter, random_state):
    """Return the held-out error on digits alone, and the accuracy of a classifier of codes."""
    train, y_train, test, y_test = data
    autoencoder = make_autoencoder(train.shape[1], max_iter, random_state).fit(train)
    classifier = make_pipeline(
        StandardScaler(), MLPClassifier((64,), early_stopping=True, random_state=random_state)
    )
    classifier.fit(autoencoder.transform(train), y_train)
    error = reconstruction_error(test, autoencoder.reconstruct(test))
    return error, classifier.score(autoencoder.transform(test), y_test)


def add_squares(images, random_state, **setting):
    """Return the digits with squares in a share of them, and the same digits without."""
    setting = {"square_size": 5 if images.shape[1] > 8 else 2, **setting}
    bare = make_healing_images(images, **{**setting, "square": 0}, random_state=random_state)
    return make_healing_images(images, **setting, random_state=random_state), bare


def compare_losses(data, setting, max_iter, random_state):
    """Yield model, error where squares lie, error elsewhere, and what it makes of the images."""
    train, _, test, _ = data
    X, X_bare = add_squares(train, random_state, **setting)
    shown, bare = add_squares(test, random_state + 1, **setting)
    covered = shown != bare
    for model, parameters in MODELS.items():
        parameters = dict(parameters)
        heals = parameters.pop("heals", False)
        autoencoder = make_autoencoder(X.shape[1], max_iter, random_state, **parameters)
        autoencoder.fit(X, X_target=X_bare if heals else None)
        rebuilt = autoencoder.reconstruct(shown)
        errors = (rebuilt - (bare if heals else shown)) ** 2
        yield model, errors[covered].mean(), errors[~covered].mean(), rebuilt


def measure(quick=False):
    """Yield what, reached and asked of the digits alone, and of the rarest square."""
    name, *data = handwritten_digits(1000 if quick else None)
    asked = name == "MNIST" and not quick
    error, accuracy = judge_plain(data, 6 if quick else 60, random_state=0)
    yield f"{name}: mean squared error, code of 5", error, "about 0.02" if asked else ""
    yield f"{name}: accuracy of an MLP on this code", accuracy, "about 0.92" if asked else ""
    for setting in list(SETTINGS)[:2]:
        results = compare_losses(data, SETTINGS[setting], 4 if quick else 15, random_state=0)
        for model, in_square, *_ in results:
            yield f"{name}: {setting}, squared error there, {model}", in_square, ""


def draw(ax, shown, rebuilt, title):
    """Draw digits with a square and others, and below them what each model makes of them."""
    has_square = shown[:, 0, 0] == 1
    chosen = [*np.flatnonzero(has_square)[:N_DRAWN], *np.flatnonzero(~has_square)[:N_DRAWN]]
    rebuilt = {model: images[chosen] for model, images in rebuilt.items()}
    ReconstructionDisplay.from_reconstructions(shown[chosen], rebuilt, ax=ax)
    ax.set_title(title)


def main(argv=None):
    arguments = parse_arguments(argv)
    quick, seed = arguments.quick, arguments.random_state
    name, *data = handwritten_digits(1000 if quick else None)
    print(f"{name}: {len(data[0])} images to train on, {len(data[2])} to test on")
    error, accuracy = judge_plain(data, 6 if quick else 60, seed)
    print(f"Digits alone: mean squared error {error:.4f}, accuracy of an MLP {accuracy:.1%}")
    figure, axes = plt.subplots(2, 2, figsize=(13, 8), layout="constrained")
    for (title, setting), ax in zip(SETTINGS.items(), axes.flat, strict=True):
        print(f"\n{title:<22} error in squares  elsewhere")
        rebuilt = {}
        results = compare_losses(data, setting, 4 if quick else 15, seed)
        for model, inside, outside, images in results:
            print(f"  {model:<20} {inside:16.4f} {outside:10.4f}", flush=True)
            rebuilt[model] = images
        draw(ax, add_squares(data[2], seed + 1, **setting)[0], rebuilt, title)
    figure.savefig(arguments.output, dpi=100)
    print(f"\nThe picture is in {arguments.output}")


if __name__ == "__main__":
    main()
