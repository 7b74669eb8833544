"""DataFrames of pandas and polars: recognize one, and put values into another like it."""

import sys

import numpy as np

from .._sklearn_compat import get_output_config
from .._utils import import_optional


def is_frame(X):
    """Return whether X is a DataFrame of pandas or polars, importing neither."""
    # Where the library was not imported, X cannot be a frame of it.
    return any(
        name in sys.modules and isinstance(X, sys.modules[name].DataFrame)
        for name in ("pandas", "polars")
    )


def frame_like(values, X):
    """Return values as a frame of the library and with the columns of X.

    A pandas frame has the index of X too, if it has as many rows.
    """
    # Frames of polars have no index.
    if not hasattr(X, "iloc"):
        return sys.modules["polars"].DataFrame(values, schema=X.columns)
    # Fewer or more rows have no index of their own to take over.
    index = X.index if len(values) == len(X) else None
    return sys.modules["pandas"].DataFrame(values, index=index, columns=X.columns)


def named_frame(values, names):
    """Return values as a pandas frame with the given names of columns."""
    return import_optional("pandas", "plot").DataFrame(values, columns=names)


def in_output_container(estimator, values, X):
    """Return rows of features as `set_output` asks, if X is a frame; images stay arrays.

    Parameters
    ----------
    estimator : estimator
        The fitted one. Its ``feature_names_in_``, or x0, x1, ..., become the names of columns.
    values : ndarray of shape (n_samples, n_features), or of images
    X : object
        What the caller gave. A pandas frame has the index of X, if that has one.

    Returns
    -------
    values : ndarray or DataFrame
    """
    if values.ndim != 2 or not is_frame(X):
        return values
    library = get_output_config("transform", estimator)["dense"]
    # As scikit-learn's own inverse transforms, which return arrays.
    if library == "default":
        return values
    names = getattr(estimator, "feature_names_in_", None)
    names = [f"x{i}" for i in range(values.shape[1])] if names is None else list(names)
    if library == "polars":
        return import_optional("polars", "plot").DataFrame(values, schema=names)
    frame = named_frame(values, names)
    return frame.set_axis(X.index) if hasattr(X, "iloc") else frame


def single_row(sample, shape):
    """Return one sample as data of one row; a pandas Series and frames keep their names.

    Parameters
    ----------
    sample : {array-like, Series} of shape (n_features,), {array-like, sparse matrix, DataFrame} \
            of shape (1, n_features), or an image
    shape : tuple of int
        Of a sample in ``fit``.
    """
    # A Series of pandas: as an array it would lose the names, and estimators fitted on names warn.
    if hasattr(sample, "iloc") and hasattr(sample, "to_frame"):
        return sample.to_frame().T
    sample = sample if hasattr(sample, "shape") else np.asarray(sample)
    has_row_axis = len(sample.shape) > 1 and sample.shape[0] == 1 and tuple(sample.shape) != shape
    return sample if has_row_axis else np.asarray(sample)[None]
