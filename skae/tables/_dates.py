"""Columns of dates and times: a trend, and the cycles that the values go through."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from ._columns import Column, NumericColumn, StandardScaler

_SECOND = 1_000_000  # microseconds
_DAY = 24 * 3600 * _SECOND
# Name and length of a cycle in microseconds, the longest first: decoding goes from coarse to fine.
# Weeks of the epoch begin on a Thursday, which does not matter for a phase.
CYCLES = {"year": 365.2425 * _DAY, "week": 7.0 * _DAY, "day": float(_DAY)}
# A cycle is encoded where the values span it this often.
_MIN_SPANS = 2
_MICROSECOND = timedelta(microseconds=1)


@dataclass
class DateColumn(NumericColumn):
    """A column of dates, or of dates with times, as microseconds since 1970.

    The trend is one number, each cycle a sine and a cosine. A decoded trend is moved to the nearest
    point with the decoded phase of the longest cycle, then of the next; less, the shorter the
    vector of sine and cosine is, which is the mean of phases that are uncertain.

    Attributes
    ----------
    cycles : list of str
        Those that the training values went through, and that are not constant in them.
    unit : str
        Of the decoded values: ``'D'`` or ``'us'``.
    step : float
        Greatest length, of a day, an hour, a minute and a second, of which all training values are
        multiples, in microseconds: decoded values are rounded to it.
    """

    cycles: list = field(default_factory=list)
    unit: str = "us"
    step: float = 1.0

    has_parts = True

    @classmethod
    def learn(cls, source, label, **options):
        """Learn the trend, and which cycles there are."""
        known = source.values[~source.missing]
        lengths = (_DAY, 3600 * _SECOND, 60 * _SECOND, _SECOND, 1)
        # So that whole days come back without a time, and full hours without minutes.
        step = next(float(length) for length in lengths if (known % length == 0).all())
        span = np.ptp(known)
        cycles = [
            name
            for name, length in CYCLES.items()
            if step < length and span >= _MIN_SPANS * length and np.ptp(known % length) > 0
        ]
        column = cls(
            source.name,
            label,
            # In float64: of microseconds since 1970, float32 would keep steps of two minutes.
            scaler=StandardScaler().fit(known[:, None]),
            cycles=cycles,
            step=step,
            unit=source.unit,
        )
        raw = column.raw(known, None)
        column.center = raw.mean(axis=0)
        # Trend and cycles have the same variance, and one together.
        n_parts = 1 + len(cycles)
        variances = raw.var(axis=0)
        parts = [variances[:1].sum(), *variances[1:].reshape(-1, 2).sum(axis=1)]
        deviations = np.sqrt(np.array(parts) * n_parts)
        deviations[deviations == 0] = 1.0
        column.scale = np.repeat(deviations, [1] + [2] * len(cycles))
        return column

    def raw(self, values, missing):
        trend = super().raw(values, missing)
        known = values if missing is None else np.where(missing, 0.0, values)
        return np.hstack([trend, *(_phase(known / CYCLES[name]) for name in self.cycles)])

    def values(self, raw):
        moments = self.scaler.inverse_transform(raw[:, :1])[:, 0]
        for i, name in enumerate(self.cycles):
            sine, cosine = raw[:, 1 + 2 * i], raw[:, 2 + 2 * i]
            length = CYCLES[name]
            difference = np.arctan2(sine, cosine) / (2 * np.pi) - moments / length
            difference -= np.rint(difference)  # at most half a cycle
            moments = moments + difference * length * np.minimum(np.hypot(sine, cosine), 1)
        moments = np.rint(moments / self.step) * self.step
        return moments.astype(np.int64).astype("datetime64[us]").astype(f"datetime64[{self.unit}]")

    def feature_names(self):
        names = [f"{self.label}_{cycle}_{part}" for cycle in self.cycles for part in ("sin", "cos")]
        return [f"{self.label}_trend", *names]


@dataclass
class DurationColumn(NumericColumn):
    """A column of durations, as microseconds."""

    def values(self, raw):
        values = np.rint(self.scaler.inverse_transform(raw)[:, 0])
        return values.astype(np.int64).astype("timedelta64[us]")


@dataclass
class TimeColumn(Column):
    """A column of times of the day, as a sine and a cosine."""

    has_parts = True

    @classmethod
    def learn(cls, source, label, **options):
        """Learn the center of the times."""
        column = cls(source.name, label)
        return column._standardize(column.raw(source.values, source.missing), ~source.missing)

    def raw(self, values, missing):
        known = np.zeros(len(values))
        seen = slice(None) if missing is None else ~missing
        known[seen] = [time_of_day(value) for value in values[seen]]
        return _phase(known / _DAY)

    def values(self, raw):
        fraction = np.arctan2(raw[:, 0], raw[:, 1]) / (2 * np.pi) % 1
        # Whole seconds: times of the day are seldom known better.
        seconds = np.rint(fraction * 24 * 3600).astype(int) % (24 * 3600)
        times = np.empty(len(raw), dtype=object)
        times[:] = [(datetime.min + timedelta(seconds=int(each))).time() for each in seconds]
        return times

    def feature_names(self):
        return [f"{self.label}_day_sin", f"{self.label}_day_cos"]


def _phase(turns):
    angles = 2 * np.pi * np.asarray(turns)
    return np.column_stack([np.sin(angles), np.cos(angles)])


def time_of_day(value):
    return ((value.hour * 60 + value.minute) * 60 + value.second) * _SECOND + value.microsecond


def as_microseconds(value: Any) -> float:
    """Return a date, a datetime or a timedelta of Python as microseconds, since 1970 if a date."""
    if isinstance(value, timedelta):
        return value / _MICROSECOND
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return (value - datetime(1970, 1, 1, tzinfo=UTC)) / _MICROSECOND
