import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA, FastICA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, ReconstructionOutlierDetector, compare
from skae.plotting import LatentSpaceDisplay, LossCurveDisplay, ReconstructionDisplay


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def texts(items):
    return [item.get_text() for item in items]


# -- reconstructions ---------------------------------------------------------------------------


def test_each_reducer_gets_a_row_below_the_originals(digits):
    X, _ = digits
    reducers = {"two": PCA(n_components=2).fit(X), "ten": PCA(n_components=10).fit(X)}
    display = ReconstructionDisplay.from_estimator(reducers, X, image_shape=(8, 8))
    assert texts(display.ax_.get_yticklabels()) == ["original", "two", "ten"]


def test_the_tiles_are_the_images_and_their_reconstructions(digits):
    images = digits[0][:3].reshape(-1, 8, 8)
    display = ReconstructionDisplay.from_reconstructions(images, {"mirror": images[:, :, ::-1]})
    mosaic = display.im_.get_array()
    # A tile is 8 pixels and a gap of one.
    assert_allclose(mosaic[:8, 9:17], images[1] / 16)
    assert_allclose(mosaic[9:17, 18:26], images[2, :, ::-1] / 16)
    # Transparent, on a page of any color.
    assert_array_equal(display.im_.to_rgba(mosaic)[8, :, 3], 0)


def test_reconstructions_share_the_brightness_of_the_originals(digits):
    images = digits[0][:2].reshape(-1, 8, 8)
    pale = {"pale": images / 2, "glaring": images * 2.0}
    mosaic = ReconstructionDisplay.from_reconstructions(images, pale).im_.get_array()
    assert_allclose(mosaic[9:17, :8], images[0] / 32)
    assert mosaic[18:26, :8].max() == 1


@pytest.mark.parametrize(
    ("images", "limits"),
    [
        (np.array([[[3, 200]]], dtype="uint8"), (0, 255)),
        (np.array([[[3, 200]]]), (0, 200)),
        (np.array([[[0.2, 0.7]]]), (0, 1)),
        (np.array([[[-1.5, 0.7]]]), (-1.5, 0.7)),
        (np.array([[[0.001, 0.002]]]), (0, 0.002)),
        (np.array([[[np.nan, np.nan]]]), (0, 1)),
        (np.zeros((1, 1, 2)), (0, 1)),
    ],
    ids=["bytes", "integers", "fractions", "negative", "tiny", "missing", "black"],
)
def test_black_is_zero_and_white_the_end_of_the_scale_of_the_data(images, limits):
    display = ReconstructionDisplay.from_reconstructions(images, {})
    assert display.value_range == limits


def test_the_grey_scale_is_that_of_all_images_given_not_only_of_those_shown():
    images = np.stack([np.full((2, 2), 0.02), np.ones((2, 2))])
    display = ReconstructionDisplay.from_reconstructions(images, {}, n_images=1)
    assert_allclose(display.im_.get_array()[:2, :2], 0.02)


def test_the_first_row_is_called_what_the_caller_says(digits):
    display = ReconstructionDisplay.from_reconstructions(
        digits[0][:2], {}, image_shape=(8, 8), label="samples"
    )
    assert texts(display.ax_.get_yticklabels()) == ["samples"]


def test_no_more_images_are_shown_than_asked_for(digits):
    X, _ = digits
    pca = PCA(n_components=2).fit(X)
    display = ReconstructionDisplay.from_estimator(pca, X, image_shape=(8, 8), n_images=4)
    assert display.images.shape == display.reconstructions["PCA"].shape == (4, 8, 8)


@pytest.mark.parametrize(("n_channels", "shown"), [(1, ()), (2, ()), (3, (4,))])
def test_three_channels_are_colors_and_others_grey(n_channels, shown):
    images = np.random.default_rng(0).uniform(size=(2, 6, 5, n_channels))
    display = ReconstructionDisplay.from_reconstructions(images, {"same": images})
    assert display.im_.get_array().shape == (14, 12, *shown)


def test_images_without_contrast_can_be_shown():
    display = ReconstructionDisplay.from_reconstructions(np.zeros((2, 4, 4)), {})
    assert_array_equal(display.im_.get_array()[:4, :4], 0)


