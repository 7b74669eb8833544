"""Colors of points by a target: classes, quantities, angles, and missing entries."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._arrays import is_missing
from .._utils import import_optional
from ._style import COLORS, MISSING_COLOR

MAX_CLASSES = 20  # two markers in ten colors; more no eye distinguishes
_MARKERS = ("o", "^")
_LEGEND_COLUMN_ENTRIES = 12  # more make a legend that is higher than a small panel


@dataclass
class TargetColors:
    """What the colors of points stand for.

    `classes` are the labels of the legend, None if the target is a quantity; `values` are the
    numbers that the color map is given, NaN for grey points.
    """

    values: np.ndarray
    classes: list[str] | None
    is_cyclic: bool = False
    rest: str = "missing"  # what grey points are called

    def scatter_arguments(self) -> dict[str, Any]:
        """Return the arguments of matplotlib's ``scatter`` that color the points."""
        matplotlib = import_optional("matplotlib", "plot")
        if self.classes is None:
            cmap = matplotlib.colormaps["twilight_shifted" if self.is_cyclic else "viridis"]
            limits = {}
        else:
            # Each class is in the middle of its color.
            limits = {"vmin": -0.5, "vmax": MAX_CLASSES - 0.5}
            cmap = matplotlib.colors.ListedColormap(COLORS * len(_MARKERS))
        cmap = cmap.with_extremes(bad=MISSING_COLOR)
        return {"c": self.values, "cmap": cmap, "plotnonfinite": True, **limits}

    def draw_markers(self, scatter: Any) -> None:
        """Give the points of every class after the tenth another marker."""
        if self.classes is None or len(self.classes) <= len(COLORS):
            return
        paths = [_marker_path(marker) for marker in _MARKERS]
        second = np.nan_to_num(self.values) >= len(COLORS)
        scatter.set_paths([paths[int(each)] for each in second])

    def explain(self, scatter: Any, ax: Any) -> None:
        """Add a legend of the classes beside the axes, or a color bar for a quantity."""
        if self.classes is None:
            ax.figure.colorbar(scatter, ax=ax)
            return
        handles = [_handle(*entry) for entry in legend_entries(self)]
        columns = -(-len(handles) // _LEGEND_COLUMN_ENTRIES)
        place = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "ncols": columns}
        ax.legend(handles=handles, frameon=False, columnspacing=1, handletextpad=0.3, **place)


def read_target(y: ArrayLike, *, cyclic: bool = False) -> TargetColors:
    """Return the colors of the points by their target.

    Of more classes than colors, the smaller ones share the grey of missing entries.
    """
    y = np.asarray(y)
    missing = is_missing(y)
    classes, indices, counts = np.unique(
        _of_one_type(y[~missing]), return_inverse=True, return_counts=True
    )
    values = np.full(len(y), np.nan)
    if cyclic and classes.dtype.kind not in "biuf":
        raise ValueError(f"y must hold numbers if cyclic is True, got {classes[0]!r}.")
    if cyclic or _is_quantity(classes):
        values[~missing] = y[~missing]
        return TargetColors(values, None, is_cyclic=cyclic)
    values[~missing] = indices
    labels = [_label(each) for each in classes]
    if len(classes) <= MAX_CLASSES:
        return TargetColors(values, labels)
    # The largest ones, in their own order.
    kept = np.sort(np.argsort(-counts, kind="stable")[: MAX_CLASSES - 1])
    places = np.full(len(classes), np.nan)
    places[kept] = np.arange(len(kept))
    values[~missing] = places[indices]
    rest = f"{len(classes) - len(kept)} others" + (", missing" if missing.any() else "")
    return TargetColors(values, [labels[i] for i in kept], rest=rest)


def legend_entries(target: TargetColors) -> list[tuple[str, Any, str]]:
    """Return label, color and marker of each class, and of the grey points; none of quantities."""
    if target.classes is None:
        return []
    entries: list[tuple[str, Any, str]] = [
        (label, COLORS[i % len(COLORS)], _MARKERS[i // len(COLORS)])
        for i, label in enumerate(target.classes)
    ]
    if np.isnan(target.values).any():
        entries.append((target.rest, MISSING_COLOR, "o"))
    return entries


def _label(value: Any) -> str:
    # Classes that came as floats only because some are missing read as integers.
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _of_one_type(values: np.ndarray) -> np.ndarray:
    """Return objects as numbers if they are such, and as text if they cannot be sorted."""
    if values.dtype.kind != "O":
        return values
    if all(isinstance(value, Real) and not isinstance(value, bool) for value in values):
        return values.astype(float if any(value % 1 for value in values) else int)
    return values.astype(str)


def _is_quantity(values: np.ndarray) -> bool:
    """Return whether sorted distinct values are a quantity rather than classes."""
    is_continuous = values.dtype.kind == "f" and np.any(values % 1)
    return values.dtype.kind in "iuf" and bool(is_continuous or len(values) > MAX_CLASSES)


def _marker_path(marker: str) -> Any:
    style = import_optional("matplotlib.markers", "plot").MarkerStyle(marker)
    return style.get_path().transformed(style.get_transform())


def _handle(label: str, color: Any, marker: str) -> Any:
    Line2D = import_optional("matplotlib.lines", "plot").Line2D
    return Line2D([], [], color=color, label=label, linestyle="", marker=marker)
