"""``evaluate --detect``: no slide on two sides, thresholds of other slides, harmless deaths."""

from __future__ import annotations

import html
import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import stnclf
from stnclf.annotations import read_annotations
from stnclf.cli.detect import detection_folds, shown_slide, slides_and_cells
from stnclf.cli.patch_set import load_patches
from stnclf.metrics import choose_thresholds, detection_score
from stnclf.report._slides import slide_data
from stnclf.scan import scan
from stnclf.slides import Slide
from stnclf.slides._slide import name_of
from tests.cli.lines import with_options
from tests.cli.processes import KILLED, NO_LIMIT, kill
from tests.conftest import SHORT
from tests.report.test_html import embedded


@pytest.fixture(scope="module")
def line(detect_line):
    """A command line without its --out: three slides, the third the mirror image of another."""
    return detect_line


@pytest.mark.parametrize("n_folds", [3, 5])
def test_no_slide_is_on_two_sides(n_folds):
    groups = np.repeat([f"{i}.svs" for i in range(11)], 3)
    folds = detection_folds(groups, n_folds, 0)
    assert len(folds) == n_folds
    tested = [name for *_, scored in folds for name in scored]
    assert sorted(tested) == sorted(set(groups.tolist()))
    for training, choosing, scored in folds:
        assert sorted([*training, *choosing, *scored]) == sorted(set(groups.tolist()))
        assert min(len(training), len(choosing), len(scored)) > 0
        assert len(choosing) == (11 - len(scored)) // 4
    assert folds == detection_folds(groups, n_folds, 0) != detection_folds(groups, n_folds, 1)