@pytest.mark.parametrize("image_shape", [None, 64, (8,), (8, 9), (4, 4, 2, 2)])
def test_rows_of_another_image_shape_are_refused(digits, image_shape):
    with pytest.raises(ValueError, match=r"image_shape must be .* for X of shape \(1797, 64\)"):
        ReconstructionDisplay.from_reconstructions(digits[0], {}, image_shape=image_shape)


@pytest.mark.filterwarnings("error")
def test_frames_reach_the_reducer_with_their_names():
    X, _ = load_digits(return_X_y=True, as_frame=True)
    pca = PCA(n_components=2).fit(X)  # warns where the names are lost
    display = ReconstructionDisplay.from_estimator(pca, X, image_shape=(8, 8))
    assert_array_equal(display.images[0], X.iloc[0].to_numpy().reshape(8, 8))


def test_no_images_to_show_are_refused(digits):
    with pytest.raises(ValueError, match="n_images == 0, must be >= 1"):
        ReconstructionDisplay.from_reconstructions(digits[0], {}, n_images=0)


@pytest.mark.parametrize("wrap", [lambda ae: ae, make_pipeline, lambda ae: {"first": ae}])
def test_the_image_shape_of_the_fitted_estimator_serves_rows(digits, wrap):
    fitted = wrap(Autoencoder(2, image_shape=(8, 8), max_iter=1))
    for reducer in fitted.values() if isinstance(fitted, dict) else [fitted]:
        reducer.fit(digits[0][:100])
    display = ReconstructionDisplay.from_estimator(fitted, digits[0], n_images=3)
    assert_array_equal(display.images.reshape(3, 64), digits[0][:3])


def test_an_image_shape_of_other_rows_does_not_serve(digits):
    X = digits[0][:100]
    pipeline = make_pipeline(PCA(4), Autoencoder(2, image_shape=(2, 2), max_iter=1)).fit(X)
    with pytest.raises(ValueError, match="image_shape must be"):
        ReconstructionDisplay.from_estimator(pipeline, X)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_missing_pixels_are_light_blue(channels):
    images = np.random.default_rng(0).uniform(size=(2, 6, 5, *channels))
    images[0, 2, 3] = np.nan
    display = ReconstructionDisplay.from_reconstructions(images, {"same": np.nan_to_num(images)})
    picture = display.im_.get_array()
    colors = picture if channels else display.im_.to_rgba(picture)
    assert_allclose(colors[2, 3], (0.62, 0.79, 0.88, 1))
    shown = picture[:6, 6:11, :3] if channels else picture[:6, 6:11]
    assert_allclose(shown, images[1])


# -- codes -------------------------------------------------------------------------------------


def test_codes_of_two_dimensions_are_drawn_as_they_are(iris):
    X, y = iris
    pca = PCA(n_components=2).fit(X)
    display = LatentSpaceDisplay.from_estimator(pca, X, y)
    assert_array_equal(display.scatter_.get_offsets(), pca.transform(X))
    assert display.ax_.get_xlabel() == "code 1"


def test_codes_of_more_dimensions_are_drawn_by_their_principal_components(iris):
    X, _ = iris
    display = LatentSpaceDisplay.from_codes(X)
    assert_allclose(display.scatter_.get_offsets(), PCA(n_components=2).fit_transform(X))
    assert display.ax_.get_xlabel() == "PC 1 of the code"


def test_codes_of_one_dimension_lie_on_a_line(iris):
    X, _ = iris
    display = LatentSpaceDisplay.from_codes(X[:, [2]])
    assert_array_equal(display.scatter_.get_offsets(), np.c_[X[:, 2], np.zeros(len(X))])


@pytest.mark.parametrize("n_classes", [3, 12])
def test_classes_are_named_in_a_legend(n_classes):
    y = np.repeat([f"class {i:02}" for i in range(n_classes)], 4)
    codes = np.random.default_rng(0).normal(size=(len(y), 2))
    display = LatentSpaceDisplay.from_codes(codes, y)
    handles = display.ax_.get_legend().legend_handles
    assert texts(display.ax_.get_legend().get_texts()) == list(np.unique(y))
    assert len({(each.get_color(), each.get_marker()) for each in handles}) == n_classes


