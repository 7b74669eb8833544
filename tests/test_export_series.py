"""ONNX files of estimators of series give, for a series of any length, what the estimators give."""

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession
from sklearn.decomposition import FastICA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small import QUICK

from skae import (
    Autoencoder,
    SequenceAutoencoder,
    SequencePredictor,
    SeriesForecaster,
    SeriesOutlierDetector,
    Windows,
    export_onnx,
)
from skae.datasets import make_sensors
from skae.export._detector import DetectorMethods
from skae.export._modules import METHODS

pytestmark = pytest.mark.usefixtures("one_table_of_operators")

SENSORS = make_sensors(random_state=0).data[-600:, :3] * [1, 10, 100] + [0, 5, 1000]
PREDICTOR = SequencePredictor(2, hidden_size=4, **QUICK)
ALL = ["score_samples", "decision_function", "predict", "p_values"]


def incomplete(series):
    """Return a series with missing values: steps, the ends of channels, more than a window."""
    series = series.copy()
    series[30:33] = series[100:160, 0] = series[:2, -1] = series[-3:, 0] = np.nan
    return series


WHOLE = SENSORS.astype(np.float32)
# Among them one that is shorter than any window.
SERIES = {"whole": WHOLE, "incomplete": incomplete(WHOLE), "short": WHOLE[:7]}


def session_of(estimator, tmp_path, **options):
    export_onnx(estimator, tmp_path / "file", **options)
    return InferenceSession(tmp_path / "file", providers=["CPUExecutionProvider"])


def assert_same(made, expected):
    assert made.shape == np.shape(expected)
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)


def assert_runs(session, estimator, series, **more):
    names = [output.name for output in session.get_outputs()]
    for name, made in zip(names, session.run(None, {"X": series, **more}), strict=True):
        assert_same(made, getattr(estimator, name)(series, **more))


@pytest.fixture(scope="module")
def neighbors_session(one_table_of_operators, tmp_path_factory):
    detector = SeriesOutlierDetector(window=17).fit(SENSORS[:, :1])
    return detector, session_of(detector, tmp_path_factory.mktemp("neighbors"), methods=ALL)


@pytest.fixture(scope="module")
def errors_session(one_table_of_operators, tmp_path_factory):
    detector = SeriesOutlierDetector(window=20, causal=True).fit(SENSORS)
    return detector, session_of(detector, tmp_path_factory.mktemp("errors"))


@pytest.mark.parametrize("name", SERIES)
def test_a_file_of_a_detector_by_neighbors_scores_every_step(neighbors_session, name):
    detector, session = neighbors_session
    assert detector.method_ == "neighbors"
    assert_runs(session, detector, SERIES[name][:, :1])


@pytest.mark.parametrize("name", SERIES)
def test_a_file_of_a_detector_by_errors_scores_every_step(errors_session, name):
    detector, session = errors_session
    assert detector.method_ == "error"
    assert_runs(session, detector, SERIES[name])


def test_steps_without_observed_values_have_no_score_and_are_normal(neighbors_session):
    _, session = neighbors_session
    scores, decisions, labels, p_values = session.run(None, {"X": np.full((40, 1), np.nan, "f4")})
    assert np.isnan(scores).all()
    assert np.isnan(decisions).all()
    assert (labels == 1).all()
    assert (p_values == 1).all()


def test_a_step_with_an_infinite_value_is_an_outlier(errors_session):
    _, session = errors_session
    series = WHOLE[:60].copy()
    series[40, 0] = np.inf
    found = dict(
        zip(
            (each.name for each in session.get_outputs()),
            session.run(None, {"X": series}),
            strict=True,
        )
    )
    assert found["score_samples"][40] == -np.inf
    assert found["predict"][40] == -1


def test_the_last_window_of_a_stream_gives_the_score_of_its_last_step(errors_session):
    detector, session = errors_session
    known, new = WHOLE[:300], WHOLE[300:310]
    expected = detector.start_stream(known).score_next(new)
    for i, score in enumerate(expected):
        end = 301 + i
        last = WHOLE[end - detector.window_ : end]
        assert session.run(["score_samples"], {"X": last})[0][-1] == pytest.approx(score, rel=1e-5)


# The modules alone, which take no seconds to be traced.
DETECTORS = {
    "causal neighbors": SeriesOutlierDetector(causal=True, method="neighbors", window=12),
    "neighbors of reconstructions": SeriesOutlierDetector(FastICA(3, random_state=0), window=9),
    "few neighbors": SeriesOutlierDetector(method="neighbors", n_neighbors=1, window=30),
    "errors": SeriesOutlierDetector(window=21),
    "a Pipeline": SeriesOutlierDetector(
        make_pipeline(StandardScaler(), Autoencoder(2, **QUICK)), method="error", window=10
    ),
    "forecasts": SeriesOutlierDetector(PREDICTOR, window=8),
    "forecasts from one step": SeriesOutlierDetector(PREDICTOR, window=2),
    "windows of one step": SeriesOutlierDetector(window=1),
}


