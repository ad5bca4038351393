"""Which sizes are recommended, and what decides them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stnclf.cli.sizes import Sizes, look_at, measure, patches_line, recommend


def table(points, label="cell", image="a.png", **columns):
    x, y = np.array(points, float).reshape(-1, 2).T
    return pd.DataFrame({"image": image, "x": x, "y": y, "label": label, **columns})


def test_neighbours_are_those_of_the_same_image():
    both = pd.concat([table([(0, 0), (3, 4), (10, 4)]), table([(0, 1)], image="b.png")])
    boxes, neighbours = measure(both)
    assert len(boxes) == 0
    assert neighbours.tolist() == [5.0, 5.0, 7.0]


def test_many_neighbours_are_found_as_few_are():
    points = np.random.default_rng(0).uniform(0, 5000, (1200, 2)) * (1, 0.3)
    _, neighbours = measure(table(points))
    apart = np.hypot(*(points[:, None] - points).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_allclose(neighbours, apart.min(axis=1))


def test_the_window_holds_the_larger_class():
    small = table([(i, 0) for i in range(0, 900, 30)], width=20.0, height=18.0)
    large = table([(0, 500), (0, 900)], "large", width=30.0, height=[38.0, 42.0])
    # 1.25 * 40 px; neighbours are at 30 px.
    assert recommend(pd.concat([small, large])) == Sizes(112, 56, None, 14)
    near = small.assign(x=small["x"] / 3)
    assert recommend(pd.concat([near, large])).max_offset == 5


def test_boxes_of_one_size_say_nothing_where_the_resolution_is_known():
    drawn = table([(0, 0), (500, 0)], width=50.0, height=50.0)
    assert recommend(drawn) == Sizes(128, 64, None, 16)
    assert recommend(drawn, 0.5) == Sizes(64, 32, 0.5, 8)


def test_large_cells_are_shrunk():
    boxes = table([(0, 0), (700, 0)], width=[150.0, 170.0], height=100.0)
    # 200 px are four times 50.
    assert recommend(boxes, 0.1) == Sizes(112, 56, 0.4, 14, 4)
    assert recommend(boxes, 0.1, at=0.2) == Sizes(208, 104, 0.2, 26, 2.0)


def test_nothing_is_guessed():
    with pytest.raises(ValueError, match="neither boxes around the cells nor a resolution"):
        recommend(table([(0, 0), (5, 5)]))


def test_slides_are_looked_for_where_patches_would(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    cells = pd.concat(
        [
            table([(29.4, 19.4), (29.6, 3), (3, 20), (-0.4, -0.4)]),
            table([(1, 1)], image="../a.png"),
            table([(1, 1)], image="c.png"),
        ]
    )
    found = look_at(cells, tmp_path)
    assert found.sizes == {"a.png": (30, 20)}
    assert (found.missing, found.mpp, found.outside) == (["../a.png", "c.png"], None, 2)
    assert look_at(cells, tmp_path / "a.png", 0.3).mpp == 0.3


def test_resolutions_that_differ_are_none(tmp_path):
    pytest.importorskip("openslide", reason="needs the extra [slides]")
    from stnclf.slides import write_pyramid_tiff

    names = {"a.tif": 0.25, "b.tif": 0.252, "c.tif": 0.5}
    for name, mpp in names.items():
        write_pyramid_tiff(np.zeros((64, 64, 3), np.uint8), tmp_path / name, mpp)
    cells = {name: table([(1, 1)], image=name) for name in names}
    near = pd.concat([cells["a.tif"], cells["b.tif"]])
    assert look_at(near, tmp_path).mpp == pytest.approx(0.251, rel=1e-3)
    assert look_at(pd.concat([near, cells["c.tif"]]), tmp_path).mpp is None


def test_the_line_can_be_pasted():
    line = patches_line(
        Sizes(112, 56, None, 9, 5), "my cells.csv", "s", columns={"x": "X"}, outside=True
    )
    assert line == (
        "stnclf patches 'my cells.csv' s --out patches --size 112 --cell-size 56 --slide-mpp 1 "
        "--mpp 5 --max-offset 9 --column x=X --outside skip"
    )
