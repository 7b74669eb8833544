"""Training: what stops it, what it keeps, and the skorch callbacks that take part."""

import multiprocessing
import os
import re
import warnings
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    LRScheduler,
    ProgressBar,
    TensorBoard,
    WandbLogger,
)
from skorch.history import History
from tqdm.auto import tqdm

from skae import Autoencoder, AutoencoderRegressor, VariationalAutoencoder
from skae._engine import callbacks, net
from skae._engine.callbacks import LossParts
from skae._engine.data import BatchIterator
from skae.architectures import Dense

SMALL = {"n_components": 4, "architecture": Dense((16,)), "random_state": 0}


def test_weights_with_the_lowest_validation_loss_are_restored(digits):
    class Vandal(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) > 5:
                torch.nn.init.normal_(net.module_.decoder.linear.weight, std=10)

    fitted = Autoencoder(**SMALL, max_iter=12, callbacks=[Vandal()], n_iter_no_change=99).fit(
        digits
    )
    losses = [epoch["valid_loss"] for epoch in fitted.history_]
    assert losses[-1] > 10 * min(losses)
    assert fitted.score(digits) == pytest.approx(1 - min(losses), abs=0.05)


def test_weights_before_the_first_step_count_as_well(digits):
    class Vandal(Callback):
        def on_batch_end(self, net, **kwargs):
            torch.nn.init.normal_(net.module_.decoder.linear.weight, std=10)

    fitted = Autoencoder(**SMALL, max_iter=3, callbacks=[Vandal()]).fit(digits)
    assert fitted.score(digits) > 0.4


@pytest.mark.parametrize(
    ("learning_rate", "n_epochs"), [("constant", 6), ("adaptive", 6), ("one_cycle", 16)]
)
def test_training_stops_where_validation_no_longer_improves_once_a_schedule_is_half_done(
    digits, learning_rate, n_epochs
):
    fitted = Autoencoder(
        **SMALL,
        learning_rate=learning_rate,
        learning_rate_init=1e-9,
        max_iter=20,
        tol=0.01,
        n_iter_no_change=5,
    )
    with pytest.warns(ConvergenceWarning, match="found nothing beyond its start"):
        assert fitted.fit(digits).n_iter_ == n_epochs
    assert fitted.best_n_iter_ == 0


