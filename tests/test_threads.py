"""Threads and processes: what many do at once is what one does alone, and none waits forever."""

import importlib.util
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed, parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from small import ESTIMATORS, FOR_IMAGES, QUICK, images, results, wine

from skae import Autoencoder
from skae.architectures import Custom
from tests.forked import FORKS, in_fork

X, Y = wine()
IMAGES, IS_LARGE = images()
N_THREADS = 8
CUSTOM = Autoencoder(
    2,
    architecture=Custom(
        lambda shape, k: torch.nn.Sequential(torch.nn.Linear(5, k), torch.nn.Dropout(0.2)),
        lambda k, shape: torch.nn.Linear(k, 5),
    ),
    max_iter=2,
    random_state=0,
)
OF_ROWS = {**ESTIMATORS, "custom": CUSTOM, "noisy": Autoencoder(2, noise="masking", **QUICK)}


# -- scripts for new processes ------------------------------------------------------------------

POOL = """
import multiprocessing
import torch
from sklearn.datasets import load_digits
from skae import Autoencoder, VariationalAutoencoder
torch.set_num_threads(2)
X = load_digits().data[:500]
fitted = Autoencoder(8, max_iter=1, random_state=0).fit(X)
fitted.transform(X)

def task(trains):
    (VariationalAutoencoder(8, max_iter=1).fit(X) if trains else fitted).score_samples(X)

context = multiprocessing.get_context("fork")
processes = [context.Process(target=task, args=(trains,)) for trains in (False, True)]
[process.start() for process in processes]
[process.join(timeout=60) for process in processes]
print(*(process.exitcode for process in processes))
[process.kill() for process in processes]
"""
HYBRID_WITH_NUMBA = '''
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from skorch.callbacks import Callback
from skae import Autoencoder, HybridAutoencoder
from skae.architectures import Conv, Dense

torch.set_num_threads(1)
digits = load_digits()
X, images = digits.data[:60], digits.images[:60]

class Threads(Callback):
    def on_train_begin(self, net, **kwargs):
        print(torch.get_num_threads())

def fit(estimator, X):
    estimator.set_params(max_iter=1, callbacks=[Threads()]).fit(X).transform(X)
    print(torch.get_num_threads())

class LikeUMAP(PCA):
    """It starts Numba's threads at once, two of them, as UMAP does before it compiles."""

    def fit(self, X, y=None):
        import numba
        numba.get_num_threads()
        print("in reducer", torch.get_num_threads())
        return super().fit(X)

LONG = Dense((1000, 1000))
fit(HybridAutoencoder(reducer=LikeUMAP(2), architecture=LONG), X)
torch.set_num_threads(2)
for estimator, rows in [
    (Autoencoder(architecture=Dense((8,))), X),
    (Autoencoder(architecture=Conv((4,))), images),
    (Autoencoder(architecture=LONG), X),
]:
    fit(estimator, rows)
'''
MAP_WITH_NUMBA = """
import numba, numpy as np, torch
from scipy import sparse
from skorch.callbacks import Callback
from skae import ParametricUMAP
from skae.architectures import Dense
from skae.estimators import _map_rows, parametric_umap

class Threads(Callback):
    def on_train_begin(self, net, **kwargs):
        print("while fitting", torch.get_num_threads())

def graph(neighbors, ratio):
    numba.get_num_threads()
    return sparse.csr_matrix(1 - np.eye(len(neighbors[0])))

# What needs umap-learn, which takes seconds to compile.
_map_rows.fuzzy_graph = graph
_map_rows.spectral_layout = lambda rows, graph, n_components, metric: rows[:, :n_components]
parametric_umap.check_metric = lambda metric: None
parametric_umap.curve = lambda spread, min_dist: (1.5, 0.9)
torch.set_num_threads(1)
X = np.random.default_rng(0).normal(size=(40, 100))
long_steps = Dense((1000, 1000))
ParametricUMAP(n_neighbors=5, architecture=long_steps, max_iter=1, callbacks=[Threads()]).fit(X)
"""
PARALLEL_NUMBA = """
import numba, numpy as np, torch
from skae.comparison._evaluation import unchanged_threads

@numba.njit(parallel=True)
def double(x):
    for i in numba.prange(len(x)):
        x[i] *= 2

torch.set_num_threads(1)
with unchanged_threads():
    double(np.ones(10))
print(torch.get_num_threads())
"""
LIMITS = """
import multiprocessing
import numpy as np
import torch
from threadpoolctl import threadpool_info
from skae import Autoencoder
from skae.architectures import Dense
from skorch.callbacks import Callback

torch.set_num_threads(2)
X = np.random.default_rng(0).normal(size=(40, 100))

class Threads(Callback):
    def on_train_begin(self, net, **kwargs):
        print("while fitting", torch.get_num_threads(), flush=True)

def fit():
    Autoencoder(2, architecture=Dense((1000, 1000)), max_iter=1, callbacks=[Threads()]).fit(X)

def show(when):
    pools = sorted({pool["num_threads"] for pool in threadpool_info()})
    print(when, torch.get_num_threads(), *pools, flush=True)

def task():
    show("before")
    fit()
    show("after")

def fork():
    process = multiprocessing.get_context("fork").Process(target=task)
    process.start()
    process.join(timeout=60)
    process.kill()

fork()
Autoencoder(2, architecture=Dense((4,)), max_iter=1).fit(X).transform(X)
fork()
"""
# Runs scripts in processes that are forked from one that has imported all and computed nothing: a
# new process for each would import torch for seconds.
FORKING = """
import multiprocessing, sys
from pathlib import Path
import sklearn.datasets, skorch.callbacks
import skae.comparison
from skae import Autoencoder, HybridAutoencoder, VariationalAutoencoder

def show(path):
    with open(path.with_suffix(".shown"), "w") as sys.stdout:
        exec(path.read_text(), {"__name__": "__main__"})

for path in sorted(Path(sys.argv[1]).glob("*.py")):
    process = multiprocessing.get_context("fork").Process(target=show, args=(path,))
    process.start()
    process.join()
    assert not process.exitcode, path
"""
SCRIPTS = {"pool": POOL, "limits": LIMITS}
if importlib.util.find_spec("numba") is not None:
    SCRIPTS |= {
        "hybrid with numba": HYBRID_WITH_NUMBA,
        "map with numba": MAP_WITH_NUMBA,
        "parallel numba": PARALLEL_NUMBA,
    }


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What each script prints on two threads, also of a machine with fewer or more processors."""
    folder = tmp_path_factory.mktemp("scripts")
    for name, script in SCRIPTS.items():
        (folder / f"{name}.py").write_text(script)
    # By OpenMP, which torch computes with too: its threads are what a fork leaves behind.
    environment = {**os.environ, "NUMBA_THREADING_LAYER": "omp"}
    for library in ("OMP", "OPENBLAS", "NUMBA"):
        environment[f"{library}_NUM_THREADS"] = "2"
    run = [sys.executable, "-W", "ignore", "-c", FORKING, folder]
    subprocess.run(run, capture_output=True, check=True, env=environment)
    return {name: (folder / f"{name}.shown").read_text() for name in SCRIPTS}


def assert_same_bits(made, expected):
    for one, other in zip(made, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def at_once(task, arguments):
    """Run a task in eight threads that start together, with this thread's number of threads."""
    n_inner, start = torch.get_num_threads(), threading.Barrier(N_THREADS)

    def run(argument):
        torch.set_num_threads(n_inner)
        start.wait(timeout=60)
        return task(argument)

    with ThreadPoolExecutor(N_THREADS) as pool:
        return list(pool.map(run, arguments))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", OF_ROWS)
