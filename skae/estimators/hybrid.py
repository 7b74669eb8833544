"""Any reducer with a trained decoder as its inverse."""

import copy
import dataclasses
import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import MetaEstimatorMixin
from sklearn.decomposition import PCA
from sklearn.utils.metadata_routing import MetadataRouter

from .._engine.data import Sample, TrainingSet
from .._engine.inference import record_feature_maps
from .._engine.noise import Corruption
from .._sklearn_compat import StrOptions
from .._typing import MatrixLike, Seed
from ..architectures import DataShape
from ..metrics import reconstruction_error
from ..models.hybrid import DecoderNetwork, DistilledNetwork
from ..networks.standardization import DecodesToData, Standardization
from ..noises import Noise
from ._base import NetworkEstimator
from ._checked import ObjectsWith
from ._docs import shared_docs
from ._inner_reducer import InnerReducerMixin
from ._mixins import MISSING_CONSTRAINTS, ROWS_CONSTRAINTS, ReconstructionMixin
from ._parameters import (
    REFINE_CONSTRAINTS,
    ArchitectureLike,
    Callbacks,
    Device,
    FilePath,
    ImageShape,
    LossLike,
    NoiseLike,
    OptimizerLike,
)
from ._plan import NEW_START
from ._reducer import (
    as_seen_by,
    fit_reducer,
    repeated,
    route_to_reducer,
    take_over_tags,
)


