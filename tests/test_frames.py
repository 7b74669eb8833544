"""Frames that come in: samples keep their names, and frames go out where the user asks for them."""

import copy
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small import ESTIMATORS, NETWORKS, images, wine

X, Y = wine()
NAMES = list("abcde")
FRAME = pd.DataFrame(X, columns=NAMES, index=np.arange(100, 145))
OF_ROWS = sorted({*NETWORKS} - {"SequencePredictor"})
_FITTED = {}


def fitted(name, **output):
    """The estimator fitted on the frame, once, and a copy of it with an output set."""
    if name not in _FITTED:
        _FITTED[name] = clone(ESTIMATORS[name]).set_params(max_iter=1).fit(FRAME, Y)
    copied = copy.copy(_FITTED[name])
    return copied.set_output(**output) if output else copied


SAMPLES = {
    "Series": lambda i: FRAME.iloc[i],
    "Series of objects": lambda i: FRAME.iloc[i].astype(object),
    "frame of one row": lambda i: FRAME.iloc[[i]],
    "polars frame of one row": lambda i: pl.DataFrame(X, schema=NAMES)[i : i + 1],
}


@pytest.mark.parametrize("form", SAMPLES)
@pytest.mark.parametrize("name", OF_ROWS)
def test_interpolate_takes_rows_of_frames_without_a_warning(name, form):
    estimator = fitted(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = estimator.interpolate(SAMPLES[form](0), SAMPLES[form](7), n=3)
    expected = estimator.inverse_transform(estimator.transform(FRAME.iloc[[0, 7]]))
    np.testing.assert_allclose(path[[0, 2]], expected)


@pytest.mark.parametrize(
    "form",
    [sparse.csr_matrix, sparse.coo_array, lambda X: X, lambda X: X.tolist(), lambda X: X[0]],
    ids=["csr", "coo", "array of one row", "list", "array"],
)
@pytest.mark.parametrize("name", OF_ROWS)
def test_interpolate_takes_one_row_in_every_form(name, form):
    estimator = clone(ESTIMATORS[name]).set_params(max_iter=1).fit(X, Y)
    path = estimator.interpolate(form(X[:1]), form(X[7:8]), n=3)
    expected = estimator.inverse_transform(estimator.transform(X[[0, 7]]))
    np.testing.assert_allclose(path[[0, 2]], expected, atol=1e-6)


def test_interpolate_takes_images_and_data_of_one_image():
    pictures, labels = images()
    estimator = clone(ESTIMATORS["Autoencoder"]).set_params(max_iter=1).fit(pictures, labels)
    path = estimator.interpolate(pictures[0], pictures[1], n=3)
    assert path.shape == (3, 8, 8)
    np.testing.assert_array_equal(estimator.interpolate(pictures[:1], pictures[1:2], n=3), path)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("name", OF_ROWS)
def test_frames_go_out_where_frames_come_in_and_set_output_asks_for_them(name, library):
    estimator, plain = fitted(name, transform=library), fitted(name)
    kind = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library]
    codes = estimator.transform(FRAME)
    assert isinstance(codes, kind)
    for made in (estimator.inverse_transform(codes), estimator.reconstruct(FRAME)):
        assert isinstance(made, kind)
        assert list(made.columns) == NAMES
        np.testing.assert_allclose(np.asarray(made), plain.reconstruct(FRAME), rtol=1e-6)
        if library == "pandas":
            pd.testing.assert_index_equal(made.index, FRAME.index)


@pytest.mark.parametrize("name", OF_ROWS)
def test_arrays_go_out_where_arrays_come_in_or_nothing_is_asked_for(name):
    asked, plain = fitted(name, transform="pandas"), fitted(name)
    assert type(asked.inverse_transform(np.zeros((3, 2)))) is np.ndarray
    assert type(plain.reconstruct(FRAME)) is np.ndarray
    assert type(plain.inverse_transform(pd.DataFrame(np.zeros((3, 2))))) is np.ndarray


def test_set_config_asks_for_frames_as_well():
    with sklearn.config_context(transform_output="pandas"):
        assert list(fitted("Autoencoder").reconstruct(FRAME).columns) == NAMES


def test_features_without_names_are_numbered():
    estimator = clone(ESTIMATORS["Autoencoder"]).fit(X).set_output(transform="pandas")
    made = estimator.inverse_transform(estimator.transform(X))
    assert list(made.columns) == ["x0", "x1", "x2", "x3", "x4"]


@pytest.mark.parametrize(("frame_shape", "shape"), [((), (45,)), ((5,), (45, 5))])
def test_predicted_frames_of_sequences_stay_arrays_and_their_codes_follow_set_output(
    frame_shape, shape
):
    sequences = pd.DataFrame(np.tile(X, 2), columns=[f"t{i}" for i in range(10)], index=FRAME.index)
    estimator = clone(ESTIMATORS["SequencePredictor"]).set_params(frame_shape=frame_shape)
    codes = estimator.set_output(transform="pandas").fit_transform(sequences)
    pd.testing.assert_index_equal(codes.index, FRAME.index)
    assert list(codes.columns) == ["sequencepredictor0", "sequencepredictor1"]
    for made in (estimator.inverse_transform(codes), estimator.predict(sequences)):
        assert type(made) is np.ndarray
        assert made.shape == shape
    assert type(estimator.forecast(sequences, 2)) is np.ndarray


def test_images_stay_arrays():
    pictures, _ = images()
    estimator = clone(ESTIMATORS["Autoencoder"]).set_params(max_iter=1).fit(pictures)
    estimator.set_output(transform="pandas")
    made = estimator.inverse_transform(estimator.transform(pictures))
    assert type(made) is np.ndarray
    assert made.shape == pictures.shape


def test_a_pipeline_inverts_frames_to_the_columns_it_was_fitted_on():
    pipeline = make_pipeline(StandardScaler(), clone(ESTIMATORS["Autoencoder"]))
    pipeline.set_output(transform="pandas").fit(FRAME)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pipeline.inverse_transform(pipeline.transform(FRAME)).shape == FRAME.shape
