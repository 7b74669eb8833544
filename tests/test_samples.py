"""Samples of a Dataset as lists, which splits make of it, and batches that are lists or frames."""

from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, cross_val_score, learning_curve, train_test_split
from torch.utils.data import DataLoader, Dataset, TensorDataset

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    HybridAutoencoder,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
)
from skae.estimators._sources import read_source
from skae.model_selection import BatchedGridSearchCV
from skae.sources import open_batches, open_rows

SMALL = partial(Autoencoder, max_iter=1, random_state=0)


@pytest.fixture(scope="module")
def X(digits):
    return digits[:200].astype(np.float32)


class Samples(Dataset):
    """Samples of an array in some form."""

    def __init__(self, X, form):
        self.X, self.form = X, form

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.form(self.X[i])


FORMS = {
    "a tensor alone": torch.from_numpy,
    "a tuple of one tensor": lambda x: (torch.from_numpy(x),),
    "a row and a label": lambda x: (x, 3),
    "a list of a row and a label": lambda x: [x, "three"],
    "a row and two labels": lambda x: (torch.from_numpy(x), torch.tensor(3), None),
    "a row and targets": lambda x: (x, x[:2]),
}


@pytest.mark.parametrize("form", FORMS)
def test_scores_of_splits_of_a_dataset_are_those_of_its_rows(form, X):
    samples = Samples(X, FORMS[form])
    scores = cross_val_score(SMALL(), samples, cv=2, error_score="raise")
    assert_array_equal(scores, cross_val_score(SMALL(), X, cv=2))


ESTIMATORS = [
    SMALL(),
    VariationalAutoencoder(max_iter=1, random_state=0),
    HybridAutoencoder(max_iter=1, random_state=0),
    AutoencoderClassifier(max_iter=1, random_state=0),
    ReconstructionOutlierDetector(PCA(2)),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda each: type(each).__name__)
def test_samples_are_read_as_rows_by_every_estimator(estimator, X):
    y = np.arange(len(X)) % 2
    samples = list(TensorDataset(torch.from_numpy(X), torch.from_numpy(y)))
    assert estimator.fit(samples, y).n_features_in_ == 64
    assert getattr(estimator, "image_shape_", None) is None
    assert_array_equal(estimator.score_samples(samples), estimator.score_samples(X))


def test_images_of_a_dataset_are_images_in_a_search(X):
    images = X.reshape(-1, 8, 8)
    samples = TensorDataset(torch.from_numpy(images), torch.zeros(len(X)))
    for search in (GridSearchCV, BatchedGridSearchCV):
        found = [
            search(SMALL(architecture="dense"), {"n_components": [2]}, cv=2).fit(each)
            for each in (samples, images)
        ]
        assert_array_equal(*(each.cv_results_["mean_test_score"] for each in found))
        assert found[0].best_estimator_.image_shape_ == (8, 8, 1)


def test_learning_curves_and_splits_of_a_dataset_are_those_of_its_rows(X):
    samples = TensorDataset(torch.from_numpy(X))
    curve = partial(learning_curve, SMALL(), y=None, cv=2, train_sizes=[0.5])
    assert_array_equal(curve(X=samples)[2], curve(X=X)[2])
    train, test = train_test_split(samples, random_state=0)
    expected, _ = train_test_split(X, random_state=0)
    assert_array_equal(SMALL().fit(train).transform(test), SMALL().fit(expected).transform(test))


def test_samples_of_two_arrays_of_one_shape_are_asked_about(X):
    pairs = TensorDataset(torch.from_numpy(X), torch.from_numpy(X))
    match = r"list of tuples of 2 arrays of shape \(64,\).*give \[sample\[0\] for sample in X\]"
    with pytest.raises(ValueError, match=match):
        cross_val_score(SMALL(), pairs, cv=2, error_score="raise")


@pytest.mark.parametrize("kind", [list, tuple])
def test_nested_lists_and_tuples_of_numbers_are_images(kind, X):
    nested = [kind(kind(float(x) for x in row) for row in image) for image in X.reshape(-1, 8, 8)]
    assert SMALL(architecture="dense").fit(nested).image_shape_ == (8, 8, 1)


def test_lists_of_arrays_are_images(X):
    nested = [list(image) for image in X.reshape(-1, 8, 8)]
    assert SMALL(architecture="dense").fit(nested).image_shape_ == (8, 8, 1)


