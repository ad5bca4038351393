"""Pascal VOC: every file of a folder, where pixels begin, hostile XML."""

import xml.etree.ElementTree as ElementTree
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from stnclf.annotations import read_annotations

OBJECT = (
    "<object><name>{}</name><truncated>1</truncated><bndbox><xmin>{}</xmin><ymin>{}</ymin>"
    "<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def voc(path, *objects, head="<filename>a.jpg</filename>", start=""):
    body = "".join(item if isinstance(item, str) else OBJECT.format(*item) for item in objects)
    path.write_text(f"{start}<annotation>{head}{body}</annotation>")
    return path


def test_boxes_name_their_first_and_last_pixel_from_one(tmp_path):
    size = "<filename>a.jpg</filename><size><width>640</width><height>480</height></size>"
    objects = [("whole", 1, 1, 640, 480), ("first", 1, 1, 1, 1), ("cell", 11, 21, 14, 30)]
    table = read_annotations(voc(tmp_path / "a.xml", *objects, head=size))
    assert table.label.tolist() == ["whole", "first", "cell"]
    # The middle of 640 x 480 pixels; the first pixel; pixels 10 to 13 and 20 to 29, from 0.
    assert table.x.tolist() == [319.5, 0, 11.5]
    assert table.y.tolist() == [239.5, 0, 24.5]
    assert table.width.tolist() == [640, 1, 4]
    assert table.height.tolist() == [480, 1, 10]
    assert set(table.image_width) == {640}
    assert set(table.image_height) == {480}
    assert table.truncated.tolist() == [True] * 3
    assert "difficult" not in table


def test_every_file_of_a_folder_is_read(tmp_path):
    folder = tmp_path / "Annotations"
    folder.mkdir()
    voc(folder / "b.xml", ("n", 1, 1, 3, 3), head="")
    voc(folder / "a.xml", ("m", 1, 1, 3, 3), ("m", 5, 5, 7, 7))
    voc(folder / "c.xml")
    for path in (tmp_path, folder):
        table = read_annotations(path)
        assert table.image.tolist() == ["a.jpg", "a.jpg", "b"]
        assert table.label.tolist() == ["m", "m", "n"]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (("m", 1, 1, "x", 3), "object 0 has 'x' for bndbox/xmax, which is no number"),
        (("m", 1, 1, "nan", 3), "object 0 has 'nan' for bndbox/xmax"),
        (("m", 1, "", 2, 3), "object 0 has '' for bndbox/ymin"),
        (("m", 5, 1, 4, 3), "object 0 has a box that ends before it begins"),
        (("", 1, 1, 4, 3), "object 0 has no name"),
        ("<object><name>m</name></object>", "object 0 has '' for bndbox/xmin"),
        ("<object>", "mismatched tag"),
    ],
)
def test_broken_files_are_refused_by_name(item, message, tmp_path):
    voc(tmp_path / "good.xml", ("m", 1, 1, 2, 2))
    voc(tmp_path / "bad.xml", item)
    for path in (tmp_path, tmp_path / "bad.xml"):
        with pytest.raises(ValueError, match=rf"bad\.xml: {message}"):
            read_annotations(path)


@pytest.mark.parametrize("format", ["voc", "crchisto"])
def test_a_folder_of_other_files_is_refused(format, tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(ValueError, match="is a folder without files of that format"):
        read_annotations(tmp_path, format)


def test_other_xml_is_refused(tmp_path):
    (tmp_path / "a.xml").write_text("<html/>")
    with pytest.raises(ValueError, match=r"a\.xml: is no file of Pascal VOC: its root is <html>"):
        read_annotations(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_they_unfold(encoding, tmp_path):
    entities = '<!ENTITY a0 "lol">'
    for i in range(9):
        entities += f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">'
    text = f"<!DOCTYPE annotation [{entities}]><annotation><filename>&a9;</filename></annotation>"
    path = tmp_path / "bomb.xml"
    path.write_text(text, encoding=encoding)
    with pytest.raises(ValueError, match=r"bomb\.xml: has a document type \(DTD\), which is ref"):
        read_annotations(path)


def test_files_elsewhere_are_not_fetched(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    start = f'<!DOCTYPE annotation [<!ENTITY s SYSTEM "{(tmp_path / "secret.txt").as_uri()}">]>'
    path = voc(tmp_path / "a.xml", ("&s;", 1, 1, 2, 2), start=start)
    with pytest.raises(ValueError, match="document type"):
        read_annotations(path)


def test_the_real_blood_cells(shared_data):
    folder = shared_data("bccd")
    table = read_annotations(folder)
    counts, first = Counter(), []
    for file in sorted((folder / "Annotations").glob("*.xml")):
        for item in ElementTree.parse(file).getroot().iter("object"):
            counts[item.find("name").text] += 1
            box = [int(item.find("bndbox").find(s).text) for s in ("xmin", "ymin", "xmax", "ymax")]
            first.append((file.stem + ".jpg", *box))
    assert table.label.value_counts().to_dict() == counts
    assert counts == {"RBC": 2729, "WBC": 249, "Platelets": 216}
    assert table.image.nunique() == 242
    images, left, top, right, bottom = zip(*first)
    assert table.image.tolist() == list(images)
    np.testing.assert_array_equal(table.x, (np.array(left) + right) / 2 - 1)
    np.testing.assert_array_equal(table.y, (np.array(top) + bottom) / 2 - 1)
    inside = (table.x - table.width / 2 >= -0.5) & (table.x + table.width / 2 <= 639.5)
    assert inside.all()


def test_blanks_around_text_are_those_of_a_program_that_indents(tmp_path):
    plain = "<filename>a.jpg</filename><size><width>640</width><height>480</height></size>"
    path = voc(tmp_path / "a.xml", ("m", 1, 2, 5, 6), head=plain)
    table = read_annotations(path)
    spaced = path.read_text().replace("</", "\n </").replace(">a", ">\n\ta").replace(">m", ">\n m")
    for digit in "1234568":
        spaced = spaced.replace(f">{digit}", f">\n  {digit}")
    path.write_text(spaced)
    pd.testing.assert_frame_equal(read_annotations(path), table)
    assert table.loc[0, ["image", "label", "truncated", "image_width"]].tolist() == [
        "a.jpg",
        "m",
        True,
        640,
    ]
    voc(tmp_path / "a.xml", ("\n ", 1, 2, 5, 6), head=plain)
    with pytest.raises(ValueError, match="object 0 has no name"):
        read_annotations(path)
