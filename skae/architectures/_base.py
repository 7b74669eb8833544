"""What descriptions of networks share."""

from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import NamedTuple

from sklearn.base import BaseEstimator
from torch import nn

from .._sklearn_compat import (
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)
from ..networks.blocks import ACTIVATIONS, INITIALIZATIONS, initialize, with_linear_skip

# Constraints of the parameters that dense and convolutional networks share.
COMMON_CONSTRAINTS = {
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
        (height, width, channels), or None where rows are no images.

    Examples
    --------
    >>> from skae.architectures import DataShape, Dense
    >>> encoder = Dense((16,)).build_encoder(DataShape(n_features=64), n_outputs=2)
    >>> encoder.linear
    Linear(in_features=64, out_features=2, bias=True)
    """

    n_features: int
    image_shape: tuple | None = None


class Architecture(BaseEstimator, ABC):
    """What the descriptions offer, and the checks and the last step of building they share."""

    @abstractmethod
    def build_encoder(self, shape: DataShape, n_outputs: int) -> nn.Module:
        """Build the encoder.

        Parameters
        ----------
        shape : DataShape
            What the data are like.
        n_outputs : int
            Size of the code, or of what describes its distribution.

        Returns
        -------
        encoder : torch.nn.Module
            Maps rows (n, n_features) to (n, n_outputs).
        """

    @abstractmethod
    def build_decoder(self, shape: DataShape, n_inputs: int) -> nn.Module:
        """Build the decoder.

        Parameters
        ----------
        shape : DataShape
            What the data are like.
        n_inputs : int
            Size of the code.

        Returns
        -------
        decoder : torch.nn.Module
            Maps codes (n, n_inputs) to rows (n, n_features).
        """

    def _validate(self):
        try:
            validate_parameter_constraints(
                self._parameter_constraints, self.get_params(deep=False), type(self).__name__
            )
        except InvalidParameterError as error:
            # Chained, the error would show scikit-learn's inner workings.
            raise ValueError(f"architecture: {error}") from None

    def _finish(self, network, n_inputs, n_outputs):
        """Draw the weights by the rule asked for and add the linear path."""
        if self.weight_init != "default":
            initialize(network, self.weight_init)
        if not self.linear_skip:
            return network
        return with_linear_skip(network, n_inputs, n_outputs)


def positive_ints(owner, name, value):
    """Return ``value`` as a tuple of positive integers, or raise naming the parameter."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    for entry in values:
        if not isinstance(entry, Integral) or isinstance(entry, bool) or entry < 1:
            raise ValueError(
                f"architecture: the {name!r} parameter of {type(owner).__name__} must hold "
                f"integers of at least 1, got {value!r}."
            )
    return tuple(int(entry) for entry in values)
