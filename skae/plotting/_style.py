"""Colors and markers that the displays share, and figures to draw on."""

from itertools import cycle, islice
from typing import Any

from .._utils import import_optional

# Petroff's ten colors (arXiv 2107.02270): apart for every kind of color vision, on white and
# on black.
COLORS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
# A light grey, which no color map in use has.
MISSING_COLOR = "#cccccc"


def series_styles(n_series: int) -> list[dict[str, Any]]:
    """Return color and marker of each of several series: no two are alike among a hundred."""
    colors = islice(cycle(COLORS), n_series)
    # Another marker for each, and after ten another order of them.
    return [
        {"color": color, "marker": MARKERS[(i + i // len(COLORS)) % len(MARKERS)]}
        for i, color in enumerate(colors)
    ]


def axes_or_new(ax: Any, **subplots_kwargs: Any) -> Any:
    """Return the axes that are given, or those of a new figure."""
    if ax is not None:
        return ax
    plt = import_optional("matplotlib.pyplot", "plot")
    return plt.subplots(layout="constrained", **subplots_kwargs)[1]
