"""Threads that training computes with."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from skorch.callbacks import Callback

from skae import Autoencoder, SequencePredictor
from skae.architectures import Conv, Dense


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Threads(Callback):
    """Note how many threads compute, in training and for anybody else."""

    def on_train_begin(self, net, **kwargs):
        self.own_ = torch.get_num_threads()
        with ThreadPoolExecutor(1) as pool:
            self.of_others_ = pool.submit(torch.get_num_threads).result()


def threads_of(estimator, X):
    threads = Threads()
    estimator.set_params(max_iter=1, callbacks=[threads]).fit(X)
    return threads


def test_short_steps_are_computed_by_one_thread(digits, two_threads):
    assert threads_of(Autoencoder(batch_size=24), digits).own_ == 1


@pytest.mark.parametrize(
    "parameters",
    [{"architecture": Dense((2000, 2000))}, {"architecture": Conv((4,), linear_path=False)}],
    ids=["wide", "convolutional"],
)
def test_long_steps_are_computed_by_all_threads(digits, two_threads, parameters):
    assert threads_of(Autoencoder(**parameters), digits[:200]).own_ == 2


def test_steps_through_time_are_computed_by_all_threads(digits, two_threads):
    assert threads_of(SequencePredictor(frame_shape=(8,)), digits[:200]).own_ == 2


def test_others_keep_their_threads_during_a_fit_and_after(digits, two_threads):
    assert threads_of(Autoencoder(), digits[:100]).of_others_ == 2
    assert torch.get_num_threads() == 2


def test_a_fit_that_fails_gives_the_threads_back(digits, two_threads):
    class Failure(Callback):
        def on_batch_begin(self, net, **kwargs):
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        Autoencoder(callbacks=[Failure()]).fit(digits[:100])
    assert torch.get_num_threads() == 2
