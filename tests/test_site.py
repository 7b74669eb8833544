"""The site's sources: its reference is complete, its examples are scripts on data at hand."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from public import PUBLIC

import skae
from skae.estimators import _docs

ROOT = Path(skae.__file__).parents[1]
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
SCRIPTS = sorted(EXAMPLES.rglob("*.py"))

pytestmark = pytest.mark.skipif(
    not DOCS.exists(), reason="skae is installed without its repository."
)


def in_reference():
    """Names in the API reference, in full."""
    page = (DOCS / "api" / "index.md").read_text(encoding="utf-8")
    module, names = "", []
    for line in page.splitlines():
        if current := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = current[1]
        elif name := re.match(r"   ([A-Za-z_][\w.]*)$", line):
            names.append(f"{module}.{name[1]}")
    return names


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_in_the_reference_once(name):
    assert in_reference().count(name) == 1


def test_the_page_about_versions_names_every_public_module():
    page = (DOCS / "versions.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"`skae` and its modules (.*?) list in", page, re.DOTALL)
    modules = {name.split(".")[1] for name in PUBLIC if name.count(".") == 2}
    assert set(re.findall(r"`(\w+)`", listed)) == modules


def test_pages_of_estimators_are_where_the_html_view_looks_for_them():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    site = project["urls"]["Documentation"]
    assert f"{site}generated/skae.{{estimator_name}}.html" == _docs._PAGES
    page = (DOCS / "api" / "index.md").read_text(encoding="utf-8")
    # Relative to docs/api.
    assert set(re.findall(r":toctree: (\S+)", page)) == {"../generated/"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_is_read_from_top_to_bottom(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    title, rule, *_ = ast.get_docstring(tree).splitlines()
    assert set(rule) == {"="}
    assert len(title) == len(rule)
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert not imported & {"argparse", "os", "sys"}
    assert "__name__" not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_needs_no_download(path):
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"\bfetch_|load_(fashion_)?mnist|SKAE_DATA|https?:", source)


def test_every_folder_of_examples_has_a_place_in_the_gallery():
    settings = (DOCS / "conf.py").read_text(encoding="utf-8")
    (order,) = re.findall(r"for name in (\(.*\))", settings)
    folders = {path.parent.name for path in SCRIPTS}
    assert set(ast.literal_eval(order)) == folders
    assert all((EXAMPLES / folder / "README.rst").exists() for folder in folders)
