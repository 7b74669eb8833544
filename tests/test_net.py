"""What skorch documents of its nets holds for ``net_``, and its loop is skorch's own."""

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch import NeuralNet
from skorch.callbacks import BatchScoring, Callback, EpochScoring
from small import FOR_IMAGES, NETWORKS, images, wine

import skae._engine.training as training
from skae import (
    Autoencoder,
    AutoencoderClassifier,
    Denoiser,
    HybridAutoencoder,
    SequencePredictor,
    VariationalAutoencoder,
)
from skae._engine.net import Net
from skae.architectures import Conv, Dense

SMALL = {"architecture": Dense((8,)), "max_iter": 3, "random_state": 0}
X, Y = wine()
X = X.astype(np.float32)
IMAGES, IS_LARGE = (part[:30] for part in images())
IMAGES = IMAGES.astype(np.float32)


def inputs_and_outputs(name, estimator, X):
    """Return what the network of an estimator maps, and what the estimator says it maps it to."""
    if name == "HybridAutoencoder":
        return estimator.transform(X), estimator.reconstruct(X)
    if name == "SequencePredictor":
        return X.reshape(len(X), -1, 1), estimator.predict(X)
    if isinstance(estimator, Denoiser):
        return X.reshape(len(X), -1), estimator.transform(X)
    return X.reshape(len(X), -1), estimator.reconstruct(X)


@pytest.fixture(params=[*((name, False) for name in NETWORKS), *((n, True) for n in FOR_IMAGES)])
def case(request):
    """Return a fitted estimator, inputs of its network as arrays, and its outputs as rows."""
    name, is_of_images = request.param
    estimators, data, y = (FOR_IMAGES, IMAGES, IS_LARGE) if is_of_images else (NETWORKS, X, Y)
    fitted = clone(estimators[name]).fit(data, y)
    rows, outputs = inputs_and_outputs(name, fitted, data)
    return fitted, rows, outputs.reshape(len(data), -1)


def test_the_module_maps_data_as_the_estimator_does(case):
    fitted, rows, outputs = case
    with torch.no_grad():
        made = fitted.module_(torch.from_numpy(rows)).numpy()
    np.testing.assert_array_equal(made, outputs)


def test_hooks_on_the_module_get_data_in_their_units(case):
    fitted, rows, outputs = case
    seen = []
    fitted.module_.register_forward_hook(lambda module, args, output: seen.append((*args, output)))
    fitted.module_(torch.from_numpy(rows))
    [(given, returned)] = seen
    np.testing.assert_array_equal(given.numpy(), rows)
    np.testing.assert_array_equal(returned.detach().numpy(), outputs)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "forward", "forward_iter"])
def test_the_net_maps_arrays_and_tensors_as_the_module_does(method, case):
    fitted, rows, outputs = case
    for given in (rows, torch.from_numpy(rows), rows.astype(np.float64)):
        made = getattr(fitted.net_, method)(given)
        made = torch.cat(list(made)) if method == "forward_iter" else made
        np.testing.assert_array_equal(np.asarray(made), outputs)


def test_the_net_maps_images_in_their_own_layout():
    fitted = clone(FOR_IMAGES["Autoencoder"]).fit(IMAGES)
    outputs = fitted.reconstruct(IMAGES).reshape(len(IMAGES), -1)
    np.testing.assert_array_equal(fitted.net_.predict(IMAGES), outputs)


def test_many_rows_pass_the_net_in_batches():
    fitted = Autoencoder(2, **SMALL).fit(X)
    many = np.tile(X, (40, 1))
    assert [len(batch) for batch in fitted.net_.forward_iter(many)] == [512, 512, 512, 264]
    np.testing.assert_allclose(
        fitted.net_.predict(many), fitted.reconstruct(many), rtol=1e-4, atol=1e-5
    )


# -- training on arrays ------------------------------------------------------------------------


def test_partial_fit_of_the_net_trains_for_all_its_epochs_more():
    fitted = Autoencoder(2, early_stopping=False, **SMALL).fit(X)
    before = fitted.score(X)
    assert len(fitted.net_.partial_fit(X).history) == 6
    assert fitted.score(X) > before
    assert not fitted.module_.training


def test_partial_fit_of_the_net_takes_a_target():
    fitted = Autoencoder(2, early_stopping=False, learning_rate_init=0.1, **SMALL).fit(X)
    fitted.net_.partial_fit(X, X + 5)
    assert fitted.reconstruct(X).mean() > X.mean() + 0.1


def test_fit_of_the_net_starts_a_new_history():
    net = Autoencoder(2, **SMALL).fit(X).net_
    assert len(net.fit(X).history) == 3


