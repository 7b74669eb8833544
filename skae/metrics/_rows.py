"""Rows as metrics need them: numbers without infinity, images flattened."""

from typing import Any

import numpy as np
from sklearn.utils import check_array

from .._arrays import as_array, dense, naming_types


def check_rows(X: Any, name: str, *, allow_nan: bool = True) -> np.ndarray:
    """Return X as a numeric matrix without infinity, images flattened, in its own type."""
    X = as_array(X, name)
    with naming_types(X, name):
        X = check_array(
            X,
            accept_sparse="csr",
            allow_nd=True,
            ensure_all_finite="allow-nan" if allow_nan else True,
            input_name=name,
        )
    rows: np.ndarray = dense(X)
    return rows.reshape(len(rows), -1)


def has_missing(X: np.ndarray) -> bool:
    # A minimum needs no array of the size of X.
    return X.dtype.kind == "f" and bool(np.isnan(X.min(initial=np.inf)))
