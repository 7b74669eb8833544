"""What every trained estimator does: read the data, train a network, run it."""

import copy
import math
from contextlib import nullcontext
from numbers import Integral, Real
from os import PathLike

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state

from .._arrays import check_weights
from .._engine.checkpoint import open_checkpoint
from .._engine.data import TrainingData, TrainingSet, computing_dtype, sample_rows
from .._engine.environment import isolated_global_rng
from .._engine.inference import map_rows
from .._engine.noise import Corruption
from .._engine.training import OPTIMIZERS, SCHEDULES, make_net, train
from .._sklearn_compat import HasMethods, Interval, Options, StrOptions
from .._utils import resolve_device, unchanged_on_error
from ..architectures import (
    ARCHITECTURES,
    DataShape,
    check_architecture,
    resolve_architecture,
)
from ..criterion import Criterion
from ..losses import LOSSES, Loss, resolve_loss
from ..models._linear import center_and_scale, principal_subspace
from ..networks.generators import SeededInit
from ..networks.standardization import Standardization
from ..noises import NOISES, Noise, resolve_noise
from ._input import (
    check_layout,
    check_unit_interval,
    read_image_shape,
    read_rows,
    read_target,
    refuse_missing,
)
from ._plan import HIDDEN_FRACTION, FitMode, Traits, make_plan
from ._state import StoredNetwork

# Rows on which the error of the fitted network is measured: its digits do not change with more.
_MEASURED_ROWS = 10_000


