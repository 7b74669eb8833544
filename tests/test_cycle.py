"""How far codes move on their way to the data and back."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA

from skae import Autoencoder, HybridAutoencoder, ParametricUMAP
from skae.architectures import Dense
from skae.metrics import cycle_error

X, _ = load_iris(return_X_y=True)
DIGITS = load_digits().data[:300]
QUICK = {"architecture": Dense((32, 32)), "max_iter": 40, "batch_size": 64, "random_state": 0}


def test_pca_leads_back_to_each_code_also_between_and_beyond_the_data():
    grid = np.stack(np.meshgrid([-9.0, 0, 9], [-5.0, 0, 5]), axis=-1).reshape(-1, 2)
    assert cycle_error(PCA(2).fit(X), grid) == pytest.approx(0, abs=1e-12)


def test_the_error_is_a_fraction_of_the_spread_of_the_codes():
    class Shifted(PCA):
        def transform(self, X):
            return np.add(super().transform(X), [3.0, 4.0])

    codes = np.array([[-1.0, 0], [1, 0], [0, -1], [0, 1]])
    # Moves of length 5, codes at distance 1 from their mean.
    assert cycle_error(Shifted(2).fit(X), codes) == pytest.approx(5.0)


def test_frames_of_codes_are_taken():
    model = HybridAutoencoder(architecture=Dense((8,)), max_iter=2, random_state=0).fit(X)
    model.set_output(transform="pandas")
    assert 0 < cycle_error(model, model.transform(X)) < 1


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.ones((3, 2)), "codes that differ, got 3 equal ones"),
        (np.ones(3), "shape"),
        (np.array([[0.0, np.nan], [1, 1]]), "Z contains NaN"),
    ],
)
def test_codes_that_say_nothing_are_refused(codes, message):
    with pytest.raises(ValueError, match=message):
        cycle_error(PCA(2).fit(X), codes)


# -- cycles in training ---------------------------------------------------------------------


@pytest.mark.parametrize("model", [Autoencoder(2, **QUICK), ParametricUMAP(2, **QUICK)])
def test_cycles_in_training_make_the_error_smaller_between_the_data(model):
    if isinstance(model, ParametricUMAP):
        pytest.importorskip("umap")

    def error(weight):
        fitted = clone(model).set_params(cycle_weight=weight).fit(DIGITS)
        codes = fitted.transform(DIGITS)
        middles = (codes + codes[np.random.RandomState(0).permutation(len(codes))]) / 2
        return cycle_error(fitted, middles)

    assert error(3.0) < 0.7 * error(0.0)


def test_the_cycle_is_recorded_as_a_part_of_the_loss():
    fitted = Autoencoder(2, cycle_weight=0.1, **QUICK).fit(DIGITS)
    assert {"train_cycle", "train_reconstruction", "valid_cycle"} <= set(fitted.history_[-1])
