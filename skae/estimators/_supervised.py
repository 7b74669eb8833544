"""Encoder, decoder and head, trained together: all of it but the meaning of y."""

from numbers import Integral, Real

import torch
from sklearn.utils import check_consistent_length

from .._arrays import as_array
from .._engine import map_rows, start_empty
from .._sklearn_compat import Interval, StrOptions
from ..networks.blocks import multilayer_perceptron
from ..networks.wiring import SupervisedNetwork
from ..objectives import JointObjective, PredictionObjective
from ._transformer import NetworkTransformer

# About so many rows tell the size of the codes before training.
_FEW_ROWS = 1000


class SupervisedAutoencoder(NetworkTransformer):
    """What classifier and regressor share.

    A child reads y (`_read_labels`, which sets ``n_outputs_``) and says how far the head's
    outputs are from it (`_prediction_loss`).
    """

    _parameter_constraints = {
        **NetworkTransformer._parameter_constraints,
        "reconstruction_weight": [
            StrOptions({"balanced"}),
            Interval(Real, 0, 1, closed="both"),
        ],
        "head_hidden_layer_sizes": [tuple, list, Interval(Integral, 1, None, closed="left")],
    }
    _predicts = True

    def __init__(
        self,
        n_components=2,
        *,
        reconstruction_weight="balanced",
        head_hidden_layer_sizes=(64,),
        architecture="auto",
        image_shape=None,
        loss="mse",
        noise=None,
        noise_level=0.1,
        augment=None,
        optimizer="adamw",
        learning_rate_init=0.006,
        learning_rate="one_cycle",
        alpha="auto",
        batch_size="auto",
        max_iter="auto",
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        warm_start=False,
        callbacks=None,
        checkpoint=None,
        device="auto",
        verbose=0,
        random_state=None,
    ):
        self.n_components = n_components
        self.reconstruction_weight = reconstruction_weight
        self.head_hidden_layer_sizes = head_hidden_layer_sizes
        self.architecture = architecture
        self.image_shape = image_shape
        self.loss = loss
        self.noise = noise
        self.noise_level = noise_level
        self.augment = augment
        self.optimizer = optimizer
        self.learning_rate_init = learning_rate_init
        self.learning_rate = learning_rate
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def _read_training_set(self, X, sample_weight, X_target, reset=True, *, y, **classes):
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        training_set = super()._read_training_set(X, sample_weight, X_target, reset)
        labels = self._read_labels(as_array(y, "y"), reset, **classes)
        check_consistent_length(training_set.X, labels)
        if reset:
            self._head_sizes = self._read_head_sizes()
        return training_set._replace(labels=labels)

    def _read_head_sizes(self):
        sizes = self.head_hidden_layer_sizes
        sizes = tuple(sizes) if isinstance(sizes, (tuple, list)) else (sizes,)
        if not all(isinstance(size, Integral) and size > 0 for size in sizes):
            raise ValueError(
                "head_hidden_layer_sizes must hold integers of at least 1, got "
                f"{self.head_hidden_layer_sizes!r}."
            )
        return tuple(map(int, sizes))

    def _build_network(self, standardization):
        network = super()._build_network(standardization)
        sizes = (self.n_components_, *self._head_sizes, self.n_outputs_)
        head = multilayer_perceptron(sizes, activation="silu")
        return SupervisedNetwork(network.encoder, network.decoder, head, standardization)

    def _set_start(self, network, sample, seed):
        """Let the head see codes of unit variance; a code that is only to predict starts empty."""
        super()._set_start(network, sample, seed)
        rows = sample.X[:: max(len(sample.X) // _FEW_ROWS, 1)]
        with torch.no_grad():
            # Not by `encode`: in single precision there may be nothing left of the rows.
            rows = network.standardization.standardize_exactly(torch.from_numpy(rows))
            codes = network.eval().encoder(rows)
            deviations = codes.std(dim=0, correction=0)
            network.head[0].weight /= torch.where(deviations > 1e-3, deviations, 1.0)
        if self.reconstruction_weight == 0 and not self.architecture_.has_pretrained_weights:
            start_empty(network.encoder)

    def _build_objective(self, network, data_range):
        weight = self.reconstruction_weight
        network.reconstructs = weight != 0
        reconstruction = super()._build_objective(network, data_range)
        prediction = PredictionObjective(self._prediction_loss)
        # A part without weight is left out altogether, so that its layers stay as they are.
        if weight in (0, 1):
            return reconstruction if weight else prediction
        return JointObjective(reconstruction, prediction, weight)

    def _outputs(self, X):
        """Outputs of the head, of shape (n, n_outputs)."""
        rows, _ = self._read(X)
        return map_rows(self.module_, "predict", rows, self.n_outputs_)
