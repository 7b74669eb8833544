import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, r2_score, recall_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import Autoencoder, AutoencoderClassifier, AutoencoderRegressor
from skae.architectures import Conv, Dense
from skae.metrics import knn_accuracy
from skae.models.supervised import balanced

SMALL = {"architecture": Dense(32), "max_iter": 20, "random_state": 0}


@pytest.fixture(scope="module")
def split():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, random_state=0)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


@pytest.fixture(scope="module")
def classifier(split):
    X, _, y, _ = split
    return AutoencoderClassifier(5, **SMALL).fit(X, y)


@pytest.fixture(scope="module")
def regressor(diabetes):
    return AutoencoderRegressor(**SMALL).fit(*diabetes)


# -- classes ---------------------------------------------------------------------------------


def test_a_code_of_five_tells_the_digit(classifier, split):
    _, X, _, y = split
    assert classifier.score(X, y) > 0.85


def test_score_is_the_accuracy(classifier, split):
    _, X, _, y = split
    assert classifier.score(X, y) == accuracy_score(y, classifier.predict(X))


def test_the_code_tells_more_than_that_of_a_plain_autoencoder(classifier, split):
    X, X_test, y, y_test = split
    plain = Autoencoder(5, **SMALL).fit(X)
    joint_accuracy, plain_accuracy = (
        knn_accuracy(model.transform(X), y, model.transform(X_test), y_test)
        for model in (classifier, plain)
    )
    assert joint_accuracy > plain_accuracy + 0.02


def test_codes_are_decoded_better_than_by_the_mean_image(classifier, split):
    _, X, _, _ = split
    rebuilt = classifier.inverse_transform(classifier.transform(X))
    assert np.mean((rebuilt - X) ** 2) < 0.7 * X.var(axis=0).mean()


def test_probabilities_sum_to_one_and_the_largest_is_predicted(classifier, split):
    _, X, _, _ = split
    probabilities = classifier.predict_proba(X)
    assert_allclose(probabilities.sum(axis=1), 1)
    assert_array_equal(classifier.classes_[probabilities.argmax(axis=1)], classifier.predict(X))


def test_decisions_are_log_probabilities_up_to_a_constant(classifier, split):
    _, X, _, _ = split
    decisions = classifier.decision_function(X)
    assert_allclose(softmax(decisions, axis=1), classifier.predict_proba(X))
    assert_allclose(np.exp(classifier.predict_log_proba(X)), classifier.predict_proba(X))


def test_the_decision_between_two_classes_is_the_log_odds(iris):
    X, y = iris[0], iris[1] == 1
    classifier = AutoencoderClassifier(**SMALL).fit(X, y)
    probabilities = classifier.predict_proba(X)
    log_odds = np.log(probabilities[:, 1] / probabilities[:, 0])
    assert_allclose(classifier.decision_function(X), log_odds, atol=1e-9)
    assert classifier.predict(X).dtype == bool


def test_labels_may_be_strings(iris):
    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])
    by_number = AutoencoderClassifier(**SMALL).fit(X, y)
    by_name = AutoencoderClassifier(**SMALL).fit(X, names[y])
    assert_array_equal(by_name.classes_, names)
    assert_array_equal(by_name.predict(X), names[by_number.predict(X)])


def test_a_class_without_weight_is_never_predicted(iris):
    X, y = iris
    classifier = AutoencoderClassifier(**SMALL).fit(X, y, sample_weight=y != 2)
    assert set(classifier.predict(X)) == {0, 1}
    assert_array_equal(classifier.classes_, [0, 1, 2])


def test_a_class_of_more_weight_is_predicted_more_often(split):
    X, _, y, _ = split
    is_eight = y == 8
    eager = AutoencoderClassifier(2, batch_size=128, **{**SMALL, "max_iter": 4})
    recalls = [
        recall_score(is_eight, clone(eager).fit(X, is_eight, weight).predict(X))
        for weight in (None, 1 + 20.0 * is_eight)
    ]
    assert recalls[1] > recalls[0] + 0.1


def test_a_code_that_is_only_to_predict_one_number_holds_one():
    X, y = load_digits(n_class=2, return_X_y=True)
    regressor = AutoencoderRegressor(
        8,
        reconstruction_weight=0,
        head_hidden_layer_sizes=(),
        architecture=Dense((32,), linear_skip=False),
        max_iter=15,
        random_state=0,
    )
    codes = regressor.fit(X, y).transform(X)
    variances = np.linalg.eigvalsh(np.cov(codes.T))
    # 0.88 where the code starts with what random weights put there.
    assert variances[-1] > 0.99 * variances.sum()


