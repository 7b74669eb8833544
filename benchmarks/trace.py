"""Files and moves of a fit until its loop begins, as whoever reads the code follows them.

A file is crossed where a function of it is called. A move is made where a function is called
after one of another file, in the order of the calls: from `base.py` to `data.py` and on to
`losses.py` is two moves. Only files of the package count (skae's, or scikit-learn's for
`MLPRegressor`), comprehensions do not, and counting ends where the loop over epochs begins: all
before it is what a fit does to its input, its parameters, its network and its optimizer.

    python -m benchmarks trace            # the figures
    python -m benchmarks.trace            # every call, in order
"""

import sys
import warnings
from itertools import pairwise
from pathlib import Path

import sklearn
from sklearn.datasets import load_wine
from sklearn.neural_network import MLPRegressor

import skae
from skae import Autoencoder

# The package, and the function whose call ends the counting: skorch's and scikit-learn's own
# names, so that skae's may change.
SKAE = (skae, "on_train_begin")
SKLEARN = (sklearn, "_fit_stochastic")


def measure():
    """Trace a fit of each and return rows of (what, value, bound)."""
    mine, peer = fits()
    return [
        ("Autoencoder().fit(X): files of skae before the loop", len(set(files(mine))), "≤ 14"),
        ("the same: moves between them", moves(mine), "≤ 60"),
        (
            "MLPRegressor().fit(X, X): files of scikit-learn before the loop",
            len(set(files(peer))),
            "",
        ),
        ("the same: moves between them", moves(peer), ""),
    ]


def fits():
    """Return the calls of a fit of an Autoencoder and of one of an MLPRegressor."""
    X = load_wine().data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (
            calls(lambda: Autoencoder(max_iter=1, random_state=0).fit(X), *SKAE),
            calls(lambda: MLPRegressor(max_iter=1, random_state=0).fit(X, X), *SKLEARN),
        )


def calls(run, package, last):
    """List the calls of functions of a package, as (file, function), until one named ``last``."""
    root = Path(package.__file__).parent
    made = []
    # Work of a first call only, such as filling a cache, does not count.
    run()

    def note(frame, event, _):
        code = frame.f_code
        if event != "call":
            return
        if code.co_name == last:
            sys.setprofile(None)
        elif Path(code.co_filename).is_relative_to(root) and not code.co_name.startswith("<"):
            made.append((str(Path(code.co_filename).relative_to(root)), code.co_qualname))

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return made


def files(made):
    """List the file of each call."""
    return [file for file, _ in made]


def moves(made):
    """Count the calls whose file is not that of the call before."""
    return sum(before != after for before, after in pairwise(files(made)))


def main():
    """Print the calls of a fit of an Autoencoder, those in the same file side by side."""
    current = None
    for file, function in fits()[0]:
        print(f"\n{file}: {function}" if file != current else f", {function}", end="")
        current = file
    print()


if __name__ == "__main__":
    main()
