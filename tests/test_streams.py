"""Streams of batches: `partial_fit` after `fit`, from scratch, one row a call, data that change."""

import copy

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_digits, make_friedman1
from sklearn.decomposition import PCA
from sklearn.utils import gen_batches, shuffle

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    HybridAutoencoder,
    SequencePredictor,
    VariationalAutoencoder,
)
from skae.architectures import Conv, Dense
from skae.models._units import moved_units

SMALL = {"architecture": Dense((64,)), "random_state": 0}
FAMILIES = {
    "autoencoder": Autoencoder(8, **SMALL),
    "variational": VariationalAutoencoder(8, **SMALL),
    "hybrid": HybridAutoencoder(8, **SMALL),
    "distilled": HybridAutoencoder(8, distill=True, **SMALL),
    "classifier": AutoencoderClassifier(8, **SMALL),
    "regressor": AutoencoderRegressor(5, **SMALL),
    "convolutional": Autoencoder(
        8, architecture=Conv((4,), hidden_layer_sizes=()), image_shape=(8, 8), random_state=0
    ),
}
families = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def data():
    """Digits in random order, with their labels."""
    return shuffle(*load_digits(return_X_y=True), random_state=0)


def data_of(family, data):
    return make_friedman1(1797, noise=0.5, random_state=0) if family == "regressor" else data


def call(estimator, X, y):
    """Hand a batch to `partial_fit`, with what the family needs beside X."""
    if isinstance(estimator, AutoencoderClassifier):
        return estimator.partial_fit(X, y, classes=range(10))
    if isinstance(estimator, AutoencoderRegressor):
        return estimator.partial_fit(X, y)
    return estimator.partial_fit(X)


def stream(estimator, X, y, batch_size, n_passes=1):
    for _ in range(n_passes):
        for rows in gen_batches(len(X), batch_size):
            call(estimator, X[rows], y[rows])
    return estimator


def fresh(family):
    return FAMILIES[family].__class__(**FAMILIES[family].get_params(deep=False))


# -- after a fit -------------------------------------------------------------------------------


@families
def test_more_rows_of_the_same_kind_do_not_lower_the_score(family, data):
    X, y = data_of(family, data)
    estimator = fresh(family).set_params(max_iter=5).fit(X[:1000], y[:1000])
    before = estimator.score(X[1500:], y[1500:])
    for batch_size, n_calls in ((50, 5), (10, 5), (1, 5)):
        for i in range(n_calls):
            rows = np.arange(i * batch_size, (i + 1) * batch_size) + 1000
            call(estimator, X[rows], y[rows])
        assert estimator.score(X[1500:], y[1500:]) > before - 0.01


def test_what_a_file_keeps_continues_as_well(data):
    X, _ = data
    estimator = fresh("autoencoder").set_params(max_iter=10).fit(X[:1000])
    before = estimator.score(X[1500:])
    del estimator.net_  # pickle does not keep it
    for rows in gen_batches(500, 50):
        estimator.partial_fit(X[1000:1500][rows])
    assert estimator.score(X[1500:]) > before - 0.01


# -- from scratch ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "batch_size"),
    [("autoencoder", 32), ("variational", 100), ("hybrid", 100), ("classifier", 32)],
)
def test_a_stream_learns_as_much_as_a_fit_of_as_many_rows(family, batch_size, data):
    X, y = data
    fitted = fresh(family).set_params(max_iter=2).fit(X[:1000], y[:1000])
    streamed = stream(fresh(family), X[:1000], y[:1000], batch_size, n_passes=2)
    assert streamed.score(X[1500:], y[1500:]) > fitted.score(X[1500:], y[1500:]) - 0.03


@pytest.mark.parametrize("family", ["autoencoder", "hybrid", "classifier"])
@pytest.mark.parametrize("first", ["zeros", "one row", "four rows", "one class"])
def test_a_poor_first_batch_does_no_harm(family, first, data):
    X, y = data_of(family, data)
    ones = np.flatnonzero(data[1] == 1)[:30]
    firsts = {
        "zeros": (np.zeros((40, X.shape[1])), y[:40]),
        "one row": (X[:1], y[:1]),
        "four rows": (X[:4], y[:4]),
        "one class": (X[ones], y[ones]),
    }
    estimators = [call(fresh(family), *firsts[first]), fresh(family)]
    with_it, without = (stream(e, X[:400], y[:400], 80) for e in estimators)
    X, y = X[500:], y[500:]
    assert with_it.score(X, y) > without.score(X, y) - 0.03


