"""Several processes train one network, as one process with their rows of a step would."""

import contextlib
import io
import multiprocessing.process
import os
import shutil
import signal
from datetime import timedelta
from multiprocessing.pool import ThreadPool
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from skorch.callbacks import Callback
from torch import distributed
from torch.distributed import run

import skae
from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Denoiser,
    HybridAutoencoder,
    ParametricUMAP,
    SequencePredictor,
    TableAutoencoder,
    VariationalAutoencoder,
)
from skae._engine.ranks import Ranks
from skae._engine.rendezvous import meet
from skae._engine.rungs import Rung
from skae.architectures import Conv, Custom, Dense
from skae.networks.generators import standard_normal_like
from skae.networks.parts import BatchPart, use_part
from tests.forked import FORKS, finish, started
from tests.pair import Died, in_two_processes, values_of, variables

SMALL = {"architecture": Dense((16,)), "max_iter": 3, "random_state": 0, "batch_size": 24}
ESTIMATORS = {
    "plain": Autoencoder(4, **SMALL),
    "default batches": Autoencoder(4, **(SMALL | {"batch_size": "auto"})),
    "noise, dropout": Autoencoder(
        4, noise="masking", **(SMALL | {"architecture": Dense((16,), dropout=0.2)})
    ),
    "images, noise of a range of levels": Denoiser(
        Conv((4, 8), dropout=0.2),
        n_components=4,
        loss="ssim",
        noise_level=(1.0, 4.0),
        image_shape=(8, 8),
        max_iter=2,
        random_state=0,
    ),
    "missing values": Autoencoder(4, missing_values="mask", **SMALL),
    "ordered": Autoencoder(4, ordered=True, **SMALL),
    "adaptive rate, no validation": Autoencoder(
        4, early_stopping=False, learning_rate="adaptive", optimizer="sgd", **SMALL
    ),
    "user's loss": Autoencoder(4, loss=torch.nn.L1Loss(reduction="none"), **SMALL),
    "variational": VariationalAutoencoder(4, kl_warmup=0.5, **SMALL),
    "variational, missing values": VariationalAutoencoder(4, missing_values="mask", **SMALL),
    "classifier, weights of rows": AutoencoderClassifier(
        4, reconstruction_weight="balanced", class_weight={0: 3, 1: 1, 2: 1, 3: 0.5}, **SMALL
    ),
    "regressor": AutoencoderRegressor(4, **SMALL),
    "distilled": HybridAutoencoder(reducer=PCA(4), distill=True, **SMALL),
    "table": TableAutoencoder(4, max_iter=2, random_state=0),
    "variational table": TableAutoencoder(4, variational=True, max_iter=2, random_state=0),
}
# Its dropout draws by torch's global generator, and knows of no whole batch.
OF_USER = Autoencoder(
    4,
    **(
        SMALL
        | {
            "architecture": Custom(
                encoder=lambda shape, n_outputs: torch.nn.Sequential(
                    torch.nn.Linear(*shape, n_outputs), torch.nn.Dropout(0.2)
                ),
                decoder=lambda n_inputs, shape: torch.nn.Linear(n_inputs, *shape),
            )
        }
    ),
)
# What cannot be divided, and what the error has to say.
REFUSED = {
    "batch normalization": (
        Autoencoder(4, **(SMALL | {"architecture": Dense((16,), normalization="batch")})),
        "Batch normalization",
    ),
    "user's batch normalization": (
        Autoencoder(
            4,
            **(
                SMALL
                | {
                    "architecture": Custom(
                        encoder=lambda shape, n_outputs: torch.nn.Sequential(
                            torch.nn.Linear(*shape, n_outputs), torch.nn.BatchNorm1d(n_outputs)
                        ),
                        decoder=lambda n_inputs, shape: torch.nn.Linear(n_inputs, *shape),
                    )
                }
            ),
        ),
        "Batch normalization",
    ),
    "pause of a search": (Autoencoder(4, **SMALL | {"max_iter": Rung(1, 2, "")}), "fits pause"),
    "one number for a batch": (Autoencoder(4, loss=torch.nn.L1Loss(), **SMALL), "loss must return"),
    "cycles": (Autoencoder(4, cycle_weight=1.0, **SMALL), "cycle_weight"),
    "sequences": (SequencePredictor(4, frame_shape=(16,), hidden_size=8, **SMALL), "unequal"),
}


