"""Classifiers and regressors that start from an autoencoder which was fitted without labels."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    VariationalAutoencoder,
)
from skae.architectures import Dense

QUICK = {"architecture": Dense((16,)), "max_iter": 3, "random_state": 0}


@pytest.fixture(scope="module")
def labels():
    from sklearn.datasets import load_digits

    return load_digits().target


@pytest.fixture(scope="module")
def pretrained(digits):
    return Autoencoder(8, random_state=0, max_iter=20).fit(digits[::2])


def test_few_labels_are_learned_better_than_from_scratch_and_by_pca(digits, labels, pretrained):
    X_test, y_test = digits[1::2], labels[1::2]
    few, _ = train_test_split(
        np.arange(0, len(digits), 2), train_size=0.05, random_state=0, stratify=labels[::2]
    )
    X, y = digits[few], labels[few]
    started = AutoencoderClassifier(init=pretrained, early_stopping=False, random_state=0)
    pca = PCA(8).fit(digits[::2])
    linear = make_pipeline(FrozenEstimator(pca), StandardScaler(), LogisticRegression())
    scratch = AutoencoderClassifier(8, early_stopping=False, random_state=0)
    ours, *others = (each.fit(X, y).score(X_test, y_test) for each in (started, linear, scratch))
    assert ours > max(others)


def test_it_starts_where_the_autoencoder_ended(digits, labels, pretrained):
    started = AutoencoderClassifier(
        init=pretrained, max_iter=1, learning_rate_init=1e-9, learning_rate="constant"
    ).fit(digits[:200], labels[:200])
    assert started.n_components_ == 8
    np.testing.assert_allclose(started.transform(digits), pretrained.transform(digits), atol=1e-4)
    np.testing.assert_allclose(
        started.reconstruct(digits), pretrained.reconstruct(digits), atol=1e-4
    )


def test_the_autoencoder_is_not_changed(digits, labels, pretrained):
    before = pretrained.transform(digits)
    AutoencoderClassifier(init=pretrained, max_iter=2).fit(digits[:200], labels[:200])
    np.testing.assert_array_equal(pretrained.transform(digits), before)


def test_architecture_and_units_are_those_of_the_autoencoder(digits, labels):
    init = Autoencoder(3, **QUICK).fit(digits)
    started = AutoencoderClassifier(init=init, max_iter=1).fit(digits[:50] + 1, labels[:50])
    assert started.architecture_.hidden_layer_sizes == (16,)
    assert started.module_.standardization.scale == init.module_.standardization.scale


def test_regressors_start_from_it_as_well(digits, labels, pretrained):
    started = AutoencoderRegressor(init=pretrained, max_iter=5, random_state=0)
    assert started.fit(digits[:200], digits[:200, :10].sum(axis=1)).n_components_ == 8


def test_missing_values_and_basis_go_with_it(digits, labels):
    lost = np.where(np.random.default_rng(0).random(digits.shape) < 0.1, np.nan, digits)
    init = Autoencoder(3, missing_values="mask", **QUICK).fit(lost)
    started = AutoencoderClassifier(init=init, missing_values="mask", max_iter=2)
    assert np.isfinite(started.fit(lost[:200], labels[:200]).predict_proba(lost)).all()
    rows = np.hstack([digits, digits[:, ::-1]])
    basis = Autoencoder(3, **QUICK).fit(rows)
    assert basis.module_.standardization.basis is not None
    started = AutoencoderClassifier(init=basis, max_iter=2).fit(rows[:200], labels[:200])
    assert started.reconstruct(rows).shape == rows.shape


def test_searches_need_it_frozen(digits, labels, pretrained):
    frozen = AutoencoderClassifier(init=FrozenEstimator(pretrained), max_iter=2, random_state=0)
    assert np.isfinite(cross_val_score(frozen, digits[:120], labels[:120], cv=2)).all()
    with pytest.raises(ValueError, match=r"init must be a fitted autoencoder.*FrozenEstimator"):
        clone(AutoencoderClassifier(init=pretrained)).fit(digits, labels)


def test_warm_starts_and_streams_continue_from_its_own_network(digits, labels, pretrained):
    started = AutoencoderClassifier(init=pretrained, warm_start=True, max_iter=2, random_state=0)
    started.fit(digits[:200], labels[:200])
    once = started.transform(digits)
    assert not np.array_equal(started.fit(digits[:200], labels[:200]).transform(digits), once)
    stream = AutoencoderClassifier(init=pretrained, random_state=0)
    for start in (0, 100):
        rows = slice(start, start + 100)
        stream.partial_fit(digits[rows], labels[rows], classes=np.arange(10))
    assert stream.score(digits, labels) > 0.3


def test_it_is_saved_with_the_classifier(digits, labels, pretrained, tmp_path):
    started = AutoencoderClassifier(init=pretrained, max_iter=1).fit(digits[:200], labels[:200])
    skae.save(started, tmp_path / "file")
    loaded = skae.load(tmp_path / "file")
    np.testing.assert_array_equal(loaded.predict_proba(digits), started.predict_proba(digits))


@pytest.mark.parametrize(
    ("make", "parameters", "message"),
    [
        (lambda: Autoencoder(3), {}, "init must be a fitted autoencoder"),
        (lambda: Autoencoder(3, **QUICK), {"n_components": 5}, "n_components=5 differs"),
        (lambda: Autoencoder(3, **QUICK), {"loss": "l1"}, "loss must be that of init, 'mse'"),
        (lambda: Autoencoder(3, ordered=True, **QUICK), {}, r"Autoencoder\(ordered=False\)"),
        (lambda: VariationalAutoencoder(3, **QUICK), {}, r"Autoencoder\(ordered=False\)"),
        (lambda: PCA(3), {}, "init must be a fitted autoencoder of skae"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(make, parameters, message, digits, labels):
    init = make()
    if "max_iter" in init.get_params() and init.max_iter == 3:
        init.fit(digits[:100])
    with pytest.raises(ValueError, match=message):
        AutoencoderClassifier(init=init, max_iter=1, **parameters).fit(digits, labels)


def test_another_number_of_features_is_refused(digits, labels, pretrained):
    with pytest.raises(ValueError, match="X has 10 features, but init was fitted on 64"):
        AutoencoderClassifier(init=pretrained).fit(digits[:, :10], labels)
