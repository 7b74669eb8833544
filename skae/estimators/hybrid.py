"""Any reducer with a trained decoder: its inverse, where it has none or a worse one."""

import copy
import dataclasses
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import MetaEstimatorMixin
from sklearn.decomposition import PCA
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.validation import check_is_fitted

from .._engine.data import TrainingSet, computing_dtype
from .._engine.inference import record_feature_maps
from .._sklearn_compat import HasMethods, StrOptions
from .._typing import MatrixLike
from ..metrics import reconstruction_error
from ..models.hybrid import DecoderNetwork, DistilledNetwork
from ._base import NetworkEstimator
from ._mixins import ROWS_CONSTRAINTS, ReconstructionMixin
from ._reducer import as_seen_by, encode, fit_reducer, route_to_reducer, take_over_tags


class HybridAutoencoder(MetaEstimatorMixin, ReconstructionMixin, NetworkEstimator):
    """Any reducer, with a trained decoder as its inverse.

    The codes are those of PCA, UMAP or whatever has ``transform``; a network learns to decode
    them. Beside its hidden layers runs a linear path that starts at the least-squares map from
    codes to data, so that training begins where a linear decoder ends; the weights with the
    lowest error on held-out rows are kept. For PCA this start is its own inverse.

    With ``distill=True`` an encoder is trained as well, towards the reducer's codes. It then
    does the work of ``transform``: fast, the same for a row whatever the rest of the batch,
    and without the reducer.

    Parameters
    ----------
    n_components : int, default=2
        Size of the code of the default reducer; one that is given decides itself.
    reducer : estimator with `fit` and `transform`, default=None
        Gives the codes; None stands for ``PCA(n_components)``. A clone is fitted, except that a
        :class:`~sklearn.frozen.FrozenEstimator` stays as it is.
    distill : bool, default=False
        Train an encoder towards the reducer's codes and use it in the reducer's place.
    architecture : {'auto', 'dense', 'conv'} or architecture, default='auto'
        The decoder, and the encoder where ``distill=True``: a name, or a `Dense`, `Conv` or
        `Custom` of `skae.architectures`. ``'auto'`` is convolutional where images are given and
        dense otherwise. `Custom` sees codes in their own units.
    image_shape : tuple of int, default=None
        (height, width) or (height, width, channels) of the images that the rows of X are,
        channels last. Not needed where X is given as images.
    loss : {'mse', 'l1', 'huber', 'bce', 'ssim'}, callable or Module, default='mse'
        What the decoder minimises, see :class:`~skae.Autoencoder`. The distance of the
        encoder's codes from the reducer's is always the squared one.
    noise : {'gaussian', 'masking', 'salt_pepper'} or callable, default=None
        What the network's input is corrupted with in training: the codes, or X where
        ``distill=True``. See :class:`~skae.Autoencoder`.
    noise_level : float, default=0.1
        Standard deviation of gaussian noise, in units of the input's overall standard
        deviation; share of values that masking and salt-and-pepper noise change.
    optimizer, learning_rate_init, learning_rate, alpha, batch_size, max_iter, early_stopping, \
            validation_fraction, n_iter_no_change, tol, callbacks, checkpoint, device, verbose
        Training of the network, as for :class:`~skae.Autoencoder`.
    warm_start : bool, default=False
        Go on from the reducer and the weights of the previous ``fit``.
    random_state : int, RandomState or None, default=None
        Seed of the network and of the default reducer; one that is given has its own.

    Attributes
    ----------
    reducer_ : estimator
        The fitted reducer. Where ``distill=True`` only further training needs it.
    n_components_ : int
        Size of the code.
    n_features_in_ : int
        Number of features; of an image, pixels times channels.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.
    image_shape_ : tuple or None
        (height, width, channels) of the images.
    architecture_ : architecture
        The description that the network was built from.
    n_iter_ : int
        Epochs that were run.
    loss_curve_ : list of float
        Training loss of each epoch.
    history_ : list of dict
        What skorch recorded of each epoch. Where ``distill=True`` also the two parts of the
        loss: ``train_reconstruction``, ``train_distillation`` and the same of ``valid``.
    reconstruction_err_ : float
        Mean squared error of the reconstruction of (at most 20,000 of) the training rows, in
        the units of X squared.
    module_ : torch.nn.Module
        The trained network.
    net_ : skorch.NeuralNet
        The net that trained it. It is not kept by pickle.

    See Also
    --------
    skae.Autoencoder : Learns code and decoder together.

    Notes
    -----
    The reducer gets ``sample_weight`` where its ``fit`` takes it; the default one always
    respects it.

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
        "reducer": [HasMethods(["fit", "transform"]), StrOptions({"removed"}), None],
        "distill": ["boolean"],
    }

    def __init__(
        self,
        n_components=2,
        *,
        reducer=None,
        distill=False,
        architecture="auto",
        image_shape=None,
        loss="mse",
        noise=None,
        noise_level=0.1,
        optimizer="adamw",
        learning_rate_init=0.006,
        learning_rate="one_cycle",
        alpha="auto",
        batch_size="auto",
        max_iter="auto",
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        callbacks=None,
        checkpoint=None,
        device="auto",
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.reducer = reducer
        self.distill = distill
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
        """Fit the reducer to X and train the network on its codes.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images of shape \
                (n, height, width) or (n, height, width, channels)
            The reducer gets images as rows.
        y : array-like of shape (n,), default=None
            Handed to the reducer; the network does not see it.
        sample_weight : array-like of shape (n,), default=None
            How much each row counts.
        X_target : array-like of the shape of X, default=None
            What is to be reconstructed in place of X: clean data where X are noisy.

        Returns
        -------
        self : HybridAutoencoder

        Raises
        ------
        ValueError, TypeError
            Where data, a parameter or what the reducer gives cannot be used; the estimator
            stays as it was.
        """
        return self._fit(X, y, sample_weight, X_target)

    def partial_fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: MatrixLike | None = None,
    ) -> Self:
        """Train the network for one pass over a batch of data.

        The first call fits the reducer and builds the network; later ones train the network on
        the codes that this reducer gives, at a constant learning rate. Nothing is held out.

        Parameters
        ----------
        X, y, sample_weight, X_target
            As for `fit`.

        Returns
        -------
        self : HybridAutoencoder
        """
        return self._fit(X, y, sample_weight, X_target, partial=True)

    def feature_maps(self, X: MatrixLike) -> dict[str, np.ndarray]:
        """Show what each convolution gives on the way from the code to the reconstruction.

        Where ``distill=True``, also on the way to the code.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images

        Returns
        -------
        maps : dict of str to ndarray of shape (n, height, width, channels)
            As for :class:`~skae.Autoencoder`.
        """
        check_is_fitted(self)
        if self._is_distilled:
            return super().feature_maps(X)
        codes = self._encode(self._read(X)[0], X)
        return record_feature_maps(self.module_, "decode", codes, self.n_features_in_)

    def without_reducer(self) -> Self:
        """Return a copy that holds no reducer, for files that are smaller or hold no UMAP.

        The trained encoder of ``distill=True`` does all of its work but further training. The
        copy has ``reducer='removed'``, and shares the network with this estimator.

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

    # -- the reducer -----------------------------------------------------------------------

    def _prepare_training_set(self, training_set, run, X, y, **params):
        rows, reducer = training_set.X, self._given_reducer()
        if not run.mode.continues:
            self.reducer_ = fit_reducer(
                reducer,
                as_seen_by(reducer, rows, X),
                y,
                training_set.weights,
                owner=self,
                parameter="reducer",
                caller="partial_fit" if run.mode.is_partial else "fit",
                **params,
            )
        codes = self._reduce(rows, X)
        self.n_components_ = codes.shape[1]
        if self._is_distilled:
            return training_set._replace(labels=codes)
        return TrainingSet(codes, training_set.rows, weights=training_set.weights)

    def _given_reducer(self):
        if isinstance(self.reducer, str):
            raise ValueError(
                f"reducer={self.reducer!r} cannot be fitted: it was left out by without_reducer. "
                "Set reducer to an estimator to train again."
            )
        if self.reducer is not None:
            return self.reducer
        return PCA(self.n_components, random_state=self.random_state)

    def _reduce(self, rows, X):
        """Return the codes of the reducer, in the precision that rows are computed in."""
        codes = encode(self.reducer_, as_seen_by(self.reducer_, rows, X), "reducer")
        return codes.astype(computing_dtype(rows), copy=False)

    def _encode(self, rows, X=None):
        return super()._encode(rows) if self._is_distilled else self._reduce(rows, X)

    def _reconstruct(self, rows, X=None):
        if self._is_distilled:
            return super()._reconstruct(rows)
        return self._decode(self._encode(rows, X))

    # -- the network -----------------------------------------------------------------------

    @property
    def _is_distilled(self):
        return self.network_options_["distill"]

    def _network_options(self):
        return {"distill": bool(self.distill)}

    def _build_network(self, standardization):
        shape = self._data_shape(standardization)
        decoder = self.architecture_.build_decoder(shape, self.n_components_)
        rest = (decoder, standardization, self.n_components_)
        options = {"standardize_codes": self.architecture_.standardizes_input}
        if not self._is_distilled:
            return DecoderNetwork(*rest, **options)
        encoder = self.architecture_.build_encoder(shape, self.n_components_)
        return DistilledNetwork(encoder, *rest, **options)

    def _corruption(self, noise, standardization, sample):
        corruption = super()._corruption(noise, standardization, sample)
        if corruption is None or self._is_distilled:
            return corruption
        # What is corrupted are codes, whatever the data are.
        return dataclasses.replace(corruption, image_shape=None)

    def _measure(self, sample, dtype):
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
        reducer = None if isinstance(self.reducer, str) else self.reducer
        return route_to_reducer(self, callers=("fit", "partial_fit"), reducer=reducer)

    def __sklearn_tags__(self):
        is_given = hasattr(self.reducer, "fit")
        return take_over_tags(super().__sklearn_tags__(), self.reducer if is_given else PCA())
