"""The scores of a detector of outliers as modules: of its neighborhoods, or of its errors.

They compute in double precision, as the detector does: which references are nearest must not
depend on rounding.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from ..estimators._neighborhoods import n_nearest
from ..estimators._reducer import is_forecaster
from ..estimators.outlier import ReconstructionOutlierDetector
from ..estimators.series_outlier import SeriesOutlierDetector
from ._reducers import of_frames, reconstruction
from ._series import StepScores

# Scores that differ by less than this fraction are equal: sums have another order here than in
# numpy, and a threshold is often the score of a training row.
_ROUNDING = 1e-9
# Squared distances below this fraction of a row's own square are rounding of zero.
_SQUARED_ROUNDING = 1e-13

Step = Callable[[torch.Tensor], torch.Tensor]
Detector = ReconstructionOutlierDetector | SeriesOutlierDetector


class _Part(nn.Module):
    """Base of what a detector has learned: arrays become buffers, so constants of the graph."""

    origins: torch.Tensor
    ranges: torch.Tensor

    def __init__(self, **arrays: Any) -> None:
        super().__init__()
        for name, array in arrays.items():
            self.register_buffer(name, torch.as_tensor(array, dtype=torch.float64))

    def _scaled(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scaled rows with zeros for missing values, and which ones are observed."""
        rows = (rows - self.origins) / self.ranges
        observed = ~rows.isnan()
        return torch.where(observed, rows, 0.0), observed


