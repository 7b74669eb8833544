"""Joint training of encoder, decoder and head: what does not depend on the kind of target."""

import copy
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length

from .._arrays import as_array
from .._engine.inference import map_rows
from .._sklearn_compat import HasMethods, Interval, StrOptions
from .._typing import Seed
from ..models.supervised import SupervisedNetwork
from ._base import NetworkEstimator
from ._initial import check_initial, fitted_inside, read_initial
from ._mixins import AUGMENT_CONSTRAINTS, MISSING_CONSTRAINTS, ROWS_CONSTRAINTS, ReconstructionMixin
from ._parameters import (
    ArchitectureLike,
    Augment,
    Callbacks,
    Device,
    FilePath,
    ImageShape,
    LossLike,
    NoiseLike,
    OptimizerLike,
)
from ._plan import Traits


class JointEstimator(ReconstructionMixin, NetworkEstimator):
    """Base of classifier and regressor.

    A child validates y (`_read_y`), converts it to targets of the head
    (`_prepare_training_set`, which sets ``n_outputs_``) and defines the loss of the head's
    outputs (`_prediction_loss`).
    """

    _parameter_constraints = {
        **NetworkEstimator._parameter_constraints,
        **ROWS_CONSTRAINTS,
        **AUGMENT_CONSTRAINTS,
        **MISSING_CONSTRAINTS,
        "init": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "reconstruction_weight": [
            StrOptions({"balanced"}),
            # At 0 a plain classifier or regressor, at 1 an autoencoder whose head is not trained.
            Interval(Real, 0, 1, closed="both"),
        ],
        "head_hidden_layer_sizes": [tuple, list, Interval(Integral, 1, None, closed="left")],
    }

    _streams_rows = True

    def __init__(
        self,
        n_components: float | str = 2,
        *,
        init: Any = None,
        reconstruction_weight: float | str = "balanced",
        head_hidden_layer_sizes: Sequence[int] | int = (64,),
        architecture: ArchitectureLike = "auto",
        image_shape: ImageShape = None,
        loss: LossLike = "mse",
        missing_values: str | None = None,
        noise: NoiseLike = None,
        noise_level: float = 0.1,
        augment: Augment = None,
        optimizer: OptimizerLike = "adamw",
        learning_rate_init: float = 0.006,
        learning_rate: str = "one_cycle",
        alpha: float | str = "auto",
        batch_size: int | str = "auto",
        max_iter: int | str = "auto",
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        callbacks: Callbacks = None,
        checkpoint: FilePath = None,
        device: Device = "auto",
        precision: str = "auto",
        compile: bool = False,
        verbose: int = 0,
        random_state: Seed = None,
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.reconstruction_weight = reconstruction_weight
        self.head_hidden_layer_sizes = head_hidden_layer_sizes
        self.architecture = architecture
        self.image_shape = image_shape
        self.loss = loss
        self.missing_values = missing_values
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
        self.precision = precision
        self.compile = compile
        self.verbose = verbose
        self.random_state = random_state

    def _begin(self, partial):
        run = super()._begin(partial)
        # A warm start and later batches continue with their own network.
        if self.init is None or run.previous is not None:
            return run
        return run._replace(previous=read_initial(self.init, self))

    @property
    def _can_start_anew(self):
        # Not from PCA of a few rows: it has started already.
        return self.init is None

    def _set_shapes(self, sample_shape, image_shape):
        super()._set_shapes(sample_shape, image_shape)
        if self.init is not None:
            # After `super`, which knows the features of X.
            check_initial(self.init, self)
            self.n_components_ = fitted_inside(self.init).n_components_

    def _resolve_architecture(self, shape):
        if self.init is None:
            return super()._resolve_architecture(shape)
        # Weights fit only into layers of the same sizes.
        return fitted_inside(self.init).architecture_

    def _fit_standardization(self, sample, run):
        if self.init is None or run.mode.continues:
            return super()._fit_standardization(sample, run)
        # The weights belong to its units, and to its basis if it has one.
        # A copy, since `partial_fit` moves the units; on the CPU, where the network is built.
        return copy.deepcopy(run.previous.standardization).cpu()

    def _take_over(self, network, run, sample):
        if run.mode.continues:
            super()._take_over(network, run, sample)
        else:
            network.take_over(run.previous, sample)

    def _read_training_set(self, X, y, sample_weight, X_target, run):
        # The wording of scikit-learn's own check, which its estimator checks look for.
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        # X is validated before y, as by scikit-learn's own estimators.
        training_set = super()._read_training_set(X, y, sample_weight, X_target, run)
        y = self._read_y(as_array(y, "y"))
        check_consistent_length(training_set.X, y)
        return training_set._replace(labels=y)

    def _uses_y(self) -> bool:
        return True

    def _traits(self):
        # The head needs all epochs, also for few rows: see `_plan`.
        return Traits(learns_targets=True)

    def _network_options(self):
        return {
            "head_hidden_layer_sizes": self._read_head_sizes(),
            # Kept with the network: the loss is part of it.
            "reconstruction_weight": self.reconstruction_weight,
            "mask_missing": self._masks,
        }

    def _read_head_sizes(self):
        sizes = self.head_hidden_layer_sizes
        # A single number stands for one layer, as in `MLPRegressor`.
        sizes = tuple(sizes) if isinstance(sizes, (tuple, list)) else (sizes,)
        if not all(isinstance(size, Integral) and size > 0 for size in sizes):
            raise ValueError(
                "head_hidden_layer_sizes must hold integers of at least 1, got "
                f"{self.head_hidden_layer_sizes!r}."
            )
        return tuple(map(int, sizes))

    def _build_network(self, shape):
        # The head sees only the code, which the decoder sees as well.
        weight = self.network_options_["reconstruction_weight"]
        return SupervisedNetwork(
            self.architecture_.build_encoder(shape, self.n_components_),
            self.architecture_.build_decoder(shape, self.n_components_),
            shape.standardization,
            n_components=self.n_components_,
            head_sizes=(*self.network_options_["head_hidden_layer_sizes"], self.n_outputs_),
            prediction_loss=self._prediction_loss,
            reconstruction_weight=weight,
            # A user's own modules start from the weights that they have.
            # Without reconstruction nothing removes what a random start puts into the code: R² of a
            # quantity that was not a target is 0.86 then, and 0.15 with a start at zero
            # (benchmarks/NOTES.md).
            zero_init_code=weight == 0 and not self.architecture_.has_pretrained_weights,
            mask_missing=self._mask_missing,
        )

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the outputs of the head, of shape (n_samples, n_outputs)."""
        rows, _ = self._read(X)
        outputs: np.ndarray = map_rows(
            self.module_, "predict", rows, self.n_outputs_, allow_nan=self._mask_missing
        )
        return outputs
