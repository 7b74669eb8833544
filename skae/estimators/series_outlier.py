"""Outliers in series: a score for each time step, events, and the channels they are of."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Self, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, OutlierMixin
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.metaestimators import available_if

from .._engine.environment import compute_threads
from .._sklearn_compat import Interval, StrOptions
from .._utils import unchanged_on_error
from ..series._blocks import split_into_blocks
from ..series._periods import resolve_window
from ..series._reading import Series, bare_series, joined_series, read_series
from ._checked import CheckedMixin, ObjectsWith
from ._input import check_fitted
from ._reducer import fit_reducer, is_forecaster, reconstruct, route_to_reducer
from ._series_alarms import SeriesThresholdMixin
from ._series_scores import (
    can_be_reduced,
    causal_deviations_of_steps,
    deviations_of_steps,
    forecast_deviations,
    mean_of_observed,
    nearest_deviations,
    reconstruction_deviations,
    trimmed_pca,
)
from ._series_stream import SeriesStreamMixin
from ._series_training import (
    as_number,
    center_and_scale,
    check_blocks,
    evenly_spaced_windows,
    in_frame_like,
)
from ._thresholds import CONTAMINATION

# Windows that others are compared with: more take longer and detect no more.
_MAX_REFERENCES = 1000
# Windows that a reducer is trained on: neighbors in time differ little.
_MAX_TRAINING_WINDOWS = 20_000
# Windows that the default PCA is fitted to, three times.
_MAX_PCA_WINDOWS = 5000
# Errors of steps are averaged over this part of a window: a sixth to a third do the same.
_SMOOTHED_PARTS = 4
# Steps that a stream remembers, so that its next fit is as one of all of them.
_MAX_STREAM_STEPS = 100_000

Method = TypeVar("Method", bound=Callable[..., Any])


# scikit-learn's decorator has no types, and would take those of the method.
_if_no_reducer: Callable[[Method], Method] = available_if(
    lambda detector: detector.estimator is None
)


class SeriesOutlierDetector(
    CheckedMixin,
    SeriesStreamMixin,
    SeriesThresholdMixin,
    MetaEstimatorMixin,
    OutlierMixin,
    BaseEstimator,
):
    """Find outliers in series: when, how much, and in which channels.

    A window of some steps is compared with the most similar windows of the training series, and
    each step gets the mean deviation of the windows that hold it. Series may be long
    recordings of several channels, of unequal length, with missing values and lost time steps. The
    same series may be trained on and scored.

    Parameters
    ----------
    estimator : estimator with `transform` and `inverse_transform`, default=None
        A reducer of windows, which are rows of ``window * n_channels`` values, each channel divided
        by its standard deviation; a clone of it is fitted. It may be a
        :class:`~skae.SequencePredictor`: a step is then compared with its prediction from the
        window before it. If None, windows of one channel are compared as they are, and those of
        several with their reconstruction by a PCA of ten components, which is fitted without the
        windows that fit worst.
    method : {'auto', 'neighbors', 'error'}, default='auto'
        ``'neighbors'`` is the mean squared distance to the nearest of at most 1000 training
        windows, or of their reconstructions if an `estimator` is given. ``'error'`` is the squared
        error of the reconstruction of a step in its windows, in the mean over a quarter of a window
        around it, or that of its prediction. ``'auto'`` is ``'error'`` for a `SequencePredictor`,
        and for several channels without an `estimator` if windows have at least 40 values;
        otherwise it is ``'neighbors'``.
    window : int, str or timedelta, default='auto'
        Length of a window: a number of steps, or a time such as ``'6h'`` if X has time stamps.
        ``'auto'`` is the dominant period if it is clear; see :class:`~skae.Windows`. Longer windows
        find slower changes, shorter ones localize better.
    causal : bool, default=False
        Whether the score of a step depends only on the steps up to it, as that of `score_next`
        always does. Otherwise a step has the mean of the windows that hold it, which begin before
        it and end after it: more reliable, and known a window later.
    contamination : 'auto' or float in (0, 0.5], default='auto'
        Where `offset_` is put. A float is the fraction of the training steps that are called
        outliers. ``'auto'`` is Tukey's fence, 1.5 interquartile ranges below the lower
        quartile of the held-out steps' scores.
    n_neighbors : int or float in (0, 1], default=0.02
        Similar windows in a comparison, a float as a fraction of `references_`.
    calibration_fraction : float in (0, 1), default=0.2
        Fraction of the training series that is held out from all fitting, in blocks spread evenly,
        for `p_values`, the false-positive rate and ``contamination='auto'``.

    Attributes
    ----------
    estimator_ : estimator or None
        The fitted reducer; None if windows are compared as they are.
    method_ : {'neighbors', 'error'}
        The method in use.
    window_ : int
        Number of steps in a window.
    offset_ : float
        ``decision_function`` is ``score_samples - offset_``; `set_threshold` moves it.
    center_, scale_ : ndarray of shape (n_channels,)
        Mean and standard deviation of each channel in the fitted steps; of a constant channel, the
        median standard deviation of the others.
    references_ : ndarray of shape (n_references, window * n_channels)
        Windows that others are compared with, step by step, in standard deviations from `center_`.
        Only available for ``'neighbors'``.
    training_scores_ : ndarray of shape (n_timesteps,)
        `score_samples` of all training steps, one series after the other.
    calibration_scores_ : ndarray of shape (n_calibration,)
        `score_samples` of the held-out blocks, each as a series of its own, sorted.
    n_calibration_blocks_ : int
        Number of held-out blocks.
    n_features_in_ : int
        Number of channels in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the channels. Only available if X has names that are all strings.

    See Also
    --------
    Windows : Series as rows of windows and back.
    ReconstructionOutlierDetector : Outliers among rows without an order.
    skae.plotting.SeriesOutlierDisplay : The series, its scores and its events.

    Notes
    -----
    A series is an array or DataFrame of shape (n_timesteps, n_channels); a vector of at least 30
    values or a Series is one channel. A list of them is several series; the methods then return
    lists. Time stamps are an index of dates (pandas) or the one column of dates (polars): windows
    do not reach across lost steps. NaN is a missing value, which is neither normal nor unusual;
    steps without an observed value have a score of NaN and count as normal.

    References
    ----------
    Chernozhukov, Wüthrich and Zhu (2018), "Exact and robust conformal inference methods for
    predictive machine learning with dependent data", COLT, 732-749.

    Ramaswamy, Rastogi and Shim (2000), "Efficient algorithms for mining outliers from large data
    sets", SIGMOD, 427-438.

    Examples
    --------
    >>> import pandas as pd
    >>> from skae import SeriesOutlierDetector
    >>> from skae.datasets import make_sensors
    >>> sensors = make_sensors(random_state=0)
    >>> X = pd.DataFrame(sensors.data, columns=["a", "b", "c", "d", "e"])
    >>> detector = SeriesOutlierDetector().fit(X[:2000])
    >>> detector.window_
    96
    >>> detector.score_samples(X).shape, detector.channel_scores(X).shape
    ((5000,), (5000, 5))
    >>> events = detector.set_threshold(quantile=0.999).events(X[2150:2700])
    >>> events["channels"].tolist()
    [['e'], ['d']]

    The faults among them:

    >>> sensors.faults[1:3]
    [Fault(start=2367, end=2461, channel=4, kind='frozen'), Fault(start=2603, end=2652, channel=3,
    kind='decoupled')]
    """

    _parameter_constraints = {
        "estimator": [ObjectsWith(["fit", "transform", "inverse_transform"]), None],
        "method": [StrOptions({"auto", "neighbors", "error"})],
        "window": "no_validation",  # by `resolve_window`, which knows the time stamps
        "causal": ["boolean"],
        "contamination": CONTAMINATION,
        "n_neighbors": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="right"),
        ],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        method: str = "auto",
        window: Any = "auto",
        causal: bool = False,
        contamination: float | str = "auto",
        n_neighbors: float = 0.02,
        calibration_fraction: float = 0.2,
    ) -> None:
        self.estimator = estimator
        self.method = method
        self.window = window
        self.causal = causal
        self.contamination = contamination
        self.n_neighbors = n_neighbors
        self.calibration_fraction = calibration_fraction

    def fit(self, X: Any, y: object = None) -> Self:
        """Fit to normal series, and put the threshold where `contamination` says.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            Series that are mostly normal, of three windows at least.
        y : None
            Ignored.

        Returns
        -------
        self : SeriesOutlierDetector
            The fitted detector.

        Raises
        ------
        ValueError, TypeError
            If X is no series or too short, or a parameter cannot be used; the detector stays as it
            was.
        """
        with unchanged_on_error(self), compute_threads():
            self._validate_params()
            self._check_method()
            self._fit(read_series(self, X, reset=True, min_steps=3)[0])
        return self

    @_if_no_reducer
    def partial_fit(self, X: Any, y: object = None) -> Self:
        """Continue with the next steps of the series, as if `fit` had been given all so far.

        The last 100,000 steps are remembered. Not available with an `estimator`.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels)
            What follows on the last series so far. The first call needs as many steps as `fit`.
        y : None
            Ignored.

        Returns
        -------
        self : SeriesOutlierDetector
            The fitted detector.

        Raises
        ------
        ValueError, TypeError
            As `fit`.
        """
        before = [bare_series(*each) for each in vars(self).get("_memory", [])]
        with unchanged_on_error(self), compute_threads():
            self._validate_params()
            self._check_method()
            new, _ = read_series(self, X, reset=not before)
            whole = [*before[:-1], joined_series(before[-1], new[0]), *new[1:]] if before else new
            self._fit(whole)
        return self

    def _check_method(self) -> None:
        # Before any work: fitting a predictor takes long.
        if self.method == "neighbors" and is_forecaster(self.estimator):
            raise ValueError(
                "method='neighbors' compares reconstructions of windows, and "
                f"estimator={self.estimator!r} predicts what follows on them. Use method='error' "
                "or 'auto'."
            )

    def _fit(self, series: list[Series]) -> None:
        self.window_ = resolve_window(self.window, series)
        blocks = split_into_blocks(
            [each.segments for each in series], self.window_, self.calibration_fraction
        )
        check_blocks(blocks, series, self.window, self.window_)
        fitted = [series[each.series].values[each.steps] for each in blocks if not each.is_held_out]
        self.center_, self.scale_ = center_and_scale(fitted)
        self.method_ = self._resolved_method()
        self._learn([(each - self.center_) / self.scale_ for each in fitted])
        self.training_scores_ = np.concatenate([self._score_series(each) for each in series])
        self._calibrate_on(
            [series[each.series].values[each.steps] for each in blocks if each.is_held_out]
        )
        self.set_threshold(contamination=self.contamination)
        self._remember(series)

    def _learn(self, stretches: list[np.ndarray]) -> None:
        """Learn from standardized stretches what `_deviations_of` compares windows with."""
        for name in ("references_", "_reference_squares", "_history", "estimator_"):
            # Of an earlier fit.
            self.__dict__.pop(name, None)
        self.estimator_ = self._fitted_reducer(stretches)
        if self.method_ == "error":
            return
        references = evenly_spaced_windows(stretches, self.window_, _MAX_REFERENCES)
        if self.estimator_ is not None:
            references = reconstruct(self.estimator_, references, "estimator")
        self.references_ = np.asarray(references, dtype=np.float64)
        # Kept: for one window it takes as long to compute as all else.
        self._reference_squares = np.square(self.references_).sum(axis=1)

    def _fitted_reducer(self, stretches: list[np.ndarray]) -> Any:
        if self.estimator is None:
            few = evenly_spaced_windows(stretches, self.window_, _MAX_PCA_WINDOWS)
            return trimmed_pca(few) if self.method_ == "error" else None
        rows = evenly_spaced_windows(stretches, self.window_, _MAX_TRAINING_WINDOWS)
        if is_forecaster(self.estimator):
            rows = rows.reshape(len(rows), self.window_, -1)
        return fit_reducer(self.estimator, rows, owner=self, parameter="estimator")

    def _resolved_method(self) -> str:
        if self.method != "auto":
            return self.method
        # Channels say more of each other than similar windows do, if there are enough values.
        is_reduced = (
            self.estimator is None
            and self.n_features_in_ > 1
            and can_be_reduced(self.window_ * self.n_features_in_)
        )
        return "error" if is_reduced or is_forecaster(self.estimator) else "neighbors"

    @property
    def _n_smoothed(self) -> int:
        """Steps over which errors are averaged; the distance of a window is a mean already."""
        is_error = self.method_ == "error" and not is_forecaster(self.estimator_)
        return max(1, self.window_ // _SMOOTHED_PARTS) if is_error else 1

    def _remember(self, series: list[Series]) -> None:
        self._step = next((each.step for each in series if each.step is not None), None)
        self._memory: list[tuple[np.ndarray, np.ndarray | None]] = []
        if self.estimator is None:
            n_left = _MAX_STREAM_STEPS
            for each in reversed(series):
                if n_left > 0:
                    last = each.last(n_left)
                    # Copies: the caller may write to its arrays.
                    self._memory.insert(0, (np.array(last.values), last.times))
                    n_left -= len(each.values)

    # -- scores ----------------------------------------------------------------------------

    def score_samples(self, X: Any) -> Any:
        """Score time steps by their negative mean squared deviation; higher is more normal.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            Series, the one of `fit` or others.

        Returns
        -------
        scores : ndarray of shape (n_timesteps,), or a list of such
            ``-((channel_scores(X) / scale_) ** 2).mean(axis=1)``. NaN where nothing was observed.
        """
        return self._for_each(X, self._score_series)

    def channel_scores(self, X: Any) -> Any:
        """Return the contribution of each channel to the score of each step.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            Series.

        Returns
        -------
        deviations : {ndarray, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            Root mean square of how far the channel is off in the windows of the step, in the units
            of the channel. Divide by `scale_` to compare channels. If X is a DataFrame of pandas or
            polars, one of the same library with its index and channels.
        """
        found = self._for_each(X, self._deviations_of_series)
        is_list = isinstance(found, list)
        parts = zip(found, X, strict=True) if is_list else [(found, X)]
        scores = [in_frame_like(np.sqrt(each) * self.scale_, given) for each, given in parts]
        return scores if is_list else scores[0]

    # -- computing -------------------------------------------------------------------------

    def _check_fitted(self) -> None:
        check_fitted(self, "offset_")

    def _for_each(self, X: Any, compute: Callable[[Series], np.ndarray]) -> Any:
        """Apply a function to a series, or to each of a list of series."""
        self._check_fitted()
        series, is_list = read_series(self, X, reset=False)
        with compute_threads():
            found = [compute(each) for each in series]
        return found if is_list else found[0]

    def _score_series(self, series: Series) -> np.ndarray:
        return -mean_of_observed(self._deviations_of_series(series), 1)

    def _score_stretch(self, values: np.ndarray) -> np.ndarray:
        return -mean_of_observed(self._deviations_of_stretch(values), 1)

    def _deviations_of_series(self, series: Series) -> np.ndarray:
        """Return the squared deviation (n_timesteps, n_channels), in units of `scale_` squared."""
        parts = [self._deviations_of_stretch(series.values[each]) for each in series.segments]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _deviations_of_stretch(self, values: np.ndarray) -> np.ndarray:
        values = (values - self.center_) / self.scale_
        # The error of a prediction is that of one step, and of no other in the window.
        is_causal = self.causal or is_forecaster(self.estimator_)
        spread = causal_deviations_of_steps if is_causal else deviations_of_steps
        return spread(values, self.window_, self._deviations_of, self._n_smoothed)

    def _deviations_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the squared deviations of windows (n_windows, n_steps, n_channels)."""
        n_channels = self.n_features_in_
        if self.method_ == "neighbors":
            n_neighbors = as_number(self.n_neighbors, len(self.references_))
            deviations = nearest_deviations(
                rows, self.references_, self._reference_squares, n_neighbors, n_channels
            )
            # The same for all steps of a window.
            return np.broadcast_to(deviations[:, None], (len(rows), self.window_, n_channels))
        is_prediction = is_forecaster(self.estimator_)
        compute = forecast_deviations if is_prediction else reconstruction_deviations
        return compute(self.estimator_, rows, n_channels)

    def get_metadata_routing(self) -> MetadataRouter:
        """Get the metadata routing of this object, as scikit-learn's guide describes it.

        Returns
        -------
        routing : MetadataRouter
            The requests of the detector itself, and those of `estimator`.
        """
        return route_to_reducer(self, estimator=self.estimator)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
