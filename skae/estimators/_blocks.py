"""Methods of fitted estimators by blocks: lazily of Dask collections, at once of other sources."""

import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from inspect import unwrap
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np

from .._sklearn_compat import get_output_config
from ..sources import RowSource, find_source
from ._frames import named_frame

Method = TypeVar("Method", bound=Callable[..., Any])


def by_blocks(method: Method) -> Method:
    """Let a method of a fitted estimator take rows that need not fit into memory.

    The result has a row for each row of X. That of an Array or DataFrame of Dask is lazy; that of
    other sources is an array.
    """

    @wraps(method)
    def apply(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
        # Asked first, since it is what single rows are that have to be encoded quickly.
        if isinstance(X, np.ndarray):
            return method(self, X, *args, **kwargs)
        for (module, kind_name), lazily in _LAZY.items():
            kind = getattr(sys.modules.get(module), kind_name, None)
            if kind is not None and isinstance(X, kind):
                name = method.__name__
                _refuse_frames(self, name)
                return lazily(partial(_of_block, name, args, kwargs, _snapshot(self)), X)
        source = find_source(X)
        if source is None:
            return method(self, X, *args, **kwargs)
        results = []
        for k, rows in enumerate(_parts(source)):
            with _naming(source.part_name(k)):
                results.append(method(self, rows, *args, **kwargs))
        return np.concatenate(results)

    return apply  # type: ignore[return-value]


def _of_block(name: str, args: Any, kwargs: Any, estimator: Any, rows: Any) -> Any:
    """Call a method of rows, without what `set_output` makes of the result."""
    return unwrap(getattr(type(estimator), name))(estimator, rows, *args, **kwargs)


@contextmanager
def _naming(part: str) -> Iterator[None]:
    """Say of which part an error is about rows that do not suit the method."""
    try:
        yield
    except ValueError as error:
        # Children of the class are about something else, such as what is not fitted.
        if type(error) is not ValueError:
            raise
        raise ValueError(f"{part}: {error}") from error


def _snapshot(estimator: Any) -> Any:
    """Return the estimator as it is now: a later fit must not change what has been asked for."""
    slim = getattr(estimator, "_for_inference", None)
    return copy.copy(estimator) if slim is None else slim()


def _refuse_frames(estimator: Any, name: str) -> None:
    """Refuse to have scikit-learn make a frame of a lazy array, which would be computed."""
    library = get_output_config(name, estimator)["dense"] if name == "transform" else "default"
    if library != "default":
        raise ValueError(
            f"set_output(transform={library!r}) would compute a lazy result: use "
            "set_output(transform='default'), and make a frame of the Dask array that it returns."
        )


def _parts(source: RowSource) -> Any:
    """Yield the parts of a source in the form in which `fit` takes them."""
    for rows in source.parts():
        if source.feature_names is None:
            yield rows.reshape(-1, *source.sample_shape)
        else:
            yield named_frame(rows, source.feature_names)


def _lazy_array(of_rows: Callable[[Any], Any], X: Any) -> Any:
    """Return a Dask array in the blocks of rows of another."""
    shape = X.shape[1:]
    # Of one row: shape and type of what blocks will be.
    made = of_rows(np.zeros((1, *shape), X.dtype))
    return X.rechunk(dict.fromkeys(range(1, X.ndim), -1)).map_blocks(
        partial(_of_array_block, of_rows, made[:0]),
        name=f"skae-{uuid4().hex}",
        dtype=made.dtype,
        meta=np.empty((0,) * made.ndim, made.dtype),
        drop_axis=list(range(1, X.ndim)),
        new_axis=list(range(1, made.ndim)),
        chunks=(X.chunks[0], *((size,) for size in made.shape[1:])),
    )


def _of_array_block(of_rows: Any, empty: np.ndarray, rows: Any, *, block_id: Any = None) -> Any:
    # Blocks have no rows where a filter has left none. Dask gives block_id by its name.
    if not rows.shape[0]:
        return empty
    with _naming(f"block {block_id[0]} of the Dask array" if block_id else "X"):
        return of_rows(rows)


def _lazy_frame(of_rows: Callable[[Any], Any], X: Any) -> Any:
    """Return a Dask array, or what the method makes of frames, in the partitions of a frame."""
    # Its second row is missing where types are nullable.
    empty = of_rows(X._meta_nonempty.iloc[:1])[:0]
    return X.map_partitions(partial(_of_partition, of_rows, empty), meta=empty)


def _of_partition(of_rows: Any, empty: Any, rows: Any, *, partition_info: Any = None) -> Any:
    if not len(rows):
        return empty
    number = (partition_info or {}).get("number")
    with _naming("X" if number is None else f"partition {number} of the Dask DataFrame"):
        return of_rows(rows)


# What is computed when it is asked for, by module: the class, and how a method is applied.
_LAZY: dict[tuple[str, str], Callable[..., Any]] = {
    ("dask.array", "Array"): _lazy_array,
    ("dask.dataframe", "DataFrame"): _lazy_frame,
}
