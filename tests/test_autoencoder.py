"""What an autoencoder learns, and the shapes and types in which it answers."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from skae import Autoencoder
from skae._engine import data
from skae.architectures import Conv, Dense


@pytest.fixture(scope="module")
def fitted(digits):
    return Autoencoder(8, max_iter=15, random_state=0).fit(digits)


@pytest.fixture(scope="module")
def fitted_images(digit_images):
    form = Conv(channels=(8, 16))
    return Autoencoder(8, architecture=form, max_iter=10, random_state=0).fit(digit_images)


def held_out_error(estimator, X, X_test):
    estimator.fit(X)
    return np.mean((estimator.inverse_transform(estimator.transform(X_test)) - X_test) ** 2)


def test_linear_autoencoder_finds_the_subspace_of_pca(digits):
    X, X_test = train_test_split(digits, random_state=0)
    linear = Autoencoder(8, architecture=Dense(()), random_state=0)
    ratio = held_out_error(linear, X, X_test) / held_out_error(PCA(8), X, X_test)
    assert ratio == pytest.approx(1, abs=0.01)


def test_linear_autoencoder_finds_it_from_random_weights_as_well(digits):
    X, X_test = train_test_split(digits, random_state=0)
    form = Dense((), linear_skip=False, weight_init="default")
    linear = Autoencoder(
        8, architecture=form, alpha=0, learning_rate_init=0.01, early_stopping=False, random_state=0
    )
    ratio = held_out_error(linear, X, X_test) / held_out_error(PCA(8), X, X_test)
    assert ratio == pytest.approx(1, abs=0.01)


def test_defaults_reconstruct_held_out_digits_better_than_pca(digits):
    X, X_test = train_test_split(digits, random_state=0)
    ours = held_out_error(Autoencoder(8, random_state=0), X, X_test)
    assert ours < 0.7 * held_out_error(PCA(8), X, X_test)


def test_training_starts_at_the_error_of_pca(digits):
    X = digits.astype(np.float32)
    start = Autoencoder(8, learning_rate_init=1e-12, max_iter=1, random_state=0).fit(X)
    pca = PCA(8).fit(X)
    np.testing.assert_allclose(
        start.reconstruct(X), pca.inverse_transform(pca.transform(X)), atol=1e-3
    )


def test_scale_and_offset_of_the_data_do_not_matter(digits):
    plain = Autoencoder(4, max_iter=5, random_state=0).fit(digits)
    moved = Autoencoder(4, max_iter=5, random_state=0).fit(1e6 * digits + 3e6)
    assert moved.score(1e6 * digits + 3e6) == pytest.approx(plain.score(digits), abs=0.01)


@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_huge_and_tiny_numbers_are_learned_like_others(scale, digits):
    fitted = Autoencoder(8, max_iter=5, random_state=0).fit(digits * scale)
    assert fitted.score(digits * scale) > 0.6


def test_constant_data_are_reconstructed():
    X = np.full((20, 3), 7.0)
    np.testing.assert_allclose(Autoencoder(2, max_iter=2).fit(X).reconstruct(X), X, atol=1e-2)


def test_more_components_than_features_are_allowed():
    X = load_iris().data
    assert Autoencoder(6, max_iter=2).fit_transform(X).shape == (150, 6)


def test_score_is_the_share_of_variance_explained(fitted, digits):
    varying = np.ptp(digits, axis=0) > 0
    expected = r2_score(
        digits[:, varying], fitted.reconstruct(digits)[:, varying], multioutput="variance_weighted"
    )
    assert fitted.score(digits) == pytest.approx(expected, abs=1e-3)


def test_score_samples_is_minus_the_mean_squared_error(fitted, digits):
    errors = np.mean((fitted.reconstruct(digits) - digits) ** 2, axis=1)
    np.testing.assert_allclose(fitted.score_samples(digits), -errors)


def test_uniform_noise_is_less_normal_than_a_digit(fitted, digits):
    noise = np.random.default_rng(0).random((100, 64))
    assert fitted.score_samples(noise).max() < np.median(fitted.score_samples(digits))


def test_reconstruction_error_is_that_of_the_training_rows(fitted, digits):
    expected = np.mean((fitted.reconstruct(digits) - digits) ** 2)
    assert fitted.reconstruction_err_ == pytest.approx(expected, rel=0.05)


def test_reconstruct_is_the_inverse_of_transform(fitted, digits):
    expected = fitted.inverse_transform(fitted.transform(digits))
    np.testing.assert_array_equal(fitted.reconstruct(digits), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_come_back_in_their_precision(dtype, fitted, digits):
    codes = fitted.transform(digits.astype(dtype))
    assert codes.dtype == dtype
    assert fitted.inverse_transform(codes).dtype == dtype


def test_bytes_are_computed_in_single_precision(digits):
    X = (digits * 255).astype(np.uint8)
    fitted = Autoencoder(8, max_iter=10, random_state=0).fit(X)
    assert fitted.transform(X).dtype == np.float32
    assert fitted.score(X) > 0.7


def test_a_code_does_not_depend_on_the_rows_beside_it(fitted, digits):
    alone = np.vstack([fitted.transform(row[None]) for row in digits[:20]])
    np.testing.assert_allclose(alone, fitted.transform(digits)[:20], rtol=1e-9, atol=1e-12)


def test_images_come_back_as_they_were_given(fitted_images, digit_images):
    assert fitted_images.reconstruct(digit_images).shape == (1797, 8, 8)
    assert fitted_images.reconstruct(digit_images[..., None]).shape == (1797, 8, 8, 1)
    assert fitted_images.reconstruct(digit_images.reshape(-1, 64)).shape == (1797, 64)
    assert fitted_images.inverse_transform(fitted_images.transform(digit_images)).ndim == 3


def test_rows_with_an_image_shape_are_the_same_as_images(fitted_images, digit_images):
    rows = Autoencoder(
        8, architecture=Conv(channels=(8, 16)), image_shape=(8, 8), max_iter=10, random_state=0
    ).fit(digit_images.reshape(-1, 64))
    np.testing.assert_array_equal(
        rows.transform(digit_images.reshape(-1, 64)), fitted_images.transform(digit_images)
    )


def test_architecture_auto_is_convolutional_for_images_alone(digits, digit_images):
    assert isinstance(Autoencoder(max_iter=1).fit(digits).architecture_, Dense)
    assert isinstance(Autoencoder(max_iter=1).fit(digit_images).architecture_, Conv)
    by_shape = Autoencoder(image_shape=(8, 8), max_iter=1).fit(digits)
    assert isinstance(by_shape.architecture_, Conv)


def test_colour_images_keep_their_channels(digit_images):
    colours = np.stack([digit_images, digit_images**2, 1 - digit_images], axis=-1)
    fitted = Autoencoder(8, max_iter=3, random_state=0).fit(colours)
    assert fitted.image_shape_ == (8, 8, 3)
    assert fitted.score(colours) > 0.7


def test_sparse_rows_give_what_dense_rows_give(digits):
    X = sparse.csr_matrix(digits)
    # At a low rate, since steps make more of what rounding does differently.
    quick = {"learning_rate_init": 0.002, "max_iter": 3, "random_state": 0}
    from_sparse = Autoencoder(4, **quick).fit(X)
    from_dense = Autoencoder(4, **quick).fit(digits)
    np.testing.assert_allclose(from_sparse.transform(X), from_dense.transform(digits), atol=1e-2)
    assert from_sparse.score(X) == pytest.approx(from_dense.score(digits), abs=1e-3)


def test_a_memmap_is_trained_on_without_being_read_into_memory(tmp_path, digits):
    path = tmp_path / "digits.dat"
    (digits * 255).astype(np.uint8).tofile(path)
    X = np.memmap(path, dtype=np.uint8, mode="r", shape=digits.shape)
    fitted = Autoencoder(4, max_iter=3, random_state=0).fit(X)
    in_memory = Autoencoder(4, max_iter=3, random_state=0).fit(np.array(X))
    np.testing.assert_allclose(fitted.transform(X), in_memory.transform(X), atol=1e-4)


@pytest.fixture
def small_sample(monkeypatch):
    """Let what fit knows of the data be little beside them."""
    monkeypatch.setattr(data, "_SAMPLED_ROWS", 100)


def peak_of_fit(X, **target):
    """Bytes of numpy's arrays that a fit holds at most."""
    architecture = Dense((8,), linear_skip=False)
    autoencoder = Autoencoder(2, architecture=architecture, max_iter=1, random_state=0)
    # The first fit imports parts of torch, which would count.
    autoencoder.fit(X[:10])
    tracemalloc.start()
    try:
        autoencoder.fit(X, **target)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("is_target", [False, True])
