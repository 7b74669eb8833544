"""Pictures of the report, as text within the page: drawings as SVG, images as PNG."""

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO
from typing import Any

import numpy as np

from .._utils import import_optional
from ..plotting._images import MISSING_COLOR

# Stands for the color of the page's text, which is not the same on light and dark pages.
_INK = "#010203"
_STYLE = {
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "axes.titlecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "font.size": 10,
    # Text stays text: it can be searched, and takes the font of the page.
    "svg.fonttype": "none",
    # A dollar in the name of a feature begins no formula.
    "text.parse_math": False,
    # The same picture gets the same identifiers, and another one of the page others.
    "svg.hashsalt": "skae",
}


@contextmanager
def drawing(alt: str, width: float = 4.6, height: float = 3.4) -> Iterator[tuple[Any, list[str]]]:
    """Give axes to draw on; afterwards the list holds the drawing as an SVG element.

    Parameters
    ----------
    alt : str
        What the picture shows, for those who do not see it.
    width, height : float
        In inches.
    """
    style = import_optional("matplotlib.style", "plot")
    figure_class = import_optional("matplotlib.figure", "plot").Figure
    drawn: list[str] = []
    # A figure that pyplot does not know: nothing is shown in a notebook, and nothing stays.
    with style.context(["default", _STYLE]):
        figure = figure_class(figsize=(width, height), layout="constrained")
        yield figure.subplots(), drawn
        text = StringIO()
        # Enough for points that are pixels within the drawing.
        figure.savefig(text, format="svg", metadata={"Date": None}, dpi=200)
    drawn.append(_as_element(text.getvalue(), alt))


def _as_element(svg: str, alt: str) -> str:
    """Return a file of SVG as an element of a page."""
    markupsafe = import_optional("markupsafe", "plot")
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{markupsafe.escape(alt)}" ', 1)


def png(picture: np.ndarray) -> str:
    """Return pixels (height, width, 4) in [0, 1] as the address of an image within the page."""
    image = import_optional("matplotlib.image", "plot")
    file = BytesIO()
    image.imsave(file, np.clip(picture, 0, 1), format="png")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


def colored(mosaic: np.ndarray, cmap: str) -> np.ndarray:
    """Return a mosaic of images in [0, 1] as pixels with colors, transparent between them."""
    if mosaic.ndim == 3:
        return mosaic
    colors = import_optional("matplotlib", "plot").colormaps[cmap]
    colors = colors.with_extremes(bad=MISSING_COLOR, over=(1, 1, 1, 0))
    pixels: np.ndarray = colors(np.ma.masked_invalid(mosaic))
    return pixels