@pytest.fixture(scope="module")
def digits():
    return load_digits(n_class=4, return_X_y=True)


def table_of(X):
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(X[:200, 10:14].copy(), columns=list("abcd"))
    table.iloc[::3, 0] = np.nan
    return table.assign(kind=np.where(X[:200, 20] > 7, "high", "low"))


def data_of(estimator, digits):
    if isinstance(estimator, TableAutoencoder):
        return (table_of(digits[0]),)
    if getattr(estimator, "missing_values", None) == "mask":
        X = digits[0].copy()
        # Half of the rows have none, so that processes see other fractions.
        X[np.random.RandomState(0).uniform(size=X.shape) < np.linspace(0, 0.5, len(X))[:, None]] = (
            np.nan
        )
        return (X,)
    return digits if hasattr(estimator, "predict") else digits[:1]


def fitted_values(rank, estimators, digits):
    return {
        name: values_of(estimator.fit(*data_of(estimator, digits)))
        for name, estimator in estimators.items()
    }


@pytest.fixture(scope="module")
def of_one(digits):
    """The losses and weights of all estimators in one process, which computes all rows of a step.

    Its fits also import what the forked processes of the other tests then have.
    """
    estimators = {name: clone(estimator) for name, estimator in ESTIMATORS.items()}
    for estimator in estimators.values():
        if estimator.batch_size != "auto":
            estimator.set_params(batch_size=2 * estimator.batch_size)
    return fitted_values(0, estimators, digits)


@pytest.fixture(scope="module")
def of_two(of_one, digits):
    """The same in each of two processes."""
    return in_two_processes(fitted_values, ESTIMATORS | {"user's modules": OF_USER}, digits)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_two_processes_train_as_one_with_all_rows_of_a_step(name, of_one, of_two):
    losses, weights = of_one[name]
    losses_of_two, weights_of_two = of_two[0][name]
    np.testing.assert_allclose(losses_of_two, losses, rtol=1e-5)
    for key, weight in weights.items():
        np.testing.assert_allclose(weights_of_two[key], weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [*ESTIMATORS, "user's modules"])
def test_all_processes_have_the_same_bits(name, of_two):
    (losses, weights), (other_losses, other_weights) = (results[name] for results in of_two)
    assert losses == other_losses
    for key, weight in weights.items():
        np.testing.assert_array_equal(weight, other_weights[key])


def errors_of(rank, estimators, digits):
    errors = {}
    for name, (estimator, _) in estimators.items():
        with pytest.raises(ValueError) as raised:
            estimator.fit(*digits)
        errors[name] = str(raised.value), hasattr(estimator, "module_")
    return errors


@pytest.fixture(scope="module")
def refusals(of_one, digits):
    return in_two_processes(errors_of, REFUSED, digits)


@pytest.mark.parametrize("name", REFUSED)
def test_what_processes_cannot_divide_is_refused_in_all_of_them(name, refusals):
    for errors in refusals:
        message, is_fitted = errors[name]
        assert REFUSED[name][1] in message
        assert not is_fitted


def test_a_map_whose_codes_all_repel_each_other_is_not_divided():
    assert "repel each other" in ParametricUMAP()._find_whole_batch_term()


def fit_after(rank, X, prepare):
    """Return the error of a fit that begins with ``prepare``, and the losses of one after it."""
    estimator = Autoencoder(4, **SMALL)
    with pytest.raises((ValueError, RuntimeError, KeyError, KeyboardInterrupt)) as raised:
        prepare(rank, estimator, X)
    assert not hasattr(estimator, "module_")
    assert not distributed.is_initialized()
    return type(raised.value).__name__, str(raised.value), estimator.fit(X).loss_curve_


def with_bad_rows(rank, estimator, X):
    estimator.fit(np.where(X > 15, np.inf, X) if rank else X)


def with_other_rows(rank, estimator, X):
    estimator.fit(X[rank::2])


def with_other_parameters(rank, estimator, X):
    clone(estimator).set_params(learning_rate_init=0.001 * (1 + rank)).fit(X)


def with_partial_fit(rank, estimator, X):
    estimator.partial_fit(X)


class Fails(Callback):
    def on_batch_end(self, net, training, **kwargs):
        if len(net.history) == 2:
            raise KeyError("of the callback")


def with_failing_callback(rank, estimator, X):
    callbacks = [Fails()] if rank else None
    clone(estimator).set_params(callbacks=callbacks).fit(X)


class Interrupts(Callback):
    def on_batch_end(self, net, training, **kwargs):
        if len(net.history) == 2:
            signal.raise_signal(signal.SIGINT)


def with_ctrl_c(rank, estimator, X):
    # Of this process, which is forked from one that may ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    callbacks = [Interrupts()] if rank else None
    clone(estimator).set_params(callbacks=callbacks).fit(X)


@pytest.mark.parametrize(
    ("prepare", "first", "second"),
    [
        (with_bad_rows, "Process 1 of 2 could not fit", "infinity"),
        (with_other_rows, "differs from process 0 in X", "differs from process 0 in X"),
        (with_other_parameters, "learning_rate_init", "learning_rate_init"),
        (with_partial_fit, "SKAE_DISTRIBUTED", "SKAE_DISTRIBUTED"),
        (with_failing_callback, "has lost another one", "of the callback"),
        (with_ctrl_c, "has lost another one", ""),
    ],
)
def test_an_error_ends_the_fit_in_all_processes_and_the_next_one_is_not_disturbed(
    prepare, first, second, of_one, digits
):
    results = in_two_processes(fit_after, digits[0], prepare)
    for (_, message, losses), expected in zip(results, (first, second), strict=True):
        assert expected in message
        np.testing.assert_allclose(losses, [e[0] for e in of_one["plain"][0]], rtol=1e-5)


class StopsAfter(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


def fit_with_own_callbacks(rank, X):
    """Fit without a random_state and with callbacks that would end training at unequal times."""
    shown = io.StringIO()
    parameters = SMALL | {"random_state": None, "verbose": 1, "max_iter": 5}
    estimator = VariationalAutoencoder(2, callbacks=[StopsAfter(2 + rank)], **parameters)
    with contextlib.redirect_stderr(shown):
        estimator.fit(X)
    draws = estimator.sample(3, random_state=0)
    return values_of(estimator), draws, estimator.random_state, shown.getvalue()


@pytest.fixture(scope="module")
def of_two_with_callbacks(of_one, digits):
    return in_two_processes(fit_with_own_callbacks, digits[0])


def test_all_processes_stop_once_a_callback_of_one_does(of_two_with_callbacks):
    for (losses, _), *_ in of_two_with_callbacks:
        assert len(losses) == 2


def test_without_a_random_state_processes_draw_the_same_numbers(of_two_with_callbacks):
    ((losses, _), draws, state, _), ((other_losses, _), other_draws, *_) = of_two_with_callbacks
    assert losses == other_losses
    np.testing.assert_array_equal(draws, other_draws)
    assert state is None


def test_the_first_process_alone_shows_a_bar(of_two_with_callbacks):
    shown = [result[-1] for result in of_two_with_callbacks]
    assert "epoch" in shown[0]
    assert not shown[1]


class Kills(Callback):
    """Ends its process as the system does where memory runs out."""

    def on_batch_begin(self, net, training, **kwargs):
        if len(net.history) == 3:
            os.kill(os.getpid(), signal.SIGKILL)


def fit_with_checkpoint(rank, X, path, is_killed):
    estimator = Autoencoder(4, checkpoint=path, **SMALL)
    if rank:
        estimator.set_params(callbacks=[Kills()] if is_killed else None)
        # A second writer would fail.
        with mock.patch("skae._engine.checkpoint.write_atomically", side_effect=AssertionError):
            return values_of(estimator.fit(X))
    if not is_killed:
        return values_of(estimator.fit(X))
    with pytest.raises(RuntimeError) as raised:
        estimator.fit(X)
    return str(raised.value)


@pytest.fixture(scope="module")
def interrupted(of_one, digits, tmp_path_factory):
    """The message of the process that is left when another one is killed, and the checkpoint."""
    path = tmp_path_factory.mktemp("ranks") / "state"
    message, killed = in_two_processes(fit_with_checkpoint, digits[0], path, True)
    assert isinstance(killed, Died)
    return message, path


def test_a_killed_process_ends_the_fit_of_the_others_with_a_message(interrupted):
    assert "Process 0 of 2 has lost another one, which failed, was killed" in interrupted[0]


def test_a_fit_of_two_processes_continues_where_one_was_killed(
    interrupted, digits, of_two, tmp_path
):
    path = shutil.copy(interrupted[1], tmp_path / "state")
    for losses, weights in in_two_processes(fit_with_checkpoint, digits[0], path, False):
        assert losses == of_two[0]["plain"][0]
        for key, weight in weights.items():
            np.testing.assert_array_equal(weight, of_two[0]["plain"][1][key])
    assert not path.exists()


def test_one_process_continues_a_fit_of_two_with_as_many_rows_a_step(
    interrupted, digits, of_one, tmp_path
):
    path = shutil.copy(interrupted[1], tmp_path / "state")
    parameters = SMALL | {"batch_size": 2 * SMALL["batch_size"]}
    losses, _ = values_of(Autoencoder(4, checkpoint=path, **parameters).fit(digits[0]))
    np.testing.assert_allclose(losses, of_one["plain"][0], rtol=1e-5)


def test_steps_of_other_rows_do_not_continue_a_fit(interrupted, digits):
    with pytest.raises(ValueError, match="batch_size was 48 and is 24"):
        Autoencoder(4, checkpoint=interrupted[1], **SMALL).fit(digits[0])


def fit_in_own_group(rank, port, X):
    store = distributed.TCPStore("127.0.0.1", port, is_master=False)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    values = values_of(Autoencoder(4, **SMALL).fit(X))
    one = torch.ones(1)
    distributed.all_reduce(one)
    distributed.destroy_process_group()
    return values, one.item()


def test_a_group_of_the_user_is_used_and_left_as_it_was(of_two, digits):
    for (losses, _), n in in_two_processes(fit_in_own_group, digits[0], launched=False):
        assert losses == of_two[0]["plain"][0]
        assert n == 2


def test_each_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    # Without a connection: which device it is depends on the variable alone.
    ranks = object.__new__(Ranks)
    assert ranks.device(torch.device("cuda")) == torch.device("cuda:3")
    assert ranks.device(torch.device("cuda:5")) == torch.device("cuda:5")
    assert ranks.device(torch.device("cpu")) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="process 3 and 2 GPUs"):
        ranks.device(torch.device("cuda"))


@pytest.fixture
def launched(monkeypatch):
    """The variables of torchrun, by which nobody answers."""
    for name, value in variables(0, 1).items():
        monkeypatch.setenv(name, value)


def test_a_process_of_torchrun_fits_alone_if_the_user_says_so(launched, monkeypatch, digits):
    monkeypatch.setenv("SKAE_DISTRIBUTED", "0")
    assert Autoencoder(2, **SMALL).fit(digits[0][:50]).n_iter_


