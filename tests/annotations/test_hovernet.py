"""Nuclei of HoVer-Net and CellViT: centroids count pixels."""

import json

import pytest
from PIL import Image

from stnclf.annotations import read_annotations

NUCLEUS = {
    "bbox": [[10, 20], [18, 31]],
    "centroid": [25.25, 13.5],
    "contour": [[20, 10], [30, 17]],
    "type_prob": 0.875,
    "type": 1,
}


def read(tmp_path, document, **more):
    path = tmp_path / "t.json"
    path.write_text(json.dumps(document))
    return read_annotations(path, **more)


def test_nuclei_of_hovernet(tmp_path):
    second = {**NUCLEUS, "centroid": [7, 9.5], "type": None, "type_prob": None}
    table = read(tmp_path, {"mag": None, "nuc": {"4": NUCLEUS, "17": second}})
    assert table[["x", "y"]].to_numpy().tolist() == [[25.25, 13.5], [7, 9.5]]
    # Rows come first in a box, and its end is excluded.
    assert table[["width", "height"]].to_numpy().tolist() == [[11, 8]] * 2
    assert table.label.fillna("-").tolist() == ["1", "-"]
    assert table.probability.fillna(-1).tolist() == [0.875, -1]
    assert table.id.tolist() == ["4", "17"]
    assert set(table.image) == {"t"}
    assert set(read(tmp_path, {"nuc": {"4": NUCLEUS}}, image="x.svs").image) == {"x.svs"}


def test_cells_of_cellvit_have_the_names_of_their_types(tmp_path):
    cells = [NUCLEUS, {**NUCLEUS, "type": 2, "centroid": [1, 2]}, {**NUCLEUS, "type": 5}]
    types = {"1": "Neoplastic", "2": ["Inflammatory", [0, 255, 0]]}
    table = read(tmp_path, {"wsi_metadata": {}, "type_map": types, "cells": cells})
    assert table.label.tolist() == ["Neoplastic", "Inflammatory", "5"]
    assert table.x.tolist() == [25.25, 1, 25.25]


def test_an_image_without_nuclei_is_an_empty_table(tmp_path):
    for document in ({"nuc": {}}, {"cells": []}):
        assert list(read(tmp_path, document).columns) == ["image", "x", "y", "label"]


@pytest.mark.parametrize(
    ("nucleus", "message"),
    [
        (3, "nucleus '4' has no 'centroid' of two numbers"),
        ({}, "nucleus '4' has no 'centroid'"),
        ({"centroid": [1, "2"]}, "nucleus '4' has no 'centroid'"),
        ({"centroid": [1, float("nan")]}, "nucleus '4' has no 'centroid'"),
        ({**NUCLEUS, "bbox": [1, 2, 3, 4]}, r"nucleus '4' has a 'bbox' that is no \[\[top, left\]"),
        ({**NUCLEUS, "bbox": [[9, 0], [1, 5]]}, "nucleus '4' has a 'bbox'"),
    ],
)
def test_broken_nuclei_are_refused(nucleus, message, tmp_path):
    with pytest.raises(ValueError, match=rf"t\.json: {message}"):
        read(tmp_path, {"nuc": {"4": nucleus}})
    with pytest.raises(ValueError, match="'nuc' is neither an object nor a list"):
        read(tmp_path, {"nuc": 3})


def test_another_magnification_than_the_slide_has_is_doubted(tmp_path, recwarn):
    Image.new("RGB", (30, 20)).save(tmp_path / "t.png", dpi=(101600, 101600))  # 0.25 um
    for magnification in (40, 38, None):
        read(tmp_path, {"mag": magnification, "nuc": {"1": NUCLEUS}})
    assert not recwarn.list
    with pytest.warns(UserWarning, match=r"magnification of 20, .* want a factor of 2\."):
        read(tmp_path, {"mag": 20, "nuc": {"1": NUCLEUS}})
