"""How a comparison was made: the call, the data, the split, versions and parameters."""

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

from ._data import Split

_PACKAGES = ("skae", "scikit-learn", "torch", "numpy", "scipy", "pandas", "umap-learn")
_MAX_CHARACTERS = 400  # of an argument in the call: more cannot be read


def describe_call(function: str, data: dict[str, Any], options: dict[str, Any]) -> str:
    """Return a call as code, with arrays by their name and only the options that were given."""
    names = [name for name, value in data.items() if value is not None]
    settings = [f"{name}={in_one_line(value)}" for name, value in options.items()]
    return f"{function}({', '.join([*names, *settings])})"


def in_one_line(value: Any) -> str:
    """Return the repr of an argument or estimator without line breaks, and not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 2]} …"


def describe_error(error: Exception) -> str:
    """Return the kind of an error and its message."""
    return f"{type(error).__name__}: {error}"


def describe_data(X: Any, image_shape: tuple[int, ...] | None, y: np.ndarray | None) -> str:
    """Return one phrase on the data, such as "1797 images of 8 × 8, 10 classes"."""
    n_samples, n_features = X.shape
    what = f"{n_samples} rows of {n_features} features"
    if image_shape is not None:
        what = f"{n_samples} images of {' × '.join(map(str, image_shape))}"
    kind = getattr(X, "dtype", None)
    classes = "" if y is None else f", {len(np.unique(y))} classes"
    return f"{what}, {kind or type(X).__name__}{classes}"


def describe_split(splits: list[Split], cv: Any, y: np.ndarray | None) -> str:
    """Return one phrase on the rows that were held out."""
    stratified = "" if y is None else ", stratified by class"
    n_train, n_test = len(splits[0].train), len(splits[0].test)
    if cv is None:
        return f"{n_train} rows to fit on, {n_test} held out{stratified}"
    # A splitter of the user's own decides about classes itself.
    kind = stratified if isinstance(cv, int) else f", {in_one_line(cv)}"
    return f"{len(splits)} folds, about {n_test} rows held out in each{kind}"


def describe_machine() -> dict[str, str]:
    """Return versions, machine and date, each by what it is called on the page."""
    versions = ", ".join(
        f"{name} {found}" for name in _PACKAGES if (found := _version(name)) is not None
    )
    return {
        "versions": f"Python {platform.python_version()}, {versions}",
        "machine": f"{platform.system()} {platform.machine()}, torch threads: "
        f"{torch.get_num_threads()}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    # Of optional packages: those that are not installed were not used.
    except PackageNotFoundError:
        return None
