"""The mean of the weights over the last steps, which is what a fit hands out."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skae import Autoencoder
from skae._engine.callbacks import WeightAverage
from skae.architectures import Conv, Custom, Dense

PLAIN = {
    "n_components": 2,
    "architecture": Dense((8,)),
    "learning_rate": "constant",
    "learning_rate_init": 0.01,
    "random_state": 0,
}


class Recorder(Callback):
    """Note the encoder's first weights before the first step, after each, and after epochs."""

    def on_train_begin(self, net, **kwargs):
        self.steps, self.epochs = [self.weights(net)], []

    def on_batch_end(self, net, training, **kwargs):
        if training:
            self.steps.append(self.weights(net))

    def on_epoch_end(self, net, **kwargs):
        self.epochs.append(self.weights(net))

    def weights(self, net):
        return next(net.module_.encoder.parameters()).detach().clone()


def mean_of_last(steps, n_in_epoch):
    """Mean of weights after each fourth step of an epoch and its last, of which a tenth counts."""
    mean, n_taken = steps[0], 0
    for n_steps, weights in enumerate(steps[1:]):
        place = n_steps % n_in_epoch + 1
        if place % 4 == 0 or place == n_in_epoch:
            decay = min((n_taken + 1) / (n_taken + 10), 0.96)
            mean = decay * mean + (1 - decay) * weights
            n_taken += 1
    return mean


