"""Same seed, same bits; and nobody else's random numbers are touched."""

import copy
import hashlib
import io
import os
import pickle
import random
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from small import ESTIMATORS, FOR_IMAGES, FOR_SERIES, FOR_TABLES, images, results, wine

from skae import Autoencoder, VariationalAutoencoder
from skae.architectures import Conv, Custom, Dense
from tests.forked import FORKS, in_fork

FORMS = {
    "dense": {"architecture": Dense((16,), dropout=0.2), "noise": "gaussian"},
    "conv": {"architecture": Conv((4,), dropout=0.2), "image_shape": (8, 8), "noise": "masking"},
    "custom": {
        "architecture": Custom(
            lambda shape, k: torch.nn.Sequential(torch.nn.Linear(64, k), torch.nn.Dropout(0.2)),
            lambda k, shape: torch.nn.Linear(k, 64),
        )
    },
}


def digests(others_were_busy):
    """Fit every estimator, and return its name and a digest of what it makes of the rows.

    What was done before, how hashes fall and who else draws must not show.
    """
    noisy = Autoencoder(
        3, architecture=Conv((4,), dropout=0.2), noise="masking", max_iter=2, random_state=0
    )
    of_rows = {**ESTIMATORS, **FOR_SERIES, **FOR_TABLES}
    of_images = {**FOR_IMAGES, "noisy": noisy}
    return [
        f"{name} {digest(clone(estimator), X, y, others_were_busy)}"
        for estimators, (X, y) in [(of_rows, wine()), (of_images, images())]
        for name, estimator in estimators.items()
    ]


def digest(estimator, X, y, others_were_busy):
    if others_were_busy:
        np.random.seed(3)
        torch.manual_seed(3)
        # Fitted before, with another seed to other rows, and copied since.
        of_seed = {"random_state": 1} if hasattr(estimator, "random_state") else {}
        other = clone(estimator).set_params(**of_seed).fit(X[::-1].copy(), y[::-1])
        of_seed = {key: estimator.get_params()[key] for key in of_seed}
        estimator = pickle.loads(pickle.dumps(other)).set_params(**of_seed)
    fitted = estimator.fit(X, y)
    if others_were_busy:
        results(fitted, X[:7])
        fitted = pickle.loads(pickle.dumps(fitted))
    made = b"".join(each.tobytes() for each in results(fitted, X))
    return hashlib.sha256(made).hexdigest()


@FORKS
def test_every_estimator_gives_the_same_bits_in_another_process_whatever_was_done_before():
    # Its hashes are others than here, where they fall at random.
    environment = {**os.environ, "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    script = "from test_reproducibility import digests; print(*digests(False), sep='\\n')"
    run = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(run, capture_output=True, check=True, text=True, env=environment)
    shown = done.stdout.splitlines()
    assert shown == in_fork(lambda: digests(True))
    tables = (ESTIMATORS, FOR_SERIES, FOR_TABLES, FOR_IMAGES)
    assert len(shown) == sum(map(len, tables)) + 1


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-11), (np.float32, 1e-4)])
@pytest.mark.parametrize("name", [*ESTIMATORS, *FOR_TABLES])
def test_a_row_gives_the_same_whatever_the_number_of_rows(name, dtype, tolerance):
    X, y = wine()
    fitted = clone({**ESTIMATORS, **FOR_TABLES}[name]).fit(X, y)
    # Such as are worked off in several chunks, too.
    many = results(fitted, np.tile(X, (200, 1)).astype(dtype))
    for n_rows in (1, 2, 7, 45):
        few = results(fitted, X[:n_rows].astype(dtype))
        for one, other in zip(few, many, strict=True):
            np.testing.assert_allclose(one, other[:n_rows], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-3)])
@pytest.mark.parametrize("name", FOR_IMAGES)
def test_an_image_gives_the_same_whatever_the_number_of_images(name, dtype, tolerance):
    X, y = images()
    fitted = clone(FOR_IMAGES[name]).fit(X, y)
    many = results(fitted, np.tile(X, (20, 1, 1)).astype(dtype))
    for n_rows in (1, 7, 30):
        few = results(fitted, X[:n_rows].astype(dtype))
        for one, other in zip(few, many, strict=True):
            np.testing.assert_allclose(one, other[:n_rows], rtol=tolerance, atol=tolerance)


