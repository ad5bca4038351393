"""``train``, ``evaluate`` and ``predict``: their results, files, and what survives a death."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import stnclf
from stnclf.annotations import read_annotations
from stnclf.cli import crossval as _crossval
from stnclf.cli.patch_set import load_patches
from tests.cli.test_main import ENVIRONMENT
from tests.conftest import SHORT

QUICK = ("--classifier-epochs", 1, "--localizer-epochs", 1, "--joint-epochs", 1)
NO_LIMIT = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")


def weights(path):
    module = stnclf.load(path).net_.module_
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def assert_same_model(a, b):
    a, b = weights(a), weights(b)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def kill(code, line, condition):
    """Run Python code with a command line; kill it when it says that it is ready to die."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, line)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        assert condition()
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL


def test_a_model_is_that_of_fit(road):
    found = load_patches(road / "patches")
    clf = stnclf.STNCellClassifier(
        patch_size=32,
        cell_size=16,
        classifier_epochs=4,
        localizer_epochs=6,
        joint_epochs=0,
        batch_size=8,
        tta=False,
        random_state=0,
    )
    assert stnclf.load(road / "model.safetensors").get_params() == clf.get_params()
    clf.fit(found.X, found.y, centers=found.centers)
    for name, tensor in clf.net_.module_.state_dict().items():
        np.testing.assert_array_equal(weights(road / "model.safetensors")[name], tensor.numpy())


def test_the_other_method_and_its_settings(road, tmp_path, invoke):
    out = tmp_path / "cnn.safetensors"
    line = ("train", road / "patches", "-o", out, "--method", "cnn", "--epochs", 1)
    code, _, lines = invoke(*line, "--paper", "--set", "weight_decay=0.5", "--seed", 3)
    assert (code, lines) == (0, [f"{out}: CNN (Ciresan), 60 patches, 1 epochs"])
    cnn = stnclf.load(out)
    assert isinstance(cnn, stnclf.CiresanBaseline)
    chosen = (cnn.epochs, cnn.rotate, cnn.weight_decay, cnn.random_state, cnn.patch_size_)
    assert chosen == (1, "copy", 0.5, 3, (32, 32))
    assert os.listdir(tmp_path) == ["cnn.safetensors"]


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--localizer", "magic"], 1, "--set"),
        (["--set", "kapa=1"], 2, "did you mean kappa?"),
        (["--stages", "first"], 1, "--stages: got unknown ['first']"),
        (["--patch-size", 500], 1, "--patch-size: got (500, 500)"),
        (["--epochs", 1], 2, "'--epochs'"),
        (["--device", "tpu"], 1, "--device: got 'tpu'"),
    ],
)
def test_wrong_parameters_are_one_line(more, code, words, road, tmp_path, invoke):
    status, _, lines = invoke("train", road / "patches", "-o", tmp_path / "m", *more)
    assert (status, len(lines)) == (code, 1)
    assert words in lines[0] or "localizer" in lines[0]
    assert os.listdir(tmp_path) == []


def test_one_class_names_the_file(road, tmp_path, invoke):
    found = load_patches(road / "patches")
    np.savez(tmp_path / "p.npz", X=found.X, y=np.full(60, "a"))
    code, _, lines = invoke("train", tmp_path / "p.npz", "-o", tmp_path / "m")
    assert (code, len(lines)) == (1, 1)
    assert f"{tmp_path / 'p.npz'}: y: got 1 class(es)" in lines[0]


KILLED_TRAIN = """if True:
    import time
    from stnclf.training import _checkpoint
    from stnclf.cli import main

    end = _checkpoint.CheckpointKeeper.on_epoch_end
    left = [6]

    def stop(self, net, **more):
        end(self, net, **more)
        left[0] -= 1
        if not left[0]:
            print("ready", flush=True)
            time.sleep(100)

    _checkpoint.CheckpointKeeper.on_epoch_end = stop
    main()
"""


@NO_LIMIT
def test_a_killed_training_goes_on(road, tmp_path, invoke):
    out = tmp_path / "m.safetensors"
    line = ("train", road / "patches", "-o", out, *SHORT)
    kill(KILLED_TRAIN, line, lambda: os.listdir(tmp_path) == ["m.safetensors.checkpoint"])
    code, _, lines = invoke(*line)
    assert (code, "--resume" in lines[0]) == (2, True)
    code, _, lines = invoke(*line, "--seed", 1, "--resume")
    assert (code, len(lines)) == (1, 1)
    assert "random_state" in lines[0]
    assert invoke(*line, "--resume")[0] == 0
    assert_same_model(out, road / "model.safetensors")
    assert os.listdir(tmp_path) == ["m.safetensors"]
    before = out.read_bytes()
    assert invoke(*line)[0] == 2
    code, _, lines = invoke(*line, "--resume")
    assert (code, "complete already" in lines[0]) == (0, True)
    assert out.read_bytes() == before


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


