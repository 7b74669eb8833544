"""The scores of a detector of outliers as modules: of its neighborhoods, or of its errors.

They compute in double precision, as the detector does: which references are nearest must not
depend on rounding.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from ..estimators._neighborhoods import n_nearest
from ..estimators._reducer import is_forecaster
from ..estimators.outlier import ReconstructionOutlierDetector
from ..estimators.series_outlier import SeriesOutlierDetector
from ._numerics import double
from ._parts import Part, Ranks, Rows, as_rows, observed_squares
from ._reducers import of_frames, reconstruction
from ._series import StepScores
from ._tables import TableEncoding

# Scores that differ by less than this fraction are equal: sums have another order here than in
# numpy, and a threshold is often the score of a training row.
_ROUNDING = 1e-9
# Squared distances below this fraction of a row's own square, and of the largest one of a
# reference, are rounding of zero.
_SQUARED_ROUNDING = 1e-13

Step = Callable[[torch.Tensor], torch.Tensor]
Detector = ReconstructionOutlierDetector | SeriesOutlierDetector


class _Scaled(Part):
    """Base of parts that compare rows, each feature in units of its own."""

    origins: torch.Tensor
    ranges: torch.Tensor

    def _scaled(self, rows: Rows) -> torch.Tensor:
        """Return scaled rows with zeros for missing values."""
        return torch.where(rows.observed, (rows.values - self.origins) / self.ranges, 0.0)


class _Neighborhood(_Scaled):
    """Map rows to their mean squared distance to the nearest references, and to these."""

    references: torch.Tensor
    weights: torch.Tensor
    spreads: torch.Tensor

    def __init__(self, part: dict[str, Any]) -> None:
        named = ("origins", "ranges", "references", "weights", "spreads")
        super().__init__(**{name: part[name] for name in named if part.get(name) is not None})
        self.n_neighbors = part["n_neighbors"]
        self.is_weighted = part["weights"] is not None

    def forward(self, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
        values = self._scaled(rows)
        squares = values.square().sum(dim=1, keepdim=True)
        # (n_samples, n_references), over the observed features only.
        of_references = observed_squares(rows, self.references)
        distances = squares + of_references - 2 * values @ self.references.T
        nearest, places = distances.topk(self.n_neighbors, dim=1, largest=False)
        # What is left of a distance of zero: rows that repeat training rows have scores of zero,
        # and these may be the threshold.
        scale = squares + self.references.square().sum(dim=1).amax(dim=0)
        nearest = torch.where(nearest > _SQUARED_ROUNDING * scale, nearest, 0.0)
        return self._mean(nearest, places) / rows.n_observed, places

    def spread(self, places: torch.Tensor) -> torch.Tensor:
        """Return the root of how far neighbors are from their own neighbors, on average."""
        return self._mean(self.spreads[places], places).sqrt()

    def _mean(self, values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        if not self.is_weighted:
            return values.mean(dim=1)
        weights = self.weights[places]
        return (values * weights).sum(dim=1) / weights.sum(dim=1)


class _Features(_Scaled):
    """Map rows to the mean distance of their values from the nearest half of a feature's values."""

    means: torch.Tensor
    squares: torch.Tensor
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
        named = {name: part[name] for name in ("origins", "ranges", "unit")}
        super().__init__(means=means, squares=squares, **named)
        # Above the middle between the first value of a run and the one behind it, the next run is
        # nearer; in the middle both are equally near.
        self.ranks = Ranks((values[: n_values - width] + values[width:]) / 2)

    def forward(self, rows: Rows) -> torch.Tensor:
        values = self._scaled(rows)
        place = self.ranks(values)
        means, squares = self.means.gather(0, place), self.squares.gather(0, place)
        # Rounding can make a mean square of zero negative.
        squared = (squares - 2 * values * means + values.square()).clamp(min=0)
        distances = torch.where(rows.observed, squared.sqrt() / self.unit, 0.0)
        return distances.sum(dim=1) / rows.n_observed