@pytest.mark.parametrize("column", [0, 2])
def test_a_quantity_is_explained_by_a_color_bar(iris, column):
    X, _ = iris
    display = LatentSpaceDisplay.from_codes(X, X[:, column])
    assert_array_equal(display.scatter_.get_array(), X[:, column])
    assert display.ax_.get_legend() is None
    assert len(display.figure_.axes) == 2


def test_a_target_of_another_length_is_refused(iris):
    X, y = iris
    with pytest.raises(ValueError, match=r"\[150, 149\]"):
        LatentSpaceDisplay.from_codes(X, y[1:])


def test_points_can_be_styled(iris):
    X, y = iris
    display = LatentSpaceDisplay.from_codes(X, y, s=7, cmap="gray")
    assert display.scatter_.get_sizes() == [7]
    assert display.scatter_.get_cmap().name == "gray"


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, pd.NaT])
def test_points_without_a_class_are_grey_and_named_so(iris, nothing):
    y = np.array(["a", "b", nothing] * 50, dtype=object)
    display = LatentSpaceDisplay.from_codes(iris[0], y)
    legend = display.ax_.get_legend()
    assert texts(legend.get_texts()) == ["a", "b", "missing"]
    display.figure_.canvas.draw()
    colors = display.scatter_.get_facecolors()[:, :3]
    assert_allclose(colors[2::3], 0.8)
    assert_allclose(colors[0], matplotlib.colors.to_rgb(legend.legend_handles[0].get_color()))


def test_classes_with_some_missing_read_as_integers(iris):
    y = np.where(np.arange(150) < 9, np.nan, iris[1])
    labels = texts(LatentSpaceDisplay.from_codes(iris[0], y).ax_.get_legend().get_texts())
    assert labels == ["0", "1", "2", "missing"]


def test_a_quantity_with_some_missing_keeps_its_color_bar(iris):
    y = np.where(np.arange(150) < 9, np.nan, iris[0][:, 0])
    display = LatentSpaceDisplay.from_codes(iris[0], y)
    assert display.scatter_.get_clim() == (np.nanmin(y), np.nanmax(y))
    assert display.ax_.get_legend() is None


def test_a_target_that_is_all_missing_is_drawn(iris):
    display = LatentSpaceDisplay.from_codes(iris[0], [None] * 150)
    assert texts(display.ax_.get_legend().get_texts()) == ["missing"]


def test_codes_of_text_are_refused_by_column():
    with pytest.raises(ValueError, match=r"codes must hold numbers, got column\(s\) 'b'"):
        LatentSpaceDisplay.from_codes(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))


# -- losses ------------------------------------------------------------------------------------


class Trained(BaseEstimator):
    """Has a history, as estimators that were trained do."""

    def __init__(self, history=()):
        self.history = history
        self.history_ = history

    def fit(self, X):
        return self


HISTORY = [
    {"train_loss": 3.0, "valid_loss": 4.0},
    {"train_loss": 2.0, "valid_loss": 2.5},
    {"train_loss": 1.0, "valid_loss": 3.0},
]


def test_the_curves_are_the_losses_of_the_history():
    display = LossCurveDisplay.from_estimator(Trained(HISTORY))
    train, valid = display.lines_
    assert_array_equal(train.get_xydata(), [[1, 3], [2, 2], [3, 1]])
    assert_array_equal(valid.get_xydata(), [[1, 4], [2, 2.5], [3, 3]])


def test_a_dot_marks_the_best_validation_loss():
    display = LossCurveDisplay.from_estimator(Trained(HISTORY))
    assert display.lines_[1].get_markevery() == [1]


def test_without_validation_there_is_one_curve():
    history = [{"train_loss": 2.0}, {"train_loss": 1.0}]
    display = LossCurveDisplay.from_estimator(Trained(history))
    assert [line.get_label() for line in display.lines_] == ["training"]


def test_curves_of_two_estimators_share_a_picture_by_name():
    first = LossCurveDisplay.from_estimator(Trained(HISTORY), name="a")
    LossCurveDisplay.from_estimator(Trained(HISTORY), name="b", ax=first.ax_)
    labels = texts(first.ax_.get_legend().get_texts())
    assert labels == ["a, training", "a, validation", "b, training", "b, validation"]


