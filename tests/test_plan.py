"""What 'auto' and the kind of call make of the parameters of training."""

import math

import pytest

from skae import Autoencoder
from skae.architectures import Conv
from skae.estimators._plan import (
    FIRST_BATCH,
    FIT,
    NEXT_BATCH,
    WARM_START,
    Traits,
    make_plan,
)

PLAIN = Traits()


def plan_of(n_rows=1000, mode=FIT, traits=PLAIN, **parameters):
    return make_plan(Autoencoder(**parameters), traits, n_rows, mode, seed=7)


# -- numbers that the user gives -----------------------------------------------------------------


@pytest.mark.parametrize("traits", [Traits(), Traits(ordered=True), Traits(learns_targets=True)])
def test_numbers_that_are_given_are_taken_as_they_are(traits):
    given = {"batch_size": 17, "max_iter": 5, "n_iter_no_change": 4, "tol": 0.25}
    plan = plan_of(traits=traits, alpha=0.125, learning_rate_init=0.5, **given)
    assert {name: getattr(plan, name) for name in given} == given
    assert (plan.weight_decay, plan.learning_rate_init, plan.seed) == (0.125, 0.5, 7)


@pytest.mark.parametrize("batch_size", ["auto", 500])
def test_a_batch_is_never_larger_than_the_training_set(batch_size):
    assert plan_of(10, batch_size=batch_size).batch_size == 10


# -- numbers that depend on the data -------------------------------------------------------------


def test_an_epoch_makes_sixteen_updates_where_batches_may_have_the_size():
    for n_rows in (400, 1600, 3000):
        assert n_rows / plan_of(n_rows).batch_size == pytest.approx(16, rel=0.05)


def test_batches_stay_within_sizes_for_which_a_step_pays():
    assert plan_of(200).batch_size == 24
    assert plan_of(10**6).batch_size == 192


@pytest.mark.parametrize(("side", "batch_size"), [(28, 192), (64, 36), (256, 24)])
def test_a_batch_holds_fewer_of_larger_images(side, batch_size):
    fitted = Autoencoder()
    fitted.image_shape_, fitted.architecture_ = (side, side, 3), Conv()
    assert make_plan(fitted, PLAIN, 10**4, FIT, seed=7).batch_size == batch_size


def test_a_family_may_have_a_batch_size_of_its_own():
    traits = Traits(batch_rows=50)
    assert plan_of(traits=traits).batch_size == 50
    assert plan_of(traits=traits, batch_size=20).batch_size == 20


def test_training_aims_at_two_thousand_updates():
    for n_rows in (7000, 9000, 12_000):
        plan = plan_of(n_rows)
        n_updates = plan.max_iter * math.ceil(n_rows / plan.batch_size)
        assert n_updates == pytest.approx(2000, rel=0.04)


def test_the_number_of_epochs_is_between_thirty_and_sixty():
    assert plan_of(10**6).max_iter == 30
    assert plan_of(1000).max_iter == 60


@pytest.mark.parametrize(
    ("n_rows", "max_iter", "batch_size"),
    [(10**7, 3, 192), (3 * 10**7, 1, 192), (10**8, 1, 625), (10**9, 1, 6250)],
)
def test_many_rows_are_trained_on_in_as_many_updates_as_a_million(n_rows, max_iter, batch_size):
    plan = plan_of(n_rows)
    assert (plan.max_iter, plan.batch_size) == (max_iter, batch_size)
    assert plan.max_iter * n_rows / plan.batch_size <= 160_000


def test_epochs_of_batches_of_a_given_size_are_fewer_where_they_are_long():
    assert plan_of(10**8, batch_size=8192).max_iter == 13
    assert plan_of(10**9, batch_size=100).max_iter == 1


def test_small_sets_get_one_epoch_for_nine_rows_but_fifteen_at_least():
    assert [plan_of(n_rows).max_iter for n_rows in (50, 180, 360)] == [15, 20, 40]


def test_what_learns_targets_needs_all_epochs_also_of_small_sets():
    assert plan_of(50, traits=Traits(learns_targets=True)).max_iter == 60


# -- weight decay --------------------------------------------------------------------------------


def test_decay_apart_from_the_gradient_is_a_hundred_times_as_strong():
    assert plan_of(optimizer="adamw").weight_decay == 1
    assert plan_of(optimizer="adam").weight_decay == plan_of(optimizer=object).weight_decay == 0.01


def test_ordered_components_decay_half_as_much():
    assert plan_of(traits=Traits(ordered=True)).weight_decay == plan_of().weight_decay / 2


# -- ordered components --------------------------------------------------------------------------


@pytest.mark.parametrize("n_rows", [50, 1000, 10**6])
def test_ordered_components_train_three_times_as_long_with_as_much_more_patience(n_rows):
    ordered, plain = plan_of(n_rows, traits=Traits(ordered=True)), plan_of(n_rows)
    assert ordered.max_iter == 3 * plain.max_iter
    assert ordered.n_iter_no_change == 3 * plain.n_iter_no_change


# -- warm-up -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kl_warmup", "n_epochs"), [(0, 0), (4, 4), (1, 1), (0.5, 10), (0.01, 1)])
def test_the_warm_up_is_a_number_of_epochs_or_a_fraction_of_them(kl_warmup, n_epochs):
    assert plan_of(traits=Traits(kl_warmup=kl_warmup), max_iter=20).n_warmup == n_epochs


@pytest.mark.parametrize("mode", [WARM_START, FIRST_BATCH, NEXT_BATCH])
def test_there_is_no_warm_up_where_training_continues_or_has_one_epoch(mode):
    assert plan_of(mode=mode, traits=Traits(kl_warmup=4)).n_warmup == 0


# -- partial_fit ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [FIRST_BATCH, NEXT_BATCH])
def test_a_batch_of_data_is_one_pass_at_a_constant_rate_that_nothing_stops(mode):
    plan = plan_of(mode=mode, max_iter=50, learning_rate="one_cycle", n_iter_no_change=3)
    assert (plan.max_iter, plan.learning_rate) == (1, "constant")
    assert plan.n_iter_no_change == math.inf


@pytest.mark.parametrize(("learning_rate", "rate"), [("constant", 0.01), ("one_cycle", 0.005)])
def test_the_rate_of_a_stream_is_half_of_a_peak(learning_rate, rate):
    plan = plan_of(64, mode=NEXT_BATCH, learning_rate=learning_rate, learning_rate_init=0.01)
    assert plan.learning_rate_init == pytest.approx(rate)


@pytest.mark.parametrize(("n_rows", "fraction"), [(1, 1 / 8), (16, 1 / 2), (64, 1), (1024, 1)])
def test_the_rate_of_a_stream_falls_with_the_root_of_fewer_rows(n_rows, fraction):
    rate = plan_of(n_rows, mode=NEXT_BATCH, learning_rate_init=0.01).learning_rate_init
    assert rate == pytest.approx(0.005 * fraction)


@pytest.mark.parametrize(("n_rows", "batch_size"), [(1, 1), (50, 50), (65, 33), (200, 50)])
def test_a_stream_divides_its_rows_into_equal_batches_of_up_to_64(n_rows, batch_size):
    assert plan_of(n_rows, mode=NEXT_BATCH).batch_size == batch_size


def test_order_does_not_change_the_decay_of_a_single_pass():
    ordered = plan_of(mode=NEXT_BATCH, traits=Traits(ordered=True))
    assert ordered.weight_decay == plan_of(mode=NEXT_BATCH).weight_decay