class _Neighborhood(_Part):
    """Map rows to their mean squared distance to the nearest references, and to these."""

    references: torch.Tensor
    weights: torch.Tensor
    spreads: torch.Tensor

    def __init__(self, part: dict[str, Any]) -> None:
        named = ("origins", "ranges", "references", "weights", "spreads")
        super().__init__(**{name: part[name] for name in named if part.get(name) is not None})
        self.n_neighbors = part["n_neighbors"]
        self.is_weighted = part["weights"] is not None

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows, observed = self._scaled(rows)
        squares = rows.square().sum(dim=1, keepdim=True)
        # (n_samples, n_references), over the observed features only.
        of_references = observed.double() @ self.references.square().T
        distances = squares + of_references - 2 * rows @ self.references.T
        nearest, places = distances.topk(self.n_neighbors, dim=1, largest=False)
        # What is left of a distance of zero: rows that repeat training rows have scores of zero,
        # and these may be the threshold.
        nearest = torch.where(nearest > _SQUARED_ROUNDING * squares, nearest, 0.0)
        means = self._mean(nearest, places) / observed.sum(dim=1).clamp(min=1)
        return means, places

    def spread(self, places: torch.Tensor) -> torch.Tensor:
        """Return the root of how far neighbors are from their own neighbors, on average."""
        return self._mean(self.spreads[places], places).sqrt()

    def _mean(self, values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        if not self.is_weighted:
            return values.mean(dim=1)
        weights = self.weights[places]
        return (values * weights).sum(dim=1) / weights.sum(dim=1)


class _Features(_Part):
    """Map rows to the mean distance of their values from the nearest half of a feature's values."""

    means: torch.Tensor
    squares: torch.Tensor
    changes: torch.Tensor
    unit: torch.Tensor

    def __init__(self, part: dict[str, Any]) -> None:
        values, n_values = part["values"], len(part["values"])
        width = n_nearest(n_values)
        # Of all runs of so many values, in their order, from the first to the last.
        starts = np.arange(n_values - width + 1)
        means, squares = (
            (part[name][starts + width] - part[name][starts]) / width
            for name in ("sums", "squares")
        )
        # Above the middle between the first value of a run and the one behind it, the next run is
        # nearer. Infinities make their number 2**k - 1, so that k steps of bisection find a place.
        changes = (values[: n_values - width] + values[width:]) / 2
        n_steps = len(changes).bit_length()
        n_missing = 2**n_steps - 1 - len(changes)
        changes = np.pad(changes, [(0, n_missing), (0, 0)], constant_values=np.inf)
        named = {name: part[name] for name in ("origins", "ranges", "unit")}
        super().__init__(means=means, squares=squares, changes=changes, **named)
        self.steps = [2**k for k in reversed(range(n_steps))]

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        rows, observed = self._scaled(rows)
        # (n_samples, n_features): how many changes lie below each value.
        place = torch.zeros_like(rows, dtype=torch.int64)
        for step in self.steps:
            place = place + step * (rows > self.changes.gather(0, place + (step - 1))).long()
        means, squares = self.means.gather(0, place), self.squares.gather(0, place)
        # Rounding can make a mean square of zero negative.
        distances = (squares - 2 * rows * means + rows.square()).clamp(min=0).sqrt() / self.unit
        distances = torch.where(observed, distances, 0.0)
        return distances.sum(dim=1) / observed.sum(dim=1).clamp(min=1)


class _NeighborScores(nn.Module):
    """What `squared_deviations` adds up to for each row: all three parts, or only the wide one."""

    def __init__(self, parts: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self.usual = {name: part["usual"] for name, part in parts.items() if "usual" in part}
        self.wide = _Neighborhood(parts["wide"])
        if "near" in parts:
            self.near, self.features = _Neighborhood(parts["near"]), _Features(parts["features"])

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        rows = X.flatten(1).double()
        size_wide, _ = self.wide(rows)
        if not self.usual:
            return -size_wide
        size_near, places = self.near(rows)
        usual = self.usual
        ratio_near = size_near / (self.near.spread(places) * usual["near"])
        ratio_far = size_wide / usual["wide"] * self.features(rows) / usual["features"]
        return -usual["wide"] * torch.maximum(ratio_near, ratio_far.sqrt())


class _ErrorScores(nn.Module):
    """Minus the mean squared error of each row, missing values left out."""

    def __init__(self, reconstruct: nn.Module, filling: np.ndarray | None) -> None:
        super().__init__()
        self.reconstruct = reconstruct
        # What the default reducer gets in the place of missing values.
        self.filling = None if filling is None else nn.Buffer(torch.as_tensor(filling))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        missing = X.isnan()
        filled = X if self.filling is None else torch.where(missing, self.filling, X)
        errors = X.double() - self.reconstruct(filled).double()
        squares = torch.where(missing, 0.0, errors.square()).flatten(1).sum(dim=1)
        # A row without observed values scores 0, as in `score_samples`.
        return -squares / (~missing).flatten(1).sum(dim=1).clamp(min=1)


def _scores(detector: Detector) -> nn.Module:
    if isinstance(detector, SeriesOutlierDetector):
        return StepScores(detector)
    if hasattr(detector, "_encoder"):
        raise ValueError(
            "This ReconstructionOutlierDetector reads frames of mixed columns, which are not "
            "tensors. Export one that was fitted on what a TableEncoder returns, and encode the "
            "frames before."
        )
    if hasattr(detector, "references_"):
        return _NeighborScores(detector._parts)
    if is_forecaster(detector.estimator_):
        return of_frames(detector.estimator_, "score_samples")
    filling = detector._filling if detector.estimator is None else None
    return _ErrorScores(reconstruction(detector.estimator_), filling)


def _score_samples(detector: Detector) -> Step:
    return lambda scores: scores


def _decision_function(detector: Detector) -> Step:
    return lambda scores: scores - detector.offset_


def _predict(detector: Detector) -> Step:
    # Zero is normal, by scikit-learn's convention of detectors.
    lowest = detector.offset_ - _ROUNDING * abs(detector.offset_)
    return lambda scores: 1 - 2 * (scores < lowest).long()


def _p_values(detector: Detector) -> Step:
    ranks = _Ranks(detector.calibration_scores_)
    by_rank = torch.as_tensor(detector._p_values_of_ranks())
    # Ties count against normality, also those that rounding hides.
    return lambda scores: by_rank[ranks(scores + _ROUNDING * scores.abs())]


class _Ranks:
    """How many of sorted numbers are not above values; all of them for NaN.

    First the block of each value is found, then its place there: comparisons with all numbers
    would fill the memory where a long series is scored.
    """

    def __init__(self, known: np.ndarray) -> None:
        self.n_known = len(known)
        self.size = math.isqrt(self.n_known - 1) + 1
        padded = np.pad(known, (0, self.size**2 - self.n_known), constant_values=np.inf)
        self.blocks = torch.as_tensor(padded.reshape(self.size, self.size))

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        values = values[:, None]
        # Comparisons with NaN are false: it ranks behind all.
        block = (~(self.blocks[1:, 0] > values)).sum(dim=1)
        within = (~(self.blocks[block] > values)).sum(dim=1)
        return (block * self.size + within).clamp(max=self.n_known)


# From the scores of samples to the result of a method.
_STEPS: dict[str, Callable[[Detector], Step]] = {
    "score_samples": _score_samples,
    "decision_function": _decision_function,
    "predict": _predict,
    "p_values": _p_values,
}


class DetectorMethods(nn.Module):
    """Methods of a detector, all from the same scores.

    Parameters
    ----------
    detector : ReconstructionOutlierDetector or SeriesOutlierDetector
        It is fitted.
    methods : list of str
        Of ``'score_samples'``, ``'decision_function'``, ``'predict'`` and ``'p_values'``.

    Raises
    ------
    ValueError
        If its scores cannot be computed by torch.
    """

    def __init__(self, detector: Detector, methods: list[str]) -> None:
        super().__init__()
        self.scores = _scores(detector)
        self.steps = [_STEPS[name](detector) for name in methods]

    def forward(self, X: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Apply the methods to samples (n_samples, ...), or to the steps of a series."""
        scores = self.scores(X).double()
        results = [step(scores) for step in self.steps]
        return tuple(each.float() if each.is_floating_point() else each for each in results)
