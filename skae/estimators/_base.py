"""The base of all trained estimators: read the data, train a network, apply it."""

from contextlib import nullcontext
from dataclasses import replace
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state

from .._engine.checkpoint import check_writable
from .._engine.checks import check_callbacks, check_optimizer
from .._engine.data import Sample, TrainingSet, sample_rows, split_data
from .._engine.environment import compute_threads, isolated_global_rng, parallel_processes
from .._engine.layers import check_bfloat16
from .._engine.noise import Corruption, limits_of
from .._engine.rungs import Rung
from .._engine.training import continue_optimizer, make_net, train
from .._sklearn_compat import InvalidParameterError
from .._utils import has_float64, resolve_device, unchanged_on_error
from ..architectures import Conv, DataShape, check_architecture, resolve_architecture
from ..losses import Criterion, resolve_loss
from ..models._linear import count_components, fit_standardization
from ..networks.blocks import SeededInit
from ..networks.standardization import Standardization
from ..noises import Noise, resolve_noise
from ..sources import RowSource
from ._alignment import Alignment
from ._application import ApplicationMixin
from ._checked import with_hint
from ._docs import DocLinkMixin
from ._input import check_images, check_unit_interval, read_training_set, refuse_augmented_pairs
from ._outcome import OutcomeMixin
from ._parallel import ParallelMixin, open_checkpoint
from ._parameters import PARAMETER_CONSTRAINTS, ArchitectureParametersMixin, check_noise_level
from ._plan import (
    FIRST_BATCH,
    FIT,
    HIDDEN_FRACTION,
    NEXT_BATCH,
    WARM_START,
    Traits,
    make_plan,
    plan_precision,
    size_for_pca,
)
from ._readings import warn_of_flat_images, warn_of_ignored_target, warn_of_units
from ._run import Run
from ._state import StoredNetwork, load_previous
from ._stream import StreamMixin
from ._trial import TrialMixin


