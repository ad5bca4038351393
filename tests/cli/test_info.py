"""``info``: what it says of slides, tables, patch sets and models."""

from __future__ import annotations

import json
import shlex
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

from stnclf.annotations import write_annotations
from stnclf.cli.patch_set import load_patches


def test_info(road, invoke):
    paths = [road / name for name in ("cells.sqlite", "patches", "model.safetensors")]
    slides = [road / "slides" / name for name in ("a b.tif", "ü.png")]
    code, out, lines = invoke("info", "--json", *paths, *slides)
    assert (code, lines) == (0, [])
    cells, patches, model, pyramid, plain = json.loads(out)
    assert (cells["rows"], cells["images"]) == (60, 2)
    assert cells["counts"] == patches["counts"] == {"cross": 30, "disc": 30}
    assert (patches["images"], patches["shape"], patches["size"]) == (60, [48, 48, 3], 32)
    assert patches["without a cell"] == 0
    assert model["classes"] == ["cross", "disc"]
    assert (model["image_shape"], model["patch_size"]) == ([48, 48, 3], [32, 32])
    assert pyramid["size"] == plain["size"] == [420, 300]
    assert pyramid["mpp"] == pytest.approx(0.25, rel=1e-3)
    assert plain["mpp"] is None
    assert pyramid["levels"][1][:2] == [210, 150]
    code, out, _ = invoke("info", *paths)
    assert code == 0
    assert "{'cross': 30, 'disc': 30}" in out
    assert "# STNCellClassifier" in out


@pytest.fixture
def cells(tmp_path):
    """Boxes of about 40 x 30 px and 10 x 12 px; one cell outside its image, one image missing."""
    rows = ["image,x,y,label,width,height"]
    rows += [f"a.png,{20 + 50 * i},60,large,{40 + i},30" for i in range(4)]
    rows += ["a.png,20,90,small,10,12", "a.png,301,50,small,10,12", "gone.png,5,6,small,10,12"]
    path = tmp_path / "cells.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "slides").mkdir()
    Image.new("RGB", (300, 200)).save(tmp_path / "slides" / "a.png")
    return path


def test_what_decides_the_sizes_of_patches(cells, invoke, tmp_path):
    slides = tmp_path / "slides"
    code, out, _ = invoke("info", "--json", cells, slides, "--slide-mpp", 0.5)
    assert code == 0
    (facts,) = json.loads(out)
    assert (facts["slides_found"], facts["missing"], facts["outside"]) == (1, ["gone.png"], 1)
    assert facts["boxes_px"][1] == 40.0
    # 30 px to the cell below or above, 50 to the next, 81.5 for the cell outside; one is alone.
    assert facts["neighbours_px"][1] == 50.0
    # 1.25 of the median box of the larger class, 41.5 px, is 51.9 px: the next eighth is 56.
    assert facts["recommended"] == (
        f"stnclf patches {cells} {slides} --out patches --size 112 --cell-size 56 --mpp 0.5 "
        "--slide-mpp 0.5 --max-offset 14 --outside skip"
    )
    code, out, _ = invoke("info", cells, slides)
    assert code == 0
    for line in (
        "slides       1 of 2 found, resolution not known; without a file: 'gone.png'",
        "outside      1 cell lies outside their image",
        "box sides    40 px (of nine in ten 12 to 42.7)",
        "by class     large 41.5, small 12 px",
        "--size 112 --cell-size 56 --max-offset 14 --outside skip\n",
        "\ncaution      the recommended line fails: 1 of 2 images have no file: 'gone.png'\n",
    ):
        assert line in out


def test_nothing_is_recommended_where_no_slide_is_found(cells, invoke, tmp_path):
    slides = tmp_path / "slides"
    (slides / "a.png").rename(slides / "b.png")
    line = ("info", cells, slides, "--slide-mpp", 0.5)
    out = invoke(*line)[1]
    assert (
        f"recommended  nothing: no slide was found, no such file in {slides}: 'a.png', "
        "'gone.png'; there are 'b.png'\n"
    ) in out
    (facts,) = json.loads(invoke(*line, "--json")[1])
    assert facts["recommended"] is None
    assert "cautions" not in facts
    # Nobody knows whether cells lie outside images that are not there.
    assert facts["outside"] is None
    assert "outside" not in out


