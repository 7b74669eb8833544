"""Public methods of the encoder side, of the decoder side, and of both together."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_scalar
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._arrays import dense
from .._engine.inference import record_feature_maps
from .._sklearn_compat import StrOptions
from .._typing import MatrixLike
from ..metrics import explained_variance
from ..metrics._reconstruction import mean_squares
from ._blocks import by_blocks
from ._frames import in_output_container, single_row
from ._input import check_fitted, check_layout, read_codes, read_rows
from ._readings import warn_of_ignored_target
from ._sources import refuse_batches

# Constraints of parameters that estimators of rows have, and those of sequences do not.
ROWS_CONSTRAINTS = {"image_shape": [tuple, list, None]}
AUGMENT_CONSTRAINTS = {"augment": [callable, None]}
MISSING_CONSTRAINTS = {"missing_values": [StrOptions({"mask"}), None]}

ADVICE_ON_SCORE = (
    "score compares X with its own reconstruction, and ignores y. With other values, such as clean "
    "data, compare it by skae.metrics.explained_variance(y, estimator.reconstruct(X))."
)


Method = TypeVar("Method", bound=Callable[..., Any])


def _is_masking(estimator: Any) -> bool:
    return getattr(estimator, "missing_values", None) == "mask"


def _is_variational(estimator: Any) -> bool:
    return bool(estimator.variational)


# scikit-learn's decorator has no types, and would take those of the method.
if_masking: Callable[[Method], Method] = available_if(_is_masking)
if_variational: Callable[[Method], Method] = available_if(_is_variational)


class RowTransformerMixin(TransformerMixin):
    """A `fit_transform` that refuses before training what `transform` does not take."""

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit on X, and return what `transform` returns of it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            As `fit` takes it, except batches.
        y : array-like of shape (n_samples,), default=None
            As `fit` takes it.
        **fit_params : dict
            Other arguments of `fit`.

        Returns
        -------
        X_transformed : ndarray of shape (n_samples, n_features_out)
            A frame if `set_output` asks for frames.
        """
        refuse_batches(X, "fit_transform")
        return super().fit_transform(X, y, **fit_params)


class EncoderMixin(ClassNamePrefixFeaturesOutMixin, RowTransformerMixin):
    """Methods of estimators whose network encodes rows."""

    @by_blocks
    def transform(self, X: MatrixLike) -> np.ndarray:
        """Encode X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data; images in a layout that `fit` takes.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Latent codes.
        """
        return self._encode(self._read(X)[0], X)

    def _read(self, X):
        check_fitted(self, "module_")
        # NaN and infinity are found chunk by chunk, when rows are in the cache: see `map_rows`.
        rows, layout = read_rows(self, X, reset=False, check_finite=False)
        check_layout(layout, self._image_shape)
        return rows, layout

    @property
    def _n_features_out(self):
        return self.n_components_


class DecoderMixin:
    """Methods of estimators whose network decodes codes."""

    # Of the estimator that this is mixed into.
    network_options_: dict
    sample_shape_: tuple
    _decode: Callable

    @by_blocks
    def inverse_transform(self, X: ArrayLike) -> Any:
        """Decode codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Latent codes. Of ordered components (see `Autoencoder`) the first ones are enough.

        Returns
        -------
        X_reconstructed : {ndarray, DataFrame} of shape (n_samples, n_features), or images
            Images where `fit` got images. A frame with the names of the features if X is a frame
            and `set_output` asks for frames.
        """
        check_fitted(self, "module_")
        # As in `fit`: the parameter may have been set since.
        allow_short = self.network_options_.get("ordered", False)
        codes = read_codes(self, X, allow_short=allow_short)
        samples = self._decode(codes).reshape(-1, *self.sample_shape_)
        return in_output_container(self, samples, X)


