"""Successive halving by epochs gives the scores of ordinary fits, and trains no epoch twice."""

import tempfile
from itertools import product

import numpy as np
import pytest
import torch
from joblib import parallel_config
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from skorch.callbacks import Callback

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    HybridAutoencoder,
    ReconstructionOutlierDetector,
    VariationalAutoencoder,
)
from skae._engine.rungs import Rung
from skae.architectures import Custom, Dense
from skae.model_selection import ResumingHalvingGridSearchCV, ResumingHalvingRandomSearchCV
from tests.forked import FORKS

X, Y = load_wine(return_X_y=True)
# In random order: folds of sorted classes would be judged by rows unlike those of training.
ORDER = np.random.default_rng(0).permutation(len(X))[:90]
X, Y = scale(X)[ORDER], Y[ORDER]


class Counting(Callback):
    """The number of each epoch that is trained."""

    # Of the class: searches clone callbacks.
    counted = []

    def on_epoch_end(self, net, **kwargs):
        self.counted.append(len(net.history))


# Not from PCA's solution, which few epochs hardly improve.
SMALL = {"architecture": Dense((8,), linear_skip=False), "random_state": 0}
CONSTANT = {"learning_rate": "constant", "early_stopping": False}
CANDIDATES = {"learning_rate_init": [0.002, 0.01], "alpha": [0.0, 1.0]}
# Four candidates for one epoch, two for two, and one for four. One fold takes half of the time.
FOLD = [(np.arange(60), np.arange(60, 90))]
HALVING = {"factor": 2, "min_resources": 1, "max_resources": 4, "cv": FOLD, "refit": False}
N_EPOCHS, N_EPOCHS_FROM_SCRATCH = 4 + 2 + 2, 4 + 4 + 4


@pytest.fixture(autouse=True)
def epochs():
    Counting.counted.clear()
    return Counting.counted


def search(estimator, grid=CANDIDATES, X=X, y=Y, **options):
    fit_params = options.pop("fit_params", {})
    searched = ResumingHalvingGridSearchCV(estimator, grid, **HALVING | options)
    return searched.fit(X, y, **fit_params)


def search_from_scratch(estimator, grid=CANDIDATES, X=X, y=Y, **options):
    fit_params = options.pop("fit_params", {})
    options = {"resource": "max_iter"} | HALVING | options
    return HalvingGridSearchCV(estimator, grid, **options).fit(X, y, **fit_params)


def assert_same_results(searched, other):
    """Compare all that is no time, bit for bit."""
    mine, others = searched.cv_results_, other.cv_results_
    assert mine["params"] == others["params"]
    for name in others:
        if "_time" not in name and name != "params":
            np.testing.assert_array_equal(mine[name], others[name])


def test_at_a_constant_rate_all_results_are_those_of_fits_from_scratch():
    estimator = Autoencoder(3, **SMALL, **CONSTANT)
    resumed, scratch = search(estimator, cv=2), search_from_scratch(estimator, cv=2)
    assert_same_results(resumed, scratch)
    assert resumed.best_params_ == scratch.best_params_
    assert resumed.n_resources_ == [1, 2, 4]


def test_no_epoch_is_trained_twice(epochs):
    estimator = Autoencoder(3, **SMALL, callbacks=[Counting()])
    search(estimator)
    assert len(epochs) == N_EPOCHS
    assert [epochs.count(n) for n in (1, 2, 3, 4)] == [4, 2, 1, 1]
    epochs.clear()
    search_from_scratch(estimator)
    assert len(epochs) == N_EPOCHS_FROM_SCRATCH


def custom_encoder(shape, n_outputs):
    return torch.nn.Sequential(torch.nn.Linear(*shape, n_outputs), torch.nn.Dropout(0.2))


def custom_decoder(n_inputs, shape):
    return torch.nn.Linear(n_inputs, *shape)


DROPPING = Dense((8,), dropout=0.2, normalization="batch", linear_skip=False)


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(3, **SMALL),
        Autoencoder(3, **SMALL | {"architecture": DROPPING}, noise="masking"),
        Autoencoder(3, **SMALL, learning_rate="cosine", optimizer="sgd"),
        Autoencoder(3, **SMALL, learning_rate="adaptive", n_iter_no_change=1, tol=0.5),
        Autoencoder(3, **SMALL | {"architecture": Custom(custom_encoder, custom_decoder)}),
        VariationalAutoencoder(3, **SMALL, kl_warmup=0.5),
        AutoencoderClassifier(3, **SMALL),
        HybridAutoencoder(reducer=PCA(3), **SMALL),
    ],
    # Not the whole: functions have an address, which is another in each worker of a test run.
    ids=lambda estimator: type(estimator).__name__,
)
def test_the_last_iteration_has_the_scores_of_ordinary_fits(estimator):
    results = search(estimator, {"alpha": [0.0, 1.0]}, min_resources=2).cv_results_
    assert list(results["n_resources"]) == [2, 2, 4]
    grid = {name: [value] for name, value in results["params"][-1].items()}
    alone = GridSearchCV(estimator, grid, cv=FOLD, refit=False, return_train_score=True).fit(X, Y)
    for name in ("split0_test_score", "split0_train_score"):
        assert results[name][-1] == alone.cv_results_[name][0]


