"""Other ways to 16 components: what they lose, how long they take and what their codes predict.

All peers get the same rows of pixels in [0, 1], and their errors are in squared pixels. How long
the defaults need to the error that pythae ends with is measured here as well.
"""

import contextlib
import io
import itertools
import logging
import math
import tempfile
import time
import warnings
from functools import partial
from statistics import median

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPRegressor
from skorch.callbacks import Callback
from torch import nn
from torch.nn import functional as F

from skae import Autoencoder
from skae.metrics import knn_accuracy

from .data import labelled_images, split

N_COMPONENTS, EPOCHS, BATCH_SIZE, LEARNING_RATE = 16, 20, 128, 1e-3
HIDDEN = (512, 256)
# Rows of a first fit, off the clock, in which libraries import and compile what they put off.
N_WARM_UP = 500
# Fits of the defaults, the same every time, whose seconds are compared.
N_TIMED = 3
COLUMNS = ("error / PCA's", "fit seconds", "transform seconds", "k-NN accuracy")


class Transformer:
    """Whatever has the methods of a transformer."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X):
        self.estimator.fit(X)

    def encode(self, X):
        return self.estimator.transform(X)

    def reconstruct(self, X):
        return self.estimator.inverse_transform(self.encode(X))


class Umap(Transformer):
    """UMAP without its inverse, which takes minutes."""

    reconstruct = None

    def __init__(self):
        from umap import UMAP

        # No random_state, which would take all threads but one from it. Thousands of rows have
        # their neighbours approximated anyway; so do the few of the warm-up now, and compile it.
        super().__init__(UMAP(n_components=N_COMPONENTS, force_approximation_algorithm=True))

    def fit(self, X):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            super().fit(X)


class Regressor:
    """scikit-learn's network, from the rows to themselves; it has no method for the code."""

    encode = None

    def __init__(self):
        sizes = (*HIDDEN, N_COMPONENTS, *reversed(HIDDEN))
        self.estimator = MLPRegressor(hidden_layer_sizes=sizes, random_state=0)

    def fit(self, X):
        self.estimator.fit(X, X)

    def reconstruct(self, X):
        return self.estimator.predict(X)


class Loop:
    """What one would write by hand: ReLU layers and Adam over slices of a shuffled tensor."""

    def __init__(self, n_pixels):
        torch.manual_seed(0)
        sizes = (n_pixels, *HIDDEN, N_COMPONENTS)
        self.encoder, self.decoder = layers(sizes), layers(sizes[::-1])

    def fit(self, X):
        X = torch.from_numpy(X)
        network = nn.Sequential(self.encoder, self.decoder)
        optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
        for _ in range(EPOCHS):
            for indices in torch.randperm(len(X)).split(BATCH_SIZE):
                batch = X[indices]
                optimizer.zero_grad()
                F.mse_loss(network(batch), batch).backward()
                optimizer.step()

    @torch.inference_mode()
    def encode(self, X):
        return self.encoder(torch.from_numpy(X)).numpy()

    @torch.inference_mode()
    def reconstruct(self, X):
        return self.decoder(torch.from_numpy(self.encode(X))).numpy()


def layers(sizes):
    """Linear layers with ReLU between them."""
    both = [(nn.Linear(*ends), nn.ReLU()) for ends in itertools.pairwise(sizes)]
    return nn.Sequential(*[layer for pair in both for layer in pair][:-1])


