"""What holds on a CUDA device: seconds of an epoch, precision, compiled steps, results, no waiting.

    python -m benchmarks gpu
    python -m benchmarks gpu --only limits,epochs,sizes,streamed,checks
    python -m benchmarks gpu --device cpu    # a small run of all that needs no GPU, to test it

It needs no data, and takes up to five minutes. Rows are printed as they come; a part that fails
is named, and the next one runs.
"""

import copy
import math
import time
import traceback
from contextlib import nullcontext
from functools import partial
from operator import truediv
from statistics import median
from unittest.mock import patch

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
from skae._engine.environment import multiplications_per_row
from skae.architectures import Conv, Dense

# The last weights, be they the best or not: all steps count.
QUICK = {"max_iter": 5, "random_state": 0, "early_stopping": False}
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
# name: (architecture, side of images, rows of a batch); in the order of their multiplications.
SIZES = {
    "dense 784-512": (Dense((512,)), None, 192),
    "dense 784-2048": (Dense((2048,)), None, 192),
    "dense 784-8192": (Dense((8192,)), None, 192),
    "dense 784-4096-4096": (Dense((4096, 4096)), None, 192),
    "conv 16-32-64 of 128×128": (Conv((16, 32, 64)), 128, 64),
    "conv 64-128-256 of 128×128": (Conv((64, 128, 256)), 128, 64),
    "conv 64-128-256 of 128×128, 512 rows": (Conv((64, 128, 256)), 128, 512),
    "dense 784-8192-8192, 4096 rows": (Dense((8192, 8192)), None, 4096),
}
BATCH = 128
# Seconds after which the results of no further estimator are compared.
LATEST_CHECK = 240
# What an optimizer's step moves, in weights: it reads weight, gradient and both moments, and
# writes all but the gradient; forward and backward read the weight, and write the gradient.
MOVES_OF_WEIGHTS = 7 + 3
# What a step moves for each value that a layer returns: written, read by the next layer and in the
# backward pass; its gradient as well.
MOVES_OF_VALUES = 5


class Setting:
    """The device, and numbers of rows and epochs."""

    def __init__(self, device):
        self.device = torch.device(device)
        self.is_cuda = self.device.type == "cuda"
        self.start = time.perf_counter()
        self.rows, self.held_out, self.epochs = (60_000, 5000, 4) if self.is_cuda else (600, 100, 2)
        self.sized_rows, self.sized_epochs = (12_288, 3) if self.is_cuda else (128, 2)

    def wait(self):
        if self.is_cuda:
            torch.cuda.synchronize()


def measure(device="cuda", only=None):
    """Yield rows of (what, value, bound); nothing where there is no such device.

    Parameters
    ----------
    device : str
    only : str or None
        Names of parts, with commas.
    """
    setting = Setting(device)
    if setting.is_cuda and not torch.cuda.is_available():
        print("No CUDA device here.\n")
        return
    print(torch.cuda.get_device_name() if setting.is_cuda else "CPU: small, to test", flush=True)
    # Code for the CPU takes a minute to compile: what it is replaced by takes the same path.
    stand_in = {"backend": "aot_eager", "dynamic": False}
    compiler = patch("skae._engine.compiled._COMPILER", stand_in)
    with nullcontext() if setting.is_cuda else compiler:
        yield from all_parts(setting, only.split(",") if only else [p.__name__ for p in PARTS])


def all_parts(setting, names):
    start = time.perf_counter()
    for part, latest in PARTS.items():
        if part.__name__ not in names:
            continue
        if time.perf_counter() - start > latest:
            print(f"Left out for time: {part.__name__}", flush=True)
            continue
        yield from tolerated(part, setting)
        yield f"{part.__name__}: until here, seconds", time.perf_counter() - start, ""


def tolerated(part, *args):
    """Yield the rows of a part up to its first error, which is printed."""
    try:
        yield from part(*args)
    except Exception:  # noqa: BLE001  time on the device is short: the next part is measured
        print(f"\n{part.__name__} failed: {traceback.format_exc(limit=-6)}", flush=True)


# -- what the device can do ----------------------------------------------------------------


def limits(setting):
    """Measure how fast the device launches, copies and multiplies."""
    yield "launch of an operation, microseconds", 1e6 * launch_seconds(setting), ""
    yield "copies in device memory, read and written, GB/s", bandwidth(setting) / 1e9, ""
    for dtype in (torch.float32, torch.bfloat16):
        yield f"multiplications in {dtype}, 1e12/s", multiplied(setting, dtype) / 1e12, ""


