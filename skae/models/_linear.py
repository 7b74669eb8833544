"""Linear algebra from which networks start: standardization, PCA and least squares."""

import math

import numpy as np
import torch
from scipy import linalg
from sklearn.linear_model import LinearRegression
from sklearn.utils.extmath import randomized_svd
from torch import nn

from ..networks.blocks import LinearSkip
from ..networks.standardization import Standardization

# Up to this many features the eigenvectors of the covariance matrix cost less than a randomized
# SVD: both take about 0.5 s here.
_MAX_EXACT_FEATURES = 1200
# With more features components are counted on this many rows, whose products take as long.
_MAX_COUNTED_ROWS = 2000
# A basis leaves out at most this fraction of the variance that PCA's code leaves, and has this
# fraction of all directions: fewer save no time, more save hardly any.
_UNSEEN_FRACTION, _MIN_BASIS_FRACTION, _MAX_BASIS_FRACTION = 0.1, 0.25, 0.5
# A basis is looked for where there are this many features, and this many rows for each: fewer rows
# do not determine the directions.
_MIN_BASIS_FEATURES, _ROWS_PER_FEATURE = 100, 2
# Of longer rows at most so many directions are found, from at most so many rows: the products of
# these with each other cost less than a randomized SVD. Three rows determine a direction among the
# first ones.
_MAX_WIDE_DIRECTIONS, _MAX_WIDE_ROWS, _ROWS_PER_DIRECTION = 500, 3000, 3
# Standard deviations along a basis are estimated from this many rows: a few digits are enough.
_DEVIATION_ROWS = 2000
# Errors in larger units than this overflow when they are squared.
_MAX_SCALE = 1e150
# Standardized inputs that deviate less than this are constant: dividing by it would amplify noise.
_MIN_DEVIATION = 1e-3
# Means at the ends of [0, 1] have infinite logits, and tangents too steep to train.
LOGIT_LIMITS = 0.01, 0.99


def fit_standardization(rows, weights, *, scales, sigmoid, n_components=None, basis=None):
    """Return how rows are standardized: along all features, or along a principal subspace.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None
    scales : bool
        Whether to center and scale; otherwise networks see the units of the data.
    sigmoid : bool
        Whether a sigmoid leads from the decoder to the data.
    n_components : int, default=None
        Size of the code whose principal subspace is looked for; None for all features.
    basis : Tensor of shape (n_features, n_directions), default=None
        A subspace that is given.

    Returns
    -------
    standardization : Standardization
    """
    center, scale = np.zeros(rows.shape[1]), 1.0
    if scales:
        center, scale = center_and_scale(rows, weights)
    if n_components is not None:
        basis = principal_subspace(rows, weights, n_components, center)
    return Standardization(torch.tensor(center), scale, sigmoid=sigmoid, basis=basis)


def center_and_scale(rows, weights):
    """Return the mean of each feature and the root mean square of all deviations from it.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None

    Returns
    -------
    center : ndarray of shape (n_features,)
    scale : float
    """
    center = np.average(rows, axis=0, weights=weights)
    deviations = rows - center
    # These arrays are large: intermediate results are computed in place.
    largest, size = max(deviations.max(), -deviations.min()), np.abs(center).max()
    # The deviations of constant features are rounding errors, which must not be amplified.
    if largest <= 4 * np.finfo(np.float64).eps * size:
        return center, size or 1.0
    # Divided first: squares of very large or very small numbers overflow or vanish.
    deviations /= largest
    variances = np.average(np.square(deviations, out=deviations), axis=0, weights=weights)
    scale = largest * math.sqrt(variances.mean())
    if not scale < _MAX_SCALE:
        raise ValueError(
            f"X must have a standard deviation below {_MAX_SCALE:g}, so that errors can be "
            f"squared, got {scale:.3g}: divide X by a constant."
        )
    return center, scale