def test_a_net_trains_on_sequences():
    sequences = X.reshape(len(X), 5, 1)
    fitted = SequencePredictor(2, hidden_size=4, frame_shape=(1,), **SMALL).fit(sequences)
    assert len(fitted.net_.partial_fit(sequences).history) == 6


def test_a_net_trains_on_images_in_their_own_layout():
    fitted = clone(FOR_IMAGES["Autoencoder"]).fit(IMAGES)
    assert len(fitted.net_.partial_fit(IMAGES).history) == 4


@pytest.mark.parametrize(
    "estimator", [AutoencoderClassifier(2, **SMALL), HybridAutoencoder(2, distill=True, **SMALL)]
)
def test_a_net_that_needs_labels_says_so(estimator):
    net = estimator.fit(X, Y).net_
    with pytest.raises(TypeError, match="call partial_fit of the estimator"):
        net.partial_fit(X)


# -- parameters and files ----------------------------------------------------------------------


def test_parameters_of_the_net_are_read_and_set():
    net = Autoencoder(2, **SMALL).fit(X).net_
    assert net.get_params()["max_epochs"] == 3
    net.set_params(max_epochs=1, optimizer__lr=1e-4)
    assert len(net.partial_fit(X).history) == 4
    assert net.optimizer_.param_groups[0]["lr"] == 1e-4


def test_the_net_writes_and_reads_all_that_it_knows(tmp_path):
    fitted = Autoencoder(2, **SMALL).fit(X)
    expected = fitted.reconstruct(X)
    parts = ("params", "optimizer", "criterion", "history")
    files = {f"f_{part}": str(tmp_path / part) for part in parts}
    fitted.net_.save_params(**files)
    fitted.net_.partial_fit(X)
    fitted.net_.load_params(**files)
    np.testing.assert_array_equal(fitted.reconstruct(X), expected)
    assert len(fitted.net_.history) == 3
    assert len(json.loads((tmp_path / "history").read_text())) == 3


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_of_the_net_map_the_same(copied):
    net = Autoencoder(2, **SMALL).fit(X).net_
    np.testing.assert_array_equal(copied(net).predict(X), net.predict(X))


# -- callbacks that score ----------------------------------------------------------------------


def squared_error(net, dataset, y):
    return float(np.mean((net.predict(dataset) - y) ** 2))


def scores(scoring, data=X, estimator=None):
    estimator = Autoencoder(2, **SMALL) if estimator is None else estimator
    history = clone(estimator).set_params(callbacks=[scoring]).fit(data).history_
    return [epoch["own"] for epoch in history]


def mean_errors(name):
    """Return the mean squared error of the reconstruction that a loss in the history stands for."""
    fitted = Autoencoder(2, **SMALL).fit(X)
    scale = fitted.module_.standardization.scale.item()
    return [epoch[name] * scale**2 for epoch in fitted.history_]


@pytest.mark.parametrize("scoring", [squared_error, "neg_mean_squared_error"])
@pytest.mark.parametrize("use_caching", [None, True, False])
def test_scores_of_epochs_are_those_of_held_out_data(scoring, use_caching):
    made = scores(EpochScoring(scoring, name="own", use_caching=use_caching))
    np.testing.assert_allclose(np.abs(made), mean_errors("valid_loss"), rtol=1e-4)


@pytest.mark.parametrize("scoring", [squared_error, "neg_mean_squared_error"])
def test_scores_of_epochs_on_training_data_are_those_of_the_mean_weights(scoring):
    made = np.abs(scores(EpochScoring(scoring, name="own", on_train=True)))
    assert (np.diff(made) < 0).all()
    np.testing.assert_allclose(made, mean_errors("train_loss"), rtol=0.2)


@pytest.mark.parametrize("on_train", [True, False])
def test_scores_of_batches_are_recorded(on_train):
    scoring = BatchScoring("neg_mean_squared_error", name="own", on_train=on_train)
    made = np.abs(scores(scoring))
    losses = mean_errors("train_loss" if on_train else "valid_loss")
    np.testing.assert_allclose(made, losses, rtol=0.05)


@pytest.mark.parametrize("data", ["images", "sequences", "missing"])
def test_scores_are_of_data_of_every_kind(data):
    estimator, given = {
        "images": (clone(FOR_IMAGES["Autoencoder"]), IMAGES),
        "sequences": (SequencePredictor(2, hidden_size=4, frame_shape=(1,), **SMALL), X),
        "missing": (
            Autoencoder(2, missing_values="mask", **SMALL),
            np.where(np.abs(X) < 0.1, np.nan, X),
        ),
    }[data]

    def finite(net, dataset, y):
        return float(np.isfinite(net.predict(dataset)).mean())

    assert set(scores(EpochScoring(finite, name="own"), given, estimator)) == {1.0}