@families
def test_rows_may_come_one_by_one(family, data):
    X, y = data_of(family, data)
    estimator = fresh(family)
    for i in range(9):
        call(estimator, X[i : i + 1], y[i : i + 1])
    assert estimator.n_iter_ == len(estimator.loss_curve_) == len(estimator.history_) == 9
    assert estimator.n_samples_seen_ == 9
    assert np.isfinite(estimator.loss_curve_).all()
    assert np.isfinite(estimator.score_samples(X[:20])).all()
    # The code has a direction for each of the first rows.
    if family == "autoencoder":
        assert estimator.score(X[:9]) > 0.5


def test_sequences_may_come_one_by_one():
    waves = np.sin(np.arange(20)[:, None] + np.arange(12) / 2)
    predictor = SequencePredictor(4, hidden_size=8, random_state=0)
    for wave in waves:
        predictor.partial_fit(wave[None])
    assert predictor.n_iter_ == 20
    assert np.isfinite(predictor.predict(waves)).all()


def test_a_stream_without_variation_waits_for_some(data):
    X, _ = data
    waited = fresh("autoencoder")
    for _ in range(3):
        waited.partial_fit(np.zeros((400, 64)))
    np.testing.assert_allclose(waited.reconstruct(X[:5] * 0), 0, atol=1e-6)
    assert waited.partial_fit(X[:400]).score(X[400:]) > 0.6


# -- kinds of rows -----------------------------------------------------------------------------


@pytest.mark.parametrize("convert", [sparse.csr_matrix, np.float32, np.uint8])
def test_first_rows_are_kept_in_any_format(convert, data):
    X = data[0]
    stored = [convert(X[rows]) for rows in gen_batches(600, 50)]
    as_given, dense = fresh("autoencoder"), fresh("autoencoder")
    for rows, batch in zip(gen_batches(600, 50), stored, strict=True):
        as_given.partial_fit(batch)
        dense.partial_fit(X[rows])
    assert as_given.score(X) == pytest.approx(dense.score(X), abs=1e-3)


def test_first_rows_keep_their_weights(data):
    X = data[0]
    weights = np.r_[np.ones(40), np.zeros(10)]
    weighted, without = fresh("autoencoder"), fresh("autoencoder")
    for rows in gen_batches(200, 50):
        weighted.partial_fit(X[rows], sample_weight=weights)
        without.partial_fit(X[rows][:40])
    center = without.module_.standardization.center
    np.testing.assert_allclose(weighted.module_.standardization.center, center)


def test_memmaps_and_missing_values_are_streamed(data, tmp_path):
    X = data[0].copy()
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    mapped = np.memmap(tmp_path / "rows", X.dtype, "w+", shape=X.shape)
    mapped[:] = X
    estimator = fresh("autoencoder").set_params(missing_values="mask")
    for rows in gen_batches(600, 50):
        estimator.partial_fit(mapped[rows])
    assert estimator.partial_fit(mapped[600:601]).score(data[0][1500:]) > 0.5


def test_frames_of_the_default_reducer_keep_their_names(data):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(data[0][:300]).add_prefix("pixel_")
    hybrid = fresh("hybrid")
    for rows in gen_batches(300, 50):
        hybrid.partial_fit(frame[rows])
    assert list(hybrid.reducer_.feature_names_in_) == list(frame.columns)


def test_a_given_reducer_is_fitted_once(data):
    X, _ = data
    hybrid = fresh("hybrid").set_params(reducer=PCA(3, random_state=0)).partial_fit(X[:50])
    reducer = hybrid.reducer_
    assert hybrid.partial_fit(X[50:200]).reducer_ is reducer


# -- units -------------------------------------------------------------------------------------


