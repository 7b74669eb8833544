"""Outliers by reconstruction, from any reducer with an inverse."""

import math
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin, clone
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import indexable
from sklearn.utils.metadata_routing import MetadataRouter

from .._arrays import check_weights, chunks, dense
from .._engine.environment import compute_threads
from .._sklearn_compat import (
    HasMethods,
    Interval,
    StrOptions,
    check_method_params,
    safe_indexing,
)
from .._typing import MatrixLike, Seed
from .._utils import unchanged_on_error
from ._docs import DocLinkMixin
from ._frames import frame_like, is_frame
from ._held_out import Split, split_rows
from ._input import check_fitted, read_samples
from ._nearest import kept_references, mean_squared_distances
from ._reducer import (
    as_seen_by,
    fit_reducer,
    is_forecaster,
    reconstruct,
    route_to_reducer,
    score_samples,
    take_over_tags,
)
from ._shift import ShiftMixin, if_reconstructs
from ._thresholds import CONTAMINATION, ThresholdMixin

# Reconstructions that a row is compared with: more take longer and detect no more outliers.
_MAX_REFERENCES = 1000


class ReconstructionOutlierDetector(
    DocLinkMixin, ThresholdMixin, ShiftMixin, MetaEstimatorMixin, OutlierMixin, BaseEstimator
):
    """Find rows that differ from what a reducer reconstructs of the training rows.

    The plain reconstruction error measures how far a row lies from the surface of all that the
    reducer can reconstruct. That surface extends to where there are no data, and outliers on it
    have no error. The default score measures instead how far the row lies from the part of the
    surface that the training rows occupy: it is the mean squared distance to the nearest
    tenth of their reconstructions, of which 1000 at most are kept. The neighborhood is that
    wide so that a cluster of outliers in the training data is not its own neighborhood. For a
    reducer that loses nothing it is the distance to the nearest training rows.

    Parameters
    ----------
    estimator : estimator with `transform` and `inverse_transform`, default=None
        The reducer, or a pipeline of them. A clone of it is fitted; a
        :class:`~sklearn.frozen.FrozenEstimator` stays as it is. If None, it is
        ``make_pipeline(MinMaxScaler(), PCA(0.95))``. An autoencoder does better here with
        eight components than with the two that a plot needs. With ``method='error'`` it may
        be a :class:`~skae.SequencePredictor`.
    method : {'neighbors', 'error'}, default='neighbors'
        ``'neighbors'`` is the distance to the nearest reconstructions of training rows, each
        feature divided by its range in training. ``'error'`` is the mean squared error of the
        row's own reconstruction, without any scaling; of a `SequencePredictor`, that of the
        predicted last frame.
    contamination : 'auto' or float in (0, 0.5], default='auto'
        Where `offset_` is put. A float is the fraction of the training rows that are called
        outliers. ``'auto'`` is Tukey's fence, 1.5 interquartile ranges below the lower
        quartile of the held-out rows' scores.
    n_neighbors : int or float in (0, 1], default=0.1
        Reconstructions in a neighborhood, a float as a fraction of `references_`: more than
        the rows that a cluster of outliers may have. Fewer find rows that differ only from
        those around them.
    calibration_fraction : float in (0, 1), default=0.2
        Fraction of the training rows that are held out from all fitting, for `p_values`, the
        false-positive rate and ``contamination='auto'``.
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
    references_ : ndarray of shape (n_references, n_features)
        Reconstructions of training rows, in the units of the data. Only available if
        ``method='neighbors'``.
    training_scores_ : ndarray of shape (n_samples,)
        `score_samples` of all training rows.
    calibration_scores_ : ndarray of shape (n_calibration,)
        `score_samples` of the held-out rows, sorted.
    n_features_in_ : int
        Number of features in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features in `fit`. Only available if X has names that are all strings.

    See Also
    --------
    skae.Autoencoder : A reducer with an inverse.
    sklearn.ensemble.IsolationForest : Outliers by random splits.

    Notes
    -----
    The reducer gets what the caller gives: a DataFrame, so that its columns can be selected by
    name, a CSR matrix if its tags say that it takes such, and an array otherwise. With metadata
    routing enabled, it gets the metadata that it requests.

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
    >>> detector.set_threshold(false_positive_rate=0.05).predict(malignant[:5])
    array([-1, -1, -1, -1, -1])

    How far two features of the first one are off, in the units of the columns:

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
        estimator: Any = None,
        *,
        method: str = "neighbors",
        contamination: float | str = "auto",
        n_neighbors: float = 0.1,
        calibration_fraction: float = 0.2,
        random_state: Seed = None,
    ) -> None:
        self.estimator = estimator
        self.method = method
        self.contamination = contamination
        self.n_neighbors = n_neighbors
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state

    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Fit a clone of the reducer, and put the threshold where `contamination` says.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows, three at least and mostly normal; or images of shape
            (n_samples, height, width) and the like if `estimator` takes them, here as in every
            method. Sparse matrices are taken if `estimator` takes them.
        y : array-like of shape (n_samples,), default=None
            Passed on to the reducer. The detector itself ignores it.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts for the reducer, in the neighborhoods, in the quantiles
            that `contamination` asks for, and in the p-values. A weight of zero is the same as
            leaving the row out. Weights that are whole numbers, of a sum of at most 1000, are
            counts: a weight of two is the same as giving the row twice.
        **fit_params : dict
            More metadata, routed to the ``fit`` of the reducer. Only available with
            ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        self : ReconstructionOutlierDetector
            The fitted detector.

        Raises
        ------
        ValueError, TypeError
            If data or a parameter cannot be used, if the reducer cannot honor the weights, or
            if it does not reconstruct X in its own shape; the detector stays as it was.
        """
        with unchanged_on_error(self), compute_threads():
            self._validate_params()
            self._check_method()
            samples = read_samples(self, X, reset=True, min_rows=3)
            weights = None if sample_weight is None else check_weights(sample_weight, samples)
            self._fit(samples, X, y, weights, fit_params)
        return self

    def _check_method(self) -> None:
        # Before any work: fitting a predictor takes long.
        if self.method != "error" and is_forecaster(self.estimator):
            raise ValueError(
                f"method={self.method!r} compares reconstructions of X, and "
                f"estimator={self.estimator!r} predicts what follows on X. Use method='error': "
                "it scores X by the error of the predicted last frame."
            )

    def _fit(
        self,
        samples: Any,
        X: Any,
        y: Any,
        sample_weight: np.ndarray | None,
        fit_params: dict[str, Any],
    ) -> None:
        # Lists cannot be indexed by an array of rows.
        _, y = indexable(samples, y)
        split = split_rows(samples, sample_weight, self.calibration_fraction, self.random_state)
        seen = as_seen_by(clone(self._reducer), samples, X)
        rows, weights = split.fitted_once()
        labels = None if y is None else safe_indexing(y, rows)
        fit_params = check_method_params(samples, fit_params, rows)
        self._fit_reducer(safe_indexing(seen, rows), labels, weights, fit_params)
        self._learn_normal_rows(samples, seen, split)
        self.training_scores_ = self._score_samples(samples, seen)
        self._calibrate(split)
        if not is_forecaster(self.estimator_):
            self._keep_for_shift(samples, seen, split)
        self.set_threshold(contamination=self.contamination)

    @property
    def _reducer(self) -> Any:
        """The reducer, unfitted."""
        if self.estimator is None:
            return make_pipeline(MinMaxScaler(), PCA(0.95))
        return self.estimator

    def _fit_reducer(
        self, X: Any, y: Any, weights: np.ndarray | None, fit_params: dict[str, Any]
    ) -> None:
        given = {"owner": self, "parameter": "estimator", **fit_params}
        if self.estimator is not None:
            self.estimator_ = fit_reducer(self.estimator, X, y, weights, **given)
            return
        # Step by step: a Pipeline takes no weights.
        scaler, pca = (step for _, step in self._reducer.steps)
        scaler = fit_reducer(scaler, X, y, weights, **given)
        pca = fit_reducer(pca, scaler.transform(X), y, weights, **given)
        self.estimator_ = make_pipeline(scaler, pca)

    def _learn_normal_rows(self, samples: Any, seen: Any, split: Split) -> None:
        """Learn from the fitted rows what `_squared_deviations` compares others with."""
        for name in ("references_", "_neighbors", "_reference_weights", "_origin"):
            # Of a fit with another method.
            self.__dict__.pop(name, None)
        if self.method == "error":
            self.scale_ = np.ones(samples.shape[1:])
            return
        self._origin, self.scale_ = _origin_and_ranges(samples[split.fitted])
        # These are in random order.
        rows = split.fitted[:_MAX_REFERENCES]
        self.references_ = reconstruct(self.estimator_, safe_indexing(seen, rows), "estimator")
        self._reference_weights = split.weights(rows)
        n_references, n_neighbors = len(self.references_), self.n_neighbors
        if not isinstance(n_neighbors, Integral):
            n_neighbors = max(1, round(n_neighbors * n_references))
        neighbors = NearestNeighbors(n_neighbors=min(n_neighbors, n_references), algorithm="brute")
        self._neighbors = neighbors.fit(self._scaled(self.references_))

    def score_samples(self, X: MatrixLike) -> np.ndarray:
        """Score rows by their negative mean squared deviation; higher is more normal.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            ``-((feature_scores(X) / scale_) ** 2).mean(axis=1)``, and the same whichever
            other rows X holds. Of a `SequencePredictor`, its own ``score_samples``.
        """
        return self._score_samples(*self._read(X))

    @if_reconstructs
    def feature_scores(self, X: MatrixLike) -> Any:
        """Return the contribution of each feature: how far its value is off.

        Not available for a `SequencePredictor`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        deviations : ndarray or DataFrame of shape (n_samples, n_features)
            Distance of each value from what is expected of it, without a sign, in the units of
            its feature: from its own reconstruction for ``'error'``, from the nearest
            reconstructions (root mean square) for ``'neighbors'``. Divide by `scale_` to
            compare features. If X is a DataFrame of pandas or polars, one of the same library
            with its index and columns.
        """
        samples, seen = self._read(X)
        deviations = self._deviations(samples, seen).reshape(samples.shape)
        # float64 for float64, and float32 for bytes as well.
        dtype = np.result_type(samples.dtype, np.float32)
        deviations = deviations.astype(dtype, copy=False)
        return frame_like(deviations, X) if is_frame(X) else deviations

    def get_metadata_routing(self) -> MetadataRouter:
        """Get the metadata routing of this object.

        See the :ref:`User Guide <metadata_routing>` of scikit-learn.

        Returns
        -------
        routing : MetadataRouter
            The requests of the detector itself, and those of `estimator`.
        """
        return route_to_reducer(self, estimator=self.estimator)

    def _read(self, X: Any) -> tuple[Any, Any]:
        """Return X as validated samples, and in the form that the reducer gets."""
        check_fitted(self, "offset_")
        samples = read_samples(self, X, reset=False)
        if samples.shape[1:] != self.scale_.shape:
            raise ValueError(
                f"X must hold samples of shape {self.scale_.shape}, got {samples.shape[1:]}."
            )
        return samples, as_seen_by(self.estimator_, samples, X)

    def _score_samples(self, samples: Any, seen: Any) -> np.ndarray:
        # Of narrow rows the distances to the references take the most memory.
        row_size = max(math.prod(samples.shape[1:]), _MAX_REFERENCES)
        score = self._score_frames if is_forecaster(self.estimator_) else self._score_values
        batches = list(chunks(samples.shape[0], row_size, for_products=True))
        with compute_threads():
            if len(batches) == 1:  # taking all rows takes longer than one row
                return np.asarray(score(samples, seen), dtype=np.float64)
            scores = [score(samples[rows], safe_indexing(seen, rows)) for rows in batches]
        return np.concatenate(scores).astype(np.float64, copy=False)

    def _score_frames(self, samples: Any, seen: Any) -> Any:
        return score_samples(self.estimator_, seen, "estimator")

    def _score_values(self, samples: Any, seen: Any) -> Any:
        if hasattr(self, "references_"):
            # On average what `_squared_deviations` has, without the features one by one.
            rows = self._scaled(dense(samples))
            kept = kept_references(self._neighbors, lambda: self._scaled(self.references_))
            n_neighbors, weights = self._neighbors.n_neighbors, self._reference_weights
            return -mean_squared_distances(rows, *kept, n_neighbors, weights)
        deviations = self._squared_deviations(samples, seen)
        return -deviations.reshape(len(deviations), -1).mean(axis=1)

    def _deviations(self, samples: Any, seen: Any) -> np.ndarray:
        """Deviation of each value from what is expected of it, in its units; samples flat."""
        with compute_threads():
            deviations: np.ndarray = np.sqrt(self._squared_deviations(samples, seen)) * self.scale_
        return deviations.reshape(len(deviations), -1)

    def _squared_deviations(self, samples: Any, seen: Any) -> Any:
        """Squared deviation of each value from what is expected of it, in units of `scale_`."""
        if not hasattr(self, "references_"):
            return (dense(samples) - reconstruct(self.estimator_, seen, "estimator")) ** 2
        rows, references = self._scaled(dense(samples)), self._scaled(self.references_)
        # (n_samples, n_references): what each neighbor counts. The mean of squared distances is
        # that to the mean plus the variance, without an array of all rows, neighbors and features.
        weights = self._neighborhoods(rows)
        center = weights @ references
        # Rounding can make a variance of zero negative.
        spread = np.maximum(weights @ references**2 - center**2, 0)
        return ((rows - center) ** 2 + spread).reshape(samples.shape)

    def _neighborhoods(self, rows: np.ndarray) -> Any:
        neighbors = self._neighbors.kneighbors_graph(rows)
        if self._reference_weights is None:
            return neighbors / self._neighbors.n_neighbors
        weights = neighbors @ sparse.diags(self._reference_weights)
        return sparse.diags(1 / np.ravel(weights.sum(axis=1))) @ weights

    def _scaled(self, samples: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = (samples - self._origin) / self.scale_
        return scaled.reshape(len(samples), -1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Those of the default reducer are the tags of any estimator.
        return tags if self.estimator is None else take_over_tags(tags, self.estimator)


def _origin_and_ranges(samples: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return minimum and range of each feature; of constant ones, the median range of others.

    The unit of a constant feature is unknown: any deviation in it is odd.
    """
    low, high = (
        dense(end).astype(np.float64) for end in (samples.min(axis=0), samples.max(axis=0))
    )
    if sparse.issparse(samples):
        low, high = low.ravel(), high.ravel()
    ranges = high - low
    varies = ranges > 0
    return low, np.where(varies, ranges, np.median(ranges[varies]) if varies.any() else 1.0)
