"""Tables of colors: a number for each pair of a row and a column, with their names."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._style import axes_or_new

_MAX_NUMBERS = 120  # cells in which numbers are written; more are too small for them


def draw_heatmap(
    values: np.ndarray,
    row_names: Sequence[str],
    column_names: Sequence[str],
    label: str,
    *,
    ax: Any = None,
    **imshow_kwargs: Any,
) -> Any:
    """Draw a matrix from white (0) to dark, with a color bar; return the AxesImage."""
    n_rows, n_columns = values.shape
    size = (2.8 + 0.5 * n_columns, 2.2 + 0.35 * n_rows)
    ax = axes_or_new(ax, figsize=size)
    image = ax.imshow(values, **{"cmap": "Blues", "vmin": 0, "aspect": "auto", **imshow_kwargs})
    ax.set_xticks(range(n_columns), column_names, rotation=40, ha="left", rotation_mode="anchor")
    ax.set_yticks(range(n_rows), row_names)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.figure.colorbar(image, ax=ax, shrink=0.8).set_label(label)
    if values.size <= _MAX_NUMBERS:
        _write_numbers(ax, image, values)
    return image


def _write_numbers(ax: Any, image: Any, values: np.ndarray) -> None:
    """Write each number into its cell, light where the cell is dark."""
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = image.to_rgba(value)
        color = "black" if 0.3 * red + 0.6 * green + 0.1 * blue > 0.5 else "white"
        place = {"ha": "center", "va": "center", "fontsize": "x-small"}
        ax.text(column, row, f"{value:.2g}", color=color, **place)
