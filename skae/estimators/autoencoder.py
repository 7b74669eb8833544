"""The autoencoder: a transformer that is used like PCA."""

import math
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from .._engine.data import Sample, TrainingSet
from .._typing import MatrixLike, Seed
from ..architectures import DataShape
from ..models.autoencoder import AutoencoderNetwork
from ._alignment import Alignment
from ._base import NetworkEstimator
from ._docs import shared_docs
from ._mixins import AUGMENT_CONSTRAINTS, MISSING_CONSTRAINTS, ROWS_CONSTRAINTS, UnsupervisedMixin
from ._parameters import (
    CYCLE_CONSTRAINTS,
    REFINE_CONSTRAINTS,
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
from ._plan import FIT, FitMode, Traits, size_for_pca

# Rows on which the variance of each component is measured: all are decoded once per component.
_MEASURED_ROWS = 2000


@shared_docs
class Autoencoder(UnsupervisedMixin, NetworkEstimator):
    """Nonlinear dimensionality reduction by a network that reconstructs its input.

    An encoder maps each sample to a latent code of ``n_components`` numbers, and a decoder maps
    the code back. A linear skip connection around the hidden layers starts at PCA's solution, so
    that training begins where PCA ends. Data are centered and divided by one global scale, as PCA
    has it: a factor common to all columns changes nothing, and columns of different units need a
    :class:`~sklearn.preprocessing.StandardScaler` before. `fit` ends with the mean of the weights
    over the last steps, which is better than the weights after any single step.

    Parameters
    ----------
    n_components
        Shared with the other estimators, as all entries without a type: see `_docs`.
    ordered : bool, default=False
        Whether to order the components by importance, as PCA does: the first k components decode
        nearly as well as a code of size k would, so that one fit serves for every size.
        ``inverse_transform(codes[:, :k])`` decodes them; so does a code with zeros in place of the
        others. Training decodes only the first components of each code, a random number of them
        (nested dropout; Rippel et al., 2014), twice at each step. ``max_iter='auto'`` then allows
        three times the epochs, and as many more without improvement, and ``alpha='auto'`` is half
        as large. The decoder gets ``2 * n_components`` numbers: the code, and ones and zeros that
        indicate which components are present. If `n_components` is a fraction, codes have the
        smallest number of components whose own `explained_variance_ratio_` reaches it: at most
        as many as PCA needs, of which the others are trained and left out. On digits, MNIST and
        Fashion-MNIST the first k of 8 components have at most about 1.15 times the error of a code
        of size k.
    cycle_weight, architecture, image_shape, loss, missing_values, refine_steps, noise, \
            noise_level, augment, optimizer, learning_rate_init, learning_rate, alpha, \
            batch_size, max_iter, early_stopping, validation_fraction, n_iter_no_change, tol, \
            warm_start, callbacks, checkpoint, device, precision, compile, verbose, \
            random_state
        Shared.

    Attributes
    ----------
    explained_variance_ratio_ : ndarray of shape (n_components,)
        Fraction of the variance that each component adds to what the previous ones explain, on the
        training rows (at most 2,000 of them). Only available if ``ordered=True``.
    n_components_, n_features_in_, feature_names_in_, image_shape_, sample_shape_, architecture_, \
            network_options_, n_iter_, best_n_iter_, n_samples_seen_, loss_curve_, history_, \
            reconstruction_err_, module_, net_
        Shared.

    See Also
    --------
    VariationalAutoencoder : Latent codes with a distribution, from which data can be drawn.
    HybridAutoencoder : A trained decoder for the codes of another reducer.
    sklearn.decomposition.PCA : The best linear code.

    Notes
    -----
    Codes and reconstructions are computed in the dtype of X: float64 gives float64, float32 and
    uint8 give float32.

    A dense network that reconstructs rows of 100 to 1,200 features by squared error sees and
    returns coordinates along their leading principal directions: a quarter of all directions, or
    more until the others hold at most a tenth of the variance that PCA's code of the same size
    leaves. `fit` does so if these are at most half of the directions and there are two rows or more
    for each feature, without noise, augmentation or missing values. Recorded losses are then those
    along these directions.

    With up to 1,000 rows, a sample weight of two is exactly the same as giving the row twice; with
    more rows, weights multiply the loss.

    References
    ----------
    Hinton and Salakhutdinov (2006). Reducing the dimensionality of data with neural networks.
    Science 313.

    Polyak and Juditsky (1992). Acceleration of stochastic approximation by averaging. SIAM Journal
    on Control and Optimization 30(4).

    Rippel, Gelbart and Adams (2014). Learning ordered representations with nested dropout. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(8, max_iter=10, random_state=0)
    >>> codes = autoencoder.fit_transform(X)
    >>> codes.shape
    (1797, 8)
    >>> autoencoder.inverse_transform(codes).shape
    (1797, 64)

    Half of the pixels are missing and get imputed:

    >>> rng = np.random.default_rng(0)
    >>> X_missing = np.where(rng.random(X.shape) < 0.5, np.nan, X)
    >>> autoencoder = Autoencoder(8, missing_values="mask", max_iter=20, random_state=0)
    >>> X_imputed = autoencoder.fit(X_missing).impute(X_missing)
    >>> bool(np.mean((X_imputed - X)[np.isnan(X_missing)] ** 2) < 0.5 * X.var(axis=0).mean())
    True
    """

    # Of rows: `SequencePredictor` has neither images as a parameter nor augmentation.
    _parameter_constraints = {
        **NetworkEstimator._parameter_constraints,
        **ROWS_CONSTRAINTS,
        **REFINE_CONSTRAINTS,
        **AUGMENT_CONSTRAINTS,
        **CYCLE_CONSTRAINTS,
        "ordered": ["boolean"],
        **MISSING_CONSTRAINTS,
    }

    _streams_rows = True

    def __init__(
        self,
        n_components: float | str = 2,
        *,
        ordered: bool = False,
        cycle_weight: float = 0.0,
        architecture: ArchitectureLike = "auto",
        image_shape: ImageShape = None,
        loss: LossLike = "mse",
        missing_values: str | None = None,
        refine_steps: int = 0,
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
        self.ordered = ordered
        self.cycle_weight = cycle_weight
        self.architecture = architecture
        self.image_shape = image_shape
        self.loss = loss
        self.missing_values = missing_values
        self.refine_steps = refine_steps
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

    def fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: MatrixLike | None = None,
        align_to: Any = None,
    ) -> Self:
        """Train encoder and decoder on X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            Training data. Images have shape (n_samples, height, width) or (n_samples, height,
            width, n_channels). uint8 and memmaps are converted a batch at a time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts. If None, all count the same.
        X_target : array-like of the shape of X, default=None
            The target of the reconstruction, such as clean data for noisy X. If None, it is X.
        align_to : fitted estimator with `transform`, default=None
            An earlier reducer whose coordinates the codes are to have. Codes are turned to its
            codes of X by the best rotation (orthogonal Procrustes), before training and after, and
            a term of the loss draws them there in between. If None, axes are those of PCA, which
            change with the data.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or a parameter cannot be used; the estimator stays as it was.
        """
        alignment = None if align_to is None else Alignment(align_to)
        fitted: Self = self._fit(X, y, sample_weight, X_target, alignment=alignment)
        return fitted

    def _find_whole_batch_term(self) -> str | None:
        compares = "cycle_weight compares the codes of a batch with each other, expected 0"
        return compares if self.cycle_weight else None

    def _traits(self) -> Traits:
        return Traits(ordered=self.network_options_["ordered"])

    def _network_options(self) -> dict[str, Any]:
        options = {
            "ordered": bool(self.ordered),
            "mask_missing": self._masks,
            "cycle_weight": float(self.cycle_weight),
        }
        # Of the network that a warm start continues with; another fit has dropped it by now.
        earlier = getattr(self, "network_options_", {})
        return options | {name: earlier[name] for name in earlier if name == "n_left_out"}

    def _build_network(self, shape: DataShape) -> AutoencoderNetwork:
        n_components = self.n_components_ + self.network_options_.get("n_left_out", 0)
        encoder = self.architecture_.build_encoder(shape, n_components)
        # With ordered components, the decoder also gets which components are present.
        n_inputs = (2 if self.network_options_["ordered"] else 1) * n_components
        decoder = self.architecture_.build_decoder(shape, n_inputs)
        # The options are those of `fit`: parameters may have been set since.
        return AutoencoderNetwork(encoder, decoder, shape.standardization, **self.network_options_)

    def _finish(self, training_set: TrainingSet, sample: Sample, mode: FitMode) -> None:
        if self.network_options_["ordered"]:
            self.explained_variance_ratio_ = self._added_fractions(sample)
            if mode == FIT and not isinstance(self.n_components, Integral):
                self._leave_out(size_for_pca(self.n_components))
        super()._finish(training_set, sample, mode)

    def _leave_out(self, fraction: float) -> None:
        """Leave out the last components if those before explain the fraction already."""
        reached = np.cumsum(self.explained_variance_ratio_) >= fraction
        # The components behind the first one at which the fraction is reached.
        n_left_out = len(reached) - int(np.argmax(reached)) - 1 if reached.any() else 0
        if n_left_out:
            # Not in place: shallow copies of the estimator share the dict.
            self.network_options_ = {**self.network_options_, "n_left_out": n_left_out}
            self.module_.leave_out(n_left_out)
            self.n_components_ -= n_left_out
            self.explained_variance_ratio_ = self.explained_variance_ratio_[: self.n_components_]

    def _added_fractions(self, sample: Sample) -> np.ndarray:
        """Return the fraction of the variance that each component adds."""
        # Spread over the sample, whose rows may be sorted.
        step = math.ceil(len(sample.X) / _MEASURED_ROWS)
        codes, rows = self._encode(sample.X[::step]), np.ma.masked_invalid(sample.rows[::step])
        # Fractions of components that add nothing may be slightly negative.
        left = [np.mean((rows - rows.mean(axis=0)) ** 2)]
        # The error with the first k components, as in PCA's cumulative variance.
        for k in range(self.n_components_):
            # Zeros stand for absent components, as in training.
            first = np.where(np.arange(self.n_components_) <= k, codes, 0)
            left.append(np.mean((rows - self._decode(first)) ** 2))
        fractions: np.ndarray = -np.diff(left) / (left[0] or 1.0)
        return fractions
