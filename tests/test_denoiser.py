"""Noise is removed, and nothing else: from images by a U-Net, from rows by dense layers."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import nn

import skae
from skae import Autoencoder, Denoiser
from skae.architectures import Conv, Custom, DataShape, Dense, UNet
from skae.networks.unet import _even
from skae.noises import Noise

SMALL = {"architecture": UNet((4, 8)), "random_state": 0}


@pytest.fixture(scope="module")
def pictures(digit_images):
    """Digits in [0, 1], to train on and held out."""
    return digit_images[:240].astype(np.float32), digit_images[240:300]


def add_gaussian(images, level):
    return images + np.random.default_rng(0).normal(0, level, images.shape)


def error(images, approximations):
    return np.mean((images - approximations) ** 2)


@pytest.fixture(scope="module")
def fitted(pictures):
    return Denoiser(noise_level=0.3, max_iter=12, batch_size=16, **SMALL).fit(pictures[0])


def test_noise_of_held_out_images_is_removed(fitted, pictures):
    held_out = pictures[1]
    noisy = add_gaussian(held_out, 0.3)
    assert error(held_out, fitted.transform(noisy)) < 0.6 * error(held_out, noisy)


def test_rows_are_denoised_better_than_by_the_best_multiple_of_their_deviations(pictures):
    train, held_out = (images.reshape(len(images), -1) for images in pictures)
    noisy = add_gaussian(held_out, 0.3)
    # All that can be done without regard to other features: shrinking towards their means.
    mean, variance = train.mean(axis=0), train.var(axis=0)
    shrunk = mean + variance / (variance + 0.09) * (noisy - mean)
    denoiser = Denoiser(Dense(64), noise_level=0.3, max_iter=40, random_state=0).fit(train)
    assert error(held_out, denoiser.transform(noisy)) < 0.9 * error(held_out, shrunk)


@pytest.mark.parametrize("size", [(7, 9), (8, 8), (7, 8)])
def test_padded_maps_keep_their_layout_as_compilers_expect(size):
    layouts = {}
    for device in ("cpu", "meta"):
        maps = torch.rand(2, 3, *size, device=device, requires_grad=True)
        maps = maps.to(memory_format=torch.channels_last)
        padded = _even(maps)
        [gradient] = torch.autograd.grad(padded, maps, torch.ones_like(padded))
        layouts[device] = padded.shape, padded.stride(), gradient.stride()
    # What a compiler expects of an operation is what it does on this device.
    assert layouts["cpu"] == layouts["meta"]


def test_maps_are_padded_by_copies_of_their_border():
    maps = torch.rand(2, 3, 7, 9)
    assert torch.equal(_even(maps), torch.nn.functional.pad(maps, (0, 1, 0, 1), mode="replicate"))


@pytest.mark.parametrize("loss", ["mse", "l1"])
@pytest.mark.parametrize("architecture", [UNet((4,)), Dense(8), Dense(8, weight_init="default")])
def test_training_starts_at_the_identity(architecture, loss, pictures):
    denoiser = Denoiser(
        architecture, loss=loss, max_iter=1, learning_rate="constant", learning_rate_init=1e-12
    )
    X = pictures[1]
    np.testing.assert_allclose(denoiser.fit(X).transform(X), X, atol=1e-6)


def test_probabilities_start_near_the_identity(pictures):
    denoiser = Denoiser(
        UNet((4,)), loss="bce", max_iter=1, learning_rate="constant", learning_rate_init=1e-12
    )
    X = pictures[1]
    np.testing.assert_allclose(denoiser.fit(X).transform(X), X.clip(0.01, 0.99), atol=1e-6)


def test_the_level_of_gaussian_noise_is_in_the_units_of_the_data(fitted, pictures):
    train, held_out = pictures
    brighter = clone(fitted).set_params(noise_level=0.3 * 255).fit(train * 255)
    made = brighter.transform(add_gaussian(held_out, 0.3) * 255)
    np.testing.assert_allclose(made / 255, fitted.transform(add_gaussian(held_out, 0.3)), atol=1e-3)


def test_gaussian_noise_of_the_loop_has_the_level_in_the_units_of_the_data(pictures):
    seen = []

    class Keeps(nn.Module):
        def forward(self, x):
            seen.append(x.detach().clone())
            return x

    X = np.random.default_rng(0).normal(0, 700, (500, 4)) * [1, 1, 0, 0]
    identity = Custom(Keeps(), nn.Linear(4, 4))
    Denoiser(identity, n_components=4, noise_level=5.0, max_iter=1, random_state=0).fit(X)
    batches = torch.cat([batch for batch in seen if len(batch) > 2])
    # The last two features are constant: what they hold is noise.
    assert batches[:, 2:].std().item() == pytest.approx(5.0, rel=0.1)


def levels_seen(noise_level, X):
    seen = []
    noise = Noise(lambda batch, level, context: seen.append(level) or batch, units="data")
    Denoiser(noise=noise, noise_level=noise_level, max_iter=1, **SMALL).fit(X)
    return seen


def test_each_sample_draws_its_level_from_the_range(pictures):
    levels = torch.cat(levels_seen((0.1, 0.4), pictures[0]))
    assert levels.shape[1:] == (1, 1, 1)
    assert 0.1 <= levels.min() < 0.12
    assert 0.38 < levels.max() <= 0.4
    assert levels.mean().item() == pytest.approx(0.25, abs=0.02)


def test_a_single_level_is_given_as_it_is(pictures):
    assert set(levels_seen(0.25, pictures[0])) == {0.25}


@pytest.mark.parametrize("noise", ["gaussian", "masking", "salt_pepper"])
@pytest.mark.parametrize("architecture", [UNet((4,)), Dense(8)])
def test_every_noise_takes_a_range(noise, architecture, pictures):
    denoiser = Denoiser(architecture, noise=noise, noise_level=[0.0, 0.5], max_iter=1)
    assert np.isfinite(denoiser.fit(pictures[0]).transform(pictures[1])).all()


def test_ranges_of_one_level_are_that_level(pictures):
    one, two = (
        Denoiser(noise="masking", noise_level=level, max_iter=2, **SMALL).fit(pictures[0])
        for level in (0.0, (0.0, 0.0))
    )
    # Levels are drawn: other noise follows, which is none here.
    np.testing.assert_allclose(one.transform(pictures[1]), two.transform(pictures[1]), atol=1e-6)


def test_pairs_show_their_own_noise(pictures):
    train, held_out = pictures
    darker = Denoiser(max_iter=8, batch_size=16, **SMALL).fit(0.5 * train, X_target=train)
    assert error(held_out, darker.transform(0.5 * held_out)) < 0.4 * error(held_out, held_out / 2)


def test_nothing_is_added_to_pairs(pictures):
    train, held_out = pictures
    one, two = (
        Denoiser(noise=noise, max_iter=1, **SMALL).fit(train, X_target=train**2)
        for noise in (None, "gaussian")
    )
    np.testing.assert_array_equal(one.transform(held_out), two.transform(held_out))


def test_the_default_is_a_unet_for_images_and_dense_for_rows(pictures):
    images = pictures[0][:40]
    rows = images.reshape(40, -1)
    quick = Denoiser(max_iter=1)
    assert type(clone(quick).fit(images).architecture_) is UNet
    assert type(clone(quick).fit(rows).architecture_) is Dense
    assert type(clone(quick).set_params(image_shape=(8, 8)).fit(rows).architecture_) is UNet
    quick.set_params(n_components=3)
    assert type(clone(quick).fit(images).architecture_) is Conv
    assert type(clone(quick).fit(rows).architecture_) is Dense


def test_a_code_is_an_autoencoder_with_the_same_noise(pictures):
    train, held_out = pictures
    code = {"architecture": Dense(8), "noise": "masking", "max_iter": 2, "random_state": 0}
    denoiser = Denoiser(n_components=4, **code).fit(train)
    assert denoiser.n_components_ == 4
    # As many epochs of as many rows: only then are they alike.
    autoencoder = Autoencoder(4, **code).fit(train)
    np.testing.assert_allclose(
        denoiser.transform(held_out), autoencoder.reconstruct(held_out), atol=1e-6
    )


def test_a_fraction_of_the_variance_sizes_the_code(pictures):
    train = pictures[0]
    sizes = [
        Denoiser(Dense(8), n_components=size, max_iter=1).fit(train).n_components_
        for size in (0.5, "auto")
    ]
    assert 1 < sizes[0] < sizes[1] < 64


def test_images_come_back_as_images_and_rows_as_rows(fitted, pictures):
    images = pictures[1]
    assert fitted.transform(images).shape == images.shape
    rows = fitted.transform(images.reshape(len(images), -1))
    np.testing.assert_array_equal(rows, fitted.transform(images).reshape(rows.shape))


def test_color_images_keep_their_channels(pictures):
    color = np.repeat(pictures[0][:40, ..., None], 3, axis=3)
    assert Denoiser(max_iter=1, **SMALL).fit(color).transform(color).shape == (40, 8, 8, 3)


def test_names_out_are_names_in(pictures):
    rows = pictures[0][:40].reshape(40, -1)
    frame = pd.DataFrame(rows).add_prefix("pixel ")
    denoiser = Denoiser(Dense(8), max_iter=1).fit(frame).set_output(transform="pandas")
    made = denoiser.transform(frame)
    assert list(made.columns) == list(frame.columns) == list(denoiser.get_feature_names_out())


def test_images_become_rows_of_a_frame_where_frames_are_asked_for(pictures):
    images = pictures[0][:40]
    denoiser = Denoiser(max_iter=1, **SMALL).fit(images)
    expected = denoiser.transform(images).reshape(40, -1)
    made = denoiser.set_output(transform="pandas").transform(images)
    np.testing.assert_array_equal(made.to_numpy(), expected)


def test_there_is_no_inverse_transform():
    assert not hasattr(Denoiser(), "inverse_transform")


def test_it_stands_before_other_steps(pictures):
    X = pictures[0].reshape(240, -1)
    y = X.mean(axis=1) > X.mean()
    pipeline = make_pipeline(
        Denoiser(image_shape=(8, 8), max_iter=2, **SMALL), LogisticRegression()
    )
    assert pipeline.fit(X, y).score(X, y) > 0.8


def test_a_file_gives_the_same_bits(fitted, pictures, tmp_path):
    skae.save(fitted, tmp_path / "denoiser")
    loaded = skae.load(tmp_path / "denoiser")
    np.testing.assert_array_equal(loaded.transform(pictures[1]), fitted.transform(pictures[1]))


def test_warm_starts_continue_training(pictures):
    denoiser = Denoiser(noise_level=0.3, max_iter=3, warm_start=True, **SMALL)
    first = denoiser.fit(pictures[0]).history_[0]["train_loss"]
    assert denoiser.fit(pictures[0]).history_[0]["train_loss"] < first


BAD = {
    "rows": ({"architecture": "unet"}, r"architecture='unet' needs images.*image_shape.*64"),
    "no code": ({"architecture": "conv"}, "n_components must be given.*'conv'.*got None"),
    "own modules": (
        {"architecture": Custom(nn.Linear(64, 2), nn.Linear(2, 64))},
        "n_components must be given",
    ),
    "no noise": ({"noise": None}, "noise=None adds nothing.*X_target"),
    "fraction": ({"noise": "masking", "noise_level": (0.5, 1.5)}, r"fraction in \[0, 1\].*1.5"),
    "reversed": ({"noise_level": (0.5, 0.1)}, r"noise_level must be.*got \(0.5, 0.1\)"),
    "three": ({"noise_level": (0, 0.1, 0.2)}, "noise_level must be"),
    "text": ({"noise_level": ("low", "high")}, "noise_level must be"),
    "negative": ({"noise_level": (-0.1, 0.1)}, "noise_level must be"),
    "nan": ({"noise_level": (0.1, np.nan)}, "noise_level must be"),
    "name": ({"architecture": "net"}, "'architecture' parameter of Denoiser.*'unet'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_refused_by_name(case, pictures):
    parameters, message = BAD[case]
    denoiser = Denoiser(max_iter=1).set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        denoiser.fit(pictures[0][:40].reshape(40, -1))
    assert not hasattr(denoiser, "module_")


def test_a_unet_with_a_code_is_refused(pictures):
    with pytest.raises(ValueError, match="UNet has no latent code.*n_components=None"):
        Denoiser(n_components=2, **SMALL).fit(pictures[0])


def test_estimators_with_a_code_refuse_a_unet(pictures):
    with pytest.raises(ValueError, match="UNet has no latent code.*Denoiser"):
        Autoencoder(architecture=UNet()).fit(pictures[0])
    with pytest.raises(ValueError, match="'architecture' parameter of Autoencoder"):
        Autoencoder(architecture="unet").fit(pictures[0])


def test_images_of_another_shape_are_refused(fitted):
    with pytest.raises(ValueError, match=r"expected \(8, 8, 1\)"):
        fitted.transform(np.zeros((3, 4, 16)))


def test_noise_far_below_the_data_is_warned_of(pictures):
    with pytest.warns(UserWarning, match=r"noise_level=0.1 is a standard deviation in the units"):
        Denoiser(Dense(8), max_iter=1).fit(pictures[0] * 255)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 2), (5, 3, 1), (16, 9, 3)])
@pytest.mark.parametrize("parameters", [{}, {"channels": (2, 3, 4, 5)}, {"n_convolutions": 2}])
def test_unets_take_images_of_any_size_and_start_at_zero(parameters, shape):
    n_features = int(np.prod(shape))
    network = UNet(**parameters).build_residual(DataShape(n_features, shape))
    rows = torch.randn(2, n_features)
    assert torch.equal(network(rows), torch.zeros(2, n_features))


def test_every_resolution_of_a_unet_is_used():
    shape = DataShape(64, (8, 8, 1))
    network = UNet((2, 3, 4), weight_init="he_normal").build_residual(shape)
    nn.init.ones_(network[2].weight)
    network(torch.randn(2, 64)).square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in network.parameters())


def test_unets_see_as_far_as_their_levels_reach():
    network = UNet((2, 2)).build_residual(DataShape(32 * 32, (32, 32, 1)))
    nn.init.ones_(network[2].weight)
    image = torch.zeros(1, 32 * 32, requires_grad=True)
    network(image).reshape(32, 32)[16, 16].backward()
    seen = image.grad.reshape(32, 32).abs() > 0
    # Two pixels to either side at each resolution, there and back: 2 + 2 * 2 + 2, and the rest of a
    # square of two pixels.
    assert seen[16, 8]
    assert not seen[16, 6]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"kernel_size": 4}, "kernel_size must be odd"),
        ({"channels": ()}, "channels of UNet must not be empty"),
        ({"channels": (4, 0)}, "'channels' parameter of UNet"),
        ({"n_convolutions": 0}, "'n_convolutions' parameter of UNet"),
        ({"normalization": "group"}, "'normalization' parameter of UNet"),
    ],
)
def test_bad_parameters_of_a_unet_are_named(parameters, message, pictures):
    with pytest.raises(ValueError, match=message):
        Denoiser(UNet(**parameters), max_iter=1).fit(pictures[0])


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_normalized_unets_with_dropout_are_trained(normalization, pictures):
    net = UNet((4, 8), normalization=normalization, dropout=0.1)
    denoiser = Denoiser(net, noise_level=0.3, max_iter=4, random_state=0).fit(pictures[0])
    assert denoiser.best_n_iter_ > 0


@pytest.mark.parametrize(("side", "n_images"), [(8, 16), (32, 4), (64, 4)])
def test_a_unet_trains_on_few_images_at_once_the_fewer_the_larger_they_are(side, n_images):
    images = np.random.default_rng(0).random((20, side, side))
    denoiser = Denoiser(UNet((4, 4)), max_iter=1, random_state=0).fit(images)
    assert denoiser.net_.batch_size == n_images
