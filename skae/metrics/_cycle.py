"""How far a code moves on its way to the data and back."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._arrays import as_array, check_finite


def cycle_error(estimator: Any, Z: ArrayLike) -> float:
    """Measure how far codes are from the codes of what they are decoded to.

    Where it is large, the decoder returns rows that belong elsewhere on the map: between the
    data, or beyond them. Of the codes of data it shows whether the decoder inverts the encoder.

    Parameters
    ----------
    estimator : estimator with `transform` and `inverse_transform`
        Fitted.
    Z : array-like of shape (n_samples, n_components)
        Latent codes, two or more that differ: those of data, or a grid between them.

    Returns
    -------
    float
        Root of the mean squared distance between a code and ``transform(inverse_transform(code))``,
        divided by the root of the mean squared distance of the codes from their mean: 0 is a
        perfect cycle, 1 a move as far as the codes are spread.

    Raises
    ------
    ValueError
        If all codes are equal, or they are not finite numbers in two dimensions.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skae.metrics import cycle_error
    >>> X, _ = load_iris(return_X_y=True)
    >>> pca = PCA(2).fit(X)
    >>> round(cycle_error(pca, pca.transform(X)), 6)
    0.0
    """
    codes = np.asarray(as_array(Z, "Z"), dtype=np.float64)
    if codes.ndim != 2:
        raise ValueError(
            f"Z must have shape (n_samples, n_components), got an array of shape {codes.shape}."
        )
    check_finite(codes, "Z")
    spread = np.mean(np.sum((codes - codes.mean(axis=0)) ** 2, axis=1))
    if not spread > 0:
        raise ValueError(f"Z must hold codes that differ, got {len(codes)} equal ones.")
    back = np.asarray(estimator.transform(estimator.inverse_transform(codes)))
    return float(np.sqrt(np.mean(np.sum((back - codes) ** 2, axis=1)) / spread))
