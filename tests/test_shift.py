"""`shift_test`: batches from the training population pass, and features that moved are named."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skae import ReconstructionOutlierDetector, SequencePredictor
from skae.estimators._shift_tests import _holm, _test_categories


@pytest.fixture(scope="module")
def patients():
    """Patients to fit on, and as many again."""
    X = load_diabetes(as_frame=True, scaled=False).data
    return train_test_split(X, test_size=0.4, random_state=0)


@pytest.fixture(scope="module")
def detector(patients):
    return ReconstructionOutlierDetector(random_state=0).fit(patients[0])


def test_ages_that_all_rose_are_found_and_named(detector, patients):
    older = patients[1].assign(age=patients[1]["age"] + 15)
    shift = detector.shift_test(older)
    assert shift.features == ["age"]
    assert shift.p_value < 1e-6
    assert shift.has_shifted
    assert shift.table.index[0] == "age"
    assert shift.table.loc["age", "in X"] == older["age"].median()


def test_other_patients_of_the_same_population_have_not_shifted(detector, patients):
    shift = detector.shift_test(patients[1])
    assert not shift.has_shifted
    assert shift.features == []


def test_rows_of_one_population_are_said_to_have_shifted_as_rarely_as_alpha():
    X = load_diabetes().data
    said, named = [], []
    for seed in range(30):
        train, new = train_test_split(X, test_size=0.4, random_state=seed)
        model = ReconstructionOutlierDetector(random_state=seed).fit(train)
        shift = model.shift_test(new, alpha=0.1)
        said.append(shift.has_shifted)
        named.append(bool(shift.features))
    # In 150 splits 0.08 and 0.07 of them; of 30 at most 6 with a probability of 0.97.
    assert np.mean(said) <= 0.2
    assert np.mean(named) <= 0.2


def test_features_that_no_longer_go_together_are_found_by_their_deviations(detector, patients):
    mixed = patients[1].assign(s1=np.random.default_rng(0).permutation(patients[1]["s1"]))
    assert (
        "s1"
        in ReconstructionOutlierDetector(PCA(4), method="error", random_state=0)
        .fit(patients[0])
        .shift_test(mixed)
        .features
    )


def test_holm_multiplies_the_smallest_p_value_by_the_number_of_tests():
    np.testing.assert_allclose(_holm(np.array([0.04, 0.01, 0.03, 0.9])), [0.09, 0.04, 0.09, 0.9])


def test_rare_categories_are_put_together():
    old = np.array(["a"] * 50 + list("bcdefg"), dtype=object)
    p_value, distance = _test_categories(old, old[::-1])
    assert p_value == 1
    assert distance == 0


def test_features_of_an_array_have_names_by_their_position(patients):
    train, new = (part.to_numpy() for part in patients)
    new = new.copy()
    new[:, 2] += 10
    shift = ReconstructionOutlierDetector(random_state=0).fit(train).shift_test(new)
    assert "x2" in shift.features


def test_pictures_are_tested_pixel_by_pixel():
    images = load_digits().images
    model = ReconstructionOutlierDetector(PCA(5), random_state=0).fit(images[:300].reshape(300, -1))
    shift = model.shift_test(images[300:500, :, ::-1].reshape(200, -1))
    assert shift.has_shifted
    assert len(shift.table) == 64


def test_weighted_training_rows_are_compared_by_their_weights(patients):
    train, new = patients
    old = train["age"] > 50
    model = ReconstructionOutlierDetector(random_state=0)
    model.fit(train, sample_weight=np.where(old, 1.0, 0.01))
    assert not model.shift_test(new[new["age"] > 50]).features
    assert "age" in model.shift_test(new).features


def test_the_plot_marks_the_features_that_moved(detector, patients):
    axes = detector.shift_test(patients[1].assign(age=patients[1]["age"] + 15)).plot()
    colors = [bar.get_facecolor() for bar in axes.patches]
    assert len(set(colors)) == 2
    assert colors.index(colors[-1]) == len(colors) - 1


@pytest.mark.parametrize(
    ("n_rows", "alpha", "message"),
    [(1, 0.05, "at least two rows, got 1"), (9, 0, "alpha == 0"), (9, 1.5, "alpha == 1.5")],
)
def test_what_cannot_be_tested_is_refused(detector, patients, n_rows, alpha, message):
    with pytest.raises(ValueError, match=message):
        detector.shift_test(patients[1][:n_rows], alpha=alpha)


def test_a_predictor_of_frames_has_no_shift_test():
    model = ReconstructionOutlierDetector(SequencePredictor(), method="error")
    assert not hasattr(model, "shift_test")


def test_the_table_has_a_row_for_each_feature(detector):
    X = load_wine(as_frame=True).data
    table = ReconstructionOutlierDetector(random_state=0).fit(X[:120]).shift_test(X[120:]).table
    assert isinstance(table, pd.DataFrame)
    assert sorted(table.index) == sorted(X.columns)
