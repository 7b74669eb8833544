"""Reading, training and inference for sequences."""

import math
from numbers import Integral

from sklearn.utils.validation import check_is_fitted

from .._arrays import check_weights
from .._engine.data import TrainingSet
from .._engine.inference import map_rows
from .._sklearn_compat import Interval, StrOptions
from ..architectures import Dense
from ..metrics import reconstruction_error
from ..models._autoregression import count_lags
from ..models.sequence import RecurrentNetwork, as_frames, filled_frames
from ..networks.recurrence import CELLS
from ..series._ragged import find_lengths
from ._base import NetworkEstimator
from ._input import check_unit_interval
from ._mixins import MISSING_CONSTRAINTS
from ._plan import Traits
from ._sequence_input import Sequences, read_sequences

# Sequences in a batch of ``batch_size='auto'``: fewer than rows, since each frame is an example.
_BATCH_SEQUENCES = 32
# Frames of fewer values get one hidden layer of few units: the recurrence adds its own.
_MIN_WIDE_VALUES, _NARROW_UNITS = 64, 64


class SequenceEstimator(NetworkEstimator):
    """Base of estimators that train a network with a recurrence on sequences of frames."""

    _parameter_constraints = {
        **NetworkEstimator._parameter_constraints,
        **MISSING_CONSTRAINTS,
        "frame_shape": [tuple, list, None],
        "cell": [StrOptions(set(CELLS))],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "min_history": [Interval(Integral, 1, None, closed="left")],
    }

    _start = "linear autoregression of PCA's codes for networks with a linear skip connection"
    _advice_on_y = (
        "It is ignored: every frame is predicted from those before it. Frames that follow on X "
        "belong in X, along its second axis."
    )

    def _find_whole_batch_term(self):
        return "its loss is a mean over frames, and sequences may be of unequal length"

    def _traits(self):
        return Traits(learns_targets=True, batch_rows=_BATCH_SEQUENCES)

    def _network_options(self):
        return {
            "cell": self.cell,
            "hidden_size": int(self.hidden_size),
            "n_steps": int(self.n_steps),
            "min_history": int(self.min_history),
            "mask_missing": self._masks,
        }

    # -- reading ---------------------------------------------------------------------------

    def _read(self, X, min_timesteps=1):
        check_is_fitted(self)
        return self._read_sequences(X, reset=False, min_timesteps=min_timesteps)

    def _read_sequences(self, X, *, reset, **least):
        return read_sequences(
            self,
            X,
            self.frame_shape if reset else self.frame_shape_,
            reset=reset,
            # Without a frame's shape the width is the number of features, which is fixed.
            any_width=self.frame_shape is not None,
            allow_missing=self._mask_missing,
            **least,
        )

    def _read_training_set(self, X, y, sample_weight, X_target, run):
        values, _, frame_shape, is_flat = self._read_sequences(
            X,
            reset=run.mode.resets,
            min_rows=run.mode.min_rows,
            min_timesteps=1 + self.network_options_.get("min_history", 1),
        )
        if run.mode.resets:
            self.frame_shape_ = frame_shape
            is_image = len(frame_shape) > 1
            # Of frames that are numbers the flat form is a vector: no shape has to be restored.
            is_flat = is_flat and bool(frame_shape)
            self._set_shapes(
                (math.prod(frame_shape),) if is_flat else frame_shape,
                (*frame_shape, 1)[:3] if is_image else None,
            )
        weights = None if sample_weight is None else check_weights(sample_weight, values)
        self._check_loss(run.loss)
        if run.loss.units == "logits":
            check_unit_interval(values, self.loss)
        return TrainingSet(values, weights=weights)

    def _check_loss(self, loss):
        if self._mask_missing or self._image_shape is not None:
            super()._check_loss(loss)
        elif loss.needs_images:
            raise ValueError(
                f"loss={self.loss!r} compares images: give frame_shape, or X as (n_samples, "
                "n_timesteps, height, width[, channels]); got frames of shape "
                f"{self.frame_shape_}."
            )

    # -- training --------------------------------------------------------------------------

    @property
    def _n_outputs(self):
        return math.prod(self.frame_shape_)

    def _resolve_architecture(self, shape):
        is_small = shape.image_shape is None and shape.n_features < _MIN_WIDE_VALUES
        if self.architecture == "auto" and is_small:
            return Dense((_NARROW_UNITS,))
        return super()._resolve_architecture(shape)

    def _prepare_network(self, sample, run, seed):
        if not hasattr(self, "n_components_"):
            self._set_size(sample)
        # The weights of an earlier fit have to fit.
        n_lags = self._count_lags(sample) if run.previous is None else run.previous.n_lags
        self.network_options_ = {**self.network_options_, "n_lags": n_lags}
        return super()._prepare_network(sample, run, seed)

    def _count_lags(self, sample):
        if self._mask_missing:
            # Hidden values would reach the sum with the weights of the last observed ones: waves
            # of which a tenth is missing are predicted worse (R² 0.72 rather than above 0.8).
            return 0
        lengths = find_lengths(sample.X)
        return count_lags(
            sample.X.shape[1] if lengths is None else lengths,
            min(self.n_components_, self._n_outputs),
            self.network_options_["min_history"],
        )

    def _describe_rows(self, network, training_set):
        # Anew in each training: the next batch of a stream may be padded.
        network.is_padded = self._mask_missing or find_lengths(training_set.X) is not None

    def _build_network(self, shape):
        return RecurrentNetwork(
            self.architecture_.build_encoder(shape, self.n_components_),
            self.architecture_.build_decoder(shape, self.n_components_),
            shape.standardization,
            n_components=self.n_components_,
            **self.network_options_,
        )

    def _reconstructed_rows(self, sample):
        # A frame counts as its sequence does.
        return as_frames(sample.X, sample.weights)

    def _known(self, sample):
        if not self._mask_missing:
            return sample
        filled = filled_frames(sample.X, sample.weights)
        return sample._replace(X=filled, rows=filled)

    def _corruption(self, noise, standardization, sample):
        # The smallest and largest value are those of all frames, whatever their time step.
        frames, _ = as_frames(sample.X, None)
        return super()._corruption(noise, standardization, sample._replace(X=frames))

    def _finish(self, training_set, sample, mode):
        super()._finish(training_set, sample, mode)
        # Of the network before.
        vars(self).pop("calibration_errors_", None)

    def _measure(self, sample, dtype):
        # (n_samples, n_timesteps, n_features): the last frames, predicted from the others.
        values = sample.X.astype(dtype)
        lengths = find_lengths(values)
        if lengths is not None:
            # Where values may be missing, the end of a sequence, or all of it, may be.
            has_both = lengths > 1
            values, lengths = values[has_both], lengths[has_both]
        sequences = Sequences(values, lengths, self.frame_shape_, is_flat=False)
        return reconstruction_error(sequences.last(), sequences.without_last().map(self._predict))

    # -- inference -------------------------------------------------------------------------

    def _predict(self, sequences):
        return self._reconstruct(sequences)

    def _forecast(self, sequences, n_steps):
        """Return the next frames side by side, (n_samples, n_steps * frame size)."""
        # Within one pass: the recurrent state is kept, and frames before are not read again.
        return sequences.map(
            lambda values: map_rows(
                self.module_,
                "forecast",
                values,
                n_steps * self._n_outputs,
                n_steps,
                allow_nan=self._mask_missing,
            )
        )

    def _to_frames(self, rows, is_flat):
        # In the layout that X has in this call, whatever it was in fit.
        if is_flat and self.frame_shape_:
            return rows
        return rows.reshape(-1, *self.frame_shape_)