def test_rows_held_out_have_the_classes_in_their_shares(split):
    X, _, y, _ = split
    few_eights = np.flatnonzero((y != 8) | (np.cumsum(y == 8) <= 20))
    classifier = AutoencoderClassifier(2, **SMALL | {"max_iter": 1})
    classifier.fit(X[few_eights], y[few_eights])
    held_out = classifier.net_.validation_data
    labels = held_out.labels[held_out.indices, 0].numpy()
    expected = np.bincount(y[few_eights]) / 10
    assert_allclose(np.bincount(labels), expected, atol=1)


def test_a_class_of_one_row_is_trained_on(iris):
    X, y = iris
    lonely = np.r_[0:100, 149]
    classifier = AutoencoderClassifier(**SMALL | {"max_iter": 1})
    for seed in range(20):
        net = classifier.set_params(random_state=seed).fit(X[lonely], y[lonely]).net_
        held_out = net.validation_data
        assert 2 not in held_out.labels[held_out.indices]


# -- numbers ---------------------------------------------------------------------------------


def test_score_is_r2(regressor, diabetes):
    X, y = diabetes
    assert regressor.score(X, y) == r2_score(y, regressor.predict(X)) > 0.4


def test_a_linear_network_without_decoder_finds_least_squares(diabetes):
    X, y = diabetes
    X = PCA(whiten=True).fit_transform(X)
    linear = AutoencoderRegressor(
        reconstruction_weight=0,
        head_hidden_layer_sizes=(),
        architecture=Dense(()),
        alpha=0,
        early_stopping=False,
        batch_size=len(X),
        learning_rate_init=0.02,
        max_iter=300,
        n_iter_no_change=np.inf,
        random_state=0,
    ).fit(X, y)
    expected = LinearRegression().fit(X, y).predict(X)
    assert r2_score(expected, linear.predict(X)) > 0.999


def test_predictions_follow_the_units_of_the_target(regressor, diabetes):
    X, y = diabetes
    other = clone(regressor).fit(X, 1000 * y + 1e6)
    assert_allclose(other.predict(X), 1000 * regressor.predict(X) + 1e6, rtol=1e-4)


def test_several_targets_are_predicted_each_in_its_units(diabetes):
    X, y = diabetes
    targets = np.column_stack([y, 1e6 * X[:, 2], X[:, 3] - 50])
    regressor = AutoencoderRegressor(5, **SMALL).fit(X, targets)
    assert regressor.predict(X).shape == targets.shape
    assert (r2_score(targets, regressor.predict(X), multioutput="raw_values") > 0.3).all()


def test_a_target_that_is_a_column_is_predicted_as_one(regressor, diabetes):
    X, y = diabetes
    column = clone(regressor).fit(X, y[:, None]).predict(X)
    assert_array_equal(column, regressor.predict(X)[:, None])


def test_a_constant_target_is_predicted(diabetes):
    X, _ = diabetes
    regressor = AutoencoderRegressor(**SMALL).fit(X, np.full(len(X), 7.0))
    assert_allclose(regressor.predict(X), 7, atol=0.5)


# -- the weight of the reconstruction --------------------------------------------------------


def test_without_weight_the_loss_of_the_reconstruction_does_not_matter(iris):
    X, y = iris
    plain = AutoencoderClassifier(reconstruction_weight=0, **SMALL)
    by_square, by_absolute = (
        clone(plain).set_params(loss=loss).fit(X, y) for loss in ("mse", "l1")
    )
    assert_array_equal(by_square.predict_proba(X), by_absolute.predict_proba(X))


def test_without_weight_the_decoder_stays_as_it_started(iris):
    X, y = iris
    plain = AutoencoderClassifier(reconstruction_weight=0, early_stopping=False, **SMALL)
    codes = np.eye(2)
    short, long = (clone(plain).set_params(max_iter=n).fit(X, y) for n in (1, 20))
    assert_array_equal(short.inverse_transform(codes), long.inverse_transform(codes))
    assert not np.allclose(short.transform(X), long.transform(X))


