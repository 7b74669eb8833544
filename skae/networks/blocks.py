"""Building blocks of networks and their initial weights, with the tables of their names."""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from .generators import bernoulli_mask

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}

NORMALIZATIONS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}

# Names are those of the papers. torch's default of ``fan_in`` preserves the variance of forward
# activations. kaiming with the gain of a linear layer is LeCun's rule.
INITIALIZATIONS = {
    "lecun_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"),
    "lecun_uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="linear"),
    "he_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "he_uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"),
    "xavier_normal": nn.init.xavier_normal_,
    "xavier_uniform": nn.init.xavier_uniform_,
    "orthogonal": nn.init.orthogonal_,
}

# The methods that torch's layers initialize their weights with, besides torch.nn.init.
_DRAWS = {torch.Tensor.uniform_, torch.Tensor.normal_, torch.Tensor.bernoulli_}

# How many inputs each output of a layer adds up. The stride of a transposed convolution spreads the
# inputs: each output gets a part of the kernel.
FAN_IN = {
    nn.Linear: lambda layer: layer.in_features,
    nn.Conv1d: lambda layer: layer.weight[0].numel(),
    nn.Conv2d: lambda layer: layer.weight[0].numel(),
    nn.ConvTranspose1d: lambda layer: layer.weight[:, 0].numel() // math.prod(layer.stride),
    nn.ConvTranspose2d: lambda layer: layer.weight[:, 0].numel() // math.prod(layer.stride),
}
# Normalization layers are not among them: their weights start at one.
WEIGHTED_LAYERS = tuple(FAN_IN)


class Dropout(nn.Module):
    """`torch.nn.Dropout` that draws from the generator of the current fit, not the global one."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        # Divided by the fraction that is kept, so that means stay the same.
        return x * bernoulli_mask(x, 1 - self.p) / (1 - self.p)

    def extra_repr(self):
        return f"p={self.p}"


class LinearSkip(nn.Module):
    """A nonlinear module with a linear skip connection around it: the sum of both."""

    def __init__(self, linear, nonlinear):
        super().__init__()
        self.linear = linear
        self.nonlinear = nonlinear

    def forward(self, x):
        return self.linear(x) + self.nonlinear(x)


def after(size, *, activation, normalization=None, dropout=0.0):
    """List the layers that follow a hidden dense layer of ``size`` units."""
    # Normalization before the activation, dropout after it, as in convolutional networks.
    layers = [NORMALIZATIONS[normalization](size)] if normalization else []
    layers.append(ACTIVATIONS[activation]())
    return layers + ([Dropout(dropout)] if dropout else [])


def multilayer_perceptron(sizes, **following):
    """Build dense layers of ``sizes``: the input's first, the output's last. The last is linear."""
    layers = []
    for n_inputs, n_outputs in pairwise(sizes[:-1]):
        layers += [nn.Linear(n_inputs, n_outputs), *after(n_outputs, **following)]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


class SeededInit(TorchFunctionMode):
    """Within this context, modules that are built draw their weights from one seed.

    torch's layers initialize themselves and accept no generator. The mode passes one to each
    draw as it happens, which works for every layer, user-supplied ones included.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed):
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        # Functions of torch.nn.init arrive as a whole, with the generator that they pass on.
        takes_generator = func in _DRAWS or "generator" in kwargs
        if takes_generator and kwargs.get("generator") is None:
            kwargs["generator"] = self.generator
        return func(*args, **kwargs)


def initialize(module, name):
    """Initialize the weights of every layer by the named rule, and biases at zero."""
    rule = INITIALIZATIONS[name]
    for layer in module.modules():
        if isinstance(layer, WEIGHTED_LAYERS):
            rule(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def zero_init_last_layer(module):
    """Set the last layer that has weights to zero, so that the module returns zeros."""
    last = [layer for layer in module.modules() if isinstance(layer, WEIGHTED_LAYERS)][-1]
    # Layers before it keep their weights: from zeros everywhere no gradient would pass.
    with torch.no_grad():
        last.weight.zero_()
        if last.bias is not None:
            last.bias.zero_()
    return module


def with_linear_skip(nonlinear, n_inputs, n_outputs):
    """Add a linear skip connection around ``nonlinear``, whose output starts at zero.

    Training then starts at the best linear map, where the linear layer is set to it.
    """
    return LinearSkip(nn.Linear(n_inputs, n_outputs), zero_init_last_layer(nonlinear))


def finish(
    network: nn.Module, n_inputs: int, n_outputs: int, *, linear_skip: bool, weight_init: str
) -> nn.Module:
    """Initialize the weights by the given rule and add the linear skip connection."""
    # Before the skip connection, whose own weights are set when the data are known.
    if weight_init != "default":
        initialize(network, weight_init)
    return with_linear_skip(network, n_inputs, n_outputs) if linear_skip else network
