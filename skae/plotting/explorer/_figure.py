"""The scatter plot of the page, by Bokeh: empty, it gets its points from ``explorer.js``."""

from typing import Any

import numpy as np

from ..._utils import import_optional
from .._style import MISSING_COLOR
from ._columns import PALETTE

# In pixels: a few rows are dots, a hundred thousand a cloud.
_POINT_SIZES = (3.0, 9.0)
_AREA_OF_POINTS = 60_000.0  # of all points together, in square pixels
_GRAY = "#888888"  # can be read on white and on black
_SPOT_COLOR = "#e6007a"  # of no class
# Of axes, grid and text.
_LINES = {"axis_line_color": _GRAY, "major_tick_line_color": _GRAY, "minor_tick_line_color": None}
_TEXT = {"major_label_text_color": _GRAY, "axis_label_text_color": _GRAY}
_EVENTS = {"tap": "onTap", "press": "onPress", "mousemove": "onMove"}


def make_figure(n_rows: int) -> dict[str, Any]:
    """Return the plot as the item that ``Bokeh.embed.embed_item`` takes."""
    plotting, models, embed = (
        import_optional(f"bokeh.{name}", "explore") for name in ("plotting", "models", "embed")
    )
    pan = models.PanTool(name="pan")
    # Selecting while the mouse moves would look at all points each time.
    lasso = models.LassoSelectTool(name="lasso", continuous=False)
    wheel = models.WheelZoomTool()
    figure = plotting.figure(
        name="figure",
        tools=[pan, lasso, wheel],
        active_scroll=wheel,
        active_drag=None,
        toolbar_location=None,
        output_backend="webgl",
        sizing_mode="stretch_both",
        # All points at all times: the graphics card draws them as fast as a part of them.
        lod_threshold=None,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        x_range=models.Range1d(0, 1),
        y_range=models.Range1d(0, 1),
    )
    for axis in figure.axis:
        axis.update(**_LINES, **_TEXT)
    figure.grid.grid_line_color = _GRAY
    figure.grid.grid_line_alpha = 0.15
    _add_points(figure, models, n_rows)
    _connect(figure, models)
    item: dict[str, Any] = embed.json_item(figure)
    return item


def _add_points(figure: Any, models: Any, n_rows: int) -> None:
    """Add the rows, the one under the mouse and the spot that is decoded."""
    colors = models.LinearColorMapper(palette=PALETTE, nan_color=MISSING_COLOR, name="colors")
    size = float(np.clip(np.sqrt(_AREA_OF_POINTS / max(n_rows, 1)), *_POINT_SIZES))
    style = {"fill_color": {"field": "color", "transform": colors}, "line_color": None}
    # The second has a part of the points, for browsers that take long to draw all of them.
    for name in ("rows", "few"):
        source = models.ColumnDataSource({"x": [], "y": [], "color": []}, name=name)
        figure.scatter(
            *("x", "y"),
            name=f"{name} drawn",
            source=source,
            size=size,
            fill_alpha=0.8,
            nonselection_fill_alpha=0.08,
            **style,
        )
    figure.renderers[-1].visible = False
    # On a layer of their own: that they move does not draw all points anew.
    over = {"level": "overlay", "fill_color": None, "line_color": _SPOT_COLOR}
    for name, marker, size in (("hovered", "circle", 14), ("spot", "cross", 22)):
        source = models.ColumnDataSource({"x": [], "y": []}, name=name)
        figure.scatter("x", "y", source=source, marker=marker, size=size, line_width=3, **over)


def _connect(figure: Any, models: Any) -> None:
    """Let events of the plot call the functions of the page."""
    for event, function in _EVENTS.items():
        callback = models.CustomJS(code=f"skaeExplorer.{function}(cb_obj)")
        figure.js_on_event(event, callback)
    rows = figure.renderers[0].data_source
    selected = models.CustomJS(code="skaeExplorer.onSelect(cb_obj.indices)")
    rows.selected.js_on_change("indices", selected)
    for view in (figure.x_range, figure.y_range):
        view.js_on_change("start", models.CustomJS(code="skaeExplorer.onView()"))


def bokeh_scripts() -> list[str]:
    """Return Bokeh's own code: its core and what draws by WebGL, without widgets or tables."""
    resources = import_optional("bokeh.resources", "explore")
    scripts: list[str] = resources.Resources("inline", components=["bokeh", "bokeh-gl"]).js_raw
    # The last one only sets how much is logged.
    return scripts
