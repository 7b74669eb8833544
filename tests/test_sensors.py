"""make_sensors: recordings with faults that are where the labels say."""

from itertools import pairwise

import numpy as np
import pytest

from skae.datasets import make_sensors

KINDS = ("offset", "frozen", "decoupled", "noisy", "dropout")


def test_labels_agree_with_each_other():
    sensors = make_sensors(random_state=0)
    np.testing.assert_array_equal(sensors.target, sensors.is_faulty.any(axis=1))
    for start, end, channel, _ in sensors.faults:
        assert sensors.is_faulty[start:end].sum(axis=0)[channel] == end - start
    assert sensors.is_faulty.sum() == sum(end - start for start, end, _, _ in sensors.faults)


def test_kinds_come_in_turn_and_faults_in_order():
    faults = make_sensors(random_state=0).faults
    assert [fault.kind for fault in faults] == [*KINDS, *KINDS]
    assert all(one.end < two.start for one, two in pairwise(faults))


def test_the_first_part_has_no_fault():
    assert not make_sensors(fault_start=0.6, random_state=1).target[:3000].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_changes_its_own_values_alone(kind):
    given = {"kinds": [kind], "noise": 0, "random_state": 2}
    with_faults, without = make_sensors(**given), make_sensors(n_faults=0, **given)
    is_changed = with_faults.data != without.data
    assert not is_changed[~with_faults.is_faulty].any()
    # Dropouts concern a third of the steps.
    assert is_changed[with_faults.is_faulty].mean() > 0.25


def test_about_the_asked_fraction_is_lost():
    data = make_sensors(missing=0.1, random_state=0).data
    assert 0.08 < np.isnan(data).mean() < 0.12


def test_a_seed_makes_the_same_recordings():
    one, two = make_sensors(random_state=3), make_sensors(random_state=3)
    np.testing.assert_array_equal(one.data, two.data)
    assert (make_sensors(random_state=4).data != one.data).any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_timesteps": 100}, "n_timesteps"),
        ({"n_channels": 1}, "n_channels"),
        ({"n_faults": 100}, "do not fit into the last 3000 of 5000"),
        ({"kinds": ["leak"]}, "kinds must be among"),
        ({"kinds": []}, "kinds must be among"),
        ({"missing": 0.6}, "missing"),
    ],
)
def test_what_cannot_be_made_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_sensors(**parameters)