class ReconstructionMixin(EncoderMixin, DecoderMixin):
    """Methods of estimators that do both, and compare the data with their reconstruction."""

    @by_blocks
    def reconstruct(self, X: MatrixLike) -> Any:
        """Encode X and decode the codes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data; images in a layout that `fit` takes.

        Returns
        -------
        X_reconstructed : {ndarray, DataFrame} of the shape of X
            The decoded codes of X. A frame if X is one and `set_output` asks for frames.
        """
        rows, layout = self._read(X)
        reconstructed = self._reconstruct(rows, X)
        if layout is not None:
            return reconstructed.reshape(-1, *layout)
        return in_output_container(self, reconstructed, X)

    @if_masking
    @by_blocks
    def impute(self, X: MatrixLike) -> Any:
        """Replace missing values by what the codes decode to, if ``missing_values='mask'``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data, NaN where values are missing; images in a layout that `fit` takes.

        Returns
        -------
        X_imputed : {ndarray, DataFrame} of the shape of X
            A copy of X without missing values. Observed values stay as they are, to the bit. A
            frame if X is one and `set_output` asks for frames.
        """
        rows, layout = self._read(X)
        # array, not asarray: the rows may be the caller's X itself.
        imputed = np.array(dense(rows))
        # Bytes hold no NaN.
        if imputed.dtype.kind == "f":
            missing = np.isnan(imputed)
            imputed[missing] = self._reconstruct(rows, X)[missing]
        if layout is not None:
            return imputed.reshape(-1, *layout)
        return in_output_container(self, imputed, X)

    def interpolate(self, a: ArrayLike, b: ArrayLike, n: int = 8) -> np.ndarray:
        """Decode the straight path between the codes of two samples.

        Parameters
        ----------
        a : array-like of shape (n_features,), or an image
            Where the path begins: an array, a Series, or data of one row in any form that
            `transform` takes.
        b : array-like of shape (n_features,), or an image
            Where the path ends.
        n : int, default=8
            Number of steps, both ends included.

        Returns
        -------
        path : ndarray of shape (n, n_features), or of images
            Images where `fit` got images.
        """
        check_is_fitted(self)
        check_scalar(n, "n", Integral, min_val=2)
        # The public method: a hybrid needs what its reducer returns.
        start, end = (self.transform(single_row(each, self.sample_shape_)) for each in (a, b))
        # set_output may have made frames of the codes.
        start, end = np.asarray(start), np.asarray(end)
        # In the type of the codes: float64 fractions would turn float32 codes into float64.
        fractions = np.linspace(0, 1, n, dtype=start.dtype)[:, None]
        return self.inverse_transform((1 - fractions) * start + fractions * end)

    def feature_maps(self, X: MatrixLike) -> dict[str, np.ndarray]:
        """Return the output of each convolution, on the way to the code and back.

        If a reducer computes the codes, only on the way back.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data; images in a layout that `fit` takes.

        Returns
        -------
        maps : dict of str to ndarray of shape (n_samples, height, width, channels)
            By the name of the convolution in ``module_``, in the order in which the data pass.
            Empty for a network without convolutions.
        """
        rows, _ = self._read(X)
        return self._record_feature_maps(rows, X)

    def _record_feature_maps(self, rows: Any, X: Any) -> dict[str, np.ndarray]:
        return record_feature_maps(
            self.module_, "forward", rows, self.n_features_in_, allow_nan=self._mask_missing
        )

    def score(
        self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the fraction of the variance of X that the reconstruction explains.

        Missing values are left out.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data; images in a layout that `fit` takes.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, see :func:`~skae.metrics.explained_variance`.

        Returns
        -------
        score : float
            1 is perfect, 0 as good as the mean of X.
        """
        if not self._uses_y():
            warn_of_ignored_target(X, y, ADVICE_ON_SCORE)
        return explained_variance(*self._compare(X), sample_weight=sample_weight)

    @by_blocks
    def score_samples(self, X: MatrixLike) -> np.ndarray:
        """Return minus the mean squared error of each sample's reconstruction.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The data; images in a layout that `fit` takes.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Higher is more normal. In the units of X squared, float64. Missing values are left
            out; a row without observed values scores 0.
        """
        return -mean_squares(*self._compare(X))

    def _compare(self, X):
        """Return X as dense rows, NaN where values are missing, and its reconstruction."""
        rows, _ = self._read(X)
        rows = dense(rows)
        return rows, self._reconstruct(rows, X)


class UnsupervisedMixin(ReconstructionMixin):
    """``fit`` and ``partial_fit`` of estimators that learn only from X."""

    # Of the estimator that this is mixed into.
    _fit: Callable

    def fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: MatrixLike | None = None,
    ) -> Self:
        """Train encoder and decoder on X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            Training data. Images have shape (n_samples, height, width) or (n_samples, height,
            width, n_channels). uint8 and memmaps are converted a batch at a time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts. If None, all count the same.
        X_target : array-like of the shape of X, default=None
            The target of the reconstruction, such as clean data for noisy X. If None, it is X.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight, X_target)

    def partial_fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_target: MatrixLike | None = None,
    ) -> Self:
        """Continue training with one pass over a batch of data.

        A call may hold a single row. Without a `fit` before, training starts anew from all rows
        so far each time their number has doubled, until 500 have come: fewer determine neither
        scale nor principal directions. Later calls take one step for each 64 rows and keep the
        mean of the weights over the last calls. The learning rate is constant: half of
        ``learning_rate_init``, or all of it with ``learning_rate='constant'``, times the root of
        the fraction of 64 that a smaller batch has. No rows are held out.

        Center and scale follow the data, and the network computes the same in the new
        units. Convolutions follow only the scale, user-supplied modules and networks that see
        principal directions follow neither.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or images
            The batch, as in `fit`.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts. If None, all count the same.
        X_target : array-like of the shape of X, default=None
            The target of the reconstruction. If None, it is X.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If data or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y, sample_weight, X_target, partial=True)
