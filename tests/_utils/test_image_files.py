"""Image files: right colours, or an error that says what is in the file."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from stnclf._utils.image_files import check_depth, load_images, orientation_of, over_white

tifffile = pytest.importorskip("tifffile")

HEIGHT, WIDTH = 5, 7


@pytest.fixture
def rgb():
    return np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def deep_png(path, pixels):
    """A PNG of 16 bits, which Pillow cannot write."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, {3: 2, 4: 6}[pixels.shape[2]], 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


@pytest.mark.parametrize("channels", [3, 4])
def test_png_of_16_bits_is_refused(channels, tmp_path):
    path = tmp_path / "deep.png"
    deep_png(path, np.full((HEIGHT, WIDTH, channels), 700, np.uint16))
    with Image.open(path) as image:
        assert image.mode in ("RGB", "RGBA")  # Pillow cuts the lower bits without a word
    with pytest.raises(ValueError, match=r"X\[0\], '.*deep\.png': has 16-bit pixels, wants 8-bit"):
        load_images([path])
    image = Image.open(path)
    with pytest.raises(ValueError, match=r"X\[0\]: has 16-bit pixels"):
        load_images([image])
    image.load()
    with pytest.raises(ValueError, match=r"X\[0\]: has 16-bit pixels"):
        load_images([image])


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"planarconfig": "separate"}])
def test_tiff_of_16_bits_is_refused(options, rgb, tmp_path):
    path, pixels = tmp_path / "deep.tif", rgb.astype(np.uint16) * 257
    if "planarconfig" in options:
        pixels = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    tifffile.imwrite(path, pixels, photometric="rgb", **options)
    with pytest.raises(ValueError, match=r"X\[0\], '.*deep\.tif': has 16-bit pixels; wants 8-bit"):
        load_images([path])


def test_ppm_of_16_bits_is_refused(rgb, tmp_path):
    path = tmp_path / "deep.ppm"
    data = (rgb.astype(np.uint16) * 257).astype(">u2").tobytes()
    path.write_bytes(f"P6 {WIDTH} {HEIGHT} 65535\n".encode() + data)
    with pytest.raises(ValueError, match=r"deep\.ppm': has 16-bit pixels"):
        load_images([path])


def test_bits_of_jpeg_2000_are_those_of_its_header(rgb, tmp_path):
    path = tmp_path / "cells.jp2"
    Image.fromarray(rgb).save(path, irreversible=False)
    np.testing.assert_array_equal(load_images([path])[0], rgb)
    data = path.read_bytes()
    place = data.index(b"\xff\x4f\xff\x51") + 42
    assert data[place] == 7  # bits less one
    path.write_bytes(data[:place] + b"\x0b" + data[place + 1 :])
    with pytest.raises(ValueError, match="has 12-bit pixels"):
        load_images([path])


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"rowsperstrip": 2}])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_is_not_applied_and_said(turn, big, options, rgb, tmp_path):
    path = tmp_path / "turned.tif"
    tags = [(274, 3, 1, turn, True)]
    tifffile.imwrite(
        path, rgb, photometric="rgb", extratags=tags, bigtiff=big, compression="zlib", **options
    )
    if turn == 1:
        out = load_images([path])
    else:
        with pytest.warns(UserWarning, match=rf"orientation \({turn}\) is not applied"):
            out = load_images([path])
    np.testing.assert_array_equal(out[0], rgb)


def test_orientation_of_several_files_is_one_warning(rgb, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        Image.fromarray(rgb).save(path, exif=exif)
    with pytest.warns(UserWarning, match=r"0\.png'.*\(6\) is not applied \(2 more") as found:
        out = load_images(paths)
    assert len(found) == 1
    np.testing.assert_array_equal(out, np.stack([rgb] * 3))
    assert orientation_of(Image.open(paths[0])) == 6


def test_transparent_pixels_lie_over_white(rgb, tmp_path):
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[1, 2], alpha[3, 4] = 0, 51  # a fifth
    rgb[3, 4] = 100, 0, 255
    path = tmp_path / "alpha.png"
    Image.fromarray(np.concatenate([rgb, alpha], axis=2)).save(path)
    wanted = rgb.copy()
    wanted[1, 2] = 255
    wanted[3, 4] = 224, 204, 255  # 100/5 + 4/5 of 255, and so on
    np.testing.assert_array_equal(load_images([path])[0], wanted)
    np.testing.assert_array_equal(load_images([Image.open(path)])[0], wanted)
    np.testing.assert_array_equal(over_white(np.concatenate([rgb, alpha], axis=2)), wanted)


@pytest.mark.parametrize(("extra", "covered"), [("unspecified", False), ("unassalpha", True)])
def test_a_fourth_channel_is_alpha_where_the_file_says_so(extra, covered, rgb, tmp_path):
    four = np.concatenate([rgb, np.zeros((HEIGHT, WIDTH, 1), np.uint8)], axis=2)
    path = tmp_path / "four.tif"
    tifffile.imwrite(path, four, photometric="rgb", extrasamples=[extra])
    np.testing.assert_array_equal(
        load_images([path])[0], np.full_like(rgb, 255) if covered else rgb
    )


def test_channels_as_pages_are_refused(rgb, tmp_path):
    path = tmp_path / "pages.ome.tif"
    tifffile.imwrite(
        path, rgb.transpose(2, 0, 1), photometric="minisblack", metadata={"axes": "CYX"}
    )
    with pytest.raises(ValueError, match=r"pages\.ome\.tif': has 3 channels or planes"):
        load_images([path])


def test_palettes_and_inks(rgb, tmp_path):
    palette = Image.fromarray(rgb[..., 0]).convert("P")
    palette.putpalette([value for i in range(256) for value in (i, 255 - i, 7)])
    palette.save(tmp_path / "palette.png")
    red = rgb[..., :1]
    wanted = np.concatenate([red, 255 - red, np.full_like(red, 7)], axis=2)
    np.testing.assert_array_equal(load_images([tmp_path / "palette.png"])[0], wanted)
    # No black: what is left of each light.
    inks = np.concatenate([rgb, np.zeros_like(red)], axis=2)
    Image.fromarray(inks, "CMYK").save(tmp_path / "inks.tif")
    np.testing.assert_array_equal(load_images([tmp_path / "inks.tif"])[0], 255 - rgb)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for name, kind in (("pipe.png", "pipe or device"), (".", "folder")):
        with pytest.raises(ValueError, match=rf"X\[0\], .*: is a {kind}, wants an image file"):
            load_images([tmp_path / name])
    for name in ("none.png", "", "a\0b"):
        with pytest.raises(ValueError, match="there is no such file"):
            load_images([name])


def test_depth_of_an_image_from_memory(rgb):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    assert check_depth(Image.open(file)) == ""
    assert "mode 'F'" in check_depth(Image.new("F", (2, 2)))
