"""Columns that color the points: the target, the caller's own, errors and components."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d

from ..._arrays import as_array
from .._style import COLORS
from .._targets import read_target

# The color map of a quantity ends here: one extreme value would make all others look the same.
_CENTRAL = (0.01, 0.99)
# A class after the tenth has the color of an earlier one, so much darker.
_DARKER = 0.6
PALETTE = [
    "#" + "".join(f"{round(int(color[i : i + 2], 16) * factor):02x}" for i in (1, 3, 5))
    for factor in (1.0, _DARKER)
    for color in COLORS
]


def read_columns(y: Any, columns: Any, n_samples: int) -> list[dict[str, Any]]:
    """Return the target, whose columns come first, and further columns.

    Parameters
    ----------
    y : object
        Target of one column or of several, or None.
    columns : mapping of str to array-like, DataFrame or None
    n_samples : int

    Returns
    -------
    columns : list of dict
        As of `describe`.

    Raises
    ------
    ValueError
        If a column has no value for each row.
    """
    named = {**_columns_of_target(y), **_named(columns, "columns")}
    for name, values in named.items():
        values = as_array(values, name)
        if len(values) != n_samples:
            raise ValueError(
                f"{name} must have a value for each of the {n_samples} rows of X, got "
                f"{len(values)} values."
            )
        named[name] = column_or_1d(np.asarray(values))
    return [describe(name, values) for name, values in named.items()]


def _columns_of_target(y: Any) -> dict[str, Any]:
    if y is None:
        return {}
    if hasattr(y, "columns"):
        return _named(y, "y")
    values = np.asarray(as_array(y, "y"))
    if values.ndim == 0:
        raise ValueError(f"y must have a value for each row of X, got {y!r}.")
    if values.ndim == 2 and values.shape[1] > 1:
        return {f"y {i}": column for i, column in enumerate(values.T)}
    name = getattr(y, "name", None)
    return {"y" if name is None else str(name): values}


def _named(columns: Any, parameter: str) -> dict[str, Any]:
    if columns is None:
        return {}
    if hasattr(columns, "columns"):
        return {str(name): columns[name].to_numpy() for name in columns.columns}
    if isinstance(columns, Mapping):
        return {str(name): values for name, values in columns.items()}
    raise TypeError(
        f"{parameter} must be a mapping of names to values or a DataFrame, got "
        f"{type(columns).__name__}."
    )


def describe(name: str, values: np.ndarray) -> dict[str, Any]:
    """Return a column as the page gets it.

    Returns
    -------
    column : dict
        ``values`` as floats, NaN where grey; ``classes``, a list of labels, or ``limits`` of the
        color map of a quantity; ``rest``, what grey points are.
    """
    target = read_target(values)
    # A color needs no more digits, and there may be hundreds of thousands of rows.
    column = {"name": name, "values": target.values.astype(np.float32), "rest": target.rest}
    if target.classes is not None:
        return {**column, "classes": target.classes}
    known = target.values[np.isfinite(target.values)]
    limits = np.quantile(known, _CENTRAL).tolist() if known.size else [0.0, 1.0]
    return {**column, "limits": limits}
