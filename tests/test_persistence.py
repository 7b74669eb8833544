"""Saved estimators predict the same bits, and files from strangers run no code."""

import json
import os
import pickle
import subprocess
import sys
from functools import partial

import joblib
import numpy as np
import pytest
import sklearn
import torch
from forgery import edit, replace_text
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from skorch.callbacks import LRScheduler

import skae
from skae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    HybridAutoencoder,
    ReconstructionOutlierDetector,
    SequencePredictor,
    SeriesOutlierDetector,
    VariationalAutoencoder,
)
from skae.architectures import Conv, Custom, Dense
from skae.metrics import reconstruction_scorer

QUICK = {"architecture": Dense((8,)), "max_iter": 1, "random_state": 0}
QUICK_CONV = {"architecture": Conv((4,)), "image_shape": (8, 8), "max_iter": 1, "random_state": 0}
LOSS = torch.nn.functional.smooth_l1_loss


def small(**parameters):
    return Autoencoder(2, **{**QUICK, **parameters})


ESTIMATORS = {
    "dense": small(),
    "conv": Autoencoder(2, noise="masking", **QUICK_CONV),
    "functions of torch": small(loss=LOSS, optimizer=torch.optim.SGD, device=torch.device("cpu")),
    "variational": VariationalAutoencoder(2, **QUICK),
    "classifier": AutoencoderClassifier(2, **QUICK),
    "regressor": AutoencoderRegressor(2, **QUICK),
    # Two rows out of a larger matrix: what is contiguous in the file was not in memory.
    "hybrid": HybridAutoencoder(2, **QUICK),
    "hybrid, distilled": HybridAutoencoder(
        reducer=make_pipeline(StandardScaler(), PCA(3)), distill=True, **QUICK
    ),
    "sequence": SequencePredictor(2, frame_shape=(8,), hidden_size=4, **QUICK),
    "sequence of images": SequencePredictor(
        2, frame_shape=(4, 4), cell="gru", architecture="conv", hidden_size=4, max_iter=1
    ),
    "outliers": ReconstructionOutlierDetector(random_state=np.random.RandomState(0)),
    "outliers by errors": ReconstructionOutlierDetector(small(), method="error"),
    "outliers in series": SeriesOutlierDetector(window=5),
    "outliers in series by neighbors": SeriesOutlierDetector(PCA(2), window=5),
    "pipeline": make_pipeline(FunctionTransformer(np.log1p), small(), SVC()),
    "neighbours": make_pipeline(small(), KNeighborsClassifier()),
    "columns": make_pipeline(
        ColumnTransformer(
            [("code", small(), slice(0, 60)), ("kind", OneHotEncoder(), [60, 61])],
            remainder="passthrough",
        ),
        SGDClassifier(random_state=0),
    ),
    "search": GridSearchCV(
        make_pipeline(small(), LogisticRegression()),
        {"autoencoder__architecture": [Dense((4,)), Dense(())]},
        cv=KFold(2),
    ),
    "search by reconstruction": GridSearchCV(
        small(), {"n_components": [1, 2]}, cv=2, scoring=reconstruction_scorer
    ),
}
METHODS = ["predict", "predict_proba", "transform", "reconstruct", "score_samples"]


@pytest.fixture(scope="module")
def rows(digits):
    return digits[:200]


@pytest.fixture(scope="module")
def labels():
    return np.arange(200) % 3


@pytest.fixture(scope="module")
def fitted(rows):
    return small().fit(rows)


@pytest.fixture
def saved(fitted, tmp_path):
    skae.save(fitted, tmp_path / "estimator")
    return tmp_path / "estimator"


def predictions(estimator, rows):
    given = [method for method in METHODS if hasattr(estimator, method)]
    return {method: getattr(estimator, method)(rows) for method in given}


# -- what comes back -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ESTIMATORS)
def test_predictions_are_the_same_bits(name, rows, labels, tmp_path):
    fitted = ESTIMATORS[name].fit(rows, labels)
    skae.save(fitted, tmp_path / "file")
    before, after = predictions(fitted, rows), predictions(skae.load(tmp_path / "file"), rows)
    assert before
    for method, expected in before.items():
        np.testing.assert_array_equal(after[method], expected, err_msg=method)


