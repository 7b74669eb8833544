"""Inference in the precision of the data, by a network that is converted once."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.utils.validation import validate_data

from skae import Autoencoder
from skae.architectures import Conv, Dense

DTYPES = [np.float32, np.float64]


def multiply(layer):
    with torch.no_grad():
        layer.weight.mul_(2)


def multiply_unseen(layer):
    layer.weight.data.mul_(2)


def multiply_through_numpy(layer):
    array = layer.weight.detach().numpy()
    array *= 2


def replace_parameter(layer):
    layer.weight = torch.nn.Parameter(2 * layer.weight.detach())


def replace_data(layer):
    layer.weight.data = 2 * layer.weight.data


CHANGES = [multiply, multiply_unseen, multiply_through_numpy, replace_parameter, replace_data]


@pytest.fixture
def fitted(digits):
    return Autoencoder(3, architecture=Dense((8,)), max_iter=2, random_state=0).fit(digits)


def converted(estimator, X):
    """Encode by a copy of the network that is converted as a whole."""
    network = copy.deepcopy(estimator.module_).to(torch.from_numpy(X).dtype)
    with torch.no_grad():
        return network.encode(torch.from_numpy(X)).numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("change", CHANGES)
def test_codes_follow_weights_that_change_after_the_fit(change, dtype, fitted, digits):
    X = digits.astype(dtype)
    before = fitted.transform(X)
    change(fitted.module_.encoder.linear)
    after = fitted.transform(X)
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, converted(fitted, X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_codes_follow_a_layer_that_is_replaced(dtype, fitted, digits):
    X = digits.astype(dtype)
    fitted.transform(X)
    fitted.module_.encoder.nonlinear = torch.nn.Linear(64, 3)
    np.testing.assert_allclose(fitted.transform(X), converted(fitted, X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_codes_follow_a_state_that_is_loaded(dtype, fitted, digits):
    X = digits.astype(dtype)
    expected = fitted.transform(X)
    state = copy.deepcopy(fitted.module_.state_dict())
    fitted.partial_fit(X)
    assert not np.array_equal(fitted.transform(X), expected)
    fitted.module_.load_state_dict(state)
    np.testing.assert_array_equal(fitted.transform(X), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_codes_follow_a_standardization_that_changes(dtype, fitted, digits):
    X = digits.astype(dtype)
    fitted.transform(X)
    fitted.module_.standardization.center += 1
    np.testing.assert_allclose(fitted.transform(X), converted(fitted, X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_hooks_on_layers_see_the_data_whenever_they_were_set(dtype, fitted, digits):
    X = digits.astype(dtype)
    fitted.transform(X)
    seen = []
    hook = fitted.module_.encoder.register_forward_hook(
        lambda layer, inputs, output: seen.append(output)
    )
    codes = fitted.transform(X)
    hook.remove()
    fitted.transform(X)
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0].numpy(), codes)


def test_neither_pickles_nor_copies_of_the_network_hold_converted_ones(fitted, digits):
    size = len(pickle.dumps(fitted.module_))
    fitted.transform(digits)
    fitted.transform(digits.astype(np.float32))
    assert len(pickle.dumps(fitted.module_)) == size
    assert vars(copy.deepcopy(fitted.module_)).keys() == vars(fitted.module_).keys() - {
        "_kept_conversions"
    }


def test_the_network_keeps_its_precision_whatever_the_data_have(fitted, digits):
    before = {name: weight.dtype for name, weight in fitted.module_.state_dict().items()}
    fitted.transform(digits)
    assert {n: w.dtype for n, w in fitted.module_.state_dict().items()} == before


def test_networks_made_in_inference_mode_encode_in_float64(fitted, digits):
    with torch.inference_mode():
        restored = pickle.loads(pickle.dumps(fitted))
    for _ in range(2):
        np.testing.assert_array_equal(restored.transform(digits), fitted.transform(digits))


@pytest.mark.parametrize("dtype", DTYPES)
def test_feature_maps_are_those_of_float32(dtype, digit_images):
    fitted = Autoencoder(2, architecture=Conv((2,)), max_iter=1, random_state=0).fit(digit_images)
    maps = fitted.feature_maps(digit_images[:4].astype(dtype))
    expected = fitted.feature_maps(digit_images[:4])
    for name in expected:
        np.testing.assert_array_equal(maps[name], expected[name])


# -- arrays that are taken without scikit-learn's validation ------------------------------------


class Reference(Autoencoder):
    """An autoencoder that validates as scikit-learn does, and nothing else."""

    def transform(self, X):
        return validate_data(self, X, reset=False)


ODD = {
    "infinite": lambda X: np.where(X > 0.5, np.inf, X),
    "missing": lambda X: np.where(X > 0.5, np.nan, X),
    "narrow": lambda X: X[:, :5],
    "one row in one dimension": lambda X: X[0],
    "no rows": lambda X: X[:0],
    "text": lambda X: X.astype(str).astype(object),
    "complex": lambda X: X.astype(complex),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("odd", ODD)
def test_odd_arrays_are_treated_as_scikit_learn_does(odd, dtype, fitted, digits):
    X = ODD[odd](digits[:10].astype(dtype))
    reference = Reference()
    reference.n_features_in_ = 64

    def outcome(estimator):
        try:
            return estimator.transform(X).shape[0]
        except ValueError as error:
            return str(error).replace("Reference", "Autoencoder").split(". Expected")[0].strip(".")

    ours, theirs = outcome(fitted), outcome(reference)
    if isinstance(theirs, str):
        assert ours.split("\n")[0].strip(".") == theirs.split("\n")[0].strip(".")
    else:
        assert ours == theirs


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_in_any_order_in_memory_give_the_same(order, dtype, fitted, digits):
    X = np.array(digits, dtype=dtype, order=order)
    backwards = np.array(X[::-1], order="C")[::-1]
    expected = fitted.transform(np.ascontiguousarray(X))
    for given in (X, backwards):
        np.testing.assert_array_equal(fitted.transform(given), expected)


@pytest.mark.parametrize("method", ["transform", "reconstruct", "score_samples"])
def test_arrays_without_the_names_of_fit_are_warned_of(method, fitted, digits):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(digits, columns=[f"pixel {i}" for i in range(64)])
    named = Autoencoder(2, architecture=Dense((4,)), max_iter=1).fit(frame)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but Autoencoder"):
        getattr(named, method)(digits)
    with pytest.warns(UserWarning, match="X has feature names, but Autoencoder was fitted"):
        getattr(fitted, method)(frame)


@pytest.mark.parametrize("value", [1e30, -3e38])
def test_values_whose_squares_overflow_are_finite(value, fitted, digits):
    X = digits[:2].astype(np.float32)
    X[0, 3] = value
    assert fitted.transform(X).shape == (2, 3)
