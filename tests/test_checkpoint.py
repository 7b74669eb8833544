"""A fit that was killed continues where it was, and ends where it would have ended."""

import random
import time

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from skorch.callbacks import Callback

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    HybridAutoencoder,
    ParametricUMAP,
    SequencePredictor,
    VariationalAutoencoder,
)
from skae.architectures import Conv, Custom, Dense
from tests.forked import FORKS, finish, started

SMALL = {"architecture": Dense((16,)), "max_iter": 6, "random_state": 0}
ESTIMATORS = {
    "adaptive rate, dropout": Autoencoder(
        4, **{**SMALL, "architecture": Dense((16,), dropout=0.2)}, learning_rate="adaptive"
    ),
    "cosine, noise": Autoencoder(4, noise="gaussian", learning_rate="cosine", **SMALL),
    "missing values": Autoencoder(4, missing_values="mask", **SMALL),
    "ordered": Autoencoder(4, ordered=True, **SMALL),
    "rates of numpy": Autoencoder(
        4, learning_rate_init=np.float64(0.01), alpha=np.float32(0.5), tol=np.float64(0.0), **SMALL
    ),
    "no validation": Autoencoder(4, early_stopping=False, optimizer="sgd", **SMALL),
    "early stopping": Autoencoder(4, n_iter_no_change=2, tol=0.1, **SMALL),
    "batch norm": Autoencoder(
        4, **{**SMALL, "architecture": Conv((4, 8), normalization="batch")}, image_shape=(8, 8)
    ),
    "user's modules": Autoencoder(
        4,
        **{
            **SMALL,
            "architecture": Custom(
                encoder=lambda shape, n_outputs: torch.nn.Sequential(
                    torch.nn.Linear(*shape, n_outputs), torch.nn.Dropout(0.2)
                ),
                decoder=lambda n_inputs, shape: torch.nn.Linear(n_inputs, *shape),
            ),
        },
    ),
    "variational": VariationalAutoencoder(4, kl_warmup=0.5, **SMALL),
    "classifier": AutoencoderClassifier(4, **SMALL),
    "regressor": AutoencoderRegressor(4, **SMALL),
    "hybrid": HybridAutoencoder(reducer=PCA(4), **SMALL),
    "distilled": HybridAutoencoder(reducer=PCA(4), distill=True, **SMALL),
    "map": ParametricUMAP(4, n_neighbors=5, **SMALL),
    "sequences": SequencePredictor(4, frame_shape=(16,), hidden_size=16, **SMALL),
}


class Death(BaseException):
    """What no library catches."""