@pytest.mark.parametrize("slide_mpp", [(), ("--slide-mpp", 0.5)])
def test_that_no_slide_is_found_is_said_before_anything_is_asked_for(slide_mpp, invoke, tmp_path):
    # Points alone: without slides there is no resolution.
    points, slides = tmp_path / "points.csv", tmp_path / "slides"
    points.write_text("image,x,y,label\na.png,20,30,m\n", encoding="utf-8")
    slides.mkdir()
    Image.new("RGB", (300, 200)).save(slides / "b.png")
    why = f"no slide was found, no such file in {slides}: 'a.png'; there are 'b.png'"
    code, out, _ = invoke("info", points, slides, *slide_mpp)
    assert code == 0
    assert f"\nrecommended  nothing: {why}\n" in out
    known = ", 0.5 um per pixel" if slide_mpp else ""
    assert f"\nslides       0 of 1 found{known}; without a file: 'a.png'\n" in out


def test_that_no_slide_is_found_is_said_of_positions_in_micrometres(invoke, tmp_path):
    points, slides = tmp_path / "points.csv", tmp_path / "slides"
    points.write_text("image,x_um,y_um,label\na.png,20,30,m\n", encoding="utf-8")
    slides.mkdir()
    Image.new("RGB", (300, 200)).save(slides / "b.png")
    why = f"no slide was found, no such file in {slides}: 'a.png'; there are 'b.png'"
    line = (points, slides, "--column", "x=x_um", "--column", "y=y_um")
    code, out, lines = invoke("info", *line)
    assert code == 0, lines
    assert "\nslides       0 of 1 found; without a file: 'a.png'\n" in out
    assert f"\nrecommended  nothing: {why}\n" in out
    (facts,) = json.loads(invoke("info", "--json", *line)[1])
    assert (facts["slides_found"], facts["missing"], facts["why"]) == (0, ["a.png"], why)
    code, _, lines = invoke("patches", *line, "-o", tmp_path / "p", "--size", 32)
    assert (code, len(lines)) == (1, 1)
    assert f"points.csv: {why}; column 'x_um' is not in pixels: pass --slide-mpp, " in lines[0]
    # Where it is there, its resolution is missing.
    (slides / "b.png").rename(slides / "a.png")
    out = invoke("info", *line)[1]
    assert "\nslides       1 of 1 found, resolution not known\n" in out
    assert "\nrecommended  nothing: positions are not in pixels, and the slides do not say" in out


def test_x_and_y_the_wrong_way_round_are_not_left_out(invoke, tmp_path):
    Image.new("RGB", (300, 200)).save(tmp_path / "a.png")
    text = "image,x,y,label\na.png,150,250,a\na.png,20,30,b\n"
    (tmp_path / "cells.csv").write_text(text, encoding="utf-8")
    out = invoke("info", tmp_path / "cells.csv", tmp_path, "--cell-width", 20)[1]
    assert "outside      1 cell lies outside their image\n" in out
    assert "--outside" not in out
    caution = "1 of 2 cells lie outside their image, by up to 50.5 px; with x and y exchanged"
    assert f"caution      {caution}, all would lie inside\n" in out


def test_sizes_are_those_of_the_cells_that_would_be_cut(invoke, tmp_path):
    dpi = 25400 / 0.25
    Image.new("RGB", (300, 200), "pink").save(tmp_path / "a.png", dpi=(dpi, dpi))
    rows = [f"a.png,{30 + 60 * i},60,cell,40,40" for i in range(5)]
    rows += ["a.png,150,100,,290,190", "a.png,9,9,,20,9"]
    path = tmp_path / "cells.csv"
    path.write_text("\n".join(["image,x,y,label,width,height", *rows]) + "\n", encoding="utf-8")
    code, out, _ = invoke("info", path, tmp_path)
    assert code == 0
    # The boxes of all cells are of one size, so that the window is 16 um.
    assert "--size 128 --cell-size 64 --mpp 0.25 --max-offset 16\n" in out
    assert "by class     without a class 155, cell 40 px\n" in out
    assert "'without a class': 2" in out
    assert "caution" not in out
    code, _, lines = invoke("patches", path, tmp_path, "-o", tmp_path / "p", "--size", "auto")
    assert lines[0] == "--size auto is --size 128 --cell-size 64 --mpp 0.25 --max-offset 16"
    (facts,) = json.loads(invoke("info", path, tmp_path, "--json")[1])
    assert facts["classes_px"] == {"": 155.0, "cell": 40.0}
    assert facts["boxes_px"] == [40.0, 40.0, 40.0]
    # patches wants the folder of a slide that was named.
    (facts,) = json.loads(invoke("info", path, "--slides", tmp_path / "a.png", "--json")[1])
    assert facts["recommended"].startswith(f"stnclf patches {path} {tmp_path} --out ")
    # Where no cell has a class, patches is told one.
    path.write_text("\n".join(["image,x,y,label", "a.png,9,9,", "a.png,90,90,"]), encoding="utf-8")
    out = invoke("info", path, tmp_path)[1]
    assert "caution      no cell has a class; the recommended line wants one: --label NAME\n" in out
    line = ("patches", path, tmp_path, "-o", tmp_path / "q", "--size", "auto")
    code, _, lines = invoke(*line)
    assert (code, "none of its 2 cells has a class; --label NAME" in lines[0]) == (1, True)
    assert invoke(*line, "--label", "cell")[0] == 0


