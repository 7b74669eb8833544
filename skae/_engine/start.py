"""Where training starts: the linear paths at the solution of PCA."""

import numpy as np
import torch
from scipy import linalg
from sklearn.utils.extmath import randomized_svd
from torch import nn

from ..networks.blocks import Sum

# Up to this many features the covariance matrix is cheaper than a random projection.
_EXACT_FEATURES = 1200


def start_at_pca(network, rows, weights, random_state):
    """Start the network's linear paths, where it has them, at PCA's solution.

    The hidden layers contribute nothing yet, so that the network reconstructs as well as PCA
    before the first step. The decoder's first hidden layer sees the components at unit
    variance, as its initial weights expect.

    Parameters
    ----------
    network : AutoencoderNetwork
    rows : ndarray of shape (n, n_features)
        In the units of the data.
    weights : ndarray of shape (n,) or None
    random_state : RandomState
    """
    encoder, decoder = network.encoder, network.decoder
    if not isinstance(encoder, Sum) or not isinstance(decoder, Sum):
        return
    standardization = network.standardization
    rows = (rows - standardization.center.double().numpy()) / standardization.scale.item()
    n_components = min(decoder.linear.in_features, *rows.shape)
    components, deviations = _principal_components(rows, weights, n_components, random_state)
    with torch.no_grad():
        for linear in (encoder.linear, decoder.linear):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        encoder.linear.weight[:n_components] = components
        decoder.linear.weight[:, :n_components] = components.T
        if standardization.sigmoid:
            _pass_through_sigmoid(decoder.linear, standardization)
        first = next(m for m in decoder.nonlinear.modules() if isinstance(m, nn.Linear))
        if first.weight.any():
            first.weight[:, :n_components] /= deviations


def _pass_through_sigmoid(linear, standardization):
    """Turn a linear map to the data into one to logits: the tangent at the data's mean."""
    mean = standardization.center.clamp(0.01, 0.99)
    linear.weight *= (standardization.scale / (mean * (1 - mean)).clamp(min=0.05))[:, None]
    linear.bias.copy_(torch.logit(mean))


def _principal_components(rows, weights, n_components, random_state):
    """Components (n_components, n_features) and the standard deviations along them."""
    if weights is not None:
        rows = rows * np.sqrt(weights / weights.mean())[:, None]
    n_rows, n_features = rows.shape
    if n_features <= _EXACT_FEATURES:
        covariance = rows.T @ rows
        wanted = [n_features - n_components, n_features - 1]
        eigenvalues, vectors = linalg.eigh(covariance, subset_by_index=wanted)
        eigenvalues, components = eigenvalues[::-1], vectors.T[::-1]
    else:
        _, singular, components = randomized_svd(
            rows, n_components, n_iter=4, random_state=random_state
        )
        eigenvalues = singular**2
    # The sign is free: the largest entry of each component is made positive, as PCA does.
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(n_components), largest])[:, None]
    deviations = np.sqrt(np.maximum(eigenvalues, 0) / n_rows)
    # Directions without variance must not be blown up.
    deviations = np.where(deviations > 1e-3, deviations, 1.0)
    return torch.tensor(components.copy()).float(), torch.tensor(deviations.copy()).float()
