"""``train --ensemble``, and the commands that take its file."""

from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pytest

import stnclf
from stnclf.cli.crossval import make_folds
from stnclf.cli.members import HeldOut, folds_of_members
from stnclf.cli.patch_set import PatchSet, load_patches
from stnclf.slides import Slide

CNN = ("--method", "cnn", "--epochs", 2, "--batch-size", 8)


@pytest.fixture(scope="module")
def ensemble(road, tmp_path_factory, invoke):
    out = tmp_path_factory.mktemp("ensemble") / "e.safetensors"
    code, _, lines = invoke("train", road / "patches", "-o", out, *CNN, "--ensemble", 2)
    assert code == 0, lines
    assert sorted(os.listdir(out.parent)) == ["e.safetensors", "e.safetensors.json"]
    assert lines[0].startswith(f"{out}: ensemble of 2, CNN (Ciresan), 60 patches, 2 epochs; bal")
    return out


def test_members_are_those_of_the_folds(ensemble, road):
    found, model = load_patches(road / "patches"), stnclf.load(ensemble)
    folds = make_folds(found.y, found.groups, 2, 0)
    for member, (train, _) in zip(model.estimators, folds, strict=True):
        assert len(set(found.groups[train])) == 1
        alone = stnclf.CiresanBaseline(**member.get_params())
        alone.fit(found.X[train], found.y[train], centers=found.centers[train])
        assert np.array_equal(alone.predict_proba(found.X), member.predict_proba(found.X))


def test_predict_has_the_numbers_of_the_ensemble(ensemble, road, tmp_path, invoke):
    found, model = load_patches(road / "patches"), stnclf.load(ensemble)
    assert invoke("predict", ensemble, road / "patches", "-o", tmp_path / "p.csv")[0] == 0
    table = pd.read_csv(tmp_path / "p.csv")
    columns = [f"probability_{label}" for label in model.classes_]
    np.testing.assert_allclose(table[columns], model.predict_proba(found.X), atol=1e-12)
    np.testing.assert_allclose(table[["x", "y"]], model.transform(found.X), atol=1e-4)
    np.testing.assert_allclose(table["disagreement"], model.disagreement(found.X), atol=1e-12)
    assert table["label"].tolist() == model.predict(found.X).tolist()
    assert table.columns[-1] == "disagreement"


