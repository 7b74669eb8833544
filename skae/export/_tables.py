"""Encoders and autoencoders of tables as modules.

They map and return tables as tensors (n_samples, n_columns), see `_columns`.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import nn

from ..estimators.table import TableAutoencoder
from ..estimators.table_encoder import TableEncoder
from ..tables._columns import MAX_ENCODED, CategoricalColumn, ConstantColumn
from ..tables._kinds import kind_of
from ._columns import KINDS, Categories, Group
from ._modules import METHODS, network_of

# Larger integers are not exact as doubles.
_MAX_INTEGER = 2**53


class _OfColumns(nn.Module):
    """Base of what maps the columns of a table by groups.

    Parameters
    ----------
    encoder : TableEncoder
    columns : list of (int, Column)
        Those that are mapped, and their places in the table.
    """

    center: torch.Tensor
    scale: torch.Tensor

    def __init__(self, encoder: TableEncoder, columns: Sequence[tuple[int, Any]]) -> None:
        super().__init__()
        self.encoder = encoder
        # Those with the same arithmetic are one group.
        by_kind: dict[Any, list[tuple[int, Any]]] = {}
        for place, column in columns:
            key = KINDS[kind_of(column)].group, type(getattr(column, "scaler", None))
            by_kind.setdefault(key, []).append((place, column))
        self.places = [[place for place, _ in members] for members in by_kind.values()]
        self.groups = nn.ModuleList(
            kind([column for _, column in members], [_number_type(encoder, i) for i, _ in members])
            for (kind, _), members in by_kind.items()
        )
        # Of encoded numbers: what makes raw ones of them.
        for name in ("center", "scale"):
            arrays = [getattr(column, name) for column in encoder.columns_ if column.n_encoded]
            self.register_buffer(name, torch.tensor(np.concatenate([np.zeros(0), *arrays])))

    def grouped(self) -> Iterator[tuple[list[int], Group]]:
        """Iterate over the groups and the places of their columns."""
        yield from zip(self.places, self.groups, strict=True)


class TableEncoding(_OfColumns):
    """Map tables to their encoded rows (n_samples, n_encoded), as `TableEncoder.transform` does.

    Parameters
    ----------
    encoder : TableEncoder
    """

    def __init__(self, encoder: TableEncoder) -> None:
        varying = [(i, each) for i, each in enumerate(encoder.columns_) if each.n_encoded]
        super().__init__(encoder, varying)
        self.fills_missing = encoder.missing_values == "mean"
        slices = _slices(encoder)
        # From the order of the groups to that of the table.
        made = [k for places in self.places for i in places for k in slices[i]]
        self.order = nn.Buffer(torch.tensor(np.argsort(made)))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        X = X.double()
        raw = [group.raw(_taken(X, places)) for places, group in self.grouped()]
        # A table of constants has no group.
        rows = torch.cat([X[:, :0], *raw], dim=1).index_select(1, self.order)
        rows = (rows - self.center) / self.scale
        return torch.where(rows.isnan(), 0.0, rows) if self.fills_missing else rows


class TableDecoding(_OfColumns):
    """Map encoded rows to tables, as `TableEncoder.inverse_transform` does.

    Parameters
    ----------
    encoder : TableEncoder
    """

    def __init__(self, encoder: TableEncoder) -> None:
        columns = list(enumerate(encoder.columns_))
        constants = [each for each in columns if _is_constant(each[1])]
        with_values = [(i, inner_column(each)) for i, each in columns if inner_column(each)]
        super().__init__(encoder, with_values)
        # Behind the decoded numbers are those of the constants, which are not encoded.
        slices, end = _slices(encoder), len(self.center)
        for i, column in constants:
            slices[i] = range(end, end + column.constant.shape[1])
            end = slices[i].stop
        raw = [each.constant[0] for _, each in constants]
        self.constants = nn.Buffer(torch.tensor(np.concatenate([np.zeros(0), *raw])))
        self.raw_places = [[k for i in places for k in slices[i]] for places in self.places]
        # Last of all, those without any value.
        made = [i for places in self.places for i in places]
        self.n_empty = len(columns) - len(made)
        made += [i for i, each in columns if inner_column(each) is None]
        self.order = nn.Buffer(torch.tensor(np.argsort(made)))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        rows = rows.double().clamp(-MAX_ENCODED, MAX_ENCODED) * self.scale + self.center
        n_rows = rows.shape[0]
        raw = torch.cat([rows, self.constants.expand(n_rows, -1)], dim=1)
        values = [
            group.values(_taken(raw, places))  # type: ignore[operator]
            for places, group in zip(self.raw_places, self.groups, strict=True)
        ]
        empty = raw.new_full((n_rows, self.n_empty), torch.nan)
        return torch.cat([*values, empty], dim=1).index_select(1, self.order)


def _taken(X: torch.Tensor, places: list[int]) -> torch.Tensor:
    return X.index_select(1, torch.tensor(places))


def _slices(encoder: TableEncoder) -> list[range]:
    """List where each column is among the encoded numbers."""
    ends = np.cumsum([column.n_encoded for column in encoder.columns_]).tolist()
    return [range(e - each.n_encoded, e) for e, each in zip(ends, encoder.columns_, strict=True)]


def _is_constant(column: Any) -> bool:
    return isinstance(column, ConstantColumn) and column.inner is not None


def inner_column(column: Any) -> Any:
    """Return what decodes a column, None for one without any value."""
    return column.inner if isinstance(column, ConstantColumn) else column


def _number_type(encoder: TableEncoder, place: int) -> np.dtype | None:
    """Return the type of a column, None unless numpy has one of this name."""
    # Nullable types of pandas, and those of polars, begin with a capital letter.
    name = str(next(iter(encoder._types[place].values()))).lower()
    try:
        return np.dtype(name)
    except TypeError:
        return None


# -- labels --------------------------------------------------------------------------------


def number_labels(encoders: Sequence[TableEncoder]) -> list[dict[Any, float]]:
    """Return the number of each label of each column; columns without labels have none.

    Raises
    ------
    ValueError
        If labels are neither all text nor all numbers, or a file could not treat unseen ones.
    """
    return [
        _numbers_of(columns)
        for columns in zip(*(_checked(encoder).columns_ for encoder in encoders), strict=True)
    ]


def _checked(encoder: TableEncoder) -> TableEncoder:
    has_categories = any(isinstance(each, CategoricalColumn) for each in encoder.columns_)
    if encoder.handle_unknown == "error" and has_categories:
        raise ValueError(
            "handle_unknown='error' cannot be exported: a file raises no errors. Export after "
            "set_params(handle_unknown='missing') of the fitted TableEncoder; of a "
            "TableAutoencoder it is encoder_."
        )
    return encoder


def _numbers_of(columns: Sequence[Any]) -> dict[Any, float]:
    inner = [inner_column(column) for column in columns]
    labels = dict.fromkeys(
        label
        for each in inner
        if isinstance(each, CategoricalColumn)
        for label in (*each.categories, *each.rare)
    )
    if all(isinstance(label, str) for label in labels):
        return {label: float(i) for i, label in enumerate(labels)}
    if not all(_is_exact(label) for label in labels):
        names = sorted({type(label).__name__ for label in labels})
        raise ValueError(
            f"column {columns[0].name!r} has categories of type {', '.join(names)}: expected only "
            "text, or only numbers of at most 2**53. Turn them into text before fit, for instance "
            f"by X[{columns[0].name!r}].astype(str)."
        )
    return {label: float(label) for label in labels}


def _is_exact(label: Any) -> bool:
    return isinstance(label, Real) and abs(float(label)) <= _MAX_INTEGER


def encoders_of(module: nn.Module) -> list[TableEncoder]:
    """List the encoders of the tables that a module reads or returns."""
    found = [part.encoder for part in module.modules() if isinstance(part, _OfColumns)]
    return [each for i, each in enumerate(found) if each not in found[:i]]


def with_numbered_labels(module: nn.Module, numbers: Sequence[dict[Any, float]]) -> nn.Module:
    """Let all parts of a module use the same numbers for the labels of a column."""
    for part in module.modules():
        if isinstance(part, _OfColumns):
            for places, group in part.grouped():
                if isinstance(group, Categories):
                    group.number_labels([numbers[i] for i in places])
    return module


def is_of_tables(estimator: Any) -> bool:
    """Return whether an estimator reads tables, each column by its kind."""
    return isinstance(estimator, (TableEncoder, TableAutoencoder)) or hasattr(estimator, "_encoder")


# -- methods -------------------------------------------------------------------------------


class _Batch:
    """What the methods of an autoencoder of tables have in common, each computed once.

    Networks compute in single precision.
    """

    def __init__(self, methods: "TableMethods", X: torch.Tensor) -> None:
        self.methods = methods
        self.X = X

    @functools.cached_property
    def rows(self) -> torch.Tensor:
        rows: torch.Tensor = self.methods.encode(self.X)
        return rows.float()

    @functools.cached_property
    def code(self) -> torch.Tensor:
        code: torch.Tensor = self.methods.network.encode(self.rows)  # type: ignore[operator]
        return code

    @functools.cached_property
    def table(self) -> torch.Tensor:
        decoded = self.methods.network.decode(self.code)  # type: ignore[operator]
        table: torch.Tensor = self.methods.decode(decoded)
        return table

    def imputed(self) -> torch.Tensor:
        return torch.where(self.X.isnan(), self.table, self.X)

    def scores(self) -> torch.Tensor:
        network: Any = self.methods.network
        # Zero where values are missing.
        losses = network.column_losses(self.rows)
        n_observed = network.columns.observed(self.rows).sum(dim=1)
        scores: torch.Tensor = -losses.sum(dim=1) / n_observed.clamp(min=1)
        return scores


_RESULTS: dict[str, Callable[[_Batch], torch.Tensor]] = {
    "transform": lambda batch: batch.code,
    "reconstruct": lambda batch: batch.table,
    "impute": _Batch.imputed,
    "score_samples": _Batch.scores,
}


class TableMethods(nn.Module):
    """Methods of an autoencoder of tables, all from the same encoded rows.

    Parameters
    ----------
    estimator : TableAutoencoder
    methods : list of str
        Of those that read tables.
    """

    def __init__(self, estimator: TableAutoencoder, methods: Sequence[str]) -> None:
        super().__init__()
        self.encode = TableEncoding(estimator.encoder_)
        self.network = network_of(estimator)
        self.decode = TableDecoding(estimator.encoder_)
        self.results = [_RESULTS[name] for name in methods]

    def forward(self, X: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Apply the methods to tables (n_samples, n_columns)."""
        batch = _Batch(self, X)
        return tuple(result(batch) for result in self.results)


