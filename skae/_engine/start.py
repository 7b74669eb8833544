"""Where training starts: the linear paths at the solution of PCA or of least squares."""

import numpy as np
import torch
from scipy import linalg
from sklearn.linear_model import LinearRegression
from sklearn.utils.extmath import randomized_svd
from torch import nn

from ..networks.blocks import LinearSkip, zero_init_last_layer

# Up to this many features the covariance matrix is cheaper than a random projection.
_EXACT_FEATURES = 1200
# Share of the variance that PCA's code leaves which a network need not see, and share of the
# directions that it sees at least and at most, since fewer save nothing and more hardly any.
_UNSEEN, _FEWEST, _MOST = 0.1, 0.25, 0.5
# Directions are chosen of so many features, where there are so many rows for each to tell.
_MANY_FEATURES, _ROWS_PER_FEATURE = 100, 2
# Rows that tell how far others reach along a direction.
_FEW = 2000


def principal_subspace(rows, weights, n_components):
    """Find the principal directions that matter for a code of a given size.

    These are a quarter of all, or more until along the others lies at most a tenth of the
    variance that PCA's code of the size leaves. That is noise for the most part: without it a
    network learns faster.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        Centred.
    weights : ndarray of shape (n,) or None
    n_components : int
        Size of the code.

    Returns
    -------
    directions : Tensor of shape (n_features, n_directions) or None
        Orthonormal columns. None where more than half of the directions matter, or where rows
        are too few to tell.
    """
    n_rows, n_features = rows.shape
    if not _MANY_FEATURES <= n_features <= min(_EXACT_FEATURES, n_rows // _ROWS_PER_FEATURE):
        return None
    components, deviations = _principal_components(rows, weights, n_features, None)
    variances = deviations.double().square()
    left = variances.sum() - variances.cumsum(0)
    bearable = _UNSEEN * left[min(n_components, n_features) - 1]
    n_directions = max(int((left > bearable).sum()) + 1, int(_FEWEST * n_features))
    return components[:n_directions].T if n_directions <= _MOST * n_features else None


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
    if not isinstance(encoder, LinearSkip) or not isinstance(decoder, LinearSkip):
        return
    components, deviations = _seen_components(
        network.standardization, rows, weights, encoder.linear.out_features, random_state
    )
    n_components = len(components)
    with torch.no_grad():
        _set_to_zero(encoder.linear, decoder.linear)
        encoder.linear.weight[:n_components] = components
        decoder.linear.weight[:, :n_components] = components.T
        if network.standardization.sigmoid:
            _pass_through_sigmoid(decoder.linear, network.standardization)
        _expect_deviations(decoder.nonlinear, deviations)


def start_at_probabilistic_pca(network, rows, weights, random_state):
    """Start a variational network at probabilistic PCA, where it has linear paths.

    Codes then have unit variance and the encoder gives the exact posterior, so that under a
    gaussian likelihood training starts with the best bound that a linear network can have.
    Without linear paths only the noise variance is set, to the variance of the data.

    Parameters
    ----------
    network : VariationalNetwork
    rows : ndarray of shape (n, n_features)
        In the units of the data.
    weights : ndarray of shape (n,) or None
    random_state : RandomState

    References
    ----------
    Tipping and Bishop (1999). Probabilistic principal component analysis. Journal of the Royal
    Statistical Society B 61(3).

    Lucas, Tucker, Grosse and Norouzi (2019). Don't blame the ELBO! A linear VAE perspective on
    posterior collapse. NeurIPS.
    """
    encoder, decoder = network.encoder, network.decoder
    rows = _standardized(network.standardization, rows)
    mean = np.average(rows, axis=0, weights=weights)
    data_variance = np.average((rows - mean) ** 2, axis=0, weights=weights).mean() or 1.0
    network.start_noise(data_variance, data_variance)
    if not isinstance(encoder, LinearSkip) or not isinstance(decoder, LinearSkip):
        return
    n_components = min(decoder.linear.in_features, *rows.shape)
    components, deviations = _principal_components(rows, weights, n_components, random_state)
    n_left = rows.shape[1] - n_components
    left = rows.shape[1] * data_variance - deviations.double().square().sum()
    network.start_noise(left / n_left if n_left else 0.0, data_variance)
    noise = network.noise_variance
    variances = deviations.square().clamp(min=noise)
    gains = torch.sqrt(variances - noise)[:, None]
    with torch.no_grad():
        _set_to_zero(encoder.linear, decoder.linear)
        # Means and log-variances of the components come in turn.
        encoder.linear.weight[: 2 * n_components : 2] = components * gains / variances[:, None]
        encoder.linear.bias[1 : 2 * n_components : 2] = torch.log(noise / variances)
        decoder.linear.weight[:, :n_components] = (components * gains).T
        if network.standardization.sigmoid:
            _pass_through_sigmoid(decoder.linear, network.standardization)


def start_at_least_squares(network, codes, rows, weights, *, inputs=None, random_state=None):
    """Start the linear paths at the least-squares maps between given codes and the data.

    The decoder then starts as the best linear map from codes to rows. The encoder, where
    there is one, starts as the best linear map to the codes from as many principal components
    as a code has numbers: from more of them it would learn noise by heart, while a code of
    PCA's own needs no others.

    Parameters
    ----------
    network : DecoderNetwork
    codes : ndarray of shape (n, n_components)
    rows : ndarray of shape (n, n_features)
        In the units of the data.
    weights : ndarray of shape (n,) or None
    inputs : ndarray of shape (n, n_features), default=None
        What the encoder sees.
    random_state : RandomState, default=None
    """
    codes = _standardized(network.code_standardization, codes)
    decoder, encoder = network.decoder, getattr(network, "encoder", None)
    if isinstance(decoder, LinearSkip):
        rows = _standardized(network.standardization, rows)
        with torch.no_grad():
            _set_to_least_squares(decoder.linear, codes, rows, weights)
            if network.standardization.sigmoid:
                _pass_through_sigmoid(decoder.linear, network.standardization)
            _expect_deviations(decoder.nonlinear, _deviations(codes, weights))
    if isinstance(encoder, LinearSkip):
        inputs = _standardized(network.standardization, inputs)
        n_components = min(codes.shape[1], *inputs.shape)
        components, _ = _principal_components(inputs, weights, n_components, random_state)
        with torch.no_grad():
            _set_to_least_squares(encoder.linear, inputs, codes, weights, components)


def start_empty(encoder):
    """Let all codes start at zero, so that they come to hold what training asks for, no more.

    What training does not ask for would otherwise stay in the code as its random initial
    weights put it there. A linear path stays as it is, and so does an encoder whose last layer
    is not a linear one: behind an activation zeros would stay zeros.

    Parameters
    ----------
    encoder : Module
    """
    *_, last = encoder.modules()
    if isinstance(last, nn.Linear):
        zero_init_last_layer(encoder)


def _set_to_least_squares(linear, inputs, outputs, weights, components=None):
    """Set a layer to the best linear map, through the inputs' components where given."""
    if components is not None:
        inputs = inputs @ components.double().numpy().T
    best = LinearRegression().fit(inputs, outputs, weights)
    coefficients = torch.tensor(best.coef_).float()
    linear.weight.copy_(coefficients if components is None else coefficients @ components)
    linear.bias.copy_(torch.tensor(best.intercept_))


def _expect_deviations(nonlinear, deviations):
    """Let the first hidden layer see inputs of these standard deviations at unit variance."""
    first = next((m for m in nonlinear.modules() if isinstance(m, nn.Linear)), None)
    if first is not None and first.weight.any():
        # Directions without variance must not be blown up.
        first.weight[:, : len(deviations)] /= torch.where(deviations > 1e-3, deviations, 1.0)


def _deviations(centred, weights):
    """Root of each column's mean square."""
    return torch.tensor(np.sqrt(np.average(centred**2, axis=0, weights=weights))).float()


def _standardized(standardization, rows):
    rows = torch.from_numpy(rows)
    if standardization.basis is None:
        return standardization.standardize(rows).numpy()
    return standardization.standardize_exactly(rows).double().numpy()


def _set_to_zero(*layers):
    for layer in layers:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)


