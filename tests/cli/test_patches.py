"""``info``, ``patches`` and ``export``: what they say, what they write, what they refuse."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from stnclf.annotations import read_annotations, write_annotations
from stnclf.cli.export import read_tables
from stnclf.cli.patch_set import load_patches
from stnclf.slides import extract_patches
from tests.conftest import CUT, write_enormous


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def work(road, tmp_path):
    """Slides and annotations to spoil, in a folder of its own."""
    shutil.copytree(road / "slides", tmp_path / "slides")
    shutil.copy(road / "cells.sqlite", tmp_path)
    return tmp_path


def cut(invoke, work, *more):
    return invoke(
        "patches", work / "cells.sqlite", work / "slides", "-o", work / "out", *CUT, *more
    )


def test_info(road, invoke):
    paths = [road / name for name in ("cells.sqlite", "patches", "model.safetensors")]
    slides = [road / "slides" / name for name in ("a b.tif", "ü.png")]
    code, out, lines = invoke("info", "--json", *paths, *slides)
    assert (code, lines) == (0, [])
    cells, patches, model, pyramid, plain = json.loads(out)
    assert (cells["rows"], cells["images"]) == (60, 2)
    assert cells["counts"] == patches["counts"] == {"cross": 30, "disc": 30}
    assert (patches["images"], patches["shape"], patches["size"]) == (60, [48, 48, 3], 32)
    assert model["classes"] == ["cross", "disc"]
    assert (model["image_shape"], model["patch_size"]) == ([48, 48, 3], [32, 32])
    assert pyramid["size"] == plain["size"] == [420, 300]
    assert pyramid["mpp"] == pytest.approx(0.25, rel=1e-3)
    assert plain["mpp"] is None
    assert pyramid["levels"][1][:2] == [210, 150]
    code, out, _ = invoke("info", *paths)
    assert code == 0
    assert "{'cross': 30, 'disc': 30}" in out
    assert "# STNCellClassifier" in out


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


def test_nothing_is_overwritten_unless_asked_for(work, invoke):
    assert cut(invoke, work)[0] == 0
    before = contents(work / "out")
    code, _, lines = cut(invoke, work)
    assert (code, len(lines)) == (2, 1)
    assert "--overwrite" in lines[0]
    assert contents(work / "out") == before
    code, _, lines = cut(invoke, work, "--seed", 5, "--resume")
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


TABLE = pd.DataFrame(
    {
        "image": ["a.tif", "a.tif", "ü.png"],
        "x": [1.5, 20.0, 3.25],
        "y": [2.0, 30.5, 4.0],
        "label": ["disc", "cross", "disc"],
        "probability": [0.9, 0.4, 0.75],
    }
)


@pytest.fixture
def cells(tmp_path):
    return write_annotations(TABLE, tmp_path / "cells.csv")


@pytest.mark.parametrize("name", ["x.csv", "x.sqlite", "x.geojson", "x.json"])
def test_export_writes_every_format(name, cells, tmp_path, invoke):
    out = tmp_path / name
    more = ["--to", "midog"] if name == "x.json" else []
    more += ["--image", "a.tif"] if name == "x.geojson" else []
    code, _, lines = invoke("export", cells, "-o", out, *more)
    n = 2 if name == "x.geojson" else 3
    assert (code, lines) == (0, [f"{out}: {n} rows"])
    back = read_annotations(out)
    for column in ("image", "x", "y", "label"):
        assert sorted(back[column]) == sorted(TABLE[column][:n])
    code, _, lines = invoke("export", cells, "-o", out, *more)
    assert (code, len(lines)) == (2, 1)
    assert invoke("export", cells, "-o", out, "--overwrite", *more)[0] == 0


def test_export_to_grand_challenge(cells, tmp_path, invoke):
    line = ("export", cells, "-o", tmp_path / "x.json", "--to", "grand-challenge")
    code, _, lines = invoke(*line, "--image", "a.tif")
    assert (code, len(lines)) == (1, 1)
    assert "mpp" in lines[0]
    assert invoke(*line, "--image", "a.tif", "--mpp", 0.25)[0] == 0
    again = tmp_path / "again.csv"
    line = ("export", tmp_path / "x.json", "-o", again, "--image", "a.tif", "--mpp", 0.25)
    assert invoke(*line)[0] == 0
    assert read_annotations(again)["x"].tolist() == [1.5, 20.0]


def test_export_selects_and_colours(cells, tmp_path, invoke):
    out = tmp_path / "x.geojson"
    line = ("--image", "a.tif", "--min-probability", 0.5, "--color", "disc=#010203")
    assert invoke("export", cells, "-o", out, *line)[0] == 0
    (feature,) = json.loads(out.read_text())["features"]
    assert feature["properties"]["objectType"] == "detection"
    assert feature["properties"]["classification"] == {"name": "disc", "color": [1, 2, 3]}
    code, _, _ = invoke("export", cells, "-o", tmp_path / "y.csv", "--label", "cross")
    assert code == 0
    assert read_annotations(tmp_path / "y.csv")["x"].tolist() == [20.0]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--image", "b.tif"], "'--image': 'b.tif' is none of"),
        (["--color", "red"], "'--color'"),
        (["--label", "x"], "'--label'"),
    ],
)
def test_export_refuses_what_is_not_there(more, words, cells, tmp_path, invoke):
    code, _, lines = invoke("export", cells, "-o", tmp_path / "x.csv", *more)
    assert (code, len(lines)) == (2, 1)
    assert words in lines[0]
    assert not (tmp_path / "x.csv").exists()


def test_one_file_is_about_one_image(cells, tmp_path, invoke):
    code, _, lines = invoke("export", cells, "-o", tmp_path / "x.geojson")
    assert (code, len(lines)) == (1, 1)
    assert "choose by --image" in lines[0]
    code, _, lines = invoke("export", cells, "-o", tmp_path / "x.odd")
    assert code == 1
    assert "--to must be one of" in lines[0]


def test_probabilities_must_be_there_to_be_compared(tmp_path, invoke):
    path = write_annotations(TABLE.drop(columns="probability"), tmp_path / "a.csv")
    code, _, lines = invoke("export", path, "-o", tmp_path / "b.csv", "--min-probability", 0.5)
    assert code == 2
    assert "'--min-probability'" in lines[0]


def test_tables_are_read_as_one(cells, tmp_path):
    more = write_annotations(TABLE.assign(x=[7.0, 8.0, 9.0]), tmp_path / "more.csv")
    both = read_tables([cells, more])
    assert both["x"].tolist() == [1.5, 20.0, 3.25, 7.0, 8.0, 9.0]
    assert both.index.tolist() == list(range(6))


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
