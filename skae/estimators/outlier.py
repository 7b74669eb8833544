"""Outliers by reconstruction, from any reducer with an inverse."""

import math
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin, clone
from sklearn.utils import check_array, indexable
from sklearn.utils.metadata_routing import MetadataRouter

from .._arrays import check_weights, chunks
from .._engine.environment import compute_threads
from .._sklearn_compat import (
    Interval,
    StrOptions,
    check_method_params,
    safe_indexing,
)
from .._typing import MatrixLike, Seed
from .._utils import unchanged_on_error
from ._blocks import by_blocks
from ._checked import CheckedMixin, ObjectsWith
from ._detector_input import (
    column_means,
    default_reducer,
    fit_default_reducer,
    fit_encoder,
    flat,
    is_mixed,
    per_column,
    reconstruct_table,
    takes_missing,
)
from ._frames import frame_like, is_frame
from ._held_out import Split, split_rows
from ._input import check_fitted, read_samples
from ._neighborhoods import learn, observed_means, origins_and_ranges, squared_deviations
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

# Reconstructions that a row is compared with, and values of all of them: 1000 detect 0.005 fewer
# (area under the ROC curve, normal training rows), 5000 as many as 2000.
_MAX_REFERENCES, _MAX_REFERENCE_VALUES = 2000, 2**23


