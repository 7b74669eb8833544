"""Dask: lazy results block by block, and searches on a cluster of processes that may die."""

import multiprocessing
import os
import signal
from unittest import mock

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

import skae
from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
)
from skae.model_selection import ResilientClient

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")
distributed = pytest.importorskip("distributed")
joblib = pytest.importorskip("joblib")


@pytest.fixture(scope="module")
def X(digits):
    return digits.astype(np.float32)[:300]


@pytest.fixture(scope="module")
def rows(X):
    # Also in blocks of columns, which methods have to join.
    return da.from_array(X, chunks=(110, 40))


@pytest.fixture(scope="module")
def fitted(X):
    y = np.arange(len(X)) % 3
    few = {"max_iter": 1, "random_state": 0}
    return {
        "autoencoder": Autoencoder(4, **few).fit(X),
        "variational": VariationalAutoencoder(4, **few).fit(X),
        "classifier": AutoencoderClassifier(4, **few).fit(X, y),
        "regressor": AutoencoderRegressor(4, **few).fit(X, y),
        "detector": ReconstructionOutlierDetector(Autoencoder(4, **few), random_state=0).fit(X),
    }


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("autoencoder", "transform"),
        ("autoencoder", "reconstruct"),
        ("autoencoder", "score_samples"),
        ("variational", "score_samples"),
        ("classifier", "predict"),
        ("classifier", "predict_proba"),
        ("regressor", "predict"),
        ("detector", "score_samples"),
        ("detector", "decision_function"),
        ("detector", "predict"),
        ("detector", "p_values"),
    ],
)
def test_methods_of_a_dask_array_are_lazy_and_give_the_same_values(name, method, fitted, X, rows):
    apply = getattr(fitted[name], method)
    lazy, expected = apply(rows), apply(X)
    assert isinstance(lazy, da.Array)
    assert lazy.shape == expected.shape
    assert lazy.dtype == expected.dtype
    assert lazy.chunks[0] == (110, 110, 80)
    # Products of matrices of another size round otherwise.
    assert_allclose(lazy.compute(scheduler="sync"), expected, rtol=1e-4, atol=1e-5)


def test_codes_are_decoded_lazily_to_images(digit_images):
    images = digit_images[:100]
    model = Autoencoder(2, architecture="dense", max_iter=1, random_state=0).fit(images)
    codes = model.transform(da.from_array(images, chunks=(30, 8, 8)))
    decoded = model.inverse_transform(codes)
    assert decoded.shape == (100, 8, 8)
    expected = model.inverse_transform(model.transform(images))
    assert_allclose(decoded.compute(scheduler="sync"), expected, atol=1e-5)


def test_methods_of_a_dask_frame_are_lazy_and_compare_names(X):
    frame = pd.DataFrame(X).add_prefix("p")
    model = Autoencoder(4, max_iter=1, random_state=0).fit(frame)
    rows = dd.from_pandas(frame, npartitions=3)
    for method in ("transform", "reconstruct", "score_samples"):
        lazy, expected = getattr(model, method)(rows), getattr(model, method)(frame)
        assert isinstance(lazy, da.Array)
        assert_allclose(lazy.compute(scheduler="sync"), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(rows.rename(columns={"p1": "q1"}))


def test_a_later_fit_does_not_change_what_has_been_asked_for(X, rows):
    model = Autoencoder(4, max_iter=1, random_state=0).fit(X)
    expected, lazy = model.transform(X), model.transform(rows)
    model.fit(X[:100] + 1)
    assert_allclose(lazy.compute(scheduler="sync"), expected, atol=1e-5)


def test_other_rows_are_refused_before_any_is_computed(fitted, rows):
    with pytest.raises(ValueError, match="X has 40 features, but Autoencoder is expecting 64"):
        fitted["autoencoder"].transform(rows[:, :40])


def test_frames_of_lazy_codes_are_refused(X, rows):
    model = Autoencoder(4, max_iter=1, random_state=0).fit(X).set_output(transform="pandas")
    with pytest.raises(ValueError, match="set_output.* would compute a lazy result"):
        model.transform(rows)


# -- a cluster -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client():
    """A cluster of two processes on this machine alone."""
    with (
        # Forked from one that has imported what both need, in place of seconds in each.
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
        mock.patch.object(distributed.utils, "_forkserver_preload_set", True),
    ):
        forkserver = multiprocessing.get_context("forkserver")
        forkserver.set_forkserver_preload(["distributed", "skae.comparison", "skae.estimators"])
        with (
            distributed.LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


def threads_of_worker():
    return torch.get_num_threads()


def test_blocks_are_computed_by_workers_within_their_threads(client, fitted, X, rows):
    codes = fitted["autoencoder"].transform(rows)
    assert_allclose(codes.compute(), fitted["autoencoder"].transform(X), rtol=1e-4, atol=1e-5)
    # One each, which the cluster sets, and as many as before they have computed.
    assert set(client.run(threads_of_worker).values()) == {1}


def test_compare_runs_on_the_cluster(client, X):
    reducers = {"PCA": PCA(2), "autoencoder": Autoencoder(2, max_iter=1, random_state=0)}
    with joblib.parallel_config("dask"):
        found = skae.compare(X, reducers=reducers, n_jobs=2, random_state=0)
    alone = skae.compare(X, reducers=reducers, random_state=0)
    column = "explained variance"
    assert_allclose(found.table[column], alone.table[column], rtol=1e-4)
    assert_array_equal(found.table.index, alone.table.index)


class KillsItsProcessOnce(Callback):
    """Kill the process of the first training of all."""

    def __init__(self, path):
        self.path = path

    def on_train_begin(self, net, **kwargs):
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_costs_its_fits_and_not_the_search(client, X, tmp_path):
    path = tmp_path / "killed"
    model = Autoencoder(max_iter=1, early_stopping=False, random_state=0)
    grid = {"n_components": [2, 4], "alpha": [0.1, 1.0]}
    options = {"cv": 2, "refit": False, "error_score": "raise"}
    expected = GridSearchCV(model, grid, **options).fit(X)
    model.set_params(callbacks=[KillsItsProcessOnce(path)])
    with joblib.parallel_config("dask", client=ResilientClient(client)):
        search = GridSearchCV(model, grid, **options).fit(X)
    assert path.exists()
    for name in ("split0_test_score", "split1_test_score"):
        assert_allclose(search.cv_results_[name], expected.cv_results_[name], atol=1e-5)
    client.wait_for_workers(2)


def test_data_are_sent_as_tasks_that_can_be_repeated_without_a_warning(client, recwarn):
    # More than what distributed advises to scatter.
    large = np.arange(2_000_000.0)
    first, second = ResilientClient(client).scatter([large, "small"], broadcast=True)
    assert_array_equal(first.result(), large)
    assert second.result() == "small"
    assert not recwarn
    assert not set(client.who_has()) - {first.key, second.key}
    # Scattered data have no recipe.
    assert all(client.run_on_scheduler(has_recipe, key=each.key) for each in (first, second))


def has_recipe(dask_scheduler, key):
    return dask_scheduler.tasks[key].run_spec is not None


@pytest.mark.parametrize("given", ["tcp://127.0.0.1:8786", 3])
def test_what_is_no_client_is_refused_before_a_search(given):
    with pytest.raises(TypeError, match=r"client must be a distributed.Client, got (str|int)"):
        ResilientClient(given)


def test_a_resilient_client_is_the_current_one_by_default(client):
    assert ResilientClient().scheduler_info() == client.scheduler_info()
