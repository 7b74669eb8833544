"""Models of the steps before a network, by skl2onnx, and models that read one another."""

import math
from collections.abc import Sequence
from typing import Any

from sklearn.pipeline import Pipeline

from .._utils import import_optional
from ._frames import ML_OPSET, FileColumn, unused_prefix
from ._modules import inner_reducer
from ._reducers import is_computed
from ._tables import is_of_tables

_INPUT = "X"


def what_precedes(estimator: Any, last: Any) -> Any:
    """Return what makes the input of the last step's network: earlier steps, a reducer, or None."""
    steps = list(estimator.steps[:-1]) if estimator is not last else []
    steps = [(name, step) for name, step in steps if step not in (None, "passthrough")]
    reducer = reducer_before(last)
    if reducer is not None:
        steps.append(("reducer", reducer))
    return Pipeline(steps) if steps else None


def reducer_before(estimator: Any) -> Any:
    """Return the reducer of a hybrid, if only skl2onnx can convert it; otherwise None."""
    reducer = inner_reducer(estimator)
    return None if reducer is None or is_computed(reducer) else reducer


def first_step(steps: Any) -> Any:
    """Return the first step of a Pipeline, also of one within another."""
    while isinstance(steps, Pipeline):
        steps = steps.steps[0][1]
    return steps


def converted(steps: Pipeline, columns: Sequence[FileColumn] | None, last: Any, model: Any) -> Any:
    """Return the model of transformers, by skl2onnx."""
    skl2onnx = import_optional("skl2onnx", "onnx")
    exceptions = import_optional("skl2onnx.common.exceptions", "onnx")
    # Here, since converters make models too: steps and reducers may hold estimators of skae.
    from ._sklearn_onnx import register_converters

    register_converters()
    opsets = {each.domain: each.version for each in model.opset_import}
    initial_types = _initial_types(first_step(steps), columns)
    try:
        model_of_steps = skl2onnx.to_onnx(
            steps,
            initial_types=initial_types,
            target_opset={"": opsets[""], "ai.onnx.ml": ML_OPSET},
        )
    except (exceptions.MissingConverter, exceptions.MissingShapeCalculator) as error:
        raise ValueError(
            f"skl2onnx cannot convert a step before {type(last).__name__}. "
            f"{str(error).splitlines()[0]} A HybridAutoencoder with distill=True trains an encoder "
            "in place of its reducer."
        ) from error
    _rename_inputs(model_of_steps, [name for name, _ in initial_types])
    shape = getattr(last, "sample_shape_", ())
    # Images become rows for a reducer.
    if len(shape) < 2:
        return model_of_steps
    return chained(_flattening(shape, model_of_steps), model_of_steps)


def _initial_types(first: Any, columns: Sequence[FileColumn] | None) -> list[tuple[str, Any]]:
    """List the names and types of what the first step reads, for skl2onnx."""
    types = import_optional("skl2onnx.common.data_types", "onnx")
    if columns is None:
        of_numbers = types.DoubleTensorType if is_of_tables(first) else types.FloatTensorType
        return [(_INPUT, of_numbers([None, first.n_features_in_]))]
    of_columns = {
        "float64": types.DoubleTensorType,
        "int64": types.Int64TensorType,
        "str": types.StringTensorType,
    }
    return [(column.name, of_columns[column.dtype]([None, 1])) for column in columns]


def _rename_inputs(model: Any, names: Sequence[str]) -> None:
    """Give inputs the names that they were declared by: skl2onnx makes identifiers of them."""
    new = {given.name: name for given, name in zip(model.graph.input, names, strict=True)}
    for given in model.graph.input:
        given.name = new[given.name]
    for node in model.graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]


def _flattening(shape: tuple[int, ...], model: Any) -> Any:
    """Return a model from samples of a shape to rows, with the versions of another."""
    helper, float32 = _helper(), import_optional("onnx", "onnx").TensorProto.FLOAT
    given = helper.make_tensor_value_info(_INPUT, float32, [None, *shape])
    rows = helper.make_tensor_value_info("rows", float32, [None, math.prod(shape)])
    node = helper.make_node("Flatten", [_INPUT], ["rows"], axis=1)
    graph = helper.make_graph([node], "flatten", [given], [rows])
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def chained(first: Any, second: Any) -> Any:
    """Let the second model read the only output of the first."""
    compose = import_optional("onnx.compose", "onnx")
    # Names of nodes and tensors may occur in both, and columns may have any names.
    given, made = ([each.name for each in of] for of in (first.graph.input, second.graph.output))
    prefix = unused_prefix([*given, *made])
    second = compose.add_prefix(second, prefix, rename_inputs=True, rename_outputs=False)
    first = compose.add_prefix(first, f"{prefix}before_", rename_inputs=False)
    # merge_models refuses models of different versions.
    version = min(first.ir_version, second.ir_version)
    first.ir_version = second.ir_version = version
    _cast_output(first, second.graph.input[0].type.tensor_type.elem_type)
    return compose.merge_models(
        first, second, io_map=[(first.graph.output[0].name, second.graph.input[0].name)]
    )


def _cast_output(model: Any, kind: int) -> None:
    """Let the only output of a model have a type."""
    (output,) = model.graph.output
    if output.type.tensor_type.elem_type != kind:
        name = f"{output.name}_as_read"
        model.graph.node.append(_helper().make_node("Cast", [output.name], [name], to=kind))
        output.name, output.type.tensor_type.elem_type = name, kind


def _helper() -> Any:
    return import_optional("onnx.helper", "onnx")