def test_a_region_is_named(invoke, tmp_path):
    dpi = 25400 / 0.25
    Image.new("RGB", (900, 600), "pink").save(tmp_path / "a.png", dpi=(dpi, dpi))
    rows = [f"a.png,{50 + 100 * i},60,Körnige Zelle,{40 + i},30" for i in range(6)]
    rows.append("a.png,450,300,Tumor,850,500")
    path = tmp_path / "cells.csv"
    path.write_text("\n".join(["image,x,y,label,width,height", *rows]) + "\n", encoding="utf-8")
    text = (
        "'Tumor' has 1 object 20 times as wide as the cells, not counted for the sizes; "
        "--label 'Körnige Zelle' leaves them out"
    )
    out = invoke("info", path, tmp_path)[1]
    assert "--size 112 --cell-size 56 --mpp 0.25 " in out
    assert f"caution      {text}\n" in out
    line = ("patches", path, tmp_path, "-o", tmp_path / "p", "--overwrite", "--size")
    code, _, lines = invoke(*line, "auto")
    assert code == 0, lines
    assert lines[0].startswith("--size auto is --size 112 --cell-size 56 --mpp 0.25 ")
    assert lines[1] == f"caution: {text}"
    code, _, lines = invoke(*line, 64)
    assert (code, lines[0]) == (0, f"caution: {text.replace(', not counted for the sizes', '')}")
    code, _, lines = invoke(*line, 64, "--label", "Körnige Zelle")
    assert (code, len(lines)) == (0, 1), lines


def test_slides_of_two_resolutions_get_one(invoke, tmp_path):
    rows = []
    for name, mpp in (("a.png", 0.23), ("b.png", 0.25)):
        Image.new("RGB", (900, 600), "pink").save(tmp_path / name, dpi=(25400 / mpp,) * 2)
        rows += [
            f"{name},{(15 + 20 * i) / mpp},60,cell,{(10 + i / 9) / mpp},{8 / mpp}" for i in range(9)
        ]
    path = tmp_path / "cells.csv"
    path.write_text("\n".join(["image,x,y,label,width,height", *rows]) + "\n", encoding="utf-8")
    out = invoke("info", path, tmp_path)[1]
    for line in (
        "slides       2 of 2 found, 0.23 to 0.25 um per pixel\n",
        "box sides    41.8 px of 0.25 um (of nine in ten 40 to 43.6), 10.4 um\n",
        "by class     cell 41.8 px of 0.25 um\n",
        "neighbours   80 px of 0.25 um (of nine in ten 80 to 80), 20 um\n",
        "--size 112 --cell-size 56 --mpp 0.25 --max-offset 14\n",
    ):
        assert line in out
    code, _, lines = invoke("patches", path, tmp_path, "-o", tmp_path / "p", "--size", "auto")
    assert code == 0, lines
    assert lines[0] == "--size auto is --size 112 --cell-size 56 --mpp 0.25 --max-offset 14"
    assert len(lines) == 2
    (facts,) = json.loads(invoke("info", path, tmp_path, "--json")[1])
    assert facts["mpp"] == pytest.approx(0.25, rel=1e-4)
    assert facts["mpp_range"] == pytest.approx([0.23, 0.25], rel=1e-4)
    (facts,) = json.loads(invoke("info", path, tmp_path, "--json", "--slide-mpp", 0.25)[1])
    assert facts["mpp"] == 0.25
    (text,) = facts["cautions"]
    assert text.endswith("in the files: 0.23 ('a.png')")
    # A resolution that one of them lacks is none of all.
    Image.new("RGB", (900, 600), "pink").save(tmp_path / "b.png")
    out = invoke("info", path, tmp_path)[1]
    assert "slides       2 of 2 found, 0.23 um per pixel, not known of all\n" in out


