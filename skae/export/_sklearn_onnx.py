"""Converters of skae's estimators for skl2onnx, whose ``to_onnx`` converts whole Pipelines."""

from collections.abc import Sequence
from typing import Any

from sklearn.base import is_classifier, is_outlier_detector, is_regressor

from .._utils import import_optional
from ..estimators.autoencoder import Autoencoder
from ..estimators.classifier import AutoencoderClassifier
from ..estimators.denoiser import Denoiser
from ..estimators.hybrid import HybridAutoencoder
from ..estimators.outlier import ReconstructionOutlierDetector
from ..estimators.parametric_umap import ParametricUMAP
from ..estimators.regressor import AutoencoderRegressor
from ..estimators.table import TableAutoencoder
from ..estimators.table_encoder import TableEncoder
from ..estimators.variational import VariationalAutoencoder
from ._onnx import to_model

# Those of rows, which stand in Pipelines behind other transformers, and those of tables.
_CONVERTED = (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    Denoiser,
    HybridAutoencoder,
    ParametricUMAP,
    ReconstructionOutlierDetector,
    TableAutoencoder,
    TableEncoder,
    VariationalAutoencoder,
)
# As skl2onnx's own classifiers have them.
_CLASSIFIER_OPTIONS = {"zipmap": [True, False, "columns"], "output_class_labels": [False, True]}


def register_converters() -> None:
    """Let ``skl2onnx.to_onnx`` convert skae's estimators, alone and as a step of a Pipeline.

    Transformers and regressors have the output ``variable``, classifiers ``label`` and
    ``probabilities``, detectors ``label`` and ``scores`` (their ``decision_function``), as
    scikit-learn's own have. Estimators of sequences and series are not among them. Those of frames
    read a column from each input: give ``to_onnx`` the frame, or names and types as
    ``initial_types``, in which moments are ``Int64TensorType`` as in :func:`~skae.export_onnx`.
    Calling it again changes nothing.

    Raises
    ------
    ImportError
        If skl2onnx is not installed: ``pip install 'skae[onnx]'``.

    See Also
    --------
    export_onnx : Write any methods of an estimator or a Pipeline to a file.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skl2onnx import to_onnx
    >>> from skae import Autoencoder
    >>> from skae.export import register_converters
    >>> X, _ = load_iris(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), Autoencoder(2, max_iter=2, random_state=0))
    >>> register_converters()
    >>> model = to_onnx(pipeline.fit(X), X[:1].astype("float32"))
    >>> [output.name for output in model.graph.output]
    ['variable']
    """
    register = import_optional("skl2onnx", "onnx").update_registered_converter
    for kind in _CONVERTED:
        options = _CLASSIFIER_OPTIONS if is_classifier(kind()) else None
        register(kind, f"Skae{kind.__name__}", _infer_shapes, _convert, options=options)


def _methods_of(estimator: Any) -> list[str]:
    """List the methods whose results are the outputs of an estimator in skl2onnx, in order."""
    if is_classifier(estimator):
        return ["predict", "predict_proba"]
    if is_outlier_detector(estimator):
        return ["predict", "decision_function"]
    return ["predict"] if is_regressor(estimator) else ["transform"]


def _infer_shapes(operator: Any) -> None:
    types = _types()
    estimator = operator.raw_operator
    # That of the first input, as skl2onnx has declared it already: float32 or float64.
    floats = type(types.guess_tensor_type(operator.inputs[0].type))
    n_samples = operator.inputs[0].get_first_dimension()
    if is_classifier(estimator):
        labels, probabilities = operator.outputs
        is_number = estimator.classes_.dtype.kind in "iub"
        labels.type = (types.Int64TensorType if is_number else types.StringTensorType)([n_samples])
        probabilities.type = floats([n_samples, len(estimator.classes_)])
        return
    if is_outlier_detector(estimator):
        labels, scores = operator.outputs
        labels.type, scores.type = types.Int64TensorType([n_samples]), floats([n_samples])
        return
    if is_regressor(estimator):
        operator.outputs[0].type = floats([n_samples, *estimator.target_shape_])
        return
    operator.outputs[0].type = floats([n_samples, len(estimator.get_feature_names_out())])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Insert the model of an estimator in the graph of skl2onnx."""
    estimator = operator.raw_operator
    model = to_model(estimator, _methods_of(estimator), container.target_opset)
    # Not by skl2onnx's `add_onnx_graph`, which stops at inputs that are left out.
    prefix = scope.get_unique_variable_name(type(estimator).__name__)
    graph = import_optional("onnx.compose", "onnx").add_prefix(model, prefix).graph
    names = [each.name for each in model.graph.input]
    given_inputs = _matched(estimator, operator.inputs, names)
    for given, own in zip(given_inputs, graph.input, strict=True):
        kind = own.type.tensor_type.elem_type
        _check_text(given, kind)
        container.nodes.append(_cast(given.onnx_name, own.name, kind))
    container.nodes.extend(graph.node)
    container.initializers.extend(graph.initializer)
    for made, wanted in zip(graph.output, operator.outputs, strict=True):
        kind = _types().guess_proto_type(wanted.type)
        container.nodes.append(_cast(made.name, wanted.onnx_name, kind))
    opsets = {(each.domain, each.version) for each in model.opset_import}
    container.node_domain_version_pair_sets |= opsets


def _matched(estimator: Any, given: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """Return the inputs that skl2onnx gives, in the order of those of the model."""
    if len(given) == len(names) == 1:
        return list(given)
    by_name = {each.raw_name: each for each in given}
    if set(by_name) != set(names):
        raise ValueError(
            f"{type(estimator).__name__} reads the inputs {sorted(names)}, one for each column of "
            f"the frame that it was fitted on, got {sorted(by_name)}. Give to_onnx the frame "
            "itself, or the name and type of each column as initial_types."
        )
    return [by_name[name] for name in names]


def _check_text(given: Any, kind: int) -> None:
    types = import_optional("onnx", "onnx").TensorProto
    is_text = isinstance(given.type, _types().StringTensorType)
    if is_text == (kind == types.STRING):
        return
    expected = "text" if kind == types.STRING else "numbers; dates and times are microseconds"
    raise ValueError(
        f"column {given.raw_name!r} must be {expected}, got {type(given.type).__name__}. Give its "
        "type by initial_types."
    )


def _cast(name: str, new_name: str, kind: int) -> Any:
    helper = import_optional("onnx.helper", "onnx")
    if kind == import_optional("onnx", "onnx").TensorProto.STRING:
        return helper.make_node("Identity", [name], [new_name], f"Identity_of_{new_name}")
    return helper.make_node("Cast", [name], [new_name], f"Cast_to_{new_name}", to=kind)


def _types() -> Any:
    return import_optional("skl2onnx.common.data_types", "onnx")