def test_another_process_gives_the_same_bits(fitted, saved, rows, tmp_path):
    joblib.dump((fitted, rows), tmp_path / "joblib")
    script = (
        "import sys, joblib, skae; folder = sys.argv[1]; "
        "estimator, rows = joblib.load(f'{folder}/joblib'); "
        "codes = [each.transform(rows) for each in (estimator, skae.load(f'{folder}/estimator'))]; "
        "joblib.dump(codes, f'{folder}/codes')"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    for codes in joblib.load(tmp_path / "codes"):
        np.testing.assert_array_equal(codes, fitted.transform(rows))


def test_a_loaded_estimator_has_all_attributes_and_trains_on(fitted, saved, rows):
    loaded = skae.load(saved)
    assert loaded.history_ == fitted.history_
    assert loaded.get_params()["architecture"].hidden_layer_sizes == (8,)
    assert loaded.partial_fit(rows).n_iter_ == 2


def test_an_unfitted_estimator_is_saved(tmp_path):
    skae.save(Autoencoder(5), tmp_path / "file")
    assert repr(skae.load(tmp_path / "file")) == "Autoencoder(n_components=5)"


def test_what_is_there_twice_is_saved_once(fitted, rows, tmp_path):
    hybrid = HybridAutoencoder(reducer=FrozenEstimator(fitted), **QUICK).fit(rows)
    skae.save(hybrid, tmp_path / "file")
    loaded = skae.load(tmp_path / "file")
    assert loaded.reducer_ is loaded.reducer


def test_names_of_columns_and_classes_come_back(tmp_path):
    X = pytest.importorskip("pandas").DataFrame(np.eye(6), columns=list("abcdef"))
    classifier = AutoencoderClassifier(2, **QUICK).fit(X, ["no", "yes"] * 3)
    skae.save(classifier, tmp_path / "file")
    loaded = skae.load(tmp_path / "file")
    np.testing.assert_array_equal(loaded.feature_names_in_, X.columns)
    assert set(loaded.predict(X)) <= {"no", "yes"}


def test_any_reader_of_safetensors_finds_the_weights(fitted, saved):
    from safetensors import safe_open

    with safe_open(saved, framework="numpy") as file:
        weights = file.get_tensor("Autoencoder.weights_.standardization.center")
        assert json.loads(file.metadata()["versions"])["torch"] == torch.__version__
    np.testing.assert_array_equal(weights, fitted.module_.standardization.center)


def test_a_file_holds_the_weights_once_and_no_data(fitted, saved):
    n_bytes = sum(weight.numel() * 4 for weight in fitted.module_.state_dict().values())
    assert saved.stat().st_size < n_bytes + 10_000


# -- what is refused at saving -------------------------------------------------------------


class OwnScaler(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.maximum_ = X.max()
        return self

    def transform(self, X):
        return X / self.maximum_


def build_encoder(input_shape, n_components):
    return torch.nn.Linear(*input_shape, n_components)


def build_decoder(n_components, output_shape):
    return torch.nn.Linear(n_components, *output_shape)


def test_what_cannot_be_saved_is_named_with_its_place(tmp_path):
    pipeline = make_pipeline(OwnScaler(), small(loss=lambda x, y: (x - y).mean()))
    with pytest.raises(ValueError) as refusal:
        skae.save(pipeline, tmp_path / "file")
    assert f"{__name__}.OwnScaler (Pipeline.steps[0][1])" in str(refusal.value)
    assert "<lambda> (Pipeline.steps[1][1].loss)" in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_an_estimator_that_holds_itself_is_refused(tmp_path):
    estimator = Autoencoder()
    estimator.set_params(loss=estimator)
    with pytest.raises(ValueError, match=r"Autoencoder\.loss holds itself"):
        skae.save(estimator, tmp_path / "file")


def test_a_class_is_no_estimator(tmp_path):
    with pytest.raises(TypeError, match="estimator must be an estimator, got <class"):
        skae.save(Autoencoder, tmp_path / "file")


def test_ones_own_classes_and_functions_are_saved_and_loaded_when_trusted(rows, tmp_path):
    custom = small(architecture=Custom(build_encoder, build_decoder))
    pipeline = make_pipeline(OwnScaler(), custom).fit(rows)
    trusted = [f"{__name__}.{name}" for name in ("OwnScaler", "build_encoder", "build_decoder")]
    skae.save(pipeline, tmp_path / "file", trusted=trusted)
    with pytest.raises(ValueError, match=rf"it holds {__name__}\.OwnScaler, .*build_decoder"):
        skae.load(tmp_path / "file")
    loaded = skae.load(tmp_path / "file", trusted=trusted)
    np.testing.assert_array_equal(loaded.transform(rows), pipeline.transform(rows))


class OwnAutoencoder(Autoencoder):
    pass


def test_ones_own_subclass_has_defaults_of_parameters_that_its_file_does_not_know(rows, tmp_path):
    fitted = OwnAutoencoder(2, max_iter=2, random_state=0).fit(rows)
    # As of a file from before this parameter.
    del fitted.compile
    trusted = [f"{__name__}.OwnAutoencoder"]
    skae.save(fitted, tmp_path / "file", trusted=trusted)
    loaded = skae.load(tmp_path / "file", trusted=trusted)
    assert loaded.compile is False
    loaded.partial_fit(rows)


def test_a_decision_tree_has_to_be_trusted(rows, labels, tmp_path):
    pipeline = make_pipeline(small(), DecisionTreeClassifier(random_state=0)).fit(rows, labels)
    tree = "sklearn.tree._tree.Tree"
    with pytest.raises(ValueError, match=tree):
        skae.save(pipeline, tmp_path / "file")
    skae.save(pipeline, tmp_path / "file", trusted=[tree])
    with pytest.raises(ValueError, match=tree):
        skae.load(tmp_path / "file")
    loaded = skae.load(tmp_path / "file", trusted=[tree])
    np.testing.assert_array_equal(loaded.predict_proba(rows), pipeline.predict_proba(rows))


# -- what is refused at loading ------------------------------------------------------------


def mutations(data):
    """Yield 200 files that differ from this one by some bytes, most often by one bit."""
    generator = np.random.default_rng(0)
    for n_bytes in generator.integers(0, len(data), 60):
        yield data[:n_bytes]
    for place in generator.integers(0, len(data), 80):
        yield data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
    for _ in range(40):
        a, b, c = sorted(generator.integers(0, len(data), 3))
        yield data[:a] + data[b:c] + data[a:b] + data[c:]
    for n_bytes in generator.integers(0, len(data), 20):
        yield generator.bytes(n_bytes)


def test_damaged_files_are_refused(saved):
    data = saved.read_bytes()
    for mutation in mutations(data):
        saved.write_bytes(mutation)
        if mutation != data:
            with pytest.raises(ValueError, match=r"(is damaged|is not a file that skae\.save)"):
                skae.load(saved)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", pickle.dumps(PCA()), b"\xff" * 99])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"file is not a file that skae\.save wrote"):
        skae.load(path)


def test_a_folder_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ValueError, match="is not a regular file"):
            skae.load(path)


@pytest.mark.parametrize("path", [3, b"model.safetensors", None])
def test_what_is_no_path_is_refused_by_name(fitted, path):
    for call in (partial(skae.save, fitted), skae.load):
        with pytest.raises(TypeError, match=f"path must be a str .*, got {type(path).__name__}"):
            call(path)


def test_a_missing_file_raises_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        skae.load(tmp_path / "file")


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "subprocess.Popen",
        "stranger.Thing",
        "sklearn.conftest.pyplot",
        # Each opens a door when its state is set: torch.load, and a socket.
        "skae._engine.training.Net",
        "sklearn.callback._scoring_monitor.ScoringMonitor",
        "sklearn.base.clone",
        "sklearn..base",
        "../stranger",
        "",
    ],
)
def test_a_strangers_class_is_neither_imported_nor_built(name, saved, tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text("raise SystemExit('a stranger was here')")
    monkeypatch.syspath_prepend(tmp_path)
    replace_text(saved, "skae.Autoencoder", name)
    with pytest.raises(ValueError, match=f"it holds {name}, which"):
        skae.load(saved)
    edit(saved, lambda manifest, *_: manifest.update(classes=[], values=[name]))
    with pytest.raises(ValueError, match=f"it holds {name}, which"):
        skae.load(saved)


def deep():
    node = []
    for _ in range(900):
        node = [node]
    return node


FORGERIES = {
    "a reference to nothing": {"ref": 9},
    "an unknown form": {"call": ["print", 1]},
    "two forms": {"array": "x", "dict": []},
    "an unknown array": {"array": "x"},
    "a nest": deep(),
    "pointers": {"bytes": ["manifest", "O", [1]]},
    "no estimator": [],
    "a compiled type": {"object": [0, {"dict": [[], []]}]},
    "a generator beyond its end": {
        "built": [
            1,
            {
                "dict": [
                    ["bit_generator", "state"],
                    ["MT19937", {"dict": [["pos"], [10**9]]}],
                ]
            },
        ]
    },
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_manifest_is_refused(name, saved):
    classes = ["builtins.tuple", "numpy.random.RandomState"]
    edit(saved, lambda manifest, *_: manifest.update(classes=classes, root=FORGERIES[name]))
    with pytest.raises(ValueError, match="cannot be loaded"):
        skae.load(saved)


def test_a_network_larger_than_its_weights_is_not_built(saved):
    # Three such layers would take 40 terabytes.
    replace_text(saved, "[8]", "[10000000, 1000000, 1000000]")
    with pytest.raises(ValueError, match=r"(size mismatch|Missing key)"):
        skae.load(saved)


def test_more_values_than_the_file_has_room_for_are_refused(saved):
    edit(saved, lambda manifest, *_: manifest.update(root=[[]] * 200_000))
    with pytest.raises(ValueError, match="more values than a file of its size can"):
        skae.load(saved)


# -- versions ------------------------------------------------------------------------------


def test_a_newer_format_says_so(saved):
    edit(saved, lambda manifest, tensors, about: about.update(format="2"))
    with pytest.raises(ValueError, match=r"it has format 2, and this skae reads format 1\. .* by"):
        skae.load(saved)


def test_another_version_of_scikit_learn_warns(rows, tmp_path):
    hybrid = HybridAutoencoder(2, **QUICK).fit(rows)
    skae.save(hybrid, tmp_path / "file")
    replace_text(tmp_path / "file", f'"{sklearn.__version__}"', '"1.0.0"')
    with pytest.warns(InconsistentVersionWarning, match=r"PCA from version 1\.0\.0"):
        loaded = skae.load(tmp_path / "file")
    np.testing.assert_array_equal(loaded.transform(rows), hybrid.transform(rows))


# -- writing -------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_file(fitted, saved):
    old = saved.read_bytes()
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            skae.save(fitted, saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert saved.read_bytes() == old
    assert list(saved.parent.iterdir()) == [saved]


def test_a_file_takes_its_place_only_when_all_of_it_is_on_the_disk(fitted, saved, monkeypatch):
    old = saved.read_bytes()
    seen = []

    def fsync(descriptor):
        seen.append((saved.read_bytes() == old, os.fstat(descriptor).st_size))

    monkeypatch.setattr(os, "fsync", fsync)
    skae.save(fitted, saved)
    assert seen == [(True, saved.stat().st_size)]


def test_a_link_stays_a_link(fitted, saved, tmp_path):
    (tmp_path / "link").symlink_to(saved)
    skae.save(small(), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert not hasattr(skae.load(saved), "module_")


# -- pickle --------------------------------------------------------------------------------


def test_a_pickle_holds_no_optimizer_by_way_of_a_callback(rows):
    plain = small().fit(rows)
    scheduled = small(callbacks=[("scheduler", LRScheduler())]).fit(rows)
    assert len(pickle.dumps(scheduled)) < len(pickle.dumps(plain)) + 1000
    pickle.loads(pickle.dumps(scheduled)).partial_fit(rows)
    assert hasattr(scheduled.callbacks[0][1], "lr_scheduler_")


@pytest.mark.parametrize("parameters", [{"hidden_size": 3}, {"cell": "gru"}, {"n_components": 9}])
def test_parameters_changed_after_the_fit_do_no_harm_to_a_pickle(parameters, rows):
    predictor = SequencePredictor(2, frame_shape=(8,), hidden_size=4, **QUICK).fit(rows)
    expected = predictor.predict(rows)
    copied = pickle.loads(pickle.dumps(predictor.set_params(**parameters)))
    np.testing.assert_array_equal(copied.predict(rows), expected)


def test_an_estimator_of_a_missing_device_predicts_where_it_is(fitted, rows):
    away = pickle.loads(pickle.dumps(fitted)).set_params(device="cuda:99")
    copied = pickle.loads(pickle.dumps(away))
    np.testing.assert_array_equal(copied.transform(rows), fitted.transform(rows))
    with pytest.raises(ValueError, match="device must be"):
        copied.partial_fit(rows)
