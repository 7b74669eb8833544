"""Pages of the site that are files of the repository: their links lead to pages, or to GitHub."""

import os
import posixpath
import re
from functools import partial
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_GITHUB = "https://github.com/skae-dev/skae/blob/main"
# Written before each build, and ignored by git.
_FOLDER = "project"
_PAGES = {
    "CHANGELOG.md": "changelog.md",
    ".github/CONTRIBUTING.md": "contributing.md",
    ".github/SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/NOTES.md": "notes.md",
    "benchmarks/studies/README.md": "studies.md",
}
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def setup(app):
    app.connect("config-inited", _write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write_pages(app, config):
    folder = Path(app.srcdir, _FOLDER)
    folder.mkdir(exist_ok=True)
    for source, page in _PAGES.items():
        text = _LINK.sub(partial(_moved, source=source), _read(source))
        target = folder / page
        # An unchanged page is not built again.
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")


def _read(source):
    return (_ROOT / source).read_text(encoding="utf-8")


def _moved(link, source):
    """Return a link of a file, as a link of the page that is made of it."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
    if not os.path.exists(_ROOT / path):
        raise FileNotFoundError(f"{source} links to {link[1]}, which does not exist.")
    fragment = link[2] or ""
    if path in _PAGES:
        return f"]({_PAGES[path]}{fragment})"
    if path.startswith("docs/") and path.endswith(".md"):
        return f"]({posixpath.relpath(path, f'docs/{_FOLDER}')}{fragment})"
    return f"]({_GITHUB}/{path}{fragment})"
