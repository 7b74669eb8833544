"""Autoencoders of tables: frames in, codes, frames out, and missing values filled."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV

import skae
from skae import TableAutoencoder, TableEncoder
from skae.architectures import Dense
from skae.models._columns import ColumnLoss
from skae.models.table import HiddenColumns

QUICK = {"architecture": Dense((16,)), "max_iter": 3, "random_state": 0}
N_CULTIVARS = 3


@pytest.fixture(scope="module")
def wines():
    """Wines as a table: numbers, the cultivar as a word, a truth value and a date."""
    data = load_wine(as_frame=True)
    frame = data.data[["alcohol", "malic_acid", "flavanoids", "proline"]].copy()
    frame["cultivar"] = data.target.map({0: "Barolo", 1: "Grignolino", 2: "Barbera"})
    frame["strong"] = frame["alcohol"] > 13
    frame["bottled"] = pd.Timestamp("1978-01-01") + pd.to_timedelta(frame["proline"], "D")
    return frame.sample(frac=1, random_state=0, ignore_index=True)


@pytest.fixture(scope="module")
def holes(wines):
    """One in five of the values."""
    return np.random.default_rng(0).random(wines.shape) < 0.2


@pytest.fixture(scope="module")
def lost(wines, holes):
    return wines.astype({"strong": object}).mask(holes)


@pytest.fixture(scope="module")
def fitted(lost):
    return TableAutoencoder(3, random_state=0).fit(lost)


@pytest.fixture(scope="module")
def variational(lost):
    return TableAutoencoder(2, variational=True, max_iter=60, random_state=0).fit(lost)


# -- imputation ----------------------------------------------------------------------------


def test_observed_values_stay_to_the_bit(fitted, lost):
    imputed = fitted.impute(lost)
    pd.testing.assert_series_equal(imputed.dtypes, lost.dtypes)
    pd.testing.assert_frame_equal(imputed.where(lost.notna()), lost, check_exact=True)
    assert imputed.notna().to_numpy().all()


def test_missing_values_are_filled_better_than_by_means_and_modes(fitted, wines, lost, holes):
    imputed = fitted.impute(lost)
    numbers = ["alcohol", "malic_acid", "flavanoids", "proline"]
    holes = pd.DataFrame(holes, columns=wines.columns)
    by_means = SimpleImputer().set_output(transform="pandas").fit_transform(lost[numbers])
    for name in numbers:
        ours, theirs = (
            np.mean((filled[name] - wines[name])[holes[name]] ** 2)
            for filled in (imputed, by_means)
        )
        assert ours < 0.9 * theirs
    right = (imputed["cultivar"] == wines["cultivar"])[holes["cultivar"]].mean()
    assert right > 0.75 > wines["cultivar"].value_counts(normalize=True).max()


def test_imputing_leaves_a_complete_table_as_it_is(fitted, wines):
    pd.testing.assert_frame_equal(fitted.impute(wines), wines, check_exact=True)


def test_the_table_that_is_given_is_not_changed(fitted, lost):
    before = lost.copy()
    fitted.impute(lost)
    pd.testing.assert_frame_equal(lost, before)


def test_a_polars_frame_is_imputed_to_one_of_its_types(lost):
    frame = pl.DataFrame(
        {
            name: [None if pd.isna(value) else value for value in lost[name].tolist()]
            for name in lost.columns
        }
    )
    imputed = TableAutoencoder(2, **QUICK).fit(frame).impute(frame)
    assert imputed.schema == frame.schema
    assert not any(imputed.null_count().row(0))
    for name in frame.columns:
        observed = frame[name].is_not_null()
        assert imputed[name].filter(observed).equals(frame[name].filter(observed))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, object])
def test_arrays_are_imputed_to_arrays_of_their_type(dtype):
    X = load_wine().data[:, :4].astype(dtype)
    X[::3, 1] = np.nan
    imputed = TableAutoencoder(2, **QUICK).fit(X).impute(X)
    assert imputed.dtype == dtype
    observed = np.arange(len(X)) % 3 > 0
    np.testing.assert_array_equal(imputed[observed], X[observed])
    assert np.isfinite(imputed.astype(float)).all()


def test_nullable_integers_are_imputed_by_integers_within_their_range():
    X = pd.DataFrame({"age": pd.array([*range(20, 60), None], dtype="Int64"), "x": np.arange(41.0)})
    imputed = TableAutoencoder(1, **QUICK).fit(X).impute(X)
    assert imputed["age"].dtype == "Int64"
    assert 20 <= imputed["age"].iloc[-1] < 60


def test_a_column_without_any_value_stays_empty():
    X = pd.DataFrame({"x": [1.0, 2.0, None], "y": [1.0, 2.0, 3.0], "nothing": [None] * 3})
    imputed = TableAutoencoder(1, **QUICK).fit(X).impute(X)
    assert imputed["nothing"].isna().all()
    assert imputed[["x", "y"]].notna().to_numpy().all()


def test_a_constant_is_imputed_by_itself():
    X = pd.DataFrame({"x": [1.0, 2.0, 3.0], "unit": ["cm", None, "cm"]})
    assert TableAutoencoder(1, **QUICK).fit(X).impute(X)["unit"].tolist() == ["cm"] * 3


@pytest.mark.filterwarnings("ignore:X holds categories")
def test_an_unseen_category_is_observed_and_stays():
    X = pd.DataFrame({"x": np.arange(9.0), "word": list("abcabcabc")})
    autoencoder = TableAutoencoder(1, **QUICK).fit(X)
    assert autoencoder.impute(pd.DataFrame({"x": [None], "word": ["z"]}))["word"].tolist() == ["z"]


def test_a_category_that_a_type_lacks_is_added_to_it():
    X = pd.DataFrame({"x": np.arange(9.0), "word": pd.Categorical(list("aabaabaab"))})
    autoencoder = TableAutoencoder(1, **QUICK).fit(X)
    few = pd.DataFrame({"x": [1.0, 2.0], "word": pd.Categorical(["b", None])})
    assert autoencoder.impute(few)["word"].tolist() in (["b", "a"], ["b", "b"])


# -- codes and tables ----------------------------------------------------------------------


def test_reconstructions_are_tables_with_the_columns_types_and_index_of_x(fitted, lost):
    shuffled = lost.iloc[::-1]
    reconstructed = fitted.reconstruct(shuffled)
    pd.testing.assert_series_equal(reconstructed.dtypes, lost.dtypes)
    pd.testing.assert_index_equal(reconstructed.index, shuffled.index)


def test_the_inverse_of_the_codes_is_the_reconstruction(fitted, lost):
    codes = fitted.transform(lost)
    assert codes.shape == (len(lost), 3)
    pd.testing.assert_frame_equal(fitted.inverse_transform(codes), fitted.reconstruct(lost))


def test_numbers_are_decoded_within_the_range_of_training(fitted, lost):
    decoded = fitted.inverse_transform(100 * np.ones((1, 3)))
    numbers = lost.select_dtypes("number")
    assert (decoded[numbers.columns].iloc[0] <= numbers.max() * (1 + 1e-6)).all()
    assert (decoded[numbers.columns].iloc[0] >= numbers.min() * (1 - 1e-6)).all()


def test_set_output_makes_frames_of_codes(lost):
    autoencoder = TableAutoencoder(2, **QUICK).set_output(transform="pandas")
    codes = autoencoder.fit_transform(lost)
    assert codes.columns.tolist() == ["tableautoencoder0", "tableautoencoder1"]
    pd.testing.assert_index_equal(autoencoder.inverse_transform(codes).index, lost.index)


def test_units_of_numbers_do_not_matter(wines):
    scaled = wines.assign(proline=1e6 * wines["proline"], alcohol=1e-6 * wines["alcohol"])
    codes = [TableAutoencoder(2, **QUICK).fit(X).transform(X) for X in (wines, scaled)]
    np.testing.assert_allclose(codes[0], codes[1], atol=1e-4)


def test_n_components_auto_is_what_pca_needs_for_nine_tenths_of_the_encoded_table(wines):
    from sklearn.decomposition import PCA

    expected = PCA(0.9).fit(TableEncoder().fit_transform(wines)).n_components_
    assert TableAutoencoder(**QUICK).fit(wines).n_components_ == expected


# -- scores --------------------------------------------------------------------------------


def test_the_score_of_numbers_is_the_mean_explained_variance_of_columns(wines):
    X = wines[["alcohol", "flavanoids", "proline"]]
    autoencoder = TableAutoencoder(1, numeric_scaling="standard", **QUICK).fit(X)
    errors = np.square(autoencoder.reconstruct(X) - X).mean()
    # Nearly: decoded integers are rounded.
    assert autoencoder.score(X) == pytest.approx(np.mean(1 - errors / X.var(ddof=0)), abs=0.01)


def test_a_decoder_without_knowledge_scores_zero_in_every_kind_of_column(fitted, wines):
    network = fitted.module_.columns
    rows = torch.from_numpy(fitted.encoder_.transform(wines))
    nothing = torch.zeros_like(rows).float()
    losses = network(nothing, rows.float()).mean(dim=0)
    # Frequencies of the training rows, a fifth of which are missing.
    np.testing.assert_allclose(losses, 1, atol=0.1)


def test_scores_of_columns_are_nan_where_nothing_is_observed(fitted, lost):
    scores = fitted.column_scores(lost)
    assert scores.columns.tolist() == lost.columns.tolist()
    pd.testing.assert_frame_equal(scores.isna(), lost.isna())
    assert (scores.to_numpy()[scores.notna()] <= 1).all()


def test_scores_of_rows_are_those_of_their_columns(fitted, lost):
    expected = fitted.column_scores(lost).mean(axis=1) - 1
    np.testing.assert_allclose(fitted.score_samples(lost), expected, atol=1e-9)


def test_the_column_to_blame_has_the_lowest_score(fitted, wines):
    odd = wines.iloc[[0]].assign(proline=20.0)
    assert fitted.column_scores(odd).iloc[0].idxmin() == "proline"


def test_a_row_without_observed_values_scores_zero(fitted, lost):
    nothing = lost.iloc[:2].mask(np.ones((2, lost.shape[1]), dtype=bool))
    np.testing.assert_array_equal(fitted.score_samples(nothing), 0)


# -- training ------------------------------------------------------------------------------


def test_a_heavier_column_is_reconstructed_better(wines):
    scores = [
        TableAutoencoder(1, column_weights=weights, random_state=0)
        .fit(wines)
        .column_scores(wines)["malic_acid"]
        .mean()
        for weights in (None, {"malic_acid": 20})
    ]
    assert scores[1] > scores[0] + 0.2


def test_the_loss_of_columns_is_that_of_torch():
    center = torch.tensor([0.0, 0.5, 0.3, 0.2, 0.6])
    scale = torch.tensor([1.0, 0.7, 0.7, 0.7, 0.4])
    loss = ColumnLoss(["squared", "softmax", "sigmoid"], [1, 3, 1], [1.0, 1.0, 1.0], center, scale)
    generator = torch.Generator().manual_seed(0)
    decoded = torch.randn(6, 5, generator=generator)
    place, truth = torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([0.0, 1, 1, 0, 1, 0])
    raw = torch.cat(
        [torch.randn(6, 1, generator=generator), torch.eye(3)[place], truth[:, None]], dim=1
    )
    found = loss(decoded, (raw - center) / scale) * loss.baseline
    logits = loss.logit_start + loss.logit_slope * decoded
    functional = torch.nn.functional
    expected = torch.stack(
        [
            (decoded[:, 0] - raw[:, 0]) ** 2,
            functional.cross_entropy(logits[:, 1:4], place, reduction="none"),
            functional.binary_cross_entropy_with_logits(logits[:, 4], truth, reduction="none"),
        ],
        dim=1,
    )
    torch.testing.assert_close(found, expected)
    entropy = torch.distributions.Categorical(center[1:4]).entropy()
    torch.testing.assert_close(loss.baseline[1], entropy)


def test_whole_columns_are_hidden():
    column = torch.tensor([0, 1, 1, 1, 2])
    hidden = HiddenColumns(column, 3, 0.3).corrupted(torch.zeros(4000, 5)).isnan()
    assert torch.equal(hidden[:, 1], hidden[:, 2])
    assert torch.equal(hidden[:, 1], hidden[:, 3])
    np.testing.assert_allclose(hidden.double().mean(dim=0), 0.3, atol=0.04)
    assert not torch.equal(hidden[:, 0], hidden[:, 4])


def test_the_encoder_sees_whether_a_mean_is_observed(fitted, wines):
    mean = wines.iloc[[0]].assign(
        alcohol=float(
            fitted.encoder_.inverse_transform(
                np.zeros((1, fitted.encoder_.transform(wines).shape[1]))
            )["alcohol"].iloc[0]
        )
    )
    missing = mean.assign(alcohol=np.nan)
    assert not np.allclose(fitted.transform(mean), fitted.transform(missing), atol=1e-3)


def test_a_warm_start_keeps_the_encoder_and_continues(lost):
    autoencoder = TableAutoencoder(2, warm_start=True, **QUICK).fit(lost)
    encoder, (first, *_) = autoencoder.encoder_, autoencoder.loss_curve_
    for _ in range(5):
        autoencoder.fit(lost)
    assert autoencoder.encoder_ is encoder
    assert max(autoencoder.loss_curve_) < first


def test_searches_try_its_parameters(lost):
    search = GridSearchCV(
        TableAutoencoder(2, **QUICK), {"numeric_scaling": ["robust", "standard"]}, cv=2
    )
    assert np.isfinite(search.fit(lost).best_score_)


@pytest.mark.parametrize("is_variational", [False, True])
@pytest.mark.parametrize("copied", ["pickle", "file"])
def test_it_is_saved_with_its_encoder(copied, is_variational, lost, tmp_path):
    autoencoder = TableAutoencoder(2, variational=is_variational, **QUICK).fit(lost)
    if copied == "pickle":
        other = pickle.loads(pickle.dumps(autoencoder))
    else:
        skae.save(autoencoder, tmp_path / "table.safetensors")
        other = skae.load(tmp_path / "table.safetensors")
    pd.testing.assert_frame_equal(other.impute(lost), autoencoder.impute(lost))
    np.testing.assert_array_equal(other.column_scores(lost), autoencoder.column_scores(lost))


def test_the_same_seed_gives_the_same_codes(lost):
    codes = [TableAutoencoder(2, **QUICK).fit(lost).transform(lost) for _ in range(2)]
    np.testing.assert_array_equal(*codes)


# -- samples -------------------------------------------------------------------------------


def test_samples_have_the_distributions_of_the_columns(variational, wines):
    drawn = variational.sample(2000, random_state=0)
    pd.testing.assert_index_equal(drawn.columns, wines.columns)
    assert drawn.notna().to_numpy().all()
    for name in ("alcohol", "flavanoids", "proline"):
        deviation = wines[name].std()
        assert abs(drawn[name].mean() - wines[name].mean()) < 0.25 * deviation
        assert 0.75 < drawn[name].std() / deviation < 1.25
    fractions = drawn["cultivar"].value_counts(normalize=True)
    np.testing.assert_allclose(
        fractions, wines["cultivar"].value_counts(normalize=True)[fractions.index], atol=0.1
    )


def test_samples_keep_the_dependence_between_columns(variational, wines):
    drawn = variational.sample(2000, random_state=0)
    observed, made = (X[["flavanoids", "proline"]].corr().iloc[0, 1] for X in (wines, drawn))
    assert made == pytest.approx(observed, abs=0.25)
    means = drawn.groupby("cultivar")["flavanoids"].mean()
    assert means["Barolo"] > means["Barbera"] + 1


def test_a_seed_gives_the_same_sample(variational):
    first, second, other = (variational.sample(5, random_state=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)


def test_only_a_variational_one_can_sample(fitted):
    assert not hasattr(fitted, "sample")


def test_steps_of_ordered_categories_are_drawn_in_order():
    X = pd.DataFrame({"size": ["S", "M", "L"] * 20})
    encoder = TableEncoder(kinds={"size": ["S", "M", "L"]}).fit(X)
    (column,) = encoder.columns_
    raw = column.drawn(np.tile([0.7, 0.4], (5000, 1)), np.random.RandomState(0))
    assert (raw[:, 0] >= raw[:, 1]).all()
    np.testing.assert_allclose(raw.mean(axis=0), [0.7, 0.4], atol=0.03)


# -- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"column_weights": {"acid": 1}}, "column_weights must name columns of X.*'acid'"),
        ({"column_weights": {"alcohol": -1}}, r"column_weights\['alcohol'\] == -1, must be >= 0"),
        ({"column_weights": dict.fromkeys(["alcohol", "strong"], 0)}, "above zero"),
        ({"handle_unknown": "ignore"}, "handle_unknown"),
        ({"kinds": {"alcohol": "number"}}, r"kinds\['alcohol'\] must be one of"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(parameters, message, wines):
    with pytest.raises(ValueError, match=message):
        TableAutoencoder(2, **QUICK, **parameters).fit(wines[["alcohol", "strong"]])


def test_a_table_of_constants_is_refused():
    with pytest.raises(ValueError, match="a column with two values or more"):
        TableAutoencoder(1).fit(pd.DataFrame({"x": [1, 1], "word": ["a", "a"]}))


def test_a_failed_fit_leaves_the_estimator_as_it_was(fitted, lost):
    estimator = clone(fitted).set_params(max_iter=1).fit(lost)
    before = estimator.transform(lost)
    with pytest.raises(ValueError, match="holds text"):
        estimator.fit(lost.assign(note=[f"wine {i}" for i in range(len(lost))]))
    np.testing.assert_array_equal(estimator.transform(lost), before)
