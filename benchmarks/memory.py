"""Training on more rows than fit into memory: 4 GB of bytes in a file (Linux only)."""

import re
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from skae import Autoencoder
from skae.architectures import Dense

from .reliability import one_process

N_BYTES, N_COMPARED = 2**32, 2**29
FEATURES = (784, 4096)
N_BLOCK = 2**15


def measure():
    """Yield rows of (what, value, bound)."""
    for n_features in FEATURES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows")
            n_rows = write(path, n_features)
            whole, _ = in_new_process(path, n_rows, n_features)
            n_rows = N_COMPARED // n_features
            _, mapped = in_new_process(path, n_rows, n_features)
            _, read = in_new_process(path, n_rows, n_features, is_mapped=False)
        what = f"memmap of 4 GB, {n_features} features"
        yield f"{what}: most memory of the process itself during fit, GB", whole / 1e9, "≤ 1.5"
        yield f"{what}: epoch of its first 0.5 GB, in memory / mapped", read / mapped, "≥ 0.5"


def write(path, n_features):
    """Fill a file with bytes of low rank and noise; return the number of rows."""
    generator = np.random.default_rng(0)
    codes = generator.standard_normal((N_BLOCK, 8), dtype=np.float32)
    rows = codes @ generator.standard_normal((8, n_features), dtype=np.float32)
    rows += generator.standard_normal(rows.shape, dtype=np.float32)
    block = (128 + 16 * rows).clip(0, 255).astype(np.uint8)
    n_blocks = N_BYTES // block.nbytes
    with open(path, "wb") as file:
        for _ in range(n_blocks):
            block.tofile(file)
    return n_blocks * N_BLOCK


def in_new_process(*args, **kwargs):
    """Call `train` where no one has used memory before."""
    with one_process() as process:
        return process.apply(train, args, kwargs)


def train(path, n_rows, n_features, is_mapped=True):
    """Return the bytes that a fit of one epoch takes at most, and the epoch's seconds.

    The network is small, so that reading counts.
    """
    X = np.memmap(path, dtype=np.uint8, mode="r", shape=(n_rows, n_features))
    X = X if is_mapped else np.array(X)
    autoencoder = Autoencoder(
        8, architecture=Dense((64,)), batch_size=512, max_iter=1, random_state=0
    )
    with watched() as peak:
        autoencoder.fit(X)
    return max(peak), autoencoder.history_[0]["dur"]


@contextmanager
def watched():
    """Give a list of what the process holds itself, in bytes, as it is looked at again and again.

    What the system keeps of files does not count: it gives that back when asked.
    """
    seen, ended = [], threading.Event()

    def look():
        while not ended.wait(0.01):
            status = Path("/proc/self/status").read_text(encoding="ascii")
            seen.append(1024 * int(re.search(r"RssAnon:\s*(\d+)", status)[1]))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
