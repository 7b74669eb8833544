"""The columns of a frame as inputs and outputs of an ONNX file, around a model of a whole table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from .._utils import import_optional
from ..estimators.table_encoder import TableEncoder
from ..tables._kinds import kind_of
from ._columns import KINDS
from ._tables import encoders_of, inner_column, number_labels, with_numbered_labels

# The first that is no category stands for missing text. The others are what runtimes make of
# missing entries of numpy and pandas; they count as missing too, unless they are categories.
_MISSING_TEXTS = ("", "nan", "None", "<NA>", "NaN", "NaT")
# That of numpy's NaT.
_MISSING_INTEGER = np.iinfo(np.int64).min
# Version of the operators of scikit-learn's models: the one that skl2onnx's converters are written
# for.
ML_OPSET = 3


@dataclass(frozen=True)
class FileColumn:
    """A column of a frame in a file.

    Attributes
    ----------
    name : str
    kind : str
        As in `TableEncoder.kinds_`; ``'empty'`` for a column without any value in `fit`.
    dtype : {'float64', 'int64', 'str'}
    unit : str or None
    labels : dict of str to float or None
        What number each text is within the model.
    """

    name: str
    kind: str
    dtype: str
    unit: str | None = None
    labels: Mapping[str, float] | None = None

    @property
    def missing_texts(self) -> list[str]:
        """List the texts that count as missing, the recommended one first."""
        return [text for text in _MISSING_TEXTS if text not in (self.labels or ())]

    def facts(self) -> dict[str, Any]:
        """Return what the metadata of a file say of the column."""
        # JSON has no NaN.
        missing = {"float64": "NaN", "int64": int(_MISSING_INTEGER), "str": self.missing_texts[0]}
        return {
            "name": self.name,
            "kind": self.kind,
            "type": self.dtype,
            "unit": self.unit,
            "missing": missing[self.dtype],
        }


def prepared(module: nn.Module) -> list[FileColumn] | None:
    """Number the labels of tables that a module reads or returns, and return the file's columns.

    None stands for a file without columns: of other estimators, or of arrays of numbers.
    """
    encoders = encoders_of(module)
    if not encoders:
        return None
    with_numbered_labels(module, number_labels(encoders))
    return columns_of(encoders)


def columns_read_by(estimator: Any) -> list[FileColumn] | None:
    """Return the columns that the file of a transformer reads, None if it reads an array."""
    encoder = getattr(estimator, "encoder_", estimator)
    return columns_of([encoder]) if isinstance(encoder, TableEncoder) else None


def columns_of(encoders: Sequence[TableEncoder]) -> list[FileColumn] | None:
    """Return the columns of encoders of one table, None if this is an array of numbers.

    Raises
    ------
    ValueError
        If a column cannot be part of a file.
    """
    numbers = number_labels(encoders)
    if _is_of_numbers(encoders[0]):
        return None
    columns = zip(*(encoder.columns_ for encoder in encoders), strict=True)
    made = [_file_column(of, labels) for of, labels in zip(columns, numbers, strict=True)]
    names = [column.name for column in made]
    if "" in names or len(set(names)) < len(names):
        raise ValueError(
            f"the names of columns must differ as text, and not be empty, got {names}. Rename them "
            "before fit."
        )
    return made


def _is_of_numbers(encoder: TableEncoder) -> bool:
    return encoder._library is None and np.dtype(encoder._types[0]["array"]).kind in "biuf"


def _file_column(columns: Sequence[Any], labels: Mapping[Any, float]) -> FileColumn:
    inner = next((each for each in map(inner_column, columns) if each is not None), None)
    name = columns[0].label
    if inner is None:
        return FileColumn(name, "empty", "float64")
    kind = kind_of(inner)
    if labels and isinstance(next(iter(labels)), str):
        return FileColumn(name, kind, "str", labels=labels)
    return FileColumn(name, kind, KINDS[kind].dtype, KINDS[kind].unit)


# -- graphs --------------------------------------------------------------------------------


class _Graph:
    """Nodes and constants that are added to a model."""

    def __init__(self, model: Any, prefix: str) -> None:
        self.model = model.graph
        self.prefix = prefix
        self.helper = import_optional("onnx.helper", "onnx")
        self.types = import_optional("onnx", "onnx").TensorProto
        self.elements = {
            "float64": self.types.DOUBLE,
            "int64": self.types.INT64,
            "str": self.types.STRING,
        }
        self.added: list[Any] = []

    def own(self, name: str, place: int) -> str:
        """Return the name within the model of what belongs to a column."""
        return f"{self.prefix}{name}_{place}"

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        self.added.append(self.helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: Any) -> str:
        """Add a constant, and return its name."""
        from_array = import_optional("onnx.numpy_helper", "onnx").from_array
        self.model.initializer.append(from_array(np.asarray(values), name))
        return name

    def split(self, table: str, parts: Sequence[str]) -> None:
        """Add the columns of a table."""
        sizes = self.constant(f"{self.prefix}{table}_sizes", np.ones(len(parts), dtype=np.int64))
        self.added.append(self.helper.make_node("Split", [table, sizes], parts, axis=1))

    def info(self, name: str, column: FileColumn) -> Any:
        """Return a column as an input or an output of the graph."""
        return self.helper.make_tensor_value_info(name, self.elements[column.dtype], [None, 1])


def with_columns(
    model: Any, columns: Sequence[FileColumn], methods: Sequence[str], *, reads_table: bool
) -> Any:
    """Let a model read and return tables column by column.

    Parameters
    ----------
    model : ModelProto
        Its outputs have the names of methods.
    columns : list of FileColumn
    methods : list of str
        Those that return a table. Its columns get the names ``method/column``.
    reads_table : bool
        Whether the only input is a table, and no codes.

    """
    # Columns and outputs may have any names: those within begin as none of them does.
    prefix = unused_prefix([*(column.name for column in columns), *_output_names(columns, methods)])
    model = import_optional("onnx.compose", "onnx").add_prefix(
        model, prefix, rename_inputs=reads_table, rename_outputs=False
    )
    graph = _Graph(model, prefix)
    if any(column.dtype == "str" for column in columns):
        model.opset_import.append(graph.helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    if reads_table:
        _add_inputs(graph, columns)
    _add_outputs(graph, columns, methods)
    return model


def unused_prefix(names: Sequence[str]) -> str:
    """Return how no name begins."""
    prefix = "skae_"
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    return prefix


def _output_names(columns: Sequence[FileColumn], methods: Sequence[str]) -> list[str]:
    return [_output_name(method, column) for method in methods for column in columns]


def _output_name(method: str, column: FileColumn) -> str:
    return f"{method}/{column.name}"


def check_names(
    columns: Sequence[FileColumn], methods: Sequence[str], of_tables: Sequence[str]
) -> None:
    """Raise a ValueError if columns that a file reads have the names of outputs.

    Parameters
    ----------
    columns : list of FileColumn
    methods : list of str
    of_tables : list of str
        Those of the methods that return a table.
    """
    outputs = {*methods, *_output_names(columns, of_tables)}
    both = sorted(outputs & {column.name for column in columns})
    if both:
        raise ValueError(f"columns {both} have the names of outputs of the file. Rename them.")


def _add_inputs(graph: "_Graph", columns: Sequence[FileColumn]) -> None:
    read = [
        _READERS[column.dtype](graph, column, graph.own("read", i))
        for i, column in enumerate(columns)
    ]
    model = graph.model
    graph.node("Concat", read, model.input[0].name, axis=1)
    _replace(model.node, [*graph.added, *model.node])
    _replace(model.input, [graph.info(column.name, column) for column in columns])
    graph.added.clear()


def _replace(field: Any, entries: Sequence[Any]) -> None:
    entries = list(entries)
    del field[:]
    field.extend(entries)


def _read_numbers(graph: _Graph, column: FileColumn, name: str) -> str:
    return column.name


def _read_integers(graph: _Graph, column: FileColumn, name: str) -> str:
    number = graph.node("Cast", [column.name], f"{name}_number", to=graph.types.DOUBLE)
    missing = graph.constant(f"{name}_no_integer", np.int64(_MISSING_INTEGER))
    is_missing = graph.node("Equal", [column.name, missing], f"{name}_is_missing")
    nan = graph.constant(f"{name}_nan", np.float64("nan"))
    return graph.node("Where", [is_missing, nan, number], name)


def _read_text(graph: _Graph, column: FileColumn, name: str) -> str:
    # Single precision holds the numbers of 2**24 labels.
    numbers = dict.fromkeys(column.missing_texts, float("nan")) | dict(column.labels or {})
    number = graph.node(
        "LabelEncoder",
        [column.name],
        f"{name}_number",
        domain="ai.onnx.ml",
        keys_strings=list(numbers),
        values_floats=list(numbers.values()),
        # Texts that `fit` did not see.
        default_float=-1.0,
    )
    return graph.node("Cast", [number], name, to=graph.types.DOUBLE)


_READERS: dict[str, Callable[[_Graph, FileColumn, str], str]] = {
    "float64": _read_numbers,
    "int64": _read_integers,
    "str": _read_text,
}


def _add_outputs(graph: "_Graph", columns: Sequence[FileColumn], methods: Sequence[str]) -> None:
    outputs = {output.name: [output] for output in graph.model.output}
    for method in methods:
        parts = [graph.own(method, i) for i in range(len(columns))]
        graph.split(method, parts)
        outputs[method] = []
        for i, (part, column) in enumerate(zip(parts, columns, strict=True)):
            name = _output_name(method, column)
            # What the column is before: imputing leaves texts as they are that no label names.
            before = (column.name, graph.own("read", i)) if method == "impute" else None
            _WRITERS[column.dtype](graph, column, part, name, before)
            outputs[method].append(graph.info(name, column))
    graph.model.node.extend(graph.added)
    _replace(graph.model.output, [each for made in outputs.values() for each in made])


Before = tuple[str, str] | None


def _write_numbers(graph: _Graph, column: FileColumn, part: str, name: str, before: Before) -> None:
    graph.node("Identity", [part], name)


def _write_integers(
    graph: _Graph, column: FileColumn, part: str, name: str, before: Before
) -> None:
    graph.node("Cast", [part], name, to=graph.types.INT64)


def _write_text(graph: _Graph, column: FileColumn, part: str, name: str, before: Before) -> None:
    labels = graph.constant(f"{part}_labels", np.array(list(column.labels or {}), dtype=object))
    # The number of a text that is no label is negative.
    zero = graph.constant(f"{part}_zero", np.float64(0))
    number = graph.node("Max", [part, zero], f"{part}_number")
    position = graph.node("Cast", [number], f"{part}_position", to=graph.types.INT64)
    if before is None:
        graph.node("Gather", [labels, position], name)
        return
    given, read = before
    label = graph.node("Gather", [labels, position], f"{part}_label")
    is_missing = graph.node("IsNaN", [read], f"{part}_is_missing")
    graph.node("Where", [is_missing, label, given], name)


_WRITERS: dict[str, Callable[[_Graph, FileColumn, str, str, Before], None]] = {
    "float64": _write_numbers,
    "int64": _write_integers,
    "str": _write_text,
}
