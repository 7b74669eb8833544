"""What scikit-learn's interface and skorch's loop cost beside bare PyTorch."""

import time
from statistics import median

import torch
from torch.nn import functional as F

from skae import Autoencoder
from skae.architectures import Conv, DataShape, Dense

from .data import mnist_images

NETWORKS = {
    "dense 784-128-16-128-784": Dense((128,), activation="relu", linear_path=False),
    "conv 8-16-32, stride 2": Conv((8, 16, 32), activation="relu", linear_path=False),
}
ROUNDS = 15
EPOCHS = 4


def measure():
    """Time each network both ways, in turn, and return rows of (what, value, asked)."""
    name, images = mnist_images()
    images = images[:8192]
    rows = []
    for network, architecture in NETWORKS.items():
        ratio, bare = epochs(architecture, images)
        rows.append((f"{name}, {network}: epoch, skae / bare loop", ratio, "≤ 1.10"))
        rows.append((f"{name}, {network}: epoch of the bare loop, seconds", bare, ""))
        whole, layers = transform_ratios(architecture, images)
        rows.append((f"{name}, {network}: transform / bare forward pass", whole, "≤ 1.20"))
        rows.append((f"{name}, {network}: the same without centring and scaling", layers, ""))
    return rows


def epochs(architecture, images):
    """Return the ratio of an epoch, ours to the bare loop's, and seconds of the latter.

    The two take turns; the ratio is the median over turns, so that it holds where the
    machine's speed drifts.
    """
    ratios, seconds = [], []
    for _ in range(ROUNDS):
        fitted = Autoencoder(
            16,
            architecture=architecture,
            early_stopping=False,
            learning_rate="constant",
            batch_size=128,
            max_iter=EPOCHS,
        ).fit(images)
        ours = median(epoch["dur"] for epoch in fitted.history_[1:])
        seconds.append(median(bare_epochs(architecture, images)[1:]))
        ratios.append(ours / seconds[-1])
    return median(ratios), median(seconds)


def bare_epochs(architecture, images):
    """Train the same network with a loop over slices of a shuffled tensor."""
    network = build(architecture, images)
    x = torch.from_numpy(images.reshape(len(images), -1))
    x = (x - x.mean(0)) / x.var(0).mean().sqrt()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.002, fused=True)
    seconds = []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        network.train()
        for indices in torch.randperm(len(x)).split(128):
            batch = x[indices]
            optimizer.zero_grad()
            F.mse_loss(network(batch), batch).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - start)
    return seconds


def build(architecture, images):
    """Encoder and decoder in a row."""
    shape = DataShape(images[0].size, (*images.shape[1:], 1))
    encoder = architecture.build_encoder(shape, 16)
    network = torch.nn.Sequential(encoder, architecture.build_decoder(shape, 16))
    return network.to(memory_format=torch.channels_last)


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


def seconds(function):
    """Wall time of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
