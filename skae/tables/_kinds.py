"""The kind of each column: by its type, by its entries, or as the user says."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from numbers import Real

import numpy as np

from ._columns import (
    BooleanColumn,
    CategoricalColumn,
    ConstantColumn,
    NumericColumn,
    OrdinalColumn,
)
from ._dates import DateColumn, DurationColumn, TimeColumn, as_microseconds
from ._frames import Source

# Strings of up to so many distinct values are categories in a table of any size. Of more, each must
# occur so many times in the mean, or else they are names and sentences, which teach nothing.
_MAX_LABELS, _ROWS_PER_LABEL = 20, 4

KINDS = {
    "boolean": BooleanColumn,
    "categorical": CategoricalColumn,
    "datetime": DateColumn,
    "duration": DurationColumn,
    "numeric": NumericColumn,
    "ordinal": OrdinalColumn,
    "time": TimeColumn,
}
# The first that holds for every entry of a column of objects.
_ENTRY_KINDS = (
    ("boolean", (bool, np.bool_)),
    ("numeric", (Real, Decimal)),
    ("datetime", (date,)),  # datetimes are dates
    ("time", (time,)),
    ("duration", (timedelta,)),
    ("string", (str,)),
)


def learn_column(source, label, given, options):
    """Return the fitted column of a source.

    Parameters
    ----------
    source : Source
    label : str
    given : str, list or None
        The kind or the ordered categories that the user gave.
    options : dict
        Parameters of the encoder.
    """
    # A list of categories stands for their kind and their order at once.
    order = given if isinstance(given, list) else None
    kind = "ordinal" if order is not None else given or _kind_of(source)
    # Without any value nothing is known but the name and the type.
    if kind == "empty":
        return ConstantColumn(source.name, label)
    source = as_kind(source, kind)
    if order is not None:
        source.categories = _checked_order(source, order)
    known = source.values[~source.missing]
    if not len(known):
        return ConstantColumn(source.name, label)
    column = KINDS[kind].learn(source, label, **options)
    # A column that never varies has nothing to encode, and comes back as it was.
    if any(value != known[0] for value in known):
        return column
    return ConstantColumn(source.name, label, inner=column, constant=column.raw(known[:1], None))


def kind_of(column):
    """Return the name of the kind of a fitted column, ``'constant'`` if it needs no number."""
    return next((kind for kind, cls in KINDS.items() if type(column) is cls), "constant")


def _kind_of(source):
    """Return the kind of a source by its type, or by its entries if they are objects."""
    kind = source.kind
    if kind == "object":
        kind = _kind_of_entries(source)
    if kind == "string":
        _refuse_text(source)
        return "categorical"
    if kind != "empty" and kind not in KINDS:
        raise TypeError(
            f"column {source.name!r} of type {_type_of(source)} must hold numbers, categories, "
            "truth values, dates or times. Drop it, or turn it into one of these first."
        )
    return kind


def _kind_of_entries(source):
    known = source.values[~source.missing]
    if not len(known):
        return "empty"
    for kind, types in _ENTRY_KINDS:
        if all(isinstance(value, types) for value in known):
            return kind
    for value in known:
        # Lists and dictionaries could not be compared as categories.
        _refuse_unhashable(source, value)
    # Of several types, such as numbers and strings: labels that have no order.
    return "string"


def _refuse_unhashable(source, value):
    try:
        hash(value)
    except TypeError:
        # In the words of numpy, for what cannot become a number.
        raise TypeError(
            f"column {source.name!r} holds an entry of type {type(value).__name__}: the argument "
            "must be a string or a number, a truth value, a date or a time in each row. Drop the "
            "column, or turn it into one of these first."
        ) from None


def _refuse_text(source):
    known = source.values[~source.missing]
    n_labels = len(set(known))
    # Labels repeat in many rows, and text hardly ever does.
    if n_labels <= max(_MAX_LABELS, len(known) / _ROWS_PER_LABEL):
        return
    raise ValueError(
        f"column {source.name!r} holds text: {n_labels} different strings in {len(known)} rows, "
        f"such as {known[0]!r}. Drop it; or turn it into numbers before, for instance by "
        "skrub.StringEncoder; or, if these are categories, say so by "
        f"kinds={{{source.name!r}: 'categorical'}} and pool rare ones by min_frequency."
    )


def _type_of(source):
    return next(iter(source.dtype.values()))


# -- conversion ----------------------------------------------------------------------------


def as_kind(source, kind):
    """Return a source with the values of a kind, or raise an error that names the column."""
    if source.missing.all():
        # Of any type: a batch may hold no value of a column.
        return Source(source.name, kind, np.zeros(len(source.missing)), source.missing, {})
    if kind == "constant":
        return source
    try:
        values = _CONVERSIONS.get(kind, _labels)(source)
    except (TypeError, ValueError, AttributeError) as error:
        raise type(error)(
            f"column {source.name!r} must be {kind}, got type {_type_of(source)}: {error}"
        ) from error
    converted = replace(source, kind=kind, values=values)
    if kind == "datetime" and source.kind != kind and not _has_times(source):
        converted.unit = "D"
    return converted


def _has_times(source):
    return any(isinstance(value, datetime) for value in source.values[~source.missing])


def _each(source, convert, fill):
    """Convert the known entries one by one; the others become ``fill``."""
    return np.array(
        [
            fill if is_missing else convert(value)
            for value, is_missing in zip(source.values, source.missing, strict=True)
        ]
    )


def _number(value):
    if not isinstance(value, (Real, Decimal, np.bool_)):
        raise TypeError(f"expected numbers, got {value!r}")
    return float(value)


def _numbers(source):
    _refuse_moments(source)
    numbers = source.values if source.kind == "numeric" else _each(source, _number, np.nan)
    if np.isinf(numbers).any():
        raise ValueError("it contains infinity. Replace it by a number, or by a missing value")
    return numbers


def _truth_value(value):
    if value not in (True, False):
        raise ValueError(f"expected truth values or 0 and 1, got {value!r}")
    return bool(value)


def _truth_values(source):
    return source.values if source.kind == "boolean" else _each(source, _truth_value, False)


def _refuse_moments(source, other_than=""):
    if source.kind in {"datetime", "duration"} - {other_than}:
        raise TypeError(f"expected no {source.kind}")


def _moments_of(kind):
    def moments(source):
        _refuse_moments(source, kind)
        return source.values if source.kind == kind else _each(source, _moment, np.nan)

    return moments


def _moment(value):
    if not isinstance(value, (date, timedelta)):
        raise TypeError(f"expected dates, got {value!r}: convert it, for instance by to_datetime")
    return as_microseconds(value)


def _times(source):
    for value in source.values[~source.missing]:
        if not isinstance(value, time):
            raise TypeError(f"expected times of the day, got {value!r}")
    return source.values


def _labels(source):
    """Return categories as objects; whole numbers as integers, since holes make floats of them."""
    _refuse_moments(source)
    labels = np.empty(len(source.values), dtype=object)
    labels[:] = [_label(value) for value in source.values.tolist()]
    for value in labels[~source.missing]:
        _refuse_unhashable(source, value)
    return labels


def _label(value):
    return int(value) if isinstance(value, float) and value.is_integer() else value


_CONVERSIONS = {
    "numeric": _numbers,
    "boolean": _truth_values,
    "datetime": _moments_of("datetime"),
    "duration": _moments_of("duration"),
    "time": _times,
}


def _checked_order(source, order):
    known = set(source.values[~source.missing])
    order = [_label(value) for value in order]
    others = known.difference(order)
    if others:
        raise ValueError(
            f"kinds[{source.name!r}] must list all categories of the column in their order, but "
            f"lacks {sorted(map(str, others))}."
        )
    return order
