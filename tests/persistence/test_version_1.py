"""Files of format version 1: one that was written then, and others made of files of today."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping

import stnclf
from stnclf import Augmentation, CiresanBaseline, Optimizer, STNCellClassifier
from stnclf._serialization.container import Reader, pack
from stnclf.networks import positional_names
from tests.conftest import QUICK

#: Written by the last version before format version 2: trained for three epochs on synthetic cells.
FILE = Path(__file__).with_name("version_1.safetensors")

OLD = {
    "n_glimpses": 1,
    "class_maps": False,
    "classifier_lr": 3e-3,
    "localizer_lr": 3e-3,
    "joint_lr": 5e-4,
    "rotate": True,
    "flip": False,
    "scale_jitter": 0.0,
    "color_jitter": 0.1,
    "center_jitter": 0.03,
    "schedule": "one-cycle",
    "weight_decay": 0.05,
    "n_iter_no_change": 10,
}


def estimator(**changes):
    return STNCellClassifier(**{**QUICK, "augment": Augmentation(flip=False), **changes})


def to_version_1(path, module, **changes):
    """Write a model file or a checkpoint anew, with the names of version 1."""
    data = path.read_bytes()
    reader = Reader(io.BytesIO(data), len(data))
    kinds = {"F32": torch.float32, "I64": torch.int64}
    wanted = {
        name: torch.empty(shape, dtype=kinds[dtype])
        for name, (dtype, shape) in reader.layout.items()
    }
    facts, tensors = reader.facts, reader.tensors(wanted)
    names = positional_names(module)
    # Longer names first: "mean" is the end of others.
    order = sorted(names, key=len, reverse=True)

    def old(name):
        for new in order:
            start, found, end = name.partition(new)
            if found and (not start or start.endswith(".")) and end[:1] in ("", "."):
                return f"{start}{names[new]}{end}"
        return name

    facts["format_version"] = 1
    holder = facts.get("fingerprint", facts)
    kept = {
        name: value
        for name, value in holder["parameters"].items()
        if name.split("__")[0] not in ("augment", "optimizer")
    }
    holder["parameters"] = {**kept, **OLD, "classifier": "shared", **changes}
    if "moments" in facts:
        facts["moments"] = [names[name] for name in facts["moments"]]
    path.write_bytes(pack(facts, {old(name): tensor for name, tensor in tensors.items()}))
    return {old(name) for name in tensors}


def test_a_file_that_was_written_then():
    again = stnclf.load(FILE)
    assert isinstance(again, CiresanBaseline)
    assert (again.augment, again.balance, again.epochs) == ("paper", "fixed", 3)
    assert again.optimizer.get_params()["lr"] == (0.002,)
    assert [row["epoch"] for row in again.history_] == [1, 2, 3]
    X = (np.arange(3 * 64 * 64 * 3, dtype=np.int64) ** 2 % 251).reshape(3, 64, 64, 3)
    X = X.astype(np.uint8)
    proba = [[0.066967, 0.808483, 0.12455], [0.04314, 0.899245, 0.057614]]
    centers = [[16.175, 33.771], [16.008, 34.467]]
    np.testing.assert_allclose(again.predict_proba(X)[:2], proba, atol=1e-4)
    np.testing.assert_allclose(again.transform(X)[:2], centers, atol=1e-2)


def test_a_model_with_a_localizer_loads_and_continues(blobs, tmp_path):
    X, y, centers = blobs
    clf = estimator().fit(X, y, centers=centers)
    path = tmp_path / "model"
    stnclf.save(clf, path)
    assert "localizer.features.shared.0.weight" in to_version_1(path, clf.net_.module_)
    again = stnclf.load(path)
    assert again.augment.get_params() == clf.augment.get_params()
    assert (again.classifier, again.optimizer) == ("shared", "default")
    for one in (clf, again):
        one.set_params(warm_start=True).fit(X, y, centers=centers, stages=("joint",))
    assert np.array_equal(clf.predict_proba(X), again.predict_proba(X))
    taken = estimator(init=path, joint_epochs=0, classifier_epochs=0, localizer_epochs=0)
    saved = stnclf.load(path)
    assert np.array_equal(taken.fit(X, y, centers=centers).predict_proba(X), saved.predict_proba(X))


def test_a_model_with_a_network_that_is_no_more_is_refused(blobs, tmp_path):
    X, y, centers = blobs
    clf = estimator().fit(X, y, centers=centers)
    path = tmp_path / "model"
    stnclf.save(clf, path)
    to_version_1(path, clf.net_.module_, classifier="zoom")
    with pytest.raises(ValueError, match="classifier='zoom', which this version does not have"):
        stnclf.load(path)


class Stop(Callback):
    """Stands for Ctrl-C in the third epoch."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize("fraction", [None, 0.25])
def test_a_checkpoint_continues(blobs, tmp_path, fraction):
    X, y, centers = blobs
    path = tmp_path / "run"
    whole = estimator(validation_fraction=fraction).fit(X, y, centers=centers)
    kept = estimator(validation_fraction=fraction, checkpoint=path, callbacks=[Stop()])
    with pytest.raises(KeyboardInterrupt):
        kept.fit(X, y, centers=centers)
    old = to_version_1(path, kept.net_.module_)
    assert "moments.localizer.features.shared.0.weight.step" in old
    kept.set_params(callbacks=None).fit(X, y, centers=centers)
    assert np.array_equal(kept.predict_proba(X), whole.predict_proba(X))
    to_version_1(path, kept.net_.module_, flip=True)
    with pytest.raises(ValueError, match=r"augment__flip \(was true, is false\); continue"):
        kept.fit(X, y, centers=centers)


def test_patience_is_a_callback_now(blobs, tmp_path):
    X, y, centers = blobs
    clf = estimator(validation_fraction=0.25).fit(X, y, centers=centers)
    path = tmp_path / "model"
    stnclf.save(clf, path)
    to_version_1(path, clf.net_.module_, n_iter_no_change=4, weight_decay=0.5)
    again = stnclf.load(path)
    (stopper,) = again.callbacks
    assert (type(stopper), stopper.patience, stopper.load_best) == (EarlyStopping, 4, True)
    assert repr(again.optimizer) == repr(Optimizer(lr=(3e-3, 3e-3, 5e-4), weight_decay=0.5))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_maps": True}, "class_maps=True"),
        ({"classifier": "window"}, "classifier='window'"),
        ({"callbacks": []}, r"\['callbacks'\] are unknown"),
        ({"n_iter_no_change": 0}, "n_iter_no_change: wants a positive integer"),
        ({"flip": "no"}, "augment: The 'flip' parameter"),
        ({"joint_lr": -1.0}, "optimizer: got lr="),
    ],
)
def test_what_cannot_be_had_is_refused(blobs, tmp_path, changes, words):
    X, y, centers = blobs
    clf = estimator(classifier_epochs=0, localizer_epochs=0, joint_epochs=0)
    clf.fit(X, y, centers=centers)
    path = tmp_path / "model"
    stnclf.save(clf, path)
    to_version_1(path, clf.net_.module_, **changes)
    with pytest.raises(ValueError, match=f"cannot be loaded; .*{words}"):
        stnclf.load(path)
