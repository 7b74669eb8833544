"""Types of arguments that public functions share."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

# Arrays, frames and tensors, nested lists, sparse matrices.
MatrixLike: TypeAlias = ArrayLike | sparse.spmatrix | sparse.sparray
# DataFrames of pandas and polars, whose types are not known without them, and arrays.
TableLike: TypeAlias = Any
Seed: TypeAlias = int | np.random.RandomState | None
