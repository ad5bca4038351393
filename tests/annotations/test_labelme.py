"""LabelMe's JSON."""

import json

import pytest

from stnclf.annotations import read_annotations


def shape(kind, points, label="m"):
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}}


def read(tmp_path, *shapes, **more):
    document = {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "..\\i\\a.png",
    }
    document |= {"imageData": None, "imageHeight": 48, "imageWidth": 64}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    return read_annotations(path, **more)


def test_shapes(tmp_path):
    table = read(
        tmp_path,
        shape("polygon", [[0.0, 0.0], [6.0, 0.0], [0.0, 12.0]]),
        shape("rectangle", [[10, 20], [14, 26]]),
        shape("circle", [[30, 20], [33, 24]]),
        shape("point", [[7.5, 9.5]]),
        shape("points", [[1, 2], [3, 5]], "n"),
        shape("linestrip", [[0, 0], [4, 2], [4, 8]], "n"),
        shape("oriented_rectangle", [[4, 0], [10, 8], [6, 11], [0, 3]], "n"),
    )
    expected = [(1.5, 3.5), (11.5, 22.5), (29.5, 19.5), (7, 9), (0.5, 1.5), (2.5, 4.5), (1.5, 3.5)]
    assert table[["x", "y"]].to_numpy().tolist() == [list(p) for p in [*expected, (4.5, 5)]]
    assert table.width.fillna(-1).tolist() == [6, 4, 10, -1, -1, -1, 4, 10]
    assert table.label.tolist() == [*"mmmm", *"nnnn"]
    assert set(table.image) == {"i/a.png"}
    assert table[["image_width", "image_height"]].to_numpy()[0].tolist() == [64, 48]
    assert read(tmp_path, shape("point", [[1, 2]]), image="b.png").image.tolist() == ["b.png"]


@pytest.mark.parametrize("points", [[[3, 2], [6, 8]], [[6, 8], [3, 2]]])
def test_the_points_of_a_mask_are_its_first_and_last_pixel(points, tmp_path):
    """LabelMe fills mask[2:9, 3:7]."""
    (row,) = read(tmp_path, shape("mask", points)).to_dict("records")
    assert (row["x"], row["y"], row["width"], row["height"]) == (4.5, 5, 4, 7)
    assert row["type"] == "area"


def test_shapes_without_points_are_counted(tmp_path):
    with pytest.warns(UserWarning, match="1 object.* of 2: 1 without a shape"):
        assert len(read(tmp_path, shape("polygon", []), shape("point", [[1, 2]]))) == 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (shape("cube", [[1, 2]]), "shape 0 is of type 'cube', which is not read"),
        (shape("point", [[1, "2"]]), "shape 0 has a point that is not two numbers"),
        (shape("point", 3), "shape 0 has a point that is not two numbers"),
        (shape("circle", [[1, 2]]), "shape 0 is a circle of 1 points, wants 2"),
        (3, "shape 0 has a point"),
    ],
)
def test_broken_shapes_are_refused(bad, message, tmp_path):
    with pytest.raises(ValueError, match=rf"a\.json: {message}"):
        read(tmp_path, bad)
