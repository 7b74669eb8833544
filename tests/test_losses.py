"""Losses are what their names say, in the units that they promise."""

import pickle

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity as reference_ssim
from sklearn.base import clone
from sklearn.datasets import load_sample_image

from skae import Autoencoder
from skae.architectures import Conv
from skae.losses import LOSSES, Loss, resolve_loss, structural_similarity


def patches(size, n=6):
    """Pairs of grey patches of a photograph, the second one noisy."""
    photograph = load_sample_image("china.jpg").mean(axis=2) / 255
    x = np.stack([photograph[40 * i : 40 * i + size, 60 * i : 60 * i + size] for i in range(n)])
    return x, np.clip(x + np.random.default_rng(0).normal(0, 0.1, x.shape), 0, 1)


@pytest.mark.parametrize("size", [8, 33, 96])
def test_ssim_agrees_with_scikit_image(size):
    x, y = patches(size)
    expected = [reference_ssim(a, b, data_range=1.0) for a, b in zip(x, y, strict=True)]
    ours = structural_similarity(torch.tensor(x)[:, None], torch.tensor(y)[:, None])
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-10)


def test_ssim_of_colors_is_the_mean_over_channels():
    image = load_sample_image("flower.jpg")[:64, :64] / 255
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 0.1, image.shape), 0, 1)
    expected = reference_ssim(image, noisy, data_range=1.0, channel_axis=2)
    x, y = (torch.tensor(a).permute(2, 0, 1)[None] for a in (image, noisy))
    np.testing.assert_allclose(structural_similarity(x, y).item(), expected, rtol=1e-10)


def test_ssim_takes_the_range_of_the_data_into_account():
    x, y = (torch.tensor(a)[:, None] for a in patches(32))
    scaled = structural_similarity(255 * x, 255 * y, data_range=255.0)
    torch.testing.assert_close(scaled, structural_similarity(x, y))


def test_ssim_gradient_is_that_of_finite_differences():
    x, y = (torch.tensor(a)[:1, None] for a in patches(9))
    assert torch.autograd.gradcheck(structural_similarity, (x.requires_grad_(), y))


@pytest.mark.parametrize("name", LOSSES)
def test_mean_of_the_losses_of_samples_is_the_loss_of_the_batch(name):
    x, y = (torch.tensor(a)[:, None] for a in patches(16))
    loss = resolve_loss(name)
    torch.testing.assert_close(loss.per_sample(x, y).mean(), loss.mean(x, y))


@pytest.mark.parametrize("name", ["mse", "l1", "huber", "bce", "ssim"])
@pytest.mark.parametrize("architecture", ["dense", Conv((8,))], ids=["dense", "conv"])
def test_every_loss_learns_to_reconstruct_images(name, architecture, digit_images):
    images = digit_images[:600]
    fitted = Autoencoder(8, loss=name, architecture=architecture, max_iter=8, random_state=0)
    assert fitted.fit(images).score(images) > 0.5


@pytest.mark.parametrize("name", LOSSES)
def test_there_is_no_loss_between_the_values_that_stand_for_missing_ones(name):
    loss = LOSSES[name]
    prediction, target = (torch.full((3, 1, 8, 8), value) for value in loss.zero_at)
    assert loss.mean(prediction, target).item() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("name", [name for name in LOSSES if not LOSSES[name].needs_images])
def test_losses_that_say_so_are_the_same_along_every_orthonormal_basis(name):
    generator = torch.Generator().manual_seed(0)
    x, y, square = (torch.rand(8, 8, generator=generator).double() for _ in range(3))
    basis, _ = torch.linalg.qr(square)
    loss = LOSSES[name]
    is_same = torch.isclose(loss.mean(x, y), loss.mean(x @ basis, y @ basis)).item()
    assert is_same == loss.is_rotation_invariant


def test_bce_gives_reconstructions_in_the_unit_interval(digits):
    fitted = Autoencoder(4, loss="bce", max_iter=5).fit(digits)
    reconstructed = fitted.inverse_transform(fitted.transform(digits) * 10)
    assert reconstructed.min() >= 0
    assert reconstructed.max() <= 1


def test_bce_refuses_data_outside_the_unit_interval(digits):
    with pytest.raises(ValueError, match=r"loss='bce' expects values in \[0, 1\], got .* to 16"):
        Autoencoder(loss="bce").fit(digits * 16)


