"""Methods of fitted estimators as modules, from tensors to tensors, in the units of the data."""

import copy
from collections.abc import Callable
from functools import singledispatch
from typing import Any

import torch
from torch import nn

from ..estimators._base import NetworkEstimator
from ..estimators.classifier import AutoencoderClassifier
from ..estimators.denoiser import Denoiser
from ..estimators.hybrid import HybridAutoencoder
from ..estimators.regressor import AutoencoderRegressor
from ..estimators.sequence import SequencePredictor
from ..estimators.variational import VariationalAutoencoder


class AppliedNetwork(nn.Module):
    """A method of a network, of samples in the layout that `fit` got.

    Parameters
    ----------
    network : Network
    method : str
        A method that maps rows, as ``'encode'``.
    shape : tuple of int, default=None
        Shape of a sample of the output. If None, outputs stay as they are.
    n_axes : int, default=1
        Leading axes that the network expects before the values of a row: two for sequences.
    **options : dict
        Of the method.
    """

    def __init__(
        self,
        network: nn.Module,
        method: str,
        shape: Any = None,
        *,
        n_axes: int = 1,
        **options: Any,
    ) -> None:
        super().__init__()
        self.options = options
        self.network = network
        self.method = method
        self.shape = shape
        self.n_axes = n_axes

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Apply the method."""
        # Images and frames become rows of values, the only form that networks take.
        method = getattr(self.network, self.method)
        outputs: torch.Tensor = method(X.flatten(self.n_axes), **self.options)
        return outputs if self.shape is None else outputs.reshape(-1, *self.shape)


class Scores(nn.Module):
    """Minus the mean squared error of each sample, missing values left out.

    Parameters
    ----------
    network : Network
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Score samples (n_samples, ...) or sequences (n_samples, n_timesteps, ...)."""
        rows = X.flatten(1)
        return mean_square_scores(rows, self.network(rows))


class SequenceScores(Scores):
    """The same of the last frames of sequences, given the frames before."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Score sequences (n_samples, n_timesteps, ...)."""
        # (n_samples, n_timesteps, frame size)
        frames = X.flatten(2)
        return mean_square_scores(frames[:, -1], self.network(frames[:, :-1]))


def mean_square_scores(rows: torch.Tensor, reconstructed: torch.Tensor) -> torch.Tensor:
    """Return minus the mean squared error of each row (n_samples, n_values)."""
    missing = rows.isnan()
    # Chosen, not multiplied by zero: NaN times zero is NaN.
    squares = torch.where(missing, 0.0, rows - reconstructed).square().sum(dim=1)
    # A row without observed values scores 0, as in `score_samples`.
    return -squares / (~missing).sum(dim=1).clamp(min=1)


class EvidenceBound(nn.Module):
    """The evidence lower bound of each sample, over fixed draws.

    Parameters
    ----------
    network : VariationalNetwork
    draws : ndarray of shape (n_draws, n_components)
    criterion : Criterion
    """

    def __init__(self, network: nn.Module, draws: Any, criterion: Any) -> None:
        super().__init__()
        self.network = network
        # A buffer becomes a constant of the graph: a file scores without drawing numbers.
        self.register_buffer("draws", torch.as_tensor(draws, dtype=torch.float32))
        self.criterion = criterion

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Bound the log-likelihood of samples (n_samples, ...)."""
        bounds: torch.Tensor = self.network.evidence_bound(  # type: ignore[operator]
            X.flatten(1),
            self.draws,
            self.criterion,
            # All draws at once: their number would otherwise follow the batch, which has no size
            # here.
            n_at_once=len(self.draws),  # type: ignore[arg-type]
        )
        return bounds[:, 0]


class Predicted(nn.Module):
    """The outputs of a head for each sample, after a last step.

    Parameters
    ----------
    network : SupervisedNetwork
    last : callable
        Maps outputs (n_samples, n_outputs).
    """

    def __init__(self, network: nn.Module, last: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.network = network
        self.last = last

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Predict for samples (n_samples, ...)."""
        return self.last(self.network.predict(X.flatten(1)))  # type: ignore[operator]


