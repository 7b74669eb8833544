"""A comparison as JSON and as Markdown."""

import json
import math
from typing import Any

from ._columns import COLUMNS
from ._record import describe_error

# Of the layout below: a reader can refuse what it does not know.
_FORMAT_VERSION = 1


def as_json(comparison: Any) -> str:
    """Return scores, errors and settings as a JSON document."""
    document = {
        "format": "skae.comparison",
        "format_version": _FORMAT_VERSION,
        "scores": _records(comparison.table, "name"),
        "folds": None if comparison.folds is None else _records(comparison.folds.reset_index()),
        "errors": {str(name): describe_error(each) for name, each in comparison.errors.items()},
        "settings": comparison.settings,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def _records(table: Any, index: str | None = None) -> list[dict[str, Any]]:
    """Return a dict for each row; JSON has no NaN, and gets null."""
    # Errors have an entry of their own, in full.
    records = table.drop(columns="error", errors="ignore").to_dict("records")
    if index is not None:
        records = [
            {index: str(name), **each} for name, each in zip(table.index, records, strict=True)
        ]
    return [{key: _plain(value) for key, value in each.items()} for each in records]


def _plain(value: Any) -> Any:
    """Return a value of numpy or pandas as JSON has it."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    # numpy's integers and truth values are none of JSON's.
    return value.item() if hasattr(value, "item") else value


def as_markdown(comparison: Any) -> str:
    """Return the table in GitHub's form, and below it how it was made."""
    table = comparison.table
    arrows = {column.name: " ↑" if column.higher_is_better else " ↓" for column in COLUMNS}
    rows = [
        ["", *(f"{name}{arrows.get(name, '')}" for name in table.columns)],
        ["---", *("---:" if name in arrows else "---" for name in table.columns)],
        *(
            [name, *values]
            for name, values in zip(table.index, table.to_numpy(object), strict=True)
        ),
    ]
    lines = ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    about = [
        f"{comparison.settings[key]}" for key in ("data", "split", "date") if comparison.settings
    ]
    notes = ["", " · ".join(about), "", f"`{comparison.settings['call']}`"] if about else []
    return "\n".join([*lines, *notes]) + "\n"


def _cell(value: Any) -> str:
    """Return a value as text that leaves the columns of the table apart."""
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else "–"
    # A bar would begin another column, and a line break another row.
    return "–" if value is None else " ".join(str(value).split()).replace("|", "\\|")
