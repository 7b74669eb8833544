"""What the kinds of a table's columns are in ONNX: one table, and modules for groups of columns.

A table here is a tensor (n_samples, n_columns) of doubles with NaN for missing values. Moments are
microseconds; categories are numbers, those of text positions in a list of labels.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from torch import nn

from ..tables._dates import CYCLES
from ._numerics import TURN, NormalDistribution, arcsinh, double, sinh, turns
from ._parts import Ranks

_DAY_SECONDS = double(24 * 3600)
_SECOND = double(1e6)  # microseconds
_CYCLE_LENGTHS = [double(length) for length in CYCLES.values()]
# A turn in two parts: products of the first with integers are exact, and both together have more
# digits than a double.
_TURN_HIGH = TURN.float().double()
_TURN_LOW = TURN - _TURN_HIGH - TURN.sin()
# Within which scikit-learn's quantiles take a number for the smallest or the largest.
_BOUNDS_THRESHOLD = double(1e-7)


class _Buffers(nn.Module):
    """Base of modules with constants, which become those of the graph."""

    def hold(self, **arrays: Any) -> None:
        """Register arrays as buffers in double precision; integers stay integers."""
        for name, array in arrays.items():
            tensor = torch.as_tensor(np.asarray(array))
            self.register_buffer(name, tensor.double() if tensor.is_floating_point() else tensor)


# -- numbers -------------------------------------------------------------------------------


class _Standard(_Buffers):
    """`StandardScaler` of several columns."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, scalers: Sequence[StandardScaler]) -> None:
        super().__init__()
        self.hold(
            mean=[scaler.mean_[0] for scaler in scalers],
            scale=[scaler.scale_[0] for scaler in scalers],
        )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return (values - self.mean) / self.scale

    def inverse(self, raw: torch.Tensor) -> torch.Tensor:
        return raw * self.scale + self.mean


class _Robust(_Buffers):
    """The scaler that is linear near the median, see `skae.tables`."""

    center: torch.Tensor
    spread: torch.Tensor

    def __init__(self, scalers: Sequence[Pipeline]) -> None:
        super().__init__()
        self.standard = _Standard([scaler[0] for scaler in scalers])
        self.hold(
            center=[scaler[1].center_[0] for scaler in scalers],
            spread=[scaler[1].scale_[0] for scaler in scalers],
        )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return arcsinh((self.standard(values) - self.center) / self.spread)

    def inverse(self, raw: torch.Tensor) -> torch.Tensor:
        return self.standard.inverse(sinh(raw) * self.spread + self.center)


class _Quantile(_Buffers):
    """`QuantileTransformer` to the normal distribution, of any numbers of quantiles."""

    quantiles: torch.Tensor
    lows: torch.Tensor
    highs: torch.Tensor
    lasts: torch.Tensor

    def __init__(self, scalers: Sequence[QuantileTransformer]) -> None:
        super().__init__()
        self.normal = NormalDistribution()
        of_columns = [scaler.quantiles_[:, 0] for scaler in scalers]
        self.hold(
            quantiles=_side_by_side(of_columns),
            lows=[each[0] for each in of_columns],
            highs=[each[-1] for each in of_columns],
            lasts=[len(each) - 1 for each in of_columns],
        )
        self.ranks = Ranks(_side_by_side(of_columns))
        self.ranks_from_above = Ranks(_side_by_side([-each[::-1] for each in of_columns]))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        n_not_above = self.ranks(values)
        n_below = self.lasts + 1 - self.ranks_from_above(-values)
        # Of repeated quantiles the mean of the first and the last place, as in scikit-learn.
        places = self._place(values, n_below) + self._place(values, n_not_above)
        p = places / (2 * self.lasts.clamp(min=1))
        p = torch.where(values + _BOUNDS_THRESHOLD > self.highs, 1.0, p)
        p = torch.where(values - _BOUNDS_THRESHOLD < self.lows, 0.0, p)
        return torch.where(values.isnan(), values, self.normal.quantile(p))

    def _place(self, values: torch.Tensor, rank: torch.Tensor) -> torch.Tensor:
        """Return the place of values among the quantiles, with a fraction between two of them."""
        # That of the greatest one is its own: repeated at the end, it is not between two others.
        start = torch.minimum((rank - 1).clamp(min=0), self.lasts)
        low = self.quantiles.gather(0, start)
        width = self.quantiles.gather(0, torch.minimum(start + 1, self.lasts)) - low
        fraction = torch.where(width > 0, (values - low) / width, 0.0)
        return start + fraction.clamp(0, 1)

    def inverse(self, raw: torch.Tensor) -> torch.Tensor:
        p = self.normal.probability(raw)
        place = p * self.lasts
        start = torch.minimum(place.floor().long(), (self.lasts - 1).clamp(min=0))
        low = self.quantiles.gather(0, start)
        high = self.quantiles.gather(0, torch.minimum(start + 1, self.lasts))
        values = low + (place - start) * (high - low)
        values = torch.where(p + _BOUNDS_THRESHOLD > 1, self.highs, values)
        return torch.where(p - _BOUNDS_THRESHOLD < 0, self.lows, values)


