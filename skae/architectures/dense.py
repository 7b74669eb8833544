"""Description of fully connected networks."""

from collections.abc import Sequence

from torch import nn

from .._sklearn_compat import StrOptions
from ..networks.blocks import NORMALIZATIONS, finish, multilayer_perceptron, zero_init_last_layer
from ._base import COMMON_CONSTRAINTS, Architecture, DataShape, positive_ints

# Automatic hidden layers of the encoder, for rows of at least so many features and for shorter
# ones. On MNIST (784 features) 384-256 units reach a given error in 0.87 of the time of 512-256,
# and end with a lower one. The small tables that were measured have up to 32 features: there
# 256-256 are as good as 512-256 (0.802 and 0.800 times PCA's error) in 0.78 of the time, and
# 128-128 or 256-128 are worse. The digits of 64 pixels are the smallest images.
_LONG_ROW_FEATURES = 64
_LONG_ROW_UNITS, _SHORT_ROW_UNITS = (384, 256), (256, 256)


class Dense(Architecture):
    """Fully connected encoder and decoder, mirror images of each other.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int or 'auto', default='auto'
        Units of the encoder's hidden layers, from the data to the code; the decoder has them
        in reverse. ``()`` is a linear autoencoder. ``'auto'`` is (384, 256), or (256, 256) for
        fewer than 64 features.
    activation : {'relu', 'leaky_relu', 'elu', 'selu', 'gelu', 'silu', 'tanh', 'identity'}, \
            default='silu'
        Activation function after each hidden layer.
    normalization : {'batch', 'layer'} or None, default=None
        Batch or layer normalization before each activation.
    dropout : float in [0, 1), default=0.0
        Fraction of the hidden units that are set to zero in training.
    linear_skip : bool, default=True
        Whether to add a linear skip connection around the hidden layers of encoder and decoder.
        Training then starts exactly at PCA's solution, and the hidden layers learn the rest.
    weight_init : {'default', 'lecun_normal', 'lecun_uniform', 'he_normal', 'he_uniform', \
            'xavier_normal', 'xavier_uniform', 'orthogonal'}, default='lecun_normal'
        Rule by which weights are initialized; ``'default'`` is torch's own.

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
        "normalization": [StrOptions(set(NORMALIZATIONS)), None],
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | int | str = "auto",
        *,
        activation: str = "silu",
        normalization: str | None = None,
        dropout: float = 0.0,
        linear_skip: bool = True,
        weight_init: str = "lecun_normal",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.normalization = normalization
        self.dropout = dropout
        self.linear_skip = linear_skip
        self.weight_init = weight_init

    # Dense layers treat all features alike, all their state is in the state_dict, and Dropout draws
    # from a generator of its own.
    accepts_any_basis = True
    uses_global_rng = False
    supports_meta_device = True

    def build_encoder(self, shape: DataShape, n_outputs: int) -> nn.Module:
        return self._build(shape.n_features, self._hidden_units(shape), n_outputs)

    def build_decoder(self, shape: DataShape, n_inputs: int) -> nn.Module:
        return self._build(n_inputs, self._hidden_units(shape)[::-1], shape.n_features)

    def build_residual(self, shape: DataShape) -> nn.Module:
        """Build a network from noisy rows to the residual to add to them, for `skae.Denoiser`.

        Parameters
        ----------
        shape : DataShape
            Shape of the data.

        Returns
        -------
        residual : torch.nn.Module
            Maps rows to rows, only by the hidden layers, without a code. Before training it
            returns zeros, but with ``linear_skip=False``.
        """
        hidden_units = self._hidden_units(shape)
        residual = self._build(shape.n_features, hidden_units, shape.n_features)
        if self.linear_skip:
            # The noisy rows themselves are added to it.
            zero_init_last_layer(residual.linear)
        return residual

    def _hidden_units(self, shape: DataShape) -> tuple[int, ...]:
        if isinstance(self.hidden_layer_sizes, str):
            is_long = shape.n_features >= _LONG_ROW_FEATURES
            return _LONG_ROW_UNITS if is_long else _SHORT_ROW_UNITS
        return positive_ints(self, "hidden_layer_sizes", self.hidden_layer_sizes)

    def _build(self, n_inputs: int, hidden_units: tuple[int, ...], n_outputs: int) -> nn.Module:
        self.validate()
        network = multilayer_perceptron(
            (n_inputs, *hidden_units, n_outputs),
            activation=self.activation,
            normalization=self.normalization,
            dropout=self.dropout,
        )
        return finish(
            network,
            n_inputs,
            n_outputs,
            linear_skip=self.linear_skip,
            weight_init=self.weight_init,
        )
