"""What holds on a CUDA device: results, equal bits, no waiting in a step, seconds of an epoch.

    python -m benchmarks gpu

It needs no data, and takes some minutes. Rows are printed as they come.
"""

import copy
import time
from operator import truediv
from statistics import median

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from skorch.callbacks import Callback
from torch.nn import functional as F

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    HybridAutoencoder,
    SequencePredictor,
    VariationalAutoencoder,
)
from skae.architectures import Conv, Dense

QUICK = {"max_iter": 10, "random_state": 0}
ESTIMATORS = {
    "rows": Autoencoder(8, **QUICK),
    "images": Autoencoder(8, image_shape=(8, 8), **QUICK),
    "batch norm, noise": Autoencoder(
        8,
        architecture=Conv((8, 16), normalization="batch"),
        image_shape=(8, 8),
        noise="masking",
        **QUICK,
    ),
    "ordered": Autoencoder(8, ordered=True, **QUICK),
    "missing values": Autoencoder(8, missing_values="mask", **QUICK),
    "variational": VariationalAutoencoder(8, **QUICK),
    "classifier": AutoencoderClassifier(8, **QUICK),
    "regressor": AutoencoderRegressor(8, **QUICK),
    "hybrid": HybridAutoencoder(8, **QUICK),
    "distilled": HybridAutoencoder(8, distill=True, **QUICK),
    "sequences": SequencePredictor(8, frame_shape=(8,), **QUICK),
}
NETWORKS = {
    "dense 784-128-16-128-784": (Dense((128,), activation="relu", linear_skip=False), None),
    "conv 8-16-32": (Conv((8, 16, 32), activation="relu", linear_skip=False), (28, 28)),
}
ROWS, EPOCHS, BATCH = 60_000, 6, 128


class NoWaiting(Callback):
    """Let torch raise an error where a training step waits for the device."""

    def on_epoch_begin(self, net, dataset_train, **kwargs):
        self.n_left = len(net.get_iterator(dataset_train, training=True))

    def on_batch_begin(self, net, training, **kwargs):
        # The first epoch allocates and chooses algorithms.
        if training and len(net.history) > 1:
            torch.cuda.set_sync_debug_mode("error")

    def on_batch_end(self, net, training, **kwargs):
        self.n_left -= training
        if self.n_left == 0 or not training:
            torch.cuda.set_sync_debug_mode("default")


def measure():
    """Yield rows of (what, value, bound); nothing where there is no CUDA device."""
    if not torch.cuda.is_available():
        print("No CUDA device here.\n")
        return
    print(torch.cuda.get_device_name(), torch.__version__)
    for name, estimator in ESTIMATORS.items():
        yield from rows_of(name, estimator)
    for name, (architecture, image_shape) in NETWORKS.items():
        yield from epochs(name, architecture, image_shape)


def rows_of(name, estimator):
    """Compare fits on the device with one another and with one on the host."""
    X, y = load_digits(return_X_y=True)
    if name == "regressor":
        X, y = load_diabetes(return_X_y=True)
    if name == "missing values":
        X = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    X_test, X, y = X[::4], np.delete(X, np.s_[::4], 0), np.delete(y, np.s_[::4])
    # cuDNN's gradients of convolutions add in any order unless this is switched off.
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        one, two = (clone(estimator).set_params(device="cuda").fit(X, y) for _ in range(2))
    host = clone(estimator).set_params(device="cpu").fit(X, y)
    errors = [-each.score_samples(X_test).mean() for each in (one, host)]
    yield f"{name}: held-out score, cuda / cpu", truediv(*errors), "≈ 1"
    equal = np.array_equal(one.transform(X_test), two.transform(X_test))
    yield f"{name}: two fits with one seed give equal bits", float(equal), "1"
    copied = copy.deepcopy(one).set_params(device="cpu")
    copied.module_.cpu()
    difference = np.abs(copied.transform(X_test) - one.transform(X_test)).max()
    yield f"{name}: codes of one network, cuda - cpu, largest", difference, ""
    try:
        clone(estimator).set_params(device="cuda", callbacks=[NoWaiting()]).fit(X, y)
        waits = 0.0
    except RuntimeError as error:
        print(f"{name}: {error}")
        waits = 1.0
    finally:
        torch.cuda.set_sync_debug_mode("default")
    yield f"{name}: a training step waits for the device", waits, "0"


class EpochSeconds(Callback):
    """Note the seconds of each epoch, with all work of the device in it."""

    def on_train_begin(self, net, **kwargs):
        self.seconds, self.start = [], time.perf_counter()

    def on_epoch_end(self, net, **kwargs):
        torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - self.start)
        self.start = time.perf_counter()


def epochs(name, architecture, image_shape):
    """Time epochs of skae and of a bare loop over the same rows on the device."""
    X = np.random.default_rng(0).random((ROWS, 784), dtype=np.float32)
    timer = EpochSeconds()
    fitted = Autoencoder(
        16,
        architecture=architecture,
        image_shape=image_shape,
        early_stopping=False,
        batch_size=BATCH,
        learning_rate="constant",
        max_iter=EPOCHS,
        device="cuda",
        random_state=0,
        callbacks=[timer],
    ).fit(X)
    ours, bare = median(timer.seconds[1:]), median(bare_epochs(fitted, X)[1:])
    yield f"{name}: epoch of {ROWS} rows, seconds", ours, ""
    yield f"{name}: epoch, skae / bare loop", ours / bare, "≤ 1.05"


def bare_epochs(fitted, X):
    """List the seconds of epochs of the same network: slices of a shuffled tensor."""
    module = copy.deepcopy(fitted.module_)
    network = torch.nn.Sequential(module.encoder, module.decoder)
    with torch.no_grad():
        rows = module.standardization.standardize(torch.from_numpy(X).cuda()).float()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.002, fused=True)
    network.train()
    found = []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        for indices in torch.randperm(len(rows)).cuda().split(BATCH):
            batch = rows[indices]
            optimizer.zero_grad()
            F.mse_loss(network(batch), batch).backward()
            optimizer.step()
        torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
    return found
