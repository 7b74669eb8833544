"""A fitted network applied to many rows, in the precision of the data."""

import copy

import numpy as np
import torch

from .._validation import check_finite
from .data import to_float

# Numbers in a chunk of rows: few enough to stay in a processor's cache.
_CHUNK = 2**21


def map_rows(network, method, X, n_outputs):
    """Apply ``network.encode`` or ``network.decode`` to the rows of X.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    method : {'encode', 'decode'}
    X : ndarray or csr_matrix of shape (n, n_inputs)
        Computed in float64 where X is, otherwise in float32.
    n_outputs : int

    Returns
    -------
    ndarray of shape (n, n_outputs)

    Raises
    ------
    ValueError
        Where X holds NaN or infinity.
    """
    dtype = np.float64 if X.dtype == np.float64 else np.float32
    tensor_dtype = torch.float64 if dtype is np.float64 else torch.float32
    if tensor_dtype is torch.float64:
        # A copy, not a conversion in place: other threads may be using the network.
        network = copy.deepcopy(network).double()
    device = next(iter(network.state_dict().values())).device
    n_rows = X.shape[0]
    step = int(np.clip(_CHUNK // max(X.shape[1], n_outputs), 16, 8192))
    outputs = np.empty((n_rows, n_outputs), dtype=dtype)
    with torch.inference_mode():
        for start in range(0, n_rows, step):
            rows = to_float(X[start : start + step], dtype)
            # Here, and not for all rows at once, they are in the cache already.
            check_finite(rows)
            rows = torch.from_numpy(rows).to(device)
            outputs[start : start + step] = getattr(network, method)(rows).cpu().numpy()
    return outputs