@pytest.mark.parametrize("name", DETECTORS)
def test_modules_of_detectors_compute_what_each_method_does(name):
    detector = DETECTORS[name].fit(SENSORS)
    for series in (*SERIES.values(), 3 * WHOLE[:50], WHOLE[:1]):
        with torch.no_grad():
            made = DetectorMethods(detector, ALL)(torch.as_tensor(series))
        for method, values in zip(ALL, made, strict=True):
            # In single precision the forecasts of held-out steps are not their own any more.
            if method != "p_values" or detector.estimator_ is None:
                assert_same(values.numpy(), getattr(detector, method)(series))


@pytest.mark.parametrize("estimator", [None, PREDICTOR], ids=["linear", "network"])
@pytest.mark.parametrize("known", [None, [1]], ids=["", "known"])
def test_modules_of_forecasters_compute_the_forecast(estimator, known):
    forecaster = SeriesForecaster(5, n_lags=10, estimator=estimator, known_future=known)
    forecaster.fit(SENSORS)
    future = None if known is None else WHOLE[-5:, 1:2] + 1
    for series in SERIES.values():
        inputs = [torch.as_tensor(each) for each in (series, future) if each is not None]
        with torch.no_grad():
            made = METHODS["forecast"](forecaster)(*inputs)
        assert_same(made.numpy(), forecaster.forecast(series, future=future))


def test_a_file_of_a_forecaster_continues_series_of_any_length(tmp_path):
    forecaster = SeriesForecaster(5, n_lags=10, known_future=[1]).fit(SENSORS)
    session = session_of(forecaster, tmp_path)
    assert [each.name for each in session.get_inputs()] == ["X", "future"]
    for series in SERIES.values():
        assert_runs(session, forecaster, series, future=WHOLE[-5:, 1:2])


def test_a_file_of_windows_cuts_series_of_any_length(tmp_path):
    windows = Windows(20, stride=7).fit(SENSORS)
    session = session_of(windows, tmp_path)
    for series in (*SERIES.values(), WHOLE[:20], WHOLE[:23]):
        assert_runs(session, windows, series)


def test_windows_are_joined_to_a_series_again():
    for stride in (1, 7, 20, 23):
        windows = Windows(20, stride=stride).fit(SENSORS)
        rows = np.random.default_rng(0).normal(size=(9, 60)).astype(np.float32)
        made = METHODS["inverse_transform"](windows)(torch.as_tensor(rows))
        assert_same(made.numpy(), windows.inverse_transform(rows))


def padded(sequences):
    """Return sequences as one array, NaN behind their ends."""
    whole = np.full((len(sequences), max(map(len, sequences)), 3), np.nan, np.float32)
    for row, each in zip(whole, sequences, strict=True):
        row[: len(each)] = each
    return whole


# Of 4 to 13 steps.
UNEQUAL = [WHOLE[start : start + 4 + start % 10] for start in range(0, 500, 17)]


def test_a_file_encodes_and_reconstructs_sequences_of_any_length(tmp_path):
    fitted = SequenceAutoencoder(2, **QUICK).fit(UNEQUAL)
    session = session_of(fitted, tmp_path)
    # Of one step, and longer than any in `fit`.
    others = [WHOLE[:1], WHOLE[:20], WHOLE[30:43]]
    for sequences in (padded(UNEQUAL), padded(others), padded(UNEQUAL)[:, :4]):
        assert_runs(session, fitted, sequences)


@pytest.mark.parametrize("missing_values", [None, "mask"])
def test_modules_decode_sequences_as_long_as_their_codes_say(missing_values):
    fitted = SequenceAutoencoder(2, missing_values=missing_values, **QUICK).fit(padded(UNEQUAL))
    codes = fitted.transform(UNEQUAL).astype(np.float32)
    with torch.no_grad():
        made = METHODS["inverse_transform"](fitted)(torch.as_tensor(codes))
    assert_same(made.numpy(), fitted.inverse_transform(codes))


def test_modules_leave_out_missing_values_of_sequences():
    fitted = SequenceAutoencoder(2, missing_values="mask", **QUICK).fit(UNEQUAL)
    sequences = padded(UNEQUAL)
    sequences[0, 1:3, 0] = sequences[1, :4, 2] = np.nan
    for method in ("transform", "reconstruct", "score_samples"):
        with torch.no_grad():
            made = METHODS[method](fitted)(torch.as_tensor(sequences))
        assert_same(made.numpy(), getattr(fitted, method)(sequences))


def test_a_reducer_that_torch_cannot_compute_is_refused_by_name(tmp_path):
    detector = SeriesOutlierDetector(FastICA(2, random_state=0), method="error", window=9)
    with pytest.raises(ValueError, match="FastICA.* cannot be exported within a detector"):
        export_onnx(detector.fit(SENSORS), tmp_path / "file")
    assert not (tmp_path / "file").exists()
