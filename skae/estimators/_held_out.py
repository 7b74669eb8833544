"""The rows that a detector holds out from fitting, and the weight of each of them."""

from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

# Up to so many rows, a row of weight two is split as two rows are: one of them may be held out.
# Of more rows each is held out as a whole, for what that changes is small and digests take time.
_MAX_COUNTED_ROWS = 1000


class Split(NamedTuple):
    """Rows that are held out and rows that are fitted.

    Attributes
    ----------
    held_out, fitted : ndarray of int
        Indices in random order. A row of several counts may be in both, and several times.
    weight_once : ndarray of shape (n_samples,), or None
        Weight of each occurrence of a row; None without weights.
    """

    held_out: np.ndarray
    fitted: np.ndarray
    weight_once: np.ndarray | None

    def weights(self, rows):
        """Return the weights of occurrences of rows, or None where all count the same."""
        if self.weight_once is None:
            return None
        used = self.weight_once[np.concatenate([self.held_out, self.fitted])]
        return self.weight_once[rows] if np.ptp(used) > 0 else None

    def fitted_once(self):
        """Return each fitted row once, in the order of `fitted`, and its weight or None."""
        if self.weight_once is None:
            return self.fitted, None
        # By the first occurrence, so that the random order is kept.
        rows, first, n_times = np.unique(self.fitted, return_index=True, return_counts=True)
        order = np.argsort(first)
        return rows[order], (self.weight_once[rows] * n_times)[order]


def split_rows(X, weights, fraction, random_state):
    """Hold out a fraction of the rows of X whose weight is above zero, at random.

    Raises
    ------
    ValueError
        If fewer than two rows are left to fit.
    """
    rows, weight_once = _occurrences(X, weights)
    # At least one: without held-out scores there would be no p-values.
    n_held_out = max(1, round(fraction * len(rows)))
    if len(rows) - n_held_out < 2:
        raise ValueError(
            f"calibration_fraction={fraction} of {len(rows)} rows leaves "
            f"{len(rows) - n_held_out} to fit, expected two or more."
        )
    rows = rows[check_random_state(random_state).permutation(len(rows))]
    return Split(rows[:n_held_out], rows[n_held_out:], weight_once)


def _occurrences(X, weights):
    """Return the rows to split, some of them repeatedly, and the weight of each occurrence.

    Weights of a few rows that are whole numbers are counts. These rows, and rows of which some
    are equal, are sorted: else the same rows in another order would be split otherwise, and a
    row given twice otherwise than one of weight two.
    """
    used = np.arange(X.shape[0]) if weights is None else np.flatnonzero(weights)
    counts = np.ones(len(used), dtype=int)
    if weights is not None and _are_counts(weights[used]):
        counts, weights = weights[used].astype(int), np.ones(X.shape[0])
    if counts.sum() > _MAX_COUNTED_ROWS:
        return used, weights
    digests = [_digest(X, row) for row in used]
    if counts.max() == 1 and len(set(digests)) == len(digests):
        return used, weights
    order = np.array(sorted(range(len(used)), key=digests.__getitem__))
    return np.repeat(used[order], counts[order]), weights


def _are_counts(weights):
    """Return whether weights, not all the same, are whole numbers of a small sum."""
    is_whole = np.ptp(weights) > 0 and (weights % 1 == 0).all()
    return is_whole and weights.sum() <= _MAX_COUNTED_ROWS


def _digest(X, row):
    values = X[[row]].toarray() if sparse.issparse(X) else np.ascontiguousarray(X[row])
    return blake2b(values.tobytes(), digest_size=16).digest()