def test_fit_holds_no_copy_of_a_memmap(tmp_path, small_sample, is_target):
    X = np.memmap(tmp_path / "bytes.dat", dtype=np.uint8, mode="w+", shape=(20_000, 1000))
    X[::100] = 200
    assert peak_of_fit(X, **({"X_target": X} if is_target else {})) < X.nbytes / 2


def test_fit_holds_one_copy_of_floats_and_no_more(small_sample):
    X = np.random.default_rng(0).standard_normal((10_000, 1000), dtype=np.float32)
    assert peak_of_fit(X) < 2 * X.nbytes


def test_the_sample_that_fit_knows_has_fewer_rows_where_they_are_long(monkeypatch):
    monkeypatch.setattr(data, "_SAMPLED_VALUES", 1000)
    rows = data.TrainingSet(np.arange(5000.0).reshape(50, 100))
    assert data.sample_rows(rows, np.random.RandomState(0)).X.shape == (10, 100)


def test_that_sample_has_enough_rows_for_pca_of_many_components(monkeypatch, digits):
    monkeypatch.setattr(data, "_SAMPLED_VALUES", 64)
    start = Autoencoder(40, max_iter=1, learning_rate_init=1e-9, random_state=0).fit(digits)
    # From one row PCA would have no component at all.
    assert start.score(digits) > 0.9