def timed(setting, function, n_times):
    function()
    setting.wait()
    start = time.perf_counter()
    for _ in range(n_times):
        function()
    setting.wait()
    return (time.perf_counter() - start) / n_times


def launch_seconds(setting):
    one = torch.zeros(1, device=setting.device)
    return timed(setting, lambda: one.add_(1), 2000)


def bandwidth(setting):
    values = torch.zeros(2**28 if setting.is_cuda else 2**20, device=setting.device)
    other = torch.empty_like(values)
    return 2 * values.nbytes / timed(setting, lambda: other.copy_(values), 10)


def multiplied(setting, dtype):
    side = 8192 if setting.is_cuda else 256
    a = torch.ones(side, side, device=setting.device, dtype=dtype)
    return side**3 / timed(setting, lambda: a @ a, 5)


# -- an epoch of MNIST's size --------------------------------------------------------------


def images(n_rows, side):
    """Return digits of scikit-learn, enlarged, moved and dimmed at random: (n_rows, side, side)."""
    generator = np.random.default_rng(0)
    digits = torch.from_numpy(load_digits().images / 16).float()
    margin = side // 8
    large = F.interpolate(digits[:, None], size=side - margin, mode="bilinear")[:, 0].numpy()
    found = np.zeros((n_rows, side, side), dtype=np.float32)
    for image in found:
        down, right = generator.integers(margin + 1, size=2)
        one = large[generator.integers(len(large))]
        size = side - margin
        image[down : down + size, right : right + size] = one * generator.uniform(0.6, 1)
    return found


class EpochSeconds(Callback):
    """Note the seconds of each epoch, with all work of the device in it."""

    def __init__(self, setting):
        self.setting = setting

    def on_train_begin(self, net, **kwargs):
        self.seconds, self.start = [], time.perf_counter()

    def on_epoch_end(self, net, **kwargs):
        self.setting.wait()
        self.seconds.append(time.perf_counter() - self.start)
        self.start = time.perf_counter()


def timed_fit(setting, X, n_held_out, **parameters):
    """Return the median seconds of an epoch, the first left out, the held-out error, the fit."""
    timer = EpochSeconds(setting)
    fitted = Autoencoder(
        16, early_stopping=False, device=setting.device, random_state=0, callbacks=[timer]
    )
    fitted.set_params(**parameters).fit(X[n_held_out:])
    held_out = X[:n_held_out]
    error = np.mean((fitted.reconstruct(held_out) - held_out) ** 2)
    return median(timer.seconds[1:]), float(error), fitted


def epochs(setting):
    """Compare an epoch of skae with those of bare loops, and with what the device can do."""
    X = images(setting.rows + setting.held_out, 28)
    for name, (architecture, image_shape) in NETWORKS.items():
        yield from epochs_of(setting, name, X.reshape(len(X), -1), architecture, image_shape)


def epochs_of(setting, name, X, architecture, image_shape):
    fit = partial(
        timed_fit,
        setting,
        X,
        setting.held_out,
        architecture=architecture,
        image_shape=image_shape,
        batch_size=BATCH,
        max_iter=setting.epochs,
    )
    ours, error, fitted = fit()
    yield f"{name}: epoch of {setting.rows} rows, seconds", ours, ""
    bare = bare_epoch(setting, fitted, X)
    yield f"{name}: the bare loop, seconds", bare, ""
    # As the bare loop has it.
    constant = fit(learning_rate="constant")[0]
    yield f"{name}: skae with a constant rate / bare loop", constant / bare, "≤ 1.05"
    half, half_error, _ = fit(precision="bfloat16")
    yield f"{name}: bfloat16 / float32, seconds", half / ours, ""
    yield f"{name}: bfloat16 / float32, held-out error", half_error / error, "≈ 1"
    other = fit(random_state=1)[1]
    yield f"{name}: another seed / float32, held-out error", other / error, "(noise)"
    yield from tolerated(limits_of, setting, name, fitted, X)
    compiled, compiled_error, _ = fit(compile=True)
    yield f"{name}: compile=True, seconds", compiled, ""
    yield f"{name}: compile=True / compile=False, held-out error", compiled_error / error, "1"
    if setting.is_cuda:
        graph = bare_epoch(setting, fitted, X, is_graph=True)
        yield f"{name}: the bare loop as a CUDA graph, seconds", graph, ""
        yield f"{name}: compile=True / bare loop as a CUDA graph", compiled / graph, "≤ 1.05"


