"""Description of user-supplied networks."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ..networks.layout import ImagesToRows, RowsToImages
from ..networks.standardization import DecodesToData, EncodesData
from ._base import Architecture, DataShape
from .conv import Conv
from .dense import Dense


class Custom(Architecture):
    """User-supplied encoder and decoder, or one of them.

    The encoder sees data of shape (n_samples, n_features) or, if images are given, (n_samples,
    n_channels, height, width). The decoder returns the same shape. With ``loss='bce'`` it returns
    logits, since a sigmoid is added.

    If only one side is given, the other one is that of `Dense`, or of `Conv` if images are given,
    for codes of the same size. It works on centered and scaled data, as these always do, and
    ``loss='mse'``, ``'l1'`` and ``'huber'`` then compare centered and scaled data.

    Parameters
    ----------
    encoder : torch.nn.Module or callable, default=None
        Data to codes of shape (n_samples, n_components). A module is copied, and trained from the
        weights it has. A callable ``encoder(input_shape, n_components)`` returns a new module,
        where ``input_shape`` is (n_features,) or (n_channels, height, width). If None, the
        default encoder.
    decoder : torch.nn.Module or callable, default=None
        Codes to data. A callable ``decoder(n_components, output_shape)`` returns a new module. If
        None, the default decoder.
    standardize : bool, default=False
        Whether the user-supplied modules work on centered and scaled data too: the features less
        their means, divided by one number. This is best for untrained modules, which learn little
        from data far from unit variance. If False, they see and return data in their own units,
        as modules that were trained on such data expect.

    See Also
    --------
    Architecture : Base class of new architectures with parameters of their own.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from skae import Autoencoder
    >>> from skae.architectures import Custom
    >>> X, _ = load_iris(return_X_y=True)
    >>> linear = Custom(torch.nn.Linear(4, 2), torch.nn.Linear(2, 4))
    >>> Autoencoder(2, architecture=linear, max_iter=5).fit_transform(X).shape
    (150, 2)

    A linear encoder with the default decoder:

    >>> half = Custom(encoder=torch.nn.Linear(4, 2), standardize=True)
    >>> Autoencoder(2, architecture=half, max_iter=5).fit(X).reconstruct(X).shape
    (150, 4)
    """

    _parameter_constraints = {
        "encoder": [nn.Module, callable, None],
        "decoder": [nn.Module, callable, None],
        "standardize": ["boolean"],
    }

    def __init__(
        self,
        encoder: Callable[..., Any] | None = None,
        decoder: Callable[..., Any] | None = None,
        *,
        standardize: bool = False,
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.standardize = standardize

    # Weights of modules that are given may be trained already.
    has_pretrained_weights = True

    @property
    def standardizes_input(self) -> bool:  # type: ignore[override]
        """Whether at least one side works on centered and scaled data."""
        return self.standardize or self.encoder is None or self.decoder is None

    @property
    def supports_meta_device(self) -> bool:  # type: ignore[override]
        """Whether both sides are modules whose layers know their sizes, or default ones."""
        # A callable may compute with its weights while it builds them.
        sides = [side for side in (self.encoder, self.decoder) if side is not None]
        return all(isinstance(side, nn.Module) and not _has_lazy_layers(side) for side in sides)

    def validate(self) -> None:
        super().validate()
        if self.encoder is None and self.decoder is None:
            raise ValueError(
                "architecture: Custom needs an encoder, a decoder or both, got None for each. "
                "Use 'auto' for the default networks."
            )

    def build_encoder(self, shape: DataShape, n_outputs: int) -> nn.Module:
        self.validate()
        if self.encoder is None:
            return _default(shape).build_encoder(shape, n_outputs)
        encoder = _own_module(self.encoder, _torch_shape(shape), n_outputs)
        if shape.image_shape is not None:
            encoder = nn.Sequential(RowsToImages(*shape.image_shape), encoder)
        # Before training: an error of torch would come from within, and name no parameter.
        encoder = _tried("encoder", encoder, shape.n_features, n_outputs)
        return EncodesData(encoder, shape.standardization) if self._converts(shape) else encoder

    def build_decoder(self, shape: DataShape, n_inputs: int) -> nn.Module:
        self.validate()
        if self.decoder is None:
            return _default(shape).build_decoder(shape, n_inputs)
        decoder = _own_module(self.decoder, n_inputs, _torch_shape(shape))
        if shape.image_shape is not None:
            decoder = nn.Sequential(decoder, ImagesToRows())
        decoder = _tried("decoder", decoder, n_inputs, shape.n_features)
        return DecodesToData(decoder, shape.standardization) if self._converts(shape) else decoder

    def _converts(self, shape: DataShape) -> bool:
        """Whether a user-supplied side needs its own units in a network of standardized rows."""
        in_own_units = self.standardizes_input and not self.standardize
        return in_own_units and shape.standardization is not None


def _default(shape: DataShape) -> Architecture:
    return Dense() if shape.image_shape is None else Conv()


def _own_module(given: Callable[..., Any], *sizes: Any) -> nn.Module:
    """Copy a module, so that training does not change the user's, or call the factory."""
    if not isinstance(given, nn.Module):
        module = given(*sizes)
        if not isinstance(module, nn.Module):
            raise TypeError(
                "architecture: a function given to Custom must return a torch.nn.Module, got "
                f"{module!r} from {given!r}."
            )
        return module
    # Within a context of the meta device nothing is allocated, nor computed when it is tried.
    is_meta = torch.get_default_device().type == "meta"
    return copy.deepcopy(given).to("meta") if is_meta else copy.deepcopy(given)


def _has_lazy_layers(module: nn.Module) -> bool:
    # They take their sizes from the first batch, which needs memory.
    return any(map(is_lazy, module.parameters()))


def _torch_shape(shape: DataShape) -> tuple[int, ...]:
    if shape.image_shape is None:
        return (shape.n_features,)
    # torch's order of an image's dimensions.
    height, width, channels = shape.image_shape
    return (channels, height, width)


def _tried(name: str, module: nn.Module, n_inputs: int, n_outputs: int) -> nn.Module:
    """Return ``module`` if it maps two rows to the expected shape; lazy layers get sizes here."""
    # Two rows, in evaluation mode: running statistics of batch normalization stay as they are.
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
