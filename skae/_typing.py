"""Types of arguments that public functions share."""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

# Arrays, frames and tensors, nested lists, sparse matrices.
MatrixLike: TypeAlias = ArrayLike | sparse.spmatrix | sparse.sparray
Seed: TypeAlias = int | np.random.RandomState | None
