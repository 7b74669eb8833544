"""Files that earlier versions wrote (see make_files.py) still load, and give what they gave."""

from inspect import signature

import numpy as np
import pytest
from make_files import FOLDER, outputs
from sklearn.base import BaseEstimator, clone

import skae

NAMES = sorted(path.stem for path in FOLDER.glob("*.safetensors"))
PUBLIC = {
    name
    for name in skae.__all__
    if isinstance(getattr(skae, name), type) and issubclass(getattr(skae, name), BaseEstimator)
}


def test_every_public_estimator_has_a_file():
    without = PUBLIC - {name.partition("-")[0] for name in NAMES}
    assert not without, f"python -m tests.make_files {' '.join(sorted(without))}"


# Another scikit-learn may have written the file: that is the point of it.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_stored_file_gives_what_it_gave(name):
    loaded = skae.load(FOLDER / f"{name}.safetensors")
    assert type(loaded).__name__ == name.partition("-")[0]
    with np.load(FOLDER / f"{name}.npz") as stored:
        given = outputs(loaded)
        assert given.keys() == set(stored)
        for method, expected in stored.items():
            # Other machines and libraries round otherwise, in single precision.
            np.testing.assert_allclose(
                given[method], expected, rtol=1e-3, atol=1e-4, err_msg=method
            )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize("name", NAMES)
def test_parameters_that_a_stored_file_does_not_know_have_their_defaults(name):
    loaded = skae.load(FOLDER / f"{name}.safetensors")
    fresh = signature(type(loaded)).parameters
    state = vars(loaded)
    assert state.keys() >= fresh.keys()
    # Every stored file of a network is older than this parameter.
    assert state.get("compile", False) is False
    assert repr(clone(loaded)) == repr(loaded)


@pytest.mark.parametrize("name", NAMES)
def test_stored_files_are_small(name):
    assert sum(path.stat().st_size for path in FOLDER.glob(f"{name}.*")) < 60_000
