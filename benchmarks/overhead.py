"""What skae costs beside bare PyTorch: the loop, `transform`, the import, and a small fit."""

import copy
import os
import subprocess
import sys
import time
from operator import truediv
from statistics import median

import torch
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale
from sklearn.utils import shuffle
from skorch.callbacks import Callback
from torch.nn import functional as F

from skae import Autoencoder
from skae.architectures import Conv, Dense

from .data import mnist_images

NETWORKS = {
    "dense 784-128-16-128-784": Dense((128,), activation="relu", linear_skip=False),
    "conv 8-16-32, stride 2": Conv((8, 16, 32), activation="relu", linear_skip=False),
}
ROUNDS = 15
EPOCHS = 41
IMPORT = """
import time, torch, sklearn.decomposition, sklearn.model_selection, sklearn.pipeline, skorch
start = time.perf_counter()
from skae import Autoencoder
print(time.perf_counter() - start)
"""


def measure():
    """Time each network both ways, in turn, and return rows of (what, value, bound)."""
    name, images = mnist_images()
    images = images[:8192]
    rows = []
    for network, architecture in NETWORKS.items():
        ratio, bare = epochs(architecture, images)
        rows.append((f"{name}, {network}: epoch, skae / bare loop", ratio, "≤ 1.05"))
        rows.append((f"{name}, {network}: epoch of the bare loop, seconds", bare, ""))
        whole, layers = transform_ratios(architecture, images)
        bound = "≤ 1.20" if isinstance(architecture, Dense) else "≤ 1.10"
        rows.append((f"{name}, {network}: transform / bare forward pass", whole, bound))
        rows.append((f"{name}, {network}: the same without centring and scaling", layers, ""))
    rows.append(
        (
            "import of an estimator after torch, scikit-learn and skorch, seconds",
            imported(),
            "≤ 0.15",
        )
    )
    small = small_fits()
    rows.append(("fit of 150 rows of 13 features, seconds: median of 10 seeds", median(small), ""))
    rows.append(("the same: the slowest seed", max(small), "≤ 0.3"))
    return rows


def imported():
    """Median seconds over new processes, of which the first writes bytecode as installing does."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", IMPORT]
    outputs = [subprocess.check_output(command, env=environment) for _ in range(ROUNDS)]
    return median(map(float, outputs[1:]))


def small_fits():
    """Seconds of fits with defaults to 150 rows of wine, one for each seed."""
    X = scale(shuffle(load_wine().data, random_state=0)[:150])
    Autoencoder(4, max_iter=1).fit(X)
    return [seconds(Autoencoder(4, random_state=seed).fit, X) for seed in range(10)]


def epochs(architecture, images):
    """Return the ratio of an epoch, ours to the bare loop's, and seconds of the latter.

    The two take turns, epoch by epoch; the ratio is the median over turns, so that it holds
    where the machine's speed drifts.
    """
    settings = {"architecture": architecture, "early_stopping": False, "batch_size": 128}
    turns = Turns(bare_loop(Autoencoder(16, **settings, max_iter=1).fit(images), images))
    constant = {"learning_rate": "constant", "max_iter": EPOCHS}
    Autoencoder(16, **settings, **constant, callbacks=[turns]).fit(images)
    ours, bare = zip(*turns.seconds[1:], strict=True)
    return median(map(truediv, ours, bare)), median(bare)


class Turns(Callback):
    """After each epoch take one of another loop, and time both."""

    def __init__(self, other):
        self.other = other

    def on_train_begin(self, net, **kwargs):
        self.seconds = []
        self.start_ = time.perf_counter()

    def on_epoch_end(self, net, **kwargs):
        ours = time.perf_counter() - self.start_
        self.seconds.append((ours, seconds(self.other)))
        self.start_ = time.perf_counter()


def bare_loop(fitted, images):
    """Return an epoch of the same network on the same rows: slices of a shuffled tensor."""
    module = copy.deepcopy(fitted.module_)
    network = torch.nn.Sequential(module.encoder, module.decoder)
    with torch.no_grad():
        x = module.standardization.standardize(torch.from_numpy(images.reshape(len(images), -1)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.002, fused=True)

    def epoch():
        network.train()
        for indices in torch.randperm(len(x)).split(128):
            batch = x[indices]
            optimizer.zero_grad()
            F.mse_loss(network(batch), batch).backward()
            optimizer.step()

    return epoch


def transform_ratios(architecture, images):
    """`transform` of 10,000 images against bare forward passes of the encoder.

    The first gives the same codes; the second leaves out that rows are centred and scaled.
    """
    images = torch.from_numpy(images).repeat(2, 1, 1)[:10_000].numpy()
    fitted = Autoencoder(16, architecture=architecture, max_iter=1).fit(images[:500])
    rows = torch.from_numpy(images.reshape(len(images), -1))

    def bare(encode):
        with torch.inference_mode():
            encode(rows)

    network = fitted.module_
    turns = [
        (
            seconds(lambda: fitted.transform(images)),
            seconds(lambda: bare(network.encode)),
            seconds(lambda: bare(network.encoder)),
        )
        for _ in range(31)
    ]
    ours, same, layers = map(median, zip(*turns, strict=True))
    return ours / same, ours / layers


def seconds(function, *args):
    """Wall time of a call."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start
