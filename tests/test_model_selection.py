"""Searches that train many networks together give what single fits give."""

import pickle
import threading
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from skorch.callbacks import Callback

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Denoiser,
    HybridAutoencoder,
    ReconstructionOutlierDetector,
    SequenceAutoencoder,
    TableAutoencoder,
    VariationalAutoencoder,
)
from skae._engine.stacked_optimizers import StackedOptimizer
from skae._engine.training import OPTIMIZERS
from skae.architectures import Conv, Dense, Recurrent
from skae.model_selection import BatchedGridSearchCV, _backend, _lockstep
from skae.networks.generators import (
    GeneratorStack,
    bernoulli_mask,
    standard_normal_like,
    uniform,
    use_generator,
)

X, Y = load_wine(return_X_y=True)
# In random order: folds of sorted classes would be judged by rows unlike those of training.
ORDER = np.random.default_rng(0).permutation(len(X))[:89]
X, Y = scale(X)[ORDER], Y[ORDER]
# Not from PCA's solution, where the first gradients are rounding errors, of which adaptive
# optimizers make steps as long as any.
PLAIN = Dense((8,), linear_skip=False)
DROPPING = Dense((8,), dropout=0.2, linear_skip=False)
NORMALIZED = Dense((8,), normalization="batch", linear_skip=False)
SMALL = {"architecture": PLAIN, "max_iter": 3, "random_state": 0}
RATES = {"learning_rate_init": [0.002, 0.01]}
MISSING = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)


@pytest.fixture
def stacks(monkeypatch):
    """List the sizes of the stacks that are trained."""
    sizes = []

    def note(nets, datas):
        sizes.append(len(nets))
        train_together(nets, datas)

    train_together = _lockstep.train_together
    monkeypatch.setattr(_lockstep, "train_together", note)
    return sizes


def scores(search_class, estimator, grid, X=X, y=Y, **options):
    options = {"cv": 2, "refit": False, "return_train_score": True} | options
    results = search_class(estimator, grid, **options).fit(X, y).cv_results_
    return np.array([v for k, v in results.items() if k.startswith("split")])


def assert_same_as_single_fits(*args, **options):
    together, alone = (
        scores(each, *args, **options) for each in (BatchedGridSearchCV, GridSearchCV)
    )
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(3, **SMALL),
        Autoencoder(3, **SMALL, early_stopping=False),
        Autoencoder(3, **SMALL, ordered=True),
        Autoencoder(3, **SMALL, cycle_weight=0.1),
        Autoencoder(3, **SMALL | {"architecture": DROPPING}),
        # Biases before batch normalization have no gradient but rounding errors.
        Autoencoder(3, **SMALL | {"architecture": NORMALIZED}, optimizer="sgd"),
        Autoencoder(3, **SMALL, noise="masking", learning_rate="cosine"),
        Autoencoder(3, **SMALL, loss="huber", learning_rate="adaptive"),
        VariationalAutoencoder(3, **SMALL, kl_warmup=2),
        AutoencoderClassifier(3, **SMALL),
        AutoencoderClassifier(3, **SMALL, reconstruction_weight=0),
        AutoencoderRegressor(3, **SMALL, learning_rate="constant"),
        HybridAutoencoder(**SMALL),
    ],
    ids=repr,
)
def test_every_family_that_trains_together_scores_as_single_fits(estimator, stacks):
    assert_same_as_single_fits(estimator, RATES)
    # Two folds of 44 and 45 rows have as many to train on, but for one that validates.
    assert sum(stacks) == 4


def test_denoisers_train_together(stacks):
    def score(fitted, X, y=None):
        return -np.square(fitted.transform(X) - X).mean()

    denoiser = Denoiser(**SMALL | {"architecture": Dense((8,))}, noise="gaussian")
    assert_same_as_single_fits(denoiser, RATES, scoring=score)
    assert stacks


def test_from_the_solution_of_pca_scores_agree_as_far_as_rounding_errors_let_them(stacks):
    estimator = Autoencoder(3, **SMALL | {"architecture": Dense((8,))})
    together, alone = (
        scores(each, estimator, RATES) for each in (BatchedGridSearchCV, GridSearchCV)
    )
    np.testing.assert_allclose(together, alone, rtol=1e-2)
    assert stacks


def test_missing_values_are_masked_as_in_single_fits(stacks):
    assert_same_as_single_fits(Autoencoder(3, **SMALL, missing_values="mask"), RATES, X=MISSING)
    assert stacks


def test_tables_train_together(stacks):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"size": rng.normal(size=60), "kind": rng.choice(list("abc"), 60)})
    assert_same_as_single_fits(TableAutoencoder(2, **SMALL), RATES, X=table, y=None)
    assert stacks


