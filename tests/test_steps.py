"""Steps of training in bfloat16, and compiled: the results of plain steps."""

import copy
import math
import pickle
import sys
import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from skorch.callbacks import Callback, GradientNormClipping

import skae
from skae import (
    Autoencoder,
    AutoencoderClassifier,
    Denoiser,
    HybridAutoencoder,
    SequencePredictor,
    VariationalAutoencoder,
)
from skae._engine import compiled, training
from skae._engine.compiled import CompiledSteps, CompileError, RecordedSteps
from skae._engine.layers import ChangedLayers, lowered
from skae.architectures import Conv, Dense
from skae.estimators import _plan
from skae.losses import Loss
from tests.graphs_on_host import use_host

# Three batches of 60 rows and a shorter one. The last weights count, be they the best or not.
QUICK = {
    "architecture": Dense((16,)),
    "max_iter": 3,
    "random_state": 0,
    "batch_size": 60,
    "early_stopping": False,
}
# A numerical noise of training that differs from one seed to another by far more.
NOISE = 0.02
ESTIMATORS = {
    "rows": Autoencoder(4, **QUICK),
    "images, batch norm, noise": Denoiser(
        Conv((4,), normalization="batch", dropout=0.1),
        n_components=4,
        image_shape=(8, 8),
        **{k: v for k, v in QUICK.items() if k != "architecture"},
    ),
    "ordered, cycle": Autoencoder(4, ordered=True, cycle_weight=0.1, **QUICK),
    "a factor that rises": VariationalAutoencoder(4, kl_warmup=2, **(QUICK | {"max_iter": 5})),
    "classifier": AutoencoderClassifier(4, **QUICK),
    "hybrid": HybridAutoencoder(n_components=4, **QUICK),
    "sequences": SequencePredictor(
        4, frame_shape=(8,), **{k: v for k, v in QUICK.items() if k != "architecture"}
    ),
}


@pytest.fixture(scope="module")
def rows():
    X, y = load_digits(return_X_y=True)
    return X[:222] / 16, y[:222]


@pytest.fixture
def stand_in(monkeypatch):
    """Take the path of torch.compile, without the minute that a C++ compiler takes."""
    monkeypatch.setattr(compiled, "_COMPILER", {"backend": "aot_eager", "dynamic": False})


@pytest.fixture
def graphs(monkeypatch):
    """Record steps as on a CUDA device; the graphs that are made."""
    monkeypatch.setattr(training, "make_compiled", RecordedSteps)
    return use_host(monkeypatch)


def apart(one, two):
    return np.abs(one - two).max() / np.abs(one).max()


# -- bfloat16 ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ESTIMATORS)
def test_training_in_bfloat16_reaches_the_loss_of_float32(name, rows):
    plain = clone(ESTIMATORS[name]).fit(*rows)
    lowered = clone(ESTIMATORS[name]).set_params(precision="bfloat16").fit(*rows)
    assert lowered.loss_curve_ != plain.loss_curve_
    np.testing.assert_allclose(lowered.loss_curve_, plain.loss_curve_, rtol=NOISE)


def test_layers_compute_in_bfloat16_in_training_alone_and_losses_in_float32(rows):
    seen = []

    def note(prediction, target):
        is_rounded = bool((prediction == prediction.bfloat16()).all())
        seen.append((prediction.dtype, target.dtype, is_rounded, torch.is_grad_enabled()))
        return (prediction - target).square()

    loss = Loss(note, units="standardized")
    fitted = Autoencoder(4, loss=loss, precision="bfloat16", **(QUICK | {"early_stopping": True}))
    fitted.fit(rows[0])
    assert {each[:2] for each in seen} == {(torch.float32, torch.float32)}
    assert [is_rounded for *_, is_rounded, _ in seen[-5:-1]] == [True] * 4
    assert not seen[-1][2]
    assert not seen[-1][3]
    assert {weight.dtype for weight in fitted.module_.parameters()} == {torch.float32}


def test_auto_is_float32_on_a_cpu_bit_for_bit(rows):
    auto, single = (
        Autoencoder(4, precision=precision, **QUICK).fit_transform(rows[0])
        for precision in ("auto", "float32")
    )
    np.testing.assert_array_equal(auto, single)


