"""Tables of mixed columns as groups of numbers, and back. Nothing here knows of networks."""

from ._columns import (
    BooleanColumn,
    CategoricalColumn,
    ConstantColumn,
    NumericColumn,
    OrdinalColumn,
)
from ._dates import DateColumn, DurationColumn, TimeColumn

# Files of `skae.save` name them so.
__all__ = [
    "BooleanColumn",
    "CategoricalColumn",
    "ConstantColumn",
    "DateColumn",
    "DurationColumn",
    "NumericColumn",
    "OrdinalColumn",
    "TimeColumn",
]
