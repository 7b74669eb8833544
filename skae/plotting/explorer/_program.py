"""The decoder as a list of simple steps: made in Python, run by ``decoder.js`` in the page."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

# A step is a dict of what JSON can hold: its name under "op", numbers, and, in place of arrays,
# their positions in `Program.arrays`.
Step = dict[str, Any]


class NotExpressible(ValueError):
    """A decoder has a part that the page cannot run."""


@dataclass
class Program:
    """Steps from a code to a row, and the arrays that they use.

    Attributes
    ----------
    steps : list of dict
    arrays : list of ndarray
        Vectors are in float64: the units of the data may need all digits. Matrices and kernels,
        which have nearly all of the size, are rounded by `rounded`.
    """

    steps: list[Step] = field(default_factory=list)
    arrays: list[np.ndarray] = field(default_factory=list)

    def keep(self, values: Any) -> int | None:
        """Store an array, or a tensor, and return its position; None of None."""
        if values is None:
            return None
        if hasattr(values, "numpy"):
            values = values.detach().numpy(force=True)
        self.arrays.append(np.ascontiguousarray(values, dtype=np.float64))
        return len(self.arrays) - 1

    def add(self, op: str, **fields: Any) -> None:
        """Append a step."""
        self.steps.append({"op": op, **fields})

    def add_affine(self, scale: Any, shift: Any) -> None:
        """Append the step to ``scale * x + shift``, entries being those of features or channels."""
        scale, shift = np.broadcast_arrays(np.atleast_1d(scale), np.atleast_1d(shift))
        self.add("affine", scale=self.keep(scale), shift=self.keep(shift))

    def branch(self) -> "Program":
        """Return a program without steps that shares the arrays."""
        return Program(arrays=self.arrays)

    def rounded(self, dtype: Any) -> "Program":
        """Return the program with matrices and kernels in a type of fewer bits."""
        # Beyond its range lies infinity, which a comparison of results finds.
        with np.errstate(over="ignore"):
            arrays = [each.astype(dtype) if each.ndim > 1 else each for each in self.arrays]
        return Program(self.steps, arrays)