class ReconstructionOutlierDetector(
    CheckedMixin, ThresholdMixin, ShiftMixin, MetaEstimatorMixin, OutlierMixin, BaseEstimator
):
    """Find rows that differ from what a reducer reconstructs of the training rows.

    The plain reconstruction error measures how far a row lies from the surface of all that the
    reducer can reconstruct. That surface extends to where there are no data, and outliers on it
    have no error. The default score measures instead how far the row lies from the part of the
    surface that the training rows occupy, which is known by the reconstructions of at most 2000
    of them. It has a near and a far part, and the more unusual of both counts:

    - near: the mean squared distance to the nearest five reconstructions, divided by the root of
      the same distance of these five themselves. It finds rows that differ from those around them.
    - far: the geometric mean of the mean squared distance to the nearest tenth of the
      reconstructions and of how far each value is from the nearest half of its feature's values.
      It finds clusters of outliers that are in the training data and are near to each other.

    Parameters
    ----------
    estimator : estimator with `transform` and `inverse_transform`, default=None
        The reducer, or a pipeline of them. A clone of it is fitted; a
        :class:`~sklearn.frozen.FrozenEstimator` stays as it is. If None, it is
        ``make_pipeline(MinMaxScaler(), PCA(0.99))``. An autoencoder does better here with
        eight components than with the two that a plot needs. A frame of mixed columns needs a
        :class:`~skae.TableAutoencoder`, or a pipeline that begins with a
        :class:`~skae.TableEncoder`. With ``method='error'`` it may be a
        :class:`~skae.SequencePredictor`.
    method : {'neighbors', 'error'}, default='neighbors'
        ``'neighbors'`` is the distance to the nearest reconstructions of training rows, each
        feature divided by its range in training. ``'error'`` is the mean squared error of the
        row's own reconstruction, without any scaling; of a `SequencePredictor`, that of the
        predicted last frame.
    contamination : 'auto' or float in (0, 0.5], default='auto'
        Where `offset_` is put. A float is the fraction of the training rows that are called
        outliers. ``'auto'`` is Tukey's fence, 1.5 interquartile ranges below the lower
        quartile of the held-out rows' scores.
    n_neighbors : 'auto', int or float in (0, 1], default='auto'
        ``'auto'`` is the score above, near and far. A number makes it the mean squared distance
        to only so many nearest reconstructions, a float as a fraction of `references_`: many
        against clusters of outliers in the training data, few where training rows are normal.
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
        What deviations are divided by: ones for ``'error'`` and for tables, the range of each
        feature for ``'neighbors'`` (of a constant one, the median range of the others).
    references_ : ndarray of shape (n_references, n_features)
        Reconstructions of training rows, in the units of the data; of a table, encoded. Only
        available if ``method='neighbors'``.
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
    Missing values are taken where the reducer takes them, and by the default one, which gets means
    in their place. They are left out of all distances.

    Each distance is divided by its median over training rows, and the larger is multiplied by the
    median of the wide one, so that the score has the unit of a squared deviation. The near distance
    divides features by the range between their quantiles of 0.01 and 0.99, which no row sets.

    The reducer gets what the caller gives: a DataFrame, so that its columns can be selected by
    name, a CSR matrix if its tags say that it takes such, and an array otherwise. With metadata
    routing enabled, it gets the metadata that it requests.

    References
    ----------
    S. Ramaswamy, R. Rastogi and K. Shim (2000), "Efficient algorithms for mining outliers from
    large data sets", SIGMOD, 427-438.

    M. Breunig, H.-P. Kriegel, R. Ng and J. Sander (2000), "LOF: identifying density-based local
    outliers", SIGMOD, 93-104.

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

    How much two features of the first one contribute, in the units of the columns:

    >>> detector.feature_scores(malignant[:1])[["worst radius", "worst symmetry"]].round(1)
       worst radius  worst symmetry
    0           7.4             0.2
    """

    _parameter_constraints = {
        "estimator": [ObjectsWith(["fit", "transform", "inverse_transform"]), None],
        "method": [StrOptions({"neighbors", "error"})],
        "contamination": CONTAMINATION,
        "n_neighbors": [
            StrOptions({"auto"}),
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
        n_neighbors: float | str = "auto",
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
            samples = self._read_training_rows(X)
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

    def _read_training_rows(self, X: Any) -> Any:
        for name in ("_encoder", "_filling"):  # of a fit with another reducer
            self.__dict__.pop(name, None)
        missing = self._takes_missing = takes_missing(self._reducer)
        if not is_mixed(X, self._reducer):
            return read_samples(self, X, reset=True, min_rows=3, allow_missing=missing)
        self._encoder = fit_encoder(self, self._reducer, X)
        samples = self._encoder.transform(X)
        return check_array(samples, ensure_min_samples=3, ensure_all_finite="allow-nan")

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
        rows, weights = split.fitted_once()
        if self.estimator is None:
            self._filling = column_means(samples[rows], weights)
        seen = self._seen(clone(self._reducer), samples, X)
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
        return default_reducer() if self.estimator is None else self.estimator

    def _fit_reducer(
        self, X: Any, y: Any, weights: np.ndarray | None, fit_params: dict[str, Any]
    ) -> None:
        given = {"owner": self, "parameter": "estimator", **fit_params}
        if self.estimator is None:
            self.estimator_ = fit_default_reducer(X, y, weights, **given)
        else:
            self.estimator_ = fit_reducer(self.estimator, X, y, weights, **given)

    def _learn_normal_rows(self, samples: Any, seen: Any, split: Split) -> None:
        """Learn from the fitted rows what `_squared_deviations` compares others with."""
        for name in ("references_", "_parts"):
            # Of a fit with another method.
            self.__dict__.pop(name, None)
        self._sample_shape = samples.shape[1:]
        self.scale_ = np.ones(samples.shape[1:])
        if self.method != "error":
            self._learn_neighborhoods(samples, seen, split)
        if hasattr(self, "_encoder"):
            self.scale_ = np.ones(len(self._encoder.columns_))

    def _learn_neighborhoods(self, samples: Any, seen: Any, split: Split) -> None:
        low, self.scale_ = origins_and_ranges(samples[split.fitted])
        n_features = math.prod(samples.shape[1:])
        # These are in random order.
        rows = split.fitted[: max(2, min(_MAX_REFERENCES, _MAX_REFERENCE_VALUES // n_features))]
        self.references_ = self._reconstruct(safe_indexing(seen, rows))
        scales = low.ravel(), self.scale_.ravel()
        given, references = (flat(each) for each in (samples[rows], self.references_))
        self._parts = learn(given, references, scales, self.n_neighbors, split.weights(rows))

    def _reconstruct(self, seen: Any) -> np.ndarray:
        if hasattr(self, "_encoder"):
            return reconstruct_table(self.estimator_, seen, self._encoder)
        return np.asarray(reconstruct(self.estimator_, seen, "estimator"))

    @by_blocks
    def score_samples(self, X: MatrixLike) -> np.ndarray:
        """Score rows by their negative mean squared deviation; higher is more normal.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            ``-((feature_scores(X) / scale_) ** 2).mean(axis=1)``, without missing values, and
            the same whichever other rows X holds. A row without any value scores 0. Of a
            `SequencePredictor`, its own ``score_samples``.
        """
        return self._score_samples(*self._read(X))

    @if_reconstructs
    @by_blocks
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
            Distance of each value from its expected value, without a sign, in the units of
            its feature: from its own reconstruction for ``'error'``, from the nearest
            reconstructions (root mean square) for ``'neighbors'``. If ``n_neighbors='auto'``,
            those of a row are multiplied by one factor such that they add up to its score; a near
            distance, which is small, is so expressed by the wide one that is as unusual. Divide
            by `scale_` to compare features. Missing values have NaN. If X is a DataFrame of
            pandas or polars, one of the same library with its index and columns; each column of
            a mixed table has the sum of its encoded numbers, in standard deviations.
        """
        samples, seen = self._read(X)
        deviations = self._deviations(samples, seen).reshape(-1, *self.scale_.shape)
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
        if hasattr(self, "_encoder"):
            return self._encoder.transform(X), X
        samples = read_samples(self, X, reset=False, allow_missing=self._takes_missing)
        if samples.shape[1:] != self._sample_shape:
            raise ValueError(
                f"X must hold samples of shape {self._sample_shape}, got {samples.shape[1:]}."
            )
        return samples, self._seen(self.estimator_, samples, X)

    def _seen(self, reducer: Any, samples: Any, X: Any) -> Any:
        """Return what the reducer gets: the default one means in the place of missing values."""
        if self.estimator is not None:
            return as_seen_by(reducer, samples, X)
        missing = np.isnan(samples)
        return np.where(missing, self._filling, samples) if missing.any() else samples

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
        return -observed_means(self._squared_deviations(samples, seen))

    def _deviations(self, samples: Any, seen: Any) -> np.ndarray:
        """Deviation of each value, or column of a table, in its units; samples flat."""
        with compute_threads():
            squares = self._squared_deviations(samples, seen)
        if hasattr(self, "_encoder"):
            squares = per_column(squares, self._encoder)
        deviations: np.ndarray = np.sqrt(squares) * self.scale_.ravel()
        return deviations

    def _squared_deviations(self, samples: Any, seen: Any) -> np.ndarray:
        """Squared deviation of each value from its expected value, in units of `scale_`."""
        rows = flat(samples)
        if not hasattr(self, "references_"):
            return np.asarray(rows - flat(self._reconstruct(seen))) ** 2
        return squared_deviations(self._parts, rows)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Those of the default reducer are the tags of any estimator.
        if self.estimator is not None:
            tags = take_over_tags(tags, self.estimator)
        tags.input_tags.allow_nan = takes_missing(self._reducer)
        return tags
