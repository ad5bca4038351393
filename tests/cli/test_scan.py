"""``scan``: deaths cost nothing, bad slides are named and stop nobody."""

from __future__ import annotations

import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import stnclf
from stnclf._utils import progress
from stnclf._utils.files import write_atomically
from stnclf.annotations import read_annotations
from stnclf.cli.scan import _glass
from stnclf.scan import scan
from stnclf.slides import Slide
from tests.cli.lines import with_options
from tests.cli.processes import KILLED, NO_LIMIT, kill, n_lines
from tests.cli.test_main import SCAN
from tests.conftest import write_enormous


@NO_LIMIT
def test_a_killed_scan_goes_on(road, tmp_path, invoke, monkeypatch):
    slides = [road / "slides" / name for name in ("a b.tif", "ü.png")]
    line = ("scan", road / "model.safetensors", *slides, *SCAN, "--no-tissue", "--tile-size", 100)
    line += ("-o",)
    tiles, add = [], progress.Progress.add
    with monkeypatch.context() as patch:
        patch.setattr(
            progress.Progress,
            "add",
            lambda self, *args: (tiles.append(self.out), add(self, *args))[1],
        )
        assert invoke(*line, tmp_path / "whole")[0] == 0
    first, second = (tiles.count(out) for out in dict.fromkeys(tiles))
    done = second // 2
    assert done > 2
    out = tmp_path / "out"
    # The first slide is done, the second was begun.
    code = KILLED.format(module="progress", kind="Progress.add")
    begun = out / "ü.csv.progress"
    kill(code, (*line, out, first + done), lambda: n_lines(begun) == 1 + done)
    names = ["a b.csv", "a b.csv.json", "ü.csv.lock", "ü.csv.progress"]
    assert sorted(os.listdir(out)) == names

    code, _, lines = invoke(*line, out)
    assert (code, len(lines)) == (2, 1)
    before = (out / "a b.csv").stat().st_mtime_ns
    read, original = [], Slide.read_region
    monkeypatch.setattr(
        Slide, "read_region", lambda *args: (read.append(args[1:]), original(*args))[1]
    )
    code, _, lines = invoke(*line, out, "--resume")
    assert code == 0
    assert lines[0] == f"{out / 'a b.csv'} is complete already, and left as it is"
    assert len(read) == second - done
    assert (out / "a b.csv").stat().st_mtime_ns == before
    assert sorted(os.listdir(out)) == ["a b.csv", "a b.csv.json", "ü.csv", "ü.csv.json"]
    for name in ("a b.csv", "ü.csv"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_table_is_that_of_scan(road, tmp_path, invoke):
    model, slide = road / "model.safetensors", road / "slides" / "ü.png"
    out = tmp_path / "ä ö.csv"
    more = ("--label", "disc", "--min-probability", 0.2, "--no-tissue", "--jobs", 2)
    code, _, lines = invoke("scan", model, slide, *SCAN, *more, "-o", out)
    assert code == 0, lines
    scan(
        stnclf.load(model),
        Slide(slide, 0.25),
        mpp=0.25,
        nms_radius_um=2,
        labels=["disc"],
        min_probability=0.2,
        tissue=False,
        out=tmp_path / "b.csv",
    )
    assert out.read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert set(read_annotations(out)["label"]) == {"disc"}
    before = out.read_bytes()
    code, _, lines = invoke("scan", model, slide, *SCAN, "-o", out)
    assert (code, len(lines)) == (2, 1)
    assert out.read_bytes() == before
    assert invoke("scan", model, slide, *SCAN, "-o", out, "--overwrite")[0] == 0
    assert out.read_bytes() != before


def test_it_says_how_much_was_not_looked_at(road, tmp_path, invoke):
    pixels = np.asarray(Image.open(road / "slides" / "ü.png")).copy()
    pixels[:, 140:] = 255
    Image.fromarray(pixels).save(tmp_path / "half.png", dpi=(101600, 101600))  # 0.25 um per pixel
    line = ("scan", road / "model.safetensors", tmp_path / "half.png")
    code, _, lines = invoke(*line, *SCAN, "-o", tmp_path / "a.csv")
    assert code == 0
    found = re.search(r"; (\S+) mm2 \((\d+) %\) without tissue, not looked at$", lines[0])
    assert 50 < int(found[2]) < 67
    assert float(found[1]) == pytest.approx(300 * 420 / 16e6 * int(found[2]) / 100, rel=0.02)
    code, _, lines = invoke(*line, *SCAN, "--no-tissue", "-o", tmp_path / "b.csv")
    assert "without tissue" not in lines[0]
    # A photograph is looked at from edge to edge, whatever unit its user gives a pixel.
    Image.fromarray(pixels).save(tmp_path / "photograph.png")
    line = ("scan", road / "model.safetensors", tmp_path / "photograph.png")
    for more in (SCAN, []):
        code, _, lines = invoke(*line, *more, "-o", tmp_path / "b.csv", "--overwrite")
        assert "without tissue" not in lines[0]


def test_glass_counts_by_the_area_of_the_slides(road, tmp_path, invoke):
    half = np.asarray(Image.open(road / "slides" / "ü.png")).copy()
    half[:, 140:] = 255
    small = np.full((150, 128, 3), 255, np.uint8)
    for name, pixels, mpp in (("half", half, 0.25), ("small", small, 0.5)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png", dpi=(25400 / mpp,) * 2)
    line = ("scan", road / "model.safetensors", tmp_path / "half.png")
    _, _, lines = invoke(*line, *SCAN[:2], "-o", tmp_path / "half.csv")
    pattern = r"; (\S+) mm2 \((\d+) %\) without tissue, not looked at$"
    own = int(re.search(pattern, lines[0])[2])
    code, _, lines = invoke(*line, tmp_path / "small.png", *SCAN[:2], "-o", tmp_path / "d")
    assert code == 0, lines
    mm2, share = re.search(pattern, lines[-1]).groups()
    # A pixel of the small one is four times as large.
    areas = np.array([300 * 420 / 16, 150 * 128 / 4]) / 1e6
    assert float(mm2) == pytest.approx(areas @ [own / 100, 1], rel=0.02)
    assert int(share) == pytest.approx(100 * (areas @ [own / 100, 1]) / areas.sum(), abs=1)


def test_glass_is_a_share_of_pixels_where_one_slide_has_no_resolution():
    left_out = [(6, 0.5, {"share": 0.5, "mm2": 1}), (2, None, {"share": 1, "mm2": None})]
    assert _glass(left_out) == "; 62 % without tissue, not looked at"
    assert _glass([(6, 0.5, {"share": 0.0, "mm2": 0.0})]) == ""


def test_a_folder_stands_for_its_slides(road, tmp_path, invoke):
    folder = tmp_path / "new"
    folder.mkdir()
    code, _, lines = invoke("scan", road / "model.safetensors", folder, "-o", tmp_path / "found")
    assert (code, "new' is a folder without slides." in lines[0]) == (2, True)
    (folder / "day" / "one").mkdir(parents=True)
    Image.new("RGB", (60, 50)).save(folder / "day" / "one" / "c.png")
    code, _, lines = invoke("scan", road / "model.safetensors", folder, "-o", tmp_path / "found")
    hint = (
        f"without slides; those in folders below, as '{folder / 'day' / 'one'}', want to be named"
    )
    assert (code, hint in lines[0]) == (2, True)
    for name in ("b.png", "a.PNG"):
        Image.new("RGB", (60, 50)).save(folder / name)
    (folder / "notes.txt").write_text("no slide")
    line = ("scan", road / "model.safetensors", folder, *SCAN, "-o", tmp_path / "found")
    assert invoke(*line)[0] == 0
    assert sorted(p.name for p in (tmp_path / "found").glob("*.csv")) == ["a.csv", "b.csv"]


def cut_off(road, slide):
    shutil.copy(road / "slides" / "a b.tif", slide)
    slide.write_bytes(slide.read_bytes()[: slide.stat().st_size // 2])


def enormous(road, slide):
    write_enormous(slide)


def no_slide(road, slide):
    write_atomically(slide, b"II*\0 and nothing more")


def missing(road, slide):
    pass


@pytest.mark.parametrize("make", [cut_off, enormous, no_slide, missing])
def test_bad_slides_are_named_and_stop_nobody(make, road, tmp_path, invoke):
    bad, out = tmp_path / "bad.tif", tmp_path / "out"
    make(road, bad)
    names = sorted(os.listdir(tmp_path))
    line = ("scan", road / "model.safetensors", bad, "-o", out, *SCAN)
    code, printed, lines = invoke(*line)
    assert (code, printed, len(lines)) == (1, "", 2)
    assert lines[0].startswith("stnclf scan: error: ")
    assert "bad.tif" in lines[0]
    assert lines[1] == f"{out}: 0 cells on 0 slides; 1 failed"
    assert sorted(os.listdir(tmp_path)) == names
    code, _, lines = invoke(*line, road / "slides" / "ü.png")
    assert code == 1
    assert [line for line in lines if "error" in line] == lines[:1]
    assert lines[1].endswith("on 1 slide; 1 failed")
    assert sorted(os.listdir(out)) == ["ü.csv", "ü.csv.json"]


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--label", "eosinophil"], 2, "'--label': 'eosinophil' is none of 'cross', 'disc'"),
        (["--min-probability", 2], 1, "--min-probability: got 2.0"),
        (["--nms-radius", -1], 1, "--nms-radius: got -1.0"),
        (["--stride", 4], 1, "--stride: got 4"),
        (["--jobs", 0], 2, "'--jobs'"),
        (["--device", "tpu"], 1, "--device: got 'tpu'"),
        (["-o", "no/where.csv"], 2, "'--out': the folder of"),
    ],
)
def test_wrong_options_are_named(more, code, words, road, tmp_path, invoke):
    line = ("scan", road / "model.safetensors", road / "slides" / "ü.png", *SCAN)
    status, _, lines = invoke(*with_options((*line, "-o", tmp_path / "x.csv"), *more))
    assert status == code
    assert words in lines[0]
    assert os.listdir(tmp_path) == []


def test_a_plain_image_says_which_option_is_missing(road, tmp_path, invoke):
    line = ("scan", road / "model.safetensors", road / "slides" / "ü.png", "--mpp", 0.25)
    code, _, lines = invoke(*line, "-o", tmp_path / "x.csv")
    assert code == 1
    assert "ü.png" in lines[0]
    assert "--slide-mpp" in lines[0]
    line = ("scan", road / "model.safetensors", road / "slides" / "a b.tif")
    code, _, lines = invoke(*line, "-o", tmp_path / "x.csv")
    assert code == 1
    assert "--mpp: " in lines[0]
    # Without any resolution the pixels are taken as they are.
    line = ("scan", road / "model.safetensors", road / "slides" / "ü.png")
    assert invoke(*line, "-o", tmp_path / "x.csv")[0] == 0


def test_two_slides_of_one_name(road, tmp_path, invoke):
    Image.new("RGB", (9, 9)).save(tmp_path / "ü.png")
    slides = (road / "slides" / "ü.png", tmp_path / "ü.png")
    code, _, lines = invoke("scan", road / "model.safetensors", *slides, "-o", tmp_path / "out")
    assert (code, len(lines)) == (2, 1)
    assert "would both become 'ü.csv'" in lines[0]
    code, _, lines = invoke("scan", road / "model.safetensors", *slides, "-o", tmp_path / "a.csv")
    assert (code, len(lines)) == (2, 1)
    assert "wants a folder" in lines[0]