class Pythae:
    """pythae's autoencoder with the network it comes with, trained by its own pipeline.

    It gets no evaluation set: all rows train, none are evaluated, and the weights of the epoch
    with the lowest training loss are kept.
    """

    def __init__(self, n_pixels, **training):
        from pythae.models import AE, AEConfig

        torch.manual_seed(0)
        self.model = AE(AEConfig(input_dim=(n_pixels,), latent_dim=N_COMPONENTS))
        self.training = training

    def fit(self, X):
        from pythae.models import AE
        from pythae.pipelines import TrainingPipeline
        from pythae.trainers import BaseTrainerConfig

        logging.disable(logging.WARNING)
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            config = BaseTrainerConfig(output_dir=folder, **self.training)
            pipeline = TrainingPipeline(model=self.model, training_config=config)
            pipeline(train_data=X)
            # The best weights are kept only on the disk.
            self.model = AE.load_from_folder(f"{pipeline.trainer.training_dir}/final_model").eval()
        logging.disable(logging.NOTSET)

    @torch.inference_mode()
    def encode(self, X):
        return self.model.encoder(torch.from_numpy(X)).embedding.numpy()

    @torch.inference_mode()
    def reconstruct(self, X):
        return self.model.decoder(torch.from_numpy(self.encode(X))).reconstruction.numpy()


class Pyod:
    """pyod's detector, whose network sees and gives standardised pixels.

    pyod itself offers only scores, so code and reconstruction are asked from the network. Its
    time to fit holds the scores of the training rows.
    """

    def __init__(self, layers, **parameters):
        from pyod.models.auto_encoder import AutoEncoder

        self.detector = AutoEncoder(
            hidden_neuron_list=[*layers, N_COMPONENTS], verbose=0, **parameters
        )

    def fit(self, X):
        self.detector.fit(X)

    @torch.inference_mode()
    def encode(self, X):
        mean, std = self._standardization()
        rows = torch.from_numpy((X - mean) / std)
        return self.detector.model.encoder(rows).numpy()

    @torch.inference_mode()
    def reconstruct(self, X):
        mean, std = self._standardization()
        return self.detector.model.decoder(torch.from_numpy(self.encode(X))).numpy() * std + mean

    def _standardization(self):
        if not self.detector.preprocessing:
            return np.float32(0), np.float32(1)
        # The small number is pyod's own.
        return self.detector.X_mean, self.detector.X_std + 1e-8


# Its own settings but for those that are named.
TRAINING_OF_PYTHAE = {
    "pythae, learning rate 1e-3, 20 epochs": {"learning_rate": LEARNING_RATE, "num_epochs": EPOCHS},
    "pythae, the same in batches of 128": {
        "learning_rate": LEARNING_RATE,
        "num_epochs": EPOCHS,
        "per_device_train_batch_size": BATCH_SIZE,
    },
    "pythae, its default training": {},
}

# Built from the height and width of the images.
PEERS = {
    "PCA": lambda shape: Transformer(PCA(N_COMPONENTS, random_state=0)),
    "skae, vectors": lambda shape: Transformer(Autoencoder(N_COMPONENTS, random_state=0)),
    "skae, images": lambda shape: Transformer(
        Autoencoder(N_COMPONENTS, image_shape=shape, random_state=0)
    ),
    **{
        name: lambda shape, training=training: Pythae(math.prod(shape), **training)
        for name, training in TRAINING_OF_PYTHAE.items()
    },
    "pyod, its 64 and 32 units before the code": lambda shape: Pyod((64, 32)),
    "pyod, 512 and 256 units": lambda shape: Pyod(HIDDEN),
    "pyod, the same, pixels not standardised": lambda shape: Pyod(HIDDEN, preprocessing=False),
    "PyTorch by hand": lambda shape: Loop(math.prod(shape)),
    "MLPRegressor": lambda shape: Regressor(),
    "UMAP": lambda shape: Umap(),
}


def measure():
    """Print the table of peers, then yield rows of (what, value, bound)."""
    name, images, labels = labelled_images()
    shape = images.shape[1:]
    train, test = split(images.reshape(len(images), -1))
    peers = [peer for peer in PEERS if is_installed(peer, shape)]
    figures, clocks = {}, [timed_fit(train, test) for _ in range(N_TIMED)]
    print(f"| {name} | {' | '.join(COLUMNS)} |\n|---{'|---' * len(COLUMNS)}|")
    for peer in peers:
        error, *others = examine(partial(PEERS[peer], shape), train, test, labels)
        figures[peer] = error, *others
        ratio = error / figures["PCA"][0]
        print(f"| {peer} | {' | '.join(map(shown, (ratio, *others)))} |", flush=True)
    print()
    goals = {peer: figures[peer][:2] for peer in TRAINING_OF_PYTHAE if peer in figures}
    return time_to_quality(clocks, goals)


