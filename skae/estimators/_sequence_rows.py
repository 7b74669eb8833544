"""Sequences as rows of a network, one row each, and rows as sequences again."""

import math
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._arrays import check_weights
from .._engine.data import Sample, TrainingSet, computing_dtype
from .._sklearn_compat import HasMethods, StrOptions
from ..architectures import SEQUENCE_ARCHITECTURES, DataShape
from ..losses import Loss
from ..models._linear import center_and_scale
from ..models.autoencoder import AutoencoderNetwork
from ..models.sequence_autoencoder import SequenceCriterion, noise_of_frames
from ..series._ragged import pad_sequences
from ..series._stretching import from_grid, to_grid
from ._base import NetworkEstimator
from ._frames import in_output_container
from ._input import check_unit_interval
from ._mixins import MISSING_CONSTRAINTS
from ._outcome import MEASURED_ROWS
from ._plan import Traits
from ._sequence_input import Sequences, read_sequences

# Variance of the length, as a fraction of that of all frames. With less, codes of eight components
# hardly hold it (decoded lengths of gestures are off by 39 steps of 155 with 0.03, by 9 with 0.1);
# with this much, reconstructions have 1.05 to 1.11 times the error.
_LENGTH_FRACTION = 0.1
# Sequences from which its scale is estimated.
_SCALING_SEQUENCES = 2000


