"""ONNX files of tables give, column by column, what the estimators give."""

import json
import subprocess
import sys
from datetime import time

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from onnxruntime import InferenceSession
from scipy.stats import norm
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from small import QUICK

from skae import (
    Autoencoder,
    ReconstructionOutlierDetector,
    TableAutoencoder,
    TableEncoder,
    export_onnx,
)
from skae.export import register_converters
from skae.export._numerics import NormalDistribution
from skae.export._tables import TableDecoding, TableEncoding

pytestmark = pytest.mark.usefixtures("one_table_of_operators")

NO_MOMENT = np.iinfo(np.int64).min
KINDS = {"cellar": "categorical", "points": ["bad", "fair", "good"]}
ALL = ["transform", "reconstruct", "impute", "score_samples"]


def wines():
    """100 wines with a column of each kind, and columns of one value and of none."""
    data = load_wine(as_frame=True)
    frame = data.data[["alcohol", "proline", "magnesium"]].astype({"magnesium": "int64"})
    frame["cultivar"] = data.target.map({0: "Barolo", 1: "Grignolino", 2: "Barbera"})
    frame["strong"] = frame["alcohol"] > 13
    proline, place = frame["proline"].astype(int), np.arange(len(frame))
    frame["bottled"] = pd.Timestamp("1978-01-01") + pd.to_timedelta(3 * proline, "D")
    # Of the day, the week and the year all phases, and seconds.
    seconds = place * 7_654_321 % 100_000_000
    frame["tasted"] = pd.Timestamp("2001-01-01") + pd.to_timedelta(seconds, "s")
    frame["opened"] = [time(8 + k % 13, k * 7 % 60, k % 60) for k in place]
    frame["aged"] = pd.to_timedelta(proline**2 * 1_000_003, "us")
    frame["cellar"] = proline % 4 * 3
    frame["points"] = [("bad", "fair", "good")[k % 3] for k in proline]
    # Some of its categories are rare.
    frame["village"] = [f"village {min(k % 17, k % 5)}" for k in proline]
    frame["country"], frame["liters"], frame["notes"] = "Italy", 0.75, None
    return frame.sample(100, random_state=0, ignore_index=True)


def with_missing_values(frame):
    holes = np.random.default_rng(0).random(frame.shape) < 0.15
    # One row without any value, and one with all of them.
    holes[0], holes[1] = True, False
    return frame.astype({"strong": object}).mask(holes)


WINES = with_missing_values(wines())


def seconds_of(value):
    return (value.hour * 60 + value.minute) * 60 + value.second


def as_integers(values):
    """Return moments, times or durations as microseconds, as files have them."""
    if values.dtype == object:  # times of the day
        return np.array([NO_MOMENT if pd.isna(v) else seconds_of(v) * 10**6 for v in values])
    return values.to_numpy().astype(f"{values.dtype.kind}8[us]").astype(np.int64)


def as_text(values):
    return np.array(["" if pd.isna(value) else value for value in values], dtype=object)


AS_IN_FILES = {
    "float64": lambda values: values.astype("float64").to_numpy(),
    "int64": as_integers,
    "str": as_text,
}


def columns_of(session):
    return json.loads(session.get_modelmeta().custom_metadata_map["columns"])


def as_inputs(session, frame):
    return {
        each["name"]: AS_IN_FILES[each["type"]](frame[each["name"]])[:, None]
        for each in columns_of(session)
    }


def session_of(estimator, path, **options):
    export_onnx(estimator, path, **options)
    return InferenceSession(path, providers=["CPUExecutionProvider"])


def run(session, inputs):
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def assert_same_table(outputs, method, frame, types):
    """Compare all columns of a table that a file returns with a frame."""
    for name, kind in types.items():
        made, expected = outputs[f"{method}/{name}"], AS_IN_FILES[kind](frame[name])
        assert made.shape == (len(frame), 1)
        if kind == "str":
            assert made[:, 0].tolist() == expected.tolist()
        else:
            scale = 1e-5 * (np.std(expected) or 1.0)
            # Half a second may be rounded up or down.
            atol = max(scale, 1e6) if name == "opened" else scale
            np.testing.assert_allclose(
                made[:, 0].astype(float), expected.astype(float), atol=atol, err_msg=name
            )