def network_of(estimator: Any) -> nn.Module:
    """Return a copy of the fitted network on the CPU, in float32 and for inference."""
    if getattr(estimator, "refine_steps", 0):
        raise ValueError(
            f"refine_steps={estimator.refine_steps} solves equations for each sample, which is "
            "not exported. Export after set_params(refine_steps=0): codes are then those of the "
            "encoder."
        )
    # A copy, since modules change their device and precision in place.
    network: nn.Module = copy.deepcopy(estimator.module_).cpu().float().eval()
    return network


def _refuse(estimator: Any) -> nn.Module:
    raise ValueError(
        f"{type(estimator).__name__} has no network of its own that could be exported. skl2onnx "
        "exports most estimators of scikit-learn."
    )


# Named as the methods of estimators are; the order is that of the outputs.
METHODS = {
    name: singledispatch(_refuse)
    for name in (
        "transform",
        "inverse_transform",
        "reconstruct",
        "impute",
        "score_samples",
        "decision_function",
        "predict",
        "predict_proba",
        "forecast",
        "p_values",
    )
}
transform, inverse_transform, reconstruct, score_samples = (
    METHODS[name] for name in ("transform", "inverse_transform", "reconstruct", "score_samples")
)
predict, predict_proba = METHODS["predict"], METHODS["predict_proba"]


@transform.register
def _(estimator: NetworkEstimator) -> nn.Module:
    return AppliedNetwork(network_of(estimator), "encode")


@transform.register
def _(estimator: Denoiser) -> nn.Module:
    return AppliedNetwork(network_of(estimator), "forward", estimator.sample_shape_)


@transform.register
def _(estimator: SequencePredictor) -> nn.Module:
    return AppliedNetwork(network_of(estimator), "encode", n_axes=2)


@inverse_transform.register
def _(estimator: NetworkEstimator) -> nn.Module:
    return AppliedNetwork(network_of(estimator), "decode", estimator.sample_shape_)


@reconstruct.register
def _(estimator: NetworkEstimator) -> nn.Module:
    return AppliedNetwork(network_of(estimator), "forward", estimator.sample_shape_)


@score_samples.register
def _(estimator: NetworkEstimator) -> nn.Module:
    return Scores(network_of(estimator))


@score_samples.register
def _(estimator: VariationalAutoencoder) -> nn.Module:
    return EvidenceBound(network_of(estimator), *estimator._evidence_settings())


@score_samples.register
def _(estimator: SequencePredictor) -> nn.Module:
    return SequenceScores(network_of(estimator))


@predict.register
def _(estimator: SequencePredictor) -> nn.Module:
    return AppliedNetwork(network_of(estimator), "forward", estimator.frame_shape_, n_axes=2)


@METHODS["forecast"].register
def _(estimator: SequencePredictor) -> nn.Module:
    n_steps = estimator._checked_steps(None)
    shape = (n_steps, *estimator.frame_shape_)
    return AppliedNetwork(network_of(estimator), "forecast", shape, n_axes=2, n_steps=n_steps)


@predict.register
def _(estimator: AutoencoderClassifier) -> nn.Module:
    # Positions of classes, which the graph replaces by the labels: these may be text.
    return Predicted(network_of(estimator), lambda outputs: outputs.argmax(dim=1))


@METHODS["decision_function"].register
def _(estimator: AutoencoderClassifier) -> nn.Module:
    network = network_of(estimator)
    # For two classes, the log-odds of the second.
    if estimator.n_outputs_ == 2:
        return Predicted(network, lambda outputs: outputs[:, 1] - outputs[:, 0])
    return Predicted(network, lambda outputs: outputs)


@predict_proba.register
def _(estimator: AutoencoderClassifier) -> nn.Module:
    # The head returns logits, here as in `predict_proba`.
    return Predicted(network_of(estimator), lambda outputs: outputs.softmax(dim=1))


@predict.register
def _(estimator: AutoencoderRegressor) -> nn.Module:
    scaler, shape = estimator.target_scaler_, estimator.target_shape_
    # The head predicts standardized targets.
    scale, mean = (torch.as_tensor(of, dtype=torch.float32) for of in (scaler.scale_, scaler.mean_))
    return Predicted(network_of(estimator), lambda out: (out * scale + mean).reshape(-1, *shape))


def inner_reducer(estimator: Any) -> Any:
    """Return the reducer that computes the codes of a hybrid, or None for other estimators."""
    # With distill=True the encoder of the network replaces the reducer, in the file as well.
    if isinstance(estimator, HybridAutoencoder) and not estimator.network_options_["distill"]:
        return estimator.reducer_
    return None
