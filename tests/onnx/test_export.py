"""The exported model predicts what the estimator predicts, for any number of images."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from torch import nn

import stnclf
from stnclf import PAPER, CiresanBaseline, Ensemble, STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.onnx import OPSET, _export, to_onnx
from tests.conftest import QUICK

UNTRAINED = {"classifier_epochs": 0, "localizer_epochs": 0, "joint_epochs": 0, "random_state": 0}


def stir(estimator):
    """Give an untrained estimator weights and statistics as if it had learned much."""
    generator = torch.Generator().manual_seed(0)

    def draw(like, low, high):
        return torch.rand(like.shape, generator=generator) * (high - low) + low

    module = estimator.net_.module_
    with torch.no_grad():
        for name, child in module.named_modules():
            if isinstance(child, nn.BatchNorm2d):
                child.running_mean += draw(child.running_mean, -0.3, 0.3)
                child.running_var *= draw(child.running_var, 0.5, 2)
                child.weight *= draw(child.weight, 0.5, 1.5)
            if getattr(child, "bias", None) is not None:
                child.bias += draw(child.bias, -0.2, 0.2)
            if name == "localizer.theta":
                # Turned and sheared windows, of which many reach beyond the patch.
                child.weight += draw(child.weight, -0.1, 0.1)
    return estimator


def images(n, height, width, channels, seed=0):
    """Smooth noise: nearly the same after one pixel, another one after ten."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, height // 6 + 1, width // 6 + 1, channels))
    fine = coarse.repeat(6, axis=1).repeat(6, axis=2)[:, :height, :width]
    return np.clip(fine + rng.integers(-40, 40, fine.shape), 0, 255).astype(np.uint8)


def open_model(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def assert_agrees(estimator, X, path):
    """Compare with the estimator: batches of one, two, seven and all images."""
    session = open_model(path)
    wanted = estimator.predict_proba(X), estimator.transform(X), estimator.localize(X)
    for n in sorted({1, 2, min(7, len(X)), len(X)}):
        results = session.run(["probabilities", "centers", "theta"], {"images": X[-n:]})
        for got, want in zip(results, wanted, strict=True):
            assert got.dtype == np.float32
            assert got.shape == want[-n:].shape
            np.testing.assert_allclose(got, want[-n:], rtol=0, atol=1e-4)
    return wanted


# An export takes seconds: what has no part of its own in the graph is not exported.
STNS = {
    "shared": {},
    "shared, glimpses, no symmetries": {"n_glimpses": 3, "tta": False},
    "context, glimpses": {"classifier": "context", "n_glimpses": 2, "tta": False},
    "inception": {"classifier": "inception"},
    "dense, context": {"localizer": "dense", "classifier": "context", "tta": False},
    "paper": PAPER,
}


@pytest.mark.parametrize("name", STNS)
def test_every_network_agrees(name, tmp_path):
    X = images(9, 47, 70, 3)
    settings = {"patch_size": (40, 57), "cell_size": (16, 20), **STNS[name], **UNTRAINED}
    estimator = stir(STNCellClassifier(**settings).fit(X, np.arange(9) % 3))
    to_onnx(estimator, tmp_path / "model.onnx")
    probabilities, centers, theta = assert_agrees(estimator, X, tmp_path / "model.onnx")
    assert np.ptp(probabilities, axis=0).max() > 0.02
    assert (np.ptp(centers, axis=0) > 2).all()
    assert (abs(theta[:, 0, 1]).max() > 0.1) == (estimator.localizer == "dense")


def test_an_ensemble_agrees(tmp_path):
    X = images(9, 47, 70, 3)
    sizes = {"patch_size": (40, 57), "cell_size": (16, 20)}
    kinds = [
        STNCellClassifier(tta=False, **sizes, **UNTRAINED),
        STNCellClassifier(localizer="dense", tta=False, **sizes, **UNTRAINED),
        CiresanBaseline(epochs=0, random_state=0, **sizes),
    ]
    members = [
        stir(kind.fit(X[i::2], [0, 1, 2, 0, 1][: len(X[i::2])])) for i, kind in enumerate(kinds[:2])
    ]
    members.append(stir(kinds[2].fit(X, np.arange(9) % 3)))
    ensemble = Ensemble(members)
    to_onnx(ensemble, tmp_path / "model.onnx")
    assert_agrees(ensemble, X, tmp_path / "model.onnx")
    session = open_model(tmp_path / "model.onnx")
    (found,) = session.run(["disagreement"], {"images": X})
    np.testing.assert_allclose(found, ensemble.disagreement(X), atol=1e-4)
    assert np.ptp(found) > 0.01
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["estimator"]) == "Ensemble"
    assert json.loads(facts["classes"]) == [0, 1, 2]