def test_predictions_of_patches(road, tmp_path, invoke):
    out = tmp_path / "p.csv"
    code, _, lines = invoke("predict", road / "model.safetensors", road / "patches", "-o", out)
    assert code == 0, lines
    found, clf = load_patches(road / "patches"), stnclf.load(road / "model.safetensors")
    table = read_annotations(out)
    assert table["label"].tolist() == clf.predict(found.X).tolist()
    np.testing.assert_array_equal(table[["x", "y"]], clf.transform(found.X))
    columns = [f"probability_{label}" for label in clf.classes_]
    np.testing.assert_array_equal(table[columns], clf.predict_proba(found.X))
    assert table["annotated"].tolist() == found.y.tolist()
    assert table["image"].tolist() == found.groups.tolist()
    n = int((table["label"] == "cross").sum())
    assert lines == [f"{out}: 60 images ({n} cross, {60 - n} disc)"]


@pytest.fixture
def images(road, tmp_path):
    folder = tmp_path / "images ü"
    folder.mkdir()
    for i, pixels in enumerate(load_patches(road / "patches").X[:5]):
        Image.fromarray(pixels).save(folder / f"{i}.png")
    (folder / "notes.txt").touch()
    return folder


def test_predictions_of_image_files(road, images, tmp_path, invoke):
    out = tmp_path / "p.csv"
    model = road / "model.safetensors"
    assert invoke("predict", model, images, "-o", out)[0] == 0
    table = read_annotations(out)
    assert table["image"].tolist() == [str(images / f"{i}.png") for i in range(5)]
    want = stnclf.load(model).predict(load_patches(road / "patches").X[:5])
    assert table["label"].tolist() == want.tolist()


def test_predictions_go_on_where_they_were(road, tmp_path, invoke, monkeypatch):
    monkeypatch.setattr("stnclf.cli.predict._CHUNK", 25)
    line = ("predict", road / "model.safetensors", road / "patches", "-o")
    assert invoke(*line, tmp_path / "whole.csv")[0] == 0
    transform, calls = stnclf.STNCellClassifier.transform, []

    def interrupted(self, X):
        calls.append(len(X))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return transform(self, X)

    monkeypatch.setattr(stnclf.STNCellClassifier, "transform", interrupted)
    out = tmp_path / "p.csv"
    assert invoke(*line, out)[0] == 130
    assert not out.exists()
    assert invoke(*line, out)[0] == 2
    assert invoke(*line, out, "--resume")[0] == 0
    assert calls == [25, 25, 25, 10]
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def spoil_image(images):
    (images / "3.png").write_bytes((images / "3.png").read_bytes()[:300])
    return "3.png"


def wrong_size(images):
    Image.new("RGB", (20, 20)).save(images / "0.png")
    return "0.png"


def no_images(images):
    for path in images.iterdir():
        path.unlink()
    return "images ü"


@pytest.mark.parametrize("spoil", [spoil_image, wrong_size, no_images])
def test_images_that_are_wrong_are_named(spoil, road, images, tmp_path, invoke):
    name = spoil(images)
    line = ("predict", road / "model.safetensors", images, "-o", tmp_path / "p.csv")
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (1, 1)
    assert name in lines[0]
    assert os.listdir(tmp_path) == ["images ü"]


@pytest.mark.parametrize("command", ["predict", "evaluate", "scan", "info"])
def test_a_damaged_model_is_one_line(command, road, tmp_path, invoke):
    model, out = tmp_path / "bad.safetensors", tmp_path / "out"
    data = bytearray((road / "model.safetensors").read_bytes())
    model.write_bytes(data[: len(data) // 2])
    line = {
        "predict": (model, road / "patches", "-o", out),
        "evaluate": (road / "patches", "--model", model, "-o", out),
        "scan": (model, road / "slides" / "a b.tif", "-o", out),
        "info": (model,),
    }[command]
    code, printed, lines = invoke(command, *line)
    assert (code, printed, len(lines)) == (1, "", 1)
    assert "bad.safetensors" in lines[0]
    assert os.listdir(tmp_path) == ["bad.safetensors"]
