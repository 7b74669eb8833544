"""One epoch over Parquet files of many rows: seconds, memory and error beside an oracle (Linux).

Seconds are those of processors and of the clock: the former can be compared on a busy machine.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.decomposition import PCA
from skorch.callbacks import Callback

from skae import Autoencoder
from skae.architectures import Dense
from skae.sources import open_rows

from .memory import watched
from .reliability import one_process

N_COMPONENTS, NOISE = 3, 0.05
GROUP_ROWS, GROUPS_PER_FILE = 2**16, 16
MAX_MEMORY = 256 * 10**6
# Rows that are judged by, and that PCA is fitted to.
N_JUDGED = 100_000
# Files that are read, and whose codes are written, for seconds a row.
N_TIMED_FILES = 4


def measure(n_rows=10**6, n_features=8):
    """Yield rows of (what, value, bound)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows")
        start = time.perf_counter()
        write(path, n_rows, n_features)
        yield "seconds to make and write the rows", time.perf_counter() - start, ""
        n_bytes = sum(file.stat().st_size for file in path.iterdir())
        yield "bytes a row in the files", n_bytes / n_rows, ""
        # Half of the rows at most, so that they are read block by block.
        max_memory = min(MAX_MEMORY, 2 * n_rows * n_features)
        with one_process() as process:
            figures = process.apply(run, (path, n_rows, n_features, max_memory))
    for what, value in figures.items():
        yield f"{n_rows:.0e} rows × {n_features}: {what}", value, BOUNDS.get(what, "")
    yield from steps(n_features)


def steps(n_features):
    """Yield what an epoch of rows in memory costs, by network and size of the batch."""
    X = manifold(n_features)(N_JUDGED, seed=[0, 1])
    for name, architecture in {"64 hidden units": Dense((64,)), "default network": "auto"}.items():
        # By default of up to 30 million rows, of 10⁸ and of 10⁹.
        for batch_size in (192, 625, 6250):
            clock = Clock()
            Autoencoder(
                N_COMPONENTS,
                architecture=architecture,
                batch_size=batch_size,
                max_iter=2,
                early_stopping=False,
                callbacks=[clock],
                random_state=0,
            ).fit(X)
            seconds = (clock.epoch_end - clock.epoch_begin)[1]
            what = f"{name}, batches of {batch_size}: microseconds of processors a row and epoch"
            yield what, 1e6 * seconds / len(X), ""


BOUNDS = {
    "most memory of the process, GB": "≤ 1.5",
    "error / PCA's": "≤ 0.5",
    "error / noise floor": "≥ 1",
}


def manifold(n_features):
    """Return a function that gives rows: a curved manifold of three dimensions, and noise.

    The best that a code of three numbers can do, to first order, is to leave the noise across the
    manifold: that is the floor.
    """
    generator = np.random.default_rng(0)
    n_curved = n_features - N_COMPONENTS
    slopes = generator.standard_normal((N_COMPONENTS, n_curved), dtype=np.float32)
    phases = generator.uniform(0, 2 * np.pi, n_curved).astype(np.float32)
    square = generator.standard_normal((n_features, n_features))
    rotation = np.linalg.qr(square)[0].astype(np.float32)

    def make(n_rows, seed):
        generator = np.random.default_rng(seed)
        codes = 2 * generator.random((n_rows, N_COMPONENTS), dtype=np.float32) - 1
        rows = np.hstack([codes, np.sin(codes @ slopes + phases)]) @ rotation
        noise = generator.standard_normal(rows.shape, dtype=np.float32)
        return rows + np.float32(NOISE) * noise

    return make


def write(path, n_rows, n_features):
    """Write files of row groups, none of which is held with another."""
    path.mkdir()
    make, names = manifold(n_features), [f"x{j}" for j in range(n_features)]
    starts = range(0, n_rows, GROUP_ROWS)
    for first in range(0, len(starts), GROUPS_PER_FILE):
        with parquet_writer(path / f"part-{first:08}.parquet", names) as writer:
            for start in starts[first : first + GROUPS_PER_FILE]:
                columns = make(min(GROUP_ROWS, n_rows - start), seed=1 + start).T
                writer.write_table(as_table(names, columns))