def test_with_all_the_weight_it_is_the_plain_autoencoder(split):
    X, _, y, _ = split
    settings = SMALL | {"batch_size": 64, "max_iter": 5}
    joint = AutoencoderRegressor(3, reconstruction_weight=1, **settings).fit(X, y)
    plain = Autoencoder(3, **settings).fit(X)
    assert_array_equal(joint.transform(X), plain.transform(X))


def test_more_weight_on_the_reconstruction_rebuilds_better_and_predicts_worse(split):
    X, _, y, _ = split
    little, much = (
        AutoencoderClassifier(3, reconstruction_weight=weight, **SMALL).fit(X, y)
        for weight in (0.05, 0.95)
    )
    assert much.reconstruction_err_ < little.reconstruction_err_
    assert much.score(X, y) < little.score(X, y)


@pytest.mark.parametrize("stage", ["train", "valid"])
def test_the_loss_is_the_weighted_sum_of_the_parts_in_the_history(iris, stage):
    classifier = AutoencoderClassifier(reconstruction_weight=0.2, **SMALL).fit(*iris)
    for epoch in classifier.history_:
        parts = epoch[f"{stage}_reconstruction"], epoch[f"{stage}_prediction"]
        assert_allclose(epoch[f"{stage}_loss"], 0.2 * parts[0] + 0.8 * parts[1], rtol=1e-5)


def test_balanced_losses_are_weighed_by_the_share_of_the_other():
    losses = torch.tensor([4.0, 1.0], requires_grad=True)
    balanced(*losses).backward()
    assert_allclose(losses.grad, [1 / 5, 4 / 5], rtol=1e-2)


def test_the_value_of_balanced_losses_is_their_geometric_mean():
    assert_allclose(balanced(torch.tensor(4.0), torch.tensor(1.0)), 2, rtol=1e-3)


def test_a_perfect_reconstruction_leaves_weight_to_the_prediction(iris):
    X, y = iris
    classifier = AutoencoderClassifier(4, architecture=Dense(32), random_state=0).fit(X, y)
    assert classifier.score(X, y) > 0.93
    assert classifier.reconstruction_err_ < 0.01 * X.var()


def test_balanced_losses_must_not_be_negative(iris):
    negative = AutoencoderClassifier(loss=lambda x, y: (x - y).square().mean(1) - 100, **SMALL)
    with pytest.raises(ValueError, match=r"reconstruction_weight='balanced' .* not negative"):
        negative.fit(*iris)


# -- what scikit-learn's users do ------------------------------------------------------------


def test_the_weight_can_be_searched_in_a_pipeline(iris):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), AutoencoderClassifier(**SMALL))
    name = "autoencoderclassifier__reconstruction_weight"
    search = GridSearchCV(pipeline, {name: [0, 0.5, 1, "balanced"]}, cv=3).fit(X, y)
    # All the weight on the reconstruction leaves a head that guesses.
    assert search.best_params_[name] != 1
    assert search.best_score_ > 0.85


@pytest.mark.parametrize("fitted", ["classifier", "regressor"])
def test_a_pickle_predicts_the_same_whatever_was_set_since(fitted, request, split, diabetes):
    X = split[1] if fitted == "classifier" else diabetes[0]
    model = pickle.loads(pickle.dumps(request.getfixturevalue(fitted)))
    expected = model.predict(X)
    model.set_params(head_hidden_layer_sizes=(3,), reconstruction_weight=0)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), expected)


