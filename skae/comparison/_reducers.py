"""The reducers that are compared: the default ones, and copies of those that are given."""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from .._engine.environment import compute_threads
from .._utils import import_optional
from ..estimators.autoencoder import Autoencoder
from ..estimators.hybrid import HybridAutoencoder
from ..estimators.parametric_umap import ParametricUMAP
from ..estimators.variational import VariationalAutoencoder

_NO_DICT = "reducers must be a dict of name to reducer, such as {{'PCA': PCA(2)}}, got {!r}."


class MeanImputer(SimpleImputer):
    """Replace missing values by their column's mean, and leave reconstructions as they are.

    scikit-learn's own imputer has an inverse only with ``add_indicator=True``.
    """

    def inverse_transform(self, X: Any) -> Any:
        return X


def default_reducers(
    n_components: int, *, has_images: bool, has_missing: bool, is_seeded: bool
) -> dict[str, Any]:
    """Return the reducers that are compared if none are given."""
    reducers: dict[str, Any] = {"PCA": PCA(n_components=n_components)}
    umap = _import_umap()
    if umap is not None:
        # A seeded UMAP runs on one core, and warns if asked for more.
        n_jobs = 1 if is_seeded else -1
        reducers["UMAP"] = umap.UMAP(n_components=n_components, n_jobs=n_jobs)
        reducers["parametric UMAP"] = ParametricUMAP(n_components, architecture="dense")
    # The others get missing values from an imputer.
    own: dict[str, Any] = {"missing_values": "mask"} if has_missing else {}
    reducers["dense autoencoder"] = Autoencoder(n_components, architecture="dense", **own)
    if has_images:
        reducers["conv autoencoder"] = Autoencoder(n_components, architecture="conv", **own)
    reducers["variational autoencoder"] = VariationalAutoencoder(n_components, architecture="dense")
    reducers["PCA + trained decoder"] = HybridAutoencoder(n_components, architecture="dense")
    return {
        name: _with_imputer(reducer) if has_missing else reducer
        for name, reducer in reducers.items()
    }


def _import_umap() -> Any:
    """Return umap, None if it is not installed or, with a warning, if it is broken."""
    try:
        with compute_threads():  # Numba changes torch's number where it is imported
            return import_optional("umap", "umap")
    except ModuleNotFoundError:
        return None
    except ImportError as error:
        # The level of whoever called `compare`.
        warnings.warn(f"UMAP is not compared. {error}", FitFailedWarning, stacklevel=4)
        return None


def _with_imputer(reducer: Any) -> Any:
    """Return the reducer behind an imputer, unless it takes missing values itself."""
    if reducer.get_params().get("missing_values") == "mask":
        return reducer
    # Otherwise columns without a value in training are dropped, and reconstructions are narrower.
    return make_pipeline(MeanImputer(keep_empty_features=True), reducer)


def prepare(
    reducers: Mapping[str, Any], image_shape: tuple[int, ...] | None, seed: int | None
) -> dict[str, Any]:
    """Clone the reducers and give them the seed and the shape of the images."""
    if not isinstance(reducers, Mapping) or not reducers:
        raise TypeError(_NO_DICT.format(reducers))
    for name, reducer in reducers.items():
        _check_reducer(name, reducer)
    return {
        name: _configure(clone(reducer), image_shape, seed) for name, reducer in reducers.items()
    }


class Sized(NamedTuple):
    """A reducer at one of several sizes of its code."""

    name: str
    n_components: int


def at_sizes(reducers: Mapping[str, Any], sizes: list[int]) -> tuple[dict[str, Any], list[Sized]]:
    """Return copies of each reducer with each size of the code, and what they are copies of."""
    if not isinstance(reducers, Mapping):
        raise TypeError(_NO_DICT.format(reducers))
    copies, origins = {}, []
    for name, reducer in reducers.items():
        _check_reducer(name, reducer)
        parameter = _size_parameter(name, reducer)
        for size in sizes:
            copies[f"{name} ({size})"] = clone(reducer).set_params(**{parameter: size})
            origins.append(Sized(name, size))
    return copies, origins


def _size_parameter(name: str, reducer: Any) -> str:
    """Return the parameter that sets the size of the code, of a pipeline that of its last step."""
    steps = getattr(reducer, "steps", [])
    # From the last step backward: it makes the code, and an earlier PCA does not.
    candidates = ["n_components", *(f"{step}__n_components" for step, _ in reversed(steps))]
    parameters = reducer.get_params()
    found = next((each for each in candidates if each in parameters), None)
    if found is None:
        raise TypeError(
            "If n_components is a list, reducers must have a parameter n_components, got "
            f"{name!r}: {type(reducer).__name__}, which has none."
        )
    return found


def _check_reducer(name: str, reducer: Any) -> None:
    """Refuse what could never be compared, before anything is fitted."""
    if isinstance(reducer, type):
        raise TypeError(
            f"reducers must be instances, got the class {reducer.__name__} as {name!r}."
        )
    missing = [method for method in ("get_params", "fit") if not hasattr(reducer, method)]
    if not hasattr(reducer, "transform") and not hasattr(reducer, "fit_transform"):
        missing.append("transform or fit_transform")
    if missing:
        raise TypeError(
            "reducers must have get_params, fit, and transform or fit_transform, got "
            f"{name!r}: {type(reducer).__name__}, which has no {missing[0]}."
        )


def _configure(reducer: Any, image_shape: tuple[int, ...] | None, seed: int | None) -> Any:
    parameters = reducer.get_params()
    updates: dict[str, Any] = {}
    if seed is not None:
        # The seeds of nested estimators as well, such as the steps of a pipeline.
        seeds = [name for name in parameters if name.split("__")[-1] == "random_state"]
        updates = dict.fromkeys(seeds, seed)
    # Not those of a pipeline's steps: their input need not be images anymore.
    if "image_shape" in parameters and parameters["image_shape"] is None:
        updates["image_shape"] = image_shape
    return reducer.set_params(**updates)


def pipeline_steps(reducer: Any) -> list[Any]:
    """Return the estimators of a pipeline, or the reducer alone."""
    steps = getattr(reducer, "steps", [("", reducer)])
    return [step for _, step in steps if hasattr(step, "fit")]
