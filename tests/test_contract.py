"""scikit-learn's own estimator checks over every public estimator, with no exception made."""

from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.utils.estimator_checks import parametrize_with_checks

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Denoiser,
    HybridAutoencoder,
    ParametricUMAP,
    ReconstructionOutlierDetector,
    SequenceAutoencoder,
    SequencePredictor,
    SeriesForecaster,
    SeriesOutlierDetector,
    TableAutoencoder,
    TableEncoder,
    VariationalAutoencoder,
    Windows,
)
from skae.architectures import Dense

# Few epochs: of Autoencoder and of the detectors, the defaults are checked as they are.
QUICK = {"max_iter": 3}
# Fast learners, for which three epochs are enough. By the tolerance, a check that sets a thousand
# epochs ends early.
QUICK_JOINT = {"architecture": Dense(16), "learning_rate_init": 0.02, "tol": 0.1, **QUICK}

ESTIMATORS = [
    Autoencoder(),
    Autoencoder(architecture="conv", **QUICK),
    Autoencoder(missing_values="mask", **QUICK),
    Autoencoder(ordered=True, **QUICK),
    VariationalAutoencoder(**QUICK),
    VariationalAutoencoder(architecture="conv", **QUICK),
    HybridAutoencoder(**QUICK),
    HybridAutoencoder(distill=True, **QUICK),
    AutoencoderClassifier(**QUICK_JOINT),
    AutoencoderRegressor(**QUICK_JOINT),
    # Neither decoder nor balance.
    AutoencoderClassifier(reconstruction_weight=0, **QUICK_JOINT),
    AutoencoderRegressor(reconstruction_weight=0.3, **QUICK_JOINT),
    Denoiser(**QUICK),
    Denoiser(n_components=2, noise="masking", noise_level=(0.1, 0.5), **QUICK),
    Denoiser("conv", n_components=1, **QUICK),
    ParametricUMAP(n_neighbors=5, **QUICK),
    SequencePredictor(**QUICK),
    SequencePredictor(4, cell="gru", hidden_size=16, architecture="conv", **QUICK),
    SequencePredictor(2, cell="tcn", n_steps=2, hidden_size=8, **QUICK),
    SequenceAutoencoder(**QUICK),
    SequenceAutoencoder(architecture="conv", missing_values="mask", **QUICK),
    ReconstructionOutlierDetector(),
    # Without a loss there is no error to tell rows by.
    ReconstructionOutlierDetector(PCA(1), method="error"),
    TableAutoencoder(**QUICK),
    TableAutoencoder(variational=True, **QUICK),
    TableEncoder(),
    TableEncoder(numeric_scaling="quantile", missing_values="nan"),
    # Rows are steps of a series, of which the checks give few.
    SeriesForecaster(1, n_lags=1),
    # Windows of one step where all steps are independent, as those of the checks.
    Windows(),
    SeriesOutlierDetector(),
    SeriesOutlierDetector(PCA(1), window=1, method="error"),
    # Takes sparse rows.
    ReconstructionOutlierDetector(TruncatedSVD(1)),
]


@parametrize_with_checks(ESTIMATORS)
def test_estimator_keeps_the_contract(estimator, check):
    check(estimator)
