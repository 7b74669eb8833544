"""Arrays and frames of Dask, computed a block at a time by whatever scheduler is set."""

from typing import Any

import numpy as np

from .._arrays import check_columns
from ._base import DEFAULT_MEMORY, RowSource, checked_shape


class DaskArraySource(RowSource):
    """A Dask array, in its blocks of rows.

    Parameters
    ----------
    array : dask.array.Array
    max_memory : int or str
    """

    def __init__(self, array: Any, max_memory: int | str = DEFAULT_MEMORY) -> None:
        if any(size != size for size in array.chunks[0]):
            array = array.compute_chunk_sizes()
        checked_shape(array.shape, "the Dask array")
        self.array = array
        edges = np.cumsum([0, *array.chunks[0]])
        super().__init__(
            "the Dask array", edges, array.shape[1:], array.dtype, max_memory=max_memory
        )

    def read_part(self, k: int) -> Any:
        return self.array.blocks[k].compute()

    def part_name(self, k: int) -> str:
        return f"block {k} of {self.name}"


class DaskFrameSource(RowSource):
    """A Dask DataFrame, in its partitions.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
    max_memory : int or str
    """

    def __init__(self, frame: Any, max_memory: int | str = DEFAULT_MEMORY) -> None:
        self.frame = frame
        check_columns(frame._meta)
        sizes = frame.map_partitions(len).compute()
        dtypes = [_numpy_type(dtype) for dtype in frame.dtypes]
        names = list(frame.columns)
        super().__init__(
            "the Dask DataFrame",
            np.cumsum([0, *sizes]),
            (len(names),),
            np.result_type(*dtypes),
            feature_names=names if all(isinstance(name, str) for name in names) else None,
            max_memory=max_memory,
        )

    def read_part(self, k: int) -> np.ndarray:
        frame = self.frame.partitions[[k]].compute()
        # Text that reads as numbers would be converted in silence.
        check_columns(frame)
        rows: np.ndarray = frame.to_numpy(dtype=self.stored_dtype)
        return rows

    def part_name(self, k: int) -> str:
        return f"partition {k} of {self.name}"

    def example(self) -> Any:
        return self.frame._meta


def _numpy_type(dtype: Any) -> Any:
    # Nullable types of pandas have one of numpy; missing values are NaN.
    dtype = getattr(dtype, "numpy_dtype", dtype)
    return np.float64 if dtype.kind in "iu" and not isinstance(dtype, np.dtype) else dtype
