"""Names and versions in saved files: public names, so that code may move; one version a class."""

import dataclasses
from pathlib import Path, PurePosixPath

import pytest
import torch
from forgery import edit, replace_text
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from torch.nn import functional as F

import skae
from skae import Autoencoder
from skae.architectures import Dense
from skae.losses import Loss
from skae.noises import Noise
from skae.persistence._file import unpack
from skae.persistence._names import public_name


class Scaler(BaseEstimator):
    """A class whose state has changed twice; its state is what `fit` would have learned."""

    _state_version = 3

    def __init__(self, scale=1.0):
        self.scale = scale


class UpgradedScaler(Scaler):
    @staticmethod
    def _upgrade_state(state, version):
        # The first version had the logarithm, the second a factor of another name.
        return {"scale": {1: 10.0 ** state.get("log", 0), 2: state.get("factor")}[version]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def classes_in(path):
    return unpack(path.read_bytes())[0]["classes"]


def rewrite(path, version, state):
    """Give the only object in a file another version and state."""
    name = classes_in(path)[0][0]
    root = {"object": [0, {"dict": [list(state), list(state.values())]}]}
    edit(path, lambda manifest, *_: manifest.update(classes=[[name, version]], root=root))


# -- names ---------------------------------------------------------------------------------


def test_a_file_names_classes_as_users_import_them(path):
    skae.save(make_pipeline(PCA(2), Autoencoder(architecture=Dense())), path)
    names = {name for name, _ in classes_in(path)}
    assert names == {
        "sklearn.pipeline.Pipeline",
        "builtins.tuple",
        "sklearn.decomposition.PCA",
        "skae.Autoencoder",
        "skae.architectures.Dense",
    }


def test_a_class_that_moves_keeps_its_files(path, monkeypatch):
    skae.save(Autoencoder(3), path)
    monkeypatch.setattr(Autoencoder, "__module__", "skae.elsewhere")
    assert skae.load(path).n_components == 3
    skae.save(Autoencoder(4), path)
    assert skae.load(path).n_components == 4


def test_every_public_class_of_skae_has_its_public_name():
    for module in (skae, skae.architectures):
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, type) and issubclass(value, BaseEstimator):
                assert public_name(value) == f"{module.__name__}.{name}"


def test_a_class_without_a_public_name_has_that_of_its_module(path):
    from sklearn.metrics import make_scorer, r2_score

    assert public_name(type(make_scorer(r2_score))) == "sklearn.metrics._scorer._Scorer"


@pytest.mark.parametrize("found", [Autoencoder, PCA])
def test_a_path_to_the_code_of_a_class_is_no_name(found, path):
    skae.save(Autoencoder(), path)
    name = f"{found.__module__}.{found.__qualname__}"
    edit(path, lambda manifest, *_: manifest.update(classes=[[name, 1]]))
    with pytest.raises(ValueError, match=f"it holds {name}, which"):
        skae.load(path)


def test_a_class_of_a_newer_skae_is_refused_as_such(path):
    skae.save(Autoencoder(), path)
    edit(path, lambda manifest, *_: manifest.update(classes=[["skae.Diffusion", 1]]))
    with pytest.raises(ValueError, match=r"skae\.Diffusion, which this version of skae does not"):
        skae.load(path)


def test_a_string_of_trusted_names_is_refused(path):
    skae.save(Autoencoder(), path)
    message = "trusted must be a list of names, got the string 'a.b'"
    with pytest.raises(TypeError, match=message):
        skae.save(Autoencoder(), path, trusted="a.b")
    with pytest.raises(TypeError, match=message):
        skae.load(path, trusted="a.b")


# -- versions ------------------------------------------------------------------------------


def trusted(cls):
    return [f"{__name__}.{cls.__name__}"]


def test_a_class_that_declares_no_version_has_the_first(path):
    skae.save(make_pipeline(PCA()), path)
    assert ["sklearn.decomposition.PCA", 1] in classes_in(path)