@families
def test_center_and_scale_move_and_the_network_computes_the_same(family, data):
    X, y = data_of(family, data)
    estimator = stream(fresh(family), X[:600], y[:600], 100)
    network, rows = copy.deepcopy(estimator.module_).double(), 3 * X[600:700] + 5
    inputs = torch.from_numpy(X[:50])
    if family == "hybrid":
        inputs = torch.from_numpy(estimator.reducer_.transform(X[:50]))
    before, center = network(inputs), network.standardization.center.clone()
    factor, shift = moved_units(network, rows, None, 0.5)
    network.change_units(factor, shift)
    network.standardization.center += network.standardization.scale * shift
    network.standardization.scale *= factor
    assert factor > 1.2
    assert (family == "convolutional") == torch.equal(network.standardization.center, center)
    torch.testing.assert_close(network(inputs), before, atol=1e-4, rtol=1e-5)


def test_center_and_scale_are_those_of_all_rows(data):
    X, _ = data
    X = X[np.argsort(data[1], kind="stable")]
    estimator = stream(fresh("autoencoder"), X, X, 100)
    units = estimator.module_.standardization
    np.testing.assert_allclose(units.center, X.mean(axis=0), atol=1e-9)
    assert units.scale.item() == pytest.approx(np.sqrt(X.var(axis=0).mean()))


def test_targets_are_standardized_by_all_rows():
    X, y = make_friedman1(900, random_state=0)
    y = np.sort(y)
    scaler = stream(fresh("regressor"), X, y, 100).target_scaler_
    np.testing.assert_allclose(scaler.mean_, y.mean())
    np.testing.assert_allclose(scaler.scale_, y.std())


def test_predictions_stay_when_the_units_of_targets_move():
    X, y = make_friedman1(100, random_state=0)
    network = fresh("regressor").set_params(max_iter=1).fit(X, y).module_
    rows = torch.from_numpy(X).float()
    before = network.predict(rows)
    network.change_targets(np.array([2.0]), np.array([0.7]))
    torch.testing.assert_close(2.0 * network.predict(rows) + 0.7, before)


def test_data_that_change_are_followed(data):
    X, _ = data
    changed = 3 * X[:, ::-1] - 20
    drifted = fresh("autoencoder").set_params(max_iter=5).fit(X[:1000])
    for fraction in np.r_[0.25, 0.5, 0.75, np.ones(9)]:
        stream(drifted, (1 - fraction) * X[:1000] + fraction * changed[:1000], X[:, 0], 250)
    anew = stream(fresh("autoencoder"), changed[:1000], X[:, 0], 250, n_passes=9)
    assert drifted.score(changed[1500:]) > anew.score(changed[1500:]) - 0.05


# -- what is taken from the range of the data ----------------------------------------------------


@pytest.mark.parametrize("starts", ["fit", "partial_fit"])
def test_salt_and_pepper_are_the_ends_of_all_rows_of_a_stream(starts, data):
    X = data[0][:600]
    model = Autoencoder(4, noise="salt_pepper", max_iter=1, **SMALL)
    getattr(model, starts)(X)
    model.partial_fit(X[:50] / 4 - 1)
    units = model.net_.module_.standardization
    lowest, highest = (units.unstandardize(limit) for limit in model.net_.corruption.limits)
    assert lowest.min() == pytest.approx(-1, abs=1e-4)
    np.testing.assert_allclose(highest, X.max(axis=0), atol=1e-3)


@pytest.mark.parametrize("starts", ["fit", "partial_fit"])
def test_ssim_of_a_stream_divides_by_the_range_of_all_rows(starts, data):
    images = data[0][:600].reshape(-1, 8, 8)
    model = Autoencoder(4, loss="ssim", architecture=Dense((8,)), max_iter=1, random_state=0)
    getattr(model, starts)(images)
    model.partial_fit(images[:50] / 4)
    assert model.net_.criterion_.data_range == 16


def test_another_fit_forgets_the_range_of_a_stream(data):
    images = data[0][:600].reshape(-1, 8, 8)
    model = Autoencoder(4, loss="ssim", architecture=Dense((8,)), max_iter=1, random_state=0)
    assert model.partial_fit(images).fit(images / 4).net_.criterion_.data_range == 4


def test_noise_of_sequences_has_the_ends_of_all_frames_of_a_stream():
    X = np.random.default_rng(0).random((60, 5, 3))
    model = SequencePredictor(2, hidden_size=4, noise="salt_pepper", max_iter=1, **SMALL)
    model.fit(X).partial_fit(X[:20, :3] / 4)
    highest = model.net_.module_.standardization.unstandardize(model.net_.corruption.limits[1])
    np.testing.assert_allclose(highest, X.max(axis=(0, 1)), atol=1e-4)
