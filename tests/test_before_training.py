"""What cannot work is refused by its name before training begins."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, EpochTimer, LRScheduler
from small import ESTIMATORS, NETWORKS, QUICK, wine

from skae import Autoencoder
from skae._engine.checks import check_callbacks
from skae.architectures import Custom
from skae.noises import Noise

X, Y = wine()


class Untouched(Callback):
    """Fails where training begins."""

    def on_train_begin(self, net, **kwargs):
        raise AssertionError("training has begun")


def refused(name, labels=Y, **parameters):
    """Fit with impossible parameters, and return the error; nothing may be learned."""
    parameters = {"callbacks": [Untouched()], **parameters}
    estimator = clone(ESTIMATORS[name]).set_params(**parameters)
    with pytest.raises((ValueError, TypeError)) as caught:
        estimator.fit(X, labels)
    assert vars(estimator).keys() == vars(clone(estimator)).keys()
    return str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [3, "EarlyStopping", ("name", 3), ("a", "b", "c"), (3, EpochTimer()), object(), print],
    ids=["number", "name", "pair", "triple", "unnamed pair", "object", "function"],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_no_callback_is_refused_by_name(name, entry):
    message = refused(name, callbacks=[entry])
    assert "callbacks must hold skorch callbacks" in message
    assert f"got {entry!r}" in message


@pytest.mark.parametrize("entry", [EpochTimer, EpochTimer(), ("timer", EpochTimer())])
def test_callbacks_in_every_form_of_skorch_are_taken(entry):
    assert clone(ESTIMATORS["Autoencoder"]).set_params(callbacks=[entry]).fit(X).n_iter_ == 2


@pytest.mark.parametrize(
    "optimizer",
    [int, dict, lambda parameters: None, torch.optim.SparseAdam, torch.optim.Optimizer],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_an_optimizer_that_cannot_train_is_refused_by_name(name, optimizer):
    message = refused(name, optimizer=optimizer)
    assert message.startswith("optimizer must be a name, or a class")
    assert repr(optimizer) in message


@pytest.mark.parametrize("optimizer", [torch.optim.LBFGS, torch.optim.Adagrad])
def test_optimizers_of_torch_that_train_dense_weights_are_taken(optimizer):
    assert clone(ESTIMATORS["Autoencoder"]).set_params(optimizer=optimizer).fit(X).n_iter_ == 2


def test_a_device_that_holds_no_values_is_refused():
    assert refused("Autoencoder", device="meta").startswith("device must be")


def test_a_function_of_custom_that_returns_no_module_is_refused():
    custom = Custom(encoder=lambda shape, n_outputs: None)
    assert "must return a torch.nn.Module, got None" in refused("Autoencoder", architecture=custom)


LOSSES = {
    "a number": (lambda prediction, target: 3.0, "loss must return a torch.Tensor, got 3.0"),
    "nothing": (lambda prediction, target: None, "loss must return a torch.Tensor, got None"),
    "a constant": (lambda p, t: torch.zeros(()), "loss must depend on the reconstruction"),
    "through numpy": (
        lambda p, t: torch.tensor(np.mean((p.detach().numpy() - t.numpy()) ** 2)),
        "loss must depend on the reconstruction",
    ),
}


OF_LOSSES = sorted({*NETWORKS} - {"VariationalAutoencoder"})


@pytest.mark.parametrize("case", LOSSES)
@pytest.mark.parametrize("name", OF_LOSSES)
def test_a_loss_that_cannot_be_minimized_is_refused_by_name(name, case):
    loss, message = LOSSES[case]
    assert message in refused(name, loss=loss)


CHANGES = {
    "an array": (lambda batch: batch.numpy(), "must return a tensor of the shape .*, got ndarray"),
    "another shape": (lambda batch: batch[:, :1], r"must return a tensor of the shape .*, 1\b"),
    "an error": (lambda batch: {}[0], "must be a function of batches .* raised KeyError"),
}
OF_CHANGES = [("noise", name) for name in NETWORKS if name != "HybridAutoencoder"] + [
    ("augment", name) for name in NETWORKS if hasattr(NETWORKS[name], "augment")
]


@pytest.mark.parametrize("case", CHANGES)
@pytest.mark.parametrize(("parameter", "name"), OF_CHANGES)
def test_noise_and_augmentation_that_cannot_be_used_are_refused_by_name(parameter, name, case):
    change, message = CHANGES[case]
    assert re.match(f"{parameter} {message}", refused(name, **{parameter: change}))


class Slow(PCA):
    def fit(self, X, y=None):
        raise AssertionError("the reducer is fitted")

    fit_transform = fit


def test_a_loss_is_refused_before_a_reducer_is_fitted():
    loss, message = LOSSES["nothing"]
    assert message in refused("HybridAutoencoder", reducer=Slow(2), loss=loss)


def test_noise_on_the_codes_of_a_reducer_is_refused_at_the_first_batch():
    message = refused("HybridAutoencoder", callbacks=None, noise=lambda batch: batch[:, :1])
    assert message.startswith("noise must return a tensor")


@pytest.mark.parametrize("fit_weights", [None, np.ones(45)])
def test_a_loss_of_one_value_a_batch_is_refused_with_weights_alone(fit_weights):
    estimator = clone(ESTIMATORS["Autoencoder"]).set_params(loss=lambda p, t: (p - t).abs().mean())
    if fit_weights is None:
        assert estimator.fit(X).n_iter_ == 2
        return
    fit_weights = fit_weights + (np.arange(45) == 3)
    with pytest.raises(ValueError, match="loss must return a value for each sample"):
        estimator.set_params(callbacks=[Untouched()]).fit(X, sample_weight=fit_weights)


POSITIVE = np.abs(X) + 1


def in_unit_interval(prediction, target):
    assert set(target.unique().tolist()) <= {0, 1}
    return torch.nn.functional.binary_cross_entropy(prediction.clamp(0, 1), target)


def of_gamma(prediction, target):
    return -torch.distributions.Gamma(2.0, 2 / prediction.clamp(min=1e-3)).log_prob(target)


def of_nan(prediction, target):
    assert torch.cat([prediction, target]).isfinite().all()
    return (prediction - target) ** 2


def poisson_noise(batch, level, context):
    return torch.poisson(batch)


UNUSUAL = {
    "in [0, 1]": (X > 0, {"loss": torch.nn.BCELoss(reduction="none"), "architecture": "sigmoid"}),
    "positive": (POSITIVE, {"loss": of_gamma}),
    "counts": (np.round(POSITIVE), {"noise": Noise(poisson_noise, units="data")}),
    "far from zero": (POSITIVE + 1e6, {"loss": torch.nn.SmoothL1Loss(), "augment": torch.sqrt}),
    "missing": (np.where(X > 1, np.nan, X), {"loss": of_nan, "missing_values": "mask"}),
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_functions_of_some_values_alone_are_tried_on_such_values(case):
    data, parameters = UNUSUAL[case]
    if parameters.get("architecture") == "sigmoid":
        decoder = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.Sigmoid())
        parameters = {**parameters, "architecture": Custom(torch.nn.Linear(5, 2), decoder)}
    estimator = clone(ESTIMATORS["Autoencoder"]).set_params(**parameters)
    assert estimator.fit(data.astype(float)).n_iter_ == 2


def test_the_trial_of_a_function_is_one_call_and_draws_no_numbers_from_training():
    calls = []

    def noise(batch):
        calls.append(len(batch))
        return batch + torch.randn_like(batch)

    class Begun(Callback):
        def on_train_begin(self, net, **kwargs):
            calls.append("begun")

    estimator = Autoencoder(2, noise=noise, callbacks=[Begun()], **QUICK)
    before = torch.get_rng_state()
    estimator.fit(X)
    assert calls.index("begun") <= 2
    assert calls[0] == 24
    torch.testing.assert_close(torch.get_rng_state(), before)


# -- callbacks -----------------------------------------------------------------------------

SCHEDULES = {
    "unknown": LRScheduler("nope"),
    "argument missing": LRScheduler("StepLR"),
    "argument unknown": LRScheduler("StepLR", size=3),
    "argument of another kind": LRScheduler(torch.optim.lr_scheduler.OneCycleLR, max_lr=1.0),
    "no policy": LRScheduler(3),
}


@pytest.mark.parametrize("case", SCHEDULES)
def test_schedules_that_cannot_be_made_are_refused_by_name(case):
    message = refused("Autoencoder", callbacks=[("rate", SCHEDULES[case]), Untouched()])
    assert message.startswith("callbacks: an LRScheduler must have a policy")


@pytest.mark.parametrize(
    "schedule",
    [
        LRScheduler,
        LRScheduler(),
        LRScheduler("StepLR", step_size=1),
        LRScheduler("ReduceLROnPlateau"),
        LRScheduler("LambdaLR", lr_lambda=lambda epoch: 0.5),
        LRScheduler("LambdaLR", lr_lambda=[lambda epoch: 0.5] * 2),
        LRScheduler(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=100),
        LRScheduler("CyclicLR", base_lr=0.1, max_lr=0.2, step_every="batch"),
    ],
)
def test_schedules_of_skorch_and_torch_are_taken(schedule):
    parameters = {"callbacks": [schedule], "learning_rate": "constant", "optimizer": "sgd"}
    assert clone(ESTIMATORS["Autoencoder"]).set_params(**parameters).fit(X).n_iter_ == 2


@pytest.mark.parametrize("scoring", ["nope", 3, {"a": "r2"}])
def test_scorers_that_are_not_known_are_refused_by_name(scoring):
    message = refused("Autoencoder", callbacks=[EpochScoring(scoring), Untouched()])
    assert message.startswith("callbacks: EpochScoring must have a name of scikit-learn's scorers")


def score(net, X, y=None):
    return 0.0


@pytest.mark.parametrize("scoring", ["neg_mean_squared_error", score, None])
def test_scorers_of_skorch_are_taken(scoring):
    scorer = EpochScoring(scoring, name="own")
    if scoring is None:
        check_callbacks([scorer])
        return
    assert clone(ESTIMATORS["Autoencoder"]).set_params(callbacks=[scorer]).fit(X).n_iter_ == 2


@pytest.mark.parametrize("name", ["mine", "best_weights", "valid_loss"])
def test_a_name_of_a_callback_that_is_taken_is_refused(name):
    named = [("mine", EpochTimer()), (name, Untouched())]
    message = refused("Autoencoder", callbacks=named)
    assert message.startswith("callbacks must have names that are not taken")


def test_an_error_in_a_callback_names_the_parameter():
    estimator = clone(ESTIMATORS["Autoencoder"])
    estimator.set_params(callbacks=[EarlyStopping(monitor="nope")])
    with pytest.raises(KeyError) as caught:
        estimator.fit(X)
    [note] = caught.value.__notes__
    assert note.startswith("Raised by a callback in callbacks=: <skorch.callbacks.")


# -- labels --------------------------------------------------------------------------------


def with_missing(value, dtype=object):
    labels = Y.astype(object)
    labels[[3, 8]] = value
    return pd.array(labels, dtype="Int64") if dtype == "Int64" else labels


MISSING = {
    "None": with_missing(None),
    "NA": with_missing(pd.NA),
    "NaN": np.where(np.isin(np.arange(45), [3, 8]), np.nan, Y),
    "Series of integers with NA": pd.Series(with_missing(pd.NA, "Int64")),
    "list": with_missing(None).tolist(),
    "Series of categories": pd.Series(with_missing(None)).astype("category"),
    "words": np.where(with_missing(None) == None, None, "red"),  # noqa: E711
}


@pytest.mark.parametrize("case", MISSING)
@pytest.mark.parametrize("name", ["AutoencoderClassifier", "AutoencoderRegressor"])
def test_missing_labels_are_refused_by_name_and_counted(name, case):
    message = refused(name, MISSING[case])
    assert message.startswith("y must hold a ")
    assert "got 2 missing value(s)" in message


def test_labels_of_several_types_are_refused_by_name():
    labels = np.array([0, "red"] * 22 + [0], dtype=object)
    assert "y must hold labels of one type" in refused("AutoencoderClassifier", labels)


def test_dates_are_no_numbers_to_predict():
    dates = pd.Series(pd.date_range("2020", periods=45))
    assert refused("AutoencoderRegressor", dates).startswith("y must hold numbers")


def test_missing_classes_are_refused_by_name():
    classifier = clone(ESTIMATORS["AutoencoderClassifier"])
    with pytest.raises(ValueError, match="classes must hold a label for each row, got 1 missing"):
        classifier.partial_fit(X, Y, classes=[0, 1, 2, None])
