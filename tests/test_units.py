"""Columns whose unit decides about the loss are named, and nothing else gives a warning."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
    load_wine,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    HybridAutoencoder,
    SequencePredictor,
    TableAutoencoder,
    VariationalAutoencoder,
)
from skae.architectures import Dense

QUICK = {"architecture": Dense((8,)), "max_iter": 1, "random_state": 0}


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(**QUICK),
        VariationalAutoencoder(**QUICK),
        HybridAutoencoder(**QUICK),
        AutoencoderClassifier(**QUICK),
    ],
)
def test_columns_that_hold_nearly_all_of_the_variance_are_named(estimator):
    X, y = load_wine(return_X_y=True, as_frame=True)
    message = "1 of 13 columns of X hold 99.8% of its variance: 'proline'.*StandardScaler"
    with pytest.warns(UserWarning, match=message):
        estimator.fit(X, y)


def test_columns_without_names_are_named_as_scikit_learn_does():
    with pytest.warns(UserWarning, match="variance: x23, x3. Autoencoder divides"):
        Autoencoder(**QUICK).fit(load_breast_cancer().data)


def test_weights_count():
    X = np.random.default_rng(0).normal(size=(100, 4))
    X[0, 2] = 1e4
    with pytest.warns(UserWarning, match="variance: x2"):
        Autoencoder(**QUICK).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of one epoch.
        warnings.simplefilter("ignore", ConvergenceWarning)
        Autoencoder(**QUICK).fit(X, sample_weight=np.r_[0, np.ones(99)])


def test_frames_of_measurements_have_units_as_well():
    X = np.random.default_rng(0).normal(size=(30, 6, 3)) * [1, 1, 100]
    with pytest.warns(UserWarning, match="variance: x2. SequencePredictor"):
        SequencePredictor(2, hidden_size=4, **QUICK).fit(X)


def spectrum():
    """A peak that moves, between much noise: 300 wavelengths in one unit."""
    places, rng = np.arange(300), np.random.default_rng(0)
    peak = np.exp(-0.5 * (places - 150) ** 2)
    return rng.normal(size=(60, 1)) * 100 * peak + rng.normal(size=(60, 300)) * 0.01


@pytest.mark.parametrize(
    "X",
    [
        load_iris().data,
        load_digits().data,
        load_digits().images[:200],
        load_diabetes().data,
        load_linnerud().data,
        StandardScaler().fit_transform(load_wine().data),
        spectrum(),
        np.eye(20)[np.arange(200) % 20],
        np.column_stack([np.linspace(0, 1, 50), np.ones(50)]),
    ],
    ids=[
        "iris", "digits", "images", "diabetes", "linnerud", "standardized", "spectrum",
        "indicators", "a constant",
    ],
)  # fmt: skip
def test_data_in_one_unit_give_no_warning(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of one epoch.
        warnings.simplefilter("ignore", ConvergenceWarning)
        Autoencoder(1, max_iter=1, random_state=0).fit(X)


def test_what_it_says_helps():
    X = load_wine().data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of one epoch.
        warnings.simplefilter("ignore", ConvergenceWarning)
        make_pipeline(StandardScaler(), Autoencoder(**QUICK)).fit(X)
        TableAutoencoder(2, **QUICK).fit(X)


def test_losses_that_expect_one_unit_give_no_warning():
    X = np.random.default_rng(0).uniform(size=(60, 5)) * [1, 1e-3, 1e-3, 1e-3, 1e-3]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of one epoch.
        warnings.simplefilter("ignore", ConvergenceWarning)
        Autoencoder(loss="bce", **QUICK).fit(X)