def test_onnx_has_the_numbers_of_predict(ensemble, road, tmp_path, invoke):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="exported networks need the extra [onnx]")
    import onnxruntime

    from stnclf.onnx import to_onnx

    to_onnx(stnclf.load(ensemble), tmp_path / "e.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "e.onnx")
    proba, centers, _, disagreement = session.run(
        None, {"images": load_patches(road / "patches").X}
    )
    assert invoke("predict", ensemble, road / "patches", "-o", tmp_path / "p.csv")[0] == 0
    table = pd.read_csv(tmp_path / "p.csv")
    columns = ["probability_cross", "probability_disc"]
    np.testing.assert_allclose(proba, table[columns], atol=1e-4)
    np.testing.assert_allclose(centers, table[["x", "y"]], atol=1e-3)
    np.testing.assert_allclose(disagreement, table["disagreement"], atol=1e-4)


def test_scan_has_those_of_scan(ensemble, road, tmp_path, invoke):
    slide = road / "slides" / "a b.tif"
    out = tmp_path / "cells.csv"
    line = ("scan", ensemble, slide, "-o", out, "--min-probability", 0, "--mpp", 0.25)
    code, _, lines = invoke(*line)
    assert code == 0, lines
    table = pd.read_csv(out)
    same = stnclf.scan.scan(stnclf.load(ensemble), Slide(slide), min_probability=0, mpp=0.25)
    pd.testing.assert_frame_equal(table, same)
    assert (table["disagreement"] > 0).any()


def test_info_and_evaluate_take_it(ensemble, road, tmp_path, invoke):
    code, text, _ = invoke("info", ensemble, "--json")
    (facts,) = json.loads(text)
    assert (code, facts["class"], facts["members"]) == (0, "Ensemble", 2)
    code, text, _ = invoke("info", ensemble)
    assert (code, "| member 1, classifier |" in text) == (0, True)
    out, report = tmp_path / "s.json", tmp_path / "r.html"
    line = ("evaluate", road / "patches", "--model", ensemble, "-o", out, "--report", report)
    code, _, lines = invoke(*line)
    assert code == 0, lines
    found, model = load_patches(road / "patches"), stnclf.load(ensemble)
    scores = json.loads(out.read_text())["results"]["e"]
    assert scores["accuracy"] == pytest.approx(model.score(found.X, found.y))
    assert "e, member 1" in report.read_text("utf-8")


def test_an_interrupted_training_goes_on(ensemble, road, tmp_path, invoke, monkeypatch):
    out = tmp_path / "e.safetensors"
    line = ("train", road / "patches", "-o", out, *CNN, "--ensemble", 2)
    fit, calls = stnclf.CiresanBaseline.fit, []

    def interrupted(self, *args, **how):
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fit(self, *args, **how)

    monkeypatch.setattr(stnclf.CiresanBaseline, "fit", interrupted)
    assert invoke(*line)[0] == 130
    assert "e.safetensors.checkpoint-0-of-2" in os.listdir(tmp_path)
    code, _, lines = invoke(*line)
    assert (code, "--resume" in lines[0]) == (2, True)
    assert invoke(*line, "--resume")[0] == 0
    members = [stnclf.load(path).estimators for path in (out, ensemble)]
    for a, b in zip(*members, strict=True):
        weights = [m.net_.module_.state_dict() for m in (a, b)]
        assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert sorted(os.listdir(tmp_path)) == ["e.safetensors", "e.safetensors.json"]
    code, _, lines = invoke(*line, "--resume")
    assert (code, "complete already" in lines[0]) == (0, True)
    before = out.read_bytes()
    code, _, lines = invoke(*line[:-2], "--resume")
    assert code == 1
    assert "--out: " in lines[0]
    assert "was made with --ensemble 2, and this run is without --ensemble; " in lines[0]
    monkeypatch.setattr("stnclf.cli.members.folds_of_members", lambda *_: [])
    code, _, lines = invoke(*line[:-1], 4, "--resume")
    assert code == 1
    assert "was made with --ensemble 2, and this run is with --ensemble 4; " in lines[0]
    assert out.read_bytes() == before


@pytest.fixture
def begun(road, tmp_path, invoke, monkeypatch):
    """Give a function that begins a training, and is interrupted in its second epoch or model."""
    from stnclf.training._checkpoint import CheckpointKeeper

    line = ("train", road / "patches", "-o", tmp_path / "k.safetensors", *CNN)

    def begin(*more):
        end = CheckpointKeeper.on_epoch_end
        left = [3 if more else 1]

        def stop(self, net, **how):
            end(self, net, **how)
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(CheckpointKeeper, "on_epoch_end", stop)
            assert invoke(*line, *more)[0] == 130
        return line

    return begin


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        (("--ensemble", 2), (), "begun with --ensemble 2, and this run is without --ensemble"),
        ((), ("--ensemble", 2), "begun without --ensemble, and this run is with --ensemble 2"),
    ],
)
def test_only_a_run_of_as_many_models_is_resumed(first, then, words, begun, tmp_path, invoke):
    line = begun(*first)
    there = sorted(os.listdir(tmp_path))
    assert "k.safetensors" not in there
    code, _, lines = invoke(*line, *then, "--resume")
    assert (code, len(lines)) == (1, 1)
    assert f"--out: {tmp_path / 'k.safetensors'} was {words}; resume with the same" in lines[0]
    code, _, lines = invoke(*line, *then)
    assert (code, "was begun and not finished" in lines[0]) == (2, True)
    assert sorted(os.listdir(tmp_path)) == there
    # What is begun anew leaves nothing of the other.
    assert invoke(*line, *then, "--overwrite")[0] == 0
    assert sorted(os.listdir(tmp_path)) == ["k.safetensors", "k.safetensors.json"]