def test_a_fit_that_has_stopped_early_is_not_trained_again(epochs):
    stops_soon = Autoencoder(
        3, **SMALL, learning_rate="constant", n_iter_no_change=1, tol=0.9, callbacks=[Counting()]
    )
    options = {"min_resources": 4, "max_resources": 16}
    resumed = search(stops_soon, **options)
    # Each fit once, to the epoch in which it stops.
    assert epochs.count(1) == 4
    assert max(epochs) < 4
    assert_same_results(resumed, search_from_scratch(stops_soon, **options))


def test_steps_of_a_pipeline_are_fitted_anew_and_the_network_continues(epochs):
    pipeline = make_pipeline(
        StandardScaler(),
        Autoencoder(3, **SMALL, **CONSTANT, callbacks=[Counting()]),
        LogisticRegression(),
    )
    grid = {f"autoencoder__{name}": values for name, values in CANDIDATES.items()}
    options = {"resource": "autoencoder__max_iter", "scoring": "neg_log_loss"}
    resumed = search(pipeline, grid, **options)
    assert len(epochs) == N_EPOCHS
    assert_same_results(resumed, search_from_scratch(pipeline, grid, **options))


def test_the_autoencoder_of_a_detector_continues(epochs):
    autoencoder = Autoencoder(3, **SMALL, **CONSTANT, callbacks=[Counting()])
    detector = ReconstructionOutlierDetector(autoencoder, random_state=0)
    grid = {f"estimator__{name}": values for name, values in CANDIDATES.items()}

    def score(fitted, X, y=None):
        return fitted.score_samples(X).mean()

    options = {"resource": "estimator__max_iter", "scoring": score}
    resumed = search(detector, grid, **options)
    n_resumed = len(epochs)
    assert_same_results(resumed, search_from_scratch(detector, grid, **options))
    n_scratch = len(epochs) - n_resumed
    assert n_resumed / n_scratch == N_EPOCHS / N_EPOCHS_FROM_SCRATCH


class Logging(Callback):
    """Writes a line into a file for each epoch, whichever process trains it."""

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, net, **kwargs):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(f"{len(net.history)}\n")


@FORKS
def test_processes_continue_what_others_have_paused(tmp_path):
    path = tmp_path / "epochs"
    estimator = Autoencoder(3, **SMALL, **CONSTANT, callbacks=[Logging(path)])
    # Forks: processes of their own would have to import torch.
    with parallel_config(backend="multiprocessing"):
        resumed = search(estimator, n_jobs=2)
    assert len(path.read_text().split()) == N_EPOCHS
    assert_same_results(resumed, search_from_scratch(estimator))


def test_a_process_without_the_folder_of_the_search_says_so_before_it_trains(epochs, tmp_path):
    elsewhere = Rung(1, 1, str(tmp_path / "folder"))
    estimator = Autoencoder(3, **SMALL, max_iter=elsewhere, callbacks=[Counting()])
    with pytest.raises(FileNotFoundError, match="share the folder of temporary files"):
        estimator.fit(X)
    assert not epochs


def test_aggressive_elimination_adds_no_epochs_before_candidates_are_few(epochs):
    estimator = Autoencoder(3, **SMALL, **CONSTANT, callbacks=[Counting()])
    options = {"max_resources": 2, "aggressive_elimination": True}
    resumed = search(estimator, **options)
    assert resumed.n_resources_ == [1, 1, 2]
    assert len(epochs) == 4 + 1
    assert_same_results(resumed, search_from_scratch(estimator, **options))


@pytest.mark.filterwarnings("ignore:One or more of the (test|train) scores are non-finite")
def test_a_candidate_that_fails_is_eliminated():
    estimator = Autoencoder(3, **SMALL)
    grid = {"validation_fraction": [0.1, 0.9999], "alpha": [0.0, 1.0]}
    with pytest.warns(FitFailedWarning, match="leaves none to train on"):
        results = search(estimator, grid).cv_results_
    assert np.isnan(results["mean_test_score"]).sum() == 2
    assert np.isfinite(results["mean_test_score"][results["iter"] > 0]).all()
    with pytest.raises(ValueError, match="leaves none to train on"):
        search(estimator, grid, error_score="raise")