def test_eight_threads_read_one_estimator(name, dtype):
    fitted = clone(OF_ROWS[name]).fit(X, Y)
    parts = [X[start:].astype(dtype) for start in range(N_THREADS)]
    alone = [results(fitted, part) for part in parts]
    together = at_once(lambda part: results(fitted, part), parts)
    for made, expected in zip(together, alone, strict=True):
        assert_same_bits(made, expected)


@pytest.mark.parametrize("name", FOR_IMAGES)
def test_eight_threads_read_one_estimator_of_images(name):
    fitted = clone(FOR_IMAGES[name]).fit(IMAGES, IS_LARGE)
    alone = [results(fitted, IMAGES[start:]) for start in range(N_THREADS)]
    together = at_once(lambda start: results(fitted, IMAGES[start:]), range(N_THREADS))
    for made, expected in zip(together, alone, strict=True):
        assert_same_bits(made, expected)


@pytest.mark.parametrize("name", OF_ROWS)
def test_eight_threads_train_an_estimator_each(name):
    def train(seed):
        return results(clone(OF_ROWS[name]).set_params(random_state=seed).fit(X, Y), X)

    alone = [train(seed) for seed in range(N_THREADS)]
    for made, expected in zip(at_once(train, range(N_THREADS)), alone, strict=True):
        assert_same_bits(made, expected)


def trained(name, seed):
    return results(clone(ESTIMATORS[name]).set_params(random_state=seed).fit(X, Y), X)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_train_and_read_what_one_process_does(backend):
    tasks = [(name, seed) for name in ESTIMATORS for seed in (0, 1)]
    alone = [trained(*task) for task in tasks]
    with parallel_config(backend, inner_max_num_threads=inner_threads(backend)):
        together = Parallel(n_jobs=2)(delayed(trained)(*task) for task in tasks)
    for made, expected in zip(together, alone, strict=True):
        assert_same_bits(made, expected)


def inner_threads(backend):
    return torch.get_num_threads() if backend == "loky" else None


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_read_an_estimator_that_was_fitted_here(backend):
    fitted = [clone(estimator).fit(X, Y) for estimator in ESTIMATORS.values()]
    with parallel_config(backend, inner_max_num_threads=inner_threads(backend)):
        together = Parallel(n_jobs=2)(delayed(results)(each, X) for each in fitted)
    for made, each in zip(together, fitted, strict=True):
        assert_same_bits(made, results(each, X))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_grid_search_finds_the_same_with_workers(backend):
    searches = [
        GridSearchCV(Autoencoder(**QUICK), {"n_components": [1, 3]}, cv=2, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    ]
    with parallel_config(backend, inner_max_num_threads=inner_threads(backend)):
        one, two = (search.fit(X).cv_results_["mean_test_score"] for search in searches)
    np.testing.assert_array_equal(one, two)


@FORKS
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_forked_process_reads_and_trains(name):
    fitted = clone(ESTIMATORS[name]).fit(X, Y)
    assert_same_bits(in_fork(lambda: results(fitted, X)), results(fitted, X))
    again = in_fork(lambda: results(clone(fitted).fit(X, Y), X))
    assert_same_bits(again, results(fitted, X))


@FORKS
def test_a_forked_process_does_not_wait_for_threads_that_stayed_behind(shown):
    assert shown["pool"].split() == ["0", "0"]


@FORKS
def test_a_forked_process_does_not_wait_for_a_lock_that_another_thread_held():
    inside, done = threading.Event(), threading.Event()

    def noise(batch):
        inside.set()
        done.wait(timeout=60)
        return batch

    slow = clone(CUSTOM).set_params(noise=noise)
    thread = threading.Thread(target=slow.fit, args=(X,))
    thread.start()
    inside.wait(timeout=60)
    try:
        forked = in_fork(lambda: results(clone(CUSTOM).fit(X), X))
    finally:
        done.set()
        thread.join()
    assert_same_bits(forked, results(clone(CUSTOM).fit(X), X))


# -- threads of other libraries, and processes that are forked ------------------------------------


@FORKS
def test_threads_that_umap_starts_change_no_number_of_threads_of_a_fit(shown):
    # Not by UMAP itself, which compiles for a minute: what it changes is Numba's doing.
    pytest.importorskip("numba")
    # Within and after: the hybrid; short steps, dense and convolutional; long steps.
    counts = shown["hybrid with numba"].split()
    assert counts == ["in", "reducer", "2", "1", "1", *["1", "2"] * 2, "2", "2"]


@FORKS
def test_a_map_is_trained_by_the_threads_that_were_there_before_its_graph(shown):
    pytest.importorskip("numba")
    assert shown["map with numba"].strip() == "while fitting 1"


@FORKS
def test_the_threads_that_numba_starts_do_not_change_those_of_torch(shown):
    pytest.importorskip("numba")
    assert shown["parallel numba"].strip() == "1"


@FORKS
def test_a_forked_process_has_all_threads_for_what_is_not_skae(shown):
    """Fits use one thread where the first process had computed, and all of them otherwise."""
    expected = [["before 2 2", f"while fitting {own}", "after 2 2"] for own in (2, 1)]
    assert shown["limits"].splitlines() == expected[0] + expected[1]