def test_images_are_classified_and_come_back_as_images():
    images, y = load_digits(return_X_y=True)[0].reshape(-1, 8, 8), load_digits().target
    architecture = Conv((8, 16), downsampling="max_pool")
    classifier = AutoencoderClassifier(5, architecture=architecture, max_iter=15, random_state=0)
    classifier.fit(images[:1400], y[:1400])
    assert classifier.score(images[1400:], y[1400:]) > 0.8
    assert classifier.reconstruct(images[:3]).shape == (3, 8, 8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_keep_the_precision_of_the_data(classifier, regressor, split, diabetes, dtype):
    assert classifier.predict_proba(split[1].astype(dtype)).dtype == dtype
    assert regressor.predict(diabetes[0].astype(dtype)).dtype == dtype


def test_sparse_rows_are_classified_as_dense_ones(classifier, split):
    _, X, _, _ = split
    expected = classifier.decision_function(X)
    assert_allclose(classifier.decision_function(sparse.csr_matrix(X)), expected)


def test_partial_fit_learns_classes_batch_by_batch(split):
    X, X_test, y, y_test = split
    order = np.argsort(np.arange(len(y)) % 10, kind="stable")
    classifier = AutoencoderClassifier(5, **SMALL)
    for batch in np.array_split(np.tile(order, 5), 50):
        classifier.partial_fit(X[batch], y[batch], classes=np.arange(10))
    assert classifier.score(X_test, y_test) > 0.8


def test_partial_fit_keeps_the_units_of_the_first_batch(diabetes):
    X, y = diabetes
    regressor = AutoencoderRegressor(**SMALL, learning_rate_init=0.004)
    for _ in range(20):
        for batch in np.array_split(np.argsort(y), 2):
            regressor.partial_fit(X[batch], y[batch])
    assert regressor.score(X, y) > 0.3


def test_a_warm_start_goes_on(split):
    X, _, y, _ = split
    warm = AutoencoderClassifier(5, warm_start=True, **SMALL | {"max_iter": 4}).fit(X, y)
    before = warm.score(X, y)
    assert warm.fit(X, y).score(X, y) > before


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [AutoencoderClassifier(), AutoencoderRegressor()])
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        ([0.0, 1.0, np.nan], "y must hold a (label|number) for each row, got 1 missing"),
        ([0.0, 1.0, np.inf], "y contains infinity"),
        ([0, 1], "inconsistent numbers of samples"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(estimator, y, message):
    with pytest.raises(ValueError, match=message):
        clone(estimator).fit(np.eye(3), y)


@pytest.mark.parametrize("weights", [None, [1, 1, 0]])
def test_a_single_class_is_refused(weights):
    y = ["a", "a", "a" if weights is None else "b"]
    with pytest.raises(ValueError, match="y must hold 2 classes or more.*got one class: .*'a'"):
        AutoencoderClassifier().fit(np.eye(3), y, weights)


def test_a_missing_label_is_refused():
    with pytest.raises(ValueError, match="y must hold a label for each row, got 1 missing"):
        AutoencoderClassifier().fit(np.eye(3), np.array(["a", "b", np.nan], dtype=object))


@pytest.mark.parametrize("weight", [-0.1, 1.1, np.nan, "half", None])
def test_a_weight_outside_zero_and_one_is_refused(iris, weight):
    with pytest.raises(ValueError, match="'reconstruction_weight' parameter"):
        AutoencoderClassifier(reconstruction_weight=weight).fit(*iris)


@pytest.mark.parametrize("sizes", [(0,), (8, -1), (2.5,), ("8",)])
def test_sizes_of_the_head_that_make_no_layer_are_refused(iris, sizes):
    with pytest.raises(ValueError, match="head_hidden_layer_sizes must hold integers"):
        AutoencoderClassifier(head_hidden_layer_sizes=sizes).fit(*iris)


def test_a_fit_that_fails_leaves_the_classifier_as_it_was(iris):
    X, y = iris
    classifier = AutoencoderClassifier(**SMALL).fit(X, y)
    expected = classifier.predict_proba(X)
    with pytest.raises(ValueError, match="one class"):
        classifier.fit(X[:, :2], np.zeros(len(X)))
    assert_array_equal(classifier.predict_proba(X), expected)


def test_the_first_partial_fit_needs_all_classes(iris):
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        AutoencoderClassifier().partial_fit(*iris)


def test_classes_cannot_change_from_one_partial_fit_to_the_next(iris):
    classifier = AutoencoderClassifier(**SMALL).partial_fit(*iris, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"classes must be those .* \[0 1 2\], got \[0,? 1\]"):
        classifier.partial_fit(*iris, classes=[0, 1])


def test_a_warm_start_refuses_labels_it_has_not_seen(iris):
    X, y = iris
    warm = AutoencoderClassifier(warm_start=True, **SMALL).fit(X, y)
    with pytest.raises(ValueError, match="previously unseen labels"):
        warm.fit(X, y + 1)


def test_a_warm_start_refuses_another_number_of_targets(diabetes):
    X, y = diabetes
    warm = AutoencoderRegressor(warm_start=True, **SMALL).fit(X, y)
    with pytest.raises(ValueError, match=r"y must have 1 target\(s\), .* got 2"):
        warm.fit(X, np.column_stack([y, y]))