def principal_subspace(rows, weights, n_components, center=0.0):
    """Return the principal directions that matter for a code of ``n_components``.

    These are a quarter of all, or more until the other directions hold at most a tenth of the
    variance that PCA's code of this size leaves. Most of that is noise: without it a network
    learns faster.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None
    n_components : int
    center : ndarray of shape (n_features,), default=0.0
        What is subtracted from the rows, once it is known which of them are needed.

    Returns
    -------
    basis : Tensor of shape (n_features, n_directions) or None
        Orthonormal columns. None if more than half of the directions matter, or if there are too
        few rows to determine them.
    """
    n_rows, n_features = rows.shape
    if n_features > _MAX_EXACT_FEATURES:
        return _wide_subspace(rows, weights, n_components, center)
    if n_features < _MIN_BASIS_FEATURES or n_features > n_rows // _ROWS_PER_FEATURE:
        return None
    components, deviations = principal_components(rows - center, weights, n_features, None)
    variances = deviations.double().square()
    left = variances.sum() - variances.cumsum(0)
    tolerated = _UNSEEN_FRACTION * left[min(n_components, n_features) - 1]
    n_directions = max(int((left > tolerated).sum()) + 1, int(_MIN_BASIS_FRACTION * n_features))
    has_few = n_directions <= _MAX_BASIS_FRACTION * n_features
    return components[:n_directions].T if has_few else None