@pytest.mark.parametrize(
    ("n_units", "has_bfloat16", "chosen"),
    [(2**15 - 1, True, "float32"), (2**15, True, "bfloat16"), (2**15, False, "float32")],
)
def test_auto_is_bfloat16_for_long_steps_of_devices_that_have_it(
    n_units, has_bfloat16, chosen, monkeypatch
):
    monkeypatch.setattr(_plan, "has_fast_bfloat16", lambda device: has_bfloat16)
    network, device = torch.nn.Linear(64, n_units), torch.device("cuda")
    n_rows = math.ceil(4e11 / (64 * 2**15))
    assert _plan.plan_precision("auto", n_rows, network, (64,), device) == chosen
    for precision in ("float32", "bfloat16"):
        assert _plan.plan_precision(precision, n_rows, network, (64,), device) == precision


def test_an_error_in_a_step_leaves_the_layers_as_they_were(rows):
    class Failing(torch.nn.Module):
        def forward(self, prediction, target):
            if torch.is_grad_enabled() and prediction.requires_grad and self.training:
                raise ArithmeticError("in the first step")
            return (prediction - target).square()

    autoencoder = Autoencoder(4, **QUICK).fit(rows[0])
    before = autoencoder.transform(rows[0])
    autoencoder.set_params(loss=Failing(), precision="bfloat16", warm_start=True)
    with pytest.raises((ArithmeticError, ValueError), match="in the first step"):
        autoencoder.fit(rows[0])
    assert not [m for m in autoencoder.module_.modules() if "forward" in vars(m)]
    np.testing.assert_array_equal(autoencoder.transform(rows[0]), before)


def test_a_module_keeps_a_forward_of_its_own():
    encoder, decoder = torch.nn.Linear(6, 2), torch.nn.Linear(2, 6)
    # As torch.compile, and hooks of other libraries, set it.
    own = encoder.forward = partial(torch.nn.Linear.forward, encoder)
    network = torch.nn.Sequential(encoder, decoder)
    with ChangedLayers(network, [lowered(torch.device("cpu"))]):
        assert encoder.forward is not own
    assert encoder.forward is own
    assert "forward" not in vars(decoder)


