"""Whether a batch of rows looks like the training rows: tests of scores and features."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from .._arrays import is_missing
from .._utils import import_optional

# Features that `ShiftTest.plot` shows.
_MAX_BARS = 20


@dataclass(frozen=True)
class ShiftTest:
    """Whether a batch of rows looks like the training rows, as a detector has tested it.

    It is returned by :meth:`skae.ReconstructionOutlierDetector.shift_test`.

    Parameters
    ----------
    p_value : float
        Of the whole test: how often a batch from the population of the training rows would look
        at least as different in its scores or in any feature.
    score_p_value : float
        Of only the rows' scores.
    features : list of str
        The features that moved, with `alpha` as the probability of naming any by mistake.
    alpha : float
        The level of the test.
    records : list of dict
        A dict for each feature, the rows of `table`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skae import ReconstructionOutlierDetector
    >>> X = load_diabetes(as_frame=True, scaled=False).data
    >>> detector = ReconstructionOutlierDetector(random_state=0).fit(X[::2])
    >>> shift = detector.shift_test(X[1::2].assign(age=X["age"] + 15))
    >>> shift.features
    ['age']
    >>> bool(shift.p_value < 0.001)
    True
    """

    p_value: float
    score_p_value: float
    features: list[Any]
    alpha: float
    records: list[dict[str, Any]]

    @property
    def has_shifted(self) -> bool:
        """Whether the p-value is at most `alpha`."""
        return self.p_value <= self.alpha

    @property
    def table(self) -> Any:
        """The tests of the features as a pandas DataFrame, the most different first.

        ``p-value`` is corrected for the number of features, and for the number of tests of each:
        of its values, of their deviations from the reconstructions, and of how many are missing.
        ``distance`` is the largest difference between the distribution functions of its values,
        from 0 to 1. ``in training`` and ``in X`` are medians, or the most frequent categories.
        """
        frame = import_optional("pandas", "plot").DataFrame(self.records).set_index("feature")
        return frame.sort_values(["p-value", "distance"], ascending=[True, False], kind="stable")

    def plot(self, ax: Any = None) -> Any:
        """Draw how far the distribution of each feature is from that in training.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. If None, a new figure is made.

        Returns
        -------
        ax : matplotlib Axes
            The axes. Features that moved have a color of their own; of many features the twenty
            most different ones are drawn.
        """
        ax = import_optional("matplotlib.pyplot", "plot").subplots()[1] if ax is None else ax
        # Bars are drawn from the bottom up: the most different feature comes last, on top.
        shown = self.table.iloc[:_MAX_BARS][::-1]
        colors = ["C1" if moved else "0.7" for moved in shown["moved"]]
        ax.barh([str(name) for name in shown.index], shown["distance"], color=colors)
        ax.set_xlabel("distance between the distributions, in training and in X")
        ax.set_title(f"p-value {self.p_value:.2g}, moved: {len(self.features)}")
        return ax


def compared(
    names: list[Any],
    scores: tuple[np.ndarray, np.ndarray],
    values: tuple[list[np.ndarray], list[np.ndarray]],
    deviations: tuple[np.ndarray, np.ndarray],
    alpha: float,
) -> ShiftTest:
    """Test scores and features of a batch against those of training rows.

    Each pair holds what training has and what the batch has. Deviations are those of held-out
    rows: rows that were fitted deviate less than new ones.

    Parameters
    ----------
    names : list
        Of the features.
    scores : pair of ndarray of shape (n_samples,)
    values : pair of lists of ndarray of shape (n_samples,)
        Values of each feature: floats, or objects for categories.
    deviations : pair of ndarray of shape (n_samples, n_features)
    alpha : float
    """
    tested = [
        _tested(*each) for each in zip(*values, deviations[0].T, deviations[1].T, strict=True)
    ]
    # Holm's correction holds for dependent features, and finds no less than Bonferroni's.
    adjusted = _holm(np.array([p_value for p_value, *_ in tested]))
    records = [
        {
            "feature": name,
            "p-value": float(p_value),
            "moved": bool(p_value <= alpha),
            "distance": distance,
            "in training": before,
            "in X": now,
        }
        for name, p_value, (_, distance, before, now) in zip(names, adjusted, tested, strict=True)
    ]
    # Beside the features: they may all look as before and still not go together.
    of_scores = float(stats.ks_2samp(*scores).pvalue)
    return ShiftTest(
        # Two tests, of the scores and of all features.
        p_value=float(min(1.0, 2 * min(of_scores, adjusted.min()))),
        score_p_value=of_scores,
        features=[record["feature"] for record in records if record["moved"]],
        alpha=alpha,
        records=records,
    )


def _holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values corrected for their number, valid however the tests depend on each other."""
    order = np.argsort(p_values, kind="stable")
    # The smallest of m times m, the next times m - 1, and so on; none ends below the one before.
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1)
    return adjusted


