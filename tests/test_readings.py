"""Data that could as well be meant otherwise: a warning says how they are read."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from small import ESTIMATORS, QUICK, wine

from skae import Autoencoder, HybridAutoencoder, ReconstructionOutlierDetector, SequencePredictor
from skae.architectures import Conv

X, Y = wine()
CLEAN = X[:, ::-1].copy()
RNG = np.random.default_rng(0)
ROWS = ["Autoencoder", "VariationalAutoencoder", "HybridAutoencoder", "distilled"]
OF_IMAGES = [*ROWS, "AutoencoderClassifier", "AutoencoderRegressor"]


def small(name, **parameters):
    return clone(ESTIMATORS[name]).set_params(**{"max_iter": 1, **parameters})


def said(call):
    """List the warnings that a call gives about how data are read."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [
        str(each.message)
        for each in caught
        if issubclass(each.category, DataConversionWarning) or each.category is UserWarning
    ]


# -- a target in the place of y ------------------------------------------------------------

TARGETS = {
    "array": CLEAN,
    "list": CLEAN.tolist(),
    "frame": pd.DataFrame(CLEAN),
    "polars": pl.DataFrame(CLEAN),
    "integers": np.round(CLEAN).astype(int),
}


@pytest.mark.parametrize("method", ["fit", "fit_transform", "partial_fit"])
@pytest.mark.parametrize("name", ROWS)
def test_a_y_of_the_shape_of_x_warns_that_a_target_is_x_target(name, method):
    with pytest.warns(UserWarning, match="y has the shape of X.*belongs in X_target"):
        getattr(small(name), method)(X, CLEAN)


@pytest.mark.parametrize("form", TARGETS)
def test_a_y_like_x_warns_in_every_form(form):
    with pytest.warns(UserWarning, match="X_target"):
        small("Autoencoder").fit(X, TARGETS[form])


def test_images_in_y_warn_too():
    images = RNG.normal(size=(20, 8, 8))
    with pytest.warns(UserWarning, match=r"y has the shape of X, \(20, 8, 8\).*X_target"):
        small("Autoencoder").fit(images, images + 1)


def test_a_y_of_frames_warns_that_they_belong_in_the_sequences():
    with pytest.warns(UserWarning, match="y has the shape of X.*belong in X"):
        small("SequencePredictor").fit(X, CLEAN)


@pytest.mark.parametrize("name", ROWS)
def test_score_warns_of_a_target_in_y(name):
    fitted = small(name).fit(X)
    with pytest.warns(UserWarning, match=r"metrics.explained_variance\(y, .*reconstruct\(X\)\)"):
        fitted.score(X, CLEAN)


@pytest.mark.parametrize(
    "outer",
    [
        lambda inner: make_pipeline(PCA(5), inner),
        lambda inner: GridSearchCV(inner, {"n_components": [1, 2]}, cv=2),
        ReconstructionOutlierDetector,
    ],
    ids=["Pipeline", "GridSearchCV", "detector"],
)
def test_a_target_in_y_warns_inside_others(outer):
    with pytest.warns(UserWarning, match="X_target"):
        outer(small("Autoencoder")).fit(X, CLEAN)


SILENT_Y = {
    "labels": Y,
    "one column of labels": Y[:, None],
    "several targets": X[:, :3],
    "the data themselves": X,
    "a copy of the data": X.copy(),
    "indicators of labels": X > 0,
    "words": np.full(X.shape, "red"),
    "nothing": None,
}


@pytest.mark.parametrize("case", SILENT_Y)
@pytest.mark.parametrize("name", [*ROWS, "SequencePredictor"])
def test_other_values_of_y_pass_in_silence(name, case):
    assert not said(lambda: small(name).fit(X, SILENT_Y[case]))


def test_a_target_where_it_belongs_passes_in_silence():
    assert not said(lambda: small("Autoencoder").fit(X, CLEAN, X_target=CLEAN))


def test_several_targets_of_a_regressor_and_of_a_reducer_that_needs_them_pass_in_silence():
    assert not said(lambda: small("AutoencoderRegressor").fit(X, CLEAN))
    hybrid = HybridAutoencoder(reducer=PLSRegression(2), **QUICK)
    assert not said(lambda: hybrid.fit(X, CLEAN))


def test_y_of_the_shape_of_x_still_reaches_the_last_step_of_a_pipeline():
    pipeline = make_pipeline(small("Autoencoder"), Ridge())
    with pytest.warns(UserWarning, match="X_target"):
        assert pipeline.fit(X, CLEAN).predict(X).shape == CLEAN.shape


