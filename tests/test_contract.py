"""scikit-learn's own estimator checks over every public estimator, with no exception made."""

from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    HybridAutoencoder,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
)

QUICK_CONV = {"architecture": "conv", "max_iter": 10}

ESTIMATORS = [
    Autoencoder(),
    Autoencoder(**QUICK_CONV),
    VariationalAutoencoder(),
    VariationalAutoencoder(**QUICK_CONV),
    HybridAutoencoder(max_iter=10),
    HybridAutoencoder(distill=True, max_iter=10),
    AutoencoderClassifier(),
    AutoencoderRegressor(),
    ReconstructionOutlierDetector(),
    # Without a loss there is no error to tell rows by.
    ReconstructionOutlierDetector(PCA(1), method="error"),
]


@parametrize_with_checks(ESTIMATORS)
def test_estimator_keeps_the_contract(estimator, check):
    check(estimator)
