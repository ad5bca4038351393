"""Opening files: resolution, levels, transparency, and what is refused in one line."""

import os
import struct
import sys
import zlib
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stnclf._utils.values import check_pixels, check_positive
from stnclf.slides import write_pyramid_tiff
from stnclf.slides._read_errors import SlideReadError
from stnclf.slides._readers import ArrayReader, ImageReader, Opener, open_reader
from stnclf.slides._tiff import TiffReader

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (30, 50, 3), dtype=np.uint8)


def one_line(error, path):
    message = str(error.value)
    assert repr(str(path)) in message
    assert "\n" not in message
    return message


@pytest.fixture
def tiled(tmp_path):
    """A tiled pyramid TIFF of 300 x 200 px with its pixels."""
    pytest.importorskip("openslide", reason="needs the extra [slides]")
    pytest.importorskip("tifffile", reason="needs the extra [slides]")
    pixels = RNG.integers(0, 256, (200, 300, 3), dtype=np.uint8)
    write_pyramid_tiff(pixels, tmp_path / "slide.tif", 0.2527, 64, compression="deflate")
    return str(tmp_path / "slide.tif"), pixels


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "PNG"])
def test_plain_images_are_read_as_they_are(tmp_path, ending):
    path = str(tmp_path / f"image.{ending}")
    Image.fromarray(PIXELS).save(path)
    reader = open_reader(path)
    assert isinstance(reader, TiffReader if ending == "tif" else ImageReader)
    assert reader.size == (50, 30)
    assert reader.mpp is None
    pixels, off = reader.read(0, 7, 3, 20, 10)
    np.testing.assert_array_equal(pixels, PIXELS[3:13, 7:27])
    assert off == (0.0, 0.0)


def test_a_jpeg_is_about_what_was_saved(tmp_path):
    smooth = np.tile(np.arange(0, 250, 5, dtype=np.uint8)[:, None], (30, 1, 3))
    path = str(tmp_path / "image.jpg")
    Image.fromarray(smooth).save(path, quality=95)
    pixels = open_reader(path).pixels.astype(int)
    assert np.abs(pixels - smooth).max() < 6


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK"])
def test_other_modes_become_rgb(tmp_path, mode):
    image = Image.fromarray(PIXELS).convert(mode)
    path = str(tmp_path / "image.tif")
    image.save(path)
    pixels, _ = open_reader(path).read(0, 0, 0, 50, 30)
    np.testing.assert_array_equal(pixels, np.asarray(image.convert("RGB")))


def test_alpha_is_laid_over_white(tmp_path):
    path = str(tmp_path / "image.png")
    rgba = np.zeros((2, 3, 4), dtype=np.uint8)
    rgba[..., :3] = (10, 100, 250)
    rgba[0, :, 3] = (0, 255, 51)
    rgba[1, :, 3] = 128
    Image.fromarray(rgba, "RGBA").save(path)
    pixels = open_reader(path).pixels
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 1].tolist() == [10, 100, 250]
    assert pixels[0, 2].tolist() == [206, 224, 254]  # 0.2 * colour + 0.8 * 255
    # 128 / 255 of the colour: 132.02, 177.20, 252.49
    assert pixels[1, 0].tolist() == [132, 177, 252]


def test_a_transparent_colour_of_a_palette_is_white(tmp_path):
    path = str(tmp_path / "image.png")
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 200, 10, 30])
    image.putpixel((1, 0), 1)
    image.save(path, transparency=0)
    assert open_reader(path).pixels[0].tolist() == [[255, 255, 255], [200, 10, 30]]


@pytest.mark.parametrize(
    ("ending", "mpp"), [("png", 0.25), ("tif", 0.2431), ("tif", 19.0), ("bmp", 0.5)]
)
def test_resolution_of_a_plain_image_counts_if_plausible(tmp_path, ending, mpp):
    path = str(tmp_path / f"image.{ending}")
    Image.fromarray(PIXELS).save(path, dpi=(25400 / mpp,) * 2)
    assert open_reader(path).mpp == pytest.approx(mpp, rel=1e-3)


@pytest.mark.parametrize("dpi", [(72, 72), (300, 300), (100000, 50000), (0, 0)])
def test_resolution_of_screens_and_nonsense_does_not(tmp_path, dpi):
    path = str(tmp_path / "image.png")
    Image.fromarray(PIXELS).save(path, dpi=dpi)
    assert open_reader(path).mpp is None


