"""The denoiser: a transformer from noisy data to clean data of the same shape."""

import dataclasses
import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted

from .._engine.data import Sample, TrainingSet
from .._engine.noise import Corruption
from .._sklearn_compat import HasMethods, StrOptions, get_output_config
from .._typing import MatrixLike, Seed
from ..architectures import (
    ARCHITECTURES,
    CODELESS_ARCHITECTURES,
    Architecture,
    DataShape,
    UNet,
    resolve_architecture,
)
from ..models.autoencoder import AutoencoderNetwork, Network
from ..models.denoiser import DenoisingNetwork
from ..networks.standardization import Standardization
from ..noises import Noise
from ._base import NetworkEstimator
from ._blocks import by_blocks
from ._docs import shared_docs
from ._input import check_layout, read_rows
from ._mixins import ROWS_CONSTRAINTS, RowTransformerMixin
from ._parameters import (
    ArchitectureLike,
    Callbacks,
    Device,
    FilePath,
    ImageShape,
    LossLike,
    NoiseLike,
    OptimizerLike,
)
from ._plan import FitMode, Traits

# Gaussian noise below this fraction of the data's standard deviation (40 dB) is hardly meant:
# the level is likely that of pixels in [0, 1], and X holds other units.
_MIN_RELATIVE_LEVEL = 0.01
# A U-Net's batch has about this many pixels, within numbers of images. All places of an image
# share weights, so that each is many samples, and the number of updates is what counts: batches of
# 32, 8 and 4 images reach 26.9, 28.0 and 28.2 dB on brain scans of 64×64 pixels in six epochs,
# and 29.1, 31.1 and 32.5 dB on color patches of 32×32 in four.
_UNET_BATCH_PIXELS, _UNET_BATCH_ROWS = 4096, (4, 16)
# Updates of a U-Net in all, within which there are half as many as images: noise is new in each.
_UNET_UPDATES = (6000, 12_000)
# New noise in each epoch regularizes enough: with the weight decay of other estimators a U-Net has
# 0.4 dB less on MNIST, dense layers 0.1 dB less on digits.
_DECAY_FACTOR = 0.01