def test_recurrent_networks_are_trained_one_by_one(stacks):
    sequences = np.random.default_rng(0).normal(size=(20, 4, 2)).cumsum(axis=1)
    recurrent = SequenceAutoencoder(
        2, **SMALL | {"architecture": Recurrent(hidden_size=8), "max_iter": 1}
    )
    assert_same_as_single_fits(recurrent, RATES, X=sequences, y=None)
    assert not stacks


def test_images_are_searched_as_by_single_fits(stacks):
    images = np.random.default_rng(0).random((40, 64)).cumsum(axis=1)
    estimator = Autoencoder(2, **SMALL | {"architecture": Conv((4,)), "image_shape": (8, 8)})
    assert_same_as_single_fits(estimator, RATES, X=images, y=None)
    assert stacks


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_of_a_stack_step_as_those_of_single_models(optimizer):
    made, extra = OPTIMIZERS[optimizer]
    generator, rates, decays = torch.Generator().manual_seed(0), [0.1, 0.01], [0.0, 0.5]
    weights = torch.randn(2, 7, generator=generator)
    own = [[torch.nn.Parameter(row.clone())] for row in weights]
    single = [
        made(each, lr=rate, weight_decay=decay, **extra)
        for each, rate, decay in zip(own, rates, decays, strict=True)
    ]
    stacked = StackedOptimizer(single, own, weights)
    for _ in range(5):
        gradients = torch.randn(2, 7, generator=generator)
        for each, optimizer_of_one, gradient in zip(own, single, gradients, strict=True):
            each[0].grad = gradient.clone()
            optimizer_of_one.step()
        stacked.step(weights, gradients.clone(), torch.ones(7), torch.tensor(rates))
    torch.testing.assert_close(weights, torch.stack([each[0].data for each in own]))


@pytest.mark.parametrize(
    "draw",
    [
        standard_normal_like,
        partial(bernoulli_mask, probability=0.3),
        lambda x: uniform(5, x.device),
    ],
)
def test_models_of_a_stack_draw_what_each_draws_alone(draw):
    x = torch.zeros(2, 5, 3)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]

    def of_model(x, model):
        with use_generator(GeneratorStack(generators, model)):
            return draw(x) + 0 * x.sum()

    drawn = torch.vmap(of_model)(x, torch.arange(2))
    for seed, own in zip((1, 2), drawn, strict=True):
        with use_generator(torch.Generator().manual_seed(seed)):
            torch.testing.assert_close(own, draw(x[0]))


def test_networks_that_stop_early_leave_the_others_in_training(stacks):
    estimator = AutoencoderClassifier(
        3, **SMALL | {"max_iter": 30}, n_iter_no_change=2, tol=0.0, learning_rate="constant"
    )
    n_epochs = []

    def score(fitted, X, y):
        n_epochs.append(fitted.n_iter_)
        return fitted.score(X, y)

    grid = {"learning_rate_init": [0.05, 0.003, 0.0003]}
    assert_same_as_single_fits(estimator, grid, scoring=score, return_train_score=False)
    together, alone = n_epochs[:6], n_epochs[6:]
    assert together == alone
    assert len(set(together)) > 2


def test_folds_of_unequal_size_train_in_stacks_of_their_own(stacks):
    # 43 rows: folds of 14, 14 and 15, of which 29, 29 and 28 train.
    assert_same_as_single_fits(Autoencoder(3, **SMALL), RATES, X=X[:43], y=None, cv=3)
    assert sorted(stacks) == [2, 4]


def test_weights_of_rows_are_those_of_the_fold(stacks):
    weights = np.linspace(0, 2, len(X))
    results = [
        search(Autoencoder(3, **SMALL), RATES, cv=KFold(2), refit=False).fit(
            X, sample_weight=weights
        )
        for search in (BatchedGridSearchCV, GridSearchCV)
    ]
    together, alone = (each.cv_results_["mean_test_score"] for each in results)
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    assert stacks


def test_beta_may_differ_within_a_stack(stacks):
    assert_same_as_single_fits(VariationalAutoencoder(3, **SMALL), {"beta": [0.5, 4.0]})
    assert max(stacks) >= 2


def test_sizes_of_the_code_make_stacks_of_their_own(stacks):
    assert_same_as_single_fits(Autoencoder(**SMALL), {"n_components": [2, 3]}, X=X[:88], y=None)
    assert stacks == [2, 2]


def test_pipelines_and_detectors_train_their_autoencoders_together(stacks):
    pipeline = make_pipeline(StandardScaler(), Autoencoder(3, **SMALL), LogisticRegression())
    assert_same_as_single_fits(pipeline, {"autoencoder__alpha": [0.0, 1.0]})
    detector = ReconstructionOutlierDetector(Autoencoder(3, **SMALL), random_state=0)
    assert_same_as_single_fits(
        detector,
        {"estimator__alpha": [0.0, 1.0]},
        scoring=lambda fitted, X, y: fitted.score_samples(X).mean(),
    )
    assert len(stacks) >= 2


