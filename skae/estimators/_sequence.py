"""What sequences need of reading, training and inference."""

import math
from numbers import Integral

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from .._arrays import check_weights
from .._engine import TrainingSet, start_at_pca
from .._sklearn_compat import Interval, StrOptions
from ..architectures import DataShape, Dense
from ..losses import resolve_loss
from ..metrics import reconstruction_error
from ..networks.recurrent import CELLS, RecurrentNetwork
from ..objectives import NextFrameObjective
from ._input import check_unit_interval, read_sequences
from .base import NetworkEstimator

_BATCH_SIZE = 32
# Frames of fewer values get one hidden layer of few units: the recurrence adds its own.
_FEW_VALUES, _FEW_UNITS = 64, 64
# Sequences that tell the size of the codes before training.
_FEW_SEQUENCES = 200


class SequenceEstimator(NetworkEstimator):
    """Sequences of frames and a network with a recurrence, in the place of rows and a network."""

    _parameter_constraints = {
        **NetworkEstimator._parameter_constraints,
        "frame_shape": [tuple, list, None],
        "cell": [StrOptions(set(CELLS))],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
    }
    # Frames have a parameter of their own, and those of a sequence would have to change alike.
    _parameter_constraints.pop("image_shape")
    _parameter_constraints.pop("augment")
    augment = None
    _predicts = True

    # -- reading ---------------------------------------------------------------------------

    def _read(self, X, min_timesteps=1):
        check_is_fitted(self)
        sequences, _, is_flat = self._read_sequences(X, reset=False, min_timesteps=min_timesteps)
        return sequences, is_flat

    def _read_sequences(self, X, *, reset, **least):
        return read_sequences(
            self,
            X,
            self.frame_shape if reset else self.frame_shape_,
            reset=reset,
            # Without a frame's shape the width is the number of features, which is fixed.
            any_width=self.frame_shape is not None,
            **least,
        )

    def _read_training_set(self, X, sample_weight, X_target, reset=True):
        sequences, frame_shape, is_flat = self._read_sequences(
            X, reset=reset, min_rows=2, min_timesteps=2
        )
        if reset:
            self.frame_shape_, self._is_flat = frame_shape, is_flat
            self._cell, self._hidden_size = self.cell, int(self.hidden_size)
            is_image = len(self.frame_shape_) > 1
            self.image_shape_ = (*self.frame_shape_, 1)[:3] if is_image else None
            self.n_components_ = int(self.n_components)
        weights = None if sample_weight is None else check_weights(sample_weight, sequences)
        if resolve_loss(self.loss).needs_images and self.image_shape_ is None:
            raise ValueError(
                f"loss={self.loss!r} compares images: give frame_shape, or X as (n, n_timesteps, "
                f"height, width[, channels]); got frames of shape {self.frame_shape_}."
            )
        if self._check_loss().is_probabilistic:
            check_unit_interval(sequences, self.loss)
        return TrainingSet(sequences, weights=weights)

    # -- training --------------------------------------------------------------------------

    @property
    def _n_outputs(self):
        return math.prod(self.frame_shape_)

    def _resolve_architecture(self):
        is_small = self.image_shape_ is None and self._n_outputs < _FEW_VALUES
        if self.architecture == "auto" and is_small:
            return Dense((_FEW_UNITS,))
        return super()._resolve_architecture()

    def _build_network(self, standardization):
        shape = DataShape(standardization.n_outputs, self.image_shape_, standardization)
        return RecurrentNetwork(
            self.architecture_.build_encoder(shape, self.n_components_),
            self.architecture_.build_decoder(shape, self.n_components_),
            standardization,
            n_components=self.n_components_,
            cell=self._cell,
            hidden_size=self._hidden_size,
        )

    def _set_start(self, network, sample, seed):
        start_at_pca(network, *_frames(sample.X, sample.weights), seed)
        few = torch.from_numpy(sample.X[:_FEW_SEQUENCES]).float()
        network.eval().expect_codes_of(few)

    def _standardization(self, rows, weights, **options):
        return super()._standardization(*_frames(rows, weights), **options)

    def _build_objective(self, network, data_range):
        return NextFrameObjective(
            resolve_loss(self.loss), network.standardization, self.image_shape_, data_range
        )

    def _auto_batch_size(self, n_rows):
        return _BATCH_SIZE

    def _corruption(self, standardization, sample):
        frames, _ = _frames(sample.X, None)
        return super()._corruption(standardization, sample._replace(X=frames))

    def _measure(self, sample, dtype):
        sequences = sample.X.astype(dtype)
        return reconstruction_error(sequences[:, -1], self._predict(sequences[:, :-1]))

    # -- inference -------------------------------------------------------------------------

    def _predict(self, sequences):
        return self._reconstruct(sequences)

    def _to_frames(self, rows, is_flat):
        if is_flat and self.frame_shape_:
            return rows
        return rows.reshape(-1, *self.frame_shape_)


def _frames(sequences, weights):
    """Frames (n * n_timesteps, n_features) of sequences, each with the weight of its sequence."""
    n_timesteps, n_features = sequences.shape[1:]
    weights = None if weights is None else np.repeat(weights, n_timesteps)
    return sequences.reshape(-1, n_features), weights
