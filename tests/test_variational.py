"""The variational autoencoder: its bound, its codes, and what it draws."""

import os
import pickle

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier

from skae import Autoencoder, VariationalAutoencoder
from skae.architectures import Conv, Custom, Dense
from skae.datasets import load_mnist

SMALL = Dense((64,))
QUICK = {"architecture": SMALL, "max_iter": 15, "random_state": 0}


@pytest.fixture(scope="module")
def vae(digits):
    return VariationalAutoencoder(8, **QUICK).fit(digits)


@pytest.fixture(scope="module")
def bernoulli(digit_images):
    parameters = QUICK | {"architecture": Conv((8, 16)), "max_iter": 8}
    return VariationalAutoencoder(8, loss="bce", **parameters).fit(digit_images)


def divergence(vae, X):
    """Mean Kullback-Leibler divergence from the prior in nats, by torch's formula."""
    mean, std = map(torch.from_numpy, vae.posterior(X))
    normal = torch.distributions.Normal
    prior = normal(torch.zeros_like(mean), torch.ones_like(std))
    return torch.distributions.kl_divergence(normal(mean, std), prior).sum(1).mean().item()


# -- the divergence is real --------------------------------------------------------------------


def test_divergence_of_the_gaussian_likelihood_is_above_one_nat(vae, digits):
    assert divergence(vae, digits) > 1
    assert vae.history_[-1]["valid_kl"] == pytest.approx(divergence(vae, digits), rel=0.1)


def test_divergence_of_the_bernoulli_likelihood_is_above_one_nat(bernoulli, digit_images):
    assert divergence(bernoulli, digit_images) > 1
    assert bernoulli.history_[-1]["valid_kl"] > 1


@pytest.mark.parametrize("unit", [1e-4, 1e4])
def test_units_of_the_data_change_the_bound_by_their_logarithm_alone(vae, digits, unit):
    scaled = clone(vae).fit(digits * unit)
    expected = vae.score_samples(digits) - 64 * np.log(unit)
    np.testing.assert_allclose(scaled.score_samples(digits * unit), expected, atol=0.5)
    assert scaled.noise_variance_ == pytest.approx(vae.noise_variance_ * unit**2, rel=0.01)


def test_modules_of_ones_own_give_mean_and_log_variance_in_turn(digits):
    mine = Custom(torch.nn.Linear(64, 16), torch.nn.Linear(8, 64))
    parameters = QUICK | {"architecture": mine, "learning_rate_init": 0.01}
    vae = VariationalAutoencoder(8, **parameters).fit(digits)
    assert divergence(vae, digits) > 1


def test_larger_beta_gives_a_smaller_divergence(vae, digits):
    strict = clone(vae).set_params(beta=10).fit(digits)
    assert divergence(strict, digits) < 0.7 * divergence(vae, digits)


def test_beta_of_zero_reconstructs_as_an_autoencoder_does(digits):
    free = VariationalAutoencoder(8, beta=0, **QUICK).fit(digits)
    plain = Autoencoder(8, **QUICK).fit(digits)
    assert free.score(digits) == pytest.approx(plain.score(digits), abs=0.03)


# -- the bound ---------------------------------------------------------------------------------


def test_training_starts_at_the_likelihood_of_probabilistic_pca(digits):
    start = VariationalAutoencoder(
        8, max_iter=1, learning_rate_init=1e-12, early_stopping=False, batch_size=10_000
    ).fit(digits)
    expected = PCA(8).fit(digits).score(digits)
    assert start.score_samples(digits).mean() == pytest.approx(expected, abs=0.01)


def test_trained_bound_is_above_probabilistic_pca_on_rows_held_out(digits):
    train, test = digits[::2], digits[1::2]
    bound = VariationalAutoencoder(8, **QUICK).fit(train).score_samples(test).mean()
    assert bound > PCA(8).fit(train).score(test)


def test_gaussian_bound_is_that_of_its_definition(vae, digits):
    X, (mean, std) = digits[:200], vae.posterior(digits[:200])
    generator = np.random.default_rng(0)
    log_likelihood = np.mean(
        [
            stats.norm.logpdf(
                X,
                vae.inverse_transform(mean + std * generator.standard_normal(mean.shape)),
                np.sqrt(vae.noise_variance_),
            ).sum(axis=1)
            for _ in range(300)
        ]
    )
    expected = log_likelihood - divergence(vae, X)
    assert vae.score_samples(X, n_draws=300).mean() == pytest.approx(expected, abs=0.3)
    assert vae.score_samples(X).mean() == pytest.approx(expected, abs=1)


