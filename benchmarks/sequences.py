"""Codes of whole sequences beside PCA of flattened ones: errors, classes, and noise removed.

Small sets of the UCR archive come with aeon (``pip install aeon``), where it is installed; MNIST is
looked for in SKAE_DATA. Both halves of a set are mixed and divided anew.
"""

import numpy as np
from scipy.signal import savgol_filter, wiener
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import SequenceAutoencoder
from skae.datasets import load_mnist
from skae.series._stretching import from_grid, to_grid

UCR = ("ArrowHead", "GunPoint", "ItalyPowerDemand", "JapaneseVowels", "PickupGestureWiimoteZ")
N_COMPONENTS = 8
N_IMAGES = 3000
ARCHITECTURES = ("auto", "dense", "recurrent")
# A recurrence over more steps, or of more sequences, takes minutes.
MAX_RECURRENT_STEPS, MAX_RECURRENT_SEQUENCES = 30, 500
# Of the standard deviation of all values.
NOISE = 0.5


def measure():
    """Yield rows of (what, value, bound), all on one split."""
    for name, sequences, labels in sets():
        parts = train_test_split(sequences, labels, stratify=labels, random_state=0)
        yield from figures(name, *parts)
        if name in ("ArrowHead", "GunPoint"):
            yield from denoising(name, *parts[:2])


def sets():
    """Yield name, a list of sequences (n_timesteps, n_channels) and labels of the data at hand."""
    digits = load_digits()
    yield "digits, 8 steps", list(digits.images / 16), digits.target
    try:
        mnist = load_mnist()
        yield "MNIST, 28 steps", list(mnist.images[-N_IMAGES:] / 255), mnist.target[-N_IMAGES:]
    except (OSError, ImportError) as error:
        print(f"MNIST is not at hand ({error}).\n")
    try:
        from aeon.datasets import load_classification
    except ImportError:
        print("The sets of aeon are not at hand: pip install aeon.\n")
        return
    for name in UCR:
        X, labels = load_classification(name)
        yield name, [np.asarray(each, dtype=float).T for each in X], labels


def figures(name, train, test, y_train, y_test):
    """Yield errors over PCA's, and accuracies of classifiers of codes."""
    pca, rows, decode = stretched_pca(train, N_COMPONENTS)
    codes = [pca.transform(rows(part)) for part in (train, test)]
    errors = squared_error(decode(codes[1], test), test)
    yield from accuracies(f"{name}: PCA", codes, y_train, y_test)
    is_long = max(map(len, train)) > MAX_RECURRENT_STEPS or len(train) > MAX_RECURRENT_SEQUENCES
    for architecture in ARCHITECTURES[: 2 if is_long else 3]:
        encoder = SequenceAutoencoder(N_COMPONENTS, architecture=architecture, random_state=0)
        codes = [encoder.fit(train).transform(part) for part in (train, test)]
        error = squared_error(encoder.reconstruct(test), test) / errors
        yield f"{name}: {architecture}, error / PCA's", error, "< 1"
        yield from accuracies(f"{name}: {architecture}", codes, y_train, y_test)
        if encoder.length_range_ is not None:
            pairs = zip(encoder.inverse_transform(codes[1]), test, strict=True)
            off = np.mean([abs(len(a) - len(b)) for a, b in pairs])
            yield f"{name}: {architecture}, steps by which lengths are off", off, ""


def stretched_pca(train, n_components):
    """Fit PCA on sequences of one length, and return it, what makes rows, and the way back."""
    longest = max(map(len, train))

    def rows(sequences):
        return np.array([to_grid(each[None], None, longest).ravel() for each in sequences])

    def decode(codes, sequences):
        frames = pca.inverse_transform(codes).reshape(len(codes), longest, -1)
        lengths = np.array([len(each) for each in sequences])
        padded = from_grid(frames, lengths, lengths.max())
        return [row[:length] for row, length in zip(padded, lengths, strict=True)]

    pca = PCA(n_components, random_state=0).fit(rows(train))
    return pca, rows, decode


def squared_error(reconstructed, sequences):
    pairs = zip(reconstructed, sequences, strict=True)
    return sum(np.sum((a - b) ** 2) for a, b in pairs)


def accuracies(name, codes, y_train, y_test):
    """Yield held-out accuracies of a linear classifier and of five neighbors."""
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
    for what, classifier in (("logistic", logistic), ("5-NN", KNeighborsClassifier(5))):
        accuracy = classifier.fit(codes[0], y_train).score(codes[1], y_test)
        yield f"{name}, accuracy of {what}", accuracy, ""


def denoising(name, train, test):
    """Yield signal-to-noise ratios in dB of held-out series of one channel and one length."""
    train, test = (np.array(part)[:, :, 0] for part in (train, test))
    scale = NOISE * train.std()
    noisy = test + np.random.default_rng(0).normal(scale=scale, size=test.shape)
    noisy_train = train + np.random.default_rng(1).normal(scale=scale, size=train.shape)
    filters = {f"Savitzky-Golay, {n}": savgol(n) for n in (5, 11, 21, 41)}
    filters |= {f"Wiener, {n}": local_wiener(n) for n in (5, 11, 21, 41)}
    yield f"{name}: noisy, dB", decibels(noisy, test), ""
    for kind in ("Savitzky-Golay", "Wiener"):
        # The window is that which is best on the training series.
        candidates = {key: f for key, f in filters.items() if key.startswith(kind)}
        best = max(candidates, key=lambda key: decibels(filters[key](noisy_train), train))
        yield f"{name}: {best} steps, dB", decibels(filters[best](noisy), test), ""
    for k in (4, N_COMPONENTS, 16):
        pca = PCA(k, random_state=0).fit(train)
        yield f"{name}: PCA({k}), dB", decibels(projected(pca, noisy), test), ""
        encoder = SequenceAutoencoder(k, noise="gaussian", noise_level=NOISE, random_state=0)
        cleaned = encoder.fit(train).reconstruct(noisy)
        yield f"{name}: SequenceAutoencoder({k}, noise=), dB", decibels(cleaned, test), ""


def savgol(n_steps):
    return lambda X: savgol_filter(X, n_steps, 2, axis=1)


def local_wiener(n_steps):
    return lambda X: np.array([wiener(row, n_steps) for row in X])


def projected(pca, X):
    return pca.inverse_transform(pca.transform(X))


def decibels(estimate, truth):
    power = np.mean((truth - truth.mean()) ** 2)
    return 10 * np.log10(power / np.mean((estimate - truth) ** 2))
