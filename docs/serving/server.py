"""A server of one file of `skae.save`: ``SKAE_MODEL=model.safetensors uvicorn server:app``.

Requests that come in while the model computes are computed together, as the next batch.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import numpy as np
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

import skae

# Larger requests would hold up the others. More of them than may wait are refused, so that memory
# is bounded.
MAX_REQUEST_ROWS, MAX_BATCH_ROWS, MAX_WAITING_REQUESTS = 1000, 4000, 1000
METHODS = (
    "transform",
    "inverse_transform",
    "reconstruct",
    "predict",
    "predict_proba",
    "score_samples",
    "decision_function",
)


class Request(BaseModel):
    """The body of a request: rows in the units of the data, or codes for `inverse_transform`."""

    rows: list[list[float]] = Field(min_length=1, max_length=MAX_REQUEST_ROWS)


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
    app.state.batchers = {
        name: Batcher(getattr(model, name)) for name in METHODS if hasattr(model, name)
    }
    tasks = [asyncio.create_task(each.run()) for each in app.state.batchers.values()]
    yield
    for task in tasks:
        task.cancel()


app = FastAPI(title="skae", lifespan=lifespan)


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
async def compute(method: str, request: Request) -> dict[str, Any]:
    """Apply a method of the model to rows."""
    if method not in app.state.batchers:
        raise HTTPException(
            404, f"method must be among {list(app.state.batchers)}, got {method!r}."
        )
    try:
        rows = np.asarray(request.rows, dtype=np.float32)
        result = await app.state.batchers[method].compute(rows)
    except (TypeError, ValueError) as error:
        raise HTTPException(422, str(error)) from error
    except asyncio.QueueFull as error:
        raise HTTPException(503, "Too many requests are waiting: try again.") from error
    return {"result": result.tolist()}
