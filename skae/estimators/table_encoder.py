"""A table of mixed columns as numbers, and back: for any reducer."""

import warnings
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from .._arrays import as_array
from .._sklearn_compat import Interval, StrOptions
from .._typing import TableLike
from .._utils import unchanged_on_error
from ..sources import check_in_memory
from ..tables._columns import SCALERS, CategoricalColumn
from ..tables._frames import (
    fitting,
    index_of,
    is_table,
    library_of,
    make_frame,
    read_array,
    read_frame,
)
from ..tables._kinds import KINDS, as_kind, kind_of, learn_column
from ._checked import CheckedMixin

# Unseen categories that a warning lists of each column.
_MAX_LISTED = 3


class TableEncoder(CheckedMixin, TransformerMixin, BaseEstimator):
    """Encode a table of mixed columns as numbers that are decoded to such a table again.

    Each column becomes a group of numbers with mean zero and a total variance of one, so that each
    counts the same in PCA, an autoencoder or a distance:

    - numeric: one number, scaled;
    - boolean: one number;
    - categorical: an indicator for each category;
    - ordinal: for each category but the first, whether the value reaches it;
    - datetime: a trend, and sine and cosine of the year, the week and the day, as far as the
      values go through them;
    - time: sine and cosine of the day;
    - duration: as numeric;
    - a constant column, or one without any value: no number.

    `inverse_transform` returns a table as in `fit`: its columns, types and categories. Decoded
    categories are the most probable ones, and integers are whole.

    Parameters
    ----------
    kinds : dict, default=None
        Kind of a column by its name, or by its position in an array: ``'numeric'``,
        ``'categorical'``, ``'ordinal'``, ``'boolean'``, ``'datetime'``, ``'time'`` or
        ``'duration'``, or a list of categories in their order, which is ordinal. The kind of others
        is that of their type: strings and unordered categories are categorical, ordered ones of
        pandas ordinal, integers and floats numeric.
    numeric_scaling : {'robust', 'standard', 'quantile'}, default='robust'
        How numbers are scaled. ``'robust'`` is linear around the median and logarithmic in the
        tails, so that a few large values do not decide. ``'standard'`` is linear. ``'quantile'``
        makes the distribution normal, and cuts off what lies beyond the training values.
    min_frequency : int or float in (0, 1), default=None
        Categories that occur less often, as a number or a fraction of the known values, share one
        indicator, and are decoded as the most frequent of them. None keeps all.
    max_categories : int, default=None
        Largest number of indicators of a column, that of rare categories included.
    handle_unknown : {'infrequent_if_exist', 'missing', 'error'}, default='infrequent_if_exist'
        What to do with categories that `fit` did not see: take them for rare ones if these share an
        indicator, and for missing otherwise; take them for missing; or raise an error.
    missing_values : {'mean', 'nan'}, default='mean'
        What missing values become: the mean of each number of the column, which is zero, or NaN,
        for estimators that take it.

    Attributes
    ----------
    columns_ : list
        The columns as they were learned.
    kinds_ : dict
        Kind of each column by its name; ``'constant'`` for those that need no number.
    output_indices_ : dict of str to slice
        Where each column is in the result.
    n_features_in_ : int
        Number of columns in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns in `fit`. Only available if they are all strings.

    See Also
    --------
    sklearn.compose.ColumnTransformer : Encoders of one's own, without an inverse.

    Notes
    -----
    Text is refused by the name of its column. Frames are read by narwhals.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from skae import TableEncoder
    >>> X = pd.DataFrame({
    ...     "species": ["cat", "dog", "dog", "cat", "dog"],
    ...     "weight": [4.1, 21.0, 33.5, 3.8, None],
    ...     "legs": [4, 4, 3, 4, 4],
    ... })
    >>> encoder = TableEncoder().set_output(transform="pandas")
    >>> list(encoder.fit_transform(X).columns)
    ['species_cat', 'species_dog', 'weight', 'legs']

    A pipeline with any reducer has an inverse:

    >>> pipeline = make_pipeline(TableEncoder(), PCA(1)).fit(X)
    >>> pipeline.inverse_transform(pipeline.transform(X))["species"].tolist()
    ['cat', 'dog', 'dog', 'cat', 'dog']
    """

    _parameter_constraints = {
        "kinds": [Mapping, None],
        "numeric_scaling": [StrOptions(set(SCALERS))],
        "min_frequency": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            None,
        ],
        "max_categories": [Interval(Integral, 2, None, closed="left"), None],
        "handle_unknown": [StrOptions({"infrequent_if_exist", "missing", "error"})],
        "missing_values": [StrOptions({"mean", "nan"})],
    }

    def __init__(
        self,
        *,
        kinds: Mapping[Any, Any] | None = None,
        numeric_scaling: str = "robust",
        min_frequency: float | None = None,
        max_categories: int | None = None,
        handle_unknown: str = "infrequent_if_exist",
        missing_values: str = "mean",
    ) -> None:
        self.kinds = kinds
        self.numeric_scaling = numeric_scaling
        self.min_frequency = min_frequency
        self.max_categories = max_categories
        self.handle_unknown = handle_unknown
        self.missing_values = missing_values

    def fit(self, X: TableLike, y: object = None) -> Self:
        """Learn the kind, the scale and the categories of each column.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_samples, n_features)
            The table. NaN, None and the like are missing values.
        y : None
            Ignored.

        Returns
        -------
        self : TableEncoder
            The fitted encoder.

        Raises
        ------
        ValueError, TypeError
            If a column cannot be encoded; the encoder stays as it was.
        """
        with unchanged_on_error(self):
            self._validate_params()
            sources = self._read(X, reset=True)
            self._learn(sources, library_of(X))
        return self

    def transform(self, X: TableLike) -> np.ndarray:
        """Encode a table.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.

        Returns
        -------
        encoded : ndarray of shape (n_samples, n_encoded_features)
            The numbers of all columns side by side.

        Raises
        ------
        ValueError, TypeError
            If X has other columns, or values that cannot be encoded.
        """
        check_is_fitted(self)
        sources = self._as_kinds(self._read(X, reset=False))
        self._check_unseen(sources)
        encoded = [column.encode(s) for column, s in zip(self.columns_, sources, strict=True)]
        # Zero is the mean of every encoded number, in place of the missing one.
        rows = np.hstack([np.empty((len(sources[0].missing), 0)), *encoded])
        return rows if self.missing_values == "nan" else np.nan_to_num(rows, copy=False)

    def inverse_transform(self, X: ArrayLike) -> Any:
        """Decode numbers to a table.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_encoded_features)
            Encoded rows, or any numbers in their place, such as what a reducer reconstructs.

        Returns
        -------
        X_decoded : {DataFrame, ndarray} of shape (n_samples, n_features)
            As in `fit`: a frame of the same library with the same columns and types, or an array.

        Raises
        ------
        ValueError
            If X has another number of features than the encoded table.
        """
        check_is_fitted(self)
        # A table of constant columns has no encoded features.
        rows = check_array(X, dtype=np.float64, input_name="X", ensure_min_features=0)
        if rows.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {rows.shape[1]} features, but TableEncoder is expecting the "
                f"{self._n_features_out} of the encoded table."
            )
        return self._decode(rows, index_of(X))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the names of the encoded features.

        Parameters
        ----------
        input_features : array-like of shape (n_features,), default=None
            Names of the columns, for a table without names; otherwise they must be those of `fit`.

        Returns
        -------
        names : ndarray of shape (n_encoded_features,)
            Name of the column, and of the category, the step or the cycle.

        Raises
        ------
        ValueError
            If the names differ from those of `fit`.
        """
        check_is_fitted(self)
        labels = [column.label for column in self.columns_]
        given = labels if input_features is None else list(np.asarray(input_features, dtype=str))
        known = getattr(self, "feature_names_in_", None)
        if len(given) != len(labels) or (known is not None and given != labels):
            raise ValueError(
                f"input_features is not equal to the columns of fit, {labels}, got {given}."
            )
        names = [
            # Encoded features begin with the label of their column, which the given name replaces.
            given[i] + name.removeprefix(column.label)
            for i, column in enumerate(self.columns_)
            for name in column.feature_names()
        ]
        return np.array(names, dtype=object)

    # -- parts -----------------------------------------------------------------------------

    def _read(self, X: Any, *, reset: bool) -> list[Any]:
        """Return the columns of X, after the checks that scikit-learn makes of any X."""
        if is_table(X):
            _refuse_duplicates(X)
            # Only the names: check_array would make objects of columns of several types.
            validate_data(self, X, reset=reset, skip_check_array=True)
            if 0 in X.shape:
                # scikit-learn's words for tables without rows or columns.
                check_array(np.empty(X.shape))
            columns: list[Any] = read_frame(X)
            return columns
        check_in_memory(X, type(self).__name__)
        # Types are looked at column by column.
        X = validate_data(self, as_array(X), reset=reset, dtype=None, ensure_all_finite=False)
        columns = read_array(X)
        return columns

    def _learn(self, sources: list[Any], library: str | None) -> None:
        # Before any column is learned: a misspelled name would otherwise be ignored in silence.
        given = dict(self.kinds or {})
        _check_kinds(given, sources)
        options = {
            name: getattr(self, name)
            for name in ("numeric_scaling", "min_frequency", "max_categories", "handle_unknown")
        }
        self.columns_ = [
            learn_column(source, self._label(source, library), given.get(source.name), options)
            for source in sources
        ]
        self.kinds_ = {column.name: kind_of(column) for column in self.columns_}
        # Constant columns take no numbers, and have an empty slice.
        ends = np.cumsum([column.n_encoded for column in self.columns_]).tolist()
        self.output_indices_ = {
            column.name: slice(end - column.n_encoded, end)
            for column, end in zip(self.columns_, ends, strict=True)
        }
        self._n_features_out = ends[-1]
        self._library = library
        # What makes the same types again: names and numbers, so that it can be saved as it is.
        self._types = [source.dtype for source in sources]
        self._categories = [source.categories for source in sources]

    def _label(self, source: Any, library: str | None) -> str:
        # As scikit-learn names the columns of an array.
        return str(source.name) if library else f"x{source.name}"

    def _as_kinds(self, sources: list[Any]) -> list[Any]:
        return [
            as_kind(source, self.kinds_[column.name])
            for source, column in zip(sources, self.columns_, strict=True)
        ]

    def _check_unseen(self, sources: list[Any]) -> None:
        """Warn of unseen categories, or refuse them."""
        unseen = {
            column.name: column.unseen(source)[:_MAX_LISTED]
            for source, column in zip(sources, self.columns_, strict=True)
            if isinstance(column, CategoricalColumn)
        }
        listed = ", ".join(f"{name!r} ({values})" for name, values in unseen.items() if values)
        if not listed:
            return
        if self.handle_unknown == "error":
            raise ValueError(f"X holds categories that fit did not see, in column(s) {listed}.")
        warnings.warn(
            f"X holds categories that fit did not see, in column(s) {listed}: they count as "
            "missing, or as rare ones where these share an indicator.",
            UserWarning,
            stacklevel=4,
        )

    def _drawn(self, rows: np.ndarray, generator: np.random.RandomState) -> np.ndarray:
        """Return encoded rows in which categories are drawn from their probabilities."""
        # In raw units, in which the numbers of categories are their probabilities.
        drawn = [
            column.drawn(
                rows[:, self.output_indices_[column.name]] * column.scale + column.center,
                generator,
            )
            - column.center
            for column in self.columns_
        ]
        scales = np.concatenate([column.scale[: column.n_encoded] for column in self.columns_])
        encoded: np.ndarray = np.hstack(drawn) / scales
        return encoded

    def _values(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return the decoded values of each column."""
        return [
            column.decode(rows[:, self.output_indices_[column.name]]) for column in self.columns_
        ]

    def _decode(self, rows: np.ndarray, index: Any = None) -> Any:
        values = self._values(rows)
        if self._library is None:
            return _as_array(values, self._types[0]["array"])
        names = [column.name for column in self.columns_]
        columns = list(zip(names, values, self._types, self._categories, strict=True))
        # Codes of a table of polars may come in a frame of pandas, which has an index.
        return make_frame(columns, self._library, index if self._library == "pandas" else None)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags


def _refuse_duplicates(X: Any) -> None:
    names = list(X.columns)
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ValueError(f"the names of X's columns must differ, got {twice} more than once.")


def _check_kinds(given: dict[Any, Any], sources: list[Any]) -> None:
    names = [source.name for source in sources]
    for name, kind in given.items():
        if name not in names:
            raise ValueError(f"kinds must name columns of X, {names}, got {name!r}.")
        if not isinstance(kind, list) and kind not in KINDS:
            raise ValueError(
                f"kinds[{name!r}] must be one of {sorted(KINDS)}, or a list of categories in their "
                f"order, got {kind!r}."
            )


def _as_array(values: list[np.ndarray], dtype: str) -> np.ndarray:
    # An array has one type for all columns: numbers are rounded and cut to what it can hold.
    target = np.dtype(dtype)
    columns = np.empty((len(values[0]), len(values)), dtype=target)
    for i, each in enumerate(values):
        columns[:, i] = fitting(each, target)
    return columns