def test_a_thread_fits_alone(launched, digits):
    with ThreadPool(1) as pool:
        assert pool.apply(Autoencoder(2, **SMALL).fit, (digits[0][:50],)).n_iter_


def test_a_worker_of_a_process_of_torchrun_fits_alone(launched, monkeypatch, digits):
    monkeypatch.setattr(multiprocessing.process.current_process(), "_name", "LokyProcess-1")
    assert Autoencoder(2, **SMALL).fit(digits[0][:50]).n_iter_


def test_variables_of_another_launcher_connect_nothing(monkeypatch, digits):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert Autoencoder(2, **SMALL).fit(digits[0][:50]).n_iter_


def test_a_process_without_rows_of_a_batch_has_one_that_does_not_count():
    parts = [BatchPart(index, 4, lambda x: x) for index in range(4)]
    rows = [slice(*part.begin(3)) for part in parts]
    assert [part.fraction for part in parts] == [0, 1 / 3, 1 / 3, 1 / 3]
    assert rows == [slice(0, 1), slice(0, 1), slice(1, 2), slice(2, 3)]
    sums = [
        part.sum(torch.arange(3.0)[some]).sum().item()
        for part, some in zip(parts, rows, strict=True)
    ]
    assert sums == [0, 0, 1, 2]


def test_values_of_other_rows_than_those_of_a_batch_are_not_drawn():
    part = BatchPart(0, 2, lambda x: x)
    part.begin(10)
    with use_part(part), pytest.raises(ValueError, match="7 rows, which is no multiple of the 5"):
        standard_normal_like(torch.zeros(7, 2))


def test_processes_meet_beside_what_those_that_died_have_left():
    store = distributed.HashStore()
    store.set("skae/signature/1", "of a process that died")
    store.set("skae/call", '["old", "a", "of a process that died"]')
    store.set("skae/old/begins", "")
    with ThreadPool(2) as pool:
        for _ in range(2):
            names = pool.map(lambda rank: meet(store, rank, 2, timedelta(seconds=60)), range(2))
            assert names[0] == names[1] != "old"


def test_a_process_that_does_not_come_is_not_waited_for_forever():
    with pytest.raises(RuntimeError, match="Process 1 of 2 has waited"):
        meet(distributed.HashStore(), 1, 2, timedelta(seconds=0.01))


SCRIPT = """
import os
import sys
from pathlib import Path

import numpy as np
from skae import Autoencoder

X = np.load(sys.argv[1])
codes = [Autoencoder(4, max_iter=3, random_state=seed).fit_transform(X) for seed in (0, None)]
np.savez(f"{sys.argv[2]}/{os.environ['RANK']}", *codes)
# Connections have threads, which Linux lists.
names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
assert not any("gloo" in name for name in names), names
"""


@FORKS
def test_torchrun_runs_a_script_that_knows_nothing_of_it(digits, tmp_path, monkeypatch):
    (tmp_path / "script.py").write_text(SCRIPT)
    np.save(tmp_path / "X.npy", digits[0])
    monkeypatch.setenv("PYTHONPATH", str(Path(skae.__file__).parent.parent))
    local = ["--nproc-per-node", "2", "--standalone", "--local-addr", "127.0.0.1"]
    paths = [str(tmp_path / name) for name in ("script.py", "X.npy", "")]
    finish(started(run.main, [*local, *paths]), seconds=300)
    expected = Autoencoder(4, max_iter=3, random_state=0).fit_transform(digits[0])
    results = [np.load(tmp_path / f"{rank}.npz") for rank in range(2)]
    np.testing.assert_allclose(results[0]["arr_0"], expected, rtol=1e-4, atol=1e-4)
    # Without a seed as well: they have trained together.
    np.testing.assert_array_equal(results[0]["arr_1"], results[1]["arr_1"])
