"""Files that are damaged, forged or half written, and processes that are killed.

Each figure is measured in a process of its own, so that a crash is counted and not suffered.
"""

import contextlib
import hashlib
import inspect
import multiprocessing
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import nn

import skae
from skae.architectures import Custom, Dense
from skae.persistence._file import _DIGEST, _NO_DIGEST
from skae.persistence._modules import LAYERS, _parameters_of, _tensors_of, build_module

N_ARGUMENTS, SECONDS_OF_NONSENSE, MEMORY_OF_NONSENSE = 200, 3, 8 * 2**30
NONSENSE_NUMBERS = (0, 1, 2, -1, -5, 7, 4096, 65536, 2**31 - 1, 1 - 2**31)
NONSENSE_OTHERS = (0.5, -1e300, float("nan"), "same", "mean", None, (2, 1), (-1, 4096))
NONSENSE_SHAPES = ((2, 1), (2, 3), (0, 3), (2, 3, 4), (2, 1, 4, 4), (2, 4, 6, 6))
NONSENSE_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    LookupError,
    AssertionError,
    MemoryError,
)
N_MUTATIONS, N_LARGE_MUTATIONS, N_KILLS = 1000, 20, 20
QUICK = {"max_iter": 1, "random_state": 0}
ESTIMATORS = {
    "Autoencoder": skae.Autoencoder(8, **QUICK),
    "VariationalAutoencoder": skae.VariationalAutoencoder(8, **QUICK),
    "AutoencoderClassifier": skae.AutoencoderClassifier(8, **QUICK),
    "AutoencoderRegressor": skae.AutoencoderRegressor(8, **QUICK),
    "HybridAutoencoder": skae.HybridAutoencoder(8, **QUICK),
    "SequencePredictor": skae.SequencePredictor(8, frame_shape=(8,), **QUICK),
    "ReconstructionOutlierDetector": skae.ReconstructionOutlierDetector(random_state=0),
    "Autoencoder of torch.nn's layers": skae.Autoencoder(
        8,
        architecture=Custom(
            nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 8)),
            nn.Linear(8, 64),
        ),
        loss=nn.SmoothL1Loss(),
        **QUICK,
    ),
    "Pipeline": make_pipeline(skae.Autoencoder(8, **QUICK), LogisticRegression(max_iter=1000)),
}
FIGURES = (
    ("neither an error nor the same bits", "0"),
    ("of those with a digest made right: neither an error nor an estimator", "0"),
    ("slowest load, seconds", ""),
)


