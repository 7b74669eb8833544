"""Networks have the shape that their description asks for."""

import inspect
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from torch import nn

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    HybridAutoencoder,
    SequencePredictor,
    VariationalAutoencoder,
)
from skae.architectures import ARCHITECTURES, Architecture, Conv, Custom, DataShape, Dense
from skae.networks.layout import ImagesToRows, RowsToImages


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
    "residual": Conv(n_residual_blocks=1, normalization="batch", dropout=0.2),
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
        (8, 16, 32),
        normalization=(None, "batch", None),
        hidden_layer_sizes=(128,),
        linear_skip=False,
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


def test_dropout_keeps_the_mean_and_does_nothing_in_evaluation():
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
        (Conv(normalization="group"), "'normalization' parameter of Conv must be a str among"),
        (Conv(normalization=("batch", 1)), "'normalization' parameter of Conv must hold entries"),
        (Conv((4, 8), normalization=(None,)), "'normalization' parameter of Conv must be one"),
        (Custom(3, nn.Linear(2, 64)), "'encoder' parameter of Custom"),
        (Custom(), "Custom needs an encoder, a decoder or both"),
        (Custom(nn.Linear(64, 6), standardize="yes"), "'standardize' parameter of Custom"),
    ],
)
def test_impossible_descriptions_are_refused_by_name(architecture, message, digit_images):
    with pytest.raises(ValueError, match=message):
        Autoencoder(6, architecture=architecture).fit(digit_images)


def test_parameters_that_dense_and_conv_share_have_one_order_and_one_default():
    dense, conv = (inspect.signature(kind).parameters for kind in (Dense, Conv))
    shared = [name for name in conv if name in dense]
    assert shared == list(dense)
    assert all(dense[name].default == conv[name].default for name in shared)


def test_layer_normalization_of_images_is_over_channels_and_pixels():
    encoder, _ = build(Conv((6,), normalization="layer", linear_skip=False), (8, 8, 1))
    layer = next(module for module in encoder.modules() if isinstance(module, nn.GroupNorm))
    x = torch.rand(3, 6, 8, 8)
    torch.testing.assert_close(layer(x), nn.functional.layer_norm(x, x.shape[1:]))


def test_a_bad_parameter_is_refused_before_a_reducer_is_fitted(digits):
    class Unfittable(PCA):
        def fit(self, X, y=None):
            raise AssertionError("fit was called")

    model = HybridAutoencoder(2, reducer=Unfittable(2), architecture=Dense(activation="swish"))
    with pytest.raises(ValueError, match="'activation' parameter of Dense"):
        model.fit(digits)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_name_of_an_architecture_is_accepted(name, digit_images):
    model = Autoencoder(2, architecture=name, max_iter=1).fit(digit_images[:100])
    assert type(model.architecture_) is ARCHITECTURES[name]


def test_the_names_of_architectures_are_listed_where_one_is_unknown(digits):
    with pytest.raises(ValueError, match="'architecture' parameter.*'auto'.*Got 'unet'") as raised:
        Autoencoder(architecture="unet").fit(digits)
    assert all(repr(name) in str(raised.value) for name in ARCHITECTURES)


class Builders:
    """An object that builds both modules and has nothing else that estimators ask for."""

    def build_encoder(self, shape, n_outputs):
        return nn.Linear(shape.n_features, n_outputs)

    def build_decoder(self, shape, n_inputs):
        return nn.Linear(n_inputs, shape.n_features)


class Complete(Builders, BaseEstimator):
    """All that estimators ask for, without a common base class."""

    standardizes_input = True
    accepts_any_basis = True
    uses_global_rng = False
    has_pretrained_weights = False
    supports_meta_device = True

    def validate(self):
        pass


class Linear(Builders, Architecture):
    """A third party's architecture: a dropout of torch's own, and one parameter."""

    def __init__(self, dropout=0.1):
        self.dropout = dropout

    def build_encoder(self, shape, n_outputs):
        return nn.Sequential(nn.Dropout(self.dropout), super().build_encoder(shape, n_outputs))


