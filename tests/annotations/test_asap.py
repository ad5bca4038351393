"""ASAP's XML: groups are classes, positions run along the edges of pixels."""

import pytest

from stnclf.annotations import read_annotations

ITEM = (
    '<Annotation Name="{}" Type="{}" PartOfGroup="{}" Color="#F4FA58">'
    "<Coordinates>{}</Coordinates></Annotation>"
)


def item(name, kind, group, *points):
    text = "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}" />' for i, (x, y) in enumerate(points))
    return ITEM.format(name, kind, group, text)


def write(path, *items):
    path.write_text(
        '<?xml version="1.0"?>\n<ASAP_Annotations>\n\t<Annotations>'
        + "".join(items)
        + "</Annotations><AnnotationGroups><Group Name='Tumor' PartOfGroup='None'><Attributes />"
        "</Group></AnnotationGroups></ASAP_Annotations>"
    )
    return path


def test_annotations(tmp_path):
    path = write(
        tmp_path / "tumor_001.xml",
        item("Annotation 0", "Dot", "Tumor", (300.5, 200.5)),
        item("Annotation 1", "Polygon", "Tumor", (0, 0), (6, 0), (0, 12)),
        item("Annotation 2", "Rectangle", "None", (10, 20), (14, 20), (14, 26), (10, 26)),
        item("Annotation 3", "PointSet", "Stroma", (1, 2), (3, 5)),
        item("Annotation 4", "Spline", "Stroma", (0, 0), (2, 0), (2, 2), (0, 2)),
    )
    table = read_annotations(path)
    positions = [(300, 200), (1.5, 3.5), (11.5, 22.5), (0.5, 1.5), (2.5, 4.5), (0.5, 0.5)]
    assert table[["x", "y"]].to_numpy().tolist() == [list(p) for p in positions]
    assert table.label.fillna("-").tolist() == ["Tumor", "Tumor", "-", *["Stroma"] * 3]
    assert table.type.tolist() == ["spot", "polygon", "area", "spot", "spot", "polygon"]
    assert table.width.fillna(-1).tolist() == [-1, 6, 4, -1, -1, 2]
    assert table.height.fillna(-1).tolist() == [-1, 12, 6, -1, -1, 2]
    assert set(table.image) == {"tumor_001"}
    (tmp_path / "tumor_001.tif").touch()
    assert set(read_annotations(path).image) == {"tumor_001.tif"}
    assert set(read_annotations(path, image="x.svs").image) == {"x.svs"}


def test_the_order_of_points_counts(tmp_path):
    square = [(1, 4, 0), (0, 0, 0), (2, 4, 8), (3, 0, 8)]
    text = "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}" />' for i, x, y in square)
    path = write(tmp_path / "a.xml", ITEM.format("a", "Polygon", "t", text))
    assert read_annotations(path)[["x", "y"]].to_numpy().tolist() == [[1.5, 3.5]]


def test_what_is_no_cell_is_counted(tmp_path):
    path = write(
        tmp_path / "a.xml",
        item("a", "Dot", "t", (1, 2)),
        item("b", "Polygon", "t"),
        item("c", "Measurement", "t", (1, 2), (3, 4)),
    )
    message = r"a\.xml: 2 objects left out, of 3: 1 measurements, 1 without a shape"
    with pytest.warns(UserWarning, match=message):
        assert len(read_annotations(path)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (item("a", "Star", "t", (1, 2)), "annotation 0 is of type 'Star', which is not read"),
        (item("a", "Dot", "t", ("x", 2)), "annotation 0 has 'x' for a coordinate"),
        (item("a", "Dot", "t", ("nan", 2)), "annotation 0 has 'nan' for a coordinate"),
        ("<Annotation>", "mismatched tag"),
    ],
)
def test_broken_files_are_refused(text, message, tmp_path):
    path = write(tmp_path / "a.xml", text)
    with pytest.raises(ValueError, match=rf"a\.xml: {message}"):
        read_annotations(path)
    with pytest.raises(ValueError, match=r"image=|columns="):
        read_annotations(write(path), columns={"x": "y"})