def measure():
    """Return rows of (what, value, bound)."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ESTIMATORS:
            with one_process() as process:
                values = process.apply(attack, (name, Path(folder)))
            what = f"{name}, {N_MUTATIONS} mutations"
            rows += [
                (f"{what}: {figure}", value, bound)
                for (figure, bound), value in zip(FIGURES, values, strict=True)
            ]
        what = "peak memory of loading it / size of the file"
        for state, value in zip(("whole", "mutated"), memory(Path(folder)), strict=True):
            rows.append((f"Autoencoder of 50 MB, {state}: {what}", value, "≤ 10"))
        crashing = layers_that_crash()
        broken = kill_during_save(Path(folder))
        off, n_killed = kill_during_fit(Path(folder))
    return [
        *rows,
        (f"layers that end a process, of {len(LAYERS)} with random arguments", crashing, "0"),
        (f"{N_KILLS} kills during save: files that were not whole", broken, "0"),
        (f"{n_killed} kills during fit: weights that differ from an unkilled fit's", off, "0"),
    ]


def one_process():
    """A pool of one new process."""
    return multiprocessing.get_context("spawn").Pool(1)


def attack(name, folder):
    """Load mutations of a saved estimator; return the values of `FIGURES`."""
    X, y = load_digits(return_X_y=True)
    fitted = ESTIMATORS[name].fit(X[:300], y[:300])
    skae.save(fitted, folder / "intact")
    data, expected = (folder / "intact").read_bytes(), codes(fitted, X)
    n_bad, n_bad_forged, slowest = 0, 0, 0.0
    generator = np.random.default_rng(0)
    for _ in range(N_MUTATIONS):
        mutation = mutated(data, generator)
        for is_forged, content in enumerate((mutation, signed(mutation))):
            start = time.perf_counter()
            loaded = load_bytes(content, folder / "mutation")
            slowest = max(slowest, time.perf_counter() - start)
            if is_forged:
                n_bad_forged += loaded is not None and not hasattr(loaded, "get_params")
            else:
                n_bad += loaded is not None and not np.array_equal(codes(loaded, X), expected)
    return n_bad, n_bad_forged, slowest


def codes(fitted, X):
    """What an estimator gives for X, whatever kind it is of."""
    methods = ("predict", "transform", "score_samples")
    return getattr(fitted, next(name for name in methods if hasattr(fitted, name)))(X)


def load_bytes(content, path):
    """Return the loaded object, or None where it is refused; another error ends the process."""
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return skae.load(path)
        except ValueError:
            return None


def mutated(data, generator):
    """Cut, flip, swap or replace bytes; half of the places are in the text of the file."""
    n_text = data.index(b'"root"') if generator.random() < 0.5 else len(data)
    a, b, c = sorted(int(place) for place in generator.integers(0, n_text, 3))
    kinds = (
        lambda: data[:a],
        lambda: data[:a] + bytes([data[a] ^ 1 << b % 8]) + data[a + 1 :],
        lambda: data[:a] + data[b:c] + data[a:b] + data[c:],
        lambda: data[:a] + generator.bytes(8) + data[a + 8 :],
        lambda: generator.bytes(a),
    )
    return kinds[generator.integers(len(kinds))]()


def signed(data):
    """Put the right digest in, as a forger would, where there is still a place for it."""
    found = _DIGEST.search(data)
    if not found:
        return data
    start, end = found.span(1)
    digest = hashlib.sha256(data[:start] + _NO_DIGEST + data[end:]).hexdigest()
    return data[:start] + digest.encode() + data[end:]


def memory(folder):
    """Peak memory of loading a large file, and mutations of it, divided by the size of the file."""
    large = skae.Autoencoder(8, architecture=Dense((4096,)), **QUICK)
    large.fit(np.random.default_rng(0).normal(size=(64, 1500)))
    skae.save(large, folder / "large")
    skae.save(skae.Autoencoder(), folder / "small")
    data = (folder / "large").read_bytes()
    generator = np.random.default_rng(0)
    with one_process() as process:
        # All that is imported at the first load is imported now.
        before = process.apply(peak_memory_of_load, (folder / "small",))
        mutations = []
        for _ in range(N_LARGE_MUTATIONS):
            mutation = mutated(data, generator)
            for content in (mutation, signed(mutation)):
                (folder / "mutation").write_bytes(content)
                mutations.append(process.apply(peak_memory_of_load, (folder / "mutation",)))
    with one_process() as process:
        before_whole = process.apply(peak_memory_of_load, (folder / "small",))
        whole = process.apply(peak_memory_of_load, (folder / "large",))
    return (whole - before_whole) / len(data), (max(mutations) - before) / len(data)


def peak_memory_of_load(path):
    """Load a file and return the most memory that this process has held so far, in bytes."""
    with contextlib.suppress(ValueError):
        skae.load(path)
    # Linux: getrusage would count what the parent held as well.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


def layers_that_crash():
    """Count layers that a file may hold and that end a process if a file says nonsense of them."""
    n_crashing = 0
    for name in LAYERS:
        # Not spawned: importing torch once for each layer would take minutes.
        process = multiprocessing.get_context("fork").Process(target=compute_nonsense, args=(name,))
        process.start()
        process.join()
        # A computation that takes too long ends its process as well, and is no crash.
        n_crashing += process.exitcode not in (0, -signal.SIGALRM)
    return n_crashing


def compute_nonsense(name):
    """Build a layer with random arguments, and compute with it, again and again."""
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OF_NONSENSE, MEMORY_OF_NONSENSE))
    generator = random.Random(name)
    for _ in range(N_ARGUMENTS):
        signal.alarm(SECONDS_OF_NONSENSE)
        with contextlib.suppress(*NONSENSE_ERRORS):
            layer = random_layer(LAYERS[name], generator)
            for shape in NONSENSE_SHAPES:
                with contextlib.suppress(*NONSENSE_ERRORS):
                    x = torch.ones(shape, requires_grad=True)
                    output = layer(x, x.detach()) if name.endswith("Loss") else layer(x)
                    (output[0] if isinstance(output, tuple) else output).sum().backward()


def random_layer(cls, generator):
    """Build a layer as `load` does, from small, huge and negative numbers and their like."""
    arguments = {}
    for name, default in _parameters_of(cls).items():
        if default is inspect.Parameter.empty or generator.random() < 0.5:
            # Mostly numbers that a layer can have, or few would be built at all.
            kinds = [(1, 2, 3)] * 7 + [NONSENSE_NUMBERS] * 2 + [NONSENSE_OTHERS]
            arguments[name] = generator.choice(generator.choice(kinds))
            if isinstance(default, bool):
                arguments[name] = generator.random() < 0.5
    with torch.device("meta"):
        sizes = {name: tensor.shape for name, tensor in _tensors_of(cls(**arguments)).items()}
    kinds = {"num_batches_tracked": np.int64}
    tensors = {name: np.zeros(shape, kinds.get(name, np.float32)) for name, shape in sizes.items()}
    parts = {"arguments": arguments, "tensors": tensors, "frozen": [], "layers": {}}
    return build_module(cls, {**parts, "training": generator.random() < 0.5})


def kill_during_save(folder):
    """Kill processes that save in turn two estimators to one path; count broken files."""
    script = (
        "import sys, skae\n"
        "from sklearn.datasets import load_digits\n"
        "X = load_digits().data\n"
        "two = [skae.Autoencoder(k, max_iter=1).fit(X[:200]) for k in (2, 3)]\n"
        "skae.save(two[0], sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    [skae.save(estimator, sys.argv[1]) for estimator in two]\n"
    )
    path = folder / "killed"
    generator = np.random.default_rng(0)
    n_broken = 0
    for _ in range(N_KILLS):
        run = [sys.executable, "-c", script, str(path)]
        with subprocess.Popen(run, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(generator.random() / 10)
            os.kill(process.pid, signal.SIGKILL)
        n_broken += load_bytes(path.read_bytes(), folder / "survivor") is None
    return n_broken


def kill_during_fit(folder):
    """Kill a fit again and again and let it end; count weights that are not as they should be."""
    script = (
        "import sys, skae\n"
        "from sklearn.datasets import load_digits\n"
        "fit = skae.Autoencoder(8, max_iter=200, n_iter_no_change=float('inf'), random_state=0,\n"
        "                       checkpoint=sys.argv[2])\n"
        "print('ready', flush=True)\n"
        "skae.save(fit.fit(load_digits().data).set_params(checkpoint=None), sys.argv[1])\n"
    )
    generator = np.random.default_rng(0)
    paths = [folder / name for name in ("killed fit", "checkpoint", "unkilled fit", "its own")]
    n_killed = 0
    for _ in range(N_KILLS):
        run = [sys.executable, "-c", script, *map(str, paths[:2])]
        with subprocess.Popen(run, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(generator.random())
            n_killed += process.poll() is None
            process.kill()
    for two_paths in (paths[:2], paths[2:]):
        run = [sys.executable, "-c", script, *map(str, two_paths)]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    killed, unkilled = (skae.load(path).module_.state_dict() for path in paths[::2])
    return sum(not weight.equal(killed[name]) for name, weight in unkilled.items()), n_killed
