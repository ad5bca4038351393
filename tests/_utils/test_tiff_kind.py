"""What the tags of a TIFF file say of its pixels."""

import numpy as np
import pytest

from stnclf._utils.tiff_kind import Kind, check_planes, compression_name, kind_of, ome_pixels
from stnclf._utils.tiff_tags import Directory


def page(**tags):
    """A directory of 5 x 4 px, grey of 8 bits but for what is given."""
    numbers = {"width": 256, "height": 257, "bits": 258, "compression": 259, "photometric": 262}
    numbers |= {"samples": 277, "planar": 284, "predictor": 317, "colours": 320, "extra": 338}
    numbers |= {"form": 339, "subfile": 254, "inks": 332, "fill": 266, "text": 270}
    values = {"width": 5, "height": 4, "bits": 8, "photometric": 1, **tags}
    if "text" in values:
        values["text"] = list(values["text"].encode())
    return Directory({numbers[name]: np.atleast_1d(value) for name, value in values.items()})


def test_kinds():
    assert kind_of(page()) == Kind(1, 8, 1, 1, 0)
    assert kind_of(page(bits=1, photometric=0)) == Kind(0, 1, 1, 1, 0)
    four = {"bits": [8] * 4, "samples": 4, "photometric": 2}
    assert kind_of(page(**four)) == Kind(2, 8, 4, 3, 0)
    assert [kind_of(page(**four, extra=extra)).alpha for extra in (0, 1, 2)] == [0, 1, 2]
    assert kind_of(page(bits=[8] * 4, samples=4, photometric=5)) == Kind(5, 8, 4, 4, 0)


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"bits": 16}, "16-bit pixels"),
        ({"bits": 12}, "12-bit pixels"),
        ({"bits": 8, "form": 2}, "8-bit signed pixels"),
        ({"bits": [8, 16, 8], "samples": 3, "photometric": 2}, "16-bit pixels"),
        ({"bits": [5, 6, 5], "samples": 3, "photometric": 2}, "5/6/5 bits"),
        ({"bits": 3}, "3 bits"),
        ({"photometric": 4, "bits": 1}, "a mask"),
        ({"photometric": 6, "samples": 3}, "YCbCr pixels that are not compressed as JPEG"),
        ({"photometric": 2, "samples": 1}, "1 samples per pixel, which are no colour"),
        ({"photometric": 5, "samples": 4, "inks": 2}, "inks other than"),
        ({"photometric": 5, "samples": 4, "compression": 7}, "JPEG of 4 channels"),
        ({"width": 0}, "no pixels"),
    ],
)
def test_other_kinds_are_refused(tags, words):
    with pytest.raises(ValueError, match=words):
        kind_of(page(**tags))


def test_planes():
    one, grey = page(), kind_of(page())
    assert check_planes([one], grey) == ""
    assert check_planes([one, page(subfile=4), page(width=2, height=2, subfile=1)], grey) == ""
    with pytest.raises(ValueError, match="2 channels or planes"):
        check_planes([one, page()], grey)
    # ImageJ keeps stacks of more than 4 GB in one directory.
    text = "ImageJ=1.53\nimages=12\nchannels=2\nslices=6\n"
    with pytest.raises(ValueError, match="2 channels or planes"):
        check_planes([page(text=text)], grey)
    stack = page(text="ImageJ=1.53\nimages=6\nslices=6\n")
    assert check_planes([stack], grey) == "has 6 images of one size; the first is read."
    for shape, n in (([4, 5, 1], 1), ([1, 4, 5], 1), ([2, 4, 5, 1], 2), ([6, 4, 5], 6)):
        found = check_planes([page(text=f'{{"shape": {shape}}}')], grey)
        assert found == (f"has {n} images of one size; the first is read." if n > 1 else ""), shape
    with pytest.raises(ValueError, match="the first of 5 x 4 px is smaller than another of 9 x 8"):
        check_planes([one, page(width=9, height=8)], grey)


def test_names_of_compressions():
    names = [compression_name(n) for n in (7, 34712, 33003, 50001, 50000, 12345)]
    assert names == ["JPEG", "JPEG 2000", "JPEG 2000", "WebP", "zstd", "compression 12345"]


def test_entities_are_not_expanded():
    assert ome_pixels('<!DOCTYPE x [<!ENTITY a "b">]><OME><Pixels SizeX="1"/></OME>') is None
    assert ome_pixels('<OME><Pixels SizeX="1"/></OME>')["SizeX"] == "1"
