"""Errors of each feature, or of each pixel, by reducer."""

from typing import Any

import numpy as np


def mean_squares_of_features(X: np.ndarray, X_reconstructed: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each column over its observed values; NaN if it has none."""
    squares = np.square(X.astype(float) - X_reconstructed)
    counts = (~np.isnan(squares)).sum(axis=0)
    means: np.ndarray = np.divide(
        np.nansum(squares, axis=0), counts, out=np.full(X.shape[1], np.nan), where=counts > 0
    )
    return means


def explained_by_feature(comparison: Any) -> dict[str, np.ndarray]:
    """Return the fraction of the variance of each feature that is explained, by reducer.

    NaN for constant features, and for those without observed values.
    """
    X = np.ma.masked_invalid(comparison.X_test.astype(float))
    variances = np.ma.filled(X.var(axis=0), np.nan)
    variances = np.where(variances > 0, variances, np.nan)
    return {
        name: 1 - mean_squares_of_features(comparison.X_test, reconstruction) / variances
        for name, reconstruction in comparison.reconstructions.items()
    }
