"""ONNX files of fitted estimators and Pipelines, for runtimes without Python."""

import json
import os
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import nn

from .._files import target, write_atomically
from .._utils import found_by_search, import_optional
from ..estimators.forecaster import SeriesForecaster
from ..estimators.outlier import ReconstructionOutlierDetector
from ..estimators.sequence import SequencePredictor
from ..estimators.series_outlier import SeriesOutlierDetector
from ..estimators.windows import Windows
from ._detector import DetectorMethods
from ._frames import (
    FileColumn,
    check_names,
    columns_read_by,
    prepared,
    with_columns,
)
from ._modules import METHODS
from ._reducers import decoding
from ._sequences import is_of_unequal_length
from ._series import Inputs, inputs_of_series
from ._steps import chained, converted, first_step, reducer_before, what_precedes
from ._tables import is_of_tables, methods_of_tables, n_components_of

# Methods of a file by default; the code that `inverse_transform` takes is another input.
DEFAULT_METHODS = (
    "transform",
    "reconstruct",
    "score_samples",
    "decision_function",
    "predict",
    "predict_proba",
    "forecast",
)
_INPUT = "X"
# Rows of the batch that a network is traced with: one or none would be taken for fixed.
_TRACED_ROWS, _TRACED_TIMESTEPS = 3, 4
# The oldest operators that PyTorch writes.
_MIN_OPSET = 18
# Methods that return tables if they get them.
_OF_TABLES = ("inverse_transform", "reconstruct", "impute")


def export_onnx(
    estimator: Any,
    path: str | os.PathLike[str],
    *,
    methods: Sequence[str] | None = None,
    opset: int | None = None,
) -> None:
    """Write methods of a fitted estimator as an ONNX file.

    The file computes in float32 from data in the units that `fit` got: standardization is inside.
    Its input is ``X`` and it has an output for each method, of that name. Any number of samples
    passes. Files of frames have an input for each column instead, see the notes.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator of skae with a network, a detector of outliers,
        :class:`~skae.SeriesForecaster`, :class:`~skae.Windows` or :class:`~skae.TableEncoder`; a
        Pipeline that ends in one of them and whose other steps skl2onnx can convert; or a search
        that was refitted.
    path : str or path-like
        The file to write.
    methods : sequence of str, default=None
        Of ``'transform'``, ``'reconstruct'``, ``'impute'``, ``'score_samples'``,
        ``'decision_function'``, ``'predict'``, ``'predict_proba'``, ``'forecast'`` and
        ``'p_values'``; or ``['inverse_transform']``, whose input ``X`` is codes. If None, those of
        the former that the estimator has, but for ``'impute'`` and ``'p_values'``. Runtimes may
        compute all outputs, also those that are not asked for: a file of one method answers faster.
    opset : int, default=None
        Version of ONNX's operators. If None, the one that PyTorch chooses.

    Raises
    ------
    ImportError
        If onnx or onnxscript are missing, or skl2onnx for a Pipeline or a reducer:
        ``pip install 'skae[onnx]'``.
    ValueError
        If the estimator lacks a method, or a part of it cannot be converted: also categories of
        several types, and ``handle_unknown='error'``, since a file raises no errors.
    OSError
        If the file cannot be written. One that was there before stays as it was.

    See Also
    --------
    register_converters : Make skl2onnx's own ``to_onnx`` know the estimators.

    Notes
    -----
    Files raise no errors: for infinite values, which Python refuses, results are NaN. Detectors
    score rows and time steps that hold one with minus infinity, so that they are outliers.

    Detectors compute in float64. Those with ``method='neighbors'`` are exported with any reducer,
    which they do not need for scores; with ``method='error'``, the reducer must be an estimator of
    skae, a scaler, PCA or TruncatedSVD, or a Pipeline of them. The same holds for the steps of a
    Pipeline whose `inverse_transform` is exported.

    Estimators of series read one series ``X`` of shape (n_timesteps, n_channels), of any length and
    with NaN for missing values. It has no time stamps: where steps are lost, give the stretches
    one by one. A series without an observed value of a channel has no forecast in Python; in the
    file that channel is taken to be 0. `forecast` predicts as many steps as at once, and columns
    that are known in advance are an input ``future`` of shape (n_steps, n_known). All windows are
    computed at once, so that memory grows with the length of the series.

    What reads a frame has an input for each column, of its name and of shape (n_samples, 1):

    - numbers, truth values as 0 and 1, and categories that are numbers: float64, NaN if missing;
    - categories that are text: string, empty if missing, or as ``missing`` of the metadata says
      where the empty string is a category;
    - moments: int64, microseconds since 1970 in UTC, since midnight for times of the day, or of a
      duration. Missing ones are -2**63, which is NaT of numpy as an integer.

    Methods that return frames have an output ``method/column`` for each column, in the same form;
    numbers are whole where they were in `fit`. Tables that were fitted as arrays of numbers are one
    input ``X`` and one output, in float64. Values that `TableEncoder` refuses, such as infinity,
    raise no error in a file.

    Metadata of the file: ``estimator``, ``parameters``, ``skae_version``, and ``feature_names``
    or ``classes`` where the estimator has them, each as JSON. ``columns`` lists the columns of a
    frame with their ``name``, ``kind``, ``type``, ``unit`` and ``missing``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> import onnxruntime
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder, export_onnx
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(8, max_iter=2, random_state=0).fit(X)
    >>> path = Path(mkdtemp(), "digits.onnx")
    >>> export_onnx(autoencoder, path, methods=["transform"])
    >>> session = onnxruntime.InferenceSession(path)
    >>> session.run(["transform"], {"X": X.astype("float32")})[0].shape
    (1797, 8)
    """
    # Before the work: a path that cannot be written.
    target(path)
    model = to_model(found_by_search(estimator), methods, opset)
    write_atomically(path, model.SerializeToString())