@pytest.fixture(scope="module")
def fitted():
    return TableAutoencoder(3, kinds=KINDS, min_frequency=8, **QUICK).fit(WINES)


@pytest.fixture(scope="module")
def path(fitted, one_table_of_operators, tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "wines.onnx"
    export_onnx(fitted, path, methods=ALL)
    return path


@pytest.fixture(scope="module")
def session(path):
    return InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def types(session):
    return {each["name"]: each["type"] for each in columns_of(session)}


@pytest.fixture(scope="module")
def outputs(session):
    return run(session, as_inputs(session, WINES))


# -- files of an autoencoder -----------------------------------------------------------------


def test_codes_and_scores_are_those_of_the_estimator(fitted, outputs):
    for method in ("transform", "score_samples"):
        expected = getattr(fitted, method)(WINES)
        np.testing.assert_allclose(outputs[method], expected, rtol=1e-5, atol=1e-5)


def test_every_column_comes_out_as_the_estimator_reconstructs_it(fitted, outputs, types):
    assert_same_table(outputs, "reconstruct", fitted.reconstruct(WINES), types)


def test_imputing_fills_missing_values_and_leaves_others_to_the_bit(
    fitted, session, outputs, types
):
    assert_same_table(outputs, "impute", fitted.impute(WINES), types)
    inputs = as_inputs(session, WINES)
    for name in set(types) - {"notes"}:
        observed = WINES[name].notna().to_numpy()
        np.testing.assert_array_equal(outputs[f"impute/{name}"][observed], inputs[name][observed])


def test_rows_give_the_same_alone_as_among_others(session, outputs):
    inputs = as_inputs(session, WINES)
    for row in (0, 1, 2):
        alone = run(session, {name: values[row : row + 1] for name, values in inputs.items()})
        for name, values in alone.items():
            expected = outputs[name][row : row + 1]
            if values.dtype.kind == "f":
                np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-6)
            else:
                np.testing.assert_array_equal(values, expected)


def test_unseen_categories_count_as_missing_or_as_rare(fitted, session, types):
    changed = WINES[1:4].assign(cultivar="Nebbiolo", village="elsewhere", cellar=100)
    outputs = run(session, as_inputs(session, changed))
    with pytest.warns(UserWarning, match="fit did not see"):
        expected, imputed = fitted.transform(changed), fitted.impute(changed)
    np.testing.assert_allclose(outputs["transform"], expected, rtol=1e-5, atol=1e-5)
    # They are observed, and stay what they are.
    assert_same_table(outputs, "impute", imputed, types)
    assert set(outputs["impute/cultivar"].ravel()) == {"Nebbiolo"}


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", "nan"])
def test_missing_text_may_be_what_runtimes_make_of_missing_entries(session, outputs, missing):
    inputs = as_inputs(session, WINES)
    for name in ("cultivar", "village"):
        is_missing = inputs[name] == ""
        inputs[name][is_missing] = missing
    np.testing.assert_array_equal(run(session, inputs)["transform"], outputs["transform"])


def test_metadata_say_how_each_column_is_given(session):
    facts = {each["name"]: each for each in columns_of(session)}
    assert list(facts) == list(WINES.columns) == [each.name for each in session.get_inputs()]
    shown = [list(facts[name].values())[1:] for name in ("alcohol", "cultivar", "opened", "notes")]
    assert shown == [
        ["numeric", "float64", None, "NaN"],
        ["categorical", "str", None, ""],
        ["time", "int64", "microseconds since midnight", NO_MOMENT],
        ["empty", "float64", None, "NaN"],
    ]
    assert {each.shape[1] for each in session.get_inputs()} == {1}