def _pass_through_sigmoid(linear, standardization):
    """Turn a linear map to the data into one to logits: the tangent at the data's mean."""
    mean = standardization.center.clamp(0.01, 0.99)
    linear.weight *= (standardization.scale / (mean * (1 - mean)).clamp(min=0.05))[:, None]
    linear.bias.copy_(torch.logit(mean))


def _seen_components(standardization, rows, weights, n_components, random_state):
    """Principal components of rows as the network sees them, at most so many, and deviations."""
    if standardization.basis is None:
        rows = _standardized(standardization, rows)
        return _principal_components(rows, weights, min(n_components, *rows.shape), random_state)
    # Along principal directions, in order, the rows have no others: a few tell how far they reach.
    some = np.arange(len(rows)) if weights is None else np.flatnonzero(weights)
    some = some[:: len(some) // _FEW + 1]
    rows = _standardized(standardization, rows[some])[:, :n_components]
    weights = None if weights is None else weights[some]
    components = torch.eye(rows.shape[1], standardization.n_outputs)
    return components, _deviations(rows, weights)


def _principal_components(rows, weights, n_components, random_state):
    """Components (n_components, n_features) and the standard deviations along them."""
    if weights is not None:
        rows = rows * np.sqrt(weights / weights.mean())[:, None]
    n_rows, n_features = rows.shape
    if n_features <= _EXACT_FEATURES:
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
    return torch.tensor(components.copy()).float(), torch.tensor(deviations.copy()).float()
