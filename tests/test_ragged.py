"""Sequences of unequal length: how users give them, and what is read."""

import numpy as np
import pandas as pd
import pytest
import torch

from skae import SequenceAutoencoder, SequencePredictor
from skae.estimators._sequence_input import read_sequences
from skae.series._ragged import find_lengths, groups_by_length, pad_sequences

RAGGED = [np.arange(6.0).reshape(3, 2), np.arange(4.0).reshape(2, 2), np.ones((5, 2))]
PADDED = np.full((3, 5, 2), np.nan)
for row, each in zip(PADDED, RAGGED, strict=True):
    row[: len(each)] = each


class Reader:
    """An estimator, as far as reading needs one."""

    def read(self, X, frame_shape=None, **options):
        options = {"reset": True, "any_width": False, **options}
        return read_sequences(self, X, frame_shape, **options)

    def __sklearn_tags__(self):
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags("transformer", TargetTags(required=False), input_tags=InputTags())


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        lambda parts: [part.tolist() for part in parts],
        lambda parts: [pd.DataFrame(part) for part in parts],
        lambda parts: [torch.from_numpy(part) for part in parts],
        lambda parts: pd.Series([np.array(part) for part in parts]),
        lambda parts: np.array([*parts, None], dtype=object)[:-1],
        lambda parts: torch.nested.nested_tensor([torch.from_numpy(part) for part in parts]),
        lambda parts: PADDED,
        lambda parts: pad_sequences(parts)[0],
    ],
)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_sequences_of_unequal_length_are_read_alike_in_all_forms(form):
    sequences = Reader().read(form(RAGGED))
    np.testing.assert_array_equal(sequences.values, PADDED)
    assert sequences.lengths.tolist() == [3, 2, 5]
    assert sequences.frame_shape == (2,)
    assert not sequences.is_flat


def test_numbers_and_flat_sequences_may_be_of_unequal_length():
    numbers = Reader().read([np.arange(4.0), np.arange(2.0), [7.0, 8.0, 9.0]])
    assert numbers.values.shape == (3, 4, 1)
    assert numbers.lengths.tolist() == [4, 2, 3]
    assert numbers.is_flat
    flat = Reader().read([part.ravel() for part in RAGGED], (2,))
    np.testing.assert_array_equal(flat.values, PADDED)
    assert flat.lengths.tolist() == [3, 2, 5]


@pytest.mark.parametrize("given", [RAGGED[:1] * 3, [RAGGED[0].tolist()] * 3])
def test_equally_long_ones_have_no_lengths(given):
    sequences = Reader().read(given)
    assert sequences.lengths is None
    np.testing.assert_array_equal(sequences.values, np.stack(RAGGED[:1] * 3))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(np.uint8, np.float32), (np.float32, np.float32), (np.int64, np.float64)],
)
def test_padding_keeps_the_precision(dtype, expected):
    padded, _ = pad_sequences([np.ones((3, 2), dtype), np.ones((1, 2), dtype)])
    assert padded.dtype == expected
    assert pad_sequences([np.ones((3, 2), dtype)] * 2)[0].dtype == dtype


def test_frames_without_values_are_padding_at_the_end_of_an_array_and_missing_in_a_list():
    X = [np.array([[1.0], [np.nan], [2.0], [np.nan]]), np.ones((4, 1))]
    options = {"allow_missing": True}
    assert Reader().read(np.stack(X), **options).lengths.tolist() == [3, 4]
    assert Reader().read(X, **options).lengths is None


def test_lengths_are_those_up_to_the_last_observed_value():
    values = np.ones((4, 3, 2))
    assert find_lengths(values) is None
    values[0, 0], values[1, 2], values[2] = np.nan, np.nan, np.nan
    values[3, 2, 0] = np.nan
    assert find_lengths(values).tolist() == [3, 2, 0, 3]


def test_groups_hold_every_sequence_once():
    groups = dict(groups_by_length(np.array([3, 2, 5, 2])))
    assert {length: rows.tolist() for length, rows in groups.items()} == {3: [0], 2: [1, 3], 5: [2]}


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        ([np.ones((3, 2)), np.ones((3, 4))], {}, r"frames of one shape, got \(4,\) in X\[1\]"),
        ([np.ones((3, 2)), np.ones(4)], {}, r"frames of one shape, got \(\) in X\[1\]"),
        ([np.ones((3, 2)), np.ones((0, 2))], {}, r"none in X\[1\]"),
        ([np.ones((3, 2)), np.ones((1, 2))], {"min_timesteps": 2}, r"got 1 in X\[1\]"),
        ([np.ones((3, 2)), np.array([["a", "b"]])], {}, r"X\[1\] to hold only numbers"),
        ([np.ones((3, 2)), np.full((4, 2), np.inf)], {}, "infinity"),
        ([np.ones(6), np.ones(5)], {"frame_shape": (3,)}, r"frames of 3 values .*got 5 .* X\[1\]"),
        (np.where(PADDED == 4, np.nan, PADDED), {}, r"step 2 of X\[0\].*missing_values='mask'"),
        (
            [
                pd.DataFrame(RAGGED[0], columns=["a", "b"]),
                pd.DataFrame(RAGGED[1], columns=["b", "a"]),
            ],
            {},
            r"same columns in the same order, got \['b', 'a'\] in X\[1\]",
        ),
        (np.full((2, 3, 2), np.nan), {}, r"at least 1 frames each, got 0 in X\[0\]"),
        (np.where(PADDED == 5, np.nan, PADDED)[:, ::-1], {}, r"step 0 of X\[0\]"),
    ],
)
def test_what_is_no_set_of_sequences_is_refused(X, options, message):
    with pytest.raises(ValueError, match=message):
        Reader().read(X, **options)


@pytest.mark.parametrize("kind", [SequencePredictor, SequenceAutoencoder])
def test_frames_keep_the_columns_that_they_had_in_fit(kind):
    waves = [np.sin(np.arange(12) / 2 + i) for i in range(8)]
    frames = [pd.DataFrame({"a": each, "b": 2 * each}) for each in waves]
    estimator = kind(2, max_iter=1, random_state=0).fit(frames)
    with pytest.raises(ValueError, match=r"columns of fit in the same order, \['a', 'b'\]"):
        estimator.transform([frame[["b", "a"]] for frame in frames])
    codes = estimator.transform([frame.to_numpy() for frame in frames])
    np.testing.assert_array_equal(estimator.transform(frames), codes)