class _TableMethod(TableMethods):
    """One of them."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        (result,) = super().forward(X)
        return result


class _EncodedRows(TableEncoding):
    """Encoded rows in single precision, the last step of a file."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return super().forward(X).float()


class _Decoded(nn.Module):
    """The tables that codes stand for."""

    def __init__(self, estimator: TableAutoencoder) -> None:
        super().__init__()
        self.network = network_of(estimator)
        self.decode = TableDecoding(estimator.encoder_)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        decoded = self.network.decode(X.float())  # type: ignore[operator]
        table: torch.Tensor = self.decode(decoded)
        return table


def methods_of_tables(estimator: Any, methods: list[str]) -> nn.Module:
    """Return one module for all the methods."""
    if methods == ["inverse_transform"]:
        return METHODS["inverse_transform"](estimator)
    is_encoder = isinstance(estimator, TableEncoder)
    return _EncodedRows(estimator) if is_encoder else TableMethods(estimator, methods)


def n_components_of(estimator: Any) -> int:
    """Return the number of codes, or of encoded numbers."""
    is_encoder = isinstance(estimator, TableEncoder)
    return int(estimator._n_features_out if is_encoder else estimator.n_components_)


def _register() -> None:
    METHODS["transform"].register(TableEncoder, TableEncoding)
    METHODS["inverse_transform"].register(TableEncoder, TableDecoding)
    METHODS["inverse_transform"].register(TableAutoencoder, _Decoded)
    for name in _RESULTS:
        METHODS[name].register(TableAutoencoder, functools.partial(_TableMethod, methods=[name]))


_register()