# -- layouts of images ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 8, 9), (4, 9, 8), (2, 16, 16)])
def test_images_with_their_channels_first_warn_what_to_do(shape):
    images = RNG.normal(size=(6, *shape))
    with pytest.warns(DataConversionWarning, match=r"np.moveaxis\(X, 1, -1\)(?s:.*)image_shape"):
        small("Autoencoder").fit(images)
    assert not said(lambda: small("Autoencoder").fit(np.moveaxis(images, 1, -1)))
    assert not said(lambda: small("Autoencoder", image_shape=shape).fit(images))


@pytest.mark.parametrize("shape", [(48, 5), (100, 20), (12, 3), (24, 1), (5, 48), (1, 28)])
def test_windows_of_a_series_warn_that_they_are_read_as_images(shape):
    windows = RNG.normal(size=(6, *shape))
    with pytest.warns(DataConversionWarning, match="read as images(?s:.*)image_shape=.*rows"):
        small("Autoencoder").fit(windows)
    assert not said(lambda: small("Autoencoder", image_shape=shape).fit(windows))
    assert not said(lambda: small("Autoencoder").fit(windows.reshape(6, -1)))


@pytest.mark.parametrize("shape", [(1, 9, 9), (24, 4)])
@pytest.mark.parametrize("name", OF_IMAGES)
def test_every_estimator_warns_of_layouts_when_it_is_first_trained(name, shape):
    images, labels = RNG.normal(size=(8, *shape)), np.arange(8) % 2
    for method in ("fit", "partial_fit"):
        classes = {"classes": [0, 1]} if (name, method) == (OF_IMAGES[4], "partial_fit") else {}
        estimator = small(name)
        with pytest.warns(DataConversionWarning, match="is read as"):
            getattr(estimator, method)(images, labels, **classes)
        assert not said(lambda estimator=estimator: estimator.transform(images))


@pytest.mark.parametrize(
    "shape",
    [
        *[(8, 8), (28, 28), (28, 28, 1), (28, 28, 3), (32, 48, 3), (9, 8, 4), (48, 32), (32, 128)],
        *[(8, 8, 16), (4, 4, 32), (3, 3), (12, 16), (8, 64), (28, 28, 4)],
    ],
)
def test_ordinary_images_pass_in_silence(shape):
    images = RNG.normal(size=(6, *shape))
    assert not said(lambda: small("Autoencoder").fit(images))


# -- layouts of sequences ------------------------------------------------------------------

TABLE = RNG.normal(size=(900, 5)).cumsum(axis=0)


