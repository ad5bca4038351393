"""What files say of their resolution against what the command line does."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
from PIL import Image

from stnclf.cli.resolutions import (
    caution_of_override,
    caution_of_scales,
    slides_below,
    span,
    stated,
)
from tests.cli.lines import with_options


def test_files_say_what_they_know(tmp_path):
    dpi = 25400 / 0.5
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png", dpi=(dpi, dpi))
    Image.new("RGB", (30, 20)).save(tmp_path / "b.png")
    exif = Image.Exif()
    exif[274] = 6  # an orientation, of which a warning speaks when the pixels are read
    Image.new("RGB", (30, 20)).save(tmp_path / "c.jpg", exif=exif)
    (tmp_path / "d.png").write_bytes(b"no image")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "e.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = stated(slides_below(tmp_path, ["../a.png", "a.png", "b.png", "c.jpg"]))
        found |= stated(slides_below(tmp_path, ["d.png", "e.png", "gone.png"]))
    assert found.pop("a.png") == pytest.approx(0.5, rel=1e-3)
    assert found == dict.fromkeys(["b.png", "c.jpg", "d.png", "e.png", "gone.png"])


def test_slides_that_differ_by_more_than_two_per_cent():
    assert caution_of_scales({}) is None
    assert caution_of_scales({"a": None, "b": 0.25}) is None
    assert caution_of_scales({"a": 0.25, "b": 0.2549}) is None
    text = caution_of_scales({"a": 0.25, "b": 0.23, "c": None})
    assert text == (
        "slides differ in resolution, 0.23 to 0.25 um per pixel, and so do the patches; pass "
        "--mpp 0.25 to cut all at one"
    )
    assert span([0.25, 0.25]) == "0.25 um per pixel"


def test_an_override_names_the_files():
    found = {"a": None, "b": 0.25, "c": 0.23, "d": 0.2549}
    assert caution_of_override(found, None) is None
    assert caution_of_override(found, 0) is None
    assert caution_of_override(found, 0.25) == (
        "--slide-mpp 0.25 is used in place of the um per pixel in the files: 0.23 ('c')"
    )
    assert caution_of_override({"b": 0.25}, 0.246) is None
    assert caution_of_override({"b": 0.25}, 0.24).endswith(": 0.25 ('b')")


def words(line, road, tmp_path):
    slide, model = road / "slides" / "a b.tif", road / "model.safetensors"
    cells, out = road / "cells.sqlite", tmp_path / "x.csv"
    return {
        "patches": ("patches", cells, road / "slides", "-o", tmp_path / "p", "--size", 32),
        "scan": ("scan", model, slide, "-o", out, "--mpp", 0.5),
        "classify": ("classify", model, cells, road / "slides", "-o", out, "--mpp", 0.5),
        "hotspots": ("hotspots", cells, slide, "--area", 0.001),
        "info --tissue": ("info", slide, "--tissue", tmp_path / "t.png"),
    }[line]


@pytest.mark.parametrize("line", ["patches", "scan", "classify", "hotspots", "info --tissue"])
def test_commands_say_that_they_override_a_file(line, road, tmp_path, invoke):
    line = words(line, road, tmp_path)
    code, _, lines = invoke(*line, "--slide-mpp", 0.5)
    assert code == 0, lines
    (caution,) = (text for text in lines if text.startswith("caution: "))
    assert caution == (
        "caution: --slide-mpp 0.5 is used in place of the um per pixel in the files: "
        "0.25 ('a b.tif')"
    )


def test_commands_that_know_the_patches_say_it_too(mine_line, detect_line, tmp_path, invoke):
    other = tmp_path / "other.csv"
    other.write_text("image,x,y,label\nother.png,1,2,disc\n", encoding="utf-8")
    for line in (
        (*mine_line, "-o", tmp_path / "p", "--label", "nobody"),
        with_options(detect_line, "--annotations", other),
    ):
        code, _, lines = invoke(*with_options(line, "--slide-mpp", 0.5))
        assert code != 0  # which costs no time
        assert "caution: --slide-mpp 0.5 " in lines[0]
        assert "0.25 ('a b.tif')" in lines[0]


def test_an_override_that_says_the_same_is_silent(road, tmp_path, invoke):
    code, _, lines = invoke(*words("patches", road, tmp_path), "--slide-mpp", 0.25)
    assert (code, len(lines)) == (0, 1), lines


def test_slides_of_two_scales_are_cut_at_one_if_told(road, tmp_path, invoke):
    pixels = np.asarray(Image.open(road / "slides" / "ü.png"))
    for name, mpp in (("a.png", 0.25), ("b.png", 0.5)):
        Image.fromarray(pixels).save(tmp_path / name, dpi=(25400 / mpp, 25400 / mpp))
    cells = tmp_path / "cells.csv"
    cells.write_text("image,x,y,label\na.png,90,90,disc\nb.png,90,90,cross\n", encoding="utf-8")
    line = ("patches", cells, tmp_path, "-o", tmp_path / "p", "--overwrite", "--size")
    code, _, lines = invoke(*line, 32)
    assert (code, len(lines)) == (0, 2), lines
    assert lines[0].startswith("caution: slides differ in resolution, 0.25 to 0.5 um per pixel")
    assert lines[0].endswith("pass --mpp 0.5 to cut all at one")
    for more in ((32, "--mpp", 0.5), ("auto",)):
        code, _, lines = invoke(*line, *more)
        assert code == 0
        assert not any("caution" in text for text in lines)