def test_a_file_alone_says_what_it_can(cells, invoke, tmp_path):
    code, out, _ = invoke("info", "--json", cells)
    assert code == 0
    assert " SLIDES --out patches --size 112 " in json.loads(out)[0]["recommended"]
    points = tmp_path / "points.csv"
    points.write_text("file,x,y,label\na.png,1,2,b\n", encoding="utf-8")
    line = ("info", points, "--column", "image=file")
    code, out, _ = invoke(*line)
    assert code == 0
    assert "neighbours   none" in out
    assert "recommended  nothing: there are neither boxes" in out
    code, out, _ = invoke(*line, "--slide-mpp", 0.25)
    assert "--size 128 --cell-size 64 --mpp 0.25 " in out
    assert "--column image=file" in out


def test_annotations_may_lie_beside_their_slides(invoke, tmp_path):
    for name in ("img1", "img2"):
        (tmp_path / "typed" / name).mkdir(parents=True)
        Image.new("RGB", (50, 40)).save(tmp_path / "typed" / name / f"{name}.bmp")
        points = {"detection": [[9.0, 9.0], [30.0, 20.0]]}
        savemat(tmp_path / "typed" / name / f"{name}_epithelial.mat", points)
    out = invoke("info", "--json", tmp_path / "typed", "--slide-mpp", 0.5)[1]
    (facts,) = json.loads(out)
    assert (facts["slides_found"], facts["missing"]) == (2, [])
    # Another list of the same nuclei goes before the folder with the slides.
    shutil.copytree(tmp_path / "typed", tmp_path / "all", ignore=shutil.ignore_patterns("*.bmp"))
    out = invoke("info", "--json", tmp_path / "all", tmp_path / "typed")[1]
    (facts,) = json.loads(out)
    assert (facts["file"], facts["slides_found"]) == (str(tmp_path / "all"), 2)


def test_somebody_measured_how_wide_cells_are(cells, invoke, tmp_path):
    points = tmp_path / "points.csv"
    points.write_text("image,x,y,label\na.png,20,60,a\na.png,120,60,b\n")
    line = ("info", "--json", points, tmp_path / "slides")
    (facts,) = json.loads(invoke(*line)[1])
    assert facts["recommended"] is None
    assert "--cell-width" in facts["why"]
    (facts,) = json.loads(invoke(*line, "--cell-width", 40)[1])
    assert "--size 112 --cell-size 56 --max-offset 14" in facts["recommended"]
    line = ("patches", points, tmp_path / "slides", "-o", tmp_path / "p", "--cell-width", 40)
    code, _, lines = invoke(*line, "--size", 64)
    assert (code, "--cell-width counts only with --size auto" in lines[-1]) == (2, True)
    code, _, lines = invoke(*line, "--size", "auto")
    assert (code, lines[0]) == (0, "--size auto is --size 112 --cell-size 56 --max-offset 14")


def test_a_folder_of_slides_goes_with_annotations(cells, invoke, tmp_path):
    for line in ([tmp_path / "slides"], [cells, tmp_path / "slides", "--slides", tmp_path]):
        code, _, lines = invoke("info", *line)
        assert (code, len(lines)) == (2, 1)
        assert "is a folder without patches or annotations" in lines[0]


def test_the_line_that_is_recommended_cuts_the_patches_of_auto(cells, invoke, tmp_path):
    rows = cells.read_text(encoding="utf-8").splitlines()
    cells.write_text("\n".join(rows[:-2]) + "\n", encoding="utf-8")
    slides = tmp_path / "slides"
    _, out, _ = invoke("info", "--json", cells, slides, "--slide-mpp", 0.5)
    line = shlex.split(json.loads(out)[0]["recommended"])[1:]
    line[line.index("patches", 1)] = tmp_path / "by hand"
    code, _, lines = invoke(*line)
    assert code == 0, lines
    auto = ("--size", "auto", "--slide-mpp", 0.5)
    code, _, lines = invoke("patches", cells, slides, "-o", tmp_path / "auto", *auto)
    assert code == 0, lines
    assert lines[0] == "--size auto is --size 112 --cell-size 56 --mpp 0.5 --max-offset 14"
    a, b = (load_patches(tmp_path / name) for name in ("by hand", "auto"))
    np.testing.assert_array_equal(a.X, b.X)
    assert a.facts == b.facts
    assert (a.facts["size"], a.facts["cell_size"], a.facts["max_offset"]) == (112, 56, 14)


