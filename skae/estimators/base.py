"""What every trained estimator does: read the data, train a network, run it."""

import copy
import dataclasses
import math
from contextlib import nullcontext
from numbers import Integral, Real
from os import PathLike

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state

from .._arrays import check_weights
from .._engine import (
    OPTIMIZERS,
    SCHEDULES,
    Corruption,
    Schedule,
    TrainingData,
    TrainingSet,
    center_and_scale,
    computing_dtype,
    isolated_global_rng,
    make_net,
    map_rows,
    open_checkpoint,
    principal_subspace,
    sample_rows,
    start_at_pca,
    train,
)
from .._sklearn_compat import HasMethods, Interval, Options, StrOptions
from .._utils import resolve_device, unchanged_on_error
from ..architectures import (
    ARCHITECTURES,
    DataShape,
    check_architecture,
    resolve_architecture,
)
from ..losses import LOSSES, Loss, resolve_loss
from ..networks.generators import SeededInit
from ..networks.standardization import Standardization
from ..noises import NOISES, Noise, resolve_noise
from ..objectives import ReconstructionObjective
from ._input import (
    check_layout,
    check_unit_interval,
    read_image_shape,
    read_rows,
    read_target,
    refuse_gaps,
)
from ._stored import StoredNetwork

# ``batch_size='auto'`` is the share of the rows that makes so many updates an epoch, within
# bounds: few rows in batches of many would be done with before training has begun.
_UPDATES_PER_EPOCH, _SMALLEST_BATCH, _LARGEST_BATCH = 16, 24, 192
# ``max_iter='auto'`` aims at so many updates in all, within these numbers of epochs.
_UPDATES, _FEWEST_EPOCHS, _MOST_EPOCHS = 2000, 30, 60
# What few rows look like is soon learned by heart: no more than one epoch for every so many, if
# this makes not less than so many epochs.
_ROWS_PER_EPOCH, _FEWEST_OF_FEW_ROWS = 9, 15
# Share of the values that are there which training hides from the encoder, if some are missing.
_HIDDEN = 0.3
# Rows on which the error of the fitted network is measured.
_MEASURED_ROWS = 10_000


