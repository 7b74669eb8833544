"""Noises change what they say, by as much as they are told to."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skae import Autoencoder
from skae.networks.generators import use_generator
from skae.noises import NOISES, Noise, NoiseContext

ROWS = torch.full((400, 50), 2.0)
CONTEXT = NoiseContext(torch.tensor(0.5), torch.full((50,), -1.0), torch.full((50,), 7.0))


def corrupt(name, level):
    with use_generator(torch.Generator().manual_seed(0)):
        return NOISES[name].function(ROWS, level, CONTEXT)


def fraction(condition):
    return condition.float().mean().item()


def test_masking_sets_the_fraction_to_zero_and_leaves_the_rest():
    corrupted = corrupt("masking", 0.2)
    assert fraction(corrupted == 0.5) == pytest.approx(0.2, abs=0.01)
    assert fraction(corrupted == 2.0) == pytest.approx(0.8, abs=0.01)


def test_salt_and_pepper_sets_half_of_the_fraction_to_either_extreme():
    corrupted = corrupt("salt_pepper", 0.3)
    for value, expected in ((-1.0, 0.15), (7.0, 0.15), (2.0, 0.7)):
        assert fraction(corrupted == value) == pytest.approx(expected, abs=0.01)


def test_gaussian_noise_has_the_level_as_its_standard_deviation():
    added = corrupt("gaussian", 1.5) - ROWS
    assert added.std().item() == pytest.approx(1.5, rel=0.02)
    assert added.mean().item() == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("name", NOISES)
def test_noise_of_level_zero_changes_nothing(name):
    assert torch.equal(corrupt(name, 0.0), ROWS)


@pytest.mark.parametrize("name", NOISES)
def test_noise_leaves_the_batch_that_it_was_given(name):
    corrupt(name, 0.5)
    assert torch.all(ROWS == 2.0)


@pytest.mark.parametrize(
    "noise", ["masking", Noise(lambda batch, *_: batch, True)], ids=["name", "object"]
)
def test_a_level_that_is_a_fraction_is_at_most_one(noise, digits):
    with pytest.raises(ValueError, match=r"noise_level must be a fraction in \[0, 1\].*got 1.5"):
        Autoencoder(noise=noise, noise_level=1.5, max_iter=1).fit(digits)


def seen_by(digits, **params):
    """Return what a noise gets as level and context, and its last batch."""
    seen = {}

    def function(batch, level, context):
        seen.update(level=level, context=context, batch=batch)
        return batch

    noise = Noise(function, **params)
    Autoencoder(2, noise=noise, noise_level=0.25, max_iter=1, random_state=0).fit(digits)
    return seen


def test_a_noise_object_gets_the_level_and_the_values_of_the_data_in_their_units(digits):
    seen = seen_by(digits * 16 - 3, units="data")
    assert seen["level"] == 0.25
    assert not seen["context"].zero.any()
    np.testing.assert_allclose(seen["context"].smallest, digits.min(0) * 16 - 3, atol=1e-5)
    np.testing.assert_allclose(seen["context"].largest, digits.max(0) * 16 - 3, atol=1e-5)


def test_a_noise_object_gets_standardized_rows_unless_it_asks_for_data(digits):
    seen = seen_by(digits * 1000 + 5000)
    assert seen["batch"].shape[1:] == (64,)
    assert seen["batch"].abs().max() < 20
    center = (digits * 1000 + 5000).mean(axis=0)
    scale = (digits * 1000).std(axis=0, ddof=0)
    scale = np.sqrt(np.mean(scale**2))
    np.testing.assert_allclose(seen["context"].zero, -center / scale, rtol=1e-4)


def test_values_for_images_broadcast_with_their_layout(digit_images):
    colored = np.stack([digit_images, 2 * digit_images], axis=-1)
    seen = seen_by(colored, units="data")
    assert seen["batch"].shape[1:] == (2, 8, 8)
    assert seen["context"].largest.item() == pytest.approx(2, abs=1e-5)


def drop_columns(batch, level, context):
    """Lose whole columns, with torch's own random numbers."""
    lost = torch.rand(len(batch), 1, 1, batch.shape[-1]) < level
    return torch.where(lost, context.zero, batch)


def test_a_noise_object_is_reproducible_and_leaves_the_global_generator_alone(digit_images):
    before = torch.get_rng_state()
    noise = Noise(drop_columns, level_is_fraction=True, units="data")
    model = Autoencoder(2, noise=noise, noise_level=0.3, max_iter=2, random_state=0)
    first, second = (clone(model).fit(digit_images[:200]) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(
        first.transform(digit_images[:9]), second.transform(digit_images[:9])
    )


def test_noise_objects_survive_searches_and_pickle(digit_images):
    noise = Noise(drop_columns, level_is_fraction=True, units="data")
    model = Autoencoder(2, noise=noise, max_iter=1, random_state=0)
    search = GridSearchCV(model, {"noise_level": [0.0, 0.5]}, cv=2).fit(digit_images[:100])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert pickle.loads(pickle.dumps(search.best_estimator_)).noise == noise


def test_a_noise_object_that_changes_the_shape_is_refused(digits):
    noise = Noise(lambda batch, level, context: batch[:, :3])
    with pytest.raises(ValueError, match=r"must return .* got \(\d+, 3\)"):
        Autoencoder(noise=noise, max_iter=1).fit(digits)


def test_a_noise_without_a_function_is_refused():
    with pytest.raises(TypeError, match="function of Noise must be callable, got 'gaussian'"):
        Noise("gaussian")


def test_units_of_a_noise_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match=r"units of Noise must be one of .* got 'logits'"):
        Noise(drop_columns, units="logits")


def test_a_class_in_place_of_a_noise_is_refused(digits):
    with pytest.raises(TypeError, match=r"noise must be an object, got the class Noise"):
        Autoencoder(noise=Noise, max_iter=1).fit(digits)