# -- order among callbacks ---------------------------------------------------------------------


class Noted(Callback):
    def __init__(self, name, notes):
        self.name, self.notes = name, notes

    def on_epoch_end(self, net, **kwargs):
        self.notes.append(self.name)


class Early(Noted):
    position = -5


class Late(Noted):
    position = 5


@pytest.mark.parametrize("order", [(Early, Noted, Late), (Late, Noted, Early)])
def test_callbacks_come_in_the_order_of_their_positions(order):
    notes = []
    callbacks = [kind(kind.__name__, notes) for kind in order]
    Autoencoder(2, callbacks=callbacks, **SMALL).set_params(max_iter=1).fit(X)
    assert notes == ["Early", "Noted", "Late"]


@pytest.mark.parametrize("position", [-3, 0, 3])
def test_a_checkpoint_comes_after_all_callbacks_whose_state_it_keeps(position, tmp_path):
    class Own(Callback):
        pass

    Own.position = position
    net = Autoencoder(2, callbacks=[Own()], checkpoint=tmp_path / "c", **SMALL).fit(X).net_
    names = [type(callback).__name__ for _, callback in net.callbacks_]
    for kind in ("WeightAverage", "BestWeights", "LateStopping", "LRScheduler"):
        assert names.index(kind) < names.index("Checkpoint")
    assert names.index("WeightAverage") < names.index("BestWeights")


# -- the loop ----------------------------------------------------------------------------------


class SkorchLoop(Net):
    """The net with skorch's own loop, of whatever version is installed."""

    notify = NeuralNet.notify
    run_single_epoch = NeuralNet.run_single_epoch
    _set_training = NeuralNet._set_training
    _zero_grad_optimizer = NeuralNet._zero_grad_optimizer


class Steps(Callback):
    """Note loss, mode and weights at each batch."""

    def __init__(self, noted):
        self.noted = noted

    def on_batch_end(self, net, training, loss, **kwargs):
        weights = torch.cat([weight.flatten() for weight in net.module_.parameters()])
        self.noted.append((training, net.module_.training, loss.item(), weights.detach().clone()))


@pytest.mark.parametrize(
    ("parameters", "data"),
    [
        ({"architecture": Dense((8,), dropout=0.2)}, X),
        (
            {
                "architecture": Dense((8,), normalization="batch"),
                "noise": "gaussian",
                # Noise on held-out data is drawn apart here, in skorch's loop with all other.
                "early_stopping": False,
            },
            X,
        ),
        ({"architecture": Conv((2,)), "early_stopping": False}, IMAGES),
        ({"learning_rate": "adaptive", "optimizer": "sgd", "batch_size": 7}, X),
    ],
    ids=["dropout", "batch norm and noise", "images", "adaptive"],
)
def test_every_step_is_that_of_skorchs_loop(parameters, data, monkeypatch):
    runs = []
    for kind in (Net, SkorchLoop):
        monkeypatch.setattr(training, "Net", kind)
        noted = []
        estimator = Autoencoder(2, **(SMALL | parameters), callbacks=[Steps(noted)])
        runs.append((noted, estimator.fit(data).history_))
    (ours, our_history), (theirs, their_history) = runs
    assert len(ours) == len(theirs) > 3
    for (*one, weights), (*other, expected) in zip(ours, theirs, strict=True):
        assert one == other
        assert torch.equal(weights, expected)
    for one, other in zip(our_history, their_history, strict=True):
        assert one.keys() == other.keys()
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-6)


class KeptBytes(Callback):
    """List the bytes of memory that the kept losses of each batch hold."""

    # After the callback that keeps the parts of the loss.
    position = 1

    def on_train_begin(self, net, **kwargs):
        self.n_bytes = set()

    def on_batch_end(self, net, **kwargs):
        kept = [*net.history[-1]["batches"][-1].values()]
        parts = next(c for name, c in net.callbacks_ if name == "LossParts").values_
        kept += [value for values in parts.values() for value in values]
        tensors = [value for value in kept if isinstance(value, torch.Tensor)]
        self.n_bytes |= {tensor.untyped_storage().nbytes() for tensor in tensors}


@pytest.mark.parametrize("kind", [Autoencoder, VariationalAutoencoder])
def test_losses_that_are_kept_hold_no_memory_of_their_batches(kind):
    watcher = KeptBytes()
    kind(2, max_iter=1, callbacks=[watcher], random_state=0).fit(X)
    assert watcher.n_bytes == {4}