def test_ssim_refuses_rows_that_are_no_images(digits):
    with pytest.raises(ValueError, match="loss='ssim' compares images: give image_shape"):
        Autoencoder(loss="ssim").fit(digits)


def test_a_user_supplied_loss_compares_data_in_their_units(digits):
    seen = {}

    def loss(reconstruction, target):
        seen["largest"] = max(seen.get("largest", 0), target.max().item())
        seen["shape"] = target.shape[1:]
        return (reconstruction - target).abs().mean()

    Autoencoder(loss=loss, max_iter=2).fit(digits * 1000)
    assert seen["largest"] == pytest.approx(1000, rel=1e-5)
    assert seen["shape"] == (64,)


def test_a_user_supplied_loss_gets_images_as_torch_has_them(digit_images):
    shapes = set()

    def loss(reconstruction, target):
        shapes.add(tuple(target.shape[1:]))
        return (reconstruction - target).square().mean()

    Autoencoder(loss=loss, max_iter=1).fit(digit_images)
    assert shapes == {(1, 8, 8)}


def test_a_module_of_torch_is_a_loss(digits):
    fitted = Autoencoder(8, loss=torch.nn.SmoothL1Loss(), max_iter=10, random_state=0).fit(digits)
    assert fitted.score(digits) > 0.6


def test_weights_need_a_loss_with_a_value_for_each_sample(digits):
    weights = np.arange(len(digits)) + 1.0
    with pytest.raises(ValueError, match="loss must return a value for each sample"):
        Autoencoder(loss=torch.nn.MSELoss(), max_iter=1).fit(digits, sample_weight=weights)
    elementwise = torch.nn.MSELoss(reduction="none")
    Autoencoder(loss=elementwise, max_iter=1).fit(digits, sample_weight=weights)


def half_squares(prediction, target):
    return (prediction - target).square() / 2


def test_a_loss_object_that_standardizes_is_trained_as_the_built_in_one(digits):
    """Half of the squared error has the same minimum, and AdamW steps of the same size."""
    own, built_in = (
        Autoencoder(4, loss=loss, max_iter=3, random_state=0).fit(digits * 1000)
        for loss in (Loss(half_squares), "mse")
    )
    np.testing.assert_allclose(own.loss_curve_, np.array(built_in.loss_curve_) / 2, rtol=1e-3)


def test_a_loss_object_of_single_values_takes_weights_and_missing_values(digits):
    X = np.where(np.arange(64) % 9 == 0, np.nan, digits)
    weights = np.arange(len(X)) + 1.0
    model = Autoencoder(8, loss=Loss(half_squares), missing_values="mask", max_iter=5)
    assert model.fit(X, sample_weight=weights).score(X) > 0.5


def test_a_loss_object_on_logits_gives_reconstructions_in_the_unit_interval(digits):
    def cross_entropy(logits, target):
        return torch.nn.functional.softplus(logits) - target * logits

    loss = Loss(cross_entropy, units="logits")
    fitted = Autoencoder(4, loss=loss, max_iter=5, random_state=0).fit(digits)
    codes = fitted.transform(digits)
    reconstructed = fitted.inverse_transform(codes * 10)
    assert 0 <= reconstructed.min() <= reconstructed.max() <= 1
    built_in = Autoencoder(4, loss="bce", max_iter=5, random_state=0).fit(digits)
    np.testing.assert_allclose(codes, built_in.transform(digits), rtol=1e-2, atol=1e-2)


def test_loss_objects_survive_clone_and_pickle(digits):
    fitted = Autoencoder(2, loss=LOSSES["l1"], max_iter=1, random_state=0).fit(digits)
    assert clone(fitted).loss == LOSSES["l1"]
    restored = pickle.loads(pickle.dumps(fitted))
    assert restored.loss == LOSSES["l1"]
    np.testing.assert_array_equal(restored.transform(digits), fitted.transform(digits))


def test_a_loss_without_a_function_is_refused():
    with pytest.raises(TypeError, match="function of Loss must be callable, got 'mse'"):
        Loss("mse")


def test_units_of_a_loss_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match=r"units of Loss must be one of .*'data'.*got 'pixels'"):
        Loss(half_squares, units="pixels")


@pytest.mark.parametrize("kind", [Loss, torch.nn.L1Loss])
def test_a_class_in_place_of_a_loss_is_refused(kind, digits):
    with pytest.raises(TypeError, match=rf"loss must be an object, got the class {kind.__name__}"):
        Autoencoder(loss=kind, max_iter=1).fit(digits)
