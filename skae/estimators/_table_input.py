"""Checks of what users give to the autoencoder of tables."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_scalar

from ._plan import FitMode


def read_weights(column_weights: Mapping[Any, float] | None, columns: list[Any]) -> Any:
    """Return the weight of each column that varies, as a tuple of float.

    Parameters
    ----------
    column_weights : dict or None
        Weights by name; others have weight one.
    columns : list of Column
    """
    given = dict(column_weights or {})
    names = [column.name for column in columns]
    for name, weight in given.items():
        if name not in names:
            raise ValueError(f"column_weights must name columns of X, {names}, got {name!r}.")
        check_scalar(weight, f"column_weights[{name!r}]", Real, min_val=0)
    # Constant columns have no numbers, and no part in the loss.
    weights = tuple(float(given.get(column.name, 1.0)) for column in columns if column.n_encoded)
    if not any(weights):
        raise ValueError("column_weights must have an entry above zero, got only zeros.")
    return weights


def check_rows(rows: np.ndarray, mode: FitMode) -> None:
    """Refuse encoded tables of which nothing can be learned."""
    if len(rows) < mode.min_rows:
        raise ValueError(
            # The words of scikit-learn's own check, which its estimator checks look for.
            f"Found array with {len(rows)} sample(s) while a minimum of {mode.min_rows} is "
            "required by TableAutoencoder."
        )
    if not rows.shape[1]:
        raise ValueError("X must have a column with two values or more, got only constants.")
