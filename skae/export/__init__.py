"""Fitted estimators as files of other runtimes."""

from ._sklearn_onnx import register_converters

__all__ = ["register_converters"]
