"""A refit that comes back in the coordinates of an earlier one."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from scipy.linalg import orthogonal_procrustes

from .._engine.data import Sample, TrainingSet
from .._engine.inference import map_rows
from ..models.autoencoder import AutoencoderNetwork
from ._plan import FitMode
from ._reducer import as_seen_by, encode

# Weight of the squared distance from the earlier codes, as a fraction of their variance.
_PLACE_WEIGHT = 0.1


def read_places(align_to: Any, rows: Any, X: Any) -> np.ndarray:
    """Return the codes that an earlier reducer gives to the rows of X, in float64."""
    if not hasattr(align_to, "transform"):
        raise TypeError(f"align_to must be a fitted estimator with transform, got {align_to!r}.")
    codes: np.ndarray = encode(align_to, as_seen_by(align_to, rows, X), "align_to")
    return codes.astype(np.float64, copy=False)


def check_size(places: np.ndarray, n_components: int) -> None:
    """Refuse codes of another size than those that are to be aligned."""
    if places.shape[1] != n_components:
        raise ValueError(
            f"align_to must have codes of the same size, {n_components}, got codes of "
            f"{places.shape[1]}."
        )


def rotation_to(
    codes: np.ndarray, places: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return R and t such that ``codes @ R + t`` is as close to the places as a rotation can be.

    Parameters
    ----------
    codes, places : ndarray of shape (n_samples, n_components)
        In float64.
    weights : ndarray of shape (n_samples,) or None

    Returns
    -------
    rotation : ndarray of shape (n_components, n_components)
        Orthogonal; it may have a reflection.
    shift : ndarray of shape (n_components,)
    """
    center, goal = (np.average(each, axis=0, weights=weights) for each in (codes, places))
    factors = 1.0 if weights is None else np.sqrt(weights)[:, None]
    rotation, _ = orthogonal_procrustes((codes - center) * factors, (places - goal) * factors)
    return rotation, goal - center @ rotation


class AlignmentMixin:
    """``align_to`` of estimators that train their own codes.

    The network is turned to the earlier codes where training starts, is drawn to them by a term of
    the loss, and is turned once more at the end.
    """

    # Of the estimator that this is mixed into.
    n_components: Any
    n_components_: int
    network_options_: dict
    _encode: Callable[..., Any]

    def _prepare_training_set(
        self, training_set: TrainingSet, run: Any, X: Any, y: Any, align_to: Any = None
    ) -> TrainingSet:
        if align_to is None:
            return training_set
        if self.network_options_["ordered"]:
            raise ValueError(
                "align_to turns the code, and ordered=True orders its components: use one of them."
            )
        places = read_places(align_to, training_set.X, X)
        if not isinstance(self.n_components, Integral):
            self.n_components_ = places.shape[1]
        check_size(places, self.n_components_)
        return training_set._replace(labels=places)

    def _prepare_network(self, sample: Sample, run: Any, seed: int) -> AutoencoderNetwork:
        network: AutoencoderNetwork = super()._prepare_network(sample, run, seed)  # type: ignore[misc]
        if sample.labels is not None:
            codes = map_rows(network.eval(), "encode", sample.X, self.n_components_)
            _turn(network, codes, sample)
            network.place_weight = _PLACE_WEIGHT
        return network

    def _finish(self, training_set: TrainingSet, sample: Sample, mode: FitMode) -> None:
        if sample.labels is not None:
            network = self.module_  # type: ignore[attr-defined]
            del network.place_weight
            _turn(network, self._encode(sample.X), sample)
        super()._finish(training_set, sample, mode)  # type: ignore[misc]


def _turn(network: AutoencoderNetwork, codes: np.ndarray, sample: Sample) -> None:
    places = np.asarray(sample.labels)
    rotation = rotation_to(codes.astype(np.float64), places, sample.weights)
    if not network.turn(*rotation):
        raise ValueError(
            "align_to needs an encoder that ends in a linear layer and a decoder that begins with "
            f"one, got {network.encoder!r} and {network.decoder!r}."
        )
