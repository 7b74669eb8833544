"""Columns of a pandas or polars frame as arrays, and arrays as columns of such a frame again."""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._arrays import is_missing
from .._utils import import_optional


@dataclass
class Source:
    """A column as it was read.

    Attributes
    ----------
    name : object
    kind : str
        Kind of its values; ``'object'`` where only the entries show it.
    values : ndarray of shape (n_samples,)
        Floats, microseconds as floats, truth values or objects. Undefined where missing.
    missing : ndarray of shape (n_samples,), bool
    dtype : dict
        What `restored` needs to know of the original type: only names and numbers.
    categories : list or None
        Of a categorical type, in their order.
    unit : {'us', 'D'}
        Of dates: those without a time are decoded to such.
    """

    name: Any
    kind: str
    values: np.ndarray
    missing: np.ndarray
    dtype: dict
    categories: list | None = None
    unit: str = "us"


def is_table(X):
    """Return whether X is a frame that is read column by column."""
    return library_of(X) is not None


def library_of(X):
    """Return the name of the library whose DataFrame X is, or None; nothing is imported."""
    for name in ("pandas", "polars"):
        if name in sys.modules and isinstance(X, sys.modules[name].DataFrame):
            return name
    return None


def index_of(X):
    """Return the index of a pandas frame, None of anything else."""
    return X.index if library_of(X) == "pandas" else None


# -- reading -------------------------------------------------------------------------------


def read_frame(X):
    """Return the columns of a frame as a list of `Source`."""
    nw = import_optional("narwhals", "tables")
    frame = nw.from_native(X, eager_only=True)
    return [_read_series(nw, series, library_of(X)) for series in frame.iter_columns()]


def _read_series(nw, series, library):
    native, dtype = series.to_native(), series.dtype
    missing = series.is_null().to_numpy().astype(bool)
    spec = _SPECS[library](native.dtype)
    kind = next((kind for kind, test in _KINDS if test(nw, dtype)), "unknown")
    categories = None
    if dtype in (nw.Categorical, nw.Enum):
        categories = _LISTED[library](native)
        # pandas has one type for both, and polars' Enum need not mean an order.
        kind = "ordinal" if spec.get("ordered") else "categorical"
    if kind in ("object", "unknown") and missing.all():
        # Objects, or polars' Null: no entry says what the column would hold.
        kind = "empty"
    values = _READERS.get(kind, _objects)(series)
    if kind in ("numeric", "datetime", "duration"):
        # In polars NaN is a number, and not null.
        missing = missing | np.isnan(values)
    unit = "D" if dtype == nw.Date else "us"
    return Source(series.name, kind, values, missing, spec, categories, unit)


# Not by narwhals, which makes strings of pandas' numbers. A Categorical of polars has no order.
_LISTED = {
    "pandas": lambda series: series.cat.categories.tolist(),
    "polars": lambda series: getattr(series.dtype, "categories", None),
}


# The first that holds.
_KINDS = (
    ("boolean", lambda nw, dtype: dtype == nw.Boolean),
    ("numeric", lambda nw, dtype: dtype.is_numeric()),
    ("datetime", lambda nw, dtype: dtype in (nw.Datetime, nw.Date)),
    ("duration", lambda nw, dtype: dtype == nw.Duration),
    ("time", lambda nw, dtype: dtype == nw.Time),
    ("string", lambda nw, dtype: dtype == nw.String),
    ("object", lambda nw, dtype: dtype == nw.Object),
)


def _numbers(series):
    # Imported by `read_frame` already.
    nw = sys.modules["narwhals"]
    return series.cast(nw.Float64).to_numpy().astype(np.float64)


def _truth_values(series):
    # numpy's bool has no missing value; what stands in its place is never used.
    return series.fill_null(False).to_numpy().astype(bool)


def _timestamps(series):
    nw = sys.modules["narwhals"]
    if series.dtype == nw.Date:
        series = series.cast(nw.Datetime("us"))
    return _numbers(series.dt.timestamp("us"))


def _durations(series):
    return _numbers(series.dt.total_microseconds())


def _objects(series):
    values = np.empty(len(series), dtype=object)
    # Not np.array(list), which makes an axis of entries that are lists of equal length.
    values[:] = series.to_list()
    return values


_READERS = {
    "numeric": _numbers,
    "boolean": _truth_values,
    "datetime": _timestamps,
    "duration": _durations,
}


