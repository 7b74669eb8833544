"""Values put into a table in the place of missing ones, and scores in a table like another."""

import sys

import numpy as np

from .._arrays import is_missing
from ._frames import fitting, library_of, read_frame, series_of


def filled_like(X, decoded):
    """Return a copy of a table with missing values replaced, and all others as they are.

    Parameters
    ----------
    X : {DataFrame, array-like} of shape (n_samples, n_features)
    decoded : list of ndarray of shape (n_samples,)
        Values of each column, as `Column.decode` returns them.
    """
    library = library_of(X)
    if library is None:
        return _filled_array(X, decoded)
    columns = [
        _FILLED[library](X[source.name], source, values) if source.missing.any() else None
        for source, values in zip(read_frame(X), decoded, strict=True)
    ]
    return _WITH_COLUMNS[library](X, columns)


def _filled_array(X, decoded):
    filled = np.array(X)
    for i, values in enumerate(decoded):
        missing = is_missing(filled[:, i])
        if missing.any():
            # Only the missing ones: rounding to whole numbers must not reach observed values.
            filled[missing, i] = fitting(values[missing], filled.dtype)
    return filled


def _filled_pandas(series, source, values):
    if source.categories is not None:
        # A category of `fit` that the column's type lacks is added to it.
        new = [v for v in dict.fromkeys(values.tolist()) if v not in source.categories]
        series = series.cat.add_categories([v for v in new if v is not None])
        source.categories = series.cat.categories.tolist()
    made = series_of("pandas", values, source.dtype, source.categories)
    # With the index of X: pandas would align the two by their labels.
    return series.where(~source.missing, made.set_axis(series.index))


def _filled_polars(series, source, values):
    made = series_of("polars", values, source.dtype, source.categories)
    observed = sys.modules["polars"].Series(~source.missing)
    return series.zip_with(observed, made.alias(series.name))


def _pandas_with_columns(X, columns):
    # Column by column, so that those without missing values keep their types.
    filled = X.copy()
    for name, column in zip(X.columns, columns, strict=True):
        if column is not None:
            filled[name] = column
    return filled


def _polars_with_columns(X, columns):
    return X.with_columns([column for column in columns if column is not None])


_FILLED = {"pandas": _filled_pandas, "polars": _filled_polars}
_WITH_COLUMNS = {"pandas": _pandas_with_columns, "polars": _polars_with_columns}


def scores_like(X, scores):
    """Return numbers as a frame with the columns and the index of X, if X is a frame."""
    library = library_of(X)
    if library is None:
        return scores
    if library == "polars":
        return sys.modules["polars"].DataFrame(scores, schema=X.columns)
    return sys.modules["pandas"].DataFrame(scores, index=X.index, columns=X.columns)