class _NeighborScores(nn.Module):
    """What `squared_deviations` adds up to for each row: all three parts, or only the wide one."""

    def __init__(self, parts: dict[str, dict[str, Any]]) -> None:
        super().__init__()
        self.usual = {n: double(part["usual"]) for n, part in parts.items() if "usual" in part}
        self.wide = _Neighborhood(parts["wide"])
        if "near" in parts:
            self.near, self.features = _Neighborhood(parts["near"]), _Features(parts["features"])

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        rows = as_rows(X.flatten(1).double())
        size_wide, _ = self.wide(rows)
        if not self.usual:
            return -size_wide
        size_near, places = self.near(rows)
        usual = self.usual
        ratio_near = size_near / (self.near.spread(places) * usual["near"])
        ratio_far = size_wide / usual["wide"] * self.features(rows) / usual["features"]
        return -usual["wide"] * torch.maximum(ratio_near, ratio_far.sqrt())


class _ErrorScores(nn.Module):
    """Minus the mean squared error of each row, missing values left out.

    Tables are compared as encoded rows.
    """

    def __init__(
        self, reconstruct: nn.Module, filling: np.ndarray | None, encode: nn.Module
    ) -> None:
        super().__init__()
        self.reconstruct = reconstruct
        self.encode = encode
        # What the default reducer gets in the place of missing values.
        self.filling = None if filling is None else nn.Buffer(torch.as_tensor(filling))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        missing = X.isnan()
        filled = X if self.filling is None else torch.where(missing, self.filling, X)
        errors = self.encode(X).double() - self.encode(self.reconstruct(filled)).double()
        missing = errors.isnan()
        squares = torch.where(missing, 0.0, errors.square()).flatten(1).sum(dim=1)
        # A row without observed values scores 0, as in `score_samples`.
        return -squares / (~missing).flatten(1).sum(dim=1).clamp(min=1)


def _scores(detector: Detector) -> nn.Module:
    if isinstance(detector, SeriesOutlierDetector):
        return StepScores(detector)
    encode = TableEncoding(detector._encoder) if hasattr(detector, "_encoder") else nn.Identity()
    if hasattr(detector, "references_"):
        return nn.Sequential(encode, _NeighborScores(detector._parts))
    if is_forecaster(detector.estimator_):
        return of_frames(detector.estimator_, "score_samples")
    filling = detector._filling if detector.estimator is None else None
    return _ErrorScores(reconstruction(detector.estimator_), filling, encode)


def _score_samples(detector: Detector) -> Step:
    return lambda scores: scores


def _decision_function(detector: Detector) -> Step:
    offset = double(detector.offset_)
    return lambda scores: scores - offset


def _predict(detector: Detector) -> Step:
    # Zero is normal, by scikit-learn's convention of detectors.
    lowest = double(detector.offset_ - _ROUNDING * abs(detector.offset_))
    return lambda scores: 1 - 2 * (scores < lowest).long()


def _p_values(detector: Detector) -> Step:
    ranks = Ranks(detector.calibration_scores_[:, None])
    by_rank = torch.as_tensor(detector._p_values_of_ranks())

    def p_values(scores: torch.Tensor) -> torch.Tensor:
        # Ties count against normality, also those that rounding hides.
        raised = scores + _ROUNDING * scores.abs()
        # An infinite score would become NaN, which stands for rows that say nothing.
        raised = torch.where(scores.isinf(), scores, raised)
        return by_rank[ranks(raised[:, None])[:, 0]]

    return p_values


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
        # A file raises no errors, but infinite values must not count as normal.
        is_infinite = X.isinf().flatten(1).any(dim=1)
        scores = torch.where(is_infinite, -torch.inf, self.scores(X).double())
        results = [step(scores) for step in self.steps]
        return tuple(each.float() if each.is_floating_point() else each for each in results)