def bare_parts(setting, fitted, X):
    """Return the same network, its rows on the device, and an optimizer."""
    module = copy.deepcopy(fitted.module_)
    network = torch.nn.Sequential(module.encoder, module.decoder).train()
    with torch.no_grad():
        rows = torch.from_numpy(X[setting.held_out :]).to(setting.device)
        rows = module.standardization.standardize(rows).float()
    settings = {"capturable": True} if setting.is_cuda else {}
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.002, fused=True, **settings)
    return network, rows, optimizer


def bare_epoch(setting, fitted, X, is_graph=False):
    """Return the median seconds of an epoch of slices of a shuffled tensor, the first left out."""
    network, rows, optimizer = bare_parts(setting, fitted, X)

    def step(indices):
        batch = rows[indices]
        optimizer.zero_grad()
        F.mse_loss(network(batch), batch).backward()
        optimizer.step()

    on_full = recorded(step, rows) if is_graph else step
    found = []
    for _ in range(setting.epochs):
        start = time.perf_counter()
        for indices in torch.randperm(len(rows)).to(setting.device).split(BATCH):
            (on_full if len(indices) == BATCH else step)(indices)
        setting.wait()
        found.append(time.perf_counter() - start)
    return median(found[1:])


def recorded(step, rows):
    """Return the whole step as a CUDA graph."""
    place = torch.arange(BATCH, device=rows.device)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step(place)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        step(place)

    def replay(indices):
        place.copy_(indices)
        graph.replay()

    return replay


def limits_of(setting, name, fitted, X):
    """Return what an epoch takes at least, by multiplications, memory and launches."""
    network, rows, optimizer = bare_parts(setting, fitted, X)
    n_steps = len(rows) / BATCH
    n_values = []
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output: n_values.append(output.numel()))
        for layer in network.modules()
        if not list(layer.children())
    ]
    network(rows[:BATCH])
    for hook in hooks:
        hook.remove()
    n_weights = sum(weight.numel() for weight in network.parameters())
    moved = 4 * (MOVES_OF_VALUES * sum(n_values) + MOVES_OF_WEIGHTS * n_weights)
    yield (
        f"{name}: memory limit of an epoch, seconds",
        n_steps * moved / bandwidth(setting),
        "",
    )
    n_multiplications = 3 * len(rows) * multiplications_per_row(fitted.module_, X.shape[1:])
    speed = multiplied(setting, torch.float32)
    yield f"{name}: limit of multiplications, seconds", n_multiplications / speed, ""

    def step():
        optimizer.zero_grad()
        F.mse_loss(network(rows[:BATCH]), rows[:BATCH]).backward()
        optimizer.step()

    if setting.is_cuda:
        n_launches = count_launches(step)
        yield f"{name}: launches of a bare step", n_launches, ""
        limit = n_steps * n_launches * launch_seconds(setting)
        yield f"{name}: launch limit of an epoch, seconds", limit, ""


def count_launches(step):
    """Count the kernels, copies and fills of a step."""
    step()
    torch.cuda.synchronize()
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        step()
        torch.cuda.synchronize()
    launches = ("cudaLaunch", "cuLaunch", "cudaMemcpyAsync", "cudaMemsetAsync")
    return sum(e.count for e in profile.key_averages() if e.key.startswith(launches))


# -- where bfloat16 pays -------------------------------------------------------------------