def to_model(estimator: Any, methods: Sequence[str] | None = None, opset: int | None = None) -> Any:
    """Return the same as a ``ModelProto``."""
    import_optional("onnxscript", "onnx")  # torch exports by it
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    check_is_fitted(last)
    _check_opset(opset)
    chosen = _check_methods(estimator, last, methods)
    of_codes = chosen == ["inverse_transform"]
    before = None if of_codes else what_precedes(estimator, last)
    module = _module_of(last, chosen)
    if of_codes and estimator is not last:
        module = decoding(estimator)
    columns, tables = prepared(module), [name for name in chosen if name in _OF_TABLES]
    if before is not None and columns is not None:
        raise ValueError(
            f"{type(last).__name__} reads frames, which are inputs of a file only for the first "
            "step of a Pipeline. Export it alone."
        )
    read = columns if before is None else columns_read_by(first_step(before))
    if read is not None and not of_codes:
        check_names(read, chosen, tables)
    # The network first: its opset decides that of the steps before it.
    model = _with_labels(_traced(module, last, chosen, opset), last)
    if columns is not None:
        model = with_columns(model, columns, tables, reads_table=not of_codes)
    if before is not None:
        model = chained(converted(before, read, last, model), model)
    _stamp(model, estimator, last, read)
    return model


def _check_methods(estimator: Any, last: Any, methods: Sequence[str] | None) -> list[str]:
    available = [name for name in METHODS if hasattr(estimator, name)]
    # Errors of reconstruction need the rows beside the codes that the reducer makes.
    excluded = {"score_samples"} if reducer_before(last) is not None else set()
    available = [name for name in available if name not in excluded]
    if methods is None:
        return [name for name in available if name in DEFAULT_METHODS]
    chosen = [methods] if isinstance(methods, str) else list(methods)
    unknown = [name for name in chosen if name not in available]
    if unknown or not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"methods must be among {available}, each once, which is what can be exported of this "
            f"{type(estimator).__name__}, got {methods!r}."
        )
    if "inverse_transform" in chosen and len(chosen) > 1:
        raise ValueError(
            "methods must be only ['inverse_transform'], whose input is codes; write the "
            f"others to a file of their own. Got {methods!r}."
        )
    return chosen


def _check_opset(opset: int | None) -> None:
    newest = import_optional("onnx.defs", "onnx").onnx_opset_version()
    is_version = isinstance(opset, Integral) and _MIN_OPSET <= opset <= newest
    if opset is not None and not is_version:
        message = f"opset must be an integer in [{_MIN_OPSET}, {newest}] or None, got {opset!r}."
        raise ValueError(message)


class _Joined(nn.Module):
    """Several methods of the same input, or of two of them."""

    def __init__(self, methods: dict[str, nn.Module]) -> None:
        super().__init__()
        self.methods = nn.ModuleDict(methods)
        # Copies of one network: as one, what methods have in common is stored and computed once.
        copies: list[Any] = [each for each in methods.values() if hasattr(each, "network")]
        for each in copies[1:]:
            each.network = copies[0].network

    def forward(
        self, X: torch.Tensor, future: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, ...]:
        inputs = [X] if future is None else [X, future]
        return tuple(method(*inputs) for method in self.methods.values())