SIZES = {
    "seven channels, the view's size": ((52, 64, 7), {"tta": False}),
    "small cell, as float": (
        (210, 300, 3),
        {"cell_size": (20, 11), "dtype": "float32", "tta": False},
    ),
    "one channel, large window": ((210, 300, 1), {"cell_size": (150, 140), "tta": False}),
    "nothing to look for": ((30, 44, 3), {"patch_size": (20, 31), "cell_size": (20, 31)}),
    "part of a row": ((1, 20, 1), {"patch_size": (1, 15), "cell_size": (1, 5)}),
    "one pixel": ((1, 1, 3), {"tta": False}),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_channels_and_dtypes_agree(name, tmp_path):
    shape, settings = SIZES[name]
    dtype = settings.get("dtype", "uint8")
    settings = {key: value for key, value in settings.items() if key != "dtype"}
    X = images(6, *shape)
    X = X if dtype == "uint8" else (X / 200 - 0.5).astype(np.float32)
    estimator = stir(STNCellClassifier(**settings, **UNTRAINED).fit(X, np.arange(6) % 2))
    to_onnx(estimator, tmp_path / "model.onnx", dtype=dtype)
    assert_agrees(estimator, X, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("shape", "patch"),
    [
        ((90, 130, 3), (76, 113)),
        ((30, 45, 1), (25, 40)),
        ((300, 280, 7), None),
    ],
)
def test_baseline_agrees(shape, patch, tmp_path):
    X = images(8, *shape)
    estimator = CiresanBaseline(epochs=0, patch_size=patch, random_state=0)
    stir(estimator.fit(X, np.arange(8) % 3))
    to_onnx(estimator, tmp_path / "model.onnx")
    _, centers, _ = assert_agrees(estimator, X, tmp_path / "model.onnx")
    assert (np.ptp(centers, axis=0) > 2).all()


def test_baseline_looks_in_the_middle_where_nothing_is_active(tmp_path):
    X = images(4, 72, 80, 3)
    estimator = CiresanBaseline(epochs=0, random_state=0).fit(X, [0, 1, 0, 1])
    with torch.no_grad():
        estimator.net_.module_.output.weight.zero_()  # no gradient
    to_onnx(estimator, tmp_path / "model.onnx")
    _, centers, _ = assert_agrees(estimator, X, tmp_path / "model.onnx")
    np.testing.assert_allclose(centers, [[39.5, 35.5]] * 4, atol=1e-4)


@pytest.mark.parametrize("kind", ["stn", "baseline"])
def test_trained_estimators_agree_on_cells(kind, tmp_path):
    X, y, centers = make_cells(40, patch_size=128, random_state=0)
    stn = STNCellClassifier(patch_size=(112, 120), tta=False, **QUICK)
    baseline = CiresanBaseline(patch_size=(112, 120), epochs=2, random_state=0)
    estimator = {"stn": stn, "baseline": baseline}[kind]
    estimator.fit(X[:24], y[:24], centers=centers[:24])
    to_onnx(estimator, tmp_path / "model.onnx")
    assert_agrees(estimator, X[24:], tmp_path / "model.onnx")


@pytest.fixture(scope="module")
def fitted(blobs):
    """A baseline that sees a part of images of 24 x 36 px."""
    X, y, centers = blobs
    baseline = CiresanBaseline(patch_size=(20, 33), mpp=0.5, epochs=1, random_state=0)
    return baseline.fit(X, y, centers=np.clip(centers, 5, [30, 18]))


@pytest.fixture(scope="module")
def written(fitted, tmp_path_factory):
    """The file of this baseline, and what the export warned of, logged and printed: a list."""
    path = tmp_path_factory.mktemp("written") / "model.onnx"
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    logging.getLogger().addHandler(handler)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.redirect_stdout(heard), contextlib.redirect_stderr(heard):
            to_onnx(fitted, path)
    logging.getLogger().removeHandler(handler)
    return path, [heard.getvalue(), *caught]


@pytest.fixture
def converted(written, monkeypatch):
    """Give every export the graph of this file, where only what stands around it is looked at."""
    model = onnx.load(written[0])
    del model.metadata_props[:]
    monkeypatch.setattr(_export, "converted", lambda *_: copy.deepcopy(model))


def test_an_export_is_silent(written):
    assert written[1] == [""]


def test_model_is_valid_and_says_what_it_is(written):
    path, _ = written
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    assert (model.producer_name, model.producer_version) == ("stnclf", stnclf.__version__)
    session = open_model(path)
    (source,) = session.get_inputs()
    assert (source.name, source.type) == ("images", "tensor(uint8)")
    assert source.shape == ["n", 24, 36, 3]
    assert {out.name: out.shape for out in session.get_outputs()} == {
        "probabilities": ["n", 2],
        "centers": ["n", 2],
        "theta": ["n", 2, 3],
    }
    facts = session.get_modelmeta().custom_metadata_map
    assert {name: json.loads(value) for name, value in facts.items()} == {
        "classes": ["cross", "disc"],
        "image_shape": [24, 36, 3],
        "patch_size": [20, 33],
        "cell_size": [10, 16],
        "mpp": 0.5,
        "estimator": "CiresanBaseline",
        "stnclf_version": stnclf.__version__,
    }


@pytest.mark.usefixtures("converted")
@pytest.mark.parametrize("labels", [[False, True], ["ü, \"'\n", "細胞"], [-1.0, 2.0]])
def test_labels_of_any_kind_are_in_the_model(labels, blobs, tmp_path):
    X, y, _ = blobs
    estimator = CiresanBaseline(epochs=0, random_state=0)
    estimator.fit(X, np.array(labels)[(y == "disc").astype(int)])
    to_onnx(estimator, tmp_path / "model.onnx")
    facts = open_model(tmp_path / "model.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == labels


@pytest.mark.usefixtures("converted")
def test_chosen_thresholds_are_in_the_model(fitted, tmp_path):
    estimator = copy.deepcopy(fitted)
    estimator.detection_thresholds_ = {estimator.classes_[1]: 0.75}
    to_onnx(estimator, tmp_path / "model.onnx")
    facts = open_model(tmp_path / "model.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(facts["detection_thresholds"]) == [None, 0.75]


def test_a_loaded_estimator_gives_the_same_bytes(fitted, written, tmp_path):
    stnclf.save(fitted, tmp_path / "model.safetensors")
    to_onnx(stnclf.load(tmp_path / "model.safetensors"), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == written[0].read_bytes()


def test_nothing_of_this_machine_is_in_the_file(written):
    data = written[0].read_bytes()
    assert str(Path(stnclf.__file__).parent).encode() not in data
    assert b".py" not in data  # no stack trace


def test_estimator_and_torch_are_left_as_they_were(fitted, tmp_path):
    module = fitted.net_.module_.train()
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    before = torch.get_rng_state(), torch.is_grad_enabled(), logging.getLogger("torch.onnx").level
    with torch.no_grad():
        to_onnx(fitted, tmp_path / "model.onnx")
        assert not torch.is_grad_enabled()
    after = torch.get_rng_state(), torch.is_grad_enabled(), logging.getLogger("torch.onnx").level
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert module.training
    assert not module.resizes
    for name, value in module.state_dict().items():
        assert torch.equal(value, weights[name]), name
    module.eval()


@pytest.mark.usefixtures("converted")
def test_a_file_that_stood_there_is_replaced_or_stays(fitted, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", full)
        with pytest.raises(OSError, match=r"model\.onnx"):
            to_onnx(fitted, path)
    assert path.read_bytes() == b"before"
    to_onnx(fitted, path)
    assert open_model(path).get_inputs()[0].name == "images"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder(fitted, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        to_onnx(fitted, tmp_path / "nowhere" / "model.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_missing_extra_is_named(package, fitted, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'stnclf\[onnx\]'"):
        to_onnx(fitted, tmp_path / "model.onnx")


def test_bad_arguments(fitted, tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(NotFittedError, match="not fitted"):
        to_onnx(STNCellClassifier(), path)
    with pytest.raises(TypeError, match=r"estimator: got Pipeline, wants one of"):
        to_onnx(make_pipeline(fitted), path)
    with pytest.raises(TypeError, match=r"path: got 3, wants a str"):
        to_onnx(fitted, 3)
    for dtype in ("float64", None, np.uint8):
        with pytest.raises(ValueError, match=r"dtype: got .*, wants one of \('uint8', 'float32'\)"):
            to_onnx(fitted, path, dtype=dtype)
    assert not path.exists()


def test_labels_that_cannot_be_written(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(fitted, "classes_", np.array([b"cross", b"disc"]))
    with pytest.raises(TypeError, match="y: labels of dtype"):
        to_onnx(fitted, tmp_path / "model.onnx")
