"""What the modules of detectors of rows and of series have in common."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Part(nn.Module):
    """Base of modules with arrays, which become buffers in double precision: constants of a graph.

    Parameters
    ----------
    **arrays : dict of array-like
    """

    def __init__(self, **arrays: Any) -> None:
        super().__init__()
        for name, array in arrays.items():
            self.register_buffer(name, torch.as_tensor(np.array(array, dtype=np.float64)))


class Rows(NamedTuple):
    """Rows with missing values, and what all that compares them has to know of these."""

    # (n_samples, n_features), NaN where a value is missing.
    values: torch.Tensor
    observed: torch.Tensor
    # (n_samples, n_columns): where values are missing, in the features that have such, and a last
    # column of zeros, since runtimes differ in products of none.
    missing: torch.Tensor
    columns: torch.Tensor
    # (n_samples,): a row without observed values has the score of zero, not of NaN.
    n_observed: torch.Tensor


def as_rows(values: torch.Tensor) -> Rows:
    """Return values (n_samples, n_features) with what is missing among them."""
    missing = values.isnan()
    observed = ~missing
    columns = torch.cat([missing.any(dim=0), torch.ones(1, dtype=torch.bool)]).nonzero()[:, 0]
    missing = F.pad(missing.double(), (0, 1))
    n_observed = observed.sum(dim=1).clamp(min=1)
    return Rows(values, observed, missing[:, columns], columns, n_observed)


def observed_squares(rows: Rows, references: torch.Tensor) -> torch.Tensor:
    """Return the sums of squares of references over the observed values of each row.

    Parameters
    ----------
    rows : Rows
    references : Tensor of shape (n_references, n_features)

    Returns
    -------
    sums : Tensor of shape (n_samples, n_references)
    """
    squares = F.pad(references.square(), (0, 1))
    # Only columns with missing values, mostly none: for one row the product with all of them would
    # take as long as all else.
    return squares.sum(dim=1) - rows.missing @ squares.T[rows.columns]


class Ranks(Part):
    """Map values to how many of the sorted numbers of their feature are not above; all for NaN.

    First the block of each value is found, then its place there. Comparisons with all numbers would
    fill the memory where rows are many, and bisection has several times as many nodes, each of
    which takes half a microsecond.

    Parameters
    ----------
    numbers : ndarray of shape (n_numbers, n_features)
        Sorted along each column.
    """

    numbers: torch.Tensor

    def __init__(self, numbers: np.ndarray) -> None:
        self.n_numbers = len(numbers)
        self.size = math.isqrt(max(self.n_numbers - 1, 0)) + 1
        n_more = self.size**2 - self.n_numbers
        super().__init__(numbers=np.pad(numbers, [(0, n_more), (0, 0)], constant_values=np.inf))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Rank values (n_samples, n_features)."""
        size, values = self.size, values[:, None]
        # (n_samples, n_features): blocks that begin at a number which is not above the value. All
        # comparisons with NaN are false.
        first = (~(self.numbers[size::size] > values)).sum(dim=1) * size
        # (n_samples * size, n_features)
        places = (first[:, None] + torch.arange(size)[:, None]).flatten(0, 1)
        of_block = self.numbers.gather(0, places).unflatten(0, (-1, size))
        return (first + (~(of_block > values)).sum(dim=1)).clamp(max=self.n_numbers)
