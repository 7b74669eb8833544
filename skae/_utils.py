"""Optional imports, versions, names in tables, devices, attributes that an error gives back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any, TypeVar

import torch

T = TypeVar("T")

_PACKAGES = ("skae", "scikit-learn", "torch", "numpy")


def import_optional(module: str, extra: str) -> Any:
    """Import an optional dependency.

    Parameters
    ----------
    module : str
        Name of the module, such as ``"matplotlib.pyplot"``.
    extra : str
        The extra of skae that installs it.

    Returns
    -------
    module : module

    Raises
    ------
    ImportError
        If the package is not installed, or is installed but cannot be imported: two messages,
        since what to do differs.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise _broken(package, error) from error
        raise ModuleNotFoundError(
            f"This needs {package}, which is not installed. "
            f"Install it with: pip install 'skae[{extra}]'",
            name=package,
        ) from error
    # Compiled packages raise RuntimeError, OSError, AttributeError and others while importing.
    except Exception as error:
        raise _broken(package, error) from error


def _broken(package: str, error: Exception) -> ImportError:
    return ImportError(
        f"This needs {package}, which is installed but could not be imported: "
        f"{type(error).__name__}: {error}. Install a version and build of {package} that fits "
        "the packages it depends on.",
        name=package,
    )


def lookup(parameter: str, value: Any, table: Mapping[str, T]) -> T:
    """Return ``table[value]``, or raise a ValueError that lists the valid names."""
    try:
        return table[value]
    # A value that cannot be hashed is no name, either.
    except (KeyError, TypeError):
        raise ValueError(f"{parameter} must be one of {sorted(table)}, got {value!r}.") from None


def refuse_class(parameter: str, value: object) -> None:
    """Raise a TypeError where a class is given in place of an object of it."""
    if isinstance(value, type):
        name = value.__name__
        raise TypeError(
            f"{parameter} must be an object, got the class {name}: create one with {name}(...)."
        )


# The GPUs of Apple.
DEVICES_WITHOUT_FLOAT64 = frozenset({"mps"})


def has_float64(device: torch.device) -> bool:
    """Return whether a device computes in float64."""
    return device.type not in DEVICES_WITHOUT_FLOAT64


def resolve_device(device: str | torch.device) -> torch.device:
    """Turn ``"auto"``, a name or a ``torch.device`` into a ``torch.device`` that is there."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(device)
        # Naming a device never fails: only using it shows whether it exists and holds values.
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device must be 'auto', 'cpu' or a device that torch finds here, got {device!r}: "
            f"{error}"
        ) from error
    return device


@contextmanager
def unchanged_on_error(estimator: Any) -> Iterator[None]:
    """Give the estimator its attributes back where the body raises."""
    # Shallow: fits replace attributes, and do not change them in place.
    before = estimator.__dict__.copy()
    try:
        yield
    # Ctrl-C as well.
    except BaseException:
        estimator.__dict__ = before
        raise


def page_template(package: str, name: str, extra: str) -> Any:
    """Return a jinja2 template of a page, of which every name must be given.

    Parameters
    ----------
    package : str
        The package whose folder ``templates`` holds it.
    name : str
    extra : str
        The extra of skae that installs jinja2.
    """
    jinja2 = import_optional("jinja2", extra)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(name)


def found_by_search(estimator: Any) -> Any:
    """Return the estimator that a search has found best, or the estimator itself."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    return estimator


def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages on which results depend."""
    return {package: version(package) for package in _PACKAGES}
