"""The display of two maps of the same rows."""

import matplotlib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA

from skae.plotting import MapMovesDisplay

matplotlib.use("Agg")
X, Y = load_iris(return_X_y=True)
CODES = PCA(2).fit_transform(X)
MOVE = np.array([3.0, 4.0])


def test_a_line_leads_from_each_old_place_to_the_new_one():
    display = MapMovesDisplay.from_codes(CODES, CODES + MOVE, Y)
    ends = np.array(display.lines_.get_segments())
    np.testing.assert_allclose(ends[:, 0], CODES)
    np.testing.assert_allclose(ends[:, 1] - ends[:, 0], np.tile(MOVE, (150, 1)))
    np.testing.assert_allclose(display.scatter_.get_offsets(), CODES + MOVE)
    np.testing.assert_allclose(display.before_.get_offsets(), CODES)


def test_the_title_has_the_median_move_in_the_width_of_the_old_map():
    display = MapMovesDisplay.from_codes(CODES, CODES + MOVE)
    assert display.median_move_ == pytest.approx(5 / np.ptp(CODES[:, 0]))
    assert display.ax_.get_title() == f"median move: {500 / np.ptp(CODES[:, 0]):.1f} % of the width"


def test_moves_in_many_dimensions_are_measured_in_all_of_them():
    codes = PCA(4).fit_transform(X)
    moved = codes + np.array([0, 0, 0, 2.0])
    assert MapMovesDisplay.from_codes(codes, moved).median_move_ == pytest.approx(
        2 / np.ptp(codes[:, 0])
    )


def test_old_and_new_places_are_within_the_axes():
    display = MapMovesDisplay.from_codes(CODES, CODES + np.array([30.0, 0]))
    low, high = display.ax_.get_xlim()
    assert low < CODES[:, 0].min()
    assert high > CODES[:, 0].max() + 30


@pytest.mark.parametrize("n_components", [1, 3])
def test_other_sizes_of_codes_are_drawn(n_components):
    before, after = PCA(n_components).fit(X[:100]), PCA(n_components).fit(X)
    display = MapMovesDisplay.from_estimators(before, after, X, Y)
    assert np.array(display.lines_.get_segments()).shape == (150, 2, 2)


def test_maps_of_another_size_are_refused():
    with pytest.raises(
        ValueError, match=r"same rows and size, got shapes \(150, 2\) and \(150, 1\)"
    ):
        MapMovesDisplay.from_codes(CODES, CODES[:, :1])


def test_codes_without_a_number_are_refused_by_name():
    with pytest.raises(ValueError, match="Input before contains NaN"):
        MapMovesDisplay.from_codes(np.where(CODES > 3, np.nan, CODES), CODES)
