"""``mine``: patches without a cell where the model is most wrong, and deaths that cost nothing."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

import stnclf
from stnclf.annotations import read_annotations
from stnclf.cli.patch_set import load_patches
from stnclf.scan import hard_negatives
from stnclf.slides import Slide, extract_patches
from tests.cli.lines import with_options
from tests.cli.processes import KILLED, NO_LIMIT, kill, n_lines
from tests.conftest import SHORT


@pytest.fixture(scope="module")
def line(mine_line):
    """A command line without its --out, on a patch set that knows its resolution."""
    return mine_line


def test_mistakes_are_added_to_the_patches(line, road, tmp_path, invoke):
    out = tmp_path / "p2"
    code, printed, lines = invoke(*line, "-o", out)
    assert (code, printed, len(lines)) == (0, "", 1), lines
    before, after = load_patches(line[2]), load_patches(out)
    assert len(after.X) == len(before.X) + 12
    for name in ("X", "y", "centers", "groups"):
        np.testing.assert_array_equal(getattr(after, name)[:60], getattr(before, name))
    assert after.y[60:].tolist() == ["background"] * 12
    assert np.isnan(after.centers[60:]).all()
    slides = [Slide(road / "slides" / name, 0.25) for name in ("a b.tif", "ü.png")]
    estimator = stnclf.load(line[1])
    table = hard_negatives(
        estimator, slides, read_annotations(road / "cells.sqlite"), n=12, mpp=0.25
    )
    assert after.groups[60:].tolist() == table["image"].tolist()
    X, *_ = extract_patches(
        table, road / "slides", size=32, image_size=48, mpp=0.25, slide_mpp=0.25
    )
    np.testing.assert_array_equal(after.X[60:], X)
    counts = table["found"].value_counts()
    taken = ", ".join(f"{counts[k]} taken for {k}" for k in sorted(counts.index))
    assert lines[0].startswith(f"{out}: 72 patches (12 background, 30 cross, 30 disc)")
    assert lines[0].endswith(f"12 mined: {taken}")
    assert after.facts["mined"] == 12
    assert os.listdir(tmp_path) == ["p2"]
    # The same again is complete; the next training takes it; the next round adds to it.
    assert "complete already" in invoke(*line, "-o", out, "--resume")[2][0]
    assert invoke(*line, "-o", out)[0] == 2
    model = tmp_path / "m.safetensors"
    code, _, lines = invoke("train", out, "-o", model, *SHORT)
    assert code == 0, lines
    assert stnclf.load(model).classes_.tolist() == ["background", "cross", "disc"]
    again = ("mine", model, out, *line[3:], "-o", tmp_path / "p3.npz")
    code, _, lines = invoke(*again)
    assert code == 0, lines
    third = load_patches(tmp_path / "p3.npz")
    assert third.facts["mined"] == len(third.X) - 60


@pytest.mark.parametrize("images", [("other.tif", "another.tif"), ("a b.tif", "other.tif")])
def test_annotations_must_have_the_cells_of_all_slides(images, line, road, tmp_path, invoke):
    table = read_annotations(road / "cells.sqlite")[["image", "x", "y", "label"]]
    names = dict(zip(("a b.tif", "ü.png"), images))
    path = tmp_path / "cells.csv"
    table.assign(image=table["image"].map(names)).to_csv(path, index=False)
    code, _, lines = invoke(*with_options(line, "--annotations", path, "-o", tmp_path / "p2"))
    assert code == 1
    missing = "'a b.tif', 'ü.png'" if images[0] == "other.tif" else "'ü.png'"
    assert f"cells.csv: has no cell on {missing}, of which" in lines[0]
    assert os.listdir(tmp_path) == ["cells.csv"]


def test_the_background_is_no_class_of_cells(line, tmp_path, invoke):
    code, _, lines = invoke(*line, "--background-label", "cross", "-o", tmp_path / "p2")
    assert code == 2
    assert "'--background-label': 'cross' is a class of cells in" in lines[0]
    assert not os.listdir(tmp_path)


def recoded(line, y, folder):
    """Give the command line with its patches under other labels."""
    shutil.copytree(line[2], folder)
    np.save(folder / "y.npy", y(np.load(folder / "y.npy") == "disc"))
    return (*line[:2], folder, *line[3:])


def test_background_is_a_class_of_the_kind_of_the_others(line, tmp_path, invoke):
    numbered = recoded(line, lambda disc: np.where(disc, 3, 7).astype(np.uint8), tmp_path / "p")
    out = tmp_path / "p2"
    code, _, lines = invoke(*numbered, "--background-label", 5, "-o", out)
    assert code == 0, lines
    y = load_patches(out).y
    assert (y.dtype, y[60:].tolist()) == (np.uint8, [5] * 12)
    assert "72 patches (30 3, 12 5, 30 7)" in lines[0]
    # A second round adds to that class.
    again = (*line[:2], out, *line[3:], "--background-label", 5, "-o", tmp_path / "p3")
    assert invoke(*again)[0] == 0
    assert set(load_patches(tmp_path / "p3").y.tolist()) == {3, 5, 7}


def numbers(disc):
    return np.where(disc, 0, 1)


@pytest.mark.parametrize(
    ("y", "more", "code", "words"),
    [
        (numbers, [], 2, "'background' is no label of the kind of those in {p}, '0', '1'; "),
        (numbers, [], 2, "--background-label 2 is one"),
        (numbers, ["--background-label", 1], 2, "'1' is a class of cells in {p}; "),
        (lambda disc: numbers(disc) + 0.0, ["--background-label", 1], 2, "'1' is a class of cells"),
        (lambda disc: numbers(disc) + 0.0, ["--background-label", "nan"], 2, "'nan' is no label"),
        (lambda disc: disc | True, [], 2, "those in {p}, 'True'; --background-label False is one"),
        (lambda disc: disc, ["--background-label", "False"], 1, "{p}: both classes, False and"),
    ],
)
def test_a_label_that_cannot_be_is_refused_before_the_scan(
    y, more, code, words, line, tmp_path, invoke
):
    line = recoded(line, y, tmp_path / "p")
    status, _, lines = invoke(*line, *more, "-o", tmp_path / "p2")
    assert (status, len(lines)) == (code, 1)
    assert words.format(p=tmp_path / "p") in lines[0]
    assert code == 1 or "'--background-label'" in lines[0]
    assert os.listdir(tmp_path) == ["p"]


@NO_LIMIT
def test_killed_mining_goes_on(line, tmp_path, invoke):
    small = (*line, "--tile-size", 100)
    assert invoke(*small, "-o", tmp_path / "whole")[0] == 0
    out = tmp_path / "p2"
    code = KILLED.format(module="progress", kind="Progress.add")
    begun = tmp_path / "p2.scans" / "a b.csv.progress"
    kill(code, (*small, "-o", out, 2), lambda: n_lines(begun) == 3)
    code, _, lines = invoke(*small, "-o", out)
    assert (code, "--resume" in lines[0]) == (2, True)
    code, _, lines = invoke(*small, "-o", out, "--resume")
    assert code == 0, lines
    assert sorted(os.listdir(tmp_path)) == ["p2", "whole"]
    for name in ("X.npy", "y.npy", "centers.npy", "groups.npy"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--label", "x"], 2, "'--label': 'x' is none of"),
        (["-n", 0], 1, "got 0"),
        (["--radius", -1], 1, "--radius: got -1"),
        (["-o", "no/p2"], 2, "'--out': the folder of"),
        (["--background-label", ""], 0, ""),
    ],
)
def test_wrong_options_are_named(more, code, words, line, tmp_path, invoke, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, printed, lines = invoke(*with_options((*line, "-o", "p2"), *more))
    assert (status, printed, len(lines)) == (code, "", 1), lines
    assert words in lines[0]
    assert code == 0 or os.listdir(tmp_path) == []


def test_patches_that_do_not_say_how_they_were_cut_are_refused(line, tmp_path, invoke):
    shutil.copytree(line[2], tmp_path / "p")
    (tmp_path / "p" / "patches.json").unlink()
    code, _, lines = invoke("mine", line[1], tmp_path / "p", *line[3:], "-o", tmp_path / "p2")
    assert (code, "does not say how its patches were cut" in lines[0]) == (1, True)
