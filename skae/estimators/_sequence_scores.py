"""Scores of predicted frames beside those of baselines."""

import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.exceptions import UndefinedMetricWarning

from .._arrays import as_array, check_finite
from .._utils import lookup
from ..metrics import explained_variance, reconstruction_error
from ..models._autoregression import count_lags, fit_autoregression
from ..models.sequence import as_frames, filled_frames
from ._sequence_input import Sequences

# Values of a frame, or components of larger ones, that the linear baseline sees; and frames from
# which components are computed: with more of either, a score takes seconds.
_MAX_COMPONENTS, _MAX_PCA_FRAMES = 128, 4000


def score_prediction(
    sequences: Sequences, predicted: np.ndarray, baseline: Any, sample_weight: ArrayLike | None
) -> float:
    """Return how much better the predicted last frames are than those of a baseline.

    Parameters
    ----------
    sequences : Sequences
    predicted : ndarray of shape (n_samples, frame size)
    baseline : {'mean', 'last', 'linear'}, int or array-like
        As of `SequencePredictor.score`.
    sample_weight : array-like of shape (n_samples,), or None
    """
    truth = sequences.last()
    if isinstance(baseline, str) and baseline == "mean":
        return explained_variance(truth, predicted, sample_weight=sample_weight)
    reference, name = _reference(sequences, baseline)
    error = reconstruction_error(truth, reference, sample_weight=sample_weight)
    if error == 0:
        warnings.warn(
            f"The score against {name} is undefined: it makes no error.",
            UndefinedMetricWarning,
            stacklevel=3,
        )
        return float("nan")
    return 1 - reconstruction_error(truth, predicted, sample_weight=sample_weight) / error


def _reference(sequences: Sequences, baseline: Any) -> tuple[np.ndarray, str]:
    """Return what a baseline predicts for the last frames, and what it is called."""
    if isinstance(baseline, str):
        predict, name = lookup("baseline", baseline, _BASELINES)
        return predict(sequences), name
    if isinstance(baseline, Integral) and not isinstance(baseline, bool):
        return _frame_before(sequences, int(baseline)), f"the frame {baseline} steps before"
    given = np.asarray(as_array(baseline, "baseline"))
    n_samples, n_values = len(sequences.values), sequences.values.shape[2]
    if given.dtype.kind not in "biuf" or given.size != n_samples * n_values or not given.ndim:
        raise ValueError(
            "baseline must be 'mean', 'last', 'linear', a number of time steps, or predictions of "
            f"the last frames, an array of {n_samples} frames of {n_values} values; got "
            f"{baseline if given.ndim == 0 else f'an array of shape {given.shape}'!r}."
        )
    given = given.reshape(n_samples, n_values).astype(np.float64)
    check_finite(given, "baseline")
    return given, "the given predictions"


def _frame_before(sequences: Sequences, n_steps: int) -> np.ndarray:
    lengths = sequences.lengths
    shortest = sequences.values.shape[1] if lengths is None else int(lengths.min())
    if not 1 <= n_steps < shortest:
        raise ValueError(
            f"baseline must be a number of time steps from 1 to {shortest - 1}, by which all "
            f"sequences in X reach back from their last frame, got {n_steps}."
        )
    return _last_observed(sequences.without_last(n_steps))


def _last_observed(sequences: Sequences) -> np.ndarray:
    """Return the last observed value of each feature, and the mean of all where it has none."""

    def compute(values: np.ndarray) -> np.ndarray:
        is_observed = ~np.isnan(values)
        last = values.shape[1] - 1 - is_observed[:, ::-1].argmax(axis=1)
        return np.take_along_axis(values, last[:, None], axis=1)[:, 0]

    frames = sequences.map(compute)
    if frames.dtype.kind == "f" and np.isnan(frames).any():
        frames = np.where(np.isnan(frames), np.nanmean(sequences.values), frames)
    return frames


def _linear(sequences: Sequences) -> np.ndarray:
    """Return ridge autoregression, fitted to all frames before the last ones."""
    known = sequences.without_last()
    values, lengths = known.values.astype(np.float64), known.lengths
    if lengths is None:
        lengths = np.full(len(values), values.shape[1])
    # The last frames, which `without_last` leaves in place in shorter sequences.
    values[np.arange(values.shape[1]) >= lengths[:, None]] = np.nan
    values = filled_frames(values, None)
    frames, _ = as_frames(values, None)
    basis = _directions(frames)
    codes = (values - frames.mean(axis=0)) @ basis
    n_lags = count_lags(lengths, codes.shape[2], 1)
    weight, bias = fit_autoregression(codes, n_lags, 1, None)

    def compute(group: np.ndarray) -> np.ndarray:
        last = group[:, -n_lags:]
        # Before its beginning a sequence is taken to have been as it was then.
        last = np.pad(last, ((0, 0), (n_lags - last.shape[1], 0), (0, 0)), mode="edge")
        return np.einsum("nlc,dcl->nd", last, weight) + bias

    changes = known._replace(values=codes).map(compute)
    # What the codes do not hold stays as it is.
    predicted: np.ndarray = known._replace(values=values).last() + changes @ basis.T
    return predicted


def _directions(frames: np.ndarray) -> np.ndarray:
    """Return orthogonal directions of frames as columns: all, or principal ones of large frames."""
    if frames.shape[1] <= _MAX_COMPONENTS:
        return np.eye(frames.shape[1])
    n_components = min(_MAX_COMPONENTS, len(frames))
    # Sampled: directions of a few thousand frames are those of all.
    stride = max(1, len(frames) // _MAX_PCA_FRAMES)
    frames = frames[::stride]
    pca = PCA(min(n_components, len(frames)), random_state=0).fit(frames)
    directions: np.ndarray = pca.components_.T
    return directions


# By the parameter `baseline` of score, besides 'mean': the prediction, and its name.
_BASELINES: dict[str, tuple[Callable[[Sequences], np.ndarray], str]] = {
    "last": (lambda sequences: _frame_before(sequences, 1), "repeating the last frame"),
    "linear": (_linear, "linear autoregression"),
}