def flat_images(digits, side, n_channels=1):
    images = digits[:60].reshape(-1, 8, 8).repeat(side // 8, 1).repeat(side // 8, 2)
    return np.stack([images] * n_channels, axis=-1).reshape(60, -1)


CONVOLVING = ("Autoencoder", "VariationalAutoencoder", "HybridAutoencoder", "AutoencoderClassifier")


@pytest.mark.parametrize("name", CONVOLVING)
@pytest.mark.parametrize(
    ("side", "n_channels", "shape"), [(8, 1, r"\(8, 8\)"), (16, 3, r"\(16, 16, 3\)")]
)
def test_flat_images_that_are_convolved_along_their_rows_warn(
    name, side, n_channels, shape, digits
):
    rows = flat_images(digits, side, n_channels)
    model = small(name, architecture=Conv(channels=(2,)))
    match = rf"convolved along its rows.*give image_shape={shape}.*\(1, {rows.shape[1]}\)"
    with pytest.warns(DataConversionWarning, match=match):
        model.fit(rows, np.arange(60) % 2)


def test_flat_frames_that_are_convolved_along_their_rows_warn(digits):
    frames = flat_images(digits, 8).reshape(20, 3, 64)
    model = small("SequencePredictor", architecture="conv")
    with pytest.warns(DataConversionWarning, match=r"give frame_shape=\(8, 8\)"):
        model.fit(frames)


def test_rows_whose_shape_is_given_and_signals_are_convolved_in_silence(digits):
    rows, walks = flat_images(digits, 8), RNG.standard_normal((60, 64)).cumsum(axis=1)
    for X, shape in [(rows, (8, 8)), (rows, (1, 64)), (walks, None), (walks[:, :60], None)]:
        model = small("Autoencoder", architecture=Conv(channels=(2,)), image_shape=shape)
        assert said(lambda model=model, X=X: model.fit(X)) == []
    assert said(lambda: small("Autoencoder", architecture="dense").fit(rows)) == []


@pytest.mark.parametrize(
    "form",
    [lambda X: X, pd.DataFrame, lambda X: pd.DataFrame(X, columns=list("abcde")), pl.DataFrame],
    ids=["array", "numbered frame", "frame", "polars"],
)
def test_a_table_of_time_steps_warns_that_its_columns_are_read_as_such(form):
    predictor = small("SequencePredictor")
    with pytest.warns(DataConversionWarning, match=r"900 sequences of 5 numbers.*frame_shape=\(\)"):
        predictor.fit(form(TABLE))
    assert not said(lambda: small("SequencePredictor", frame_shape=()).fit(form(TABLE)))
    assert not said(lambda: predictor.predict(form(TABLE)))


def test_the_windows_that_the_warning_names_are_sequences_of_the_table():
    windows = np.lib.stride_tricks.sliding_window_view(TABLE, 20, axis=0).swapaxes(1, 2)
    predictor = SequencePredictor(2, hidden_size=8, **QUICK)
    assert not said(lambda: predictor.fit(windows))
    assert predictor.frame_shape_ == (5,)
    np.testing.assert_array_equal(windows[3, 4], TABLE[7])


def test_a_wide_table_with_names_warns_and_an_array_as_wide_does_not():
    wide = RNG.normal(size=(1200, 12))
    names = [f"sensor {i}" for i in range(12)]
    with pytest.warns(DataConversionWarning, match="1200 sequences of 12 numbers"):
        small("SequencePredictor").fit(pd.DataFrame(wide, columns=names))
    assert not said(lambda: small("SequencePredictor").fit(wide))


def test_windows_of_one_series_pass_in_silence_however_many_and_short():
    series = np.sin(np.arange(1000) / 7)
    windows = np.lib.stride_tricks.sliding_window_view(series, 5)
    assert not said(lambda: small("SequencePredictor").fit(windows))
    assert not said(lambda: small("SequencePredictor").fit(pd.DataFrame(windows).add_prefix("t")))


def test_frames_with_their_channels_first_warn_what_to_do():
    frames = RNG.normal(size=(6, 3, 1, 8, 8))
    with pytest.warns(DataConversionWarning, match=r"np.moveaxis\(X, 2, -1\).*frame_shape"):
        small("SequencePredictor").fit(frames)
    assert not said(lambda: small("SequencePredictor").fit(np.moveaxis(frames, 2, -1)))


# -- one series ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (lambda series: series, "np.lib.stride_tricks.sliding_window_view(X, 20)"),
        (list, "np.lib.stride_tricks.sliding_window_view(X, 20)"),
        (pd.Series, "np.lib.stride_tricks.sliding_window_view(X, 20)"),
        (lambda s: s[:, None], "np.lib.stride_tricks.sliding_window_view(np.ravel(X), 20)"),
        (lambda s: pd.DataFrame(s), "np.lib.stride_tricks.sliding_window_view(np.ravel(X), 20)"),
        (lambda s: s[:, None, None], "np.lib.stride_tricks.sliding_window_view(np.ravel(X), 20)"),
    ],
    ids=["array", "list", "Series", "column", "frame of a column", "three dimensions"],
)
def test_one_series_is_refused_with_code_that_cuts_windows_of_it(form, code):
    given = form(np.sin(np.arange(60) / 3))
    with pytest.raises(ValueError, match="one series of 60 values") as refused:
        small("SequencePredictor").fit(given)
    assert code in str(refused.value)
    windows = eval(code, {"np": np, "X": given})
    assert small("SequencePredictor").fit(windows).predict(windows).shape == (41,)


def test_the_detector_refuses_one_series_in_the_same_words():
    detector = ReconstructionOutlierDetector(small("SequencePredictor"), method="error")
    with pytest.raises(ValueError, match="sliding_window_view"):
        detector.fit(np.arange(60.0)[:, None])


def test_rows_of_one_feature_and_one_row_of_many_time_steps_are_no_series():
    assert Autoencoder(1, **QUICK).fit(X[:, :1]).transform(X[:, :1]).shape == (len(X), 1)
    with pytest.raises(ValueError, match="minimum of 2"):
        small("SequencePredictor").fit(X[:1])
