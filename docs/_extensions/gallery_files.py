"""Pages that examples of the gallery write become part of the site, beside the examples."""

import shutil
from pathlib import Path

_EXAMPLES = Path(__file__).parents[2] / "examples"


def setup(app):
    app.connect("build-finished", _copy_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _copy_pages(app, exception):
    if exception is not None or app.builder.name != "html":
        return
    for page in _EXAMPLES.rglob("*.html"):
        shutil.copy(page, Path(app.outdir, "gallery", page.relative_to(_EXAMPLES)))
