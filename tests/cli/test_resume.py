"""Real commands that are killed, given other input, run twice at once, or lose their listeners."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from stnclf.annotations import read_annotations, write_annotations
from stnclf.cli import crossval, patch_folder
from stnclf.cli.patch_set import load_patches
from stnclf.slides import Slide
from tests.cli.processes import KILLED, NO_LIMIT, kill
from tests.cli.test_main import ENVIRONMENT, SCAN
from tests.conftest import CUT

POSIX = pytest.mark.skipif(os.name != "posix", reason="the system has no such files")


@pytest.fixture
def work(road, tmp_path):
    """Everything of the road in a folder of its own, to be spoilt."""
    for name in ("slides", "patches"):
        shutil.copytree(road / name, tmp_path / name)
    for name in ("cells.sqlite", "model.safetensors"):
        shutil.copy(road / name, tmp_path)
    return tmp_path


def repaint(path):
    """Give an image other pixels, of the same size."""
    pixels = np.asarray(Image.open(path))
    Image.fromarray(255 - pixels).save(path)


def refused(invoke, line, *words):
    """Run a command that must refuse; the line says what differs."""
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (1, 1), lines
    assert "--out: " in lines[0]
    for word in words:
        assert word in lines[0]


@NO_LIMIT
def test_patches_of_slides_that_were_replaced_are_not_mixed(work, invoke):
    line = ("patches", work / "cells.sqlite", work / "slides", *CUT, "-o", work / "out")
    code = KILLED.format(module="part_file", kind="PartFile.mark")
    kill(code, (*line, 1), (work / "out.part" / "X.npy.part").exists)
    shutil.copy(work / "slides" / "ü.png", work / "kept.png")
    repaint(work / "slides" / "ü.png")
    refused(invoke, (*line, "--resume"), "begun with another slides ('ü.png')")
    assert invoke(*line)[0] == 2
    shutil.copy(work / "kept.png", work / "slides" / "ü.png")
    refused(invoke, (*line, "--resume", "--seed", 4), "options ('seed': was 0, is 4)")
    assert invoke(*line, "--resume")[0] == 0
    np.testing.assert_array_equal(load_patches(work / "out").X, load_patches(work / "patches").X)
    assert not list(work.glob("out.*"))


def test_patches_that_are_only_to_be_packed_are_those_that_were_asked_for(
    work, invoke, monkeypatch
):
    def interrupted(*_):
        raise KeyboardInterrupt

    line = ("patches", work / "cells.sqlite", work / "slides", *CUT, "-o", work / "p.npz")
    with monkeypatch.context() as patch:
        patch.setattr(patch_folder, "save_npz", interrupted)
        assert invoke(*line)[0] == 130
    refused(invoke, (*line, "--resume", "--seed", 3), "options ('seed'")
    refused(invoke, (*line, "--resume", "--cell-size", 10), "options ('--cell-size'")
    shutil.copy(work / "cells.sqlite", work / "kept.sqlite")
    table = read_annotations(work / "cells.sqlite")
    write_annotations(table[::-1], work / "cells.sqlite", overwrite=True)
    refused(invoke, (*line, "--resume"), "another annotations")
    shutil.copy(work / "kept.sqlite", work / "cells.sqlite")
    # What is cut already is not read again.
    monkeypatch.setattr(Slide, "read_region", interrupted)
    assert invoke(*line, "--resume")[0] == 0
    np.testing.assert_array_equal(load_patches(work / "p.npz").X, load_patches(work / "patches").X)
    refused(invoke, (*line, "--resume", "--seed", 3), "complete, but was made with another options")
    assert "complete already" in invoke(*line, "--resume")[2][0]


@pytest.mark.parametrize("name", ["X", "y", "centers", "groups"])
def test_folds_of_other_patches_are_not_pooled(name, work, invoke, monkeypatch):
    line = ("evaluate", work / "patches", "--folds", 2, "-o", work / "s.json")
    line += ("--method", "cnn", "--epochs", 1)
    run, runs = crossval._run_fold, []

    def interrupted(*arguments):
        runs.append(1)
        if len(runs) == 2:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(crossval, "_run_fold", interrupted)
    assert invoke(*line)[0] == 130
    path = work / "patches" / f"{name}.npy"
    size = path.stat().st_size
    array = np.load(path)
    if name == "X":
        array[7, 0, 0, 0] ^= 1  # one pixel
    else:
        array[[0, -1]] = array[[-1, 0]]
    np.save(path, array)
    assert path.stat().st_size == size
    refused(invoke, (*line, "--resume"), "begun with another patches")
    assert len(runs) == 2


def test_predictions_of_images_that_were_replaced_are_not_kept(work, invoke, monkeypatch):
    folder = work / "images"
    folder.mkdir()
    for i, pixels in enumerate(load_patches(work / "patches").X[:4]):
        Image.fromarray(pixels).save(folder / f"{i}.bmp")  # all of one size
    monkeypatch.setattr("stnclf.cli.predict._CHUNK", 2)
    line = ("predict", work / "model.safetensors", folder, "-o", work / "p.csv")
    transform, calls = "stnclf.STNCellClassifier.transform", []
    import stnclf

    original = stnclf.STNCellClassifier.transform

    def interrupted(self, X):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(self, X)

    monkeypatch.setattr(transform, interrupted)
    assert invoke(*line)[0] == 130
    shutil.copy(folder / "0.bmp", work / "kept.bmp")
    repaint(folder / "0.bmp")
    refused(invoke, (*line, "--resume"), f"another images ('0: {folder / '0.bmp'}')")
    shutil.copy(work / "kept.bmp", folder / "0.bmp")
    assert invoke(*line, "--resume")[0] == 0
    assert json.loads((work / "p.csv.json").read_text())["run"]["command"] == "predict"
    repaint(folder / "3.bmp")
    refused(invoke, (*line, "--resume"), "complete, but was made with another images")


def test_a_folder_of_detections_has_one_model(work, invoke):
    slides = [work / "slides" / name for name in ("a b.tif", "ü.png")]
    line = ("scan", work / "model.safetensors", slides[0], "-o", work / "out", *SCAN)
    (work / "out").mkdir()
    assert invoke(*line)[0] == 0
    both = (*line, slides[1], "--resume")
    refused(
        invoke, (*both, "--label", "disc"), "another labels (was null, is [\"disc\"]): 'a b.csv'"
    )
    cnn = work / "cnn.safetensors"
    train = ("train", work / "patches", "-o", cnn, "--method", "cnn", "--epochs", 1)
    assert invoke(*train)[0] == 0
    refused(invoke, ("scan", cnn, *both[2:]), "another model: 'a b.csv'")
    assert sorted(os.listdir(work / "out")) == ["a b.csv", "a b.csv.json"]
    assert invoke(*both)[0] == 0
    repaint(slides[1])
    code, _, lines = invoke(*both)
    assert (code, "another slide ('ü.png')" in lines[-2]) == (1, True), lines


@NO_LIMIT
def test_of_two_runs_on_one_name_one_writes(work, invoke):
    whole, out = work / "whole.csv", work / "x.csv"
    line = ("scan", work / "model.safetensors", work / "slides" / "ü.png", *SCAN)
    line += ("--tile-size", 100, "-o")
    assert invoke(*line, whole)[0] == 0

    def while_it_runs():
        for more in ((), ("--resume",), ("--overwrite",), ("--resume", "--label", "disc")):
            code, _, lines = invoke(*line, out, *more)
            assert code == (1 if more else 2)
            assert not more or "is being written by process" in lines[0]
        return True

    kill(KILLED.format(module="progress", kind="Progress.add"), (*line, out, 3), while_it_runs)
    assert sorted(os.listdir(work))[-3:] == ["whole.csv.json", "x.csv.lock", "x.csv.progress"]
    # It is gone: its lock counts for nothing.
    assert invoke(*line, out, "--resume")[0] == 0
    assert out.read_bytes() == whole.read_bytes()
    assert not list(work.glob("x.csv.[lp]*"))


def test_a_closed_standard_output_loses_nothing(work):
    line = ["evaluate", work / "patches", "--model", work / "model.safetensors"]
    line += ["-o", work / "s.json"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "stnclf.cli", *map(str, line)],
            env=ENVIRONMENT,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert json.loads((work / "s.json").read_text())["results"]["model"]["n"] == 60
    assert not list(work.glob("s.json.*"))


@POSIX
def test_what_is_replaced_keeps_its_permissions_and_links_stay(work, invoke):
    assert invoke("export", work / "cells.sqlite", "-o", work / "c.csv", "--image", "ü.png")[0] == 0
    slide = work / "slides" / "ü.png"
    model, found = work / "model.safetensors", work / "patches"
    fields = ("hotspots", work / "c.csv", slide, "--slide-mpp", 0.25, "--area", 0.001)
    lines = {
        "p.csv": ("predict", model, found),
        "s.json": ("evaluate", found, "--model", model, "--report", work / "r.html"),
        "d.csv": ("scan", model, slide, *SCAN),
        "t.npz": ("patches", work / "cells.sqlite", work / "slides", *CUT),
        "f.csv": fields,
        "f.geojson": fields,
        "e.sqlite": ("export", work / "c.csv"),
        "e.csv": ("export", work / "c.csv"),
    }
    (work / "far").mkdir()
    for name in lines:
        (work / "far" / name).touch(mode=0o600)
        (work / name).symlink_to(f"far/{name}")
    (work / "r.html").touch(mode=0o600)
    for name, line in lines.items():
        code, _, errors = invoke(*line, "-o", work / name, "--overwrite")
        assert code == 0, errors
        assert (work / name).is_symlink(), name
    for path in [*(work / "far").iterdir(), work / "r.html"]:
        if not path.name.endswith(".csv.json"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            assert path.stat().st_size > 0


@pytest.mark.parametrize(
    "more",
    [("--folds", 3), ("--method", "cnn"), ("--seed", 0), ("--set", "tta=False"), ("--paper",)],
)
def test_a_model_is_not_trained(more, road, invoke):
    line = ("evaluate", road / "patches", "--model", road / "model.safetensors", *more)
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (2, 1)
    assert f"--model and {more[0]} exclude each other" in lines[0]


@POSIX
@pytest.mark.parametrize("command", ["predict", "scan"])
def test_names_that_are_not_utf_8_are_refused_before_the_work(command, work, invoke):
    image = os.fsdecode(os.fsencode(work) + b"/a\xff.png")
    try:
        shutil.copy(work / "slides" / "ü.png", image)
    except OSError:
        pytest.skip("the file system takes no such names")
    more = SCAN if command == "scan" else ()
    line = (command, work / "model.safetensors", image, "-o", work / "x.csv", *more)
    code, _, lines = invoke(*line)
    assert code == 1
    assert r"a\udcff.png', wants one in UTF-8" in lines[0]
    assert not list(work.glob("x.csv*"))


def test_labels_do_nothing_to_a_terminal(work, invoke):
    labels = load_patches(work / "patches").y.astype("U20")
    labels[labels == "disc"] = "di\x1b[31msc"
    np.save(work / "patches" / "y.npy", labels)
    line = ("evaluate", work / "patches", "--model", work / "model.safetensors")
    code, printed, lines = invoke(*line)
    assert code == 0, lines
    assert "\x1b" not in printed + "".join(lines)
    assert r"di\x1b[31msc" in printed