def test_a_slide_whose_folder_only_the_table_names_has_its_resolution(tmp_path):
    (tmp_path / "day1").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "day1" / "a.tif", dpi=(25400 / 0.25,) * 2)
    Image.new("RGB", (60, 40)).save(tmp_path / "b.tif", dpi=(25400 / 0.5,) * 2)
    head = "Image\tClass\tCentroid X µm\tCentroid Y µm"
    rows = [head, "day1/a.tif\tm\t10\t5", "b.tif\tm\t20\t10", "gone.tif\tm\t1\t1"]
    (tmp_path / "t.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    patches = SimpleNamespace(groups=np.array(["a.tif", "b.tif"]))
    how = {"format": "auto", "columns": None}
    _, cells = slides_and_cells(patches, tmp_path, tmp_path / "t.tsv", None, **how)
    # QuPath counts from the corner of a pixel.
    assert cells["x"].tolist() == [10 - 0.125, 20 - 0.25]


def test_cells_without_a_class_are_counted_and_said(tmp_path, capsys):
    for name in "ab":
        Image.new("RGB", (60, 40)).save(tmp_path / f"{name}.png")
    rows = ["image,x,y,label", "a.png,5,6,disc", "a.png,20,6,", "b.png,5,7,cross", "c.png,1,1,"]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    how = {"format": "auto", "columns": None}
    patches = SimpleNamespace(groups=np.array(["a.png", "b.png"]))
    _, cells = slides_and_cells(patches, tmp_path, tmp_path / "t.csv", 0.5, **how)
    assert cells[["x", "y"]].to_numpy().tolist() == [[2.5, 3.0], [10, 3.0], [2.5, 3.5]]
    assert cells["label"].isna().tolist() == [False, True, False]
    caution = f"caution: 1 cell of {tmp_path / 't.csv'} has no class: "
    assert capsys.readouterr().err.startswith(caution)


def test_cells_of_no_known_class_are_shown_as_neither():
    slide = Slide(np.zeros((60, 80, 3), np.uint8), mpp=0.5)
    cells = pd.DataFrame({"image": name_of(slide), "x": [5.0, 10, 20], "y": 5.0})
    cells["label"] = ["a", None, "other"]
    found = cells.assign(label="a", probability=[0.9, 0.8, 0.7])
    how = {"labels": ["a"], "thresholds": {"a": 0.5}, "radius_um": 2.0}
    shown = shown_slide(slide, found, cells, **how)
    assert shown["truth"]["x"].tolist() == [10, 20]
    assert slide_data([("s", shown)])[0]["cells"]["right"] == [1, None, 0]


def test_scores_are_those_of_models_that_did_not_see_the_slide(line, tmp_path, invoke, monkeypatch):
    monkeypatch.setattr("stnclf.cli.cautions._ENOUGH", 31)  # of 30 cells on each slide
    out, page = tmp_path / "s.json", tmp_path / "r.html"
    code, printed, lines = invoke(*line, "-o", out, "--report", page)
    assert code == 0, lines
    assert sorted(os.listdir(tmp_path)) == ["r.html", "s.json"]
    written = json.loads(out.read_text())["detection"]["STN"]
    assert set(written["slides"]) == {"a b.tif", "ü.png", "m.png"}
    assert len(written["thresholds"]) == 3
    # What the page counts from each threshold on is what was scored.
    slides = embedded(page.read_text(encoding="utf-8"))["slides"]
    assert {slide["name"] for slide in slides} == set(written["slides"])
    for slide in slides:
        for k, label in enumerate(slide["labels"]):
            columns = (slide["cells"][name] for name in ("label", "probability", "right"))
            least = slide["thresholds"][k] - 5e-7
            right = [r for which, p, r in zip(*columns) if which == k and p >= least]
            score = written["slides"][slide["name"]][label]
            assert (len(right), sum(right)) == (score["n_detections"], score["true_positives"])
    assert set(written["intervals"]) == set(written["pooled"])
    assert "Cells found on slides" in page.read_text(encoding="utf-8")
    assert "precision" in printed
    # Thresholds that few cells decide are named on standard error, in the file and on the page.
    cautions = [text.removeprefix("caution: ") for text in lines if text.startswith("caution: ")]
    assert cautions == written["cautions"]
    assert len(cautions) == 2  # one for each class
    assert all(text.startswith("fold 1 of 3: ") for text in cautions)
    assert all("decide its threshold" in text or "is missed" in text for text in cautions)
    assert all(text.endswith("; nor have folds 2, 3 enough") for text in cautions)
    assert cautions[0] in html.unescape(page.read_text(encoding="utf-8"))
    # One fold by hand.
    found = load_patches(line[1])
    training, choosing, scored = detection_folds(found.groups, 3, 0)[1]
    model = tmp_path / "m.safetensors"
    rows = np.isin(found.groups, training)
    part = tmp_path / "part"
    shutil.copytree(line[1], part)
    for name in ("X", "y", "centers", "groups", "neighbors"):
        np.save(part / f"{name}.npy", getattr(found, name)[rows])
    assert invoke("train", part, "-o", model, *SHORT)[0] == 0
    estimator, truth = stnclf.load(model), read_annotations(line[5])
    tables = {
        name: scan(estimator, Slide(line[3] / name, 0.25), mpp=0.25, min_probability=0.05)
        for name in (*choosing, *scored)
    }
    here = truth[truth["image"].isin(choosing)]
    chosen = choose_thresholds(here, pd.concat([tables[n] for n in choosing]), radius_px=6)
    assert written["thresholds"][1] == pytest.approx(chosen)
    (name,) = scored
    table = tables[name]
    kept = table[table["probability"] >= table["label"].map(lambda k: chosen.get(k, 0.5))]
    expected = detection_score(truth[truth["image"] == name], kept, radius_px=6)
    for label, score in expected.items():
        for count in ("n_truth", "n_detections", "true_positives"):
            assert written["slides"][name][label][count] == score[count], (label, count)


def test_classes_that_are_no_words_are_those_that_annotations_name(line, tmp_path, invoke):
    assert invoke(*line, "-o", tmp_path / "words.json")[0] == 0
    shutil.copytree(line[1], tmp_path / "p")
    y = np.load(line[1] / "y.npy") == "disc"
    np.save(tmp_path / "p" / "y.npy", y.astype(np.float32))
    cells = read_annotations(line[5])[["image", "x", "y", "label"]]
    cells["label"] = cells["label"].map({"cross": "0", "disc": "1.0"})
    cells.to_csv(tmp_path / "cells.csv", index=False)
    other = ("--annotations", tmp_path / "cells.csv", "-o", tmp_path / "s.json")
    numbered = with_options(("evaluate", tmp_path / "p", *line[2:]), *other)
    code, _, lines = invoke(*numbered)
    assert code == 0, lines
    words, numbers = (
        json.loads((tmp_path / name).read_text())["detection"]["STN"]
        for name in ("words.json", "s.json")
    )
    names = {"cross": "0", "disc": "1"}
    assert numbers["pooled"] == {names[k]: score for k, score in words["pooled"].items()}
    assert numbers["thresholds"] == [
        {names[k]: value for k, value in chosen.items()} for chosen in words["thresholds"]
    ]


def test_annotations_of_other_classes_are_refused_before_training(line, tmp_path, invoke):
    cells = read_annotations(line[5])[["image", "x", "y", "label"]].assign(label="other")
    cells.to_csv(tmp_path / "c.csv", index=False)
    more = ("--annotations", tmp_path / "c.csv", "-o", tmp_path / "s.json")
    code, _, lines = invoke(*with_options(line, *more))
    assert code == 1
    words = (
        "error: the classes of the patches are 'cross', 'disc', and those of --annotations 'other'"
    )
    assert words in lines[-1]


@NO_LIMIT
def test_a_killed_run_goes_on(line, tmp_path, invoke):
    assert invoke(*line, "-o", tmp_path / "whole.json")[0] == 0
    out = tmp_path / "s.json"
    code = KILLED.format(module="progress", kind="Progress.add")
    kill(code, (*line, "-o", out, 2), lambda: (tmp_path / "s.json.folds/0/0").is_dir())
    assert (tmp_path / "s.json.folds/0/0/m.safetensors").exists()
    before = (tmp_path / "s.json.folds/0/0/m.safetensors").stat().st_mtime_ns
    code, _, lines = invoke(*line, "-o", out)
    assert (code, "--resume" in lines[0]) == (2, True)
    code, _, lines = invoke(*line, "-o", out, "--resume", "--seed", 1)
    assert (code, "begun with another" in lines[0]) == (1, True), lines
    assert (tmp_path / "s.json.folds/0/0/m.safetensors").stat().st_mtime_ns == before
    code, _, lines = invoke(*line, "-o", out, "--resume")
    assert code == 0, lines
    whole, again = (json.loads(path.read_text()) for path in (tmp_path / "whole.json", out))
    assert again["detection"] == whole["detection"]
    assert sorted(os.listdir(tmp_path)) == ["s.json", "whole.json"]


def test_models_of_another_run_are_not_taken(line, tmp_path, invoke, monkeypatch):
    out, there = tmp_path / "s.json", []
    model = tmp_path / "s.json.folds" / "m.safetensors"

    def interrupted(*_, folder, **__):
        there.append(os.listdir(folder))
        model.write_text("this run")
        raise KeyboardInterrupt

    monkeypatch.setattr("stnclf.cli.detect.evaluate_detection", interrupted)
    # A run that failed, or a cross-validation that replaced its result, notes nothing any more.
    model.parent.mkdir()
    model.write_text("another run")
    assert invoke(*line, "-o", out, "--resume")[0] == 130
    assert invoke(*line, "-o", out, "--resume")[0] == 130
    assert there == [[], ["m.safetensors"]]
    plain = ("evaluate", line[1], "--method", "features", "--folds", 2, "-o", out)
    code, _, lines = invoke(*plain, "--resume")
    assert (code, "was begun with another command" in lines[0]) == (1, True)
    assert invoke(*plain, "--overwrite")[0] == 0
    assert os.listdir(tmp_path) == ["s.json"]


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--folds", 4], 2, "'--folds': got 4, but the patches are of 3 slides"),
        (["--method", "features"], 2, "'features' cannot scan"),
        (["--radius", 0], 2, "'--radius': got '0', wants a positive number"),
        (["--domain", "image"], 2, "--detect excludes --model and --domain"),
        (["--resume"], 2, "--resume needs --out"),
    ],
)
def test_wrong_options_are_named(more, code, words, line, tmp_path, invoke, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, printed, lines = invoke(*with_options(line, *more))
    assert (status, printed, len(lines)) == (code, "", 1), lines
    assert words in lines[0]
    assert os.listdir(tmp_path) == []
