"""Training on rows that are read from zarr, Parquet and HDF5: memory, speed and error (Linux only).

`SKAE_BENCH_BYTES` sets how many bytes each source has, 1 GB by default; up to 8 GB take about six
minutes on two idle cores. Files are made in a temporary folder and removed.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from skorch.callbacks import Callback

from skae import Autoencoder
from skae.architectures import Dense
from skae.sources import open_rows

from .memory import watched
from .reliability import one_process

N_BYTES = int(os.environ.get("SKAE_BENCH_BYTES", 1_000_000_000))
# What is read at once for a comparison, and the memory that makes several buffers of it.
N_COMPARED_BYTES, COMPARED_MEMORY = 250_000_000, "64MB"
# Memory for the whole: that of the default, and less of what would fit into it.
MEMORY = min(2**29, N_BYTES // 8)
N_FEATURES, N_BLOCK = 128, 2**15


def measure():
    """Yield rows of (what, value, bound)."""
    for name, write in WRITERS.items():
        # HDF5 is read as zarr is.
        if name != "HDF5":
            yield from whole(name, write)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows.h5")
            write(path, N_COMPARED_BYTES)
            streamed, in_memory = in_new_process(compare, path)
        what = f"{name} of {N_COMPARED_BYTES / 1e9:.2f} GB, {COMPARED_MEMORY}"
        yield f"{what}: epoch's seconds in memory / streamed", in_memory[0] / streamed[0], "≥ 0.7"
        yield f"{what}: the same in CPU seconds", in_memory[1] / streamed[1], "≥ 0.7"
        yield f"{what}: error streamed / in memory", streamed[2] / in_memory[2], "≤ 1.02"


def whole(name, write):
    """Yield rows about an epoch on a source of `N_BYTES`."""
    with tempfile.TemporaryDirectory() as folder:
        if shutil.disk_usage(folder).free < 1.5 * N_BYTES:
            raise OSError(f"{folder} must have 1.5 times {N_BYTES} bytes free.")
        path = Path(folder, "rows")
        write(path, N_BYTES)
        peak, (seconds, cpu), (in_memory, cpu_in_memory) = in_new_process(train_whole, path)
    what = f"{name} of {N_BYTES / 1e9:.1f} GB, {MEMORY / 1e6:.0f} MB"
    yield f"{what}: own memory above the imports at most, GB", peak, "≤ 1.5"
    yield f"{what}: seconds a row, its first rows in memory / all", in_memory / seconds, "≥ 0.7"
    yield f"{what}: the same in CPU seconds", cpu_in_memory / cpu, "≥ 0.7"


def blocks(n_bytes):
    """Yield rows of twelve directions, curved, and noise, sorted as time series are."""
    generator = np.random.default_rng(0)
    basis = generator.standard_normal((12, N_FEATURES), dtype=np.float32)
    # The same noise in another order: to draw it anew takes longer than to train on it.
    noise = generator.standard_normal((N_BLOCK, N_FEATURES), dtype=np.float32) / 2
    n_blocks = max(n_bytes // noise.nbytes, 1)
    for k in range(n_blocks):
        codes = generator.standard_normal((N_BLOCK, 12), dtype=np.float32)
        codes[:, 0] += 2 * np.sin(6 * k / n_blocks)
        rows = np.tanh(codes) @ basis
        rows += np.roll(noise, generator.integers(noise.size))
        yield rows


def write_zarr(path, n_bytes):
    """Write chunks of 4 MB."""
    n_blocks = max(n_bytes // (4 * N_FEATURES * N_BLOCK), 1)
    shape = (n_blocks * N_BLOCK, N_FEATURES)
    array = zarr.create_array(path, shape=shape, chunks=(2**13, N_FEATURES), dtype="float32")
    for k, rows in enumerate(blocks(n_bytes)):
        array[k * N_BLOCK : (k + 1) * N_BLOCK] = rows


def write_parquet(path, n_bytes):
    """Write files of row groups of 4 MB."""
    path.mkdir()
    writer = None
    for k, rows in enumerate(blocks(n_bytes)):
        table = pa.table({f"x{j}": column for j, column in enumerate(np.ascontiguousarray(rows.T))})
        if k % 16 == 0:
            if writer is not None:
                writer.close()
            # Dictionaries of numbers that hardly occur twice take most of the time.
            name = path / f"part-{k:06}.parquet"
            writer = pq.ParquetWriter(name, table.schema, use_dictionary=False)
        writer.write_table(table, row_group_size=2**13)
    writer.close()


def write_hdf5(path, n_bytes):
    """Write chunks of 4 MB."""
    n_blocks = max(n_bytes // (4 * N_FEATURES * N_BLOCK), 1)
    with h5py.File(path, "w") as file:
        shape, chunks = (n_blocks * N_BLOCK, N_FEATURES), (2**13, N_FEATURES)
        array = file.create_dataset("rows", shape=shape, chunks=chunks, dtype="float32")
        for k, rows in enumerate(blocks(n_bytes)):
            array[k * N_BLOCK : (k + 1) * N_BLOCK] = rows


WRITERS = {"zarr": write_zarr, "Parquet": write_parquet, "HDF5": write_hdf5}


def opened(path, max_memory):
    """Open what a writer has made."""
    X = path if path.is_dir() else h5py.File(path)["rows"]
    return open_rows(X, max_memory=max_memory)


def in_new_process(function, path):
    """Call a function where no one has used memory before."""
    with one_process() as process:
        return process.apply(function, (path,))


class Cost(Callback):
    """Record seconds and CPU seconds of each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.epochs = []

    def on_epoch_begin(self, net, **kwargs):
        self.begun = time.perf_counter(), time.process_time()

    def on_epoch_end(self, net, **kwargs):
        ended = time.perf_counter(), time.process_time()
        self.epochs.append(
            [after - before for before, after in zip(self.begun, ended, strict=True)]
        )


def train(X, n_epochs, **parameters):
    """Return the least seconds and CPU seconds of an epoch, and the error."""
    cost = Cost()
    fit = Autoencoder(12, architecture=Dense((64,)), batch_size=512, callbacks=[cost])
    fit.set_params(max_iter=n_epochs, random_state=0, **parameters).fit(X)
    return *np.min(cost.epochs, axis=0), fit.reconstruction_err_


def compare(path):
    """Train on the same rows, streamed and in memory."""
    streamed = train(opened(path, COMPARED_MEMORY), 3)
    return streamed, train(opened(path, 2**40).load(), 3)


def train_whole(path):
    """Return the memory of an epoch in GB, and its costs a row: of all, and of some in memory.

    Without validation, of which there would be less, relative to all rows, with more of them.
    """
    source = opened(path, MEMORY)
    with watched() as seen:
        time.sleep(0.1)
        before = seen[-1]
        *cost, _ = train(source, 1, early_stopping=False)
    # One epoch as well: the least of several would be another figure.
    rows = source[: 16 * N_BLOCK]
    *in_memory, _ = train(rows, 1, early_stopping=False)
    per_row = np.divide(cost, len(source)), np.divide(in_memory, len(rows))
    return (max(seen) - before) / 1e9, *per_row
