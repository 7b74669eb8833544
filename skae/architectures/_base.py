"""What an architecture is: the questions that estimators ask of a description of networks."""

from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator
from torch import nn

from .._sklearn_compat import (
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)
from ..networks.blocks import ACTIVATIONS, INITIALIZATIONS
from ..networks.standardization import Standardization

SIZES = [tuple, list, StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")]
# Constraints of the parameters that dense and convolutional networks share.
COMMON_CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": SIZES,
    "activation": [StrOptions(set(ACTIVATIONS))],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "linear_skip": ["boolean"],
    "weight_init": [StrOptions({*INITIALIZATIONS, "default"})],
}


class DataShape(NamedTuple):
    """What an architecture has to know of the data.

    Parameters
    ----------
    n_features : int
        Length of a row.
    image_shape : tuple of int, default=None
        (height, width, channels) if rows are images, whose pixels they hold in this order.
    standardization : torch.nn.Module, default=None
        Maps between the units of the data and those of the networks, by its methods
        ``standardize`` and ``unstandardize``. None where both are the same.
    n_timesteps : int, default=None
        Number of frames if rows are sequences, whose frames they hold one after the other. What
        remains of ``n_features`` is one more number behind them: the length, if it differs.

    Examples
    --------
    >>> from skae.architectures import DataShape, Dense
    >>> encoder = Dense((16,)).build_encoder(DataShape(n_features=64), n_outputs=2)
    >>> encoder.linear
    Linear(in_features=64, out_features=2, bias=True)
    """

    n_features: int
    image_shape: tuple[int, int, int] | None = None
    standardization: Standardization | None = None
    n_timesteps: int | None = None


class Architecture(BaseEstimator, ABC):
    """Description of an encoder and a decoder, for data of any shape.

    Subclass it to add an architecture. As for every estimator of scikit-learn, ``__init__`` takes
    the parameters by name and stores them unchanged, so that `clone`, searches and pickle work.
    The two methods that build modules are required; the attributes say how estimators may use
    the modules, and have defaults that are safe for any of them. An architecture knows nothing
    of losses or of training.

    Modules map rows to codes and codes to rows. Where rows are images they hold pixels in the
    order (height, width, channels).

    Attributes
    ----------
    standardizes_input : bool, default=True
        Whether the modules work on centered and scaled data. If False, they see and return data
        in their own units.
    accepts_any_basis : bool, default=False
        Whether the modules treat all features alike, as dense layers do. Estimators may then
        replace the features by coordinates along some of their principal directions.
    uses_global_rng : bool, default=True
        Whether building or running the modules may draw from torch's global generator, as
        `torch.nn.Dropout` does. It is then seeded from ``random_state`` and restored afterwards.
    has_pretrained_weights : bool, default=False
        Whether the modules come with weights that hold knowledge. If so, estimators never set
        them to zero before training.
    supports_meta_device : bool, default=False
        Whether a stored network can be built without memory, on torch's meta device, before it
        is given its weights. This is faster, and needs modules of which all state is in their
        ``state_dict``.

    See Also
    --------
    Custom : Modules or functions that build them, without a class.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from torch import nn
    >>> from skae import Autoencoder
    >>> from skae.architectures import Architecture
    >>> class Bottleneck(Architecture):
    ...     def __init__(self, n_units=32):
    ...         self.n_units = n_units
    ...
    ...     def build_encoder(self, shape, n_outputs):
    ...         return self._layers(shape.n_features, n_outputs)
    ...
    ...     def build_decoder(self, shape, n_inputs):
    ...         return self._layers(n_inputs, shape.n_features)
    ...
    ...     def _layers(self, n_inputs, n_outputs):
    ...         inner, outer = nn.Linear(n_inputs, self.n_units), nn.Linear(self.n_units, n_outputs)
    ...         return nn.Sequential(inner, nn.Tanh(), outer)
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(8, architecture=Bottleneck(), max_iter=3, random_state=0)
    >>> autoencoder.fit_transform(X).shape
    (1797, 8)
    >>> autoencoder.set_params(architecture__n_units=64).get_params()["architecture"]
    Bottleneck(n_units=64)
    """

    standardizes_input: bool = True
    accepts_any_basis: bool = False
    uses_global_rng: bool = True
    has_pretrained_weights: bool = False
    supports_meta_device: bool = False

    # Optional, in scikit-learn's form: the constraints of parameters that `validate` checks.
    _parameter_constraints: dict[str, list[Any]] = {}

    @abstractmethod
    def build_encoder(self, shape: DataShape, n_outputs: int) -> nn.Module:
        """Build the encoder.

        Parameters
        ----------
        shape : DataShape
            Shape of the data.
        n_outputs : int
            Size of the latent code, or of the parameters of its distribution.

        Returns
        -------
        encoder : torch.nn.Module
            Maps rows (n_samples, n_features) to codes (n_samples, n_outputs).
        """

    @abstractmethod
    def build_decoder(self, shape: DataShape, n_inputs: int) -> nn.Module:
        """Build the decoder.

        Parameters
        ----------
        shape : DataShape
            Shape of the data.
        n_inputs : int
            Size of the decoder's input: of the latent code, or more if estimators add to it.

        Returns
        -------
        decoder : torch.nn.Module
            Maps codes (n_samples, n_inputs) to rows (n_samples, n_features). It returns logits
            if the loss compares logits, as ``'bce'`` does.
        """

    def validate(self) -> None:
        """Check the parameters, before any work is done.

        Raises
        ------
        ValueError
            If a parameter does not satisfy its constraint.
        """
        try:
            validate_parameter_constraints(
                self._parameter_constraints, self.get_params(deep=False), type(self).__name__
            )
        except InvalidParameterError as error:
            # Chained, the error would show scikit-learn's inner workings.
            raise ValueError(f"architecture: {error}") from None


# All that estimators ask of an architecture, whatever its class.
ARCHITECTURE_MEMBERS = (
    "build_encoder",
    "build_decoder",
    "validate",
    "get_params",
    "set_params",
    "standardizes_input",
    "accepts_any_basis",
    "uses_global_rng",
    "has_pretrained_weights",
    "supports_meta_device",
)


def positive_ints(owner: Architecture, name: str, value: Any) -> tuple[int, ...]:
    """Return ``value`` as a tuple of positive integers, or raise naming the parameter."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    for entry in values:
        # A truth value is an integer in Python, and never meant as a size.
        if not isinstance(entry, Integral) or isinstance(entry, bool) or entry < 1:
            raise ValueError(
                f"architecture: the {name!r} parameter of {type(owner).__name__} must hold "
                f"integers of at least 1, got {value!r}."
            )
    return tuple(int(entry) for entry in values)
