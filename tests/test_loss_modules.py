"""A loss that is a module of the user's: it trains, follows the mode, and stays the user's own."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback
from small import ESTIMATORS
from torch.nn import Sigmoid

from skae import Autoencoder
from skae.architectures import Custom, Dense
from skae.losses import Loss

SMALL = {"n_components": 2, "architecture": Dense((8,)), "max_iter": 3, "random_state": 0}


class Uncertainty(torch.nn.Module):
    """A Gaussian likelihood with a trained variance, and dropout of values."""

    def __init__(self):
        super().__init__()
        self.log_variance = torch.nn.Parameter(torch.zeros(64))
        self.dropout = torch.nn.Dropout(0.5)
        self.register_buffer("n_calls", torch.zeros(()))
        self.modes = []

    def forward(self, prediction, target):
        self.modes.append(self.training)
        self.n_calls += 1
        squares = self.dropout((prediction - target) ** 2)
        return (squares / self.log_variance.exp() + self.log_variance) / 2


@pytest.mark.parametrize("partial", [False, True])
def test_binary_cross_entropy_of_torch_trains_on_equal_rows(partial, digits):
    X = (digits[:300, [20, 21, 28]] > 8).astype(float)
    custom = Custom(torch.nn.Linear(3, 2), torch.nn.Sequential(torch.nn.Linear(2, 3), Sigmoid()))
    model = Autoencoder(2, architecture=custom, loss=torch.nn.BCELoss(), max_iter=20)
    fitted = model.partial_fit(X) if partial else model.fit(X)
    assert 0 <= fitted.reconstruct(X).min() <= fitted.reconstruct(X).max() <= 1


@pytest.mark.parametrize("name", ["AutoencoderRegressor", "SequencePredictor", "distilled"])
def test_losses_of_one_value_a_batch_take_equal_rows_in_every_family(name):
    X = np.repeat(np.eye(4), 3, axis=0)
    loss = torch.nn.MSELoss()
    fitted = clone(ESTIMATORS[name]).set_params(loss=loss).fit(X, np.repeat([0, 1.0, 2, 3], 3))
    assert fitted.n_iter_ == 2


def test_equal_rows_are_weighted_where_the_loss_has_a_value_for_each_row(digits):
    X = np.repeat(digits[:20], 2, axis=0)[:-1]
    sizes = []

    def loss(prediction, target):
        sizes.append(len(target))
        return (prediction - target) ** 2

    Autoencoder(loss=loss, early_stopping=False, batch_size=50, **SMALL).fit(X)
    # Earlier calls were trials on a few rows.
    assert sizes[-1] == 20


def test_parameters_of_a_loss_are_trained(digits):
    fitted = Autoencoder(loss=Uncertainty(), **SMALL).fit(digits)
    trained = fitted.net_.criterion_.module
    assert (trained.log_variance != 0).all()
    # Pixels that are the same in all images have the least variance.
    assert trained.log_variance[digits.std(axis=0) == 0].max() < trained.log_variance.median()


def test_a_loss_follows_training_and_validation(digits):
    fitted = Autoencoder(loss=Uncertainty(), **SMALL).fit(digits)
    modes = fitted.net_.criterion_.module.modes
    # Held-out data are scored before the first step and after each epoch.
    assert modes[0] is False
    assert {True, False} == set(modes)
    changes = sum(one is not other for one, other in pairwise(modes))
    assert changes == 2 * 3


def test_the_users_own_module_stays_as_it_was(digits):
    loss = Uncertainty()
    before = copy.deepcopy(loss.state_dict())
    Autoencoder(loss=loss, **SMALL).fit(digits)
    assert loss.modes == []
    assert loss.training
    for name, value in loss.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_loss_moves_with_the_criterion():
    fitted = Autoencoder(loss=Uncertainty(), **SMALL).fit(np.random.default_rng(0).random((20, 64)))
    moved = copy.deepcopy(fitted.net_.criterion_).to("meta")
    assert moved.module.log_variance.device.type == "meta"
    assert moved.loss.function is moved.module


@pytest.mark.parametrize("loss", [Uncertainty, lambda: Loss(Uncertainty())])
def test_fits_with_a_loss_that_draws_repeat(loss, digits):
    one, two = (Autoencoder(loss=loss(), **SMALL).fit(digits).transform(digits) for _ in range(2))
    np.testing.assert_array_equal(one, two)


class Death(Exception):
    pass


class Dying(Callback):
    position = 9

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise Death


def test_a_checkpoint_keeps_the_parameters_of_a_loss(tmp_path, digits):
    settings = {**SMALL, "max_iter": 4, "checkpoint": tmp_path / "state"}
    whole = Autoencoder(loss=Uncertainty(), **settings).fit(digits)
    with pytest.raises(Death):
        Autoencoder(loss=Uncertainty(), callbacks=[Dying()], **settings).fit(digits)
    assert (tmp_path / "state").exists()
    resumed = Autoencoder(loss=Uncertainty(), **settings).fit(digits)
    for name, value in whole.net_.criterion_.state_dict().items():
        assert torch.equal(value, resumed.net_.criterion_.state_dict()[name]), name
    np.testing.assert_array_equal(resumed.transform(digits), whole.transform(digits))
