"""Layers and losses of torch.nn in saved estimators: plain data, checked by their constructors."""

import numpy as np
import pytest
import torch
from forgery import edit
from sklearn.datasets import load_digits
from torch import nn

import skae
from skae import Autoencoder
from skae.architectures import Custom

DATA = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(0))
ROWS = DATA.reshape(6, -1)
SERIES = DATA.reshape(6, 32, 8)
LAYERS = {
    "linear": (nn.Linear(256, 3), ROWS),
    "linear without bias": (nn.Linear(256, 3, bias=False), ROWS),
    "double precision": (nn.Linear(256, 3).double(), ROWS.double()),
    "convolution": (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), DATA),
    "convolution, padded by reflection": (
        nn.Conv2d(4, 2, 3, padding="same", padding_mode="reflect", bias=False),
        DATA,
    ),
    "transposed convolution": (nn.ConvTranspose2d(4, 2, 3, stride=2, output_padding=1), DATA),
    "convolution of series": (nn.Conv1d(32, 3, 3, dilation=2), SERIES),
    "batch normalization": (nn.BatchNorm2d(4, eps=1e-3, momentum=None), DATA),
    "batch normalization without statistics": (nn.BatchNorm1d(32, affine=False), SERIES),
    "statistics of each batch": (nn.BatchNorm2d(4, track_running_stats=False), DATA),
    "layer normalization": (nn.LayerNorm((8, 8), bias=False), DATA),
    "group normalization": (nn.GroupNorm(2, 4), DATA),
    "instance normalization": (nn.InstanceNorm2d(4, affine=True), DATA),
    "lstm": (nn.LSTM(8, 5, num_layers=2, bidirectional=True, batch_first=True), SERIES),
    "projected lstm": (nn.LSTM(8, 5, proj_size=2), SERIES),
    "gru": (nn.GRU(8, 5, bias=False), SERIES),
    "rnn": (nn.RNN(8, 5, nonlinearity="relu"), SERIES),
    "cell": (nn.GRUCell(256, 3), ROWS),
    "prelu": (nn.PReLU(4, init=0.1), DATA),
    "leaky relu": (nn.LeakyReLU(0.2), DATA),
    "gelu": (nn.GELU(approximate="tanh"), DATA),
    "softplus": (nn.Softplus(beta=2), DATA),
    "dropout": (nn.Dropout(0.3).eval(), DATA),
    "pooling": (nn.MaxPool2d(3, stride=1, padding=1), DATA),
    "adaptive pooling": (nn.AdaptiveAvgPool2d((2, None)), DATA),
    "upsampling": (nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=True), DATA),
    "nearest upsampling": (nn.UpsamplingNearest2d(scale_factor=2), DATA),
    "pixel shuffle": (nn.PixelShuffle(2), DATA),
    "padding": (nn.ReflectionPad2d((1, 2, 0, 1)), DATA),
    "shapes": (nn.Sequential(nn.Flatten(), nn.Unflatten(1, (2, 128))), DATA),
    "nested": (
        nn.Sequential(nn.Sequential(nn.Conv2d(4, 2, 1), nn.Tanh()), nn.Identity(), nn.Sigmoid()),
        DATA,
    ),
}
LOSSES = [
    nn.MSELoss(),
    nn.L1Loss(reduction="sum"),
    nn.SmoothL1Loss(beta=0.5),
    nn.HuberLoss(delta=2.0),
    nn.BCEWithLogitsLoss(pos_weight=torch.full((256,), 2.0)),
    nn.PoissonNLLLoss(full=True),
    nn.KLDivLoss(log_target=True, reduction="batchmean"),
]


def round_trip(module, path):
    """Save and load a module; estimators check their parameters in fit."""
    skae.save(Autoencoder(loss=module), path)
    return skae.load(path).loss


def outputs(layer, data):
    """Two calls: the first may change what the second gives."""
    pair = [layer(data), layer(data)]
    return [each[0] if isinstance(each, tuple) else each for each in pair]


# -- what comes back -----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_computes_the_same_bits(name, mode, tmp_path):
    layer, data = LAYERS[name]
    layer.train(mode and name != "dropout")
    loaded = round_trip(layer, tmp_path / "file")
    for expected, given in zip(outputs(layer, data), outputs(loaded, data), strict=True):
        assert given.equal(expected)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_a_loss_computes_the_same_bits(loss, tmp_path):
    loaded = round_trip(loss, tmp_path / "file")
    assert loaded(ROWS, ROWS.sigmoid().roll(1)).equal(loss(ROWS, ROWS.sigmoid().roll(1)))