def test_weights_of_rows_and_groups_are_those_of_the_fold():
    estimator = Autoencoder(3, **SMALL, **CONSTANT)
    fit_params = {"sample_weight": np.linspace(0, 2, len(X)), "groups": np.arange(len(X)) % 5}
    options = {"cv": GroupKFold(2), "fit_params": fit_params}
    assert_same_results(search(estimator, **options), search_from_scratch(estimator, **options))


def test_without_a_seed_training_continues_with_the_one_that_was_drawn(epochs):
    estimator = Autoencoder(3, **SMALL | {"random_state": None}, callbacks=[Counting()])
    search(estimator)
    assert len(epochs) == N_EPOCHS


class Jitter(TransformerMixin, BaseEstimator):
    """Adds noise without a seed."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X + np.random.default_rng().normal(scale=0.1, size=X.shape)


def test_training_begins_anew_where_the_rows_are_others(epochs):
    pipeline = make_pipeline(Jitter(), Autoencoder(3, **SMALL, callbacks=[Counting()]))
    grid = {"autoencoder__alpha": [0.0, 0.1, 0.5, 1.0]}
    search(pipeline, grid, resource="autoencoder__max_iter")
    assert len(epochs) == N_EPOCHS_FROM_SCRATCH


def test_candidates_that_differ_in_their_callbacks_train_apart(epochs):
    # Both would be of one name and have one seed.
    grid = {"callbacks": [[Counting()], [Counting()], [Counting()], [Counting()]]}
    search(Autoencoder(3, **SMALL), grid)
    assert len(epochs) == N_EPOCHS


def test_the_best_candidate_is_fitted_in_the_ordinary_way(tmp_path):
    estimator = Autoencoder(3, **SMALL, checkpoint=tmp_path / "state")
    found = search(estimator, refit=True)
    assert type(found.best_params_["max_iter"]) is int
    alone = clone(estimator).set_params(**found.best_params_).fit(X)
    np.testing.assert_array_equal(found.transform(X), alone.transform(X))
    assert list(tmp_path.iterdir()) == []


def test_random_candidates_continue_as_those_of_a_grid_do(epochs):
    autoencoder = Autoencoder(3, **SMALL, callbacks=[Counting()])
    found = ResumingHalvingRandomSearchCV(
        autoencoder,
        {"learning_rate_init": loguniform(1e-3, 1e-2)},
        n_candidates=4,
        random_state=0,
        **HALVING,
    ).fit(X)
    assert found.n_candidates_ == [4, 2, 1]
    assert len({params["learning_rate_init"] for params in found.cv_results_["params"]}) == 4
    assert len(epochs) == N_EPOCHS


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_files_of_eliminated_candidates_are_removed_and_at_the_end_all(temporary):
    n_folders = []

    def score(fitted, X, y=None):
        (folder,) = temporary.iterdir()
        n_folders.append(len(list(folder.iterdir())))
        return fitted.score(X)

    search(Autoencoder(3, **SMALL), scoring=score, return_train_score=False)
    assert n_folders == [4] * 4 + [2] * 2 + [1]
    assert list(temporary.iterdir()) == []


def test_an_interrupted_search_leaves_no_files(temporary):
    def score(fitted, X, y=None):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(Autoencoder(3, **SMALL), scoring=score)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("estimator", "resource"),
    [
        (Autoencoder(3), "n_samples"),
        (Autoencoder(3), "batch_size"),
        (make_pipeline(Autoencoder(3), LogisticRegression()), "logisticregression__max_iter"),
        (LogisticRegression(), "max_iter"),
    ],
)
def test_a_resource_of_which_training_cannot_continue_is_refused(estimator, resource):
    with pytest.raises(ValueError, match=f"resource must name max_iter .* got {resource!r}"):
        search(estimator, {"random_state": [0, 1]}, resource=resource)


class Recording(BaseEstimator):
    """Takes epochs, and records for how many training would be planned."""

    planned = set()

    def __init__(self, max_iter=1, checkpoint=None, seed=0):
        self.max_iter = max_iter
        self.checkpoint = checkpoint
        self.seed = seed

    def fit(self, X, y=None):
        self.planned.add(self.max_iter.n_planned)
        return self

    def score(self, X, y=None):
        return self.seed


SETTINGS = list(product((1, 5, 9), (2, 2.5), (1, 4, "exhaust"), (4, 20), (False, True)))


@pytest.mark.parametrize("setting", SETTINGS)
def test_training_is_planned_for_the_iteration_that_is_last(setting):
    Recording.planned.clear()
    names = ("factor", "min_resources", "max_resources", "aggressive_elimination")
    n_candidates, *values = setting
    options = {"cv": [([0], [1])], "return_train_score": False} | dict(
        zip(names, values, strict=True)
    )
    searched = search(Recording(), {"seed": list(range(n_candidates))}, **options)
    assert Recording.planned == {searched.n_resources_[-1]}
