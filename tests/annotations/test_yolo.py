"""YOLO's lists: fractions of the width and height of an image."""

import pytest
from PIL import Image

from stnclf.annotations import read_annotations


@pytest.fixture
def folder(tmp_path):
    """Labels and images in folders of their own, as the training wants them."""
    for name in ("labels", "images"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (640, 480)).save(tmp_path / "images" / "a.png")
    Image.new("RGB", (100, 50)).save(tmp_path / "images" / "b.jpg")
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.25 0.1 0.2\n1 0.25 0.5 0.5 0.5 0.75\n")
    (tmp_path / "labels" / "b.txt").write_text("1 0 0 0.06 0 0.06 0.24 0 0.24\n")
    (tmp_path / "labels" / "c.txt").write_text("")
    return tmp_path


@pytest.mark.filterwarnings("ignore:.* classes without a name")
def test_every_list_of_a_folder_is_read(folder):
    for path in (folder, folder / "labels"):
        table = read_annotations(path)
        assert table.image.tolist() == ["a.png", "a.png", "b.jpg"]
        # 0.5 of 640 is the edge between pixels 319 and 320.
        assert table[["x", "y"]].to_numpy().tolist() == [[319.5, 119.5], [159.5, 239.5], [2.5, 5.5]]
        assert table[["width", "height"]].to_numpy().tolist() == [[64, 96], [320, 240], [6, 12]]
        assert table.label.tolist() == ["0", "1", "1"]
        assert table.type.tolist() == ["area", "area", "polygon"]
        assert table.probability.fillna(-1).tolist() == [-1, 0.75, -1]
        assert table.image_width.tolist() == [640, 640, 100]


@pytest.mark.filterwarnings("ignore:.* classes without a name")
def test_one_list_and_its_image(folder):
    path = folder / "labels" / "a.txt"
    assert read_annotations(path).x.tolist() == [319.5, 159.5]
    Image.new("RGB", (64, 48)).save(folder / "other.png")
    table = read_annotations(path, slides=folder / "other.png")
    assert (table.x[0], table.image[0]) == (31.5, "other.png")
    (folder / "images" / "a.png").unlink()
    with pytest.raises(ValueError, match=r"a\.txt: has fractions of an image, and none called 'a'"):
        read_annotations(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels/classes.txt", "cell\nmitosis\n"),
        ("classes.txt", "cell\r\nmitosis\r\n"),
        ("data.yaml", "path: .\nnames: [cell, 'mitosis']\nnc: 2\n"),
        ("data.yaml", "names:\n- cell\n- mitosis\nnc: 2\n"),
        ("data.yaml", 'nc: 2\nnames:\n  0: cell\n  1: "mitosis"\ntrain: x\n'),
        ("data.yaml", "names: {0: cell, 1: mitosis}\n"),
    ],
)
def test_names_of_classes(name, text, folder):
    (folder / name).write_text(text, newline="")
    assert read_annotations(folder / "labels").label.tolist() == ["cell", "mitosis", "mitosis"]


def test_names_are_looked_for_two_folders_above_and_no_further(tmp_path, monkeypatch):
    """As Roboflow writes data sets, and Ultralytics."""
    for labels, images in (("train/labels", "train/images"), ("labels/train", "images/train")):
        root = tmp_path / "above" / labels.replace("/", "_")
        for path in (root / labels, root / images):
            path.mkdir(parents=True)
        Image.new("RGB", (200, 100)).save(root / images / "a.png")
        (root / labels / "a.txt").write_text("0 0.5 0.25 0.1 0.2\n2 0.25 0.5 0.5 0.5\n")
        (root / "data.yaml").write_text("names: [cell, other, mitosis]\n")
        paths = [root / labels, root / labels / "a.txt"]
        paths += [root / "train"] if labels == "train/labels" else []
        for path in paths:
            table = read_annotations(path)
            assert table.label.tolist() == ["cell", "mitosis"]
            assert table.image.tolist() == ["a.png"] * 2
            assert table.x.tolist() == [99.5, 49.5]
        monkeypatch.chdir(root / labels)
        assert read_annotations("a.txt").label.tolist() == ["cell", "mitosis"]
        assert read_annotations(".").image_height.tolist() == [100] * 2
        (root / "data.yaml").rename(root.parent / "data.yaml")
        with pytest.warns(UserWarning, match=r"has 2 classes without a name, \['0', '2'\]: "):
            assert read_annotations(root / labels).label.tolist() == ["0", "2"]


def test_classes_that_a_list_of_names_lacks_are_named(folder):
    (folder / "labels" / "classes.txt").write_text("cell\n")
    with pytest.warns(UserWarning, match=r"labels: has 1 class without a name, \['1'\]: "):
        assert read_annotations(folder / "labels").label.tolist() == ["cell", "1", "1"]


def test_a_file_without_names_does_not_hide_another(folder):
    (folder / "labels" / "data.yaml").write_text("nc: 2\n")
    (folder / "classes.txt").write_text("cell\nmitosis\n")
    assert read_annotations(folder / "labels").label.tolist() == ["cell", "mitosis", "mitosis"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1\n", "row 1 is no class number with a box"),
        ("0 0.5 0.5 0.1 0.1\n0 320 240 64 48\n", "row 1 has values that are no fractions"),
        ("0 0.5 0.5 0.1 0.1\n0 0 0 1 0 1 1 0\n", "row 1 has an outline with an x that has no y"),
        ("0 0.5 0.5 0.1 0.1\nm 0.5 0.5 0.1 0.1\n", "row 1 is no class number"),
    ],
)
def test_broken_lists_are_refused(text, message, folder):
    (folder / "labels" / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=rf"labels/a\.txt: {message}"):
        read_annotations(folder)
    with pytest.raises(ValueError, match=rf"labels/a\.txt: {message}"):
        read_annotations(folder / "labels" / "a.txt", "yolo")


def test_a_table_of_text_is_no_list(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("image\tx\ty\tlabel\na.svs\t1\t2\tm\n")
    assert read_annotations(path).x.tolist() == [1]


def test_names_that_are_not_understood_are_an_error(folder):
    (folder / "data.yaml").write_text("nc: 2\nnames: {mitosis: 1, cell: 0}\n")
    with pytest.raises(ValueError, match=r"labels: data\.yaml: .*'names'") as caught:
        read_annotations(folder / "labels")
    assert "\n" not in str(caught.value)
    (folder / "data.yaml").write_text("names: ['tumour, big', 'mitosis']  # two\n")
    table = read_annotations(folder / "labels")
    assert table.label.tolist() == ["tumour, big", "mitosis", "mitosis"]
