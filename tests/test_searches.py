"""Searches that end fits early by Optuna's pruning."""

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.pruners import MedianPruner, NopPruner, ThresholdPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from optuna_integration import OptunaSearchCV, SkorchPruningCallback
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from skae import Autoencoder, AutoencoderClassifier
from skae.architectures import Dense
from tests.forked import FORKS, finish, started

X, Y = load_wine(return_X_y=True)
X, _, Y, _ = train_test_split(scale(X), Y, random_state=0)
SMALL = {"architecture": Dense((8,)), "random_state": 0}
# Losses are positive: every trial is pruned at its first report.
ALWAYS = ThresholdPruner(upper=0.0)


def optimized(pruner, fitted=None, n_trials=1, rows=X, **options):
    """Return a study of an autoencoder's rate, pruned by the validation loss of its epochs."""

    def objective(trial):
        rate = trial.suggest_float("rate", 1e-3, 1e-2)
        pruning = SkorchPruningCallback(trial, "valid_loss")
        autoencoder = Autoencoder(
            2, **SMALL, learning_rate_init=rate, max_iter=3, callbacks=[pruning]
        )
        if fitted is not None:
            fitted.append(autoencoder)
        return autoencoder.fit(rows).history_[-1]["valid_loss"]

    study = optuna.create_study(pruner=pruner, **options)
    study.optimize(objective, n_trials=n_trials)
    return study


def test_optunas_callback_sees_the_validation_loss_of_every_epoch():
    fitted = []
    (trial,) = optimized(NopPruner(), fitted).trials
    losses = [epoch["valid_loss"] for epoch in fitted[0].history_]
    assert trial.state == TrialState.COMPLETE
    assert list(trial.intermediate_values.values()) == losses
    assert trial.value == losses[-1]


def test_a_trial_that_optuna_prunes_ends_at_once_and_leaves_its_estimator_unfitted():
    fitted = []
    (trial,) = optimized(ALWAYS, fitted).trials
    assert trial.state == TrialState.PRUNED
    assert list(trial.intermediate_values) == [0]
    with pytest.raises(NotFittedError):
        fitted[0].transform(X)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    "estimator", [Autoencoder(2, **SMALL), AutoencoderClassifier(2, **SMALL)], ids=repr
)
def test_optuna_search_prunes_by_partial_fit(estimator):
    rates = {"learning_rate_init": FloatDistribution(1e-3, 1e-2)}
    # Of the explained variance or accuracy, which no first pass brings to two.
    study = optuna.create_study(
        direction="maximize", pruner=ThresholdPruner(lower=2, n_warmup_steps=2)
    )
    options = {"enable_pruning": True, "max_iter": 3, "n_trials": 1, "cv": 2, "study": study}
    search = OptunaSearchCV(estimator, rates, refit=False, error_score="raise", **options)
    with pytest.raises(ValueError, match="No trials are completed"):
        search.fit(X, Y).best_params_  # noqa: B018
    (trial,) = study.trials
    assert trial.state == TrialState.PRUNED
    assert list(trial.intermediate_values) == [0, 1, 2]
    assert np.isfinite(list(trial.intermediate_values.values())).all()


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optuna_search_refits_the_best_candidate():
    rates = {"learning_rate_init": FloatDistribution(1e-3, 1e-2)}
    search = OptunaSearchCV(
        Autoencoder(2, **SMALL, max_iter=2),
        rates,
        enable_pruning=True,
        max_iter=2,
        n_trials=2,
        cv=2,
    ).fit(X)
    rate = search.best_params_["learning_rate_init"]
    alone = Autoencoder(2, **SMALL, max_iter=2, learning_rate_init=rate).fit(X)
    np.testing.assert_array_equal(search.transform(X), alone.transform(X))


def journal(path):
    return JournalStorage(JournalFileBackend(f"{path}.log"))


def sqlite(path):
    return f"sqlite:///{path}.db"


def work(storage, path, pruner, n_trials=2, **options):
    """Run trials of the study in a file, as each of several processes does."""
    return optimized(
        pruner,
        n_trials=n_trials,
        storage=storage(path),
        sampler=optuna.samplers.RandomSampler(),
        study_name="rates",
        load_if_exists=True,
        **options,
    )


@pytest.fixture(scope="module", params=[journal, sqlite], ids=["journal", "sqlite"])
def shared(tmp_path_factory, request):
    """Return a storage and the file of a study of which two processes have run two trials each."""
    path = tmp_path_factory.mktemp("search") / "study"
    # Two processes that begin an SQLite file at the same time make its tables twice.
    optuna.create_study(study_name="rates", storage=request.param(path))
    other = started(work, request.param, path, NopPruner())
    work(request.param, path, NopPruner())
    finish(other)
    return request.param, path


@FORKS
def test_two_processes_share_a_study_by_one_file(shared):
    storage, path = shared
    study = optuna.load_study(study_name="rates", storage=storage(path))
    assert [trial.number for trial in study.trials[:4]] == [0, 1, 2, 3]
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials[:4])
    assert len({trial.params["rate"] for trial in study.trials[:4]}) == 4


@FORKS
def test_a_trial_is_pruned_by_what_other_processes_have_reported(shared):
    # Of noise two components explain little, whatever the rate.
    noise = np.random.default_rng(0).standard_normal(X.shape)
    pruner = MedianPruner(n_startup_trials=4)
    study = work(*shared, pruner, n_trials=1, rows=noise)
    assert study.trials[-1].state == TrialState.PRUNED
    assert list(study.trials[-1].intermediate_values) == [0]
