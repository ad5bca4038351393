"""Patches of slides that cannot be read everywhere, or not at first."""

import os

import numpy as np
import pytest

from stnclf.slides import Slide, SlideReadError, extract_patches, write_pyramid_tiff
from stnclf.slides import _read_errors as read_errors
from stnclf.slides._readers import SlideReader
from stnclf.slides._skipped import read_skipped

pytest.importorskip("openslide", reason="needs the extra [slides]")
tifffile = pytest.importorskip("tifffile", reason="needs the extra [slides]")

PIXELS = np.random.default_rng(8).integers(0, 256, (600, 900, 3), dtype=np.uint8)
#: Cells of two slides; of a.tif, the third lies in the broken tile and the fourth beside it.
CELLS = {
    "image": ["a.tif", "b.tif", "a.tif", "a.tif", "a.tif", "b.tif"],
    "x": [60.0, 300.0, 300.0, 238.0, 820.0, 700.0],
    "y": [40.0, 200.0, 200.0, 200.0, 560.0, 90.0],
    "label": list("uvwxyz"),
}
HOW = {"size": 24, "image_size": 24, "mpp": 0.25, "random_state": 3, "max_offset": 2}
BROKEN = ("a.tif", 256, 128, 128, 128)


@pytest.fixture
def root(tmp_path):
    """A folder of two slides; the tile of a.tif at 256, 128 is zeros."""
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in ("a.tif", "b.tif"):
        write_pyramid_tiff(PIXELS, folder / name, 0.25, 128, compression="deflate")
    with tifffile.TiffFile(folder / "a.tif") as file:
        number = 1 * 8 + 2  # eight tiles in a row
        offset, count = (
            values[number] for values in (file.pages[0].dataoffsets, file.pages[0].databytecounts)
        )
    with open(folder / "a.tif", "r+b") as file:
        file.seek(offset)
        file.write(bytes(count))
    return folder


def whole(folder):
    """What patches of slides without a fault are."""
    write_pyramid_tiff(PIXELS, folder / "a.tif", 0.25, 128, compression="deflate")
    return extract_patches(CELLS, folder, **HOW)


def without(rows):
    return {
        name: [v for i, v in enumerate(values) if i not in rows] for name, values in CELLS.items()
    }


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("to_file", [True, False])
def test_patches_beside_a_broken_tile_are_kept_and_the_others_left_out(
    root, tmp_path, n_jobs, to_file
):
    out = tmp_path / "X.npy" if to_file else None
    with pytest.warns(UserWarning, match="1 of 6 patches are left out") as warned:
        X, y, centers, groups = extract_patches(
            CELLS, root, **HOW, on_error="skip", n_jobs=n_jobs, out=out
        )
    assert "'a.tif' at x, y, width, height = 256, 128, 128, 128" in str(warned[0].message)
    kept = [0, 1, 3, 4, 5]
    assert y.tolist() == list("uvxyz")
    assert groups.tolist() == [CELLS["image"][i] for i in kept]
    if to_file:
        assert read_skipped(out) == [BROKEN]
        assert sorted(os.listdir(tmp_path)) == ["X.npy", "X.npy.skipped.csv", "slides"]
        np.testing.assert_array_equal(np.load(out), X)
    right = whole(root)
    np.testing.assert_array_equal(X, right[0][kept])
    np.testing.assert_array_equal(centers, right[2][kept])


def test_stopping_names_the_tile_keeps_progress_and_is_resumed_either_way(root, tmp_path):
    out = tmp_path / "X.npy"
    with pytest.raises(SlideReadError, match=r"a\.tif'.* = 256, 128, 128, 128 \(pixels of level 0"):
        extract_patches(CELLS, root, **HOW, out=out)
    assert (tmp_path / "X.npy.progress").exists()
    with pytest.warns(UserWarning, match="1 of 6 patches are left out"):
        X, *_ = extract_patches(CELLS, root, **HOW, out=out, resume=True, on_error="skip")
    right = whole(root)[0]
    np.testing.assert_array_equal(X, right[[0, 1, 3, 4, 5]])
    # Nothing is skipped any more, and nothing says so.
    np.testing.assert_array_equal(extract_patches(CELLS, root, **HOW, out=out)[0], right)
    assert not (tmp_path / "X.npy.skipped.csv").exists()


