"""The autoencoder of whole sequences: its start, unequal lengths, missing values, denoising."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import nn

import skae
from skae import SequenceAutoencoder
from skae.architectures import Dense, Recurrent, TemporalConv
from skae.networks.generators import use_generator
from skae.series._stretching import from_grid, stretch, to_grid

SMALL = {"architecture": TemporalConv((4, 8), hidden_layer_sizes=(16,)), "random_state": 0}
QUICK = {**SMALL, "max_iter": 2}
# One step that changes nothing: what is left is where training starts.
START = {**SMALL, "max_iter": 1, "learning_rate_init": 1e-12}


@pytest.fixture(scope="module")
def digits():
    """400 digits as sequences of 8 rows of pixels."""
    return load_digits().images[:400]


@pytest.fixture(scope="module")
def strokes(digits):
    """100 digits without empty rows at the end or, of some, without the last rows: 4 to 8 steps."""
    lengths = 4 + np.arange(100) % 5
    return [image[:n] for image, n in zip(digits, lengths, strict=False)]


@pytest.fixture(scope="module")
def fitted(strokes):
    return SequenceAutoencoder(4, **QUICK).fit(strokes)


def padded(sequences):
    array = np.full((len(sequences), max(map(len, sequences)), sequences[0].shape[1]), np.nan)
    for row, each in zip(array, sequences, strict=True):
        row[: len(each)] = each
    return array


def interpolated(sequence, n_timesteps):
    """An independent linear interpolation of each channel."""
    places = np.linspace(0, len(sequence) - 1, n_timesteps)
    steps = np.arange(len(sequence))
    return np.stack([np.interp(places, steps, channel) for channel in sequence.T], axis=1)


# -- where training starts -----------------------------------------------------------------


@pytest.mark.parametrize("architecture", [SMALL["architecture"], Recurrent(hidden_size=4)])
def test_training_starts_at_pca_of_the_flattened_sequences(digits, architecture):
    start = SequenceAutoencoder(6, **{**START, "architecture": architecture}).fit(digits)
    rows = digits.reshape(len(digits), -1)
    pca = PCA(6).fit(rows)
    expected = pca.inverse_transform(pca.transform(rows)).reshape(digits.shape)
    np.testing.assert_allclose(start.reconstruct(digits), expected, atol=1e-3)


def test_of_unequal_lengths_it_starts_at_pca_of_stretched_sequences_and_their_lengths(strokes):
    start = SequenceAutoencoder(6, **START).fit(strokes)
    rows = np.array([interpolated(each, 8).ravel() for each in strokes])
    lengths = np.array([len(each) for each in strokes])
    # The length has a tenth of the variance of the frames.
    weight = np.sqrt(0.1 * rows.var(axis=0).sum() / lengths.var())
    assert start.length_scale_ == pytest.approx(weight)
    rows = np.column_stack([rows, weight * lengths])
    pca = PCA(6).fit(rows)
    decoded = pca.inverse_transform(pca.transform(rows))
    frames = start.reconstruct(strokes)
    for made, row, length in zip(frames, decoded, lengths, strict=True):
        expected = interpolated(row[:-1].reshape(8, 8), length)
        np.testing.assert_allclose(made, expected, atol=2e-3)


@pytest.mark.parametrize("architecture", ["conv", "recurrent", "dense"])
def test_every_architecture_learns_beyond_its_start(digits, architecture):
    few = {"max_iter": 8, "random_state": 0, "architecture": architecture}
    if architecture == "recurrent":
        few["architecture"] = Recurrent(hidden_size=16)
    start = SequenceAutoencoder(4, **START).fit(digits)
    trained = SequenceAutoencoder(4, **few).fit(digits)
    assert 1 - trained.score(digits) < 0.95 * (1 - start.score(digits))


# -- shapes --------------------------------------------------------------------------------


def test_sequences_come_back_in_the_layout_in_which_fit_got_them(digits):
    for X, parameters in [
        (digits, {}),
        (digits.reshape(400, 64), {"frame_shape": (8,)}),
        (digits.reshape(400, 64), {}),
        (digits.reshape(400, 8, 2, 4), {}),
        (list(digits), {}),
    ]:
        estimator = SequenceAutoencoder(3, **parameters, **QUICK).fit(X)
        decoded = estimator.inverse_transform(estimator.transform(X))
        assert decoded.shape == np.shape(X)
        np.testing.assert_allclose(decoded, np.array(estimator.reconstruct(X)), rtol=1e-6)


def test_a_list_of_unequal_lengths_comes_back_as_one(fitted, strokes):
    decoded = fitted.inverse_transform(fitted.transform(strokes))
    assert isinstance(decoded, list)
    assert {each.shape[1:] for each in decoded} == {(8,)}
    errors = [abs(len(a) - len(b)) for a, b in zip(decoded, strokes, strict=True)]
    assert np.mean(errors) < 0.5


def test_series_of_numbers_come_back_as_vectors():
    lengths = np.arange(60) % 6 + 10
    waves = [np.sin(np.linspace(0, 6, n) + i) for i, n in enumerate(lengths)]
    estimator = SequenceAutoencoder(3, **QUICK).fit(waves)
    assert [each.shape for each in estimator.reconstruct(waves)] == [(n,) for n in lengths]
    assert all(each.ndim == 1 for each in estimator.inverse_transform(estimator.transform(waves)))


def test_a_padded_array_means_the_same_as_a_list_and_comes_back_padded(fitted, strokes):
    X = padded(strokes)
    of_array = SequenceAutoencoder(4, **QUICK).fit(X)
    np.testing.assert_array_equal(of_array.transform(X), fitted.transform(strokes))
    reconstructed = of_array.reconstruct(X)
    np.testing.assert_array_equal(np.isnan(reconstructed), np.isnan(X))
    assert of_array.inverse_transform(of_array.transform(X)).shape == X.shape


def test_decoded_lengths_are_within_those_of_fit(fitted):
    codes = np.random.default_rng(0).normal(scale=1e3, size=(50, 4))
    lengths = {len(each) for each in fitted.inverse_transform(codes)}
    assert lengths <= set(range(4, 9))
    assert fitted.length_range_ == (4, 8)


def test_longer_sequences_than_in_fit_are_reconstructed_in_their_own_length(fitted, digits):
    long = [interpolated(image, 13) for image in digits[:5]]
    assert [each.shape for each in fitted.reconstruct(long)] == [(13, 8)] * 5
    assert np.isfinite(fitted.score_samples(long)).all()


def test_codes_do_not_depend_on_the_other_sequences_of_a_call(fitted, strokes):
    together = fitted.transform(strokes[:10])
    alone = np.concatenate([fitted.transform([each]) for each in strokes[:10]])
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12)


def test_a_path_leads_from_one_sequence_to_another_of_another_length(fitted, strokes):
    path = fitted.interpolate(strokes[0], strokes[4], n=3)
    ends = fitted.inverse_transform(fitted.transform([strokes[0], strokes[4]]))
    np.testing.assert_allclose(path[0], ends[0])
    np.testing.assert_allclose(path[-1], ends[1])


def test_a_score_of_sequences_is_that_of_all_their_values(fitted, strokes):
    made = fitted.reconstruct(strokes)
    squares = [np.mean((a - b) ** 2) for a, b in zip(made, strokes, strict=True)]
    np.testing.assert_allclose(fitted.score_samples(strokes), -np.array(squares))
    assert fitted.score(strokes) == skae.metrics.explained_variance(padded(strokes), padded(made))


# -- stretching ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_timesteps", [1, 5, 8, 23])
def test_stretching_is_linear_interpolation(digits, n_timesteps):
    expected = [interpolated(image, n_timesteps) for image in digits[:3]]
    np.testing.assert_allclose(stretch(digits[:3], n_timesteps), expected, atol=1e-12)


def test_what_is_stretched_to_whole_multiples_comes_back_exactly(digits):
    lengths = np.array([2, 5, 8])
    values = digits[:3]
    back = from_grid(to_grid(values, lengths, 29), lengths, 8)
    for one, other, n in zip(back, values, lengths, strict=True):
        np.testing.assert_allclose(one[:n], other[:n], atol=1e-12)
        assert np.isnan(one[n:]).all()


def test_a_missing_step_is_missing_where_it_is_the_nearer_one():
    values = np.array([0.0, np.nan, 2.0])[None, :, None]
    stretched = stretch(values, 9)[0, :, 0]
    np.testing.assert_array_equal(np.isnan(stretched), [0, 0, 1, 1, 1, 1, 0, 0, 0])
    np.testing.assert_array_equal(stretched[[0, 1, 7, 8]], [0, 0, 2, 2])


# -- missing values ------------------------------------------------------------------------


def test_missing_values_are_imputed_and_observed_ones_stay(strokes):
    rng = np.random.default_rng(0)
    X = [np.where(rng.random(each.shape) < 0.2, np.nan, each) for each in strokes]
    estimator = SequenceAutoencoder(6, missing_values="mask", **START).fit(X)
    imputed = estimator.impute(X)
    errors, deviations = [], []
    for made, given, true in zip(imputed, X, strokes, strict=True):
        missing = np.isnan(given)
        np.testing.assert_array_equal(made[~missing], true[~missing])
        errors.append(made[missing] - true[missing])
        deviations.append(true[missing] - np.concatenate(strokes).mean())
    assert np.mean(np.concatenate(errors) ** 2) < 0.6 * np.mean(np.concatenate(deviations) ** 2)


def test_where_values_are_missing_an_array_ends_at_its_end(digits):
    X = digits.copy()
    X[:50, 6:] = np.nan
    estimator = SequenceAutoencoder(3, missing_values="mask", **QUICK).fit(X)
    assert estimator.length_range_ is None
    assert np.isfinite(estimator.impute(X)).all()
    assert SequenceAutoencoder(3, **QUICK).fit(X).length_range_ == (6, 8)


# -- training ------------------------------------------------------------------------------


def test_functions_of_users_get_frames_in_the_units_of_the_data(strokes):
    seen = {"loss": set(), "noise": set()}

    def loss(reconstruction, target):
        seen["loss"].add((*target.shape[1:], round(float(target.max()))))
        return (reconstruction - target).square()

    def noise(batch):
        seen["noise"].add((*batch.shape[1:], round(float(batch.max()))))
        return batch

    own = SequenceAutoencoder(4, loss=loss, noise=noise, **QUICK).fit(strokes)
    assert seen == {"loss": {(8, 8, 16)}, "noise": {(8, 8, 16)}}
    # The length is learned beside the user's loss.
    assert len({len(each) for each in own.inverse_transform(own.transform(strokes))}) > 1


def test_noise_of_another_shape_is_refused_before_training(strokes):
    with pytest.raises(ValueError, match=r"noise must return .* \(24, 8, 8\), got \(24, 3, 8\)"):
        SequenceAutoencoder(4, noise=lambda batch: batch[:, :3], **QUICK).fit(strokes)


@pytest.mark.parametrize("noise", ["gaussian", "masking", "salt_pepper"])
def test_noise_leaves_the_length_alone(strokes, noise):
    estimator = SequenceAutoencoder(4, noise=noise, noise_level=0.9, **QUICK).fit(strokes)
    net = estimator.net_
    with use_generator(torch.Generator().manual_seed(0)):
        corrupted, target = net.validation_data.batch(torch.arange(8), net.corruption)
    np.testing.assert_array_equal(corrupted[:, -1], target.rows[:, -1])
    assert (corrupted[:, :-1] != target.rows[:, :-1]).any()


def test_a_module_as_a_loss_is_trained_on_sequences(digits):
    estimator = SequenceAutoencoder(3, loss=nn.SmoothL1Loss(), **QUICK).fit(digits[:60])
    assert np.isfinite(estimator.score(digits[:60]))


def test_cross_entropy_of_unequal_lengths_keeps_values_and_lengths_within_bounds(strokes):
    X = [each / 16 for each in strokes]
    estimator = SequenceAutoencoder(4, loss="bce", **QUICK).fit(X)
    decoded = estimator.inverse_transform(estimator.transform(X))
    assert all(each.min() >= 0 and each.max() <= 1 for each in decoded)
    assert {len(each) for each in decoded} <= set(range(4, 9))


def test_codes_of_noisy_signals_decode_to_clean_ones():
    rng = np.random.default_rng(0)
    steps = np.linspace(0, 1, 40)
    clean = np.exp(-200 * (steps - rng.uniform(0.2, 0.8, (300, 1))) ** 2)
    noisy = clean + rng.normal(scale=0.2, size=clean.shape)
    estimator = SequenceAutoencoder(4, architecture=Dense((64,)), max_iter=20, random_state=0)
    estimator.fit(noisy[:200], X_target=clean[:200])
    error = np.mean((estimator.reconstruct(noisy[200:]) - clean[200:]) ** 2)
    assert error < 0.4 * np.mean((noisy[200:] - clean[200:]) ** 2)


def test_weights_of_two_are_sequences_given_twice(strokes):
    weights = 1 + np.arange(100) % 2
    X = [each for each, weight in zip(strokes, weights, strict=True) for _ in range(weight)]
    weighted = SequenceAutoencoder(3, **START).fit(strokes, sample_weight=weights)
    repeated = SequenceAutoencoder(3, **START).fit(X)
    np.testing.assert_allclose(
        weighted.transform(strokes), repeated.transform(strokes), rtol=1e-4, atol=1e-4
    )


def test_a_stream_of_unequal_lengths_keeps_the_grid_of_its_first_batch(strokes):
    estimator = SequenceAutoencoder(3, **SMALL)
    for batch in (strokes[1:40], strokes[40:]):
        estimator.partial_fit(batch)
    assert (estimator.n_timesteps_, estimator.n_samples_seen_) == (8, 99)
    assert np.isfinite(estimator.score(strokes))


def test_codes_of_unequal_lengths_are_classified_in_a_pipeline(digits):
    target = load_digits().target[:400]
    X = [image[: 6 + i % 3] for i, image in enumerate(digits)]
    encoder = SequenceAutoencoder(12, **QUICK)
    pipeline = make_pipeline(encoder, LogisticRegression(max_iter=300))
    assert pipeline.fit(X[:300], target[:300]).score(X[300:], target[300:]) > 0.7


# -- state ---------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", [SMALL["architecture"], Recurrent("lstm", hidden_size=3)])
def test_a_file_and_a_pickle_decode_the_same_lists(strokes, tmp_path, architecture):
    estimator = SequenceAutoencoder(3, **{**QUICK, "architecture": architecture}).fit(strokes)
    skae.save(estimator, tmp_path / "sequences.safetensors")
    for copy in (
        skae.load(tmp_path / "sequences.safetensors"),
        pickle.loads(pickle.dumps(estimator)),
    ):
        for one, other in zip(
            copy.reconstruct(strokes), estimator.reconstruct(strokes), strict=True
        ):
            np.testing.assert_array_equal(one, other)


# -- errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"loss": "ssim"}, "compares images, got sequences"),
        ({"architecture": TemporalConv(kernel_size=4)}, "kernel_size must be odd, got 4"),
        ({"architecture": TemporalConv(())}, "channels must hold a number for each stage"),
        ({"architecture": Recurrent("rnn")}, "'cell' parameter of Recurrent"),
        ({"architecture": "unet"}, "'architecture' parameter"),
        ({"frame_shape": (3,)}, r"frames of shape \(8,\), expected frame_shape=\(3,\)"),
    ],
)
def test_parameters_that_cannot_be_used_are_named(digits, parameters, message):
    estimator = SequenceAutoencoder(2, **{**QUICK, **parameters})
    with pytest.raises(ValueError, match=message):
        estimator.fit(digits[:30])
    assert not [name for name in vars(estimator) if name.endswith("_")]


def test_missing_values_within_sequences_are_refused_and_located(strokes):
    X = [each.copy() for each in strokes]
    X[3][1, 2] = np.nan
    with pytest.raises(ValueError, match=r"time step 1 of X\[3\].*missing_values='mask'"):
        SequenceAutoencoder(2, **QUICK).fit(X)


def test_targets_of_other_lengths_are_refused(strokes):
    with pytest.raises(ValueError, match="X_target must hold as many sequences as X"):
        SequenceAutoencoder(2, **QUICK).fit(strokes, X_target=strokes[::-1])
