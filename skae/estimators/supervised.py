"""Autoencoders whose latent code also predicts: a class, or numbers."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from .._arrays import check_complete, check_labels
from .._engine.data import TrainingData, TrainingSet
from .._typing import MatrixLike
from ..models.supervised import cross_entropy, squared_error
from ._docs import shared_docs
from ._joint import JointEstimator
from ._labels import read_numbers, sorted_labels


@shared_docs
class AutoencoderClassifier(ClassifierMixin, JointEstimator):
    """Classifier, transformer and inverse in one: an autoencoder whose code predicts the class.

    A head predicts the class from the latent code, and one loss trains encoder, decoder and head:
    ``reconstruction_weight`` times the loss of the reconstruction, plus the rest times the
    cross-entropy of the prediction. The weight leads from a plain autoencoder to a plain
    classifier whose latent space can be looked at; between them are codes that serve both.

    Parameters
    ----------
    n_components, reconstruction_weight, head_hidden_layer_sizes
        Shared with other estimators, as all entries without a type: see `_docs`.
    architecture, image_shape, loss, noise, noise_level, augment, optimizer, learning_rate_init, \
            learning_rate, alpha, batch_size, max_iter, early_stopping
        Shared. ``loss`` is that of the reconstruction.
    validation_fraction : float in (0, 1), default=0.1
        Fraction of the rows to hold out for early stopping, in which the classes have the same
        proportions as in the training rows.
    n_iter_no_change, tol, warm_start, callbacks, checkpoint, device, verbose, random_state
        Shared.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_outputs_ : int
        Number of outputs of the head: one for each class.
    n_components_, n_features_in_, feature_names_in_, image_shape_, sample_shape_, architecture_, \
            network_options_, n_iter_, n_samples_seen_, loss_curve_, history_, \
            reconstruction_err_, module_, net_
        Shared.

    See Also
    --------
    AutoencoderRegressor : The same for numerical targets.
    Autoencoder : Without labels.

    Notes
    -----
    Early stopping uses the joint loss of held-out rows. With ``'balanced'`` it uses the geometric
    mean of the two losses, which balanced steps descend; the weighted sum would hardly depend on
    the larger loss.

    Max-pooling suits images that are to be classified:
    ``Conv((16, 32), activation="relu", downsampling="max_pool")`` classifies 97 % of held-out
    MNIST digits from a code of five (12 epochs, 8,000 images), strided convolutions 96 %.

    References
    ----------
    Le, Patterson and White (2018). Supervised autoencoders: improving generalization performance
    with unsupervised regularizers. NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from skae import AutoencoderClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> classifier = AutoencoderClassifier(5, max_iter=20, random_state=0).fit(X_train, y_train)
    >>> classifier.score(X_test, y_test) > 0.9
    True
    >>> codes = classifier.transform(X_test)
    >>> codes.shape, classifier.inverse_transform(codes).shape
    ((450, 5), (450, 64))
    """

    _prediction_loss = staticmethod(cross_entropy)

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
        y : array-like of shape (n_samples,)
            Labels of any type, of two classes or more.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in both losses. If None, all count the same.
        X_target : array-like of the shape of X, default=None
            The target of the reconstruction, such as clean data for noisy X. If None, it is X.

        Returns
        -------
        self : AutoencoderClassifier
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
        classes: ArrayLike | None = None,
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

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The batch, as in `fit`.
        y : array-like of shape (n_samples,)
            Labels, all of them in ``classes``.
        classes : array-like of shape (n_classes,), default=None
            All labels of this and later calls. Required in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts in both losses. If None, all count the same.
        X_target : array-like of the shape of X, default=None
            The target of the reconstruction. If None, it is X.

        Returns
        -------
        self : AutoencoderClassifier
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or a parameter cannot be used, or if ``classes`` are missing in the first call
            or differ in a later one; the estimator stays as it was.
        """
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit, got None.")
        return self._fit(X, y, sample_weight, X_target, partial=True, classes=classes)

    def predict(self, X: MatrixLike) -> np.ndarray:
        """Predict the class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data; images in a layout that `fit` takes.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The most probable classes.
        """
        best = self._outputs(X).argmax(axis=1)
        labels: np.ndarray = self.classes_[best]
        return labels

    def predict_proba(self, X: MatrixLike) -> np.ndarray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data; images in a layout that `fit` takes.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        probabilities: np.ndarray = softmax(self._outputs(X), axis=1)
        return probabilities

    def predict_log_proba(self, X: MatrixLike) -> np.ndarray:
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data; images in a layout that `fit` takes.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        log_probabilities: np.ndarray = log_softmax(self._outputs(X), axis=1)
        return log_probabilities

    def decision_function(self, X: MatrixLike) -> np.ndarray:
        """Return the outputs of the head: log-probabilities, up to a constant in each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data; images in a layout that `fit` takes.

        Returns
        -------
        decisions : ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            In the order of `classes_`. For two classes, the log-odds of the second.
        """
        outputs = self._outputs(X)
        return outputs[:, 1] - outputs[:, 0] if self.n_outputs_ == 2 else outputs

    def _read_y(self, y: Any) -> Any:
        check_complete(y, "y", "a label")
        y = column_or_1d(y, warn=True)
        if y.dtype == object:
            sorted_labels(y, "y")
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        return y

    def _prepare_training_set(
        self, training_set: TrainingSet, run: Any, X: Any, y: Any, classes: Any = None
    ) -> TrainingSet:
        y = training_set.labels
        if classes is not None:
            classes = sorted_labels(check_labels(classes, "classes"), "classes")
        if run.mode.is_first:
            self.classes_ = sorted_labels(y, "y") if classes is None else classes
        elif classes is not None and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"classes must be those of the earlier call, {self.classes_}, got {classes}."
            )
        # The classes are known from the first batch, which need not hold all of them.
        encoder = LabelEncoder()
        encoder.classes_ = self.classes_
        self.n_outputs_ = len(self.classes_)
        labels = encoder.transform(y)
        if not run.mode.is_partial:
            _check_classes(labels, training_set.weights, self.classes_)
        return training_set._replace(labels=labels[:, None])

    def _validation_order(
        self, data: TrainingData, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Order the rows such that any number of first ones has the proportions of the classes.

        The last row of each class comes at the very end, so that training sees every class.
        """
        order = super()._validation_order(data, random_state)
        labels = data.labels[order, 0].cpu().numpy()
        counts = np.bincount(labels)
        by_class = np.argsort(labels, kind="stable")
        # A row's rank within its class, divided by the size of the class: sorting by this fraction
        # spreads every class evenly.
        ranks = np.empty(len(labels))
        ranks[by_class] = np.concatenate([np.arange(1, count + 1) for count in counts])
        return order[np.argsort(ranks / counts[labels], kind="stable")]


def _check_classes(labels: np.ndarray, weights: np.ndarray | None, classes: np.ndarray) -> None:
    """Refuse labels of a single class, not counting rows of weight zero."""
    totals = np.bincount(labels, weights=weights)
    if np.count_nonzero(totals) < 2:
        only = classes[totals.argmax()]
        raise ValueError(
            "y must hold 2 classes or more, with weights above zero, got one class: "
            f"{only.item() if isinstance(only, np.generic) else only!r}."
        )


@shared_docs
class AutoencoderRegressor(RegressorMixin, JointEstimator):
    """Regressor, transformer and inverse in one: an autoencoder whose latent code predicts numbers.

    A head predicts one target or several from the latent code, and one loss trains encoder, decoder
    and head: ``reconstruction_weight`` times the loss of the reconstruction, plus the rest times
    the squared error of the prediction. For training, each target is centered and divided by its
    standard deviation; predictions are in the units of the targets.

    Parameters
    ----------
    n_components, reconstruction_weight, head_hidden_layer_sizes
        Shared with other estimators, as all entries without a type: see `_docs`.
    architecture, image_shape, loss, noise, noise_level, augment, optimizer, learning_rate_init, \
            learning_rate, alpha, batch_size, max_iter, early_stopping, \
            validation_fraction, n_iter_no_change, tol, warm_start, callbacks, checkpoint, device, \
            verbose, random_state
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
            network_options_, n_iter_, n_samples_seen_, loss_curve_, history_, \
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
        training_set = training_set._replace(labels=labels).merged()
        labels, weights = training_set.labels, training_set.weights
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
        labels = self.target_scaler_.transform(labels).astype(np.float32)
        return training_set._replace(labels=labels)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
