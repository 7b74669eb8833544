"""Does a learned reduction serve images better than PCA?

PCA is the best linear code: no other projection of the same size rebuilds images with a
smaller squared error. UMAP keeps neighbours together and gives up rebuilding. An autoencoder
bends the code to the data, and rebuilds from it. Which of them is worth its price depends on
the images and on what the code is for. So all are fitted on the same three quarters of the
images, and the rest is asked: how much of the variance is rebuilt, are neighbours still
neighbours, and can the class be told from the code? A table answers in numbers, and a report, one
page for the browser, shows the images, their reconstructions and the codes.

    python -m benchmarks.studies.compare_reducers --data digits --n-components 16 --report demo.html
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import resample

from skae import compare
from skae.datasets import load_fashion_mnist, load_mnist

LOADERS = {"digits": load_digits, "mnist": load_mnist, "fashion": load_fashion_mnist}


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data",
        choices=LOADERS,
        default="digits",
        help="digits (8×8, part of scikit-learn), mnist or fashion (28×28, from the folder "
        "that SKAE_DATA names, or else downloaded)",
    )
    parser.add_argument("--n-samples", type=int, default=4000, help="number of images at most")
    parser.add_argument("--n-components", type=int, default=16, help="size of the code")
    parser.add_argument("--report", default="demo.html", help="where the report goes")
    parser.add_argument("--random-state", type=int, default=0, help="seed of all chance")
    return parser.parse_args(argv)


def load(name, n_samples, random_state):
    """Return images and names of their classes, a random part if more than `n_samples`."""
    data = LOADERS[name]()
    return resample(
        data.images,
        np.asarray(data.target_names)[data.target],
        replace=False,
        n_samples=min(n_samples, len(data.images)),
        random_state=random_state,
    )


def main(argv=None):
    arguments = parse_arguments(argv)
    images, classes = load(arguments.data, arguments.n_samples, arguments.random_state)
    print(f"{len(images)} images of shape {images.shape[1:]}, codes of {arguments.n_components}\n")
    comparison = compare(
        images,
        classes,
        n_components=arguments.n_components,
        random_state=arguments.random_state,
        verbose=1,
    )
    print(f"\n{comparison}\n")
    comparison.to_html(arguments.report)
    # An address that terminals make a link of.
    print(f"The report: {Path(arguments.report).resolve().as_uri()}")


if __name__ == "__main__":
    main()