def test_gradients_are_the_same_and_frozen_layers_stay_frozen(tmp_path):
    network = nn.Sequential(nn.Linear(256, 4), nn.ReLU(), nn.Linear(4, 2))
    network[0].requires_grad_(False)
    loaded = round_trip(network, tmp_path / "file")
    for each in (network, loaded):
        each(ROWS).square().sum().backward()
    assert [p.grad is None for p in loaded.parameters()] == [True, True, False, False]
    assert loaded[2].weight.grad.equal(network[2].weight.grad)


def test_the_modes_of_layers_come_back(tmp_path):
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout()).train()
    network[0].eval()
    loaded = round_trip(network, tmp_path / "file")
    assert [layer.training for layer in loaded.modules()] == [True, False, True]


def test_a_layer_that_stands_twice_is_one_layer(tmp_path):
    shared = nn.Linear(3, 3)
    loaded = round_trip(nn.Sequential(shared, nn.ReLU(), shared), tmp_path / "file")
    assert loaded[0] is loaded[2]


def test_names_of_layers_come_back(tmp_path):
    network = nn.Sequential()
    network.add_module("first", nn.Linear(3, 2))
    assert list(round_trip(network, tmp_path / "file").state_dict()) == [
        "first.weight",
        "first.bias",
    ]


def test_saving_and_loading_leave_the_module_and_the_global_generator_alone(tmp_path):
    network = nn.Sequential(nn.Linear(256, 4), nn.BatchNorm1d(4))
    layers, before = list(network), torch.random.get_rng_state()
    round_trip(network, tmp_path / "file")
    assert list(network) == layers
    assert torch.random.get_rng_state().equal(before)


def test_an_autoencoder_of_such_layers_predicts_and_trains_on_as_the_saved_one(tmp_path):
    images = load_digits().images[:100, None] / 16
    encoder = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 2),
    )
    decoder = nn.Sequential(nn.Linear(2, 64), nn.Unflatten(1, (1, 8, 8)))
    fitted = Autoencoder(
        2,
        architecture=Custom(encoder, decoder),
        image_shape=(8, 8),
        loss=nn.SmoothL1Loss(),
        max_iter=2,
        random_state=0,
    ).fit(images.reshape(100, -1))
    skae.save(fitted, tmp_path / "file")
    loaded = skae.load(tmp_path / "file")
    rows = images.reshape(100, -1)
    np.testing.assert_array_equal(loaded.transform(rows), fitted.transform(rows))
    refitted = [each.fit(rows).transform(rows) for each in (fitted, loaded)]
    np.testing.assert_array_equal(*refitted)


# -- what is refused at saving -------------------------------------------------------------


class OwnLayer(nn.Module):
    def forward(self, x):
        return x


def with_hook():
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(print)
    return layer


def with_attribute(name, value):
    layer = nn.Linear(2, 2)
    setattr(layer, name, value)
    return layer


def with_shared_parameter():
    layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    layers[1].weight = layers[0].weight
    return layers


