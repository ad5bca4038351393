"""``evaluate``: the tables that it prints, its scores, and what survives an interruption."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

import stnclf
from stnclf.cli import crossval as _crossval
from stnclf.cli.patch_set import load_patches
from tests.cli.test_train import QUICK


def test_evaluate_prints_the_tables_and_keeps_the_scores(road, tmp_path, invoke):
    out, page = tmp_path / "scores.json", tmp_path / "r.html"
    line = ("evaluate", road / "patches", "--folds", 2, "-o", out, "--report", page)
    line += ("--method", "cnn", "--method", "features", "--epochs", 1)
    code, printed, lines = invoke(*line)
    assert code == 0, lines
    assert "CNN (Ciresan)" in printed
    assert "features + SVC" in printed
    scores = json.loads(out.read_text())
    assert list(scores["results"]) == ["CNN (Ciresan)", "features + SVC"]
    assert all(result["n"] == 60 for result in scores["results"].values())
    assert (scores["folds"], scores["seed"]) == (2, 0)
    best = scores["results"]["features + SVC"]["macro_f1"]
    assert lines == [f"{out}: 60 patches; macro F1 {best:.3f} (features + SVC)"]
    assert best > 0.6
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") or text.lower().startswith("<!doctype html>")
    assert "features + SVC" in text
    assert sorted(os.listdir(tmp_path)) == ["r.html", "scores.json"]
    assert invoke(*line)[0] == 2


def test_cells_that_are_all_in_the_middle_get_a_note(road, tmp_path, invoke):
    shutil.copytree(road / "patches", tmp_path / "p")
    line = ("evaluate", tmp_path / "p", "--model", road / "model.safetensors")
    assert len(invoke(*line)[2]) == 1
    centers = np.load(tmp_path / "p" / "centers.npy")
    np.save(tmp_path / "p" / "centers.npy", np.full_like(centers, 23.5))  # of 48 pixels
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (0, 2)
    assert lines[0].startswith("all cells are in the middle")
    (tmp_path / "p" / "centers.npy").unlink()  # which says the same
    assert invoke(*line)[2] == lines


def test_folds_have_no_slide_in_common(road, invoke):
    code, _, lines = invoke("evaluate", road / "patches", "--folds", 3, *QUICK)
    assert (code, len(lines)) == (1, 1)
    assert "--folds: got 3, but the patches are of 2 slide(s)" in lines[0]


def test_a_model_is_evaluated_as_it_is(road, tmp_path, invoke):
    model = road / "model.safetensors"
    out = tmp_path / "s.json"
    code, printed, lines = invoke("evaluate", road / "patches", "--model", model, "-o", out)
    assert code == 0, lines
    found = load_patches(road / "patches")
    accuracy = stnclf.load(model).score(found.X, found.y)
    assert json.loads(out.read_text())["results"]["model"]["accuracy"] == pytest.approx(accuracy)
    assert "fit/s" in printed
    line = ("evaluate", road / "patches", "--model", model, "--method", "stn")
    assert invoke(*line)[0] == 2
    assert invoke("evaluate", road / "patches", "--resume")[0] == 2


def test_an_interrupted_evaluation_goes_on(road, tmp_path, invoke, monkeypatch):
    out = tmp_path / "s.json"
    line = ("evaluate", road / "patches", "--folds", 2, "-o", out, "--method", "cnn", "--epochs", 1)
    run, runs = _crossval._run_fold, []

    def interrupted(*arguments):
        runs.append(1)
        if len(runs) == 2:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(_crossval, "_run_fold", interrupted)
    assert invoke(*line)[0] == 130
    assert os.listdir(tmp_path) == ["s.json.progress"]
    code, _, lines = invoke(*line, "--resume", "--seed", 1)
    assert (code, len(lines)) == (1, 1)
    assert invoke(*line, "--resume")[0] == 0
    assert len(runs) == 3
    again = json.loads(out.read_text())["results"]["CNN (Ciresan)"]
    assert invoke(*line, "--overwrite")[0] == 0
    whole = json.loads(out.read_text())["results"]["CNN (Ciresan)"]
    for scores in (again, whole):
        del scores["fit_seconds"], scores["predict_seconds"]
    assert again == whole
    assert os.listdir(tmp_path) == ["s.json"]
