"""The density of codes from which variational estimators sample."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.utils import check_random_state

from .._engine.data import TrainingSet
from .._typing import Seed

# The density of codes is fitted to at most this many rows, as a mixture of at most this many
# normal distributions with at least this many rows each: enough to estimate means and variances.
_DENSITY_ROWS, _MAX_PARTS, _MIN_PART_ROWS = 10_000, 50, 30


def fit_density(
    posterior: Callable[[Any], tuple[np.ndarray, np.ndarray]],
    training_set: TrainingSet,
    random_state: Seed,
) -> Any:
    """Return how codes drawn for the training rows are distributed, a GaussianMixture.

    Parameters
    ----------
    posterior : callable
        Returns means and standard deviations of the codes of rows.
    training_set : TrainingSet
    random_state : int, RandomState instance or None
    """
    # Imported here: it takes time, since it imports clustering and trees.
    from sklearn.mixture import GaussianMixture

    generator = check_random_state(random_state)
    X, weights = training_set.X, training_set.weights
    n_rows = min(X.shape[0], _DENSITY_ROWS)
    probabilities = None if weights is None else weights / weights.sum()
    # By their weights: a row of weight two describes two rows.
    chosen = generator.choice(X.shape[0], n_rows, replace=weights is not None, p=probabilities)
    # Sorted: rows of a memmap are read in their order.
    mean, std = posterior(X[np.sort(chosen)])
    # Draws and not means: a density of means is too narrow where codes are uncertain.
    codes = mean + std * generator.standard_normal(mean.shape)
    density = GaussianMixture(
        min(max(n_rows // _MIN_PART_ROWS, 1), _MAX_PARTS),
        # Full covariances would take n_components squared numbers each.
        covariance_type="diag",
        # Ten times scikit-learn's: a density to sample from needs no more iterations.
        tol=1e-2,
        random_state=generator.randint(2**31 - 1),
    )
    # Its start by k-means refuses to run under scikit-learn's dispatch of array libraries.
    with config_context(array_api_dispatch=False):
        return density.fit(codes)


def draw_codes(
    density: Any, n_samples: int, n_components: int, generator: np.random.RandomState
) -> np.ndarray:
    """Return codes (n_samples, n_components) drawn from a density, or from the prior for None."""
    # Standard normal numbers are draws from the prior, and deviations within the mixture.
    codes: np.ndarray = generator.standard_normal((n_samples, n_components))
    if density is None:
        return codes
    parts = generator.choice(density.n_components, n_samples, p=density.weights_)
    drawn: np.ndarray = density.means_[parts] + np.sqrt(density.covariances_[parts]) * codes
    return drawn
