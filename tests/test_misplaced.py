"""Objects in the place of others are refused with a hint to where they belong."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    HybridAutoencoder,
    ReconstructionOutlierDetector,
    SequencePredictor,
    SeriesForecaster,
    SeriesOutlierDetector,
    TableAutoencoder,
    Windows,
    compare,
)
from skae.architectures import Conv, Dense

X = np.arange(200.0).reshape(50, 4) % 7


@pytest.mark.parametrize(
    ("estimator", "hint"),
    [
        (
            HybridAutoencoder(PCA(2)),
            r"'n_components'.*Got PCA\(n_components=2\) instead. reducer takes it: "
            r"HybridAutoencoder\(reducer=PCA\(n_components=2\)\)",
        ),
        (HybridAutoencoder(PCA), r"HybridAutoencoder\(reducer=PCA\(\.\.\.\)\)"),
        (Autoencoder(Conv()), r"architecture takes it: Autoencoder\(architecture=Conv\(\)\)"),
        (Autoencoder("conv"), r"architecture takes it: Autoencoder\(architecture='conv'\)"),
        (Autoencoder(loss="adam"), "optimizer takes it: Autoencoder.optimizer='adam'"),
        (TableAutoencoder(Dense), r"TableAutoencoder\(architecture=Dense\(\.\.\.\)\)"),
        (SeriesForecaster(SequencePredictor()), r"SeriesForecaster\(estimator=SequencePredictor"),
    ],
    ids=repr,
)
def test_a_value_in_the_place_of_another_is_refused_with_its_own(estimator, hint):
    with pytest.raises(ValueError, match=hint):
        estimator.fit(X)


@pytest.mark.parametrize(
    "estimator",
    [Autoencoder(PCA(2)), Autoencoder(learning_rate_init="auto"), HybridAutoencoder(-1)],
    ids=repr,
)
def test_a_value_that_no_parameter_or_several_take_has_no_hint(estimator):
    with pytest.raises(ValueError, match="parameter of .* must be .*Got .* instead.$"):
        estimator.fit(X)


@pytest.mark.parametrize(
    ("estimator", "match"),
    [
        (HybridAutoencoder(reducer=PCA), r"reducer takes an object of it: .*reducer=PCA\(\.\.\.\)"),
        (ReconstructionOutlierDetector(PCA), r"estimator=PCA\(\.\.\.\)"),
        (SeriesOutlierDetector(PCA), r"estimator=PCA\(\.\.\.\)"),
        (SeriesForecaster(estimator=SequencePredictor), r"estimator=SequencePredictor\("),
        (Autoencoder(architecture=Dense), r"architecture .* got the class Dense.*Dense\("),
        (Autoencoder(augment=torch.nn.Dropout), "augment .* got the class Dropout"),
    ],
    ids=repr,
)
def test_a_class_in_the_place_of_an_object_is_refused_by_name(estimator, match):
    with pytest.raises((TypeError, ValueError), match=match):
        estimator.fit(X)
    assert not [name for name in vars(estimator) if name.endswith("_")]


def test_other_misplaced_classes_are_refused_by_name():
    with pytest.raises(TypeError, match="align_to must be an object, got the class PCA"):
        Autoencoder(max_iter=1).fit(X, align_to=PCA)
    with pytest.raises(ValueError, match="init must be a fitted autoencoder"):
        AutoencoderClassifier(init=Autoencoder).fit(X, X[:, 0] > 3)
    with pytest.raises(ValueError, match="window must be a number of steps"):
        Windows(PCA).fit(X)
    for reducers in ([PCA(2)], PCA(2), "pca"):
        with pytest.raises(TypeError, match=r"a dict of name to reducer, such as {'PCA': PCA\(2"):
            compare(X, reducers=reducers)
