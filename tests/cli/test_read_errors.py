"""Reads that fail, in real processes: a passing error costs a retry, a broken tile is named."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stnclf._utils.printable import counted
from stnclf.annotations import write_annotations
from stnclf.cli.patch_set import load_patches
from stnclf.slides import Slide
from stnclf.slides._skipped import read_skipped
from tests import processes
from tests.cli.processes import COMMAND
from tests.cli.test_main import SCAN
from tests.processes import ENVIRONMENT

tifffile = pytest.importorskip("tifffile", reason="needs the extra [slides]")

#: What runs before the command: the disk fails so often where the tile is stored, or as often
#: as OpenSlide is asked for it.
DISK = """
import builtins, errno, io, json, os
import openslide

with open(os.environ["FAULT"]) as file:
    fault = json.load(file)
open_file, read_region = builtins.open, openslide.OpenSlide.read_region


def fails(low, high, part):
    if not all(a < d and c < b for a, b, c, d in zip(low, high, *part)):
        return False
    with open_file(fault["log"], "a+") as log:
        log.seek(0)
        if len(log.read()) >= fault["times"]:
            return False
        log.write("x")
    return True


class File(io.FileIO):
    def readinto(self, buffer):
        here = self.tell()
        if fails([here], [here + len(buffer)], fault["bytes"]):
            raise OSError(errno.EIO, os.strerror(errno.EIO), self.name)
        return super().readinto(buffer)


def open_failing(file, mode="r", *args, **kwargs):
    if mode == "rb" and os.path.abspath(os.fspath(file)) == fault["path"]:
        return io.BufferedReader(File(file), 1)  # reads nothing ahead
    return open_file(file, mode, *args, **kwargs)


def read_failing(self, location, level, size):
    factor = self.level_downsamples[level]
    high = [low + side * factor for low, side in zip(location, size)]
    if level == 0 and fails(location, high, fault["box"]):
        raise openslide.OpenSlideError("the disk is away")
    return read_region(self, location, level, size)


