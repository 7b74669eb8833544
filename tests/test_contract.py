"""scikit-learn's own estimator checks over every public estimator, with no exception made."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import Autoencoder

ESTIMATORS = [
    Autoencoder(),
    Autoencoder(architecture="conv", max_iter=10),
]


@parametrize_with_checks(ESTIMATORS)
def test_estimator_keeps_the_contract(estimator, check):
    check(estimator)
