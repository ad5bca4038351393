"""``info``: what it says of slides, tables, patch sets and models."""

from __future__ import annotations

import json

import pytest


def test_info(road, invoke):
    paths = [road / name for name in ("cells.sqlite", "patches", "model.safetensors")]
    slides = [road / "slides" / name for name in ("a b.tif", "ü.png")]
    code, out, lines = invoke("info", "--json", *paths, *slides)
    assert (code, lines) == (0, [])
    cells, patches, model, pyramid, plain = json.loads(out)
    assert (cells["rows"], cells["images"]) == (60, 2)
    assert cells["counts"] == patches["counts"] == {"cross": 30, "disc": 30}
    assert (patches["images"], patches["shape"], patches["size"]) == (60, [48, 48, 3], 32)
    assert patches["without a cell"] == 0
    assert model["classes"] == ["cross", "disc"]
    assert (model["image_shape"], model["patch_size"]) == ([48, 48, 3], [32, 32])
    assert pyramid["size"] == plain["size"] == [420, 300]
    assert pyramid["mpp"] == pytest.approx(0.25, rel=1e-3)
    assert plain["mpp"] is None
    assert pyramid["levels"][1][:2] == [210, 150]
    code, out, _ = invoke("info", *paths)
    assert code == 0
    assert "{'cross': 30, 'disc': 30}" in out
    assert "# STNCellClassifier" in out


def test_labels_and_names_do_nothing_to_a_terminal(invoke, tmp_path):
    table = tmp_path / "a\x1b[2J.csv"
    table.write_text("image,x,y,label\na.svs,3,4,b\x1b[31m\n", encoding="utf-8")
    code, out, _ = invoke("info", table)
    assert code == 0
    assert "\x1b" not in out
    assert r"a\x1b[2J.csv" in out
