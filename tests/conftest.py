"""Data and tools that tests share."""

import functools
import gc
import importlib.util
import os
from unittest import mock

# Before scipy is imported: lets scikit-learn's array-API check run rather than skip.
os.environ["SCIPY_ARRAY_API"] = "1"

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from skae._engine.environment import UnchangedThreads

# Nothing becomes garbage while thousands of tests are collected, but looking for it takes seconds.
gc.disable()


def pytest_collection_finish():
    """Look for garbage from now on, but not among what is kept to the end: modules and tests."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _unchanged_threads():
    """Leave torch its number of threads: Numba, which UMAP starts, sets it for all later tests."""
    with UnchangedThreads():
        yield


@pytest.fixture(scope="session")
def digits():
    """Scikit-learn's digits as rows of 64 pixels in [0, 1]."""
    return load_digits().data / 16


@pytest.fixture(scope="session")
def digit_images(digits):
    """The same digits as images (n, 8, 8), float32."""
    return digits.reshape(-1, 8, 8).astype(np.float32)


@pytest.fixture(scope="session")
def one_table_of_operators():
    """Let torch make the table of its operators once: half of the time of each export."""
    name = "torch.onnx._internal.exporter._registration"
    if importlib.util.find_spec(name) is None:  # private: it may be elsewhere in another release
        yield
        return
    registry = importlib.import_module(name).ONNXRegistry
    made_once = staticmethod(functools.cache(registry.from_torchlib))
    with mock.patch.object(registry, "from_torchlib", made_once):
        yield


@pytest.fixture(scope="session")
def torchvision():
    """Return torchvision, also where its compiled operators do not load.

    That is so beside a torch of another build, such as torchvision from PyPI beside a CPU-only
    torch. The two operators that its import asks for are declared then, without code: what is
    tested are its transforms and its readers of data sets, which are Python on top of torch.
    """
    pytest.importorskip("PIL")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    try:
        yield importlib.import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        yield importlib.import_module("torchvision")
