"""Find the estimator that has an attribute within the pipelines and searches around it."""

from collections.abc import Iterable
from typing import Any

import numpy as np

# An attribute may be None, which is not the same as none.
_MISSING = object()

# What meta-estimators of scikit-learn and skae call the fitted estimator that they hold.
_HELD = ("best_estimator_", "estimator_", "regressor_")


def held_attribute(estimator: Any, name: str, default: Any = None) -> Any:
    """Return an attribute of the estimator, or else of the one that it holds.

    Of a Pipeline it is the last step that counts.
    """
    while estimator is not None:
        value = getattr(estimator, name, _MISSING)
        if value is not _MISSING:
            return value
        estimator = _held(estimator)
    return default


def _held(estimator: Any) -> Any:
    """Return the estimator that a pipeline ends in, or that a meta-estimator holds, or None."""
    steps = getattr(estimator, "steps", None)
    if steps:
        return steps[-1][1]
    return next((getattr(estimator, name) for name in _HELD if hasattr(estimator, name)), None)


def fitted_image_shape(reducers: Iterable[Any], n_features: int) -> tuple[int, ...] | None:
    """Return the image shape of the first reducer that has one for so many features, or None."""
    shapes = (held_attribute(reducer, "image_shape_") for reducer in reducers)
    # A pipeline may end in images of another size than those it is given.
    return next((shape for shape in shapes if shape and np.prod(shape) == n_features), None)
