"""Sequences of any length on one grid of time steps, by linear interpolation, and back."""

import numpy as np

from ._ragged import groups_by_length


def stretch(values: np.ndarray, n_timesteps: int) -> np.ndarray:
    """Return sequences with another number of time steps; first and last steps stay.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_before, n_channels)
        NaN is a missing value. A step between two has none where the nearer one has none, and that
        of the nearer one where the other has none.
    n_timesteps : int

    Returns
    -------
    stretched : ndarray of shape (n_samples, n_timesteps, n_channels)
        The same object if there is nothing to change.
    """
    n_before = values.shape[1]
    if n_before == n_timesteps:
        return values
    places = np.linspace(0, n_before - 1, n_timesteps)
    left = places.astype(int)
    right = np.minimum(left + 1, n_before - 1)
    # (n_timesteps, 1), in the precision of the values.
    weights = (places - left).astype(values.dtype)[:, None]
    before, after = values[:, left], values[:, right]
    if np.isnan(values.min()):
        nearer = np.where(weights < 0.5, before, after)
        before, after = (np.where(np.isnan(each), nearer, each) for each in (before, after))
    stretched: np.ndarray = (1 - weights) * before + weights * after
    return stretched


def to_grid(values: np.ndarray, lengths: np.ndarray | None, n_timesteps: int) -> np.ndarray:
    """Return sequences of any length with one number of time steps.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_before, n_channels)
        Padded behind the ends of shorter sequences.
    lengths : ndarray of shape (n_samples,), or None
        None if no sequence is padded.
    n_timesteps : int

    Returns
    -------
    stretched : ndarray of shape (n_samples, n_timesteps, n_channels)
        ``values`` itself, of any type, if there is nothing to change; floats otherwise.
    """
    if lengths is None and values.shape[1] == n_timesteps:
        return values
    values = values if values.dtype.kind == "f" else values.astype(np.float32)
    if lengths is None:
        return stretch(values, n_timesteps)
    stretched = np.empty((len(values), n_timesteps, values.shape[2]), values.dtype)
    for length, of_length in groups_by_length(lengths):
        stretched[of_length] = stretch(values[of_length, :length], n_timesteps)
    return stretched


def from_grid(stretched: np.ndarray, lengths: np.ndarray, n_timesteps: int) -> np.ndarray:
    """Return sequences with their own numbers of time steps, padded with NaN.

    Parameters
    ----------
    stretched : ndarray of shape (n_samples, n_before, n_channels)
    lengths : ndarray of shape (n_samples,)
    n_timesteps : int
        Steps of the result, at least the largest length.

    Returns
    -------
    values : ndarray of shape (n_samples, n_timesteps, n_channels)
    """
    values = np.full((len(stretched), n_timesteps, stretched.shape[2]), np.nan, stretched.dtype)
    for length, of_length in groups_by_length(lengths):
        values[of_length, :length] = stretch(stretched[of_length], length)
    return values
