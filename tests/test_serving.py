"""The server of the guide answers over HTTP; MLflow keeps fitted estimators and gives them back."""

import asyncio
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from small import QUICK, wine

import skae
from skae import AutoencoderClassifier

ROOT = Path(skae.__file__).parents[1]
SERVER = ROOT / "docs" / "serving" / "server.py"
X, Y = wine()
NAMES = np.array(["Barolo", "Grignolino", "Barbera"])[Y]

pytestmark = pytest.mark.skipif(
    not SERVER.exists(), reason="skae is installed without its repository."
)


@pytest.fixture(scope="module")
def fitted():
    return AutoencoderClassifier(2, **QUICK).fit(X, NAMES)


@pytest.fixture(scope="module")
def address(fitted, tmp_path_factory):
    """The address of a server process, which has to end well when it is told to."""
    path = tmp_path_factory.mktemp("serving") / "model.safetensors"
    skae.save(fitted, path, for_inference=True)
    command = [sys.executable, "-m", "uvicorn", "server:app", "--app-dir", SERVER.parent]
    process = subprocess.Popen(
        # The system chooses a free port.
        [*command, "--port", "0", "--no-access-log"],
        env={**os.environ, "SKAE_MODEL": str(path), "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        # It says so when it takes requests; its output ends if it does not start.
        found = (
            re.search(r"running on (http://127\.0\.0\.1:\d+)", line) for line in process.stderr
        )
        running = next((each for each in found if each), None)
        assert running, "The server has not started."
        yield running[1]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0


def answer(address, method, rows):
    body = json.dumps({"rows": np.asarray(rows).tolist()}).encode()
    request = Request(f"{address}/{method}", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=60) as response:
        return json.load(response)["result"]


def test_the_server_says_what_it_has_loaded(address):
    with urlopen(f"{address}/health", timeout=60) as response:
        health = json.load(response)
    assert health["status"] == "ok"
    assert health["estimator"] == "AutoencoderClassifier"
    assert health["n_features"] == X.shape[1]
    assert {"transform", "predict_proba"} < set(health["methods"])


def test_requests_at_the_same_time_get_their_own_results(address, fitted):
    with ThreadPoolExecutor(8) as pool:
        parts = [X[i : i + 1 + i % 3] for i in range(30)]
        answers = list(pool.map(lambda rows: answer(address, "transform", rows), parts))
    for rows, codes in zip(parts, answers, strict=True):
        np.testing.assert_allclose(codes, fitted.transform(rows), atol=1e-5)
    assert answer(address, "predict", X) == fitted.predict(X).tolist()


@pytest.mark.parametrize(
    ("method", "rows", "status", "message"),
    [
        ("transform", X[:2, :3], 422, "X has 3 features, but AutoencoderClassifier is expecting 5"),
        ("transform", [[1.0, 2.0], [3.0]], 422, "rows must have the same length, got 1 to 2"),
        ("transform", [["a"] * 5], 422, "body.rows.0.0: Input should be a valid number"),
        ("transform", [], 422, "at least 1 item"),
        ("fit", X, 404, "method must be among"),
    ],
)
def test_what_cannot_be_computed_is_answered_with_the_reason(
    address, method, rows, status, message
):
    body = json.dumps({"rows": [list(row) for row in rows]}).encode()
    request = Request(f"{address}/{method}", body, {"Content-Type": "application/json"})
    with pytest.raises(HTTPError) as raised:
        urlopen(request, timeout=60)
    with raised.value as response:
        assert response.code == status
        assert message in response.read().decode()


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [("Content-Length", str(10**9), 413), ("Transfer-Encoding", "chunked", 411)],
)
def test_a_body_that_is_large_or_of_unknown_size_is_refused_before_it_is_sent(
    address, header, value, status
):
    connection = HTTPConnection(address.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/transform")
    connection.putheader(header, value)
    connection.endheaders()
    assert connection.getresponse().status == status
    connection.close()


def test_estimators_of_series_are_not_served_since_requests_would_be_one_series(
    server, tmp_path, monkeypatch
):
    path = tmp_path / "series.safetensors"
    skae.save(skae.Windows(8).fit(X), path)
    monkeypatch.setenv("SKAE_MODEL", str(path))
    with pytest.raises(TypeError, match="got a Windows of series"):
        asyncio.run(server.lifespan(server.app).__aenter__())


@pytest.fixture(scope="module")
def server():
    spec = importlib.util.spec_from_file_location("server", SERVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def computed(batcher, parts):
    """Give a batcher parts at the same time, and return their results or errors."""
    task = asyncio.create_task(batcher.run())
    try:
        waiting = [batcher.compute(part) for part in parts]
        return await asyncio.gather(*waiting, return_exceptions=True)
    finally:
        task.cancel()


def test_requests_that_wait_are_computed_as_one_batch(server):
    sizes = []

    def double(rows):
        sizes.append(len(rows))
        return 2 * rows

    parts = [np.full((n, 2), n) for n in (1, 3, 2)]
    results = asyncio.run(computed(server.Batcher(double), parts))
    for part, result in zip(parts, results, strict=True):
        np.testing.assert_array_equal(result, 2 * part)
    assert sizes == [6]


def test_an_error_reaches_only_the_request_that_has_caused_it(server, fitted):
    good, wide, missing = X[:2], np.ones((1, 6)), np.full((1, 5), np.nan)
    parts = [good, wide, missing, good]
    first, *errors, last = asyncio.run(computed(server.Batcher(fitted.transform), parts))
    assert all(isinstance(error, ValueError) for error in errors)
    for codes in (first, last):
        np.testing.assert_allclose(codes, fitted.transform(good), atol=1e-6)


def test_too_many_requests_are_refused(server):
    batcher = server.Batcher(np.negative)
    parts = [np.ones((1, 1))] * (server.MAX_WAITING_REQUESTS + 1)
    *results, error = asyncio.run(computed(batcher, parts))
    assert isinstance(error, asyncio.QueueFull)
    assert all(result == -1 for result in results)


@pytest.fixture
def recipes(tmp_path, monkeypatch):
    """The code about MLflow of the guide's page, block by block, and a store for it."""
    for name, value in {
        "MLFLOW_TRACKING_URI": (tmp_path / "runs").as_uri(),
        # Files, in place of a database or a server.
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "guide" / "serving.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    return [block for block in blocks if "mlflow" in block and ">>>" not in block]


def test_the_recipes_of_the_guide_bring_models_through_mlflow(recipes):
    names = {}
    for recipe in recipes:
        exec(compile(recipe, "serving.md", "exec"), names)
    detector, X_new = names["detector"], names["X_new"]
    expected = detector.predict(X_new)
    for loaded in ("by_flavor", "as_function", "from_file"):
        np.testing.assert_array_equal(names[loaded].predict(X_new), expected)
    assert "Model card" in names["mlflow"].artifacts.load_text(f"{names['uri']}/model_card.md")
