"""Scores as tables: a row for each reducer, or for each reducer and fold."""

from collections.abc import Mapping
from textwrap import shorten
from typing import Any

import numpy as np

from ._columns import COLUMNS
from ._evaluation import Evaluation
from ._record import describe_error
from ._reducers import Sized

_MAX_CHARACTERS = 80  # of an error in the table; `errors` has the whole


def tabulate_folds(
    pandas: Any, evaluations: Mapping[str, list[Evaluation]], *, has_classes: bool
) -> Any:
    """Return a table of a row for each reducer and fold."""
    columns = [each.name for each in COLUMNS if has_classes or each.name != "k-NN accuracy"]
    keys = [(name, fold) for name, each in evaluations.items() for fold in range(len(each))]
    return pandas.DataFrame(
        [
            [each.scores.get(column, np.nan) for column in columns]
            for folds in evaluations.values()
            for each in folds
        ],
        index=pandas.MultiIndex.from_tuples(keys, names=["reducer", "fold"]),
        columns=columns,
    )


def tabulate(folds: Any, errors: Mapping[str, Exception], origins: list[Sized] | None) -> Any:
    """Return a table of a row for each reducer: means over the folds that were measured."""
    table = folds.groupby(level="reducer", sort=False).mean()
    table.index.name = None
    if origins is not None:
        table.insert(0, "reducer", [each.name for each in origins])
        table.insert(1, "n_components", [each.n_components for each in origins])
    # The table has a column of errors only if there are some.
    if errors:
        table["error"] = [_in_short(errors.get(name)) for name in table.index]
    return table


def _in_short(error: Exception | None) -> str | None:
    """Return the beginning of an error, which must leave the table readable."""
    if error is None:
        return None
    first, *_ = describe_error(error).splitlines()
    return shorten(first, _MAX_CHARACTERS, placeholder=" …")