def parquet_writer(path, names):
    """Open a file for columns of floats, which repeat no values that a dictionary could hold."""
    schema = pa.schema([(name, pa.float32()) for name in names])
    return pq.ParquetWriter(path, schema, use_dictionary=False)


def as_table(names, columns):
    """Return a table of named columns, each of which has its own memory."""
    return pa.table(dict(zip(names, np.ascontiguousarray(columns), strict=True)))


class Clock(Callback):
    """Note when training and its last epoch begin and end, and how long validation takes."""

    def on_train_begin(self, net, **kwargs):
        self.begin = now()

    def on_epoch_begin(self, net, **kwargs):
        self.epoch_begin = now()

    def on_epoch_end(self, net, **kwargs):
        self.epoch_end = now()

    def on_train_end(self, net, **kwargs):
        start = now()
        if net.validation_data is not None:
            net.validation_loss()
        self.validation = now() - start


def now():
    """Return the seconds of the clock and of this process, those of its threads included."""
    return np.array([time.perf_counter(), time.process_time()])


def run(path, n_rows, n_features, max_memory):
    """Fit in one epoch; return figures by their names."""
    source = open_rows(path, max_memory=max_memory)
    clock = Clock()
    autoencoder = Autoencoder(
        N_COMPONENTS, architecture=Dense((64,)), max_iter=1, callbacks=[clock], random_state=0
    )
    start = now()
    with watched() as peak:
        autoencoder.fit(source)
    per_row = {
        "statistics pass and start": (clock.begin - start) / n_rows,
        "epoch": (clock.epoch_end - clock.epoch_begin - clock.validation) / n_rows,
        "validation, a validated row": clock.validation / len(autoencoder.net_.validation_data),
        **passes(path, autoencoder, max_memory),
    }
    figures = {}
    for what, (clocked, of_processors) in per_row.items():
        figures |= {
            f"{what}: microseconds a row": 1e6 * clocked,
            f"{what}: the same of processors": 1e6 * of_processors,
        }
    figures["rows a second of the epoch"] = 1 / per_row["epoch"][0]
    figures["rows of a batch"] = autoencoder.net_.batch_size
    figures["most memory of the process, GB"] = max(peak) / 1e9
    return figures | errors(autoencoder, n_features)


def passes(path, autoencoder, max_memory):
    """Return the seconds a row of reading some files, and of writing their codes."""
    reading, coding, n_rows = np.zeros(2), np.zeros(2), 0
    for file in sorted(path.iterdir())[:N_TIMED_FILES]:
        start = now()
        for _ in open_rows(file, max_memory=max_memory).parts():
            pass
        middle = now()
        n_rows += write_codes(file, path.parent / "codes.parquet", autoencoder)
        reading, coding = reading + middle - start, coding + now() - middle
    return {"reading": reading / n_rows, "reading, transform and writing": coding / n_rows}


def write_codes(file, path, autoencoder):
    """Write the codes of a file's rows to another file, by row groups; return how many."""
    names = list(autoencoder.get_feature_names_out())
    opened = pq.ParquetFile(file)
    with parquet_writer(path, names) as writer:
        for group in range(opened.num_row_groups):
            codes = autoencoder.transform(opened.read_row_group(group).to_pandas())
            writer.write_table(as_table(names, codes.T))
    return opened.metadata.num_rows


def errors(autoencoder, n_features):
    """Return errors of new rows beside PCA's and the floor."""
    make = manifold(n_features)
    fitted, judged = make(N_JUDGED, seed=[0, 1]), make(N_JUDGED, seed=[0, 2])
    pca = PCA(N_COMPONENTS).fit(fitted)
    error = mean_square(autoencoder.reconstruct(named(judged)) - judged)
    floor = NOISE**2 * (n_features - N_COMPONENTS) / n_features
    expected = mean_square(pca.inverse_transform(pca.transform(judged)) - judged)
    return {"error / PCA's": error / expected, "error / noise floor": error / floor}


def named(rows):
    """Return rows with the names that the columns of the files have."""
    return pd.DataFrame(rows, columns=[f"x{j}" for j in range(rows.shape[1])])


def mean_square(values):
    """Return the mean of squares, summed in double precision."""
    return np.square(values, dtype=np.float64).mean()
