"""Any reducer with a trained decoder, and an encoder distilled from it."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, KernelPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.manifold import TSNE
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skae import HybridAutoencoder
from skae.architectures import Conv, Custom, Dense


class BatchCentred(TransformerMixin, BaseEstimator):
    """A reducer whose codes depend on the batch, as UMAP's do."""

    def fit(self, X, y=None):
        self.pca_ = PCA(4).fit(X)
        return self

    def transform(self, X):
        codes = self.pca_.transform(X)
        return codes - codes.mean(axis=0)


class Weighted(TransformerMixin, BaseEstimator):
    """A reducer that takes weights, and remembers them."""

    def fit(self, X, y=None, sample_weight=None):
        self.sample_weight_ = sample_weight
        return self

    def transform(self, X):
        return np.asarray(X)[:, :2]


def start(**parameters):
    """Return a hybrid that stops where training starts."""
    return HybridAutoencoder(learning_rate_init=1e-12, max_iter=1, random_state=0, **parameters)


def error(estimator, X):
    return np.mean((estimator.inverse_transform(estimator.transform(X)) - X) ** 2)


@pytest.fixture(scope="module")
def split(digits):
    return train_test_split(digits, random_state=0)


@pytest.fixture(scope="module")
def distilled(digits):
    return HybridAutoencoder(8, distill=True, max_iter=10, random_state=0).fit(digits)


# -- the decoder ---------------------------------------------------------------------------


def test_trained_decoder_beats_the_inverse_of_pca_on_held_out_digits(split):
    X, X_test = split
    hybrid = HybridAutoencoder(8, random_state=0).fit(X)
    assert error(hybrid, X_test) < 0.75 * error(PCA(8).fit(X), X_test)


def test_training_starts_at_the_inverse_of_pca(digits):
    hybrid, pca = start(n_components=8).fit(digits), PCA(8).fit(digits)
    expected = pca.inverse_transform(pca.transform(digits))
    np.testing.assert_allclose(hybrid.reconstruct(digits), expected, atol=1e-4)


@pytest.mark.parametrize("weights", [None, np.linspace(0, 2, 1500)])
def test_training_starts_at_the_best_linear_decoder_of_any_code(weights, digits):
    X = digits[:1500]
    reducer = FrozenEstimator(KernelPCA(6, kernel="rbf").fit(X))
    hybrid = start(reducer=reducer).fit(X, sample_weight=weights)
    codes = hybrid.transform(X)
    expected = LinearRegression().fit(codes, X, weights).predict(codes)
    np.testing.assert_allclose(hybrid.inverse_transform(codes), expected, atol=1e-4)


def test_behind_a_sigmoid_training_starts_near_the_best_linear_decoder(digits):
    hybrid = start(reducer=PCA(8), loss="bce").fit(digits)
    assert hybrid.score(digits) > 0.95 * PCA(8).fit(digits).explained_variance_ratio_.sum()


def test_scale_and_offset_of_the_codes_do_not_matter(split):
    X, X_test = split
    moved = make_pipeline(PCA(4), FunctionTransformer(lambda codes: 1e5 * codes + 3e5))
    plain, moved = (
        HybridAutoencoder(reducer=reducer, max_iter=10, random_state=0).fit(X)
        for reducer in (PCA(4), moved)
    )
    assert moved.score(X_test) == pytest.approx(plain.score(X_test), abs=0.005)


def test_decoder_without_a_linear_path_is_trained_as_well(split):
    X, X_test = split
    form = Dense(linear_skip=False)
    hybrid = HybridAutoencoder(8, architecture=form, max_iter=30, random_state=0).fit(X)
    assert error(hybrid, X_test) < error(PCA(8).fit(X), X_test)


def test_clean_targets_are_what_the_decoder_learns(digits):
    noisy = digits + np.random.RandomState(0).normal(0, 0.3, digits.shape)
    to_clean, to_noisy = (
        HybridAutoencoder(16, max_iter=10, random_state=0).fit(noisy, X_target=target)
        for target in (digits, None)
    )
    errors = [np.mean((h.reconstruct(noisy) - digits) ** 2) for h in (to_clean, to_noisy)]
    assert errors[0] < 0.9 * errors[1]


def test_noise_corrupts_codes_also_where_data_are_images(digit_images):
    form = Conv(channels=(4,))
    parameters = {"architecture": form, "max_iter": 3, "random_state": 0}
    noisy, plain = (
        HybridAutoencoder(4, noise=noise, noise_level=0.5, **parameters).fit(digit_images)
        for noise in ("salt_pepper", None)
    )
    assert noisy.loss_curve_[0] > plain.loss_curve_[0]