@shared_docs
class HybridAutoencoder(
    MetaEstimatorMixin, InnerReducerMixin, ReconstructionMixin, NetworkEstimator
):
    """Any reducer, with a trained decoder as its inverse.

    The latent codes are those of PCA, UMAP or any estimator with ``transform``; a network learns to
    decode them. A linear skip connection around its hidden layers starts at the least-squares map
    from codes to data, which for PCA is its own inverse.

    With ``distill=True`` an encoder is trained as well, to return the reducer's codes. It then
    computes ``transform``: fast, the same for a row whatever the other rows are, and without the
    reducer.

    Parameters
    ----------
    n_components : int, float in (0, 1) or 'auto', default=2
        Size of the latent code of the default reducer. A given `reducer` determines its own.
    reducer : estimator with `fit` and `transform`, default=None
        Computes the codes. A clone is fitted; a :class:`~sklearn.frozen.FrozenEstimator` stays as
        it is. If None, it is ``PCA(n_components)``.
    distill : bool, default=False
        Whether to train an encoder to return the reducer's codes, in the reducer's place.
    architecture, image_shape, loss, missing_values, refine_steps, noise, noise_level, \
            optimizer, learning_rate_init, learning_rate, alpha, batch_size, max_iter, \
            early_stopping, validation_fraction, n_iter_no_change, tol, warm_start, callbacks, \
            checkpoint, device, precision, compile, verbose, random_state
        Shared with the other estimators, as all entries without a type: see `_docs`.

    Attributes
    ----------
    reducer_ : estimator
        The fitted reducer. Not available after `without_reducer`.
    code_rotation_, code_shift_ : ndarray
        What turns the reducer's codes, ``codes @ code_rotation_ + code_shift_``. Only after `fit`
        with ``align_to``.
    reconstruction_err_ : float
        Mean squared error of the reconstruction of (at most 20,000) training rows.
    module_ : torch.nn.Module
        The trained network. Called on a tensor of codes, it returns their reconstruction in the
        units of X. If ``distill=True`` it is called on rows in the units of X, and has ``encode``
        and ``decode``.
    n_components_, n_features_in_, feature_names_in_, image_shape_, sample_shape_, architecture_, \
            network_options_, n_iter_, best_n_iter_, n_samples_seen_, loss_curve_, history_, net_
        Shared.

    See Also
    --------
    skae.Autoencoder : Learns code and decoder together.

    Notes
    -----
    With ``missing_values='mask'`` a given reducer gets NaN as it is; the default one gets means in
    its place.

    The input of the network, which `noise` corrupts, are the codes, or X if ``distill=True``. A
    `Custom` decoder gets codes in their own units. The loss of the encoder is the squared distance
    of its codes from the reducer's; `loss` is that of the decoder. With ``distill=True``,
    `history_` has both, as ``train_distillation`` and ``train_reconstruction``. `warm_start` keeps
    the reducer. `random_state` also seeds the default reducer; a given one has its own seed.

    The reducer gets ``sample_weight`` if its ``fit`` takes it. `PCA` and `TruncatedSVD` are fitted
    to rows with the weighted moments. Any other reducer that cannot honor weights is an error.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae import HybridAutoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> pca = PCA(8).fit(X)
    >>> hybrid = HybridAutoencoder(reducer=PCA(8), max_iter=10, random_state=0).fit(X)
    >>> codes = hybrid.transform(X)
    >>> error = ((hybrid.inverse_transform(codes) - X) ** 2).mean()
    >>> bool(error < 0.8 * ((pca.inverse_transform(codes) - X) ** 2).mean())
    True
    """

    _parameter_constraints = {
        **NetworkEstimator._parameter_constraints,
        **ROWS_CONSTRAINTS,
        **REFINE_CONSTRAINTS,
        "reducer": [ObjectsWith(["fit", "transform"]), StrOptions({"removed"}), None],
        "distill": ["boolean"],
        **MISSING_CONSTRAINTS,
    }

    def __init__(
        self,
        n_components: float | str = 2,
        *,
        reducer: Any = None,
        distill: bool = False,
        refine_steps: int = 0,
        architecture: ArchitectureLike = "auto",
        image_shape: ImageShape = None,
        loss: LossLike = "mse",
        missing_values: str | None = None,
        noise: NoiseLike = None,
        noise_level: float = 0.1,
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
        self.reducer = reducer
        self.distill = distill
        self.refine_steps = refine_steps
        self.architecture = architecture
        self.image_shape = image_shape
        self.loss = loss
        self.missing_values = missing_values
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
        align_to: Any = None,
    ) -> Self:
        """Fit the reducer to X and train the network on its codes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            Training data. Images have shape (n_samples, height, width) or (n_samples, height,
            width, n_channels); the reducer gets them as rows.
        y : array-like of shape (n_samples,), default=None
            Passed on to the reducer. The network does not use it.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts. If None, all count the same.
        X_target : array-like of the shape of X, default=None
            The target of the reconstruction, such as clean data for noisy X. If None, it is X.
        align_to : fitted estimator with `transform`, default=None
            An earlier hybrid or reducer whose coordinates the codes are to have: the reducer's
            codes are turned to its codes of X by the best rotation (orthogonal Procrustes). If
            None, they stay as they are.

        Returns
        -------
        self : HybridAutoencoder
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data, a parameter or what the reducer returns cannot be used, or if the reducer
            cannot honor the weights; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight, X_target, align_to=align_to)

    def partial_fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: MatrixLike | None = None,
    ) -> Self:
        """Continue training the network with one pass over a batch of data.

        A call may hold a single row. Without a `fit` before, training starts anew from all rows
        so far each time their number has doubled, until 500 have come: fewer determine neither
        scale nor principal directions. Later calls take one step for each 64 rows and keep the
        mean of the weights over the last calls. The learning rate is constant: half of
        ``learning_rate_init``, or all of it with ``learning_rate='constant'``, times the root of
        the fraction of 64 that a smaller batch has. No rows are held out.

        Center and scale follow the data, and the network computes the same in the new
        units. Convolutions follow only the scale, user-supplied modules and networks that see
        principal directions follow neither.

        This holds for the default reducer, which is fitted at each of these starts. A reducer that
        is given is fitted only by the first call, whose rows also set the start of the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The batch, as in `fit`.
        y : array-like of shape (n_samples,), default=None
            Passed on to the reducer in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts. If None, all count the same.
        X_target : array-like of the shape of X, default=None
            The target of the reconstruction. If None, it is X.

        Returns
        -------
        self : HybridAutoencoder
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As for `fit`; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight, X_target, partial=True)

    def without_reducer(self) -> Self:
        """Return a copy without the reducer, for files that are smaller or do not depend on UMAP.

        The trained encoder of ``distill=True`` replaces it in all but further training. The copy
        has ``reducer='removed'``, and shares the network with this estimator.

        Returns
        -------
        hybrid : HybridAutoencoder
            Works with ``pickle`` and `skae.save`, whatever the reducer was.

        Raises
        ------
        ValueError
            If the reducer computes the codes (``distill=False``).
        """
        options = getattr(self, "network_options_", {"distill": self.distill})
        if not options["distill"]:
            raise ValueError(
                "HybridAutoencoder(distill=False) encodes by its reducer and does not work "
                "without it: fit it with distill=True first."
            )
        copied = copy.copy(self)
        copied.reducer = "removed"
        copied.__dict__.pop("reducer_", None)
        return copied

    def _for_inference(self) -> Self:
        copied: Self = super()._for_inference()
        is_replaced = hasattr(self, "module_") and self._is_distilled
        return copied.without_reducer() if is_replaced else copied

    # The reducer gets it.
    _advice_on_y = (
        "The decoder does not see it: what is to be reconstructed in place of X, such as clean "
        "data, belongs in X_target."
    )

    # -- the reducer -----------------------------------------------------------------------

    def _prepare_training_set(
        self,
        training_set: TrainingSet,
        run: Any,
        X: Any,
        y: Any,
        align_to: Any = None,
        **params: Any,
    ) -> TrainingSet:
        # A reducer that is fitted already stays: partial_fit and warm starts train the network on.
        rows, reducer = training_set.X, self._given_reducer()
        if run.mode == NEW_START:
            X = self._named(rows)  # the caller's X holds the last of these rows
        if not run.mode.continues:
            seen, weights = as_seen_by(reducer, rows, X), training_set.weights
            if self.reducer is None and run.mode.is_partial:
                y = None  # it needs none
                seen, weights = repeated(seen, weights, int(self.n_components))
            # PCA divides by the variance of rows that may be one.
            with np.errstate(invalid="ignore"):
                self.reducer_ = fit_reducer(
                    reducer,
                    seen,
                    y,
                    weights,
                    owner=self,
                    parameter="reducer",
                    caller="partial_fit" if run.mode.is_partial else "fit",
                    **params,
                )
        if align_to is not None:
            self._align(align_to, training_set, X)
        codes = self._reduce(rows, X)
        # A given reducer determines the size of its codes.
        self.n_components_ = codes.shape[1]
        default = HybridAutoencoder().n_components
        if self.reducer is not None and self.n_components not in (default, self.n_components_):
            warnings.warn(
                f"n_components={self.n_components} has no effect: reducer={reducer!r} is given and "
                f"returns codes of {self.n_components_}. Set the size there.",
                UserWarning,
                stacklevel=4,
            )
        if self._is_distilled:
            # The codes are a target of the encoder; otherwise they are the input of the network.
            return training_set._replace(labels=codes)
        return TrainingSet(codes, training_set.rows, weights=training_set.weights)

    def _encode(self, rows: Any, X: Any = None) -> Any:
        # The reducer gets X itself: it may need a frame.
        if self._is_distilled:
            return super()._encode(rows)
        return self._refined(self._reduce(rows, X), rows)

    def _reconstruct(self, rows: Any, X: Any = None) -> Any:
        if self._is_distilled:
            return super()._reconstruct(rows)
        return self._decode(self._encode(rows, X))

    def _record_feature_maps(self, rows: Any, X: Any) -> dict[str, np.ndarray]:
        if self._is_distilled:
            return super()._record_feature_maps(rows, X)
        # Only the decoder has convolutions.
        codes = self._encode(rows, X)
        maps: dict[str, np.ndarray] = record_feature_maps(
            self.module_, "decode", codes, self.n_features_in_
        )
        return maps

    # -- the network -----------------------------------------------------------------------

    @property
    def _is_distilled(self) -> bool:
        return bool(self.network_options_["distill"])

    @property
    def _trains_on_rows(self) -> bool:
        return self._is_distilled

    def _network_options(self) -> dict[str, Any]:
        return {"distill": bool(self.distill), "mask_missing": self._masks}

    def _build_network(self, shape: DataShape) -> DecoderNetwork:
        decoder = self.architecture_.build_decoder(shape, self.n_components_)
        # Codes in their own units for user-supplied modules that work on data in theirs.
        rest = (decoder, shape.standardization, self.n_components_)
        sees_units = not self.architecture_.standardizes_input or isinstance(decoder, DecodesToData)
        options = {"standardize_codes": not sees_units}
        if not self._is_distilled:
            return DecoderNetwork(*rest, **options)
        encoder = self.architecture_.build_encoder(shape, self.n_components_)
        return DistilledNetwork(encoder, *rest, mask_missing=self._mask_missing, **options)

    def _corruption(
        self, noise: Noise | None, standardization: Standardization, sample: Sample
    ) -> Corruption | None:
        corruption = super()._corruption(noise, standardization, sample)
        if corruption is None or self._is_distilled:
            return corruption
        # The corrupted input is a batch of codes, even if the data are images or miss values.
        return dataclasses.replace(corruption, image_shape=None, hidden=0.0)

    def _measure(self, sample: Sample, dtype: Any) -> float:
        if self._is_distilled:
            return super()._measure(sample, dtype)
        return reconstruction_error(sample.rows, self._decode(sample.X.astype(dtype)))

    def get_metadata_routing(self) -> MetadataRouter:
        """Get the metadata routing of this object.

        See the :ref:`User Guide <metadata_routing>` of scikit-learn.

        Returns
        -------
        routing : MetadataRouter
            With the requests of the reducer.
        """
        # Without a reducer nothing requests metadata.
        reducer = None if isinstance(self.reducer, str) else self.reducer
        return route_to_reducer(self, callers=("fit", "partial_fit"), reducer=reducer)

    def __sklearn_tags__(self) -> Any:
        # Not a name, nor None: then the tags are those of the default reducer.
        is_given = hasattr(self.reducer, "fit")
        return take_over_tags(super().__sklearn_tags__(), self.reducer if is_given else PCA())