def test_a_pyramid_is_read_by_openslide(tiled):
    path, pixels = tiled
    reader = open_reader(path)
    assert reader.size == (300, 200)
    assert reader.mpp == pytest.approx(0.2527)
    assert reader.downsamples == (1.0, 2.0, 4.0, 8.0)
    assert [reader.level_size(i) for i in range(4)] == [(300, 200), (150, 100), (75, 50), (38, 25)]
    read, off = reader.read(0, 20, 130, 100, 40)
    np.testing.assert_array_equal(read, pixels[130:170, 20:120])
    assert off == (0.0, 0.0)
    quarter = pixels.reshape(100, 2, 150, 2, 3).mean((1, 3))
    read, off = reader.read(1, 10, 60, 40, 30)
    assert np.abs(read - quarter[60:90, 10:50]).max() <= 0.5
    assert off == (0.0, 0.0)


def test_levels_that_are_no_whole_fraction_say_where_their_pixels_are(tmp_path):
    pytest.importorskip("openslide", reason="needs the extra [slides]")
    tifffile = pytest.importorskip("tifffile", reason="needs the extra [slides]")
    # 300 / 71 = 4.225 level-0 pixels for each of the second level.
    level = np.tile((np.arange(71, dtype=np.uint8) * 3)[None, :, None], (71, 1, 3))
    path = str(tmp_path / "slide.tif")
    with tifffile.TiffWriter(path) as file:
        for i, pixels in enumerate((np.zeros((300, 300, 3), np.uint8), level)):
            file.write(pixels, tile=(64, 64), photometric="rgb", subfiletype=int(i > 0))
    reader = open_reader(path)
    assert reader.downsamples[1] == pytest.approx(300 / 71)
    for x in (5, 9, 14, 30):
        pixels, (off, _) = reader.read(1, x, 5, 20, 10)
        assert 0 < abs(off) < 0.5
        np.testing.assert_allclose(
            pixels[5, 1:-1, 0] / 3, np.arange(x, x + 20)[1:-1] + off, atol=0.4
        )


def png_that_claims(width, height):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


def tiff_that_claims(width, height):
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, 1000)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    return struct.pack("<2sHI", b"II", 42, 8) + directory + b"\0" * 1000


def bmp_that_claims(width, height):
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 1054, 0, 0, 54) + info + b"\0" * 1000


@pytest.mark.parametrize(
    ("ending", "make"),
    [("png", png_that_claims), ("tif", tiff_that_claims), ("bmp", bmp_that_claims)],
)
def test_a_header_that_claims_too_much_is_refused(tmp_path, ending, make):
    path = tmp_path / f"bomb.{ending}"
    path.write_bytes(make(100_000, 100_000))
    with pytest.raises(ValueError, match=r"10000000000 pixels.*MAX_IMAGE_PIXELS") as error:
        open_reader(str(path))
    one_line(error, path)
    path.write_bytes(make(60, 40))
    assert open_reader(str(path)).size == (60, 40)


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif"])
def test_truncated_images_are_refused(tmp_path, ending):
    path = tmp_path / f"image.{ending}"
    Image.fromarray(np.tile(PIXELS, (4, 4, 1))).save(path)
    whole = path.read_bytes()
    for share in (0.01, 0.5, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises((ValueError, SlideReadError), match="cannot be read") as error:
            open_reader(str(path)).pixels  # noqa: B018
        one_line(error, path)
        if share > 0.1 and ending != "tif":  # the header is whole, and the file may yet be
            assert isinstance(error.value, SlideReadError)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.999])
def test_truncated_pyramids_are_refused(tiled, tmp_path, share):
    whole = Path(tiled[0]).read_bytes()
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="cannot be read as a slide or image") as error:
        open_reader(str(cut))
    one_line(error, cut)


def test_damaged_tiles_are_refused_where_they_are(tiled, tmp_path):
    path, pixels = tiled
    damaged = bytearray(Path(path).read_bytes())
    tile = zlib.compress(pixels[128:192, 64:128].tobytes(), 3)
    place = damaged.index(tile)
    damaged[place : place + 2000] = b"x" * 2000
    path = tmp_path / "damaged.tif"
    path.write_bytes(damaged)
    healthy, _ = open_reader(str(path)).read(0, 128, 0, 100, 100)
    np.testing.assert_array_equal(healthy, pixels[:100, 128:228])
    with pytest.raises(SlideReadError, match="cannot be read") as error:
        open_reader(str(path)).read(0, 70, 130, 20, 20)
    one_line(error, path)


