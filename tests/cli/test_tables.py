"""Annotation files on the command line: resolution, class and slides where they are needed."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pytest
from PIL import Image

from stnclf.annotations import read_annotations, write_annotations
from stnclf.cli import tables
from stnclf.cli.tables import by_base_name, check_images, is_one_of, read_table, read_tables
from tests.cli.test_export import TABLE

POINTS = {
    "name": "a.tif",
    "type": "Multiple points",
    "points": [{"name": "m", "point": [0.0375, 0.025, 0]}],
}


@pytest.fixture
def work(tmp_path):
    """Points in millimetres, a table without classes, and a slide of 400 x 300 px of 0.25 um."""
    (tmp_path / "points.json").write_text(json.dumps(POINTS))
    (tmp_path / "bare.csv").write_text("image,x,y\na.tif,150,100\n")
    (tmp_path / "slides").mkdir()
    pixels = np.full((300, 400, 3), 230, np.uint8)
    pixels[90:111, 140:161] = (70, 30, 120)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "slides" / "a.tif", dpi=(25400 / 0.25, 25400 / 0.25))
    return tmp_path


def test_images_are_named_without_their_folders():
    import pandas as pd

    cells = pd.DataFrame({"image": ["a/x.svs", "b\\y.svs", "a/x.svs"], "x": [1, 2, 3]})
    named = by_base_name(cells)
    assert named["image"].tolist() == ["x.svs", "y.svs", "x.svs"]
    assert named["path"].tolist() == cells["image"].tolist()
    with pytest.raises(ValueError, match="several images of one name"):
        by_base_name(pd.DataFrame({"image": ["a/x.svs", "b/x.svs"]}))


def test_tables_are_read_as_one(tmp_path):
    paths = [
        write_annotations(table, tmp_path / name)
        for name, table in (("a.csv", TABLE), ("b.csv", TABLE.assign(x=[7.0, 8.0, 9.0])))
    ]
    both, used = read_tables(paths)
    assert both["x"].tolist() == [1.5, 20.0, 3.25, 7.0, 8.0, 9.0]
    assert both.index.tolist() == list(range(6))
    assert not used


def test_long_numbers_stay_what_they_are_beside_a_table_that_has_none(tmp_path):
    known, other = tmp_path / "a.csv", tmp_path / "b.csv"
    number = 2**60 + 1  # no float is it
    known.write_text(f"image,x,y,label,id\na.svs,3,4,disc,{number}\n", encoding="utf-8")
    other.write_text("image,x,y,label\nb.svs,5,6,cross\n", encoding="utf-8")
    table, _ = read_tables([known, other])
    assert table["id"].tolist() == [number, None]


def test_options_are_used_where_they_are_needed(work):
    table, used = read_table(work / "points.json", mpp=0.5)
    assert (table.x.tolist(), used) == ([75], True)
    table, used = read_table(work / "bare.csv", mpp=0.5, labels=["m"])
    assert (table.label.tolist(), table.x.tolist(), used) == (["m"], [150], False)
    with pytest.raises(ValueError, match="has no column 'label'"):
        read_table(work / "bare.csv", labels=["m", "n"])


@pytest.mark.parametrize("more", [("--slide-mpp", 0.25), ()])
def test_patches_of_points_in_millimetres(more, work, invoke):
    line = ("patches", work / "points.json", work / "slides", "-o", work / "out", "--size", 16)
    code, _, lines = invoke(*line, "--image-size", 16, *more)
    assert code == 0, lines
    # 37.5 um are 150 px.
    assert (np.load(work / "out" / "X.npy") == (70, 30, 120)).all()


def test_patches_of_points_on_a_slide_without_resolution(work, invoke):
    Image.new("RGB", (400, 300)).save(work / "slides" / "a.tif")
    line = ("patches", work / "points.json", work / "slides", "-o", work / "out", "--size", 16)
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (1, 1)
    assert "points are in millimetres: pass --slide-mpp, micrometres per pixel." in lines[0]


def test_slides_say_how_large_the_pixels_of_a_table_are(work, invoke):
    table = work / "cells.tsv"
    table.write_text("Image\tCentroid X µm\tCentroid Y µm\tClassification\na.tif\t10\t5\tm\n")
    line = ("export", table, "-o", work / "b.csv")
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (1, 1)
    assert "is not in pixels: pass --slide-mpp, micrometres per pixel, or --slides, if" in lines[0]
    assert invoke(*line, "--slides", work / "slides")[0] == 0
    assert read_annotations(work / "b.csv").loc[0, ["x", "y"]].tolist() == [39.5, 19.5]
    code, out, _ = invoke("info", "--json", table, work / "slides")
    (facts,) = json.loads(out)
    assert "--size 128 --cell-size 64 --mpp 0.25" in facts["recommended"]


PROJECT = """Image\tCentroid X µm\tCentroid Y µm\tClassification
a.tif\t10\t5\tm
b.tif\t10\t5\tm
gone.tif\t10\t5\tm
b.tif\t20\t5\tn
"""


@pytest.fixture
def project(work):
    """One table of a whole project, as QuPath exports it, of which one slide is elsewhere."""
    (work / "project.tsv").write_text(PROJECT, encoding="utf-8")
    Image.open(work / "slides" / "a.tif").save(work / "slides" / "b.tif", dpi=(25400 / 0.5,) * 2)
    return work / "project.tsv"


def test_a_table_in_micrometres_names_the_slides_that_are_missing(project, work, invoke):
    slides = work / "slides"
    told = f"no such file in {slides} for 1 of 3 images: 'gone.tif'; there are 'a.tif', 'b.tif'"
    for line in (
        ("export", project, "-o", work / "b.csv", "--slides", slides),
        ("patches", project, slides, "-o", work / "out"),
    ):
        code, _, lines = invoke(*line)
        assert (code, len(lines)) == (1, 1)
        assert f"project.tsv: {told}; column 'Centroid X µm' is not in pixels" in lines[0]
    (facts,) = json.loads(invoke("info", "--json", project, slides)[1])
    assert facts["why"] == f"positions are not in pixels, and there is {told}"


def test_a_table_in_micrometres_names_the_slides_without_resolution(project, work, invoke):
    Image.new("RGB", (400, 300)).save(work / "slides" / "gone.tif")
    code, _, lines = invoke("export", project, "-o", work / "b.csv", "--slides", work / "slides")
    assert (code, len(lines)) == (1, 1)
    assert f"'gone.tif' in {work / 'slides'} has no usable resolution in it; column" in lines[0]


def test_only_the_images_that_are_wanted_need_a_resolution(project, work):
    with pytest.raises(ValueError, match=r"pixel of 'gone.tif', which no slide in .*slides says"):
        read_annotations(project, slides=work / "slides")
    table, _ = read_table(project, slides=work / "slides", only={"a.tif", "b.tif"}.__contains__)
    assert table["image"].tolist() == ["a.tif", "b.tif", "gone.tif", "b.tif"]
    assert table["label"].tolist() == ["m", "m", "m", "n"]
    # QuPath counts from the corner of a pixel.
    assert table["x"].tolist()[:2] == [10 / 0.25 - 0.5, 10 / 0.5 - 0.5]
    assert (table["x"][3], table["y"][3]) == (39.5, 9.5)


def test_a_table_is_read_once_however_many_resolutions_its_slides_have(project, work, monkeypatch):
    read, calls = tables.read_chosen, []

    def counted(*args, **how):
        calls.append(args)
        return read(*args, **how)

    monkeypatch.setattr(tables, "read_chosen", counted)
    how = {"slides": work / "slides", "only": {"a.tif", "b.tif"}.__contains__}
    assert read_table(project, **how)[0]["x"].tolist()[:2] == [39.5, 19.5]
    assert len(calls) == 1


def test_a_project_without_any_of_the_slides_is_read_but_for_its_resolution(project, work, invoke):
    slides = work / "slides"
    assert len(read_table(project, slides=slides, only=lambda name: False)[0]) == 4
    (work / "x.csv").write_text("image,x,y,label,probability\nx.tif,1,1,m,0.9\n")
    code, _, lines = invoke("score", work / "x.csv", project, "--slides", slides)
    assert (code, len(lines)) == (1, 1)
    assert "project.tsv: has no cell on the slides of" in lines[0]
    other = work / "x.tif"
    (slides / "a.tif").rename(other)
    code, _, lines = invoke("hotspots", project, other, "--width-px", 60)
    assert (code, len(lines)) == (1, 1)
    assert "none of its images is named 'x.tif'" in lines[0]


def test_names_are_compared_without_folders():
    is_wanted = is_one_of(["day1/a.tif", "u\u0308.tif"])
    names = ["a.tif", "day2\\a.tif", "\u00fc.tif", "b.tif", "a"]
    assert [is_wanted(name) for name in names] == [True, True, True, False, False]


def test_a_slide_that_several_folders_have_is_named(work, invoke):
    slides = work / "slides"
    for folder in ("one", "two"):
        (slides / folder).mkdir()
        Image.open(slides / "a.tif").save(slides / folder / "b.tif")
    (work / "b.csv").write_text("image,x,y,label\nb.tif,150,100,m\n")
    code, _, lines = invoke("patches", work / "b.csv", slides, "-o", work / "out")
    assert (code, len(lines)) == (1, 1)
    told = (
        "1 of 1 images: 'b.tif'; 'b.tif' may be any of 'one/b.tif', 'two/b.tif': wants its folder"
    )
    assert told in lines[0]


def test_one_slide_says_nothing_of_others(project, work, invoke):
    one = work / "slides" / "a.tif"
    code, _, lines = invoke("export", project, "-o", work / "b.csv", "--slides", one)
    assert (code, len(lines)) == (1, 1)
    told = f"no such file in {one} for 2 of 3 images: 'b.tif', 'gone.tif', of which that slide is"
    assert told in lines[0]
    with pytest.raises(ValueError, match=r"pixel of 'b.tif', which no slide in .*a.tif says"):
        read_annotations(project, slides=one)
    # Where a table is about one image, the slide may be a copy by another name.
    project.write_text(PROJECT.replace("b.tif", "a").replace("gone.tif", "a.tif"), encoding="utf-8")
    assert read_annotations(project, slides=one)["x"].tolist() == [39.5, 39.5, 39.5, 79.5]
    project.write_text("".join(PROJECT.splitlines(keepends=True)[:2]), encoding="utf-8")
    one = one.rename(work / "copy.tif")
    assert read_annotations(project, slides=one)["x"].tolist() == [39.5]


def test_score_wants_the_folder_of_several_slides(work, invoke):
    rows = "a.tif,39.5,19.5,m,0.9\nb.tif,19.5,9.5,m,0.9\n"
    (work / "found.csv").write_text(f"image,x,y,label,probability\n{rows}")
    one = work / "slides" / "a.tif"
    code, _, lines = invoke("score", work / "found.csv", work / "found.csv", "--slides", one)
    assert (code, len(lines)) == (2, 1)
    assert f"--slides: '{one}' is one slide, and the cells are on 2: 'a.tif', 'b.tif'" in lines[0]
    code, _, lines = invoke("score", work / "found.csv", work / "found.csv", "--slides", one.parent)
    assert (code, len(lines)) == (1, 1)
    assert f"--slides: no such file in {one.parent} for 1 of 2 images: 'b.tif'" in lines[0]


def test_hotspots_reads_the_cells_of_its_slide_out_of_a_table_of_a_project(project, work, invoke):
    out, slide = work / "f.csv", work / "slides" / "b.tif"
    code, _, lines = invoke("hotspots", project, slide, "--width-px", 60, "-o", out)
    assert code == 0, lines
    assert read_annotations(out)["count"].tolist() == [2]
    more = ("--slide-mpp", 1, "--overwrite", "--aspect", 1)
    assert invoke("hotspots", project, slide, "--width-px", 5, "-o", out, *more)[0] == 0
    # At 1 um per pixel the two cells are 10 px apart.
    assert read_annotations(out)["count"].tolist() == [1]


def test_slides_may_lie_in_a_folder_for_each_case(project, work, invoke):
    slides = work / "slides"
    line = ("--size", 16, "--max-offset", 0)
    (work / "project.tsv").write_text(PROJECT.replace("gone.tif", "b.tif"), encoding="utf-8")
    assert invoke("patches", project, slides, "-o", work / "flat", *line)[0] == 0
    for name in ("a", "b"):
        (slides / f"case {name}").mkdir()
        (slides / f"{name}.tif").rename(slides / f"case {name}" / f"{name}.tif")
    code, _, lines = invoke("patches", project, slides, "-o", work / "deep", *line)
    assert code == 0, lines
    for name in ("X", "y", "groups", "centers"):
        flat, deep = (np.load(work / folder / f"{name}.npy") for folder in ("flat", "deep"))
        np.testing.assert_array_equal(flat, deep)
    (facts,) = json.loads(invoke("info", "--json", project, slides)[1])
    assert (facts["slides_found"], facts["missing"]) == (2, [])
    # Two of one name decide nothing, and are named.
    (slides / "case c").mkdir()
    Image.new("RGB", (40, 40)).save(slides / "case c" / "b.tif")
    code, _, lines = invoke("patches", work / "project.tsv", slides, "-o", work / "x", *line)
    assert (code, len(lines)) == (1, 1)
    there = "'b.tif' may be any of 'case b/b.tif', 'case c/b.tif': wants its folder"
    assert f"no such file in {slides} for 1 of 2 images: 'b.tif'; {there}; column" in lines[0]


def test_score_needs_no_slide_that_was_not_scanned(project, work, invoke):
    (work / "found").mkdir()
    for name, x, y in (("a", 39.5, 19.5), ("b", 19.5, 9.5)):
        text = f"image,x,y,label,probability\n{name}.tif,{x},{y},m,0.9\n"
        (work / "found" / f"{name}.csv").write_text(text)
    line = ("score", work / "found", project, "--slides", work / "slides", "--label", "m")
    code, out, lines = invoke(*line, "--radius", 0.01)
    assert code == 0, lines
    assert out.splitlines()[2].split()[:8] == [
        "all",
        "m",
        "2",
        "2",
        "+0",
        "1.000",
        "1.000",
        "1.000",
    ]
    assert any("gone.tif of" in line and "not scanned, left out" in line for line in lines)


def test_images_without_a_file_are_named_beside_those_that_there_are(work, invoke):
    line = ("patches", work / "bare.csv", work / "slides", "-o", work / "out", "--label", "m")
    (work / "bare.csv").write_text("image,x,y\nb,150,100\n")
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].endswith(
        f"bare.csv: no such file in {work / 'slides'} for 1 of 1 images: 'b'; there are 'a.tif'."
    )


def test_a_class_for_a_table_that_has_none(work, invoke):
    line = ("patches", work / "bare.csv", work / "slides", "-o", work / "out", "--size", 16)
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (1, 1)
    assert "has no column 'label'" in lines[0]
    assert invoke(*line, "--label", "mitosis")[0] == 0
    out = work / "x.geojson"
    assert invoke("export", work / "bare.csv", "-o", out, "--label", "mitosis")[0] == 0
    assert read_annotations(out).label.tolist() == ["mitosis"]


def test_info_says_where_positions_are(work, invoke):
    code, out, _ = invoke("info", "--json", work / "points.json", "--mpp", 0.25)
    assert code == 0
    assert json.loads(out)[0]["positions"] == "150, 100 to 150, 100 px (x, y)"
    code, out, _ = invoke("info", "--json", work / "points.json")
    assert code == 0
    assert json.loads(out)[0]["positions"] == "37.5, 25 to 37.5, 25 um (x, y)"
    code, _, lines = invoke("info", write_annotations(TABLE, work / "a.csv"), "--mpp", 0.25)
    assert (code, len(lines)) == (2, 1)
    assert "'--mpp': all files count in pixels" in lines[0]


def test_export_refuses_what_it_does_not_use(work, invoke):
    cells = write_annotations(TABLE, work / "a.csv")
    for option in (("--mpp", 0.25), ("--size", 20), ("--as", "detection")):
        code, _, lines = invoke("export", cells, "-o", work / "b.csv", *option)
        assert (code, len(lines)) == (1, 1), option
        assert "does not apply to --to 'csv'" in lines[0]
    code, _, _ = invoke("export", work / "points.json", "-o", work / "c.csv", "--mpp", 0.25)
    assert code == 0
    assert read_annotations(work / "c.csv").x.tolist() == [150]


def test_a_slide_is_there_in_either_form_of_unicode(tmp_path):
    nfc, nfd = (unicodedata.normalize(form, "Pr\u00e4parat 1") for form in ("NFC", "NFD"))
    (tmp_path / f"{nfd}.ome.tif").touch()
    point = {"type": "Point", "coordinates": [1, 2]}
    feature = {"type": "Feature", "geometry": point, "properties": {}}
    (tmp_path / f"{nfc}.geojson").write_text(json.dumps(feature))
    table = read_table(tmp_path / f"{nfc}.geojson")[0]
    assert table["image"].tolist() == [f"{nfc}.ome.tif"]
    check_images(table, tmp_path, "cells")
    check_images(table.assign(image=f"{nfd}.ome.tif"), tmp_path, "cells")


def test_the_class_of_all_is_in_one_form_of_unicode(work):
    nfc, nfd = (unicodedata.normalize(form, "K\u00f6rner") for form in ("NFC", "NFD"))
    assert read_table(work / "bare.csv", labels=[nfd])[0]["label"].tolist() == [nfc]
    (work / "named.csv").write_text("image,x,y,label\na.tif,150,100,\n")
    assert read_table(work / "named.csv", labels=[nfd])[0]["label"].tolist() == [nfc]
