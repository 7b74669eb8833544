"""Imports run strictly downward, and the package stays light to import."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import skae

ROOT = Path(skae.__file__).parent
# Everything below a name stands in its layer; parts of one package may import each other.
LAYERS = {
    "_files": 0,
    "_typing": 0,
    "_sklearn_compat": 0,
    "_utils": 0,
    "_arrays": 1,
    "networks": 1,
    "losses": 2,
    "noises": 2,
    "datasets": 2,
    "sources": 2,
    "architectures": 2,
    "metrics": 2,
    "_engine": 3,
    "models": 3,
    "series": 3,
    "tables": 3,
    "inspection": 3,
    "estimators": 4,
    "model_selection": 5,
    "export": 5,
    "persistence": 5,
    "plotting": 5,
    "_card": 6,
    "comparison": 6,
    "__init__": 7,
    "cli": 8,
    "__main__": 9,
}


def imported(path):
    """List the parts of skae that a file imports."""
    package = path.relative_to(ROOT.parent).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            whole = (*base, *(node.module or "").split("."))
            parts = [part for part in whole if part]
            if parts[:1] == ["skae"]:
                yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]


def test_every_import_runs_downward():
    upward = []
    for path in ROOT.rglob("*.py"):
        own = path.relative_to(ROOT).with_suffix("").parts[0]
        for other in imported(path):
            if other != own and LAYERS[other] >= LAYERS[own]:
                upward.append(f"{path.relative_to(ROOT)} imports {other}")
    assert not upward


def test_skorch_is_known_to_the_engine_alone():
    knowing = {
        path.relative_to(ROOT).parts[0]
        for path in ROOT.rglob("*.py")
        if any(
            line.startswith(("import skorch", "from skorch"))
            for line in path.read_text(encoding="utf-8").splitlines()
        )
    }
    assert knowing == {"_engine"}


@pytest.fixture(scope="module")
def modules():
    """Modules that an import of an estimator adds to those of its dependencies, and all of them;
    names of skae that cannot be used afterwards."""
    # All at once: each new process takes seconds.
    script = """
import json, sys, torch, sklearn.decomposition, skorch
before = set(sys.modules)
from skae import Autoencoder
after = set(sys.modules)
import skae
missing = [name for name in skae.__all__ if not hasattr(skae, name)]
print(json.dumps([sorted(after - before), sorted(after), missing]))
"""
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return [set(names) for names in json.loads(shown.stdout)]


def test_importing_skae_leaves_the_heavy_parts_of_scikit_learn_to_those_who_use_them(modules):
    assert not {"sklearn.datasets", "sklearn.mixture"} & modules[1]


def test_what_stands_around_the_estimators_is_imported_at_its_first_use(modules):
    around = {"_card", "comparison", "export", "model_selection", "persistence", "plotting"}
    assert not {f"skae.{name}" for name in around} & modules[1]


def test_an_estimator_is_imported_without_the_others(modules):
    families = {path.stem for path in ROOT.glob("estimators/[!_]*.py")}
    assert len(families) > 10
    assert {f"skae.estimators.{name}" for name in families} & modules[0] == {
        "skae.estimators.autoencoder"
    }


def test_every_public_name_is_found_after_an_import_of_skae(modules):
    assert not modules[2]


def test_an_unknown_name_of_skae_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'AutoEncoder'"):
        skae.AutoEncoder  # noqa: B018


def test_importing_skae_imports_no_optional_package_of_its_own(modules):
    new = {name.partition(".")[0] for name in modules[0]}
    assert not new & {
        "matplotlib",
        "pandas",
        "umap",
        "torchvision",
        "optuna",
        "polars",
        "skimage",
        "bokeh",
        "dask",
        "h5py",
        "pyarrow",
        "zarr",
    }
