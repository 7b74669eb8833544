"""The page as text: the template, filled with the plot, the data, the decoder and the scripts."""

from importlib.resources import files
from typing import Any

import numpy as np

from ..._utils import import_optional, page_template
from .._latent import robust_limits
from .._style import MISSING_COLOR
from ._columns import PALETTE
from ._decoder import TOLERANCE, Decoder
from ._figure import bokeh_scripts, make_figure
from ._payload import as_json, pack
from ._samples import Rows

_SCRIPTS = ("payload.js", "decoder.js", "rows.js", "drawing.js", "explorer.js")
# Rows of the table of features. More cannot be looked through, and drawing them takes time.
_MAX_FEATURES = 60
# Checked codes that the page decodes when it is opened.
_CHECKED_IN_PAGE = 4


def render(
    codes: np.ndarray,
    columns: list[dict[str, Any]],
    rows: Rows | None,
    kept: np.ndarray,
    decoder: Decoder | None,
    *,
    axes: tuple[int, int],
    title: str,
) -> tuple[bytes, dict[str, int]]:
    """Return the page, and the number of bytes of each part.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_components)
    columns : list of dict
        See `describe` of columns.
    rows : Rows or None
        Rows of the codes; None if only codes are shown.
    kept : ndarray of int
        Rows of X that the page holds.
    decoder : Decoder or None
    axes : tuple of two int
        Components that are drawn first.
    title : str
    """
    template = page_template("skae.plotting.explorer", "explorer.html", "explore")
    folder = files(__package__) / "templates"
    own = [(folder / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    data = _data(codes, columns, rows, kept)
    decoding = {"decoder": None if decoder is None else _decoder(decoder)}
    bokeh = bokeh_scripts()
    text = template.render(
        title=title,
        summary=_summary(codes, rows, kept),
        hint="Move the mouse over the points" + (", click or drag to decode." if decoder else "."),
        decodes=decoder is not None,
        pictures=rows is not None and rows.image_shape is not None,
        css=(folder / "explorer.css").read_text(encoding="utf-8"),
        settings=as_json({**_view(codes, axes), **data, **decoding}),
        figure=as_json(make_figure(len(codes))),
        scripts=[*bokeh, *own],
    )
    sizes = {
        "bokeh": sum(len(script.encode()) for script in bokeh),
        "decoder": len(as_json(decoding)),
        "data": len(as_json(data)),
    }
    page: bytes = text.encode()
    return page, {**sizes, "rest": len(page) - sum(sizes.values())}


def _summary(codes: np.ndarray, rows: Rows | None, kept: np.ndarray) -> str:
    n_samples, n_components = codes.shape
    noun = "component" if n_components == 1 else "components"
    text = f"{n_samples:,} rows, codes of {n_components} {noun}"
    if rows is not None and len(kept) < n_samples:
        text += f"; the page holds {len(kept):,} of the rows themselves"
    return text


def _view(codes: np.ndarray, axes: tuple[int, int]) -> dict[str, Any]:
    """Return what the page has to know to draw the codes."""
    palettes = import_optional("bokeh.palettes", "explore")
    n_samples, n_components = codes.shape
    return {
        "nRows": n_samples,
        "axes": [0, None] if n_components == 1 else [int(axis) for axis in axes],
        # Without points that are so far away that they would squeeze all others.
        "limits": [robust_limits(values) for values in codes.T],
        "medians": np.median(codes, axis=0).tolist(),
        "palette": PALETTE,
        "ramp": list(palettes.Viridis256),
        "missing": MISSING_COLOR,
    }


def _data(
    codes: np.ndarray, columns: list[dict[str, Any]], rows: Rows | None, kept: np.ndarray
) -> dict[str, Any]:
    """Return the codes, the columns, and the rows that are shown."""
    data: dict[str, Any] = {
        # Seven digits are more than a screen has pixels, and take half of the space.
        "codes": pack(codes.astype(np.float32)),
        "columns": [{**column, "values": pack(column["values"])} for column in columns],
        **dict.fromkeys(("imageShape", "featureLimits", "spread", "samples", "kept")),
        "features": [],
        "shownFeatures": [],
        "formats": [],
    }
    if rows is None:
        return data
    data |= {
        "imageShape": rows.image_shape,
        "features": rows.names,
        "shownFeatures": _most_varying(rows),
        "formats": rows.formats,
        "featureLimits": pack(rows.limits),
        "spread": pack(rows.spread),
    }
    if len(kept):
        data["samples"] = pack(rows.stored(kept))
        # Left out where it would count from 0 to the last row.
        data["kept"] = pack(kept.astype(np.int32)) if len(kept) < len(codes) else None
    return data


def _most_varying(rows: Rows) -> list[int]:
    """Return the features of the table, in their own order."""
    # By their ranges, in the units of the data: the widest are those that one would see.
    order = np.argsort(-rows.spread[: len(rows.names)], kind="stable")
    return sorted(order[:_MAX_FEATURES].tolist())


def _decoder(decoder: Decoder) -> dict[str, Any]:
    """Return the program, and codes with the rows that the browser has to decode them to."""
    some = np.linspace(0, len(decoder.codes) - 1, _CHECKED_IN_PAGE).astype(int)
    return {
        "program": {
            "steps": decoder.program.steps,
            "arrays": [pack(array) for array in decoder.program.arrays],
        },
        "codes": pack(decoder.codes[some]),
        "rows": pack(decoder.rows[some]),
        "tolerance": TOLERANCE,
    }
