"""Devices without float64: no door sends it there, whatever the precision of the data."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from single_precision_device import OnDevice, single_precision_device
from sklearn.base import clone
from small import FOR_IMAGES, NETWORKS, images, results, wine

from skae import ReconstructionOutlierDetector
from skae._engine.data import has_room

DATA = {"rows": wine, "images": images}
KINDS = {f"rows {name}": estimator for name, estimator in NETWORKS.items()}
KINDS |= {f"images {name}": estimator for name, estimator in FOR_IMAGES.items()}


@pytest.fixture
def device(monkeypatch):
    with single_precision_device(monkeypatch) as device:
        yield device


def test_the_device_of_these_tests_refuses_float64(device):
    assert isinstance(torch.ones(2, device=device) + 1, OnDevice)
    with pytest.raises(TypeError, match="no float64"):
        torch.ones(2).double().to(device)
    with pytest.raises(TypeError, match="no float64"):
        torch.ones(2).to(device).double()
    with pytest.raises(RuntimeError, match="two devices"):
        torch.ones(2).to(device) + torch.ones(2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize("key", KINDS)
def test_estimators_fit_and_compute_there(key, dtype, device):
    (X, y), estimator = DATA[key.split()[0]](), KINDS[key]
    X = (abs(X) * 9).astype(dtype)
    on_host = results(clone(estimator).fit(X, y), X)
    on_device = results(clone(estimator).set_params(device=device).fit(X, y), X)
    for one, other in zip(on_device, on_host, strict=True):
        assert one.dtype == other.dtype
        assert_allclose(one, other, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_stream_of_float64_is_learned_there(name, device):
    X, y = wine()
    estimator = clone(NETWORKS[name]).set_params(device=device)
    estimator.fit(X, y)
    for rows in (slice(0, 20), slice(20, 45), slice(0, 1)):
        # Other units, which the network has to follow.
        estimator.partial_fit(3 * X[rows] + 5, y[rows])
    assert np.isfinite(estimator.transform(X)).all()


def test_a_detector_computes_there(device):
    X, _ = wine()
    inner = clone(NETWORKS["Autoencoder"]).set_params(device=device)
    detector = ReconstructionOutlierDetector(inner, random_state=0).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()


@pytest.mark.parametrize("loss", ["l1", "huber", "bce", "ssim"])
def test_losses_and_noise_are_computed_there(loss, device):
    X, _ = images()
    estimator = clone(FOR_IMAGES["Autoencoder"]).set_params(loss=loss, noise="gaussian")
    fitted = estimator.set_params(device=device).fit(X / 16.0, sample_weight=np.arange(30) + 1.0)
    assert np.isfinite(fitted.score(X / 16.0))


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_rows_that_do_not_fit_there_are_sent_batch_by_batch(dtype, device, monkeypatch):
    X, y = images()
    X = (abs(X) * 9).astype(dtype)
    estimator = clone(FOR_IMAGES["Autoencoder"]).set_params(device=device)
    resident = results(clone(estimator).fit(X, y), X)
    asked = []
    monkeypatch.setattr("skae._engine.data.has_room", lambda *args: asked.append(args))
    sent = results(estimator.fit(X, y), X)
    assert [size for _, size in asked] == [X.nbytes]
    for one, other in zip(sent, resident, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_gpu_has_room_for_half_of_its_free_memory(monkeypatch):
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (600, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 300)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100)
    assert has_room(gpu, 400)
    assert not has_room(gpu, 401)
    assert has_room(torch.device("cpu"), 10**15)
