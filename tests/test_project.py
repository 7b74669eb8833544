"""What the package says of itself: version, dependencies, lower bounds."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import skae
from benchmarks import trace

PACKAGE = Path(skae.__file__).parent
ROOT = PACKAGE.parent
# Where the distribution has another name than the module.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "umap": "umap-learn"}


@pytest.fixture(scope="module")
def project():
    path = ROOT / "pyproject.toml"
    if not path.exists():
        pytest.skip("skae is installed without its repository.")
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"]


def name(requirement):
    return re.match(r"[\w-]+", requirement)[0]


def imported_packages():
    """Names of the packages that files of skae import, in functions as well."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield node.module.partition(".")[0]


def test_the_version_is_that_of_the_installed_package():
    assert skae.__version__ == version("skae")


def test_every_package_that_is_imported_is_a_declared_dependency(project):
    packages = set(imported_packages()) - set(sys.stdlib_module_names) - {"skae"}
    declared = {name(requirement) for requirement in project["dependencies"]}
    assert {DISTRIBUTIONS.get(package, package) for package in packages} == declared


def test_every_dependency_has_a_lower_bound(project):
    assert all(">=" in requirement for requirement in project["dependencies"])


def test_floors_are_the_lower_bounds_of_all_dependencies_but_torch(project):
    shown = subprocess.run(
        [sys.executable, ROOT / ".ci" / "floors.py"], capture_output=True, text=True, check=True
    )
    floors = dict(line.split("==") for line in shown.stdout.splitlines())
    for requirement in project["dependencies"]:
        dependency, bound = requirement.split(">=")
        assert dependency == "torch" or floors[dependency] == bound


def test_calls_are_traced_in_order_until_the_named_function():
    made = trace.calls(lambda: skae.Autoencoder().get_params(), skae, "get_params")
    assert made == [("estimators/autoencoder.py", "Autoencoder.__init__")]


def test_a_plain_fit_makes_few_moves_between_files():
    mine, _ = trace.fits()
    # What another parameter needs belongs outside of the way of a fit that does not use it.
    assert trace.moves(mine) <= 60


def test_moves_are_counted_where_the_file_changes():
    made = [("a.py", "f"), ("a.py", "g"), ("b.py", "f"), ("a.py", "h")]
    assert trace.moves(made) == 2


def test_type_checkers_see_no_function_that_makes_every_name_valid():
    top = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body
    assert "__getattr__" not in [getattr(node, "name", None) for node in top]
    assert skae.model_card.__name__ == "model_card"
    with pytest.raises(AttributeError, match="no attribute 'Autoencodr'"):
        _ = skae.Autoencodr
