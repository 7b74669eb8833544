"""SeriesOutlierDetector: scores of steps, blocks, p-values, events, streams, lost steps."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from skae import SequencePredictor, SeriesOutlierDetector
from skae.datasets import make_sensors

NAMES = list("abcde")


@pytest.fixture(scope="module")
def sensors():
    return make_sensors(random_state=0)


def framed(sensors, n_steps=None):
    time = pd.DatetimeIndex(sensors.time, name="time")
    return pd.DataFrame(sensors.data, columns=NAMES, index=time)[:n_steps]


def wave(n_steps=2000, odd=(), seed=0):
    """A noisy period of 50 steps, flat where it is odd."""
    rng = np.random.default_rng(seed)
    X = np.sin(np.arange(n_steps) * 2 * np.pi / 50)
    for start, end in odd:
        X[start:end] = 0
    return (X + rng.normal(0, 0.1, n_steps))[:, None]


# -- scores --------------------------------------------------------------------------------


def test_steps_have_the_mean_distance_of_their_windows_to_the_nearest_references():
    X = wave(600)
    detector = SeriesOutlierDetector(window=16, n_neighbors=3).fit(X)
    scaled = (X[:, 0] - detector.center_) / detector.scale_
    starts = range(0, 585, 2)
    windows = np.stack([scaled[start : start + 16] for start in starts])
    distances = cdist(windows, detector.references_, "sqeuclidean") / 16
    of_windows = np.sort(distances, axis=1)[:, :3].mean(axis=1)
    expected = [
        -np.mean(
            [d for start, d in zip(starts, of_windows, strict=True) if start <= i < start + 16]
        )
        for i in range(600)
    ]
    np.testing.assert_allclose(detector.score_samples(X), expected)


def test_with_method_error_steps_have_the_error_of_their_reconstruction_around_them():
    X = wave(600)
    detector = SeriesOutlierDetector(PCA(2), method="error", window=8).fit(X)
    scaled = (X[:, 0] - detector.center_) / detector.scale_
    sums, counts = np.zeros(600), np.zeros(600)
    for start in range(593):
        window = scaled[None, start : start + 8]
        pca = detector.estimator_
        sums[start : start + 8] += (window - pca.inverse_transform(pca.transform(window)))[0] ** 2
        counts[start : start + 8] += 1
    errors = sums / counts
    # A quarter of the window: the step and the one after it.
    expected = np.append((errors[:-1] + errors[1:]) / 2, errors[-1])
    np.testing.assert_allclose(detector.score_samples(X), -expected)


def test_a_predictor_scores_each_step_by_the_error_of_its_prediction():
    X = wave(150)
    predictor = SequencePredictor(2, frame_shape=(1,), hidden_size=4, max_iter=1, random_state=0)
    detector = SeriesOutlierDetector(predictor, window=10).fit(X)
    scaled = (X - detector.center_) / detector.scale_
    predicted = detector.estimator_.predict(scaled[None, 91:100])
    expected = -np.square(scaled[100] - predicted).mean()
    np.testing.assert_allclose(detector.score_samples(X)[100], expected, rtol=1e-5)


@pytest.mark.parametrize("method", ["neighbors", "error"])
def test_channel_scores_add_up_to_the_score(sensors, method):
    X = framed(sensors)
    detector = SeriesOutlierDetector(method=method, window=24).fit(X[:1500])
    deviations = detector.channel_scores(X) / detector.scale_
    assert list(deviations.columns) == NAMES
    assert deviations.index.equals(X.index)
    np.testing.assert_allclose(-(deviations**2).mean(axis=1), detector.score_samples(X))


def test_channel_scores_of_a_polars_frame_keep_its_times(sensors):
    columns = dict(zip("abcde", sensors.data[:600].T, strict=True))
    X = pl.DataFrame({"a": columns.pop("a"), "time": sensors.time[:600], **columns})
    detector = SeriesOutlierDetector(window=24).fit(X)
    scores = detector.channel_scores(X)
    assert scores.columns == X.columns
    assert scores["time"].equals(X["time"])
    expected = detector.channel_scores(X.drop("time"))
    np.testing.assert_array_equal(scores.drop("time"), expected)


def test_faults_of_sensors_are_found_in_their_steps_and_channels():
    areas, is_right = [], []
    for seed in range(3):
        sensors = make_sensors(random_state=seed)
        detector = SeriesOutlierDetector().fit(sensors.data[:2000])
        scores = -detector.score_samples(sensors.data)[2000:]
        areas.append(roc_auc_score(sensors.target[2000:], scores))
        deviations = (detector.channel_scores(sensors.data) / detector.scale_) ** 2
        is_right += [
            deviations[fault.start : fault.end].mean(axis=0).argmax() == fault.channel
            for fault in sensors.faults
        ]
    assert np.mean(areas) > 0.97
    assert np.mean(is_right) > 0.95


def test_faults_in_what_is_trained_on_are_found_as_well(sensors):
    scores = -SeriesOutlierDetector().fit(sensors.data).score_samples(sensors.data)
    assert roc_auc_score(sensors.target[2000:], scores[2000:]) > 0.96


def test_labeled_series_are_ranked_as_noted():
    path = Path(os.environ.get("SKAE_DATA", "."), "series.npz")
    if not path.exists():
        pytest.skip("series.npz is not where SKAE_DATA points")
    areas = []
    with np.load(path) as series:
        for name in ("nyc_taxi", "art_daily_jumpsup", "ambient_temperature_system_failure"):
            X = series[f"{name}_X"]
            scores = -SeriesOutlierDetector().fit(X).score_samples(X)
            areas.append(roc_auc_score(series[f"{name}_y"], scores))
    assert np.mean(areas) > 0.7


def test_units_of_channels_do_not_matter(sensors):
    X = sensors.data[:1500]
    units, origins = np.array([1e-6, 1, 1e6, -3, 1e3]), np.array([1, 0, 1e7, 5, 0])
    for method in ("neighbors", "error"):
        detector = SeriesOutlierDetector(window=24, method=method)
        expected = detector.fit(X).score_samples(X)
        changed = X * units + origins
        np.testing.assert_allclose(
            detector.fit(changed).score_samples(changed), expected, rtol=1e-5
        )


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("window", [1, 20])
def test_where_nothing_varies_all_is_normal_and_what_varies_is_not(n_channels, window):
    X = np.ones((300, n_channels))
    detector = SeriesOutlierDetector(window=window).fit(X)
    assert (detector.predict(X) == 1).all()
    X[100] = 2
    assert detector.predict(X)[100] == -1


def test_two_fits_give_the_same_bits(sensors):
    one, two = (SeriesOutlierDetector(window=24).fit(sensors.data) for _ in range(2))
    np.testing.assert_array_equal(one.training_scores_, two.training_scores_)


def test_float32_scores_as_float64(sensors):
    detector = SeriesOutlierDetector(window=24).fit(sensors.data)
    scores = detector.score_samples(sensors.data.astype(np.float32))
    np.testing.assert_allclose(scores, detector.score_samples(sensors.data), rtol=1e-3)


# -- thresholds, p-values, events ----------------------------------------------------------


def test_contamination_is_the_fraction_of_the_training_steps_that_are_outliers():
    X = wave(odd=[(1000, 1060)])
    detector = SeriesOutlierDetector(contamination=0.05).fit(X)
    assert abs((detector.predict(X) == -1).mean() - 0.05) < 0.002


def test_p_values_count_blocks_and_not_steps():
    X = wave(3000)
    detector = SeriesOutlierDetector(window=20, calibration_fraction=0.5).fit(X)
    n_blocks = detector.n_calibration_blocks_
    assert n_blocks == pytest.approx(3000 / 39 / 2, abs=1)
    odd = detector.p_values(np.full((100, 1), 5.0))
    np.testing.assert_allclose(odd, 1 / (n_blocks + 1))
    assert detector.p_values(X).max() <= 1


def test_few_steps_of_new_blocks_have_small_p_values_although_steps_depend_on_each_other():
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(30):
        noise, X = rng.normal(size=1500), np.zeros(1500)
        for i in range(1, 1500):
            X[i] = 0.7 * X[i - 1] + noise[i]
        detector = SeriesOutlierDetector(window=10, calibration_fraction=0.4).fit(X[:1400, None])
        rates.append((detector.p_values(X[1400:, None]) <= 0.1).mean())
    # A standard error of 0.02 over the series.
    assert np.mean(rates) <= 0.1 + 0.04


def test_a_false_positive_rate_labels_what_has_small_p_values():
    X = wave(4000)
    detector = SeriesOutlierDetector(window=10, calibration_fraction=0.5).fit(X)
    detector.set_threshold(false_positive_rate=0.1)
    new = wave(1000, odd=[(500, 550)], seed=1)
    is_outlier = detector.predict(new) == -1
    # The offset itself, where decisions are zero, is normal.
    assert (detector.p_values(new)[is_outlier] <= 0.1).all()
    assert is_outlier[510:540].all()


def test_a_rate_that_few_blocks_cannot_hold_is_refused():
    detector = SeriesOutlierDetector(window=50).fit(wave())
    with pytest.raises(ValueError, match=r"at least 0\.\d+ with \d+ held-out blocks of 50 steps"):
        detector.set_threshold(false_positive_rate=0.001)


def test_events_have_their_times_and_channels(sensors):
    X = framed(sensors)
    detector = SeriesOutlierDetector().fit(X[:2000]).set_threshold(quantile=0.999)
    events = detector.events(X[2150:2700])
    assert events["channels"].tolist() == [["e"], ["d"]]
    for event, fault in zip(events.itertuples(), sensors.faults[1:3], strict=True):
        start, end = X.index[[fault.start, fault.end - 1]]
        assert event.start <= event.peak <= event.end
        assert abs(event.start - start) < pd.Timedelta("12h")
        assert abs(event.end - end) < pd.Timedelta("12h")


def test_events_are_the_outliers():
    X = wave(odd=[(500, 520), (1500, 1520)])
    detector = SeriesOutlierDetector(window=10, contamination=0.02).fit(X)
    is_outlier = detector.predict(X) == -1
    events = detector.events(X)
    inside = np.zeros(len(X), bool)
    for event in events.itertuples():
        assert event.n_steps == event.end - event.start + 1
        assert is_outlier[[event.start, event.peak, event.end]].all()
        inside[event.start : event.end + 1] = True
    assert inside[is_outlier].all()


def test_without_events_the_table_has_its_columns():
    detector = SeriesOutlierDetector().fit(wave())
    detector.offset_ = -np.inf
    assert list(detector.events(wave()).columns)[:3] == ["start", "end", "peak"]
    assert detector.events([wave()]).empty


# -- series as people have them ------------------------------------------------------------


def test_a_list_of_series_gives_a_list_of_scores():
    series = [wave(700), wave(15, seed=1), wave(300, odd=[(100, 140)], seed=2)]
    detector = SeriesOutlierDetector(window=20).fit(series)
    scores = detector.score_samples(series)
    assert [len(each) for each in scores] == [700, 15, 300]
    np.testing.assert_array_equal(scores[2], detector.score_samples(series[2]))
    assert detector.events(series)["series"].tolist() == [2]
    assert len(detector.training_scores_) == 1015


def test_vectors_series_and_frames_of_one_channel_are_the_same():
    X = wave()
    expected = SeriesOutlierDetector().fit(X).score_samples(X)
    for given in (X[:, 0], pd.Series(X[:, 0]), pl.DataFrame({"a": X[:, 0]}), X.astype(object)):
        scores = SeriesOutlierDetector().fit(given).score_samples(given)
        np.testing.assert_array_equal(scores, expected)


def test_lost_steps_part_a_series_into_stretches_of_their_own(sensors):
    X = framed(sensors).drop(framed(sensors).index[300:310])
    detector = SeriesOutlierDetector(window="5h").fit(X[:2000])
    assert detector.window_ == 20
    scores = detector.score_samples(X)
    np.testing.assert_array_equal(scores[:300], detector.score_samples(X[:300]))
    np.testing.assert_array_equal(scores[300:], detector.score_samples(X[300:]))


def test_missing_values_change_scores_little():
    complete, partial = (make_sensors(missing=m, random_state=1) for m in (0, 0.1))
    detector = SeriesOutlierDetector().fit(partial.data[:2000])
    scores = -detector.score_samples(partial.data)[2000:]
    assert np.isfinite(scores).all()
    with_all = (
        -SeriesOutlierDetector().fit(complete.data[:2000]).score_samples(complete.data)[2000:]
    )
    areas = [roc_auc_score(complete.target[2000:], each) for each in (scores, with_all)]
    assert areas[0] > areas[1] - 0.02


def test_steps_of_which_nothing_was_observed_are_no_outliers():
    X = wave()
    X[400:600] = np.nan
    detector = SeriesOutlierDetector(window=20).fit(X)
    scores = detector.score_samples(X)
    assert np.isnan(scores[420:580]).all()
    assert np.isfinite(scores[:400]).all()
    assert (detector.predict(X)[420:580] == 1).all()
    assert (detector.p_values(X)[420:580] == 1).all()


def test_a_channel_that_is_lost_for_long_counts_for_nothing(sensors):
    X = sensors.data[:2000].copy()
    X[500:1000, 2] = np.nan
    detector = SeriesOutlierDetector(window=24).fit(X)
    scores = detector.channel_scores(X)
    assert np.isnan(scores[540:960, 2]).all()
    assert np.isfinite(detector.score_samples(X)).all()


def test_a_constant_channel_that_moves_is_an_outlier():
    X = np.hstack([wave(), np.full((2000, 1), 7.0)])
    detector = SeriesOutlierDetector(window=20).fit(X)
    new = X[:200].copy()
    new[100:110, 1] = 12
    assert detector.channel_scores(new)[105].argmax() == 1
    assert detector.predict(new)[105] == -1


# -- streams -------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(1,), (7, 1, 30)])
@pytest.mark.parametrize("method", ["neighbors", "error"])
def test_a_stream_has_the_scores_of_the_series_in_one_piece(sensors, sizes, method):
    X = sensors.data[2000:2200]
    detector = SeriesOutlierDetector(window=24, method=method, causal=True)
    detector.fit(sensors.data[:1500])
    ends = np.cumsum(np.resize(sizes, 200))
    parts = [part for part in np.split(X, ends[ends < 200]) if len(part)]
    scores = np.concatenate([detector.score_next(part) for part in parts])
    np.testing.assert_allclose(scores, detector.score_samples(X), rtol=1e-9)


def test_the_newest_step_scores_as_the_last_of_the_series_so_far():
    X = wave(300)
    detector = SeriesOutlierDetector(window=16).fit(wave())
    scores = [detector.score_next(row)[0] for row in X]
    for n_steps in (16, 50, 299):
        np.testing.assert_allclose(scores[n_steps - 1], detector.score_samples(X[:n_steps])[-1])


def test_a_stream_may_follow_on_known_steps():
    X = wave(400)
    detector = SeriesOutlierDetector(window=16, causal=True).fit(wave())
    scores = detector.start_stream(X[:200]).score_next(X[200:])
    np.testing.assert_allclose(scores, detector.score_samples(X)[200:])
    assert detector.start_stream().score_next(X[:1]) == detector.score_samples(X)[0]


@pytest.mark.parametrize("ends", [[90, 95, 100], [99, 101], range(1, 150)])
def test_a_stream_begins_anew_behind_lost_steps(sensors, ends):
    X = framed(sensors)
    X = X.drop(X.index[2100:2110])
    detector = SeriesOutlierDetector(window=24, causal=True).fit(X[:1500])
    new = X[2000:2150]
    parts = [new[start:stop] for start, stop in pairwise([0, *ends, 150])]
    scores = np.concatenate([detector.score_next(part) for part in parts])
    np.testing.assert_allclose(scores, detector.score_samples(new), rtol=1e-9)


def test_a_row_of_a_frame_is_a_step_with_its_time(sensors):
    X = framed(sensors).drop(framed(sensors).index[2100:2110])[2090:2110]
    detector = SeriesOutlierDetector(window=24, causal=True).fit(framed(sensors)[:1500])
    rows = [detector.score_next(row)[0] for _, row in X.iterrows()]
    np.testing.assert_allclose(rows, detector.score_samples(X), rtol=1e-9)


def test_a_step_may_be_a_list_of_its_channels(sensors):
    detector = SeriesOutlierDetector(window=24).fit(sensors.data[:1500])
    score = detector.score_next(sensors.data[0].tolist())
    assert detector.start_stream().score_next(sensors.data[0]) == score


def test_steps_before_those_of_the_stream_are_refused(sensors):
    X = framed(sensors)
    detector = SeriesOutlierDetector(window=24).fit(X[:1500])
    detector.score_next(X[2000:2100])
    for again in (X[2099:2101], X[1900:1910]):
        with pytest.raises(ValueError, match=r"X must follow on .* start_stream\(\)"):
            detector.score_next(again)


def test_a_stream_is_one_series_and_stays_as_it_was_if_given_several(sensors):
    X = sensors.data
    detector = SeriesOutlierDetector(window=24, causal=True).fit(X[:1500]).start_stream(X[:100])
    for method in (detector.score_next, detector.start_stream):
        with pytest.raises(ValueError, match="next steps of one series.* list of 2 series"):
            method([X[:50], X[:50]])
    expected = detector.score_samples(X[:120])[100:]
    np.testing.assert_allclose(detector.score_next(X[100:120]), expected, rtol=1e-9)


def test_a_stream_begins_anew_behind_steps_that_are_lost_within_a_call(sensors):
    X = framed(sensors)
    X = X.drop(X.index[2100:2110])
    detector = SeriesOutlierDetector(window=24, causal=True).fit(X[:1500])
    scores = detector.score_next(X[2000:2150])
    np.testing.assert_allclose(scores, detector.score_samples(X[2000:2150]), rtol=1e-9)


def test_a_call_that_fails_leaves_the_stream_as_it_was():
    X = wave(300)
    detector = SeriesOutlierDetector(window=16, causal=True).fit(wave())
    detector.score_next(X[:100])
    with pytest.raises(ValueError, match="features"):
        detector.score_next(np.zeros((3, 2)))
    np.testing.assert_allclose(detector.score_next(X[100:]), detector.score_samples(X)[100:])


def test_partial_fit_in_pieces_is_a_fit_in_one(sensors):
    X = framed(sensors, 2400)
    expected = SeriesOutlierDetector(window=24).fit(X)
    detector = SeriesOutlierDetector(window=24)
    for part in (X[:1000], X[1000:1001], X[1001:2400]):
        detector.partial_fit(part)
    np.testing.assert_array_equal(detector.score_samples(X), expected.score_samples(X))
    assert detector.offset_ == expected.offset_


def test_partial_fit_continues_a_fit_and_not_one_with_a_reducer():
    X = wave()
    detector = SeriesOutlierDetector(window=20).fit(X[:1500]).partial_fit(X[1500:])
    expected = SeriesOutlierDetector(window=20).fit(X)
    np.testing.assert_array_equal(detector.training_scores_, expected.training_scores_)
    assert not hasattr(SeriesOutlierDetector(PCA(2)), "partial_fit")


# -- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "parameters", "message"),
    [
        (
            np.zeros((5, 30, 2)),
            {},
            r"a set of 5 sequences of 30 steps.*list\(X\).*SequencePredictor",
        ),
        (wave(100), {"window": 64}, "at least three windows of 64 steps.*got 100 steps"),
        (wave(), {"calibration_fraction": 1e-9}, "calibration_fraction"),
        (wave(), {"method": "distance"}, "method"),
        (wave(), {"window": "1h"}, "no time stamps"),
        (
            wave(),
            {"estimator": SequencePredictor(), "method": "neighbors"},
            "predicts what follows",
        ),
        (np.full((100, 1), np.nan), {"window": 5}, "observed values"),
    ],
)
def test_what_cannot_be_fitted_is_refused_and_leaves_the_detector_as_it_was(X, parameters, message):
    detector = SeriesOutlierDetector(**parameters)
    before = set(vars(detector))
    with pytest.raises(ValueError, match=message):
        detector.fit(X)
    assert set(vars(detector)) == before


def test_time_stamps_of_all_parts_or_of_none_are_asked_for(sensors):
    X = framed(sensors, 1000)
    detector = SeriesOutlierDetector(window=24).partial_fit(X[:800])
    with pytest.raises(ValueError, match="time stamps in all calls"):
        detector.partial_fit(X[800:].reset_index(drop=True))
    with pytest.raises(ValueError, match="must increase"):
        detector.partial_fit(X[700:])