def _tested(
    old: np.ndarray, new: np.ndarray, old_deviations: np.ndarray, new_deviations: np.ndarray
) -> tuple[float, float, Any, Any]:
    """Return p-value, distance, and usual value before and now, of one feature."""
    is_known, is_known_now = ~is_missing(old), ~is_missing(new)
    test = _test_categories if old.dtype == object else _test_numbers
    found = [
        test(old[is_known], new[is_known_now]),
        # Missing values have no deviation.
        _test_numbers(
            old_deviations[~np.isnan(old_deviations)], new_deviations[~np.isnan(new_deviations)]
        ),
    ]
    if not (is_known.all() and is_known_now.all()):
        counts = [[known.sum(), (~known).sum()] for known in (is_known, is_known_now)]
        # Exact for a few missing values as well, unlike chi-squared.
        found.append((float(stats.fisher_exact(counts).pvalue), 0.0))
    usual = _most_frequent if old.dtype == object else _median
    # Bonferroni's correction for the tests of one feature; `_holm` corrects for the features.
    p_value = min(1.0, len(found) * min(p_value for p_value, _ in found))
    return p_value, found[0][1], usual(old[is_known]), usual(new[is_known_now])


def _test_numbers(old: np.ndarray, new: np.ndarray) -> tuple[float, float]:
    """Return p-value and statistic of a test of Kolmogorov and Smirnov."""
    if not (len(old) and len(new)):
        # No evidence: whether values are missing more often is tested apart.
        return 1.0, 0.0
    found = stats.ks_2samp(old, new)
    return float(found.pvalue), float(found.statistic)


def _test_categories(old: np.ndarray, new: np.ndarray) -> tuple[float, float]:
    """Return p-value of a chi-squared test, and the total variation distance."""
    # Categories of several types cannot be compared with each other.
    names = sorted({*old.tolist(), *new.tolist()}, key=str)
    if len(names) < 2 or not (len(old) and len(new)):
        return 1.0, 0.0
    counts = np.array([[np.sum(part == name) for name in names] for part in (old, new)], float)
    frequencies = counts / counts.sum(axis=1, keepdims=True)
    distance = float(np.abs(frequencies[0] - frequencies[1]).sum() / 2)
    return float(stats.chi2_contingency(_pooled(counts)).pvalue), distance


def _pooled(counts: np.ndarray) -> np.ndarray:
    """Put rare categories together: chi-squared needs about five expected rows of each."""
    # Of the smaller batch, in which they are fewer.
    expected = counts.sum(axis=0) * counts.sum(axis=1).min() / counts.sum()
    rare = expected < 5
    # A single one would be put together with nothing.
    if rare.sum() < 2:
        return counts
    return np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else math.nan


def _most_frequent(values: np.ndarray) -> Any:
    # As text, which can be sorted whatever the types.
    names, counts = np.unique(values.astype(str), return_counts=True)
    return names[counts.argmax()] if len(names) else None
