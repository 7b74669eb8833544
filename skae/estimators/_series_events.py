"""Alarms of single steps as events: when they begin and end, and the channels they are of."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._utils import import_optional

# Channels that deviate at least this fraction of the largest deviation are named.
_NAMED_FRACTION = 0.5


def find_runs(is_alarm: np.ndarray, n_between: int) -> list[tuple[int, int]]:
    """Return (start, end) of runs of alarms, the end not included.

    Parameters
    ----------
    is_alarm : ndarray of shape (n_timesteps,), bool
    n_between : int
        Runs with at most so many steps between them are one.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_alarm, [0]])))
    runs: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if runs and start - runs[-1][1] <= n_between:
            runs[-1] = runs[-1][0], end
        else:
            runs.append((start, end))
    return runs


def table_of_events(rows: Sequence[dict[str, Any]], *, has_series: bool) -> Any:
    """Return events as a frame of pandas, with all columns even without events."""
    columns = ["start", "end", "peak", "n_steps", "score", "channels"]
    pandas = import_optional("pandas", "plot")
    return pandas.DataFrame(list(rows), columns=["series", *columns] if has_series else columns)


def describe_event(
    run: tuple[int, int],
    scores: np.ndarray,
    deviations: np.ndarray,
    names: Sequence[Any],
    labels: Sequence[Any],
) -> dict[str, Any]:
    """Return the row of an event.

    Parameters
    ----------
    run : tuple of int
        First step, and the one after the last.
    scores : ndarray of shape (n_timesteps,)
    deviations : ndarray of shape (n_timesteps, n_channels)
        Squared, in units that can be compared.
    names : sequence of length n_channels
    labels : sequence of length n_timesteps
        What a step is called: its number or time.
    """
    start, end = run
    peak = start + int(np.nanargmin(scores[start:end]))
    of_channels = np.nan_to_num(deviations[peak])
    order = np.argsort(-of_channels, kind="stable")
    # Deviations are squared, the fraction is of their size.
    least = _NAMED_FRACTION**2 * of_channels.max()
    return {
        "start": labels[start],
        "end": labels[end - 1],
        "peak": labels[peak],
        "n_steps": end - start,
        "score": float(scores[peak]),
        "channels": [names[i] for i in order if of_channels[i] >= least],
    }