@pytest.mark.parametrize("name", ["note.txt", "note.svs", "note.png", "note.tif", "note.mrxs"])
def test_what_is_no_image_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_text("Nothing to see.\nAt all.")
    with pytest.raises(ValueError, match="cannot be read as a slide or image") as error:
        open_reader(str(path))
    one_line(error, path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be read as a slide or image"):
        open_reader(str(path))


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        open_reader(str(tmp_path / "none.svs"))
    assert one_line(error, tmp_path / "none.svs").endswith("there is no such file.")
    with pytest.raises(FileNotFoundError):
        open_reader("zero\0byte.png")
    with pytest.raises(ValueError, match="is a folder") as error:
        open_reader(str(tmp_path))
    one_line(error, tmp_path)


@pytest.mark.parametrize(
    ("mode", "ending", "words"),
    [
        ("I;16", "tif", "has 16-bit pixels; wants 8-bit grey or RGB"),
        ("F", "tif", "has 32-bit floating-point pixels"),
        ("I", "tif", "has 32-bit signed pixels"),
        ("I;16", "png", "has 16-bit pixels"),
    ],
)
def test_deep_pixels_are_refused(tmp_path, mode, ending, words):
    path = tmp_path / f"deep.{ending}"
    Image.new(mode, (20, 10)).save(path)
    with pytest.raises(ValueError, match=words) as error:
        open_reader(str(path))
    assert "To convert it: magick IN" in one_line(error, path)


def test_a_png_of_16_bit_colours_is_refused_though_pillow_would_drop_half(tmp_path):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + struct.pack(">6H", *range(6)) for _ in range(3))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 3, 16, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path = tmp_path / "deep.png"
    path.write_bytes(data)
    assert Image.open(path).mode == "RGB"
    with pytest.raises(ValueError, match="has 16-bit pixels, wants 8-bit grey or colour"):
        open_reader(str(path))


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_exif_orientation_is_said_and_not_applied(tmp_path, ending):
    path = tmp_path / f"image.{ending}"
    exif = Image.Exif()
    exif[274] = 6
    image = np.full((20, 30, 3), 250, np.uint8)
    image[:10] = 0  # dark above
    Image.fromarray(image).save(path, exif=exif)
    with pytest.warns(UserWarning, match=r"orientation \(6\) is not applied"):
        reader = open_reader(str(path))
    assert reader.size == (30, 20)
    assert reader.pixels[:8].max() < 20
    assert reader.pixels[12:].min() > 230


def test_plain_images_do_not_need_openslide(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openslide", None)  # its import fails
    for name in ("image.png", "image.tif"):
        Image.fromarray(PIXELS).save(tmp_path / name)
        pixels, _ = open_reader(str(tmp_path / name)).read(0, 0, 0, 50, 30)
        np.testing.assert_array_equal(pixels, PIXELS)


def test_slides_name_the_extra_that_they_need(tiled, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openslide", None)
    path = tmp_path / "a.ndpi"
    path.write_bytes(b"something")
    for name in (path, tiled[0]):
        with pytest.raises(ImportError, match=r"stnclf\[slides\]") as error:
            open_reader(str(name))
        one_line(error, name)


def test_opener_opens_once_and_copies_open_anew():
    opener = Opener(PIXELS)
    reader = opener.reader()
    assert isinstance(reader, ArrayReader)
    assert opener.reader() is reader
    copy = deepcopy(opener)
    assert copy.reader() is not reader
    copy.close()
    assert opener.reader() is reader
    opener.close()
    assert opener.reader() is not reader


@pytest.mark.parametrize(
    ("value", "kind"),
    [(0, ValueError), (-1, ValueError), (np.nan, ValueError), (np.inf, ValueError)]
    + [("1", TypeError), (True, TypeError), (None, TypeError)],
)
def test_numbers_must_be_positive(value, kind):
    with pytest.raises(kind, match=r"mpp: got .* wants a positive number of um"):
        check_positive("mpp", value, "um")


def test_positive_numbers_pass():
    assert check_positive("mpp", np.float32(0.5), "um") == 0.5
    assert isinstance(check_positive("mpp", 1, "um"), float)


@pytest.mark.parametrize(
    ("pixels", "kind"),
    [
        (PIXELS.astype(float), TypeError),
        (PIXELS.tolist(), TypeError),
        (PIXELS[..., 0], ValueError),
        (PIXELS[..., :2], ValueError),
        (PIXELS[:0], ValueError),
    ],
)
def test_arrays_must_be_rgb_bytes(pixels, kind):
    with pytest.raises(kind, match="image: got"):
        check_pixels("image", pixels)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names here")
@pytest.mark.parametrize("name", ["a.svs", "a.png", "a.tif"])
def test_pipes_are_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match="is a pipe or device") as error:
        open_reader(str(tmp_path / name))
    one_line(error, tmp_path / name)
