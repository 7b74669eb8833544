"""Networks have the shape that their description asks for."""

import pytest
import torch
from sklearn.base import clone
from torch import nn

from skae import Autoencoder
from skae.architectures import Conv, Custom, DataShape, Dense
from skae.networks.conv import ImagesToRows, RowsToImages


def build(architecture, image_shape, n_components=4):
    height, width, channels = image_shape
    shape = DataShape(height * width * channels, image_shape)
    encoder = architecture.build_encoder(shape, n_components)
    return encoder, architecture.build_decoder(shape, n_components)


def n_parameters(module):
    return sum(weight.numel() for weight in module.parameters())


SIZES = [(28, 28, 1), (50, 50, 1), (97, 150, 1), (128, 128, 3), (1, 1, 1), (1, 7, 1), (5, 3, 2)]
FORMS = {
    "defaults": Conv(),
    "pooled and resized": Conv(downsampling="max_pool", upsampling="nearest"),
    "pooled and transposed": Conv(downsampling="max_pool", upsampling="transpose"),
    "global pooling": Conv(pooling="global_avg"),
    "residual": Conv(n_residual_blocks=1, batch_norm=True, dropout=0.2),
    "wide kernels": Conv(kernel_size=5),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_convolutional_networks_return_images_of_any_size(form, size):
    encoder, decoder = build(FORMS[form], size)
    n_features = size[0] * size[1] * size[2]
    code = encoder(torch.rand(2, n_features))
    assert code.shape == (2, 4)
    assert decoder(code).shape == (2, n_features)


@pytest.mark.parametrize("stride", [1, 3, (2, 1, 3)], ids=str)
def test_strides_other_than_two_come_back_to_the_size(stride):
    encoder, decoder = build(Conv((4, 8, 4), stride=stride), (31, 17, 1))
    assert decoder(encoder(torch.rand(2, 31 * 17))).shape == (2, 31 * 17)


@pytest.mark.parametrize(
    ("side", "strides"), [(28, [2, 2]), (13, [2, 2]), (12, [1, 2]), (7, [1, 2]), (6, [1, 1])]
)
def test_automatic_strides_leave_four_pixels_of_a_side(side, strides):
    encoder, _ = build(Conv(), (side // 2, side, 1))
    convolutions = [layer for layer in encoder.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.stride for layer in convolutions] == [(stride, stride) for stride in strides]


def test_rows_are_images_in_channels_last_order():
    rows = torch.arange(24.0).reshape(1, 24)  # height 2, width 4, channels 3
    images = RowsToImages(2, 4, 3)(rows)
    assert images[0, 1].tolist() == [[1, 4, 7, 10], [13, 16, 19, 22]]
    assert torch.equal(ImagesToRows()(images), rows)


def test_small_convolutional_network_of_the_field_has_4385_parameters():
    form = Conv(
        channels=(16, 8, 8),
        activation="relu",
        downsampling="max_pool",
        upsampling="nearest",
        bottleneck="none",
        linear_skip=False,
    )
    encoder, decoder = build(form, (28, 28, 1), n_components=4 * 4 * 8)
    assert n_parameters(encoder) + n_parameters(decoder) == 4385


def test_large_convolutional_network_of_the_field_has_its_parameters():
    form = Conv(
        channels=(32, 64, 128, 256, 512),
        stride=(2, 2, 2, 2, 1),
        activation="selu",
        downsampling="max_pool",
        upsampling="nearest",
        pooling="global_max",
        bottleneck="encoder",
        decoder_channels=(512, 256, 128, 64, 32),
        decoder_stride=(2, 2, 2, 1, 1),
        weight_init="lecun_normal",
        linear_skip=False,
    )
    encoder, decoder = build(form, (128, 128, 3), n_components=1024)
    assert n_parameters(encoder) == 2_093_888
    assert n_parameters(decoder) == 1_587_011


@pytest.mark.parametrize(("n_components", "encoder"), [(4, [384, 256, 4]), (5, [256, 5])])
def test_one_more_dense_layer_leads_to_codes_of_few_numbers(n_components, encoder):
    sides = build(Conv(linear_skip=False), (28, 28, 1), n_components)
    widths = [
        [layer.out_features for layer in side.modules() if isinstance(layer, nn.Linear)]
        for side in sides
    ]
    assert widths == [encoder, [256, 7 * 7 * 32]]


def test_strided_network_of_the_field_has_one_batch_norm_and_two_dense_layers_a_side():
    form = Conv(
        (8, 16, 32), batch_norm=(False, True, False), hidden_layer_sizes=(128,), linear_skip=False
    )
    for side in build(form, (28, 28, 1)):
        kinds = [type(layer) for layer in side.modules()]
        assert kinds.count(nn.BatchNorm2d) == 1
        assert kinds.count(nn.Linear) == 2
        assert next(m for m in side.modules() if isinstance(m, nn.BatchNorm2d)).num_features == 16


def test_lecun_normal_weights_have_variance_one_over_fan_in():
    form = Dense((300,), weight_init="lecun_normal", linear_skip=False)
    first = form.build_encoder(DataShape(400), 4)[0]
    assert first.weight.var().item() == pytest.approx(1 / 400, rel=0.05)
    assert not first.bias.any()


def test_hidden_layers_contribute_nothing_before_training():
    encoder = Dense((16,)).build_encoder(DataShape(8), 2)
    x = torch.rand(5, 8)
    assert torch.equal(encoder(x), encoder.linear(x))


def test_dense_layers_carry_normalization_and_dropout():
    encoder = Dense((16,), normalization="batch", dropout=0.3, linear_skip=False).build_encoder(
        DataShape(8), 2
    )
    names = [type(layer).__name__ for layer in encoder]
    assert names == ["Linear", "BatchNorm1d", "SiLU", "Dropout", "Linear"]


def test_dropout_keeps_the_mean_and_is_silent_in_evaluation():
    layer = Dense((4,), dropout=0.25, linear_skip=False).build_encoder(DataShape(8), 2)[2]
    ones = torch.ones(20_000)
    assert layer(ones).mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(layer.eval()(ones), ones)


def test_channels_that_shrink_the_image_to_nothing_are_refused(digit_images):
    too_deep = Autoencoder(2, architecture=Conv(channels=(4,) * 5))
    with pytest.raises(ValueError, match="8×8 to nothing.*after stage 3 of 5"):
        too_deep.fit(digit_images)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (Conv(kernel_size=4), "kernel_size must be odd, got 4"),
        (Conv(channels=(4, 0)), "'channels' parameter of Conv must hold integers"),
        (Conv(stride=(2, 2, 2)), "'stride' parameter of Conv must be one value or one for each"),
        (Conv(upsampling="bilinear"), "'upsampling' parameter of Conv must be a str among"),
        (Conv(bottleneck="none"), "linear_skip=True needs a dense layer"),
        (Conv(bottleneck="none", linear_skip=False), "n_components must be 768"),
        (Conv(bottleneck="decoder", linear_skip=False), "n_components must be 768"),
        (Conv(decoder_channels=(8,)), "give decoder_stride as well"),
        (Dense((8, -1)), "'hidden_layer_sizes' parameter of Dense must hold integers"),
        (Dense(activation="swish"), "'activation' parameter of Dense must be a str among"),
        (Dense(dropout=1.0), "'dropout' parameter of Dense must be a float in the range"),
        (Custom(3, nn.Linear(2, 64)), "'encoder' parameter of Custom"),
    ],
)
def test_impossible_descriptions_are_refused_by_name(architecture, message, digit_images):
    with pytest.raises(ValueError, match=message):
        Autoencoder(6, architecture=architecture).fit(digit_images)


def test_custom_modules_are_copied_and_the_copies_trained(digits):
    mine = Custom(nn.Linear(64, 3), nn.Linear(3, 64))
    before = mine.encoder.weight.clone()
    fitted = Autoencoder(3, architecture=mine, max_iter=3).fit(digits)
    assert torch.equal(mine.encoder.weight, before)
    assert not torch.equal(fitted.module_.encoder.weight, before)


def test_custom_modules_see_images_as_torch_has_them(digit_images):
    encoder = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
    decoder = nn.Sequential(nn.Linear(3, 64), nn.Unflatten(1, (1, 8, 8)))
    fitted = Autoencoder(3, architecture=Custom(encoder, decoder), max_iter=2).fit(digit_images)
    assert fitted.reconstruct(digit_images).shape == digit_images.shape


def test_custom_factories_are_told_the_sizes(digits):
    mine = Custom(
        lambda shape, n_components: nn.Linear(shape[0], n_components),
        lambda n_components, shape: nn.Linear(n_components, shape[0]),
    )
    for n_components in (2, 5):
        fitted = Autoencoder(n_components, architecture=mine, max_iter=2).fit(digits)
        assert fitted.transform(digits).shape == (len(digits), n_components)


def test_custom_modules_of_the_wrong_size_are_refused_by_name(digits):
    mine = Custom(nn.Linear(64, 3), nn.Linear(3, 60))
    with pytest.raises(ValueError, match=r"decoder.*\(2, 60\).*expected.*64"):
        Autoencoder(3, architecture=mine).fit(digits)


def test_descriptions_are_cloned_with_their_parameters():
    original = Autoencoder(architecture=Conv(channels=(4, 8), activation="elu"))
    copied = clone(original).set_params(architecture__channels=(2,))
    assert copied.architecture.channels == (2,)
    assert original.architecture.channels == (4, 8)