def test_a_process_without_torch_runs_the_file(path, session, outputs, tmp_path):
    inputs = as_inputs(session, WINES)
    given = {name: values.tolist() for name, values in inputs.items()}
    (tmp_path / "wines.json").write_text(json.dumps(given))
    script = (
        "import json, sys, numpy, onnxruntime\n"
        "types = {'double': numpy.float64, 'int64': numpy.int64, 'string': object}\n"
        "given = json.load(open('wines.json'))\n"
        f"session = onnxruntime.InferenceSession({str(path)!r})\n"
        "inputs = {\n"
        "    each.name: numpy.array(given[each.name], dtype=types[each.type[7:-1]])\n"
        "    for each in session.get_inputs()\n"
        "}\n"
        "codes, villages = session.run(['transform', 'impute/village'], inputs)\n"
        "assert '' not in villages\n"
        "numpy.save('codes.npy', codes)\n"
        "assert not {'torch', 'sklearn', 'skae', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "codes.npy"), outputs["transform"])


# -- other estimators ------------------------------------------------------------------------


def test_a_variational_autoencoder_of_a_polars_frame_is_exported(tmp_path):
    frame = pl.from_pandas(wines()[["alcohol", "magnesium", "cultivar"]])
    fitted = TableAutoencoder(2, variational=True, numeric_scaling="quantile", **QUICK).fit(frame)
    session = session_of(fitted, tmp_path / "file", methods=["transform", "reconstruct"])
    outputs = run(session, as_inputs(session, frame.to_pandas()))
    np.testing.assert_allclose(outputs["transform"], fitted.transform(frame), rtol=1e-5, atol=1e-5)
    types = {each["name"]: each["type"] for each in columns_of(session)}
    assert_same_table(outputs, "reconstruct", fitted.reconstruct(frame).to_pandas(), types)


def test_encoded_rows_are_decoded_to_columns(tmp_path):
    frame = WINES[["magnesium", "village", "aged", "country"]]
    fitted = TableEncoder().fit(frame)
    session = session_of(fitted, tmp_path / "file", methods=["inverse_transform"])
    # In single precision, as codes are given.
    rows = (1.3 * fitted.transform(frame)).astype(np.float32)
    types = {each["name"]: each["type"] for each in columns_of(session)}
    decoded = fitted.inverse_transform(rows)
    assert_same_table(run(session, {"X": rows}), "inverse_transform", decoded, types)


@pytest.fixture(scope="module")
def pipeline():
    encoder = TableEncoder(kinds={"cellar": "categorical"})
    return make_pipeline(encoder, PCA(4), Autoencoder(2, **QUICK)).fit(RENAMED)


# Names that graphs have within them, and those of files.
RENAMED = WINES[["proline", "cultivar", "strong", "cellar"]].rename(
    columns={"proline": "skae_X", "cultivar": "Weingut / Größe 🍷", "strong": "before_variable"}
)


def test_a_pipeline_of_an_encoder_and_others_reads_columns(pipeline, tmp_path):
    session = session_of(pipeline, tmp_path / "file", methods=["transform"])
    made = run(session, as_inputs(session, RENAMED))["transform"]
    np.testing.assert_allclose(made, pipeline.transform(RENAMED), rtol=1e-5, atol=1e-5)


def test_the_codes_of_a_pipeline_are_decoded_to_columns(pipeline, tmp_path):
    session = session_of(pipeline, tmp_path / "file", methods=["inverse_transform"])
    codes = pipeline.transform(RENAMED).astype(np.float32)
    types = {each["name"]: each["type"] for each in columns_of(session)}
    decoded = pipeline.inverse_transform(codes)
    assert_same_table(run(session, {"X": codes}), "inverse_transform", decoded, types)


def test_only_the_first_step_of_a_pipeline_reads_frames(tmp_path):
    encoder = TableEncoder().set_output(transform="pandas")
    fitted = make_pipeline(encoder, TableAutoencoder(2, **QUICK)).fit(WINES[["alcohol", "proline"]])
    with pytest.raises(ValueError, match="inputs of a file only for the first step of a Pipeline"):
        export_onnx(fitted, tmp_path / "file", methods=["transform"])


def test_a_detector_of_frames_is_exported_with_its_p_values(tmp_path):
    detector = ReconstructionOutlierDetector(TableAutoencoder(2, **QUICK), random_state=0)
    frame = WINES[["alcohol", "strong", "village", "bottled"]]
    methods = ["score_samples", "predict", "p_values"]
    session = session_of(detector.fit(frame), tmp_path / "file", methods=methods)
    # Training rows, whose ranks depend on the last digits, and others.
    new = pd.concat([frame, frame.assign(alcohol=3 * frame["alcohol"])])
    outputs = run(session, as_inputs(session, new))
    for method in methods:
        expected = getattr(detector, method)(new)
        np.testing.assert_allclose(outputs[method], expected, rtol=1e-5, atol=1e-5)


def test_skl2onnx_converts_detectors_by_errors_of_frames():
    register_converters()
    frame = wines()[["alcohol", "strong", "village", "cellar"]]
    reducer = make_pipeline(TableEncoder(min_frequency=8), Autoencoder(2, **QUICK))
    detector = ReconstructionOutlierDetector(reducer, method="error", random_state=0).fit(frame)
    inputs = {name: frame[[name]].to_numpy() for name in frame}
    model = to_onnx(detector, frame).SerializeToString()
    labels, scores = InferenceSession(model).run(None, inputs)
    np.testing.assert_array_equal(labels, detector.predict(frame))
    np.testing.assert_allclose(scores, detector.decision_function(frame), rtol=1e-5, atol=1e-5)


def test_skl2onnx_converts_pipelines_that_begin_with_an_encoder():
    register_converters()
    frame = wines()[["alcohol", "strong", "village", "cellar"]]
    pipeline = make_pipeline(TableEncoder(), Autoencoder(2, **QUICK), LogisticRegression())
    pipeline.fit(frame, wines()["cultivar"])
    model = to_onnx(pipeline, frame, options={"zipmap": False}).SerializeToString()
    inputs = {name: frame[[name]].to_numpy() for name in frame}
    labels, probabilities = InferenceSession(model).run(None, inputs)
    np.testing.assert_array_equal(labels, pipeline.predict(frame))
    np.testing.assert_allclose(probabilities, pipeline.predict_proba(frame), atol=1e-5)


def test_an_array_of_numbers_is_one_input(tmp_path):
    X = wines()[["alcohol", "proline", "cellar"]].to_numpy(float)
    X[::5, 1] = X[::7, 2] = np.nan
    fitted = TableAutoencoder(2, kinds={2: "categorical"}, **QUICK).fit(X)
    session = session_of(fitted, tmp_path / "file", methods=["transform", "impute"])
    codes, imputed = session.run(None, {"X": X})
    np.testing.assert_allclose(codes, fitted.transform(X), atol=1e-5)
    np.testing.assert_allclose(imputed, fitted.impute(X), rtol=1e-5)


# -- modules, which take no second to be traced -----------------------------------------------


@pytest.mark.parametrize("scaling", ["robust", "standard", "quantile"])
def test_numbers_are_scaled_and_scaled_back_as_by_the_encoder(scaling):
    X = load_wine().data[:, :6]
    # Repeated values, whole ones, and quantiles of another number.
    X[:, 1], X[:, 2], X[::3, 3] = X[:, 1].round(), X[:, 2] > 2, np.nan
    # Large ones, the greatest and the smallest of which are repeated.
    X[:, 4] = 1e10 * X[:, 4].clip(85, 105).round()
    encoder = TableEncoder(numeric_scaling=scaling, missing_values="nan").fit(X)
    # Also beyond the values of fit.
    new = np.concatenate([X, 3 * X - X.mean(axis=0), X * [1, -1, 1, 1, 1, 1]])
    rows = encoder.transform(new)
    encode, decode = TableEncoding(encoder), TableDecoding(encoder)
    np.testing.assert_allclose(encode(torch.as_tensor(new)), rows, rtol=1e-8, atol=1e-8)
    rows = np.nan_to_num(1.1 * rows)
    table = decode(torch.as_tensor(rows))
    np.testing.assert_allclose(table, encoder.inverse_transform(rows), rtol=1e-8, atol=1e-8)


def test_decoded_numbers_have_the_precision_and_the_limits_of_their_columns():
    numbers = load_wine().data[:, :3]
    frame = pd.DataFrame(numbers, columns=["half", "single", "small"])
    frame = frame.astype({"half": "float16", "single": "float32", "small": "uint8"})
    encoder = TableEncoder().fit(frame)
    rows = 3 * encoder.transform(frame)
    made = TableDecoding(encoder)(torch.as_tensor(rows)).numpy()
    np.testing.assert_allclose(made, encoder.inverse_transform(rows).to_numpy(float), rtol=1e-6)
    assert (made == made.astype("float16"))[:, 0].all()
    assert made[:, 2].min() == 0


def test_the_normal_distribution_is_exact_to_single_precision():
    normal, x = NormalDistribution(), torch.linspace(-5.1, 5.1, 2001, dtype=torch.float64)
    p = norm.cdf(x)
    np.testing.assert_allclose(normal.probability(x), p, rtol=1e-9)
    np.testing.assert_allclose(normal.quantile(torch.as_tensor(p)), x, atol=1e-9)


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        ({"a": ["x", "y", "x"]}, {"handle_unknown": "error"}, "handle_unknown='error' cannot be"),
        ({"a": ["x", 1, "x"]}, {}, "column 'a' has categories of type int, str: expected"),
        ({"a": [2**60, 2, 3]}, {"kinds": {"a": "categorical"}}, r"only numbers of at most 2\*\*53"),
        ({"": [1, 2, 3]}, {}, "names of columns must differ as text, and not be empty"),
        ({"transform": [1, 2, 3]}, {}, r"columns \['transform'\] have the names of outputs"),
    ],
)
def test_columns_that_no_file_can_hold_are_refused(frame, options, message, tmp_path):
    fitted = TableEncoder(**options).fit(pd.DataFrame(frame))
    with pytest.raises(ValueError, match=message):
        export_onnx(fitted, tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_an_encoder_that_refuses_unseen_categories_is_exported_once_it_does_not(tmp_path):
    frame = pd.DataFrame({"a": ["x", "y", "x"]})
    fitted = TableEncoder(handle_unknown="error").fit(frame).set_params(handle_unknown="missing")
    session = session_of(fitted, tmp_path / "file")
    made = session.run(None, {"a": np.array([["z"], ["x"]], dtype=object)})[0]
    np.testing.assert_allclose(made[0], 0)
    np.testing.assert_allclose(made[1:], fitted.transform(frame[:1]), rtol=1e-6)


@pytest.mark.parametrize(
    ("initial_types", "message"),
    [
        ([("X", FloatTensorType([None, 2]))], r"reads the inputs \['a', 'b'\].* got \['X'\]"),
        (
            [("a", StringTensorType([None, 1])), ("b", StringTensorType([None, 1]))],
            "column 'a' must be numbers; dates and times are microseconds, got StringTensorType",
        ),
    ],
)
def test_skl2onnx_is_told_which_inputs_are_missing_or_of_another_type(initial_types, message):
    register_converters()
    fitted = TableEncoder().fit(pd.DataFrame({"a": [1.0, 2, 4], "b": ["x", "y", "x"]}))
    with pytest.raises(ValueError, match=message):
        to_onnx(fitted, initial_types=initial_types)
