"""The report of a comparison: what the page shows, computed here and laid out by its template."""

from typing import Any

import numpy as np

from .._utils import page_template
from ..plotting import LatentSpaceDisplay, LossComparisonDisplay, TradeOffDisplay
from ..plotting._comparison import one_of_each
from ..plotting._estimators import held_attribute
from ..plotting._images import as_images, mosaic, to_grey_or_rgb, to_unit_range, value_range
from ..plotting._loss import validation_losses
from ..plotting._style import series_styles
from ..plotting._targets import legend_entries, read_target
from ._columns import COLUMNS
from ._features import explained_by_feature, mean_squares_of_features
from ._pictures import colored, drawing, png
from ._record import describe_error

_MAX_POINTS = 3000  # of a panel: more only cover each other
_MAX_FEATURES = 40  # of the table of features: the worst ones
_STRIP_PIXELS = 900  # width of a row of images, beyond which there are fewer of them
_ERROR_COLORS = "inferno"
_PHRASES = {
    "trustworthiness": "neighbors in the code are most often neighbors in the data with",
    "k-NN accuracy": "classes are best predicted from the code of",
}


def render(comparison: Any) -> str:
    """Return the report as one page that needs no other file."""
    template = page_template("skae.comparison", "report.html", "plot")
    page: str = template.render(_context(comparison))
    return page


def _context(comparison: Any) -> dict[str, Any]:
    """Return the contents of the template, by name."""
    columns = [column for column in COLUMNS if column.name in comparison.table]
    settings = dict(comparison.settings)
    return {
        "findings": _findings(comparison.table),
        "columns": columns,
        "rows": _rows(comparison, columns),
        "has_folds": comparison.folds is not None,
        "trade_offs": _trade_offs(comparison),
        "images": _images(comparison) if comparison.image_shape is not None else None,
        "codes": _codes(comparison),
        "features": _features(comparison) if comparison.image_shape is None else None,
        "losses": _losses(comparison),
        "failures": {name: describe_error(error) for name, error in comparison.errors.items()},
        "call": settings.pop("call", None),
        "parameters": settings.pop("parameters", {}),
        "settings": settings,
    }


# -- the table ---------------------------------------------------------------------------------


def _rows(comparison: Any, columns: list[Any]) -> list[dict[str, Any]]:
    """Return a row for each reducer: its name, color, and a cell for each column."""
    table = comparison.table
    best = {column.name: _best(table[column.name], column.higher_is_better) for column in columns}
    spreads = None if comparison.folds is None else comparison.folds.groupby(level=0).std()
    colors = _colors(table)
    return [
        {
            "name": name,
            "color": colors[name],
            "size": _code_size(comparison, name),
            "cells": [
                {
                    "value": None if np.isnan(value := table.loc[name, column.name]) else value,
                    "text": _shown(value),
                    "spread": None
                    if spreads is None
                    else _shown(spreads.loc[name, column.name], 2),
                    "is_best": name in best[column.name],
                }
                for column in columns
            ],
        }
        for name in table.index
    ]


def _best(scores: Any, higher_is_better: bool) -> set[Any]:
    """Return the names of the best reducers: all those that read the same as the best."""
    measured = scores.dropna()
    # The best of one would be no finding.
    if len(measured) < 2:
        return set()
    # As text: scores that read the same are all marked.
    best = _shown(measured.max() if higher_is_better else measured.min())
    return {name for name, score in measured.items() if _shown(score) == best}


def _shown(value: float, n_digits: int = 3) -> str:
    # Three digits are what scores of some hundred held-out rows are good for.
    if np.isnan(value):
        return "–"
    if 1e-4 <= abs(value) < 1e6:  # 310, not 3.1e+02
        return np.format_float_positional(value, n_digits, fractional=False, trim="-")
    return f"{value:.{n_digits}g}"


def _colors(table: Any) -> dict[Any, str]:
    """Return the color of each row, which reducers keep in all pictures."""
    # Of several sizes of the code, a reducer has one color for all.
    names = list(table.get("reducer", table.index))
    distinct = list(dict.fromkeys(names))
    styles = dict(zip(distinct, series_styles(len(distinct)), strict=True))
    return {row: styles[name]["color"] for row, name in zip(table.index, names, strict=True)}


def _code_size(comparison: Any, name: str) -> int | None:
    codes = comparison.codes.get(name)
    return None if codes is None else codes.shape[1]


def _findings(table: Any) -> list[str]:
    """Return what the table says at first sight, a sentence each; for each size of the code."""
    if "n_components" not in table:
        return _findings_of(table, "")
    return [
        sentence
        for size, rows in table.groupby("n_components")
        for sentence in _findings_of(rows.set_index("reducer"), f"With {size} components: ")
    ]


def _findings_of(table: Any, prefix: str) -> list[str]:
    findings = []
    errors = table["reconstruction error"].dropna()
    if len(errors) > 1:
        best = errors.idxmin()
        # PCA is what people have; without it, the last of the others.
        other = "PCA" if "PCA" in errors and best != "PCA" else errors.idxmax()
        ratio = (
            f", {errors[best] / errors[other]:.2g} times that of {other}" if errors[other] else ""
        )
        findings.append(f"lowest reconstruction error by {best}: {_shown(errors[best])}{ratio}.")
    for column, phrase in _PHRASES.items():
        if column in table and len(scores := table[column].dropna()) > 1:
            findings.append(f"{phrase} {scores.idxmax()}: {column} {_shown(scores.max())}.")
    return [_capitalized(f"{prefix}{each}") for each in findings]


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


# -- pictures ----------------------------------------------------------------------------------


