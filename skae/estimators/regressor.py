"""The regressor: an autoencoder whose latent code also predicts numbers."""

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.preprocessing import StandardScaler

from .._engine.data import TrainingSet
from .._typing import MatrixLike
from ..models.supervised import squared_error
from ._blocks import by_blocks
from ._docs import shared_docs
from ._joint import JointEstimator
from ._labels import read_numbers


@shared_docs
class AutoencoderRegressor(RegressorMixin, JointEstimator):
    """Regressor, transformer and inverse in one: an autoencoder whose latent code predicts numbers.

    A head predicts one target or several from the latent code, and one loss trains encoder, decoder
    and head: ``reconstruction_weight`` times the loss of the reconstruction, plus the rest times
    the squared error of the prediction. For training, each target is centered and divided by its
    standard deviation; predictions are in the units of the targets.

    Parameters
    ----------
    n_components, init, reconstruction_weight, head_hidden_layer_sizes
        Shared with other estimators, as all entries without a type: see `_docs`.
    architecture, image_shape, loss, missing_values, noise, noise_level, augment, optimizer, \
            learning_rate_init, learning_rate, alpha, batch_size, max_iter, early_stopping, \
            validation_fraction, n_iter_no_change, tol, warm_start, callbacks, checkpoint, device, \
            precision, compile, verbose, random_state
        Shared.

    Attributes
    ----------
    n_outputs_ : int
        Number of targets.
    target_shape_ : tuple of int
        Shape of the targets of a sample: ``()`` if y has one dimension.
    target_scaler_ : StandardScaler
        Maps targets to the units of the head, and back.
    n_components_, n_features_in_, feature_names_in_, image_shape_, sample_shape_, architecture_, \
            network_options_, n_iter_, best_n_iter_, n_samples_seen_, loss_curve_, history_, \
            reconstruction_err_, module_, net_
        Shared.

    See Also
    --------
    AutoencoderClassifier : The same for classes, with notes that hold for both.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skae import AutoencoderRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> regressor = AutoencoderRegressor(3, random_state=0).fit(X[:350], y[:350])
    >>> regressor.score(X[350:], y[350:]) > 0.4
    True
    >>> regressor.transform(X).shape
    (442, 3)
    """

    _prediction_loss = staticmethod(squared_error)

    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: MatrixLike | None = None,
    ) -> Self:
        """Learn latent codes of X that predict y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            Training data. Images have shape (n_samples, height, width) or (n_samples, height,
            width, n_channels). uint8 and memmaps are converted a batch at a time.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets, in any units.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in both losses. If None, all count the same.
        X_target : array-like of the shape of X, default=None
            The target of the reconstruction, such as clean data for noisy X. If None, it is X.

        Returns
        -------
        self : AutoencoderRegressor
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight, X_target)

    def partial_fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: MatrixLike | None = None,
    ) -> Self:
        """Continue training with one pass over a batch of data.

        A call may hold a single row. Without a `fit` before, training starts anew from all rows
        so far each time their number has doubled, until 500 have come: fewer determine neither
        scale nor principal directions. Later calls take one step for each 64 rows and keep the
        mean of the weights over the last calls. The learning rate is constant: half of
        ``learning_rate_init``, or all of it with ``learning_rate='constant'``, times the root of
        the fraction of 64 that a smaller batch has. No rows are held out.

        Center and scale of X and y follow the data, and the network computes the same in the new
        units. Convolutions follow only the scale, user-supplied modules and networks that see
        principal directions follow neither.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The batch, as in `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets, in the units of the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in both losses. If None, all count the same.
        X_target : array-like of the shape of X, default=None
            The target of the reconstruction. If None, it is X.

        Returns
        -------
        self : AutoencoderRegressor
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight, X_target, partial=True)

    @by_blocks
    def predict(self, X: MatrixLike) -> np.ndarray:
        """Predict the targets of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data; images in a layout that `fit` takes.

        Returns
        -------
        targets : ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the shape and units of y in `fit`.
        """
        outputs, scaler = self._outputs(X), self.target_scaler_
        # As its `inverse_transform`, which would validate them first.
        outputs *= scaler.scale_.astype(outputs.dtype)
        outputs += scaler.mean_.astype(outputs.dtype)
        return outputs.reshape(-1, *self.target_shape_)

    def _read_y(self, y: Any) -> Any:
        return read_numbers(self, y)

    def _prepare_training_set(
        self, training_set: TrainingSet, run: Any, X: Any, y: Any
    ) -> TrainingSet:
        y = training_set.labels
        labels = y.reshape(len(y), -1)
        # Merged first: the scale is then the same for a weight of two and for a row given twice.
        training_set = training_set._replace(labels=labels)
        _, _, labels, weights = training_set.merged()
        if not run.mode.continues:
            # StandardScaler takes the sum of the weights as the number of rows.
            weights = None if weights is None else weights / weights.mean()
            self.target_scaler_ = StandardScaler().fit(labels, sample_weight=weights)
            self.target_shape_ = y.shape[1:]
            self.n_outputs_ = labels.shape[1]
        elif labels.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y must have {self.n_outputs_} target(s), as in the earlier call, got "
                f"{labels.shape[1]}."
            )
        elif run.mode.is_partial:
            self._move_targets(labels, weights, run)
        # In float32, as the network predicts them; their large center is gone by now.
        labels = self.target_scaler_.transform(training_set.labels).astype(np.float32)
        return training_set._replace(labels=labels)

    def _move_targets(self, labels: Any, weights: Any, run: Any) -> None:
        """Let center and scale of the targets follow them, and the network predict the same."""
        before = self.target_scaler_
        weights = None if weights is None else weights / weights.mean()
        self.target_scaler_ = copy.deepcopy(before).partial_fit(labels, sample_weight=weights)
        # The last layer takes up the change, so that predictions in the units of y stay the same.
        factor = self.target_scaler_.scale_ / before.scale_
        shift = (self.target_scaler_.mean_ - before.mean_) / before.scale_
        run.stream.change(run.previous, lambda network: network.change_targets(factor, shift))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
