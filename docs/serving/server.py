"""A server of one file of `skae.save`: ``SKAE_MODEL=model.safetensors uvicorn server:app``.

Requests that come in while the model computes are computed together, as the next batch.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, NamedTuple

import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator, BaseModel, Field

import skae

# Larger requests would hold up the others. More of them than may wait are refused, so that memory
# is bounded.
MAX_REQUEST_ROWS, MAX_BATCH_ROWS, MAX_WAITING_REQUESTS = 1000, 4000, 1000
# A body is read as a whole before its rows can be counted.
MAX_REQUEST_BYTES = 2**23
# Their rows are steps of one series, which must not be computed with those of another request.
SERIES = (skae.SeriesOutlierDetector, skae.SeriesForecaster, skae.Windows)
METHODS = (
    "transform",
    "inverse_transform",
    "reconstruct",
    "predict",
    "predict_proba",
    "score_samples",
    "decision_function",
)


def check_lengths(rows: list[list[float]]) -> list[list[float]]:
    """Raise a ValueError unless all rows have the same length."""
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        raise ValueError(f"rows must have the same length, got {lengths[0]} to {lengths[-1]}")
    return rows


class Rows(BaseModel):
    """The body of a request: rows in the units of the data, or codes for `inverse_transform`."""

    rows: Annotated[
        list[list[float]],
        Field(min_length=1, max_length=MAX_REQUEST_ROWS),
        AfterValidator(check_lengths),
    ]


class Waiting(NamedTuple):
    """Rows, and the future of their result."""

    rows: np.ndarray
    result: asyncio.Future


class Batcher:
    """Applies a method of a model to the rows of all requests that wait, at once."""

    def __init__(self, method: Callable[[np.ndarray], Any]) -> None:
        self.method = method
        self.queue: asyncio.Queue[Waiting] = asyncio.Queue(MAX_WAITING_REQUESTS)

    async def compute(self, rows: np.ndarray) -> np.ndarray:
        """Return the result for some rows, whatever others they are computed with."""
        waiting = Waiting(rows, asyncio.get_running_loop().create_future())
        self.queue.put_nowait(waiting)
        return await waiting.result

    async def run(self) -> None:
        """Compute batches until it is cancelled."""
        while True:
            batch = [await self.queue.get()]
            while not self.queue.empty() and sum(len(each.rows) for each in batch) < MAX_BATCH_ROWS:
                batch.append(self.queue.get_nowait())
            await self._answer(batch)

    async def _answer(self, batch: list[Waiting]) -> None:
        # In a thread: the server takes requests meanwhile. Errors are results, so that the loop
        # continues after them.
        computed = asyncio.to_thread(self._apply, [each.rows for each in batch])
        (results,) = await asyncio.gather(computed, return_exceptions=True)
        if isinstance(results, BaseException) and len(batch) > 1:
            # One by one, so that an error reaches only the request that has caused it.
            for each in batch:
                await self._answer([each])
            return
        if isinstance(results, BaseException):
            results = [results]
        for each, result in zip(batch, results, strict=True):
            if each.result.done():  # the client has gone
                continue
            if isinstance(result, BaseException):
                each.result.set_exception(result)
            else:
                each.result.set_result(result)

    def _apply(self, parts: list[np.ndarray]) -> list[np.ndarray]:
        results = np.asarray(self.method(np.concatenate(parts)))
        return np.split(results, np.cumsum([len(part) for part in parts])[:-1])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the model before the first request, and compute until the server stops."""
    app.state.model = model = skae.load(os.environ["SKAE_MODEL"])
    if any(isinstance(step, SERIES) for _, step in getattr(model, "steps", [("", model)])):
        raise TypeError(
            f"SKAE_MODEL must hold an estimator of rows, got a {type(model).__name__} of series: "
            "compute the series of each request by itself, without a Batcher."
        )
    app.state.batchers = {
        name: Batcher(getattr(model, name)) for name in METHODS if hasattr(model, name)
    }
    tasks = [asyncio.create_task(each.run()) for each in app.state.batchers.values()]
    yield
    for task in tasks:
        task.cancel()


app = FastAPI(title="skae", lifespan=lifespan)


@app.middleware("http")
async def refuse_large(request: Request, call_next: Callable[[Request], Any]) -> Response:
    """Refuse bodies that are too large before they are read, and those of unknown size."""
    if "transfer-encoding" in request.headers:
        return JSONResponse({"detail": "Content-Length is needed."}, 411)
    if int(request.headers.get("content-length", 0)) > MAX_REQUEST_BYTES:
        return JSONResponse({"detail": f"A body has at most {MAX_REQUEST_BYTES} bytes."}, 413)
    response: Response = await call_next(request)
    return response


@app.exception_handler(RequestValidationError)
async def refuse_invalid(request: Request, error: RequestValidationError) -> Response:
    """Answer with the first fault of a body, and not with the whole body."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return JSONResponse({"detail": f"{where}: {first['msg']}."}, 422)


@app.get("/health")
async def health() -> dict[str, Any]:
    """Say that the model is loaded, and what it offers."""
    return {
        "status": "ok",
        "estimator": type(app.state.model).__name__,
        "n_features": getattr(app.state.model, "n_features_in_", None),
        "methods": list(app.state.batchers),
        "skae_version": skae.__version__,
    }


@app.post("/{method}")
async def compute(method: str, body: Rows) -> dict[str, Any]:
    """Apply a method of the model to rows."""
    if method not in app.state.batchers:
        raise HTTPException(
            404, f"method must be among {list(app.state.batchers)}, got {method!r}."
        )
    try:
        rows = np.asarray(body.rows, dtype=np.float32)
        result = await app.state.batchers[method].compute(rows)
    except (TypeError, ValueError) as error:
        raise HTTPException(422, str(error)) from error
    except asyncio.QueueFull as error:
        raise HTTPException(503, "Too many requests are waiting: try again.") from error
    return {"result": result.tolist()}
