"""``predict``: tables of patches and of image files, and going on where it was."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

import stnclf
from stnclf.annotations import read_annotations
from stnclf.cli.patch_set import load_patches


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


def test_patches_go_alone(road, images, tmp_path, invoke):
    line = ("predict", road / "model.safetensors", images, road / "patches")
    code, _, lines = invoke(*line, "--out", tmp_path / "p.csv")
    assert (code, len(lines)) == (1, 1)
    assert "patches: patches go alone" in lines[0]


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


def test_whole_numbers_are_written_without_a_point(road, tmp_path, invoke):
    patches = load_patches(road / "patches")
    y = np.where(patches.y == "disc", 3.0, 4.0)
    model = stnclf.CiresanBaseline(patch_size=32, epochs=0, random_state=0)
    model.fit(patches.X, y)
    stnclf.save(model, tmp_path / "m.safetensors")
    line = ("predict", tmp_path / "m.safetensors", road / "patches", "-o", tmp_path / "p.csv")
    assert invoke(*line)[0] == 0
    header, first, *_ = (tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()
    assert header.endswith(",x,y,label,probability,probability_3,probability_4")
    assert first.split(",")[header.split(",").index("label")] in ("3", "4")
