"""Slides as users open them: sizes, resolution, tissue, copies, processes, threads, memory."""

import copy
import os
import pickle
import struct
import subprocess
import sys
import textwrap
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stnclf
from stnclf.datasets import make_slide
from stnclf.slides import Slide, write_pyramid_tiff
from stnclf.slides._read_errors import SlideReadError

SHARED = Path(__file__).resolve().parents[3] / "shared/data"


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory):
    """A lossless pyramid TIFF of 700 x 500 px at 0.25 um per pixel: path, pixels."""
    pytest.importorskip("openslide", reason="needs the extra [slides]")
    pytest.importorskip("tifffile", reason="needs the extra [slides]")
    path = tmp_path_factory.mktemp("slides") / "slide.tif"
    pixels, _, _ = make_slide((500, 700), random_state=0)
    write_pyramid_tiff(pixels, path, 0.25, 128, compression="deflate")
    return path, pixels


def blob(x, y, height=300, width=400, spread=9.0):
    """A dark spot with its middle at (x, y) on white."""
    yy, xx = np.mgrid[:height, :width]
    dark = 220 * np.exp(-0.5 * ((xx - x) ** 2 + (yy - y) ** 2) / spread**2)
    return np.repeat((255 - dark).round().astype(np.uint8)[:, :, None], 3, axis=2)


def middle(region):
    """Where the middle of darkness is, in pixels of the region."""
    dark = 255.0 - region[:, :, 1]
    dark[dark < 4] = 0
    y, x = np.mgrid[: dark.shape[0], : dark.shape[1]]
    return np.array([(dark * x).sum(), (dark * y).sum()]) / dark.sum()


def test_size_is_width_and_height(pyramid):
    path, _ = pyramid
    assert Slide(path).size == (700, 500)
    assert Slide(str(path)).path == str(path)
    array = Slide(np.zeros((20, 30, 3), np.uint8))
    assert array.size == (30, 20)
    assert array.path is None


def test_regions_of_a_pyramid_are_its_pixels(pyramid):
    path, pixels = pyramid
    slide = Slide(path)
    np.testing.assert_array_equal(slide.read_region(130, 60, 200, 90), pixels[60:150, 130:330])
    np.testing.assert_array_equal(
        slide.read_region(130, 60, 200, 90, mpp=0.25), pixels[60:150, 130:330]
    )
    half = pixels.reshape(250, 2, 350, 2, 3).mean(axis=(1, 3))
    region = slide.read_region(100, 80, 120, 70, mpp=0.5)
    assert np.abs(region - half[40:110, 50:170]).max() <= 0.5


@pytest.mark.parametrize("mpp", [0.125, 0.25, 0.3, 0.5, 0.7, 1.0, 1.9, 2.0])
@pytest.mark.parametrize("kind", ["array", "pyramid"])
def test_a_spot_is_where_it_belongs_at_every_resolution(tmp_path, kind, mpp):
    center = np.array([231.3, 118.6])
    image = blob(*center)
    slide = Slide(image, mpp=0.25)
    if kind == "pyramid":
        pytest.importorskip("openslide", reason="needs the extra [slides]")
        pytest.importorskip("tifffile", reason="needs the extra [slides]")
        write_pyramid_tiff(image, tmp_path / "a.tif", 0.25, 64, compression="deflate")
        slide = Slide(tmp_path / "a.tif")
    for x, y in ((150, 40), (151.5, 43.25)):
        scale = slide.scale(mpp)
        assert scale == pytest.approx(mpp / 0.25)
        region = slide.read_region(x, y, int(170 / scale), int(150 / scale), mpp)
        found = (x, y) + (middle(region) + 0.5) * scale - 0.5
        np.testing.assert_allclose(found, center, atol=0.04 * max(2, scale))


def test_given_resolution_beats_that_of_the_file(pyramid, tmp_path):
    path, _ = pyramid
    assert Slide(path).mpp == pytest.approx(0.25)
    assert Slide(path, mpp=0.5).mpp == 0.5
    assert Slide(path, mpp=0.5).scale(2) == 4.0
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png", dpi=(50_800, 50_800))
    assert Slide(tmp_path / "a.png").mpp == pytest.approx(0.5, rel=1e-4)


