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
ROUNDS = 7
EPOCHS = 4


def measure():
    """Time each network both ways, in turn, and return rows of (what, value, asked)."""
    name, images = mnist_images()
    images = images[:8192]
    rows = []
    for network, architecture in NETWORKS.items():
        ours, bare = epochs(architecture, images)
        rows.append((f"{name}, {network}: epoch, skae / bare loop", ours / bare, "≤ 1.10"))
        rows.append((f"{name}, {network}: epoch of the bare loop, seconds", bare, ""))
        ratio = transform_ratio(architecture, images)
        rows.append((f"{name}, {network}: transform / bare forward pass", ratio, "≤ 1.20"))
    return rows


def epochs(architecture, images):
    """Median seconds of an epoch, ours and the bare loop's."""
    ours, bare = [], []
    for _ in range(ROUNDS):
        fitted = Autoencoder(
            16,
            architecture=architecture,
            early_stopping=False,
            learning_rate="constant",
            batch_size=128,
            max_iter=EPOCHS,
        ).fit(images)
        ours += [epoch["dur"] for epoch in fitted.history_[1:]]
        bare += bare_epochs(architecture, images)[1:]
    return median(ours), median(bare)


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


def transform_ratio(architecture, images):
    """`transform` of 10,000 images against the encoder's forward pass of the same rows."""
    images = torch.from_numpy(images).repeat(2, 1, 1)[:10_000].numpy()
    fitted = Autoencoder(16, architecture=architecture, max_iter=1).fit(images[:500])
    rows = torch.from_numpy(images.reshape(len(images), -1))
    encoder = fitted.module_.encoder

    def bare():
        with torch.inference_mode():
            encoder(rows)

    pairs = [(seconds(lambda: fitted.transform(images)), seconds(bare)) for _ in range(15)]
    return median(ours for ours, _ in pairs) / median(bare for _, bare in pairs)


def seconds(function):
    """Wall time of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
