"""Functions in double precision, of operators that onnxruntime has in it.

It has no inverse tangent, hyperbolic functions and error function of doubles. And torch.onnx rounds
the floats of Python to single precision, but not tensors: constants are tensors here.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.polynomial.chebyshev import Chebyshev, cheb2poly
from scipy.special import log_ndtr, ndtri
from torch import nn


def double(number: float) -> torch.Tensor:
    """Return a number as a constant that keeps its digits in a file."""
    return torch.tensor(number, dtype=torch.float64)


TURN = double(2 * math.pi)
# With fewer terms the polynomials of the normal distribution would err by more than 1e-10.
_DEGREE = 24
# scikit-learn's quantiles go as near to zero and one as this.
_MIN_PROBABILITY = double(1e-7)
# Shorter vectors have no direction; single precision could not hold them.
_MIN_LENGTH = 1e-30


def arcsinh(x: torch.Tensor) -> torch.Tensor:
    """Return the inverse hyperbolic sine."""
    size = x.abs()
    return x.sign() * (size + (size.square() + 1).sqrt()).log()


def sinh(x: torch.Tensor) -> torch.Tensor:
    """Return the hyperbolic sine."""
    return (x.exp() - (-x).exp()) / 2


def turns(sine: torch.Tensor, cosine: torch.Tensor) -> torch.Tensor:
    """Return the angle of vectors of any length as a fraction of a turn, in [-1/2, 1/2]."""
    length = (sine.square() + cosine.square()).sqrt()
    # Without a direction it is zero, as in numpy; runtimes divide by the cosine.
    cosine = torch.where(length > _MIN_LENGTH, cosine, 1.0)
    angle = torch.atan2(sine.float(), cosine.float()).double()
    # The sine of the error that single precision left; its own cube is below 1e-20.
    error = (sine * angle.cos() - cosine * angle.sin()) / length.clamp(min=_MIN_LENGTH)
    return (angle + torch.where(length > _MIN_LENGTH, error, 0.0)) / TURN


class _Polynomial(nn.Module):
    """The polynomial that equals a function at Chebyshev points of an interval."""

    def __init__(self, function: Callable[[Any], Any], low: float, high: float) -> None:
        super().__init__()
        self.middle = nn.Buffer(double((low + high) / 2))
        self.radius = nn.Buffer(double((high - low) / 2))
        coefficients = cheb2poly(Chebyshev.interpolate(function, _DEGREE, [low, high]).coef)
        self.coefficients = nn.Buffer(torch.from_numpy(coefficients))
        self.exponents = nn.Buffer(torch.arange(_DEGREE + 1).double())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scaled = ((x - self.middle) / self.radius).clamp(-1, 1)
        powers: torch.Tensor = scaled.unsqueeze(-1) ** self.exponents
        return powers @ self.coefficients


class NormalDistribution(nn.Module):
    """Probabilities and quantiles of the normal distribution."""

    def __init__(self) -> None:
        super().__init__()
        # Both are smooth in these variables: the logarithm of a tail, and what it is for a bell.
        low, high = (math.sqrt(-2 * math.log(p)) for p in (0.5, float(_MIN_PROBABILITY)))
        self.tail_quantile = _Polynomial(lambda t: -ndtri(np.exp(-t * t / 2)), low, high)
        # Probabilities beyond are zero for scikit-learn.
        self.log_tail = _Polynomial(lambda x: log_ndtr(-x), 0.0, high)

    def quantile(self, p: torch.Tensor) -> torch.Tensor:
        """Return the quantiles of probabilities, which are cut to [1e-7, 1 - 1e-7]."""
        tail = torch.maximum(torch.minimum(p, 1 - p), _MIN_PROBABILITY)
        return (p - 0.5).sign() * self.tail_quantile((-2 * tail.log()).sqrt())

    def probability(self, x: torch.Tensor) -> torch.Tensor:
        """Return the probabilities of smaller numbers."""
        tail = self.log_tail(x.abs()).exp()
        return torch.where(x > 0, 1 - tail, tail)
