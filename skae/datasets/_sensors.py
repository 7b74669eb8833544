"""Generated recordings of several sensors of a machine, with labeled faults."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.utils import Bunch, check_random_state

from .._sklearn_compat import Interval, StrOptions, validate_parameter_constraints
from .._typing import Seed

_CONSTRAINTS = {
    "n_timesteps": [Interval(Integral, 500, None, closed="left")],
    "n_channels": [Interval(Integral, 2, None, closed="left")],
    "n_faults": [Interval(Integral, 0, None, closed="left")],
    "fault_start": [Interval(Real, 0, 1, closed="left")],
    "noise": [Interval(Real, 0, None, closed="left")],
    "drift": [Interval(Real, None, None, closed="neither")],
    "missing": [Interval(Real, 0, 0.5, closed="left")],
    "kinds": [list, tuple, StrOptions({"all"})],
}

# Steps of the daily cycle; a step is a quarter of an hour.
PERIOD = 96
# Half a day to a day: what a person would call an event, and not a moment.
_FAULT_STEPS = (48, 96)
# Between two faults, so that each can be found by itself.
_REST_STEPS = PERIOD
# What a machine does for some days each, and how strong its cycle is then.
_REGIMES = (1.0, 0.6)
_REGIME_STEPS = (4 * PERIOD, 9 * PERIOD)
# Lost values come in stretches of about an hour.
_LOST_STEPS = 4

_DESCR = """\
Generated recordings of sensors of one machine, every quarter of an hour.

data       (n_timesteps, n_channels) float64, NaN where a value was lost
target     (n_timesteps,) 1 within a fault, 0 otherwise
is_faulty  (n_timesteps, n_channels) whether the fault is of this channel
faults     list of (start, end, channel, kind), the end not included
regime     (n_timesteps,) 0 or 1: how strongly the machine works
time       (n_timesteps,) datetime64, the start of each step
"""


class Fault(NamedTuple):
    """Something wrong with one channel.

    Attributes
    ----------
    start, end : int
        First step, and the one after the last.
    channel : int
        The channel at fault.
    kind : str
        'offset', 'frozen', 'decoupled', 'noisy' or 'dropout'.
    """

    start: int
    end: int
    channel: int
    kind: str


def make_sensors(
    n_timesteps: int = 5000,
    n_channels: int = 5,
    n_faults: int = 10,
    *,
    fault_start: float = 0.4,
    kinds: str | list[str] | tuple[str, ...] = "all",
    noise: float = 0.05,
    drift: float = 0.5,
    missing: float = 0.0,
    random_state: Seed = None,
) -> Bunch:
    """Make recordings of several sensors of one machine, with faults of single sensors.

    All channels follow a daily cycle of 96 steps and a slow common load, each with a strength and
    a delay of its own. For some days each the machine works fully or at 0.6 of that, and all
    channels drift slowly. None of this is a fault. A fault lasts from 48 to 95 steps and concerns
    one channel:

    - ``'offset'``: the sensor shows 2 units too much or too little,
    - ``'frozen'``: it stays at the highest value that it should have had,
    - ``'decoupled'``: it shows a plausible cycle that is half a day off from all others',
    - ``'noisy'``: its noise is a unit,
    - ``'dropout'``: it falls to its lowest value again and again, for a third of the steps.

    Parameters
    ----------
    n_timesteps : int, default=5000
        Number of steps, at least 500.
    n_channels : int, default=5
        Number of sensors, at least two.
    n_faults : int, default=10
        Number of faults, of the kinds in turn.
    fault_start : float in [0, 1), default=0.4
        Fraction of the steps before the first fault.
    kinds : 'all' or list of str, default='all'
        Kinds of faults.
    noise : float, default=0.05
        Standard deviation of the noise of each value; the cycle has an amplitude of about one.
    drift : float, default=0.5
        How far channels drift from the first step to the last.
    missing : float in [0, 0.5), default=0.0
        Fraction of the values that are lost, in stretches of about four steps.
    random_state : int, RandomState instance or None, default=None
        Seed; pass an int for the same recordings at every call.

    Returns
    -------
    sensors : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of shape (n_timesteps, n_channels)
            The recordings; NaN where a value was lost.
        target : ndarray of shape (n_timesteps,)
            1 within a fault, 0 otherwise.
        is_faulty : ndarray of shape (n_timesteps, n_channels), bool
            Whether the value belongs to a fault.
        faults : list of tuple (start, end, channel, kind)
            The faults in order; the end is the first step after it.
        regime : ndarray of shape (n_timesteps,)
            0 while the machine works fully, 1 while it works at 0.6 of that.
        time : ndarray of shape (n_timesteps,), datetime64
            The start of each quarter of an hour.
        DESCR : str
            This list in short.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the faults do not fit into the series.

    Examples
    --------
    >>> from skae.datasets import make_sensors
    >>> sensors = make_sensors(random_state=0)
    >>> sensors.data.shape
    (5000, 5)
    >>> sensors.faults[0].kind, len(sensors.faults)
    ('offset', 10)
    """
    given = {
        "n_timesteps": n_timesteps,
        "n_channels": n_channels,
        "n_faults": n_faults,
        "fault_start": fault_start,
        "kinds": kinds,
        "noise": noise,
        "drift": drift,
        "missing": missing,
    }
    validate_parameter_constraints(_CONSTRAINTS, given, caller_name="make_sensors")
    names = list(_FAULTS) if kinds == "all" else list(kinds)
    unknown = [name for name in names if name not in _FAULTS]
    if unknown or not names:
        raise ValueError(f"kinds must be among {sorted(_FAULTS)}, got {unknown or kinds!r}.")
    rng = check_random_state(random_state)
    regime = _draw_regimes(n_timesteps, rng)
    clean, shifted = _draw_cycles(regime, n_channels, rng)
    # (n_timesteps, n_channels): each channel up or down.
    wander = drift * np.linspace(0, 1, n_timesteps)[:, None] * rng.choice([-1, 1], n_channels)
    data = clean + wander + noise * rng.standard_normal(clean.shape)
    faults = _draw_faults(n_timesteps, n_channels, n_faults, fault_start, names, rng)
    is_faulty = np.zeros(data.shape, bool)
    for fault in faults:
        place = slice(fault.start, fault.end), fault.channel
        # With noise of its own: a decoupled sensor would be found by its smoothness otherwise.
        other = (shifted + wander)[place] + noise * rng.standard_normal(fault.end - fault.start)
        data[place] = _FAULTS[fault.kind](data[place], other, rng)
        is_faulty[place] = True
    return Bunch(
        data=_lose(data, missing, rng),
        target=is_faulty.any(axis=1).astype(int),
        is_faulty=is_faulty,
        faults=faults,
        regime=regime,
        time=np.datetime64("2025-01-01", "us") + np.arange(n_timesteps) * np.timedelta64(15, "m"),
        DESCR=_DESCR,
    )


def _draw_regimes(n_timesteps: int, rng: np.random.RandomState) -> np.ndarray:
    """Return 0 and 1 in turn, for some days each."""
    regime, start = np.zeros(n_timesteps, int), 0
    while start < n_timesteps:
        for each in range(len(_REGIMES)):
            end = start + rng.randint(*_REGIME_STEPS)
            regime[start:end] = each
            start = end
    return regime


def _draw_cycles(
    regime: np.ndarray, n_channels: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Return the channels without noise, and the same with a cycle that is half a day off."""
    n_timesteps = len(regime)
    # All channels see this load, which no period predicts: it remembers half a day.
    steps, load = 0.15 * rng.standard_normal(n_timesteps), np.zeros(n_timesteps)
    for i in range(1, n_timesteps):
        # Half of it is left after 34 steps, eight and a half hours.
        load[i] = 0.98 * load[i - 1] + steps[i]
    # A standard deviation of 0.5, beside a cycle with an amplitude of about one.
    load *= 0.5 / max(load.std(), 1e-12)
    strength = np.array(_REGIMES)[regime][:, None]
    delays, coupling = rng.uniform(0, 0.15 * PERIOD, n_channels), rng.uniform(0.7, 1.3, n_channels)
    time = np.arange(n_timesteps)[:, None]

    def channels(lag: float) -> np.ndarray:
        angle = 2 * np.pi * (time - delays - lag) / PERIOD
        cycle = np.sin(angle) + 0.3 * np.sin(2 * angle)
        values: np.ndarray = coupling * (strength * cycle + load[:, None])
        return values

    return channels(0), channels(PERIOD / 2)


