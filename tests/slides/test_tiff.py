"""TIFF files of every kind: the right pixels on every level, or a refusal that says why."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from stnclf.slides import Slide, SlideReadError
from stnclf.slides._readers import SlideReader, open_reader
from stnclf.slides._tiff import TiffReader

tifffile = pytest.importorskip("tifffile", reason="needs the extra [slides]")
pytest.importorskip("openslide", reason="needs the extra [slides]")

RNG = np.random.default_rng(5)
#: 150 x 100 px, tiles of 64 px: none of the sides is a multiple.
RGB = RNG.integers(0, 256, (100, 150, 3), dtype=np.uint8)
GREY = RGB[..., 0]
ALPHA = RNG.integers(0, 256, (100, 150, 1), dtype=np.uint8)
LAYOUTS = {"strips": {"rowsperstrip": 7}, "one strip": {}, "tiled": {"tile": (64, 64)}}


@pytest.fixture(params=LAYOUTS)
def write(request, tmp_path):
    """Write a file in strips or tiles; its path."""

    def write(pixels, photometric="rgb", **how):
        path = tmp_path / "image.tif"
        how = {"compression": "zlib", "metadata": None, **LAYOUTS[request.param], **how}
        tifffile.imwrite(path, pixels, photometric=photometric, **how)
        return path

    return write


def check(path, wanted):
    """Compare all that a slide gives with the pixels that are wanted."""
    slide, height, width = Slide(path, mpp=0.5), *wanted.shape[:2]
    assert slide.size == (width, height)
    np.testing.assert_array_equal(slide.read_region(0, 0, width, height), wanted)
    np.testing.assert_array_equal(slide.read_region(61, 30, 40, 50), wanted[30:80, 61:101])
    thumbnail, scale = slide.thumbnail(2 * max(wanted.shape))
    assert scale == 1.0
    np.testing.assert_array_equal(thumbnail, wanted)
    coarse = slide.read_region(0, 0, width // 4, height // 4, mpp=2.0)
    plain = Slide(np.ascontiguousarray(wanted), mpp=0.5)
    np.testing.assert_array_equal(coarse, plain.read_region(0, 0, width // 4, height // 4, mpp=2.0))


def over_white(rgb, alpha):
    return np.floor((rgb * (alpha / 255.0) + 255 - alpha) + 0.5).astype(np.uint8)


def test_rgb_and_grey_are_as_stored(write):
    check(write(RGB), RGB)
    check(write(GREY, "minisblack"), np.stack([GREY] * 3, axis=2))
    check(write(GREY, "miniswhite"), 255 - np.stack([GREY] * 3, axis=2))


def test_a_fourth_channel_counts_only_if_it_is_alpha(write):
    four = np.concatenate([RGB, ALPHA], axis=2)
    check(write(four, extrasamples=["unspecified"]), RGB)
    got = Slide(write(four, extrasamples=["unassalpha"])).read_region(0, 0, 150, 100)
    assert np.abs(got.astype(int) - over_white(RGB, ALPHA)).max() <= 1
    premultiplied = (RGB * (ALPHA / 255.0)).astype(np.uint8)
    path = write(np.concatenate([premultiplied, ALPHA], axis=2), extrasamples=["assocalpha"])
    check(path, premultiplied + (255 - ALPHA))


def test_a_second_channel_of_grey_is_no_colour(write):
    two = np.stack([GREY, 255 - GREY], axis=2)
    check(
        write(two, "minisblack", planarconfig="contig", extrasamples=["unspecified"]),
        np.stack([GREY] * 3, axis=2),
    )


def test_planes_of_a_planar_file_are_put_together(write):
    check(write(RGB.transpose(2, 0, 1), planarconfig="separate"), RGB)


def test_palettes_masks_and_cmyk(write):
    table = RNG.integers(0, 65536, (3, 256), dtype=np.uint16)
    check(write(GREY, "palette", colormap=table), (table >> 8).astype(np.uint8).T[GREY])
    cmyk = np.concatenate([RGB, ALPHA], axis=2)
    light = 255 - cmyk.astype(float)
    wanted = np.floor(light[..., :3] * light[..., 3:] / 255 + 0.5).astype(np.uint8)
    check(write(cmyk, "separated"), wanted)


def test_bits_are_black_and_white(tmp_path):
    # tifffile writes no packed bits without a codec, Pillow does.
    bits = GREY > 90
    for photometric, wanted in ((1, bits), (0, ~bits)):
        data = np.packbits(bits, axis=1).tobytes()
        tags = [(256, 4, 150), (257, 4, 100), (258, 3, 1), (259, 3, 1), (262, 3, photometric)]
        tags += [(273, 4, 8), (277, 3, 1), (278, 4, 100), (279, 4, len(data))]
        path = tmp_path / "bits.tif"
        path.write_bytes(raw_tiff(tags, data))
        check(path, np.repeat(wanted[..., None], 3, axis=2).astype(np.uint8) * 255)


def raw_tiff(tags, data):
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    return head + data + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)


@pytest.mark.parametrize("turn", range(2, 9))
def test_orientation_is_said_and_not_applied(write, turn):
    path = write(RGB, extratags=[(274, "H", 1, turn, True)])
    with pytest.warns(UserWarning, match=rf"orientation \({turn}\) is not applied"):
        check(path, RGB)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_deflate", "raw"])
def test_what_pillow_compresses_is_read_strip_by_strip(tmp_path, compression):
    path = tmp_path / "image.tif"
    Image.fromarray(RGB).save(path, compression=compression)
    assert isinstance(open_reader(str(path)), TiffReader)
    check(path, RGB)


def test_a_horizontal_predictor_is_undone(tmp_path):
    data = zlib.compress(np.diff(GREY, axis=1, prepend=np.uint8(0)).tobytes())
    tags = [(256, 4, 150), (257, 4, 100), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8)]
    tags += [(277, 3, 1), (278, 4, 100), (279, 4, len(data)), (317, 3, 2)]
    path = tmp_path / "image.tif"
    path.write_bytes(raw_tiff(tags, data))
    check(path, np.stack([GREY] * 3, axis=2))


def tiled_by_hand(path, encode, compression, photometric="rgb", shape=RGB.shape, tile=64):
    """Write a tiled file whose tiles an encoder of ours has made."""
    pixels = np.pad(RGB, [(0, -n % tile) for n in RGB.shape[:2]] + [(0, 0)], mode="edge")
    tiles = [
        encode(np.ascontiguousarray(pixels[top : top + tile, left : left + tile]))
        for top in range(0, RGB.shape[0], tile)
        for left in range(0, RGB.shape[1], tile)
    ]
    how = {"dtype": np.uint8, "tile": (tile, tile), "compression": 8, "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(iter(tiles), shape=shape, photometric=photometric, **how)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["Compression"].overwrite(compression)
    return path


def encoder(form, **how):
    def encode(tile):
        buffer = io.BytesIO()
        Image.fromarray(tile).save(buffer, form, **how)
        return buffer.getvalue()

    return encode


@pytest.mark.parametrize(
    ("form", "how", "compression"),
    [
        ("WEBP", {"lossless": True}, 50001),
        ("JPEG2000", {"no_jp2": True, "irreversible": False}, 34712),
        ("JPEG2000", {"no_jp2": True, "irreversible": False}, 33005),
    ],
)
def test_webp_and_jpeg_2000_are_decoded_by_pillow(tmp_path, form, how, compression):
    path = tiled_by_hand(tmp_path / "image.tif", encoder(form, **how), compression)
    check(path, RGB)


def test_jpeg_2000_of_luminance_and_chroma_becomes_rgb(tmp_path):
    def encode(tile):
        chroma = Image.fromarray(tile).convert("YCbCr")
        return encoder("JPEG2000", no_jp2=True, irreversible=False, mct=0)(np.asarray(chroma))

    path = tiled_by_hand(tmp_path / "image.tif", encode, 33003)
    got = Slide(path).read_region(0, 0, 150, 100).astype(int)
    assert np.abs(got - RGB).max() <= 3


@pytest.mark.parametrize("photometric", [2, 6])
def test_jpeg_in_an_odd_file_has_the_colours_that_the_file_says(tmp_path, photometric):
    """Without a marker, libjpeg would take three components for luminance and chroma."""
    ramp = np.linspace(0, 255, 64)[:, None] * np.ones((1, 64))
    tile = np.stack([ramp, ramp.T, 255 - ramp], axis=2).astype(np.uint8)

    def encode(_):
        image = Image.fromarray(tile)
        buffer = io.BytesIO()
        if photometric == 2:
            image.save(buffer, "JPEG", quality=98, subsampling=0, keep_rgb=True)
        else:
            image.save(buffer, "JPEG", quality=98, subsampling=0)
        data = buffer.getvalue()
        # Without what says it: the marker of Adobe, or of JFIF.
        where = data.index(b"\xff\xee" if photometric == 2 else b"\xff\xe0")
        length = struct.unpack(">H", data[where + 2 : where + 4])[0]
        return data[:where] + data[where + 2 + length :]

    path = tiled_by_hand(tmp_path / "image.tif", encode, 7)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["PhotometricInterpretation"].overwrite(photometric)
    with pytest.warns(UserWarning, match="orientation"):
        got = Slide(oriented(path)).read_region(0, 0, 64, 64).astype(int)
    assert np.abs(got - tile).max() < 12


def oriented(path):
    """Set the orientation, so that OpenSlide is not asked."""
    data = bytearray(path.read_bytes())
    (start,) = struct.unpack("<I", data[4:8])
    (n,) = struct.unpack("<H", data[start : start + 2])
    for place in range(start + 2, start + 2 + 12 * n, 12):
        if struct.unpack("<H", data[place : place + 2])[0] == 305:  # the name of the program
            data[place : place + 12] = struct.pack("<HHII", 274, 3, 1, 3)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("below", [True, False])
def test_levels_below_the_first_image_are_used(tmp_path, below):
    path = tmp_path / "image.tif"
    levels = [np.full((400 // n, 600 // n, 3), 40 * n, np.uint8) for n in (1, 2, 4)]
    how = {"photometric": "rgb", "tile": (64, 64), "compression": "zlib", "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(levels[0], subifds=2 if below else 0, **how)
        for level in levels[1:]:
            file.write(level, subfiletype=1, **how)
    reader = open_reader(str(path))
    assert isinstance(reader, TiffReader if below else SlideReader)
    assert reader.downsamples == (1.0, 2.0, 4.0)
    slide = Slide(path, mpp=0.25)
    for mpp, value in ((0.25, 40), (0.3, 40), (0.5, 80), (0.9, 80), (1.0, 160)):
        assert slide.read_region(40, 20, 30, 30, mpp=mpp)[15, 15].tolist() == [value] * 3
    assert slide.thumbnail(100)[0][30, 30].tolist() == [160] * 3


def test_masks_of_a_pyramid_are_no_levels(tmp_path):
    path = tmp_path / "image.tif"
    how = {"tile": (64, 64), "compression": "zlib", "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(np.full((256, 320, 3), 90, np.uint8), photometric="rgb", **how)
        for shape in ((256, 320), (128, 160)):
            mask = np.full(shape, 255, np.uint8)
            file.write(mask, subfiletype=1, photometric="minisblack", **how)
        file.write(np.full((64, 80, 3), 120, np.uint8), subfiletype=1, photometric="rgb", **how)
    with tifffile.TiffFile(path, mode="r+") as file:
        for page, kind in ((1, 4), (2, 5)):
            file.pages[page].tags["NewSubfileType"].overwrite(kind)
    slide = Slide(path, mpp=0.25)
    assert slide._opener.reader().downsamples == (1.0, 4.0)
    assert slide.read_region(40, 40, 20, 20, mpp=0.5)[10, 10].tolist() == [90] * 3
    assert slide.read_region(40, 40, 20, 20, mpp=1.0)[10, 10].tolist() == [120] * 3


@pytest.mark.parametrize(
    ("pixels", "how", "words"),
    [
        (RGB.astype(np.uint16) * 16, {}, "has 16-bit pixels; wants 8-bit grey or RGB"),
        (RGB.astype(np.float32), {}, "has 32-bit floating-point pixels"),
        (GREY.astype(np.int8), {"photometric": "minisblack"}, "has 8-bit signed pixels"),
        (RGB, {"photometric": "cielab"}, r"CIE L\*a\*b\*"),
        (RGB, {"photometric": "minisblack", "planarconfig": "contig"}, "3 channels, of which 1"),
        (np.concatenate([RGB, RGB], 2), {"extrasamples": [0, 0, 0]}, "6 channels, of which 3"),
    ],
)
def test_other_pixels_are_refused(write, pixels, how, words):
    path = write(pixels, **how)
    with pytest.raises(ValueError, match=words) as error:
        Slide(path).read_region(0, 0, 5, 5)
    text = str(error.value)
    assert text.startswith(repr(str(path)))
    assert "To convert it: " in text
    assert "\n" not in text


def test_samples_apart_from_each_other_are_one_image(tmp_path):
    """tifffile describes them as [3, height, width], three images of them as [3, 3, ...]."""
    apart = np.moveaxis(RGB, 2, 0).copy()
    how = {"photometric": "rgb", "planarconfig": "separate"}
    tifffile.imwrite(tmp_path / "one.tif", apart, **how)
    check(tmp_path / "one.tif", RGB)
    tifffile.imwrite(tmp_path / "two.tif", np.stack([apart] * 2), **how)
    with pytest.warns(UserWarning, match="has 2 images of one size; the first is read"):
        check(tmp_path / "two.tif", RGB)


@pytest.mark.parametrize("kind", ["ome", "imagej", "pages", "ome grey stack", "rgb pages"])
def test_channels_as_pages(tmp_path, kind):
    path = tmp_path / "image.ome.tif"
    channels = np.stack([GREY, 255 - GREY, GREY // 2])
    if kind == "ome":
        tifffile.imwrite(
            path, channels, ome=True, photometric="minisblack", metadata={"axes": "CYX"}
        )
    elif kind == "ome grey stack":
        tifffile.imwrite(
            path, channels, ome=True, photometric="minisblack", metadata={"axes": "ZYX"}
        )
        with pytest.warns(UserWarning, match="has 3 images of one size; the first is read"):
            check(path, np.stack([GREY] * 3, axis=2))
        return
    elif kind == "imagej":
        tifffile.imwrite(path, channels, imagej=True, metadata={"axes": "CYX"})
    elif kind == "pages":
        path = tmp_path / "image.tif"
        with tifffile.TiffWriter(path) as file:
            for channel in channels:
                file.write(channel, tile=(64, 64), compression="zlib", metadata=None)
    else:
        tifffile.imwrite(path, np.stack([RGB, 255 - RGB]), photometric="rgb", metadata=None)
        with pytest.warns(UserWarning, match="has 2 images of one size; the first is read"):
            check(path, RGB)
        return
    with pytest.raises(ValueError, match=r"has 3 channels or planes as images of their own; wants"):
        Slide(path).read_region(0, 0, 5, 5)


def test_a_thumbnail_in_front_of_the_slide_is_not_taken_for_it(tmp_path):
    path = tmp_path / "image.tif"
    with tifffile.TiffWriter(path) as file:
        for pixels in (RGB[::4, ::4], RGB):
            file.write(pixels, photometric="rgb", metadata=None)
    with pytest.raises(ValueError, match="the first of 38 x 25 px is smaller than another of 150"):
        open_reader(str(path))


def test_compressions_without_a_decoder_are_named(tmp_path):
    path = tiled_by_hand(tmp_path / "image.tif", lambda tile: zlib.compress(tile), 34887)
    with pytest.raises(ValueError, match=r"tiles compressed as LERC; wants JPEG, .* vips tiffsave"):
        open_reader(str(path))


def test_big_endian_and_big_tiff(tmp_path):
    for i, how in enumerate(({"byteorder": ">"}, {"bigtiff": True})):
        path = tmp_path / f"{i}.tif"
        tifffile.imwrite(path, RGB, photometric="rgb", rowsperstrip=9, metadata=None, **how)
        check(path, RGB)


def test_a_broken_strip_costs_its_rows_only(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, RGB, photometric="rgb", rowsperstrip=20, compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset, count = file.pages[0].dataoffsets[2], file.pages[0].databytecounts[2]
    data = bytearray(path.read_bytes())
    data[offset : offset + count] = bytes(count)
    path.write_bytes(data)
    slide = Slide(path)
    np.testing.assert_array_equal(slide.read_region(0, 0, 150, 40), RGB[:40])
    np.testing.assert_array_equal(slide.read_region(0, 60, 150, 40), RGB[60:])
    with pytest.raises(SlideReadError, match="x, y, width, height = 0, 40, 150, 20") as error:
        slide.read_region(30, 30, 20, 20)
    assert error.value.regions == ((0, 40, 150, 20),)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_tags_end_in_one_line(tmp_path, seed):
    path, rng = tmp_path / "image.tif", np.random.default_rng(seed)
    tifffile.imwrite(path, RGB, photometric="rgb", tile=(64, 64), compression="zlib")
    data = bytearray(path.read_bytes())
    for place in rng.integers(4, 400, 3):
        data[place] = rng.integers(256)
    path.write_bytes(data)
    text = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Slide(path).read_region(0, 0, 20, 20)
        except (ValueError, SlideReadError) as error:
            text = str(error)
    assert text is None or (text.startswith(repr(str(path))) and "\n" not in text)


def test_a_file_that_is_cut_off_while_it_is_read_is_not_white(tmp_path, monkeypatch):
    monkeypatch.setattr("stnclf.slides._read_errors._sleep", lambda _: None)
    path = tmp_path / "a.tif"
    how = {"extrasamples": ["unspecified"], "tile": (64, 64), "compression": "deflate"}
    tifffile.imwrite(path, np.dstack([RGB, ALPHA]), photometric="rgb", metadata=None, **how)
    reader = open_reader(str(path))
    with tifffile.TiffFile(path) as file:
        last = file.pages[0].dataoffsets[-1]  # the tile at 128, 64
    with open(path, "r+b") as file:
        file.truncate(last)
    np.testing.assert_array_equal(reader.read(0, 100, 64, 28, 36)[0], RGB[64:, 100:128])
    with pytest.raises(SlideReadError, match="0 were read"):
        reader.read(0, 130, 64, 20, 36)
