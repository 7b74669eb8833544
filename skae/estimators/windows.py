"""Windows of a series as rows of features, and back."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, column_or_1d

from .._arrays import as_array, check_complete, naming_types
from .._sklearn_compat import Interval
from .._utils import lookup, unchanged_on_error
from ..series._layout import to_steps, window_rows, window_starts
from ..series._periods import resolve_window
from ..series._reading import Series, bare_series, is_list_of_series, read_series
from ._checked import CheckedMixin


class Windows(CheckedMixin, TransformerMixin, BaseEstimator):
    """Cut series into windows, which are rows for any estimator, and put them together again.

    A window is a row of ``window * n_channels`` values, step by step. Rows are a view of the
    series: they take no memory of their own. Windows do not reach across lost time steps, nor
    from one series into the next.

    This is no step of a :class:`~sklearn.pipeline.Pipeline`, which cannot change the number of
    samples: labels, weights and scores of the last step would belong to other rows than those of
    X. Estimators for series such as :class:`~skae.SeriesOutlierDetector` cut windows themselves and
    return a value for each time step. This class is for all others.

    Parameters
    ----------
    window : int, str or timedelta, default='auto'
        Length of a window: a number of steps, or a time such as ``'6h'`` if X has time stamps.
        ``'auto'`` is the dominant period, the lag with the highest autocorrelation, if that is at
        least 0.5, has from 16 to 512 steps, and X holds eight of them. Otherwise it is 256 steps or
        a twentieth of the series, whichever is less, and 1 if all steps are independent of each
        other.
    stride : int, default=1
        Steps from one window to the next. The last window ends with the series all the same.

    Attributes
    ----------
    window_ : int
        Number of steps in a window.
    n_features_in_ : int
        Number of channels in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the channels. Only available if X has names that are all strings.

    See Also
    --------
    skae.SeriesOutlierDetector : Outliers in series.

    Notes
    -----
    A series is an array, memmap or DataFrame of shape (n_timesteps, n_channels); a vector or Series
    is one channel. A list of them is several series. Time stamps are an index of dates (pandas) or
    the one column of dates (polars); where they skip a step, a new stretch begins. Stretches that
    are shorter than a window have none.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from skae import Windows
    >>> series = np.sin(np.arange(1000) * 2 * np.pi / 50)[:, None]
    >>> windows = Windows().fit(series)
    >>> windows.window_
    50
    >>> rows = windows.transform(series)
    >>> rows.shape, bool(np.shares_memory(rows, series))
    ((951, 50), True)

    A series without noise, by way of windows without noise:

    >>> noisy = series + np.random.default_rng(0).normal(0, 0.3, series.shape)
    >>> rows = windows.transform(noisy)
    >>> pca = PCA(2).fit(rows)
    >>> smooth = windows.inverse_transform(pca.inverse_transform(pca.transform(rows)))
    >>> bool(np.abs(smooth - series).mean() < 0.2 * np.abs(noisy - series).mean())
    True
    """

    _parameter_constraints = {
        "window": "no_validation",  # by `resolve_window`, which knows the time stamps
        "stride": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, window: Any = "auto", *, stride: int = 1) -> None:
        self.window = window
        self.stride = stride

    def fit(self, X: Any, y: object = None) -> Self:
        """Determine the length of a window.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            One series or several.
        y : None
            Ignored.

        Returns
        -------
        self : Windows
            The fitted object.

        Raises
        ------
        ValueError, TypeError
            If X is no series, or `window` no length; the object stays as it was.
        """
        with unchanged_on_error(self):
            self._validate_params()
            series, _ = read_series(self, X, reset=True)
            self.window_ = resolve_window(self.window, series)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the windows as rows.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            One series or several.

        Returns
        -------
        rows : ndarray of shape (n_windows, window * n_channels)
            All values of the first step, then those of the second, and so on. Of one series without
            lost steps it is a read-only view, as far as no window is left over by the stride.
        """
        parts = [
            window_rows(each.values[segment], self.window_, self.stride)
            for each in self._read(X)
            for segment in each.segments
        ]
        # Not by concatenate: it copies a single view, and each step as often as windows hold it.
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def fit_transform(self, X: Any, y: object = None) -> np.ndarray:
        """Fit, and return the windows of X as rows.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such
            One series or several.
        y : None
            Ignored.

        Returns
        -------
        rows : ndarray of shape (n_windows, window * n_channels)
            As of `transform`.
        """
        return self.fit(X).transform(X)

    def inverse_transform(self, rows: ArrayLike, X: Any = None) -> Any:
        """Return the series that windows make: the mean where they overlap.

        Parameters
        ----------
        rows : array-like of shape (n_windows, window * n_channels), or (n_windows,)
            Windows in the order of `transform`, or a number for each, such as its score: a step
            then gets the mean of those of the windows that hold it.
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such, \
                default=None
            The series from which the windows were cut. If None, they are those of one series
            without lost steps.

        Returns
        -------
        series : ndarray of shape (n_timesteps, n_channels), (n_timesteps,), or a list of such
            NaN where no window is. With a number for each window, vectors; a list if X is one.

        Raises
        ------
        ValueError
            If there are not as many windows as `transform` makes of X, or they have another length.
        """
        check_is_fitted(self)
        # Not check_array: windows of series with missing values hold NaN.
        rows = np.asarray(as_array(rows, "rows"))
        if rows.dtype.kind not in "biuf":
            with naming_types(rows, "rows"):
                rows = rows.astype(np.float64)
        width = self.window_ * self.n_features_in_
        if rows.ndim not in (1, 2) or rows.shape[1:] not in ((), (width,)):
            raise ValueError(
                f"rows must have shape (n_windows, {width}) or (n_windows,), got {rows.shape}."
            )
        series = [self._unread(len(rows))] if X is None else self._read(X)
        is_list = X is not None and is_list_of_series(X)
        n_windows = [sum(map(len, self._starts(each))) for each in series]
        if sum(n_windows) != len(rows):
            raise ValueError(
                f"rows must hold the {sum(n_windows)} windows of X, got {len(rows)}: give the X "
                "from which they were cut."
            )
        # Each series by itself: no mean reaches from one into the next.
        parts = np.split(rows, np.cumsum(n_windows)[:-1])
        steps = [self._join(part, each) for part, each in zip(parts, series, strict=True)]
        return steps if is_list else steps[0]

    def align(self, y: ArrayLike, X: Any = None, *, reduce: str = "max") -> np.ndarray:
        """Return a label for each window.

        Parameters
        ----------
        y : array-like of shape (n_timesteps,), or a list of such
            A label for each step of X.
        X : {array-like, DataFrame} of shape (n_timesteps, n_channels), or a list of such, \
                default=None
            The series. If None, one series without lost steps.
        reduce : {'max', 'mean', 'first', 'last'}, default='max'
            Which of the labels in a window counts: ``'max'`` marks windows that hold an outlier,
            labeled 1 among zeros.

        Returns
        -------
        labels : ndarray of shape (n_windows,)
            In the order of `transform`.

        Raises
        ------
        ValueError
            If y has another length than X, or misses labels.
        """
        check_is_fitted(self)
        take = lookup("reduce", reduce, _REDUCTIONS)
        is_list = X is not None and is_list_of_series(X)
        parts: Any = y if is_list else [y]
        labels = [column_or_1d(each) for each in parts]
        for each in labels:
            check_complete(each, "y", "a label")
            if reduce in ("max", "mean") and each.dtype.kind not in "biuf":
                raise ValueError(
                    f"reduce={reduce!r} needs labels that are numbers, got {each.dtype}: give 1 "
                    "for outliers and 0 for others, or choose reduce='first' or 'last'."
                )
        series = [_of_length(len(labels[0]), self.n_features_in_)] if X is None else self._read(X)
        if [len(each) for each in labels] != [len(each.values) for each in series]:
            raise ValueError(
                f"y must hold a label for each of {[len(each.values) for each in series]} steps, "
                f"got {[len(each) for each in labels]}."
            )
        return np.concatenate(
            [
                # Labels as a series of one channel, cut as X is: (n_windows, window).
                take(window_rows(each[segment, None], self.window_, self.stride))
                for each, one in zip(labels, series, strict=True)
                for segment in one.segments
            ]
        )

    def _read(self, X: Any) -> list[Series]:
        check_is_fitted(self)
        return read_series(self, X, reset=False)[0]

    def _unread(self, n_windows: int) -> Series:
        """Return an empty series that is as long as so many windows reach."""
        n_steps = (n_windows - 1) * self.stride + self.window_ if n_windows else 0
        return _of_length(n_steps, self.n_features_in_)

    def _starts(self, series: Series) -> list[np.ndarray]:
        return [
            segment.start + window_starts(segment.stop - segment.start, self.window_, self.stride)
            for segment in series.segments
        ]

    def _join(self, rows: np.ndarray, series: Series) -> np.ndarray:
        starts = np.concatenate(self._starts(series))
        if rows.ndim == 1:
            # (n_windows,) to (n_windows, window, 1): a view, with one number for all steps.
            same = np.broadcast_to(rows[:, None, None], (len(rows), self.window_, 1))
            return to_steps(same, starts, len(series.values))[:, 0]
        # (n_windows, window * n_channels) to (n_windows, window, n_channels)
        windows = rows.reshape(len(rows), self.window_, self.n_features_in_)
        return to_steps(windows, starts, len(series.values))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _of_length(n_steps: int, n_channels: int) -> Series:
    """Return a series of which only the length matters."""
    # A view of one number: it takes no memory, however long the series is.
    return bare_series(np.broadcast_to(np.nan, (n_steps, n_channels)))


# By the parameter `reduce` of `align`: from labels (n_windows, window) to one for each window.
_REDUCTIONS: dict[str, Callable[[np.ndarray], Any]] = {
    "max": lambda labels: labels.max(axis=1),
    "mean": lambda labels: labels.mean(axis=1),
    "first": lambda labels: labels[:, 0],
    "last": lambda labels: labels[:, -1],
}