def is_installed(peer, shape):
    """Whether it can be built; says so where it cannot."""
    try:
        PEERS[peer](shape)
    except ImportError as error:
        print(f"{peer} is left out: {error}; pip install '.[bench]'\n")
        return False
    return True


def examine(build, train, test, labels):
    """Return held-out error, seconds of fit and transform, accuracy of neighbours in the code."""
    warm_up = build()
    warm_up.fit(train[:N_WARM_UP])
    (warm_up.encode or warm_up.reconstruct)(test)
    peer = build()
    fit_seconds, _ = timed(peer.fit, train)
    transform_seconds, codes = timed(peer.encode or peer.reconstruct, test)
    error = accuracy = np.nan
    if peer.reconstruct:
        error = squared_error(peer.reconstruct(test), test)
    if peer.encode:
        y_train, y_test = split(labels)
        accuracy = knn_accuracy(peer.encode(train), y_train, codes, y_test)
    return error, fit_seconds, transform_seconds, accuracy


def timed(function, X):
    """Return the seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    result = function(X)
    return time.perf_counter() - start, result


def squared_error(reconstructed, X):
    """Mean over all pixels."""
    return np.mean((reconstructed - X) ** 2, dtype=np.float64)


def shown(value):
    """Three digits, and a dash for what there is not."""
    return "–" if np.isnan(value) else f"{value:.3g}"


def time_to_quality(clocks, goals):
    """Set the defaults against ``goals``: a peer's held-out error and seconds, by its name.

    An error that is never reached makes a ratio of nan.
    """
    rows = [("skae, vectors: seconds until training ended", median(c.end for c in clocks), "")]
    lowest = min(so_far for _, so_far in clocks[0].epochs)
    for peer, (error, seconds) in goals.items():
        reached = median(clock.reached(error) for clock in clocks)
        rows += [
            (f"{peer}: skae's seconds to its error / its seconds", reached / seconds, "≤ 0.2"),
            (f"{peer}: skae's lowest error / its error", lowest / error, "≤ 1"),
        ]
    return rows


def timed_fit(train, test):
    """Fit the defaults under a `Clock`, after all late imports."""
    Autoencoder(N_COMPONENTS, max_iter=1).fit(train[:N_WARM_UP])
    clock = Clock(test)
    Autoencoder(N_COMPONENTS, callbacks=[clock], random_state=0).fit(train)
    return clock


class Clock(Callback):
    """Note seconds and held-out error after each epoch, off the clock itself.

    It starts when it is made, so that the whole of `fit` counts. Epochs that are not the best
    so far on `fit`'s own validation rows are passed over: their weights would not be kept.
    """

    def __init__(self, test):
        self.test = test
        self.epochs = []
        self.lost = 0.0
        self.start = time.perf_counter()

    def reached(self, error):
        """Seconds until the held-out error is as low as this."""
        return next((at for at, so_far in self.epochs if so_far <= error), np.nan)

    def on_epoch_end(self, net, **kwargs):
        now = self.seconds()
        if net.history[-1]["valid_loss_best"]:
            self.epochs.append((now, self.error(net.module_)))
        self.lost += self.seconds() - now

    def on_train_end(self, net, **kwargs):
        self.end = self.seconds()

    def seconds(self):
        return time.perf_counter() - self.start - self.lost

    @torch.inference_mode()
    def error(self, network):
        network.eval()
        rows = torch.from_numpy(self.test)
        return squared_error(network.decode(network.encode(rows)).numpy(), self.test)
