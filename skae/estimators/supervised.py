"""Autoencoders whose code is to tell a class or numbers as well."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.utils import assert_all_finite, check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from .._typing import MatrixLike
from ..models.supervised import cross_entropy, squared_error
from ._joint import JointEstimator


class AutoencoderClassifier(ClassifierMixin, JointEstimator):
    """Classifier, transformer and inverse in one: an autoencoder whose code tells the class.

    A head predicts the class from the code, and one loss trains encoder, decoder and head:
    ``reconstruction_weight`` times the loss of the reconstruction, plus the rest times the
    cross-entropy of the prediction. Between a plain autoencoder and a plain classifier whose
    code can be looked at, lie codes that serve both.

    Parameters
    ----------
    n_components : int, default=2
        Size of the code.
    reconstruction_weight : float in [0, 1] or 'balanced', default='balanced'
        Share λ of the reconstruction in the loss. Zero is a plain classifier: the decoder is
        not trained, and `reconstruct` means nothing. One is a plain autoencoder: the head is not
        trained, and `predict` means nothing. ``'balanced'`` weighs each loss by the other's
        current share of their sum, so that a relative gain of either counts the same; the loss
        must not be negative then.
    head_hidden_layer_sizes : tuple of int, default=(64,)
        Units of the hidden layers between code and prediction. ``()`` makes it linear in the
        code.
    architecture, image_shape, loss, noise, noise_level, augment, optimizer, \
            learning_rate_init, learning_rate, alpha, batch_size, max_iter, early_stopping, \
            validation_fraction, n_iter_no_change, tol, warm_start, callbacks, checkpoint, \
            device, verbose, random_state
        As for `Autoencoder`, with the same defaults. ``loss`` is that of the reconstruction.
        The rows held out for early stopping have the classes in their shares.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_outputs_ : int
        Outputs of the head: one for each class.
    n_components_, n_features_in_, feature_names_in_, image_shape_, architecture_, n_iter_, \
            loss_curve_, history_, reconstruction_err_, module_, net_
        As for `Autoencoder`. `history_` holds the parts of the loss too, as
        ``train_reconstruction``, ``train_prediction``, ``valid_reconstruction`` and
        ``valid_prediction``, unless one of them has no weight.

    See Also
    --------
    AutoencoderRegressor : The same for numbers.
    Autoencoder : Without labels.

    Notes
    -----
    Early stopping goes by the joint loss of held-out rows; with ``'balanced'`` by the geometric
    mean of the two losses, which balanced steps descend, since the sum so weighed would hardly
    see the larger loss.

    Max-pooling suits images that are to be classified:
    ``Conv((16, 32), activation="relu", downsampling="max_pool")`` tells 97 % or more of unseen
    MNIST digits from a code of five after 12 epochs on 8,000 images, strided convolutions 96 %.

    Class weights go in as sample weights, see
    `sklearn.utils.class_weight.compute_sample_weight`.

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
        """Learn a code for X that tells y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images of shape \
                (n, height, width) or (n, height, width, channels)
        y : array-like of shape (n,)
            Labels of any type, of two classes or more.
        sample_weight : array-like of shape (n,), default=None
            How much each row counts, in both losses.
        X_target : array-like of the shape of X, default=None
            What is to be reconstructed in place of X.

        Returns
        -------
        self : AutoencoderClassifier

        Raises
        ------
        ValueError, TypeError
            Where data or a parameter cannot be used; the estimator stays as it was.
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
        """Pass once over a batch of data, from where the calls before have come to.

        Parameters
        ----------
        X, y
            As for `fit`.
        classes : array-like of shape (n_classes,), default=None
            All labels there will be; needed at the first call.
        sample_weight, X_target
            As for `fit`.

        Returns
        -------
        self : AutoencoderClassifier

        Raises
        ------
        ValueError, TypeError
            As for `fit`, and where ``classes`` are not given at first or differ later.
        """
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit, got None.")
        return self._fit(X, y, sample_weight, X_target, partial=True, classes=classes)

    def predict(self, X: MatrixLike) -> np.ndarray:
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images

        Returns
        -------
        labels : ndarray of shape (n,)
        """
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(axis=1)]

    def predict_proba(self, X: MatrixLike) -> np.ndarray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images

        Returns
        -------
        probabilities : ndarray of shape (n, n_classes)
            In the order of `classes_`.
        """
        return softmax(self._outputs(X), axis=1)

    def predict_log_proba(self, X: MatrixLike) -> np.ndarray:
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images

        Returns
        -------
        log_probabilities : ndarray of shape (n, n_classes)
            In the order of `classes_`.
        """
        return log_softmax(self._outputs(X), axis=1)

    def decision_function(self, X: MatrixLike) -> np.ndarray:
        """Outputs of the head: logarithms of the probabilities, up to a constant in each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images

        Returns
        -------
        decisions : ndarray of shape (n, n_classes), or (n,) for two classes
            For two classes the log-odds of the second.
        """
        outputs = self._outputs(X)
        return outputs[:, 1] - outputs[:, 0] if self.n_outputs_ == 2 else outputs

    def _read_y(self, y):
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        return y

    def _prepare_training_set(self, training_set, run, X, y, classes=None):
        y = training_set.labels
        if not run.mode.continues:
            self.classes_ = np.unique(y if classes is None else classes)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes must be those of the earlier call, {self.classes_}, got {classes}."
            )
        encoder = LabelEncoder()
        encoder.classes_ = self.classes_
        self.n_outputs_ = len(self.classes_)
        labels = encoder.transform(y)
        if not run.mode.is_partial:
            _check_classes(labels, training_set.weights, self.classes_)
        return training_set._replace(labels=labels[:, None])

    def _validation_order(self, data, random_state):
        """Let any number of rows from the front hold the classes in their shares.

        The last row of each class comes at the very end, so that training sees every class.
        """
        order = super()._validation_order(data, random_state)
        labels = data.labels[order, 0].cpu().numpy()
        counts = np.bincount(labels)
        by_class = np.argsort(labels, kind="stable")
        ranks = np.empty(len(labels))
        ranks[by_class] = np.concatenate([np.arange(1, count + 1) for count in counts])
        return order[np.argsort(ranks / counts[labels], kind="stable")]


