"""Description of networks that users bring along."""

import copy

import torch
from torch import nn

from ..networks.conv import ImagesToRows, RowsToImages
from ._base import Architecture, DataShape


class Custom(Architecture):
    """Anybody's own encoder and decoder.

    The modules see the data in their own units, as ``(n, n_features)`` or, where images are
    given, as ``(n, channels, height, width)``; the decoder returns the same shape. With
    ``loss='bce'`` it returns logits, since the sigmoid is added.

    Parameters
    ----------
    encoder : torch.nn.Module or callable
        Data to codes ``(n, n_components)``. A module is copied and trained from the weights it
        has; a callable ``encoder(input_shape, n_components)`` returns a new module, where
        ``input_shape`` is ``(n_features,)`` or ``(channels, height, width)``.
    decoder : torch.nn.Module or callable
        Codes to data. A callable ``decoder(n_components, output_shape)`` returns a new module.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from skae import Autoencoder
    >>> from skae.architectures import Custom
    >>> X, _ = load_iris(return_X_y=True)
    >>> mine = Custom(torch.nn.Linear(4, 2), torch.nn.Linear(2, 4))
    >>> Autoencoder(2, architecture=mine, max_iter=5).fit_transform(X).shape
    (150, 2)
    """

    _parameter_constraints = {
        "encoder": [nn.Module, callable],
        "decoder": [nn.Module, callable],
    }

    def __init__(self, encoder, decoder):
        self.encoder = encoder
        self.decoder = decoder

    mixes_features = False
    standardizes = False

    def build_encoder(self, shape: DataShape, n_outputs: int) -> nn.Module:
        self._validate()
        encoder = _own_module(self.encoder, _torch_shape(shape), n_outputs)
        if shape.image_shape is not None:
            encoder = nn.Sequential(RowsToImages(*shape.image_shape), encoder)
        return _tried("encoder", encoder, shape.n_features, n_outputs)

    def build_decoder(self, shape: DataShape, n_inputs: int) -> nn.Module:
        self._validate()
        decoder = _own_module(self.decoder, n_inputs, _torch_shape(shape))
        if shape.image_shape is not None:
            decoder = nn.Sequential(decoder, ImagesToRows())
        return _tried("decoder", decoder, n_inputs, shape.n_features)


def _own_module(given, *sizes):
    """Copy a module, so that training leaves the user's as it is, or call the factory."""
    return copy.deepcopy(given) if isinstance(given, nn.Module) else given(*sizes)


def _torch_shape(shape):
    if shape.image_shape is None:
        return (shape.n_features,)
    height, width, channels = shape.image_shape
    return (channels, height, width)


def _tried(name, module, n_inputs, n_outputs):
    """Return ``module`` if it maps two rows as it has to; lazy layers get their sizes here."""
    training = module.training
    try:
        with torch.no_grad():
            given = tuple(module.eval()(torch.zeros(2, n_inputs)).shape)
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"architecture: the {name} of Custom cannot be applied to rows of {n_inputs}: {error}"
        ) from error
    if given != (2, n_outputs):
        raise ValueError(
            f"architecture: the {name} of Custom maps two rows to shape {given}, expected "
            f"{(2, n_outputs)}."
        )
    return module.train(training)
