"""Chunks of rows: all rows once, within the budget, and the same results whatever their size."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skae import Autoencoder, ReconstructionOutlierDetector
from skae._arrays import chunks
from skae.metrics import explained_variance, reconstruction_error


@pytest.fixture
def tiny_chunks(monkeypatch):
    """Chunks of two rows of 64 values."""
    monkeypatch.setattr("skae._arrays._ARITHMETIC_VALUES", 128)
    monkeypatch.setattr("skae._arrays._PRODUCT_VALUES", 128)
    monkeypatch.setattr("skae._arrays._MIN_PRODUCT_ROWS", 2)


@pytest.mark.parametrize("for_products", [True, False])
@pytest.mark.parametrize("row_size", [1, 64, 5000, 2**26])
@pytest.mark.parametrize("n_rows", [0, 1, 16, 20_001])
def test_chunks_hold_each_row_once_and_in_order(n_rows, row_size, for_products):
    rows = np.arange(n_rows)
    found = [rows[chunk] for chunk in chunks(n_rows, row_size, for_products=for_products)]
    assert all(map(len, found))
    assert np.array_equal(np.concatenate([*found, rows[:0]]), rows)


def test_chunks_keep_to_their_budget_where_a_row_does():
    sizes = [chunk.stop - chunk.start for chunk in chunks(10**6, 784)]
    assert max(sizes) * 784 <= 2**18 < (max(sizes) + 1) * 784


def test_errors_do_not_depend_on_chunks(digits, request):
    scores = [(metric(digits, digits**2)) for metric in (explained_variance, reconstruction_error)]
    request.getfixturevalue("tiny_chunks")
    again = [(metric(digits, digits**2)) for metric in (explained_variance, reconstruction_error)]
    assert_allclose(again, scores, rtol=1e-12)


def test_a_network_and_a_detector_do_not_depend_on_chunks(digits, request):
    detector = ReconstructionOutlierDetector(Autoencoder(4, max_iter=1, random_state=0))
    detector.fit(digits[:200])
    codes = detector.estimator_.transform(digits[:50])
    scores = detector.score_samples(digits[:50])
    request.getfixturevalue("tiny_chunks")
    assert_allclose(detector.estimator_.transform(digits[:50]), codes, rtol=1e-9)
    assert_allclose(detector.score_samples(digits[:50]), scores, rtol=1e-9)
