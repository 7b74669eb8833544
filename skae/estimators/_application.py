"""The fitted network, applied to rows and to codes."""

from typing import Any

import numpy as np

from .._arrays import dense
from .._engine.inference import map_rows


class ApplicationMixin:
    """Encoding, decoding and reconstruction by ``module_``, as a family may override them."""

    def _encode(self: Any, rows: Any, X: Any = None) -> Any:
        codes = map_rows(
            self.module_, "encode", rows, self.n_components_, allow_nan=self._mask_missing
        )
        return self._refined(codes, rows)

    def _refined(self: Any, codes: np.ndarray, rows: Any) -> Any:
        """Refine codes by the error of their rows, where the estimator is set to."""
        if not getattr(self, "refine_steps", 0):
            return codes
        # Side by side, since `map_rows` passes the chunks of one array to the network.
        joined = np.hstack([codes, dense(rows)], dtype=codes.dtype)
        return map_rows(
            self.module_,
            "refine",
            joined,
            self.n_components_,
            self.refine_steps,
            allow_nan=self._mask_missing,
        )

    def _decode(self: Any, codes: np.ndarray) -> Any:
        return map_rows(self.module_, "decode", codes, self._n_outputs)

    def _reconstruct(self: Any, rows: Any, X: Any = None) -> Any:
        # Refined codes are not those that the network's own `forward` decodes.
        if getattr(self, "refine_steps", 0):
            return self._decode(self._encode(rows, X))
        return map_rows(
            self.module_, "forward", rows, self._n_outputs, allow_nan=self._mask_missing
        )