def test_an_object_without_what_estimators_ask_for_is_refused_by_what_is_missing(digits):
    with pytest.raises(TypeError, match="architecture must be .* Builders without") as raised:
        Autoencoder(architecture=Builders()).fit(digits)
    message = str(raised.value)
    assert "validate, get_params, set_params, standardizes_input" in message
    assert "without build" not in message
    assert "Subclass Architecture" in message


def test_the_class_of_an_architecture_in_place_of_an_object_is_refused(digits):
    with pytest.raises(TypeError, match="architecture must be an object, got the class Dense"):
        Autoencoder(architecture=Dense).fit(digits)


@pytest.mark.parametrize("architecture", [Complete(), Linear()], ids=["duck type", "subclass"])
@pytest.mark.parametrize("kind", [Autoencoder, VariationalAutoencoder, HybridAutoencoder])
def test_architectures_of_others_are_trained_stored_and_restored(kind, architecture, digits):
    fitted = kind(3, architecture=architecture, max_iter=2, random_state=0).fit(digits)
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.reconstruct(digits), fitted.reconstruct(digits))


def test_parameters_of_an_architecture_of_others_are_searched(digits):
    model = Autoencoder(2, architecture=Linear(), max_iter=1, random_state=0)
    search = GridSearchCV(model, {"architecture__dropout": [0.0, 0.9]}, cv=2).fit(digits)
    assert search.best_params_ == {"architecture__dropout": 0.0}


@pytest.mark.parametrize("make", [Autoencoder, VariationalAutoencoder, SequencePredictor])
def test_a_name_has_no_parameters_and_the_error_says_what_has(make):
    with pytest.raises(
        ValueError, match=r"architecture='auto' .* architecture__dropout.*Dense\(\)"
    ):
        make().set_params(architecture__dropout=0.1)
    # Not in the same call, which sets the object first.
    estimator = make().set_params(architecture__dropout=0.1, architecture=Dense())
    assert estimator.architecture.dropout == 0.1


def test_an_architecture_that_draws_globally_is_reproducible_and_leaves_no_trace(digits):
    before = torch.get_rng_state()
    model = Autoencoder(2, architecture=Linear(0.5), max_iter=2, random_state=0)
    first, second = (clone(model).fit_transform(digits) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(first, second)


def test_a_code_that_is_only_to_predict_starts_empty_unless_weights_were_trained(digits):
    codes = []
    for architecture in (Linear(0.0), Custom(nn.Linear(64, 2), nn.Linear(2, 64))):
        model = AutoencoderClassifier(2, architecture=architecture, reconstruction_weight=0)
        model.set_params(max_iter=1, learning_rate_init=1e-12, random_state=0)
        codes.append(model.fit(digits, np.arange(len(digits)) % 2).transform(digits))
    assert np.abs(codes[0]).max() < 1e-6 < np.abs(codes[1]).max()


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


def test_custom_factories_are_given_the_sizes(digits):
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


class Recorder(nn.Module):
    """A linear layer that records the largest value it sees or returns."""

    def __init__(self, *sizes):
        super().__init__()
        self.layer = nn.Linear(*sizes)
        self.register_buffer("largest_input", torch.zeros(()))

    def forward(self, x):
        self.largest_input.copy_(torch.maximum(self.largest_input, x.detach().abs().max()))
        return self.layer(x)


def encoder_layers(shape, n_components):
    return nn.Sequential(nn.Linear(shape[0], 32), nn.ReLU(), nn.Linear(32, n_components))


def decoder_layers(n_components, shape):
    return nn.Sequential(nn.Linear(n_components, 32), nn.ReLU(), nn.Linear(32, shape[0]))


SIDES = {"encoder": {"encoder": encoder_layers}, "decoder": {"decoder": decoder_layers}}


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("pixel", [1, 16])
def test_one_custom_side_and_the_default_other_one_learn_more_than_a_plane(
    side, standardize, pixel, digits
):
    X = digits * pixel
    mine = Custom(**SIDES[side], standardize=standardize)
    fitted = Autoencoder(4, architecture=mine, max_iter=20, random_state=0).fit(X)
    linear = PCA(4).fit(X)
    residual = np.mean((X - linear.inverse_transform(linear.transform(X))) ** 2)
    assert fitted.reconstruction_err_ < residual


@pytest.mark.parametrize("side", SIDES)
def test_custom_modules_that_standardize_do_not_depend_on_the_units_of_the_data(side, digits):
    mine = Custom(**SIDES[side], standardize=True)
    model = Autoencoder(4, architecture=mine, max_iter=5, random_state=0)
    scores = [clone(model).fit(X).score(X) for X in (digits, digits * 1e5 + 1e6)]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)


