"""Model files: nothing is lost on the way, nothing that is not a model gets through."""

import copy
import hashlib
import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

import stnclf
from stnclf import Augmentation, CiresanBaseline, Optimizer, STNCellClassifier
from stnclf.persistence import model_card
from tests.conftest import QUICK
from tests.persistence.mutations import File

ROOT = Path(__file__).parents[2]
ESTIMATORS = {
    "heatmap": STNCellClassifier(**QUICK),
    "glimpses": STNCellClassifier(n_glimpses=2, **QUICK),
    "dense": STNCellClassifier(localizer="dense", patch_size=(20, 30), **QUICK),
    "fixed": STNCellClassifier(cell_size=(24, 36), **QUICK),
    "baseline": CiresanBaseline(epochs=2, random_state=0),
    "untrained": CiresanBaseline(epochs=0, random_state=0),
}


@pytest.fixture(scope="module")
def all_fitted(blobs):
    X, y, centers = blobs
    return {name: clone(e).fit(X, y, centers=centers) for name, e in ESTIMATORS.items()}


@pytest.fixture(scope="module", params=ESTIMATORS)
def fitted(request, all_fitted):
    return all_fitted[request.param]


@pytest.fixture(scope="module")
def small(blobs):
    X, y, centers = blobs
    return CiresanBaseline(epochs=1, random_state=0).fit(X, y, centers=centers)


def round_trip(estimator, folder):
    stnclf.save(estimator, folder / "model.safetensors")
    return stnclf.load(folder / "model.safetensors")


def assert_same_predictions(a, b, X):
    for method in ("predict_proba", "predict_log_proba", "transform", "localize", "attend"):
        assert np.array_equal(getattr(a, method)(X), getattr(b, method)(X)), method
    assert a.predict(X).tolist() == b.predict(X).tolist()
    assert a.predict(X).dtype == b.predict(X).dtype


def assert_same_training(a, b):
    """Weights and history are equal, but for the time that it took."""
    first, second = (c.net_.module_.state_dict() for c in (a, b))
    assert all(torch.equal(first[name], second[name]) for name in first)
    rows = [[{**row, "seconds": 0} for row in c.history_] for c in (a, b)]
    assert rows[0] == rows[1]


def test_nothing_is_lost(fitted, blobs, tmp_path):
    again = round_trip(fitted, tmp_path)
    assert not again.net_.module_.training
    assert type(again) is type(fitted)
    assert_same_predictions(fitted, again, blobs[0])
    assert repr(again.get_params()) == repr(fitted.get_params())
    assert set(vars(again)) == set(vars(fitted))
    for name in set(vars(fitted)) - {"net_"}:
        assert repr(vars(again)[name]) == repr(vars(fitted)[name]), name
    assert again.classes_.dtype == fitted.classes_.dtype
    assert [type(v) for v in again.image_shape_] == [int] * 3
    module = again.net_.module_
    assert all(p.requires_grad and p.device.type == "cpu" for p in module.parameters())
    pointers = [t.data_ptr() for t in module.state_dict().values()]
    assert len(set(pointers)) == len(pointers)


