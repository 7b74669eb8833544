"""What a sequence predictor foresees, and the shapes in which it is asked and answers."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score

from skae import SequencePredictor
from skae.architectures import Conv, Dense
from skae.datasets import make_healing_sequences
from skae.estimators._forecast_intervals import conformal_widths
from skae.networks.recurrence import CELLS

SMALL = {"n_components": 8, "hidden_size": 16, "max_iter": 3, "random_state": 0}


def waves(n_waves=300, n_timesteps=15, seed=0):
    """Sine waves of many frequencies and phases."""
    random_state = np.random.RandomState(seed)
    phases = random_state.uniform(0, 2 * np.pi, (n_waves, 1))
    frequencies = random_state.uniform(0.3, 0.9, (n_waves, 1))
    return np.sin(phases + frequencies * np.arange(n_timesteps))


@pytest.fixture(scope="module")
def sequences(digit_images):
    return make_healing_sequences(digit_images, 6, square_size=3, random_state=0)


@pytest.fixture(scope="module")
def fitted_waves():
    return SequencePredictor(4, hidden_size=32, max_iter=60, random_state=0).fit(waves())


@pytest.fixture(scope="module")
def fitted_images(sequences):
    form = Conv(channels=(4,))
    return SequencePredictor(**SMALL, architecture=form).fit(sequences[:200])


# -- what is learned -----------------------------------------------------------------------


def start(X, **parameters):
    """A predictor as it is before training."""
    still = {"learning_rate_init": 1e-12, "max_iter": 1, "hidden_size": 4, "random_state": 0}
    return SequencePredictor(2, **still, **parameters).fit(X)


def noisy_waves(seed=0):
    return waves(seed=seed) + np.random.RandomState(seed + 10).normal(0, 0.2, (300, 15))


@pytest.mark.parametrize("ahead", [1, 3])
def test_training_starts_at_linear_autoregression_of_each_step(ahead):
    X, new = noisy_waves(), noisy_waves(seed=1)
    # Half of a sequence are lags.
    windows = np.lib.stride_tricks.sliding_window_view(X, 7 + ahead, axis=1).reshape(-1, 7 + ahead)
    linear = RidgeCV(np.logspace(-2, 3, 20)).fit(windows[:, :7], windows[:, -1])
    forecast = start(X, n_steps=ahead, frame_shape=()).forecast(new[:, 5:12])[:, ahead - 1]
    np.testing.assert_allclose(forecast, linear.predict(new[:, 5:12]), atol=0.02)


def test_steps_beyond_the_end_of_all_sequences_start_at_repetition():
    X = waves(30, n_timesteps=3)
    forecast = start(X, n_steps=4).forecast(X)
    np.testing.assert_allclose(forecast[:, 3], X[:, -1], atol=1e-4)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_waves_of_unknown_frequency_are_predicted(cell):
    predictor = SequencePredictor(
        4, cell=cell, hidden_size=32, min_history=7, max_iter=10, random_state=0
    )
    predictor.fit(waves())
    assert predictor.score(waves(seed=1), baseline="last") > 0.98


def test_forecast_stays_on_the_wave(fitted_waves):
    whole = waves(n_timesteps=18, seed=1)
    forecast = fitted_waves.forecast(whole[:, :15], n_steps=3)
    assert r2_score(whole[:, 15:], forecast) > 0.95


def test_turning_digits_are_foreseen_better_than_by_linear_autoregression(sequences):
    train, test = sequences[:900], sequences[1500:]
    predictor = SequencePredictor(32, hidden_size=96, max_iter=8, random_state=0).fit(train)
    windows = np.concatenate([train[:, t : t + 3] for t in range(4)]).reshape(-1, 3, 64)
    linear = LinearRegression().fit(windows[:, :2].reshape(-1, 128), windows[:, 2])
    foreseen = linear.predict(test[:, 3:5].reshape(-1, 128)).reshape(-1, 8, 8)
    error = np.mean((predictor.predict(test[:, :-1]) - test[:, -1]) ** 2)
    assert error < np.mean((foreseen - test[:, -1]) ** 2)
    assert error < 0.5 * np.mean((test[:, -2] - test[:, -1]) ** 2)


def test_no_frame_is_predicted_from_later_ones(fitted_images, sequences):
    X = torch.from_numpy(sequences[:5]).flatten(2)
    module = fitted_images.module_
    with torch.no_grad():
        codes, _ = module._next_codes(module.standardization.standardize(X))
        predicted = module.decode(codes.flatten(0, 2)).unflatten(0, codes.shape[:2])
    for t in range(1, 6):
        expected = fitted_images.predict(sequences[:5, :t]).reshape(5, -1)
        np.testing.assert_allclose(predicted[:, t - 1], expected, atol=1e-5)


def test_weight_of_two_is_a_sequence_there_twice():
    X, weights = waves(60), np.random.RandomState(0).randint(0, 3, 60)
    weighted = SequencePredictor(**SMALL).fit(X, sample_weight=weights)
    repeated = SequencePredictor(**SMALL).fit(np.repeat(X, weights, axis=0))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X))


def test_noise_corrupts_what_is_shown_and_not_what_is_to_be_predicted(sequences):
    shapes = []

    def inverted(frames):
        shapes.append(frames.shape)
        return 1 - frames

    predictor = SequencePredictor(**SMALL, noise=inverted).fit(sequences[:100])
    clean = SequencePredictor(**SMALL).fit(sequences[:100])
    assert shapes[0][1:] == (1, 8, 8)
    assert predictor.loss_curve_[0] > clean.loss_curve_[0]


def test_cross_entropy_predicts_values_between_zero_and_one(sequences):
    predictor = SequencePredictor(**SMALL, loss="bce").fit(sequences[:200])
    frames = predictor.forecast(sequences[:20], 5)
    assert frames.min() >= 0
    assert frames.max() <= 1


# -- methods that belong together ----------------------------------------------------------


def test_prediction_is_the_decoded_code_of_the_next_frame(fitted_images, sequences):
    codes = fitted_images.transform(sequences)
    assert codes.shape == (len(sequences), 8)
    frames = fitted_images.inverse_transform(codes)
    np.testing.assert_array_equal(frames, fitted_images.predict(sequences))


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_cells_continue_from_their_state_and_see_no_later_code(cell):
    torch.manual_seed(0)
    built = CELLS[cell].build(3, 8).double().eval()
    codes = torch.randn(2, 40, 3, dtype=torch.float64)
    with torch.no_grad():
        whole, _ = built(codes)
        changed, _ = built(torch.cat([codes[:, :25], -codes[:, 25:]], dim=1))
        first, state = built(codes[:, :25])
        parts = [first]
        for t in range(25, 40):
            hidden, state = built(codes[:, t : t + 1], state)
            parts.append(hidden)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    torch.testing.assert_close(changed[:, :25], whole[:, :25])
    assert (changed[:, 25:] - whole[:, 25:]).abs().amax(dim=2).min() > 1e-6
    assert CELLS[cell].first_weight(built).shape[1] == 3


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_forecast_from_the_state_is_that_from_the_whole_prefix(cell):
    X = waves(60)
    predictor = SequencePredictor(**SMALL, cell=cell, frame_shape=()).fit(X)
    history, expected = X, []
    for _ in range(4):
        expected.append(predictor.predict(history))
        history = np.column_stack([history, expected[-1]])
    np.testing.assert_allclose(predictor.forecast(X, 4), np.column_stack(expected), atol=1e-9)


def test_several_steps_are_predicted_at_once_and_then_from_predictions():
    X = waves()
    predictor = SequencePredictor(
        4, n_steps=3, min_history=8, hidden_size=32, frame_shape=(), max_iter=10, random_state=0
    ).fit(X)
    forecast = predictor.forecast(X, 5)
    np.testing.assert_array_equal(predictor.forecast(X), forecast[:, :3])
    np.testing.assert_array_equal(predictor.predict(X), forecast[:, 0])
    longer = np.column_stack([X, forecast[:, :3]])
    np.testing.assert_allclose(predictor.forecast(longer)[:, :2], forecast[:, 3:], atol=1e-9)
    whole = waves(n_timesteps=18, seed=1)
    assert r2_score(whole[:, 15:], predictor.forecast(whole[:, :15])) > 0.9


def test_forecast_predicts_from_its_own_predictions(fitted_images, sequences):
    history = sequences[:20].astype(np.float64)
    expected = []
    for _ in range(3):
        expected.append(fitted_images.predict(history))
        history = np.concatenate([history, expected[-1][:, None]], axis=1)
    forecast = fitted_images.forecast(sequences[:20].astype(np.float64), 3)
    np.testing.assert_allclose(forecast, np.stack(expected, axis=1), atol=1e-9)


def test_score_is_the_explained_variance_of_the_last_frame(fitted_waves):
    X = waves(seed=2)
    module = fitted_waves.module_.double()
    with torch.no_grad():
        code = module.encode(torch.from_numpy(X[:, :-1, None]))
        predicted = module.decode(code).numpy().ravel()
    module.float()
    assert fitted_waves.score(X) == pytest.approx(r2_score(X[:, -1], predicted), abs=1e-6)
    ratio = np.mean((predicted - X[:, -1]) ** 2) / np.mean((X[:, -2] - X[:, -1]) ** 2)
    assert fitted_waves.score(X, baseline="last") == pytest.approx(1 - ratio, abs=1e-6)
    squared = (predicted - X[:, -1]) ** 2
    np.testing.assert_allclose(fitted_waves.score_samples(X), -squared, atol=1e-6)


def test_score_against_frames_that_never_change_is_undefined(fitted_waves):
    still = np.repeat(np.arange(5.0)[:, None], 15, axis=1)
    with pytest.warns(UndefinedMetricWarning, match="repeating the last frame"):
        assert np.isnan(fitted_waves.score(still, baseline="last"))


def test_pickled_predictor_answers_the_same(fitted_images, sequences):
    again = pickle.loads(pickle.dumps(fitted_images))
    np.testing.assert_array_equal(
        again.forecast(sequences, 2), fitted_images.forecast(sequences, 2)
    )


def test_partial_fit_learns_from_sequences_of_any_length(sequences):
    predictor = SequencePredictor(16, hidden_size=32, random_state=0)
    for _ in range(8):
        predictor.partial_fit(sequences[:250]).partial_fit(sequences[500:750, 1:])
    assert predictor.score(sequences[1000:], baseline="last") > 0.1


# -- intervals and baselines ---------------------------------------------------------------


def test_the_linear_baseline_is_ridge_regression_on_the_frames_before(fitted_waves):
    X = waves(seed=1) + np.random.default_rng(0).normal(scale=0.3, size=(300, 15))
    n_lags = 7
    windows = np.lib.stride_tricks.sliding_window_view(X[:, :-1], n_lags + 1, axis=1)
    windows = windows.reshape(-1, n_lags + 1)
    ridge = RidgeCV(np.logspace(-8, 2, 21)).fit(windows[:, :-1], windows[:, -1])
    linear = ridge.predict(X[:, -1 - n_lags : -1])
    expected = fitted_waves.score(X, baseline=linear)
    assert fitted_waves.score(X, baseline="linear") == pytest.approx(expected, abs=0.02)


def test_the_linear_baseline_takes_images_and_sequences_of_unequal_length(sequences):
    large = np.kron(sequences[:200], np.ones((1, 1, 2, 2)))
    predictor = SequencePredictor(**SMALL).fit(large)
    to_last, to_linear = (predictor.score(large, baseline=each) for each in ("last", "linear"))
    assert to_linear < to_last < 1
    ragged = [each[: 3 + i % 4] for i, each in enumerate(large)]
    assert predictor.score(ragged, baseline="linear") < predictor.score(ragged, baseline="last")
    # Two frames leave nothing to learn from: the frame before.
    short = large[:, :2]
    to_last = predictor.score(short, baseline="last")
    assert predictor.score(short, baseline="linear") == pytest.approx(to_last)


def test_intervals_cover_new_sequences_as_often_as_asked():
    predictor = SequencePredictor(2, hidden_size=8, frame_shape=(), max_iter=2, random_state=0)
    predictor.fit(noisy_waves()).calibrate(noisy_waves(seed=1), n_steps=3)
    new = np.concatenate([noisy_waves(seed) for seed in range(2, 6)])
    for coverage in (0.5, 0.9):
        lower, upper = predictor.predict_interval(new[:, :-3], 3, coverage=coverage)
        is_covered = (lower <= new[:, -3:]) & (new[:, -3:] <= upper)
        # 300 sequences to calibrate on: the standard error of a rate of a half is 0.03.
        np.testing.assert_allclose(is_covered.mean(axis=0), coverage, atol=0.09)
        middle = (lower + upper) / 2
        np.testing.assert_allclose(middle, predictor.forecast(new[:, :-3], 3), atol=1e-9)


def test_the_width_is_the_error_of_the_conformal_rank():
    errors = np.arange(1.0, 10)[:, None]
    assert conformal_widths(errors, 0.9).tolist() == [9]
    assert conformal_widths(errors, 0.8).tolist() == [8]
    assert conformal_widths(np.r_[errors, [[np.nan]]], 0.9).tolist() == [9]
    with pytest.raises(ValueError, match=r"coverage=0.95 needs at least 19 .*got 9"):
        conformal_widths(errors, 0.95)


def test_intervals_of_images_and_of_sequences_of_unequal_length(fitted_images, sequences):
    predictor = clone(fitted_images).fit(sequences[:100])
    X = [each[: 3 + i % 4] for i, each in enumerate(sequences[100:150])]
    lower, upper = predictor.calibrate(X, 2).predict_interval(X[:4], 2)
    assert lower.shape == upper.shape == (4, 2, 8, 8)
    assert (lower <= upper).all()
    predictor.partial_fit(sequences[:10])
    with pytest.raises(ValueError, match=r"calibrated, got none: call calibrate"):
        predictor.predict_interval(X[:4], 2)


def test_intervals_reach_as_far_as_they_were_calibrated(fitted_waves):
    predictor = copy.deepcopy(fitted_waves).set_params(frame_shape=())
    predictor.calibrate(waves(seed=1), 2)
    assert predictor.predict_interval(waves(), 1)[0].shape == (300, 1)
    with pytest.raises(ValueError, match=r"Intervals of 3 steps .*got 2 steps"):
        predictor.predict_interval(waves(), 3)
    with pytest.raises(ValueError, match="at least 16 frames"):
        predictor.calibrate(waves(), 15)
    with pytest.raises(ValueError, match="coverage"):
        predictor.predict_interval(waves(), 1, coverage=1.0)


def test_scores_compare_with_a_period_and_with_other_predictions(fitted_waves):
    X = waves(seed=2)
    error = -fitted_waves.score_samples(X).mean()
    for baseline, predicted in ((1, X[:, -2]), (7, X[:, -8]), (X[:, 3], X[:, 3])):
        expected = 1 - error / np.mean((X[:, -1] - predicted) ** 2)
        assert fitted_waves.score(X, baseline=baseline) == pytest.approx(expected)
    assert fitted_waves.score(X, baseline=1) == fitted_waves.score(X, baseline="last")


def test_repetition_of_missing_values_repeats_the_last_observed_ones():
    X = np.stack([waves(), waves()], axis=2)
    X[::3, -2, 0] = np.nan
    X[0, :-1, 1] = np.nan
    predictor = SequencePredictor(**SMALL, missing_values="mask").fit(X)
    assert np.isfinite(predictor.score(X, baseline="last"))


# -- layouts -------------------------------------------------------------------------------


def test_flat_sequences_with_a_frame_shape_are_those_in_more_dimensions(sequences):
    X = sequences[:100]
    flat = X.reshape(100, -1)
    wide = SequencePredictor(**SMALL).fit(X)
    narrow = SequencePredictor(**SMALL, frame_shape=(8, 8)).fit(flat)
    assert narrow.frame_shape_ == wide.frame_shape_ == (8, 8)
    np.testing.assert_array_equal(narrow.predict(flat), wide.predict(X).reshape(100, -1))
    expected = wide.forecast(X, 2)
    np.testing.assert_array_equal(narrow.forecast(flat, 2), expected.reshape(100, -1))
    np.testing.assert_array_equal(wide.forecast(flat, 2), expected.reshape(100, -1))
    np.testing.assert_array_equal(narrow.forecast(X, 2), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("frame_shape", [(3,), (4, 5), (4, 5, 3)])
def test_frames_come_back_in_their_shape(frame_shape, dtype):
    X = np.random.RandomState(0).randint(0, 255, (30, 4, *frame_shape)).astype(dtype)
    predictor = SequencePredictor(**SMALL).fit(X)
    assert predictor.predict(X).shape == (30, *frame_shape)
    assert predictor.forecast(X, 2).shape == (30, 2, *frame_shape)
    assert predictor.inverse_transform(np.zeros((7, 8))).shape == (7, *frame_shape)
    assert predictor.predict(X).dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert np.isfinite(predictor.score(X))


def test_a_series_of_numbers_gives_a_number_for_each(fitted_waves):
    X = waves(seed=1)
    assert fitted_waves.frame_shape_ == ()
    assert fitted_waves.predict(X).shape == (300,)
    assert fitted_waves.forecast(X, 4).shape == (300, 4)
    assert fitted_waves.inverse_transform(fitted_waves.transform(X)).shape == (300,)


@pytest.mark.parametrize("n_timesteps", [1, 3, 20])
def test_history_may_be_of_any_length(n_timesteps, fitted_images, sequences):
    X = np.resize(sequences[:10], (10, n_timesteps, 8, 8))
    assert fitted_images.predict(X).shape == (10, 8, 8)
    narrow = SequencePredictor(**SMALL, frame_shape=(1,)).fit(waves())
    assert narrow.predict(waves(n_timesteps=n_timesteps)).shape == (300, 1)


# -- sequences of unequal length -----------------------------------------------------------


def ragged(n_waves=60):
    lengths = np.random.RandomState(0).randint(3, 16, n_waves)
    return [wave[:length, None] for wave, length in zip(waves(n_waves), lengths, strict=True)]


def padded(sequences, n_timesteps=20):
    X = np.full((len(sequences), n_timesteps, *sequences[0].shape[1:]), np.nan)
    for row, each in zip(X, sequences, strict=True):
        row[: len(each)] = each
    return X


@pytest.mark.parametrize("method", ["predict", "transform", "score_samples"])
def test_a_sequence_among_longer_ones_is_predicted_as_it_is_alone(method):
    X = ragged()
    predictor = SequencePredictor(**SMALL).fit(X)
    made = getattr(predictor, method)
    alone = np.concatenate([made(each[None]) for each in X])
    np.testing.assert_allclose(made(X), alone, atol=1e-12)
    np.testing.assert_array_equal(made(padded(X)), made(X))


def test_forecasts_begin_behind_the_end_of_each_sequence():
    X = ragged()
    predictor = SequencePredictor(**SMALL).fit(X)
    forecast = predictor.forecast(padded(X), 3)
    assert forecast.shape == (60, 3, 1)
    for each, expected in zip(X[:5], forecast, strict=False):
        np.testing.assert_allclose(predictor.forecast(each[None], 3)[0], expected, atol=1e-12)
    numbers = SequencePredictor(**SMALL).fit([each[:, 0] for each in X])
    assert numbers.forecast([each[:, 0] for each in X], 3).shape == (60, 3)


@pytest.mark.parametrize("parameters", [{}, {"architecture": Dense(8, normalization="batch")}])
def test_padding_does_not_change_what_is_learned(parameters):
    X = waves(60)[..., None]
    plain = SequencePredictor(**SMALL, **parameters).fit(X)
    with_padding = SequencePredictor(**SMALL, **parameters).fit(padded(X))
    # Products of longer sequences round otherwise.
    np.testing.assert_allclose(with_padding.predict(X), plain.predict(X), atol=1e-3)
    assert with_padding.reconstruction_err_ == pytest.approx(plain.reconstruction_err_, rel=1e-3)


def test_a_list_and_a_padded_array_are_learned_alike():
    X = ragged()
    one_by_one, array = (SequencePredictor(**SMALL).fit(form) for form in (X, padded(X, 15)))
    np.testing.assert_array_equal(one_by_one.predict(X), array.predict(X))


def test_images_of_unequal_numbers_are_learned(sequences):
    X = [each[: 2 + i % 4] for i, each in enumerate(sequences[:100])]
    predictor = SequencePredictor(**SMALL).fit(X)
    assert predictor.frame_shape_ == (8, 8)
    assert predictor.predict(X).shape == (100, 8, 8)
    assert predictor.partial_fit(X[:3]).score(X, baseline="last") < 1


def test_sequences_of_unequal_length_are_cross_validated():
    predictor = SequencePredictor(4, hidden_size=16, max_iter=20, random_state=0)
    X = [wave[4:] if i % 2 else wave for i, wave in enumerate(waves(150))]
    scores = cross_val_score(predictor, X, cv=3)
    assert scores.min() > 0.8


def test_whole_frames_may_be_missing_within_a_sequence():
    X = np.repeat(waves()[..., None], 2, axis=2)
    whole = X.copy()
    X[np.random.RandomState(1).rand(300, 15) < 0.1] = np.nan
    X = [*X]
    predictor = SequencePredictor(
        4, hidden_size=32, missing_values="mask", max_iter=40, random_state=0
    ).fit(X)
    assert predictor.score(X) > 0.8
    # The frame after a missing one, and not the missing one itself.
    X[0][-1] = np.nan
    alone = predictor.predict(X[:1])
    assert np.abs(alone - predictor.predict(X[:1][0][None, :-1])).max() > 1e-3
    assert np.isfinite(predictor.predict(whole)).all()


# -- what cannot be used -------------------------------------------------------------------


def test_columns_without_a_frame_shape_keep_their_number(fitted_waves):
    with pytest.raises(ValueError, match="X has 14 features"):
        fitted_waves.predict(waves()[:, 1:])


@pytest.mark.parametrize(
    ("shape", "parameters", "message"),
    [
        ((20, 1, 4, 4), {}, "at least 2 frames"),
        ((20, 1), {}, "at least 2 frames"),
        ((20, 10), {"frame_shape": (3,)}, "frames of 3 values"),
        ((20, 3), {"frame_shape": (3,)}, "at least 2 frames"),
        ((20, 5, 4, 4), {"frame_shape": (2, 8)}, "expected frame_shape="),
        ((20, 16), {"frame_shape": (0, 4)}, "frame_shape must be"),
        ((20, 2, 2, 2, 2, 2), {}, "frame_shape must be"),
        ((20, 16), {"frame_shape": 4}, "'frame_shape' parameter"),
        ((20, 16), {"cell": "elman"}, "'cell' parameter"),
        ((20, 16), {"loss": "ssim"}, "give frame_shape"),
    ],
)
def test_data_and_parameters_that_do_not_fit_are_refused(shape, parameters, message):
    predictor = SequencePredictor(**parameters)
    with pytest.raises(ValueError, match=message):
        predictor.fit(np.random.RandomState(0).uniform(size=shape))
    assert not hasattr(predictor, "module_")


def test_frames_of_another_shape_than_in_fit_are_refused(fitted_images):
    with pytest.raises(ValueError, match=r"frames of shape \(4, 16\)"):
        fitted_images.predict(np.zeros((5, 6, 4, 16)))


def test_nonsense_questions_are_refused(fitted_waves):
    with pytest.raises(ValueError, match="n_steps"):
        fitted_waves.forecast(waves(), 0)
    for baseline in ("first", 0, 15, 2.5, np.zeros(7), None, np.full(300, np.nan)):
        with pytest.raises(ValueError, match="baseline"):
            fitted_waves.score(waves(), baseline=baseline)
    with pytest.raises(ValueError, match="X has 3 components"):
        fitted_waves.inverse_transform(np.zeros((2, 3)))


def test_a_single_frame_has_no_score(fitted_images, sequences):
    with pytest.raises(ValueError, match="at least 2 frames"):
        fitted_images.score(sequences[:, :1])


def test_intervals_before_fit_are_refused_as_all_else_is():
    for method in ("calibrate", "predict_interval"):
        with pytest.raises(NotFittedError):
            getattr(SequencePredictor(), method)(waves(20))


def test_a_sequence_of_which_nothing_was_observed_changes_no_forecast_of_others():
    X = list(noisy_waves()[:40])
    predictor = SequencePredictor(2, hidden_size=8, max_iter=1, missing_values="mask")
    predictor.fit([*X, np.full(5, np.nan)])
    assert np.isfinite(predictor.forecast(X, 2)).all()
    assert np.isfinite(predictor.reconstruction_err_)