def test_a_trial_of_a_few_epochs_without_gain_does_not_warn(digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = Autoencoder(**SMALL, learning_rate_init=1e-9, tol=0.01, max_iter=4).fit(digits)
    assert fitted.best_n_iter_ in range(5)


def test_a_fit_that_gains_says_after_which_epoch_and_warns_of_nothing(digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = Autoencoder(**SMALL, max_iter=4).fit(digits)
    losses = [epoch["valid_loss"] for epoch in fitted.history_]
    assert fitted.best_n_iter_ == 1 + np.argmin(losses)


def test_training_stops_where_the_training_loss_stalls_without_validation(digits):
    fitted = Autoencoder(
        **SMALL,
        learning_rate="constant",
        learning_rate_init=1e-9,
        max_iter=50,
        tol=0.01,
        n_iter_no_change=3,
        early_stopping=False,
    ).fit(digits)
    assert fitted.n_iter_ == 4
    assert "valid_loss" not in fitted.history_[0]
    assert not hasattr(fitted, "best_n_iter_")


def test_patience_without_end_trains_all_epochs(digits):
    fitted = Autoencoder(**SMALL, learning_rate_init=1e-9, max_iter=15, n_iter_no_change=np.inf)
    assert fitted.fit(digits).n_iter_ == 15


def test_validation_takes_its_fraction_of_the_rows_at_random_and_training_all_others(digits):
    class Recorder(Callback):
        def on_train_begin(self, net, X, **kwargs):
            self.trained, self.held_out = X.indices.numpy(), net.validation_data.indices.numpy()

    rows = Recorder()
    Autoencoder(**SMALL, validation_fraction=0.2, max_iter=1, callbacks=[rows]).fit(digits)
    assert len(rows.held_out) == round(0.2 * len(digits))
    assert sorted([*rows.trained, *rows.held_out]) == list(range(len(digits)))
    # As many of the first half of the rows as of the second.
    assert np.mean(rows.held_out < len(digits) / 2) == pytest.approx(0.5, abs=0.1)


def test_partial_fit_continues_with_the_moments_of_the_optimizer_and_another_order(digits):
    class Recorder(Callback):
        def on_batch_begin(self, net, batch, **kwargs):
            self.last = batch[0]

        def on_train_end(self, net, **kwargs):
            self.n_steps = int(next(iter(net.optimizer_.state.values()))["step"])

    first, second = Recorder(), Recorder()
    model = Autoencoder(**SMALL, callbacks=[first]).partial_fit(digits)
    model.set_params(callbacks=[second]).partial_fit(digits)
    assert second.n_steps == 2 * first.n_steps
    assert not torch.equal(first.last, second.last)


def learning_rates(digits, *, max_iter=6, **parameters):
    """List the learning rate of every step of a fit."""
    rates = []

    class Recorder(Callback):
        def on_batch_begin(self, net, training=False, **kwargs):
            if training:
                rates.append(net.optimizer_.param_groups[0]["lr"])

    Autoencoder(**SMALL, **parameters, callbacks=[Recorder()], max_iter=max_iter).fit(digits)
    return rates


@pytest.mark.parametrize(
    ("n_rows", "n_epochs"), [(60, 15), (270, 30), (1500, 60), (8000, 48), (20000, 30)]
)
def test_few_rows_train_for_fewer_epochs_and_so_do_many(n_rows, n_epochs):
    X = np.random.default_rng(0).normal(size=(n_rows, 2))
    linear = Autoencoder(1, architecture=Dense(()), early_stopping=False, n_iter_no_change=np.inf)
    assert linear.fit(X).n_iter_ == n_epochs


@pytest.mark.parametrize("n_rows", [60, 270])
def test_to_predict_few_rows_are_trained_on_for_all_epochs(n_rows):
    X = np.random.default_rng(0).normal(size=(n_rows, 2))
    linear = AutoencoderRegressor(
        1, architecture=Dense(()), early_stopping=False, n_iter_no_change=np.inf
    )
    assert linear.fit(X, X[:, 0]).n_iter_ == 60


@pytest.mark.parametrize(("n_rows", "batch_size"), [(10, 10), (150, 24), (800, 50), (4000, 192)])
def test_automatic_batches_are_a_sixteenth_of_the_rows_within_bounds(n_rows, batch_size):
    X = np.random.default_rng(0).normal(size=(n_rows, 2))
    linear = Autoencoder(1, architecture=Dense(()), early_stopping=False, max_iter=1)
    assert linear.fit(X).net_.batch_size == batch_size


def test_a_constant_learning_rate_stays(digits):
    rates = learning_rates(digits, learning_rate="constant")
    assert set(rates) == {0.006}


def test_a_cosine_learning_rate_falls_to_zero(digits):
    rates = learning_rates(digits, learning_rate="cosine")
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(0.006)
    assert rates[-1] < 1e-5


def test_a_schedule_ends_in_time_where_a_last_batch_of_one_row_joined_another(digits):
    rates = learning_rates(
        digits[:101], learning_rate="cosine", batch_size=10, early_stopping=False
    )
    assert len(rates) == 6 * 10
    assert rates[-1] < 1e-5


def test_a_one_cycle_learning_rate_rises_before_it_falls(digits):
    rates = learning_rates(digits, learning_rate="one_cycle")
    assert rates[0] < 0.1 * max(rates)
    assert max(rates) == pytest.approx(0.006, rel=0.01)
    assert 0 < int(np.argmax(rates)) < 0.2 * len(rates)
    assert rates[-1] < rates[0]


@pytest.mark.parametrize(("max_iter", "n_rising"), [(10, 15), (40, 50)])
def test_a_one_cycle_learning_rate_rises_for_fifty_steps_or_for_a_seventh_of_a_few(
    max_iter, n_rising, digits
):
    rates = learning_rates(digits[:100], max_iter=max_iter, batch_size=9, n_iter_no_change=np.inf)
    assert len(rates) == 10 * max_iter
    assert int(np.argmax(rates)) == pytest.approx(n_rising, abs=1)


@pytest.mark.parametrize("max_iter", [1, 2, 5])
def test_a_one_cycle_learning_rate_starts_low_in_a_few_steps_too(digits, max_iter):
    rates = learning_rates(digits[:20], learning_rate="one_cycle", max_iter=max_iter)
    assert len(rates) == max_iter
    assert rates[0] == pytest.approx(0.006 / 25)


def test_an_adaptive_learning_rate_is_divided_by_five_where_the_loss_stalls(digits):
    rates = learning_rates(
        digits, learning_rate="adaptive", learning_rate_init=1e-9, tol=0.01, n_iter_no_change=4
    )
    assert sorted(set(rates)) == pytest.approx([2e-10, 1e-9])


def test_an_adaptive_learning_rate_goes_with_patience_without_end(digits):
    rates = learning_rates(digits, learning_rate="adaptive", n_iter_no_change=np.inf)
    assert set(rates) == {0.006}


@pytest.mark.parametrize(
    "optimizer", ["adam", "adamw", "nadam", "rmsprop", "sgd", torch.optim.Adagrad]
)
def test_optimizers_lower_the_loss(optimizer, digits):
    fitted = Autoencoder(**SMALL, optimizer=optimizer, max_iter=5).fit(digits)
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]


def test_sgd_has_the_momentum_of_scikit_learns_perceptrons(digits):
    [options, *_] = (
        Autoencoder(optimizer="sgd", max_iter=1).fit(digits).net_.optimizer_.param_groups
    )
    expected = MLPRegressor()
    assert options["momentum"] == expected.momentum
    assert options["nesterov"] == expected.nesterovs_momentum


def test_early_stopping_of_the_users_own_stops(digits):
    stopping = EarlyStopping(patience=2, threshold=0.99, sink=lambda message: None)
    assert Autoencoder(**SMALL, max_iter=30, callbacks=[stopping]).fit(digits).n_iter_ < 5


def test_checkpoint_of_the_users_own_writes_the_best_weights(tmp_path, digits):
    checkpoint = Checkpoint(dirname=tmp_path, monitor="valid_loss_best")
    fitted = Autoencoder(**SMALL, max_iter=5, callbacks=[checkpoint]).fit(digits)
    written = torch.load(tmp_path / "params.pt", weights_only=True)
    for name, weight in fitted.module_.state_dict().items():
        torch.testing.assert_close(written[name], weight)


def test_schedule_of_the_users_own_sets_the_rate(digits):
    halving = LRScheduler("StepLR", step_size=1, gamma=0.5)
    fitted = Autoencoder(**SMALL, learning_rate="constant", callbacks=[halving], max_iter=4).fit(
        digits
    )
    assert fitted.net_.optimizer_.param_groups[0]["lr"] == pytest.approx(0.006 / 16)


def test_loggers_of_the_users_own_get_every_epoch(digits):
    class Writer:
        def __init__(self):
            self.scalars, self.config = [], {}

        def add_scalar(self, tag, scalar_value, global_step):
            self.scalars.append((tag, global_step))

        def log(self, values, **kwargs):
            self.scalars.append(("wandb", sorted(values)))

        def watch(self, module):
            self.watched = module

        def close(self):
            pass

    board, run = Writer(), Writer()
    callbacks = [TensorBoard(board), ("wandb", WandbLogger(run, save_model=False))]
    Autoencoder(**SMALL, max_iter=3, callbacks=callbacks).fit(digits)
    assert ("Loss/valid_loss", 3) in board.scalars
    assert len(run.scalars) == 3


def test_progress_bar_of_the_users_own_is_shown(capsys, digits):
    Autoencoder(**SMALL, max_iter=2, callbacks=[ProgressBar(detect_notebook=False)]).fit(digits)
    assert "it/s" in capsys.readouterr().err


def test_verbose_shows_losses_and_the_time_left(capsys, digits):
    Autoencoder(**SMALL, max_iter=3, verbose=1).fit(digits)
    shown = capsys.readouterr()
    assert "3/3" in shown.err
    assert "train_loss=" in shown.err
    assert "valid_loss=" in shown.err
    assert "<" in shown.err  # tqdm's sign between time gone and time left
    assert not shown.out


def test_the_bar_of_a_fit_below_another_bar_vanishes(capsys, digits):
    with tqdm(total=1):
        Autoencoder(**SMALL, max_iter=3, verbose=1).fit(digits)
        below = capsys.readouterr().err
    Autoencoder(**SMALL, max_iter=3, verbose=1).fit(digits)
    alone = capsys.readouterr().err
    # The line is overwritten by blanks, and the cursor is back at the other bar.
    assert re.search(r"\r +\x1b\[A$", below)
    assert "3/3" in alone
    assert alone.endswith("\n")


def test_nothing_is_shown_by_default(capsys, digits):
    Autoencoder(**SMALL, max_iter=2).fit(digits)
    shown = capsys.readouterr()
    assert not shown.err
    assert not shown.out


def test_history_and_loss_curve_have_an_entry_per_epoch(digits):
    fitted = Autoencoder(**SMALL, max_iter=4).fit(digits)
    assert fitted.n_iter_ == len(fitted.history_) == len(fitted.loss_curve_) == 4
    assert fitted.loss_curve_ == [epoch["train_loss"] for epoch in fitted.history_]


def test_parts_of_the_loss_are_recorded_as_their_means_over_rows():
    net = SimpleNamespace(history=History(), n_rows_of=lambda batch: len(batch[0]))
    recorder = LossParts()
    net.history.new_epoch()
    recorder.on_epoch_begin(net)
    for n_rows, value in ((30, 1.0), (10, 5.0)):
        batch, parts = (torch.zeros(n_rows, 2), None), {"kl": torch.tensor(value)}
        recorder.on_batch_end(net, batch=batch, training=True, parts=parts)
    recorder.on_batch_end(net, batch=batch, training=False, parts={"kl": torch.tensor(7.0)})
    recorder.on_epoch_end(net)
    assert (net.history[-1]["train_kl"], net.history[-1]["valid_kl"]) == (2, 7)


class WaitingLosses(Callback):
    """The largest number of losses of an epoch that are tensors yet."""

    n_most = 0

    def on_batch_end(self, net, **kwargs):
        losses = [v for batch in net.history[-1]["batches"] for v in batch.values()]
        parts = [v for values in dict(net.callbacks_)["LossParts"].values_.values() for v in values]
        n_tensors = sum(isinstance(value, torch.Tensor) for value in losses + parts)
        self.n_most = max(self.n_most, n_tensors)


def test_losses_of_an_epoch_of_many_steps_become_numbers_before_it_ends(digits, monkeypatch):
    fit = partial(VariationalAutoencoder, **SMALL, batch_size=50, max_iter=2)
    expected = fit().fit(digits[:500])
    for module in (net, callbacks):
        monkeypatch.setattr(module, "MAX_WAITING", 4)
    waiting = WaitingLosses()
    fitted = fit(callbacks=[waiting]).fit(digits[:500])
    # Of the loss and its two parts, up to four each.
    assert waiting.n_most <= 3 * 4
    assert [dict(h, dur=0) for h in fitted.net_.history] == [
        dict(h, dur=0) for h in expected.net_.history
    ]


@pytest.mark.parametrize(("n_rows", "sizes"), [(10, [4, 4, 2]), (9, [4, 5]), (1, [2]), (4, [4])])
def test_no_batch_has_a_single_row(n_rows, sizes):
    class Rows:
        indices, device = torch.arange(n_rows), torch.device("cpu")

        def __len__(self):
            return n_rows

        def batch(self, indices, corruption, on_device):
            assert on_device.equal(indices)
            return indices

    assert [len(batch) for batch in BatchIterator(Rows(), 4)] == sizes


def test_the_bar_of_a_fit_that_fails_ends_its_line(capsys, digits):
    class Failure(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        Autoencoder(**SMALL, max_iter=3, verbose=1, callbacks=[Failure()]).fit(digits)
    assert capsys.readouterr().err.endswith("\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fits_in_workers_show_a_line_each_and_no_bar_that_is_drawn_over(capfd, digits):
    estimator = Autoencoder(**SMALL, max_iter=3, verbose=1)
    # Forked, as by joblib's multiprocessing: workers that import everything take ten times as long.
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=estimator.fit, args=(digits[:60],)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    shown = capfd.readouterr().err
    lines = shown.splitlines()
    assert len(lines) == 4
    assert all("| 3/3 [" in line and "valid_loss=" in line for line in lines)
    assert "\r" not in shown
