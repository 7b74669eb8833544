"""The rows of X that the page holds: pictures in bytes, or features as numbers."""

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from ..._arrays import as_array, chunks, dense, naming_types
from .._images import value_range
from ._tables import formats_of, numbers_of

# Rows from which ranges are taken, and by which it is estimated how far rows can be compressed.
_SAMPLED_ROWS = 2000
_TRIAL_ROWS = 100
# Of a byte, 255 stands for a missing value.
_LEVELS = 254
# Range below which a feature is constant, as a fraction of its largest value.
_MIN_RELATIVE_RANGE = 1e-6


@dataclass
class Rows:
    """Rows of numbers, and how they are shown.

    Attributes
    ----------
    values : {ndarray, csr_matrix} of shape (n_samples, n_features)
    image_shape : tuple of int or None
        (height, width, channels) if rows are pictures.
    names : list of str
        Of the features, empty for pictures.
    limits : ndarray of shape (n_features, 2) or (1, 2)
        Smallest and largest value: of each feature, or of all pixels.
    formats : list of dict
        How the page writes the values of each column, empty if all are numbers.
    """

    values: Any
    image_shape: tuple[int, ...] | None
    names: list[str]
    limits: np.ndarray
    formats: list[dict[str, Any]] = field(default_factory=list)

    @property
    def spread(self) -> np.ndarray:
        """Return the range of each feature, or of all pixels: above zero.

        A feature that is constant has that of the widest one: decoded values differ by rounding.
        """
        ranges: np.ndarray = np.ptp(self.limits, axis=1)
        largest = np.abs(self.limits).max(axis=1)
        widest = ranges.max() or largest.max() or 1.0
        return np.where(ranges > _MIN_RELATIVE_RANGE * largest, ranges, widest)

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return some rows in float64."""
        rows: np.ndarray = dense(self.values[indices]).astype(np.float64)
        return rows

    def stored(self, indices: np.ndarray) -> np.ndarray:
        """Return some rows as the page holds them: bytes of pixels, or numbers."""
        n_features = self.values.shape[1]
        # Moments in time have more digits than single precision holds.
        number = np.float64 if self.formats else np.float32
        kept = np.empty((len(indices), n_features), number if self.names else np.uint8)
        for chunk in chunks(len(indices), n_features):
            rows = self.take(indices[chunk])
            kept[chunk] = rows if self.names else _as_bytes(rows, *self.limits[0])
        return kept


def _as_bytes(rows: np.ndarray, low: float, high: float) -> np.ndarray:
    levels = np.rint(np.clip((rows - low) / (high - low), 0, 1) * _LEVELS)
    return np.where(np.isnan(levels), 255, levels).astype(np.uint8)


def read_rows(X: Any, image_shape: tuple[int, ...] | None, names: list[str] | None) -> Rows:
    """Return X as rows of numbers.

    Parameters
    ----------
    X : object
        Data of any form that estimators take.
    image_shape : tuple of int or None
        (height, width[, channels]) if rows are pictures.
    names : list of str or None
        Of the features; None stands for those of a frame, or for their positions.
    """
    if not sparse.issparse(X):
        columns = [str(column) for column in X.columns] if hasattr(X, "columns") else None
        X = as_array(X)
        with naming_types(X):
            X = check_array(X, allow_nd=True, ensure_all_finite="allow-nan", input_name="X")
        names = columns if names is None else names
        X = X.reshape(len(X), -1)
    values = X.tocsr() if sparse.issparse(X) else X
    some = dense(values[_spread_out(values.shape[0], _SAMPLED_ROWS)])
    if image_shape is not None:
        shape = (*image_shape, 1)[:3]
        return Rows(values, shape, [], np.array([value_range(some)]))
    names = names or [f"x{i}" for i in range(values.shape[1])]
    return Rows(values, None, names, _limits(some.astype(np.float64)))


def read_table(encoder: Any, X: Any) -> Rows:
    """Return a table that an estimator encodes column by column."""
    values = numbers_of(encoder, X)
    names = [str(column.name) for column in encoder.columns_]
    return Rows(values, None, names, _limits(values), formats_of(encoder))


def _limits(rows: np.ndarray) -> np.ndarray:
    is_empty = np.isnan(rows).all(axis=0)
    rows = np.where(is_empty, 0.0, rows)
    return np.column_stack([np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)])


def kept_indices(rows: Rows, max_bytes: float) -> np.ndarray:
    """Return the rows that the page holds: all, or else evenly spaced ones that fit."""
    n_rows = rows.values.shape[0]
    trial = rows.stored(_spread_out(n_rows, _TRIAL_ROWS))
    # Three bytes become four characters.
    row_bytes = len(zlib.compress(trial.tobytes())) / len(trial) * 4 / 3
    return _spread_out(n_rows, int(max_bytes / row_bytes))


def _spread_out(n_rows: int, n_kept: int) -> np.ndarray:
    if n_kept >= n_rows:
        return np.arange(n_rows)
    return np.linspace(0, n_rows - 1, n_kept).astype(int)
