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
from stnclf.geometry import window_corners
from tests.cli.test_train import QUICK
from tests.report.test_html import embedded


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
    # One epoch of a baseline finds nothing, and that is said.
    assert [text.partition(" finds")[0] for text in lines[:-1]] == ["caution: CNN (Ciresan)"]
    assert lines[-1] == f"{out}: 60 patches; best macro F1 {best:.3f} (features + SVC)"
    assert best > 0.6
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") or text.lower().startswith("<!doctype html>")
    assert "features + SVC" in text
    # The vector machine has neither probabilities nor epochs.
    assert '"CNN (Ciresan), mean of 2 folds, stage classifier: losses over 1 epoch"' in text
    calibration = [result["calibration"] for result in scores["results"].values()]
    assert calibration[0]["ece"] > 0
    assert calibration[1] is None
    assert f"expected calibration error {calibration[0]['ece']:.3f}" in text
    assert sorted(os.listdir(tmp_path)) == ["r.html", "scores.json"]
    assert invoke(*line)[0] == 2


def test_cells_that_are_all_in_the_middle_get_a_note(road, tmp_path, invoke):
    shutil.copytree(road / "patches", tmp_path / "p")
    line = ("evaluate", tmp_path / "p", "--model", road / "model.safetensors")
    np.save(tmp_path / "p" / "y.npy", np.load(tmp_path / "p" / "y.npy")[::-1])  # of no model
    assert len(invoke(*line)[2]) == 1
    centers = np.load(tmp_path / "p" / "centers.npy")
    np.save(tmp_path / "p" / "centers.npy", np.full_like(centers, 23.5))  # of 48 pixels
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (0, 2)
    assert lines[0].startswith("all cells are in the middle")
    (tmp_path / "p" / "centers.npy").unlink()  # which says the same
    assert invoke(*line)[2] == lines


def spoil(name, change):
    """Change one array of a folder of patches."""

    def change_file(folder):
        path = folder / f"{name}.npy"
        np.save(path, change(np.load(path)))

    return change_file


def first_nan(array):
    return np.where(np.arange(array.size).reshape(array.shape) == 0, np.nan, array)


def emptied(folder):
    for name in ("X", "y", "centers", "groups"):
        spoil(name, lambda array: array[:0])(folder)


@pytest.mark.parametrize(
    ("spoils", "words"),
    [
        (spoil("groups", lambda names: first_nan(np.arange(60) % 3)), "{p}: no patches (groups "),
        (spoil("centers", first_nan), "{p}: no patches (centers holds NaN"),
        (
            spoil("groups", lambda names: [*names[:-1], "u\u0308.png"]),
            "{p}: groups: '\\xfc.png' and 'u\\u0308.png' are one name",
        ),
        (spoil("X", lambda X: X * 1.0), "{p}: X: got floats from "),
        (emptied, "{p}: has no patches; wants some"),
        (spoil("y", lambda y: np.where(y == "x", y, "disc")), "{p}: y: got 1 class, ['disc']"),
    ],
)
def test_what_cannot_be_scored_is_refused_before_training(
    spoils, words, road, tmp_path, invoke, monkeypatch
):
    shutil.copytree(road / "patches", tmp_path / "p")
    spoils(tmp_path / "p")
    monkeypatch.setattr(_crossval, "_run_fold", None)
    line = ("evaluate", tmp_path / "p", "--method", "features", "--folds", 2)
    line += ("--report", tmp_path / "r.html")
    code, printed, lines = invoke(*line)
    assert (code, printed, len(lines)) == (1, "", 1)
    assert words.format(p=tmp_path / "p") in lines[0]


def test_folds_have_no_slide_in_common(road, invoke):
    code, _, lines = invoke("evaluate", road / "patches", "--folds", 3, *QUICK)
    assert (code, len(lines)) == (1, 1)
    assert "--folds: got 3, but the patches are of 2 slides" in lines[0]


def test_a_model_is_evaluated_as_it_is(road, tmp_path, invoke):
    model = road / "model.safetensors"
    out = tmp_path / "s.json"
    code, printed, lines = invoke("evaluate", road / "patches", "--model", model, "-o", out)
    assert code == 0, lines
    found = load_patches(road / "patches")
    accuracy = stnclf.load(model).score(found.X, found.y)
    assert json.loads(out.read_text())["results"]["model"]["accuracy"] == pytest.approx(accuracy)
    assert "fit (s)" in printed
    line = ("evaluate", road / "patches", "--model", model, "--method", "stn")
    assert invoke(*line)[0] == 2
    assert invoke("evaluate", road / "patches", "--resume")[0] == 2


@pytest.mark.parametrize("kind", [bool, np.int64])
def test_a_model_of_other_labels_knows_their_names_or_says_so(
    kind, quick_baseline, blobs, tmp_path, invoke
):
    X, y, centers = blobs
    classes = (y == "disc").astype(kind)
    model = tmp_path / "m.safetensors"
    stnclf.save(quick_baseline.fit(X, classes, centers=centers), model)
    folder, out = tmp_path / "p", tmp_path / "s.json"
    folder.mkdir()
    np.save(folder / "X.npy", X)
    results = []
    for labels in (classes, classes.astype(str), y):
        np.save(folder / "y.npy", labels)
        line = ("evaluate", folder, "--model", model, "-o", out, "--overwrite")
        code, _, lines = invoke(*line, "--report", tmp_path / "r.html")
        assert code == 0, lines
        results.append(json.loads(out.read_text()))
    words = [result["results"]["m"] for result in results]
    for name in ("labels", "confusion", "accuracy", "macro_f1"):
        assert words[1][name] == words[0][name]
    assert words[1]["labels"] == [str(kind(0)), str(kind(1))]
    assert "cautions" not in results[1]
    (caution,) = results[2]["cautions"]
    assert caution.startswith(
        f"the classes of m.safetensors are '{kind(0)}', '{kind(1)}', and those of p 'cross', 'disc'"
    )
    assert f"caution: {caution}" in lines
    assert (words[2]["accuracy"], len(words[2]["labels"])) == (0, 4)