class NetworkEstimator(StoredNetwork, BaseEstimator):
    """Parameters and training that estimators with a network share.

    A family builds its network (`_build_network`) and says what is special about its training
    (`_traits`); it may prepare its training set (`_prepare_training_set`) and learn more from it
    afterwards (`_finish`). The loop is skorch's.
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "architecture": [
            StrOptions({"auto", *ARCHITECTURES}),
            HasMethods(["build_encoder", "build_decoder"]),
        ],
        "loss": [StrOptions(set(LOSSES)), callable, Loss],
        "noise": [StrOptions(set(NOISES)), callable, Noise, None],
        "noise_level": [Interval(Real, 0, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "learning_rate": [StrOptions(set(SCHEDULES))],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {math.inf}),
        ],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "checkpoint": [str, PathLike, None],
        "device": [str, torch.device],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    # Whether its loss is the same along any orthonormal basis as along the features.
    _may_use_basis = True

    def _traits(self):
        """Return what is special about the training of this family."""
        return Traits()

    def _network_options(self):
        """Return what the network is built with, besides the architecture, from parameters."""
        return {}

    def _validate_params(self):
        super()._validate_params()
        check_architecture(self.architecture)

    # -- fitting ---------------------------------------------------------------------------

    def _fit(self, X, y=None, sample_weight=None, X_target=None, *, partial=False, classes=None):
        """Train a network on X; an error leaves the estimator as it was.

        Ctrl-C is raised again once the estimator is fitted with the best weights so far.
        """
        with unchanged_on_error(self):
            self._validate_params()
            mode = self._mode(partial)
            previous = self.module_ if mode.continues else None
            if not mode.continues:
                self._forget()
            if mode.resets:
                self.network_options_ = self._network_options()
            training_set = self._read_training_set(X, y, sample_weight, X_target, mode)
            training_set = self._prepare_training_set(training_set, mode, y, classes)
            interrupt = self._train(training_set, mode, previous)
        if interrupt is not None:
            raise interrupt
        return self

    def _mode(self, partial):
        is_fitted = hasattr(self, "module_")
        if partial:
            return FitMode.NEXT_BATCH if is_fitted else FitMode.FIRST_BATCH
        return FitMode.WARM_START if self.warm_start and is_fitted else FitMode.FIT

    def _forget(self):
        """Remove what an earlier fit learned: not all of it need apply to this one."""
        for name in [name for name in vars(self) if name.endswith("_") and name[0] != "_"]:
            delattr(self, name)

    def _read_training_set(self, X, y, sample_weight, X_target, mode):
        """Validate the data. Nothing but attributes of the input is set."""
        rows, layout = read_rows(self, X, reset=mode.resets, min_rows=2, check_finite="allow-nan")
        if mode.resets:
            image_shape = read_image_shape(self.image_shape, layout, rows.shape[1])
            self._set_shapes(layout or rows.shape[1:], image_shape)
        check_layout(layout, self._image_shape)
        weights = None if sample_weight is None else check_weights(sample_weight, rows)
        target = None if X_target is None else read_target(X_target, rows)
        if not self._mask_missing:
            refuse_missing(self, X=rows, X_target=target)
        if self._check_loss().is_probabilistic:
            check_unit_interval(rows if target is None else target, self.loss)
        return TrainingSet(rows, target, weights=weights)

    def _set_shapes(self, sample_shape, image_shape):
        self.n_components_ = int(self.n_components)
        self.sample_shape_ = tuple(sample_shape)
        if image_shape is not None:
            self.image_shape_ = image_shape

    def _prepare_training_set(self, training_set, mode, y, classes):
        """Learn what comes before the network, such as labels or codes, and apply it."""
        return training_set

    def _check_loss(self):
        loss = resolve_loss(self.loss)
        if loss.needs_images and self._image_shape is None:
            raise ValueError(
                f"loss={self.loss!r} compares images: give image_shape, or X as images "
                "(n_samples, height, width[, channels]); got rows without image_shape."
            )
        if loss.needs_images and self._mask_missing:
            raise ValueError(
                f"loss={self.loss!r} compares whole images, but missing_values='mask' needs a "
                "loss of single values, such as 'mse', 'l1', 'huber' or 'bce'."
            )
        noise = resolve_noise(self.noise)
        if noise is not None and noise.level_is_fraction and self.noise_level > 1:
            raise ValueError(
                f"noise_level must be a fraction in [0, 1] with noise={self.noise!r}, got "
                f"{self.noise_level}."
            )
        return loss

    # -- training --------------------------------------------------------------------------

    def _train(self, training_set, mode, previous):
        """Train a network, and set what fitting learns; return the Ctrl-C that ended it early."""
        checkpoint, random_state = None, self.random_state
        if self.checkpoint is not None and not mode.is_partial:
            checkpoint = open_checkpoint(self.checkpoint, self.get_params(), training_set)
            random_state = checkpoint.entropy if random_state is None else random_state
        random_state = check_random_state(random_state)
        seed = int(random_state.randint(2**31 - 1))
        seed += getattr(self, "n_iter_", 0) if mode.is_partial else 0
        training_set = training_set.merged()
        sample = sample_rows(training_set, random_state)
        isolate_seed = seed if self._runs_user_code() else None
        with nullcontext() if isolate_seed is None else isolated_global_rng(seed):
            known = sample.filled() if self._mask_missing else sample
            network = self._prepare_network(known, mode, previous, seed)
        net, data = self._make_net(
            network, training_set, known, mode, seed, random_state, checkpoint
        )
        interrupt = train(net, data, isolate_seed)
        self._remember(net, mode)
        self._finish(training_set, sample, mode)
        return interrupt

    def _make_net(self, network, training_set, sample, mode, seed, random_state, checkpoint):
        """Assemble the skorch net, and the data that it is trained on."""
        device = resolve_device(self.device)
        if device.type == "mps":  # which has no float64
            network.float()
        data = TrainingData(training_set, network.to(device), device)
        training, validation = data, None
        if not mode.is_partial:
            training, validation = self._split(data, random_state)
        plan = make_plan(self, self._traits(), len(training), mode, seed)
        network.n_warmup = plan.n_warmup
        net = make_net(
            network,
            self._criterion(np.ptp(sample.rows)),
            plan,
            train_data=training,
            validation_data=validation,
            corruption=self._corruption(network.input_standardization, sample),
            checkpoint=checkpoint,
        )
        if mode.is_partial and hasattr(self, "net_"):
            net.optimizer_.state.update(self.net_.optimizer_.state)
        return net, training

    def _criterion(self, data_range=1.0):
        loss = resolve_loss(self.loss)
        return Criterion(loss, self._image_shape, data_range, observed_only=self._mask_missing)

    def _prepare_network(self, sample, mode, previous, seed):
        """Build the network and set where training starts."""
        if mode is FitMode.NEXT_BATCH:
            self._check_basis(previous)
            return previous
        self.architecture_ = clone(self._resolve_architecture())
        standardization = self._fit_standardization(sample, mode, previous)
        network = self._seeded_network(standardization, seed)
        if previous is None:
            network.start(sample, seed)
        else:
            _load_previous(network, previous)
        return network

    def _resolve_architecture(self):
        shape = DataShape(self._n_outputs, self._image_shape)
        return resolve_architecture(self.architecture, shape)

    def _data_shape(self, standardization):
        return DataShape(standardization.n_outputs, self._image_shape, standardization)

    def _seeded_network(self, standardization, seed):
        with SeededInit(seed):
            network = self._build_network(standardization)
        return self._in_image_layout(network)

    def _in_image_layout(self, network):
        if self._image_shape is not None:
            network.to(memory_format=torch.channels_last)
        return network

    # -- standardization -------------------------------------------------------------------

    def _fit_standardization(self, sample, mode, previous):
        """Return how rows become what the network sees: all features, or a principal subspace.

        From ``previous`` only the number of directions is taken; its weights follow later.
        """
        rows, weights = self._reconstructed_rows(sample)
        sigmoid = resolve_loss(self.loss).is_probabilistic
        center, scale, basis = np.zeros(rows.shape[1]), 1.0, None
        if self.architecture_.standardizes_input:
            center, scale = center_and_scale(rows, weights)
        if self._can_use_basis() and mode is FitMode.WARM_START:
            basis = previous.standardization.basis
        # The rows of a first batch need not span those of later ones.
        elif self._can_use_basis() and mode is FitMode.FIT:
            basis = principal_subspace(rows - center, weights, self.n_components_)
        return Standardization(torch.tensor(center), scale, sigmoid=sigmoid, basis=basis)

    def _reconstructed_rows(self, sample):
        """Return the rows that the network reconstructs, and their weights."""
        return sample.rows, sample.weights

    def _can_use_basis(self):
        """Return whether the network may see coordinates along a basis in place of features.

        Squared errors are the same in both; noise, augmentation and missing values are of
        features.
        """
        is_plain = self.noise is None and getattr(self, "augment", None) is None
        return (
            self._may_use_basis
            and is_plain
            and not self._mask_missing
            and resolve_loss(self.loss).is_rotation_invariant
            and self.architecture_.accepts_any_basis
        )

    def _check_basis(self, network):
        """Refuse to train a network along a basis for what is defined by features."""
        if network.standardization.basis is not None and not self._can_use_basis():
            raise ValueError(
                "partial_fit continues with a network that sees principal directions in place of "
                "features, as fit chose. It has to be fitted anew with noise, augment or loss, got "
                f"noise={self.noise!r}, augment={getattr(self, 'augment', None)!r}, "
                f"loss={self.loss!r}."
            )

    # -- parts of training -----------------------------------------------------------------

    def _split(self, data, random_state):
        """Hold out rows for validation, where there are two or more."""
        n_rows = len(data)
        if not self.early_stopping or n_rows == 1:
            return data, None
        n_validation = max(1, round(self.validation_fraction * n_rows))
        if n_validation == n_rows:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {n_rows} rows leaves none to "
                "train on: lower it, or set early_stopping=False."
            )
        order = self._validation_order(data, random_state)
        return data.subset(order[n_validation:]), data.subset(order[:n_validation])

    def _validation_order(self, data, random_state):
        """Order the rows such that the first ones are those to validate on."""
        return random_state.permutation(len(data))

    def _corruption(self, standardization, sample):
        hidden = HIDDEN_FRACTION if self._mask_missing else 0.0
        augment = getattr(self, "augment", None)
        if self.noise is None and augment is None and not hidden:
            return None
        # The extremes of a picture's pixels are those of all of them.
        axis = 0 if self._image_shape is None else None
        bounds = (torch.tensor(bound) for bound in (sample.X.min(axis), sample.X.max(axis)))
        limits = (standardization.standardize(bound.to(standardization.center)) for bound in bounds)
        return Corruption(
            noise=resolve_noise(self.noise),
            level=self.noise_level,
            augment=augment,
            standardization=standardization,
            limits=tuple(limit.float() for limit in limits),
            image_shape=self._image_shape,
            hidden=hidden,
        )

    def _runs_user_code(self):
        """Return whether code that is not skae's may draw from torch's global generator."""
        users = (self.loss, self.noise, getattr(self, "augment", None))
        users = [user for user in users if user is not None and not isinstance(user, str)]
        return getattr(self.architecture, "uses_global_rng", False) or bool(users)

    def _remember(self, net, mode):
        """Keep what training found."""
        epochs = [{k: v for k, v in epoch.items() if k != "batches"} for epoch in net.history]
        earlier = getattr(self, "history_", []) if mode.is_partial else []
        self.net_ = net
        self.module_ = net.module_
        self.history_ = earlier + epochs
        self.loss_curve_ = [epoch["train_loss"] for epoch in self.history_]
        self.n_iter_ = len(self.history_)

    def _finish(self, training_set, sample, mode):
        """Learn what needs the trained network."""
        self.reconstruction_err_ = self._measure(sample, computing_dtype(training_set.X))

    def _measure(self, sample, dtype):
        """Return the mean squared error of the reconstruction, in the data's units squared."""
        rows = sample.X[:_MEASURED_ROWS].astype(dtype)
        errors = sample.rows[:_MEASURED_ROWS] - self._reconstruct(rows)
        # Not nanmean, which copies them.
        return float(np.mean(np.square(errors, out=errors), where=~np.isnan(errors)))

    # -- the fitted network ----------------------------------------------------------------

    @property
    def _image_shape(self):
        return getattr(self, "image_shape_", None)

    @property
    def _mask_missing(self):
        """Return whether missing values may come in."""
        return self.network_options_.get("mask_missing", False)

    @property
    def _n_outputs(self):
        """Return the number of features that the decoder gives."""
        return self.n_features_in_

    def _encode(self, rows):
        return map_rows(
            self.module_, "encode", rows, self.n_components_, allow_nan=self._mask_missing
        )

    def _decode(self, codes):
        return map_rows(self.module_, "decode", codes, self._n_outputs)

    def _reconstruct(self, rows):
        return map_rows(
            self.module_, "forward", rows, self._n_outputs, allow_nan=self._mask_missing
        )


def _load_previous(network, previous):
    """Start from the weights of the fit before, if the network is still the same."""
    try:
        network.load_state_dict(copy.deepcopy(previous.state_dict()))
    except RuntimeError as error:
        raise ValueError(
            "warm_start=True continues with the network of the previous fit, but n_components, "
            f"architecture, loss, noise or the number of features changed since: {error}"
        ) from error
