"""Ctrl-C ends training, not the work that was done."""

import os
import signal
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from skae import Autoencoder, AutoencoderClassifier
from skae.architectures import Dense

SMALL = {"architecture": Dense((16,)), "max_iter": 6, "random_state": 0}


class PressesCtrlC(Callback):
    """Does what the keyboard does, in a batch of an epoch."""

    def __init__(self, epoch, n_times=1):
        self.epoch, self.n_times = epoch, n_times

    def on_batch_begin(self, net, training, **kwargs):
        if len(net.history) == self.epoch and training:
            for _ in range(self.n_times):
                os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def data():
    return load_digits(n_class=4, return_X_y=True)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_an_interrupted_fit_leaves_a_fitted_estimator_and_warns(early_stopping, data):
    autoencoder = Autoencoder(
        4, early_stopping=early_stopping, callbacks=[PressesCtrlC(3)], **SMALL
    )
    with pytest.warns(ConvergenceWarning, match="interrupted in epoch 3 of 6"):
        assert autoencoder.fit(data[0]) is autoencoder
    assert autoencoder.n_iter_ == 2
    assert autoencoder.score(data[0]) > 0.5


def test_an_interrupted_fit_has_the_best_weights_so_far(data):
    parameters = {**SMALL, "learning_rate": "constant"}
    interrupted = Autoencoder(4, callbacks=[PressesCtrlC(4)], **parameters)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        interrupted.fit(data[0])
    shorter = Autoencoder(4, **{**parameters, "max_iter": 3}).fit(data[0])
    np.testing.assert_array_equal(interrupted.transform(data[0]), shorter.transform(data[0]))


def test_a_fit_interrupted_in_its_first_epoch_is_where_it_started(data):
    autoencoder = Autoencoder(4, callbacks=[PressesCtrlC(1)], **SMALL)
    with pytest.warns(ConvergenceWarning, match="interrupted in epoch 1 of 6"):
        autoencoder.fit(data[0])
    assert autoencoder.n_iter_ == 0
    assert autoencoder.score(data[0]) > 0.4


def test_an_interruption_stops_a_search(data):
    search = GridSearchCV(
        AutoencoderClassifier(4, callbacks=[PressesCtrlC(2)], **SMALL), {"alpha": [0, 1]}, cv=2
    )
    with pytest.raises(KeyboardInterrupt):
        search.fit(*data)


def test_the_second_ctrl_c_interrupts_at_once(data):
    autoencoder = Autoencoder(4, callbacks=[PressesCtrlC(2, n_times=2)], **SMALL)
    with warnings.catch_warnings(record=True):
        autoencoder.fit(data[0])
    assert autoencoder.n_iter_ == 1


def test_callbacks_that_end_training_are_no_interruption(data):
    class Enough(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        assert Autoencoder(4, callbacks=[Enough()], **SMALL).fit(data[0]).n_iter_ == 1


def test_an_interrupted_fit_keeps_its_checkpoint_and_goes_on_from_it(data, tmp_path):
    path = tmp_path / "state"
    interrupted = Autoencoder(4, checkpoint=path, callbacks=[PressesCtrlC(4)], **SMALL)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        interrupted.fit(data[0])
    resumed = Autoencoder(4, checkpoint=path, **SMALL).fit(data[0])
    undisturbed = Autoencoder(4, **SMALL).fit(data[0])
    np.testing.assert_array_equal(resumed.transform(data[0]), undisturbed.transform(data[0]))


def test_the_signal_handler_is_given_back(data):
    before = signal.getsignal(signal.SIGINT)
    Autoencoder(4, **SMALL).fit(data[0])
    assert signal.getsignal(signal.SIGINT) is before
