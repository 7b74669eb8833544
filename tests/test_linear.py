"""Where networks start: units, principal directions and linear maps, against scikit-learn's."""

import tracemalloc

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from torch import nn

from skae.models._linear import (
    center_and_scale,
    divide_by_deviations,
    pass_through_sigmoid,
    principal_components,
    principal_subspace,
    root_mean_squares,
    safe_deviations,
    set_to_least_squares,
)
from skae.networks.standardization import Standardization

TIMES = np.array([0, 1, 3, 2, 1, 1, 4, 1])


@pytest.fixture
def rows():
    """Eight rows whose features have other means and spreads."""
    normal = np.random.default_rng(0).normal(size=(8, 5))
    return normal @ np.diag([5.0, 3, 2, 1, 0.5]) + [10, -20, 0, 5, 1]


# -- units ---------------------------------------------------------------------------------------


def test_rows_are_centered_and_divided_by_their_root_mean_square_deviation(rows):
    center, scale = center_and_scale(rows, None)
    assert_allclose(center, rows.mean(axis=0))
    assert_allclose(np.mean(((rows - center) / scale) ** 2), 1)


def test_a_weight_is_a_number_of_copies_in_center_and_scale(rows):
    weighted, copied = center_and_scale(rows, TIMES), center_and_scale(rows.repeat(TIMES, 0), None)
    for got, expected in zip(weighted, copied, strict=True):
        assert_allclose(got, expected)


@pytest.mark.parametrize("unit", [1e-200, 1e100])
def test_scales_that_cannot_be_squared_follow_the_units_of_the_data(unit, rows):
    expected = np.multiply(unit, center_and_scale(rows, None)[1])
    assert_allclose(center_and_scale(unit * rows, None)[1], expected)


def test_rows_too_large_for_their_squared_errors_are_refused(rows):
    with pytest.raises(ValueError, match="standard deviation below 1e"):
        center_and_scale(1e160 * rows, None)


@pytest.mark.parametrize(("value", "expected"), [(0.1, 0.1), (-3e7, 3e7), (0.0, 1.0)])
def test_constant_rows_are_divided_by_their_size_not_by_rounding_errors(value, expected):
    assert center_and_scale(np.full((30, 2), value), None)[1] == pytest.approx(expected)


# -- principal components ------------------------------------------------------------------------


@pytest.mark.parametrize("n_features", [5, 1300])
def test_principal_components_are_those_of_pca(n_features):
    rows = np.random.default_rng(0).normal(size=(40, n_features)) * 0.8 ** np.arange(n_features)
    rows -= rows.mean(axis=0)
    components, deviations = principal_components(rows, None, 3, 0)
    pca = PCA(3).fit(rows)
    assert_allclose(np.abs(np.sum(components.numpy() * pca.components_, axis=1)), 1, rtol=1e-5)
    # PCA divides by one less than the number of rows.
    assert_allclose(deviations, np.sqrt(pca.explained_variance_ * 39 / 40), rtol=1e-5)
    assert (components[np.arange(3), components.abs().argmax(dim=1)] > 0).all()


def test_a_weight_is_a_number_of_copies_in_principal_components(rows):
    for got, expected in zip(
        principal_components(rows, TIMES, 3, 0),
        principal_components(rows.repeat(TIMES, 0), None, 3, 0),
        strict=True,
    ):
        assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


# -- a subspace that a network sees in place of all features -------------------------------------


def falling(n_rows=400, n_features=120, rate=0.9):
    """Rows whose deviations fall by this rate from feature to feature."""
    normal = np.random.default_rng(0).normal(size=(n_rows, n_features))
    rows = normal * rate ** np.arange(n_features)
    return rows - rows.mean(axis=0)


@pytest.mark.parametrize("rate", [0.8, 0.95, 0.96])
@pytest.mark.parametrize("n_components", [2, 10])
def test_a_subspace_leaves_out_a_tenth_of_what_pca_leaves_and_has_a_quarter_at_least(
    n_components, rate
):
    rows = falling(rate=rate)
    basis = principal_subspace(rows, None, n_components).numpy()
    variances = PCA().fit(rows).explained_variance_
    left = variances.sum() - np.cumsum(variances)
    n_needed = np.flatnonzero(left <= 0.1 * left[n_components - 1])[0] + 1
    assert basis.shape == (120, max(n_needed, 30))
    assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-5)


