"""Codes that are refined by the error of their own rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.random_projection import GaussianRandomProjection

from skae import Autoencoder, HybridAutoencoder
from skae.architectures import Dense

SMALL = {"architecture": Dense((24,)), "max_iter": 4, "random_state": 0}
# Its codes are not those that are decoded best, as PCA's are by a linear map.
PROJECTION = GaussianRandomProjection(6, random_state=0)
KINDS = {
    "rows": Autoencoder(6, **SMALL),
    "images": Autoencoder(6, architecture="conv", max_iter=2, random_state=0),
    "logits": Autoencoder(6, **SMALL, loss="bce"),
    "ordered": Autoencoder(0.7, ordered=True, **{**SMALL, "max_iter": 20}),
    "distilled": HybridAutoencoder(reducer=PROJECTION, distill=True, **SMALL),
    "reducer": HybridAutoencoder(reducer=PROJECTION, **SMALL),
}


def errors(fitted, X, n_steps):
    """Return the squared error of each row."""
    fitted.set_params(refine_steps=n_steps)
    reconstruction = fitted.inverse_transform(fitted.transform(X))
    return np.square(reconstruction - X).reshape(len(X), -1).sum(axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_no_row_is_reconstructed_worse_and_most_are_better(digit_images, kind):
    images = digit_images.astype(np.float32)
    X = images if kind == "images" else images.reshape(len(images), -1)
    fitted = KINDS[kind].fit(X[:300])
    before, after = errors(fitted, X[300:400], 0), errors(fitted, X[300:400], 3)
    assert (after <= before * (1 + 1e-4)).all()
    assert after.mean() < 0.999 * before.mean()


def test_codes_of_a_linear_decoder_become_those_of_least_squares(digits):
    fitted = Autoencoder(4, architecture=Dense(()), max_iter=1, refine_steps=8, random_state=0).fit(
        digits
    )
    # Any two points show a linear map.
    origin, *ends = fitted.inverse_transform(np.vstack([np.zeros(4), np.eye(4)]))
    best = np.linalg.lstsq(np.transpose(ends - origin), (digits[:20] - origin).T)[0].T
    assert_allclose(fitted.transform(digits[:20]), best, atol=1e-3 * np.abs(best).max())


def test_a_row_gets_the_same_code_whatever_the_others_are(digits):
    fitted = Autoencoder(6, **SMALL, refine_steps=2).fit(digits)
    assert_allclose(fitted.transform(digits[:1]), fitted.transform(digits[:50])[:1], rtol=1e-8)


def test_missing_values_have_no_error(digits):
    X = np.where(np.random.default_rng(0).random(digits.shape) < 0.3, np.nan, digits)
    fitted = Autoencoder(6, **SMALL, missing_values="mask").fit(X)
    observed = [
        np.nanmean((fitted.set_params(refine_steps=k).reconstruct(X) - X) ** 2) for k in (0, 3)
    ]
    assert observed[1] < 0.97 * observed[0]


def test_reconstruct_and_scores_follow_from_the_refined_codes(digits):
    fitted = Autoencoder(6, **SMALL, refine_steps=2).fit(digits)
    decoded = fitted.inverse_transform(fitted.transform(digits))
    assert_array_equal(fitted.reconstruct(digits), decoded)
    assert_allclose(fitted.score_samples(digits), -np.mean((decoded - digits) ** 2, axis=1))


@pytest.mark.parametrize("n_steps", [-1, 1.5, "some"])
def test_a_number_of_steps_that_is_none_is_refused(digits, n_steps):
    with pytest.raises(ValueError, match="'refine_steps' parameter of Autoencoder"):
        Autoencoder(2, refine_steps=n_steps).fit(digits)