class NetworkEstimator(
    DocLinkMixin,
    StreamMixin,
    ParallelMixin,
    TrialMixin,
    OutcomeMixin,
    ApplicationMixin,
    StoredNetwork,
    ArchitectureParametersMixin,
    BaseEstimator,
):
    """Base of estimators with a network: common parameters and training.

    A family builds its network (`_build_network`) and states how its training differs
    (`_traits`); it may prepare its training set (`_prepare_training_set`) and learn more from it
    afterwards (`_finish`). The loop is skorch's.
    """

    _parameter_constraints = PARAMETER_CONSTRAINTS

    # Whether the family's loss may be computed along an orthonormal basis.
    _may_use_basis = True
    # Where training starts, in words.
    _start = "PCA for networks with a linear skip connection"
    # What to do with a y that looks like a target.
    _advice_on_y = (
        "It is ignored: what is to be reconstructed in place of X, such as clean data, belongs in "
        "X_target."
    )
    # Whether training may read the rows of a source block by block.
    _streams_rows = False

    def _traits(self) -> Traits:
        """Return how the training of this family differs from that of others."""
        return Traits()

    def _uses_y(self) -> bool:
        """Return whether y has a meaning, so that it may be of any shape."""
        return False

    def _network_options(self) -> dict[str, Any]:
        """Return the parameters, besides the architecture, with which the network is built."""
        return {}

    def _validate_params(self):
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            raise with_hint(error, self) from None
        # Names were checked by their constraints; what users supply is tried.
        if not isinstance(self.architecture, str):
            check_architecture(self.architecture)
        if not isinstance(self.optimizer, str):
            check_optimizer(self.optimizer, self.learning_rate_init)
        if self.callbacks is not None:
            check_callbacks(self.callbacks, self.optimizer, self.learning_rate_init)

    # -- fitting ---------------------------------------------------------------------------

    def _fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        X_target: Any = None,
        *,
        partial: bool = False,
        alignment: Alignment | None = None,
        **more: Any,
    ) -> Self:
        """Train a network on X; an error leaves the estimator as it was.

        Ctrl-C is raised again once the estimator is fitted with the best weights so far.
        """
        with (
            unchanged_on_error(self),
            compute_threads(),
            parallel_processes(self) as ranks,
        ):
            # What can fail early comes first: parameters, then data, then work.
            self._validate_params()
            if partial and not hasattr(self, "module_"):
                self._check_size_of_stream()
            run = self._begin(partial)._replace(alignment=alignment, ranks=ranks)
            if ranks is not None:
                run = run._replace(device=ranks.device(run.device), n_processes=ranks.n)
            training_set = self._read_training_set(X, y, sample_weight, X_target, run)
            if y is not None and X_target is None and not self._uses_y():
                warn_of_ignored_target(X, y, self._advice_on_y)
            n_rows = training_set.X.shape[0]
            # The first batch of partial_fit is soon trained on.
            if not partial and self._runs_user_code():
                self._try_user_code(training_set, run)
            if ranks is not None:
                self._check_parallel(training_set, run)
            if partial:
                training_set, run = self._in_stream(training_set, run)
            training_set = self._prepare_training_set(training_set, run, X, y, **more)
            if alignment is not None:
                training_set = alignment.add_places(self, training_set, X)
            interrupt = self._train(training_set, run)
            # Batches of an iterable are counted as they are drawn.
            n_rows = getattr(training_set.X, "n_drawn", n_rows)
            self.n_samples_seen_ = n_rows + (self._n_samples_before if partial else 0)
        # Outside: the fitted state is kept, and searches stop as they should.
        if interrupt is not None:
            raise interrupt
        return self

    def _begin(self, partial):
        """Resolve what does not depend on the data, and drop the results of an earlier fit."""
        is_fitted = hasattr(self, "module_")
        if partial:
            mode = NEXT_BATCH if is_fitted else FIRST_BATCH
        else:
            mode = WARM_START if self.warm_start and is_fitted else FIT
        previous = self.module_ if mode.continues else None
        if mode.forgets:
            for name in [name for name in vars(self) if name.endswith("_") and name[0] != "_"]:
                delattr(self, name)
        # As they are now: set_params after fit must not change how a fitted network is rebuilt.
        if mode.resets:
            self.network_options_ = self._network_options()
        noise = None if self.noise is None else resolve_noise(self.noise)
        if noise is not None:
            check_noise_level(self, noise)
        if self.checkpoint is not None and not mode.is_partial:
            check_writable(self.checkpoint)
        loss, device = resolve_loss(self.loss), resolve_device(self.device)
        if self.precision == "bfloat16":
            check_bfloat16(device)
        return Run(mode, previous, loss, noise, device, has_float64(device))

    def _read_training_set(self, X, y, sample_weight, X_target, run):
        """Validate the data. Nothing but attributes of the input is set."""
        if X_target is not None:
            refuse_augmented_pairs(self)
        training_set, sample_shape, image_shape = read_training_set(
            self,
            X,
            sample_weight,
            X_target,
            mode=run.mode,
            image_shape=self._image_shape,
            allow_missing=self._mask_missing,
        )
        if run.mode.resets:
            self._set_shapes(sample_shape, image_shape)
        self._check_loss(run.loss)
        if run.loss.units == "logits":
            check_unit_interval(training_set.rows, self.loss)
        return training_set

    def _set_shapes(self, sample_shape, image_shape):
        if isinstance(self.n_components, Integral):
            self.n_components_ = int(self.n_components)
        self.sample_shape_ = tuple(sample_shape)
        if image_shape is not None:
            self.image_shape_ = image_shape

    def _check_loss(self, loss):
        if loss.needs_images:
            check_images(self.loss, self._image_shape, self._mask_missing)

    def _prepare_training_set(self, training_set, run, X, y):
        """Fit what precedes the network, such as labels or a reducer, and apply it."""
        return training_set

    # -- training --------------------------------------------------------------------------

    def _train(self, training_set, run):
        """Train a network and set fitted attributes; return the Ctrl-C that ended it early."""
        checkpoint = None
        has_checkpoint = self.checkpoint is not None or isinstance(self.max_iter, Rung)
        if has_checkpoint and not run.mode.is_partial:
            checkpoint = open_checkpoint(self, training_set, run.ranks)
        random_state = self.random_state
        if random_state is None and checkpoint is not None:
            # A process that continues must draw the same numbers.
            random_state = checkpoint.entropy
        random_state = check_random_state(random_state)
        seed = int(random_state.randint(2**31 - 1))
        # Another seed for each batch of partial_fit, or all would get the same noise.
        seed += getattr(self, "n_iter_", 0) if run.mode.is_partial else 0
        merged = self._rows_to_train_on(training_set, run)
        # A `Denoiser` may have no code, and a fraction is resolved with the sample.
        sample = sample_rows(merged, random_state, getattr(self, "n_components_", None) or 0)
        if run.ranks is not None:
            run.ranks.agree(self, merged.X.shape[0], sample, seed)
        order, n_validation = self._split(merged, run, random_state)
        # Statistics and starting point need complete rows, even where training does not.
        known = self._known(sample)
        isolate_seed = seed if self._runs_user_code() else None
        with nullcontext() if isolate_seed is None else isolated_global_rng(seed):
            network = self._prepare_network(known, run, seed)
        if run.alignment is not None:
            run.alignment.begin(network, known)
        if not run.is_double:
            network.float()
        network.to(run.device)
        units = network.standardization, network.input_standardization
        training, validation = split_data(
            merged, sample, order, n_validation, units, run.device, network.companions
        )
        n_rows, ends = len(training), known.ends()
        if run.mode == NEXT_BATCH:
            ends = self._joined_ends(ends)
        traits = self._traits()
        if training.batch_rows is not None:
            traits = traits._replace(batch_rows=training.batch_rows)
        plan = make_plan(self, traits, n_rows, run.mode, seed, run.n_processes)
        precision = plan_precision(
            self.precision, plan.batch_size, network, merged.X.shape[1:], run.device
        )
        network.n_warmup = plan.n_warmup
        self._describe_rows(network, merged)
        corruption = self._corruption(run.noise, units[1], ends)
        net = make_net(
            network,
            self._criterion(run.loss, np.ptp(ends.rows)),
            replace(plan, precision=precision),
            train_data=training,
            validation_data=validation,
            corruption=corruption,
            checkpoint=checkpoint,
            stream=run.stream,
            ranks=run.ranks,
        )
        net.ends = ends
        # The optimizer's moments carry over from batch to batch; after pickle they start anew.
        if run.mode == NEXT_BATCH and hasattr(self, "net_"):
            continue_optimizer(net, self.net_)
        interrupt = train(net, training, isolate_seed)
        self._remember(net, run.mode)
        if run.alignment is not None:
            run.alignment.end(self.module_, self._encode(sample.X), sample)
        self._finish(training_set.in_memory(sample), sample, run.mode)
        return interrupt

    def _known(self, sample):
        """Return the sample with missing values imputed, if there may be any."""
        return sample.filled() if self._mask_missing else sample

    def _criterion(self, loss, data_range=1.0):
        return Criterion(loss, self._image_shape, data_range, observed_only=self._mask_missing)

    def _prepare_network(self, sample, run, seed):
        """Build the network with its initial weights."""
        if run.mode == NEXT_BATCH:
            self._check_basis(run)
            self._move_units(sample, run)
            return run.previous
        shape = DataShape(self._n_outputs, self._image_shape)
        # A clone: later changes of the parameter must not reach the fitted network.
        self.architecture_ = clone(self._resolve_architecture(shape))
        if not hasattr(self, "n_components_"):  # a fraction, in a fit from scratch
            self._set_size(sample)
        shape = self._data_shape(self._fit_standardization(sample, run))
        network = self._seeded_network(shape, seed)
        if run.previous is None:
            network.start(sample, seed)
        else:
            self._take_over(network, run, sample)
        return network

    def _describe_rows(self, network, training_set):
        """Let the network know what holds for all rows, and not only for a sample."""

    def _take_over(self, network, run, sample):
        """Start from the weights of an earlier network."""
        load_previous(network, run.previous)

    def _set_size(self, sample):
        """Set the size of the code to what PCA needs for a fraction of the variance."""
        rows, weights = self._reconstructed_rows(sample)
        self.n_components_ = count_components(rows, weights, size_for_pca(self.n_components))

    def _resolve_architecture(self, shape):
        return resolve_architecture(self.architecture, shape)

    def _data_shape(self, standardization):
        return DataShape(standardization.n_outputs, self._image_shape, standardization)

    def _seeded_network(self, shape, seed):
        with SeededInit(seed):
            network = self._build_network(shape)
        # Convolutions are computed faster in this layout, and other layers do not change.
        return network.to(memory_format=torch.channels_last)

    # -- standardization -------------------------------------------------------------------

    def _fit_standardization(self, sample, run):
        """Return how rows are standardized: along all features, or along a principal subspace."""
        rows, weights = self._reconstructed_rows(sample)
        along = {}
        if self._can_use_basis(run.loss):
            if run.mode == WARM_START:
                # Only its shape matters: the values follow with the previous weights.
                along = {"basis": run.previous.standardization.basis}
            elif run.mode == FIT:
                # The rows of a first batch need not span those of later ones.
                along = {"n_components": self.n_components_}
        if run.mode == FIT and self._image_shape is None and isinstance(self.architecture_, Conv):
            warn_of_flat_images(rows, self)
        if run.mode == FIT and self._may_have_units(run.loss):
            names = getattr(self, "feature_names_in_", None)
            warn_of_units(rows, weights, names, type(self).__name__)
        return fit_standardization(
            rows,
            weights,
            scales=self.architecture_.standardizes_input,
            sigmoid=run.loss.units == "logits",
            **along,
        )

    def _may_have_units(self, loss):
        """Return whether columns may have units of their own, of which one scale takes no notice.

        Pixels have one, and so have values that a loss expects in [0, 1].
        """
        is_scaled = self.architecture_.standardizes_input
        return self._image_shape is None and is_scaled and loss.units == "standardized"

    def _reconstructed_rows(self, sample):
        """Return the rows that the network reconstructs, and their weights."""
        return sample.rows, sample.weights

    def _can_use_basis(self, loss):
        """Return whether the network may see coordinates along a basis in place of features.

        Squared errors are the same in both. Noise, augmentation and missing values are defined
        by features.
        """
        is_plain = self.noise is None and getattr(self, "augment", None) is None
        return (
            self._may_use_basis
            and is_plain
            and not self._mask_missing
            and loss.is_rotation_invariant
            and self.architecture_.accepts_any_basis
        )

    # -- parts of training -----------------------------------------------------------------

    def _split(self, training_set, run, random_state):
        """Return an order of the rows, and how many of the first ones are held out.

        Rows of a source have no order of their own: some of its sample are held out.
        """
        n_rows = training_set.X.shape[0]
        # A batch of partial_fit is trained on as a whole: later ones would validate differently.
        if run.mode.is_partial or not self.early_stopping or n_rows == 1:
            return None, 0
        n_validation = max(1, round(self.validation_fraction * n_rows))
        if n_validation == n_rows:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {n_rows} rows leaves none to "
                "train on: lower it, or set early_stopping=False."
            )
        if isinstance(training_set.X, RowSource):
            return None, n_validation
        return self._validation_order(training_set, random_state), n_validation

    def _validation_order(
        self, training_set: TrainingSet, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Order the rows such that the first ones are those to validate on."""
        return random_state.permutation(training_set.X.shape[0])

    def _corruption(
        self, noise: Noise | None, standardization: Standardization, sample: Sample
    ) -> Corruption | None:
        hidden = HIDDEN_FRACTION if self._mask_missing else 0.0
        augment = getattr(self, "augment", None)
        if noise is None and augment is None and not hidden:
            return None
        return Corruption(
            noise=noise,
            level=self.noise_level,
            augment=augment,
            standardization=standardization,
            limits=limits_of(sample.X, standardization, self._image_shape),
            image_shape=self._image_shape,
            hidden=hidden,
        )

    def _runs_user_code(self):
        """Return whether user-supplied code may draw from torch's global generator."""
        users = (self.loss, self.noise, getattr(self, "augment", None))
        users = [user for user in users if user is not None and not isinstance(user, str)]
        return getattr(self.architecture, "uses_global_rng", False) or bool(users)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._masks
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # -- the fitted network ----------------------------------------------------------------

    @property
    def _image_shape(self):
        return getattr(self, "image_shape_", None)

    @property
    def _masks(self):
        """Return whether the parameters ask for missing values to be masked."""
        return getattr(self, "missing_values", None) == "mask"

    @property
    def _mask_missing(self):
        """Return whether missing values may come in."""
        return self.network_options_.get("mask_missing", False)

    @property
    def _n_outputs(self):
        """Return the number of features that the decoder returns."""
        return self.n_features_in_
