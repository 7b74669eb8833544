"""What a detector compares: the rows as they are, or mixed tables as groups of numbers."""

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

from .._arrays import dense, is_missing
from .._typing import TableLike
from ..tables._frames import is_table, read_frame
from ._reducer import fit_reducer, tags_of
from .table_encoder import TableEncoder

# Variance that the default reducer keeps: with 0.95 the nearest few references are less near, and
# the area under the ROC curve is 0.004 lower.
_VARIANCE = 0.99
# Parameters that a reducer of tables shares with the encoder of the detector.
_SHARED = ("kinds", "numeric_scaling", "min_frequency", "max_categories", "handle_unknown")
# Kinds of columns that are numbers, and of which batches are compared by their order.
_ORDERED = ("numeric", "datetime", "duration", "boolean")


def default_reducer() -> Pipeline:
    """Return the reducer of a detector that is given none."""
    return make_pipeline(MinMaxScaler(), PCA(_VARIANCE))


def fit_default_reducer(X: Any, y: Any, weights: np.ndarray | None, **given: Any) -> Pipeline:
    """Fit it step by step: a Pipeline takes no weights."""
    scaler, pca = (step for _, step in default_reducer().steps)
    scaler = fit_reducer(scaler, X, y, weights, **given)
    pca = fit_reducer(pca, scaler.transform(X), y, weights, **given)
    return make_pipeline(scaler, pca)


def flat(samples: Any) -> np.ndarray:
    """Return samples of any shape as dense rows."""
    rows: np.ndarray = dense(samples)
    return rows.reshape(len(rows), -1)


def first_step(reducer: Any) -> Any:
    """Return the first step of a Pipeline, and any other reducer itself."""
    return reducer[0] if isinstance(reducer, Pipeline) else reducer


def takes_missing(reducer: Any) -> bool:
    """Return whether a reducer takes NaN; of a Pipeline, whether its first step does."""
    return bool(tags_of(first_step(reducer)).input_tags.allow_nan)


def column_means(rows: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return the mean of the observed values of each feature, zero if there are none."""
    observed = ~np.isnan(rows)
    counts = (
        observed
        * (np.ones(len(rows)) if weights is None else weights)[
            (slice(None), *[None] * (rows.ndim - 1))
        ]
    )
    totals = counts.sum(axis=0)
    sums = (np.where(observed, rows, 0) * counts).sum(axis=0)
    return np.where(totals > 0, sums / np.where(totals > 0, totals, 1), 0)


def is_mixed(X: Any, reducer: Any) -> bool:
    """Return whether X is a frame that the reducer takes as a table of mixed columns."""
    return is_table(X) and bool(tags_of(first_step(reducer)).input_tags.categorical)


def fit_encoder(detector: Any, reducer: Any, X: TableLike) -> TableEncoder:
    """Fit an encoder that reads columns as the reducer does; the detector takes its names over."""
    given = first_step(reducer).get_params(deep=False)
    parameters = {name: given[name] for name in _SHARED if name in given}
    encoder = TableEncoder(**parameters, missing_values="nan").fit(X)
    for name in ("n_features_in_", "feature_names_in_"):
        vars(detector).pop(name, None)
        if hasattr(encoder, name):
            setattr(detector, name, getattr(encoder, name))
    return encoder


def reconstruct_table(reducer: Any, X: TableLike, encoder: TableEncoder) -> np.ndarray:
    """Return the reconstruction of a table, encoded."""
    reconstruct = getattr(reducer, "reconstruct", None)
    table = reconstruct(X) if reconstruct else reducer.inverse_transform(reducer.transform(X))
    return encoder.transform(table)


def per_column(deviations: np.ndarray, encoder: TableEncoder) -> np.ndarray:
    """Sum squared deviations of encoded features by column, such that their mean stays the same.

    Missing columns are NaN. Constant ones, which have no number, deviate by nothing.
    """
    sums = np.zeros((len(deviations), len(encoder.columns_)))
    for i, column in enumerate(encoder.columns_):
        sums[:, i] = deviations[:, encoder.output_indices_[column.name]].sum(axis=1)
    n_columns, n_features = ((~np.isnan(each)).sum(axis=1) for each in (sums, deviations))
    return sums * (n_columns / np.maximum(n_features, 1))[:, None]


def columns_of_table(X: TableLike) -> list[np.ndarray]:
    """Return the columns of a frame: numbers with NaN, others as text with None where missing."""
    return [_values(source) for source in read_frame(X)]


def _values(source: Any) -> np.ndarray:
    missing = source.missing | is_missing(source.values)
    if source.kind in _ORDERED:
        return np.where(missing, np.nan, source.values.astype(np.float64))
    values = np.full(len(missing), None, dtype=object)
    values[~missing] = [str(value) for value in source.values[~missing]]
    return values
