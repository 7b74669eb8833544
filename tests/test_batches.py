"""Fits on batches that an iterable gives, such as a DataLoader."""

import multiprocessing
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from skae import Autoencoder, AutoencoderClassifier, Denoiser, HybridAutoencoder
from skae.sources import open_batches

SMALL = partial(Autoencoder, n_components=4, max_iter=2, random_state=0)


@pytest.fixture(scope="module")
def X(digits):
    return digits.astype(np.float32)


class Seen(Callback):
    """Keep the rows of all batches that are trained on, in the units of the data."""

    def __init__(self):
        self.batches = []

    def on_batch_begin(self, net, batch, training, **kwargs):
        if training:
            self.batches.append(batch[0].numpy())


def loader_of(X, *, batch_size=100, **options):
    generator = torch.Generator().manual_seed(0)
    dataset = TensorDataset(torch.from_numpy(X), torch.arange(len(X)))
    return DataLoader(dataset, batch_size, shuffle=True, generator=generator, **options)


def slices(X, *, sizes=(100,), spoil=None):
    """Return a function that returns an iterator of batches, some of which may be spoiled."""

    def batches():
        start = 0
        for k in range(len(X)):
            rows = X[start : start + sizes[k % len(sizes)]]
            if not len(rows):
                return
            start += len(rows)
            yield rows if spoil is None else spoil(k, rows)

    return batches


def test_batches_of_a_loader_train_as_its_rows_in_memory(X):
    train, valid = X[300:], X[:300]
    loader = loader_of(train, batch_size=64)
    fit = partial(Autoencoder, 4, max_iter=8, random_state=0)
    drawn = fit().fit(open_batches(loader, len(loader), validation=valid))
    expected = fit(batch_size=64, validation_fraction=1e-3).fit(train)
    assert 1 - drawn.score(valid) < 1.02 * (1 - expected.score(valid))
    assert drawn.n_samples_seen_ == drawn.n_iter_ * len(train)


def test_workers_of_a_loader_give_the_same_fit_and_end_with_it(X):
    alone, together = (
        SMALL(max_iter=1).fit(open_batches(loader, 18, validation=X[:100])).transform(X)
        for loader in (loader_of(X), loader_of(X, num_workers=2))
    )
    assert_array_equal(alone, together)
    assert not multiprocessing.active_children()


def test_batches_of_a_memmap_are_rows_in_their_order_and_epochs_continue(X, tmp_path):
    mapped = np.memmap(tmp_path / "rows", X.dtype, "w+", shape=(1000, 64))
    mapped[:] = X[:1000]
    seen = Seen()
    # Absolute errors are taken of features, and batches are not turned to principal directions.
    model = SMALL(early_stopping=False, loss="l1", callbacks=[seen])
    # Sizes 100, 250, 1, 100, 250, 1, 100, 198: eight batches, of which an epoch takes six.
    source = open_batches(slices(mapped, sizes=(100, 250, 1)), steps_per_epoch=6)
    model.fit(source)
    assert [epoch["train_batch_count"] for epoch in model.history_] == [6, 6]
    # Batch normalization needs two rows: one alone comes twice.
    sizes = [100, 250, 2, 100, 250, 2, 100, 198, 100, 250, 2, 100]
    assert [len(batch) for batch in seen.batches] == sizes
    assert model.n_samples_seen_ == sum(sizes) - 3
    rows = np.concatenate([batch for batch in seen.batches if len(batch) > 2])
    kept = np.delete(X[:1000], [350, 701], axis=0)
    assert_allclose(rows, np.concatenate([kept, kept[:450]]), atol=1e-5)


def test_batches_of_one_row_are_trained_on(X):
    source = open_batches(slices(X[:40], sizes=(1,)), 10)
    assert SMALL(early_stopping=False).fit(source).n_samples_seen_ == 20


def test_fits_on_the_same_batches_are_the_same(X):
    first, again = (
        SMALL().fit(open_batches(slices(X), 10, validation=X[:100])).transform(X) for _ in range(2)
    )
    assert_array_equal(first, again)


def test_batches_that_are_held_out_are_validated_on_and_not_trained_on(X):
    seen = Seen()
    model = SMALL(callbacks=[seen], loss="l1")
    model.fit(open_batches(slices(X[:600], sizes=(60,)), 8, validation=2))
    assert_allclose(np.concatenate(seen.batches[:8]), X[120:600], atol=1e-5)
    assert model.history_[0]["valid_batch_count"] == 1