def test_bernoulli_bound_is_that_of_its_definition(bernoulli, digit_images):
    X, (mean, std) = digit_images[:100], bernoulli.posterior(digit_images[:100])
    generator = np.random.default_rng(0)
    log_likelihoods = []
    for _ in range(100):
        p = bernoulli.inverse_transform(mean + std * generator.standard_normal(mean.shape))
        log_likelihoods.append((X * np.log(p) + (1 - X) * np.log1p(-p)).sum(axis=(1, 2)).mean())
    expected = np.mean(log_likelihoods) - divergence(bernoulli, X)
    assert bernoulli.score_samples(X, n_draws=100).mean() == pytest.approx(expected, abs=0.1)


def test_bound_tells_noise_from_digits(vae, digits):
    noise = np.random.default_rng(0).permuted(digits, axis=1)
    is_digit = np.repeat([1, 0], len(digits))
    scores = vae.score_samples(np.concatenate([digits, noise]))
    assert roc_auc_score(is_digit, scores) > 0.99


def test_noise_variance_is_the_squared_error_of_drawn_codes(vae, digits):
    mean, std = vae.posterior(digits)
    codes = mean + std * np.random.default_rng(0).standard_normal(mean.shape)
    error = np.mean((vae.inverse_transform(codes) - digits) ** 2)
    assert vae.noise_variance_ == pytest.approx(error, rel=0.1)


def test_bernoulli_likelihood_has_no_noise_variance(bernoulli):
    assert not hasattr(bernoulli, "noise_variance_")


def test_data_that_can_be_reconstructed_exactly_have_a_finite_bound(digits):
    flat = digits[:300, :3] @ np.ones((3, 6))
    vae = VariationalAutoencoder(4, max_iter=5, random_state=0).fit(flat)
    assert np.isfinite(vae.score_samples(flat)).all()
    assert vae.noise_variance_ > 0


def test_loss_is_the_sum_of_its_recorded_parts_but_for_a_constant(digits):
    vae = VariationalAutoencoder(4, beta=3, **QUICK).fit(digits)
    constants = [
        epoch["valid_loss"] - (epoch["valid_reconstruction"] + 3 * epoch["valid_kl"]) / 64
        for epoch in vae.history_
    ]
    np.testing.assert_allclose(constants, constants[0], atol=1e-4)
    assert min(vae.loss_curve_) > 0


# -- warm-up -----------------------------------------------------------------------------------


def test_warm_up_raises_the_training_loss_and_not_the_validation_loss(digits):
    vae = VariationalAutoencoder(
        4, kl_warmup=4, max_iter=6, learning_rate_init=1e-12, random_state=0
    ).fit(digits)
    train, valid = (np.array([e[f"{p}_loss"] for e in vae.history_]) for p in ("train", "valid"))
    divergences = np.array([e["train_kl"] for e in vae.history_])
    shares = np.array([0, 0.25, 0.5, 0.75, 1, 1])
    reached = train - shares * divergences / 64
    np.testing.assert_allclose(reached, reached[-1], atol=0.02)
    np.testing.assert_allclose(valid, valid[-1], atol=0.02)


def test_training_does_not_stop_before_the_end_of_the_warm_up(digits):
    vae = VariationalAutoencoder(4, kl_warmup=0.5, max_iter=20, n_iter_no_change=1, tol=0.5)
    assert vae.fit(digits[:300]).n_iter_ > 10


def test_warm_start_does_without_a_warm_up(digits):
    vae = VariationalAutoencoder(4, kl_warmup=5, max_iter=5, warm_start=True, random_state=0)
    first = vae.fit(digits[:300]).history_[0]
    again = vae.fit(digits[:300]).history_[0]
    assert again["train_loss"] > first["train_loss"] - 0.1


# -- codes -------------------------------------------------------------------------------------


def test_codes_are_the_means_of_the_posterior(vae, digits):
    mean, std = vae.posterior(digits)
    np.testing.assert_array_equal(vae.transform(digits), mean)
    assert mean.shape == std.shape == (len(digits), 8)
    assert (std > 0).all()


