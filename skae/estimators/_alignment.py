"""A refit that comes back in the coordinates of an earlier one."""

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import orthogonal_procrustes

from .._engine.data import Sample, TrainingSet
from .._engine.inference import map_rows
from .._utils import refuse_class
from ..models.autoencoder import AutoencoderNetwork
from ._reducer import as_seen_by, encode

# Weight of the squared distance from the earlier codes, as a fraction of their variance.
_PLACE_WEIGHT = 0.1


def read_places(align_to: Any, rows: Any, X: Any) -> np.ndarray:
    """Return the codes that an earlier reducer gives to the rows of X, in float64."""
    refuse_class("align_to", align_to)
    if not hasattr(align_to, "transform"):
        raise TypeError(f"align_to must be a fitted estimator with transform, got {align_to!r}.")
    # The earlier reducer may have been fitted on a frame, and asks for its names.
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
    # The root, since Procrustes minimizes squares: a weight of two is the same as the row twice.
    factors = 1.0 if weights is None else np.sqrt(weights)[:, None]
    # Orthogonal and without a scale, so that distances between codes remain.
    rotation, _ = orthogonal_procrustes((codes - center) * factors, (places - goal) * factors)
    return rotation, goal - center @ rotation


class Alignment(NamedTuple):
    """``align_to`` of a fit that trains its own codes.

    The network is turned to the earlier codes where training starts, is drawn to them by a term of
    the loss, and is turned once more at the end.
    """

    reducer: Any

    def add_places(self, estimator: Any, training_set: TrainingSet, X: Any) -> TrainingSet:
        """Return the training set with the earlier codes, which are places, as its labels."""
        if estimator.network_options_["ordered"]:
            raise ValueError(
                "align_to turns the code, and ordered=True orders its components: use one of them."
            )
        places = read_places(self.reducer, training_set.X, X)
        # A fraction of the variance, or 'auto': the earlier codes determine the size.
        if not isinstance(estimator.n_components, Integral):
            estimator.n_components_ = places.shape[1]
        check_size(places, estimator.n_components_)
        return training_set._replace(labels=places)

    def begin(self, network: AutoencoderNetwork, sample: Sample) -> None:
        """Turn a network before training, and let its loss draw codes to their places."""
        n_components = np.asarray(sample.labels).shape[1]
        # Without dropout, which would turn the network to codes that it does not have.
        codes = map_rows(network.eval(), "encode", sample.X, n_components)
        _turn(network, codes, sample)
        network.place_weight = _PLACE_WEIGHT

    def end(self, network: AutoencoderNetwork, codes: np.ndarray, sample: Sample) -> None:
        """Turn the trained network, given the codes of the sample."""
        # The class's own zero is then back: the fitted network has no term of places.
        del network.place_weight
        _turn(network, codes, sample)


def _turn(network: AutoencoderNetwork, codes: np.ndarray, sample: Sample) -> None:
    places = np.asarray(sample.labels)
    rotation = rotation_to(codes.astype(np.float64), places, sample.weights)
    if not network.turn(*rotation):
        raise ValueError(
            "align_to needs an encoder that ends in a linear layer and a decoder that begins with "
            f"one, got {network.encoder!r} and {network.decoder!r}."
        )
