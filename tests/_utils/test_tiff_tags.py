"""The tags of TIFF files, written byte by byte."""

import struct

import pytest

from stnclf._utils.tiff_tags import Tag, is_tiff, read_directories


def classic(order, *directories):
    """A classic TIFF of directories, each a list of (tag, type, count, four bytes)."""
    magic = {"<": b"II", ">": b"MM"}[order]
    data, place = magic + struct.pack(f"{order}HI", 42, 8), 8
    for i, tags in enumerate(directories):
        following = place + 6 + 12 * len(tags) if i < len(directories) - 1 else 0
        data += struct.pack(f"{order}H", len(tags))
        for tag, kind, count, value in tags:
            data += struct.pack(f"{order}HHI", tag, kind, count) + value
        data += struct.pack(f"{order}I", following)
        place = following
    return data


@pytest.mark.parametrize("order", ["<", ">"])
def test_values_of_all_widths(tmp_path, order):
    path = tmp_path / "a.tif"
    short = struct.pack(f"{order}HH", 300, 0)
    long = struct.pack(f"{order}I", 70000)
    two = struct.pack(f"{order}HH", 7, 9)
    path.write_bytes(
        classic(
            order,
            [(256, 3, 1, short), (257, 4, 1, long), (273, 3, 2, two), (270, 2, 3, b"ab\0\0")],
            [(254, 4, 1, struct.pack(f"{order}I", 5))],
        )
    )
    assert is_tiff(str(path))
    (first, second), below = read_directories(str(path))
    assert first.size == (300, 70000)
    assert first.many(273) == (7, 9)
    assert first.text == "ab"
    assert (first.is_reduced, first.is_mask, first.is_tiled) == (False, False, False)
    assert (second.is_reduced, second.is_mask) == (True, True)
    assert second.one(Tag.SAMPLES, 1) == 1
    assert below == []


def test_fractions_and_directories_below(tmp_path):
    path = tmp_path / "a.tif"
    data = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", 3)
    data += struct.pack("<HHII", 282, 5, 1, 50) + struct.pack("<HHII", 283, 5, 1, 58)
    data += struct.pack("<HHII", 330, 4, 1, 66) + struct.pack("<I", 0)
    data += struct.pack("<IIII", 40000, 3, 5, 0)
    data += struct.pack("<H", 1) + struct.pack("<HHII", 256, 4, 1, 12) + struct.pack("<I", 0)
    path.write_bytes(data)
    (page,), (below,) = read_directories(str(path))
    assert page.fraction(282) == pytest.approx(13333.3333, abs=1e-3)
    assert page.fraction(283) is None
    assert below.one(256) == 12


def test_a_circle_of_directories_ends(tmp_path):
    path = tmp_path / "a.tif"
    data = classic("<", [(256, 4, 1, struct.pack("<I", 1))])
    path.write_bytes(data[:-4] + struct.pack("<I", 8))
    assert len(read_directories(str(path))[0]) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no TIFF file"),
        (b"II*\0", "no TIFF file"),
        (b"II*\0\0\0\0\0", "without an image"),
        (b"II*\0\xff\0\0\0", "truncated: it ends at byte 8"),
        (b"II*\0\x08\0\0\0\xff\xff", "truncated"),
        (classic("<", [(273, 4, 2**31, b"\x09\0\0\0")]), "truncated"),
    ],
)
def test_what_ends_early_is_named(tmp_path, data, words):
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=words):
        read_directories(str(path))