def test_an_estimator_without_history_is_refused_by_name(iris):
    with pytest.raises(TypeError, match=r"history_, got PCA"):
        LossCurveDisplay.from_estimator(PCA().fit(iris[0]))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda ae: make_pipeline(StandardScaler(), ae),
        lambda ae: GridSearchCV(ae, {"n_components": [1, 2]}, cv=2),
        lambda ae: GridSearchCV(make_pipeline(ae), {}, cv=2),
        lambda ae: ReconstructionOutlierDetector(ae),
    ],
    ids=["pipeline", "search", "search of a pipeline", "detector"],
)
def test_the_curve_is_found_within_what_holds_the_estimator(iris, wrap):
    outer = wrap(Autoencoder(2, max_iter=3, random_state=0)).fit(iris[0])
    display = LossCurveDisplay.from_estimator(outer)
    assert len(display.lines_[0].get_xdata()) == 3


def test_an_unfitted_estimator_has_no_curve():
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(PCA())


# -- all displays ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "display",
    [
        ReconstructionDisplay(images=np.eye(4)[None], reconstructions={}),
        LatentSpaceDisplay(positions=np.eye(2)),
        LossCurveDisplay(train_loss=[2, 1]),
    ],
    ids=lambda display: type(display).__name__,
)
def test_displays_draw_on_the_axes_they_are_given(display):
    figure, ax = plt.subplots()
    assert display.plot(ax=ax) is display
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]


# -- comparisons -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reducers():
    return {
        "PCA": PCA(n_components=4),
        "ICA": FastICA(n_components=2, random_state=0),
        "three": PCA(n_components=3),
    }


def test_a_comparison_of_images_shows_one_of_each_class_and_every_code(digits, reducers):
    X, y = digits
    comparison = compare(X, y, reducers=reducers, image_shape=(8, 8), random_state=0)
    images, *codes = comparison.plot().axes
    assert [label.partition("\n")[0] for label in texts(images.get_yticklabels())] == [
        "original",
        *reducers,
    ]
    assert [ax.get_title() for ax in codes] == list(reducers)
    first_tile = images.get_images()[0].get_array()[:8, :8]
    zeros = comparison.X_test[comparison.y_test == 0]
    assert_allclose(first_tile, zeros[0].reshape(8, 8) / 16)


def test_a_comparison_of_rows_shows_the_errors_as_bars(iris, reducers):
    comparison = compare(*iris, reducers=reducers, random_state=0)
    errors, *_ = comparison.plot().axes
    bars = dict(zip(texts(errors.get_yticklabels()), errors.patches, strict=True))
    expected = comparison.table["reconstruction error"]
    assert {name: bar.get_width() for name, bar in bars.items()} == expected.to_dict()


def test_a_comparison_without_classes_has_no_legend(iris, reducers):
    figure = compare(iris[0], reducers=reducers, random_state=0).plot()
    assert all(ax.get_legend() is None for ax in figure.axes)


def test_a_comparison_has_one_legend(iris, reducers):
    more = reducers | {f"again {i}": PCA(n_components=2) for i in range(3)}
    axes = compare(*iris, reducers=more, random_state=0).plot().axes
    with_legend = [ax.get_title() for ax in axes if ax.get_legend() is not None]
    assert with_legend == ["three"]  # at the end of the first of two rows


@pytest.mark.parametrize("n_images", [4, 12])
def test_a_comparison_shows_as_many_images_as_asked_for(digits, reducers, n_images):
    X, y = digits
    comparison = compare(X, y, reducers=reducers, image_shape=(8, 8), random_state=0)
    mosaic = comparison.plot(n_images=n_images).axes[0].get_images()[0].get_array()
    assert mosaic.shape == (9 * (1 + len(reducers)), 9 * n_images)


def test_reducers_that_reconstruct_nothing_can_be_drawn(iris):
    reducers = {"LDA": LinearDiscriminantAnalysis()}
    errors, codes = compare(*iris, reducers=reducers, random_state=0).plot().axes
    assert len(errors.patches) == 0
    assert codes.get_title() == "LDA"