def sizes(setting):
    """Compare precisions along sizes of the network."""
    rows = images(setting.sized_rows, 28).reshape(setting.sized_rows, -1)
    large = images(setting.sized_rows // 4, 128).reshape(setting.sized_rows // 4, -1)
    for name, (architecture, side, batch) in SIZES.items():
        X = rows if side is None else large
        yield from tolerated(size, setting, name, architecture, side, batch, X)


def size(setting, name, architecture, side, batch, X):
    if not setting.is_cuda:
        X = X[: 3 * batch // 2]
    n_held_out = len(X) // 6
    fit = partial(
        timed_fit,
        setting,
        X,
        n_held_out,
        architecture=architecture,
        image_shape=None if side is None else (side, side),
        batch_size=batch,
        max_iter=setting.sized_epochs,
    )
    ours, error, fitted = fit(precision="float32")
    n_steps = -(-(len(X) - n_held_out) // batch)
    n_multiplications = batch * multiplications_per_row(fitted.module_, X.shape[1:])
    yield f"{name}: multiplications of a forward pass of a batch, 1e9", n_multiplications / 1e9, ""
    yield f"{name}: float32, milliseconds of a step", 1e3 * ours / n_steps, ""
    yield f"{name}: float32, compile=True", 1e3 * fit(compile=True)[0] / n_steps, ""
    half, half_error, _ = fit(precision="bfloat16")
    yield f"{name}: bfloat16, milliseconds of a step", 1e3 * half / n_steps, ""
    compiled = fit(precision="bfloat16", compile=True)[0]
    yield f"{name}: bfloat16, compile=True", 1e3 * compiled / n_steps, ""
    yield f"{name}: bfloat16 / float32, held-out error", half_error / error, "≈ 1"
    chosen = fit(precision="auto")[2].net_.plan.precision
    yield f"{name}: 'auto' is bfloat16", float(chosen == "bfloat16"), ""


# -- rows that stay on the host ------------------------------------------------------------


def streamed(setting):
    """Compare rows that are sent batch by batch with rows that are on the device."""
    name = "dense 784-128-16-128-784"
    X = images(setting.rows + setting.held_out, 28)
    fit = partial(
        timed_fit,
        setting,
        X.reshape(len(X), -1),
        setting.held_out,
        architecture=NETWORKS[name][0],
        batch_size=BATCH,
        max_iter=3,
    )
    resident, error, _ = fit()
    with patch("skae._engine.data.has_room", lambda device, n_bytes: False):
        sent, sent_error, _ = fit()
    yield f"{name}: rows on the device, seconds", resident, ""
    yield f"{name}: rows on the host, seconds", sent, ""
    yield f"{name}: host / device, seconds", sent / resident, ""
    yield f"{name}: host / device, held-out error", sent_error / error, "1"


# -- results -------------------------------------------------------------------------------


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


def checks(setting):
    """Compare fits on the device with one another and with one on the host."""
    for name, estimator in ESTIMATORS.items():
        if time.perf_counter() - setting.start > LATEST_CHECK:
            print(f"Left out for time: checks of {name}", flush=True)
        else:
            yield from tolerated(rows_of, setting, name, estimator)


def data_of(name):
    """Return training rows, held-out rows and the target."""
    X, y = load_digits(return_X_y=True)
    if name == "regressor":
        X, y = load_diabetes(return_X_y=True)
    if name == "missing values":
        X = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    return np.delete(X, np.s_[::4], 0), X[::4], np.delete(y, np.s_[::4])


def rows_of(setting, name, estimator):
    X, X_test, y = data_of(name)
    estimator = clone(estimator).set_params(device=setting.device)
    # cuDNN's gradients of convolutions add in any order unless this is switched off.
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        one, two = (clone(estimator).fit(X, y) for _ in range(2))
        compiled = clone(estimator).set_params(compile=True).fit(X, y)
    host = clone(estimator).set_params(device="cpu").fit(X, y)
    errors = [-each.score_samples(X_test).mean() for each in (one, host)]
    yield f"{name}: held-out score, device / cpu", truediv(*errors), "≈ 1"
    codes = one.transform(X_test)
    equal = np.array_equal(codes, two.transform(X_test))
    yield f"{name}: two fits with one seed give equal bits", float(equal), "1"
    difference = np.abs(compiled.transform(X_test) - codes).max() / np.abs(codes).max()
    yield f"{name}: compile=True, largest difference of codes, 1e-6", 1e6 * difference, "small"
    copied = copy.deepcopy(one).set_params(device="cpu")
    copied.module_.cpu()
    difference = np.abs(copied.transform(X_test) - codes).max()
    yield f"{name}: codes of one network, device - cpu, largest", difference, ""
    if setting.is_cuda:
        yield f"{name}: a training step waits for the device", waits(name, estimator, X, y), "0"


def waits(name, estimator, X, y):
    try:
        clone(estimator).set_params(callbacks=[NoWaiting()]).fit(X, y)
    except RuntimeError as error:
        print(f"{name}: {error}", flush=True)
        return 1.0
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return 0.0


# In this order, each begun within so many seconds.
PARTS = {
    limits: math.inf,
    epochs: math.inf,
    sizes: 160,
    streamed: 200,
    checks: 220,
}