def test_the_report_of_a_model_has_its_curves_probabilities_and_patch(road, tmp_path, invoke):
    model, page = road / "model.safetensors", tmp_path / "r.html"
    shutil.copytree(road / "patches", tmp_path / "p")
    facts = json.loads((tmp_path / "p" / "patches.json").read_text())
    # What the patches were cut for is not what the model looks at, 32 px.
    (tmp_path / "p" / "patches.json").write_text(json.dumps({**facts, "size": 44, "mpp": 0.5}))
    line = ("evaluate", tmp_path / "p", "--model", model, "--report", page)
    code, _, lines = invoke(*line)
    assert code == 0, lines
    text, clf = page.read_text(encoding="utf-8"), stnclf.load(model)
    for stage in ("classifier", "localizer"):
        n = sum(row["stage"] == stage for row in clf.history_)
        assert f"model, stage {stage}: losses over {n} epochs" in text
    assert "expected calibration error" in text
    patches = embedded(text)["patches"]
    assert patches["names"] == np.load(tmp_path / "p" / "groups.npy").tolist()
    assert patches["mpp"] == 0.5
    shown = embedded(text)["patches"]
    assert shown["size"] == [32, 32]
    X = load_patches(tmp_path / "p").X
    corners = window_corners(clf.localize(X), (32, 32), X.shape[1:3]) - 8  # (48 - 32) / 2
    np.testing.assert_allclose(shown["methods"][0]["corners"], corners, atol=0.051)
    # In any unit there is no bar of micrometres.
    facts |= {"size": 44, "mpp": 3, "slide_mpp": 1}
    (tmp_path / "p" / "patches.json").write_text(json.dumps(facts))
    assert invoke(*line, "--overwrite")[0] == 0
    assert embedded(page.read_text(encoding="utf-8"))["patches"]["mpp"] is None


@pytest.mark.parametrize("option", [("--set", "patch_size=(24, 28)"), ("--patch-size", 26)])
def test_the_report_of_folds_shows_the_patch_that_was_set(option, road, tmp_path, invoke):
    page = tmp_path / "r.html"
    line = ("evaluate", road / "patches", "--folds", 2, "--method", "cnn", "--epochs", 1)
    code, _, lines = invoke(*line, *option, "--cell-size", 12, "--report", page)
    assert code == 0, lines
    size = [24, 28] if option[0] == "--set" else [26, 26]
    assert embedded(page.read_text(encoding="utf-8"))["patches"]["size"] == size


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


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--radius", 5], "--radius counts only with --detect."),
        (["--slide-mpp", 0.5], "--slide-mpp counts only with --detect."),
        (["--from", "csv"], "--from counts only with --detect."),
        (["--column", "x=a"], "--column counts only with --detect."),
        (["--report", "b.pdf"], "'--report': 'b.pdf' ends with none of .html, .htm."),
        (["--slide-table", "t.csv"], "--slide-table needs --domain"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    more, words, road, tmp_path, invoke, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").touch()
    code, printed, lines = invoke("evaluate", road / "patches", *more)
    assert (code, printed, len(lines)) == (2, "", 1)
    assert words in lines[0]
    assert os.listdir(tmp_path) == ["t.csv"]


@pytest.mark.parametrize("methods", [["cnn"], ["features"], ["cnn", "features", "stn"]])
def test_what_balance_leaves_out_is_said(methods, road, tmp_path, invoke):
    """As `train` says it, before the work, in the file and on the page."""
    patches, out, page = tmp_path / "p", tmp_path / "s.json", tmp_path / "r.html"
    shutil.copytree(road / "patches", patches)
    y = np.load(patches / "y.npy")
    y[::20] = "rare"  # 3 of 60
    np.save(patches / "y.npy", y)
    line = ("evaluate", patches, "--folds", 2, "-o", out, "--report", page)
    line += tuple(word for method in methods for word in ("--method", method))
    epochs = {"cnn": ("--epochs", 1), "stn": QUICK, "features": ()}
    line += tuple(word for method in methods for word in epochs[method])
    code, _, lines = invoke(*line)
    assert code == 0, lines
    said = [text for text in lines if "has no more" in text]
    if methods == ["features"]:
        assert said == []
    else:
        assert len(said) == 1
        assert said[0].startswith("caution: an epoch shows 9 of 60 patches, 3 of each class, for ")
        assert said[0].removeprefix("caution: ") in json.loads(out.read_text())["cautions"]
        assert "an epoch shows 9 of 60 patches" in page.read_text(encoding="utf-8")
    assert ("; best macro F1 " in lines[-1]) == (len(methods) > 1)
    assert "macro F1 " in lines[-1]
