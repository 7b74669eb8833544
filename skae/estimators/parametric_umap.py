"""UMAP's objective, with an encoder for new rows and a decoder as its inverse."""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Self

from numpy.typing import ArrayLike

from .._engine.data import Sample, TrainingSet
from .._sklearn_compat import Interval
from .._typing import MatrixLike, Seed
from ..architectures import Architecture, DataShape, Dense
from ..models.umap import NeighborGraph, UMAPNetwork
from ._base import NetworkEstimator
from ._docs import shared_docs
from ._graph import check_metric, curve
from ._map_rows import MapRowsMixin
from ._mixins import ROWS_CONSTRAINTS, ReconstructionMixin
from ._parameters import (
    CYCLE_CONSTRAINTS,
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

# Hidden layers of the dense encoder. A map is less linear than other codes: with two layers k-NN
# accuracy on MNIST is 0.03 lower and trustworthiness 0.02, and a linear skip connection costs as
# much again. Five layers of 256 units are 0.003 better in both, and take three times as long.
_DENSE_UNITS = (128,) * 6
# Rows of a batch that neighbors are drawn for, and updates in all, from few rows to many.
_BATCH_ROWS, _N_UPDATES = 384, (400, 1200)
# Updates of a call of `partial_fit`: fewer leave new rows where the encoder put them at first.
_STREAM_UPDATES = 100
# Fraction of the epochs that learn the layout before the graph. None cost 0.02 of k-NN accuracy.
_LAYOUT_EPOCHS = 0.2
# Of weight decay: as strong as elsewhere it smooths the map (0.01 of k-NN accuracy on digits).
_DECAY_FACTOR = 0.1


@shared_docs
class ParametricUMAP(MapRowsMixin, ReconstructionMixin, NetworkEstimator):
    """UMAP, with an encoder that places new rows and a decoder that leads back.

    The encoder is trained on UMAP's fuzzy graph of the rows, and `transform` places each row by
    itself, whatever the other rows are. A decoder is trained with it, for codes of any size. The
    graph is computed by umap-learn: ``pip install 'skae[umap]'``.

    Parameters
    ----------
    n_components
        Shared with the other estimators, as all entries without a type: see `_docs`.
    n_neighbors : int, default=15
        Size of the neighborhoods, the row itself included. Of fewer rows all are neighbors, with
        a warning.
    min_dist : float, default=0.1
        How close codes may lie; at most ``spread``.
    spread : float, default=1.0
        Scale of the codes.
    metric : str or callable, default='euclidean'
        Distance between rows, as pynndescent names it, or a function compiled by numba.
    target_weight : float in [0, 1], default=0.5
        How much the labels in y count beside X; 0 hardly, 1 nothing else.
    negative_sample_rate : float, default=5
        Weight of the repulsion between codes.
    set_op_mix_ratio : float in [0, 1], default=1.0
        Whether two rows are neighbors if one of them finds the other (1), or both do (0), or
        something between.
    precomputed_knn : tuple of array-like of shape (n_samples, n_neighbors), default=None
        Indices of and distances to the nearest rows of each row of X, itself included, nearest
        first; longer lists are cut. If None, neighbors are searched for.
    reconstruction_weight : float, default=0.0
        Weight of the reconstruction in the training of the encoder. If zero, the map depends
        only on the graph, and the decoder learns to decode it.
    cycle_weight
        Shared.
    landmark_weight : float, default=10.0
        How much landmarks are held at their places: see `fit`.
    replay_size : int, default=500
        Number of training rows that are kept as landmarks for `partial_fit` and later maps. They
        are part of saved files; zero keeps none.
    architecture, image_shape, loss, noise, noise_level, optimizer, learning_rate_init, \
            learning_rate
        Shared.
    alpha : float or 'auto', default='auto'
        Weight decay of the optimizer, not the L2 penalty on the loss that ``alpha`` is in
        :class:`~sklearn.neural_network.MLPRegressor`. ``'auto'`` is 0.1 with ``'adamw'`` and 0.001
        otherwise.
    batch_size : int or 'auto', default='auto'
        Number of rows in a batch, besides the neighbor that is drawn for each of them.
        ``'auto'`` is 384.
    max_iter : int or 'auto', default='auto'
        Number of epochs. ``'auto'`` makes half as many updates as there are rows, at least 400
        and at most 1,200.
    early_stopping : bool, default=False
        Whether to hold out rows, as in :class:`~sklearn.neural_network.MLPRegressor`, and restore
        the weights with the lowest loss on them. If False, all rows are part of the map.
    validation_fraction : float in (0, 1), default=0.1
        Fraction of the rows to hold out for early stopping.
    n_iter_no_change : int or inf, default=inf
        Number of epochs without improvement after which training stops.
    tol, warm_start, callbacks, checkpoint, device, precision, compile, verbose, random_state
        Shared.

    Attributes
    ----------
    replay_rows_ : ndarray of shape (n_kept, n_features)
        Training rows, drawn from a fixed seed: at most `replay_size`, and of long rows fewer, so
        that they hold at most 4 million values.
    n_components_, n_features_in_, feature_names_in_, image_shape_, sample_shape_, architecture_, \
            network_options_, n_iter_, n_samples_seen_, loss_curve_, history_, \
            reconstruction_err_, module_, net_
        Shared.

    See Also
    --------
    HybridAutoencoder : Decoder and encoder for a finished map of `umap.UMAP`.

    Notes
    -----
    In the first fifth of the epochs the encoder learns the spectral layout of the graph, where
    UMAP starts as well, and less and less of it. Each batch holds rows and a neighbor of each,
    drawn by the weights of the graph: they attract each other, and all codes in the batch repel
    each other. Inputs are moved by differences between other neighbors, about as far as held-out
    rows lie from the training rows; this is what makes new rows fall where they belong.

    `history_` has both parts of the loss, as ``train_map`` and ``train_reconstruction``.

    References
    ----------
    McInnes, Healy and Melville (2018). UMAP: Uniform manifold approximation and projection for
    dimension reduction. arXiv:1802.03426.

    Sainburg, McInnes and Gentner (2021). Parametric UMAP embeddings for representation and
    semisupervised learning. Neural Computation 33(11).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from skae import ParametricUMAP
    >>> from skae.metrics import knn_accuracy
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> umap = ParametricUMAP(max_iter=20, random_state=0).fit(X_train)
    >>> codes, new_codes = umap.transform(X_train), umap.transform(X_test)
    >>> bool(knn_accuracy(codes, y_train, new_codes, y_test) > 0.8)
    True
    >>> umap.inverse_transform(new_codes).shape
    (450, 64)
    """

    _parameter_constraints = {
        **NetworkEstimator._parameter_constraints,
        **ROWS_CONSTRAINTS,
        "n_neighbors": [Interval(Integral, 2, None, closed="left")],
        "min_dist": [Interval(Real, 0, None, closed="left")],
        "spread": [Interval(Real, 0, None, closed="neither")],
        "metric": [str, callable],
        "target_weight": [Interval(Real, 0, 1, closed="both")],
        "negative_sample_rate": [Interval(Real, 0, None, closed="left")],
        "set_op_mix_ratio": [Interval(Real, 0, 1, closed="both")],
        "precomputed_knn": [tuple, list, None],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        **CYCLE_CONSTRAINTS,
        "landmark_weight": [Interval(Real, 0, None, closed="left")],
        "replay_size": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: float | str = 2,
        *,
        n_neighbors: int = 15,
        min_dist: float = 0.1,
        spread: float = 1.0,
        metric: str | Callable[..., Any] = "euclidean",
        target_weight: float = 0.5,
        negative_sample_rate: float = 5,
        set_op_mix_ratio: float = 1.0,
        precomputed_knn: Any = None,
        reconstruction_weight: float = 0.0,
        cycle_weight: float = 0.0,
        landmark_weight: float = 10.0,
        replay_size: int = 500,
        architecture: ArchitectureLike = "auto",
        image_shape: ImageShape = None,
        loss: LossLike = "mse",
        noise: NoiseLike = None,
        noise_level: float = 0.1,
        optimizer: OptimizerLike = "adamw",
        learning_rate_init: float = 0.006,
        learning_rate: str = "one_cycle",
        alpha: float | str = "auto",
        batch_size: int | str = "auto",
        max_iter: int | str = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = math.inf,
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
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist
        self.spread = spread
        self.metric = metric
        self.target_weight = target_weight
        self.negative_sample_rate = negative_sample_rate
        self.set_op_mix_ratio = set_op_mix_ratio
        self.precomputed_knn = precomputed_knn
        self.reconstruction_weight = reconstruction_weight
        self.cycle_weight = cycle_weight
        self.landmark_weight = landmark_weight
        self.replay_size = replay_size
        self.architecture = architecture
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
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: MatrixLike | None = None,
        landmarks: Any = None,
    ) -> Self:
        """Compute the graph of X, and train encoder and decoder on it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            Training data. Images have shape (n_samples, height, width) or (n_samples, height,
            width, n_channels). The graph is computed from rows in float32, all in memory.
        y : array-like of shape (n_samples,), default=None
            Labels for a supervised map: rows of different labels are moved apart. In numbers, -1
            is a row without a label. If None, the map depends only on X.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in the loss; the graph does not depend on it, except that
            rows of weight zero are left out. If None, all count the same.
        X_target : array-like of the shape of X, default=None
            The target of the reconstruction, such as clean data for noisy X. If None, it is X.
        landmarks : tuple of (rows, codes), or a fitted map, default=None
            Rows that are held where they are given to lie, while the others find their places
            around them: data like X, and an array-like of shape (n_landmarks, n_components), for
            example the rows of an earlier map, of this class or of `umap.UMAP`, and their codes.
            Of a fitted `ParametricUMAP` these are the rows that it has kept. Landmarks that are no
            rows of X become part of the map. If None, the map is free.

        Returns
        -------
        self : ParametricUMAP
            The fitted estimator.

        Raises
        ------
        ModuleNotFoundError
            If umap-learn is not installed.
        ValueError, TypeError
            If data or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight, X_target, landmarks=landmarks)

    def partial_fit(
        self,
        X: MatrixLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: MatrixLike | None = None,
    ) -> Self:
        """Add rows to the map, and hold the places of those before.

        The first call is a `fit`. Later ones train on the graph of X and of the rows that were
        kept (`replay_rows_`), which are held where they lie as landmarks are. Without kept rows
        (``replay_size=0``) the map follows only the new rows. The learning rate is constant:
        half of ``learning_rate_init``, or all of it with ``learning_rate='constant'``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The new rows, as in `fit`; at least two in the first call.
        y : array-like of shape (n_samples,), default=None
            Their labels. Those of earlier calls are not kept.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts. If None, all count the same.
        X_target : array-like of the shape of X, default=None
            The target of the reconstruction. If None, it is X.

        Returns
        -------
        self : ParametricUMAP
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            As for `fit`; the estimator stays as it was.
        """
        is_next = hasattr(self, "module_")
        return self._fit(X, y, sample_weight, X_target, partial=is_next)

    # Directions of little variance count in the distances between rows: without them
    # trustworthiness on MNIST is 0.003 lower.
    _may_use_basis = False

    # -- parameters ------------------------------------------------------------------------

    def _validate_params(self) -> None:
        super()._validate_params()
        check_metric(self.metric)
        if self.min_dist > self.spread:
            raise ValueError(
                f"min_dist must be at most spread={self.spread}, got {self.min_dist}: lower it, or "
                "raise spread."
            )

    def _uses_y(self) -> bool:
        return True

    def _find_whole_batch_term(self) -> str | None:
        return "all codes of a batch repel each other"

    def _traits(self) -> Traits:
        return Traits(
            batch_rows=_BATCH_ROWS,
            kl_warmup=_LAYOUT_EPOCHS,
            n_updates=_N_UPDATES,
            n_stream_updates=_STREAM_UPDATES,
            decay_factor=_DECAY_FACTOR,
        )

    def _network_options(self) -> dict[str, Any]:
        return {
            "curve": curve(self.spread, self.min_dist),
            "negative_sample_rate": float(self.negative_sample_rate),
            "reconstruction_weight": float(self.reconstruction_weight),
            "cycle_weight": float(self.cycle_weight),
        }

    # -- the network -----------------------------------------------------------------------

    def _resolve_architecture(self, shape: DataShape) -> Architecture:
        architecture: Architecture = super()._resolve_architecture(shape)
        if not isinstance(self.architecture, str):
            return architecture
        # PCA, where other families start, is far from any map.
        architecture.set_params(linear_skip=False)
        if isinstance(architecture, Dense):
            architecture.set_params(hidden_layer_sizes=_DENSE_UNITS)
        return architecture

    def _prepare_network(self, sample: Sample, run: Any, seed: int) -> UMAPNetwork:
        network: UMAPNetwork = super()._prepare_network(sample, run, seed)
        network.companions = NeighborGraph(self._edges)
        network.landmark_weight = float(self.landmark_weight)
        return network

    def _build_network(self, shape: DataShape) -> UMAPNetwork:
        return UMAPNetwork(
            self.architecture_.build_encoder(shape, self.n_components_),
            self.architecture_.build_decoder(shape, self.n_components_),
            shape.standardization,
            # A user's own modules start from the weights that they have.
            zero_init_decoder=not self.architecture_.has_pretrained_weights,
            **self.network_options_,
        )

    def _finish(self, training_set: TrainingSet, sample: Sample, mode: FitMode) -> None:
        # Needed only in training.
        del self._edges, self.module_.companions, self.module_.landmark_weight
        self._keep_rows(training_set, mode)
        super()._finish(training_set, sample, mode)
