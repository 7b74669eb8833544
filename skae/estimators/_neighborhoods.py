"""How far rows lie from reference rows: from the nearest few, from a tenth, feature by feature.

Rows may have missing values, NaN: distances are means over the observed features.
"""

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse

from .._arrays import chunks, dense

# Neighbors of the local part, those that local outlier factors and distances are best with on rows
# without outliers (1 to 10 differ by 0.003 in the area under the ROC curve).
_N_NEAR = 5
# Fraction of the references in the wide neighborhood: more than a cluster of outliers has.
_WIDE_FRACTION = 0.1
# Features of the near part are divided by the range between these quantiles, which no single row
# sets.
_QUANTILES = (0.01, 0.99)
# Least distance of neighbors from their own, as a fraction of the median: among equal rows it is
# zero, and any other row would be infinitely far. Factors of 0.01 to 0.3 do the same.
_MIN_SPREAD = 0.1
# Quantiles that stand for the values of a feature, of which the nearest half is looked at.
_N_VALUES, _FRACTION_OF_VALUES = 200, 0.5

# Rows from which the median of wide distances is taken, each to a tenth of the references.
_MEDIAN_ROWS = 500

# Parts are dicts of arrays: files hold such as they are.
Part = dict[str, Any]

# -- scales --------------------------------------------------------------------------------


