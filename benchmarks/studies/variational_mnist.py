"""Can a network write digits that nobody wrote?

A variational autoencoder learns what digits look like, and how codes are distributed; codes
drawn at random then become digits. The factor beta says what a code may cost: the larger, the
fewer nats (natural units of information) it carries, and the blurrier what is written. For
three factors a table gives, on images held out, the bound of the log-likelihood, the nats in
the code and the share of variance that is rebuilt. It ends with how sure a classifier trained
on real digits is of drawn ones: codes drawn as the training images have them, and codes drawn
from the standard normal prior, which also fills the space between the digits.

    SKAE_DATA=/where/mnist_10k.npz/is python -m benchmarks.studies.variational_mnist
    python -m benchmarks.studies.variational_mnist --max-iter 5
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neural_network import MLPClassifier

from skae import VariationalAutoencoder

from ._data import handwritten_digits

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


def fit_classifier(images, digits):
    """Fit the judge of what is drawn, on written digits."""
    classifier = MLPClassifier((64,), learning_rate_init=0.01, tol=0.01, random_state=0)
    return classifier.fit(images.reshape(len(images), -1), digits)


def draw_digits(vae, random_state):
    """Return digits of codes as training has them, and of codes from the prior."""
    codes = np.random.default_rng(random_state).standard_normal((N_DRAWN, vae.n_components_))
    return vae.sample(N_DRAWN, random_state=random_state), vae.inverse_transform(codes)


def confidence(classifier, images):
    """Mean probability of the digit that each image is taken for."""
    return classifier.predict_proba(images.reshape(len(images), -1)).max(axis=1).mean()


def judge(vae, test, classifier, random_state=0):
    """Return the table's figures by name, and images drawn."""
    drawn, of_prior = draw_digits(vae, random_state)
    figures = {
        "bound": vae.score_samples(test).mean(),
        "nats in code": vae.history_[-1]["valid_kl"],
        "variance": vae.score(test),
        "sure of drawn": confidence(classifier, drawn),
        "of drawn from prior": confidence(classifier, of_prior),
    }
    return figures, drawn


def measure(quick=False):
    """Yield what, reached and asked of one autoencoder with beta = 1."""
    name, train, target, test, _ = handwritten_digits(2000 if quick else None)
    classifier = fit_classifier(train, target)
    vae = VariationalAutoencoder(16, max_iter=6 if quick else 20, random_state=0).fit(train)
    figures, _ = judge(vae, test, classifier)
    yield f"{name}: bound of the held-out log-likelihood, nats", figures["bound"], ""
    yield f"{name}: divergence (KL), nats in a code", figures["nats in code"], "> 1"
    yield f"{name}: a classifier's certainty of written digits", confidence(classifier, test), ""
    yield f"{name}: its certainty of drawn digits", figures["sure of drawn"], ""


def mosaic(images, n_rows=5, n_columns=12):
    """One picture of many."""
    height, width = images.shape[1:]
    tiles = images[: n_rows * n_columns].reshape(n_rows, n_columns, height, width)
    return tiles.transpose(0, 2, 1, 3).reshape(n_rows * height, n_columns * width)


def main(argv=None):
    arguments = parse_arguments(argv)
    name, train, target, test, _ = handwritten_digits()
    classifier = fit_classifier(train, target)
    print(f"{name}: {len(train)} images to train on, {len(test)} to test on")
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
        figures, drawn = judge(vae, test, classifier, arguments.random_state)
        pictures[f"drawn, beta = {beta}"] = drawn
        print("{:6} {:8.1f} {:13.1f} {:9.1%} {:14.1%} {:20.1%}".format(beta, *figures.values()))
    figure, axes = plt.subplots(2, 2, figsize=(11, 5.2), layout="constrained")
    for ax, (title, images) in zip(axes.flat, pictures.items(), strict=True):
        ax.imshow(mosaic(images), cmap="gray_r", vmin=0, vmax=1)
        ax.set(title=title, xticks=[], yticks=[])
    figure.savefig(arguments.output, dpi=150)
    print(f"\nThe picture is in {arguments.output}")


if __name__ == "__main__":
    main()
