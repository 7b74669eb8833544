"""Rows for training: which are merged, which are sampled, and what replaces missing values."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skae._engine.data import Sample, TrainingSet, sample_rows

X = np.array([[3.0, 1], [0, 2], [3, 1], [0, 2], [3, 1], [5, 5]])


# -- merging rows that are equal -----------------------------------------------------------------


def test_equal_rows_become_one_with_their_number_as_its_weight():
    merged = TrainingSet(X).merged()
    assert_array_equal(merged.X, [[0, 2], [3, 1], [5, 5]])
    assert_array_equal(merged.weights, [2, 3, 1])


def test_weights_of_equal_rows_add_up_and_rows_without_weight_are_left_out():
    merged = TrainingSet(X, weights=np.array([0.5, 1, 0.25, 3, 0, 0])).merged()
    assert_array_equal(merged.X, [[0, 2], [3, 1]])
    assert_array_equal(merged.weights, [4, 0.75])


def test_rows_that_all_count_alike_have_no_weights():
    assert TrainingSet(X[:2]).merged().weights is None
    assert TrainingSet(X[:4], weights=np.full(4, 5.0)).merged().weights is None


@pytest.mark.parametrize("part", ["X_target", "labels"])
def test_rows_with_other_targets_or_labels_stay_apart(part):
    other = np.arange(6.0)[:, None]
    merged = TrainingSet(X, **{part: other}).merged()
    assert len(merged.X) == 6
    assert_array_equal(X[getattr(merged, part)[:, 0].astype(int)], merged.X)


def test_rows_with_the_same_missing_values_are_equal():
    rows = np.where(X == 1, np.nan, X)
    merged = TrainingSet(sparse.csr_matrix(rows)).merged()
    assert_array_equal(merged.X, [[0, 2], [3, np.nan], [5, 5]])
    assert_array_equal(merged.weights, [2, 3, 1])


def test_up_to_a_thousand_rows_are_merged():
    assert len(TrainingSet(np.ones((1000, 1))).merged().X) == 1
    assert len(TrainingSet(np.ones((1001, 1))).merged().X) == 1001


# -- missing values ------------------------------------------------------------------------------


def test_missing_values_get_the_weighted_mean_of_their_feature():
    rows = np.array([[1.0, np.nan], [np.nan, 4], [4, 8]])
    filled = Sample(rows, rows * 10, None, np.array([2.0, 3, 1])).filled()
    assert_array_equal(filled.X, [[1, 5], [2, 4], [4, 8]])
    assert_array_equal(filled.rows, [[10, 50], [20, 40], [40, 80]])


# -- samples -------------------------------------------------------------------------------------


def test_a_set_of_twenty_thousand_rows_is_taken_whole():
    rows = np.arange(20_000, dtype=np.uint8).reshape(-1, 1)
    sample = sample_rows(TrainingSet(rows), np.random.RandomState(0))
    assert sample.X.dtype == np.float64
    assert_array_equal(sample.X, rows)


def test_a_larger_set_gives_twenty_thousand_different_rows_of_all_parts_of_it():
    rows = np.arange(100_000.0)[:, None]
    whole = TrainingSet(rows, X_target=-rows, labels=rows + 1, weights=rows[:, 0] + 2)
    sample = sample_rows(whole, np.random.RandomState(0))
    assert len(np.unique(sample.X)) == 20_000
    assert sample.X.mean() == pytest.approx(50_000, rel=0.02)
    for part, expected in ((-sample.rows, 0), (sample.labels, 1), (sample.weights[:, None], 2)):
        assert_array_equal(part, sample.X + expected)


def test_a_sample_of_sequences_has_twenty_thousand_frames():
    sequences = np.zeros((5000, 8, 3), dtype=np.float32)
    assert sample_rows(TrainingSet(sequences), np.random.RandomState(0)).X.shape == (2500, 8, 3)
