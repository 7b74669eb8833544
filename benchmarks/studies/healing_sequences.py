"""What comes next? A digit turns step by step, and a white square appears and goes.

The speed and the sense of the turning differ from sequence to sequence, so that one frame does
not tell the next, but two do. Three predictors are asked for the last frame of sequences of
digits that they have never seen: repeating the frame before, a linear regression on the two
frames before, and a convolutional encoder and decoder with an LSTM between them. A second line
tells how the error falls with the number of frames that are shown: after the first nobody knows
which way the digit turns. The picture shows what the network makes of the rest of a sequence
when the frames end half-way. What nobody can foresee is when the square comes.

    SKAE_DATA=/where/mnist_10k.npz/is python -m benchmarks.studies.healing_sequences
    python -m benchmarks.studies.healing_sequences --max-iter 5
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import Ridge

from skae import SequencePredictor
from skae.architectures import Conv
from skae.datasets import make_healing_sequences
from skae.metrics import reconstruction_error

from ._data import handwritten_digits

N_TIMESTEPS, N_TEST, N_SHOWN, N_DRAWN = 8, 500, 4, 5


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n-train", type=int, default=3000, help="sequences to train on, at most")
    parser.add_argument("--n-components", type=int, default=128, help="size of the code")
    parser.add_argument("--cell", choices=["lstm", "gru"], default="lstm")
    parser.add_argument("--max-iter", type=int, default=10, help="epochs")
    parser.add_argument("--growing", action="store_true", help="squares grow and shrink")
    parser.add_argument("--output", default="healing_sequences.png", help="the picture")
    parser.add_argument("--random-state", type=int, default=0, help="seed of all chance")
    return parser.parse_args(argv)


def load(n_train, growing=False, random_state=0):
    """Return the data's name, and sequences of training and of held-out digits."""
    name, train, _, test, _ = handwritten_digits(n_train)
    images = np.concatenate([train, test[:N_TEST]])
    sequences = make_healing_sequences(
        images,
        N_TIMESTEPS,
        square_size=5 if name == "MNIST" else 2,
        growing=growing,
        random_state=random_state,
    )
    return name, sequences[: len(train)], sequences[len(train) :]


def fit_predictor(sequences, n_components=128, cell="lstm", max_iter=10, **parameters):
    """Fit the network."""
    return SequencePredictor(
        n_components,
        cell=cell,
        architecture=Conv((8, 16, 32), activation="relu"),
        max_iter=max_iter,
        **parameters,
    ).fit(sequences)


def fit_linear_autoregression(sequences):
    """Fit a regression of a frame on the two before it, on all frames of the sequences."""
    windows = np.lib.stride_tricks.sliding_window_view(sequences, 3, axis=1)
    windows = np.moveaxis(windows, -1, 2).reshape(-1, 3, sequences[0, 0].size)
    before, after = windows[:, :2].reshape(len(windows), -1), windows[:, 2]
    return Ridge(alpha=10).fit(before, after)


def errors(predictor, train, test):
    """Squared error of the last frame, for each way to predict it."""
    linear = fit_linear_autoregression(train)
    last = test[:, -1]
    predictions = {
        "repeat the last frame": test[:, -2],
        "linear, of two frames": linear.predict(test[:, -3:-1].reshape(len(test), -1)),
        "SequencePredictor": predictor.predict(test[:, :-1]),
    }
    return {
        name: reconstruction_error(last, predicted.reshape(last.shape))
        for name, predicted in predictions.items()
    }


def tell_errors(predictor, train, test):
    """Print the squared error of each way to predict the last frame, and of fewer frames."""
    of_ways = errors(predictor, train, test)
    repetition = of_ways["repeat the last frame"]
    print("\nmean squared error of the last frame, and its ratio to that of repetition")
    for name, error in of_ways.items():
        print(f"  {name:<22} {error:.4f}  {error / repetition:.3f}")
    print("\nratio for the frame after the first so many")
    for n_shown in range(1, N_TIMESTEPS):
        ratio = 1 - predictor.score(test[:, : n_shown + 1], baseline="last")
        print(f"  {n_shown}: {ratio:.3f}", end="")
    print()


def measure(quick=False):
    """Yield what, reached and asked of the error of the last frame."""
    name, train, test = load(1000 if quick else 3000)
    predictor = fit_predictor(train, max_iter=3 if quick else 10, random_state=0)
    repeated, linear, predicted = errors(predictor, train, test).values()
    asked = name == "MNIST" and not quick
    error = f"{name}: error of the next frame"
    yield f"{error} / repetition", predicted / repeated, "≤ 0.5" if asked else ""
    yield f"{error} / linear autoregression", predicted / linear, "< 1" if asked else ""


def draw(predictor, sequences):
    """Draw sequences, and below each what is predicted from its first frames."""
    shown = sequences[:N_DRAWN, :N_SHOWN]
    forecast = predictor.forecast(shown, N_TIMESTEPS - N_SHOWN)
    guesses = np.concatenate([np.full_like(shown, np.nan), forecast], axis=1)
    rows = np.stack([sequences[:N_DRAWN], guesses], axis=1).reshape(-1, *sequences.shape[1:])
    figure, axes = plt.subplots(
        *rows.shape[:2], figsize=(N_TIMESTEPS, 2 * N_DRAWN), layout="constrained"
    )
    for image, ax in zip(rows.reshape(-1, *rows.shape[2:]), axes.flat, strict=True):
        ax.imshow(image, cmap="gray", vmin=0, vmax=1)
        ax.axis("off")
    figure.suptitle("Sequences, and below each the forecast from its first four frames")
    return figure


def main(argv=None):
    arguments = parse_arguments(argv)
    name, train, test = load(arguments.n_train, arguments.growing, arguments.random_state)
    print(f"{name}: {len(train)} sequences of {N_TIMESTEPS} frames to train on")
    predictor = fit_predictor(
        train,
        arguments.n_components,
        arguments.cell,
        arguments.max_iter,
        verbose=1,
        random_state=arguments.random_state,
    )
    tell_errors(predictor, train, test)
    draw(predictor, test).savefig(arguments.output, dpi=100)
    print(f"\nThe picture is in {arguments.output}")


if __name__ == "__main__":
    main()
