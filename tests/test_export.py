"""ONNX files give what the estimators give, in runtimes that know nothing of them."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from make_files import FOLDER, rows
from onnxruntime import InferenceSession
from public import PUBLIC
from skl2onnx import to_onnx
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA, KernelPCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import Isomap
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from small import (
    DENOISERS,
    FOR_IMAGES,
    NETWORKS,
    QUICK,
    images,
    wine,
)

import skae
from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Denoiser,
    HybridAutoencoder,
    ParametricUMAP,
    ReconstructionOutlierDetector,
    SequenceAutoencoder,
    SequencePredictor,
    SeriesForecaster,
    SeriesOutlierDetector,
    TableAutoencoder,
    TableEncoder,
    Windows,
    export_onnx,
)
from skae.architectures import SEQUENCE_ARCHITECTURES, Custom
from skae.export import register_converters
from skae.export._detector import DetectorMethods
from skae.export._modules import METHODS, inner_reducer
from skae.export._onnx import DEFAULT_METHODS
from skae.models.sequence import CELLS

X, Y = wine()
IMAGES, IS_LARGE = images()
ROWS = X.astype(np.float32)
NAMES = np.array(["Barolo", "Grignolino", "Barbera"])[Y]
SEQUENCES = np.sin(np.arange(200, dtype=np.float32) ** 1.1).reshape(10, 10, 2)
# What is different in each family: an export takes a second for each method.
FAMILIES = {
    **NETWORKS,
    **DENOISERS,
    "detector": ReconstructionOutlierDetector(random_state=0),
    "detector by errors": ReconstructionOutlierDetector(
        # Errors must not be zero up to rounding, and codes neither.
        make_pipeline(RobustScaler(), PCA(3, whiten=True), Autoencoder(2, **QUICK)),
        method="error",
        contamination=0.2,
        random_state=0,
    ),
}
OF_ROWS = {
    "Autoencoder": None,
    "VariationalAutoencoder": ["score_samples"],
    "HybridAutoencoder": None,
    "AutoencoderClassifier": ["predict", "predict_proba"],
    "AutoencoderRegressor": ["predict"],
    "Denoiser": None,
    "SequenceAutoencoder": ["reconstruct"],
    "detector": None,
    "detector by errors": ["score_samples"],
}
# They have tests of their own.
OTHERS = {
    ParametricUMAP,
    SequencePredictor,
    # In test_export_series.py.
    SeriesForecaster,
    SeriesOutlierDetector,
    Windows,
    # In test_export_tables.py.
    TableAutoencoder,
    TableEncoder,
}


pytestmark = pytest.mark.usefixtures("one_table_of_operators")


def session_of(estimator, tmp_path, **options):
    path = tmp_path / "model.onnx"
    export_onnx(estimator, path, **options)
    return InferenceSession(path, providers=["CPUExecutionProvider"])


def assert_modules_same(estimator, X):
    """Compare the methods that read samples with their modules."""
    for name in DEFAULT_METHODS:
        if hasattr(estimator, name):
            with torch.no_grad():
                made = METHODS[name](estimator)(torch.as_tensor(X)).numpy()
            expected = np.asarray(getattr(estimator, name)(X))
            if made.dtype.kind != "f":  # positions of classes
                made = estimator.classes_[made]
            np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5, err_msg=name)


def assert_same(session, estimator, X):
    outputs = [output.name for output in session.get_outputs()]
    assert outputs
    for name, made in zip(outputs, session.run(None, {"X": X}), strict=True):
        expected = np.asarray(getattr(estimator, name)(X))
        assert made.shape == expected.shape
        if made.dtype.kind == "f":
            np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("name", OF_ROWS)
def test_a_file_computes_what_each_method_does(name, tmp_path):
    fitted = clone(FAMILIES[name]).fit(X, NAMES if "Classifier" in name else Y)
    assert_same(session_of(fitted, tmp_path, methods=OF_ROWS[name]), fitted, ROWS[:7])


def test_a_parametric_map_is_exported(tmp_path):
    # From a stored file: fitting one imports umap, which takes seconds.
    fitted = skae.load(FOLDER / "ParametricUMAP.safetensors")
    session = session_of(fitted, tmp_path, methods=["reconstruct"])
    assert_same(session, fitted, rows()[0].astype(np.float32))


def test_every_public_estimator_is_exported():
    public = {
        each
        for each in PUBLIC.values()
        if isinstance(each, type)
        and issubclass(each, BaseEstimator)
        and each.__module__.startswith("skae.estimators")
    }
    exported = {type(FAMILIES[name]) for name in OF_ROWS} | OTHERS
    assert exported == public


# The modules alone, which take no second to be traced. Those of rows are tested in files, above.
@pytest.mark.parametrize("name", FOR_IMAGES)
def test_modules_of_images_compute_what_each_method_does(name):
    fitted = clone(FOR_IMAGES[name]).fit(IMAGES, IS_LARGE)
    if inner_reducer(fitted) is None:
        assert_modules_same(fitted, IMAGES[:7].astype(np.float32))


@pytest.mark.parametrize(
    "estimator",
    [
        *(SequencePredictor(2, hidden_size=4, cell=cell, **QUICK) for cell in CELLS),
        *(
            SequenceAutoencoder(2, **{**QUICK, "architecture": name})
            for name in SEQUENCE_ARCHITECTURES
        ),
    ],
    ids=str,
)
def test_modules_of_sequences_compute_what_each_method_does(estimator):
    assert_modules_same(clone(estimator).fit(SEQUENCES), SEQUENCES[:3])


DETECTORS = {
    "weighted": (ReconstructionOutlierDetector(random_state=0), X),
    "few neighbors": (ReconstructionOutlierDetector(n_neighbors=3, random_state=0), X),
    "few rows": (ReconstructionOutlierDetector(random_state=0), X[:4]),
    "any reducer": (
        ReconstructionOutlierDetector(KernelPCA(2, fit_inverse_transform=True), random_state=0),
        X,
    ),
    "errors of few components": (
        ReconstructionOutlierDetector(
            FrozenEstimator(make_pipeline(StandardScaler(), TruncatedSVD(2)).fit(X)),
            method="error",
            random_state=0,
        ),
        X,
    ),
    "errors of a hybrid": (
        ReconstructionOutlierDetector(
            HybridAutoencoder(2, **QUICK), method="error", random_state=0
        ),
        X,
    ),
    "errors of frames": (
        ReconstructionOutlierDetector(
            SequencePredictor(2, hidden_size=4, **QUICK), method="error", random_state=0
        ),
        SEQUENCES,
    ),
    "images": (ReconstructionOutlierDetector(FOR_IMAGES["distilled"], random_state=0), IMAGES),
    "errors of images": (
        ReconstructionOutlierDetector(
            FOR_IMAGES["HybridAutoencoder"], method="error", random_state=0
        ),
        IMAGES,
    ),
}


@pytest.mark.parametrize("name", DETECTORS)
def test_modules_of_detectors_compute_what_each_method_does(name):
    detector, given = DETECTORS[name]
    weights = np.linspace(0.5, 2, len(given)) if name == "weighted" else None
    detector = clone(detector).fit(given, sample_weight=weights)
    near = given[:9].astype(np.float32)
    # Training rows, and others from near to very far.
    samples = np.concatenate([near, 1.5 * near, 100 * near])
    methods = ["score_samples", "decision_function", "predict", "p_values"]
    with torch.no_grad():
        made = DetectorMethods(detector, methods)(torch.as_tensor(samples))
    for method, values in zip(methods, made, strict=True):
        expected = getattr(detector, method)(samples)
        # In single precision the errors of held-out rows are not their own any more.
        compared = slice(len(near) if "errors" in name and method == "p_values" else 0, None)
        np.testing.assert_allclose(
            values.numpy()[compared], expected[compared], rtol=1e-5, atol=1e-5, err_msg=method
        )


def test_a_threshold_at_the_score_of_a_row_calls_this_row_normal():
    detector = ReconstructionOutlierDetector(random_state=0).fit(ROWS)
    for row in ROWS:
        # A threshold is the score of a training row, unless it lies between two of them.
        detector.offset_ = float(detector.score_samples(row[None])[0])
        (label,) = DetectorMethods(detector, ["predict"])(torch.as_tensor(row[None]))
        assert label.item() == 1


def test_rows_that_repeat_training_rows_are_normal_and_have_no_distance():
    groups = np.sqrt(IMAGES[:5].reshape(5, -1)).astype(np.float32)
    # Reconstructions without an error, and more of each than a tenth of all.
    detector = ReconstructionOutlierDetector(MinMaxScaler(), random_state=0)
    detector.fit(np.tile(groups.astype(np.float64), (20, 1)))
    rows = torch.as_tensor(groups)
    scores, labels = DetectorMethods(detector, ["score_samples", "predict"])(rows)
    assert abs(detector.offset_) < 1e-30
    assert (scores == 0).all()
    assert (labels == 1).all()


def test_a_detector_of_rows_with_missing_values_is_exported(tmp_path):
    # The default one, whose reducer gets means in their place.
    incomplete = ROWS[:5].copy()
    incomplete[0, 1] = incomplete[2] = np.nan
    for method in ("neighbors", "error"):
        detector = ReconstructionOutlierDetector(method=method, random_state=0).fit(X)
        scores, *_ = DetectorMethods(detector, ["score_samples"])(torch.as_tensor(incomplete))
        np.testing.assert_allclose(scores, detector.score_samples(incomplete), atol=1e-5)


@pytest.mark.parametrize("method", ["neighbors", "error"])
@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_infinite_values_are_outliers_for_a_file_that_cannot_raise(method, infinity):
    detector = ReconstructionOutlierDetector(method=method, random_state=0).fit(X)
    rows = ROWS[:3].copy()
    rows[1, 2] = infinity
    found = DetectorMethods(detector, ["score_samples", "predict", "p_values"])
    scores, labels, p_values = (each.numpy() for each in found(torch.as_tensor(rows)))
    assert scores[1] == -np.inf
    assert labels[1] == -1
    assert p_values[1] == pytest.approx(detector._p_values_of_ranks()[0])
    # Errors of the trimmed PCA are zero up to rounding.
    np.testing.assert_allclose(
        scores[::2], detector.score_samples(ROWS[:3:2]), rtol=1e-5, atol=1e-9
    )


@pytest.mark.parametrize("name", ["HybridAutoencoder", "UNet"])
def test_images_go_in_and_come_out_in_their_layout(name, tmp_path):
    fitted = clone(FOR_IMAGES[name]).fit(IMAGES, IS_LARGE)
    assert_same(session_of(fitted, tmp_path), fitted, IMAGES[:7].astype(np.float32))


def test_ordered_components_are_exported(tmp_path):
    fitted = Autoencoder(2, ordered=True, **QUICK).fit(X)
    assert_same(session_of(fitted, tmp_path, methods=["reconstruct"]), fitted, ROWS)


def test_sequences_of_any_length_are_continued(tmp_path):
    fitted = SequencePredictor(2, hidden_size=4, n_steps=2, **QUICK).fit(SEQUENCES)
    # Twice: in a later export of a process, torch would take recurrences apart.
    for method in ("score_samples", "forecast"):
        session = session_of(fitted, tmp_path, methods=[method])
        for n_timesteps in (2, 10):
            assert_same(session, fitted, SEQUENCES[:3, :n_timesteps])


def test_missing_values_are_masked_as_they_are_by_the_estimator(tmp_path):
    fitted = Autoencoder(2, missing_values="mask", **QUICK).fit(X)
    incomplete = ROWS[:5].copy()
    incomplete[0, 1] = incomplete[2] = np.nan
    session = session_of(fitted, tmp_path, methods=["score_samples"])
    assert_same(session, fitted, incomplete)


def test_codes_are_decoded_by_a_file_of_their_own(tmp_path):
    # Without the reducer, which made the codes.
    fitted = clone(NETWORKS["HybridAutoencoder"]).fit(X)
    codes = fitted.transform(ROWS)
    session = session_of(fitted, tmp_path, methods=["inverse_transform"])
    assert_same(session, fitted, codes)
    with pytest.raises(ValueError, match="whose input is codes"):
        export_onnx(fitted, tmp_path / "both", methods=["transform", "inverse_transform"])


def test_a_pipeline_is_exported_with_all_its_steps(tmp_path):
    steps = StandardScaler(), Denoiser(**QUICK), Autoencoder(2, **QUICK)
    fitted = make_pipeline(*steps).fit(10 + 3 * X)
    session = session_of(fitted, tmp_path, methods=["transform"])
    assert_same(session, fitted, 10 + 3 * ROWS)


def test_a_search_is_exported_as_its_best_estimator(tmp_path):
    search = GridSearchCV(Autoencoder(2, **QUICK), {"n_components": [1, 2]}, cv=2).fit(X)
    assert_same(session_of(search, tmp_path, methods=["transform"]), search, ROWS)


def test_skl2onnx_converts_pipelines_of_detectors():
    register_converters()
    detector = ReconstructionOutlierDetector(n_neighbors=2, random_state=0)
    fitted = make_pipeline(StandardScaler(), detector).fit(X)
    model = to_onnx(fitted, X[:1])
    new = np.concatenate([X, 3 * X])
    labels, scores = InferenceSession(model.SerializeToString()).run(None, {"X": new})
    np.testing.assert_array_equal(labels, fitted.predict(new))
    np.testing.assert_allclose(scores, fitted.decision_function(new), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("pipeline", "dtype"),
    [
        (make_pipeline(StandardScaler(), Autoencoder(2, **QUICK), LogisticRegression()), "float64"),
        (make_pipeline(StandardScaler(), AutoencoderClassifier(2, **QUICK)), "float32"),
    ],
    ids=["before a classifier", "as a classifier"],
)
def test_skl2onnx_converts_pipelines_of_classifiers(pipeline, dtype):
    register_converters()
    rows = X.astype(dtype)
    fitted = clone(pipeline).fit(rows, NAMES)
    model = to_onnx(fitted, rows[:1], options={"zipmap": False})
    labels, probabilities = InferenceSession(model.SerializeToString()).run(None, {"X": rows})
    np.testing.assert_array_equal(labels, fitted.predict(rows))
    np.testing.assert_allclose(probabilities, fitted.predict_proba(rows), atol=1e-5)


def test_skl2onnx_converts_regressors_and_what_stands_before_other_steps():
    register_converters()
    regressor = make_pipeline(StandardScaler(), AutoencoderRegressor(2, **QUICK)).fit(X, X[:, :2])
    transformer = make_pipeline(Denoiser(**QUICK), PCA(2)).fit(X)
    for fitted, expected in (
        (regressor, regressor.predict(ROWS)),
        (transformer, transformer.transform(ROWS)),
    ):
        model = to_onnx(fitted, ROWS[:1])
        (made,) = InferenceSession(model.SerializeToString()).run(None, {"X": ROWS})
        np.testing.assert_allclose(made, expected, atol=1e-5)


def test_a_process_without_torch_runs_the_file(tmp_path):
    fitted = Autoencoder(2, **QUICK).fit(X)
    export_onnx(fitted, tmp_path / "model.onnx", methods=["transform"])
    np.save(tmp_path / "rows.npy", ROWS)
    script = (
        "import sys, numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession('model.onnx')\n"
        "codes, *_ = session.run(['transform'], {'X': numpy.load('rows.npy')})\n"
        "numpy.save('codes.npy', codes)\n"
        "assert not {'torch', 'sklearn', 'skae'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "codes.npy"), fitted.transform(ROWS), atol=1e-5)


def test_metadata_say_what_the_file_holds(tmp_path):
    fitted = AutoencoderClassifier(2, **QUICK).fit(X, NAMES)
    session = session_of(fitted, tmp_path, methods=["predict"], opset=18)
    metadata = session.get_modelmeta()
    facts = {key: json.loads(value) for key, value in metadata.custom_metadata_map.items()}
    assert metadata.producer_name == "skae"
    assert facts["estimator"] == "AutoencoderClassifier"
    assert facts["classes"] == sorted(set(NAMES))
    assert facts["parameters"]["n_components"] == "2"


class Untraceable(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x) if float(x.sum()) > 0 else -x[:, :2]


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (Autoencoder(2, **QUICK), {"methods": ["predict"]}, r"methods must be among \['transform'"),
        (Autoencoder(2, **QUICK), {"methods": []}, r"methods must be among \['transform'"),
        (Autoencoder(2, **QUICK), {"opset": 3}, r"opset must be an integer in \[18, "),
        (Autoencoder(2, **QUICK), {"opset": "new"}, "opset must be an integer in .*, got 'new'"),
        (Autoencoder(2, **QUICK), {"methods": ["transform"] * 2}, "methods .*, each once"),
        (Autoencoder(2, refine_steps=1, **QUICK), {}, "refine_steps=1 .* is not exported"),
        (PCA(2), {}, "PCA has no network of its own"),
        (
            ReconstructionOutlierDetector(method="error", random_state=0),
            {"methods": ["feature_scores"]},
            r"methods must be among \['score_samples', 'decision_function', 'predict', 'p_val",
        ),
        (
            ReconstructionOutlierDetector(
                KernelPCA(2, fit_inverse_transform=True), method="error", random_state=0
            ),
            {},
            r"KernelPCA.* cannot be exported within a detector .*='neighbors' is exported",
        ),
        (
            ReconstructionOutlierDetector(
                make_pipeline(MinMaxScaler(clip=True), PCA(2)), method="error", random_state=0
            ),
            {},
            "MinMaxScaler.* without clipping",
        ),
        (
            ReconstructionOutlierDetector(
                Autoencoder(2, refine_steps=1, **QUICK), method="error", random_state=0
            ),
            {},
            "refine_steps=1 .* is not exported",
        ),
        (
            HybridAutoencoder(reducer=KernelPCA(2), **QUICK),
            {"methods": ["score_samples"]},
            "methods must be among",
        ),
        (
            make_pipeline(KernelPCA(3, fit_inverse_transform=True), Autoencoder(2, **QUICK)),
            {"methods": ["inverse_transform"]},
            "KernelPCA.* cannot be exported .* for the inverse_transform of a Pipeline",
        ),
        (
            Autoencoder(
                2,
                architecture=Custom(
                    lambda shape, k: Untraceable(5, k), lambda k, shape: torch.nn.Linear(k, 5)
                ),
                max_iter=1,
                random_state=0,
            ),
            {},
            "cannot be exported by torch.onnx",
        ),
    ],
    ids=lambda value: value.__class__.__name__ if hasattr(value, "fit") else None,
)
def test_what_cannot_be_exported_is_refused_and_no_file_is_left(
    estimator, options, message, tmp_path
):
    fitted = clone(estimator).fit(X)
    with pytest.raises(ValueError, match=message):
        export_onnx(fitted, tmp_path / "file", **options)
    assert not (tmp_path / "file").exists()


def test_a_path_that_cannot_be_written_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr("skae.export._onnx.to_model", None)
    with pytest.raises(FileNotFoundError, match="Its folder does not exist"):
        export_onnx(Autoencoder(2), tmp_path / "none" / "file")
    with pytest.raises(IsADirectoryError):
        export_onnx(Autoencoder(2), tmp_path)


def test_a_reducer_of_codes_is_converted_by_skl2onnx(tmp_path):
    # Default ones, such as PCA, are computed without it; images become rows for both.
    fitted = clone(FOR_IMAGES["HybridAutoencoder"]).set_params(reducer=KernelPCA(2))
    session = session_of(fitted.fit(IMAGES), tmp_path)
    assert_same(session, fitted, IMAGES[:7].astype(np.float32))


def test_a_reducer_that_no_converter_knows_is_named(tmp_path):
    fitted = HybridAutoencoder(reducer=Isomap(n_components=2), **QUICK).fit(X)
    with pytest.raises(ValueError, match=r"cannot convert .*Isomap.*distill=True"):
        export_onnx(fitted, tmp_path / "file")


def test_what_is_not_fitted_is_not_exported(tmp_path):
    with pytest.raises(NotFittedError):
        export_onnx(Autoencoder(), tmp_path / "file")