def test_tissue_is_drawn_and_measured(road, invoke, tmp_path):
    from PIL import Image

    pixels = np.asarray(Image.open(road / "slides" / "ü.png")).copy()
    pixels[:, 160:] = 255
    Image.fromarray(pixels).save(tmp_path / "half.png", dpi=(101600, 101600))  # 0.25 um per pixel
    line = ("info", tmp_path / "half.png", "--json", "--tissue", tmp_path / "t.png")
    code, out, lines = invoke(*line)
    assert (code, lines) == (0, [])
    found = json.loads(out)[0]["tissue"]
    assert 160 / 420 < found["share"] < 0.6
    assert found["mm2"] == pytest.approx(found["share"] * 300 * 420 / 16e6, abs=1e-6)
    assert found["scanned"] == "tissue"
    drawn = np.asarray(Image.open(tmp_path / "t.png"))
    np.testing.assert_array_equal(drawn[:, :150], pixels[:, :150])
    assert (drawn[:, 400] != 255).any(axis=1).all()
    code, _, lines = invoke(*line)
    assert (code, "'--tissue': '" in lines[0]) == (2, True)
    code, _, lines = invoke("info", tmp_path / "half.png", "--tissue", tmp_path / "t.jpg")
    assert (code, "t.jpg' ends with none of .png" in lines[0]) == (2, True)
    Image.fromarray(pixels).save(tmp_path / "photograph.png")
    line = ("info", tmp_path / "photograph.png", *line[2:-1], tmp_path / "u.png")
    code, out, _ = invoke(*line, "--slide-mpp", 1)
    found = json.loads(out)[0]["tissue"]
    assert (found["scanned"], found["mm2"]) == ("everything", None)  # 1 is any unit
    code, _, lines = invoke("info", road / "cells.sqlite", "--tissue", tmp_path / "v.png")
    assert (code, "wants one slide" in lines[0]) == (2, True)


def test_sizes_in_a_unit_that_is_no_micrometre_are_pixels(invoke, tmp_path):
    (tmp_path / "s").mkdir()
    Image.new("RGB", (900, 700)).save(tmp_path / "s" / "a.png")
    table = tmp_path / "t.csv"
    table.write_text("image,x,y,label\na.png,400,300,x\na.png,500,300,x\n", encoding="utf-8")
    line = ("info", table, tmp_path / "s", "--cell-width", 200)
    _, out, _ = invoke(*line, "--slide-mpp", 1)
    assert " um" not in out
    assert "--mpp 5 --slide-mpp 1" in out
    _, out, _ = invoke(*line, "--slide-mpp", 0.5)
    assert "0.5 um per pixel" in out
    assert "100 px (of nine in ten 100 to 100), 50 um" in out


def test_labels_and_names_do_nothing_to_a_terminal(invoke, tmp_path):
    table = tmp_path / "a\x1b[2J.csv"
    table.write_text("image,x,y,label\na.svs,3,4,b\x1b[31m\n", encoding="utf-8")
    code, out, _ = invoke("info", table)
    assert code == 0
    assert "\x1b" not in out
    assert r"a\x1b[2J.csv" in out


def test_annotators_agree_so_far(invoke, tmp_path):
    votes = [("m", "m"), ("m", "n"), ("n", "n"), ("n", "n"), ("m",)]
    voters = [("Ä", "B"), ("B", "Ä"), ("Ä", "B"), ("Ä", "C"), ("C",)]
    table = pd.DataFrame({"image": "a.svs", "x": range(5), "y": 1.0, "label": "m"})
    write_annotations(table.assign(votes=votes, voters=voters), tmp_path / "c.sqlite")
    code, text, _ = invoke("info", tmp_path / "c.sqlite")
    assert code == 0
    # p = 3 / 4, e = (3 / 8)^2 + (5 / 8)^2
    kappa = (3 / 4 - 34 / 64) / (1 - 34 / 64)
    assert "several votes  4 cells, all agree on 75.0%" in text
    assert f"Fleiss' kappa  {kappa:.3f}" in text
    assert "Cohen's kappa  0.400 B and Ä (3 cells), not defined C and Ä (1 cell)" in text
    (facts,) = json.loads(invoke("info", tmp_path / "c.sqlite", "--json")[1])
    assert facts["agreement"]["fleiss_kappa"] == pytest.approx(kappa)
    assert facts["agreement"]["pairs"][1] == {
        "voters": ["C", "Ä"],
        "n_cells": 1,
        "cohen_kappa": None,
    }
    # One vote each, as write_annotations gives them, says nothing.
    write_annotations(table, tmp_path / "one.sqlite")
    assert "kappa" not in invoke("info", tmp_path / "one.sqlite")[1]


