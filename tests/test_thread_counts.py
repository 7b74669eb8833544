"""How many threads a fit computes with: one for short steps, all for long ones."""

import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skae import Autoencoder, SequencePredictor
from skae.architectures import Conv, Custom, Dense


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


def pools():
    """How many threads each of torch's two libraries would compute with, in this thread."""
    info = torch.__config__.parallel_info()
    return {int(n) for n in re.findall(r"(?:omp|mkl)_get_max_threads\(\) : (\d+)", info)}


def test_all_libraries_of_torch_compute_short_steps_by_one_thread(digits, two_threads):
    class Pools(Callback):
        def on_train_begin(self, net, **kwargs):
            self.own_ = pools()

    callback = Pools()
    Autoencoder(max_iter=1, callbacks=[callback]).fit(digits[:100])
    assert callback.own_ == {1}
    assert pools() == {2}


def threads_of(estimator, X):
    threads = Threads()
    estimator.set_params(max_iter=1, callbacks=[threads]).fit(X)
    return threads


def test_short_steps_are_computed_by_one_thread(digits, two_threads):
    assert threads_of(Autoencoder(batch_size=24), digits).own_ == 1


def test_short_steps_of_convolutions_are_computed_by_one_thread(digit_images, two_threads):
    assert threads_of(Autoencoder(architecture=Conv((4,))), digit_images[:200]).own_ == 1


def test_short_steps_through_time_are_computed_by_one_thread(digits, two_threads):
    estimator = SequencePredictor(frame_shape=(8,), hidden_size=4, batch_size=8)
    assert threads_of(estimator, digits[:200]).own_ == 1


def test_long_steps_are_computed_by_all_threads(digits, two_threads):
    assert threads_of(Autoencoder(architecture=Dense((1000, 1000))), digits[:50]).own_ == 2


def test_long_steps_of_convolutions_are_computed_by_all_threads(digit_images, two_threads):
    estimator = Autoencoder(architecture=Conv((64, 128)), batch_size=100)
    assert threads_of(estimator, digit_images[:200]).own_ == 2


def test_long_steps_through_time_are_computed_by_all_threads(digits, two_threads):
    estimator = SequencePredictor(frame_shape=(8,), hidden_size=256, batch_size=50)
    assert threads_of(estimator, digits[:50]).own_ == 2


def test_layers_of_unknown_kinds_are_computed_by_all_threads(digits, two_threads):
    class Bilinear(torch.nn.Bilinear):
        def forward(self, x):
            return super().forward(x, x)

    custom = Custom(lambda shape, k: Bilinear(64, 64, k), lambda k, shape: torch.nn.Linear(k, 64))
    assert threads_of(Autoencoder(architecture=custom), digits[:200]).own_ == 2


def test_a_fit_of_small_images_does_not_depend_on_the_number_of_threads(digit_images):
    codes = []
    before = torch.get_num_threads()
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        fitted = Autoencoder(2, architecture=Conv((4,)), max_iter=2, random_state=0)
        fitted.fit(digit_images[:100])
        torch.set_num_threads(1)
        codes.append(fitted.transform(digit_images[:100]))
    torch.set_num_threads(before)
    np.testing.assert_array_equal(*codes)


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
