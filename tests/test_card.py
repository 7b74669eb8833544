"""A model card says what an estimator was given, and what came of it."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small import DENOISERS, NETWORKS, QUICK, wine

from skae import (
    Autoencoder,
    AutoencoderClassifier,
    ReconstructionOutlierDetector,
    TableAutoencoder,
    TableEncoder,
    model_card,
)
from skae.metrics import reconstruction_scorer

X, Y = wine()


def section(card, title):
    return card.split(f"## {title}\n\n")[1].split("\n\n")[0]


def test_data_parameters_and_figures_are_those_of_the_fit():
    fitted = AutoencoderClassifier(3, **QUICK).fit(X, Y)
    card = model_card(fitted, X)
    assert card.startswith("# Model card: AutoencoderClassifier\n")
    assert section(card, "Data").splitlines()[:2] == [
        f"- Training rows: {len(X)}",
        "- Features: 5",
    ]
    assert "- `n_components`: `3`" in section(card, "Parameters")
    assert "`max_iter`" in section(card, "Parameters")
    assert "`loss`" not in section(card, "Parameters")
    explained = reconstruction_scorer(fitted, X)
    assert f"Explained variance of {len(X)} held-out rows: {explained:.4f}" in card


def test_losses_are_those_of_the_history():
    fitted = Autoencoder(2, **{**QUICK, "max_iter": 30, "early_stopping": False}).fit(X)
    _, _, *rows = section(model_card(fitted), "Losses").splitlines()
    epochs = [int(row.split("|")[1]) for row in rows]
    assert (epochs[0], epochs[-1]) == (1, fitted.n_iter_)
    assert rows[-1].split("|")[2].strip() == f"{fitted.history_[-1]['train_loss']:.4g}"


def test_steps_of_a_pipeline_within_a_search_are_named():
    pipeline = make_pipeline(StandardScaler(), Autoencoder(2, **QUICK))
    search = GridSearchCV(pipeline, {"autoencoder__n_components": [1]}, cv=2).fit(X)
    assert model_card(search).startswith("# Model card: StandardScaler → Autoencoder\n")


def test_a_detector_is_judged_by_the_rows_that_it_calls_outliers():
    fitted = ReconstructionOutlierDetector(random_state=0).fit(X)
    expected = (fitted.predict(X) == -1).mean()
    assert f"- Outliers of {len(X)} held-out rows: {expected:.1%}" in model_card(fitted, X)


def test_tables_of_text_are_judged_by_what_the_last_step_scores():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"]).assign(kind=np.array(["x", "y"])[Y % 2])
    fitted = TableAutoencoder(2, **QUICK).fit(frame)
    assert f"- Score of {len(X)} held-out rows: {fitted.score(frame):.4f}" in model_card(
        fitted, frame
    )
    pipeline = make_pipeline(TableEncoder(), Autoencoder(2, **QUICK)).fit(frame)
    assert f"held-out rows: {pipeline.score(frame):.4f}" in model_card(pipeline, frame)


def test_held_out_rows_may_lie_on_disk_or_in_a_dataset():
    fitted = Autoencoder(2, **QUICK).fit(X)
    expected = model_card(fitted, X)
    h5py = pytest.importorskip("h5py")
    with h5py.File("rows.h5", "w", driver="core", backing_store=False) as file:
        assert model_card(fitted, file.create_dataset("rows", data=X)) == expected
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(X))
    assert model_card(fitted, dataset) == expected


def test_what_has_no_reconstruction_is_judged_by_no_held_out_rows():
    fitted = clone(DENOISERS["Denoiser"]).fit(X)
    with pytest.raises(ValueError, match="X_test must be None: it is judged by its reconstruction"):
        model_card(fitted, X)


def test_every_family_has_a_card():
    for estimator in (*NETWORKS.values(), PCA(2)):
        assert "## Versions" in model_card(clone(estimator).fit(X, Y))


def test_what_is_not_fitted_has_no_card():
    with pytest.raises(NotFittedError):
        model_card(Autoencoder())
