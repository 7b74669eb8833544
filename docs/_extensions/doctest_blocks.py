"""Blocks of doctests end with an empty line, for doctest: pages leave it out."""


def setup(app):
    app.connect("source-read", _strip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _strip(app, docname, source):
    source[0] = source[0].replace("\n\n```\n", "\n```\n")
