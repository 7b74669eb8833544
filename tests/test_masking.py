"""Missing values are masked, and imputed, by every estimator that has a network."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from small import FOR_IMAGES, NETWORKS, images

from skae import (
    AutoencoderClassifier,
    AutoencoderRegressor,
    HybridAutoencoder,
    SequencePredictor,
    VariationalAutoencoder,
)
from skae.losses import LOSSES, Criterion
from skae.models.variational import VariationalNetwork
from skae.networks.standardization import Standardization

OF_ROWS = sorted({*NETWORKS} - {"SequencePredictor"})


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X[:300, :16]), y[:300]


@pytest.fixture(scope="module")
def missing(cancer):
    return np.random.default_rng(0).random(cancer[0].shape) < 0.2


@pytest.fixture(scope="module")
def lost(cancer, missing):
    return np.where(missing, np.nan, cancer[0])


_FITTED = {}


def fitted(name, lost, y):
    """The estimator fitted on rows with missing values, once."""
    if name not in _FITTED:
        parameters = {"missing_values": "mask", "n_components": 4, "max_iter": 25}
        _FITTED[name] = clone(NETWORKS[name]).set_params(**parameters).fit(lost, y)
    return _FITTED[name]


@pytest.mark.parametrize("name", OF_ROWS)
def test_missing_values_are_imputed_better_than_by_means(name, cancer, missing, lost):
    estimator = fitted(name, lost, cancer[1])
    imputed = estimator.impute(lost)
    np.testing.assert_array_equal(imputed[~missing], lost[~missing])
    means = SimpleImputer().fit_transform(lost)
    errors = [np.mean((filled - cancer[0])[missing] ** 2) for filled in (imputed, means)]
    assert errors[0] < 0.75 * errors[1]


@pytest.mark.parametrize("name", OF_ROWS)
def test_every_method_takes_missing_values(name, cancer, lost):
    estimator = fitted(name, lost, cancer[1])
    for method in ("transform", "reconstruct", "score_samples", "predict", "predict_proba"):
        if hasattr(estimator, method):
            assert np.isfinite(getattr(estimator, method)(lost)).all(), method
    assert np.isfinite(estimator.score(lost, cancer[1]))
    assert np.isfinite(estimator.reconstruction_err_)


@pytest.mark.parametrize("name", OF_ROWS)
def test_imputing_keeps_the_type_and_the_layout(name, cancer, lost):
    estimator = fitted(name, lost, cancer[1])
    assert estimator.impute(lost.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(
        estimator.impute(sparse.csr_matrix(lost[:9])), estimator.impute(lost[:9]), atol=1e-9
    )


@pytest.mark.parametrize(
    "name", [name for name, each in FOR_IMAGES.items() if hasattr(each, "missing_values")]
)
def test_images_are_imputed_as_images(name):
    X, y = images()
    X = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
    estimator = clone(FOR_IMAGES[name]).set_params(missing_values="mask").fit(X, y)
    imputed = estimator.impute(X)
    assert imputed.shape == X.shape
    assert np.isfinite(imputed).all()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_imputed_to_frames_where_these_are_asked_for(library, cancer, lost):
    names = [f"c{i}" for i in range(16)]
    X = pd.DataFrame(lost, columns=names) if library == "pandas" else pl.DataFrame(lost, names)
    estimator = clone(NETWORKS["VariationalAutoencoder"]).set_params(missing_values="mask")
    imputed = estimator.fit(X).set_output(transform=library).impute(X)
    assert type(imputed) is type(X)
    assert list(imputed.columns) == names


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_tag_and_the_method_follow_the_parameter(name):
    for missing_values, masks in ((None, False), ("mask", True)):
        estimator = clone(NETWORKS[name]).set_params(missing_values=missing_values)
        assert get_tags(estimator).input_tags.allow_nan == masks
        assert hasattr(estimator, "impute") == (masks and name != "SequencePredictor")


@pytest.mark.parametrize("name", sorted({*NETWORKS} - {"SequencePredictor"}))
def test_missing_values_are_refused_unless_asked_for_by_the_estimator_itself(name, cancer, lost):
    estimator = clone(NETWORKS[name])
    message = rf"{type(estimator).__name__}\(missing_values='mask'\)"
    with pytest.raises(ValueError, match=message):
        estimator.fit(lost, cancer[1])


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_complete_rows_are_encoded_as_without_the_parameter(name, cancer):
    X, y = cancer[0][:60, :8], cancer[1][:60]
    plain = clone(NETWORKS[name]).fit(X, y)
    network = plain.module_
    codes = plain.transform(X)
    network.mask_missing = True
    np.testing.assert_array_equal(plain.transform(X), codes)


def test_classes_are_predicted_as_well_as_after_imputing(cancer, lost):
    ours = AutoencoderClassifier(4, missing_values="mask", max_iter=20, random_state=0)
    imputed = make_pipeline(SimpleImputer(), LogisticRegression(max_iter=500))
    scores = [cross_val_score(each, lost, cancer[1], cv=3).mean() for each in (ours, imputed)]
    assert scores[0] > scores[1] - 0.02


def test_targets_are_predicted_from_incomplete_rows(cancer, missing, lost):
    train, test = train_test_split(np.arange(len(lost)), random_state=0)
    y = cancer[0][:, 0] + cancer[0][:, 5]
    X = lost[:, [1, 2, 3, 4, 6, 7, 8]]
    regressor = AutoencoderRegressor(3, missing_values="mask", max_iter=20, random_state=0)
    assert regressor.fit(X[train], y[train]).score(X[test], y[test]) > 0.85


@pytest.mark.parametrize("distill", [False, True])
def test_a_reducer_that_takes_missing_values_gets_them(distill, cancer, lost):
    from skae import Autoencoder

    reducer = Autoencoder(3, missing_values="mask", max_iter=3, random_state=0)
    hybrid = HybridAutoencoder(
        reducer=reducer, distill=distill, missing_values="mask", max_iter=5, random_state=0
    ).fit(lost)
    assert np.isfinite(hybrid.reconstruct(lost)).all()
    if not distill:
        np.testing.assert_array_equal(hybrid.transform(lost), hybrid.reducer_.transform(lost))


def waves():
    phases = np.random.RandomState(0).uniform(0, 2 * np.pi, (200, 1, 2))
    complete = np.sin(phases + np.arange(12)[:, None] / 2)
    gone = np.random.default_rng(0).random(complete.shape) < 0.15
    return complete, np.where(gone, np.nan, complete)


def test_the_next_frame_is_predicted_from_incomplete_ones():
    complete, lost = waves()
    predictor = SequencePredictor(
        4, hidden_size=32, missing_values="mask", max_iter=40, random_state=0
    ).fit(lost)
    errors = np.mean((predictor.predict(lost[:, :-1]) - complete[:, -1]) ** 2)
    assert errors < 0.3 * complete.var()
    assert np.isfinite(predictor.forecast(lost, n_steps=3)).all()
    assert np.isfinite(predictor.score(lost))
    assert np.isfinite(predictor.reconstruction_err_)


def test_incomplete_sequences_are_refused_unless_asked_for():
    with pytest.raises(ValueError, match="NaN"):
        SequencePredictor(2, hidden_size=4, max_iter=1).fit(waves()[1])


# -- the likelihood ------------------------------------------------------------------------


def elbo(rows, loss="mse", n_features=6):
    """The bound of each row, by a network whose noise has a variance of its own."""
    torch.manual_seed(0)
    standardization = Standardization(torch.zeros(n_features), 2.0, sigmoid=loss == "bce")
    network = VariationalNetwork(
        torch.nn.Linear(n_features, 4), torch.nn.Linear(2, n_features), standardization, 2,
        mask_missing=True,
    ).double().eval()  # fmt: skip
    network.noise_variance.fill_(0.3)
    draws = torch.tensor([[0.5, -0.5], [-0.5, 0.5]])
    criterion = Criterion(LOSSES[loss], observed_only=True)
    with torch.no_grad():
        return network, network.evidence_bound(rows, draws, criterion)[:, 0]


def test_the_bound_of_incomplete_rows_is_that_of_their_observed_values():
    rows = torch.randn(5, 6, generator=torch.Generator().manual_seed(0)).double()
    rows[:, 4:] = torch.nan
    network, bound = elbo(rows)
    # The same network without the outputs of the missing features; these are zeros to the encoder.
    with torch.no_grad():
        small = VariationalNetwork(
            torch.nn.Linear(4, 4), torch.nn.Linear(2, 4), Standardization(torch.zeros(4), 2.0), 2
        ).double().eval()  # fmt: skip
        small.noise_variance.fill_(0.3)
        small.encoder.weight.copy_(network.encoder.weight[:, :4])
        small.encoder.bias.copy_(network.encoder.bias)
        small.decoder.weight.copy_(network.decoder.weight[:4])
        small.decoder.bias.copy_(network.decoder.bias[:4])
        draws = torch.tensor([[0.5, -0.5], [-0.5, 0.5]])
        expected = small.evidence_bound(rows[:, :4], draws, Criterion(LOSSES["mse"]))[:, 0]
    torch.testing.assert_close(bound, expected)


def test_a_row_without_observed_values_costs_its_divergence_alone():
    rows = torch.full((1, 6), torch.nan).double()
    network, bound = elbo(rows)
    mean, log_variance = network._distribution(rows)
    divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum() / 2
    assert bound.item() == pytest.approx(-divergence.item())


def test_the_noise_variance_is_that_of_observed_values(lost):
    vae = VariationalAutoencoder(4, missing_values="mask", max_iter=30, random_state=0).fit(lost)
    squares = np.nanmean((vae.reconstruct(lost) - lost) ** 2)
    # Training also hides values, and decodes drawn codes.
    assert squares < vae.noise_variance_ < 4 * squares
