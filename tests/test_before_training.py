"""What cannot work is refused by its name before training, or at the first batch."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback, EpochTimer
from small import ESTIMATORS, NETWORKS, wine

from skae.architectures import Custom

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


@pytest.mark.parametrize("case", LOSSES)
def test_a_loss_that_cannot_be_minimized_is_refused_by_name(case):
    loss, message = LOSSES[case]
    assert message in refused("Autoencoder", loss=loss, callbacks=None)


@pytest.mark.parametrize("parameter", ["noise", "augment"])
def test_noise_that_is_no_tensor_is_refused_with_what_it_is(parameter):
    message = refused("Autoencoder", callbacks=None, **{parameter: lambda batch: batch.numpy()})
    assert "noise and augment must return a tensor" in message
    assert "got ndarray" in message


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
