"""The autoencoder of tables: a frame in, latent codes, and a frame out."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted

from .._engine.data import Sample, TrainingSet
from .._engine.inference import map_rows
from .._sklearn_compat import Interval
from .._typing import Seed, TableLike
from ..architectures import DataShape
from ..models._columns import ColumnLoss
from ..models.table import HiddenColumns, TableNetwork, VariationalTableNetwork
from ..tables._filling import filled_like
from ..tables._frames import index_of
from ._base import NetworkEstimator
from ._density import draw_codes, fit_density
from ._docs import shared_docs
from ._input import read_codes
from ._mixins import if_variational
from ._outcome import MEASURED_ROWS
from ._parameters import ArchitectureLike, Callbacks, Device, FilePath, OptimizerLike
from ._plan import FitMode, Traits, hidden_fraction
from ._table_input import check_rows, read_weights
from ._table_scores import TableScoresMixin
from .table_encoder import TableEncoder

# The parameters that the encoder has as well.
_ENCODING = ("kinds", "numeric_scaling", "min_frequency", "max_categories", "handle_unknown")
# Those of `NetworkEstimator` that a table has no use for: its loss is that of its columns, and its
# noise are hidden columns.
_UNUSED = ("loss", "noise", "noise_level")


@shared_docs
class TableAutoencoder(
    TableScoresMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, NetworkEstimator
):
    """Autoencoder of tables with numbers, categories, truth values, dates and missing values.

    `fit` takes a frame of pandas or polars as it is. A :class:`TableEncoder` makes numbers of it,
    the network learns codes of them, and decodes them to such a frame again. The loss of each
    column is divided by what it is without knowledge of the row: squared errors by the variance of
    the column, cross-entropies of categories by its entropy. Columns then count the same, whatever
    their kind and their unit.

    Missing values are hidden from the encoder and left out of the loss. Training hides more columns
    of each row, about as many as are missing (Kim et al., 2024), so that `impute` can fill them.

    Parameters
    ----------
    n_components : int, float in (0, 1) or 'auto', default='auto'
        Size of the latent code. A float is a fraction of the variance of the encoded table: the
        code has as many components as :class:`~sklearn.decomposition.PCA` needs to explain it.
        ``'auto'`` is 0.9, since a code that leaves much out imputes badly. A plot needs two.
    kinds : dict, default=None
        Kind of a column by its name, as for :class:`TableEncoder`: ``'numeric'``,
        ``'categorical'``, ``'ordinal'``, ``'boolean'``, ``'datetime'``, ``'time'``, ``'duration'``,
        or a list of categories in their order. The kind of others is that of their type.
    numeric_scaling : {'robust', 'standard', 'quantile'}, default='robust'
        How numbers are scaled, as for :class:`TableEncoder`.
    min_frequency : int or float in (0, 1), default=None
        Categories that occur less often are pooled, as for :class:`TableEncoder`.
    max_categories : int, default=None
        Largest number of indicators of a column, as for :class:`TableEncoder`.
    handle_unknown : {'infrequent_if_exist', 'missing', 'error'}, default='infrequent_if_exist'
        What to do with categories that `fit` did not see, as for :class:`TableEncoder`.
    column_weights : dict, default=None
        Weight of a column's loss by its name. Others have weight one.
    variational : bool, default=False
        Whether codes have a distribution, as in `VariationalAutoencoder`, so that `sample` can draw
        rows.
    beta : float, default=1.0
        Factor of the Kullback-Leibler divergence, if ``variational=True``.
    architecture, optimizer, learning_rate_init, learning_rate, alpha, batch_size, max_iter, \
            early_stopping, validation_fraction, n_iter_no_change, tol, warm_start, callbacks, \
            checkpoint, device, precision, compile, verbose, random_state
        Shared.

    Attributes
    ----------
    encoder_ : TableEncoder
        The encoder of the table; its ``kinds_`` are those of the columns.
    hidden_fraction_ : float
        Fraction of the columns of each row that training hid.
    code_density_ : GaussianMixture
        Density of the codes, from which `sample` draws. Only available if ``variational=True``.
    n_components_ : int
        Size of the latent code.
    n_features_in_ : int
        Number of columns in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns in `fit`. Only available if they are all strings.
    reconstruction_err_ : float
        Mean loss of the training rows' columns (at most 10,000 rows), each in units of what it is
        without knowledge of the row.
    sample_shape_ : tuple of int
        Length of an encoded row.
    architecture_, network_options_, n_iter_, best_n_iter_, n_samples_seen_, loss_curve_, \
            history_, module_, net_
        Shared.

    See Also
    --------
    TableEncoder : Only the numbers, for any reducer.
    Autoencoder : Arrays of numbers, and images.
    sklearn.impute.IterativeImputer : Imputation of numbers, column by column.

    Notes
    -----
    `module_` maps encoded tables, not those that `fit` takes.

    References
    ----------
    Kim, Lee and Park (2024). To predict or not to predict? Proportionally masked autoencoders for
    tabular data imputation. arXiv:2412.19152.

    Ghosh, Sajjadi, Vergari, Black and Schölkopf (2020). From variational to deterministic
    autoencoders. ICLR. (The density from which `sample` draws codes.)

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.datasets import load_wine
    >>> from skae import TableAutoencoder
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> X["cultivar"] = y.map({0: "Barolo", 1: "Grignolino", 2: "Barbera"})
    >>> X_missing = X.astype({"cultivar": object})
    >>> X_missing.loc[::4, ["cultivar", "proline"]] = None
    >>> autoencoder = TableAutoencoder(random_state=0).fit(X_missing)
    >>> X_imputed = autoencoder.impute(X_missing)
    >>> X_imputed.isna().to_numpy().any()
    np.False_
    >>> bool((X_imputed["cultivar"] == X["cultivar"])[::4].mean() > 0.8)
    True
    """

    _parameter_constraints = {
        **{
            name: constraint
            for name, constraint in NetworkEstimator._parameter_constraints.items()
            if name not in _UNUSED
        },
        **{name: TableEncoder._parameter_constraints[name] for name in _ENCODING},
        "column_weights": [Mapping, None],
        "variational": ["boolean"],
        "beta": [Interval(Real, 0, None, closed="left")],
    }

    # What `NetworkEstimator` asks for, and a table has no choice of.
    loss, noise, noise_level = "mse", None, 0.0
    # Columns are hidden one by one.
    _may_use_basis = False

    def __init__(
        self,
        n_components: float | str = "auto",
        *,
        kinds: Mapping[Any, Any] | None = None,
        numeric_scaling: str = "robust",
        min_frequency: float | None = None,
        max_categories: int | None = None,
        handle_unknown: str = "infrequent_if_exist",
        column_weights: Mapping[Any, float] | None = None,
        variational: bool = False,
        beta: float = 1.0,
        architecture: ArchitectureLike = "auto",
        optimizer: OptimizerLike = "adamw",
        learning_rate_init: float = 0.003,
        learning_rate: str = "one_cycle",
        alpha: float | str = "auto",
        batch_size: int | str = "auto",
        max_iter: int | str = "auto",
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: float = 20,
        tol: float = 1e-4,
        warm_start: bool = False,
        callbacks: Callbacks = None,
        checkpoint: FilePath = None,
        device: Device = "auto",
        precision: str = "auto",
        compile: bool = False,
        verbose: int = 0,
        random_state: Seed = None,
    ) -> None:
        self.n_components = n_components
        self.kinds = kinds
        self.numeric_scaling = numeric_scaling
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.handle_unknown = handle_unknown
        self.column_weights = column_weights
        self.variational = variational
        self.beta = beta
        self.architecture = architecture
        self.optimizer = optimizer
        self.learning_rate_init = learning_rate_init
        self.learning_rate = learning_rate
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.device = device
        self.precision = precision
        self.compile = compile
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: TableLike, y: object = None) -> Self:
        """Train encoder and decoder on a table.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_samples, n_features)
            The table. NaN, None and the like are missing values.
        y : None
            Ignored.

        Returns
        -------
        self : TableAutoencoder
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If a column or a parameter cannot be used; the estimator stays as it was.
        """
        return self._fit(X, y)

    def transform(self, X: TableLike) -> np.ndarray:
        """Encode a table.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Latent codes.
        """
        codes: np.ndarray = self._encode(self._read(X))
        return codes

    def inverse_transform(self, X: ArrayLike) -> Any:
        """Decode codes to a table.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Latent codes.

        Returns
        -------
        X_decoded : {DataFrame, ndarray} of shape (n_samples, n_features)
            A table with the columns and types of that in `fit`.
        """
        check_is_fitted(self)
        return self.encoder_._decode(self._decode(read_codes(self, X)), index_of(X))

    def reconstruct(self, X: TableLike) -> Any:
        """Encode a table and decode the codes.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.

        Returns
        -------
        X_reconstructed : {DataFrame, ndarray} of shape (n_samples, n_features)
            A table with the columns and types of that in `fit`, and the index of X.
        """
        return self.encoder_._decode(self._reconstruct(self._read(X)), index_of(X))

    def impute(self, X: TableLike) -> Any:
        """Replace missing values by what the codes of their rows decode to.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.

        Returns
        -------
        X_imputed : {DataFrame, ndarray} of shape (n_samples, n_features)
            A copy of X in which no value is missing, but for columns without any value in `fit`.
            Values that are observed stay as they are, to the bit, and so do types.
        """
        return filled_like(X, self.encoder_._values(self._reconstruct(self._read(X))))

    @if_variational
    def sample(self, n_samples: int = 1, random_state: Seed = None) -> Any:
        """Draw rows at random, if ``variational=True``.

        Codes are drawn from `code_density_`, numbers and categories from the distributions that
        they decode to.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows to draw.
        random_state : int, RandomState instance or None, default=None
            Seed of the rows.

        Returns
        -------
        X : {DataFrame, ndarray} of shape (n_samples, n_features)
            A table with the columns and types of that in `fit`, without missing values.
        """
        check_is_fitted(self)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        generator = check_random_state(random_state)
        codes = draw_codes(self.code_density_, n_samples, self.n_components_, generator)
        columns, deviations = self.module_.columns, self.module_.noise_variances.sqrt()
        noise = np.where(columns.is_squared.numpy(force=True), deviations.numpy(force=True), 0)
        rows = self._decode(codes)
        rows = rows + noise * generator.standard_normal(rows.shape)
        limits = columns.low.numpy(force=True), columns.high.numpy(force=True)
        return self.encoder_._decode(self.encoder_._drawn(np.clip(rows, *limits), generator))

    # -- parts -----------------------------------------------------------------------------

    def _read(self, X: Any) -> Any:
        check_is_fitted(self)
        return self.encoder_.transform(X)

    @property
    def _n_outputs(self) -> int:
        return int(self.encoder_._n_features_out)

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)

    def _traits(self) -> Traits:
        # Hidden columns are targets that are predicted from the others.
        return Traits(learns_targets=True)

    def _network_options(self) -> dict[str, Any]:
        return {
            "mask_missing": True,
            "variational": bool(self.variational),
            "beta": float(self.beta),
        }

    def _read_training_set(
        self, X: Any, y: Any, sample_weight: Any, X_target: Any, run: Any
    ) -> TrainingSet:
        if not run.mode.continues:
            parameters = {name: getattr(self, name) for name in _ENCODING}
            self.encoder_ = TableEncoder(**parameters, missing_values="nan").fit(X)
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(self.encoder_, name):
                    setattr(self, name, getattr(self.encoder_, name))
            self._set_shapes((self._n_outputs,), None)
        rows = self.encoder_.transform(X)
        check_rows(rows, run.mode)
        self.network_options_["column_weights"] = read_weights(
            self.column_weights, self.encoder_.columns_
        )
        return TrainingSet(rows)

    @property
    def _varying(self) -> list[Any]:
        return [column for column in self.encoder_.columns_ if column.n_encoded]

    def _prepare_training_set(
        self, training_set: TrainingSet, run: Any, X: Any, y: Any
    ) -> TrainingSet:
        first = [self.encoder_.output_indices_[column.name].start for column in self._varying]
        self.hidden_fraction_ = hidden_fraction(float(np.isnan(training_set.X[:, first]).mean()))
        return training_set

    def _build_network(self, shape: DataShape) -> Any:
        options = self.network_options_
        columns = self._varying
        loss = ColumnLoss(
            [column.loss for column in columns],
            [column.n_encoded for column in columns],
            list(options["column_weights"]),
            *(
                torch.tensor(np.concatenate([getattr(column, name) for column in columns])).float()
                for name in ("center", "scale")
            ),
        )
        # The encoder sees an indicator of each column besides the numbers.
        seen = DataShape(shape.n_features + len(columns))
        n_codes = self.n_components_
        decoder = self.architecture_.build_decoder(shape, n_codes)
        if options["variational"]:
            encoder = self.architecture_.build_encoder(seen, 2 * n_codes)
            return VariationalTableNetwork(
                encoder, decoder, shape.standardization, loss, n_codes, beta=options["beta"]
            )
        encoder = self.architecture_.build_encoder(seen, n_codes)
        return TableNetwork(encoder, decoder, shape.standardization, loss)

    def _corruption(self, noise: Any, standardization: Any, sample: Sample) -> Any:
        widths = [column.n_encoded for column in self._varying]
        column = torch.arange(len(widths)).repeat_interleave(torch.tensor(widths))
        return HiddenColumns(column, len(widths), self.hidden_fraction_)

    def _finish(self, training_set: TrainingSet, sample: Sample, mode: FitMode) -> None:
        super()._finish(training_set, sample, mode)
        if self.network_options_["variational"]:
            self.code_density_ = fit_density(self._posterior, training_set, self.random_state)

    def _measure(self, sample: Sample, dtype: Any) -> float:
        return float(np.nanmean(self._losses(sample.X[:MEASURED_ROWS])))

    def _posterior(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n_outputs = 2 * self.n_components_
        both = map_rows(self.module_, "posterior", rows, n_outputs, allow_nan=True)
        mean, std = np.hsplit(both, 2)
        return mean, std

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags
