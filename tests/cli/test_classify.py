"""``classify``: the table of classify_cells for all slides, and deaths that cost nothing."""

from __future__ import annotations

import os

import pandas as pd
import pytest

import stnclf
from stnclf.annotations import read_annotations
from stnclf.scan import classify_cells
from stnclf.slides import Slide
from tests.cli.lines import with_options
from tests.cli.processes import KILLED, NO_LIMIT, kill, n_lines

MPP = ("--mpp", 0.25, "--slide-mpp", 0.25)


def test_the_table_has_the_cells_of_all_slides(road, tmp_path, invoke):
    out = tmp_path / "c.csv"
    line = ("classify", road / "model.safetensors", road / "cells.sqlite", road / "slides", *MPP)
    code, printed, lines = invoke(*line, "-o", out)
    assert (code, printed, len(lines)) == (0, "", 1), lines
    found, table = read_annotations(out), read_annotations(road / "cells.sqlite")
    assert found[["image", "x", "y"]].equals(table[["image", "x", "y"]])
    assert found["annotated"].tolist() == table["label"].tolist()
    estimator = stnclf.load(road / "model.safetensors")
    for name in ("a b.tif", "ü.png"):
        here = table[table["image"] == name]
        own = classify_cells(estimator, Slide(road / "slides" / name, 0.25), here, mpp=0.25)
        columns = ["label", "probability", "probability_disc"]
        pd.testing.assert_frame_equal(found.loc[own.index, columns], own[columns])
    counts = found["label"].value_counts()
    assert lines[0] == f"{out}: 60 cells ({counts['cross']} cross, {counts['disc']} disc)"
    assert invoke(*line, "-o", out)[0] == 2
    before = out.stat().st_mtime_ns
    code, _, lines = invoke(*line, "-o", out, "--resume")
    assert (code, "complete already" in lines[0]) == (0, True)
    assert out.stat().st_mtime_ns == before
    # One slide of its own, from a table that names none.
    table[table["image"] == "ü.png"][["x", "y"]].to_csv(tmp_path / "n.csv", index=False)
    more = (tmp_path / "n.csv", road / "slides" / "ü.png", *MPP, "-o", tmp_path / "d.csv")
    code, _, lines = invoke("classify", road / "model.safetensors", *more, "--image", "ü.png")
    assert code == 0, lines
    alone = read_annotations(tmp_path / "d.csv")
    assert alone["label"].tolist() == found[found["image"] == "ü.png"]["label"].tolist()


def test_what_the_model_takes_for_no_cell_is_said(road, tmp_path, invoke):
    estimator = stnclf.load(road / "model.safetensors")
    estimator.has_cell_ = estimator.classes_ != "disc"
    stnclf.save(estimator, tmp_path / "m.safetensors")
    line = ("classify", tmp_path / "m.safetensors", road / "cells.sqlite", road / "slides", *MPP)
    code, _, lines = invoke(*line, "-o", tmp_path / "c.csv")
    n = (read_annotations(tmp_path / "c.csv")["label"] == "disc").sum()
    assert (code, n > 1, len(lines)) == (0, True, 2), lines
    assert lines[0].startswith(f"caution: {n} rows of 'disc', which the model knows as no cell")


@NO_LIMIT
def test_killed_classification_goes_on(road, tmp_path, invoke):
    line = ("classify", road / "model.safetensors", road / "cells.sqlite", road / "slides", *MPP)
    assert invoke(*line, "-o", tmp_path / "whole.csv")[0] == 0
    out = tmp_path / "c.csv"
    code = KILLED.format(module="progress", kind="Progress.add")
    kill(code, (*line, "-o", out, 1), lambda: n_lines(f"{out}.progress") == 2)
    assert invoke(*line, "-o", out)[0] == 2
    code, _, lines = invoke(*line, "--resume", "-o", out)
    assert code == 0, lines
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["c.csv", "c.csv.json", "whole.csv", "whole.csv.json"]


@pytest.mark.parametrize(
    ("slides", "more", "code", "words"),
    [
        ("slides/ü.png", [], 2, "is one slide, and"),
        ("slides", ["--mpp", -1], 2, "--mpp"),
        ("patches", [], 1, "no such file in"),
        ("slides", ["-o", "no/c.csv"], 2, "'--out': the folder of"),
    ],
)
def test_wrong_options_are_named(slides, more, code, words, road, tmp_path, invoke, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = ("classify", road / "model.safetensors", road / "cells.sqlite", road / slides)
    status, printed, lines = invoke(*with_options((*line, *MPP, "-o", "c.csv"), *more))
    assert (status, printed, len(lines)) == (code, "", 1), lines
    assert words in lines[0]
    assert os.listdir(tmp_path) == []
