"""A column of each kind as a group of numbers, of mean zero and a total variance of one."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

# Encoded numbers further from zero than this are cut before they are decoded: the hyperbolic sine
# of robust scaling overflows, and no column of data reaches as far.
MAX_ENCODED = 100.0
# Quantiles of 'quantile': scikit-learn's default.
_N_QUANTILES = 1000


@dataclass
class Column:
    """How a column is encoded; the fields are learned from its training values.

    Attributes
    ----------
    name : object
    label : str
        The name within names of encoded features.
    center, scale : ndarray of shape (n_encoded,)
        Encoded numbers times scale plus center are the raw ones: indicators in [0, 1] for
        categories.
    """

    name: Any
    label: str
    center: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scale: np.ndarray = field(default_factory=lambda: np.ones(0))

    # How a network compares the group: 'squared', 'softmax' or 'sigmoid'.
    loss = "squared"
    # Parts of the group that vary apart, such as trend and cycles of a date.
    has_parts = False

    @property
    def n_encoded(self):
        """Return the number of encoded features."""
        return len(self.center)

    def encode(self, source):
        """Return a column as an array (n_samples, n_encoded), NaN where it is missing."""
        encoded = (self.raw(source.values, source.missing) - self.center) / self.scale
        # All numbers of a column are missing together: networks look at the first one only.
        encoded[self.unknown(source)] = np.nan
        return encoded

    def decode(self, encoded):
        """Return the values of encoded numbers (n_samples, n_encoded)."""
        encoded = np.clip(encoded, -MAX_ENCODED, MAX_ENCODED)
        return self.values(encoded * self.scale + self.center)

    def unknown(self, source):
        """Return which values are missing, or as good as missing."""
        return source.missing

    def raw(self, values, missing):
        """Return values as raw numbers (n_samples, n_encoded); those of missing ones may be any."""
        raise NotImplementedError

    def values(self, raw):
        """Return the values that raw numbers (n_samples, n_encoded) stand for."""
        raise NotImplementedError

    def drawn(self, raw, generator):
        """Return raw numbers drawn from decoded ones, which are probabilities of categories."""
        return raw

    def feature_names(self):
        """List the names of the encoded features."""
        return [self.label]

    def _standardize(self, raw, known):
        """Let the group have mean zero and total variance one over the known rows."""
        known = raw[known]
        self.center = known.mean(axis=0)
        # One scale for the group: a column counts once, however many categories it has.
        deviation = np.sqrt(known.var(axis=0).sum()) or 1.0
        self.scale = np.full(raw.shape[1], deviation)
        return self


@dataclass
class ConstantColumn(Column):
    """A column of one value, or of none: it needs no number.

    Attributes
    ----------
    inner : Column or None
        What decodes the value; None for a column without any.
    constant : ndarray of shape (1, n_raw)
        The raw numbers of the value.
    """

    inner: Column | None = None
    constant: np.ndarray = field(default_factory=lambda: np.zeros((1, 0)))

    def raw(self, values, missing):
        return np.empty((len(values), 0))

    def values(self, raw):
        if self.inner is None:
            # Nothing is known but the name: all of it stays missing.
            return np.full(len(raw), None)
        return self.inner.values(np.repeat(self.constant, len(raw), axis=0))

    def feature_names(self):
        return []


@dataclass
class NumericColumn(Column):
    """A column of numbers.

    Attributes
    ----------
    scaler : estimator
        Of scikit-learn, fitted to a table of only this column.
    is_whole : bool
        Whether all known values are integers, so that decoded ones are rounded.
    """

    scaler: Any = None
    is_whole: bool = False

    @classmethod
    def learn(cls, source, label, *, numeric_scaling, **options):
        """Fit the scaler to the known values."""
        known = source.values[~source.missing].astype(np.float64)
        scaler = SCALERS[numeric_scaling](len(known)).fit(known[:, None])
        is_whole = bool((known % 1 == 0).all())
        column = cls(source.name, label, scaler=scaler, is_whole=is_whole)
        # Once more: robust scaling leaves another mean and variance than the group is to have.
        return column._standardize(column.raw(known, None), slice(None))

    def raw(self, values, missing):
        # Scalers let NaN pass.
        values = values.astype(np.float64)
        if missing is not None:
            values = np.where(missing, np.nan, values)
        return self.scaler.transform(values[:, None])

    def values(self, raw):
        values = self.scaler.inverse_transform(raw)[:, 0]
        return np.rint(values) if self.is_whole else values


def _standard(n_rows):
    return StandardScaler()


def _robust(n_rows):
    """Return a scaler that is linear near the median, and logarithmic in the tails."""
    return make_pipeline(
        # First of all, for a column whose interquartile range is zero.
        StandardScaler(),
        RobustScaler(unit_variance=True),
        FunctionTransformer(np.arcsinh, np.sinh),
    )


def _quantile(n_rows):
    return QuantileTransformer(
        n_quantiles=min(_N_QUANTILES, n_rows), output_distribution="normal", subsample=None
    )


SCALERS = {"standard": _standard, "robust": _robust, "quantile": _quantile}


@dataclass
class BooleanColumn(Column):
    """A column of truth values: one number."""

    loss = "sigmoid"

    @classmethod
    def learn(cls, source, label, **options):
        """Learn how often the value is true."""
        column = cls(source.name, label)
        return column._standardize(column.raw(source.values, None), ~source.missing)

    def raw(self, values, missing):
        # Of objects, those that are missing are no truth values.
        return np.array([value is True or value == 1 for value in values], float)[:, None]

    def values(self, raw):
        return raw[:, 0] > 0.5

    def drawn(self, raw, generator):
        return (generator.uniform(size=(len(raw), 1)) < raw).astype(float)


@dataclass
class CategoricalColumn(Column):
    """A column of categories: an indicator for each, and one for all rare ones together.

    Attributes
    ----------
    categories : list
        The categories that have an indicator, and last the one for which all rare ones stand.
    rare : list
        Other rare categories, which share the last indicator.
    pools_unknown : bool
        Whether categories unseen in training count as rare ones; otherwise they are missing.
    """

    categories: list = field(default_factory=list)
    rare: list = field(default_factory=list)
    pools_unknown: bool = False

    loss = "softmax"

    @classmethod
    def learn(cls, source, label, *, min_frequency, max_categories, handle_unknown, **options):
        """Learn the categories that occur, in the order of the type or else sorted."""
        known = source.values[~source.missing]
        found, counts = _counted(known, source.categories)
        # Not of ordered ones: a pool of the rare would have no place in their order.
        if cls is CategoricalColumn:
            found, rare = _pooled(found, counts, min_frequency, max_categories)
        else:
            rare = []
        pools_unknown = bool(rare) and handle_unknown == "infrequent_if_exist"
        column = cls(source.name, label, categories=found, rare=rare, pools_unknown=pools_unknown)
        return column._standardize(column.raw(source.values, source.missing), ~source.missing)

    def positions(self, values, missing):
        """Return the position of each value among the categories, -1 for missing or unseen."""
        places = {category: i for i, category in enumerate(self.categories)}
        # All rare ones have the position of the last category.
        places |= dict.fromkeys(self.rare, len(self.categories) - 1)
        other = len(self.categories) - 1 if self.pools_unknown else -1
        positions = np.array([places.get(value, other) for value in values], dtype=int)
        if missing is not None:
            positions[missing] = -1
        return positions

    def unseen(self, source):
        """List the values, in their order, that training did not see."""
        seen = {*self.categories, *self.rare}
        return list(dict.fromkeys(v for v in source.values[~source.missing] if v not in seen))

    def unknown(self, source):
        return self.positions(source.values, source.missing) < 0

    def raw(self, values, missing):
        # A position of -1 is the last row, whose one is in the column that is left out: zeros.
        return np.eye(len(self.categories) + 1)[self.positions(values, missing), :-1]

    def values(self, raw):
        return self._named(raw.argmax(axis=1))

    def drawn(self, raw, generator):
        limits = raw.cumsum(axis=1)
        # Times the sum, which rounding may move from one.
        draws = generator.uniform(size=(len(raw), 1)) * limits[:, -1:]
        return np.eye(raw.shape[1])[(draws > limits).sum(axis=1)]

    def _named(self, positions):
        names = np.empty(len(self.categories), dtype=object)
        names[:] = self.categories
        return names[positions]

    def feature_names(self):
        names = [f"{self.label}_{category}" for category in self.categories]
        if self.rare:
            names[-1] = f"{self.label}_infrequent"
        return names


@dataclass
class OrdinalColumn(CategoricalColumn):
    """A column of ordered categories: for each but the first, whether the value reaches it.

    References
    ----------
    Cheng, Wang and Pollastri (2008). A neural network approach to ordinal regression. IJCNN.
    """

    loss = "sigmoid"

    def raw(self, values, missing):
        steps = np.arange(1, len(self.categories))
        return (self.positions(values, missing)[:, None] >= steps).astype(float)

    def values(self, raw):
        return self._named((raw > 0.5).sum(axis=1))

    def drawn(self, raw, generator):
        # One number for all steps: a value that reaches one has reached those before.
        draws = generator.uniform(size=(len(raw), 1))
        return (draws < np.minimum.accumulate(raw, axis=1)).astype(float)

    def feature_names(self):
        return [f"{self.label}>={category}" for category in self.categories[1:]]


def _counted(known, order):
    """Return the distinct values, sorted or in the given order, and how often each occurs."""
    counts = {}
    for value in known:
        counts[value] = counts.get(value, 0) + 1
    if order is not None:
        found = [category for category in order if category in counts]
    else:
        try:
            found = sorted(counts)
        except TypeError:  # values of several types have no order
            found = list(counts)
    return found, [counts[value] for value in found]


def _pooled(found, counts, min_frequency, max_categories):
    """Return categories with an indicator of their own, and rare ones, as `OneHotEncoder` does."""
    least = (
        min_frequency
        if min_frequency is None or min_frequency >= 1
        else (min_frequency * sum(counts))
    )
    order = sorted(range(len(found)), key=lambda i: -counts[i])
    rare = {i for i in order if least is not None and counts[i] < least}
    if max_categories is not None and len(found) - len(rare) + bool(rare) > max_categories:
        rare |= set(order[max_categories - 1 :])
    # A single one keeps its own name and indicator: a pool of one gains nothing.
    if len(rare) < 2:
        return found, []
    # The most frequent of them stands for all where they are decoded.
    first, *others = sorted(rare, key=lambda i: -counts[i])
    kept = [found[i] for i in range(len(found)) if i not in rare]
    return [*kept, found[first]], [found[i] for i in others]
