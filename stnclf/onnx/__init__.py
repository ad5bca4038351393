"""Export to ONNX, to predict without torch: in C++, C#, JavaScript or Java, behind a microscope.

``to_onnx`` needs the package onnx; onnxruntime, or any other runtime, opens what it wrote.
"""

from ._export import OPSET, to_onnx

__all__ = [
    "OPSET",
    "to_onnx",
]
