"""TODO onnx."""

from ._export import OPSET, to_onnx

__all__ = [
    "OPSET",
    "to_onnx",
]