def _draw_faults(
    n_timesteps: int,
    n_channels: int,
    n_faults: int,
    fault_start: float,
    kinds: list[str],
    rng: np.random.RandomState,
) -> list[Fault]:
    """Draw places of faults, one in each of as many equal stretches."""
    if n_faults == 0:
        return []
    first = int(fault_start * n_timesteps)
    # A stretch for each, so that faults never overlap and a label belongs to one of them.
    room = (n_timesteps - first) // n_faults
    if room < _FAULT_STEPS[1] + _REST_STEPS:
        raise ValueError(
            f"n_faults={n_faults} do not fit into the last {n_timesteps - first} of {n_timesteps} "
            f"steps: each takes up to {_FAULT_STEPS[1] + _REST_STEPS} with the rest after it."
        )
    faults = []
    for i in range(n_faults):
        length = rng.randint(*_FAULT_STEPS)
        start = first + i * room + rng.randint(room - length - _REST_STEPS + 1)
        channel = int(rng.randint(n_channels))
        faults.append(Fault(start, start + length, channel, kinds[i % len(kinds)]))
    return faults


def _offset(values: np.ndarray, other: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    shifted: np.ndarray = values + rng.choice([-2.0, 2.0])
    return shifted


def _frozen(values: np.ndarray, other: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    return np.full_like(values, values.max())


def _decoupled(values: np.ndarray, other: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    return other


def _noisy(values: np.ndarray, other: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    return values + rng.standard_normal(len(values))


def _dropout(values: np.ndarray, other: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    return np.where(rng.uniform(size=len(values)) < 1 / 3, min(values.min(), -2.0), values)


# By its kind: what a faulty sensor shows in place of `values`, given what one would show that is
# half a day off.
_FAULTS: dict[str, Callable[..., np.ndarray]] = {
    "offset": _offset,
    "frozen": _frozen,
    "decoupled": _decoupled,
    "noisy": _noisy,
    "dropout": _dropout,
}


def _lose(data: np.ndarray, fraction: float, rng: np.random.RandomState) -> np.ndarray:
    """Set about this fraction of the values to NaN, in short stretches."""
    # Each start loses the steps after it in the same channel; stretches may overlap.
    # A value stays if none of the four steps up to it is a start: (1 - rate)^4 = 1 - fraction.
    rate = 1 - (1 - fraction) ** (1 / _LOST_STEPS)
    is_start = rng.uniform(size=data.shape) < rate
    lost = is_start.copy()
    for lag in range(1, _LOST_STEPS):
        lost[lag:] |= is_start[:-lag]
    return np.where(lost, np.nan, data)
