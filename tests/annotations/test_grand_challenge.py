"""Point lists of grand-challenge.org: millimetres and probabilities."""

import json

import numpy as np
import pytest

from stnclf.annotations import read_annotations, write_annotations
from tests.annotations.test_coco import read
from tests.annotations.test_io import cells


def test_results_are_in_millimetres(tmp_path):
    table = cells(label=["m", None], probability=[0.75, np.nan])
    path = write_annotations(table, tmp_path / "a.json", "grand-challenge", mpp=0.25)
    assert json.loads(path.read_text()) == {
        "type": "Multiple points",
        "version": {"major": 1, "minor": 0},
        "name": "a.svs",
        "points": [
            {"point": [0.0025, 0.0075, 0], "name": "m", "probability": 0.75},
            {"point": [0.005125, 0.001, 0]},
        ],
    }
    # 0.0025 mm are 10 px of 0.25 um, and 5 px of 0.5 um.
    assert read_annotations(path, mpp=0.25).x.tolist() == [10, 20.5]
    assert read_annotations(path, mpp=0.5).x.tolist() == [5, 10.25]
    assert set(read_annotations(path, mpp=1, image="x").image) == {"x"}
    with pytest.raises(ValueError, match=r"a\.json: mpp must be the micrometres per pixel"):
        read_annotations(path)


def test_results_hold_probabilities_only(tmp_path):
    with pytest.raises(ValueError, match=r"table\['probability'\] must lie from 0 to 1, row 1"):
        write_annotations(
            cells(probability=[0.5, 1.5]), tmp_path / "a.json", "grand-challenge", mpp=1
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": 3}, "'points' is no list"),
        ({"points": [3]}, "point 0 has no coordinates"),
        ({"points": [{"point": [1]}]}, "point 0 has no coordinates"),
        ({"points": [{"point": [1, "2", 0]}]}, "point 0 has a coordinate that is no number: '2'"),
        (
            {"points": [{"point": [1, float("nan"), 0]}]},
            "point 0 has a coordinate that is no number",
        ),
        ({"points": [{"point": [1, 2, 0]}, {}]}, "point 1 has no coordinates"),
    ],
)
def test_broken_results_are_refused(change, message, tmp_path):
    content = {"type": "Multiple points", "name": "a", "points": [{"point": [1, 2, 0]}]} | change
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content, mpp=0.25)
