"""`converted`: a torch module as an ONNX model, the same bytes each time."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["IR_VERSION", "OPSET", "converted", "import_onnx"]

#: Version of the operators: the first that `torch.onnx.export` translates to.
OPSET = 18

#: Version of the file's form: the first that holds these operators.
IR_VERSION = 8


def import_onnx() -> Any:
    """Import the package onnx, and name the extra that brings what an export needs.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If onnx or onnxscript is missing.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  # for torch.onnx.export
    except ImportError as error:
        raise ImportError(
            "to_onnx needs onnx and onnxscript; install them with: pip install 'stnclf[onnx]'"
        ) from error
    return onnx


def converted(
    module: nn.Module, example: Tensor, inputs: Sequence[str], outputs: Sequence[str]
) -> Any:
    """Convert a module to an ONNX model with a free number of rows.

    Parameters
    ----------
    module : nn.Module
        On the CPU, in evaluation mode.
    example : Tensor of shape (n, ...)
        What it takes, with n > 1: its values do not matter.
    inputs, outputs : sequence of str
        Their names.

    Returns
    -------
    onnx.ModelProto
        Without metadata. All that depends on where and by which path the module was converted is
        removed; so the same module gives the same bytes.
    """
    # With gradients, since without them the output layers add row by row, which is slower.
    with _quiet(), torch.inference_mode(False), torch.enable_grad():
        program = torch.onnx.export(
            module,
            (example,),
            input_names=inputs,
            output_names=outputs,
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.ir_version = IR_VERSION
    del model.metadata_props[:]
    graph = model.graph
    del graph.value_info[:]
    # Stack traces among them, with the paths of this machine.
    for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the conversion warns of and logs: nothing that users could act on."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
