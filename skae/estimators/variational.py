"""The variational autoencoder: latent codes with a distribution, from which data are drawn."""

from functools import lru_cache
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from .._engine.data import Sample, TrainingSet
from .._engine.inference import map_rows
from .._sklearn_compat import Interval, StrOptions
from .._typing import MatrixLike, Seed
from ..architectures import DataShape
from ..losses import Criterion, resolve_loss
from ..models.variational import VariationalNetwork
from ._base import NetworkEstimator
from ._blocks import by_blocks
from ._density import draw_codes, fit_density
from ._docs import shared_docs
from ._mixins import AUGMENT_CONSTRAINTS, MISSING_CONSTRAINTS, ROWS_CONSTRAINTS, UnsupervisedMixin
from ._parameters import (
    ArchitectureLike,
    Augment,
    Callbacks,
    Device,
    FilePath,
    ImageShape,
    LossLike,
    NoiseLike,
    OptimizerLike,
)
from ._plan import FitMode, Traits


@shared_docs
class VariationalAutoencoder(UnsupervisedMixin, NetworkEstimator):
    """Autoencoder whose latent codes follow a normal distribution, from which data can be drawn.

    The encoder returns a normal distribution over codes for each sample. Training maximizes a lower
    bound of the data's log-likelihood (the evidence lower bound, ELBO): the log-likelihood of the
    sample given a code drawn from its distribution, minus ``beta`` times the Kullback-Leibler
    divergence of this distribution from the standard normal one. Networks with linear skip
    connections start at probabilistic PCA. Codes have about mean zero and variance one in each
    component. Only training and `sample` draw random numbers: `transform` returns means.

    Parameters
    ----------
    n_components
        Shared with the other estimators, as all entries without a type: see `_docs`.
    beta : float, default=1.0
        Factor of the divergence. One is the bound itself. Larger factors give codes that hold less
        information (Higgins et al., 2017), zero gives nearly an `Autoencoder`. The noise variance
        of ``'mse'`` grows with the factor, which adds to its effect: a factor of ten may lead to
        posterior collapse.
    kl_warmup : int or float in [0, 1], default=0.0
        Number of epochs, or fraction of ``max_iter``, over which the factor rises from zero to
        ``beta``. Validation uses ``beta`` from the start, and training does not stop before.
        `partial_fit` and warm starts skip it.
    loss : {'mse', 'bce'}, default='mse'
        The likelihood. ``'mse'`` is gaussian noise with one variance, which is learned, so that a
        factor common to all of X does not matter. ``'bce'`` is a Bernoulli variable for each
        feature: it needs data in [0, 1], and is a likelihood only if these are zeros and ones.
        Other losses, and :class:`~skae.losses.Loss` objects, are not likelihoods and are refused.
    architecture : {'auto', 'dense', 'conv'} or Architecture, default='auto'
        The networks: a name, or an object of `skae.architectures`: `Dense`, `Conv`, your own
        modules as `Custom` (the encoder, the decoder or both; the missing side is the default one),
        or your own subclass of `Architecture`. ``'auto'`` is convolutional if images are given and
        dense otherwise. The encoder has ``2 * n_components`` outputs: mean and log-variance of each
        component in turn.
    image_shape, missing_values, noise, noise_level, augment, optimizer, learning_rate_init, \
            learning_rate, alpha, batch_size, max_iter, early_stopping, validation_fraction, \
            n_iter_no_change, tol, warm_start, callbacks, checkpoint, device, precision, \
            compile, verbose, random_state
        Shared.

    Attributes
    ----------
    noise_variance_ : float
        Variance of the gaussian likelihood, in the units of X squared: a running mean of the
        squared error of training rows, reconstructed from drawn codes, and at least 1e-6 times the
        variance of the data. Only available if ``loss='mse'``.
    code_density_ : GaussianMixture
        Density of the codes, from which `sample` draws: a mixture of at most 50 normal
        distributions, fitted to codes drawn for the training rows (at most 10,000 of them). Only
        available after `fit`, not after `partial_fit`.
    history_ : list of dict
        What skorch recorded of each epoch. ``train_reconstruction`` and ``valid_reconstruction``
        are means of the negative log-likelihood given a drawn code, ``train_kl`` and ``valid_kl``
        means of the divergence, in nats per sample. ``train_loss`` and ``valid_loss`` are
        (reconstruction + factor * kl) / n_features, plus a constant that keeps them from being
        negative.
    n_components_, n_features_in_, feature_names_in_, image_shape_, sample_shape_, architecture_, \
            network_options_, n_iter_, best_n_iter_, n_samples_seen_, loss_curve_, \
            reconstruction_err_, module_, net_
        Shared.

    See Also
    --------
    Autoencoder : Latent codes without a distribution.
    sklearn.decomposition.PCA : Its `score_samples` is the linear case of this one.

    References
    ----------
    Kingma and Welling (2014). Auto-encoding variational Bayes. ICLR.

    Higgins et al. (2017). beta-VAE: Learning basic visual concepts with a constrained variational
    framework. ICLR.

    Rybkin, Daniilidis and Levine (2021). Simple and effective VAE training with calibrated
    decoders. ICML.

    Ghosh, Sajjadi, Vergari, Black and Schölkopf (2020). From variational to deterministic
    autoencoders. ICLR. (The density from which `sample` draws codes.)

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import VariationalAutoencoder
    >>> images = load_digits().images
    >>> vae = VariationalAutoencoder(8, architecture="dense", max_iter=10, random_state=0)
    >>> vae.fit_transform(images).shape
    (1797, 8)
    >>> vae.sample(3, random_state=0).shape
    (3, 8, 8)
    >>> mean, std = vae.posterior(images)
    >>> bool(std.max() < 1.5)
    True
    """

    _parameter_constraints = {
        **NetworkEstimator._parameter_constraints,
        **ROWS_CONSTRAINTS,
        **AUGMENT_CONSTRAINTS,
        **MISSING_CONSTRAINTS,
        "beta": [Interval(Real, 0, None, closed="left")],
        "kl_warmup": [
            # Integers are epochs and floats fractions of them: 1 is one epoch, 1.0 are all.
            Interval(Integral, 0, None, closed="left"),
            Interval(Real, 0, 1, closed="both"),
        ],
        # Losses with a likelihood, of which the bound is made: Gaussian or Bernoulli.
        "loss": [StrOptions({"mse", "bce"})],
    }

    _streams_rows = True
    # The likelihood is that of all features: along a basis part of the data would be left out.
    _may_use_basis = False

    def __init__(
        self,
        n_components: float | str = 2,
        *,
        beta: float = 1.0,
        kl_warmup: float = 0.0,
        loss: LossLike = "mse",
        architecture: ArchitectureLike = "auto",
        image_shape: ImageShape = None,
        missing_values: str | None = None,
        noise: NoiseLike = None,
        noise_level: float = 0.1,
        augment: Augment = None,
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
        self.n_components = n_components
        self.beta = beta
        self.kl_warmup = kl_warmup
        self.architecture = architecture
        self.image_shape = image_shape
        self.loss = loss
        self.missing_values = missing_values
        self.noise = noise
        self.noise_level = noise_level
        self.augment = augment
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

    def posterior(self, X: MatrixLike) -> tuple[np.ndarray, np.ndarray]:
        """Return the distribution of the latent code of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data; images in a layout that `fit` takes.

        Returns
        -------
        mean, std : ndarray of shape (n_samples, n_components)
            Means, which `transform` returns, and standard deviations.
        """
        mean, std = self._posterior(self._read(X)[0])
        return mean, std

    def sample(self, n_samples: int = 1, random_state: Seed = None) -> np.ndarray:
        """Draw latent codes at random, and decode them.

        Codes are drawn from `code_density_`, the density of the training rows' codes. It differs
        from the standard normal prior, which also covers regions between the data. After
        `partial_fit`, codes are drawn from the prior itself. To do so at any time, pass standard
        normal numbers to `inverse_transform`.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples to draw.
        random_state : int, RandomState instance or None, default=None
            Seed of the codes.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features), or of images
            Means of the likelihood, float64, without the noise of single values. Images if `fit`
            got images.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        generator = check_random_state(random_state)
        density = getattr(self, "code_density_", None)
        codes = draw_codes(density, n_samples, self.n_components_, generator)
        samples: np.ndarray = self.inverse_transform(codes)
        return samples

    @by_blocks
    def score_samples(self, X: MatrixLike, *, n_draws: int = 16) -> np.ndarray:
        """Return a lower bound of each sample's log-likelihood (the ELBO): higher is more normal.

        The bound is the mean log-likelihood of the sample given codes from its distribution, minus
        the divergence with a factor of one, whatever ``beta`` is. The mean is taken over
        ``n_draws`` codes at standard normal deviations from the mean of that distribution.
        Deviations are drawn in pairs of opposite sign and scaled to a variance of one, from a fixed
        seed: they are the same for every sample and every call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data; images in a layout that `fit` takes.
        n_draws : int, default=16
            Number of codes. More are closer to the exact mean, and take longer. An odd number is
            rounded up.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            In nats, float64. With ``loss='mse'`` it bounds the log-density of the sample in the
            units of X, as PCA's `score_samples` does.
        """
        rows, _ = self._read(X)
        check_scalar(n_draws, "n_draws", Integral, min_val=1)
        scores: np.ndarray = map_rows(
            self.module_,
            "evidence_bound",
            rows,
            1,
            *self._evidence_settings(n_draws),
            allow_nan=self._mask_missing,
        )
        return scores[:, 0].astype(np.float64)

    def _evidence_settings(self, n_draws: int = 16) -> tuple[torch.Tensor, Criterion]:
        """Return what the bound of a row is computed by: draws, and the loss."""
        return _draws(n_draws, self.n_components_), self._criterion(resolve_loss(self.loss))

    def _posterior(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        # Side by side: one pass through the encoder has both.
        both = map_rows(
            self.module_,
            "posterior",
            rows,
            2 * self.n_components_,
            allow_nan=self._mask_missing,
        )
        mean, std = np.hsplit(both, 2)
        return mean, std

    def _traits(self) -> Traits:
        return Traits(kl_warmup=self.kl_warmup)

    def _network_options(self) -> dict[str, Any]:
        # Without kl_warmup, which only training needs: a fitted network is rebuilt from these.
        return {"beta": float(self.beta), "mask_missing": self._masks}

    def _build_network(self, shape: DataShape) -> VariationalNetwork:
        # Mean and log-variance of each component.
        encoder = self.architecture_.build_encoder(shape, 2 * self.n_components_)
        decoder = self.architecture_.build_decoder(shape, self.n_components_)
        return VariationalNetwork(
            encoder, decoder, shape.standardization, self.n_components_, **self.network_options_
        )

    def _finish(self, training_set: TrainingSet, sample: Sample, mode: FitMode) -> None:
        super()._finish(training_set, sample, mode)
        network = self.module_
        if not resolve_loss(self.loss).is_probabilistic:
            # The network's is in standardized units.
            scale = network.standardization.scale.item()
            self.noise_variance_ = network.noise_variance.item() * scale**2
        if mode.is_partial:
            # That of earlier rows would not follow the stream, and a batch is too few for another.
            self.__dict__.pop("code_density_", None)
        else:
            self.code_density_ = fit_density(self._posterior, training_set, self.random_state)


# Drawn once for a row after the other: this takes a sixth of the time of a row's bound.
@lru_cache(maxsize=8)
def _draws(n_draws: int, n_components: int) -> torch.Tensor:
    """Return standard normal deviations; they are shared and stay as they are."""
    # A fixed seed: the score of a sample is the same in every call.
    half = np.random.RandomState(0).standard_normal(((n_draws + 1) // 2, n_components))
    # Mean zero by pairs of opposite sign, and here variance one: few draws are then enough.
    half /= np.sqrt(np.mean(half**2, axis=0))
    return torch.from_numpy(np.concatenate([half, -half])).float()