def origins_and_ranges(rows: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return minimum and range of each feature; of constant ones, the median range of others.

    The unit of a constant feature is unknown: any deviation in it is unusual.
    """
    if sparse.issparse(rows):
        rows = np.vstack([dense(rows.min(axis=0)), dense(rows.max(axis=0))])
    low, high = np.fmin.reduce(rows, axis=0), np.fmax.reduce(rows, axis=0)
    low, high = (np.nan_to_num(end.astype(np.float64)) for end in (low, high))
    return low, _without_zeros(high - low)


def _robust_origins_and_ranges(
    rows: np.ndarray, ranges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return medians, and ranges between quantiles; the whole ranges where these are zero."""
    low, origins, high = _quantiles(rows.astype(np.float64), [_QUANTILES[0], 0.5, _QUANTILES[1]])
    return origins, np.where(high > low, high - low, ranges)


def _quantiles(rows: np.ndarray, quantiles: Any) -> Any:
    # That which looks for NaN takes many times as long.
    find = np.nanquantile if np.isnan(rows).any() else np.quantile
    return find(rows, quantiles, axis=0)


def _without_zeros(values: np.ndarray) -> np.ndarray:
    is_positive = values > 0
    return np.where(is_positive, values, np.median(values[is_positive]) if is_positive.any() else 1)


# -- neighborhoods -------------------------------------------------------------------------


def neighborhood(
    references: np.ndarray,
    origins: np.ndarray,
    ranges: np.ndarray,
    n_neighbors: int,
    weights: np.ndarray | None,
) -> Part:
    """Prepare references, of shape (n_references, n_features), for `squared_differences`."""
    scaled = (references - origins) / ranges
    return {
        "origins": origins,
        "ranges": ranges,
        "references": scaled,
        "squares": np.square(scaled).sum(axis=1),
        "n_neighbors": n_neighbors,
        "weights": weights,
    }


def squared_differences(
    part: Part, rows: np.ndarray, *, are_references: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return squared differences from the nearest references, and which these are.

    Parameters
    ----------
    part : dict
        From `neighborhood`.
    rows : ndarray of shape (n_samples, n_features)
    are_references : bool, default=False
        Whether the rows are those of the references, so that none is its own neighbor.

    Returns
    -------
    differences : ndarray of shape (n_samples, n_features)
        The mean over neighbors, NaN where the row is missing.
    places : ndarray of shape (n_samples, n_neighbors)
    """
    rows = (rows - part["origins"]) / part["ranges"]
    references, n_neighbors = part["references"], part["n_neighbors"]
    # But for the row's own square, which is the same for all references.
    distances = _products(part, rows)
    if are_references:
        np.fill_diagonal(distances, np.inf)
    places = np.argpartition(distances, n_neighbors - 1, axis=1)[:, :n_neighbors]
    means = np.empty(rows.shape)
    for some in chunks(len(rows), n_neighbors * rows.shape[1]):
        # Computed anew: the result of a row does not depend on others, to the last digit.
        squares = np.square(rows[some, None] - references[places[some]])
        means[some] = _mean_over_neighbors(part, squares, places[some])
    return means, places


def _products(part: Part, rows: np.ndarray) -> np.ndarray:
    missing = np.isnan(rows)
    if not missing.any():
        distances: np.ndarray = part["squares"] - 2 * (rows @ part["references"].T)
        return distances
    observed = np.where(missing, 0, rows) @ part["references"].T
    return (~missing).astype(float) @ np.square(part["references"]).T - 2 * observed


def _mean_over_neighbors(part: Part, values: np.ndarray, places: np.ndarray) -> Any:
    if part["weights"] is None:
        return values.mean(axis=1)
    weights = part["weights"][places]
    weights = weights / weights.sum(axis=1, keepdims=True)
    return np.einsum("ij,ij...->i...", weights, values)


# -- features ------------------------------------------------------------------------------


def feature_values(rows: np.ndarray, origins: np.ndarray, ranges: np.ndarray) -> Part:
    """Prepare the values of each feature, for `feature_distances`."""
    n_values = min(len(rows), _N_VALUES)
    positions = (np.arange(n_values) + 0.5) / n_values
    values = _quantiles((rows - origins) / ranges, positions)
    part = {
        "origins": origins,
        "ranges": ranges,
        "values": values,
        "sums": np.pad(values.cumsum(axis=0), [(1, 0), (0, 0)]),
        "squares": np.pad(np.square(values).cumsum(axis=0), [(1, 0), (0, 0)]),
        "unit": np.ones(rows.shape[1]),
    }
    part["unit"] = _without_zeros(feature_distances(part, values * ranges + origins).mean(axis=0))
    return part


def n_nearest(n_values: int) -> int:
    """Return how many of the values of a feature are the nearest half."""
    return max(1, round(_FRACTION_OF_VALUES * n_values))


def feature_distances(part: Part, rows: np.ndarray) -> np.ndarray:
    """Return the distance of each value from the nearest half of its feature's values.

    It is the root of the mean square, divided by what it is on average; NaN where it is missing.
    """
    rows = (rows - part["origins"]) / part["ranges"]
    values, columns = part["values"], np.arange(rows.shape[1])
    n_values = len(values)
    width = n_nearest(n_values)
    # Bisection of the first of the nearest values, which stand in a row.
    first, last = np.zeros(rows.shape, int), np.full(rows.shape, n_values - width)
    for _ in range((n_values - width).bit_length()):
        middle = (first + last) // 2
        after = values[np.minimum(middle + width, n_values - 1), columns]
        is_later = (first < last) & (rows - values[middle, columns] > after - rows)
        first, last = np.where(is_later, middle + 1, first), np.where(is_later, last, middle)
    sums, squares = (
        part[name][first + width, columns] - part[name][first, columns]
        for name in ("sums", "squares")
    )
    # Rounding can make a mean square of zero negative.
    means = np.maximum(squares / width - 2 * rows * sums / width + rows**2, 0)
    distances: np.ndarray = np.sqrt(means) / part["unit"]
    return distances


# -- all of them ---------------------------------------------------------------------------


def learn(
    rows: np.ndarray,
    references: np.ndarray,
    scales: tuple[np.ndarray, np.ndarray],
    n_neighbors: float | str,
    weights: np.ndarray | None,
) -> dict[str, Part]:
    """Learn what deviations are usual, from rows and their reconstructions.

    Parameters
    ----------
    rows, references : ndarray of shape (n_references, n_features)
    scales : (ndarray, ndarray)
        Origins and ranges of the features.
    n_neighbors : int, float or 'auto'
        As the parameter of the detector.
    weights : ndarray of shape (n_references,) or None

    Returns
    -------
    parts : dict of str to dict
        For `squared_deviations`: only the wide neighborhood, or all three parts.
    """
    if n_neighbors == "auto":
        return _learn_all(rows, references, scales, weights)
    number = _number(n_neighbors, len(references))
    return {"wide": neighborhood(references, *scales, min(number, len(references)), weights)}


def _number(n_neighbors: float | str, n_references: int) -> int:
    if isinstance(n_neighbors, Integral):
        return int(n_neighbors)
    return max(1, round(float(n_neighbors) * n_references))


def _learn_all(
    rows: np.ndarray,
    references: np.ndarray,
    scales: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray | None,
) -> dict[str, Part]:
    # A feature without any value has none that is usual; zero stands for it.
    rows = np.where(np.isnan(rows).all(axis=0), 0, rows)
    n_most = len(references) - 1
    robust = _robust_origins_and_ranges(rows, scales[1])
    near = neighborhood(references, *robust, min(_N_NEAR, n_most), weights)
    n_wide = _number(_WIDE_FRACTION, len(references))
    wide = neighborhood(references, *scales, min(n_wide, n_most), weights)
    features = feature_values(rows, *scales)
    differences, places = squared_differences(near, rows, are_references=True)
    spreads = observed_means(differences)
    near["spreads"] = np.maximum(spreads, _MIN_SPREAD * _usual(spreads))
    near["usual"] = _usual(observed_means(differences) / _spreads(near, places))
    differences, _ = squared_differences(wide, rows[:_MEDIAN_ROWS], are_references=True)
    wide["usual"] = _usual(observed_means(differences))
    features["usual"] = _usual(observed_means(feature_distances(features, rows)))
    return {"near": near, "wide": wide, "features": features}


def _spreads(near: Part, places: np.ndarray) -> np.ndarray:
    """Return the root of how far neighbors are from their own neighbors, on average.

    The root: a mean of the plain distance and of its ratio to that of the neighbors, as local
    outlier factors have it. The ratio by itself misses outliers that have each other as neighbors.
    """
    spreads: np.ndarray = np.sqrt(_mean_over_neighbors(near, near["spreads"][places], places))
    return spreads


def squared_deviations(parts: dict[str, Part], rows: np.ndarray) -> np.ndarray:
    """Return squared deviations of each value, whose mean over observed ones is that of the row.

    A row deviates as its part that is the more unusual says, each divided by its median in
    training: the near one, or the geometric mean of the wide one and of single features. The
    result has the unit of the wide one.
    """
    if "near" not in parts:
        return squared_differences(parts["wide"], rows)[0]
    near, wide, features = parts["near"], parts["wide"], parts["features"]
    of_near, places = squared_differences(near, rows)
    of_wide, _ = squared_differences(wide, rows)
    of_features = feature_distances(features, rows)
    size_near, size_wide, size_features = map(observed_means, (of_near, of_wide, of_features))
    ratio_near = size_near / (_spreads(near, places) * near["usual"])
    ratio_wide = np.sqrt(size_wide / wide["usual"] * size_features / features["usual"])
    # Proportions of the features, whose mean is one.
    of_near = of_near / _nonzero(size_near)
    of_wide = (of_wide / _nonzero(size_wide) + of_features / _nonzero(size_features)) / 2
    is_near = (ratio_near > ratio_wide)[:, None]
    size = wide["usual"] * np.maximum(ratio_near, ratio_wide)
    deviations: np.ndarray = np.where(is_near, of_near, of_wide) * size[:, None]
    return deviations


def _nonzero(sizes: np.ndarray) -> np.ndarray:
    return np.where(sizes > 0, sizes, 1)[:, None]


def observed_means(values: np.ndarray) -> np.ndarray:
    """Return the mean over the observed features of each row, zero for rows without any."""
    if not np.isnan(values).any():
        return values.mean(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rows without observed values
        return np.nan_to_num(np.nanmean(values, axis=1))


def _usual(sizes: np.ndarray) -> float:
    """Return the median of sizes that are not zero, 1 if all are."""
    sizes = sizes[sizes > 0]
    return float(np.median(sizes)) if len(sizes) else 1.0