@pytest.fixture(scope="module")
def some_digits(digits):
    return digits[:900]


@pytest.fixture(scope="module")
def fitted_without_noise(some_digits):
    return Autoencoder(16, random_state=0, max_iter=15).fit(some_digits)


@pytest.mark.parametrize("noise", ["gaussian", "masking", "salt_pepper"])
def test_each_noise_teaches_to_remove_it(noise, fitted_without_noise, some_digits):
    rng = np.random.default_rng(0)
    corrupted = {
        "gaussian": lambda X: X + rng.normal(0, X.std(), X.shape),
        "masking": lambda X: X * (rng.random(X.shape) > 0.4),
        "salt_pepper": lambda X: np.where(
            rng.random(X.shape) < 0.4, rng.integers(0, 2, X.shape), X
        ),
    }[noise](some_digits)
    level = 1.0 if noise == "gaussian" else 0.4
    taught = clone(fitted_without_noise).set_params(noise=noise, noise_level=level)
    taught.fit(some_digits)
    errors = [
        np.mean((fitted.reconstruct(corrupted) - some_digits) ** 2)
        for fitted in (taught, fitted_without_noise)
    ]
    assert errors[0] < 0.8 * errors[1]


def test_pairs_of_noisy_and_clean_data_teach_to_clean(digits):
    rng = np.random.default_rng(0)
    X, X_test = train_test_split(digits, random_state=0)
    noisy, noisy_test = (a + rng.normal(0, 0.3, a.shape) for a in (X, X_test))
    paired = Autoencoder(16, max_iter=20, random_state=0).fit(noisy, X_target=X)
    error = np.mean((paired.reconstruct(noisy_test) - X_test) ** 2)
    assert error < 0.5 * np.mean((noisy_test - X_test) ** 2)


def test_a_callable_corrupts_batches_in_the_units_of_the_data(digit_images):
    seen = []

    def erase_upper_half(batch):
        seen.append((tuple(batch.shape[1:]), batch.max().item()))
        batch = batch.clone()
        batch[:, :, :4] = 0
        return batch

    Autoencoder(noise=erase_upper_half, max_iter=1, random_state=0).fit(digit_images)
    assert {shape for shape, _ in seen} == {(1, 8, 8)}
    assert max(largest for _, largest in seen) == pytest.approx(1, abs=1e-5)


def test_noise_of_another_shape_is_refused(digits):
    with pytest.raises(ValueError, match=r"must return .* \(\d+, 64\), got \(\d+, 3\)"):
        Autoencoder(noise=lambda batch: batch[:, :3], max_iter=1).fit(digits)


def test_augmented_batches_are_what_is_learned(digits):
    mirrored = digits[:, ::-1]
    augmented, plain = (
        Autoencoder(8, augment=augment, max_iter=8, early_stopping=False, random_state=0).fit(
            digits
        )
        for augment in (lambda batch: batch.flip(1), None)
    )
    assert augmented.score(mirrored) > plain.score(mirrored) + 0.1


def test_rows_that_are_held_out_are_not_augmented(digits):
    seen = []

    def mirrored(batch):
        seen.append(len(batch))
        return batch.flip(1)

    fitted = Autoencoder(8, augment=mirrored, max_iter=2, random_state=0, loss="l1").fit(digits)
    # One call before training tries the function.
    assert sum(seen[1:]) == 2 * round(0.9 * len(digits))
    # What was learned of mirrored rows does not hold for those as they are.
    assert fitted.history_[-1]["valid_loss"] > 1.2 * fitted.history_[-1]["train_loss"]


