"""What components mean: sensitivities, activity and disentanglement, beside what is known."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.feature_selection import mutual_info_classif
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, VariationalAutoencoder
from skae.inspection import component_activity, component_importances, disentanglement
from skae.plotting import (
    ComponentActivityDisplay,
    ComponentImportancesDisplay,
    DisentanglementDisplay,
)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def wine():
    return load_wine(as_frame=True).data


@pytest.fixture(scope="module")
def rows(wine):
    return StandardScaler().fit_transform(wine)


@pytest.fixture(scope="module")
def autoencoder(rows):
    return Autoencoder(3, max_iter=5, random_state=0).fit(rows)


# -- importances -------------------------------------------------------------------------------


def test_the_importances_of_pca_are_its_components_in_standard_deviations(wine):
    X = wine.to_numpy()
    pca = PCA(3).fit(X)
    scales = X.std(axis=0) / pca.transform(X).std(axis=0)[:, None]
    expected = np.abs(pca.components_)
    assert_allclose(component_importances(pca, X), expected * scales, rtol=1e-6)
    assert_allclose(component_importances(pca, X, of="decoder"), expected / scales, rtol=1e-6)


def test_the_importances_of_a_network_are_its_derivatives(autoencoder, rows):
    x = torch.tensor(rows, dtype=torch.float64)
    module = autoencoder.module_.double()
    jacobians = torch.stack([torch.func.jacrev(module.encode)(each[None]) for each in x])
    derivatives = jacobians[:, 0, :, 0].abs().mean(dim=0).detach().numpy()
    autoencoder.module_.float()
    expected = derivatives * rows.std(axis=0) / autoencoder.transform(rows).std(axis=0)[:, None]
    found = component_importances(autoencoder, rows, n_samples=len(rows))
    assert_allclose(found, expected, rtol=5e-3, atol=1e-4)


def test_units_of_the_features_do_not_matter(wine, rows):
    raw = component_importances(make_pipeline(StandardScaler(), PCA(2)).fit(wine), wine)
    scaled = component_importances(PCA(2).fit(rows), rows)
    assert_allclose(raw, scaled, rtol=1e-6)


def test_a_feature_that_never_changes_has_no_importance(rows):
    X = np.column_stack([rows, np.ones(len(rows))])
    pca = PCA(2).fit(X)
    for of in ("encoder", "decoder"):
        assert_array_equal(component_importances(pca, X, of=of)[:, -1], 0)


def test_pixels_can_share_one_scale():
    X = load_digits().data[:100]
    pca = PCA(2).fit(X)
    common = component_importances(pca, X, of="decoder", scale="common")
    expected = np.abs(pca.components_) * pca.transform(X).std(axis=0)[:, None]
    assert_allclose(common, expected / np.sqrt(X.var(axis=0).mean()), rtol=1e-6)


def test_images_have_an_importance_for_each_pixel():
    images = load_digits().images[:40].astype("uint8")
    fitted = Autoencoder(2, max_iter=1, random_state=0).fit(images)
    found = component_importances(fitted, images, n_samples=5)
    assert found.shape == (2, 64)
    assert (found >= 0).all()
    assert component_importances(fitted, images, of="decoder", n_samples=5).shape == (2, 64)


def test_missing_values_stay_missing(rows):
    X = rows.copy()
    X[::4, 2] = np.nan
    fitted = Autoencoder(2, missing_values="mask", max_iter=2, random_state=0).fit(X)
    assert np.isfinite(component_importances(fitted, X)).all()


def test_chunks_make_no_difference(autoencoder, rows, monkeypatch):
    expected = component_importances(autoencoder, rows)
    monkeypatch.setattr("skae.inspection._components._CHUNK_VALUES", 1)
    assert_allclose(component_importances(autoencoder, rows), expected, rtol=1e-9)


def test_a_seed_chooses_the_samples(autoencoder, rows):
    first, again, other = (
        component_importances(autoencoder, rows, n_samples=5, random_state=seed)
        for seed in (1, 1, 2)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"of": "both"}, r"of must be one of \['decoder', 'encoder'\], got 'both'"),
        ({"scale": "none"}, r"scale must be one of \['common', 'feature'\]"),
        ({"n_samples": 0}, "n_samples == 0"),
    ],
)
def test_other_options_are_refused(autoencoder, rows, options, message):
    with pytest.raises(ValueError, match=message):
        component_importances(autoencoder, rows, **options)


def test_text_is_refused_by_its_column(autoencoder):
    with pytest.raises(ValueError, match="X must hold numbers, got column"):
        component_importances(autoencoder, pd.DataFrame({"a": ["x", "y"]}))


# -- activity ----------------------------------------------------------------------------------


def test_the_effect_of_a_component_of_pca_is_the_deviation_along_it(rows):
    pca = PCA(4).fit(rows)
    found = component_activity(pca, rows)
    expected = np.sqrt(pca.transform(rows).var(axis=0) / rows.shape[1])
    assert_allclose(found.effect, expected, rtol=1e-6)
    assert found.divergence is None


def test_components_beyond_the_rank_of_the_data_are_inactive(rows):
    X = rows[:, :2] @ np.random.default_rng(0).normal(size=(2, 6))
    found = component_activity(PCA(4).fit(X), X)
    assert_array_equal(found.is_active, [True, True, False, False])


def test_a_collapsed_posterior_has_no_divergence(rows):
    # So strong a pull towards the prior that the posterior gives in.
    fitted = VariationalAutoencoder(2, beta=1e4, max_iter=40, random_state=0).fit(rows)
    found = component_activity(fitted, rows)
    mean, std = fitted.posterior(rows)
    expected = 0.5 * (mean**2 + std**2 - 1) - np.log(std)
    assert_allclose(found.divergence, expected.mean(axis=0), rtol=1e-5, atol=1e-6)
    loose = VariationalAutoencoder(2, beta=0.1, max_iter=40, random_state=0).fit(rows)
    assert (component_activity(loose, rows).divergence > 100 * found.divergence).all()


# -- disentanglement ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def factors():
    return np.random.default_rng(0).uniform(size=(1500, 2))


def test_a_component_for_each_factor_is_disentangled_whatever_its_form(factors):
    codes = np.column_stack([np.exp(3 * factors[:, 1]), -factors[:, 0]])
    found = disentanglement(codes, factors)
    for name in ("mig", "modularity", "completeness"):
        assert found[name] == pytest.approx(1, abs=0.01)
    assert_allclose(found.mutual_information, [[0, 1], [1, 0]], atol=0.02)


def test_mixed_components_are_not(factors):
    found = disentanglement(factors @ [[1, 1], [1, -1]], factors)
    assert found.mig < 0.05
    assert found.modularity < 0.1


def test_two_components_for_a_factor_are_modular_but_not_complete(factors):
    codes = np.column_stack([factors[:, 0], factors[:, 0] ** 2, factors[:, 1]])
    found = disentanglement(codes, factors)
    assert found.modularity == pytest.approx(1, abs=0.01)
    assert found.completeness < 0.8
    assert found.mig == pytest.approx(0.5, abs=0.02)  # none for one factor, all for the other


def test_independent_codes_have_no_information(factors):
    codes = np.random.default_rng(1).normal(size=(1500, 3))
    assert disentanglement(codes, factors).mutual_information.max() < 0.02


def test_the_information_on_classes_is_near_that_of_scikit_learn():
    digits = load_digits()
    codes = PCA(3).fit_transform(digits.data)
    found = disentanglement(codes, digits.target[:, None]).mutual_information[:, 0]
    expected = mutual_info_classif(codes, digits.target, random_state=0) / np.log(10)
    assert_allclose(found, expected, atol=0.05)


def test_a_factor_that_never_changes_is_left_out(factors):
    with_constant = np.column_stack([factors, np.ones(len(factors))])
    assert disentanglement(factors, with_constant).mig == pytest.approx(1, abs=0.01)
    assert np.isnan(disentanglement(factors, np.ones((1500, 1))).mig)


def test_tables_of_other_lengths_and_missing_values_are_refused(factors):
    with pytest.raises(ValueError, match="inconsistent"):
        disentanglement(factors, factors[:-1])
    with pytest.raises(ValueError, match="factors contains NaN"):
        disentanglement(factors, np.full((1500, 1), np.nan))


# -- displays ----------------------------------------------------------------------------------


def test_importances_of_a_table_are_named(wine):
    pipeline = make_pipeline(StandardScaler(), PCA(2)).fit(wine)
    display = ComponentImportancesDisplay.from_estimator(pipeline, wine)
    shown = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert shown == list(wine.columns)
    assert_allclose(display.im_.get_array(), component_importances(pipeline, wine))


def test_importances_of_pixels_are_images():
    images = load_digits().images[:40]
    fitted = Autoencoder(2, max_iter=1, random_state=0).fit(images)
    display = ComponentImportancesDisplay.from_estimator(fitted, images, n_samples=5)
    expected = component_importances(fitted, images, scale="common", n_samples=5)
    picture = display.im_.get_array()
    assert_allclose(picture[:8, :8].ravel(), expected[0] / expected.max())


def test_inactive_components_are_grey(rows):
    X = rows[:, :1] @ np.ones((1, 3))
    display = ComponentActivityDisplay.from_estimator(PCA(2).fit(X), X)
    first, second = (bar.get_facecolor() for bar in display.bars_)
    assert second[0] == second[1] == second[2]
    assert first != second


def test_factors_are_named_after_the_columns_of_a_frame(factors):
    frame = pd.DataFrame(factors, columns=["position", "angle"])
    display = DisentanglementDisplay.from_codes(factors, frame)
    assert display.factor_names == ["position", "angle"]
    assert display.ax_.get_xlabel() == "mig 1.00, modularity 1.00, completeness 1.00"
    with pytest.raises(ValueError, match="a name for each of 2 factors, got 1"):
        DisentanglementDisplay.from_codes(factors, frame, factor_names=["a"])