def test_of_other_many_models_neither(begun, tmp_path, invoke, monkeypatch):
    line = begun("--ensemble", 2)
    monkeypatch.setattr("stnclf.cli.members.folds_of_members", lambda *_: [])
    code, _, lines = invoke(*line, "--ensemble", 3, "--resume")
    assert code == 1
    assert "was begun with --ensemble 2, and this run is with --ensemble 3" in lines[0]
    # An older version did not note of how many models a checkpoint is one.
    (tmp_path / "k.safetensors.checkpoint-0-of-2").rename(tmp_path / "k.safetensors.checkpoint-0")
    (tmp_path / "k.safetensors.checkpoint-1-of-2").unlink()
    code, _, lines = invoke(*line, "--resume")
    assert code == 1
    assert "was begun with --ensemble by an older version, and this run is without" in lines[0]


def test_a_complete_model_stays_where_another_kind_was_begun(begun, tmp_path, invoke):
    line = begun()
    assert invoke(*line, "--resume")[0] == 0
    before = (tmp_path / "k.safetensors").read_bytes()
    code, _, lines = invoke(*line, "--ensemble", 2, "--resume")
    assert code == 1
    assert "was made without --ensemble, and this run is with --ensemble 2" in lines[0]
    code, _, lines = invoke(*line[:4], "--method", "stn", "--resume")
    assert code == 1
    assert "was made with --method cnn, and this run is with --method stn" in lines[0]
    assert (tmp_path / "k.safetensors").read_bytes() == before


def test_what_is_no_ensemble_is_refused(ensemble, road, tmp_path, invoke):
    line = ("train", road / "patches", "-o", tmp_path / "m", *CNN)
    code, _, lines = invoke(*line, "--ensemble", 5)
    assert (code, len(lines)) == (1, 1)
    assert "--ensemble: got 5, but the patches are of 2 slides" in lines[0]
    code, _, lines = invoke(*line, "--set", f"init={ensemble}")
    assert (code, "it is an ensemble; wants one of its members" in lines[0]) == (1, True)


def test_every_member_sees_every_class():
    y, groups = np.array(list("aabbab")), np.array([0, 0, 1, 1, 2, 2])
    assert len(folds_of_members(PatchSet(np.zeros((6, 2, 2)), y, groups=groups), 3, 0)) == 3
    groups = np.repeat([0, 1, 2], 3)
    for labels, words in (
        ("aaabbbaaa", r"fold [123] of them leaves one class to train on, 'a'"),
        ("accbbbaac", r"without fold [123] of them there are no patches of \['b'\]"),
    ):
        patches = PatchSet(np.zeros((9, 2, 2)), np.array(list(labels)), groups=groups)
        with pytest.raises(ValueError, match=f"^ensemble: got 3, but {words}"):
            folds_of_members(patches, 3, 0)


def test_held_out_predictions_are_in_the_order_of_the_patches():
    class Member:
        def predict_proba(self, X):
            return np.stack([1 - X[:, 0], X[:, 0]], axis=1)

    held_out = HeldOut(np.array(["a", "b", "b", "b"]))
    X = np.array([[0.2], [0.9], [0.4], [0.7]])
    held_out.add(Member(), X, [3, 0])
    assert np.isnan(held_out.proba[[1, 2]]).all()
    held_out.add(Member(), X, [1, 2])
    np.testing.assert_allclose(held_out.proba[:, 1], X[:, 0])
    assert held_out.balanced_accuracy() == pytest.approx((1 + 2 / 3) / 2)
