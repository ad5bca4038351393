"""``export``: every format, chosen rows and colours, and what is refused."""

from __future__ import annotations

import json
import unicodedata

import pandas as pd
import pytest

from stnclf.annotations import read_annotations, write_annotations

TABLE = pd.DataFrame(
    {
        "image": ["a.tif", "a.tif", "ü.png"],
        "x": [1.5, 20.0, 3.25],
        "y": [2.0, 30.5, 4.0],
        "label": ["disc", "cross", "disc"],
        "probability": [0.9, 0.4, 0.75],
    }
)


@pytest.fixture
def cells(tmp_path):
    return write_annotations(TABLE, tmp_path / "cells.csv")


@pytest.mark.parametrize("name", ["x.csv", "x.sqlite", "x.geojson", "x.json"])
def test_export_writes_every_format(name, cells, tmp_path, invoke):
    out = tmp_path / name
    more = ["--to", "midog"] if name == "x.json" else []
    more += ["--image", "a.tif"] if name == "x.geojson" else []
    code, _, lines = invoke("export", cells, "-o", out, *more)
    n = 2 if name == "x.geojson" else 3
    assert (code, lines) == (0, [f"{out}: {n} rows"])
    back = read_annotations(out)
    for column in ("image", "x", "y", "label"):
        assert sorted(back[column]) == sorted(TABLE[column][:n])
    code, _, lines = invoke("export", cells, "-o", out, *more)
    assert (code, len(lines)) == (2, 1)
    assert invoke("export", cells, "-o", out, "--overwrite", *more)[0] == 0


def test_export_to_grand_challenge(cells, tmp_path, invoke):
    line = ("export", cells, "-o", tmp_path / "x.json", "--to", "grand-challenge")
    code, _, lines = invoke(*line, "--image", "a.tif")
    assert (code, len(lines)) == (1, 1)
    assert "mpp" in lines[0]
    assert invoke(*line, "--image", "a.tif", "--mpp", 0.25)[0] == 0
    again = tmp_path / "again.csv"
    line = ("export", tmp_path / "x.json", "-o", again, "--image", "a.tif", "--mpp", 0.25)
    assert invoke(*line)[0] == 0
    assert read_annotations(again)["x"].tolist() == [1.5, 20.0]


def test_export_selects_and_colours(cells, tmp_path, invoke):
    out = tmp_path / "x.geojson"
    line = ("--image", "a.tif", "--min-probability", 0.5, "--color", "disc=#010203")
    assert invoke("export", cells, "-o", out, *line)[0] == 0
    (feature,) = json.loads(out.read_text())["features"]
    assert feature["properties"]["objectType"] == "detection"
    assert feature["properties"]["classification"] == {"name": "disc", "color": [1, 2, 3]}
    code, _, _ = invoke("export", cells, "-o", tmp_path / "y.csv", "--label", "cross")
    assert code == 0
    assert read_annotations(tmp_path / "y.csv")["x"].tolist() == [20.0]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--image", "b.tif"], "'--image': 'b.tif' is none of"),
        (["--color", "red"], "'--color'"),
        (["--label", "x"], "'--label'"),
    ],
)
def test_export_refuses_what_is_not_there(more, words, cells, tmp_path, invoke):
    code, _, lines = invoke("export", cells, "-o", tmp_path / "x.csv", *more)
    assert (code, len(lines)) == (2, 1)
    assert words in lines[0]
    assert not (tmp_path / "x.csv").exists()


def test_one_file_is_about_one_image(cells, tmp_path, invoke):
    code, _, lines = invoke("export", cells, "-o", tmp_path / "x.geojson")
    assert (code, len(lines)) == (1, 1)
    assert "choose by --image" in lines[0]
    code, _, lines = invoke("export", cells, "-o", tmp_path / "x.odd")
    assert code == 1
    assert "--to must be one of" in lines[0]


def test_probabilities_must_be_there_to_be_compared(tmp_path, invoke):
    path = write_annotations(TABLE.drop(columns="probability"), tmp_path / "a.csv")
    code, _, lines = invoke("export", path, "-o", tmp_path / "b.csv", "--min-probability", 0.5)
    assert code == 2
    assert "'--min-probability'" in lines[0]
    code, _, lines = invoke("export", path, "-o", tmp_path / "b.csv", "--min-probability", 50)
    assert (code, len(lines)) == (2, 1)
    assert "'--min-probability': got 50, wants a number from 0 to 1." in lines[0]


def test_image_and_class_are_chosen_in_either_form_of_unicode(cells, tmp_path, invoke):
    out, name = tmp_path / "x.csv", unicodedata.normalize("NFD", "\u00fc.png")
    assert invoke("export", cells, "-o", out, "--image", name)[0] == 0
    assert read_annotations(out)["image"].tolist() == ["\u00fc.png"]
    named = write_annotations(TABLE.assign(label="K\u00f6rner"), tmp_path / "n.csv")
    label = unicodedata.normalize("NFD", "K\u00f6rner")
    assert invoke("export", named, "-o", tmp_path / "y.csv", "--label", label)[0] == 0


def test_cells_without_a_class_say_which_option_gives_one(tmp_path, invoke):
    path, out = tmp_path / "bare.csv", tmp_path / "x.json"
    path.write_text("image,x,y,label\na.tif,1,2,\na.tif,3,4,\n")
    line = ("export", path, "-o", out, "--to", "midog")
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (1, 1)
    assert "row 0 has none: --label chooses classes, or names that of all cells" in lines[0]
    assert invoke(*line, "--label", "mitosis")[0] == 0
    assert read_annotations(out)["label"].tolist() == ["mitosis"] * 2


def test_a_wrong_format_says_what_the_file_is(cells, tmp_path, invoke):
    code, _, lines = invoke("export", cells, "-o", tmp_path / "x.csv", "--from", "labelme")
    wanted = f"{cells}: is no file of labelme: it looks like csv; leave out --from."
    assert (code, len(lines)) == (1, 1)
    assert lines[0].endswith(wanted)
