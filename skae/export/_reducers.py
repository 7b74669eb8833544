"""Reducers of detectors as modules: skae's own, affine ones of scikit-learn, and Pipelines."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from torch import nn

from ..estimators._base import NetworkEstimator
from ..estimators._mixins import ReconstructionMixin
from ..estimators.hybrid import HybridAutoencoder
from ..estimators.table import TableAutoencoder
from ..estimators.table_encoder import TableEncoder
from ._modules import METHODS, AppliedNetwork, Scores, inner_reducer, network_of


class _Scaling(nn.Module):
    """An affine map of each feature, found from a function's values at zeros and at ones."""

    def __init__(self, function: Callable[[np.ndarray], Any], n_features: int) -> None:
        super().__init__()
        zeros, ones = np.zeros((1, n_features)), np.ones((1, n_features))
        bias = np.asarray(function(zeros))[0]
        self.bias = nn.Buffer(torch.as_tensor(bias))
        self.factors = nn.Buffer(torch.as_tensor(np.asarray(function(ones))[0] - bias))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.double().flatten(1) * self.factors + self.bias


class _Projection(nn.Module):
    """An affine map of rows, from what a function makes of zeros and of unit vectors."""

    def __init__(self, function: Callable[[np.ndarray], Any], n_features: int) -> None:
        super().__init__()
        bias = np.asarray(function(np.zeros((1, n_features))))[0]
        matrix = np.asarray(function(np.eye(n_features))) - bias
        self.bias, self.matrix = (nn.Buffer(torch.as_tensor(each)) for each in (bias, matrix))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.double().flatten(1) @ self.matrix + self.bias


# Not their subclasses, which may do anything.
_AFFINE: dict[type, type[nn.Module]] = {
    MaxAbsScaler: _Scaling,
    MinMaxScaler: _Scaling,
    RobustScaler: _Scaling,
    StandardScaler: _Scaling,
    PCA: _Projection,
    TruncatedSVD: _Projection,
}


class _InSinglePrecision(nn.Module):
    """A network among modules that compute in double precision."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.module(X.float())
        return outputs


class _Codes(nn.Sequential):
    """Steps from samples to codes in single precision."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        codes: torch.Tensor = super().forward(X)
        return codes.float()


class _LikeInput(nn.Module):
    """Steps from samples of any shape to samples of the same shape."""

    def __init__(self, *steps: nn.Module) -> None:
        super().__init__()
        self.steps = nn.Sequential(*steps)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.steps(X)
        return outputs.reshape(X.shape)


class _AsSequences(nn.Module):
    """Samples, flat or not, as sequences of frames (n_samples, n_timesteps, frame size)."""

    def __init__(self, frame_size: int) -> None:
        super().__init__()
        self.frame_size = frame_size

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X.flatten(1).unflatten(1, (-1, self.frame_size))


def reconstruction(reducer: Any) -> nn.Module:
    """Return what maps samples to their reconstruction by a fitted reducer.

    Raises
    ------
    ValueError
        If a part of the reducer is neither a network nor affine.
    """
    reducer = _unwrapped(reducer)
    # In one pass where the reducer does so: see `estimators._reducer.reconstruct`.
    if isinstance(reducer, ReconstructionMixin) and inner_reducer(reducer) is None:
        return _InSinglePrecision(METHODS["reconstruct"](reducer))
    return _LikeInput(*_steps(reducer, "transform"), *_steps(reducer, "inverse_transform"))


class _Decoding(nn.Module):
    """Steps from codes to samples; tables stay in double precision."""

    def __init__(self, steps: list[nn.Module], *, is_table: bool) -> None:
        super().__init__()
        self.steps = nn.Sequential(*steps)
        self.is_table = is_table

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        samples: torch.Tensor = self.steps(X)
        return samples if self.is_table else samples.float()


def decoding(pipeline: Pipeline) -> nn.Module:
    """Return what maps the codes of a Pipeline to samples.

    Raises
    ------
    ValueError
        If a step is neither an estimator of skae nor affine.
    """
    first = _parts(pipeline)[0]
    steps = _steps(pipeline, "inverse_transform")
    return _Decoding(steps, is_table=isinstance(first, (TableEncoder, TableAutoencoder)))


