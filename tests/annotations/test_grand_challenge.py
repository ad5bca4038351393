"""Point lists of grand-challenge.org: millimetres and probabilities."""

import json
import warnings

import numpy as np
import pytest

from stnclf.annotations import read_annotations, write_annotations
from tests.annotations.slides import write_ndpi
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


def points(*names, **more):
    items = [{"point": [0.1 * i, 0.05, 0.242], "probability": 0.5} for i in range(1, 4)]
    for item, name in zip(items, names):
        item["name"] = name
    return {"type": "Multiple points", "points": items, "version": {"major": 1}, **more}


@pytest.mark.parametrize("names", [("Point 1", "Point 2", "Point 3"), ("Point 0",), ()])
def test_points_without_classes_have_that_of_their_list(names, tmp_path):
    names = names if len(names) != 1 else names * 3
    table = read(tmp_path, points(*names, name="lymphocytes"), mpp=0.5, image="a.tif")
    assert table.label.tolist() == ["lymphocytes"] * 3
    assert table.image.tolist() == ["a.tif"] * 3
    np.testing.assert_allclose(table.x, [200, 400, 600])
    # The name of the list is not that of an image, which is then the file's own.
    assert set(read(tmp_path, points(*names, name="monocytes"), mpp=0.5).image) == {"boxes"}
    # Without a name there is no class, and one may be given.
    assert read(tmp_path, points(*names), mpp=0.5).label.isna().all()
    assert set(read(tmp_path, points(*names), mpp=0.5, label="m").label) == {"m"}
    table = read(tmp_path, points(*names, name="a.tif"), mpp=0.5)
    assert set(table.image) == {"a.tif"}
    assert table.label.isna().all()


@pytest.mark.parametrize("names", [(0, 1, 2), ("1", "2", "3"), ("", "", ""), (None, None, None)])
def test_a_count_and_nothing_are_no_classes(names, tmp_path):
    table = read(tmp_path, points(*names, name=" lymph. cells "), mpp=0.5, image="a.tif")
    assert table.label.tolist() == ["lymph. cells"] * 3
    # Numbers that count nothing are classes, and so are all in a list that is named as a file.
    for more, name in (((0, 2, 1), "a"), ((1, 1, 2), "a"), ((0, 1, 2), "a.tif")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of three rows, three labels
            table = read(tmp_path, points(*more, name=name), mpp=0.5)
        assert table.label.tolist() == [str(value) for value in more]
        assert set(table.image) == {name}


@pytest.mark.parametrize("labels", [["0", "1"], ["Point 1", "Point 2"], [None, "m"]])
@pytest.mark.parametrize("image", ["slide 7", "a.tif"])
def test_labels_that_count_come_back(labels, image, tmp_path):
    table = cells(image=image, label=labels)
    path = write_annotations(table, tmp_path / "a.json", "grand-challenge", mpp=0.25)
    back = read_annotations(path, mpp=0.25)
    assert [label if isinstance(label, str) else None for label in back.label] == labels
    assert set(back.image) == {image}


def test_points_with_classes_keep_them(tmp_path):
    table = read(tmp_path, points("m", "Point 2", "n", name="a"), mpp=0.5)
    assert table.label.tolist() == ["m", "Point 2", "n"]
    assert set(table.image) == {"a"}


def test_a_table_without_labels_comes_back_with_its_image(tmp_path):
    table = cells(image="slide 7", label=None)
    path = write_annotations(table, tmp_path / "a.json", "grand-challenge", mpp=0.25)
    back = read_annotations(path, mpp=0.25)
    assert set(back.image) == {"slide 7"}
    assert back.label.isna().all()


def test_the_slide_says_how_large_pixels_are(tmp_path):
    pytest.importorskip("openslide", reason="reads the slide")
    write_ndpi(tmp_path / "a.ndpi", mpp=0.5)
    content = points("m", "m", "n", name="a.ndpi")
    np.testing.assert_allclose(read(tmp_path, content).x, [200, 400, 600])
    np.testing.assert_allclose(read(tmp_path, content, mpp=0.25).x, [400, 800, 1200])