def test_batches_in_another_order_each_time_cannot_be_held_out(X):
    with pytest.raises(
        ValueError, match="batch 0 of DataLoader is held out, .* validation=X_valid"
    ):
        SMALL().fit(open_batches(loader_of(X), 10, validation=1))


def test_images_and_bytes_of_batches_are_as_in_memory(digit_images):
    images = np.round(16 * digit_images).astype(np.uint8)
    source = open_batches([images[:300], images[300:]], 2, validation=images[:99])
    model = SMALL(architecture="dense").fit(source)
    assert model.image_shape_ == (8, 8, 1)
    assert model.score(images) > 0.3


def test_missing_values_of_batches_are_masked(X):
    missing = X.copy()
    missing[::3, 20] = np.nan
    source = open_batches(slices(missing), 18, validation=missing[:100])
    assert SMALL(missing_values="mask").fit(source).impute(missing).shape == X.shape


# -- what goes wrong -----------------------------------------------------------------------------


def fails_and_changes_nothing(X, source, error, match, **parameters):
    """Fit an estimator that was fitted before, and see that it is as it was."""
    model = SMALL().fit(X)
    before = model.transform(X)
    model.set_params(early_stopping=False, **parameters)
    with pytest.raises(error, match=match):
        model.fit(source)
    assert_array_equal(model.transform(X), before)


def narrower(k, rows):
    return rows[:, :63] if k == 7 else rows


def with_nan(k, rows):
    return np.where(k == 12, np.nan, rows).astype(rows.dtype)


def of_integers(k, rows):
    return rows.astype(int) if k == 3 else rows


def unreadable(k, rows):
    if k == 5:
        raise RuntimeError("disk on fire")
    return rows


@pytest.mark.parametrize(
    ("spoil", "error", "match"),
    [
        (narrower, ValueError, r"batch 7 of batches must have shape \(n_samples, 64\).*63"),
        (with_nan, ValueError, "batch 12 of batches contains NaN"),
        (of_integers, ValueError, "batch 3 of batches must .* type float32, .* got .* int64"),
        (unreadable, OSError, "batch 5 of batches cannot be drawn: RuntimeError: disk on fire"),
    ],
)
def test_a_batch_that_cannot_be_used_is_named(spoil, error, match, X):
    fails_and_changes_nothing(X, open_batches(slices(X, spoil=spoil), 4), error, match, max_iter=4)


def test_a_worker_that_fails_is_named(X):
    spoiled = loader_of(X, num_workers=0, collate_fn=lambda samples: samples[0][2])
    with pytest.raises(OSError, match="batch 0 of DataLoader cannot be drawn: IndexError"):
        open_batches(spoiled, 4)


def test_what_gives_its_batches_once_is_refused(X):
    once = slices(X)()
    match = "gives its batches once: give a function that returns a new iterator"
    with pytest.raises(TypeError, match=match):
        open_batches(once, 4)
    with pytest.raises(TypeError, match=match):
        open_batches(lambda: once, 4)
    # Another iterator each time, of batches that one file handle gives once.
    fails_and_changes_nothing(
        X,
        open_batches(lambda: (rows for rows in once), 4),
        ValueError,
        "must give more than 0 batch.* returns a new iterator",
        max_iter=20,
    )


class Samples(IterableDataset):
    def __iter__(self):
        return iter(np.zeros((10, 4), np.float32))


@pytest.mark.parametrize(
    ("batches", "error", "match"),
    [
        (3, TypeError, "must be an iterable, .* got int"),
        (lambda: 3, TypeError, "must return an iterator .* returns int"),
        (float, TypeError, "must return an iterator .* returns float"),
        ([], ValueError, "got a first batch of none"),
        ([np.zeros((10, 0))], ValueError, r"list must hold features, got rows of shape \(0,\)"),
        (Samples(), ValueError, r"got a first batch of shape \(4,\) .* from Samples"),
        ([{"image": 1}], ValueError, "must hold numbers .* got a first batch of class dict"),
        (["text"], ValueError, "must hold numbers"),
    ],
)
def test_what_gives_no_batches_is_refused(batches, error, match):
    with pytest.raises(error, match=match):
        open_batches(batches, 4)