def test_cross_entropy_decodes_to_values_between_zero_and_one(digits):
    hybrid = HybridAutoencoder(8, loss="bce", max_iter=10, random_state=0).fit(digits)
    decoded = hybrid.inverse_transform(3 * hybrid.transform(digits))
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    assert hybrid.score(digits) > 0.6


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_come_back_in_the_layout_in_which_they_were_given(dtype, digit_images):
    images = (255 * digit_images).astype(dtype)
    hybrid = HybridAutoencoder(4, architecture=Conv(channels=(4,)), max_iter=2).fit(images)
    assert hybrid.reconstruct(images).shape == images.shape
    assert hybrid.transform(images).dtype == np.float32


def test_sparse_rows_are_reduced_and_decoded_as_dense_ones(digits):
    parameters = {"reducer": TruncatedSVD(4, random_state=0), "max_iter": 3, "random_state": 0}
    dense = HybridAutoencoder(**parameters).fit(digits)
    sparse_rows = sparse.csr_matrix(digits)
    loose = HybridAutoencoder(**parameters).fit(sparse_rows)
    np.testing.assert_allclose(loose.score(sparse_rows), dense.score(digits), atol=1e-3)


def test_decoder_can_be_searched_with_the_reducer_that_it_follows(digits):
    hybrid = HybridAutoencoder(reducer=PCA(), max_iter=3, random_state=0)
    search = GridSearchCV(hybrid, {"reducer__n_components": [2, 8]}, cv=2).fit(digits)
    assert search.best_params_ == {"reducer__n_components": 8}


# -- the reducer ---------------------------------------------------------------------------


def test_codes_are_those_of_the_reducer(digits):
    hybrid = HybridAutoencoder(5, max_iter=1).fit(digits)
    np.testing.assert_allclose(hybrid.transform(digits), PCA(5).fit_transform(digits), atol=1e-9)


def test_width_of_the_code_is_that_of_the_given_reducer(digits):
    hybrid = HybridAutoencoder(2, reducer=make_pipeline(StandardScaler(), PCA(7)), max_iter=1)
    assert hybrid.fit(digits).n_components_ == 7
    assert hybrid.get_feature_names_out()[-1] == "hybridautoencoder6"


def test_given_reducer_is_not_fitted_itself(digits):
    reducer = PCA(3)
    HybridAutoencoder(reducer=reducer, max_iter=1).fit(digits)
    assert not hasattr(reducer, "components_")


def test_frozen_reducer_stays_as_it_is(split):
    X, X_test = split
    pca = PCA(3).fit(X)
    components = pca.components_.copy()
    hybrid = HybridAutoencoder(reducer=FrozenEstimator(pca), max_iter=1).fit(X_test)
    np.testing.assert_array_equal(hybrid.reducer_.components_, components)
    np.testing.assert_allclose(hybrid.transform(X), pca.transform(X))


