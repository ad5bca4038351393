"""``patches``: what it writes, what it refuses, and that a death costs nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import stnclf
from stnclf._utils import part_file
from stnclf.annotations import read_annotations, write_annotations
from stnclf.cli.patch_set import load_patches
from stnclf.slides import _extract, extract_patches
from tests.cli.lines import with_options
from tests.cli.processes import KILLED, NO_LIMIT, kill, n_lines
from tests.conftest import CUT, SHORT, write_enormous


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def work(road, tmp_path):
    """Slides and annotations to spoil, in a folder of its own."""
    shutil.copytree(road / "slides", tmp_path / "slides")
    shutil.copy(road / "cells.sqlite", tmp_path)
    return tmp_path


def cut(invoke, work, *more):
    line = ("patches", work / "cells.sqlite", work / "slides", "-o", work / "out", *CUT)
    return invoke(*with_options(line, *more))


def test_patches_are_those_of_extract_patches(road):
    table = read_annotations(road / "cells.sqlite")
    how = {"size": 32, "image_size": 48, "max_offset": 4, "mpp": None, "random_state": 0}
    X, y, centers, groups = extract_patches(table, road / "slides", **how)
    found = load_patches(road / "patches")
    for a, b in zip((X, y, centers, groups), (found.X, found.y, found.centers, found.groups)):
        np.testing.assert_array_equal(a, b)
    assert {name: found.facts[name] for name in ("size", "cell_size", "mpp", "seed")} == {
        "size": 32,
        "cell_size": 16,
        "mpp": None,
        "seed": 0,
    }
    assert not (road / "patches.part").exists()


def test_cells_are_off_the_middle_unless_told_otherwise(work, invoke):
    line = ("patches", work / "cells.sqlite", work / "slides", "-o", work / "out")
    line += ("--size", 40, "--image-size", 60, "--overwrite")
    for more, most in (((), 5), (("--max-offset", 0), 0)):
        assert invoke(*line, *more)[0] == 0
        found = load_patches(work / "out")
        assert found.facts["max_offset"] == most
        assert most - 1 < np.abs(found.centers - 29.5).max() <= most + 0.5


def test_auto_wants_what_nobody_can_guess(work, invoke):
    line = ("patches", work / "cells.sqlite", work / "slides", "-o", work / "out")
    code, _, lines = invoke(*line, "--size", "auto")
    assert (code, "pass --slide-mpp" in lines[-1]) == (1, True)
    code, _, lines = invoke(*line, "--size", "auto", "--cell-size", 8)
    assert (code, "exclude each other" in lines[-1]) == (2, True)
    code, _, lines = invoke(*line, "--size", "large")
    assert (code, "'large' is not a valid integer" in lines[-1]) == (2, True)
    # At 0.5 um per pixel the window of 16 um has 32 px.
    how = ("--size", "auto", "--slide-mpp", 0.25, "--mpp", 0.5, "--max-offset", 1)
    code, _, lines = invoke(*line, *how)
    assert code == 0, lines
    assert lines[0] == "--size auto is --size 64 --cell-size 32 --mpp 0.5 --max-offset 1"


def test_a_packed_file_holds_the_same(road, work, invoke):
    out = work / "p.npz"
    line = ("patches", work / "cells.sqlite", work / "slides", "-o", out, *CUT, "--jobs", 2)
    code, _, lines = invoke(*line)
    assert (code, lines) == (0, [f"{out}: 60 patches of 48 px (30 cross, 30 disc)"])
    np.testing.assert_array_equal(load_patches(out).X, load_patches(road / "patches").X)
    assert not (work / "p.npz.part").exists()


def test_classes_can_be_chosen_and_rows_without_one_are_left_out(work, invoke):
    table = read_annotations(work / "cells.sqlite")[["image", "x", "y", "label"]]
    table.loc[:2, "label"] = None
    write_annotations(table, work / "cells.csv")
    line = ("patches", work / "cells.csv", work / "slides", "-o", work / "out", *CUT)
    code, _, lines = invoke(*line, "--label", "disc")
    assert code == 0
    n = int((table["label"] == "disc").sum())
    assert lines == [
        f"{work / 'out'}: {n} patches of 48 px ({n} disc); {60 - n} of 60 rows left out"
    ]
    code, _, lines = invoke(*line[:-2], "--overwrite", "--label", "eosinophil")
    assert code == 2
    assert "'--label': 'eosinophil' is none of 'cross', 'disc'" in lines[0]


def test_background_keeps_away_from_cells_that_are_left_out(work, invoke):
    table = read_annotations(work / "cells.sqlite")
    line = ("--label", "disc", "--background", 9, "--background-distance", 30)
    code, _, lines = cut(invoke, work, *line, "--background-label", "nothing")
    assert code == 0
    discs = table[table["label"] == "disc"]
    assert f"{len(discs) + 9} patches of 48 px ({len(discs)} disc, 9 nothing)" in lines[0]
    found = load_patches(work / "out")
    assert np.isnan(found.centers[-9:]).all()
    assert np.isfinite(found.centers[:-9]).all()
    how = {"size": 32, "image_size": 48, "max_offset": 4, "mpp": None, "random_state": 0}
    how |= {"background": 9, "background_distance": 30, "background_label": "nothing"}
    X, *_ = extract_patches(discs, work / "slides", avoid=table, **how)
    np.testing.assert_array_equal(X, found.X)
    assert not np.array_equal(X, extract_patches(discs, work / "slides", **how)[0])
    packed = ("patches", work / "cells.sqlite", work / "slides", "-o", work / "out.npz", *CUT)
    assert invoke(*packed, *line)[0] == 0
    np.testing.assert_array_equal(load_patches(work / "out.npz").centers, found.centers)
    code, out, _ = invoke("info", work / "out")
    assert (code, "without a cell       9" in out) == (0, True)
    # The same again is complete, another number is another run.
    code, _, lines = cut(invoke, work, *line, "--background-label", "nothing", "--resume")
    assert "complete already" in lines[0]
    assert cut(invoke, work, "--label", "disc", "--background", 8, "--resume")[0] == 1


def test_nothing_is_overwritten_unless_asked_for(work, invoke):
    assert cut(invoke, work)[0] == 0
    before = contents(work / "out")
    code, _, lines = cut(invoke, work)
    assert (code, len(lines)) == (2, 1)
    assert "--overwrite" in lines[0]
    assert contents(work / "out") == before
    code, _, lines = cut(invoke, work, "--seed", 5, "--resume")
    assert (code, "made with another options ('seed': was 0, is 5)" in lines[0]) == (1, True)
    assert contents(work / "out") == before
    code, _, lines = cut(invoke, work, "--resume")
    assert (code, "complete already" in lines[0]) == (0, True)
    assert contents(work / "out") == before
    assert cut(invoke, work, "--seed", 5, "--overwrite")[0] == 0
    assert contents(work / "out")["y.npy"] == before["y.npy"]
    assert contents(work / "out")["X.npy"] != before["X.npy"]


def test_a_folder_with_other_files_is_never_removed(work, invoke):
    (work / "out").mkdir()
    (work / "out" / "thesis.doc").touch()
    code, _, lines = cut(invoke, work, "--overwrite")
    assert code == 2
    assert "other files ('thesis.doc')" in lines[0]
    assert (work / "out" / "thesis.doc").exists()
    (work / "link").symlink_to(work / "out")
    line = ("patches", work / "cells.sqlite", work / "slides", "-o", work / "link", *CUT)
    assert "is a link" in invoke(*line, "--overwrite")[2][0]


def climbing(table, work):
    table.loc[3, "image"] = "../../x.svs"


def absolute(table, work):
    table.loc[3, "image"] = "/etc/x.svs"


def missing(table, work):
    table.loc[3, "image"] = "missing.tif"


def outside(table, work):
    table.loc[3, "x"] = 5000.0


def truncated(table, work):
    path = work / "slides" / "a b.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def enormous(table, work):
    write_enormous(work / "slides" / "ü.png")


def no_image(table, work):
    (work / "slides" / "ü.png").write_bytes(b"no image")


HOSTILE = {
    climbing: ("cells.csv", "'../../x.svs'"),
    absolute: ("cells.csv", "'/etc/x.svs'"),
    missing: ("missing.tif", "no such file"),
    outside: ("cells.csv", "row 3: x, y = 5000"),
    truncated: ("a b.tif", "truncated"),
    enormous: ("ü.png", "pixels"),
    no_image: ("ü.png", "cannot be read"),
}


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda function: function.__name__)
def test_hostile_input_is_one_line_and_leaves_nothing(spoil, work, invoke):
    table = read_annotations(work / "cells.sqlite")[["image", "x", "y", "label"]]
    spoil(table, work)
    write_annotations(table, work / "cells.csv")
    before = sorted(os.listdir(work))
    code, out, lines = invoke(
        "patches", work / "cells.csv", work / "slides", "-o", work / "out", *CUT
    )
    assert (code, out, len(lines)) == (1, "", 1), lines
    assert lines[0].startswith("stnclf patches: error: ")
    for word in HOSTILE[spoil]:
        assert word in lines[0]
    assert sorted(os.listdir(work)) == before


def test_a_database_whose_names_climb(work, invoke):
    table = read_annotations(work / "cells.sqlite")
    table["image"] = "../../x.svs"
    write_annotations(table, work / "bad.sqlite")
    code, _, lines = invoke(
        "patches", work / "bad.sqlite", work / "slides", "-o", work / "out", *CUT
    )
    assert (code, len(lines)) == (1, 1)
    assert "bad.sqlite" in lines[0]
    assert not (work / "out").exists()


@pytest.mark.parametrize("command", ["patches", "export"])
def test_a_table_without_the_columns(command, work, invoke):
    path = work / "odd.csv"
    path.write_text("a;b\n1;2\n")
    between = [work / "slides"] if command == "patches" else []
    code, _, lines = invoke(command, path, *between, "-o", work / "out.csv")
    assert (code, len(lines)) == (1, 1)
    assert "odd.csv" in lines[0]
    assert "column" in lines[0]
    assert not (work / "out.csv").exists()


def test_columns_have_the_names_that_were_given(work, invoke):
    table = read_annotations(work / "cells.sqlite")[["image", "x", "y", "label"]]
    names = {"image": "file", "x": "c x", "y": "cy=", "label": "type"}
    table.rename(columns=names).to_csv(work / "own.csv", index=False)
    line = ("info", work / "own.csv")
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (1, 1)
    hint = "--column image=NAME --column x=NAME --column y=NAME --column label=NAME."
    assert lines[0].endswith(f"as in {hint}")
    options = [word for pair in names.items() for word in ("--column", "=".join(pair))]
    code, printed, _ = invoke(*line, *options)
    assert code == 0
    assert f"{len(table)}" in printed.split("rows", 1)[1].split("\n")[0]
    assert invoke("export", work / "own.csv", "-o", work / "back.csv", *options)[0] == 0
    back = read_annotations(work / "back.csv")
    pd.testing.assert_frame_equal(back[list(table)], table, check_dtype=False)
    line = ("patches", work / "own.csv", work / "slides", "-o", work / "a", *CUT)
    assert invoke(*line, *options)[0] == 0
    assert cut(invoke, work)[0] == 0
    np.testing.assert_array_equal(load_patches(work / "a").X, load_patches(work / "out").X)
    for wrong in ("z=type", "label", "label="):
        code, _, lines = invoke(*line, "--column", wrong)
        assert (code, len(lines)) == (2, 1)
        assert f"got '{wrong}', wants NAME=COLUMN" in lines[0]


def test_a_missing_resolution_names_the_option(work, invoke):
    code, _, lines = cut(invoke, work, "--mpp", 0.5)
    assert (code, len(lines)) == (1, 1)
    assert "ü.png" in lines[0]
    assert "--slide-mpp" in lines[0]
    assert "extract_patches" not in lines[0]
    assert cut(invoke, work, "--mpp", 0.5, "--slide-mpp", 0.25)[0] == 0


def test_patches_say_their_resolution(work, invoke):
    def written(*options):
        assert cut(invoke, work, "--overwrite", *options)[0] == 0
        return json.loads((work / "out" / "patches.json").read_text(encoding="utf-8"))["mpp"]

    assert written() is None  # one of the slides does not know it
    assert written("--slide-mpp", 0.3) == 0.3
    assert written("--slide-mpp", 0.3, "--mpp", 0.5) == 0.5
    table = read_annotations(work / "cells.sqlite")
    write_annotations(table[table["image"] == "a b.tif"], work / "cells.sqlite", overwrite=True)
    assert written() == pytest.approx(0.25)


def test_a_missing_folder_names_the_option(work, invoke):
    for command in (
        ["patches", work / "cells.sqlite", work / "slides"],
        ["export", work / "cells.sqlite"],
    ):
        code, _, lines = invoke(*command, "-o", work / "no" / "x.csv")
        assert (code, len(lines)) == (2, 1)
        assert "'--out': the folder of" in lines[0]


@NO_LIMIT
@pytest.mark.parametrize("name", ["out", "out.npz"])
def test_killed_patches_go_on(name, road, tmp_path, invoke, monkeypatch):
    monkeypatch.setattr(_extract, "_TILE", 100)
    line = ("patches", road / "cells.sqlite", road / "slides", *CUT, "-o")
    whole, out = tmp_path / f"whole {name}", tmp_path / name
    assert invoke(*line, whole)[0] == 0
    code = KILLED.format(module="part_file", kind="PartFile.mark")
    code = code.replace(
        "import sys, time", "import sys, time; import stnclf.slides._extract as e; e._TILE = 100"
    )
    part = Path(f"{out}.part")
    kill(code, (*line, out, 25), lambda: n_lines(part / "X.npy.progress") == 1 + 25)
    assert not out.exists()
    code, _, lines = invoke(*line, out)
    assert (code, "--resume" in lines[0]) == (2, True)
    marks, mark = [], part_file.PartFile.mark
    monkeypatch.setattr(
        part_file.PartFile, "mark", lambda *args: (marks.append(args[1]), mark(*args))[1]
    )
    assert invoke(*line, out, "--resume")[0] == 0
    assert min(marks) == 25
    assert not part.exists()
    if out.is_dir():
        assert sorted(os.listdir(out)) == sorted(os.listdir(whole))
        for file in os.listdir(out):
            assert (out / file).read_bytes() == (whole / file).read_bytes()
    else:
        assert out.read_bytes() == whole.read_bytes()


@pytest.mark.filterwarnings("default::UserWarning")
def test_cells_outside_are_named_by_file_and_row_and_left_out_on_request(work, invoke):
    table = read_annotations(work / "cells.sqlite")[["image", "x", "y", "label"]]
    n_disc = int((table.label == "disc").sum())
    row = int(table.index[table.label == "disc"][2])
    table.loc[row, "x"] = 5000.0
    write_annotations(table, work / "cells.csv")
    line = ("patches", work / "cells.csv", work / "slides", "-o", work / "out", *CUT)
    code, _, lines = invoke(*line, "--label", "disc")
    # The row of the file, not of what the option leaves of it.
    assert code == 1
    assert f"cells.csv: row {row}: x, y = 5000" in lines[0]
    assert "--outside skip leaves them out" in lines[0]
    code, _, lines = invoke(*line, "--label", "disc", "--outside", "skip")
    assert code == 0
    assert f"cells.csv: 1 of {n_disc} cells lie outside their image" in lines[0]
    assert f"{n_disc - 1} patches" in lines[1]
    assert f"{len(table) - n_disc + 1} of {len(table)} rows left out" in lines[1]


def test_too_much_background_names_the_option_that_finds_more(work, invoke):
    code, _, lines = cut(invoke, work, "--background", 10**6)
    assert (code, len(lines)) == (1, 1)
    assert re.search(r"--background: got 1000000, and there are \d+ places at ", lines[0])
    assert "; wants fewer, or a smaller --background-distance: half the window" in lines[0]


def test_neighbours_are_all_other_annotated_cells_and_are_taught(work, invoke):
    line = ("--label", "disc", "--neighbors", "--image-size", 120)
    code, _, lines = cut(invoke, work, *line, "--background", 8, "--background-distance", 20)
    assert code == 0, lines
    found = load_patches(work / "out")
    table = read_annotations(work / "cells.sqlite")
    how = {"size": 32, "image_size": 120, "max_offset": 4, "mpp": None, "random_state": 0}
    how |= {"background": 8, "background_distance": 20, "avoid": table}
    wanted = table[table["label"] == "disc"]
    *_, expected = extract_patches(wanted, work / "slides", neighbors=table, **how)
    np.testing.assert_array_equal(found.neighbors, expected)
    # Crosses are cells of a class that is not wanted.
    kinds = found.neighbors[:, :, 2]
    assert (kinds == 1).sum() > 20 < (kinds == -1).sum()
    packed = ("patches", work / "cells.sqlite", work / "slides", "-o", work / "out.npz", *CUT)
    more = ("--background", 8, "--background-distance", 20)
    assert invoke(*with_options(packed, *line, *more))[0] == 0
    np.testing.assert_array_equal(load_patches(work / "out.npz").neighbors, expected)
    model = work / "m.safetensors"
    code, _, lines = invoke("train", work / "out", "-o", model, *SHORT)
    assert code == 0, lines
    clf = stnclf.load(model)
    assert clf.objectness_
    assert clf.has_cell_.tolist() == [False, True]
    # Taught by hand, the same; the dense localizer and the plain network take what they can.
    again = clone(clf).set_params(verbose=0)
    again.fit(found.X, found.y, centers=found.centers, neighbors=found.neighbors)
    np.testing.assert_array_equal(again.predict_proba(found.X), clf.predict_proba(found.X))
    methods = ("--method", "stn", "--method", "cnn", "--epochs", 1, "--folds", 2)
    code, _, lines = invoke("evaluate", work / "out", *methods, *SHORT[:6], "--set", "batch_size=8")
    assert code == 0, lines


def test_mined_patches_have_neighbours_where_the_others_have(work, invoke):
    line = ("--neighbors", "--image-size", 100, "--slide-mpp", 0.25)
    assert cut(invoke, work, *line)[0] == 0
    assert invoke("train", work / "out", "-o", work / "m.safetensors", *SHORT)[0] == 0
    where = (work / "out", work / "slides", "--annotations", work / "cells.sqlite")
    more = ("-n", 6, "--slide-mpp", 0.25, "--min-probability", 0.01)
    mined = work / "mined"
    code, _, lines = invoke("mine", work / "m.safetensors", *where, *more, "-o", mined)
    assert code == 0, lines
    before, after = load_patches(work / "out"), load_patches(mined)
    n, names = len(before.X), ["background", "cross", "disc"]
    assert len(after.X) > n
    assert np.unique(after.y).tolist() == names
    k = before.neighbors.shape[1]
    np.testing.assert_array_equal(after.neighbors[:n, :k, :2], before.neighbors[:, :, :2])
    np.testing.assert_array_equal(after.neighbors[:n, :k, 2], before.neighbors[:, :, 2] + 1)
    new = after.neighbors[n:]
    there = new[~np.isnan(new[:, :, 0])]
    assert len(there) > 3
    assert set(there[:, 2]) <= {1.0, 2.0}
    # Each lies where its pixels are: those of a blob are reddish.
    for image, cells in zip(after.X[n:], new):
        for x, y, _ in cells[~np.isnan(cells[:, 0])]:
            if 1 <= x < 98 and 1 <= y < 98:
                assert image[round(y), round(x), 0] > 150


@pytest.mark.parametrize("option", [("--background-distance", 9), ("--background-label", "none")])
def test_options_about_background_want_some(option, road, tmp_path, invoke):
    line = ("patches", road / "cells.sqlite", road / "slides", *option, "-o", tmp_path / "p")
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (2, 1)
    assert f"{option[0]} counts only with --background." in lines[0]
    assert not os.listdir(tmp_path)
