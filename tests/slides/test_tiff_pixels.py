"""What the tags say of pixels, and one tile from its bytes."""

import zlib

import pytest

from stnclf._utils.tiff_kind import kind_of
from stnclf.slides._tiff_pixels import decode, is_decoded, refuse_compression

from .._utils.test_tiff_kind import page


def test_bits_and_palettes_of_few_colours():
    # Five pixels of two bits are two bytes a row, the last of them half empty.
    rows = bytes([0b00_01_10_11, 0b01_000000]) * 4
    grey = page(bits=2)
    pixels = decode([rows], grey, kind_of(grey), 5, 4)
    assert pixels.shape == (4, 5, 3)
    assert pixels[2, :, 1].tolist() == [0, 85, 170, 255, 85]
    table = [1 << 8, 2 << 8, 3 << 8, 4 << 8, *[0] * 4, *[255 << 8] * 4]
    palette = page(bits=2, photometric=3, colours=table)
    pixels = decode([rows], palette, kind_of(palette), 5, 4)
    assert pixels[0, :3].tolist() == [[1, 0, 255], [2, 0, 255], [3, 0, 255]]


def test_what_is_too_short_or_too_long():
    grey = page(compression=8)
    # A bomb gives no more than the tile.
    pixels = decode([zlib.compress(bytes([7]) * 10**6)], grey, kind_of(grey), 5, 4)
    assert pixels.shape == (4, 5, 3)
    assert (pixels == 7).all()
    with pytest.raises(ValueError, match="3 bytes of a tile that should have 20"):
        decode([zlib.compress(b"abc")], grey, kind_of(grey), 5, 4)
    short = page(compression=8, photometric=3, colours=[0] * 30)
    with pytest.raises(ValueError, match="palette without all its colours"):
        decode([zlib.compress(bytes(20))], short, kind_of(short), 5, 4)


def test_compressions():
    assert is_decoded(page())
    assert is_decoded(page(compression=50001))
    assert not is_decoded(page(compression=34887))
    assert not is_decoded(page(predictor=3))
    assert not is_decoded(page(fill=2))
    assert "tiles compressed as LERC" in str(refuse_compression(page(compression=34887)))