def test_no_subspace_is_looked_for_where_few_rows_or_features_cannot_repay_it():
    assert principal_subspace(falling(n_rows=240), None, 2) is not None
    assert principal_subspace(falling(n_rows=239), None, 2) is None
    assert principal_subspace(falling(n_features=100), None, 2) is not None
    assert principal_subspace(falling(n_features=99), None, 2) is None


def test_where_more_than_half_of_the_directions_matter_all_features_are_seen():
    assert principal_subspace(falling(rate=0.97), None, 2) is not None
    assert principal_subspace(falling(rate=0.99), None, 2) is None


# -- layers --------------------------------------------------------------------------------------


def test_wide_rows_are_not_copied_where_no_subspace_is_looked_for():
    rows = np.random.default_rng(0).random((300, 1500))
    tracemalloc.start()
    # 300 rows determine 100 directions, of which a code of as many leaves none out.
    assert principal_subspace(rows, None, 100, rows.mean(axis=0)) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rows.nbytes / 10


def test_deviations_that_are_nearly_zero_do_not_divide():
    assert_allclose(safe_deviations(torch.tensor([4.0, 0.01, 1e-4, 0.0])), [4, 0.01, 1, 1])


def test_root_mean_squares_count_a_weight_as_a_number_of_copies(rows):
    expected = np.sqrt(np.mean(rows.repeat(TIMES, 0) ** 2, axis=0))
    assert_allclose(root_mean_squares(rows, TIMES), expected, rtol=1e-6)


@torch.no_grad()
def test_a_layer_divided_by_deviations_sees_inputs_of_unit_variance():
    layers, inputs = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), torch.rand(6, 3)
    before, deviations = layers(inputs), torch.tensor([2.0, 0.5, 8.0])
    divide_by_deviations(layers, deviations)
    torch.testing.assert_close(layers(inputs * deviations), before)


@pytest.mark.parametrize("weights", [None, TIMES])
@torch.no_grad()
def test_a_layer_is_set_to_least_squares(weights, rows):
    layer, outputs = nn.Linear(5, 2), np.sin(rows[:, :2])
    set_to_least_squares(layer, rows, outputs, weights)
    expected = LinearRegression().fit(rows, outputs, weights).predict(rows)
    assert_allclose(layer(torch.tensor(rows).float()), expected, atol=1e-4)


@torch.no_grad()
def test_least_squares_through_components_use_no_other_direction(rows):
    layer, outputs = nn.Linear(5, 2), np.sin(rows[:, :2])
    components, _ = principal_components(rows - rows.mean(axis=0), None, 2, 0)
    set_to_least_squares(layer, rows, outputs, None, components)
    codes = rows @ components.double().numpy().T
    expected = LinearRegression().fit(codes, outputs).predict(codes)
    assert_allclose(layer(torch.tensor(rows).float()), expected, atol=1e-4)


@torch.no_grad()
def test_behind_a_sigmoid_a_linear_map_is_kept_near_the_mean():
    standardization = Standardization(torch.tensor([0.2, 0.5, 0.9]), 0.3, sigmoid=True)
    linear, codes = nn.Linear(2, 3).double(), 1e-3 * torch.eye(2).double()
    nn.init.zeros_(linear.bias)
    deviations = standardization.unstandardize(linear(codes)) - standardization.center
    pass_through_sigmoid(linear, standardization)
    kept = torch.sigmoid(linear(codes)) - standardization.center
    torch.testing.assert_close(kept, deviations, rtol=0.02, atol=0)


@torch.no_grad()
def test_behind_a_sigmoid_means_at_the_ends_give_logits_and_steps_that_can_be_trained():
    standardization = Standardization(torch.tensor([0.0, 1.0, 1e-9]), 0.3, sigmoid=True)
    linear = nn.Linear(2, 3)
    weights = linear.weight.clone()
    pass_through_sigmoid(linear, standardization)
    assert_allclose(torch.sigmoid(linear.bias), [0.01, 0.99, 0.01], atol=1e-6)
    torch.testing.assert_close(linear.weight, 6 * weights)