builtins.open, openslide.OpenSlide.read_region = open_failing, read_failing
"""

#: The tile: x, y, width, height; it is the third of the second row.
TILE = (128, 64, 64, 64)
NUMBER = 9


@pytest.fixture(scope="module")
def place(road, tmp_path_factory):
    """Make a slide of each kind of reader, their annotations, and what undisturbed runs give."""
    folder = tmp_path_factory.mktemp("read errors")
    root = folder / "slides"
    root.mkdir()
    first = road / "slides" / "a b.tif"
    os.link(first, root / "openslide.tif")
    pixels = Slide(first).read_region(0, 0, 420, 300)
    # A fourth sample that means nothing: OpenSlide would take it for alpha.
    four = np.dstack([pixels, np.zeros(pixels.shape[:2], np.uint8)])
    options = {"photometric": "rgb", "extrasamples": ["unspecified"], "tile": (64, 64)}
    tifffile.imwrite(root / "tags.tif", four, compression="deflate", **options)
    # Nine cells; patches of the fifth alone, in the middle, touch the tile.
    x, y = np.meshgrid([40.0, 160.0, 380.0], [30.0, 100.0, 260.0])
    cells = {"x": x.ravel(), "y": y.ravel(), "label": list("abcabcabc")}
    for name in ("openslide", "tags"):
        table = pd.DataFrame({"image": f"{name}.tif", **cells})
        write_annotations(table, folder / f"{name}.csv")
    return SimpleNamespace(folder=folder, root=root, model=road / "model.safetensors")


def line_of(place, command, name, out):
    if command == "scan":
        how = (*SCAN, "--tile-size", 100, "--no-tissue", "--min-probability", 0.1)
        return ["scan", place.model, place.root / f"{name}.tif", "-o", out, *how]
    how = ("--size", 24, "--image-size", 24, "--mpp", 0.25, "--slide-mpp", 0.25)
    return ["patches", place.folder / f"{name}.csv", place.root, "-o", out, *how]


def run(place, line, times):
    """Run a command in a process of its own; return its status, errors, and how often it failed."""
    path = place.root / ("tags.tif" if "tags" in " ".join(map(str, line)) else "openslide.tif")
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        offset, count = page.dataoffsets[NUMBER], page.databytecounts[NUMBER]
    x, y, width, height = TILE
    log = place.folder / "log"
    log.unlink(missing_ok=True)
    fault = {
        "path": str(path),
        "times": times,
        "log": str(log),
        "bytes": [[offset], [offset + count]],
        "box": [[x, y], [x + width, y + height]],
    }
    (place.folder / "fault.json").write_text(json.dumps(fault))
    environment = {**ENVIRONMENT, "FAULT": str(place.folder / "fault.json")}
    done = processes.run(DISK + COMMAND, *line, environment=environment)
    return done.returncode, done.stderr.splitlines(), len(log.read_text()) if log.exists() else 0


def content(out):
    """What a result holds."""
    if out.suffix == ".csv":
        return [out.read_bytes()]
    found = load_patches(out)
    return [found.X.tobytes(), found.y.tolist(), found.centers.tolist(), list(found.groups)]


@pytest.fixture(scope="module")
def right(place, invoke):
    """Give what a command makes of a slide if nothing fails."""
    made = {}

    def find(command, name):
        if (command, name) not in made:
            out = place.folder / f"right {command} {name}{'.csv' if command == 'scan' else ''}"
            code, _, lines = invoke(*line_of(place, command, name, out))
            assert code == 0, lines
            made[command, name] = out
        return made[command, name]

    return find


EACH = [(command, name) for command in ("scan", "patches") for name in ("openslide", "tags")]


def out_of(tmp_path, command):
    return tmp_path / ("x.csv" if command == "scan" else "x")


@pytest.mark.parametrize(("command", "name"), EACH)
def test_three_failures_cost_retries_and_nothing_else(place, right, tmp_path, command, name):
    out = out_of(tmp_path, command)
    code, lines, n_failures = run(place, line_of(place, command, name, out), 3)
    assert (code, n_failures) == (0, 3), lines
    assert len(lines) == 1
    assert re.search("skip|cannot", lines[0]) is None
    assert content(out) == content(right(command, name))
    assert not Path(f"{out}.skipped.csv").exists()


@pytest.mark.parametrize(("command", "name"), EACH[1:3])
def test_a_lasting_error_stops_and_is_resumed_when_it_is_gone(
    place, right, tmp_path, invoke, command, name
):
    out = out_of(tmp_path, command)
    line = line_of(place, command, name, out)
    code, lines, n_failures = run(place, line, 10**9)
    assert code == 1
    assert n_failures >= 4
    error = [text for text in lines if "error: " in text]
    assert len(error) == 1
    assert f"{name}.tif" in error[0]
    assert f"x, y, width, height = {', '.join(map(str, TILE))}" in error[0]
    assert not out.exists()
    if command == "scan":
        assert len((tmp_path / "x.csv.progress").read_bytes().splitlines()) > 1
    else:
        assert (tmp_path / "x.part").is_dir()
    code, _, lines = invoke(*line, "--resume")
    assert code == 0, lines
    assert content(out) == content(right(command, name))
    beside = ["x.csv", "x.csv.json"] if command == "scan" else ["x"]
    assert sorted(os.listdir(tmp_path)) == beside


@pytest.mark.parametrize("name", ["openslide", "tags"])
def test_patches_skips_what_touches_the_tile_only(place, right, tmp_path, name):
    out = tmp_path / "x"
    code, lines, _ = run(
        place, [*line_of(place, "patches", name, out), "--on-error", "skip"], 10**9
    )
    assert code == 0, lines
    found, whole = load_patches(out), load_patches(right("patches", name))
    others = [0, 1, 2, 3, 5, 6, 7, 8]
    np.testing.assert_array_equal(found.X, whole.X[others])
    np.testing.assert_array_equal(found.centers, whole.centers[others])
    assert found.y.tolist() == [list("abcabcabc")[i] for i in others]
    assert found.facts["skipped"] == [[f"{name}.tif", *TILE]]
    assert f"{name}.tif' at x, y, width, height = {', '.join(map(str, TILE))}" in lines[0]
    assert "8 patches of 24 px" in lines[-1]
    assert "1 of 9 rows left out; 1 region that cannot be read" in lines[-1]


def test_scan_skips_what_depends_on_the_tile(place, right, tmp_path):
    out = tmp_path / "x.csv"
    line = [*line_of(place, "scan", "openslide", out), "--on-error", "skip"]
    code, lines, _ = run(place, line, 10**9)
    assert code == 0, lines
    regions = read_skipped(out)
    assert (
        f"{counted(len(regions), 'region')} skipped that cannot be read (.skipped.csv)" in lines[-1]
    )
    area = np.zeros((300, 420), bool)
    for image, x, y, width, height in regions:
        assert image == "openslide.tif"
        area[y : y + height, x : x + width] = True
    x, y, width, height = TILE
    assert area[y : y + height, x : x + width].all()
    assert area.mean() < 0.5
    whole = pd.read_csv(right("scan", "openslide"))
    table = pd.read_csv(out)
    # What is far from it is there, the same to the last digit.
    far = [
        not area[max(0, int(b) - 32) : int(b) + 33, max(0, int(a) - 32) : int(a) + 33].any()
        for a, b in zip(whole["x"], whole["y"])
    ]
    assert sum(far) > 3
    rows = {tuple(row) for row in table.itertuples(index=False)}
    assert {tuple(row) for row in whole[far].itertuples(index=False)} <= rows
