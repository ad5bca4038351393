"""Slides: their numbers, and finding the one that a file is about."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from stnclf.annotations import read_annotations
from stnclf.annotations._slide_facts import find_slide, resolve_image, slide_facts
from stnclf.slides import Slide
from tests.annotations.slides import write_ndpi, write_scn


def test_numbers_of_slides_and_images(tmp_path):
    pytest.importorskip("openslide", reason="reads slides")
    pytest.importorskip("tifffile", reason="writes one")
    facts = slide_facts(write_ndpi(tmp_path / "a.ndpi", 320, 200, 0.5, (7, -9)))
    assert (facts.size, facts.mpp, facts.bounds) == ((320, 200), (0.5, 0.5), (0, 0))
    assert facts.center == (7, -9)
    pixels = np.full((256, 384, 3), 200, np.uint8)
    facts = slide_facts(write_scn(tmp_path / "a.scn", pixels, 400, 300))
    assert (facts.mpp, facts.bounds, facts.center) == ((0.25, 0.25), (400, 300), None)
    assert facts.size == (1600, 1200)
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    facts = slide_facts(tmp_path / "a.png")
    assert (facts.size, facts.mpp, facts.bounds) == ((30, 20), None, (0, 0))
    (tmp_path / "b.tif").write_bytes(b"no image")
    assert slide_facts(tmp_path / "b.tif") is None


@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize(
    ("per_unit", "unit", "ome", "mpp"),
    [
        ((40000, 40000), "CENTIMETER", None, (0.25, 0.25)),
        ((40000, 20000), "CENTIMETER", None, (0.25, 0.5)),
        ((72, 72), "INCH", None, None),  # what programs write unasked
        ((40000, 40000), "NONE", None, None),
        (None, "NONE", 0.25, (0.25, 0.25)),
        ((20000, 20000), "CENTIMETER", 0.25, None),  # they contradict each other
    ],
)
def test_the_resolution_is_that_of_slides(tmp_path, tile, per_unit, unit, ome, mpp):
    tifffile = pytest.importorskip("tifffile", reason="writes them")
    pixels = np.full((40, 60, 3), 200, np.uint8)
    sizes = {} if ome is None else {"axes": "YXS", "PhysicalSizeX": ome, "PhysicalSizeY": ome}
    path = tmp_path / ("a.tif" if ome is None else "a.ome.tif")
    more = {"resolution": per_unit, "resolutionunit": unit, "metadata": sizes or None}
    tifffile.imwrite(path, pixels, photometric="rgb", tile=tile, **more)
    assert slide_facts(path).mpp == (mpp if mpp is None else pytest.approx(mpp))
    slide = Slide(path)
    if mpp is None or mpp[0] != mpp[1]:
        with pytest.raises(ValueError, match="no usable resolution"):
            _ = slide.mpp
    else:
        assert slide.mpp == pytest.approx(mpp[0])


def test_the_resolution_of_a_plain_image(tmp_path):
    for dots, mpp in ((101600, (0.25, 0.25)), (72, None)):
        Image.new("RGB", (30, 20)).save(tmp_path / "a.png", dpi=(dots, dots))
        found = slide_facts(tmp_path / "a.png").mpp
        assert found == (mpp if mpp is None else pytest.approx(mpp))


def test_a_slide_is_found_by_its_name_or_stem(tmp_path):
    for name in ("a.svs", "b.png", "b.tif", "sub/c.ndpi", "d.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert find_slide(tmp_path, "a.svs") == tmp_path / "a.svs"
    assert find_slide(tmp_path, "a") == tmp_path / "a.svs"
    assert find_slide(tmp_path, "sub/c") == tmp_path / "sub/c.ndpi"
    assert find_slide(tmp_path / "a.svs", "whatever") == tmp_path / "a.svs"
    (tmp_path / "e.ome.tif").touch()
    assert find_slide(tmp_path, "e") == find_slide(tmp_path, "e.ome") == tmp_path / "e.ome.tif"
    # Two of one stem decide nothing; another kind of file is no slide; nor is one elsewhere.
    for name in ("b", "d.txt", "d", "none", "none.svs", "../a.svs", "/etc/passwd", "", None):
        assert find_slide(tmp_path, name) is None


@pytest.mark.parametrize("name", ["a" * 300, "b" * 300 + ".svs", "c" * 300 + "/c.svs", "d/" * 3000])
@pytest.mark.parametrize("below", [True, False])
def test_a_name_that_no_file_can_have_is_that_of_no_slide(name, below, tmp_path):
    assert find_slide(tmp_path, name, below=below) is None
    path = tmp_path / "cells.csv"
    path.write_text(f"Image,Class,Centroid X px,Centroid Y px\n{name},m,10,20\n")
    table = read_annotations(path, slides=tmp_path if below else None)
    assert table.image.tolist() == [name]
    assert table.x.tolist() == [9.5]


def test_names_are_found_in_either_form_of_unicode(tmp_path):
    nfc, nfd = (unicodedata.normalize(form, "Pr\u00e4parat 1") for form in ("NFC", "NFD"))
    path = tmp_path / nfd / f"{nfd}.ome.tif"
    path.parent.mkdir()
    path.touch()
    for name in (nfc, nfd):
        assert find_slide(tmp_path, f"{name}/{name}") == path
        assert find_slide(tmp_path, f"{name}/{name}.ome.tif") == path
        assert resolve_image(tmp_path, f"{name}/{name}.ome.tif") == path