def of_frames(reducer: Any, method: str) -> nn.Module:
    """Return a method of sequences by a fitted predictor or a Pipeline with one."""
    *before, last = _parts(_unwrapped(reducer)) or [_unwrapped(reducer)]
    size = math.prod(last.frame_shape_)
    found = _InSinglePrecision(METHODS[method](last))
    steps = [module for part in before for module in _steps(part, "transform")]
    return nn.Sequential(*steps, _AsSequences(size), found)


def _steps(reducer: Any, method: str) -> list[nn.Module]:
    """Return a method of a reducer as modules, one after the other."""
    reducer = _unwrapped(reducer)
    if isinstance(reducer, Pipeline):
        parts = _parts(reducer)
        ordered = parts if method == "transform" else parts[::-1]
        return [module for part in ordered for module in _steps(part, method)]
    if method == "transform" and inner_reducer(reducer) is not None:
        return _steps(inner_reducer(reducer), method)
    if isinstance(reducer, (TableEncoder, TableAutoencoder)):
        # In both precisions: columns need double.
        return [METHODS[method](reducer)]
    if isinstance(reducer, BaseEstimator) and type(reducer).__module__.startswith("skae."):
        return [_InSinglePrecision(METHODS[method](reducer))]
    if type(reducer) not in _AFFINE or getattr(reducer, "clip", False):
        raise ValueError(
            f"{reducer!r} cannot be exported within a detector with method='error', or for the "
            "inverse_transform of a Pipeline: expected an estimator of skae, "
            f"{', '.join(sorted(kind.__name__ for kind in _AFFINE))} without clipping, or a "
            "Pipeline of them. A detector with method='neighbors' is exported with any reducer."
        )
    is_of_codes = method != "transform" and _AFFINE[type(reducer)] is _Projection
    n_inputs = len(reducer.components_) if is_of_codes else reducer.n_features_in_
    with warnings.catch_warnings():
        # Of names of features, which are known here by their position.
        warnings.simplefilter("ignore", UserWarning)
        return [_AFFINE[type(reducer)](getattr(reducer, method), n_inputs)]


def is_computed(reducer: Any) -> bool:
    """Return whether modules can compute the codes of a reducer, from rows of numbers."""
    try:
        return bool(_steps(reducer, "transform")) and not _reads_frames(reducer)
    except ValueError:
        return False


def _reads_frames(reducer: Any) -> bool:
    reducer = _unwrapped(reducer)
    is_of_frames = isinstance(reducer, (TableEncoder, TableAutoencoder))
    return is_of_frames or any(map(_reads_frames, _parts(reducer)))


class _Decoded(nn.Module):
    """Rows as a hybrid reconstructs them, by its reducer and its decoder."""

    def __init__(self, hybrid: HybridAutoencoder) -> None:
        super().__init__()
        self.encode = _Codes(*_steps(inner_reducer(hybrid), "transform"))
        self.network = network_of(hybrid)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        decoded: torch.Tensor = self.network.decode(self.encode(rows))  # type: ignore[operator]
        return decoded


def _of_hybrid(method: str, make: Callable[[HybridAutoencoder], nn.Module]) -> None:
    """Register a method of hybrids whose reducer computes the codes."""
    # With distill=True they have an encoder, as other estimators.
    otherwise = METHODS[method].dispatch(NetworkEstimator)

    def module(estimator: HybridAutoencoder) -> nn.Module:
        return otherwise(estimator) if inner_reducer(estimator) is None else make(estimator)

    METHODS[method].register(HybridAutoencoder, module)


_of_hybrid("transform", lambda hybrid: _Codes(*_steps(inner_reducer(hybrid), "transform")))
_of_hybrid(
    "reconstruct", lambda hybrid: AppliedNetwork(_Decoded(hybrid), "forward", hybrid.sample_shape_)
)
_of_hybrid("score_samples", lambda hybrid: Scores(_Decoded(hybrid)))


def _unwrapped(reducer: Any) -> Any:
    return reducer.estimator if isinstance(reducer, FrozenEstimator) else reducer


def _parts(reducer: Any) -> list[Any]:
    """Return the steps of a Pipeline, without those that do nothing."""
    steps = getattr(reducer, "steps", [])
    return [_unwrapped(step) for _, step in steps if step not in (None, "passthrough")]
