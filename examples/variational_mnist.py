"""Can a network write digits that nobody wrote?

A variational autoencoder learns what digits look like, and how codes are distributed; codes
drawn at random then become digits. The factor beta says what a code may cost: the larger, the
fewer nats (natural units of information) it carries, and the blurrier what is written. For
three factors a table gives, on images held out, the bound of the log-likelihood, the nats in
the code and the share of variance that is rebuilt. It ends with how sure a classifier trained
on real digits is of drawn ones: codes drawn as the training images have them, and codes drawn
from the standard normal prior, which also fills the space between the digits.

    SKAE_DATA=/where/mnist_10k.npz/is python examples/variational_mnist.py
    python examples/variational_mnist.py --max-iter 5
"""

import argparse
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from skae.datasets import load_mnist
from skae.estimators.variational import VariationalAutoencoder

BETAS = (0.3, 1, 4)
N_DRAWN = 1000


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n-components", type=int, default=16, help="size of the code")
    parser.add_argument("--architecture", choices=["dense", "conv"], default="dense")
    parser.add_argument("--max-iter", type=int, default=20, help="epochs of each fit")
    parser.add_argument("--output", default="variational.png", help="where the picture goes")
    parser.add_argument("--random-state", type=int, default=0, help="seed of all chance")
    return parser.parse_args(argv)


def load():
    """Return images in [0, 1] and digits, split: MNIST where it lies, or else 8×8 digits."""
    if Path(os.environ.get("SKAE_DATA", ""), "mnist_10k.npz").is_file():
        digits, largest, n_train = load_mnist(), 255, 8000
    else:
        digits, largest, n_train = load_digits(), 16, 1400
    images, target = (digits.images / largest).astype("float32"), digits.target
    return images[:n_train], target[:n_train], images[n_train:]


def draw_digits(vae, n_components, random_state):
    """Return digits of codes as training has them, and of codes from the prior."""
    codes = np.random.default_rng(random_state).standard_normal((N_DRAWN, n_components))
    return vae.sample(N_DRAWN, random_state=random_state), vae.inverse_transform(codes)


def confidence(classifier, images):
    """Mean probability of the digit that each image is taken for."""
    return classifier.predict_proba(images.reshape(len(images), -1)).max(axis=1).mean()


def mosaic(images, n_rows=5, n_columns=12):
    """One picture of many."""
    height, width = images.shape[1:]
    tiles = images[: n_rows * n_columns].reshape(n_rows, n_columns, height, width)
    return tiles.transpose(0, 2, 1, 3).reshape(n_rows * height, n_columns * width)


def main(argv=None):
    arguments = parse_arguments(argv)
    train, target, test = load()
    classifier = MLPClassifier((64,), learning_rate_init=0.01, tol=0.01, random_state=0)
    classifier.fit(train.reshape(len(train), -1), target)
    print(f"{len(train)} images of {train.shape[1:]} to train on, {len(test)} to test on")
    print(f"A classifier is {confidence(classifier, test):.1%} sure of those to test on.\n")
    print("  beta    bound  nats in code  variance  sure of drawn  of drawn from prior")
    pictures = {"held out": test}
    for beta in BETAS:
        vae = VariationalAutoencoder(
            arguments.n_components,
            beta=beta,
            architecture=arguments.architecture,
            max_iter=arguments.max_iter,
            random_state=arguments.random_state,
        ).fit(train)
        drawn, of_prior = draw_digits(vae, arguments.n_components, arguments.random_state)
        print(
            f"{beta:6} {vae.score_samples(test).mean():8.1f} {vae.history_[-1]['valid_kl']:13.1f} "
            f"{vae.score(test):9.1%} {confidence(classifier, drawn):14.1%} "
            f"{confidence(classifier, of_prior):20.1%}"
        )
        pictures[f"drawn, beta = {beta}"] = drawn
    figure, axes = plt.subplots(2, 2, figsize=(11, 5.2), layout="constrained")
    for ax, (title, images) in zip(axes.flat, pictures.items(), strict=True):
        ax.imshow(mosaic(images), cmap="gray_r", vmin=0, vmax=1)
        ax.set(title=title, xticks=[], yticks=[])
    figure.savefig(arguments.output, dpi=150)
    print(f"\nThe picture is in {arguments.output}")


if __name__ == "__main__":
    main()