def test_reducer_fitted_on_a_data_frame_is_given_one():
    X = load_iris(as_frame=True).data
    reducer = FrozenEstimator(PCA(2).fit(X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hybrid = HybridAutoencoder(reducer=reducer, max_iter=1).fit(X)
        hybrid.score(X)


def test_reducer_may_give_data_frames(digits):
    reducer = PCA(3).set_output(transform="pandas")
    hybrid = HybridAutoencoder(reducer=reducer, max_iter=1)
    assert isinstance(hybrid.fit_transform(digits), np.ndarray)
    assert isinstance(hybrid.set_output(transform="pandas").transform(digits), pd.DataFrame)


def test_reducer_that_needs_labels_gets_them():
    X, y = load_iris(return_X_y=True)
    hybrid = HybridAutoencoder(reducer=LinearDiscriminantAnalysis(), max_iter=1).fit(X, y)
    assert hybrid.n_components_ == 2
    assert hybrid.__sklearn_tags__().target_tags.required


def test_weights_reach_a_reducer_that_takes_them(digits):
    weights = np.arange(len(digits), dtype=float) + 1
    hybrid = HybridAutoencoder(reducer=Weighted(), max_iter=1).fit(digits, sample_weight=weights)
    np.testing.assert_array_equal(hybrid.reducer_.sample_weight_, weights)


def test_weights_that_a_reducer_cannot_honor_are_an_error_that_names_it(digits):
    weights = np.arange(len(digits), dtype=float)
    with pytest.raises(ValueError, match=r"KernelPCA.*sample_weight|sample_weight.*KernelPCA"):
        HybridAutoencoder(reducer=KernelPCA(2)).fit(digits, sample_weight=weights)


def test_a_reducer_selects_columns_by_name(digits):
    frame = pd.DataFrame(digits[:100], columns=[f"pixel{i}" for i in range(64)])
    reducer = ColumnTransformer([("few", PCA(2), ["pixel20", "pixel21", "pixel28"])])
    hybrid = HybridAutoencoder(reducer=reducer, max_iter=1).fit(frame)
    expected = hybrid.reducer_.transform(frame)
    np.testing.assert_allclose(hybrid.transform(frame), expected)
    assert hybrid.reconstruct(frame).shape == frame.shape
    assert np.isfinite(hybrid.score(frame))


def test_routed_weights_reach_a_reducer_that_requests_them(digits):
    weights = np.arange(len(digits), dtype=float) + 1
    with config_context(enable_metadata_routing=True):
        reducer = Weighted().set_fit_request(sample_weight=True)
        hybrid = HybridAutoencoder(reducer=reducer, max_iter=1)
        hybrid.fit(digits, sample_weight=weights)
    np.testing.assert_array_equal(hybrid.reducer_.sample_weight_, weights)


def test_default_reducer_counts_a_weight_of_two_as_a_row_there_twice(digits):
    X, weights = digits[:300], np.random.RandomState(0).randint(0, 4, 300)
    weighted = HybridAutoencoder(3, max_iter=1).fit(X, sample_weight=weights)
    repeated = HybridAutoencoder(3, max_iter=1).fit(np.repeat(X, weights, axis=0))
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-6)


def test_partial_fit_trains_the_decoder_of_the_first_reducer(split):
    X, X_test = split
    hybrid = HybridAutoencoder(8, random_state=0).partial_fit(X[:1000])
    codes, before = hybrid.transform(X_test), error(hybrid, X_test)
    for _ in range(10):
        hybrid.partial_fit(X)
    np.testing.assert_array_equal(hybrid.transform(X_test), codes)
    assert error(hybrid, X_test) < 0.9 * before


def test_warm_start_goes_on_with_reducer_and_weights(digits):
    hybrid = HybridAutoencoder(8, max_iter=5, warm_start=True, random_state=0).fit(digits)
    reducer, loss = hybrid.reducer_, hybrid.loss_curve_[-1]
    hybrid.fit(digits)
    assert hybrid.reducer_ is reducer
    assert hybrid.loss_curve_[-1] < loss


# -- what cannot be used -------------------------------------------------------------------


@pytest.mark.parametrize("reducer", [TSNE(), FrozenEstimator(TSNE()), "pca"])
def test_reducer_without_transform_is_refused_by_name(reducer, digits):
    with pytest.raises((TypeError, ValueError), match="'reducer' parameter"):
        HybridAutoencoder(reducer=reducer).fit(digits)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda X: X[1:, :2], "a code for each row"),
        (lambda X: X[:, :2] * np.nan, "contains NaN"),
        (lambda X: X[:, 0], "1D array"),
    ],
)
def test_useless_codes_are_refused_with_the_name_of_the_reducer(function, message, digits):
    hybrid = HybridAutoencoder(reducer=FunctionTransformer(function))
    with pytest.raises(ValueError, match=message):
        hybrid.fit(digits)


def test_failed_fit_leaves_the_estimator_as_it_was(digits):
    hybrid = HybridAutoencoder(3, max_iter=1).fit(digits)
    before = dict(vars(hybrid))
    with pytest.raises(ValueError, match="n_components=65"):
        hybrid.set_params(n_components=65).fit(digits)
    assert {**vars(hybrid), "n_components": 3} == before


# -- distillation --------------------------------------------------------------------------


def test_distilled_encoder_gives_held_out_rows_the_codes_of_pca(split):
    X, X_test = split
    hybrid = HybridAutoencoder(8, distill=True, max_iter=20, random_state=0).fit(X)
    expected = PCA(8).fit(X).transform(X_test)
    assert r2_score(expected, hybrid.transform(X_test)) > 0.999


def test_distilled_encoder_gives_held_out_rows_the_codes_of_a_nonlinear_reducer(split):
    X, X_test = split
    reducer = KernelPCA(4, kernel="rbf", gamma=0.1)
    hybrid = HybridAutoencoder(reducer=reducer, distill=True, max_iter=30, random_state=0).fit(X)
    expected = hybrid.reducer_.transform(X_test)
    linear = LinearRegression().fit(X, hybrid.reducer_.transform(X)).predict(X_test)
    assert r2_score(expected, hybrid.transform(X_test)) > 0.95
    assert r2_score(expected, hybrid.transform(X_test)) > r2_score(expected, linear)


