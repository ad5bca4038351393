"""Which sizes are recommended, and what decides them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stnclf.cli.sizes import (
    Sizes,
    Slides,
    caution_about_outside,
    caution_about_points,
    caution_about_small_images,
    cautions_about_regions,
    in_one_unit,
    look_at,
    measure,
    patches_line,
    recommend,
)


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
    apart = pd.concat([near, cells["c.tif"]])
    found = look_at(apart, tmp_path)
    assert found.mpp is None
    assert found.stated == pytest.approx(names, rel=1e-3)
    assert look_at(apart, tmp_path, 0.3).mpps == dict.fromkeys(names, 0.3)


def test_cells_of_different_slides_are_measured_in_one_unit(tmp_path):
    for name, mpp in (("a.png", 0.25), ("b.png", 0.5), ("n.png", None)):
        more = {} if mpp is None else {"dpi": (25400 / mpp, 25400 / mpp)}
        Image.new("RGB", (300, 300)).save(tmp_path / name, **more)
    fine = table([(10, 20), (90, 20)], image="a.png", width=[38.0, 42.0], height=20.0)
    coarse = table([(10, 20), (60, 20)], image="b.png", width=[19.0, 21.0], height=20.0)
    gone = table([(10, 20)], image="gone.png", width=1.0, height=1.0)
    cells = pd.concat([fine, coarse, gone])
    same, mpp = in_one_unit(cells, look_at(cells, tmp_path))
    assert mpp == pytest.approx(0.5, rel=1e-3)
    assert same["image"].tolist() == ["a.png", "a.png", "b.png", "b.png"]
    boxes, neighbours = measure(same)
    assert boxes == pytest.approx([19, 21, 20, 21], rel=1e-3)
    assert neighbours == pytest.approx([40, 40, 50, 50], rel=1e-3)
    # Where one is not known there is no such unit.
    cells = pd.concat([fine, coarse, table([(1, 1)], image="n.png")])
    same, mpp = in_one_unit(cells, look_at(cells, tmp_path))
    assert mpp is None
    assert same is cells


def test_a_region_does_not_decide_the_sizes():
    sides = np.linspace(38, 42, 9)
    cells = table([(80 * i, 0) for i in range(9)], "a", width=sides, height=20.0)
    region = table([(300, 300)], "tumour", width=3000.0, height=900.0)
    both = pd.concat([cells, region])
    assert recommend(both, 0.25) == recommend(cells, 0.25)
    (text,) = cautions_about_regions(both)
    assert text == (
        "'tumour' has 1 object 75 times as wide as the cells, not counted for the sizes; "
        "--label a leaves them out"
    )
    assert cautions_about_regions(cells) == []
    # An outline among the cells of its class is none of them either.
    both = pd.concat([cells, region.assign(label="a")])
    assert recommend(both, 0.25) == recommend(cells, 0.25)
    (text,) = cautions_about_regions(both, decides=False)
    assert text.startswith("'a' has 1 object 75 times as wide as the cells; if they are ")
    # Boxes around points stay boxes around points.
    drawn = cells.assign(width=50.0, height=50.0)
    assert recommend(pd.concat([drawn, region]), 0.5) == recommend(drawn, 0.5)


def test_wide_cells_decide_if_there_are_several():
    small = table([(80 * i, 0) for i in range(9)], "red cell", width=20.0, height=20.0)
    large = [table([(80 * i, 900)], "megakaryocyte", width=200.0, height=90.0) for i in range(5)]
    assert recommend(pd.concat([small, *large])).shrink == 5  # 250 px
    assert recommend(pd.concat([small, *large[:4]])).shrink == 1
    (text,) = cautions_about_regions(pd.concat([small, *large]))
    assert text == (
        "'megakaryocyte' has 5 objects 10 times as wide as the cells, counted for the sizes; "
        "--label 'red cell' leaves them out"
    )
    # Eight times is not more than eight times.
    assert cautions_about_regions(pd.concat([small, large[0].assign(width=160.0)])) == []


def test_the_line_can_be_pasted():
    line = patches_line(
        Sizes(112, 56, None, 9, 5), "my cells.csv", "s", columns={"x": "X"}, outside=True
    )
    assert line == (
        "stnclf patches 'my cells.csv' s --out patches --size 112 --cell-size 56 --slide-mpp 1 "
        "--mpp 5 --max-offset 9 --column x=X --outside skip"
    )


def test_boxes_drawn_around_points_get_a_caution_where_they_decide():
    drawn = table([(i, 0) for i in range(0, 500, 100)], width=50.0, height=50.0)
    text = caution_about_points(drawn)
    assert text.startswith("all 5 boxes have 50 px, ")
    assert caution_about_points(drawn, 0.5) is None  # they do not count then
    assert caution_about_points(drawn[:4]) is None  # too few to tell
    assert caution_about_points(drawn.assign(height=[50.0, 50.0, 50.0, 50.0, 57.0])) is None


@pytest.mark.parametrize(
    ("sizes", "mpps", "n_small", "named"),
    [
        (Sizes(100, 50, None, 12), (None, None), 1, "'a.png' has 97 x 201 px: "),
        (Sizes(96, 48, None, 12), (None, None), 0, ""),
        # 49 px of half the resolution are 98 of the image, which has 97.
        (Sizes(49, 24, None, 6, 2), (None, None), 1, "97 x 201 px, of which a patch takes 98: "),
        (Sizes(49, 24, 0.5, 6, 2), (0.25, 0.25), 1, "97 x 201 px, of which a patch takes 98: "),
        # The larger one shows less than its pixels say: 75 px of 1 um make a patch of 0.5 um.
        (Sizes(150, 75, 0.5, 6), (1.0, 0.25), 1, "250 x 199 px, of which a patch takes 300: "),
        (Sizes(100, 48, 0.5, 6), (1.0, 0.5), 0, ""),
        (Sizes(300, 48, 0.5, 6), (0.5, 0.5), 2, "'a.png' has 97 x 201 px: "),
    ],
)
def test_patches_larger_than_images_get_a_caution(sizes, mpps, n_small, named):
    images = {"a.png": (97, 201), "b.png": (250, 199)}
    known = dict(zip(images, mpps))
    slides = Slides(images, [], None, 0, known, known)
    text = caution_about_small_images(sizes, slides)
    if not n_small:
        assert text is None
    else:
        assert text.startswith(f"{n_small} of 2 images are smaller than a patch of {sizes.size} px")
        assert named in text
        assert text.endswith("edges is white, or with --edge mirror their mirror image")
        text = caution_about_small_images(sizes, slides, "mirror")
        assert text.endswith("edges is their mirror image (--edge mirror)")


@pytest.mark.parametrize(
    ("points", "caution"),
    [
        (
            [(19.4, 29.4), (3, 25), (7, 8)],
            "2 of 3 cells lie outside their image, by up to 9.9 px; ",
        ),
        # Exchanged, the last one lies outside, too.
        ([(19.4, 29.4), (3, 25), (25, 8)], "2 of 3 cells lie outside their image, by up to 9.9 px"),
        ([(19.4, 20.4), (3, 5), (7, 8)], None),  # rounding
        ([(3, 25)] + 100 * [(7, 8)], None),  # one in a hundred
        ([(3, 25)] + 98 * [(25, 8)], "1 of 99 cells lie outside"),
    ],
)
def test_positions_of_other_images_get_a_caution(points, caution, tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    cells = table(points)
    text = caution_about_outside(look_at(cells, tmp_path), len(cells))
    if caution is None:
        assert text is None
    else:
        assert text.startswith(caution)
        assert ("with x and y exchanged, all" in text) == caution.endswith("; ")
