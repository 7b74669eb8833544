"""Outliers: the scores with their threshold, and the features that make rows stand out."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_consistent_length, check_scalar

from .._arrays import as_array, check_labels
from ._heatmaps import draw_heatmap
from ._style import COLORS, axes_or_new

_N_BINS = 60


class OutlierDisplay:
    """Histogram of how far rows deviate, with the threshold of a detector.

    Build it by :meth:`from_estimator`.

    Parameters
    ----------
    deviations : ndarray of shape (n_samples,)
        Scores of the rows, such that higher ones are more unusual.
    threshold : float
        Rows that deviate more are outliers.
    y : ndarray of shape (n_samples,), default=None
        Groups of rows, such as known outliers, each with a color of its own.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes it is drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skae import ReconstructionOutlierDetector
    >>> from skae.plotting import OutlierDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> detector = ReconstructionOutlierDetector(random_state=0).fit(X[y == 1])
    >>> display = OutlierDisplay.from_estimator(detector, X, y)
    >>> display.ax_.get_xlabel()
    'deviation'
    """

    def __init__(
        self, *, deviations: np.ndarray, threshold: float, y: np.ndarray | None = None
    ) -> None:
        self.deviations = deviations
        self.threshold = threshold
        self.y = y

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        ax: Any = None,
        **hist_kwargs: Any,
    ) -> Self:
        """Score rows by a fitted detector and draw the scores.

        Parameters
        ----------
        estimator : object
            A fitted detector with ``score_samples`` and ``offset_``, such as
            :class:`~skae.ReconstructionOutlierDetector` or one of scikit-learn's.
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Groups of rows, such as known outliers.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **hist_kwargs : dict
            Passed to matplotlib's ``hist``.

        Returns
        -------
        OutlierDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator is no detector.
        ValueError
            If y has another length than X.
        """
        if not hasattr(estimator, "score_samples") or not hasattr(estimator, "offset_"):
            raise TypeError(
                "estimator must be a fitted detector with score_samples and offset_, got "
                f"{type(estimator).__name__}."
            )
        # Scores of scikit-learn are higher for normal rows; deviations are read the other way.
        scores = np.asarray(estimator.score_samples(X))
        groups = None if y is None else check_labels(y)
        if groups is not None:
            check_consistent_length(scores, groups)
        display = cls(deviations=-scores, threshold=-float(estimator.offset_), y=groups)
        return display.plot(ax=ax, **hist_kwargs)

    def plot(self, ax: Any = None, **hist_kwargs: Any) -> Self:
        """Draw the histogram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **hist_kwargs : dict
            Passed to matplotlib's ``hist``.

        Returns
        -------
        OutlierDisplay
            The display itself.
        """
        ax = axes_or_new(ax)
        # Without groups one histogram, in the same call.
        groups = [None] if self.y is None else list(np.unique(self.y))
        parts = [
            self.deviations if each is None else self.deviations[self.y == each] for each in groups
        ]
        # Most deviate little, and a few a hundred times as much.
        low, high = self.deviations.min(), self.deviations.max()
        is_ratio = min(low, self.threshold) > 0 and high > 10 * low
        bins = np.geomspace(low, high, _N_BINS) if is_ratio else np.linspace(low, high, _N_BINS)
        style: dict[str, Any] = {
            # Equal deviations have no range to be divided.
            "bins": bins if high > low else 1,
            # Stacked: the height of a bar stays the number of all rows in it.
            "stacked": True,
            "color": [COLORS[i % len(COLORS)] for i in range(len(groups))],
            "label": ["rows" if each is None else str(each) for each in groups],
        }
        ax.hist(parts, **{**style, **hist_kwargs})
        # Strictly beyond, as `predict` decides.
        n_outliers = int(np.sum(self.deviations > self.threshold))
        label = f"threshold: {n_outliers} of {len(self.deviations)} beyond"
        ax.axvline(self.threshold, color="black", linestyle="--", linewidth=1, label=label)
        ax.set(xlabel="deviation", ylabel="rows", xscale="log" if is_ratio else "linear")
        if is_ratio:
            # Plain numbers: powers of ten are hard to read as deviations.
            ax.xaxis.set_major_formatter("{x:g}")
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class ContributionDisplay:
    """The most unusual rows and the contributions of their features, as a table of colors.

    Build it by :meth:`from_estimator`.

    Parameters
    ----------
    contributions : ndarray of shape (n_rows, n_features)
        How far each value is off, in units of the usual deviation of its feature.
    row_names : list of str
        Names of the rows, the most unusual first.
    feature_names : list of str
        Names of the features.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The picture.
    ax_ : matplotlib Axes
        The axes it is drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skae import ReconstructionOutlierDetector
    >>> from skae.plotting import ContributionDisplay
    >>> X, _ = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> detector = ReconstructionOutlierDetector(random_state=0).fit(X)
    >>> display = ContributionDisplay.from_estimator(detector, X, n_rows=5, n_features=4)
    >>> display.contributions.shape
    (5, 4)
    """

    def __init__(
        self, *, contributions: np.ndarray, row_names: list[str], feature_names: list[str]
    ) -> None:
        self.contributions = contributions
        self.row_names = row_names
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_rows: int = 10,
        n_features: int = 12,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> Self:
        """Score rows by a fitted detector and draw the contributions of the most unusual.

        Parameters
        ----------
        estimator : object
            A fitted :class:`~skae.ReconstructionOutlierDetector`, or another detector with
            ``score_samples`` and ``feature_scores``.
        X : array-like of shape (n_samples, n_features)
            Rows; the index and columns of a frame name them.
        n_rows : int, default=10
            The largest number of rows to show; they are the most unusual.
        n_features : int, default=12
            The largest number of features to show; they are those that contribute most.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ContributionDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator has no ``feature_scores``.
        ValueError
            If a number is below 1.
        """
        for name, number in (("n_rows", n_rows), ("n_features", n_features)):
            check_scalar(number, name, Integral, min_val=1)
        if not hasattr(estimator, "feature_scores"):
            raise TypeError(
                "estimator must have feature_scores, got "
                f"{type(estimator).__name__}, which has none."
            )
        X = as_array(X)
        worst = np.argsort(estimator.score_samples(X), kind="stable")[:n_rows]
        scores = np.asarray(estimator.feature_scores(X))[worst]
        # Without units, so that one color means the same for all features.
        scales = np.broadcast_to(getattr(estimator, "scale_", 1.0), scores.shape[1:])
        contributions = (scores / scales).reshape(len(scores), -1)
        chosen = np.argsort(-contributions.sum(axis=0), kind="stable")[:n_features]
        index = getattr(X, "index", range(len(contributions)))
        columns = list(
            getattr(X, "columns", [f"feature {i}" for i in range(contributions.shape[1])])
        )
        display = cls(
            contributions=contributions[:, chosen],
            row_names=[str(list(index)[i]) if hasattr(X, "index") else str(i) for i in worst],
            feature_names=[str(columns[i]) for i in chosen],
        )
        return display.plot(ax=ax, **imshow_kwargs)

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> Self:
        """Draw the table.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **imshow_kwargs : dict
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        ContributionDisplay
            The display itself.
        """
        names = self.row_names, self.feature_names
        label = "off by, in usual deviations"
        self.im_ = draw_heatmap(self.contributions, *names, label, ax=ax, **imshow_kwargs)
        self.ax_, self.figure_ = self.im_.axes, self.im_.figure
        self.ax_.set_ylabel("row, the most unusual on top")
        return self
