"""What looks as if a file was read wrongly is said, and read as it is."""

import pytest

from stnclf.annotations import read_annotations, write_annotations
from tests.annotations.test_io import WRITERS, cells


def test_labels_that_are_no_classes_are_pointed_out(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("image,x,y,label\n" + "".join(f"a,{i},2,cell {i}\n" for i in range(3)))
    with pytest.warns(UserWarning, match=r"a\.csv: has 3 rows and as many different labels, as 'c"):
        assert len(read_annotations(path)) == 3
    path.write_text('image,x,y,label\na,1,2,"{""name"": ""m""}"\na,1,2,m\n')
    with pytest.warns(UserWarning, match=r'a\.csv: has labels that look like JSON, as {"name": "m'):
        read_annotations(path)
    path.write_text("image,x,y,label\na,1,2,m\na,1,2,n\na,2,2,k\n")
    assert len(read_annotations(path)) == 3  # three classes, and nothing is said


def test_labels_that_look_like_missing_ones_are_said(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("image,x,y,label\na.tif,1,2,nan\na.tif,3,4,m\na.tif,5,6,\na.tif,5,6,None\n")
    with pytest.warns(
        UserWarning, match=r"a\.csv: has 2 labels 'nan', which are taken for a class"
    ):
        assert read_annotations(path).label.dropna().tolist() == ["nan", "m", "None"]


@pytest.mark.parametrize(("column", "rest"), [("label", "image"), ("image", "label")])
def test_names_that_differ_by_blanks_only_are_said(column, rest, tmp_path):
    path = tmp_path / "a.csv"
    text = f"{rest},x,y,{column}\na,1,2,mitosis\na,3,4, mitosis\na,5,6,other\n"
    path.write_text(text)
    message = rf"a\.csv: has {column}s .* blanks .* ' mitosis' and 'mitosis' .*'{column}'\]\.str"
    with pytest.warns(UserWarning, match=message):
        table = read_annotations(path)
    assert table[column].tolist() == ["mitosis", " mitosis", "other"]
    # One name for all is no doubt.
    path.write_text(text.replace(",mitosis", ", mitosis"))
    assert len(read_annotations(path)) == 3


@pytest.mark.parametrize("format", ["sliderunner", "midog", "qupath"])
def test_labels_that_differ_by_blanks_only_are_said(format, tmp_path):
    path = write_annotations(cells(label=["m", "m "]), tmp_path / WRITERS[format], format)
    with pytest.warns(UserWarning, match="blanks at their ends: 'm' and 'm '"):
        assert read_annotations(path).label.tolist() == ["m", "m "]


def test_labels_of_a_folder_that_differ_by_blanks_only_are_said(tmp_path):
    for name, label in (("a", "m"), ("b", " m")):
        write_annotations(cells(label=label), tmp_path / f"{name}.csv")
    with pytest.warns(UserWarning, match="blanks at their ends: ' m' and 'm'"):
        assert len(read_annotations(tmp_path)) == 4