REFUSED = {
    "hooks": (with_hook(), r"torch\.nn\.Linear: it has hooks \(_forward_hooks\)"),
    "an own class": (nn.Sequential(OwnLayer()), r"OwnLayer: it is none of the layers of torch\.nn"),
    "a forward of its own": (with_attribute("forward", print), "does not set forward"),
    "a further attribute": (with_attribute("label", "mine"), "does not set label"),
    "a changed attribute": (with_attribute("in_features", 3), r"weight must be of shape \(2, 3\)"),
    "a shared parameter": (with_shared_parameter(), "two of its layers share a parameter"),
    "bfloat16": (nn.Linear(2, 2).bfloat16(), "its weight is no array of numpy"),
    "two precisions": (
        with_attribute("bias", nn.Parameter(torch.zeros(2).double())),
        "tensors of 2 precisions",
    ),
    "a parametrization": (
        nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)),
        r"ParametrizedLinear: it is none of the layers of torch\.nn",
    ),
    "a lazy layer": (nn.LazyLinear(2), r"torch\.nn\.LazyLinear: it is none of the layers"),
    "a list of layers": (nn.ModuleList([nn.ReLU()]), r"torch\.nn\.ModuleList"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_module_that_is_more_than_data_is_refused_by_name(name, tmp_path):
    module, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as refusal:
        skae.save(Autoencoder(architecture=Custom(module, nn.Linear(2, 2))), tmp_path / "file")
    assert "(Autoencoder.architecture.encoder" in str(refusal.value)
    assert not list(tmp_path.iterdir())


# -- what is refused at loading ------------------------------------------------------------


def parts_of(node):
    """Find the first layer in a manifest: its parts, as names and nodes."""
    if isinstance(node, dict) and node.get("dict", [[]])[0][:1] == ["arguments"]:
        return node["dict"]
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    return next((parts for child in children if (parts := parts_of(child))), None)


def set_item(pair, name, node):
    """Set an item of a dict in a manifest, which is a pair of names and nodes."""
    names, nodes = pair
    if name not in names:
        names.append(name)
        nodes.append(None)
    nodes[names.index(name)] = node


def get_item(pair, name):
    names, nodes = pair
    return nodes[names.index(name)]["dict"]


def set_argument(name, value):
    return lambda parts, tensors: set_item(get_item(parts, "arguments"), name, value)


def set_tensor(name, array):
    def change(parts, tensors):
        tensors["forged"] = array
        set_item(get_item(parts, "tensors"), name, {"array": "forged"})

    return change


def set_part(name, value):
    return lambda parts, tensors: set_item(parts, name, value)


NORM, CONV, LSTM = nn.BatchNorm1d(4), nn.Conv1d(1, 1, 1), nn.LSTM(3, 2)
CHAIN = nn.Sequential(nn.ReLU())
FORGED = {
    "fewer statistics": (NORM, set_tensor("running_mean", np.zeros(1, np.float32))),
    "more features": (NORM, set_argument("num_features", 10**9)),
    "statistics of another type": (NORM, set_tensor("running_var", np.zeros(4, np.int64))),
    "statistics in another precision": (NORM, set_tensor("running_var", np.zeros(4))),
    "a further tensor": (NORM, set_tensor("forward", np.zeros(4, np.float32))),
    "a dunder as a tensor": (NORM, set_tensor("__class__", np.zeros(4, np.float32))),
    "an unknown argument": (NORM, set_argument("forward", 1)),
    "a device": (NORM, set_argument("device", "cpu")),
    "a dunder as an argument": (NORM, set_argument("__init__", 1)),
    "a function as an argument": (NORM, set_argument("eps", {"value": 0})),
    "a flag that is none": (NORM, set_argument("affine", 1)),
    "a list of lists": (NORM, set_argument("eps", [[[1]]])),
    "a number beyond 32 bits": (NORM, set_argument("num_features", 2**62)),
    "a stride at which torch reads beyond its arrays": (CONV, set_argument("stride", 2**16)),
    "an image that fills the memory": (nn.Upsample(2), set_argument("size", 300_000_000)),
    "the same by its factor": (nn.Upsample(2), set_argument("scale_factor", 1e9)),
    "many layers": (LSTM, set_argument("num_layers", 2**31 - 1)),
    "no layers": (LSTM, set_argument("num_layers", 0)),
    "layers that are text": (LSTM, set_argument("num_layers", "many")),
    "a projection": (LSTM, set_argument("proj_size", 1)),
    "a larger state": (LSTM, set_argument("hidden_size", 2**30)),
    "a layer inside": (NORM, set_part("layers", {"dict": [["a"], [None]]})),
    "a child that is no layer": (CHAIN, set_part("layers", {"dict": [["a"], [1]]})),
    "a child named forward": (CHAIN, set_part("layers", {"dict": [["forward"], [{"ref": 0}]]})),
    "an unknown frozen parameter": (NORM, set_part("frozen", ["forward"])),
    "frozen statistics": (NORM, set_part("frozen", ["running_mean"])),
    "a further part": (NORM, set_part("_forward_hooks", 1)),
    "no parts": (NORM, lambda parts, tensors: [each.clear() for each in parts]),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_layer_is_refused(name, tmp_path):
    module, change = FORGED[name]
    path = tmp_path / "file"
    skae.save(Autoencoder(loss=module, optimizer=torch.optim.SGD), path)
    edit(path, lambda manifest, tensors, about: change(parts_of(manifest["root"]), tensors))
    with pytest.raises(ValueError, match="cannot be loaded"):
        skae.load(path)


@pytest.mark.parametrize(
    "name",
    ["torch.nn.Module", "torch.nn.Transformer", "torch.nn.DataParallel", "torch.nn.Linear.forward"],
)
def test_another_class_of_torch_is_refused(name, tmp_path):
    skae.save(Autoencoder(loss=nn.MSELoss()), tmp_path / "file")
    edit(
        tmp_path / "file",
        lambda manifest, *_: manifest.update(
            classes=[
                [name, 1] if old == "torch.nn.MSELoss" else [old, v]
                for old, v in manifest["classes"]
            ]
        ),
    )
    with pytest.raises(ValueError, match=f"it holds {name}, which"):
        skae.load(tmp_path / "file")