class StepCounter(torch.nn.Module):
    """A network whose only weight is the number of steps so far: their mean shows its age."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros((), dtype=torch.float64), False)

    def constants(self):
        return []


def age_of_mean(n_steps):
    """Return how many steps the mean of the weights lies behind the last ones, after so many."""
    net, average = SimpleNamespace(module_=StepCounter()), WeightAverage()
    average.on_train_begin(net)
    average.on_epoch_begin(net)
    for _ in range(n_steps):
        net.module_.weight += 1
        average.on_batch_end(net, training=True)
    average.on_epoch_end(net)
    return n_steps - net.module_.weight.item()


@pytest.mark.parametrize("n_steps", [40, 200, 800])
def test_the_mean_lies_behind_the_last_weights_by_a_tenth_of_all_steps(n_steps):
    assert age_of_mean(n_steps) == pytest.approx(n_steps / 10)


def test_in_long_training_the_mean_lies_a_hundred_steps_behind():
    # A tenth of all steps would reach back to another learning rate.
    assert [age_of_mean(3000), age_of_mean(4000)] == pytest.approx([100, 100], rel=0.05)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_each_epoch_ends_with_the_mean_of_the_last_steps(early_stopping, digits):
    recorder = Recorder()
    Autoencoder(**PLAIN, max_iter=3, early_stopping=early_stopping, callbacks=[recorder]).fit(
        digits
    )
    n_steps = (len(recorder.steps) - 1) // 3
    for epoch, weights in enumerate(recorder.epochs, start=1):
        expected = mean_of_last(recorder.steps[: epoch * n_steps + 1], n_steps)
        torch.testing.assert_close(weights, expected, atol=1e-6, rtol=1e-5)
        assert not torch.allclose(weights, recorder.steps[epoch * n_steps], atol=1e-4)


def test_a_fit_without_validation_ends_with_the_mean(digits):
    recorder = Recorder()
    fitted = Autoencoder(**PLAIN, max_iter=3, early_stopping=False, callbacks=[recorder])
    weights = next(fitted.fit(digits).module_.encoder.parameters())
    torch.testing.assert_close(weights.detach(), recorder.epochs[-1])


def test_the_mean_is_better_than_the_last_weights_where_steps_are_large(digits):
    losses = []

    class Evaluator(Callback):
        def on_batch_end(self, net, training, **kwargs):
            if training:
                with torch.no_grad():
                    rows = net.module_(torch.from_numpy(digits).float())
                losses.append(float(((rows - torch.from_numpy(digits)) ** 2).mean()))

    fitted = Autoencoder(
        **{**PLAIN, "learning_rate_init": 0.03},
        max_iter=5,
        early_stopping=False,
        callbacks=[Evaluator()],
    ).fit(digits)
    assert fitted.reconstruction_err_ < 0.97 * np.mean(losses[-20:])


def test_statistics_of_batch_normalisation_go_with_the_mean(digit_images):
    form = Conv((4, 8), normalization="batch", linear_skip=False)
    fitted = Autoencoder(4, architecture=form, max_iter=10, random_state=0).fit(digit_images)
    assert fitted.history_[-1]["valid_loss"] < 1.3 * fitted.history_[-1]["train_loss"]


def test_partial_fit_hands_out_the_mean_over_the_last_fifth_of_the_rows(digits):
    recorders = [Recorder(), Recorder()]
    estimator = Autoencoder(**PLAIN, batch_size=50)
    mean, n_rows, scale = None, 0, 1.0
    for recorder, rows in zip(recorders, (digits[:600], digits[600:900]), strict=True):
        estimator.set_params(callbacks=[recorder]).partial_fit(rows)
        # The weights of the first layer follow the scale of the rows so far.
        before, scale = scale, estimator.module_.standardization.scale.item()
        mean = recorder.steps[0] if mean is None else mean * scale / before
        for weights in recorder.steps[1:]:
            n_rows += 50
            mean = torch.lerp(mean, weights, min(50 / (n_rows / 5), 1))
        torch.testing.assert_close(recorder.epochs[-1], mean, atol=1e-6, rtol=1e-5)
    # Steps continue from the last weights, not from the mean.
    torch.testing.assert_close(
        recorders[1].steps[1], recorders[0].steps[-1], atol=3 * PLAIN["learning_rate_init"], rtol=0
    )


def test_linear_paths_stay_where_hidden_layers_decay(digits):
    decayed = Autoencoder(
        4,
        architecture=Dense((16,)),
        alpha=1e4,
        learning_rate="constant",
        learning_rate_init=1e-5,
        early_stopping=False,
        max_iter=5,
        random_state=0,
    ).fit(digits)
    encoder = decayed.module_.encoder
    norms = torch.linalg.norm(encoder.linear.weight.detach(), dim=1)
    torch.testing.assert_close(norms, torch.ones(4), atol=0.01, rtol=0)
    assert encoder.nonlinear[0].weight.abs().max() < 0.05


@pytest.mark.parametrize(("optimizer", "expected"), [("adamw", 1.0), ("adam", 0.01), ("sgd", 0.01)])
def test_automatic_decay_suits_the_optimizer(optimizer, expected, digits):
    fitted = Autoencoder(2, optimizer=optimizer, max_iter=1).fit(digits)
    decays = {group["weight_decay"] for group in fitted.net_.optimizer_.param_groups}
    assert decays == {0.0, expected}


def test_ordered_components_decay_less(digits):
    fitted = Autoencoder(2, ordered=True, max_iter=1).fit(digits)
    decays = {group["weight_decay"] for group in fitted.net_.optimizer_.param_groups}
    assert decays == {0.0, 0.5}


class TwoPrecisions(torch.nn.Module):
    """An encoder whose layers have their weights in different types of floats."""

    def __init__(self, n_components):
        super().__init__()
        self.wide = torch.nn.Linear(64, 8).double()
        self.narrow = torch.nn.Linear(8, n_components).bfloat16()

    def forward(self, x):
        # Inference in float64 converts all layers.
        hidden = self.wide(x.to(self.wide.weight.dtype))
        return self.narrow(hidden.to(self.narrow.weight.dtype)).to(x.dtype)


def test_weights_of_every_type_of_floats_are_averaged(digits):
    custom = Custom(
        lambda shape, n_components: TwoPrecisions(n_components),
        lambda n_components, shape: torch.nn.Linear(n_components, 64),
    )
    recorder = Recorder()
    settings = {**PLAIN, "architecture": custom, "callbacks": [recorder], "max_iter": 3}
    fitted = Autoencoder(**settings, early_stopping=False, optimizer="nadam").fit(digits)
    assert fitted.module_.encoder.wide.weight.dtype == torch.float64
    assert fitted.module_.encoder.narrow.weight.dtype == torch.bfloat16
    n_steps = (len(recorder.steps) - 1) // 3
    for epoch, weights in enumerate(recorder.epochs, start=1):
        expected = mean_of_last(recorder.steps[: epoch * n_steps + 1], n_steps)
        torch.testing.assert_close(weights, expected, atol=1e-6, rtol=1e-5)
