"""Micrometres per pixel, wherever a file says them."""

import numpy as np
import pytest

from stnclf._utils.resolution import resolution_of_dpi, resolution_of_pair
from stnclf.slides import Slide

tifffile = pytest.importorskip("tifffile", reason="needs the extra [slides]")

PIXELS = np.full((40, 60, 3), 200, np.uint8)
OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Image ID="Image:0"><Pixels SizeX="60" SizeY="40" SizeC="3" SizeZ="1" SizeT="1" {}>'
    '<Channel SamplesPerPixel="3"/></Pixels></Image>'
    '<Image ID="Image:1"><Pixels PhysicalSizeX="9" PhysicalSizeY="9"/></Image></OME>'
)


def write(path, description="", resolution=None, unit="NONE"):
    tifffile.imwrite(
        path,
        PIXELS,
        photometric="rgb",
        metadata=None,
        description=description if isinstance(description, bytes) else description.encode(),
        resolution=resolution,
        resolutionunit=unit,
    )
    return Slide(path)


def sizes(x, y, unit=None):
    units = "" if unit is None else f'PhysicalSizeXUnit="{unit}" PhysicalSizeYUnit="{unit}"'
    return OME.format(f'PhysicalSizeX="{x}" PhysicalSizeY="{y}" {units}')


@pytest.mark.parametrize(
    ("x", "unit", "mpp"),
    [
        (0.25, None, 0.25),
        (0.25, "\u00b5m", 0.25),
        (0.25, "\u03bcm", 0.25),
        (250, "nm", 0.25),
        (2.5e-10, "km", 0.25),
        (2.5e-6, "dm", 0.25),
        (0.25 / 304800, "ft", 0.25),
        (0.01, "thou", 0.254),
        (0.00025, "mm", 0.25),
        (2.5e-5, "cm", 0.25),
        (1e-5, "inch", 0.254),
    ],
)
def test_ome_says_it_in_its_units(tmp_path, x, unit, mpp):
    assert write(tmp_path / "a.tif", sizes(x, x, unit)).mpp == pytest.approx(mpp)


@pytest.mark.parametrize(
    ("unit", "per_unit", "mpp"),
    [
        ("micron", 4, 0.25),
        ("um", 4, 0.25),
        ("\\u00B5m", 2, 0.5),
        ("mm", 4000, 0.25),
        ("cm", 40000, 0.25),
        ("inch", 101600, 0.25),
    ],
)
@pytest.mark.parametrize("tag", ["NONE", "INCH"])
def test_imagej_says_the_unit_of_the_tags(tmp_path, unit, per_unit, mpp, tag):
    text = f"ImageJ=1.53t\nunit={unit}\n"
    assert write(tmp_path / "a.tif", text, (per_unit, per_unit), tag).mpp == pytest.approx(mpp)


@pytest.mark.parametrize(("unit", "mpp"), [("CENTIMETER", 0.25), ("INCH", 0.635)])
def test_tags_say_it_by_themselves(tmp_path, unit, mpp):
    assert write(tmp_path / "a.tif", "", (40000, 40000), unit).mpp == pytest.approx(mpp)


@pytest.mark.parametrize(
    ("description", "resolution", "unit"),
    [
        ("", (40000, 40000), "NONE"),
        ("", (72, 72), "INCH"),
        ("", (96, 96), "INCH"),
        ("", (300, 300), "INCH"),
        ("ImageJ=1.53t\n", (40000, 40000), "CENTIMETER"),
        ("ImageJ=1.53t\nunit=pixel\n", (4, 4), "NONE"),
        (sizes(0.25, 0.25, "pixel"), None, "NONE"),
        (sizes("nan", "nan"), None, "NONE"),
        (sizes(0, 0), None, "NONE"),
        (sizes(353, 353), None, "NONE"),
        ("<OME", None, "NONE"),
    ],
)
def test_what_is_no_resolution_is_none(tmp_path, description, resolution, unit):
    slide = write(tmp_path / "a.tif", description, resolution, unit)
    with pytest.raises(ValueError, match="has no usable resolution in it; pass mpp= to Slide"):
        _ = slide.mpp


@pytest.mark.parametrize(
    ("description", "resolution", "words"),
    [
        (sizes(0.25, 0.5), None, r"\(OME-XML says 0.25 um per pixel across and 0.5 down\)"),
        ("", (40000, 20000), r"\(the file says 0.25 um per pixel across and 0.5 down\)"),
        (sizes(0.00025, 0.00025), None, r"\(OME-XML says 0.00025 um .* in another unit\?\)"),
        ("", (4e7, 4e7), r"\(the file says 0.00025 um per pixel, finer than a microscope sees"),
        (sizes(0.25, 0.00025), None, r"\(OME-XML says 0.25 um per pixel across and 0.00025 down"),
        (sizes(0.25, 0.25), (20000, 20000), r"\(OME-XML says 0.25 .*, the resolution tags 0.5\)"),
    ],
)
def test_contradictions_are_said(tmp_path, description, resolution, words):
    with pytest.raises(ValueError, match=words):
        _ = write(tmp_path / "a.tif", description, resolution, "CENTIMETER").mpp


def test_ome_goes_before_tags_of_no_meaning(tmp_path):
    assert write(tmp_path / "a.tif", sizes(0.5, 0.5), (72, 72), "INCH").mpp == 0.5
    assert write(tmp_path / "b.tif", sizes(0.5, 0.5), (20000, 20000), "CENTIMETER").mpp == 0.5


def test_pairs_and_dots_per_inch():
    assert resolution_of_pair("0.25", "0.252").mpp == pytest.approx(0.251)
    assert resolution_of_pair(None, "0.25").mpp is None
    # The range is from 0.01 to 20, both of them usable.
    for value, known in ((0.01, True), (0.0099, False), (20, True), (20.1, False)):
        found = resolution_of_pair(value, value)
        assert (found.mpp, found.axes) == ((value, (value,) * 2) if known else (None, None))
    assert resolution_of_pair(0.25, 0.00025).axes is None
    assert resolution_of_dpi((101600, 101600)).mpp == pytest.approx(0.25)
    for dpi in (None, (72, 72), (0, 0), (101600,), "dpi"):
        assert resolution_of_dpi(dpi).mpp is None


def test_units_in_words_and_in_another_encoding(tmp_path):
    for unit, per_unit in (
        ("Microns", 4),
        ("micrometers", 4),
        ("Inches", 101600),
        ("nanometer", 0.004),
    ):
        text = f"ImageJ=1.53t\nunit={unit}\n"
        assert write(tmp_path / "a.tif", text, (per_unit, per_unit)).mpp == pytest.approx(0.25)
    for text in (b"ImageJ=1.53t\nunit=\xb5m\n", sizes(0.25, 0.25, "\xb5m").encode("latin-1")):
        assert write(tmp_path / "a.tif", text, (4, 4)).mpp == pytest.approx(0.25)
