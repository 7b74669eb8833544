"""What a detector keeps of its training rows to test whether later batches look like them."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.metaestimators import available_if

from .._arrays import dense
from .._sklearn_compat import safe_indexing
from .._typing import MatrixLike
from ._detector_input import columns_of_table
from ._reducer import is_forecaster
from ._shift_tests import ShiftTest, compared

# Training rows that are kept, and values of all of them: a batch is compared with no more, since
# more find smaller shifts than matter, and would make files large.
_MAX_KEPT_ROWS, _MAX_KEPT_VALUES = 1000, 2**20

Method = TypeVar("Method", bound=Callable[..., Any])


def _reconstructs(detector: Any) -> bool:
    return not is_forecaster(detector.estimator)


# scikit-learn's decorator has no types, and would take those of the method.
if_reconstructs: Callable[[Method], Method] = available_if(_reconstructs)


class ShiftMixin:
    """The test of a batch, for detectors that hold out rows."""

    # Of the detector that this is mixed into.
    training_scores_: np.ndarray
    _read: Callable[[Any], tuple[Any, Any]]
    _score_samples: Callable[[Any, Any], np.ndarray]
    _deviations: Callable[[Any, Any], np.ndarray]

    def _keep_for_shift(self, samples: Any, seen: Any, split: Any) -> None:
        """Keep values of training rows, and scores and deviations of held-out ones."""
        n_features = math.prod(samples.shape[1:])
        n_rows = max(2, min(_MAX_KEPT_ROWS, _MAX_KEPT_VALUES // n_features))
        # Values depend on no fit, so that those of all rows are alike; held-out ones come first.
        held_out = _drawn(split.held_out, split, n_rows)
        rows = _drawn(np.concatenate([split.held_out, split.fitted]), split, n_rows)
        self._kept_values = self._columns(samples[rows], safe_indexing(seen, rows))
        self._kept_scores = self.training_scores_[held_out]
        self._kept_deviations = self._deviations(samples[held_out], safe_indexing(seen, held_out))

    @if_reconstructs
    def shift_test(self, X: MatrixLike, *, alpha: float = 0.05) -> ShiftTest:
        """Test whether the rows of X look like the training rows, as a whole.

        Not available for a `SequencePredictor`.

        `predict` looks at one row at a time and misses a change that leaves each row possible: all
        ages risen by a few years. Three kinds of tests see such changes: of the scores, which are
        compared with those of held-out rows, so that their conformal p-values would be uniform; of
        the values of each feature; and of their deviations from their expected values, which
        change where features no longer go together as they did. Numbers are compared by the
        two-sample test of Kolmogorov and Smirnov, categories by chi-squared, numbers of missing
        values by Fisher's exact test.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows, two at least, which were not in the training data. More find smaller shifts.
        alpha : float in (0, 1), default=0.05
            Level of the test: rows from the population of the training rows are said to have
            shifted with at most this probability, and so is any of their features. Rows must not
            depend on each other, as neighbors in a time series do.

        Returns
        -------
        shift : ShiftTest
            A p-value, the features that moved, a table of all features, and a plot of it. The
            p-values of features are corrected for their number by Holm's method, and the p-value
            of the whole is twice the smaller of the scores' and the features'.

        Raises
        ------
        ValueError
            If X has fewer than two rows or other features than in `fit`, or alpha is out of range.
        """
        check_scalar(alpha, "alpha", Real, min_val=0, max_val=1, include_boundaries="neither")
        samples, seen = self._read(X)
        if samples.shape[0] < 2:
            raise ValueError(
                f"X must be a batch of at least two rows, got {samples.shape[0]}: single rows have "
                "p_values."
            )
        return compared(
            self._names_of_features(),
            (self._kept_scores, self._score_samples(samples, seen)),
            (self._kept_values, self._columns(samples, seen)),
            (self._kept_deviations, self._deviations(samples, seen)),
            float(alpha),
        )

    def _columns(self, samples: Any, seen: Any) -> list[np.ndarray]:
        """Return the values of each feature."""
        if hasattr(self, "_encoder"):
            return columns_of_table(seen)
        rows = dense(samples).astype(np.float64, copy=False)
        return list(rows.reshape(len(rows), -1).T)

    def _names_of_features(self) -> list[Any]:
        names = getattr(self, "feature_names_in_", None)
        return [f"x{i}" for i in range(len(self._kept_values))] if names is None else list(names)


def _drawn(rows: np.ndarray, split: Any, n_rows: int) -> np.ndarray:
    """Return the first rows, which are in random order; of weighted rows a sample by weight."""
    weights = split.weights(rows)
    if weights is not None:
        # Each is kept with a probability by its weight, so that a plain test may compare them.
        draws = check_random_state(0).uniform(size=len(rows))
        rows = rows[draws * weights.max() < weights]
    return rows[:n_rows]