def test_augmentation_of_pairs_is_refused_before_training(digits):
    # It would draw one change for X and another for the target.
    with pytest.raises(ValueError, match="augment must be None where X_target is given"):
        Autoencoder(augment=lambda batch: batch.flip(1)).fit(digits, X_target=digits[::-1])


def test_torchvision_transforms_augment(torchvision, digit_images):
    """v2 transforms as ``augment``; see the fixture for torchvision without its operators."""
    from torchvision.transforms import v2

    augment = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomAffine(10, translate=(0.1, 0.1))])
    fitted = Autoencoder(8, augment=augment, max_iter=3, random_state=0)
    assert fitted.fit(digit_images).score(digit_images) > 0.5


def test_rows_of_weight_zero_are_not_seen():
    X = load_breast_cancer().data
    junk = np.vstack([X, 1e4 * np.random.default_rng(0).random(X.shape)])
    weights = np.repeat([1.0, 0.0], len(X))
    fitted = Autoencoder(2, max_iter=3, random_state=0).fit(X)
    weighted = Autoencoder(2, max_iter=3, random_state=0).fit(junk, sample_weight=weights)
    assert weighted.score(X) == pytest.approx(fitted.score(X), abs=0.01)


def test_heavy_rows_are_reconstructed_better(digits):
    weights = np.where(np.arange(len(digits)) < 300, 20.0, 0.1)
    heavy, even = (
        Autoencoder(2, random_state=0, max_iter=8).fit(digits, sample_weight=w)
        for w in (weights, None)
    )
    assert heavy.score(digits[:300]) > even.score(digits[:300])


def test_partial_fit_learns_from_a_stream(digits):
    streamed = Autoencoder(8, random_state=0)
    for _ in range(6):
        for batch in np.array_split(digits, 4):
            streamed.partial_fit(batch)
    assert streamed.n_iter_ == len(streamed.history_) == 24
    assert streamed.score(digits) > PCA(8).fit(digits).explained_variance_ratio_.sum() + 0.05


def test_partial_fit_refuses_another_number_of_features(digits):
    streamed = Autoencoder(2, random_state=0).partial_fit(digits)
    with pytest.raises(ValueError, match="X has 60 features, but Autoencoder is expecting 64"):
        streamed.partial_fit(digits[:, :60])


def test_warm_start_goes_on_from_the_weights(digits):
    warm = Autoencoder(8, warm_start=True, max_iter=5, random_state=0).fit(digits)
    first = warm.score(digits)
    assert warm.fit(digits).score(digits) > first
    # Steps leave the mean of the weights behind, which is a little better.
    assert warm.history_[0]["train_loss"] < 1.1 * (1 - first)


def test_warm_start_refuses_a_network_that_changed(digits):
    warm = Autoencoder(8, warm_start=True, max_iter=1).fit(digits)
    with pytest.raises(
        ValueError, match="warm_start=True continues with the network of the previous"
    ):
        warm.set_params(n_components=4).fit(digits)
    assert warm.transform(digits).shape == (1797, 8)


def test_the_path_between_two_samples_begins_and_ends_at_their_reconstructions(
    fitted_images, digit_images
):
    a, b = digit_images[:2]
    path = fitted_images.interpolate(a, b, n=5)
    assert path.shape == (5, 8, 8)
    expected = fitted_images.reconstruct(digit_images[:2])
    np.testing.assert_allclose(path[[0, -1]], expected, atol=1e-5)
    middle = fitted_images.transform(digit_images[:2]).mean(axis=0, keepdims=True)
    np.testing.assert_allclose(path[2:3], fitted_images.inverse_transform(middle), atol=1e-5)


def test_feature_maps_of_every_convolution_can_be_had(fitted_images, digit_images):
    maps = fitted_images.feature_maps(digit_images[:3])
    shapes = [(3, 4, 4, 8), (3, 2, 2, 16), (3, 4, 4, 8), (3, 8, 8, 1)]
    assert [layer.shape for layer in maps.values()] == shapes
    first = fitted_images.module_.get_submodule(next(iter(maps)))
    assert first.out_channels == 8
    assert not first._forward_hooks


def test_a_dense_network_has_no_feature_maps(fitted, digits):
    assert fitted.feature_maps(digits) == {}
