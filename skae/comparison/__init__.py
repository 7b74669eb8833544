"""Several reducers on one split of the data: a table of scores, and a picture."""

from ._compare import compare
from ._result import Comparison

__all__ = ["Comparison", "compare"]
