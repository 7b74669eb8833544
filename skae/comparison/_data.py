"""The data of a comparison: checked, split, and as the rows of numbers that are scored."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.multiclass import type_of_target

from .._arrays import as_array, check_columns, check_labels, columns_without_numbers, dense
from ..plotting._images import as_images

N_NEIGHBORS = 5  # of the neighbor scores; twice as many rows must be held out, and one more


class Split(NamedTuple):
    """Training and held-out rows, as the reducers get them and as they are scored."""

    X: Any  # array, sparse matrix or frame, as all other X
    train: np.ndarray
    test: np.ndarray
    X_train: Any
    X_test: Any
    rows_test: np.ndarray
    y_train: np.ndarray | None
    y_test: np.ndarray | None


def read_data(
    X: Any, y: Any, image_shape: tuple[int, ...] | None
) -> tuple[Any, np.ndarray | None, tuple[int, ...] | None]:
    """Return X as the reducers get it, y as a vector, and the shape of an image or None."""
    X = as_array(X)
    # Frames may hold columns that pipelines encode: they are not checked here.
    if not _is_frame(X):
        check_columns(X)
        X = check_array(
            X, accept_sparse="csr", allow_nd=True, ensure_all_finite="allow-nan", input_name="X"
        )
    if getattr(X, "ndim", 2) > 2 or image_shape is not None:
        image_shape = as_images(numbers(X), image_shape).shape[1:]
    X = X.reshape(len(X), -1) if isinstance(X, np.ndarray) else X
    return X, None if y is None else _read_classes(y, X), image_shape


def _read_classes(y: Any, X: Any) -> np.ndarray:
    classes: np.ndarray = check_labels(y)
    check_consistent_length(X, classes)
    # Numbers with fractions would be taken for as many classes as there are rows.
    kind = type_of_target(classes, input_name="y")
    if kind not in ("binary", "multiclass"):
        raise ValueError(
            f"y must hold classes, got a {kind} target. Leave it out to compare without."
        )
    return classes


def split_data(X: Any, y: np.ndarray | None, test_size: float, seed: int | None) -> Split:
    """Split the rows, stratified by class if there are classes."""
    X_train, X_test, train, test = train_test_split(
        X, np.arange(X.shape[0]), test_size=test_size, random_state=seed, stratify=y
    )
    if len(test) <= 2 * N_NEIGHBORS:
        raise ValueError(
            f"test_size must hold out more than {2 * N_NEIGHBORS} rows, "
            f"got {test_size!r}, which makes {len(test)} of {X.shape[0]}."
        )
    y_train, y_test = (None, None) if y is None else (y[train], y[test])
    return Split(X, train, test, X_train, X_test, numbers(X_test), y_train, y_test)


def numbers(X: Any, like: Any = None) -> np.ndarray:
    """Return the columns of numbers as a dense matrix; NaN marks missing values.

    Which columns these are is read from the frame `like`, X itself by default.
    """
    like = X if like is None else like
    others = {name for name, _ in columns_without_numbers(like)}
    if others:
        kept = [i for i, name in enumerate(like.columns) if name not in others]
        X = X[[like.columns[i] for i in kept]] if _is_frame(X) else np.asarray(X)[:, kept]
    # check_array refuses what has no columns, or no rows.
    if 0 in X.shape:
        return np.empty(X.shape)
    X = check_array(X, accept_sparse="csr", allow_nd=True, ensure_all_finite="allow-nan")
    rows: np.ndarray = dense(X)
    return rows


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") and hasattr(X, "shape")
