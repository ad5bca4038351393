"""Pyramid TIFF files: what other programs read back, and what is left behind."""

import os
import sys
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from stnclf.slides import _pyramid, write_pyramid_tiff

openslide = pytest.importorskip("openslide", reason="needs the extra [slides]")
tifffile = pytest.importorskip("tifffile", reason="needs the extra [slides]")

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (219, 333, 3), dtype=np.uint8)


def smooth(height=219, width=333):
    y, x = np.mgrid[:height, :width]
    return np.stack([x % 256, y % 256, (x + y) // 3 % 256], axis=2).astype(np.uint8)


def test_deflate_keeps_every_pixel(tmp_path):
    path = tmp_path / "slide.tif"
    write_pyramid_tiff(NOISE, path, 0.25, 64, compression="deflate")
    with openslide.OpenSlide(path) as slide:
        assert slide.level_dimensions == ((333, 219), (167, 110), (84, 55), (42, 28))
        assert slide.properties["openslide.level[0].tile-width"] == "64"
        pixels = np.asarray(slide.read_region((0, 0), 0, (333, 219)))
    np.testing.assert_array_equal(pixels[:, :, :3], NOISE)
    assert (pixels[:, :, 3] == 255).all()
    np.testing.assert_array_equal(tifffile.imread(path), NOISE)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), NOISE)


def test_jpeg_is_small_and_close(tmp_path):
    image = np.tile(smooth(200, 250), (2, 2, 1))
    for name in ("jpeg", "deflate"):
        write_pyramid_tiff(image, tmp_path / name, 0.25, compression=name)
    write_pyramid_tiff(image, tmp_path / "low", 0.25, quality=30)
    size = {name: (tmp_path / name).stat().st_size for name in ("jpeg", "deflate", "low")}
    assert size["low"] < size["jpeg"] < 0.3 * image.nbytes
    with openslide.OpenSlide(tmp_path / "jpeg") as slide:
        pixels = np.asarray(slide.read_region((0, 0), 0, (500, 400)))[:, :, :3].astype(int)
    assert np.abs(pixels - image).mean() < 2
    # Red and blue are where they were.
    assert abs((pixels - image).mean(axis=(0, 1))).max() < 0.5
    other = np.asarray(Image.open(tmp_path / "jpeg").convert("RGB")).astype(int)
    assert np.abs(other - pixels).mean() < 1


def test_every_level_is_the_mean_of_the_one_before(tmp_path):
    path = tmp_path / "slide.tif"
    write_pyramid_tiff(NOISE, path, 0.25, 48, compression="deflate")
    with tifffile.TiffFile(path) as file:
        levels = [page.asarray().astype(float) for page in file.pages]
    assert [level.shape[:2] for level in levels] == [(219, 333), (110, 167), (55, 84), (28, 42)]
    for fine, coarse in pairwise(levels):
        for y, x in ((0, 0), (7, 20), (coarse.shape[0] - 1, coarse.shape[1] - 1)):
            square = fine[2 * y : 2 * y + 2, 2 * x : 2 * x + 2]  # smaller at odd ends
            assert np.abs(coarse[y, x] - square.mean(axis=(0, 1))).max() <= 0.5


@pytest.mark.parametrize("compression", ["jpeg", "deflate"])
def test_resolution_is_written(tmp_path, compression):
    path = tmp_path / "slide.tif"
    write_pyramid_tiff(NOISE, path, 0.2431, 64, compression=compression)
    with openslide.OpenSlide(path) as slide:
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.2431, rel=1e-6)
        assert float(slide.properties["openslide.mpp-y"]) == pytest.approx(0.2431, rel=1e-6)
    with tifffile.TiffFile(path) as file:
        unit = [page.tags["ResolutionUnit"].value for page in file.pages]
        per_cm = [np.divide(*page.tags["XResolution"].value) for page in file.pages]
        reduced = [page.is_reduced for page in file.pages]
        compressions = {page.tags["Compression"].value for page in file.pages}
    assert set(unit) == {3}
    np.testing.assert_allclose(1e4 / np.array(per_cm), 0.2431 * 2.0 ** np.arange(4), rtol=1e-6)
    assert reduced == [False, True, True, True]
    assert compressions == {7 if compression == "jpeg" else 8}


def test_an_image_of_one_tile_is_one_level(tmp_path):
    write_pyramid_tiff(smooth(20, 30), tmp_path / "slide.tif", 1.0)
    with openslide.OpenSlide(tmp_path / "slide.tif") as slide:
        assert slide.level_dimensions == ((30, 20),)


def test_large_files_are_bigtiff(tmp_path, monkeypatch):
    for limit, version in ((10**9, 42), (10**5, 43)):
        monkeypatch.setattr(_pyramid, "_BIG", limit)
        write_pyramid_tiff(NOISE, tmp_path / "slide.tif", 0.25, compression="deflate")
        assert (tmp_path / "slide.tif").read_bytes()[2] == version
        with openslide.OpenSlide(tmp_path / "slide.tif") as slide:
            assert slide.dimensions == (333, 219)


def test_memory_mapped_and_borrowed_arrays_are_fine(tmp_path):
    np.save(tmp_path / "image.npy", NOISE)
    mapped = np.load(tmp_path / "image.npy", mmap_mode="r")
    write_pyramid_tiff(mapped[:, ::-1], tmp_path / "a.tif", 0.25, compression="deflate")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), NOISE[:, ::-1])
    plain = np.broadcast_to(np.uint8([200, 100, 50]), (300, 400, 3))
    write_pyramid_tiff(plain, tmp_path / "b.tif", 0.25, compression="deflate")
    assert (tifffile.imread(tmp_path / "b.tif") == plain).all()


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "slide.tif"
    path.write_bytes(b"precious")
    monkeypatch.setattr("stnclf.slides._pyramid._jpeg", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_pyramid_tiff(NOISE, path, 0.25)
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["slide.tif"]


def test_success_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "slide.tif"
    path.write_bytes(b"old")
    write_pyramid_tiff(NOISE, str(path), 0.25)
    assert os.listdir(tmp_path) == ["slide.tif"]
    assert openslide.OpenSlide.detect_format(path) == "generic-tiff"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": NOISE.astype(float)}, "image: got float64"),
        ({"image": NOISE[:, :, 0]}, "image: got shape"),
        ({"mpp": 0}, "mpp: got 0"),
        ({"mpp": "x"}, "mpp: got 'x'"),
        ({"tile": 100}, "tile: got 100"),
        ({"tile": 256.0}, "tile: got 256.0"),
        ({"compression": "lzw"}, "compression: got 'lzw'"),
        ({"quality": 0}, "quality: got 0"),
    ],
)
def test_bad_arguments_write_nothing(tmp_path, change, message):
    arguments = {"image": NOISE, "path": tmp_path / "slide.tif", "mpp": 0.25, **change}
    with pytest.raises((TypeError, ValueError), match=message):
        write_pyramid_tiff(**arguments)
    assert not os.listdir(tmp_path)


def test_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)  # its import fails
    with pytest.raises(ImportError, match=r"stnclf\[slides\]"):
        write_pyramid_tiff(NOISE, tmp_path / "slide.tif", 0.25)
