"""Reconstruction losses, one table of their names, and the criterion that applies one."""

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from ._utils import lookup, refuse_class
from .networks.layout import rows_to_images
from .networks.parts import mean_of_batch

__all__ = ["LOSSES", "Loss", "resolve_loss", "structural_similarity", "weighted_mean"]

# Constants of Wang et al. (2004): they keep the ratios stable where an image is flat.
_LUMINANCE_CONSTANT, _STRUCTURE_CONSTANT = 0.01, 0.03
# The default of scikit-image, whose figures users compare with.
_SSIM_WINDOW_PIXELS = 7
# Logit of a probability that is 1 in single precision, so that its cross-entropy with 1 is 0.
_CERTAIN_LOGIT = 1e3
# Added to the fraction of observed values: a batch without any must not divide by zero.
_MIN_OBSERVED_FRACTION = 1e-3
# 'logits' are units of their own: the sigmoid and its logarithm, taken apart, lose all digits
# of values near 0 and 1.
_UNITS = ("standardized", "logits", "data")


def structural_similarity(
    x: torch.Tensor, y: torch.Tensor, data_range: float | torch.Tensor = 1.0
) -> torch.Tensor:
    """Return the mean structural similarity (SSIM) of each pair of images.

    A uniform window of 7 × 7 pixels slides over the images; on smaller images it has the largest
    odd size that fits. Variances are sample variances. This is what
    `skimage.metrics.structural_similarity` computes by default.

    Parameters
    ----------
    x, y : Tensor of shape (n_images, n_channels, height, width)
        The images to compare.
    data_range : float or Tensor without dimensions, default=1.0
        Largest minus smallest value that an image can have, in the units of ``x``.

    Returns
    -------
    similarity : Tensor of shape (n_images,)
        1 for equal images, and lower the less alike they are.

    References
    ----------
    Wang, Bovik, Sheikh and Simoncelli (2004). Image quality assessment: from error visibility
    to structural similarity. IEEE Transactions on Image Processing 13(4).

    Examples
    --------
    >>> import torch
    >>> from skae.losses import structural_similarity
    >>> x = torch.arange(64.0).reshape(1, 1, 8, 8) / 64
    >>> structural_similarity(x, x)
    tensor([1.])
    """
    side = min(_SSIM_WINDOW_PIXELS, *x.shape[-2:])
    window = side - 1 + side % 2  # odd
    # From the variance of a window to its sample variance: n / (n - 1) with n pixels.
    unbiased = window**2 / max(window**2 - 1, 1)

    def mean(image: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(image, window, stride=1)

    mean_x, mean_y = mean(x), mean(y)
    variance_x = unbiased * (mean(x * x) - mean_x * mean_x)
    variance_y = unbiased * (mean(y * y) - mean_y * mean_y)
    covariance = unbiased * (mean(x * y) - mean_x * mean_y)
    # (n_images, n_channels, height - window + 1, width - window + 1), a value for each window.
    c1 = (_LUMINANCE_CONSTANT * data_range) ** 2
    c2 = (_STRUCTURE_CONSTANT * data_range) ** 2
    luminance: torch.Tensor = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    similarity: torch.Tensor = (luminance * structure).mean(dim=(1, 2, 3))
    return similarity


@dataclass(frozen=True)
class Loss:
    """A reconstruction loss, with the properties that estimators ask for.

    Instances can be given as ``loss=`` to every estimator that takes a callable there. A plain
    callable ``function`` means the same as ``Loss(function, units="data")``.

    Parameters
    ----------
    function : callable or torch.nn.Module
        ``function(prediction, target)`` returns the loss of a batch: a tensor without dimensions
        (the mean), with a value for each sample, or with a value for each entry. Both arguments
        have shape (n_samples, n_features). If images are given and ``units`` is not
        ``'standardized'``, they have shape (n_samples, n_channels, height, width).
    units : {'standardized', 'logits', 'data'}, default='standardized'
        Units of the arguments. ``'standardized'``: both are centered and scaled. ``'data'``: both
        are in the units of the data. ``'logits'``: the target is in the units of the data, which
        must lie in [0, 1], and the prediction holds logits of it; a sigmoid is added to the
        decoder.
    needs_images : bool, default=False
        Whether the loss is defined for images only. Both arguments are then divided by the range
        of the training data.
    takes_reduction : bool, default=False
        Whether ``function`` accepts ``reduction='none'``, as the functions of
        `torch.nn.functional` do, and returns the mean without it. Sample weights need this, or a
        function that returns a value for each sample or for each entry.
    zero_at : tuple of float, default=(0.0, 0.0)
        A prediction and a target that have no loss. They stand in for missing values.
    is_rotation_invariant : bool, default=False
        Whether the loss is the same along every orthonormal basis. Estimators may then train on
        the coordinates of rows along their principal directions.

    Raises
    ------
    TypeError
        If ``function`` is not callable.
    ValueError
        If ``units`` is not one of the names above.

    See Also
    --------
    skae.noises.Noise : The same for corruption of the input.

    Examples
    --------
    A pinball loss, which fits a quantile of each feature:

    >>> from sklearn.datasets import load_iris
    >>> from skae import Autoencoder
    >>> from skae.losses import Loss
    >>> def pinball(prediction, target):
    ...     error = target - prediction
    ...     return error.clamp(min=0) * 0.9 - error.clamp(max=0) * 0.1
    >>> X, _ = load_iris(return_X_y=True)
    >>> autoencoder = Autoencoder(1, loss=Loss(pinball), random_state=0).fit(X)
    >>> bool(0.7 < (X < autoencoder.reconstruct(X)).mean() < 1)
    True
    """

    function: Callable[..., Any]
    units: str = "standardized"
    needs_images: bool = False
    takes_reduction: bool = False
    zero_at: tuple[float, float] = (0.0, 0.0)
    is_rotation_invariant: bool = False

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"function of Loss must be callable, got {self.function!r}.")
        if self.units not in _UNITS:
            raise ValueError(f"units of Loss must be one of {_UNITS}, got {self.units!r}.")

    @property
    def is_probabilistic(self) -> bool:
        """Whether the decoder has to end in a sigmoid."""
        return self.units == "logits"

    def per_sample(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of each sample.

        Parameters
        ----------
        prediction, target : Tensor of shape (n_samples, ...)
            As for ``function``.

        Returns
        -------
        losses : Tensor of shape (n_samples,)
            The mean over the entries of each sample.

        Raises
        ------
        ValueError
            If ``function`` returns one number for the whole batch.
        """
        reduction = {"reduction": "none"} if self.takes_reduction else {}
        values = _checked(self.function(prediction, target, **reduction), prediction)
        if values.ndim == 0 or len(values) != len(target):
            raise ValueError(
                "loss must return a value for each sample or each entry (reduction='none') where "
                "sample_weight is given, and in a VariationalAutoencoder, got a tensor of shape "
                f"{tuple(values.shape)}."
            )
        # The mean, not the sum: long rows have losses of the scale of short ones, and so rates.
        return values.flatten(1).mean(dim=1) if values.ndim > 1 else values

    def mean(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a batch.

        Parameters
        ----------
        prediction, target : Tensor of shape (n_samples, ...)
            As for ``function``.

        Returns
        -------
        loss : Tensor without dimensions
            The mean over all samples and entries.
        """
        loss = _checked(self.function(prediction, target), prediction)
        return loss if loss.ndim == 0 else loss.mean()


def _checked(loss: Any, prediction: torch.Tensor) -> torch.Tensor:
    """Return the loss if it is a tensor along which gradients flow back to the prediction."""
    if not isinstance(loss, torch.Tensor):
        raise TypeError(f"loss must return a torch.Tensor, got {loss!r}.")
    # Without gradients, as in validation, nothing can be known of the graph.
    if prediction.requires_grad and not loss.requires_grad and torch.is_grad_enabled():
        raise ValueError(
            "loss must depend on the reconstruction by torch's functions, so that it can be "
            "minimized, got a tensor without gradient."
        )
    return loss


def _one_minus_ssim(
    prediction: torch.Tensor, target: torch.Tensor, reduction: str = "mean"
) -> torch.Tensor:
    loss = 1 - structural_similarity(prediction, target)
    return loss if reduction == "none" else loss.mean()


# Only squared errors are the same along any basis: rotations keep lengths, but not
# sums of absolute values.
LOSSES = {
    "mse": Loss(F.mse_loss, takes_reduction=True, is_rotation_invariant=True),
    "l1": Loss(F.l1_loss, takes_reduction=True),
    "huber": Loss(F.huber_loss, takes_reduction=True),
    "bce": Loss(
        F.binary_cross_entropy_with_logits,
        units="logits",
        takes_reduction=True,
        zero_at=(_CERTAIN_LOGIT, 1.0),
    ),
    "ssim": Loss(_one_minus_ssim, units="data", needs_images=True, takes_reduction=True),
}


def resolve_loss(loss: "str | Callable[..., Any] | Loss") -> Loss:
    """Turn a name, a function or a module into a `Loss`.

    Parameters
    ----------
    loss : str, callable, torch.nn.Module or Loss
        A name in `LOSSES`, or a user-supplied loss. A callable compares data with data, in their
        own units; a `Loss` is returned as it is.

    Returns
    -------
    loss : Loss
        With the properties that estimators ask for.

    Raises
    ------
    TypeError
        If ``loss`` is a class, such as ``torch.nn.L1Loss`` in place of ``torch.nn.L1Loss()``.
    ValueError
        If no loss has this name.

    Examples
    --------
    >>> from skae.losses import resolve_loss
    >>> resolve_loss("bce").units
    'logits'
    """
    refuse_class("loss", loss)
    if isinstance(loss, Loss):
        return loss
    if callable(loss):
        # Its author thinks of the data: of grey values, not of standard deviations.
        return Loss(loss, units="data")
    return lookup("loss", loss, LOSSES)


def weighted_mean(values: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Return the mean of values, each multiplied by its weight.

    Parameters
    ----------
    values : Tensor of shape (n_samples,)
        One value for each sample of a batch.
    weights : Tensor of shape (n_samples,) or None
        Weights with a mean of one over the training set. A batch is not divided by the sum of
        its own weights, so that every row counts alike in whichever batch it is.

    Returns
    -------
    mean : Tensor without dimensions
        Of a whole training set it is the weighted mean.

    Examples
    --------
    >>> import torch
    >>> from skae.losses import weighted_mean
    >>> weighted_mean(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 2.0]))
    tensor(3.)
    """
    return torch.mean(values if weights is None else values * weights)


class Target(NamedTuple):
    """What a batch is compared with.

    Attributes
    ----------
    rows : Tensor of shape (n_samples, n_outputs)
        Clean data, standardized.
    labels : Tensor of shape (n_samples, n_labels) or None
        What is to be predicted.
    weights : Tensor of shape (n_samples,) or None
        Sample weights, with a mean of one over the training set.
    """

    rows: torch.Tensor
    labels: torch.Tensor | None = None
    weights: torch.Tensor | None = None

    def repeated(self, n_times: int) -> "Target":
        """Return the target with all rows repeated one after the other."""
        if n_times == 1:
            return self
        labels, weights = (
            None if part is None else torch.cat([part] * n_times)
            for part in (self.labels, self.weights)
        )
        return Target(torch.cat([self.rows] * n_times), labels, weights)


class Criterion(nn.Module):
    """Reconstruction loss of a batch.

    A loss that is a module of its own is registered here: it moves to the device with the
    criterion, follows its training mode, and its parameters are trained.

    Parameters
    ----------
    loss : Loss
    image_shape : tuple of int or None
        (height, width, channels) of the images that rows are.
    data_range : float, default=1.0
        Largest minus smallest value of the data: losses that need images in [0, 1] divide by it.
    observed_only : bool, default=False
        Whether targets may be missing (NaN). The loss is then the mean over observed values.
    """

    def __init__(
        self,
        loss: Loss,
        image_shape: tuple[int, ...] | None = None,
        data_range: float = 1.0,
        *,
        observed_only: bool = False,
    ):
        super().__init__()
        # Losses of users may be negative.
        self.is_builtin = loss in LOSSES.values()
        if isinstance(loss.function, nn.Module):
            # A copy, so that training does not change the user's own module.
            self.module = copy.deepcopy(loss.function)
            loss = dataclasses.replace(loss, function=self.module)
        self.loss = loss
        self.image_shape = image_shape
        self.data_range = data_range
        self.observed_only = observed_only

    def forward(
        self, reconstruction: torch.Tensor, target: Target, standardization: Any
    ) -> torch.Tensor:
        """Return the mean loss of a batch.

        Parameters
        ----------
        reconstruction : Tensor of shape (n_samples, n_outputs)
            Output of a decoder: standardized, or logits.
        target : Target
        standardization : Standardization
            Leads from standardized rows to the data's units, where the loss compares these.

        Returns
        -------
        Tensor of shape ()
        """
        prediction, rows = self._in_units_of_loss(reconstruction, target.rows, standardization)
        if target.weights is None:
            loss = self.loss.mean(prediction, rows)
        else:
            loss = weighted_mean(self.loss.per_sample(prediction, rows), target.weights)
        if not self.observed_only:
            return loss
        # The means above count missing values as zero loss: divided by the fraction that is
        # observed, batches with many of them weigh as much as others.
        missing_fraction = mean_of_batch(target.rows.isnan().to(loss.dtype).mean())
        observed_fraction: torch.Tensor = 1 - missing_fraction
        return loss / observed_fraction.clamp(min=_MIN_OBSERVED_FRACTION)

    def compares_batches(
        self, reconstruction: torch.Tensor, rows: torch.Tensor, standardization: Any
    ) -> bool:
        """Return whether the loss is one number for a batch, whose rows can have no weights."""
        if self.loss.takes_reduction:
            return False
        pair = self._in_units_of_loss(reconstruction, rows, standardization)
        return bool(_checked(self.loss.function(*pair), reconstruction).ndim == 0)

    def per_sample(
        self, reconstruction: torch.Tensor, rows: torch.Tensor, standardization: Any
    ) -> torch.Tensor:
        """Return the loss of each row, a tensor of shape (n_samples,)."""
        return self.loss.per_sample(*self._in_units_of_loss(reconstruction, rows, standardization))

    def _in_units_of_loss(
        self, reconstruction: torch.Tensor, rows: torch.Tensor, standardization: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self.loss.units != "standardized":
            rows = standardization.unstandardize(rows)
            if self.loss.units == "data":
                reconstruction = standardization.to_data(reconstruction)
            if self.loss.needs_images:
                # The constants of SSIM are fractions of the range.
                reconstruction, rows = reconstruction / self.data_range, rows / self.data_range
            reconstruction, rows = self._as_images(reconstruction), self._as_images(rows)
        if not self.observed_only:
            return reconstruction, rows
        # Missing values cost nothing: both sides are set to values without a loss between them.
        is_missing = rows.isnan()
        prediction, wanted = self.loss.zero_at
        return reconstruction.masked_fill(is_missing, prediction), rows.masked_fill(
            is_missing, wanted
        )

    def _as_images(self, rows: torch.Tensor) -> torch.Tensor:
        """Return rows as (n_samples, channels, height, width), where they are images."""
        if self.image_shape is None:
            return rows
        return rows_to_images(rows, self.image_shape)
