"""Weights of classes: they multiply the weights of rows."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import recall_score
from sklearn.utils.class_weight import compute_sample_weight
from small import ESTIMATORS, results, wine

from skae import AutoencoderClassifier, load, save

X, Y = wine()
ROWS = 1.0 + np.arange(len(X)) % 3
OF_CLASSES = {0: 3.0, 1: 0.5, 2: 1.5}


def fitted(class_weight=None, labels=Y, **params):
    return (
        clone(ESTIMATORS["AutoencoderClassifier"])
        .set_params(class_weight=class_weight)
        .fit(X, labels, **params)
    )


def assert_same(one, other):
    for made, expected in zip(results(one, X), results(other, X), strict=True):
        np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("class_weight", [OF_CLASSES, "balanced"])
def test_weights_of_classes_are_weights_of_their_rows(class_weight):
    weights = compute_sample_weight(class_weight, Y)
    assert_same(fitted(class_weight), fitted(sample_weight=weights))


def test_weights_of_classes_multiply_those_of_rows():
    weights = compute_sample_weight(OF_CLASSES, Y) * ROWS
    assert_same(fitted(OF_CLASSES, sample_weight=ROWS), fitted(sample_weight=weights))


def test_balanced_classes_have_the_same_total_weight_whatever_the_weights_of_rows():
    totals = np.bincount(Y, ROWS)
    weights = ROWS / totals[Y]
    assert_same(fitted("balanced", sample_weight=ROWS), fitted(sample_weight=weights))


def test_a_class_that_the_dict_lacks_has_weight_one():
    assert_same(fitted({0: 3.0}), fitted({0: 3.0, 1: 1.0, 2: 1.0}))


def test_labels_of_words_name_their_weights():
    names = np.array(["red", "white", "rose"])
    weights = {names[label]: weight for label, weight in OF_CLASSES.items()}
    np.testing.assert_allclose(
        fitted(weights, names[Y]).transform(X).std(), fitted(OF_CLASSES).transform(X).std(), rtol=1
    )


def test_partial_fit_takes_a_dict():
    one = clone(ESTIMATORS["AutoencoderClassifier"]).set_params(class_weight=OF_CLASSES)
    other = clone(ESTIMATORS["AutoencoderClassifier"])
    weights = compute_sample_weight(OF_CLASSES, Y)
    one.partial_fit(X, Y, classes=[0, 1, 2])
    other.partial_fit(X, Y, classes=[0, 1, 2], sample_weight=weights)
    assert_same(one, other)


def test_partial_fit_refuses_balanced():
    classifier = clone(ESTIMATORS["AutoencoderClassifier"]).set_params(class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight='balanced' is not supported by partial_fit"):
        classifier.partial_fit(X, Y, classes=[0, 1, 2])


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("even", "'class_weight' parameter"),
        (2.0, "'class_weight' parameter"),
        ({7: 1.0}, "are not in class_weight"),
        ({0: -1.0}, "class_weight must hold finite numbers of at least 0"),
        ({0: np.nan}, "class_weight must hold finite numbers of at least 0"),
        ({0: 0, 1: 0, 2: 0}, "leaves no row a weight above zero"),
    ],
)
def test_impossible_weights_of_classes_are_refused(class_weight, message):
    with pytest.raises(ValueError, match=message):
        fitted(class_weight)


def test_balanced_weights_find_more_of_a_rare_class():
    data, rare = make_classification(
        600, 6, n_informative=3, weights=[0.95], class_sep=0.6, random_state=0
    )
    recalls = [
        recall_score(
            rare,
            AutoencoderClassifier(3, class_weight=w, random_state=0).fit(data, rare).predict(data),
        )
        for w in (None, "balanced")
    ]
    assert recalls[1] > recalls[0] + 0.2


def test_weights_of_classes_are_saved(tmp_path):
    save(fitted(OF_CLASSES), tmp_path / "classifier")
    assert load(tmp_path / "classifier").class_weight == OF_CLASSES
