"""``hotspots``: fields of a class, and options and tables that are wrong."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
from PIL import Image

from stnclf.annotations import read_annotations, write_annotations
from stnclf.slides import write_pyramid_tiff
from tests.cli.lines import with_options
from tests.report.test_html import embedded


def hot(invoke, road, table, *more):
    slide = road / "slides" / "a b.tif"
    return invoke(*with_options(("hotspots", table, slide, "--area", 0.001), *more))


def test_hotspots_of_one_class(road, tmp_path, invoke):
    table = read_annotations(road / "cells.sqlite")
    table = table[table["image"] == "a b.tif"][["image", "x", "y", "label"]]
    path = write_annotations(table, tmp_path / "cells.csv")
    out = tmp_path / "f.geojson"
    code, printed, lines = hot(invoke, road, path, "-o", out, "--label", "disc", "-n", 2)
    assert (code, printed) == (0, "")
    fields = read_annotations(out)
    count = fields["count"].tolist()
    field = fields.loc[0]
    discs = table[table["label"] == "disc"]
    off_x, off_y = (discs["x"] - field["x"]).abs(), (discs["y"] - field["y"]).abs()
    assert ((off_x < field["width"] / 2) & (off_y < field["height"] / 2)).sum() == count[0]
    assert lines == [f"{out}: 2 fields of 0.001 mm2, {count[0]:.0f} cells in the first"]
    assert hot(invoke, road, path, "-o", out)[0] == 2
    page = tmp_path / "r.html"
    assert hot(invoke, road, path, "--report", page, "--label", "disc", "-n", 2)[0] == 0
    (slide,) = embedded(page.read_text(encoding="utf-8"))["slides"]
    assert (slide["name"], slide["labels"]) == ("a b.tif", ["disc"])
    assert len(slide["cells"]["x"]) == len(discs)
    assert [field["count"] for field in slide["fields"]] == count
    assert hot(invoke, road, path, "-o", out, "--overwrite")[0] == 0


def test_cells_of_any_of_several_classes_count(road, tmp_path, invoke):
    """Three discs, two crosses and four others in one place; in another, five of the others."""
    rows = [f"a b.tif,{50 + i},40,{name}" for i, name in enumerate("dddccoooo")]
    rows += [f"a b.tif,{350 + i},240,o" for i in range(5)]
    path, page = tmp_path / "cells.csv", tmp_path / "r.html"
    path.write_text("\n".join(["image,x,y,label", *rows]) + "\n", encoding="utf-8")
    for labels, n in (("dc", 5), ("cd", 5), ("d", 3), ("o", 5), ("co", 6), ("", 9)):
        more = [word for label in labels for word in ("--label", label)]
        code, _, lines = hot(invoke, road, path, *more, "--report", page, "--overwrite")
        assert code == 0, lines
        assert lines[-1].endswith(f"1 field of 0.001 mm2, {n} cells in the first"), labels
        (slide,) = embedded(page.read_text(encoding="utf-8"))["slides"]
        assert slide["labels"] == sorted(labels or "cdo")
    code, _, lines = hot(invoke, road, path, "--label", "d", "--label", "x")
    assert (code, "'--label': 'x' is none of 'c', 'd', 'o'" in lines[0]) == (2, True)
    # A scan of a model that knows "x", and found none of it.
    head, *found = path.read_text(encoding="utf-8").splitlines()
    rows = [f"{head},probability_x", *(f"{row},0.1" for row in found)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    code, _, lines = hot(invoke, road, path, "--label", "x")
    assert (code, lines[-1].endswith("0 fields of 0.001 mm2")) == (0, True)


@pytest.mark.parametrize(
    ("aspect", "ratio"), [("4/3", 4 / 3), ("1.5", 1.5), ("3/2", 1.5), ("0.5/2", 0.25)]
)
def test_an_aspect_is_a_number_or_a_fraction(aspect, ratio, road, tmp_path, invoke):
    path, out = tmp_path / "cells.csv", tmp_path / "f.csv"
    path.write_text("image,x,y,label\na b.tif,50,40,disc\n", encoding="utf-8")
    code, _, lines = hot(invoke, road, path, "--aspect", aspect, "-o", out)
    assert code == 0, lines
    fields = read_annotations(out)
    assert fields["width"][0] / fields["height"][0] == pytest.approx(ratio, rel=1e-3)


def test_only_detections_of_the_probability_that_is_asked_for_count(road, tmp_path, invoke):
    rows = [f"a b.tif,{50 + i},40,disc,{p}" for i, p in enumerate((0.9, 0.5, 0.4999, 0.02))]
    path, out, page = tmp_path / "cells.csv", tmp_path / "f.csv", tmp_path / "r.html"
    path.write_text("\n".join(["image,x,y,label,probability", *rows]) + "\n", encoding="utf-8")
    for least, n in (([], 4), (["--min-probability", 0.5], 2)):
        more = ("--report", page, "-o", out, "--overwrite", *least)
        code, _, lines = hot(invoke, road, path, *more)
        assert code == 0, lines
        assert lines == [f"{out}: 1 field of 0.001 mm2, {n} cells in the first"]
        assert read_annotations(out)["count"].tolist() == [n]
        (slide,) = embedded(page.read_text(encoding="utf-8"))["slides"]
        assert len(slide["cells"]["x"]) == n
    # A scan that found nothing has no probabilities; there is nothing to leave out.
    path.write_text("image,x,y,label\n", encoding="utf-8")
    assert hot(invoke, road, path, "--min-probability", 0.5)[0] == 0


def test_what_is_left_out_leaves_no_cells_of_another_slide(road, tmp_path, invoke):
    """A table of several slides, of which the chosen rows are all on another one."""
    path, out, page = tmp_path / "cells.csv", tmp_path / "f.csv", tmp_path / "r.html"
    rows = ["a b.tif,50,40,disc,0.3", *(f"ü.png,{60 + i},50,cross,0.9" for i in range(3))]
    path.write_text("\n".join(["image,x,y,label,probability", *rows]) + "\n", encoding="utf-8")
    for least in (["--min-probability", 0.5], ["--label", "cross"]):
        more = ("--report", page, "-o", out, "--overwrite", *least)
        code, _, lines = hot(invoke, road, path, *more)
        assert (code, lines) == (0, [f"{out}: 0 fields of 0.001 mm2"])
        (slide,) = embedded(page.read_text(encoding="utf-8"))["slides"]
        assert slide["cells"] is None
    path.write_text("\n".join(["image,x,y,label", "b.tif,1,1,m", "c.tif,1,1,m"]), encoding="utf-8")
    code, _, lines = hot(invoke, road, path)
    assert (code, len(lines)) == (1, 1)
    assert "cells.csv: " in lines[0]
    assert "none of its images is named 'a b.tif'" in lines[0]


def test_fields_of_any_unit_are_in_pixels_even_if_there_are_none(tmp_path, invoke):
    Image.new("RGB", (400, 300)).save(tmp_path / "a.png")
    (tmp_path / "c.csv").write_text("image,x,y,label\n", encoding="utf-8")
    line = ("hotspots", tmp_path / "c.csv", tmp_path / "a.png", "-o", tmp_path / "f.csv")
    code, _, lines = invoke(*line, "--slide-mpp", 1, "--area", 0.012)
    assert (code, lines) == (0, [f"{tmp_path / 'f.csv'}: 0 fields of 126.5 x 94.87 px"])


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--label", "x"], 2, "'--label': 'x' is none of"),
        (["--area", 99], 1, "--area: a field of 99 mm2"),
        (["--width-px", 99], 2, "--area and --width-px exclude each other"),
        (["--min-probability", 1.5], 2, "'--min-probability': got 1.5, wants a number from 0 to 1"),
        (["--min-probability", 0.5], 2, "cells.sqlite' has no column probability"),
        (["-n", 0], 1, "--number: got 0"),
        (["--aspect", "4/0"], 2, "'--aspect': got '4/0', wants a positive number, or a fraction"),
        (["--aspect", "-1"], 2, "'--aspect': got '-1', wants a positive number"),
        (["--aspect", "4/"], 2, "'--aspect': got '4/', wants a positive number"),
        (["-o", "x.odd"], 2, "'--out'"),
        (["--map", "x.pdf"], 2, "'--map': 'x.pdf' ends with none of .png"),
        (["--report", "x.pdf"], 2, "'--report': 'x.pdf' ends with none of .html, .htm"),
        (["--map", "no/x.png"], 2, "'--map': the folder of"),
        (["--report", "no/x.html"], 2, "'--report': the folder of"),
    ],
)
def test_wrong_options_of_hotspots_are_named(
    more, code, words, road, invoke, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    status, printed, lines = hot(invoke, road, road / "cells.sqlite", *more)
    assert (status, printed, len(lines)) == (code, "", 1)
    assert words in lines[0]
    assert os.listdir(tmp_path) == []


def test_a_photograph_has_fields_in_pixels(road, tmp_path, invoke, monkeypatch):
    pytest.importorskip("matplotlib", reason="needs the extra [plot]")
    table = read_annotations(road / "cells.sqlite")
    path = write_annotations(table[table["image"] == "ü.png"], tmp_path / "cells.csv")
    line = ("hotspots", path, road / "slides" / "ü.png", "-o", tmp_path / "f.csv")
    code, _, lines = invoke(*line)
    assert (code, ", or --width-px." in lines[0]) == (1, True)
    more = ("--width-px", 120, "--aspect", 1.5, "--map", tmp_path / "a.png")
    code, _, lines = invoke(*line, *more)
    assert code == 0, lines
    assert "1 field 120 px wide" in lines[0]
    assert "per_mm2" not in (tmp_path / "f.csv").read_text()
    assert min(Image.open(tmp_path / "a.png").size) > 800
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert invoke(*line, *more, "--overwrite")[0] == 0


def test_a_unit_that_is_no_micrometre_makes_no_millimetres(road, tmp_path, invoke):
    table = read_annotations(road / "cells.sqlite")
    path = write_annotations(table[table["image"] == "ü.png"], tmp_path / "cells.csv")
    line = ("hotspots", path, road / "slides" / "ü.png", "--slide-mpp", 1)
    out, page = tmp_path / "f.csv", tmp_path / "r.html"
    code, _, lines = invoke(*line, "-o", out, "--report", page, "--area", 0.0192)
    assert code == 0, lines
    assert "1 field of 160 x 120 px" in lines[0]  # 0.0192 million pixels
    assert "per_mm2" not in out.read_text()
    (slide,) = embedded(page.read_text(encoding="utf-8"))["slides"]
    assert slide["mpp"] is None
    assert "per_mm2" not in slide["fields"][0]
    code, printed, lines = invoke(*line, "--width-px", 160)
    assert (code, "1 field 160 px wide" in lines[0]) == (0, True)
    assert "per_mm2" not in printed
    # A file that says it is 1 has micrometres.
    picture = np.asarray(Image.open(road / "slides" / "ü.png"))
    write_pyramid_tiff(picture, tmp_path / "ü.tif", 1.0)
    line = ("hotspots", path, tmp_path / "ü.tif", "--slide-mpp", 1, "--area", 0.0192)
    code, printed, lines = invoke(*line)
    assert (code, "per_mm2" in printed, "of 0.0192 mm2" in lines[-1]) == (0, True, True)


def test_the_map_has_more_with_matplotlib(road, tmp_path, invoke, monkeypatch):
    pytest.importorskip("matplotlib", reason="needs the extra [plot]")
    table = read_annotations(road / "cells.sqlite")
    path = write_annotations(table[table["image"] == "a b.tif"], tmp_path / "cells.csv")
    code, _, lines = hot(invoke, road, path, "--map", tmp_path / "a.png")
    assert (code, len(lines)) == (0, 1)
    assert min(Image.open(tmp_path / "a.png").size) > 1000
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, lines = hot(invoke, road, path, "--map", tmp_path / "b.png")
    assert (code, "pip install 'stnclf[plot]'" in lines[0]) == (0, True)
    assert Image.open(tmp_path / "b.png").size == (420, 300)


def test_cells_outside_the_slide_and_tables_of_nothing(road, tmp_path, invoke):
    path = tmp_path / "a.csv"
    path.write_text("image,x,y,label\na b.tif,5000,3,disc\n")
    code, _, lines = hot(invoke, road, path, "-o", tmp_path / "f.csv")
    assert (code, len(lines)) == (1, 1)
    assert f"{path}: 1 of 1 cells lie outside" in lines[0]
    path.write_text("a,b\n1,2\n")
    code, _, lines = hot(invoke, road, path, "-o", tmp_path / "f.csv")
    assert (code, len(lines)) == (1, 1)
    assert str(path) in lines[0]
    path.write_text("image,x,y,label\n")
    code, _, lines = hot(invoke, road, path, "-o", tmp_path / "f.csv")
    assert (code, lines) == (0, [f"{tmp_path / 'f.csv'}: 0 fields of 0.001 mm2"])


def test_detections_of_another_slide_are_said(road, tmp_path, invoke):
    table = tmp_path / "t.csv"
    table.write_text("image,x,y,label\nb.svs,30,40,disc\nb.svs,35,40,disc\n", encoding="utf-8")
    line = ("hotspots", table, road / "slides" / "a b.tif", "--slide-mpp", 0.25, "--area", 0.001)
    code, _, lines = invoke(*line)
    assert code == 0
    assert lines[0] == f"{table}: its cells are of 'b.svs', taken for those of 'a b.tif'"
    for name in ("a b.tif", "day 1/a b.tif", "a b"):
        table.write_text(f"image,x,y,label\n{name},30,40,disc\n", encoding="utf-8")
        code, _, lines = invoke(*line)
        assert (code, len(lines)) == (0, 1), lines
