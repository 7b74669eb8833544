"""Displays of outliers, forecasts, series, losses and training."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.ensemble import IsolationForest

from skae import (
    Autoencoder,
    ReconstructionOutlierDetector,
    SequencePredictor,
    SeriesForecaster,
    SeriesOutlierDetector,
    compare,
)
from skae.datasets import make_sensors
from skae.plotting import (
    ContributionDisplay,
    ForecastDisplay,
    LatentSpaceDisplay,
    LiveLoss,
    LossComparisonDisplay,
    OutlierDisplay,
    SeriesDisplay,
    SeriesOutlierDisplay,
    TradeOffDisplay,
    animate_latent,
)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def iris():
    return load_iris(as_frame=True).data


@pytest.fixture(scope="module")
def detector(iris):
    return ReconstructionOutlierDetector(random_state=0).fit(iris)


def texts(items):
    return [item.get_text() for item in items]


# -- outliers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["own", "isolation forest"])
def test_the_rows_beyond_the_line_are_those_that_are_predicted_outliers(kind, detector, iris):
    fitted = detector if kind == "own" else IsolationForest(random_state=0).fit(iris)
    display = OutlierDisplay.from_estimator(fitted, iris)
    assert_array_equal(display.deviations > display.threshold, fitted.predict(iris) == -1)
    n_outliers = np.sum(fitted.predict(iris) == -1)
    labels = texts(display.ax_.get_legend().get_texts())
    assert f"threshold: {n_outliers} of 150 beyond" in labels


def test_groups_of_rows_have_a_color_each(detector, iris):
    display = OutlierDisplay.from_estimator(detector, iris, ["a"] * 100 + ["b"] * 50)
    assert {"a", "b"} < set(texts(display.ax_.get_legend().get_texts()))


def test_equal_scores_can_be_drawn():
    OutlierDisplay(deviations=np.ones(5), threshold=2.0).plot()


def test_what_is_no_detector_is_refused(iris):
    with pytest.raises(TypeError, match="score_samples and offset_, got PCA"):
        OutlierDisplay.from_estimator(PCA().fit(iris), iris)


def test_a_group_for_some_rows_alone_is_refused(detector, iris):
    with pytest.raises(ValueError, match="inconsistent"):
        OutlierDisplay.from_estimator(detector, iris, ["a"] * 5)


def test_the_feature_that_was_changed_contributes_most_to_the_first_row(detector, iris):
    odd = iris.copy()
    odd.index = [f"flower {i}" for i in range(150)]
    odd.iloc[7, 2] = 50
    display = ContributionDisplay.from_estimator(detector, odd, n_rows=3, n_features=2)
    assert display.row_names[0] == "flower 7"
    assert display.feature_names[0] == iris.columns[2]
    expected = detector.feature_scores(odd).iloc[7, 2] / detector.scale_[2]
    assert display.contributions[0, 0] == pytest.approx(expected)
    assert display.contributions.shape == (3, 2)


def test_rows_of_arrays_are_named_by_their_number(iris):
    fitted = ReconstructionOutlierDetector(random_state=0).fit(iris.to_numpy())
    display = ContributionDisplay.from_estimator(fitted, iris.to_numpy(), n_rows=1)
    assert display.row_names == [str(fitted.score_samples(iris.to_numpy()).argmin())]
    assert set(display.feature_names) == {f"feature {i}" for i in range(4)}


def test_detectors_without_contributions_are_refused(iris):
    with pytest.raises(TypeError, match="feature_scores, got IsolationForest"):
        ContributionDisplay.from_estimator(IsolationForest().fit(iris), iris)


# -- sequences ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def waves():
    """60 sequences of ten frames of two numbers."""
    t = np.arange(10) + np.arange(60)[:, None]
    return np.stack([np.sin(t / 3), np.cos(t / 3)], axis=-1)


def test_the_forecast_is_that_of_the_estimator_and_continues_the_line(waves):
    predictor = SequencePredictor(2, frame_shape=(2,), max_iter=1, random_state=0)
    predictor.fit(waves[:, :7])
    display = ForecastDisplay.from_estimator(predictor, waves[0, :7], n_steps=3, truth=waves[0, 7:])
    assert_allclose(display.forecast, predictor.forecast(waves[:1, :7], 3)[0])
    lines = {line.get_label(): line.get_xydata() for line in display.ax_.lines}
    assert_allclose(lines["value 1, forecast"][0], [0, waves[0, 6, 1]])
    assert_allclose(lines["value 1, what followed"][1:, 1], waves[0, 7:, 1])


def test_frames_of_images_stand_in_two_rows():
    frames = load_digits().images[:40].reshape(8, 5, 8, 8)
    predictor = SequencePredictor(2, frame_shape=(8, 8), max_iter=1, random_state=0).fit(frames)
    display = ForecastDisplay.from_estimator(predictor, frames[0], n_steps=2)
    assert texts(display.ax_.get_yticklabels()) == ["observed", "forecast"]
    assert texts(display.ax_.get_xticklabels()) == ["-4", "-3", "-2", "-1", "0", "1", "2"]


def test_a_truth_of_another_length_is_refused(waves):
    predictor = SequencePredictor(2, frame_shape=(2,), max_iter=1, random_state=0)
    predictor.fit(waves[:, :7])
    with pytest.raises(ValueError, match=r"truth must have the shape of the forecast, \(2, 2\)"):
        ForecastDisplay.from_estimator(predictor, waves[0, :7], n_steps=2, truth=waves[0, 7:])


def test_a_forecast_is_that_of_a_predictor_of_sequences():
    for other in (PCA(), SeriesForecaster()):
        with pytest.raises(TypeError, match="must be a fitted SequencePredictor, got"):
            ForecastDisplay.from_estimator(other, np.ones((7, 1)))


def test_events_are_shaded_and_scores_stand_below():
    series = np.sin(np.arange(100) / 5)
    display = SeriesDisplay.from_series(
        series, scores=np.abs(series), events=[(10, 20), (50, 60)], threshold=0.5
    )
    assert len(display.ax_.patches) == 2
    (below,) = display.ax_.child_axes
    assert below.get_xlim() == display.ax_.get_xlim()
    assert display.ax_.get_ylim()[0] < series.min() - 0.8


def test_series_side_by_side_and_missing_values_can_be_drawn():
    series = np.column_stack([np.arange(9.0), np.full(9, np.nan)])
    assert len(SeriesDisplay.from_series(series).ax_.lines) == 2
    assert len(SeriesDisplay.from_series(pd.Series([1.0, 2, 3])).ax_.lines) == 1


@pytest.mark.parametrize("event", [(5, 5), (-1, 3), (8, 11)])
def test_events_outside_of_the_series_are_refused(event):
    with pytest.raises(ValueError, match="lie within 0 and 10"):
        SeriesDisplay.from_series(np.arange(10.0), events=[event])


def test_a_series_of_text_is_refused_by_its_name():
    with pytest.raises(ValueError, match="Expected series to hold only numbers"):
        SeriesDisplay.from_series(["a", "b"])


def test_scores_of_another_length_are_refused():
    with pytest.raises(ValueError, match="each of 10 times"):
        SeriesDisplay.from_series(np.arange(10.0), scores=np.arange(9))


# -- losses and training -----------------------------------------------------------------------


class Trained(BaseEstimator):
    def __init__(self, history=()):
        self.history_ = self.history = history

    def fit(self, X):
        return self


@pytest.fixture(scope="module")
def sensors():
    made = make_sensors(1500, n_faults=1, random_state=0)
    return pd.DataFrame(made.data, index=made.time).add_prefix("sensor "), made.target


@pytest.mark.parametrize("kind", ["pandas", "polars", "array"])
def test_events_are_drawn_over_the_series_and_over_its_scores(kind, sensors):
    frame, target = sensors
    columns = {name: frame[name].to_numpy() for name in frame}
    polars = pl.DataFrame({"time": frame.index.to_numpy().astype("datetime64[ms]"), **columns})
    X = {"pandas": frame, "polars": polars, "array": frame.to_numpy()}[kind]
    fitted = SeriesOutlierDetector(window=24, contamination=0.05).fit(X)
    display = SeriesOutlierDisplay.from_estimator(fitted, X, target)
    assert len(display.events) == len(fitted.events(X))
    assert_array_equal([end - start for start, end in display.events], fitted.events(X).n_steps)
    assert len(display.axes_["series"].patches) == len(display.events)
    assert len(display.axes_["scores"].patches) == len(display.events)
    assert (display.times is None) == (kind == "array")
    assert display.axes_["scores"].get_xlabel() == ""
    if kind != "array":
        assert texts(display.axes_["channels"].get_yticklabels())[0] == "sensor 0"


def test_a_series_of_one_channel_has_no_table_of_channels(sensors):
    X = sensors[0].to_numpy()[:, :1]
    fitted = SeriesOutlierDetector().fit(X)
    assert set(SeriesOutlierDisplay.from_estimator(fitted, X).axes_) == {"series", "scores"}


def test_what_scores_no_series_and_lists_of_them_are_refused(detector, iris, sensors):
    with pytest.raises(TypeError, match="must be a fitted SeriesOutlierDetector, got Reconstr"):
        SeriesOutlierDisplay.from_estimator(detector, iris)
    X = sensors[0].to_numpy()
    fitted = SeriesOutlierDetector(window=24).fit(X)
    with pytest.raises(TypeError, match="draw each of its series"):
        SeriesOutlierDisplay.from_estimator(fitted, [X, X])
    with pytest.raises(ValueError, match="inconsistent"):
        SeriesOutlierDisplay.from_estimator(fitted, X, [1, 0])


def test_losses_of_different_kinds_share_one_scale():
    squared = Trained([{"train_loss": 9.0, "valid_loss": each} for each in (4.0, 3.0, 2.0)])
    likelihood = Trained([{"train_loss": each} for each in (-100.0, -400.0, -300.0)])
    display = LossComparisonDisplay.from_estimators({"a": squared, "b": likelihood})
    assert_allclose(display.lines_[0].get_ydata(), [1, 0.5, 0])
    assert_allclose(display.lines_[1].get_ydata(), [1, 0, 1 / 3])


def test_losses_that_never_change_are_drawn():
    assert_array_equal(
        LossComparisonDisplay(losses={"a": [2, 2]}).plot().lines_[0].get_ydata(), [0, 0]
    )


def test_the_loss_is_drawn_while_training_runs(iris):
    live = LiveLoss(every=2)
    fitted = Autoencoder(2, max_iter=5, callbacks=[live], random_state=0).fit(iris)
    drawn = live.display_.train_loss
    assert drawn == [epoch["train_loss"] for epoch in fitted.history_][: len(drawn)]
    assert len(drawn) == len(fitted.history_) // 2 * 2
    assert plt.get_fignums() == []


def test_an_animation_shows_the_codes_of_each_epoch(iris):
    X = iris.to_numpy()
    animation = animate_latent(IncrementalPCA(2), X, n_epochs=2)
    expected = IncrementalPCA(2).partial_fit(X).transform(X)
    animation._func(0)
    scatter = plt.gcf().axes[0].collections[0]
    assert_allclose(scatter.get_offsets(), expected)
    assert plt.gcf().axes[0].get_title() == "epoch 1"
    animation._draw_was_started = True  # or its end warns that it was never shown


@pytest.mark.filterwarnings("error")
def test_an_animation_leaves_the_estimator_unfitted(iris):
    autoencoder = Autoencoder(3, random_state=0)
    animation = animate_latent(autoencoder, iris, np.arange(150) // 50, n_epochs=2)
    assert not hasattr(autoencoder, "module_")
    animation._draw_was_started = True


def test_an_estimator_that_is_not_trained_in_epochs_is_refused(iris):
    with pytest.raises(TypeError, match="partial_fit, got PCA"):
        animate_latent(PCA(2), iris)


# -- trade-offs --------------------------------------------------------------------------------


def test_points_of_a_trade_off_are_those_of_the_table(iris):
    comparison = compare(iris, reducers={"a": PCA(1), "b": PCA(2)}, random_state=0)
    display = TradeOffDisplay.from_comparison(comparison, score="trustworthiness")
    points = {line.get_label(): line.get_xydata()[0] for line in display.lines_}
    expected = comparison.table.loc["b", ["fit seconds", "trustworthiness"]]
    assert_allclose(points["b"], expected.astype(float))


def test_reducers_without_a_score_are_left_out_and_others_keep_their_colors():
    display = TradeOffDisplay(
        costs={"a": [1], "b": [2]},
        scores={"a": [np.nan], "b": [3]},
        cost_name="cost",
        score_name="score",
    )
    (alone,) = display.plot().lines_
    both = TradeOffDisplay(
        costs={"a": [1], "b": [2]}, scores={"a": [1], "b": [3]}, cost_name="", score_name=""
    )
    assert alone.get_color() == both.plot().lines_[1].get_color()


def test_sizes_of_a_code_are_marked_on_their_axis():
    sizes = [2, 4, 8, 16, 32]
    display = TradeOffDisplay(
        costs={"a": sizes}, scores={"a": [5, 4, 3, 2, 1]}, cost_name="size", score_name="error"
    ).plot()
    display.figure_.canvas.draw()
    assert texts(display.ax_.get_xticklabels()) == ["2", "4", "8", "16", "32"]


# -- codes -------------------------------------------------------------------------------------


def test_one_outlier_does_not_squeeze_the_other_codes():
    codes = np.random.default_rng(0).normal(size=(200, 2))
    codes[3] = 1000, -1000
    ax = LatentSpaceDisplay.from_codes(codes).ax_
    assert np.ptp(ax.get_xlim()) < 15
    assert texts(ax.texts) == ["1 farther away"]


def test_codes_without_outliers_are_all_shown():
    codes = np.random.default_rng(0).normal(size=(2000, 2))
    ax = LatentSpaceDisplay.from_codes(codes).ax_
    assert texts(ax.texts) == []
    for limits, values in zip((ax.get_xlim(), ax.get_ylim()), codes.T, strict=True):
        assert limits[0] < values.min() < values.max() < limits[1]


def test_codes_of_one_dimension_have_the_density_of_each_class():
    codes = np.r_[np.random.default_rng(0).normal(size=400), np.full(100, 8.0)][:, None]
    ax = LatentSpaceDisplay.from_codes(codes, [0] * 400 + [1] * 100).ax_
    first, second = (line.get_xydata() for line in ax.lines)
    # They add up to the density of all: each to its fraction of the rows.
    for curve, fraction in ((first, 0.8), (second, 0.2)):
        area = curve[:, 1].sum() * (curve[1, 0] - curve[0, 0])
        assert area == pytest.approx(fraction, rel=0.02)
    assert first[first[:, 1].argmax(), 0] == pytest.approx(0, abs=0.6)
    assert second[second[:, 1].argmax(), 0] == pytest.approx(8, abs=0.1)


def test_of_many_classes_the_smaller_ones_are_grey_and_counted():
    y = [f"class {i:02}" for i in range(30) for _ in range(30 - i)]
    codes = np.random.default_rng(0).normal(size=(len(y), 2))
    display = LatentSpaceDisplay.from_codes(codes, y)
    labels = texts(display.ax_.get_legend().get_texts())
    assert labels == [f"class {i:02}" for i in range(19)] + ["11 others"]
    display.figure_.canvas.draw()
    legend, axes = display.ax_.get_legend().get_window_extent(), display.ax_.get_window_extent()
    assert legend.height < axes.height


def test_the_ends_of_an_angle_have_the_same_color():
    angles = np.linspace(-np.pi, np.pi, 50)
    codes = np.c_[np.cos(angles), np.sin(angles)]
    display = LatentSpaceDisplay.from_codes(codes, angles, cyclic=True)
    display.figure_.canvas.draw()
    colors = display.scatter_.get_facecolors()
    assert_allclose(colors[0], colors[-1], atol=0.02)
    assert np.abs(colors[0] - colors[25]).max() > 0.3


def test_an_angle_of_text_is_refused():
    with pytest.raises(ValueError, match="y must hold numbers if cyclic is True, got .*'a'"):
        LatentSpaceDisplay.from_codes(np.eye(2), ["a", "b"], cyclic=True)


def test_the_settings_of_the_user_win_over_the_colors_of_classes():
    display = LatentSpaceDisplay.from_codes(np.eye(4)[:, :2], list("abab"), color="red")
    assert_array_equal(display.scatter_.get_facecolors()[0, :3], [1, 0, 0])