def read_array(X):
    """Return the columns of a 2-D array as a list of `Source`, named by their positions."""
    spec = {"array": X.dtype.str}
    if X.dtype.kind in "biuf":
        kind = "boolean" if X.dtype.kind == "b" else "numeric"
        values = X.astype(bool if kind == "boolean" else np.float64)
        return [Source(i, kind, x, np.isnan(x.astype(float)), spec) for i, x in enumerate(values.T)]
    columns = X.astype(object).T
    return [
        Source(i, "object", column, is_missing(column), spec) for i, column in enumerate(columns)
    ]


# -- types ---------------------------------------------------------------------------------


def _pandas_spec(dtype):
    """Describe a type of pandas by the name from which pandas makes it again."""
    categories = getattr(dtype, "categories", None)
    # Its name is "category" whatever the categories and their order are.
    if categories is not None:
        return {"pandas": "category", "ordered": bool(dtype.ordered), "of": str(categories.dtype)}
    name = str(dtype)
    if name == "string":
        # By the name "string" pandas would choose a storage, and the type would not be the same.
        name = f"string[{dtype.storage}]"
    return {"pandas": name}


def _polars_spec(dtype):
    """Describe a type of polars by its name and the arguments of its own."""
    base = dtype.base_type().__name__
    arguments = {"Datetime": ("time_unit", "time_zone"), "Duration": ("time_unit",)}
    spec = {"polars": base, **{name: getattr(dtype, name) for name in arguments.get(base, ())}}
    if base == "Decimal":
        spec |= {"precision": dtype.precision, "scale": dtype.scale}
    if base == "Enum":
        spec["categories"] = dtype.categories.to_list()
    return spec


_SPECS = {"pandas": _pandas_spec, "polars": _polars_spec}


# -- writing -------------------------------------------------------------------------------


def make_frame(columns, library, index=None):
    """Return columns as a frame of a library.

    Parameters
    ----------
    columns : list of (name, values, dtype, categories)
        Values as columns decode them, or None where all are missing.
    library : {'pandas', 'polars'}
    index : Index, default=None
        Of a pandas frame.
    """
    module = import_optional(library, "plot")
    made = [(name, series_of(library, *rest)) for name, *rest in columns]
    if library == "polars":
        return module.DataFrame([series.alias(name) for name, series in made])
    frame = module.concat([series for _, series in made], axis=1, ignore_index=True)
    frame.columns = [name for name, _ in made]
    return frame if index is None else frame.set_axis(index)


def series_of(library, values, dtype, categories):
    """Return decoded values as a series of a library, of the type that a column had."""
    return _MAKERS[library](import_optional(library, "plot"), values, dtype, categories)


def _pandas_series(pd, values, spec, categories):
    name = spec["pandas"]
    if name == "category":
        of = pd.Index(categories, dtype=spec["of"])
        dtype = pd.CategoricalDtype(of, ordered=spec["ordered"])
        return pd.Series(pd.Categorical(values, dtype=dtype))
    dtype = pd.api.types.pandas_dtype(name)
    if values.dtype == object:  # labels, or nothing at all
        return pd.Series(values, dtype=dtype)
    if getattr(dtype, "tz", None) is not None:
        # Decoded moments are those of UTC.
        return pd.Series(values).dt.tz_localize("UTC").dt.tz_convert(dtype.tz).astype(dtype)
    return pd.Series(fitting(values, getattr(dtype, "numpy_dtype", dtype))).astype(dtype)


def fitting(values, dtype):
    """Return values that can be cast to a type: whole, and within its limits, for integers."""
    if getattr(dtype, "kind", "") in ("i", "u"):
        values = np.clip(np.rint(values.astype(float)), *_float_limits(np.iinfo(dtype)))
    if getattr(dtype, "kind", "") == "O":
        # Objects that were integers come back as such.
        is_whole = values.dtype.kind == "f" and (values % 1 == 0).all()
        values = (values.astype(np.int64) if is_whole else values).astype(object)
    return values


def _float_limits(limits):
    """Return the limits of a type of integers as floats within them: large ones round up."""
    high = float(limits.max)
    return limits.min, high if high <= limits.max else np.nextafter(high, 0)


def _polars_series(pl, values, spec, categories):
    arguments = {name: value for name, value in spec.items() if name != "polars"}
    zone = arguments.pop("time_zone", None)
    kind = getattr(pl, spec["polars"])
    dtype = kind(**arguments) if arguments else kind
    if values.dtype == object:
        return pl.Series(values.tolist()).cast(dtype)
    if kind.is_integer():
        values = fitting(values, np.dtype(str(dtype).lower()))
    series = pl.Series(values).cast(dtype)
    return series.dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else series


_MAKERS = {"pandas": _pandas_series, "polars": _polars_series}