def test_equal_models_are_equal_files(fitted, tmp_path):
    stnclf.save(fitted, tmp_path / "a")
    stnclf.save(stnclf.load(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


PROGRAM = """
import hashlib, sys
import numpy as np
import stnclf
paths = sys.argv[2:]
models, seen = [stnclf.load(path) for path in paths], []
def hook(event, arguments):
    wrote = event == "open" and arguments[2] & 3
    kinds = ("pickle", "marshal", "exec", "compile", "import", "os", "subprocess", "socket")
    if wrote or event.split(".")[0] in kinds:
        seen.append(event)
# By now everything is imported that is imported late.
sys.addaudithook(hook)
models, found = [stnclf.load(path) for path in paths], list(seen)
X = np.load(sys.argv[1])
for model in models:
    results = [model.predict_proba(X), model.transform(X), model.attend(X)]
    print(hashlib.sha256(b"".join(map(bytes, results))).hexdigest())
print(found)
"""


def test_another_process_predicts_the_same_and_runs_no_code(all_fitted, blobs, tmp_path):
    X, expected = blobs[0], []
    np.save(tmp_path / "X.npy", X)
    for name, model in all_fitted.items():
        stnclf.save(model, tmp_path / name)
        results = [model.predict_proba(X), model.transform(X), model.attend(X)]
        expected.append(hashlib.sha256(b"".join(map(bytes, results))).hexdigest())
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        tmp_path / "X.npy",
        *map(tmp_path.joinpath, all_fitted),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == [*expected, "[]", ""]


@pytest.mark.parametrize(
    "labels",
    [
        ["zebra", "ant"],
        np.array(["zebra", "ant"], dtype=object),
        ["gro\u00df | \U0001f600", "\n"],
        np.array([7, -2], dtype=np.int8),
        np.array([7, -2], dtype=">i4"),
        np.array([0, 2**64 - 1], dtype=np.uint64),
        [True, False],
        np.array([2.0, 5.0], dtype=np.float32),
    ],
)
def test_labels_of_any_kind(blobs, labels, tmp_path):
    X, y, _ = blobs
    clf = CiresanBaseline(epochs=0, random_state=0)
    clf.fit(X, np.asarray(labels)[(y == "disc").astype(int)])
    again = round_trip(clf, tmp_path)
    assert again.classes_.dtype == clf.classes_.dtype
    assert again.classes_.tolist() == clf.classes_.tolist()
    assert_same_predictions(clf, again, X[:3])


def test_labels_that_cannot_be_stored_are_refused(blobs, tmp_path):
    X, y, _ = blobs
    days = np.where(y == "disc", "2020-01-01", "2021-01-01").astype("M8[D]")
    clf = CiresanBaseline(epochs=0).fit(X, days)
    with pytest.raises(TypeError, match=r"y: labels of dtype datetime64\[D\] cannot be stored"):
        stnclf.save(clf, tmp_path / "model")
    assert os.listdir(tmp_path) == []


def test_parameters_and_their_types(blobs, tmp_path):
    X, y, _ = blobs
    changed = {
        "patch_size": (np.int64(20), 30),
        "cell_size": [10, 12],
        "optimizer": Optimizer(lr=np.float32(0.002), weight_decay=1e-3),
        "balance": "fixed",
        "class_weight": {"disc": 2, "cross": 0.5},
        "augment": Augmentation(rotate="copy", color=0.2),
        "validation_fraction": 0.25,
        "image_shape": (24, 36, 3),
        "random_state": np.random.RandomState(5),
        "verbose": False,
    }
    clf = CiresanBaseline(epochs=0).set_params(**changed).fit(X, y)
    again = round_trip(clf, tmp_path)
    before, after = clf.get_params(), again.get_params()
    states = before.pop("random_state"), after.pop("random_state")
    assert states[0].randint(2**31, size=9).tolist() == states[1].randint(2**31, size=9).tolist()
    assert type(before.pop("augment")) is type(after.pop("augment")) is Augmentation
    assert type(before.pop("optimizer")) is type(after.pop("optimizer")) is Optimizer
    assert before == after
    assert before["augment__rotate"] == "copy"
    assert type(after["patch_size"]) is tuple
    assert type(after["cell_size"]) is list
    assert after["verbose"] is False
    assert all(type(key) is str for key in after["class_weight"])


def test_parameters_that_cannot_be_stored_are_named(small, tmp_path):
    clf = clone(small)
    vars(clf).update({**vars(small), "class_weight": {"disc": 1, "cross": {2}}})
    with pytest.raises(TypeError, match="class_weight: got set, which a model file cannot hold"):
        stnclf.save(clf, tmp_path / "model")
    assert os.listdir(tmp_path) == []


class Nothing(Callback):
    """A callback that records what is no number."""

    def on_epoch_end(self, net, **kwargs):
        net.history.record("mine", 3)
        net.history.record("object", object())
        net.history.record("day", np.datetime64("2020-01-01"))


def test_callbacks_are_left_out_and_it_is_said(blobs, tmp_path):
    X, y, _ = blobs
    clf = CiresanBaseline(epochs=1, callbacks=[Nothing()], random_state=0).fit(X, y)
    with pytest.warns(UserWarning, match="callbacks are code and are left out"):
        again = round_trip(clf, tmp_path)
    assert again.callbacks is None
    assert again.net_.history[0]["mine"] == 3
    assert not {"object", "day"} & set(again.net_.history[0])
    assert_same_predictions(clf, again, X[:3])


def test_thresholds_of_detections_come_back(small, blobs, tmp_path):
    path, small = tmp_path / "m.safetensors", copy.deepcopy(small)
    stnclf.save(small, path)
    plain = path.read_bytes()
    assert stnclf.load(path).detection_thresholds_ == {}
    first, second = small.classes_.tolist()[:2]
    small.detection_thresholds_ = {second: 0.75}
    stnclf.save(small, path)
    assert stnclf.load(path).detection_thresholds_ == {second: 0.75}
    assert pickle.loads(pickle.dumps(small)).detection_thresholds_ == {second: 0.75}
    assert repr(0.75) in model_card(small)
    stnclf.save(stnclf.load(path), tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes() != plain
    for wrong in ({"x": 0.5}, {first: 1.5}, [0.5, 0.5]):
        small.detection_thresholds_ = wrong
        with pytest.raises(ValueError, match="detection_thresholds_: got"):
            stnclf.save(small, path)
    # Other weights, other thresholds.
    X, y, centers = blobs
    again = stnclf.load(path).set_params(epochs=0, warm_start=True)
    assert again.fit(X, y, centers=centers).detection_thresholds_ == {}


def test_names_of_columns_come_back(blobs, tmp_path):
    X, y, _ = blobs
    table = pd.DataFrame(X[:, :5, :5].reshape(40, -1)).rename(columns=lambda i: f"pixel {i}")
    again = round_trip(CiresanBaseline(epochs=0, random_state=0).fit(table, y), tmp_path)
    assert again.feature_names_in_.tolist() == list(table.columns)
    assert again.feature_names_in_.dtype == object
    assert again.predict(table).shape == (40,)
    with pytest.raises(ValueError, match="feature names"):
        again.predict(table.rename(columns={"pixel 3": "other"}))


@pytest.mark.parametrize("seed", [3, None])
def test_warm_start_goes_on_where_it_was(blobs, tmp_path, seed):
    X, y, centers = blobs
    clf = STNCellClassifier(**{**QUICK, "random_state": seed, "joint_epochs": 2})
    clf.set_params(warm_start=True, validation_fraction=0.25)
    clf.fit(X, y, centers=centers, stages=("classifier",))
    again = round_trip(clf, tmp_path)
    for _ in range(2):
        clf.fit(X, y, centers=centers, stages=("localizer", "joint"))
        again.fit(X, y, centers=centers, stages=("localizer", "joint"))
        assert_same_training(clf, again)
    assert [(row["stage"], row["epoch"]) for row in again.history_][-3:] == [
        ("localizer", 2),
        ("joint", 3),
        ("joint", 4),
    ]
    assert [row["epoch"] for row in again.net_.history] == list(range(1, 8))
    with pytest.raises(ValueError, match="classes"):
        again.fit(X, np.where(y == "disc", "new", y), centers=centers)


def test_a_random_state_is_drawn_from_as_if_it_had_not_been_saved(blobs, tmp_path):
    X, y, _ = blobs
    clf = CiresanBaseline(epochs=1, warm_start=True, random_state=np.random.RandomState(1))
    again = round_trip(clf.fit(X, y), tmp_path)
    assert_same_training(clf.fit(X, y), again.fit(X, y))


class Interrupt(Callback):
    """Stands for Ctrl-C in the third epoch."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt


def test_an_interrupted_training_can_be_saved(blobs, tmp_path):
    X, y, _ = blobs
    clf = CiresanBaseline(epochs=9, callbacks=[Interrupt()], random_state=0)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y)
    again = round_trip(clf.set_params(callbacks=None), tmp_path)
    assert [row["epoch"] for row in again.history_] == [1, 2]
    clf.set_params(epochs=1, warm_start=True).fit(X, y)
    assert_same_training(clf, again.set_params(epochs=1, warm_start=True).fit(X, y))


def test_losses_that_are_not_finite_are_kept(small, tmp_path):
    clf = round_trip(small, tmp_path)
    clf.net_.history[0]["train_loss"] = float("nan")
    clf.net_.history[0]["lr"] = -float("inf")
    row = round_trip(clf, tmp_path).history_[0]
    assert np.isnan(row["train_loss"])
    assert row["lr"] == -float("inf")


def test_global_generators_are_left_alone(small, tmp_path):
    def states():
        numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
        return torch.get_rng_state().tolist(), numpy_state, random.getstate()

    before = states()
    round_trip(small, tmp_path)
    assert states() == before


def test_the_device_may_be_another(small, tmp_path):
    path = tmp_path / "model"
    # As if it was trained on a machine with more GPUs than this one has.
    away = stnclf.load(save_to(path, round_trip(small, tmp_path).set_params(device="cuda:63")))
    assert away.device == "cuda:63"
    with pytest.raises(ValueError, match=r"device: got 'cuda:63', but torch finds \d+ GPU"):
        away.predict(np.zeros((1, 24, 36, 3)))
    assert stnclf.load(path, device="cpu").predict(np.zeros((1, 24, 36, 3))).shape == (1,)
    with pytest.raises(ValueError, match="device: got 'tpu'"):
        stnclf.load(path, device="tpu")
    with pytest.raises(TypeError, match="device: got 0"):
        stnclf.load(path, device=0)


def save_to(path, estimator):
    stnclf.save(estimator, path)
    return path


class Own(CiresanBaseline):
    """A subclass, whose networks the file could not tell."""


@pytest.mark.parametrize(
    "estimator", [Own(), make_pipeline(CiresanBaseline()), stnclf.CellFeatures(), None]
)
def test_other_estimators_are_refused(estimator, tmp_path):
    with pytest.raises(TypeError, match=f"estimator: got {type(estimator).__name__}, wants one of"):
        stnclf.save(estimator, tmp_path / "model")


def test_a_model_with_a_network_that_is_no_more_is_refused(all_fitted, tmp_path):
    path = save_to(tmp_path / "model", all_fitted["heatmap"])
    file = File(path.read_bytes())
    file.facts["parameters"]["classifier"] = "zoom"
    path.write_bytes(file.sign().join())
    with pytest.raises(ValueError, match=r"model: .*classifier='zoom', which this version"):
        stnclf.load(path)


def test_what_cannot_be_loaded_is_not_saved_and_the_earlier_file_stays(blobs, tmp_path):
    X, y, centers = blobs
    path = tmp_path / "model"
    clf = STNCellClassifier(**QUICK).fit(X, y, centers=centers)
    before = save_to(path, clf).read_bytes()
    with pytest.raises(NotFittedError):
        stnclf.save(clone(clf), path)
    clf.set_params(localizer="dense")
    with pytest.raises(ValueError, match=r"was fitted with .*heatmap.* now say .*dense"):
        stnclf.save(clf, path)
    clf.set_params(localizer="heatmap", kappa=-1)
    with pytest.raises(ValueError, match=r"model: not written; The 'kappa' parameter"):
        stnclf.save(clf, path)
    clf.set_params(kappa=1.0)
    with torch.no_grad():
        clf.net_.module_.classifier.output.bias[1] = torch.nan
    with pytest.raises(ValueError, match=r"not written; tensor 'classifier.output.bias' holds NaN"):
        stnclf.save(clf, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model"]


def test_a_path_that_cannot_be_written_is_named(small, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"could not be written.*missing/model"):
        stnclf.save(small, tmp_path / "missing" / "model")


def test_anyone_can_read_the_description(small, tmp_path):
    with safetensors.safe_open(save_to(tmp_path / "model", small), framework="np") as file:
        facts = json.loads(file.metadata()["stnclf"])
        mean = file.get_tensor("mean")
    assert facts["class"] == "CiresanBaseline"
    assert facts["classes_"] == {"dtype": "<U5", "values": ["cross", "disc"]}
    assert facts["versions"]["torch"] == torch.__version__
    assert np.array_equal(mean, small.net_.module_.mean.numpy())
