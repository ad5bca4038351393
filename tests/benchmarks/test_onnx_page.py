"""The page about ONNX says what was measured."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def onnx_page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in ("_onnx_page", "_speed_page"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import _onnx_page

    return _onnx_page


@pytest.fixture
def stored():
    path = ROOT / "benchmarks" / "results" / "onnx.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_ratio_is_that_of_the_medians(onnx_page, stored):
    row = {"network": "N", "threads": 2, "images": 1, "onnxruntime": [2.0, 9.0]}
    row |= {"estimator": [10.0, 99.0], "torch": [4.0, 4.5]}
    text = onnx_page.latency({**stored["latency"], "rows": [row]})
    assert text.splitlines()[-1] == "| N | 2 | 1 | 2.0 (9.0) | 10.0 (99.0) | 4.0 (4.5) | 5.0 |"


def test_the_page_is_that_of_the_stored_results(onnx_page, stored):
    page = (ROOT / "docs" / "onnx.md").read_text(encoding="utf-8")
    assert page == onnx_page.with_tables(page, stored)
    assert {"## Agreement", "## Latency"} <= set(page.splitlines())


def test_every_network_agrees(stored):
    rows = stored["agreement"]["rows"]
    assert len(rows) == 12
    for row in rows:
        assert max(row["probabilities"], row["theta"]) < 1e-4, row["network"]
        assert row["centers"] < 1e-4, row["network"]
