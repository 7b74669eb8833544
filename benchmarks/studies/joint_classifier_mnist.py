"""How much reconstruction does a classifier of digits afford, and how large a code?

One encoder, a decoder and a head are trained together: the code is to rebuild the image and to
tell the digit. With weight zero on the reconstruction this is a plain convolutional classifier;
with all the weight on it, an autoencoder that knows no digits. In between, the two compete for
the few numbers of the code. Two sweeps show how: over the size of the code with balanced losses,
and over the weight for a code of five. A table gives accuracy and squared error on held-out
images, a picture draws them.

    SKAE_DATA=/where/mnist_10k.npz/is python -m benchmarks.studies.joint_classifier_mnist
    python -m benchmarks.studies.joint_classifier_mnist --quick
"""

import argparse

import matplotlib.pyplot as plt

from skae import AutoencoderClassifier
from skae.architectures import Conv

from ._data import handwritten_digits

SIZES = range(3, 11)
WEIGHTS = (0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
N_COMPONENTS = 5


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer settings and images")
    parser.add_argument("--output", default="joint.png", help="where the picture goes")
    parser.add_argument("--random-state", type=int, default=0, help="seed of all chance")
    return parser.parse_args(argv)


def evaluate(data, n_components, weight, random_state=0):
    """Return held-out accuracy and mean squared error of one setting."""
    X_train, y_train, X_test, y_test = data
    classifier = AutoencoderClassifier(
        n_components,
        reconstruction_weight=weight,
        architecture=Conv((16, 32), activation="relu", downsampling="max_pool"),
        max_iter=12,
        batch_size=min(128, len(X_train) // 40),
        random_state=random_state,
    ).fit(X_train, y_train)
    return classifier.score(X_test, y_test), -classifier.score_samples(X_test).mean()


def sweep(data, settings, random_state):
    """Print and return accuracy and error for each pair of components and weight."""
    results = []
    for n_components, weight in settings:
        accuracy, error = evaluate(data, n_components, weight, random_state)
        print(f"{n_components:10d} {weight!s:>9} {accuracy:9.1%} {error:9.4f}")
        results.append((accuracy, error))
    return results


def measure(quick=False):
    """Yield what, reached and asked for a code of five, balanced and without reconstruction."""
    name, *data = handwritten_digits(1000 if quick else None)
    asked = name == "MNIST" and not quick
    for what, weight, least in (("balanced", "balanced", 0.92), ("weight 0", 0, 0.97)):
        accuracy, error = evaluate(data, N_COMPONENTS, weight)
        yield f"{name}: accuracy, code of 5, {what}", accuracy, f"≥ {least}" if asked else ""
        if weight:
            yield f"{name}: its mean squared error", error, ""


def draw(ax, settings, results, label):
    """Accuracy on the left axis, squared error on the right one."""
    accuracies, errors = zip(*results, strict=True)
    places = range(len(settings))
    right = ax.twinx()
    ax.plot(places, accuracies, "o-", color="tab:blue")
    right.plot(places, errors, "s--", color="tab:orange")
    right.set_yscale("log")
    ax.set_xticks(places, [str(setting) for setting in settings])
    ax.set_xlabel(label)
    ax.set_ylabel("accuracy", color="tab:blue")
    right.set_ylabel("mean squared error", color="tab:orange")


def main(argv=None):
    arguments = parse_arguments(argv)
    name, *data = handwritten_digits(1000 if arguments.quick else None)
    sizes, weights = (SIZES[::3], WEIGHTS[::3]) if arguments.quick else (SIZES, WEIGHTS)
    print(f"{name}: {len(data[0])} images to train on, {len(data[2])} to test on\n")
    print("components    weight  accuracy     error")
    seed = arguments.random_state
    by_size = sweep(data, [(size, "balanced") for size in sizes], seed)
    by_weight = sweep(data, [(N_COMPONENTS, weight) for weight in weights], seed)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    draw(left, sizes, by_size, "components, balanced losses")
    draw(right, weights, by_weight, f"weight of the reconstruction, {N_COMPONENTS} components")
    figure.savefig(arguments.output, dpi=150)
    print(f"\nThe picture is in {arguments.output}")


if __name__ == "__main__":
    main()
