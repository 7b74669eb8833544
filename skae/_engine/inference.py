"""Application of a fitted network to many rows, in the precision of the data."""

import copy
import math
from functools import partial

import numpy as np
import torch
from torch import nn

from .._arrays import check_finite, chunks
from .data import computing_dtype, to_float
from .environment import compute_threads
from .precision import in_precision


def map_rows(network, method, X, n_outputs, *args, allow_nan=False):
    """Apply a method of a network to the rows of X, in chunks.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    method : str
        ``'encode'``, ``'decode'`` or another that maps a tensor (n_samples, ...) to one of shape
        (n_samples, n_outputs).
    X : {ndarray, csr_matrix} of shape (n_samples, ..., n_inputs)
        Computed in float64 if X is of this dtype, and in float32 otherwise.
    n_outputs : int
    *args : object
        Further arguments of the method.
    allow_nan : bool, default=False
        Whether NaN may pass.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs)

    Raises
    ------
    ValueError
        If X holds infinity or, unless allowed, NaN.
    """
    dtype = computing_dtype(X)
    # Without float64 the results are float32's, in the dtype of X.
    network, device, computed = in_precision(network, dtype)
    row_size = max(math.prod(X.shape[1:]), n_outputs)
    outputs = np.empty((X.shape[0], n_outputs), dtype=dtype)
    with compute_threads(), torch.inference_mode():
        for chunk in chunks(X.shape[0], row_size, for_products=True):
            rows = to_float(X[chunk], computed)
            # Here, and not for all rows at once, they are in the cache already.
            check_finite(rows, allow_nan=allow_nan)
            rows = torch.from_numpy(rows).to(device)
            outputs[chunk] = getattr(network, method)(rows, *args).cpu().numpy()
    return outputs


def record_feature_maps(network, method, X, n_outputs, *, allow_nan=False):
    """Return the outputs of the network's convolutions for X on its way through ``method``.

    Parameters
    ----------
    network, method, X, n_outputs, allow_nan
        As for `map_rows`.

    Returns
    -------
    dict of str to ndarray of shape (n_samples, height, width, channels)
    """
    # Hooks on a copy are out of the way of other threads.
    network = copy.deepcopy(network).float()
    maps = {}
    for name, layer in network.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(partial(_record, maps, name))
    map_rows(network, method, to_float(X, np.float32), n_outputs, allow_nan=allow_nan)
    return {name: np.concatenate(chunks) for name, chunks in maps.items()}


def _record(maps, name, layer, inputs, output):
    maps.setdefault(name, []).append(output.permute(0, 2, 3, 1).cpu().numpy())
