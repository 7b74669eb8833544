"""The reducer that a hybrid holds: which one it is, what it needs, and its codes."""

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from .._engine.data import TrainingSet, computing_dtype
from .._engine.environment import compute_threads
from ._alignment import check_size, read_places, rotation_to
from ._frames import named_frame
from ._plan import size_for_pca
from ._reducer import as_seen_by, encode, tags_of


class InnerReducerMixin:
    """The parameter ``reducer``, by default PCA, and the fitted ``reducer_``."""

    # Of the estimator that this is mixed into.
    reducer: Any
    reducer_: Any
    n_components: Any
    missing_values: Any
    random_state: Any

    def _check_size_of_stream(self) -> None:
        if self.reducer is None:
            super()._check_size_of_stream()  # type: ignore[misc]

    def _uses_y(self) -> bool:
        if isinstance(self.reducer, str):
            # It was left out of a file, and may have needed y: `score` warns of none.
            return True
        tags = tags_of(self._given_reducer())
        # PLS needs y, though its tags do not say so: it is a regressor.
        return tags.target_tags.required or tags.estimator_type in ("classifier", "regressor")

    @property
    def _can_start_anew(self) -> bool:
        # One that is given is fitted once: it may be slow, or not be fitted at all.
        return self.reducer is None

    def _named(self, rows: Any) -> Any:
        names = getattr(self, "feature_names_in_", None)
        return rows if names is None else named_frame(rows, names)

    def _given_reducer(self) -> Any:
        if isinstance(self.reducer, str):
            raise ValueError(
                f"reducer={self.reducer!r} cannot be fitted: it was left out by "
                "without_reducer=True or for_inference=True of skae.save. Set reducer to an "
                "estimator to train again."
            )
        if self.reducer is not None:
            return self.reducer
        # Seeded: for large data PCA uses a randomized solver.
        pca = PCA(size_for_pca(self.n_components), random_state=self.random_state)
        if self.missing_values is None:
            return pca
        # Means, as the encoder of other estimators sees them.
        return make_pipeline(SimpleImputer(keep_empty_features=True), pca)

    def _align(self, align_to: Any, training_set: TrainingSet, X: Any) -> None:
        """Turn the reducer's codes to those of an earlier one."""
        vars(self).pop("code_rotation_", None)  # of the fit that a warm start continues
        codes = self._reduce(training_set.X, X).astype(np.float64)
        places = read_places(align_to, training_set.X, X)
        check_size(places, codes.shape[1])
        rotation, shift = rotation_to(codes, places, training_set.weights)
        self.code_rotation_, self.code_shift_ = rotation, shift

    def _reduce(self, rows: Any, X: Any) -> np.ndarray:
        """Return the codes of the reducer, in the precision that rows are computed in."""
        with compute_threads():
            codes = encode(self.reducer_, as_seen_by(self.reducer_, rows, X), "reducer")
        if hasattr(self, "code_rotation_"):
            codes = codes @ self.code_rotation_ + self.code_shift_
        converted: np.ndarray = codes.astype(computing_dtype(rows), copy=False)
        return converted