class WholeSequenceEstimator(NetworkEstimator):
    """Base of estimators that encode whole sequences.

    A row of the network holds the frames of a sequence one after the other. Sequences of unequal
    length are stretched to that of the longest, and their length is one more number in the row: an
    event in the middle of a gesture is then the same feature of slow and of quick ones. (PCA codes
    of eight components on padded sequences have 1.4 to 1.5 times the error, on spoken vowels and on
    gestures.)
    """

    _parameter_constraints = {
        **NetworkEstimator._parameter_constraints,
        **MISSING_CONSTRAINTS,
        "frame_shape": [tuple, list, None],
        "architecture": [
            StrOptions({"auto", *SEQUENCE_ARCHITECTURES}),
            HasMethods(["build_encoder", "build_decoder"]),
        ],
    }

    def _traits(self) -> Traits:
        # Weights are shared by all time steps: few sequences are not soon learned by heart. With
        # the epochs of rows, convolutions have 1.3 to 1.4 times the error on 150 and 175 series.
        return Traits(learns_targets=True)

    def _network_options(self) -> dict[str, Any]:
        return {"mask_missing": self._masks}

    # -- reading ---------------------------------------------------------------------------

    def _read_sequences(self, X: Any, *, reset: bool, min_rows: int = 1) -> Sequences:
        masks = self._mask_missing
        sequences = read_sequences(
            self,
            X,
            self.frame_shape if reset else self.frame_shape_,
            reset=reset,
            # Without a frame's shape the width is the number of features, which is fixed.
            any_width=self.frame_shape is not None,
            allow_missing=masks,
            min_rows=min_rows,
            min_timesteps=0 if masks else 1,
        )
        # Where values are missing, NaN at the end of an array does not have to be padding.
        is_whole = masks and not is_list_of_sequences(X)
        return sequences._replace(lengths=None) if is_whole else sequences

    def _read(self, X: Any) -> tuple[np.ndarray, Sequences]:
        """Return the rows of sequences, and the sequences."""
        check_is_fitted(self)
        sequences = self._read_sequences(X, reset=False)
        return self._to_rows(sequences), sequences

    def _read_training_set(self, X, y, sample_weight, X_target, run):
        reset = run.mode.resets
        sequences = self._read_sequences(X, reset=reset, min_rows=run.mode.min_rows)
        weights = None if sample_weight is None else check_weights(sample_weight, sequences.values)
        if reset:
            self._set_layout(sequences, is_list_of_sequences(X))
            self.length_range_ = _range_of(sequences.lengths)
        elif self.length_range_ is not None:
            self.length_range_ = _joined(self.length_range_, _lengths_of(sequences))
        self._check_loss(run.loss)
        if run.loss.units == "logits":
            check_unit_interval(sequences.values, self.loss)
        if reset and self.length_range_ is not None:
            self._set_length_scale(sequences, weights, run.loss)
        rows = self._to_rows(sequences)
        target = None if X_target is None else self._target_rows(X_target, sequences)
        return TrainingSet(rows, target, weights=weights)

    def _set_layout(self, sequences: Sequences, is_list: bool) -> None:
        values, frame_shape = sequences.values, sequences.frame_shape
        self.frame_shape_ = frame_shape
        self.n_timesteps_ = values.shape[1]
        self.is_list_ = is_list and sequences.lengths is not None
        is_flat = sequences.is_flat
        self._set_shapes((values[0].size,) if is_flat else (self.n_timesteps_, *frame_shape), None)

    def _set_length_scale(self, sequences: Sequences, weights: Any, loss: Loss) -> None:
        """Choose the units of the length in rows."""
        self.length_scale_ = 1 / self.length_range_[1]
        # Behind a sigmoid it has to be in [0, 1], as all values.
        if loss.units == "logits":
            return
        step = math.ceil(len(sequences.values) / _SCALING_SEQUENCES)
        few = np.arange(len(sequences.values))[::step]
        lengths = _lengths_of(sequences)[few].astype(float)
        some = weights if weights is None else weights[few]
        rows = to_grid(sequences.values[few], lengths.astype(int), self.n_timesteps_)
        rows = rows.reshape(len(few), -1).astype(np.float64)
        _, scale = center_and_scale(Sample(rows, rows, None, some).filled().rows, some)
        _, scale_of_lengths = center_and_scale(lengths[:, None], some)
        n_values = rows.shape[1]
        self.length_scale_ = math.sqrt(_LENGTH_FRACTION * n_values) * scale / scale_of_lengths

    def _target_rows(self, X_target: Any, sequences: Sequences) -> np.ndarray:
        """Validate the target of the reconstruction, sequences as long as those of X."""
        target = self._read_sequences(X_target, reset=False)
        same_shape = target.values.shape == sequences.values.shape
        if not same_shape or not np.array_equal(_lengths_of(target), _lengths_of(sequences)):
            raise ValueError(
                "X_target must hold as many sequences as X, each as long as that of X, got "
                f"{target.values.shape} and {sequences.values.shape} as (n_samples, n_timesteps, "
                "n_channels)."
            )
        return self._to_rows(target)

    def _check_loss(self, loss: Loss) -> None:
        if loss.needs_images:
            raise ValueError(
                f"loss={self.loss!r} compares images, got sequences: use 'mse', 'l1', 'huber', "
                "'bce' or a function of sequences."
            )

    # -- rows ------------------------------------------------------------------------------

    def _to_rows(self, sequences: Sequences) -> np.ndarray:
        rows = to_grid(sequences.values, sequences.lengths, self.n_timesteps_)
        rows = rows.reshape(len(rows), -1)
        if self.length_range_ is None:
            return rows
        lengths = _lengths_of(sequences) * self.length_scale_
        return np.column_stack([rows, lengths]).astype(computing_dtype(rows))

    def _to_frames(self, rows: np.ndarray) -> np.ndarray:
        """Return the frames of rows, of shape (n_samples, n_timesteps, n_channels)."""
        return rows[:, : self._n_values].reshape(-1, *self._grid)

    def _decoded_lengths(self, rows: np.ndarray) -> np.ndarray | None:
        """Return the lengths that rows hold, within those of `fit`; None if all are equal."""
        if self.length_range_ is None:
            return None
        lengths: np.ndarray = np.rint(rows[:, -1] / self.length_scale_)
        return lengths.clip(*self.length_range_).astype(int)

    def _as_long_as(self, rows: np.ndarray, sequences: Sequences) -> np.ndarray:
        """Return the frames of rows with the lengths of sequences, padded as these are."""
        frames, n_timesteps = self._to_frames(rows), sequences.values.shape[1]
        if sequences.lengths is None and n_timesteps == self.n_timesteps_:
            return frames
        return from_grid(frames, _lengths_of(sequences), n_timesteps)

    def _in_layout(self, values: np.ndarray, is_flat: bool) -> np.ndarray:
        """Return (n_samples, n_timesteps, n_channels) as users have sequences."""
        n_samples, n_timesteps, _ = values.shape
        if is_flat:
            return values.reshape(n_samples, -1)
        return values.reshape(n_samples, n_timesteps, *self.frame_shape_)

    def _as_list(self, values: np.ndarray, lengths: Any, is_flat: bool) -> list[np.ndarray]:
        whole = self._in_layout(values, is_flat)
        n_values = math.prod(self.frame_shape_) if is_flat else 1
        return [row[: length * n_values] for row, length in zip(whole, lengths, strict=True)]

    def _like(self, values: np.ndarray, sequences: Any, X: Any) -> Any:
        """Return sequences in the form in which X was given."""
        if is_list_of_sequences(X):
            lengths = sequences.lengths
            lengths = [values.shape[1]] * len(values) if lengths is None else lengths
            return self._as_list(values, lengths, sequences.is_flat)
        return in_output_container(self, self._in_layout(values, sequences.is_flat), X)

    # -- training --------------------------------------------------------------------------

    @property
    def _grid(self) -> tuple[int, int]:
        """Number of time steps and of channels of each row."""
        return self.n_timesteps_, math.prod(self.frame_shape_)

    @property
    def _n_values(self) -> int:
        return math.prod(self._grid)

    @property
    def _n_outputs(self) -> int:
        return self._n_values + (self.length_range_ is not None)

    def _resolve_architecture(self, shape: DataShape) -> Any:
        return super()._resolve_architecture(shape._replace(n_timesteps=self.n_timesteps_))

    def _data_shape(self, standardization: Any) -> DataShape:
        return super()._data_shape(standardization)._replace(n_timesteps=self.n_timesteps_)

    def _build_network(self, shape: DataShape) -> AutoencoderNetwork:
        return AutoencoderNetwork(
            self.architecture_.build_encoder(shape, self.n_components_),
            self.architecture_.build_decoder(shape, self.n_components_),
            shape.standardization,
            **self.network_options_,
        )

    def _criterion(self, loss: Loss, data_range: float = 1.0) -> SequenceCriterion:
        return SequenceCriterion(loss, self._grid, observed_only=self._mask_missing)

    def _corruption(self, noise: Any, standardization: Any, sample: Sample) -> Any:
        noise = None if noise is None else noise_of_frames(noise, self._grid)
        return super()._corruption(noise, standardization, sample)

    def _measure(self, sample: Sample, dtype: Any) -> float:
        rows = sample.X[:MEASURED_ROWS].astype(dtype)
        errors = (sample.rows[:MEASURED_ROWS] - self._reconstruct(rows))[:, : self._n_values]
        return float(np.nanmean(errors**2))


def is_list_of_sequences(X: Any) -> bool:
    """Return whether sequences are given one by one."""
    return pad_sequences(X)[1] is not None


def _lengths_of(sequences: Sequences) -> np.ndarray:
    if sequences.lengths is not None:
        return sequences.lengths
    return np.full(len(sequences.values), sequences.values.shape[1])


def _range_of(lengths: np.ndarray | None) -> tuple[int, int] | None:
    return None if lengths is None else (int(lengths.min()), int(lengths.max()))


def _joined(earlier: tuple[int, int], lengths: np.ndarray) -> tuple[int, int]:
    return min(earlier[0], int(lengths.min())), max(earlier[1], int(lengths.max()))
