"""What a comparison costs and gains: error against seconds, and against the size of the code."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ._style import axes_or_new, series_styles

# Where the legend stands: below the axes, where its height never squeezes them.
_LEGEND = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2), "ncols": 2, "frameon": False}
# More sizes of a code than that would not stand side by side.
_MAX_TICKS = 10


class TradeOffDisplay:
    """A score of several reducers against what it costs, a point for each.

    Points of the same reducer with several sizes of its code are joined by a line. Build it by
    :meth:`from_comparison`.

    Parameters
    ----------
    costs : dict of str to array-like of shape (n_points,)
        What each reducer costs, such as seconds or the size of its code, by name.
    scores : dict of str to array-like of shape (n_points,)
        What it reaches. NaN is left out.
    cost_name : str
        Label of the horizontal axis.
    score_name : str
        Label of the vertical axis.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        A line for each reducer that has a score.
    ax_ : matplotlib Axes
        The axes it is drawn on.
    figure_ : matplotlib Figure
        The figure of these axes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA, TruncatedSVD
    >>> from skae import compare
    >>> from skae.plotting import TradeOffDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> reducers = {"PCA": PCA(), "SVD": TruncatedSVD()}
    >>> comparison = compare(X, reducers=reducers, n_components=[1, 2, 3], random_state=0)
    >>> display = TradeOffDisplay.from_comparison(comparison, cost="n_components")
    >>> [line.get_label() for line in display.lines_]
    ['PCA', 'SVD']
    """

    def __init__(
        self,
        *,
        costs: Mapping[str, ArrayLike],
        scores: Mapping[str, ArrayLike],
        cost_name: str,
        score_name: str,
    ) -> None:
        self.costs = costs
        self.scores = scores
        self.cost_name = cost_name
        self.score_name = score_name

    @classmethod
    def from_comparison(
        cls,
        comparison: Any,
        *,
        score: str = "reconstruction error",
        cost: str = "fit seconds",
        ax: Any = None,
        **line_kwargs: Any,
    ) -> Self:
        """Draw the reducers of a comparison.

        Parameters
        ----------
        comparison : skae.Comparison
            The result of :func:`skae.compare`.
        score : str, default="reconstruction error"
            A column of its table, for the vertical axis.
        cost : str, default="fit seconds"
            Another one, for the horizontal axis; "n_components" answers how many components are
            needed, if the comparison was made with a list of them.
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **line_kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        TradeOffDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the table has no such column.
        """
        table = comparison.table
        for column in (score, cost):
            if column not in table:
                raise ValueError(
                    f"score and cost must be columns of the table, got {column!r}, expected one "
                    f"of {list(table.columns)}. The column n_components is there after a "
                    "comparison with a list of them."
                )
        names = np.asarray(table.get("reducer", table.index), dtype=object)
        # Rows of one reducer at several sizes are one line.
        groups = {name: table[names == name] for name in dict.fromkeys(names)}
        display = cls(
            costs={name: each[cost].to_numpy() for name, each in groups.items()},
            scores={name: each[score].to_numpy() for name, each in groups.items()},
            cost_name="size of the code" if cost == "n_components" else cost,
            score_name=score,
        )
        return display.plot(ax=ax, **line_kwargs)

    def plot(self, ax: Any = None, **line_kwargs: Any) -> Self:
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.
        **line_kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        TradeOffDisplay
            The display itself.
        """
        ax = axes_or_new(ax)
        self.lines_ = []
        # A reducer without a score keeps its color, so that pictures of other scores agree.
        styles = series_styles(len(self.costs))
        for style, (name, costs) in zip(styles, self.costs.items(), strict=True):
            points = np.column_stack([np.asarray(costs, float), self.scores[name]])
            points = points[~np.isnan(points).any(axis=1)]
            if len(points):
                # By cost: a line through sizes in another order would cross itself.
                points = points[np.argsort(points[:, 0], kind="stable")]
                style = {"markersize": 7, "label": str(name), **style, **line_kwargs}
                self.lines_ += ax.plot(*points.T, **style)
        ax.set(xlabel=self.cost_name, ylabel=self.score_name)
        _scale(ax, [line.get_xydata() for line in self.lines_])
        if self.lines_:
            ax.legend(**_LEGEND)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _scale(ax: Any, points: list[np.ndarray]) -> None:
    """Use logarithms for what spans more than a decade, and zero as the floor otherwise."""
    if not points:
        return
    for name, values in zip(("x", "y"), np.concatenate(points).T, strict=True):
        if values.min() > 0 and values.max() > 10 * values.min():
            getattr(ax, f"set_{name}scale")("log")
            # 0.1, not a power of ten; none between the decades.
            axis = getattr(ax, f"{name}axis")
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
        elif values.min() >= 0:
            getattr(ax, f"set_{name}lim")(0, 1.1 * (values.max() or 1))
    _tick_sizes(ax, np.concatenate(points)[:, 0])


def _tick_sizes(ax: Any, costs: np.ndarray) -> None:
    """Mark each size of a code: powers of ten are hardly ever among them."""
    sizes = np.unique(costs)
    if len(sizes) <= _MAX_TICKS and (sizes == sizes.round()).all():
        ax.set_xticks(sizes)
