"""What dense and convolutional networks are made of, with the tables of their names."""

from itertools import pairwise

import torch
from torch import nn

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

# Names are those of the papers; ``fan_in`` keeps the variance of what goes forward.
INITIALIZATIONS = {
    "lecun_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"),
    "lecun_uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="linear"),
    "he_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "he_uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"),
    "xavier_normal": nn.init.xavier_normal_,
    "xavier_uniform": nn.init.xavier_uniform_,
    "orthogonal": nn.init.orthogonal_,
}

WEIGHTED_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


class Dropout(nn.Module):
    """`torch.nn.Dropout` that draws from the generator of the running fit."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        return x * bernoulli_mask(x, 1 - self.p) / (1 - self.p)

    def extra_repr(self):
        return f"p={self.p}"


class LinearSkip(nn.Module):
    """Two paths side by side, added: a linear one and a nonlinear one."""

    def __init__(self, linear, nonlinear):
        super().__init__()
        self.linear = linear
        self.nonlinear = nonlinear

    def forward(self, x):
        return self.linear(x) + self.nonlinear(x)


def after(size, *, activation, normalization=None, dropout=0.0):
    """List what follows a dense layer of ``size`` units."""
    layers = [NORMALIZATIONS[normalization](size)] if normalization else []
    layers.append(ACTIVATIONS[activation]())
    return layers + ([Dropout(dropout)] if dropout else [])


def multilayer_perceptron(sizes, **following):
    """Dense layers of ``sizes`` (input first, output last), linear at the end."""
    layers = []
    for n_inputs, n_outputs in pairwise(sizes[:-1]):
        layers += [nn.Linear(n_inputs, n_outputs), *after(n_outputs, **following)]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def initialize(module, name):
    """Draw the weights of every layer anew by the named rule, with zero biases."""
    rule = INITIALIZATIONS[name]
    for layer in module.modules():
        if isinstance(layer, WEIGHTED_LAYERS):
            rule(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def zero_init_last_layer(module):
    """Set the last layer that has weights to zero, so that the module gives zeros."""
    last = [layer for layer in module.modules() if isinstance(layer, WEIGHTED_LAYERS)][-1]
    with torch.no_grad():
        last.weight.zero_()
        if last.bias is not None:
            last.bias.zero_()
    return module


def with_linear_skip(nonlinear, n_inputs, n_outputs):
    """Add a linear path to ``nonlinear``, which starts by contributing nothing."""
    return LinearSkip(nn.Linear(n_inputs, n_outputs), zero_init_last_layer(nonlinear))
