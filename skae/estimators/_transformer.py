"""A network's code as scikit-learn's transformers offer theirs."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from .._engine import record_feature_maps
from .._typing import MatrixLike
from ..architectures import DataShape
from ..metrics import mean_squares
from ..networks.wiring import AutoencoderNetwork
from ._input import check_layout, read_codes, read_rows
from .base import NetworkEstimator


class NetworkTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NetworkEstimator):
    """Encode, decode, and compare the two: what estimators with encoder and decoder share."""

    def transform(self, X: MatrixLike) -> np.ndarray:
        """Encode X.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images

        Returns
        -------
        codes : ndarray of shape (n, n_components)
        """
        return self._encode(self._read(X)[0])

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Decode codes.

        Parameters
        ----------
        X : array-like of shape (n, n_components)
            Codes. Of ordered components (see `Autoencoder`) the first ones are enough.

        Returns
        -------
        X_reconstructed : ndarray of shape (n, n_features), or of images where `fit` got images
        """
        check_is_fitted(self)
        return self._to_layout(
            self._decode(read_codes(self, X, may_be_short=self._is_ordered)), self._layout
        )

    def reconstruct(self, X: MatrixLike) -> np.ndarray:
        """Encode X and decode the codes.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images

        Returns
        -------
        X_reconstructed : ndarray of the shape of X
        """
        rows, layout = self._read(X)
        return self._to_layout(self._reconstruct(rows), layout)

    def interpolate(self, a: ArrayLike, b: ArrayLike, n: int = 8) -> np.ndarray:
        """Decode the straight path between the codes of two samples.

        Parameters
        ----------
        a, b : array-like of shape (n_features,), or an image
            Where the path begins and where it ends.
        n : int, default=8
            Number of steps, both ends included.

        Returns
        -------
        path : ndarray of shape (n, n_features), or of images where `fit` got images
        """
        check_is_fitted(self)
        check_scalar(n, "n", Integral, min_val=2)
        start, end = (self.transform(np.asarray(sample)[None]) for sample in (a, b))
        # set_output may have made frames of the codes.
        start, end = np.asarray(start), np.asarray(end)
        shares = np.linspace(0, 1, n, dtype=start.dtype)[:, None]
        return self.inverse_transform((1 - shares) * start + shares * end)

    def feature_maps(self, X: MatrixLike) -> dict[str, np.ndarray]:
        """Show what each convolution gives, on the way to the code and back.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images

        Returns
        -------
        maps : dict of str to ndarray of shape (n, height, width, channels)
            By the name of the convolution in ``module_``, in the order in which the data pass.
            Empty for a network without convolutions.
        """
        rows, _ = self._read(X)
        return record_feature_maps(
            self.module_, "reconstruct", rows, self.n_features_in_, allow_nan=self._allow_missing
        )

    def score_samples(self, X: MatrixLike) -> np.ndarray:
        """Minus the mean squared error of each sample's reconstruction: higher is more normal.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n, n_features), or images

        Returns
        -------
        scores : ndarray of shape (n,)
            In the units of X squared, float64. Missing values are left out; a row that has no
            others scores 0.
        """
        return -mean_squares(*self._compare(X))

    def _compare(self, X):
        """Return X, as a masked array where values are missing, and its reconstruction."""
        rows, _ = self._read(X)
        rows = rows.toarray() if hasattr(rows, "toarray") else rows
        reconstructed = self._reconstruct(rows)
        has_gaps = self._allow_missing and np.isnan(rows.min())
        return np.ma.masked_invalid(rows) if has_gaps else rows, reconstructed

    def _read(self, X):
        check_is_fitted(self)
        rows, layout = read_rows(self, X, reset=False, check_finite=False)
        check_layout(layout, self.image_shape_)
        return rows, layout

    def _to_layout(self, rows, layout):
        return rows if layout is None else rows.reshape(-1, *layout)

    def _build_network(self, standardization):
        shape = DataShape(standardization.n_outputs, self.image_shape_, standardization)
        encoder = self.architecture_.build_encoder(shape, self.n_components_)
        n_inputs = (2 if self._is_ordered else 1) * self.n_components_
        decoder = self.architecture_.build_decoder(shape, n_inputs)
        return AutoencoderNetwork(
            encoder,
            decoder,
            standardization,
            fills_gaps=self._allow_missing,
            is_ordered=self._is_ordered,
        )

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
