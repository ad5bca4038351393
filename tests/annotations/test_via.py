"""JSON of the VGG Image Annotator."""

import json
import math

import pytest

from stnclf.annotations import read_annotations


def region(about, **shape):
    return {"shape_attributes": shape, "region_attributes": about}


def image(name, *regions):
    return {"filename": name, "size": 5, "regions": list(regions), "file_attributes": {}}


def read(tmp_path, *images, project=False, **more):
    document = {f"{one['filename']}5": one for one in images}
    if project:
        document = {"_via_settings": {}, "_via_img_metadata": document, "_via_attributes": {}}
    path = tmp_path / "via.json"
    path.write_text(json.dumps(document))
    return read_annotations(path, **more)


@pytest.mark.parametrize("project", [False, True])
def test_regions(project, tmp_path):
    m, n = {"kind": "m"}, {"kind": {"m": False, "n": True}}
    table = read(
        tmp_path,
        image(
            "a.png",
            region(m, name="rect", x=10, y=20, width=4, height=6),
            region(m, name="point", cx=300, cy=200),
            region(m, name="circle", cx=30, cy=20, r=5),
            region(n, name="ellipse", cx=30, cy=20, rx=5, ry=2),
        ),
        image(
            "b.png",
            region(n, name="polygon", all_points_x=[0, 6, 0], all_points_y=[0, 0, 12]),
            region(n, name="polyline", all_points_x=[0, 4], all_points_y=[0, 8]),
        ),
        project=project,
    )
    assert table.image.tolist() == ["a.png"] * 4 + ["b.png"] * 2
    expected = [[11.5, 22.5], [299.5, 199.5], [29.5, 19.5], [29.5, 19.5], [1.5, 3.5], [1.5, 3.5]]
    assert table[["x", "y"]].to_numpy().tolist() == expected
    assert table.width.fillna(-1).tolist() == [4, -1, 10, 10, 6, 4]
    assert table.height.fillna(-1).tolist() == [6, -1, 10, 4, 12, 8]
    assert table.label.tolist() == ["m", "m", "m", "n", "n", "n"]


def test_the_attribute_of_the_class(tmp_path):
    one = image("a.png", region({"note": "x", "Class": "m", "who": "y"}, name="point", cx=1, cy=2))
    assert read(tmp_path, one).label.tolist() == ["m"]
    assert read(tmp_path, one, columns={"label": "who"}).label.tolist() == ["y"]
    with pytest.raises(ValueError, match=r"has no attribute 'kind'; it has \['note', 'Class'"):
        read(tmp_path, one, columns={"label": "kind"})
    with pytest.raises(ValueError, match=r"applies to 'label' only here, got \['x'\]"):
        read(tmp_path, one, columns={"x": "cx"})
    two = image("a.png", region({"a": "x", "b": "m"}, name="point", cx=1, cy=2))
    with pytest.raises(ValueError, match=r"has several attributes, \['a', 'b'\]\. Say which"):
        read(tmp_path, two)
    none = image("a.png", region({}, name="point", cx=1, cy=2))
    assert read(tmp_path, none).label.isna().all()
    assert read(tmp_path, none, label="m").label.tolist() == ["m"]


def test_regions_of_version_1_have_numbers(tmp_path):
    old = {**image("a.png"), "regions": {"0": region({}, name="point", cx=1, cy=2)}}
    assert read(tmp_path, old).x.tolist() == [0.5]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (region({}, name="star"), "region 0 is of type 'star', which is not read"),
        (region({}, name="point", cx=1), "region 0 has no number for one of"),
        (region({}, name="rect", x=1, y="2", width=3, height=4), "region 0 has no number"),
        (region({}, name="polygon", all_points_x=[1]), "region 0 has no two lists"),
        (
            region({}, name="polygon", all_points_x=[1, 2], all_points_y=[1]),
            "no two lists of equal",
        ),
        (region({}, name="polygon", all_points_x=[None], all_points_y=[1]), "not two numbers"),
        (3, "region 0 has no 'shape_attributes'"),
    ],
)
def test_broken_regions_are_refused(bad, message, tmp_path):
    with pytest.raises(ValueError, match=rf"via\.json: image 'a\.png5', .*{message}"):
        read(tmp_path, image("a.png", bad))


@pytest.mark.parametrize(
    ("theta", "width", "height"),
    [
        (0, 8, 12),
        (math.pi / 2, 12, 8),
        (1.57, 12, 8),
        (-math.pi, 8, 12),
        (math.pi / 4, 2 * math.sqrt(26), 2 * math.sqrt(26)),
        (None, 8, 12),
    ],
)
def test_ellipses_are_turned(theta, width, height, tmp_path):
    ellipse = region({}, name="ellipse", cx=30, cy=20, rx=4, ry=6, theta=theta)
    table = read(tmp_path, image("a.png", ellipse))
    assert table[["x", "y"]].to_numpy()[0] == pytest.approx([29.5, 19.5])
    assert table[["width", "height"]].to_numpy()[0] == pytest.approx([width, height], abs=1e-4)
    turned = region({}, name="ellipse", cx=30, cy=20, rx=4, ry=6, theta="1")
    with pytest.raises(ValueError, match=r"region 0 has no number for one of \['theta'\]"):
        read(tmp_path, image("a.png", turned))