def test_a_custom_encoder_alone_sees_the_data_in_their_own_units(digits):
    fitted = Autoencoder(2, architecture=Custom(Recorder(64, 2)), max_iter=1).fit(digits * 500)
    codes = fitted.transform(digits * 500)
    largest = next(b for name, b in fitted.module_.named_buffers() if "largest" in name)
    assert largest.item() == pytest.approx(500, rel=1e-4)
    layer = next(m for m in fitted.module_.modules() if isinstance(m, Recorder)).layer
    expected = digits * 500 @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(codes, expected, rtol=1e-3, atol=1e-2)


def test_a_custom_encoder_that_standardizes_sees_centered_and_scaled_data(digits):
    mine = Custom(Recorder(64, 2), standardize=True)
    fitted = Autoencoder(2, architecture=mine, max_iter=1).fit(digits * 500)
    largest = next(b for name, b in fitted.module_.named_buffers() if "largest" in name)
    assert 1 < largest.item() < 20


def test_a_custom_decoder_alone_returns_the_data_in_their_own_units(digits):
    fitted = Autoencoder(2, architecture=Custom(decoder=nn.Linear(2, 64)), max_iter=1).fit(digits)
    codes = fitted.transform(digits)
    layer = next(m for m in fitted.module_.decoder.modules() if isinstance(m, nn.Linear))
    expected = codes @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    np.testing.assert_allclose(fitted.inverse_transform(codes), expected, atol=1e-5)


@pytest.mark.parametrize("side", SIDES)
def test_one_custom_side_gives_probabilities_where_the_loss_asks_for_them(side, digits):
    model = Autoencoder(4, loss="bce", architecture=Custom(**SIDES[side]), max_iter=10)
    fitted = model.set_params(random_state=0).fit(digits)
    assert 0 <= fitted.reconstruct(digits).min() <= fitted.reconstruct(digits).max() <= 1
    assert fitted.score(digits) > 0.2


def test_the_default_side_beside_custom_modules_is_convolutional_for_images(digit_images):
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    fitted = Autoencoder(3, architecture=Custom(encoder), max_iter=1).fit(digit_images)
    assert any(isinstance(m, nn.ConvTranspose2d) for m in fitted.module_.decoder.modules())
    assert fitted.reconstruct(digit_images).shape == digit_images.shape


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", [Autoencoder, VariationalAutoencoder, HybridAutoencoder])
def test_one_custom_side_survives_clone_and_pickle(kind, side, digits):
    model = kind(2, architecture=Custom(**SIDES[side]), max_iter=1, random_state=0)
    assert clone(model).get_params()[f"architecture__{side}"] is SIDES[side][side]
    fitted = model.fit(digits * 16)
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(
        restored.reconstruct(digits * 16), fitted.reconstruct(digits * 16)
    )


def test_training_of_one_custom_side_is_continued_with_the_same_units(digits):
    mine = Custom(encoder_layers)
    model = Autoencoder(2, architecture=mine, warm_start=True, max_iter=3, random_state=0)
    first = model.fit(digits * 16).reconstruction_err_
    assert model.fit(digits * 16).reconstruction_err_ < 1.05 * first
    assert model.partial_fit(digits * 16).reconstruction_err_ < 1.05 * first
