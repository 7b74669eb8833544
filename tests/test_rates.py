"""Wide rows and large images: rates of layers, subspaces, and the number of stages."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from skae import Autoencoder
from skae.architectures import Conv, DataShape, Dense
from skae.models._linear import principal_subspace

# Noise is defined by features: the network sees all of them, not a subspace.
WIDE = {"architecture": Dense((16,)), "noise": "gaussian", "max_iter": 1, "random_state": 0}


def peaks(fitted):
    """Return the largest rate of each named parameter, over the default rate."""
    groups = fitted.net_.optimizer_.param_groups
    by_parameter = {p: group["max_lr"] for group in groups for p in group["params"]}
    named = fitted.module_.named_parameters()
    return {name: by_parameter[p] / fitted.learning_rate_init for name, p in named}


def test_layers_of_more_than_400_inputs_have_lower_rates_in_proportion():
    X = np.random.default_rng(0).normal(size=(60, 800))
    rates = peaks(Autoencoder(16, **WIDE).fit(X))
    wide = {"encoder.linear.weight", "encoder.nonlinear.0.weight"}
    assert {name for name, rate in rates.items() if rate != pytest.approx(1)} == wide
    assert [rates[name] for name in wide] == pytest.approx([0.5, 0.5])


def test_where_codes_are_large_their_makers_have_higher_rates_and_their_readers_lower_ones():
    rng = np.random.default_rng(0)
    # All the variance lies along one direction: codes have the root mean square of 400 features.
    X = rng.normal(size=(60, 1)) * np.ones(400) + 1e-3 * rng.normal(size=(60, 400))
    fitted = Autoencoder(1, **WIDE).fit(X)
    assert fitted.module_.code_scale.item() == pytest.approx(20, rel=0.01)
    rates = peaks(fitted)
    assert rates["encoder.linear.weight"] == pytest.approx(4, rel=0.01)
    assert rates["encoder.nonlinear.2.bias"] == pytest.approx(4, rel=0.01)
    assert rates["decoder.linear.weight"] == pytest.approx(1 / 4, rel=0.01)
    assert rates["decoder.nonlinear.0.weight"] == pytest.approx(1 / 4, rel=0.01)
    assert rates["decoder.nonlinear.2.weight"] == pytest.approx(1)


def test_rows_of_few_features_have_one_rate(digits):
    rates = peaks(Autoencoder(8, max_iter=1, random_state=0).fit(digits)).values()
    assert list(rates) == pytest.approx([1] * len(rates))


def test_the_subspace_of_wide_rows_is_orthonormal_and_holds_their_principal_directions():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, 5)) * [9, 8, 7, 6, 5] @ rng.normal(size=(5, 1500))
    rows -= rows.mean(axis=0)
    basis = principal_subspace(rows, None, 3).numpy()
    assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-5)
    left = np.square(rows - rows @ basis @ basis.T).sum()
    by_pca = np.square(np.linalg.svd(rows, compute_uv=False)[3:]).sum()
    assert left <= 0.1 * by_pca


def test_a_weight_of_two_is_two_copies_in_the_subspace_of_wide_rows():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 8)) @ rng.normal(size=(8, 1300))
    times = rng.integers(1, 4, 40)
    bases = (
        principal_subspace(rows, times.astype(float), 4),
        principal_subspace(rows.repeat(times, axis=0), None, 4),
    )
    once, copied = (basis.numpy() @ basis.numpy().T for basis in bases)
    assert_allclose(once, copied, atol=1e-4)


@pytest.mark.parametrize(
    ("side", "n_stages"), [(8, 2), (28, 2), (32, 2), (50, 3), (64, 3), (128, 4), (256, 5)]
)
def test_automatic_stages_halve_images_until_eight_pixels_are_left(side, n_stages):
    with torch.device("meta"):
        encoder = Conv().build_encoder(DataShape(side * side, (side, side, 1)), 8)
    assert sum(isinstance(layer, nn.Conv2d) for layer in encoder.modules()) == n_stages


def test_the_bar_shows_the_loss_over_that_of_the_start(digits, capsys):
    fitted = Autoencoder(4, max_iter=2, verbose=1, random_state=0).fit(digits)
    start = dict(fitted.net_.callbacks_)["best_weights"].start_loss_
    ratio = fitted.history_[-1]["valid_loss"] / start
    assert f"of_start={ratio:.3g}" in capsys.readouterr().err
