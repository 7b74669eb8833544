"""Displays of images and decoded codes: what they compute, apart from how it is drawn."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from skae import Autoencoder
from skae.architectures import Conv
from skae.plotting import (
    ErrorMapDisplay,
    FeatureMapDisplay,
    ImageGridDisplay,
    InterpolationDisplay,
    ManifoldDisplay,
    TraversalDisplay,
)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def images():
    return load_digits().images[:200]


@pytest.fixture(scope="module")
def rows(images):
    return images.reshape(-1, 64)


@pytest.fixture(scope="module")
def pca(rows):
    return PCA(3).fit(rows)


@pytest.fixture(scope="module")
def conv(images):
    return Autoencoder(2, architecture=Conv((3, 5)), max_iter=1, random_state=0).fit(images)


def texts(items):
    return [item.get_text() for item in items]


# -- grids -------------------------------------------------------------------------------------


def test_images_fill_a_grid_row_by_row(images):
    display = ImageGridDisplay.from_images(images, n_images=5, n_columns=3)
    picture = display.im_.get_array()
    # A tile is 8 pixels and one between it and the next.
    assert_allclose(picture[9:17, 9:17], images[4] / 16)
    assert picture.shape == (18, 27)


def test_images_of_a_grid_have_their_labels(images):
    display = ImageGridDisplay.from_images(images, n_images=3, labels=range(200))
    assert texts(display.ax_.texts) == ["0", "1", "2"]


def test_fewer_images_than_columns_make_one_row(images):
    assert ImageGridDisplay.from_images(images[:2]).im_.get_array().shape == (9, 18)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_images": 0}, "n_images == 0"),
        ({"n_columns": 0}, "n_columns == 0"),
        ({"labels": ["a"]}, "labels must have a label for each image, got 1 for 200"),
    ],
)
def test_grids_refuse_what_makes_none(images, options, message):
    with pytest.raises(ValueError, match=message):
        ImageGridDisplay.from_images(images, **options)


# -- walks -------------------------------------------------------------------------------------


def test_an_interpolation_begins_and_ends_at_the_reconstructions_of_its_pair(pca, rows):
    display = InterpolationDisplay.from_estimator(pca, rows[:5], image_shape=(8, 8), n_steps=3)
    rebuilt = pca.inverse_transform(pca.transform(rows[:4])).reshape(-1, 8, 8)
    assert_allclose(display.images[:, 0], rebuilt[::2])
    assert_allclose(display.images[:, -1], rebuilt[1::2])
    # The middle of a linear walk is the mean of its ends.
    assert_allclose(display.images[:, 1], (rebuilt[::2] + rebuilt[1::2]) / 2)


def test_a_traversal_changes_one_component_at_a_time(pca, rows):
    display = TraversalDisplay.from_estimator(
        pca, rows, image_shape=(8, 8), components=[2, 0], n_steps=5
    )
    codes = pca.transform(display.images.reshape(-1, 64)).reshape(2, 5, 3)
    medians = np.median(pca.transform(rows), axis=0)
    assert_allclose(codes[0][:, :2], np.tile(medians[:2], (5, 1)), atol=1e-9)
    assert_allclose(codes[1][:, 1:], np.tile(medians[1:], (5, 1)), atol=1e-9)
    low, high = np.quantile(pca.transform(rows)[:, 2], (0.02, 0.98))
    assert_allclose(codes[0][:, 2], np.linspace(low, high, 5))
    assert texts(display.ax_.get_yticklabels()) == ["code 3", "code 1"]


def test_a_manifold_grows_to_the_right_and_upwards(pca, rows):
    display = ManifoldDisplay.from_estimator(
        pca, rows, image_shape=(8, 8), components=(1, 0), n_side=4
    )
    codes = pca.transform(display.images.reshape(-1, 64)).reshape(4, 4, 3)
    assert (np.diff(codes[..., 1], axis=1) > 0).all()
    assert (np.diff(codes[..., 0], axis=0) < 0).all()
    assert_allclose(codes[..., 2], np.median(pca.transform(rows)[:, 2]), atol=1e-9)
    assert display.ax_.get_xlabel() == "code 2 →"


WALKS = [InterpolationDisplay, TraversalDisplay, ManifoldDisplay]


@pytest.mark.parametrize("walk", WALKS)
def test_walks_are_drawn_on_the_grey_scale_of_the_data(walk, pca, rows):
    display = walk.from_estimator(pca, rows, image_shape=(8, 8))
    assert display.value_range == (0, 16)
    assert display.images.min() < 0  # where PCA goes below black


@pytest.mark.parametrize("walk", WALKS)
def test_walks_take_images_and_pipelines_of_estimators_of_images(walk, conv, images, rows):
    first = walk.from_estimator(conv, images)
    assert first.images.shape[-2:] == (8, 8)
    of_rows = Autoencoder(2, image_shape=(8, 8), max_iter=1, random_state=0)
    pipeline = make_pipeline(of_rows).fit(rows[:50])
    assert walk.from_estimator(pipeline, rows[:10]).images.shape[2:4] == (8, 8)


@pytest.mark.parametrize("walk", WALKS)
def test_walks_refuse_rows_that_are_no_images(walk):
    X = load_iris().data
    with pytest.raises(ValueError, match="image_shape must be"):
        walk.from_estimator(PCA(2).fit(X), X)


@pytest.mark.parametrize(
    ("walk", "options", "message"),
    [
        (TraversalDisplay, {"components": [3]}, "components == 3, must be <= 2"),
        (TraversalDisplay, {"n_steps": 1}, "n_steps == 1"),
        (ManifoldDisplay, {"components": (1, 1)}, r"two different ones, got \(1, 1\)"),
        (ManifoldDisplay, {"components": (0, -1)}, "components == -1"),
        (ManifoldDisplay, {"n_side": 1}, "n_side == 1"),
        (InterpolationDisplay, {"n_steps": 1}, "n_steps == 1"),
    ],
)
def test_walks_that_lead_nowhere_are_refused(walk, options, message, pca, rows):
    with pytest.raises(ValueError, match=message):
        walk.from_estimator(pca, rows, image_shape=(8, 8), **options)


def test_a_single_sample_is_no_pair(pca, rows):
    with pytest.raises(ValueError, match="pairs of samples, got 1"):
        InterpolationDisplay.from_estimator(pca, rows[:1], image_shape=(8, 8))


def test_a_manifold_of_one_component_is_refused(rows):
    with pytest.raises(ValueError, match="components == 1, must be <= 0"):
        ManifoldDisplay.from_estimator(PCA(1).fit(rows), rows, image_shape=(8, 8))


# -- errors ------------------------------------------------------------------------------------


def test_an_error_map_holds_the_root_mean_square_of_each_pixel(pca, rows):
    display = ErrorMapDisplay.from_estimator({"PCA": pca}, rows, image_shape=(8, 8))
    errors = rows - pca.inverse_transform(pca.transform(rows))
    assert_allclose(display.maps["PCA"].ravel(), np.sqrt((errors**2).mean(axis=0)))


def test_error_maps_of_color_images_are_means_over_the_channels(rows):
    colors = np.random.default_rng(0).uniform(size=(20, 4, 4, 3))
    flat = colors.reshape(20, 48)
    pca = PCA(2).fit(flat)
    display = ErrorMapDisplay.from_estimator(pca, flat, image_shape=(4, 4, 3))
    errors = (flat - pca.inverse_transform(pca.transform(flat))).reshape(20, 4, 4, 3)
    assert_allclose(display.maps["PCA"], np.sqrt((errors**2).mean(axis=(0, 3))))


def test_missing_pixels_have_no_error(rows):
    X = rows[:60].copy()
    X[:, 5] = np.nan
    X[:3, 9] = np.nan
    fitted = Autoencoder(2, missing_values="mask", max_iter=1, random_state=0).fit(X)
    (errors,) = ErrorMapDisplay.from_estimator(fitted, X, image_shape=(8, 8)).maps.values()
    assert np.isnan(errors[0, 5])
    assert np.isnan(errors).sum() == 1


def test_a_perfect_reconstruction_can_be_drawn(rows):
    X = np.tile(rows[:1], (4, 1))
    display = ErrorMapDisplay.from_estimator(PCA(64).fit(rows), X, image_shape=(8, 8))
    assert_allclose(display.maps["PCA"], 0, atol=1e-9)


# -- feature maps ------------------------------------------------------------------------------


def test_feature_maps_are_those_of_the_estimator(conv, images):
    display = FeatureMapDisplay.from_estimator(conv, images[3:5], n_channels=3)
    maps = conv.feature_maps(images[3:4])
    assert list(display.maps) == list(maps)
    assert texts(display.ax_.get_yticklabels()) == list(maps)
    first = next(iter(maps.values()))[0]
    assert_array_equal(next(iter(display.maps.values())), first)
    # The first tile: the first channel, from its lowest to its highest value, four pixels as one.
    tile = display.im_.get_array()[:8, :8]
    channel = (first[..., 0] - first[..., 0].min()) / np.ptp(first[..., 0])
    assert_allclose(tile, np.kron(channel, np.ones((2, 2))), atol=1e-6)


def test_estimators_without_convolutions_are_refused(rows, pca):
    dense = Autoencoder(2, max_iter=1, random_state=0).fit(rows[:50])
    with pytest.raises(ValueError, match="architecture='conv'"):
        FeatureMapDisplay.from_estimator(dense, rows)
    with pytest.raises(TypeError, match="feature_maps, got PCA"):
        FeatureMapDisplay.from_estimator(pca, rows)


# -- all ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "display",
    [
        ImageGridDisplay(images=np.ones((3, 4, 4)), n_columns=2),
        InterpolationDisplay(images=np.ones((1, 2, 4, 4))),
        TraversalDisplay(images=np.ones((1, 2, 4, 4)), components=[0]),
        ManifoldDisplay(images=np.ones((2, 2, 4, 4))),
        ErrorMapDisplay(maps={"a": np.ones((4, 4))}),
        FeatureMapDisplay(maps={"a": np.ones((4, 4, 2)), "b": np.ones((2, 2, 1))}),
    ],
    ids=lambda display: type(display).__name__,
)
def test_displays_draw_on_the_axes_they_are_given(display):
    figure, ax = plt.subplots()
    assert display.plot(ax=ax) is display
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