def test_the_format_can_be_said(cells, invoke, tmp_path):
    path = cells.rename(tmp_path / "cells.dat")
    code, out, lines = invoke("info", path, tmp_path / "slides", "--from", "csv", "--json")
    assert code == 0, lines
    (facts,) = json.loads(out)
    assert (facts["kind"], facts["rows"], facts["slides_found"]) == ("annotations", 7, 1)
    assert facts["recommended"].endswith(" --from csv --outside skip")
    code, _, lines = invoke("info", path)
    assert code == 1
    code, _, lines = invoke("info", path, "--from", "asap")
    assert code == 1
    assert "cells.dat" in lines[-1]


@pytest.mark.parametrize(
    "option", [("--cell-width", 30), ("--slide-mpp", 0.5), ("--column", "x=a"), ("--slides", ".")]
)
def test_options_about_cells_want_annotations(option, road, invoke):
    code, _, lines = invoke("info", road / "slides" / "ü.png", *option)
    assert (code, len(lines)) == (2, 1)
    assert f"{option[0]} counts only with a file of annotations." in lines[0]


def test_images_smaller_than_a_patch_are_mirrored(tmp_path, invoke):
    """`info` recommends it, `patches --size auto` does it, and a user may want white."""
    rng = np.random.default_rng(0)
    (tmp_path / "s").mkdir()
    Image.fromarray(rng.integers(0, 99, (120, 96, 3), dtype=np.uint8)).save(tmp_path / "s/a.png")
    cells = tmp_path / "c.csv"
    rows = ["a.png,10,20,m,40,38", "a.png,50,60,n,44,40"]
    cells.write_text("\n".join(["image,x,y,label,width,height", *rows]) + "\n", encoding="utf-8")
    (facts,) = json.loads(invoke("info", "--json", cells, tmp_path / "s")[1])
    assert facts["recommended"].endswith("--size 112 --cell-size 56 --max-offset 14 --edge mirror")
    small = "1 of 1 images are smaller than a patch of 112 px, 'a.png' has 96 x 120 px: what lies "
    small += "beyond their edges is "
    assert facts["cautions"] == [f"{small}their mirror image (--edge mirror)"]
    line = shlex.split(facts["recommended"])[1:]
    line[line.index("patches", 1)] = tmp_path / "by hand"
    assert invoke(*line)[0] == 0
    auto = ("patches", cells, tmp_path / "s", "--size", "auto", "-o")
    code, _, lines = invoke(*auto, tmp_path / "auto")
    assert code == 0, lines
    assert lines[0] == "--size auto is --size 112 --cell-size 56 --max-offset 14 --edge mirror"
    assert f"caution: {small}their mirror image (--edge mirror)" in lines
    a, b = (load_patches(tmp_path / name) for name in ("by hand", "auto"))
    np.testing.assert_array_equal(a.X, b.X)
    assert a.facts == b.facts
    assert a.facts["edge"] == "mirror"
    code, _, lines = invoke(*auto, tmp_path / "white", "--edge", "white")
    assert lines[0] == "--size auto is --size 112 --cell-size 56 --max-offset 14"
    assert f"caution: {small}white, or with --edge mirror their mirror image" in lines
    assert load_patches(tmp_path / "white").facts["edge"] == "white"


def test_how_patches_were_cut_is_in_words(road, tmp_path, invoke):
    code, out, _ = invoke("info", road / "patches", road / "slides" / "ü.png")
    assert code == 0
    assert "None" not in out
    assert "[]" not in out
    lines = dict(text.split(maxsplit=1) for text in out.splitlines() if text)
    assert lines["skipped"] == "none"
    assert lines["slide_mpp"] == "as the files say"
    assert lines["mpp"] == "not known"
    assert "background_distance" not in lines
    facts = {"background": 3, "background_distance": None, "background_label": "b"}
    facts["skipped"] = [["a.svs", 1, 2, 3, 4]]
    for distance, words in ((None, "half the diagonal (default)"), (17, "17")):
        shutil.copytree(road / "patches", tmp_path / words)
        facts["background_distance"] = distance
        (tmp_path / words / "patches.json").write_text(json.dumps(facts))
        out = invoke("info", tmp_path / words)[1]
        lines = dict(text.split(maxsplit=1) for text in out.splitlines() if text)
        assert (lines["background_distance"], lines["background_label"]) == (words, "b")
        assert lines["skipped"] == "1 region that cannot be read"
