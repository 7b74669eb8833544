"""Losses are what their names say, in the units that they promise."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity as reference_ssim
from sklearn.datasets import load_sample_image

from skae import Autoencoder
from skae.losses import LOSSES, resolve_loss, structural_similarity


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


def test_ssim_of_colours_is_the_mean_over_channels():
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
@pytest.mark.parametrize("architecture", ["dense", "conv"])
def test_every_loss_learns_to_reconstruct_images(name, architecture, digit_images):
    fitted = Autoencoder(8, loss=name, architecture=architecture, max_iter=12, random_state=0).fit(
        digit_images
    )
    assert fitted.score(digit_images) > 0.4


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


def test_a_loss_of_the_users_own_compares_data_in_their_units(digits):
    seen = {}

    def loss(reconstruction, target):
        seen["largest"] = max(seen.get("largest", 0), target.max().item())
        seen["shape"] = target.shape[1:]
        return (reconstruction - target).abs().mean()

    Autoencoder(loss=loss, max_iter=2).fit(digits * 1000)
    assert seen["largest"] == pytest.approx(1000, rel=1e-5)
    assert seen["shape"] == (64,)


def test_a_loss_of_the_users_own_gets_images_as_torch_has_them(digit_images):
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
