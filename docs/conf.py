"""Settings of the documentation site: ``make docs`` builds it, without a network."""

import os
import sys
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

import skae

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_extensions"))
REPOSITORY = "https://github.com/skae-dev/skae"

project = "skae"
author = "The skae developers"
copyright = author
version = release = skae.__version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "myst_parser",
    "docstrings",
    "doctest_blocks",
    "gallery_files",
    "repository_files",
]
exclude_patterns = ["_build", "_extensions"]
templates_path = ["_templates"]

# Single backticks in docstrings are names, linked where there is a page of them.
default_role = "py:obj"
# Docstrings that are inherited from scikit-learn name terms of its glossary.
suppress_warnings = ["ref.term"]
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "groupwise"
# Beside a page, methods without the name of their class: it is the page's title.
toc_object_entries_show_parents = "hide"
# Attributes that `fit` sets are described in the docstring; methods have an entry each.
numpydoc_show_class_members = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# What a reader copies is code, without prompts and results.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "subsection_order": ExplicitOrder(
        [
            f"../examples/{name}"
            for name in ("reduction", "images", "tables", "outliers", "sequences")
        ]
    ),
    "within_subsection_order": "gallery_order.FirstToRead",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "show_memory": False,
    "doc_module": ("skae",),
    "backreferences_dir": "generated/backreferences",
    "capture_repr": ("_repr_html_", "__repr__"),
    # Displays are drawn already, and have no text.
    "ignore_repr_types": r"skae\.plotting|matplotlib",
    "remove_config_comments": True,
    "matplotlib_animations": (True, "jshtml"),
    "parallel": int(os.environ.get("DOCS_PROCESSES", "2")),
}

html_theme = "pydata_sphinx_theme"
html_title = "skae"
html_static_path = ["_static"]
html_css_files = ["skae.css"]
html_favicon = "_static/logo.svg"
html_show_sourcelink = False
html_theme_options = {
    "logo": {"image_light": "_static/logo.svg", "image_dark": "_static/logo.svg", "text": "skae"},
    "github_url": REPOSITORY,
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = {"index": []}

# `make linkcheck`. GitHub builds anchors of its pages in the browser.
linkcheck_anchors_ignore_for_url = [r"https://github\.com/.*"]
linkcheck_timeout = 20
linkcheck_retries = 2