class DiesAfter(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_begin(self, net, training, **kwargs):
        if len(net.history) > self.epoch and training:
            raise Death


@pytest.fixture(scope="module")
def data():
    return load_digits(n_class=4, return_X_y=True)


def weights_of(estimator):
    return {name: w.numpy() for name, w in estimator.module_.state_dict().items()}


def die_while_fitting(estimator, path, data, epoch=3):
    dying = clone(estimator).set_params(checkpoint=path, callbacks=[DiesAfter(epoch)])
    with pytest.raises(Death):
        dying.fit(*data)
    assert path.exists()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_that_died_ends_with_the_weights_of_one_that_did_not(name, data, tmp_path):
    path, estimator = tmp_path / "state", ESTIMATORS[name]
    undisturbed = clone(estimator).fit(*data)
    if undisturbed.n_iter_ > 3:
        die_while_fitting(estimator, path, data)
    resumed = clone(estimator).set_params(checkpoint=path).fit(*data)
    assert resumed.n_iter_ == undisturbed.n_iter_
    assert resumed.loss_curve_ == undisturbed.loss_curve_
    for key, weight in weights_of(undisturbed).items():
        np.testing.assert_array_equal(weights_of(resumed)[key], weight)


def test_resuming_runs_only_the_epochs_that_are_left(data, tmp_path):
    path, epochs = tmp_path / "state", []

    class Count(Callback):
        def on_epoch_end(self, net, **kwargs):
            epochs.append(len(net.history))

    die_while_fitting(Autoencoder(4, **SMALL), path, data)
    Autoencoder(4, checkpoint=path, callbacks=[Count()], **SMALL).fit(*data)
    assert epochs == [4, 5, 6]


def test_the_file_is_removed_once_training_has_ended(data, tmp_path):
    path = tmp_path / "state"
    Autoencoder(4, checkpoint=path, **SMALL).fit(*data)
    assert list(tmp_path.iterdir()) == []


def test_without_a_seed_the_fit_continues_with_the_one_that_it_had(data, tmp_path):
    path, estimator = tmp_path / "state", Autoencoder(4, **{**SMALL, "random_state": None})
    die_while_fitting(estimator, path, data)
    first = torch.load(path, weights_only=True)["history"]
    resumed = clone(estimator).set_params(checkpoint=path).fit(*data)
    assert resumed.loss_curve_[:3] == [epoch["train_loss"] for epoch in first]
    assert resumed.n_iter_ == 6


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"n_components": 5}, "n_components was 4 and is 5"),
        ({"architecture__hidden_layer_sizes": (8,)}, r"hidden_layer_sizes was \(16,\) and is \(8,"),
        ({"random_state": 1}, "random_state was 0 and is 1"),
        ({"max_iter": 9}, "max_iter was 6 and is 9"),
    ],
)
def test_a_checkpoint_of_other_parameters_is_refused_by_their_names(change, named, data, tmp_path):
    path, estimator = tmp_path / "state", Autoencoder(4, **SMALL)
    die_while_fitting(estimator, path, data)
    other = clone(estimator).set_params(checkpoint=path, **change)
    with pytest.raises(ValueError, match=f"belongs to another fit: [^;]*{named}"):
        other.fit(*data)
    assert not hasattr(other, "module_")
    assert path.exists()


@pytest.mark.parametrize(
    ("named", "change"),
    [
        ("X was of shape", lambda X: {"X": X[:-1]}),
        ("X was of shape", lambda X: {"X": X + (np.arange(X.size) == 7).reshape(X.shape)}),
        ("sample_weight was absent", lambda X: {"X": X, "sample_weight": np.arange(len(X)) + 1}),
        ("X_target was absent", lambda X: {"X": X, "X_target": X / 2}),
    ],
)
def test_a_checkpoint_of_other_data_is_refused_by_their_name(named, change, data, tmp_path):
    path, estimator = tmp_path / "state", Autoencoder(4, **SMALL)
    die_while_fitting(estimator, path, data)
    with pytest.raises(ValueError, match=f"belongs to another fit: {named}"):
        clone(estimator).set_params(checkpoint=path).fit(**change(data[0]))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04"], ids=repr)
def test_a_file_that_is_no_checkpoint_is_refused_and_left_alone(content, data, tmp_path):
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint=.* is not a"):
        Autoencoder(4, checkpoint=path, **SMALL).fit(*data)
    assert path.read_bytes() == content


def test_a_checkpoint_from_a_stranger_runs_no_code(data, tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit('code has run')",))

    path = tmp_path / "state"
    torch.save({"format": 1, "identity": Evil()}, path)
    with pytest.raises(ValueError, match="is not a file that fit wrote"):
        Autoencoder(4, checkpoint=path, **SMALL).fit(*data)


def test_partial_fit_writes_no_checkpoint(data, tmp_path):
    Autoencoder(4, checkpoint=tmp_path / "state", **SMALL).partial_fit(*data)
    assert list(tmp_path.iterdir()) == []


def fit_and_save(X, path, result):
    fitted = Autoencoder(4, max_iter=20, random_state=0, checkpoint=path).fit(X)
    np.save(result, fitted.transform(X))


@FORKS
def test_a_process_killed_at_random_moments_ends_with_the_same_weights(data, tmp_path):
    arguments = data[0], tmp_path / "state", tmp_path / "codes.npy"
    moments = random.Random(0)
    for _ in range(2):
        process = started(fit_and_save, *arguments)
        while process.is_alive() and not arguments[1].exists():
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        process.join()
    finish(started(fit_and_save, *arguments))
    undisturbed = Autoencoder(4, max_iter=20, random_state=0).fit(data[0])
    np.testing.assert_array_equal(np.load(arguments[2]), undisturbed.transform(data[0]))
