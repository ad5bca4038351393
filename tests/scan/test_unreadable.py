"""Scans of slides that cannot be read everywhere, or not at first."""

import os

import numpy as np
import pytest

from stnclf import STNCellClassifier
from stnclf.scan import scan, scan_slides
from stnclf.slides import SlideReadError, write_pyramid_tiff
from stnclf.slides import _read_errors as read_errors
from stnclf.slides._readers import SlideReader
from stnclf.slides._skipped import read_skipped
from tests.conftest import QUICK, make_blobs

pytest.importorskip("openslide", reason="needs the extra [slides]")
tifffile = pytest.importorskip("tifffile", reason="needs the extra [slides]")

HOW = {"mpp": 0.25, "min_probability": 0, "nms_radius_um": 0.01, "tile_size": 100, "tissue": False}
#: The tile of the slide that is broken: x, y, width, height.
BROKEN = (128, 64, 64, 64)


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    waited = []
    monkeypatch.setattr(read_errors, "_sleep", waited.append)
    return waited


@pytest.fixture(scope="module")
def clf():
    X, y, centers = make_blobs(16, 24, 24)
    return STNCellClassifier(**QUICK, tta=False).fit(X, y, centers=centers)


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    """A slide, and the same with a broken tile."""
    folder = tmp_path_factory.mktemp("slides")
    pixels = np.random.default_rng(4).integers(0, 256, (200, 260, 3), dtype=np.uint8)
    for name in ("whole.tif", "broken.tif"):
        write_pyramid_tiff(pixels, folder / name, 0.25, 64, compression="deflate")
    with tifffile.TiffFile(folder / "broken.tif") as file:
        number = 1 * 5 + 2  # five tiles in a row
        offset, count = file.pages[0].dataoffsets[number], file.pages[0].databytecounts[number]
    with open(folder / "broken.tif", "r+b") as file:
        file.seek(offset)
        file.write(bytes(count))
    return folder


def rows(table):
    return {(*row,) for row in table.drop(columns="image").itertuples(index=False)}


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_what_lies_beside_a_broken_tile_is_found(clf, slides, tmp_path, n_jobs):
    out = tmp_path / "a.csv"
    with pytest.warns(UserWarning, match="cannot be read and was skipped"):
        table = scan(clf, slides / "broken.tif", **HOW, on_error="skip", n_jobs=n_jobs, out=out)
    whole = scan(clf, slides / "whole.tif", **HOW)
    assert whole.attrs["skipped"] == []
    skipped = table.attrs["skipped"]
    assert read_skipped(out) == skipped
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "a.csv.json", "a.csv.skipped.csv"]
    # All of the tile is within what was skipped, and not much else: patches are 24 px wide.
    area = np.zeros((200, 260), dtype=int)
    for name, x, y, width, height in skipped:
        assert name == "broken.tif"
        area[y : y + height, x : x + width] = 1
    x, y, width, height = BROKEN
    assert area[y : y + height, x : x + width].all()
    assert area.sum() < (width + 2 * 70) * (height + 2 * 66)
    assert rows(table) < rows(whole)
    for row in rows(whole) - rows(table):
        near = area[max(0, int(row[1]) - 16) : int(row[1]) + 17]
        assert near[:, max(0, int(row[0]) - 16) : int(row[0]) + 17].any()


def test_stopping_keeps_progress_and_is_resumed(clf, slides, tmp_path):
    out = tmp_path / "a.csv"
    with pytest.raises(SlideReadError, match=r"broken\.tif'.* = 128, 64, 64, 64") as error:
        scan(clf, slides / "broken.tif", **HOW, out=out)
    assert error.value.regions == (BROKEN,)
    assert (tmp_path / "a.csv.progress").exists()
    with pytest.warns(UserWarning, match="was skipped"):
        table = scan(clf, slides / "broken.tif", **HOW, out=out, resume=True, on_error="skip")
    with pytest.warns(UserWarning, match="was skipped"):
        again = scan(clf, slides / "broken.tif", **HOW, on_error="skip")
    assert rows(table) == rows(again)
    assert not (tmp_path / "a.csv.progress").exists()


def test_passing_errors_cost_a_wait(clf, slides, waits, monkeypatch):
    right, original, calls = scan(clf, slides / "whole.tif", **HOW), SlideReader.read, []

    def fail(self, *args):
        calls.append(args)
        if 2 <= len(calls) <= 4:
            raise SlideReadError(self.path, "the network is away")
        return original(self, *args)

    monkeypatch.setattr(SlideReader, "read", fail)
    table = scan(clf, slides / "whole.tif", **HOW)
    assert waits == list(read_errors.WAITS)
    np.testing.assert_array_equal(table.to_numpy(), right.to_numpy())


def test_other_slides_go_on_and_tables_say_what_was_skipped(clf, slides, tmp_path):
    names = [slides / "whole.tif", slides / "broken.tif"]
    with pytest.raises(SlideReadError, match=r"broken\.tif'"):
        scan_slides(clf, names, **HOW, out=tmp_path)
    assert sorted(os.listdir(tmp_path))[0] == "broken.csv.progress"
    with pytest.warns(UserWarning, match="was skipped"):
        scan_slides(clf, names, **HOW, out=tmp_path, resume=True, on_error="skip")
    whole, broken = scan_slides(clf, names, **HOW, out=tmp_path, resume=True)
    assert whole.attrs["skipped"] == []
    assert broken.attrs["skipped"][0][0] == "broken.tif"