def test_a_state_of_the_present_version_is_taken_as_it_is(path):
    skae.save(Scaler(2.0), path, trusted=trusted(Scaler))
    assert classes_in(path) == [[*trusted(Scaler), 3]]
    assert skae.load(path, trusted=trusted(Scaler)).scale == 2.0


@pytest.mark.parametrize(("version", "state"), [(1, {"log": 2}), (2, {"factor": 100.0})])
def test_an_older_state_is_upgraded(version, state, path):
    skae.save(UpgradedScaler(), path, trusted=trusted(UpgradedScaler))
    rewrite(path, version, state)
    assert skae.load(path, trusted=trusted(UpgradedScaler)).scale == 100.0


def test_an_older_state_that_nothing_upgrades_is_refused(path):
    skae.save(Scaler(), path, trusted=trusted(Scaler))
    rewrite(path, 2, {"factor": 100.0})
    with pytest.raises(ValueError, match=r"Scaler has version 2, which is no longer read \(now 3"):
        skae.load(path, trusted=trusted(Scaler))


@pytest.mark.parametrize("cls", [Scaler, UpgradedScaler])
def test_a_newer_state_is_refused(cls, path):
    skae.save(cls(), path, trusted=trusted(cls))
    rewrite(path, 4, {"scale": 1.0})
    with pytest.raises(ValueError, match=r"has version 4, and this skae reads up to 3: a newer"):
        skae.load(path, trusted=trusted(cls))


@pytest.mark.parametrize("version", [0, -1, "3", None, 3.0, True])
def test_a_version_that_is_no_number_is_refused(version, path):
    skae.save(Scaler(), path, trusted=trusted(Scaler))
    rewrite(path, version, {"scale": 1.0})
    with pytest.raises(ValueError, match=r"version of the state of .* must be 1 or more, got"):
        skae.load(path, trusted=trusted(Scaler))


def test_an_old_state_that_is_not_what_it_says_is_refused(path):
    skae.save(UpgradedScaler(), path, trusted=trusted(UpgradedScaler))
    rewrite(path, 1, {"log": "two"})
    with pytest.raises(ValueError, match="cannot be loaded: TypeError"):
        skae.load(path, trusted=trusted(UpgradedScaler))


# -- paths ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [Path("folder") / "file", PurePosixPath("/folder")])
def test_a_path_comes_back_as_a_path(value, path):
    skae.save(Autoencoder(checkpoint=value), path)
    assert skae.load(path).checkpoint == Path(value)


def test_a_path_that_is_no_text_is_refused(path):
    skae.save(Autoencoder(checkpoint=Path("a")), path)

    def change(manifest, *_):
        manifest["root"] = {"built": [1, [3]]}

    edit(path, change)
    with pytest.raises(ValueError, match="cannot be loaded"):
        skae.load(path)


# -- losses and noises ---------------------------------------------------------------------


@pytest.mark.parametrize("function", [F.huber_loss, torch.nn.SmoothL1Loss(beta=0.5)])
def test_a_loss_object_comes_back_with_all_that_it_says(function, path):
    loss = Loss(function, units="data", zero_at=(1.0, 1.0), takes_reduction=True)
    skae.save(Autoencoder(loss=loss), path)
    loaded = skae.load(path).loss
    x, y = torch.linspace(0, 3, 4), torch.zeros(4)
    assert loaded.function(x, y).equal(function(x, y))
    assert dataclasses.replace(loaded, function=function) == loss


def test_a_noise_object_with_a_function_of_ones_own_has_to_be_trusted(path):
    estimator = Autoencoder(noise=Noise(corrupt, level_is_fraction=True))
    name = f"{__name__}.corrupt"
    with pytest.raises(ValueError, match=rf"{name} \(Autoencoder\.noise"):
        skae.save(estimator, path)
    skae.save(estimator, path, trusted=[name])
    assert skae.load(path, trusted=[name]).noise == estimator.noise


def corrupt(batch, level, context):
    return batch


def test_a_forged_loss_is_refused(path):
    skae.save(Autoencoder(loss=Loss(F.huber_loss)), path)
    replace_text(path, '"standardized"', '"parsecs"')
    with pytest.raises(ValueError, match="units of Loss must be one of"):
        skae.load(path)
