"""What a detector of series learns from: units of channels, and windows that stand for all."""

from numbers import Integral
from typing import Any

import numpy as np

from ..series._blocks import Block, interpolated
from ..series._layout import window_rows
from ..series._reading import Series
from ._frames import frame_like, is_frame
from ._series_scores import mean_of_observed


def center_and_scale(stretches: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of channels; of constant ones, the median of others'."""
    values = np.concatenate(stretches).astype(np.float64, copy=False)
    center = np.nan_to_num(mean_of_observed(values, 0))
    errors = np.abs(values - center)
    largest = np.nan_to_num(np.fmax.reduce(errors, axis=0))
    # Squares of large values would overflow.
    units = np.where(largest > 0, largest, 1)
    scale = units * np.sqrt(np.nan_to_num(mean_of_observed(np.square(errors / units), 0)))
    # Rounding makes a constant channel deviate from its mean.
    varies = scale > 1e-12 * np.maximum(np.abs(center), 1e-300)
    return center, np.where(varies, scale, np.median(scale[varies]) if varies.any() else 1.0)


def evenly_spaced_windows(stretches: list[np.ndarray], window: int, max_windows: int) -> np.ndarray:
    """Return windows at equal distances in time, with missing values filled."""
    n_windows = sum(max(len(each) - window + 1, 0) for each in stretches)
    stride = -(-n_windows // max_windows)
    rows = np.concatenate([window_rows(interpolated(each), window)[::stride] for each in stretches])
    observed = np.concatenate(
        [np.isnan(window_rows(each, window)[::stride]).mean(axis=1) <= 0.5 for each in stretches]
    )
    # Mostly missing windows are no examples of normal ones.
    return rows[observed] if observed.any() else rows


def check_blocks(blocks: list[Block], series: list[Series], given: Any, window: int) -> None:
    """Raise a ValueError unless some blocks are held out and some are not.

    Parameters
    ----------
    blocks : list of Block
    series : list of Series
    given : object
        The parameter `window`.
    window : int
        The steps that it means.
    """
    if len({each.is_held_out for each in blocks}) == 2:
        return
    n_steps = max(each.stop - each.start for one in series for each in one.segments)
    raise ValueError(
        f"X must hold at least three windows of {window} steps without lost ones between them, got "
        f"{n_steps} steps at most: give a smaller window than {given!r} or a longer series, or "
        "change calibration_fraction so that some blocks are held out and some are not."
    )


def as_number(n_neighbors: float, n_references: int) -> int:
    """Return how many neighbors a fraction or a number of them is."""
    if not isinstance(n_neighbors, Integral):
        n_neighbors = max(1, round(n_neighbors * n_references))
    return int(min(n_neighbors, n_references))


def in_frame_like(values: np.ndarray, X: Any) -> Any:
    """Return a value for each step and channel as a frame, if X is one of these channels."""
    if not is_frame(X):
        return values
    if len(X.columns) == values.shape[1]:
        return frame_like(values, X)
    # In polars the time is one more column, which keeps its place.
    names = [name for name, kind in X.schema.items() if not kind.is_temporal()]
    return X.with_columns(**dict(zip(names, values.T, strict=True)))
