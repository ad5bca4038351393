"""Pascal VOC and CRCHistoPhenotypes: every file of a folder, where pixels begin, hostile XML."""

import xml.etree.ElementTree as ElementTree
from collections import Counter

import numpy as np
import pytest
from scipy.io import loadmat, savemat

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
    with pytest.raises(ValueError, match=r"a\.xml: is no Pascal VOC file: its root is <html>"):
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


def test_lists_of_points_count_from_one(tmp_path):
    for number, label, points in (
        (10, "epithelial", [[3.5, 7.0]]),
        (2, "epithelial", np.array([[1, 255], [200, 3]], dtype=np.uint8)),
        (2, "others", np.zeros((0, 2), dtype=np.uint8)),
        (2, "inflammatory", np.array([[0.25, 300.5]])),
    ):
        folder = tmp_path / f"img{number}"
        folder.mkdir(exist_ok=True)
        savemat(folder / f"img{number}_{label}.mat", {"detection": points})
    table = read_annotations(tmp_path)
    # img2 comes before img10. Bytes less one do not wrap around, and 255 is not the last.
    assert table.image.tolist() == ["img2/img2.bmp"] * 3 + ["img10/img10.bmp"]
    assert table.label.tolist() == ["epithelial"] * 2 + ["inflammatory", "epithelial"]
    assert table[["x", "y"]].to_numpy().tolist() == [[0, 254], [199, 2], [-0.75, 299.5], [2.5, 6]]
    one = read_annotations(tmp_path / "img2")
    assert one.image.tolist() == ["img2.bmp"] * 3
    assert read_annotations(tmp_path / "img10/img10_epithelial.mat").image.tolist() == ["img10.bmp"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("detection", [[1.0, 2.0, 3.0]], r"must be a list of \(x, y\), has shape \(1, 3\)"),
        ("points", [[1.0, 2.0]], "holds no matrix 'detection'"),
        ("detection", "text", "is no matrix of real numbers"),
        ("detection", [[1.0, np.nan]], "annotation 0 of 1 is at x=0.0, y=nan"),
    ],
)
def test_other_matrices_are_refused(name, content, message, tmp_path):
    savemat(tmp_path / "img1_m.mat", {name: content})
    with pytest.raises(ValueError, match=message):
        read_annotations(tmp_path)


def test_a_broken_list_is_refused_by_name(tmp_path):
    (tmp_path / "img1").mkdir()
    (tmp_path / "img1/img1_m.mat").write_bytes(b"MATLAB 5.0" + b" " * 500)
    with pytest.raises(ValueError, match=r"img1_m\.mat: is no MATLAB file"):
        read_annotations(tmp_path)


def test_the_real_nuclei(shared_data):
    folder = shared_data("crchisto")
    table = read_annotations(folder)
    counts = {"epithelial": 3533, "inflammatory": 2400, "fibroblast": 1691, "others": 1059}
    assert table.label.value_counts().to_dict() == counts
    assert table.image.nunique() == 50
    found = Counter()
    for file in folder.glob("*/*.mat"):
        points = loadmat(file)["detection"].astype(float).reshape(-1, 2)
        found[file.stem.split("_")[1]] += len(points)
        here = (table.image == f"{file.parent.name}/{file.parent.name}.bmp") & (
            table.label == file.stem.split("_")[1]
        )
        np.testing.assert_array_equal(table.loc[here, ["x", "y"]], points - 1)
    assert found == counts
    # Every image has 500 x 500 pixels, some of whose points lie on the very rim.
    assert table.x.between(-1, 499).all()
    assert table.y.between(-1, 499).all()
