"""Fitted autoencoders from which classifiers and regressors start."""

from typing import Any

from sklearn.frozen import FrozenEstimator

from ..models.autoencoder import AutoencoderNetwork, Network
from ..models.variational import VariationalNetwork


def fitted_inside(init: Any) -> Any:
    """Return the estimator in a FrozenEstimator, or the estimator itself."""
    return init.estimator if isinstance(init, FrozenEstimator) else init


def read_initial(init: Any, owner: Any) -> Network:
    """Return the network to start from, or raise a ValueError."""
    fitted = fitted_inside(init)
    if not hasattr(fitted, "module_"):
        raise ValueError(
            f"init must be a fitted autoencoder of skae, got {fitted!r}, which has no trained "
            "network. Fit it first; where it was fitted, clone() left that out: give "
            "init=FrozenEstimator(autoencoder), which stays as it is in searches."
        )
    network: Network = fitted.module_
    is_plain = isinstance(network, AutoencoderNetwork) and not network.ordered
    # Codes of a variational one are means of a distribution, which the encoder returns besides.
    if not is_plain or isinstance(network, VariationalNetwork):
        raise ValueError(
            "init must be a fitted Autoencoder(ordered=False), AutoencoderClassifier or "
            f"AutoencoderRegressor, got {fitted!r}."
        )
    return network


def check_initial(init: Any, owner: Any) -> None:
    """Refuse a start whose features, codes or units do not fit."""
    fitted = fitted_inside(init)
    if fitted.n_features_in_ != owner.n_features_in_:
        raise ValueError(
            f"X has {owner.n_features_in_} features, but init was fitted on "
            f"{fitted.n_features_in_}."
        )
    # The default is no choice of the user's, and the size follows `init`.
    default = type(owner)().n_components
    if owner.n_components not in (default, fitted.n_components, fitted.n_components_):
        raise ValueError(
            f"n_components={owner.n_components!r} differs from that of init, "
            f"{fitted.n_components_}, which it starts from: leave it out."
        )
    for name in ("loss", "image_shape"):
        mine, theirs = getattr(owner, name), getattr(fitted, name)
        is_same = mine == theirs or (name == "image_shape" and mine is None)
        if not is_same:
            raise ValueError(f"{name} must be that of init, {theirs!r}, got {mine!r}.")