class NetworkEstimator(StoredNetwork, BaseEstimator):
    """Shared parameters and training of estimators that own a network.

    A child says how its network is built (`_build_network`) and what it minimises
    (`_build_objective`); the loop is skorch's.
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "architecture": [
            StrOptions({"auto", *ARCHITECTURES}),
            HasMethods(["build_encoder", "build_decoder"]),
        ],
        "image_shape": [tuple, list, None],
        "loss": [StrOptions(set(LOSSES)), callable, Loss],
        "noise": [StrOptions(set(NOISES)), callable, Noise, None],
        "noise_level": [Interval(Real, 0, None, closed="left")],
        "augment": [callable, None],
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

    def _build_objective(self, network, data_range):
        """Build what training minimises."""
        return ReconstructionObjective(
            resolve_loss(self.loss), network.standardization, self.image_shape_, data_range
        )

    # Whether missing values may come in; learned in `fit` by those that offer the choice.
    _allow_missing = False
    # Whether the components of the code are in order, likewise.
    _is_ordered = False
    # Whether it learns more than what rows look like, and so needs all epochs for few of them too.
    _predicts = False

    # -- training --------------------------------------------------------------------------

    def _validate_params(self):
        super()._validate_params()
        check_architecture(self.architecture)

    def _fit(self, X, sample_weight=None, X_target=None, **labels):
        """Train a network on X; an error leaves the estimator as it was.

        A child that learns from labels reads them in its `_read_training_set`.
        """
        with unchanged_on_error(self):
            self._validate_params()
            previous = getattr(self, "module_", None) if self.warm_start else None
            training_set = self._read_training_set(X, sample_weight, X_target, **labels)
            self._train(training_set, previous)
        return self

    def _partial_fit(self, X, sample_weight=None, X_target=None, **labels):
        """Pass once over X, from where the calls before have come to."""
        with unchanged_on_error(self):
            self._validate_params()
            previous = getattr(self, "module_", None)
            is_first = previous is None
            training_set = self._read_training_set(
                X, sample_weight, X_target, reset=is_first, **labels
            )
            self._train(training_set, previous, once=True)
        return self

    def _read_training_set(self, X, sample_weight, X_target, reset=True):
        rows, layout = read_rows(self, X, reset=reset, min_rows=2, check_finite="allow-nan")
        if reset:
            self.image_shape_ = read_image_shape(self.image_shape, layout, rows.shape[1])
            self.n_components_ = int(self.n_components)
            self._layout = layout
        check_layout(layout, self.image_shape_)
        weights = None if sample_weight is None else check_weights(sample_weight, rows)
        target = None if X_target is None else read_target(X_target, rows)
        if not self._allow_missing:
            refuse_gaps(self, X=rows, X_target=target)
        loss = self._check_loss()
        if loss.is_probabilistic:
            check_unit_interval(rows if target is None else target, self.loss)
        return TrainingSet(rows, target, weights=weights)

    def _check_loss(self):
        loss = resolve_loss(self.loss)
        if loss.needs_images and self.image_shape_ is None:
            raise ValueError(
                f"loss={self.loss!r} compares images: give image_shape, or X as images "
                "(n, height, width[, channels]); got rows without image_shape."
            )
        noise = resolve_noise(self.noise)
        if noise is not None and noise.level_is_fraction and self.noise_level > 1:
            raise ValueError(
                f"noise_level must be a fraction in [0, 1] with noise={self.noise!r}, got "
                f"{self.noise_level}."
            )
        return loss

    def _train(self, training_set, previous, once=False):
        """Train from ``previous`` or from the start, over all epochs or one."""
        checkpoint, random_state = None, self.random_state
        if self.checkpoint is not None and not once:
            checkpoint = open_checkpoint(self.checkpoint, self.get_params(), training_set)
            random_state = checkpoint.entropy if random_state is None else random_state
        random_state = check_random_state(random_state)
        seed = int(random_state.randint(2**31 - 1)) + getattr(self, "n_iter_", 0) * once
        device = resolve_device(self.device)
        training_set = training_set.merged()
        sample = sample_rows(training_set, random_state)
        known = sample.filled() if self._allow_missing else sample
        foreign = self._runs_foreign_code()
        with isolated_global_rng(seed) if foreign else nullcontext():
            network = self._prepare_network(known, previous, once, seed)
        if device.type == "mps":  # which has no float64
            network.float()
        network.to(device)
        data = TrainingData(training_set, network, device)
        training, validation = (data, None) if once else self._split(data, random_state)
        net = make_net(
            network,
            self._build_objective(network, np.ptp(known.rows)),
            self._schedule(len(training), seed, once),
            train_data=training,
            validation_data=validation,
            corruption=self._corruption(network.input_standardization, known),
            checkpoint=checkpoint,
        )
        if once and hasattr(self, "net_"):
            net.optimizer_.state.update(self.net_.optimizer_.state)
        train(net, training, isolate_seed=seed if foreign else None)
        self._remember(net, once)
        self.reconstruction_err_ = self._measure(sample, computing_dtype(training_set.X))

    def _prepare_network(self, sample, previous, once, seed):
        """Build the network and set where training starts."""
        if once and previous is not None:
            self._check_directions(previous)
            return previous
        self.architecture_ = clone(self._resolve_architecture())
        # A first batch need not span what comes after it.
        standardization = self._standardization(
            sample.rows, sample.weights, sees_all=once, previous=previous
        )
        network = self._seeded_network(standardization, seed)
        if previous is None:
            self._set_start(network, sample, seed)
        else:
            _load_previous(network, previous)
        return network

    def _resolve_architecture(self):
        shape = DataShape(self._n_outputs, self.image_shape_)
        return resolve_architecture(self.architecture, shape)

    def _seeded_network(self, standardization, seed):
        with SeededInit(seed):
            network = self._build_network(standardization)
        return self._in_image_layout(network)

    def _in_image_layout(self, network):
        if self.image_shape_ is not None:
            network.to(memory_format=torch.channels_last)
        return network

    def _set_start(self, network, sample, seed):
        """Choose the weights from which training starts, knowing (some of) the data."""
        start_at_pca(network, sample.rows, sample.weights, seed)

    def _standardization(self, rows, weights, *, sees_all=False, previous=None):
        """Describe how rows become what the network sees: all of each, or what matters.

        From ``previous`` only the number of directions is taken; its weights come with the rest.
        """
        sigmoid = resolve_loss(self.loss).is_probabilistic
        center, scale, directions = np.zeros(rows.shape[1]), 1.0, None
        if self.architecture_.standardizes_input:
            center, scale = center_and_scale(rows, weights)
        if not sees_all and self._may_see_directions():
            if previous is None:
                directions = principal_subspace(rows - center, weights, self.n_components_)
            else:
                directions = previous.standardization.basis
        return Standardization(torch.tensor(center), scale, sigmoid=sigmoid, basis=directions)

    def _may_see_directions(self):
        """Whether the network may be shown coordinates along some directions, for features.

        Squared errors are the same in both; noise, augmentation and gaps are of features.
        """
        is_plain = self.noise is None and self.augment is None
        return (
            is_plain
            and not self._allow_missing
            and resolve_loss(self.loss).is_rotation_invariant
            and self.architecture_.accepts_any_basis
        )

    def _check_directions(self, network):
        """Refuse to train a network along directions for what has to be told of features."""
        if network.standardization.basis is not None and not self._may_see_directions():
            raise ValueError(
                "partial_fit goes on with a network that sees principal directions in place of "
                "features, as fit chose. It has to be fitted anew with noise, augment or loss, got "
                f"noise={self.noise!r}, augment={self.augment!r}, loss={self.loss!r}."
            )

    def _split(self, data, random_state):
        """Set rows aside for validation, where there are two or more."""
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

    def _auto_batch_size(self, n_rows):
        return min(max(n_rows // _UPDATES_PER_EPOCH, _SMALLEST_BATCH), _LARGEST_BATCH)

    def _auto_max_iter(self, n_rows, batch_size):
        n_epochs = math.ceil(_UPDATES / math.ceil(n_rows / batch_size))
        n_epochs = min(max(n_epochs, _FEWEST_EPOCHS), _MOST_EPOCHS)
        if self._predicts:
            return n_epochs
        return min(n_epochs, max(n_rows // _ROWS_PER_EPOCH, _FEWEST_OF_FEW_ROWS))

    def _schedule(self, n_rows, seed, once):
        is_auto = self.batch_size == "auto"
        batch_size = self._auto_batch_size(n_rows) if is_auto else int(self.batch_size)
        batch_size = min(batch_size, n_rows)
        max_iter = self.max_iter
        if max_iter == "auto":
            max_iter = self._auto_max_iter(n_rows, batch_size)
        schedule = Schedule(
            optimizer=self.optimizer,
            learning_rate_init=self.learning_rate_init,
            learning_rate=self.learning_rate,
            alpha=self.alpha,
            batch_size=batch_size,
            max_iter=int(max_iter),
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            callbacks=tuple(self.callbacks or ()),
            verbose=int(self.verbose),
            seed=seed,
        )
        if not once:
            return schedule
        return dataclasses.replace(
            schedule,
            learning_rate="constant",
            max_iter=1,
            n_iter_no_change=math.inf,
            averages=False,
        )

    def _corruption(self, standardization, sample):
        hidden = _HIDDEN if self._allow_missing else 0.0
        if self.noise is None and self.augment is None and not hidden:
            return None
        # The extremes of a picture's pixels are those of all of them.
        axis = 0 if self.image_shape_ is None else None
        bounds = (torch.tensor(bound) for bound in (sample.X.min(axis), sample.X.max(axis)))
        limits = (standardization.standardize(bound.to(standardization.center)) for bound in bounds)
        return Corruption(
            noise=resolve_noise(self.noise),
            level=self.noise_level,
            augment=self.augment,
            standardization=standardization,
            limits=tuple(limit.float() for limit in limits),
            image_shape=self.image_shape_,
            hidden=hidden,
        )

    def _runs_foreign_code(self):
        """Whether code that is not skae's may draw from torch's global generator."""
        users = (self.loss, self.noise, self.augment)
        users = [user for user in users if user is not None and not isinstance(user, str)]
        has_own_networks = getattr(self.architecture, "uses_global_rng", False)
        return has_own_networks or bool(users)

    def _remember(self, net, once):
        """Keep what training found."""
        epochs = [{k: v for k, v in epoch.items() if k != "batches"} for epoch in net.history]
        earlier = getattr(self, "history_", []) if once else []
        self.net_ = net
        self.module_ = net.module_
        self.history_ = earlier + epochs
        self.loss_curve_ = [epoch["train_loss"] for epoch in self.history_]
        self.n_iter_ = len(self.history_)

    def _measure(self, sample, dtype):
        """Mean squared error of the reconstruction, in the data's units squared."""
        rows = sample.X[:_MEASURED_ROWS].astype(dtype)
        errors = sample.rows[:_MEASURED_ROWS] - self._reconstruct(rows)
        # Not nanmean, which copies them.
        return float(np.mean(np.square(errors, out=errors), where=~np.isnan(errors)))

    # -- inference -------------------------------------------------------------------------

    @property
    def _n_outputs(self):
        """Number of features that the decoder gives."""
        return self.n_features_in_

    def _encode(self, rows):
        return map_rows(
            self.module_, "encode", rows, self.n_components_, allow_nan=self._allow_missing
        )

    def _decode(self, codes):
        return map_rows(self.module_, "decode", codes, self._n_outputs)

    def _reconstruct(self, rows):
        return map_rows(
            self.module_, "reconstruct", rows, self._n_outputs, allow_nan=self._allow_missing
        )


def _load_previous(network, previous):
    """Start from the weights of the fit before, if the network is still the same."""
    try:
        network.load_state_dict(copy.deepcopy(previous.state_dict()))
    except RuntimeError as error:
        raise ValueError(
            "warm_start=True goes on with the network of the previous fit, but n_components, "
            f"architecture, loss, noise or the number of features changed since: {error}"
        ) from error
