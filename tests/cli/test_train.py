"""``train``: the model is that of `fit`, wrong parameters, and what survives a death."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

import stnclf
from stnclf.cli.patch_set import load_patches
from tests.cli.processes import NO_LIMIT, kill
from tests.conftest import SHORT

QUICK = ("--classifier-epochs", 1, "--localizer-epochs", 1, "--joint-epochs", 1)


def weights(path):
    module = stnclf.load(path).net_.module_
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def assert_same_model(a, b):
    a, b = weights(a), weights(b)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


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
    code, _, lines = invoke(*line, "--paper", "--set", "optimizer__weight_decay=0.5", "--seed", 3)
    assert (code, lines) == (0, [f"{out}: CNN (Ciresan), 60 patches, 1 epoch"])
    cnn = stnclf.load(out)
    assert isinstance(cnn, stnclf.CiresanBaseline)
    assert (cnn.epochs, cnn.augment, cnn.random_state) == (1, "paper", 3)
    parameters = {"lr": (1e-3,), "schedule": "constant", "weight_decay": 0.5}
    assert cnn.optimizer.get_params() == parameters
    assert cnn.patch_size_ == (32, 32)
    assert sorted(os.listdir(tmp_path)) == ["cnn.safetensors", "cnn.safetensors.json"]


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--localizer", "magic"], 2, "'--localizer': 'magic' is not one of 'heatmap', 'dense'"),
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
    assert words in lines[0]
    assert os.listdir(tmp_path) == []


def test_one_class_names_the_file(road, tmp_path, invoke):
    found = load_patches(road / "patches")
    np.savez(tmp_path / "p.npz", X=found.X, y=np.full(60, "a"))
    code, _, lines = invoke("train", tmp_path / "p.npz", "-o", tmp_path / "m")
    assert (code, len(lines)) == (1, 1)
    assert f"{tmp_path / 'p.npz'}: y: got 1 class, [" in lines[0]


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
    checkpoint = tmp_path / "m.safetensors.checkpoint"
    kill(KILLED_TRAIN, line, lambda: checkpoint.exists())
    code, _, lines = invoke(*line)
    assert (code, "--resume" in lines[0]) == (2, True)
    code, _, lines = invoke(*line, "--seed", 1, "--resume")
    assert (code, len(lines)) == (1, 1)
    assert "other --seed (was 0, is 1)" in lines[0]
    assert invoke(*line, "--resume")[0] == 0
    assert_same_model(out, road / "model.safetensors")
    assert sorted(os.listdir(tmp_path)) == ["m.safetensors", "m.safetensors.json"]
    before = out.read_bytes()
    assert invoke(*line)[0] == 2
    code, _, lines = invoke(*line, "--resume")
    assert (code, "complete already" in lines[0]) == (0, True)
    assert out.read_bytes() == before
    # Other pixels under the same name, of the same number and size: no result of theirs.
    patches = shutil.copytree(road / "patches", tmp_path / "patches")
    same = ("train", patches, "-o", out, *SHORT, "--resume")
    code, _, lines = invoke(*same)
    assert (code, "complete already" in lines[0]) == (0, True)
    X = np.load(patches / "X.npy")
    X[3, 5, 7, 1] ^= 1
    np.save(patches / "X.npy", X)
    code, _, lines = invoke(*same)
    assert (code, len(lines)) == (1, 1)
    assert "was made with other patches" in lines[0]
    code, _, lines = invoke(*line, "--resume", "--stages", "classifier")
    assert (code, "was made with other stages" in lines[0]) == (1, True)
    code, _, lines = invoke(*line, "--resume", "--stages", "classifier,localizer,joint")
    assert (code, "complete already" in lines[0]) == (0, True)
    assert out.read_bytes() == before
