"""How well the components of a code stand for known factors of the data, one each."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from sklearn.utils import Bunch, check_array, check_consistent_length

from .._arrays import as_array, naming_types

_N_BINS = 20  # of each component and factor, as Chen et al. have it


def disentanglement(codes: ArrayLike, factors: ArrayLike) -> Bunch:
    """Return how well single components of the code stand for single known factors.

    Parameters
    ----------
    codes : array-like of shape (n_samples, n_components)
        Latent codes.
    factors : array-like of shape (n_samples, n_factors)
        Known factors of the samples, such as position and angle in made images; numbers.

    Returns
    -------
    Bunch
        ``mutual_information``, ndarray of shape (n_components, n_factors): how much a
        component determines a factor, as a fraction of the factor's entropy. ``mig``, float: mean
        over factors of the difference between the two components that determine it best (the
        MIG of Chen et al.); 1 if one component has all and the others nothing.
        ``modularity``, float: 1 if each component determines only one factor.
        ``completeness``, float: 1 if each factor is determined by only one component.

    Raises
    ------
    ValueError
        If both are not matrices of as many rows without missing values.

    Notes
    -----
    Mutual information is that of histograms with 20 bins of equal counts, less what independent
    values of as many samples would show by chance. Values that occur often share a bin.

    References
    ----------
    Chen et al. (2018). Isolating sources of disentanglement in variational autoencoders. NeurIPS.

    Ridgeway and Mozer (2018). Learning deep disentangled embeddings with the F-statistic loss.
    NeurIPS. (Modularity.)

    Examples
    --------
    >>> import numpy as np
    >>> from skae.inspection import disentanglement
    >>> factors = np.random.default_rng(0).uniform(size=(2000, 2))
    >>> round(disentanglement(factors[:, ::-1], factors).mig, 2)
    1.0
    >>> mixed = factors @ [[1, 1], [1, -1]]
    >>> round(disentanglement(mixed, factors).mig, 2)
    0.01
    """
    tables = [_read(codes, "codes"), _read(factors, "factors")]
    check_consistent_length(*tables)
    code_bins, factor_bins = ([_bins(each) for each in table.T] for table in tables)
    information = np.array([[_information(z, v) for v in factor_bins] for z in code_bins])
    entropies = np.array([_entropy(np.bincount(each)) for each in factor_bins])
    # A factor that never changes is determined by nothing.
    fractions = np.divide(
        information, entropies, out=np.zeros_like(information), where=entropies > 0
    )
    ordered = np.sort(np.vstack([fractions, np.zeros(len(factor_bins))]), axis=0)
    varies = entropies > 0
    return Bunch(
        mutual_information=fractions,
        mig=float((ordered[-1] - ordered[-2])[varies].mean()) if varies.any() else float("nan"),
        modularity=_concentration(fractions[:, varies]),
        completeness=_concentration(fractions[:, varies].T),
    )


def _read(table: Any, name: str) -> np.ndarray:
    table = as_array(table, name)
    with naming_types(table, name):
        checked: np.ndarray = check_array(table, input_name=name, dtype=float)
    return checked


def _bins(values: np.ndarray) -> np.ndarray:
    """Return the bin of each value: by rank, with equal values in the same one."""
    ranks = (rankdata(values, method="average") - 0.5) / len(values)
    bins: np.ndarray = np.unique(np.floor(ranks * _N_BINS), return_inverse=True)[1]
    return bins


def _entropy(counts: np.ndarray) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())


def _information(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mutual information of two lists of bins in nats, 0 at least."""
    n_a, n_b = a.max() + 1, b.max() + 1
    joint = np.bincount(a * n_b + b, minlength=n_a * n_b)
    found = _entropy(np.bincount(a)) + _entropy(np.bincount(b)) - _entropy(joint)
    # What independent values show by chance (Miller and Madow); nothing is lost where the bins
    # determine each other, since then as few are filled as there are.
    n_filled = np.count_nonzero(joint)
    by_chance = (n_filled - n_a - n_b + 1) / (2 * len(a))
    return float(max(0.0, found - max(0.0, by_chance)))


def _concentration(fractions: np.ndarray) -> float:
    """Return how far each row has all in one column: a mean, weighted by the largest of the row.

    A component that knows next to nothing has noise in all columns, and counts accordingly.
    """
    squares = fractions**2
    largest = squares.max(axis=1, initial=0)
    used = largest > 0
    if not used.any():
        return float("nan")
    if squares.shape[1] == 1:
        return 1.0
    others = squares[used].sum(axis=1) - largest[used]
    concentrations = 1 - others / (largest[used] * (squares.shape[1] - 1))
    return float(np.average(concentrations, weights=np.sqrt(largest[used])))