def test_patches_that_touch_nothing_broken_need_no_option(root):
    few = without([2])
    X, *_ = extract_patches(few, root, **HOW)
    assert X.shape == (5, 24, 24, 3)


def test_nothing_left_is_an_error(root):
    only = {name: values[2:3] for name, values in CELLS.items()}
    with pytest.raises(SlideReadError, match="no patch is left"):
        extract_patches(only, root, **HOW, on_error="skip")


def test_passing_errors_cost_a_wait(root, waits, monkeypatch):
    right, original, calls = whole(root), SlideReader.read, []

    def fail(self, *args):
        calls.append(args)
        if len(calls) <= 3:
            raise SlideReadError(self.path, "the network is away")
        return original(self, *args)

    monkeypatch.setattr(SlideReader, "read", fail)
    X, *_ = extract_patches(CELLS, root, **HOW)
    np.testing.assert_array_equal(X, right[0])
    assert waits == list(read_errors.WAITS)


def test_what_a_mirror_shows_may_be_broken_too(root, tmp_path):
    """The first patch ends at x=31, and its mirror image reaches to 368."""
    cells = {"image": ["a.tif"] * 2, "x": [2.0, 700.0], "y": [300.0, 300.0], "label": ["m", "n"]}
    how = {"size": 400, "image_size": 400, "mpp": 0.25, "max_offset": 200, "edge": "mirror"}
    how["random_state"] = 9
    with pytest.raises(SlideReadError, match=r"= 256, 128, 128, 128 \(pixels of level 0"):
        extract_patches(cells, root, **how, out=tmp_path / "X.npy")
    with pytest.warns(UserWarning, match="1 of 2 patches are left out"):
        X, y, *_ = extract_patches(
            cells, root, **how, out=tmp_path / "X.npy", resume=True, on_error="skip"
        )
    assert y.tolist() == ["n"]
    assert read_skipped(tmp_path / "X.npy") == [BROKEN]
    write_pyramid_tiff(PIXELS, root / "a.tif", 0.25, 128, compression="deflate")
    np.testing.assert_array_equal(extract_patches(cells, root, **how)[0][1:], X)


def test_a_slide_that_is_gone_stops_also_with_skip(root, tmp_path, monkeypatch):
    original = SlideReader.read

    def fail(self, *args):
        if "b.tif" in self.path:
            os.unlink(self.path) if os.path.exists(self.path) else None
            raise SlideReadError(self.path, "stale handle")
        return original(self, *args)

    monkeypatch.setattr(SlideReader, "read", fail)
    out = tmp_path / "X.npy"
    with pytest.raises(SlideReadError, match=r"b\.tif': cannot be read \(.*no such file"):
        extract_patches(without([2]), root, **HOW, out=out, on_error="skip")
    assert (tmp_path / "X.npy.progress").exists()


def test_a_broken_overview_is_taken_for_tissue(root):
    from stnclf.slides._tissue import find_slide_tissue

    white = np.full((600, 900, 3), 255, np.uint8)
    Slide(white)
    path = root / "white.tif"
    write_pyramid_tiff(white, path, 8.0, 128, compression="deflate")
    with tifffile.TiffFile(path) as file:
        offset, count = file.pages[0].dataoffsets[10], file.pages[0].databytecounts[10]
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(bytes(count))
    with pytest.raises(SlideReadError):
        find_slide_tissue(Slide(path), True)
    tissue = find_slide_tissue(Slide(path), True, read_errors.read_around)
    inside = [[256, 128, 384, 256], [0, 0, 200, 100], [500, 300, 900, 600]]
    assert tissue.touches(inside).tolist() == [True, False, False]