@pytest.mark.parametrize("steps", [0, -1, 1.5, None, True])
def test_the_number_of_steps_is_a_positive_integer(steps, X):
    with pytest.raises(ValueError, match="steps_per_epoch must be"):
        open_batches(slices(X), steps)


@pytest.mark.parametrize(
    ("validation", "match"),
    [
        (0, "validation must be rows or a number of batches, 1 or more, got 0"),
        (True, "validation must be rows or a number of batches"),
        (np.zeros((3, 63)), r"validation must have shape \(n_samples, 64\).*\(3, 63\)"),
        (np.zeros((3, 64), np.uint8), "type float32, .* uint8"),
        (np.zeros((0, 64)), "validation must have shape"),
    ],
)
def test_validation_fits_to_the_batches(validation, match, X):
    with pytest.raises(ValueError, match=match):
        open_batches(slices(X), 4, validation=validation)


def test_there_are_more_batches_than_are_held_out(X):
    with pytest.raises(ValueError, match="more batches than validation=18, got 18"):
        SMALL().fit(open_batches(slices(X), 4, validation=18))


def test_validation_rows_are_checked_as_batches_are(X):
    spoiled = np.full((5, 64), np.nan)
    with pytest.raises(ValueError, match="validation contains NaN"):
        SMALL().fit(open_batches(slices(X), 4, validation=spoiled))


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({}, "validation must be given with early_stopping=True"),
        ({"early_stopping": False, "batch_size": 32}, "batch_size must be 'auto'"),
        ({"early_stopping": False, "checkpoint": "checkpoint.pt"}, "checkpoint must be None"),
    ],
)
def test_parameters_that_batches_cannot_honour_are_refused(parameters, match, X):
    with pytest.raises(ValueError, match=match):
        SMALL(**parameters).fit(open_batches(slices(X), 4))


def test_what_needs_all_rows_is_refused(X):
    source = open_batches(slices(X), 4, validation=X[:50])
    with pytest.raises(ValueError, match="sample_weight must be None"):
        SMALL().fit(source, sample_weight=np.ones(len(X)))
    with pytest.raises(ValueError, match="X_target must be None"):
        SMALL().fit(source, X_target=X)
    with pytest.raises(
        TypeError, match="AutoencoderClassifier needs y of all rows, .* partial_fit"
    ):
        AutoencoderClassifier(2).fit(source, np.arange(len(X)) % 2)
    with pytest.raises(TypeError, match="X must be in memory for HybridAutoencoder"):
        HybridAutoencoder(2).fit(source)
    model = SMALL().fit(source)
    search = GridSearchCV(model, {"n_components": [2, 3]}, cv=2)
    for refused in (model.partial_fit, model.transform, model.score, np.asarray, search.fit):
        with pytest.raises(TypeError, match="a batch at a time"):
            refused(source)


@pytest.mark.parametrize("estimator", [SMALL(), Denoiser(max_iter=2)])
def test_fit_transform_refuses_batches_before_it_trains(estimator, X):
    source = open_batches(slices(X), 4, validation=X[:50])
    for model in (estimator, make_pipeline(estimator)):
        with pytest.raises(TypeError, match="X must be rows in fit_transform, got batches"):
            model.fit_transform(source)
    assert not hasattr(estimator, "module_")


@pytest.mark.parametrize("validation", [None, 2])
def test_batches_may_come_in_the_same_memory(validation, X):
    memory = np.empty((100, X.shape[1]), X.dtype)

    def batches():
        for rows in np.split(X[:1700], 17):
            memory[:] = rows
            yield memory

    codes = [
        SMALL(early_stopping=validation is not None)
        .fit(open_batches(each, 10, validation=validation))
        .transform(X)
        for each in (batches, slices(X[:1700]))
    ]
    assert_array_equal(*codes)


def test_ctrl_c_in_an_iterable_keeps_the_best_weights_so_far(X):
    def interrupted(k, rows):
        if k == 17:
            raise KeyboardInterrupt
        return rows

    model = SMALL(early_stopping=False)
    source = open_batches(slices(X, spoil=interrupted), 10)
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning, match="interrupted"):
        model.fit(source)
    assert model.n_iter_ == 1
    assert model.transform(X).shape == (len(X), 4)