def test_missing_resolution_is_an_error_only_where_it_is_needed(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30), "pink").save(path, dpi=(72, 72))
    slide = Slide(path)
    assert slide.size == (40, 30)
    assert slide.scale() == 1.0
    assert slide.read_region(2, 3, 10, 9).shape == (9, 10, 3)
    assert slide.thumbnail(10)[0].shape == (8, 10, 3)
    for act in (
        lambda: slide.mpp,
        lambda: slide.scale(0.5),
        lambda: slide.read_region(0, 0, 5, 5, mpp=0.5),
        lambda: slide.tissue_mask(),
    ):
        with pytest.raises(ValueError, match=r"a\.png': has no usable resolution.*pass mpp="):
            act()
    with pytest.raises(ValueError, match="array of 7 x 5 px: has no usable resolution"):
        _ = Slide(np.zeros((5, 7, 3), np.uint8)).mpp


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("no/such.svs", FileNotFoundError, "'no/such.svs': there is no such file"),
        (5, TypeError, "path: got int"),
        (None, TypeError, "path: got NoneType"),
        (np.zeros((5, 5, 3)), TypeError, "path: got float64"),
        (np.zeros((5, 5), np.uint8), ValueError, "path: got shape"),
    ],
)
def test_what_is_no_slide_is_refused_at_once(path, kind, message):
    with pytest.raises(kind, match=message):
        Slide(path)


