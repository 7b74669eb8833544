"""Outliers by reconstruction: asks of a reducer only `transform` and `inverse_transform`."""

from numbers import Integral, Real

from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin

from .._validation import HasMethods, Interval, StrOptions

# Rows scored at once: bounds the memory that reconstructions take.
_BATCH_ROWS = 2048


class ReconstructionOutlierDetector(OutlierMixin, MetaEstimatorMixin, BaseEstimator):
    """Find the rows that a reducer, fitted on the training rows, reconstructs badly.

    A plain reconstruction error overlooks outliers that the reducer reproduces well: a
    linear subspace goes on for ever, and an autoencoder continues beyond its data. The
    default score therefore adds how far the reconstruction lies from where the training
    rows are reconstructed. For a row ``x`` reconstructed as ``x̂`` it is the mean over
    features, each divided by its range in training, of ::

        (x - x̂)²  +  mean of (x̂ - x̂ᵢ)² over the nearest training reconstructions x̂ᵢ

    The neighbourhood is wide, a tenth of the training rows, so that a cluster of outliers in
    the training data cannot vouch for itself as long as it is smaller than that.

    Parameters
    ----------
    estimator : estimator with `transform` and `inverse_transform`, default=None
        The reducer, or a pipeline of them. It is cloned and the clone fitted, except that a
        :class:`~sklearn.frozen.FrozenEstimator` stays as it is. None stands for
        ``make_pipeline(MinMaxScaler(), PCA(0.95))``. A code of few components hides what
        it cannot express: give an autoencoder eight or more for detection.

    method : {"neighbors", "error"}, default="neighbors"
        ``"neighbors"`` is the score above, the same in any units. ``"error"`` is the plain
        mean squared error of the reconstruction, without any scaling.

    contamination : "auto" or float in (0, 0.5], default="auto"
        Where `offset_` is put. A float is the share of the training rows that `predict`
        calls outliers. ``"auto"`` uses Tukey's upper fence, the third quartile plus 1.5
        interquartile ranges, of the logarithms of the held-out rows' outlier scores.

    n_neighbors : int or float in (0, 1], default=0.1
        Size of the neighbourhood, a float as a share of the reference rows; the only use of
        a smaller one is that it sees rows that are odd merely for their surroundings.

    max_references : int, default=1000
        At most so many training rows, drawn at random, have their reconstruction kept.

    calibration_fraction : float in (0, 1), default=0.2
        Share of the training rows held out from fitting the reducer. They calibrate
        `p_values`, the false-alarm rate, and ``contamination="auto"``.

    random_state : int, RandomState instance or None, default=None
        Draws the held-out rows and the references. `estimator` keeps its own.

    Attributes
    ----------
    estimator_ : estimator
        The fitted reducer.

    offset_ : float
        ``decision_function = score_samples - offset_``; `set_threshold` moves it.

    scale_ : ndarray of shape (n_features,)
        What each feature is divided by in the score: its range in training (for a constant
        feature the median range of the others), or ones where ``method="error"``.

    references_ : ndarray of shape (n_references, n_features) or None
        Reconstructions of training rows, in units of `scale_` above the training minimum;
        None where ``method="error"``.

    training_scores_ : ndarray of shape (n_samples,)
        `score_samples` of the training rows, held-out ones included.

    calibration_scores_ : ndarray of shape (n_calibration,)
        `score_samples` of the held-out rows, sorted.

    n_features_in_ : int
        Number of features seen in fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Notes
    -----
    A row's score depends on no other row of the batch, provided that the reducer's transform
    does not either.

    References
    ----------
    J. E. Jackson and G. S. Mudholkar (1979), Control procedures for residuals associated
    with principal component analysis, Technometrics 21: residual and code watched together.

    S. Ramaswamy, R. Rastogi and K. Shim (2000), Efficient algorithms for mining outliers
    from large data sets, SIGMOD: distance to neighbours.

    V. Vovk, A. Gammerman and G. Shafer (2005), Algorithmic learning in a random world,
    Springer: conformal p-values.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skae.estimators.outlier import ReconstructionOutlierDetector
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> benign, malignant = X[y == 1], X[y == 0]
    >>> detector = ReconstructionOutlierDetector(random_state=0).fit(benign)
    >>> bool((detector.predict(malignant) == -1).mean() > 0.8)
    True

    Who is to blame, in the units of the columns:

    >>> blame = detector.feature_scores(malignant[:1]) / detector.scale_
    >>> blame.idxmax(axis=1).item()
    'worst concave points'
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "method": [StrOptions({"neighbors", "error"})],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "n_neighbors": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="right"),
        ],
        "max_references": [Interval(Integral, 1, None, closed="left")],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        method="neighbors",
        contamination="auto",
        n_neighbors=0.1,
        max_references=1000,
        calibration_fraction=0.2,
        random_state=None,
    ):
        self.estimator = estimator
        self.method = method
        self.contamination = contamination
        self.n_neighbors = n_neighbors
        self.max_references = max_references
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state
