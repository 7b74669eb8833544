"""Searches that end fits early: Optuna's pruning, and successive halving that keeps weights."""

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.pruners import MedianPruner, NopPruner, ThresholdPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from optuna_integration import OptunaSearchCV, SkorchPruningCallback
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import ParameterGrid, train_test_split
from sklearn.preprocessing import scale
from skorch.callbacks import Callback

from skae import Autoencoder, AutoencoderClassifier
from skae.architectures import Dense
from tests.forked import FORKS, finish, started

X, Y = load_wine(return_X_y=True)
X, HELD_OUT, Y, _ = train_test_split(scale(X), Y, random_state=0)
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


def work(path, pruner, n_trials=2, **options):
    """Run trials of the study in a file, as each of several processes does."""
    return optimized(
        pruner,
        n_trials=n_trials,
        storage=JournalStorage(JournalFileBackend(path)),
        sampler=optuna.samplers.RandomSampler(),
        study_name="rates",
        load_if_exists=True,
        **options,
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return the file of a study of which two processes have run two trials each."""
    path = str(tmp_path_factory.mktemp("search") / "study.log")
    other = started(work, path, NopPruner())
    work(path, NopPruner())
    finish(other)
    return path


@FORKS
def test_two_processes_share_a_study_by_one_file(shared):
    storage = JournalStorage(JournalFileBackend(shared))
    study = optuna.load_study(study_name="rates", storage=storage)
    assert [trial.number for trial in study.trials[:4]] == [0, 1, 2, 3]
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials[:4])
    assert len({trial.params["rate"] for trial in study.trials[:4]}) == 4


@FORKS
def test_a_trial_is_pruned_by_what_other_processes_have_reported(shared):
    # Of noise two components explain little, whatever the rate.
    noise = np.random.default_rng(0).standard_normal(X.shape)
    pruner = MedianPruner(n_startup_trials=4)
    study = work(shared, pruner, n_trials=1, rows=noise)
    assert study.trials[-1].state == TrialState.PRUNED
    assert list(study.trials[-1].intermediate_values) == [0]


class Weights(Callback):
    """Weights at the start and the end of every training, and the number of its epochs."""

    seen = []

    def on_train_begin(self, net, **kwargs):
        self.first_ = net.module_.encoder.linear.weight.detach().numpy().copy()

    def on_train_end(self, net, **kwargs):
        last = net.module_.encoder.linear.weight.detach().numpy().copy()
        self.seen.append((self.first_, last, len(net.history)))


def test_successive_halving_by_warm_starts_trains_no_epoch_twice():
    Weights.seen.clear()
    base = Autoencoder(
        2,
        **SMALL,
        learning_rate="constant",
        early_stopping=False,
        warm_start=True,
        callbacks=[Weights()],
    )
    grid = ParameterGrid({"learning_rate_init": [0.001, 0.01], "alpha": [0.0, 1.0]})
    candidates = [clone(base).set_params(**params) for params in grid]
    ends = {}
    for n_further in (2, 2, 4):
        for candidate in candidates:
            candidate.set_params(max_iter=n_further).fit(X)
            start, end, n_epochs = Weights.seen[-1]
            # Where the rung before has ended.
            np.testing.assert_array_equal(start, ends.get(candidate, start))
            assert n_epochs == n_further
            ends[candidate] = end
        candidates.sort(key=lambda candidate: candidate.score(HELD_OUT), reverse=True)
        candidates = candidates[: len(candidates) // 2 or 1]
    assert len(candidates) == 1
    # Four candidates for two epochs, two for two more, one for four more.
    assert sum(n_epochs for *_, n_epochs in Weights.seen) == 4 * 2 + 2 * 2 + 4