def _traced(module: nn.Module, estimator: Any, methods: list[str], opset: int | None) -> Any:
    """Return the model of an estimator's network, behind its reducer if it has one."""
    inputs = _inputs(estimator, methods)
    reads_table = is_of_tables(estimator) and methods != ["inverse_transform"]
    # Moments of a table need the digits.
    dtype = torch.float64 if reads_table else torch.float32
    try:
        # In inference mode recurrences stay operators. Otherwise torch takes them apart into as
        # many steps as are traced, from the second export of a process on.
        with warnings.catch_warnings(), torch.inference_mode():
            # Of what torch does itself, and of weights of recurrences, which it exports well.
            warnings.simplefilter("ignore")
            program: Any = torch.onnx.export(
                module,
                # Only shapes and types are traced: the values do not matter.
                tuple(torch.zeros(shape, dtype=dtype) for shape, _ in inputs.values()),
                input_names=list(inputs),
                output_names=methods,
                dynamic_shapes=tuple(dynamic for _, dynamic in inputs.values()),
                opset_version=opset,
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise ValueError(
            f"The network of {estimator!r} cannot be exported by torch.onnx: layers of your own "
            "must be traceable by torch.export. Its message stands above."
        ) from error
    return program.model_proto


def _module_of(estimator: Any, methods: list[str]) -> nn.Module:
    """Return one module for all the methods."""
    if isinstance(estimator, (ReconstructionOutlierDetector, SeriesOutlierDetector)):
        return DetectorMethods(estimator, methods)
    if is_of_tables(estimator):
        return methods_of_tables(estimator, methods)
    if reducer_before(estimator) is None:
        return _Joined({name: METHODS[name](estimator) for name in methods})
    decode = METHODS["inverse_transform"](estimator)
    return _Joined({name: nn.Identity() if name == "transform" else decode for name in methods})


def _inputs(estimator: Any, methods: list[str]) -> Inputs:
    """Return the shape of each input as it is traced, and which of its axes have any size."""
    if isinstance(estimator, (Windows, SeriesForecaster, SeriesOutlierDetector)):
        return inputs_of_series(estimator, methods)
    is_of_codes = methods == ["inverse_transform"] or reducer_before(estimator) is not None
    if isinstance(estimator, SequencePredictor) and not is_of_codes:
        frame_shape = estimator.frame_shape_ or (1,)
        return {_INPUT: ((_TRACED_ROWS, _TRACED_TIMESTEPS, *frame_shape), _any_size(2))}
    if is_of_unequal_length(estimator) and len(estimator.sample_shape_) > 1 and not is_of_codes:
        return {_INPUT: ((_TRACED_ROWS, *estimator.sample_shape_), _any_size(2))}
    if is_of_codes:
        sample: Any = (n_components_of(estimator),)
    elif is_of_tables(estimator):
        sample = (estimator.n_features_in_,)
    elif isinstance(estimator, ReconstructionOutlierDetector):
        sample = estimator._sample_shape
    else:
        sample = estimator.sample_shape_
    return {_INPUT: ((_TRACED_ROWS, *sample), _any_size(1))}


def _any_size(n_axes: int) -> dict[int, Any]:
    # Axes that are not named here become fixed.
    return dict.fromkeys(range(n_axes), torch.export.Dim.DYNAMIC)


def _with_labels(model: Any, estimator: Any) -> Any:
    """Let ``predict`` of a classifier give labels in place of their positions."""
    outputs = {output.name: output for output in model.graph.output}
    if "predict" not in outputs or not hasattr(estimator, "classes_"):
        return model
    classes = np.asarray(estimator.classes_)
    if classes.dtype.kind in "US":
        # Strings of ONNX have no fixed width, and from_array takes them as objects.
        classes = classes.astype(object)
    labels = import_optional("onnx.numpy_helper", "onnx").from_array(classes, "classes")
    gather = _helper().make_node("Gather", ["classes", "position"], ["predict"])
    for node in model.graph.node:
        # The output keeps its name: the node that made it gets another one.
        node.output[:] = ["position" if name == "predict" else name for name in node.output]
    model.graph.initializer.append(labels)
    model.graph.node.append(gather)
    outputs["predict"].type.tensor_type.elem_type = labels.data_type
    return model


def _stamp(
    model: Any, estimator: Any, last: Any, columns: Sequence[FileColumn] | None = None
) -> None:
    skae_version = version("skae")
    facts = {
        "estimator": type(last).__name__,
        "parameters": {key: repr(value) for key, value in last.get_params(deep=False).items()},
        "skae_version": skae_version,
        "feature_names": getattr(estimator, "feature_names_in_", None),
        "classes": getattr(last, "classes_", None),
        "columns": None if columns is None else [column.facts() for column in columns],
    }
    # Names and classes are arrays, of which JSON takes only lists.
    known = {key: np.asarray(value).tolist() for key, value in facts.items() if value is not None}
    _helper().set_model_props(model, {key: json.dumps(value) for key, value in known.items()})
    model.producer_name, model.producer_version = "skae", skae_version


def _helper() -> Any:
    return import_optional("onnx.helper", "onnx")
