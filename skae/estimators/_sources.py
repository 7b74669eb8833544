"""Rows that are not in memory, as X: checked by their names at once, by their values when read."""

from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from .._arrays import check_finite
from .._engine.data import n_sampled_rows
from ..sources import BatchSource, RowSource, find_source
from ._frames import named_frame

# Height, width, channels.
_MAX_IMAGE_AXES = 3


def read_source(
    estimator: Any, source: RowSource, *, reset: bool, streams: bool
) -> tuple[Any, tuple[int, ...] | None]:
    """Validate a source as rows of features.

    Parameters
    ----------
    estimator : estimator
        Its ``n_features_in_`` and ``feature_names_in_`` are set or compared.
    source : RowSource
    reset : bool
        Whether the attributes are set, as in ``fit``.
    streams : bool
        Whether rows may be read block by block.

    Returns
    -------
    rows : {ndarray, RowSource} of shape (n_samples, n_features)
        An array if it fits into the memory of the source.
    layout : tuple or None
        Shape of one image, None where rows have one dimension.
    """
    validate_data(estimator, source.example(), reset=reset, skip_check_array=True)
    rows = source.checked_by(partial(check_finite, allow_nan=True))
    layout = source.sample_shape if len(source.sample_shape) > 1 else None
    if layout is not None and len(layout) > _MAX_IMAGE_AXES:
        raise ValueError(
            "X must have shape (n_samples, n_features) or, for images, (n_samples, height, width"
            f"[, channels]), got {source.name} of shape {(source.shape[0], *layout)}."
        )
    if isinstance(rows, BatchSource):
        _check_batches(estimator, rows, streams)
        return rows.begun(_rows_to_start_from(estimator, rows)), layout
    if source.fits:
        return rows[:], layout
    if not streams:
        _refuse(source, type(estimator).__name__)
    rows.check_memory()
    return rows, layout


def _rows_to_start_from(estimator: Any, source: BatchSource) -> int:
    """Return the number of rows that are wanted for statistics and for the start."""
    size = getattr(estimator, "n_components", None)
    # A fraction is resolved with these rows.
    n_components = int(size) if isinstance(size, Integral) else 0
    n_rows: int = n_sampled_rows(source.shape[1], n_components)
    return n_rows


def _check_batches(estimator: Any, source: BatchSource, streams: bool) -> None:
    """Refuse what needs more than one batch at a time."""
    if not streams:
        _refuse(source, type(estimator).__name__)
    if estimator._uses_y():
        raise TypeError(
            f"{type(estimator).__name__} needs y of all rows, and batches of {source.name} give "
            "only X: give each batch to partial_fit with its y, or X as open_rows takes it."
        )
    if estimator.early_stopping and source.validation is None:
        raise ValueError(
            "validation must be given with early_stopping=True, as rows or as a number of batches: "
            "open_batches(..., validation=X_valid). Or set early_stopping=False."
        )
    if estimator.batch_size != "auto":
        raise ValueError(
            f"batch_size must be 'auto' where batches come from {source.name}, which determines "
            f"their size, got {estimator.batch_size}."
        )
    if estimator.checkpoint is not None:
        raise ValueError(
            f"checkpoint must be None where batches come from {source.name}: a process that "
            "continues could not draw the batches that follow."
        )


def check_alone(source: BatchSource, **parts: Any) -> None:
    """Refuse what belongs to single rows, which batches do not have."""
    given = [name for name, part in parts.items() if part is not None]
    if given:
        raise ValueError(
            f"{', '.join(given)} must be None where batches come from {source.name}, which has no "
            "order of rows: give X as an array or as open_rows takes it."
        )


def refuse_batches(X: Any, method: str) -> None:
    """Raise a TypeError if X gives batches, where a method needs rows after it has trained."""
    if isinstance(X, BatchSource):
        raise TypeError(
            f"X must be rows in {method}, got {X.name}, which gives batches to fit: call fit, and "
            "transform a batch at a time."
        )


def read_target_source(source: RowSource, rows: Any) -> Any:
    """Validate a source of targets of ``rows``: an array if these are one."""
    target = source.checked_by(partial(check_finite, allow_nan=True))
    if isinstance(rows, RowSource):
        target.check_memory()
        return target
    if not source.fits:
        _refuse(source, "X_target of an array X")
    return target[:]


def in_memory(X: Any, owner: str = "This call") -> Any:
    """Return the rows of a source, a frame if they have names, and anything else as it is."""
    source = None if isinstance(X, np.ndarray) else find_source(X)
    if source is None:
        return X
    if not source.fits:
        _refuse(source, owner)
    if source.feature_names is None:
        return source.load()
    return named_frame(source.load(), source.feature_names)


def _refuse(source: RowSource, owner: str) -> None:
    if isinstance(source, BatchSource):
        raise TypeError(
            f"X must be in memory for {owner}, got {source.name}, which gives batches: only fit of "
            "Autoencoder, VariationalAutoencoder and Denoiser trains on them. Give an array, or a "
            "batch at a time to partial_fit and other methods."
        )
    needed = source.shape[0] * source.row_bytes
    raise ValueError(
        f"X must be in memory for {owner}, got {source.name} of {needed} bytes: give "
        f"open_rows(..., max_memory={needed}) to read it as a whole, or an array of some of its "
        "rows."
    )
