"""Standardized rows and the way back to the units of the data."""

import numpy as np
import pytest
import torch

from skae.networks.standardization import DecodesToData, EncodesData, Standardization

ROWS = torch.tensor(np.random.default_rng(0).normal(5, 3, size=(40, 6)))
CENTER = ROWS.mean(dim=0)
SCALE = (ROWS - CENTER).square().mean().sqrt().item()


@pytest.fixture
def basis():
    """Three orthonormal directions of six."""
    return torch.linalg.qr(torch.tensor(np.random.default_rng(1).normal(size=(6, 3)))).Q


def test_rows_are_centered_and_scaled_in_double_precision_and_back():
    standardization = Standardization(CENTER, SCALE)
    rows = standardization.standardize(ROWS)
    torch.testing.assert_close(rows, (ROWS - CENTER) / SCALE, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(standardization.unstandardize(rows), ROWS, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_a_scale_that_single_precision_cannot_hold_is_kept(scale):
    standardization = Standardization(CENTER * scale, SCALE * scale)
    expected = Standardization(CENTER, SCALE).standardize(ROWS)
    torch.testing.assert_close(standardization.standardize(ROWS * scale), expected)


def test_rows_far_from_zero_lose_nothing_in_single_precision():
    standardization = Standardization(CENTER + 1e9, SCALE)
    rows = standardization.standardize_exactly(ROWS + 1e9)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows, ((ROWS - CENTER) / SCALE).float(), atol=1e-5, rtol=0)


def test_along_a_basis_rows_come_back_as_their_projection(basis):
    standardization = Standardization(CENTER, SCALE, basis=basis)
    assert standardization.n_outputs == 3
    back = standardization.unstandardize(standardization.standardize(ROWS))
    torch.testing.assert_close(back, (ROWS - CENTER) @ basis @ basis.T + CENTER)


def test_along_a_basis_the_mean_square_is_the_fraction_of_the_variance_along_it(basis):
    rows = Standardization(CENTER, SCALE, basis=basis).standardize(ROWS)
    projected = (ROWS - CENTER) @ basis
    expected = projected.square().sum() / (ROWS - CENTER).square().sum()
    torch.testing.assert_close(rows.square().mean(), expected)


def test_logits_become_probabilities_and_other_outputs_data():
    outputs = torch.tensor([[-2.0, 0, 1, 2, 3, 4]])
    as_logits = Standardization(CENTER, SCALE, sigmoid=True).to_data(outputs)
    torch.testing.assert_close(as_logits, torch.sigmoid(outputs))
    standardization = Standardization(CENTER, SCALE)
    torch.testing.assert_close(
        standardization.to_data(outputs), standardization.unstandardize(outputs)
    )


def test_modules_that_see_data_are_given_the_units_of_the_data():
    standardization = Standardization(CENTER, SCALE)
    rows = standardization.standardize(ROWS)
    encoder = EncodesData(torch.nn.Identity(), standardization)
    decoder = DecodesToData(torch.nn.Identity(), standardization)
    torch.testing.assert_close(encoder(rows), ROWS)
    torch.testing.assert_close(decoder(ROWS), rows)
    logits = DecodesToData(torch.nn.Identity(), Standardization(CENTER, SCALE, sigmoid=True))
    torch.testing.assert_close(logits(ROWS), ROWS)
