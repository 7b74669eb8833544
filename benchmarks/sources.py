"""Training on rows that are read from zarr and Parquet: memory, speed and error (Linux only).

`SKAE_BENCH_BYTES` sets how many bytes each source has; 500 MB by default.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr

from skae import Autoencoder
from skae.architectures import Dense
from skae.sources import open_rows

from .memory import watched
from .reliability import one_process

N_BYTES = int(os.environ.get("SKAE_BENCH_BYTES", 500_000_000))
# In memory there is a copy of the rows compared.
N_COMPARED_BYTES = 500_000_000
N_FEATURES, N_BLOCK = 128, 2**15
# Memory that makes several buffers of the rows compared.
COMPARED_MEMORY = "128MB"


def measure():
    """Yield rows of (what, value, bound)."""
    for name, write in WRITERS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows")
            write(path, N_BYTES)
            peak, _ = in_new_process(path, "256MB")
            yield f"{name} of {N_BYTES / 1e9:.1f} GB: most memory of the process, GB", peak, "≤ 1.5"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows")
            write(path, N_COMPARED_BYTES)
            _, (seconds, error) = in_new_process(path, COMPARED_MEMORY)
            _, (in_memory, expected) = in_new_process(path, None)
        what = f"{name} of {N_COMPARED_BYTES / 1e9:.1f} GB, {COMPARED_MEMORY}"
        yield f"{what}: epoch in memory / streamed", in_memory / seconds, "≥ 0.7"
        yield f"{what}: error streamed / in memory", error / expected, "≤ 1.02"


def blocks(n_bytes):
    """Yield rows of twelve directions, curved, and noise, sorted as time series are."""
    generator = np.random.default_rng(0)
    basis = generator.standard_normal((12, N_FEATURES), dtype=np.float32)
    n_blocks = max(n_bytes // (4 * N_FEATURES * N_BLOCK), 1)
    for k in range(n_blocks):
        codes = generator.standard_normal((N_BLOCK, 12), dtype=np.float32)
        codes[:, 0] += 2 * np.sin(6 * k / n_blocks)
        rows = np.tanh(codes) @ basis
        rows += generator.standard_normal(rows.shape, dtype=np.float32) / 2
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
            writer = pq.ParquetWriter(path / f"part-{k:06}.parquet", table.schema)
        writer.write_table(table, row_group_size=2**13)
    writer.close()


WRITERS = {"zarr": write_zarr, "Parquet": write_parquet}


def in_new_process(path, max_memory):
    """Call `train` where no one has used memory before."""
    with one_process() as process:
        return process.apply(train, (path, max_memory))


def train(path, max_memory):
    """Return the memory that a fit takes at most, in GB, and an epoch's seconds and the error."""
    source = open_rows(path, max_memory=max_memory or 2**40)
    X = source if max_memory is not None else source.load()
    fit = Autoencoder(12, architecture=Dense((64,)), batch_size=512, max_iter=3, random_state=0)
    with watched() as peak:
        fit.fit(X)
    # The first epoch starts the threads.
    seconds = min(epoch["dur"] for epoch in fit.history_[1:])
    return max(peak) / 1e9, (seconds, fit.reconstruction_err_)
