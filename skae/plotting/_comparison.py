"""One figure for a whole comparison: the reconstructions and the codes of each reducer."""

from math import ceil
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_scalar

from .._utils import import_optional
from ._latent import LatentSpaceDisplay
from ._reconstruction import ReconstructionDisplay

# Six default reducers fill two rows of three panels.
_PANELS_PER_ROW = 4
_PANEL_WIDTH = 2.9  # inches
_MAX_POINTS = 3000  # of a panel: more only cover each other


def plot_comparison(comparison: Any, *, n_images: int = 10) -> Any:
    """Draw the reconstructions and the codes of reducers that were compared.

    If the rows are images, the upper part shows some held-out ones (one of each class, if
    classes are known) above their reconstructions; otherwise, a bar chart of the reconstruction
    errors. The lower part shows the codes of the held-out rows, colored by class. Reducers that
    failed are left out.

    Parameters
    ----------
    comparison : skae.Comparison
        The result of :func:`skae.compare`.
    n_images : int, default=10
        The largest number of images to show.

    Returns
    -------
    matplotlib Figure
        The figure, reconstructions above codes.

    Raises
    ------
    ValueError
        If every reducer failed, or `n_images` is below 1.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from skae import compare
    >>> from skae.plotting import plot_comparison
    >>> X, y = load_digits(return_X_y=True)
    >>> comparison = compare(X, y, reducers={"PCA": PCA(2)}, image_shape=(8, 8), random_state=0)
    >>> plot_comparison(comparison, n_images=5)
    <Figure size ...>
    """
    plt = import_optional("matplotlib.pyplot", "plot")
    check_scalar(n_images, "n_images", Integral, min_val=1)
    n_panels = len(comparison.codes)
    if not n_panels:
        raise ValueError(f"comparison must hold codes to draw, but {comparison.errors} happened.")
    n_rows = ceil(n_panels / _PANELS_PER_ROW)
    n_columns = ceil(n_panels / n_rows)
    width = max(3, n_columns) * _PANEL_WIDTH
    heights = (_upper_height(comparison, n_images, width), 0.4 + n_rows * _PANEL_WIDTH)
    figure = plt.figure(figsize=(width, sum(heights)), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=heights)
    if comparison.image_shape is None:
        _draw_errors(comparison, top.subplots())
    else:
        _draw_images(comparison, n_images, top.subplots())
    _draw_codes(comparison, bottom.subplots(n_rows, n_columns, squeeze=False), bottom)
    return figure


def _upper_height(comparison: Any, n_images: int, width: float) -> float:
    """Return the inches that the rows of images need to fill the width, or the bars."""
    n_rows = 1 + len(comparison.reconstructions)
    if comparison.image_shape is None:
        return 0.5 + 0.4 * n_rows
    height_in_pixels, width_in_pixels, *_ = comparison.image_shape
    room = (width - 2.5) / n_images  # the names of the rows take the rest
    # Half an inch for the title; few images are not blown up beyond 1.2 inches.
    return 0.5 + n_rows * float(min(1.2, room * height_in_pixels / width_in_pixels))


def _draw_images(comparison: Any, n_images: int, ax: Any) -> None:
    rows = one_of_each(comparison.y_test, n_images)
    table = comparison.table
    reconstructions = {
        f"{name}\n{table.loc[name, 'explained variance']:.0%} explained": X[rows]
        for name, X in comparison.reconstructions.items()
    }
    ReconstructionDisplay.from_reconstructions(
        comparison.X_test[rows],
        reconstructions,
        image_shape=comparison.image_shape,
        n_images=n_images,
        ax=ax,
    )
    ax.set_title("Held-out images and their reconstructions")


def one_of_each(y: np.ndarray | None, n_images: int) -> Any:
    """Return rows to show: one of each class if classes are known, then the first others."""
    if y is None:
        return slice(n_images)
    _, firsts = np.unique(y, return_index=True)
    others = np.setdiff1d(np.arange(len(y)), firsts)
    return np.concatenate([firsts, others])[:n_images]


def _draw_errors(comparison: Any, ax: Any) -> None:
    errors = comparison.table["reconstruction error"].dropna()[::-1]  # the first on top
    bars = ax.barh(errors.index, errors, color="0.6")
    ax.bar_label(bars, fmt="%.3g", padding=3)
    ax.margins(x=0.12)  # for the numbers beyond the longest bar
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set(title="Mean squared error of the reconstruction of held-out rows")


def _draw_codes(comparison: Any, axes: Any, figure: Any) -> None:
    y = None if comparison.y_test is None else comparison.y_test[:_MAX_POINTS]
    for ax, (name, codes) in zip(axes.flat, comparison.codes.items(), strict=False):
        # One legend serves all panels: classes have the same colors in each.
        end_of_first_row = ax is axes[0, -1]
        LatentSpaceDisplay.from_codes(codes[:_MAX_POINTS], y, ax=ax, legend=end_of_first_row)
        ax.set_title(name)
    for ax in axes.flat[len(comparison.codes) :]:
        ax.set_axis_off()
    figure.suptitle("Codes of held-out rows")