def _trade_offs(comparison: Any) -> list[dict[str, str]]:
    """Return the drawings of the error against the size of the code, and against the seconds."""
    if not comparison.table["reconstruction error"].notna().any():
        return []
    costs = {"fit seconds": "Error against the seconds of fitting: best is bottom left."}
    if "n_components" in comparison.table:
        costs = {"n_components": "How many components: error over the size of the code."} | costs
    drawings = []
    for cost, caption in costs.items():
        with drawing(caption) as (ax, drawn):
            TradeOffDisplay.from_comparison(comparison, cost=cost, ax=ax)
        drawings.append({"caption": caption, "svg": drawn[0]})
    return drawings


def _codes(comparison: Any) -> dict[str, Any]:
    """Return a drawing of each code, and the legend that they share."""
    # The first are as good as any: the split has shuffled the rows.
    y = None if comparison.y_test is None else comparison.y_test[:_MAX_POINTS]
    target = None if y is None else read_target(y)
    panels = []
    for name, codes in comparison.codes.items():
        with drawing(f"Code of {name}", 3.2, 3.0) as (ax, drawn):
            # Points as pixels: thousands of elements would make the page slow.
            LatentSpaceDisplay.from_codes(
                codes[:_MAX_POINTS],
                y,
                ax=ax,
                # Classes have one legend for all panels; a color bar belongs to its own.
                legend=target is not None and target.classes is None,
                rasterized=True,
            )
        panels.append({"name": name, "size": codes.shape[1], "svg": drawn[0]})
    return {"panels": panels, "legend": [] if target is None else legend_entries(target)}


def _losses(comparison: Any) -> str | None:
    """Return a drawing of the losses of the reducers that were trained, None without any."""
    losses = {
        name: validation_losses(each) if held_attribute(each, "history_") else np.empty(0)
        for name, each in comparison.estimators.items()
    }
    if not any(map(len, losses.values())):
        return None
    with drawing("Losses by epoch", 6.4) as (ax, drawn):
        LossComparisonDisplay(losses=losses).plot(ax, colors=_colors(comparison.table))
    return drawn[0]


def _images(comparison: Any) -> dict[str, Any]:
    """Return rows of held-out images, of their reconstructions and of the errors of these."""
    shape = comparison.image_shape
    images = as_images(comparison.X_test, shape)
    limits = value_range(images)
    # Ten at most, as in `Comparison.plot`; four show something of wide images, too.
    n_images = int(np.clip(_STRIP_PIXELS // shape[1], 4, 10))
    rows = one_of_each(comparison.y_test, n_images)
    shown = images[rows]
    rebuilt = {
        name: as_images(each[rows], shape) for name, each in comparison.reconstructions.items()
    }
    maps = {
        name: np.sqrt(mean_squares_of_features(comparison.X_test, each)).reshape(shape)
        for name, each in comparison.reconstructions.items()
    }
    # As floats: differences of bytes would wrap around below zero.
    errors = {name: np.abs(each.astype(float) - shown) for name, each in rebuilt.items()}
    # One scale for all errors; the 99th percentile, lest one pixel makes all others black.
    largest = (
        max((float(np.nanquantile(each, 0.99)) for each in errors.values()), default=1.0) or 1.0
    )
    largest_mean = max((float(np.nanmax(each)) for each in maps.values()), default=1.0) or 1.0
    return {
        "original": _strip(shown, limits, "gray"),
        "largest": _shown(largest),
        "largest_mean": _shown(largest_mean),
        "rows": [
            {
                "name": name,
                "explained": comparison.table.loc[name, "explained variance"],
                "reconstruction": _strip(rebuilt[name], limits, "gray"),
                "errors": _strip(_grey(errors[name]), (0.0, largest), _ERROR_COLORS),
                "mean_error": _strip(_grey(maps[name][None]), (0.0, largest_mean), _ERROR_COLORS),
            }
            for name in rebuilt
        ],
    }


def _grey(errors: np.ndarray) -> np.ndarray:
    """Return errors as grey images: the mean over the channels, of colors too."""
    return errors.mean(axis=-1) if errors.ndim == 4 else errors


def _strip(images: np.ndarray, limits: tuple[float, float], cmap: str) -> str:
    """Return images side by side as the address of one image within the page."""
    joined = mosaic(to_unit_range(to_grey_or_rgb(images[None]), limits))
    return png(colored(joined, cmap))


def _features(comparison: Any) -> dict[str, Any] | None:
    """Return the fraction of each feature's variance that is explained, the worst first."""
    explained = explained_by_feature(comparison)
    n_features = comparison.X_test.shape[1]
    if not explained or not n_features:
        return None
    names = comparison.feature_names or [f"feature {i}" for i in range(n_features)]
    matrix = np.column_stack(list(explained.values()))
    known = ~np.isnan(matrix).all(axis=1)
    # Features without a variance have nothing to explain, and come last.
    means = np.full(n_features, np.inf)
    means[known] = np.nanmean(matrix[known], axis=1)
    order = np.argsort(means, kind="stable")[:_MAX_FEATURES]
    return {
        "reducers": list(explained),
        "rows": [
            {"name": names[i], "cells": [_feature_cell(value) for value in matrix[i]]}
            for i in order
        ],
        "n_hidden": n_features - len(order),
    }


def _feature_cell(value: float) -> dict[str, Any]:
    """Return a cell with its text and the percentage of it that a bar fills."""
    text = "–" if np.isnan(value) else f"{value:.2f}"
    filled = 0 if np.isnan(value) else round(100 * float(np.clip(value, 0, 1)))
    return {"value": None if np.isnan(value) else value, "text": text, "filled": filled}