def _check_classes(labels, weights, classes):
    """Refuse labels of a single class, as far as weights let them count."""
    totals = np.bincount(labels, weights=weights)
    if np.count_nonzero(totals) < 2:
        only = classes[totals.argmax()]
        raise ValueError(
            "y must hold 2 classes or more, with weights above zero, got one class: "
            f"{only.item() if isinstance(only, np.generic) else only!r}."
        )


class AutoencoderRegressor(RegressorMixin, JointEstimator):
    """Regressor, transformer and inverse in one: an autoencoder whose code tells numbers.

    A head predicts one target or several from the code, and one loss trains encoder, decoder and
    head: ``reconstruction_weight`` times the loss of the reconstruction, plus the rest times the
    squared error of the prediction. Targets are centred and divided by their standard deviation
    for training, each by its own, and predicted in their units.

    Parameters
    ----------
    n_components : int, default=2
        Size of the code.
    reconstruction_weight : float in [0, 1] or 'balanced', default='balanced'
        Share λ of the reconstruction in the loss, as for `AutoencoderClassifier`.
    head_hidden_layer_sizes : tuple of int, default=(64,)
        Units of the hidden layers between code and prediction. ``()`` makes it linear in the
        code.
    architecture, image_shape, loss, noise, noise_level, augment, optimizer, \
            learning_rate_init, learning_rate, alpha, batch_size, max_iter, early_stopping, \
            validation_fraction, n_iter_no_change, tol, warm_start, callbacks, checkpoint, \
            device, verbose, random_state
        As for `Autoencoder`, with the same defaults. ``loss`` is that of the reconstruction.

    Attributes
    ----------
    n_outputs_ : int
        Number of targets.
    n_components_, n_features_in_, feature_names_in_, image_shape_, architecture_, n_iter_, \
            loss_curve_, history_, reconstruction_err_, module_, net_
        As for `AutoencoderClassifier`.

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
        """Learn a code for X that tells y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images of shape \
                (n, height, width) or (n, height, width, channels)
        y : array-like of shape (n,) or (n, n_targets)
            Numbers, in any units.
        sample_weight : array-like of shape (n,), default=None
            How much each row counts, in both losses.
        X_target : array-like of the shape of X, default=None
            What is to be reconstructed in place of X.

        Returns
        -------
        self : AutoencoderRegressor

        Raises
        ------
        ValueError, TypeError
            Where data or a parameter cannot be used; the estimator stays as it was.
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
        """Pass once over a batch of data, from where the calls before have come to.

        The first call takes centre and scale of the targets from its data.

        Parameters
        ----------
        X, y, sample_weight, X_target
            As for `fit`.

        Returns
        -------
        self : AutoencoderRegressor
        """
        return self._fit(X, y, sample_weight, X_target, partial=True)

    def predict(self, X: MatrixLike) -> np.ndarray:
        """Predict the targets of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images

        Returns
        -------
        targets : ndarray of shape (n,) or (n, n_targets), as y in `fit`
        """
        outputs = self._outputs(X)
        targets = self.target_scaler_.inverse_transform(outputs)
        return targets.reshape(-1, *self.target_shape_)

    def _read_y(self, y):
        return check_array(y, ensure_2d=False, dtype=np.float64, estimator=self, input_name="y")

    def _prepare_training_set(self, training_set, run, X, y):
        y = training_set.labels
        labels = y.reshape(len(y), -1)
        # Merged first: the scale is then the same for a weight of two and for a row there twice.
        training_set = training_set._replace(labels=labels).merged()
        labels, weights = training_set.labels, training_set.weights
        if not run.mode.continues:
            # StandardScaler takes the sum of weights for a number of rows.
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