@pytest.mark.parametrize("mpp", [0, -0.25, np.nan, "0.25"])
def test_resolution_must_be_positive(mpp):
    slide = Slide(np.zeros((20, 30, 3), np.uint8), mpp=0.25)
    for act in (
        lambda: Slide(np.zeros((5, 5, 3), np.uint8), mpp=mpp),
        lambda: slide.scale(mpp),
        lambda: slide.read_region(0, 0, 5, 5, mpp=mpp),
        lambda: slide.tissue_mask(mpp),
    ):
        with pytest.raises((TypeError, ValueError), match="mpp: got"):
            act()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.nan}, "x: got nan"),
        ({"y": np.inf}, "y: got inf"),
        ({"y": "1"}, "y: got '1'"),
        ({"width": 0}, "width: got 0"),
        ({"height": 2.5}, "height: got 2.5"),
    ],
)
def test_bad_regions_are_refused(change, message):
    slide = Slide(np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(ValueError, match=message):
        slide.read_region(**{"x": 0, "y": 0, "width": 5, "height": 5, **change})


def test_files_are_opened_when_they_are_wanted(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("not an image")
    slide = Slide(path)
    assert repr(slide) == f"Slide({str(path)!r}, mpp=None)"
    with pytest.raises(ValueError, match="cannot be read as a slide or image"):
        _ = slide.size
    Image.new("RGB", (20, 10)).save(path)
    assert slide.size == (20, 10)


def test_the_working_directory_may_change(pyramid, tmp_path, monkeypatch):
    path, pixels = pyramid
    monkeypatch.chdir(path.parent)
    slide = Slide(path.name)
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(slide.read_region(0, 0, 50, 40), pixels[:40, :50])
    assert slide.path == path.name


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("kind", ["pyramid", "array", "png"])
def test_copies_and_pickles_work(pyramid, tmp_path, kind, opened):
    path, pixels = pyramid
    if kind == "png":
        path = tmp_path / "a.png"
        Image.fromarray(pixels).save(path)
    slide = Slide(pixels if kind == "array" else path, mpp=0.3)
    if opened:
        slide.read_region(0, 0, 5, 5)
    for other in (pickle.loads(pickle.dumps(slide)), copy.deepcopy(slide), copy.copy(slide)):
        assert other.mpp == 0.3
        assert other.path == slide.path
        np.testing.assert_array_equal(other.read_region(9, 8, 50, 40), pixels[8:48, 9:59])
        other.close()
    np.testing.assert_array_equal(slide.read_region(9, 8, 50, 40), pixels[8:48, 9:59])
    if kind != "array":
        assert len(pickle.dumps(slide)) < 1000


def test_a_context_closes_and_a_closed_slide_opens_again(pyramid):
    path, pixels = pyramid
    with Slide(path) as slide:
        slide.read_region(0, 0, 50, 40)
        reader = weakref.ref(slide._opener.reader())
        assert reader() is not None
    assert reader() is None
    np.testing.assert_array_equal(slide.read_region(0, 0, 50, 40), pixels[:40, :50])


def test_threads_share_a_slide(pyramid):
    path, pixels = pyramid
    slide = Slide(path)
    rng = np.random.default_rng(0)
    places = rng.integers(0, (600, 400), (200, 2)).tolist()

    def same(place):
        x, y = place
        if x % 10 == 0:
            slide.close()  # what another thread has closed is opened again
        region = slide.read_region(x, y, 90, 80)
        return np.array_equal(region, pixels[y : y + 80, x : x + 90])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(same, places))


def run(code, *arguments):
    """Run code in a fresh interpreter; give what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(Path(stnclf.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_reads_too(pyramid):
    path, pixels = pyramid
    np.save(path.with_suffix(".npy"), pixels)
    code = """
        import os, sys
        import numpy as np
        from stnclf.slides import Slide

        slide, pixels = Slide(sys.argv[1]), np.load(sys.argv[2])
        slide.read_region(0, 0, 10, 10)
        child = os.fork()
        rng = np.random.default_rng(child == 0)
        # Both read at once; with one position in the file they would get each other's tiles.
        right = 0
        for x, y in rng.integers(0, (600, 400), (400, 2)):
            region = slide.read_region(int(x), int(y), 90, 80)
            right += np.array_equal(region, pixels[y : y + 80, x : x + 90])
        if child == 0:
            os._exit(0 if right == 400 else 1)
        print(right, os.waitpid(child, 0)[1])
    """
    assert run(code, path, path.with_suffix(".npy")) == "400 0"


def test_thumbnails_fit_and_say_their_scale(pyramid):
    path, pixels = pyramid
    for source in (path, pixels):
        image, scale = Slide(source).thumbnail(100)
        assert image.shape == (72, 100, 3)
        assert scale == 7.0
        expected = pixels[:497].reshape(71, 7, 100, 7, 3).mean(axis=(1, 3))
        assert np.abs(image[1:70, 1:-1] - expected[1:70, 1:-1]).mean() < 6
    image, scale = Slide(pixels).thumbnail(5000)
    assert scale == 1.0
    np.testing.assert_array_equal(image, pixels)
    assert Slide(pixels).thumbnail(1)[0].shape == (1, 1, 3)
    for bad in (0, 2.5, "x"):
        with pytest.raises(ValueError, match="max_size: got"):
            Slide(pixels).thumbnail(bad)


@pytest.mark.parametrize("share", [0.3, 0.75, 1.0])
def test_tissue_mask_finds_the_cells_and_the_glass(share):
    pixels, truth, mpp = make_slide((1600, 2400), tissue=share, random_state=3)
    mask, scale = Slide(pixels, mpp=mpp).tissue_mask()
    assert scale == 32.0
    assert mask.dtype == bool
    assert mask.shape == (50, 75)
    rows, columns = ((truth[axis] + 0.5) // scale for axis in "yx")
    assert mask[rows.astype(int), columns.astype(int)].mean() > 0.995
    assert share - 0.1 < mask.mean() < share + 0.15
    finer, scale = Slide(pixels, mpp=mpp).tissue_mask(4.0)
    assert scale == 16.0
    assert finer.shape == (100, 150)


def test_tissue_mask_of_a_corner_is_in_that_corner():
    pixels = np.full((600, 1000, 3), 245, np.uint8)
    pixels[:100, 700:] = (190, 90, 150)
    mask, scale = Slide(pixels, mpp=0.5).tissue_mask(10)
    assert scale == 20.0
    assert mask.shape == (30, 50)
    assert mask[:5, 35:].all()
    assert not mask[8:].any()
    assert not mask[:, :32].any()


def test_a_damaged_tile_is_one_line_and_the_rest_can_be_read(pyramid, tmp_path):
    path, pixels = pyramid
    data = bytearray(Path(path).read_bytes())
    offset = first_tile(path)
    data[offset : offset + 500] = b"?" * 500
    damaged = tmp_path / "damaged.tif"
    damaged.write_bytes(data)
    slide = Slide(damaged)
    with pytest.raises(SlideReadError, match=r"damaged\.tif': cannot be read at x, y") as error:
        slide.read_region(0, 0, 50, 40)
    assert "\n" not in str(error.value)
    assert error.value.regions == ((0, 0, 128, 128),)
    np.testing.assert_array_equal(slide.read_region(300, 200, 50, 40), pixels[200:240, 300:350])


def first_tile(path):
    import tifffile

    with tifffile.TiffFile(path) as file:
        return file.pages[0].dataoffsets[0]


def test_memory_does_not_grow_with_the_slide(tmp_path):
    pytest.importorskip("openslide", reason="needs the extra [slides]")
    pytest.importorskip("tifffile", reason="needs the extra [slides]")
    pytest.importorskip("resource", reason="the system does not tell the peak of memory")
    path = tmp_path / "large.tif"
    # 10,000 x 10,000 px, 300 MB: repeated rows take no room.
    row = np.random.default_rng(0).integers(0, 256, (1, 10_000, 3), dtype=np.uint8)
    write_pyramid_tiff(np.broadcast_to(row, (10_000, 10_000, 3)), path, 0.25, 512)
    code = """
        import resource, sys
        import numpy as np
        from stnclf.slides import Slide, extract_patches
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        Slide(np.zeros((9, 9, 3), np.uint8), mpp=1).tissue_mask()
        import openslide
        before = peak()
        slide = Slide(sys.argv[1])
        slide.tissue_mask()
        slide.thumbnail(1000)
        slide.read_region(0, 0, 1500, 1500, mpp=0.4)
        points = np.random.default_rng(0).uniform(0, 9999, (2, 100))
        table = {"image": ["large.tif"] * 100, "x": points[0], "y": points[1], "label": [0] * 100}
        extract_patches(table, sys.argv[2], size=64, mpp=0.25)
        print(peak() - before)
    """
    # Mebibytes; level 0 alone would be 286.
    assert float(run(code, path, tmp_path)) < 130


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not there")
def test_real_images_are_read_as_they_are():
    folder = SHARED / "bccd/JPEGImages"
    for path in sorted(folder.iterdir())[:3]:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        slide = Slide(path, mpp=0.2)
        assert slide.size == (640, 480)
        np.testing.assert_array_equal(slide.read_region(0, 0, 640, 480), pixels)
        assert slide.tissue_mask(1.6)[0].shape == (60, 80)


def test_an_overview_of_too_much_is_refused(tmp_path):
    """One real tile, and a header that claims 100,000 x 100,000 px without smaller levels."""
    path = tmp_path / "claims.tif"
    side = 100_000 // 256 + 1
    tags = {
        256: ("I", [100_000]),
        257: ("I", [100_000]),
        258: ("H", [8, 8, 8]),
        259: ("H", [1]),
        262: ("H", [2]),
        277: ("H", [3]),
        322: ("I", [256]),
        323: ("I", [256]),
        324: ("I", [8] + [0] * (side**2 - 1)),
        325: ("I", [256 * 256 * 3] + [0] * (side**2 - 1)),
    }
    write_tiff(path, tags, b"\x80" * (256 * 256 * 3))
    with Slide(path, mpp=0.25) as slide:
        assert slide.size == (100_000, 100_000)
        assert slide.read_region(0, 0, 2, 2)[0, 0].tolist() == [128, 128, 128]
        with pytest.raises(ValueError, match=r"claims\.tif.*100000 x 100000 px.*pyramid"):
            slide.tissue_mask()
        with pytest.raises(ValueError, match="pyramid"):
            slide.thumbnail()


def write_tiff(path, tags, data):
    """Write a little-endian TIFF: its data, what does not fit into an entry, and one directory."""
    values, entries = b"", b""
    start = 8 + len(data)
    for tag, (kind, numbers) in sorted(tags.items()):
        content = struct.pack(f"<{len(numbers)}{kind}", *numbers)
        if len(content) > 4:
            place = struct.pack("<I", start + len(values))
            values += content + b"\0" * (len(content) % 2)
        else:
            place = content.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, {"H": 3, "I": 4}[kind], len(numbers)) + place
    directory = struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    header = b"II" + struct.pack("<HI", 42, start + len(values))
    path.write_bytes(header + data + values + directory)
