"""DataFrames of pandas and polars: recognize one, and put values into another like it."""

import sys

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
    index = X.index if len(values) == len(X) else None
    return sys.modules["pandas"].DataFrame(values, index=index, columns=X.columns)


def named_frame(values, names):
    """Return values as a pandas frame with the given names of columns."""
    return import_optional("pandas", "plot").DataFrame(values, columns=names)
