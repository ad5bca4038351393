"""Other cells that BCCD's patches show: mirror images against the pixels of a mirrored photo."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import lookalikes
import protocols


def test_mirror_images_are_where_a_cut_beyond_the_edge_shows_them():
    height, width = 23, 31
    photo = np.zeros((height, width), np.uint8)
    photo[4, 27] = 1
    cut = protocols._cut(photo, -15, -15, 61)
    seen = lookalikes.with_mirror_images(np.array([[27.0, 4.0]]), height, width) + 15
    inside = seen[((seen >= 0) & (seen < 61)).all(axis=1)]
    marked = np.argwhere(cut)[:, ::-1]
    assert len(marked) == 6
    assert {tuple(point) for point in inside} == {tuple(point) for point in marked.astype(float)}


BOX = """<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>
<ymax>{}</ymax></bndbox></object>"""


@pytest.fixture
def folder(tmp_path):
    """A photograph of 200 x 100 px at a third, with a platelet near its left and right edge."""
    for name in ("Annotations", "JPEGImages"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (600, 300), "white").save(tmp_path / "JPEGImages" / "a.jpg")
    boxes = [BOX.format("Platelets", x - 9, 141, x + 9, 159) for x in (30, 540)]
    text = f"<annotation>{''.join(boxes)}</annotation>"
    (tmp_path / "Annotations" / "a.xml").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_cell_at_the_edge_is_seen_twice(folder):
    protocol = protocols.PROTOCOLS["bccd"]
    cells, _ = protocols.load(folder, "bccd")
    others = lookalikes.lookalikes(folder, protocol, cells)
    middles = []
    for center, found in zip(cells.centers, others):
        offset = (found - center).round().tolist()
        # In the photograph the platelets are at (10, 50) and (180, 50) of 200 x 100 pixels.
        for dx, dy in offset:
            assert dx in (-21, 0, 39)
            assert dy in (-101, 0, 99)
        middles.append([-21, 0] in offset or [39, 0] in offset)
    assert any(middles)


def test_the_nearest_counts_beside_the_annotated_one():
    cells = SimpleNamespace(
        y=np.array(["WBC", "WBC", "Platelets", "RBC"]),
        centers=np.array([[10.0, 10.0], [20.0, 10.0], [30.0, 30.0], [5.0, 5.0]]),
    )
    others = [
        np.array([[50.0, 10.0]]),
        np.empty((0, 2)),
        np.array([[30.0, 60.0]]),
        np.empty((0, 2)),
    ]
    found = np.array([[50.0, 13.0], [20.0, 11.0], [60.0, 30.0], [np.nan, np.nan]])
    lines = lookalikes.table(cells, others, found).splitlines()
    assert lines[2] == "| WBC | 2 | 50% | 20.6 | 50.0% | 2.0 | 100.0% | 1 of 1 |"
    assert lines[3] == "| Platelets | 1 | 100% | 30.0 | 0.0% | 30.0 | 0.0% | 0 of 1 |"