def test_codes_and_scores_of_a_variational_autoencoder_depend_on_no_draw(digits):
    fitted = VariationalAutoencoder(3, max_iter=2, random_state=0).fit(digits)

    def everything():
        mean, std = fitted.posterior(digits)
        return [*results(fitted, digits), mean, std, fitted.reconstruct(digits)]

    first = everything()
    torch.manual_seed(99)
    np.random.seed(99)
    fitted.sample(5)
    fitted.set_params(random_state=7)
    for one, other in zip(everything(), first, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("form", FORMS)
def test_two_fits_with_one_seed_are_identical(form, digits):
    estimator = Autoencoder(3, max_iter=3, random_state=5, **FORMS[form])
    first = estimator.fit(digits).transform(digits)
    np.testing.assert_array_equal(clone(estimator).fit(digits).transform(digits), first)


def test_another_seed_gives_another_network(digits):
    one, two = (Autoencoder(3, max_iter=2, random_state=s).fit_transform(digits) for s in (0, 1))
    assert not np.array_equal(one, two)


def test_a_generator_as_seed_is_advanced(digits):
    generator = np.random.RandomState(0)
    one, two = (
        Autoencoder(3, max_iter=1, random_state=generator).fit_transform(digits) for _ in range(2)
    )
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("form", FORMS)
def test_global_generators_are_left_as_they_were(form, digits):
    states = [np.random.get_state()[1].copy(), torch.get_rng_state().clone(), random.getstate()]
    fitted = Autoencoder(3, max_iter=2, random_state=5, **FORMS[form]).fit(digits)
    fitted.partial_fit(digits).reconstruct(digits)
    np.testing.assert_array_equal(np.random.get_state()[1], states[0])
    assert torch.equal(torch.get_rng_state(), states[1])
    assert random.getstate() == states[2]


def test_global_generators_do_not_matter(digits):
    codes = []
    for seed in (1, 2):
        np.random.seed(seed)
        torch.manual_seed(seed)
        codes.append(
            Autoencoder(3, max_iter=2, random_state=5, **FORMS["dense"]).fit_transform(digits)
        )
    np.testing.assert_array_equal(*codes)


def test_fits_in_two_threads_give_what_they_give_alone(digits):
    alone = Autoencoder(3, max_iter=4, random_state=5, **FORMS["dense"]).fit_transform(digits)
    together = [None] * 4

    def fit(place):
        # torch's number of threads is a thread's own, and sums depend on it in the last bit.
        torch.set_num_threads(n_threads)
        estimator = Autoencoder(3, max_iter=4, random_state=5, **FORMS["dense"])
        together[place] = estimator.fit_transform(digits)

    n_threads = torch.get_num_threads()
    threads = [threading.Thread(target=fit, args=(place,)) for place in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for codes in together:
        np.testing.assert_array_equal(codes, alone)


def by_pickle(estimator):
    return pickle.loads(pickle.dumps(estimator))


def by_joblib(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    return joblib.load(file)


@pytest.mark.parametrize("copied", [by_pickle, by_joblib, copy.deepcopy])
@pytest.mark.parametrize("form", ["dense", "conv"])
def test_copies_give_the_same_bits_and_can_be_trained_on(copied, form, digits):
    fitted = Autoencoder(3, max_iter=2, random_state=5, **FORMS[form]).fit(digits)
    other = copied(fitted)
    np.testing.assert_array_equal(other.reconstruct(digits), fitted.reconstruct(digits))
    assert other.history_ == fitted.history_
    assert other.partial_fit(digits).n_iter_ == 3


def test_pickles_hold_the_weights_once_and_no_data(digits):
    fitted = Autoencoder(3, max_iter=1, random_state=5).fit(digits)
    n_bytes = sum(weight.numel() * 4 for weight in fitted.module_.state_dict().values())
    assert len(pickle.dumps(fitted)) < n_bytes + 20_000


def test_an_unfitted_estimator_is_pickled(digits):
    assert by_pickle(Autoencoder(3)).get_params()["n_components"] == 3


def test_a_clone_of_a_fitted_estimator_is_unfitted(digits):
    fitted = Autoencoder(3, max_iter=1).fit(digits)
    assert not [name for name in vars(clone(fitted)) if name.endswith("_")]


def test_small_sets_are_learned_alike_in_any_order(digits):
    order = np.random.default_rng(0).permutation(200)
    one, two = (
        Autoencoder(2, max_iter=5, random_state=0).fit(X).transform(digits)
        for X in (digits[:200], digits[:200][order])
    )
    np.testing.assert_array_equal(one, two)
