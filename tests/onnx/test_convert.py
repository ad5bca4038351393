"""A torch module as an ONNX model."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from stnclf.onnx._convert import IR_VERSION, OPSET, converted, import_onnx


class Scaled(nn.Module):
    """Twice its input, and the sum of each row."""

    def forward(self, x):
        return 2 * x, x.sum(1)


@pytest.fixture(scope="module")
def model():
    return converted(Scaled(), torch.zeros(2, 3), ["numbers"], ["doubled", "sums"])


def test_rows_are_free_and_results_have_their_names(model):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for n in (1, 2, 7):
        x = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
        doubled, sums = session.run(["doubled", "sums"], {"numbers": x})
        np.testing.assert_array_equal(doubled, 2 * x)
        np.testing.assert_array_equal(sums, x.sum(1))


def test_versions_are_those_stated(model):
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == IR_VERSION
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]


def test_model_holds_no_trace_of_the_conversion(model):
    again = converted(Scaled(), torch.ones(3, 3), ["numbers"], ["doubled", "sums"])
    assert again.SerializeToString() == model.SerializeToString()
    assert b".py" not in model.SerializeToString()


def test_gradients_and_inference_mode_of_the_caller_do_not_matter(model):
    with torch.inference_mode():
        again = converted(Scaled(), torch.zeros(2, 3), ["numbers"], ["doubled", "sums"])
        assert torch.is_inference_mode_enabled()
    assert again.SerializeToString() == model.SerializeToString()


def test_onnx_is_imported():
    assert import_onnx() is onnx