def test_codes_have_the_mean_and_the_variance_of_the_prior(vae, digits):
    mean, std = vae.posterior(digits)
    np.testing.assert_allclose(mean.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(mean.var(axis=0) + (std**2).mean(axis=0), 1, atol=0.1)


def test_codes_and_scores_do_not_change_from_call_to_call(vae, digits):
    np.testing.assert_array_equal(vae.transform(digits), vae.transform(digits))
    np.testing.assert_array_equal(vae.score_samples(digits), vae.score_samples(digits))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outputs_have_the_dtype_of_the_data(vae, digits, dtype):
    X = digits[:10].astype(dtype)
    outputs = [vae.transform(X), *vae.posterior(X), vae.reconstruct(X)]
    assert {output.dtype for output in outputs} == {np.dtype(dtype)}
    assert vae.score_samples(X).dtype == np.float64


def test_code_may_be_feature_maps(digit_images):
    maps = Conv((4, 8), bottleneck="none", linear_skip=False)
    vae = VariationalAutoencoder(16, **QUICK | {"architecture": maps, "max_iter": 3})
    assert vae.fit(digit_images).sample(2).shape == (2, 8, 8)


def test_pickle_keeps_codes_bound_and_samples(vae, digits):
    loaded = pickle.loads(pickle.dumps(vae))
    np.testing.assert_array_equal(loaded.transform(digits), vae.transform(digits))
    np.testing.assert_array_equal(loaded.score_samples(digits), vae.score_samples(digits))
    np.testing.assert_array_equal(loaded.sample(5, 0), vae.sample(5, 0))
    assert loaded.noise_variance_ == vae.noise_variance_


def test_partial_fit_improves_the_bound(digits):
    vae = VariationalAutoencoder(8, architecture=SMALL, random_state=0)
    first = vae.partial_fit(digits).score_samples(digits).mean()
    for _ in range(10):
        vae.partial_fit(digits)
    assert vae.score_samples(digits).mean() > first
    assert divergence(vae, digits) > 1


# -- samples -----------------------------------------------------------------------------------


def assert_recognised(samples, X, y):
    """A classifier is about as sure of the samples as of rows held out, and sees every class."""
    classifier = MLPClassifier((64,), learning_rate_init=0.01, tol=0.01, random_state=0).fit(
        X[::2], y[::2]
    )
    noise = np.random.default_rng(0).permuted(X[1::2], axis=1)
    of_samples, of_data, of_noise = (
        classifier.predict_proba(rows).max(axis=1).mean() for rows in (samples, X[1::2], noise)
    )
    assert of_samples > max(0.85, (of_data + of_noise) / 2)
    assert set(classifier.predict(samples)) == set(y)


def test_samples_are_digits_that_a_classifier_recognises(vae, digits):
    assert_recognised(vae.sample(1000, random_state=0), digits, load_digits().target)


def test_samples_depend_on_their_seed_alone(vae):
    np.testing.assert_array_equal(vae.sample(5, random_state=1), vae.sample(5, random_state=1))
    assert not np.array_equal(vae.sample(5, random_state=1), vae.sample(5, random_state=2))


def test_samples_come_as_images_where_images_were_given(bernoulli):
    samples = bernoulli.sample(3, random_state=0)
    assert samples.shape == (3, 8, 8)
    assert samples.min() >= 0
    assert samples.max() <= 1


def test_the_density_of_codes_has_a_part_for_thirty_rows_and_fifty_at_most(vae, digits):
    # Fewer rows do not determine the mean and the variance of a part.
    small = clone(vae).set_params(max_iter=1)
    n_parts = [small.fit(digits[:n]).code_density_.n_components for n in (20, 95)]
    assert [*n_parts, vae.code_density_.n_components] == [1, 3, 50]


def test_samples_come_from_the_prior_after_partial_fit(digits):
    vae = VariationalAutoencoder(3, architecture=SMALL, random_state=0).partial_fit(digits)
    codes = np.random.RandomState(0).standard_normal((4, 3))
    np.testing.assert_array_equal(vae.sample(4, random_state=0), vae.inverse_transform(codes))


def test_rows_without_weight_leave_the_samples_alone(digits):
    X = np.concatenate([digits[:200], digits[200:300] + 100])
    weights = np.repeat([1.0, 0.0], [200, 100])
    vae = VariationalAutoencoder(3, **QUICK | {"max_iter": 5}).fit(X, sample_weight=weights)
    assert vae.sample(200, random_state=0).max() < 10


def test_global_generators_are_left_alone(digits):
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    VariationalAutoencoder(3, **QUICK | {"max_iter": 2}).fit(digits).sample(3, random_state=0)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


@pytest.mark.skipif(
    "SKAE_DATA" not in os.environ, reason="SKAE_DATA names no folder with mnist_10k.npz"
)
def test_samples_of_mnist_are_recognised_and_its_divergence_is_above_one_nat():
    X, y = load_mnist(return_X_y=True)
    X, y = X[:4000] / np.float32(255), y[:4000]
    vae = VariationalAutoencoder(16, architecture=Dense((256,)), max_iter=12, random_state=0)
    samples = vae.fit(X).sample(500, random_state=0)
    assert divergence(vae, X) > 1
    assert_recognised(samples, X, y)


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters", [{"beta": -1}, {"kl_warmup": 1.5}, {"kl_warmup": -1}, {"loss": "l1"}]
)
def test_nonsense_parameters_are_refused_by_name(digits, parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        VariationalAutoencoder(**parameters).fit(digits)


@pytest.mark.parametrize("n_samples", [0, 2.5])
def test_nonsense_numbers_of_samples_are_refused(vae, n_samples):
    with pytest.raises((ValueError, TypeError), match="n_samples"):
        vae.sample(n_samples)


def test_bernoulli_likelihood_refuses_data_outside_the_unit_interval(digits):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        VariationalAutoencoder(loss="bce").fit(digits * 16)
