"""Training on complete sequences looks for no padding; any padding that comes later is found."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from skae import SequencePredictor
from skae.estimators._recurrent import SequenceEstimator

SMALL = {"n_components": 3, "hidden_size": 4, "max_iter": 2, "random_state": 0}


def waves(n_waves=40, n_timesteps=9):
    phases = np.linspace(0, 6, n_waves)[:, None, None]
    return np.sin(phases + np.arange(n_timesteps)[:, None] / 2 + np.arange(3))


def padded(n_waves=40):
    X = waves(n_waves)
    X[::3, 6:] = np.nan
    return X


@pytest.fixture
def always_looking(monkeypatch):
    """Let networks look for padding, whatever the data."""
    monkeypatch.setattr(SequenceEstimator, "_describe_rows", lambda *rows: None)


class SeenOperations(TorchDispatchMode):
    """Record the names of operations, and of those that select by a mask."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function.overloadpacket.__name__)
        if function.overloadpacket.__name__ in ("index", "index_put", "index_put_"):
            is_mask = any(each is not None and each.dtype == torch.bool for each in args[1])
            self.names |= {"mask"} if is_mask else set()
        return function(*args, **(kwargs or {}))


WAITING = {"mask", "nonzero", "isnan", "any", "_local_scalar_dense", "item"}


@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize(("X", "waits"), [(waves(), False), (padded(), True)])
def test_training_waits_for_the_device_only_where_sequences_are_padded(n_steps, X, waits):
    predictor = SequencePredictor(n_steps=n_steps, **SMALL)
    operations, whole_loss = SeenOperations(), None

    def recorded(network, *batch):
        with operations:
            return whole_loss(network, *batch)

    network = type(predictor.fit(X).module_)
    whole_loss = network.training_loss
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "training_loss", recorded)
        predictor.fit(X, sample_weight=np.linspace(1, 2, len(X)))
    assert operations.names
    assert bool(operations.names & WAITING) == waits


@pytest.mark.parametrize(
    "options", [{}, {"n_steps": 3, "min_history": 2}, {"n_steps": 12}, {"cell": "tcn"}]
)
def test_what_is_learned_is_the_same_to_the_bit(options, request):
    X, weights = waves(), np.linspace(1, 2, 40)
    predictor = SequencePredictor(**SMALL, **options)
    forecast = predictor.fit(X, sample_weight=weights).forecast(X, 4)
    losses = predictor.loss_curve_
    assert not predictor.module_.is_padded
    request.getfixturevalue("always_looking")
    np.testing.assert_array_equal(predictor.fit(X, sample_weight=weights).forecast(X, 4), forecast)
    assert predictor.module_.is_padded
    assert predictor.loss_curve_ == losses


def test_padding_that_comes_in_a_later_batch_is_found(request):
    batches = [waves(600), padded(64), waves(64)]

    def trained():
        predictor = SequencePredictor(**SMALL)
        seen = []
        for batch in batches:
            seen.append(predictor.partial_fit(batch).module_.is_padded)
        return predictor.predict(waves()), seen

    predicted, seen = trained()
    assert seen == [False, True, False]
    assert np.isfinite(predicted).all()
    request.getfixturevalue("always_looking")
    np.testing.assert_array_equal(trained()[0], predicted)


def test_padding_that_comes_with_a_warm_start_is_found():
    predictor = SequencePredictor(warm_start=True, **SMALL).fit(waves())
    assert not predictor.module_.is_padded
    predictor.fit(padded())
    assert predictor.module_.is_padded
    assert np.isfinite(predictor.loss_curve_).all()
    assert np.isfinite(predictor.predict(waves())).all()


def test_missing_values_are_looked_for_even_if_no_value_is_missing():
    predictor = SequencePredictor(missing_values="mask", **SMALL).fit(waves())
    assert predictor.module_.is_padded
