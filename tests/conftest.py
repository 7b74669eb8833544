"""Data and tools that tests share."""

import os

# Before scipy is imported: lets scikit-learn's array-API check run rather than skip.
os.environ["SCIPY_ARRAY_API"] = "1"

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def digits():
    """Scikit-learn's digits as rows of 64 pixels in [0, 1]."""
    return load_digits().data / 16


@pytest.fixture(scope="session")
def digit_images(digits):
    """The same digits as images (n, 8, 8), float32."""
    return digits.reshape(-1, 8, 8).astype(np.float32)


@pytest.fixture(scope="session")
def torchvision():
    """Torchvision, importable also beside a build of torch that lacks its operators."""
    library = None
    if not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    module = pytest.importorskip("torchvision")
    yield module
    del library