def _wide_subspace(rows, weights, n_components, center):
    """Return the same for rows of very many features, so that they cost what their rank costs.

    A network of all features would be slower, and on images of 128×128 pixels no better.
    """
    step = math.ceil(len(rows) / _MAX_WIDE_ROWS)
    rows, weights = rows[::step], None if weights is None else weights[::step]
    n_directions = min(_MAX_WIDE_DIRECTIONS, len(rows) // _ROWS_PER_DIRECTION)
    if n_directions <= n_components:
        return None
    # Only now: a copy of a start's rows has 1.6 GB.
    rows = _weighted(rows - center, weights)
    # The eigenvectors of the products of all rows with each other lead to those of the features.
    eigenvalues, vectors = linalg.eigh(rows @ rows.T, overwrite_a=True)
    variances = np.maximum(eigenvalues[::-1], 0)
    left = variances.sum() - variances.cumsum()
    is_needed = left[:n_directions] > _UNSEEN_FRACTION * left[n_components - 1]
    n_needed = int(is_needed.sum()) + 1
    directions = rows.T @ vectors[:, ::-1][:, : min(n_needed, n_directions)]
    # Orthonormal to rounding, also where variances are tiny.
    return torch.from_numpy(linalg.qr(directions, mode="economic")[0]).float()


def _weighted(rows, weights):
    """Return rows whose products are those of weighted ones."""
    return rows if weights is None else rows * np.sqrt(weights / weights.mean())[:, None]


def count_components(rows, weights, fraction):
    """Return how many principal components explain more than a fraction of the variance.

    This is the number that `sklearn.decomposition.PCA` finds for a fraction. Rows of many
    features are counted on part of them.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
    weights : ndarray of shape (n_samples,) or None
    fraction : float in (0, 1)

    Returns
    -------
    n_components : int
    """
    if rows.shape[1] > _MAX_EXACT_FEATURES:
        rows = rows[:_MAX_COUNTED_ROWS]
        weights = None if weights is None else weights[:_MAX_COUNTED_ROWS]
    deviations = rows - np.average(rows, axis=0, weights=weights)
    # Neither very large nor very small numbers can be squared.
    deviations /= np.abs(deviations).max() or 1.0
    if weights is not None:
        deviations *= np.sqrt(weights)[:, None]
    is_tall = len(rows) > rows.shape[1]
    eigenvalues = linalg.eigvalsh(
        deviations.T @ deviations if is_tall else deviations @ deviations.T
    )
    explained = np.cumsum(np.maximum(eigenvalues[::-1], 0))
    n_components = int(np.searchsorted(explained, fraction * explained[-1], side="right")) + 1
    return min(n_components, len(explained))


def principal_components(rows, weights, n_components, random_state):
    """Return components (n_components, n_features) and the standard deviations along them."""
    rows = _weighted(rows, weights)
    n_rows, n_features = rows.shape
    if n_features <= _MAX_EXACT_FEATURES:
        covariance = rows.T @ rows
        # All of them by this driver take less time than a few by another.
        eigenvalues, vectors = linalg.eigh(covariance, driver="evd", overwrite_a=True)
        eigenvalues, components = eigenvalues[::-1][:n_components], vectors.T[::-1][:n_components]
    else:
        _, singular, components = randomized_svd(
            rows, n_components, n_iter=4, random_state=random_state
        )
        eigenvalues = singular**2
    # The sign is free: the largest entry of each component is made positive, as PCA does.
    largest = np.abs(components).argmax(axis=1)
    components = components * np.sign(components[np.arange(n_components), largest])[:, None]
    deviations = np.sqrt(np.maximum(eigenvalues, 0) / n_rows)
    # Arrays in float32: torch takes no views that run backward.
    return tuple(torch.from_numpy(each.astype(np.float32)) for each in (components, deviations))


def standardized(standardization, rows):
    """Return rows (n_samples, n_features) as the network sees them, in float64."""
    rows = torch.from_numpy(rows)
    if standardization.basis is None:
        return standardization.standardize(rows).numpy()
    return standardization.standardize_exactly(rows).double().numpy()


def start_at_pca(encoder, decoder, standardization, rows, weights, random_state):
    """Start linear skip connections at the solution of PCA.

    The hidden layers contribute nothing yet, so that the network reconstructs as well as PCA
    before the first step. The decoder's first hidden layer sees the components at unit
    variance, as its initial weights expect. Networks without linear skip connections stay as
    they are.

    Parameters
    ----------
    encoder, decoder : Module
    standardization : Standardization
    rows : ndarray of shape (n_samples, n_features)
        In the units of the data.
    weights : ndarray of shape (n_samples,) or None
    random_state : int or RandomState

    Returns
    -------
    code_scale : float
        Root mean square of the codes; one where nothing was done.
    """
    if not isinstance(encoder, LinearSkip) or not isinstance(decoder, LinearSkip):
        return 1.0
    components, deviations = _seen_components(
        standardization, rows, weights, encoder.linear.out_features, random_state
    )
    n_components = len(components)
    with torch.no_grad():
        set_to_zero(encoder.linear, decoder.linear)
        encoder.linear.weight[:n_components] = components
        decoder.linear.weight[:, :n_components] = components.T
        if standardization.sigmoid:
            pass_through_sigmoid(decoder.linear, standardization)
        divide_by_deviations(decoder.nonlinear, deviations)
    return deviations.square().mean().sqrt().item()


def _seen_components(standardization, rows, weights, n_components, random_state):
    """Return at most ``n_components`` of the rows as the network sees them, with deviations."""
    if standardization.basis is None:
        rows = standardized(standardization, rows)
        return principal_components(rows, weights, min(n_components, *rows.shape), random_state)
    # Along a principal basis the components of the rows are the axes, in order. A regular sample is
    # enough to estimate deviations, and rows of weight zero must not take part.
    some = np.arange(len(rows)) if weights is None else np.flatnonzero(weights)
    some = some[:: len(some) // _DEVIATION_ROWS + 1]
    rows = standardized(standardization, rows[some])[:, :n_components]
    weights = None if weights is None else weights[some]
    components = torch.eye(rows.shape[1], standardization.n_outputs)
    return components, root_mean_squares(rows, weights)


def set_to_least_squares(linear, inputs, outputs, weights, components=None):
    """Set a layer to the best linear map, through ``components`` of the inputs where given."""
    if components is not None:
        # (n_samples, n_inputs) to (n_samples, n_components)
        inputs = inputs @ components.double().numpy().T
    best = LinearRegression().fit(inputs, outputs, weights)
    # (n_outputs, n_inputs or n_components); both maps together are one layer.
    coefficients = torch.tensor(best.coef_).float()
    linear.weight.copy_(coefficients if components is None else coefficients @ components)
    linear.bias.copy_(torch.tensor(best.intercept_))


def set_to_zero(*layers):
    """Set weights and biases to zero."""
    for layer in layers:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)


def divide_by_deviations(module, deviations):
    """Divide the first layer's weights, so that it sees inputs of unit variance.

    Parameters
    ----------
    module : Module
        Nothing is done where it has no linear layer, or one that starts at zero.
    deviations : Tensor of shape (n_inputs,)
        Standard deviations of the (first) inputs.
    """
    first = next((m for m in module.modules() if isinstance(m, nn.Linear)), None)
    if first is not None and first.weight.any():
        first.weight[:, : len(deviations)] /= safe_deviations(deviations)


def safe_deviations(deviations):
    """Return standard deviations to divide by: one in place of those that are nearly zero."""
    return torch.where(deviations > _MIN_DEVIATION, deviations, 1.0)


def root_mean_squares(centered, weights):
    """Return the root mean square of each column."""
    return torch.tensor(np.sqrt(np.average(centered**2, axis=0, weights=weights))).float()


def pass_through_sigmoid(linear, standardization):
    """Turn a linear map to the data into one to logits: the tangent at the data's mean."""
    mean = standardization.center.clamp(*LOGIT_LIMITS)
    linear.weight *= (standardization.scale / (mean * (1 - mean)).clamp(min=0.05))[:, None]
    linear.bias.copy_(torch.logit(mean))
