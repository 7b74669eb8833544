"""The classifier: an autoencoder whose latent code also predicts a class."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from .._arrays import check_complete, check_labels
from .._engine.data import TrainingSet
from .._sklearn_compat import StrOptions
from .._typing import MatrixLike, Seed
from ..models.supervised import cross_entropy
from ._blocks import by_blocks
from ._docs import shared_docs
from ._joint import JointEstimator
from ._labels import class_weights, sorted_labels
from ._parameters import (
    ArchitectureLike,
    Augment,
    Callbacks,
    ClassWeight,
    Device,
    FilePath,
    ImageShape,
    LossLike,
    NoiseLike,
    OptimizerLike,
)


@shared_docs
class AutoencoderClassifier(ClassifierMixin, JointEstimator):
    """Classifier, transformer and inverse in one: an autoencoder whose code predicts the class.

    A head predicts the class from the latent code, and one loss trains encoder, decoder and head:
    ``reconstruction_weight`` times the loss of the reconstruction, plus the rest times the
    cross-entropy of the prediction. The weight leads from a plain autoencoder to a plain
    classifier whose latent space can be looked at; between them are codes that serve both.

    Parameters
    ----------
    n_components, init, reconstruction_weight, head_hidden_layer_sizes
        Shared with other estimators, as all entries without a type: see `_docs`.
    class_weight : dict of label to float, 'balanced' or None, default=None
        Weight of the rows of each class, in both losses. It multiplies ``sample_weight``. Classes
        that a dict lacks have weight one. ``'balanced'`` lets all classes have the same total
        weight, ``sample_weight`` included; `partial_fit` does not support it.
    architecture, image_shape, loss, missing_values, noise, noise_level, augment, optimizer, \
            learning_rate_init, learning_rate, alpha, batch_size, max_iter, early_stopping
        Shared. ``loss`` is that of the reconstruction.
    validation_fraction : float in (0, 1), default=0.1
        Fraction of the rows to hold out for early stopping, in which the classes have the same
        proportions as in the training rows.
    n_iter_no_change, tol, warm_start, callbacks, checkpoint, device, precision, compile, verbose, \
            random_state
        Shared.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_outputs_ : int
        Number of outputs of the head: one for each class.
    n_components_, n_features_in_, feature_names_in_, image_shape_, sample_shape_, architecture_, \
            network_options_, n_iter_, best_n_iter_, n_samples_seen_, loss_curve_, history_, \
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

    Where few rows have labels, training may start from an `Autoencoder` of all rows. With labels
    for 5 % of the training rows of digits (63 of 1,257) and codes of 8 numbers, ``init`` with
    ``early_stopping=False`` classifies 87 % of held-out digits, against 82 % without ``init`` and
    81 % by logistic regression on PCA's codes (three splits); with the default of early stopping
    83 %, since it holds out rows that have labels. On tables with two or three classes it does not
    help reliably.

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

    _parameter_constraints = {
        **JointEstimator._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    # A plain function in the body of a class would be given the estimator first.
    _prediction_loss = staticmethod(cross_entropy)

    def __init__(
        self,
        n_components: float | str = 2,
        *,
        init: Any = None,
        reconstruction_weight: float | str = "balanced",
        head_hidden_layer_sizes: Sequence[int] | int = (64,),
        class_weight: ClassWeight = None,
        architecture: ArchitectureLike = "auto",
        image_shape: ImageShape = None,
        loss: LossLike = "mse",
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
        super().__init__(
            n_components,
            init=init,
            reconstruction_weight=reconstruction_weight,
            head_hidden_layer_sizes=head_hidden_layer_sizes,
            architecture=architecture,
            image_shape=image_shape,
            loss=loss,
            missing_values=missing_values,
            noise=noise,
            noise_level=noise_level,
            augment=augment,
            optimizer=optimizer,
            learning_rate_init=learning_rate_init,
            learning_rate=learning_rate,
            alpha=alpha,
            batch_size=batch_size,
            max_iter=max_iter,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            warm_start=warm_start,
            callbacks=callbacks,
            checkpoint=checkpoint,
            device=device,
            precision=precision,
            compile=compile,
            verbose=verbose,
            random_state=random_state,
        )
        self.class_weight = class_weight

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

        Center and scale follow the data, and the network computes the same in the new
        units. Convolutions follow only the scale, user-supplied modules and networks that see
        principal directions follow neither.

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
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} is not supported by partial_fit, which does "
                "not know how many rows of each class will come: give the weights as a dict, for "
                "instance from sklearn.utils.class_weight.compute_class_weight."
            )
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit, got None.")
        return self._fit(X, y, sample_weight, X_target, partial=True, classes=classes)

    @by_blocks
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
        # Of logits as of probabilities: softmax keeps the order.
        best = self._outputs(X).argmax(axis=1)
        labels: np.ndarray = self.classes_[best]
        return labels

    @by_blocks
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
        # The head returns logits: their cross-entropy is exact where probabilities round to zero.
        probabilities: np.ndarray = softmax(self._outputs(X), axis=1)
        return probabilities

    @by_blocks
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
        # Not the logarithm of `predict_proba`, which is minus infinity where that rounds to zero.
        log_probabilities: np.ndarray = log_softmax(self._outputs(X), axis=1)
        return log_probabilities

    @by_blocks
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
        # One column for two classes, as scikit-learn's thresholds and curves expect.
        return outputs[:, 1] - outputs[:, 0] if self.n_outputs_ == 2 else outputs

    def _read_y(self, y: Any) -> Any:
        check_complete(y, "y", "a label")
        # As scikit-learn's classifiers: a column of labels is taken, with a warning.
        y = column_or_1d(y, warn=True)
        if y.dtype == object:
            # Before the checks of scikit-learn, whose error on mixed types does not name y.
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
        if run.mode.forgets:
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
        weights = training_set.weights
        if not run.mode.is_partial:
            # A batch of a stream may well hold one class.
            _check_classes(labels, weights, self.classes_)
        if self.class_weight is not None:
            weights = class_weights(self.class_weight, self.classes_, labels, weights)
        # (n_samples, 1): labels have two dimensions, as those of several targets have.
        return training_set._replace(labels=labels[:, None], weights=weights)

    def _validation_order(
        self, training_set: TrainingSet, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Order the rows such that any number of first ones has the proportions of the classes.

        The last row of each class comes at the very end, so that training sees every class.
        """
        order = super()._validation_order(training_set, random_state)
        labels = training_set.labels[order, 0]
        counts = np.bincount(labels)
        # Stable, here and below: the order within a class stays random, as drawn.
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