def _side_by_side(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return arrays of several lengths as columns, infinities behind the shorter ones."""
    columns = np.full((max(map(len, arrays)), len(arrays)), np.inf)
    for i, array in enumerate(arrays):
        columns[: len(array), i] = array
    return columns


_SCALINGS = {StandardScaler: _Standard, Pipeline: _Robust, QuantileTransformer: _Quantile}


_PRECISIONS = {np.dtype("float16"): torch.float16, np.dtype("float32"): torch.float32}


# -- groups --------------------------------------------------------------------------------


class Group(_Buffers):
    """Columns of one kind.

    Parameters
    ----------
    columns : list of Column
        As a `skae.TableEncoder` learned them.
    types : list of dtype or None
        Those of the columns in `fit`, as far as they are numbers of numpy.
    """

    def __init__(self, columns: Sequence[Any], types: Sequence[np.dtype | None]) -> None:
        super().__init__()
        self.columns = columns

    def raw(self, values: torch.Tensor) -> torch.Tensor:
        """Map values (n_samples, n_columns) to raw numbers side by side, NaN where missing."""
        raise NotImplementedError

    def values(self, raw: torch.Tensor) -> torch.Tensor:
        """Map raw numbers (n_samples, n_raw) to the values (n_samples, n_columns) of columns."""
        raise NotImplementedError


class Numbers(Group):
    """Numbers, and durations."""

    is_whole: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, columns: Sequence[Any], types: Sequence[np.dtype | None]) -> None:
        super().__init__(columns, types)
        self.scaling = _SCALINGS[type(columns[0].scaler)]([each.scaler for each in columns])
        low, high = np.transpose([_limits(each) for each in types])
        self.hold(is_whole=[each.is_whole for each in columns], low=low, high=high)
        # Decoded numbers have the precision of their columns; detectors encode them again.
        self.precisions = [
            (torch.tensor([each == name for each in types]), dtype)
            for name, dtype in _PRECISIONS.items()
            if name in types
        ]

    def raw(self, values: torch.Tensor) -> torch.Tensor:
        scaled: torch.Tensor = self.scaling(values)
        return scaled

    def values(self, raw: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = self.scaling.inverse(raw)  # type: ignore[operator]
        values = torch.where(self.is_whole, values.round(), values)
        for is_rounded, dtype in self.precisions:
            values = torch.where(is_rounded, values.to(dtype).double(), values)
        return torch.minimum(torch.maximum(values, self.low), self.high)


def _limits(dtype: np.dtype | None) -> tuple[float, float]:
    """Return what integers of a type can be: decoded ones are cut to it."""
    if dtype is None or dtype.kind not in "iu":
        return -np.inf, np.inf
    limits = np.iinfo(dtype)
    return float(limits.min), float(limits.max)


class Truths(Group):
    """Truth values as 0 and 1."""

    def raw(self, values: torch.Tensor) -> torch.Tensor:
        return torch.where(values.isnan(), values, (values == 1).double())

    def values(self, raw: torch.Tensor) -> torch.Tensor:
        return (raw > 0.5).double()


class Categories(Group):
    """Categories without an order: an indicator for each."""

    keys: torch.Tensor
    places: torch.Tensor
    pools_unknown: torch.Tensor
    key_column: torch.Tensor
    raw_column: torch.Tensor
    raw_place: torch.Tensor
    starts: torch.Tensor

    # Positions of a column that have no raw number.
    n_skipped = 0

    def __init__(self, columns: Sequence[Any], types: Sequence[np.dtype | None]) -> None:
        super().__init__(columns, types)
        self.widths = [len(column.categories) - self.n_skipped for column in columns]
        labels = [[*column.categories, *column.rare] for column in columns]
        key_column = [i for i, each in enumerate(labels) for _ in each]
        n_kept = [len(column.categories) for column in columns]
        # One more than the position, so that a sum of zero is no position. Rare ones have the last.
        places = np.zeros((len(key_column), len(columns)), dtype=np.float32)
        places[np.arange(len(key_column)), key_column] = [
            min(rank, n) for each, n in zip(labels, n_kept, strict=True) for rank in _ranks(each)
        ]
        self.register_buffer("places", torch.from_numpy(places))
        self.hold(
            key_column=key_column,
            # The position of unseen categories, one more as well.
            pools_unknown=[n * c.pools_unknown for n, c in zip(n_kept, columns, strict=True)],
            raw_column=[i for i, width in enumerate(self.widths) for _ in range(width)],
            raw_place=[rank + self.n_skipped for width in self.widths for rank in range(width)],
            starts=np.cumsum([0, *map(len, labels)])[:-1],
        )

    def number_labels(self, numbers: Sequence[Mapping[Any, float]]) -> None:
        """Set what numbers the categories of each column are in a table."""
        keys = [
            float(numbers[i][label])
            for i, column in enumerate(self.columns)
            for label in (*column.categories, *column.rare)
        ]
        self.hold(keys=keys)

    def raw(self, values: torch.Tensor) -> torch.Tensor:
        is_key = values.index_select(1, self.key_column) == self.keys
        # (n_samples, n_columns), -1 for missing or unseen ones.
        positions = (is_key.float() @ self.places).long()
        is_pooled = (positions == 0).logical_and(values.isnan().logical_not())
        positions = torch.where(is_pooled, self.pools_unknown, positions) - 1
        positions = positions.index_select(1, self.raw_column)
        return torch.where(positions < 0, math.nan, self._indicators(positions).double())

    def _indicators(self, positions: torch.Tensor) -> torch.Tensor:
        return positions == self.raw_place

    def values(self, raw: torch.Tensor) -> torch.Tensor:
        return self.keys[self._positions(raw) + self.starts]

    def _positions(self, raw: torch.Tensor) -> torch.Tensor:
        return torch.stack([each.argmax(dim=1) for each in raw.split(self.widths, dim=1)], dim=1)


def _ranks(labels: Sequence[Any]) -> range:
    return range(1, len(labels) + 1)


class Steps(Categories):
    """Ordered categories: for each but the first, whether the value reaches it."""

    n_skipped = 1

    def _indicators(self, positions: torch.Tensor) -> torch.Tensor:
        return positions >= self.raw_place

    def _positions(self, raw: torch.Tensor) -> torch.Tensor:
        reached = (raw > 0.5).long().split(self.widths, dim=1)
        return torch.stack([each.sum(dim=1) for each in reached], dim=1)


class Dates(Group):
    """Dates: a trend, and the cycles that each column goes through."""

    lengths: torch.Tensor
    cycle_column: torch.Tensor
    order: torch.Tensor
    trends: torch.Tensor
    parts: torch.Tensor
    steps: torch.Tensor

    def __init__(self, columns: Sequence[Any], types: Sequence[np.dtype | None]) -> None:
        super().__init__(columns, types)
        self.scaling = _Standard([column.scaler for column in columns])
        cycles = [(i, name) for i, column in enumerate(columns) for name in column.cycles]
        starts = np.cumsum([0] + [1 + 2 * len(column.cycles) for column in columns])
        # Where the sine of a cycle is among the raw numbers; its cosine is the next one.
        sines = {
            (i, name): starts[i] + 1 + 2 * k
            for i, column in enumerate(columns)
            for k, name in enumerate(column.cycles)
        }
        made = [*starts[:-1], *sines.values(), *(place + 1 for place in sines.values())]
        # Of each cycle the sines, and the cosines, of all columns. Behind the last raw number is a
        # zero: the vector of a cycle that a column lacks.
        zero = starts[-1]
        parts = [
            [[sines.get((i, name), zero - k) + k for i in range(len(columns))] for k in (0, 1)]
            for name in CYCLES
        ]
        self.hold(
            lengths=np.array([CYCLES[name] for _, name in cycles], dtype=float),
            cycle_column=np.array([i for i, _ in cycles], dtype=int),
            order=np.argsort(made),
            trends=starts[:-1],
            parts=parts,
            steps=[column.step for column in columns],
        )

    def raw(self, values: torch.Tensor) -> torch.Tensor:
        sine, cosine = _phases(values.index_select(1, self.cycle_column) / self.lengths)
        return torch.cat([self.scaling(values), sine, cosine], dim=1).index_select(1, self.order)

    def values(self, raw: torch.Tensor) -> torch.Tensor:
        moments = self.scaling.inverse(raw.index_select(1, self.trends))
        raw = torch.cat([raw, torch.zeros_like(raw[:, :1])], dim=1)
        # From the longest cycle to the shortest.
        for length, (sines, cosines) in zip(_CYCLE_LENGTHS, self.parts, strict=True):
            sine, cosine = raw.index_select(1, sines), raw.index_select(1, cosines)
            difference = turns(sine, cosine) - moments / length
            difference = difference - difference.round()  # at most half a cycle
            weight = (sine.square() + cosine.square()).sqrt().clamp(max=1)
            moments = moments + difference * length * weight
        return (moments / self.steps).round() * self.steps


class Times(Group):
    """Times of the day."""

    order: torch.Tensor

    def __init__(self, columns: Sequence[Any], types: Sequence[np.dtype | None]) -> None:
        super().__init__(columns, types)
        # From all sines and all cosines to pairs.
        self.hold(order=np.arange(2 * len(columns)).reshape(2, -1).T.ravel())

    def raw(self, values: torch.Tensor) -> torch.Tensor:
        phases = _phases(values / (_DAY_SECONDS * _SECOND))
        return torch.cat(phases, dim=1).index_select(1, self.order)

    def values(self, raw: torch.Tensor) -> torch.Tensor:
        pairs = raw.unflatten(1, (-1, 2))
        fraction = turns(pairs[:, :, 0], pairs[:, :, 1])
        seconds = ((fraction - fraction.floor()) * _DAY_SECONDS).round()
        # Half a second before midnight is midnight.
        return torch.where(seconds == _DAY_SECONDS, 0.0, seconds) * _SECOND


def _phases(cycles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    # Angles are as large as in `TableEncoder`, and so rounded as there. Only then are whole turns
    # taken away, without another rounding: runtimes are inexact for large angles.
    angles, whole = cycles * TURN, cycles.round()
    angles = angles - whole * _TURN_HIGH - whole * _TURN_LOW
    return angles.sin(), angles.cos()


# -- kinds ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileKind:
    """What a kind of columns is in a file.

    Attributes
    ----------
    group : type of Group
    dtype : {'float64', 'int64'}
        Of the column in a file. Categories that are text are strings.
    unit : str or None
    """

    group: type[Group]
    dtype: str = "float64"
    unit: str | None = None


KINDS = {
    "boolean": FileKind(Truths),
    "categorical": FileKind(Categories),
    "datetime": FileKind(Dates, "int64", "microseconds since 1970-01-01, UTC"),
    "duration": FileKind(Numbers, "int64", "microseconds"),
    "numeric": FileKind(Numbers),
    "ordinal": FileKind(Steps),
    "time": FileKind(Times, "int64", "microseconds since midnight"),
}
