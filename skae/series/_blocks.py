"""Which stretches of series are held out, and values for the steps that are missing."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

# With fewer steps than this many windows, blocks are as short as a window can be.
_MIN_BLOCKS = 20


class Block(NamedTuple):
    """Consecutive steps of one series, without lost ones.

    Attributes
    ----------
    series : int
        Which series.
    steps : slice
    is_held_out : bool
    """

    series: int
    steps: slice
    is_held_out: bool


def split_into_blocks(segments: list[list[slice]], window: int, fraction: float) -> list[Block]:
    """Split stretches of series into blocks, of which a fraction is held out, evenly spread.

    Parameters
    ----------
    segments : list of list of slice
        For each series its stretches without lost steps. Those shorter than a window are left out.
    window : int
        Steps of a window; no block is shorter.
    fraction : float in (0, 1)
        Of the blocks.

    Returns
    -------
    blocks : list of Block
        Neighboring ones that are not held out are one.
    """
    n_steps = sum(each.stop - each.start for one in segments for each in one)
    # Twice a window: the scores of a block come from several windows, as those of new steps do.
    length = max(window, min(2 * window - 1, n_steps // _MIN_BLOCKS))
    blocks: list[Block] = []
    n_before = 0
    for series, stretches in enumerate(segments):
        for stretch in stretches:
            n_blocks = (stretch.stop - stretch.start) // length
            if stretch.stop - stretch.start < window:
                continue
            # The last block takes the steps that are left over.
            ends = [stretch.start + length * i for i in range(max(n_blocks, 1))] + [stretch.stop]
            for start, stop in pairwise(ends):
                is_held_out = int((n_before + 1) * fraction + 0.5) > int(n_before * fraction + 0.5)
                _append(blocks, Block(series, slice(start, stop), is_held_out))
                n_before += 1
    return blocks


def _append(blocks: list[Block], block: Block) -> None:
    last = blocks[-1] if blocks else None
    if last and not last.is_held_out and not block.is_held_out:
        is_next = last.series == block.series and last.steps.stop == block.steps.start
        if is_next:
            blocks[-1] = last._replace(steps=slice(last.steps.start, block.steps.stop))
            return
    blocks.append(block)


def interpolated(values: np.ndarray) -> np.ndarray:
    """Return a series with missing values on the line between the observed ones, 0 without any."""
    if not np.isnan(values).any():
        return values
    filled = values.copy()
    steps = np.arange(len(values))
    for channel in filled.T:
        is_missing = np.isnan(channel)
        known = steps[~is_missing]
        channel[is_missing] = (
            np.interp(steps[is_missing], known, channel[known]) if len(known) else 0.0
        )
    return filled
