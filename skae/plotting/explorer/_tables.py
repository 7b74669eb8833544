"""Tables of mixed columns as rows of numbers, and the inverse of `TableEncoder` as steps.

Each column is one number: a category is its position, a date its milliseconds since 1970, a time or
a duration its seconds. The page turns them into text.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import QuantileTransformer

from ...estimators.table_encoder import TableEncoder
from ...tables._columns import MAX_ENCODED
from ...tables._dates import CYCLES, time_of_day
from ...tables._kinds import kind_of
from ._program import Program

_MICROSECONDS = 1e6  # of a second
_MICROSECONDS_OF_MILLISECOND, _MICROSECONDS_OF_DAY = 1e3, 86_400e6
# Where scalers are compared with a line, in their own units.
_PROBES = np.linspace(-3, 3, 7)
_ROUNDING = 1e-9


def table_encoder(estimator: Any) -> TableEncoder | None:
    """Return the encoder of tables at whose input an estimator begins, or None."""
    if isinstance(estimator, TableEncoder):
        return estimator
    if isinstance(estimator, Pipeline):
        # Only the first step reads the table itself.
        return table_encoder(estimator.steps[0][1])
    if isinstance(estimator, FrozenEstimator):
        return table_encoder(estimator.estimator)
    held = getattr(estimator, "best_estimator_", getattr(estimator, "encoder_", None))
    return None if held is None else table_encoder(held)


def numbers_of(encoder: TableEncoder, X: Any) -> np.ndarray:
    """Return a table as numbers (n_samples, n_columns), NaN where values are missing."""
    sources = encoder._as_kinds(encoder._read(X, reset=False))
    columns = zip(encoder.columns_, sources, strict=True)
    return np.column_stack([_numbers(column, source) for column, source in columns])


def formats_of(encoder: TableEncoder) -> list[dict[str, Any]]:
    """Return how the page writes the numbers of each column."""
    return [_format(getattr(column, "inner", None) or column) for column in encoder.columns_]


def _numbers(column: Any, source: Any) -> np.ndarray:
    inner = getattr(column, "inner", column)
    if inner is None:  # nothing is known of a column without any value
        return np.full(len(source.values), np.nan)
    numbers = np.full(len(source.values), np.nan)
    seen = ~source.missing
    numbers[seen] = _NUMBERS[kind_of(inner)](inner, source.values[seen])
    return numbers


def _as_positions(column: Any, values: np.ndarray) -> np.ndarray:
    positions = column.positions(values, None).astype(float)
    return np.where(positions < 0, np.nan, positions)  # unseen in training


def _as_seconds_of_day(column: Any, values: np.ndarray) -> np.ndarray:
    return np.array([time_of_day(value) for value in values], dtype=float) / _MICROSECONDS


_NUMBERS: dict[str, Callable[[Any, np.ndarray], Any]] = {
    "boolean": lambda column, values: [float(value is True or value == 1) for value in values],
    "categorical": _as_positions,
    "datetime": lambda column, values: values.astype(float) / _MICROSECONDS_OF_MILLISECOND,
    "duration": lambda column, values: values.astype(float) / _MICROSECONDS,
    "numeric": lambda column, values: values.astype(float),
    "ordinal": _as_positions,
    "time": _as_seconds_of_day,
}


def _format(column: Any) -> dict[str, Any]:
    kind = kind_of(column)
    if kind in ("categorical", "ordinal"):
        return {"labels": [str(category) for category in column.categories]}
    if kind == "boolean":
        return {"labels": ["False", "True"]}
    if kind == "datetime":
        # Days in a type with times are days as well.
        is_day = column.unit == "D" or column.step % _MICROSECONDS_OF_DAY == 0
        return {"kind": "day" if is_day else "moment"}
    return {"kind": kind if kind in ("time", "duration") else "number"}


# -- decoding ------------------------------------------------------------------------------


def add_table(program: Program, encoder: TableEncoder) -> None:
    """Append the steps from encoded numbers to a number for each column."""
    program.add("clamp", **_kept(program, low=-MAX_ENCODED, high=MAX_ENCODED))
    columns = encoder.columns_
    program.add_affine(*(np.concatenate([getattr(c, n) for c in columns]) for n in _UNITS))
    program.add("columns", columns=[_readout(program, encoder, column) for column in columns])


_UNITS = ("scale", "center")


def _kept(program: Program, **values: Any) -> dict[str, Any]:
    return {name: program.keep(np.atleast_1d(each)) for name, each in values.items()}


def _readout(program: Program, encoder: TableEncoder, column: Any) -> dict[str, Any]:
    """Return how the number of a column is read off from its raw ones."""
    at = encoder.output_indices_[column.name].start
    kind = kind_of(column)
    if kind == "constant":
        return {"kind": "constant", "value": _constant(column)}
    size = column.n_encoded
    if kind in ("categorical", "ordinal", "boolean"):
        return {"kind": "largest" if kind == "categorical" else "steps", "at": at, "size": size}
    if kind == "time":
        return {"kind": "time", "at": at}
    readout = {"kind": "number", "at": at, **_scaling(program, column.scaler)}
    if kind == "datetime":
        cycles = [CYCLES[name] for name in column.cycles]
        return {**readout, "kind": "date", "cycles": cycles, "step": column.step}
    is_whole = kind == "duration" or column.is_whole
    return {**readout, "whole": is_whole, "unit": _MICROSECONDS if kind == "duration" else 1.0}


def _constant(column: Any) -> float | None:
    """Return the number of a column of one value, None of a column without any."""
    if column.inner is None:
        return None
    value = column.inner.values(column.constant)
    if kind_of(column.inner) in ("datetime", "duration"):
        value = value.astype(value.dtype.str[:3] + "[us]").astype(np.int64)
    [number] = _NUMBERS[kind_of(column.inner)](column.inner, value)
    return float(number)


def _scaling(program: Program, scaler: Any) -> dict[str, Any]:
    """Return what a scaler's inverse computes: a line, a hyperbolic sine, or quantiles."""
    if isinstance(scaler, QuantileTransformer):
        return {"shape": "quantiles", "quantiles": program.keep(scaler.quantiles_[:, 0])}

    def inverse(raw: np.ndarray) -> np.ndarray:
        values: np.ndarray = scaler.inverse_transform(raw[:, None])[:, 0]
        return values

    expected = inverse(_PROBES)
    shift = float(inverse(np.zeros(1))[0])
    # A fraction of the numbers: units of the data may be of any size.
    limit = _ROUNDING * np.abs(expected).max()
    slope = float(inverse(np.ones(1))[0]) - shift
    if np.abs(slope * _PROBES + shift - expected).max() <= limit:
        return {"shape": "linear", "scale": slope, "shift": shift}
    # The other scaler that is not linear is 'robust': scale * sinh(raw) + shift.
    return {"shape": "sinh", "scale": slope / float(np.sinh(1.0)), "shift": shift}
