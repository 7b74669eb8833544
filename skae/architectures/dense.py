"""Description of fully connected networks."""

from numbers import Integral

from torch import nn

from .._sklearn_compat import Interval, StrOptions
from ..networks.blocks import NORMALIZATIONS, multilayer_perceptron
from ._base import COMMON_CONSTRAINTS, Architecture, DataShape, positive_ints

# Automatic hidden layers of rows of so many values, and of shorter ones.
_WIDE, _AUTO_WIDE, _AUTO_NARROW = 64, (384, 256), (256, 256)


class Dense(Architecture):
    """Fully connected encoder and decoder, mirror images of each other.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int or 'auto', default='auto'
        Units of the encoder's hidden layers, from the data to the code; the decoder has them
        in reverse. ``()`` is a linear autoencoder. ``'auto'``: (384, 256), or (256, 256) for
        fewer than 64 values in a row.
    activation : {'relu', 'leaky_relu', 'elu', 'selu', 'gelu', 'silu', 'tanh', 'identity'}, \
            default='silu'
        What follows each hidden layer.
    normalization : {'batch', 'layer'} or None, default=None
        Normalisation before each activation.
    dropout : float in [0, 1), default=0.0
        Share of hidden units that are dropped in training.
    linear_skip : bool, default=True
        Add a linear map beside the hidden layers of each side. Training then starts exactly at
        the solution of PCA and the hidden layers learn what is left to gain.
    weight_init : {'default', 'lecun_normal', 'lecun_uniform', 'he_normal', 'he_uniform', \
            'xavier_normal', 'xavier_uniform', 'orthogonal'}, default='lecun_normal'
        Rule by which weights are drawn; ``'default'`` is torch's own.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.architectures import Dense
    >>> X, _ = load_digits(return_X_y=True)
    >>> narrow = Dense(hidden_layer_sizes=(64,), activation="relu")
    >>> Autoencoder(8, architecture=narrow, max_iter=5).fit_transform(X).shape
    (1797, 8)
    """

    _parameter_constraints = {
        **COMMON_CONSTRAINTS,
        "hidden_layer_sizes": [
            tuple,
            list,
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "normalization": [StrOptions(set(NORMALIZATIONS)), None],
    }

    def __init__(
        self,
        hidden_layer_sizes="auto",
        *,
        activation="silu",
        normalization=None,
        dropout=0.0,
        linear_skip=True,
        weight_init="lecun_normal",
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.normalization = normalization
        self.dropout = dropout
        self.linear_skip = linear_skip
        self.weight_init = weight_init

    mixes_features = True
    standardizes = True

    def build_encoder(self, shape: DataShape, n_outputs: int) -> nn.Module:
        return self._build(shape.n_features, self._hidden(shape), n_outputs)

    def build_decoder(self, shape: DataShape, n_inputs: int) -> nn.Module:
        return self._build(n_inputs, self._hidden(shape)[::-1], shape.n_features)

    def _hidden(self, shape):
        self._validate()
        if isinstance(self.hidden_layer_sizes, str):
            return _AUTO_WIDE if shape.n_features >= _WIDE else _AUTO_NARROW
        return positive_ints(self, "hidden_layer_sizes", self.hidden_layer_sizes)

    def _build(self, n_inputs, hidden, n_outputs):
        network = multilayer_perceptron(
            (n_inputs, *hidden, n_outputs),
            activation=self.activation,
            normalization=self.normalization,
            dropout=self.dropout,
        )
        return self._finish(network, n_inputs, n_outputs)