def test_distilled_codes_do_not_depend_on_the_batch(digits):
    hybrid = HybridAutoencoder(reducer=BatchCentred(), distill=True, max_iter=5).fit(digits)
    alone = np.concatenate([hybrid.transform(row[None]) for row in digits[:20]])
    np.testing.assert_allclose(alone, hybrid.transform(digits)[:20], atol=1e-9)


def test_distilled_estimator_needs_no_reducer(distilled, digits):
    shipped = pickle.loads(pickle.dumps(distilled))
    del shipped.reducer_
    np.testing.assert_array_equal(shipped.reconstruct(digits), distilled.reconstruct(digits))


def test_distillation_costs_the_reconstruction_next_to_nothing(distilled, digits):
    plain = HybridAutoencoder(8, max_iter=10, random_state=0).fit(digits)
    assert distilled.score(digits) == pytest.approx(plain.score(digits), abs=0.02)


def test_history_holds_both_parts_of_the_loss(distilled):
    last = distilled.history_[-1]
    parts = last["valid_reconstruction"] + last["valid_distillation"]
    assert parts == pytest.approx(last["valid_loss"], rel=1e-4)


def test_pickled_hybrid_answers_the_same(digits):
    hybrid = HybridAutoencoder(4, max_iter=2, random_state=0).fit(digits)
    again = pickle.loads(pickle.dumps(hybrid))
    np.testing.assert_array_equal(again.reconstruct(digits), hybrid.reconstruct(digits))


@pytest.mark.parametrize(
    ("distill", "sides"), [(False, {"decoder"}), (True, {"encoder", "decoder"})]
)
def test_feature_maps_are_those_of_the_trained_convolutions(distill, sides, digit_images):
    form = Conv(channels=(4,))
    hybrid = HybridAutoencoder(4, distill=distill, architecture=form, max_iter=1)
    maps = hybrid.fit(digit_images[:100]).feature_maps(digit_images[:7])
    assert {name.partition(".")[0] for name in maps} == sides
    assert all(len(values) == 7 for values in maps.values())


@pytest.mark.filterwarnings("ignore")
def test_umap_gets_an_inverse(digits):
    # Imported here, because its import takes seconds.
    from umap import UMAP

    X = digits[:100]
    reducer = UMAP(n_neighbors=5, n_epochs=20, random_state=0, n_jobs=1)
    hybrid = HybridAutoencoder(reducer=reducer, max_iter=50, random_state=0).fit(X)
    np.testing.assert_array_equal(hybrid.transform(X), hybrid.reducer_.embedding_)
    assert hybrid.score(X) > 0.3


def test_an_n_components_that_the_given_reducer_overrides_warns(digits):
    hybrid = HybridAutoencoder(5, reducer=PCA(4), max_iter=1)
    with pytest.warns(UserWarning, match="n_components=5 has no effect.*codes of 4"):
        hybrid.fit(digits[:50])
    assert hybrid.n_components_ == 4


@pytest.mark.parametrize("n_components", [2, 4])
def test_an_n_components_that_is_the_default_or_fits_the_reducer_does_not_warn(
    n_components, digits
):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        HybridAutoencoder(n_components, reducer=PCA(4), max_iter=1).fit(digits[:50])


@pytest.mark.parametrize("distill", [False, True])
def test_a_decoder_given_alone_gets_codes_and_returns_data_in_their_own_units(distill):
    X = 100 + 50 * load_iris().data
    pca = PCA(2).fit(X)
    decoder = torch.nn.Linear(2, 4)
    with torch.no_grad():
        decoder.weight.copy_(torch.from_numpy(pca.components_.T))
        decoder.bias.copy_(torch.from_numpy(pca.mean_))
    unchanged = {"learning_rate_init": 1e-12, "max_iter": 1, "alpha": 0.0}
    hybrid = HybridAutoencoder(
        reducer=pca, distill=distill, architecture=Custom(decoder=decoder), **unchanged
    ).fit(X)
    codes = pca.transform(X)
    np.testing.assert_allclose(
        hybrid.inverse_transform(codes), pca.inverse_transform(codes), rtol=1e-5
    )


def test_hidden_layers_start_with_components_of_equal_weight():
    X = load_iris().data * [10, 1, 1, 1]
    unchanged = {"learning_rate_init": 1e-12, "max_iter": 1, "alpha": 0.0}
    hybrid = HybridAutoencoder(3, architecture=Dense((500,)), random_state=0, **unchanged).fit(X)
    deviations = hybrid.transform(X).std(axis=0)
    assert deviations[0] > 10 * deviations[2]
    first = next(m for m in hybrid.module_.decoder.nonlinear if isinstance(m, torch.nn.Linear))
    reached = first.weight.detach().numpy().std(axis=0) * deviations
    np.testing.assert_allclose(reached / reached[0], 1, rtol=0.15)