def test_the_best_candidate_is_fitted_in_the_ordinary_way():
    search = BatchedGridSearchCV(Autoencoder(3, **SMALL), RATES, cv=2).fit(X)
    alone = Autoencoder(3, **SMALL).set_params(**search.best_params_).fit(X)
    np.testing.assert_array_equal(search.best_estimator_.transform(X), alone.transform(X))
    assert search.score(X) == alone.score(X)


def test_a_forest_in_a_pipeline_is_fitted_as_ever():
    pipeline = make_pipeline(Autoencoder(3, **SMALL), RandomForestClassifier(5, random_state=0))
    search, alone = (
        each(pipeline, {"autoencoder__alpha": [0.0]}, cv=2).fit(X, Y)
        for each in (BatchedGridSearchCV, GridSearchCV)
    )
    np.testing.assert_array_equal(search.predict(X), alone.predict(X))


class Counting(Callback):
    # Of the class: searches clone callbacks.
    counted = []

    def on_epoch_end(self, net, **kwargs):
        self.counted.append(len(net.history))


def test_fits_with_code_of_users_are_trained_one_by_one(stacks):
    Counting.counted.clear()
    assert_same_as_single_fits(Autoencoder(3, **SMALL, callbacks=[Counting()]), RATES)
    assert len(Counting.counted) == 2 * 4 * 3
    assert_same_as_single_fits(Autoencoder(3, **SMALL, loss=torch.nn.L1Loss()), RATES)
    assert not stacks


def test_networks_whose_computations_take_the_time_are_trained_one_by_one(stacks):
    assert_same_as_single_fits(Autoencoder(3, max_iter=1, random_state=0), RATES)
    assert not stacks


@pytest.mark.parametrize("parameters", [{"precision": "bfloat16"}, {"compile": True}])
def test_steps_in_bfloat16_and_compiled_ones_are_those_of_single_fits(
    parameters, stacks, monkeypatch
):
    monkeypatch.setattr("skae._engine.compiled._COMPILER", {"backend": "eager"})
    assert_same_as_single_fits(Autoencoder(2, **SMALL, **parameters), RATES)
    assert not stacks


def test_a_fit_that_fails_leaves_the_others_as_they_are(stacks):
    grid = {"n_components": [2, 3], "validation_fraction": [0.1, 0.9999]}
    with pytest.warns(FitFailedWarning, match="leaves none to train on"):
        found = scores(BatchedGridSearchCV, Autoencoder(**SMALL), grid, return_train_score=False)
    np.testing.assert_array_equal(np.isnan(found), [[False, True] * 2] * 2)
    with pytest.raises(ValueError, match="leaves none to train on"):
        scores(BatchedGridSearchCV, Autoencoder(**SMALL), grid, error_score="raise")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_ends_the_search_and_leaves_no_threads(error, monkeypatch):
    def fail(nets, datas):
        raise error

    monkeypatch.setattr(_lockstep, "train_together", fail)
    before = threading.active_count()
    with pytest.raises(error):
        scores(BatchedGridSearchCV, Autoencoder(3, **SMALL), RATES)
    assert threading.active_count() == before


def test_tasks_are_divided_among_processes_in_the_order_of_the_fits(stacks, monkeypatch):
    class Processes:
        """What joblib does with processes, but that all of them are this one."""

        def __init__(self, n_jobs, backend):
            assert (n_jobs, backend) == (2, "loky")

        def __call__(self, tasks):
            sent = [pickle.loads(pickle.dumps(task)) for task in tasks]
            assert [len(args[0]) for _, args, _ in sent] == [4, 4]
            return [function(*args) for function, args, _ in sent]

    monkeypatch.setattr(_backend.joblib, "Parallel", Processes)
    options = {"cv": KFold(2), "refit": False}
    grid = {"alpha": [0.0, 1.0], **RATES}
    together = BatchedGridSearchCV(Autoencoder(3, **SMALL), grid, n_jobs=2, **options).fit(X)
    monkeypatch.undo()
    alone = GridSearchCV(Autoencoder(3, **SMALL), grid, **options).fit(X)
    np.testing.assert_allclose(
        together.cv_results_["split1_test_score"],
        alone.cv_results_["split1_test_score"],
        rtol=1e-4,
    )


def test_times_of_fits_leave_out_those_of_others():
    search = BatchedGridSearchCV(Autoencoder(3, **SMALL), RATES, cv=4, refit=False).fit(X)
    times = search.cv_results_["mean_fit_time"]
    # Waiting included, each of the eight would have taken about the time of all.
    assert (times > 0).all()
    assert times.max() < 4 * times.sum() / len(times)
