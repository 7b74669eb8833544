"""Ctrl-C ends training, not the work that was done."""

import os
import signal
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from small import NETWORKS, results, wine

from skae import Autoencoder, AutoencoderClassifier
from skae.architectures import Custom, Dense

SMALL = {"architecture": Dense((16,)), "max_iter": 6, "random_state": 0}


class PressesCtrlC(Callback):
    """Do what the keyboard does, in a batch of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_begin(self, net, training, **kwargs):
        if len(net.history) == self.epoch and training:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def default_handler():
    """Python's own handler, also where the tests run in the background, which ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def data():
    return load_digits(n_class=4, return_X_y=True)


def interrupted(estimator, *data, match="interrupted"):
    """Return the estimator once Ctrl-C has ended its fit."""
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning, match=match):
        estimator.fit(*data)
    return estimator


@pytest.mark.parametrize("early_stopping", [True, False])
def test_an_interrupted_fit_leaves_a_fitted_estimator_and_warns(early_stopping, data):
    autoencoder = Autoencoder(
        4, early_stopping=early_stopping, callbacks=[PressesCtrlC(3)], **SMALL
    )
    interrupted(autoencoder, data[0], match="interrupted in epoch 3 of 6")
    assert autoencoder.n_iter_ == 2
    assert autoencoder.score(data[0]) > 0.5


@pytest.mark.parametrize("name", NETWORKS)
def test_every_estimator_is_fitted_after_an_interruption(name):
    X, y = wine()
    estimator = clone(NETWORKS[name]).set_params(callbacks=[PressesCtrlC(2)])
    interrupted(estimator, X, y)
    assert all(np.isfinite(each).all() for each in results(estimator, X))


def test_an_interrupted_fit_has_the_best_weights_so_far(data):
    parameters = {**SMALL, "learning_rate": "constant"}
    cut = interrupted(Autoencoder(4, callbacks=[PressesCtrlC(4)], **parameters), data[0])
    shorter = Autoencoder(4, **{**parameters, "max_iter": 3}).fit(data[0])
    np.testing.assert_array_equal(cut.transform(data[0]), shorter.transform(data[0]))


def test_without_validation_it_has_the_weights_of_the_last_whole_epoch(data):
    parameters = {**SMALL, "learning_rate": "constant", "early_stopping": False}
    cut = interrupted(Autoencoder(4, callbacks=[PressesCtrlC(4)], **parameters), data[0])
    shorter = Autoencoder(4, **{**parameters, "max_iter": 3}).fit(data[0])
    np.testing.assert_array_equal(cut.transform(data[0]), shorter.transform(data[0]))


def test_a_fit_interrupted_in_its_first_epoch_is_where_it_started(data):
    autoencoder = Autoencoder(4, callbacks=[PressesCtrlC(1)], **SMALL)
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning) as warned:
        autoencoder.fit(data[0])
    # And not that training diverged.
    [message] = [str(warning.message) for warning in warned]
    assert "interrupted in epoch 1 of 6" in message
    assert autoencoder.n_iter_ == 0
    assert autoencoder.score(data[0]) > 0.4


def test_an_interruption_stops_a_search_whoever_wrote_it(data):
    fits = []

    def search(X):
        for alpha in (0, 1):
            fits.append(alpha)
            Autoencoder(4, alpha=alpha, callbacks=[PressesCtrlC(2)], **SMALL).fit(X)

    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning):
        search(data[0])
    assert fits == [0]


def test_an_interruption_stops_a_grid_search(data):
    search = GridSearchCV(
        AutoencoderClassifier(4, callbacks=[PressesCtrlC(2)], **SMALL), {"alpha": [0, 1]}, cv=2
    )
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning):
        search.fit(*data)


def test_an_interruption_before_training_leaves_the_estimator_as_it_was(data):
    autoencoder = Autoencoder(4, **SMALL).fit(data[0])
    before = autoencoder.transform(data[0])

    def presses(shape, n_components):
        os.kill(os.getpid(), signal.SIGINT)

    autoencoder.set_params(architecture=Custom(presses, torch.nn.Linear(4, 64)))
    with pytest.raises(KeyboardInterrupt):
        autoencoder.fit(data[0])
    np.testing.assert_array_equal(autoencoder.transform(data[0]), before)


def test_callbacks_that_end_training_are_no_interruption(data):
    class Enough(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        assert Autoencoder(4, callbacks=[Enough()], **SMALL).fit(data[0]).n_iter_ == 1


def test_an_interrupted_fit_keeps_its_checkpoint_and_continues_from_it(data, tmp_path):
    path = tmp_path / "state"
    interrupted(Autoencoder(4, checkpoint=path, callbacks=[PressesCtrlC(4)], **SMALL), data[0])
    resumed = Autoencoder(4, checkpoint=path, **SMALL).fit(data[0])
    undisturbed = Autoencoder(4, **SMALL).fit(data[0])
    np.testing.assert_array_equal(resumed.transform(data[0]), undisturbed.transform(data[0]))


def test_a_fit_sets_no_signal_handler(data):
    handlers = []

    class Looks(Callback):
        def on_batch_begin(self, net, **kwargs):
            handlers.append(signal.getsignal(signal.SIGINT))

    Autoencoder(4, callbacks=[Looks()], **SMALL).fit(data[0])
    assert set(handlers) == {signal.default_int_handler}
