"""The data of a comparison: checked, split, and as the rows of numbers that are scored."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold, check_cv, train_test_split
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.multiclass import type_of_target

from .._arrays import as_array, check_columns, check_labels, columns_without_numbers, dense
from .._sklearn_compat import safe_indexing
from ..estimators._sources import in_memory
from ..estimators.table_encoder import TableEncoder
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
    _refuse_reducers(X=X, y=y)
    X = as_array(in_memory(X, "compare"))
    # Frames may hold columns that pipelines encode: they are not checked here.
    if not _is_frame(X):
        check_columns(X)
        X = check_array(
            X, accept_sparse="csr", allow_nd=True, ensure_all_finite="allow-nan", input_name="X"
        )
    else:
        _refuse_equal_names(X)
    if getattr(X, "ndim", 2) > 2 or image_shape is not None:
        image_shape = as_images(numbers(X), image_shape).shape[1:]
    X = X.reshape(len(X), -1) if isinstance(X, np.ndarray) else X
    return X, None if y is None else _read_classes(y, X), image_shape


def _refuse_reducers(**parts: Any) -> None:
    """Refuse reducers in the place of data, as other libraries' functions take them."""
    for name, part in parts.items():
        first = part[0] if isinstance(part, list | tuple) and part else part
        if isinstance(part, Mapping) or hasattr(first, "fit"):
            raise TypeError(
                f"{name} must hold data, got a {type(part).__name__}. Reducers are given by name: "
                'compare(X, y, reducers={"PCA": PCA(2)}).'
            )


def _refuse_equal_names(X: Any) -> None:
    names = [str(name) for name in X.columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            "X must have a name of its own for each column, got more than one column named "
            f"{', '.join(map(repr, repeated))}: rename or drop them."
        )


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


def split_data(
    X: Any, y: np.ndarray | None, *, test_size: float, cv: Any, seed: int | None
) -> list[Split]:
    """Return one split, or one for each fold of `cv`; stratified by class if there are classes."""
    if cv is None:
        # Positions in place of rows: X may be a frame or sparse.
        rows = np.arange(X.shape[0])
        pairs = [train_test_split(rows, test_size=test_size, random_state=seed, stratify=y)]
        held_out = f"test_size must hold out more than {2 * N_NEIGHBORS} rows, got {test_size!r}"
    else:
        # Splitters read the number of rows and y.
        pairs = list(_folds(cv, y, seed).split(np.empty((X.shape[0], 0)), y))
        held_out = f"cv must hold out more than {2 * N_NEIGHBORS} rows in each fold, got {cv!r}"
    fewest = min(len(test) for _, test in pairs)
    if fewest <= 2 * N_NEIGHBORS:
        raise ValueError(f"{held_out}, which makes {fewest} of {X.shape[0]}.")
    return [_split(X, y, train, test) for train, test in pairs]


def _folds(cv: Any, y: np.ndarray | None, seed: int | None) -> Any:
    """Return a splitter; a number of folds is shuffled, since files are often sorted."""
    # True is an integer of Python as well.
    if isinstance(cv, Integral) and not isinstance(cv, bool):
        kind = KFold if y is None else StratifiedKFold
        return kind(int(cv), shuffle=True, random_state=seed)
    return check_cv(cv, y, classifier=y is not None)


def _split(X: Any, y: np.ndarray | None, train: np.ndarray, test: np.ndarray) -> Split:
    X_train, X_test = safe_indexing(X, train), safe_indexing(X, test)
    y_train, y_test = (None, None) if y is None else (y[train], y[test])
    return Split(X, train, test, X_train, X_test, numbers(X_test), y_train, y_test)


def encode_mixed(X: Any) -> Any:
    """Return a frame with columns of other things than numbers as one of numbers, or X as it is.

    Scales and categories are those of all rows, held-out ones included: no reducer gains by it.
    """
    if not columns_without_numbers(X):
        return X
    # Standardized, so that errors of columns of different units can be added.
    encoder = TableEncoder(numeric_scaling="standard", missing_values="nan")
    return encoder.set_output(transform="pandas").fit_transform(X)


def feature_names(X: Any) -> list[str] | None:
    """Return the names of a frame's columns of numbers, None for arrays."""
    if not _is_frame(X):
        return None
    others = {name for name, _ in columns_without_numbers(X)}
    return [str(name) for name in X.columns if name not in others]


def numbers(X: Any, like: Any = None) -> np.ndarray:
    """Return the columns of numbers as a dense matrix; NaN marks missing values.

    Which columns these are is read from the frame `like`, X itself by default.
    """
    like = X if like is None else like
    others = {name for name, _ in columns_without_numbers(like)}
    if others:
        # By position: a reducer may return the columns of a frame as an array.
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
