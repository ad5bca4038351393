"""Aperio ImageScope's XML, as MoNuSeg and MoNuSAC have it too."""

import pytest

from stnclf.annotations import read_annotations


def region(number, kind, *points, **more):
    text = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in points)
    rest = "".join(f' {name}="{value}"' for name, value in more.items())
    return f'<Region Id="{number}" Type="{kind}"{rest}><Vertices>{text}</Vertices></Region>'


def layer(*regions, name="", attributes=""):
    return (
        f'<Annotation Id="1" Name="{name}" Visible="1"><Attributes>{attributes}</Attributes>'
        f"<Regions><RegionAttributeHeaders/>{''.join(regions)}</Regions></Annotation>"
    )


def write(path, *layers):
    path.write_text(f'<Annotations MicronsPerPixel="0.25">{"".join(layers)}</Annotations>')
    return path


TRIANGLE = [(0, 0), (6, 0), (0, 12)]


def test_regions(tmp_path):
    path = write(
        tmp_path / "a.xml",
        layer(
            region(1, 0, *TRIANGLE),
            region(2, 1, (10, 20), (14, 20), (14, 26), (10, 26)),
            region(3, 2, (100, 50), (110, 80)),
            region(4, 5, (300.5, 200.5)),
            name="mitosis",
        ),
        layer(region(1, 0, *TRIANGLE), attributes='<Attribute Name="Epithelial" Value=""/>'),
        layer(
            region(1, 0, *TRIANGLE, Text="note"),
            attributes='<Attribute Name="Description" Value=""/>',
        ),
        layer(
            region(1, 0, *TRIANGLE),
            attributes='<Attribute Name="Description" Value="stroma"/>',
        ),
        layer(region(1, 0, *TRIANGLE)),
    )
    table = read_annotations(path)
    assert table[["x", "y"]].to_numpy()[:4].tolist() == [
        [1.5, 3.5],
        [11.5, 22.5],
        [104.5, 64.5],
        [300, 200],
    ]
    assert table.type.tolist() == ["polygon", "area", "circle", "spot", *["polygon"] * 4]
    assert table.label.fillna("-").tolist() == [
        *["mitosis"] * 4,
        "Epithelial",
        "note",
        "stroma",
        "-",
    ]
    assert table.width.fillna(-1).tolist()[:4] == [6, 4, 10, -1]
    assert table.height.fillna(-1).tolist()[:4] == [12, 6, 30, -1]


def test_what_is_no_cell_is_counted(tmp_path):
    path = write(
        tmp_path / "a.xml",
        layer(
            region(1, 0, *TRIANGLE),
            region(2, 3, (1, 2), (3, 4)),
            region(3, 4, (1, 2), (3, 4)),
            region(4, 0, *TRIANGLE, NegativeROA=1),
            region(5, 0),
        ),
    )
    message = "4 object.* of 5: 1 arrows, 1 regions to leave out, 1 rulers, 1 without a shape"
    with pytest.warns(UserWarning, match=message):
        assert len(read_annotations(path)) == 1


def test_broken_files_are_refused(tmp_path):
    path = write(tmp_path / "a.xml", layer(region(7, 9, (1, 2)), name="m"))
    with pytest.raises(ValueError, match=r"a\.xml: layer '1', region '7' is of type '9'"):
        read_annotations(path)
    write(path, layer(region(7, 0, (1, "x"), (2, 3), (4, 5))))
    with pytest.raises(ValueError, match="region '7' has 'x' for a coordinate"):
        read_annotations(path)