@pytest.mark.parametrize(
    ("form", "got"),
    [
        (lambda x: x.tolist(), "a list that begins with float"),
        (lambda x: x.reshape(8, 8).tolist(), "a list that begins with list"),
        (lambda x: (), "an empty tuple"),
        (lambda x: x[0], "float32"),
        (lambda x: {"row": x}, "dict"),
    ],
)
def test_samples_that_are_not_arrays_are_refused(form, got, X):
    with pytest.raises(ValueError, match=f"Samples must have samples that are arrays .* got {got}"):
        open_rows(Samples(X, form))


# -- batches -------------------------------------------------------------------------------------


def loader_of(X, form, collate_fn):
    return DataLoader(Samples(X, form), batch_size=40, collate_fn=collate_fn)


@pytest.mark.parametrize(
    ("form", "shape"),
    [(lambda x: x.reshape(8, 8), r"\(8, 8\)"), (lambda x: x, r"\(64,\)")],
    ids=["images", "rows"],
)
def test_a_batch_that_lists_its_samples_is_asked_about(form, shape, X):
    match = f"batch 0 of DataLoader is a list of 40 arrays of shape {shape}.*numpy.stack"
    with pytest.raises(ValueError, match=match):
        open_batches(loader_of(X, form, list), 5)


@pytest.mark.parametrize(
    ("batch", "got"),
    [
        ([(np.zeros((8, 8)),)] * 9, "is a list that begins with tuple"),
        (np.zeros((9, 8, 8)).tolist(), "is a list that begins with list"),
        ((np.zeros((9, 64)), np.ones((9, 64))), r"is a tuple of 2 arrays of shape \(9, 64\)"),
        ([], "is a list without entries"),
    ],
)
def test_batches_that_can_be_read_in_two_ways_are_refused(batch, got, X):
    with pytest.raises(ValueError, match=f"Each batch must be an array.*batch 0 of list {got}"):
        open_batches([batch], 1)
    # And in the middle of training, by its number.
    source = open_batches([X, batch], 2)
    with pytest.raises(ValueError, match=f"batch 1 of list {got}"):
        SMALL(early_stopping=False).fit(source)


def frames_of(X, library, names=None):
    frames = pytest.importorskip(library)
    names = [f"p{i}" for i in range(X.shape[1])] if names is None else names
    return [frames.DataFrame(dict(zip(names, rows.T, strict=True))) for rows in np.split(X, 4)]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_names_of_the_columns_of_batches_are_kept(library, X):
    frames = frames_of(X, library)
    model = SMALL().fit(open_batches(frames, 4, validation=frames[0]))
    assert model.feature_names_in_.tolist() == list(frames[0].columns)
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(frames[0][list(frames[0].columns)[::-1]])
    plain = SMALL().fit(open_batches(np.split(X, 4), 4, validation=X[:50]))
    assert_allclose(model.transform(frames[1]), plain.transform(X[50:100]), rtol=1e-4)


def test_batches_with_other_names_or_in_another_order_are_refused(X):
    frames = frames_of(X, "pandas")
    swapped = [f"p{i}" for i in (1, 0, *range(2, 64))]
    other = frames[1].rename(columns={"p5": "q"})
    for odd, match in [
        (frames[1][swapped], "batch 1 of list must have .* 'p0' as column 0, got 'p1'"),
        (other, "batch 1 of list .* 'p5' as column 5, got 'q'"),
        (X[50:100], "batch 1 of list must have names of columns, as the first batch, got none"),
    ]:
        source = open_batches([frames[0], odd], 2)
        with pytest.raises(ValueError, match=match):
            SMALL(early_stopping=False).fit(source)
        with pytest.raises(ValueError, match="validation must have"):
            open_batches(frames, 2, validation=odd)


def test_columns_of_text_and_names_that_are_no_strings_are_refused_in_batches(X):
    frame = frames_of(X, "pandas")[0]
    with pytest.raises(ValueError, match=r"batches must hold numbers, got column\(s\) 'p3'"):
        open_batches([frame.assign(p3="a")], 1)
    source = open_batches([frame.rename(columns={"p3": 3})], 1)
    with pytest.raises(TypeError, match="only supported if all input features have string names"):
        SMALL(early_stopping=False).fit(source)


def test_batches_start_from_four_rows_for_each_component():
    # Of rows of this length 512 are sampled; a code of 200 components needs more.
    source = open_batches([np.zeros((100, 2**16), np.uint8)] * 20, 20)
    for n_components, n_rows in [(2, 600), (0.9, 600), (200, 800)]:
        model = SMALL(n_components, early_stopping=False)
        rows, _ = read_source(model, source, reset=True, streams=True)
        assert rows.shape[0] == n_rows
