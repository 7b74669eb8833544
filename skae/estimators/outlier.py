"""Outliers by reconstruction: asks of a reducer only ``transform`` and ``inverse_transform``."""

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import check_array, check_random_state, gen_batches
from sklearn.utils.validation import check_is_fitted

from .._sklearn_compat import HasMethods, Interval, StrOptions, validate_parameter_constraints
from .._typing import MatrixLike
from .._utils import import_optional, unchanged_on_error
from ._input import read_samples
from ._thresholds import CONTAMINATION, THRESHOLDS, offset_by_contamination

# Reconstructions that a row is compared with, at most: more cost time and find no more.
_MOST_REFERENCES = 1000
# Rows scored at once: bounds the memory that their deviations take.
_BATCH_ROWS = 2048


class ReconstructionOutlierDetector(OutlierMixin, BaseEstimator):
    """Find rows that are unlike what a reducer makes of the training rows.

    The plain reconstruction error asks how far a row lies from the surface of all that the
    reducer can reconstruct. That surface goes on where there are no data, and outliers on it
    pass unseen. The default score asks instead how far the row lies from the part of the
    surface that the training rows occupy: it is the mean squared distance to the nearest
    tenth of their reconstructions, of which 1000 at most are kept. The neighbourhood is that
    wide so that a cluster of outliers in the training data cannot vouch for itself. A reducer
    that loses nothing makes it the distance to the nearest training rows.

    Parameters
    ----------
    estimator : estimator with `transform` and `inverse_transform`, default=None
        The reducer, or a pipeline of them. A clone of it is fitted; a
        :class:`~sklearn.frozen.FrozenEstimator` stays as it is. None stands for
        ``make_pipeline(MinMaxScaler(), PCA(0.95))``. An autoencoder does better here with
        eight components than with the two that make a picture.
    method : {'neighbors', 'error'}, default='neighbors'
        ``'neighbors'`` is the distance to the nearest reconstructions of training rows, each
        feature divided by its range in training. ``'error'`` is the mean squared error of the
        row's own reconstruction, without any scaling.
    contamination : 'auto' or float in (0, 0.5], default='auto'
        Where `offset_` is put. A float is the share of the training rows that are called
        outliers. ``'auto'`` is Tukey's fence, 1.5 interquartile ranges beyond the quartile of
        the held-out rows' scores.
    n_neighbors : int or float in (0, 1], default=0.1
        Reconstructions in a neighbourhood, a float as a share of `references_`: more than a
        cluster of outliers may have. Fewer find rows that are odd only beside those around.
    calibration_fraction : float in (0, 1), default=0.2
        Share of the training rows that are held out from all fitting, for `p_values`, the
        false-alarm rate and ``contamination='auto'``.
    random_state : int, RandomState instance or None, default=None
        Draws the held-out rows and the references. `estimator` has a seed of its own.

    Attributes
    ----------
    estimator_ : estimator
        The fitted reducer.
    offset_ : float
        ``decision_function`` is ``score_samples - offset_``; `set_threshold` moves it.
    scale_ : ndarray of shape (n_features,)
        What deviations are divided by: ones for ``'error'``, the range of each feature for
        ``'neighbors'`` (of a constant one, the median range of the others).
    references_ : ndarray of shape (n_references, n_features) or None
        Reconstructions of training rows, in the units of the data; None for ``'error'``.
    training_scores_ : ndarray of shape (n_samples,)
        `score_samples` of all training rows.
    calibration_scores_ : ndarray of shape (n_calibration,)
        `score_samples` of the held-out rows, sorted.
    n_features_in_, feature_names_in_
        Number of features in `fit`, and their names where X has string names.

    References
    ----------
    S. Ramaswamy, R. Rastogi and K. Shim (2000), "Efficient algorithms for mining outliers from
    large data sets", SIGMOD, 427-438.

    S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia (2023), "Testing for outliers with
    conformal p-values", Annals of Statistics 51, 149-178.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skae import ReconstructionOutlierDetector
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> benign, malignant = X[y == 1], X[y == 0]
    >>> detector = ReconstructionOutlierDetector(random_state=0).fit(benign)
    >>> detector.set_threshold(false_alarm_rate=0.05).predict(malignant[:5])
    array([-1, -1, -1, -1, -1])

    Who is to blame for the first, in the units of the columns:

    >>> detector.feature_scores(malignant[:1])[["worst radius", "worst symmetry"]].round(1)
       worst radius  worst symmetry
    0           9.5             0.2
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "method": [StrOptions({"neighbors", "error"})],
        "contamination": CONTAMINATION,
        "n_neighbors": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="right"),
        ],
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
        calibration_fraction=0.2,
        random_state=None,
    ):
        self.estimator = estimator
        self.method = method
        self.contamination = contamination
        self.n_neighbors = n_neighbors
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state

    def fit(self, X: MatrixLike, y: object = None) -> Self:
        """Fit a clone of the reducer, and put the threshold where `contamination` says.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, three at least and mostly normal; or images ``(n, height, width)``
            where `estimator` takes them, here as in every method.
        y : Ignored
            Present for the conventions of scikit-learn.

        Returns
        -------
        self : ReconstructionOutlierDetector
        """
        with unchanged_on_error(self):
            self._validate_params()
            self._fit(read_samples(self, X, reset=True, min_rows=3))
        return self

    def _fit(self, X):
        held_out, fitted = self._split(len(X))
        self._learn(X[fitted])
        self.training_scores_ = self._score_samples(X)
        self.calibration_scores_ = np.sort(self.training_scores_[held_out])
        self.offset_ = offset_by_contamination(self, self.contamination)

    def _split(self, n_rows):
        n_held_out = max(1, round(self.calibration_fraction * n_rows))
        if n_rows - n_held_out < 2:
            raise ValueError(
                f"calibration_fraction={self.calibration_fraction} of {n_rows} rows leaves "
                f"{n_rows - n_held_out} to fit, expected two or more."
            )
        order = check_random_state(self.random_state).permutation(n_rows)
        return order[:n_held_out], order[n_held_out:]

    def _learn(self, X):
        """Learn all but the threshold, from rows in random order."""
        default = make_pipeline(MinMaxScaler(), PCA(0.95))
        reducer = default if self.estimator is None else clone(self.estimator)
        # A FrozenEstimator insists on being given a y.
        self.estimator_ = reducer.fit(X, None)
        if self.method == "error":
            self.scale_ = np.ones(X.shape[1:])
            self.references_ = self._neighbors = None
            return
        self._origin, self.scale_ = X.min(axis=0).astype(np.float64), _ranges(X)
        self.references_ = self._reconstruct(X[:_MOST_REFERENCES])
        n_references, n_neighbors = len(self.references_), self.n_neighbors
        if not isinstance(n_neighbors, Integral):
            n_neighbors = max(1, round(n_neighbors * n_references))
        neighbors = NearestNeighbors(n_neighbors=min(n_neighbors, n_references), algorithm="brute")
        self._neighbors = neighbors.fit(self._scaled(self.references_))

    def score_samples(self, X: MatrixLike) -> np.ndarray:
        """Score rows by their negative mean squared deviation; higher is more normal.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            ``-((feature_scores(X) / scale_) ** 2).mean(axis=1)``, and the same whichever
            other rows X holds.
        """
        return self._score_samples(self._read(X))

    def decision_function(self, X: MatrixLike) -> np.ndarray:
        """Score rows as `score_samples` does, shifted so that outliers are below zero.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        decisions : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: MatrixLike) -> np.ndarray:
        """Tell normal rows from outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            1 for normal rows, -1 for outliers.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def set_threshold(
        self,
        *,
        contamination: float | str | None = None,
        quantile: float | None = None,
        false_alarm_rate: float | None = None,
    ) -> Self:
        """Move `offset_` without another fit; give exactly one of the three.

        Parameters
        ----------
        contamination : 'auto' or float in (0, 0.5], default=None
            As the parameter of the class: the share of the training rows called outliers.
        quantile : float in (0, 1), default=None
            Share of the training rows called normal.
        false_alarm_rate : float in (0, 1), default=None
            Call a row an outlier where its p-value is at most this, which befalls at most
            this share of normal rows, see `p_values`. With m held-out rows it is
            ``1 / (m + 1)`` at least.

        Returns
        -------
        self : ReconstructionOutlierDetector

        Raises
        ------
        ValueError
            If none or several are given, or one is out of its range.
        """
        check_is_fitted(self)
        given = {
            "contamination": contamination,
            "quantile": quantile,
            "false_alarm_rate": false_alarm_rate,
        }
        given = {name: value for name, value in given.items() if value is not None}
        if len(given) != 1:
            raise ValueError(
                "set_threshold needs exactly one of contamination, quantile and "
                f"false_alarm_rate, got {given or 'none'}."
            )
        [(name, value)] = given.items()
        constraints, offset = THRESHOLDS[name]
        validate_parameter_constraints({name: constraints}, given, "set_threshold")
        self.offset_ = offset(self, value)
        return self

    def p_values(self, X: MatrixLike) -> np.ndarray:
        """Conformal p-values: how often a normal row looks at least as odd.

        With m held-out rows it is ``(1 + those that score no higher) / (m + 1)``. For a new
        row from the population of the training rows, a p-value of at most alpha has a
        probability of at most alpha, whatever the reducer. This is on average over draws of
        the held-out rows; for one draw the rate strays by some ``sqrt(alpha / m)``. Held-out
        rows that are outliers, and look it, make p-values larger. Training rows have no valid
        p-values, and nobody has where a frozen reducer was fitted on the training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        p_values : ndarray of shape (n_samples,)
            From ``1 / (m + 1)``, for outliers, to 1.
        """
        scores = self.score_samples(X)
        n_as_odd = np.searchsorted(self.calibration_scores_, scores, side="right")
        return (1 + n_as_odd) / (1 + len(self.calibration_scores_))

    def feature_scores(self, X: MatrixLike) -> Any:
        """Tell which features make a row an outlier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        deviations : ndarray or DataFrame of the shape of X
            How far each value is from where it should be, without a sign, in the units of its
            feature: from its own reconstruction for ``'error'``, from the nearest
            reconstructions (root mean square) for ``'neighbors'``. Divide by `scale_` to
            compare features. For a pandas DataFrame, one with its index and columns.
        """
        rows = self._read(X)
        deviations = np.sqrt(self._squared_deviations(rows)) * self.scale_
        deviations = deviations.astype(np.result_type(rows, np.float32), copy=False)
        if not (hasattr(X, "index") and hasattr(X, "columns")):
            return deviations
        pandas = import_optional("pandas", "plot")
        return pandas.DataFrame(deviations, index=X.index, columns=X.columns)

    def _read(self, X):
        check_is_fitted(self)
        X = read_samples(self, X, reset=False)
        if X.shape[1:] != self.scale_.shape:
            raise ValueError(
                f"X must hold samples of shape {self.scale_.shape}, got {X.shape[1:]}."
            )
        return X

    def _score_samples(self, X):
        batches = gen_batches(len(X), _BATCH_ROWS)
        deviations = (self._squared_deviations(X[rows]) for rows in batches)
        means = [part.reshape(len(part), -1).mean(axis=1) for part in deviations]
        return -np.concatenate(means).astype(np.float64, copy=False)

    def _squared_deviations(self, X):
        """Squared deviation of each value from where it should be, in units of `scale_`."""
        if self._neighbors is None:
            return (X - self._reconstruct(X)) ** 2
        rows, references = self._scaled(X), self._scaled(self.references_)
        # (n_rows, n_references): 1 / n_neighbors at each neighbour, else 0
        weights = self._neighbors.kneighbors_graph(rows) / self._neighbors.n_neighbors
        center = weights @ references
        spread = np.maximum(weights @ references**2 - center**2, 0)
        return ((rows - center) ** 2 + spread).reshape(X.shape)

    def _scaled(self, X):
        return ((X - self._origin) / self.scale_).reshape(len(X), -1)

    def _reconstruct(self, X):
        given = X
        names = getattr(self.estimator_, "feature_names_in_", None)
        if names is not None:
            # A frozen reducer that was fitted on names warns where it gets none.
            given = import_optional("pandas", "plot").DataFrame(X, columns=names)
        reconstruction = check_array(
            self.estimator_.inverse_transform(self.estimator_.transform(given)),
            dtype=[np.float64, np.float32],
            allow_nd=True,
            input_name="reconstruction",
        )
        if reconstruction.shape != X.shape:
            raise ValueError(
                f"estimator must reconstruct X in its own shape, {X.shape}, got "
                f"{reconstruction.shape} from {self.estimator_!r}."
            )
        return reconstruction


def _ranges(X):
    """Range of each feature; of constant ones, whose unit nothing tells, the median range."""
    ranges = X.max(axis=0).astype(np.float64) - X.min(axis=0)
    varies = ranges > 0
    return np.where(varies, ranges, np.median(ranges[varies]) if varies.any() else 1.0)