@shared_docs
class Denoiser(OneToOneFeatureMixin, RowTransformerMixin, NetworkEstimator):
    """Removal of noise: a transformer from noisy data to clean data of the same shape.

    `fit` takes clean data and adds noise of a known kind to them, anew in every epoch; or it takes
    pairs of noisy and clean data. `transform` returns X without its noise: names out are names in,
    images stay images, so that it stands before other steps of a Pipeline. The network predicts
    the noise and not the data; training starts where X is returned as it is. Images are denoised
    by a U-Net, rows by dense layers.

    Parameters
    ----------
    architecture : {'auto', 'unet', 'dense', 'conv'} or Architecture, default='auto'
        The network: a name, or an object of `skae.architectures`. ``'auto'`` is a
        :class:`~skae.architectures.UNet` if images are given and
        :class:`~skae.architectures.Dense` layers otherwise. With `n_components` it is an encoder
        and a decoder, as in :class:`~skae.Autoencoder`: ``'conv'`` if images are given and
        ``'dense'`` otherwise; `Custom` modules and your own subclasses of
        :class:`~skae.architectures.Architecture` work too.
    n_components : int, float in (0, 1), 'auto' or None, default=None
        Size of the latent code between encoder and decoder, as in :class:`~skae.Autoencoder`. If
        None, there is no code, which ``'unet'`` and ``'dense'`` do without and others need. A code
        removes noise because it is small: also detail, so that it pays only where clean data have
        few degrees of freedom.
    image_shape
        Shared with the other estimators, as all entries without a type: see `_docs`.
    loss
        Shared.
    noise : {'gaussian', 'masking', 'salt_pepper'}, Noise, callable or None, default='gaussian'
        Noise that is added to X in training: ``'gaussian'`` is normal, ``'masking'`` sets values
        to zero, ``'salt_pepper'`` to the smallest or largest value of the feature (of all pixels,
        for images). A callable gets a batch in the units of the data, rows or images of shape
        (n_samples, n_channels, height, width), and returns its noisy version. A
        :class:`~skae.noises.Noise` gets the level, too. It is not added where `fit` gets
        `X_target`, since X is noisy then. None needs `X_target`.
    noise_level : float or (float, float), default=0.1
        Standard deviation of gaussian noise, in the units of X: 0.1 is a tenth of the range of
        pixels in [0, 1]. (In the other estimators it is in units of the data's overall standard
        deviation.) The fraction of values that masking and salt-and-pepper noise change. Two
        numbers are the ends of a range, from which each sample draws its own level: one model for
        several levels. The level given to a `Noise` is then a tensor that broadcasts with the
        batch.
    optimizer, learning_rate_init, learning_rate, alpha, batch_size, max_iter, early_stopping, \
            validation_fraction, n_iter_no_change, tol, warm_start, callbacks, checkpoint, device, \
            precision, compile, verbose, random_state
        Shared.

    Attributes
    ----------
    n_components_ : int or None
        Size of the latent code; None without a code.
    module_ : torch.nn.Module
        The trained network. Called on a tensor of rows, in the units of X, it returns them without
        their noise.
    n_features_in_, feature_names_in_, image_shape_, sample_shape_, architecture_, \
            network_options_, n_iter_, best_n_iter_, n_samples_seen_, loss_curve_, history_, net_
        Shared.

    See Also
    --------
    Autoencoder : With ``noise=``, codes that noise changes little.
    sklearn.decomposition.PCA : Denoising by leaving out the last components.

    Notes
    -----
    The loss of held-out rows has the same noise in each epoch. A U-Net shares its weights among
    all places of an image: ``batch_size='auto'`` is 4,096 pixels then, but 4 to 16 images, and
    ``max_iter='auto'`` aims at 6,000 to 12,000 updates. ``alpha='auto'`` is a hundredth of
    that of the other estimators, since noise regularizes as well.

    References
    ----------
    Zhang, Zuo, Chen, Meng and Zhang (2017). Beyond a Gaussian denoiser: residual learning of deep
    CNN for image denoising. IEEE Transactions on Image Processing 26(7).

    Ronneberger, Fischer and Brox (2015). U-Net: convolutional networks for biomedical image
    segmentation. MICCAI.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skae import Denoiser
    >>> images = load_digits().images / 16
    >>> noisy = images + np.random.default_rng(0).normal(0, 0.2, images.shape)
    >>> denoiser = Denoiser(noise_level=0.2, max_iter=5, random_state=0).fit(images[:1400])
    >>> cleaned = denoiser.transform(noisy[1400:])
    >>> cleaned.shape
    (397, 8, 8)
    >>> error, error_before = (np.mean((X - images[1400:]) ** 2) for X in (cleaned, noisy[1400:]))
    >>> bool(error < 0.6 * error_before)
    True

    Before another step, for rows of pixels; one model for noise from 0.1 to 0.3:

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> denoiser = Denoiser(noise_level=(0.1, 0.3), image_shape=(8, 8), max_iter=2)
    >>> pipeline = make_pipeline(denoiser, LogisticRegression(max_iter=1000))
    >>> X, y = images.reshape(-1, 64), load_digits().target
    >>> pipeline.fit(X, y).predict(noisy.reshape(-1, 64)).shape
    (1797,)
    """

    _parameter_constraints = {
        **NetworkEstimator._parameter_constraints,
        **ROWS_CONSTRAINTS,
        "n_components": [*NetworkEstimator._parameter_constraints["n_components"], None],
        "noise_level": [*NetworkEstimator._parameter_constraints["noise_level"], tuple, list],
        "architecture": [
            StrOptions({"auto", *ARCHITECTURES, *CODELESS_ARCHITECTURES}),
            HasMethods(["build_encoder", "build_decoder"]),
        ],
    }

    _streams_rows = True

    # Noise is defined by features.
    _may_use_basis = False
    _start = "the noisy data as they are"

    def __init__(
        self,
        architecture: ArchitectureLike = "auto",
        *,
        n_components: float | str | None = None,
        image_shape: ImageShape = None,
        loss: LossLike = "mse",
        noise: NoiseLike = "gaussian",
        noise_level: float | Sequence[float] = 0.1,
        optimizer: OptimizerLike = "adamw",
        learning_rate_init: float = 0.006,
        learning_rate: str = "one_cycle",
        alpha: float | str = "auto",
        batch_size: int | str = "auto",
        max_iter: int | str = "auto",
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        callbacks: Callbacks = None,
        checkpoint: FilePath = None,
        device: Device = "auto",
        precision: str = "auto",
        compile: bool = False,
        verbose: int = 0,
        random_state: Seed = None,
    ) -> None:
        self.architecture = architecture
        self.n_components = n_components
        self.image_shape = image_shape
        self.loss = loss
        self.noise = noise
        self.noise_level = noise_level
        self.optimizer = optimizer
        self.learning_rate_init = learning_rate_init
        self.learning_rate = learning_rate
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.device = device
        self.precision = precision
        self.compile = compile
        self.verbose = verbose
        self.random_state = random_state

    def fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: MatrixLike | None = None,
    ) -> Self:
        """Learn to remove noise.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            Clean data, to which noise is added in training; or noisy data if `X_target` is given.
            Images have shape (n_samples, height, width) or (n_samples, height, width,
            n_channels).
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts. If None, all count the same.
        X_target : array-like of the shape of X, default=None
            Clean data for noisy X. If None, X is clean.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight, X_target)

    @by_blocks
    def transform(self, X: MatrixLike) -> Any:
        """Remove the noise of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            Noisy data; images in a layout that `fit` takes.

        Returns
        -------
        X_clean : {ndarray, DataFrame} of the shape of X
            The data without their noise. Images come back as images, but as rows of pixels if
            `set_output` asks for frames.
        """
        check_is_fitted(self)
        rows, layout = read_rows(self, X, reset=False, check_finite=False)
        check_layout(layout, self._image_shape)
        clean = self._reconstruct(rows, X)
        # A frame holds only rows.
        is_array = get_output_config("transform", self)["dense"] == "default"
        return clean.reshape(-1, *layout) if layout is not None and is_array else clean

    def _validate_params(self) -> None:
        super()._validate_params()
        # The constraints know types, not what a tuple holds.
        if isinstance(self.noise_level, (tuple, list)) and not _is_range(self.noise_level):
            raise ValueError(
                "noise_level must be a number of at least 0, or the two ends of a range (low, "
                f"high) of such numbers, got {self.noise_level!r}."
            )

    def _read_training_set(self, X, y, sample_weight, X_target, run):
        if run.noise is None and X_target is None:
            raise ValueError(
                "noise=None adds nothing to X, so that there is nothing to remove: give clean "
                "data as X_target, or choose a noise such as 'gaussian'."
            )
        return super()._read_training_set(X, y, sample_weight, X_target, run)

    def _set_shapes(self, sample_shape, image_shape):
        super()._set_shapes(sample_shape, image_shape)
        if self.n_components is None:
            # Set all the same: without the attribute PCA would determine a size, see `_set_size`.
            self.n_components_ = None

    def _traits(self) -> Traits:
        # Noise is new in each epoch: few rows are not soon learned by heart.
        traits = Traits(learns_targets=True, decay_factor=_DECAY_FACTOR)
        if not isinstance(self.architecture_, UNet):
            return traits
        height, width, _ = self.image_shape_
        fewest, most = _UNET_BATCH_ROWS
        batch_rows = min(max(_UNET_BATCH_PIXELS // (height * width), fewest), most)
        return traits._replace(batch_rows=batch_rows, n_updates=_UNET_UPDATES)

    def _resolve_architecture(self, shape: DataShape) -> Architecture:
        architecture = self.architecture
        if self.n_components is not None:
            return resolve_architecture(architecture, shape)
        if isinstance(architecture, str) and architecture == "auto":
            architecture = "dense" if shape.image_shape is None else "unet"
        resolved = resolve_architecture(architecture, shape)
        # Without a code the network predicts the noise, for which Custom and Conv have no module.
        if not hasattr(resolved, "build_residual"):
            raise ValueError(
                f"n_components must be given with architecture={self.architecture!r}, whose "
                "encoder and decoder need a code between them, got None. 'unet' and 'dense' need "
                "none."
            )
        return resolved

    def _build_network(self, shape: DataShape) -> Network:
        if self.n_components_ is None:
            residual = self.architecture_.build_residual(shape)
            return DenoisingNetwork(residual, shape.standardization)
        encoder = self.architecture_.build_encoder(shape, self.n_components_)
        decoder = self.architecture_.build_decoder(shape, self.n_components_)
        return AutoencoderNetwork(encoder, decoder, shape.standardization)

    def _train(self, training_set, run):
        # Pairs show their own noise.
        noise = run.noise if training_set.X_target is None else None
        return super()._train(training_set, run._replace(noise=noise))

    def _corruption(
        self, noise: Noise | None, standardization: Standardization, sample: Sample
    ) -> Corruption | None:
        if noise is not None and self.noise == "gaussian":
            # The noise of data is known in their units, not in standard deviations.
            noise = dataclasses.replace(noise, units="data")
            _warn_of_little_noise(self.noise_level, standardization.scale.item())
        return super()._corruption(noise, standardization, sample)

    def _finish(self, training_set: TrainingSet, sample: Sample, mode: FitMode) -> None:
        """Leave the error to `history_`: that of clean rows would say nothing of noise."""


def _is_range(levels: Sequence[Any]) -> bool:
    is_pair = len(levels) == 2 and all(isinstance(level, Real) for level in levels)
    return is_pair and 0 <= levels[0] <= levels[1] < np.inf


def _warn_of_little_noise(noise_level: float | Sequence[float], scale: float) -> None:
    if 0 < np.max(noise_level) < _MIN_RELATIVE_LEVEL * scale:
        warnings.warn(
            f"noise_level={noise_level} is a standard deviation in the units of X, whose own is "
            f"{scale:.3g}, so that hardly any noise is added: give the level in these units.",
            UserWarning,
            stacklevel=2,
        )