def test_a_precision_that_the_device_lacks_is_refused_by_name(rows, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("no such dtype")

    monkeypatch.setattr(torch, "autocast", refuse)
    with pytest.raises(ValueError, match="precision='bfloat16' needs a device .*device='cpu'"):
        Autoencoder(4, precision="bfloat16", **QUICK).fit(rows[0])


# -- compiled ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["rows", "a factor that rises"])
def test_compiled_steps_train_as_plain_ones(name, rows, stand_in):
    plain = clone(ESTIMATORS[name]).fit(*rows)
    fitted = clone(ESTIMATORS[name]).set_params(compile=True).fit(*rows)
    assert apart(plain.transform(rows[0]), fitted.transform(rows[0])) < 1e-5
    assert list(fitted.module_.state_dict()) == list(plain.module_.state_dict())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_recorded_steps_train_as_plain_ones(name, rows, graphs):
    plain = clone(ESTIMATORS[name]).fit(*rows)
    fitted = clone(ESTIMATORS[name]).set_params(compile=True).fit(*rows)
    assert apart(plain.transform(rows[0]), fitted.transform(rows[0])) < 1e-5
    np.testing.assert_allclose(fitted.loss_curve_, plain.loss_curve_, rtol=1e-5)
    assert sum(graph.n_replays for graph in graphs) > 0


@pytest.mark.parametrize(("device", "kind"), [("cuda:0", RecordedSteps), ("cpu", CompiledSteps)])
def test_a_gpu_records_and_a_cpu_compiles(device, kind, rows, monkeypatch):
    use_host(monkeypatch)
    net = Autoencoder(4, **QUICK).fit(rows[0]).net_
    net.device = device
    assert type(compiled.make_compiled(net)) is kind


def test_short_batches_are_not_recorded(rows, graphs):
    Autoencoder(4, compile=True, **QUICK).fit(rows[0][:200])
    # Three full batches an epoch, of which the first two are plain.
    assert [graph.n_replays for graph in graphs] == [3 * 3 - 2]


def test_gradients_can_be_changed_between_recorded_steps(rows, graphs):
    sgd = QUICK | {"optimizer": "sgd", "learning_rate_init": 0.01}
    parameters = sgd | {"callbacks": [GradientNormClipping(1e-3)]}
    plain, fitted = (
        Autoencoder(4, compile=compile, **parameters).fit(rows[0]) for compile in (False, True)
    )
    unclipped = Autoencoder(4, **sgd).fit_transform(rows[0])
    assert graphs[0].n_replays > 0
    codes = plain.transform(rows[0])
    assert apart(codes, fitted.transform(rows[0])) < 1e-5 < apart(codes, unclipped)


@pytest.mark.parametrize("optimizer", ["sgd", "nadam", torch.optim.LBFGS])
def test_recorded_steps_suit_every_optimizer(optimizer, rows, graphs):
    parameters = QUICK | {"optimizer": optimizer, "learning_rate_init": 0.01, "max_iter": 2}
    plain, fitted = (
        Autoencoder(4, compile=compile, **parameters).fit_transform(rows[0])
        for compile in (False, True)
    )
    assert apart(plain, fitted) < 1e-5


def test_precision_and_compiling_go_together(rows, stand_in):
    plain, fitted = (
        Autoencoder(4, precision="bfloat16", compile=compile, **QUICK).fit_transform(rows[0])
        for compile in (False, True)
    )
    assert apart(plain, fitted) < NOISE


def test_the_first_compiled_steps_of_a_process_give_no_warnings_of_torch(rows, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch.utils.mkldnn", raising=False)
    net = Autoencoder(4, **QUICK).fit(rows[0]).net_
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CompiledSteps(net)
    assert "torch.utils.mkldnn" in sys.modules
    assert not caught


def test_a_step_that_cannot_be_compiled_is_an_error_that_names_the_parameter(rows, monkeypatch):
    def fail(module, inputs):
        raise OSError("no compiler found")

    monkeypatch.setattr(compiled, "_COMPILER", {"backend": fail})
    autoencoder = Autoencoder(4, **QUICK).fit(rows[0])
    before = autoencoder.transform(rows[0])
    with pytest.raises(CompileError, match=r"(?s)compile=True: .*compile=False.*no compiler found"):
        autoencoder.set_params(compile=True).fit(rows[0])
    np.testing.assert_array_equal(autoencoder.transform(rows[0]), before)


def test_a_loss_that_waits_for_the_device_cannot_be_recorded(rows, graphs):
    def waiting(prediction, target):
        return (prediction - target).square() * float(target.abs().max() > 0)

    with pytest.raises(CompileError, match="compile=True: .*waited for"):
        Autoencoder(4, loss=waiting, compile=True, **QUICK).fit(rows[0])


@pytest.mark.parametrize(
    "again",
    [copy.deepcopy, lambda fitted: pickle.loads(pickle.dumps(fitted))],
    ids=["deepcopy", "pickle"],
)
def test_what_was_compiled_is_copied_and_trained_on(again, rows, graphs):
    plain, fitted = (
        Autoencoder(4, compile=compile, precision="bfloat16", **QUICK).fit(rows[0])
        for compile in (False, True)
    )
    fitted = again(fitted)
    for each in (plain, fitted):
        each.partial_fit(rows[0][:60])
    # Optimizers that are pickled start anew; one step of a stream is small.
    assert apart(plain.transform(rows[0]), fitted.transform(rows[0])) < NOISE


def test_a_compiled_fit_is_saved_and_loaded(rows, graphs, tmp_path):
    fitted = Autoencoder(4, compile=True, **QUICK).fit(rows[0])
    skae.save(fitted, tmp_path / "fitted.skae")
    loaded = skae.load(tmp_path / "fitted.skae")
    assert loaded.compile is True
    np.testing.assert_array_equal(loaded.transform(rows[0]), fitted.transform(rows[0]))


class _Failing(Callback):
    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            raise OSError("power failure")


def test_a_checkpoint_of_recorded_steps_is_continued_with_and_without_them(rows, graphs, tmp_path):
    parameters = QUICK | {"noise": "gaussian", "max_iter": 4, "checkpoint": tmp_path / "fit.pt"}
    whole = Autoencoder(4, compile=True, **(parameters | {"checkpoint": None})).fit(rows[0])
    for compile in (False, True):
        with pytest.raises(OSError, match="power failure"):
            Autoencoder(4, compile=True, callbacks=[_Failing()], **parameters).fit(rows[0])
        fitted = Autoencoder(4, compile=compile, **parameters).fit(rows[0])
        assert apart(whole.transform(rows[0]), fitted.transform(rows[0])) < 1e-5


def test_several_processes_refuse_to_compile():
    estimator = Autoencoder(4, compile=True)
    training_set = SimpleNamespace(X=np.zeros((2, 2)))
    run = SimpleNamespace(mode=_plan.FIT)
    with pytest.raises(ValueError, match="compile=True"):
        estimator._check_parallel(training_set, run)
