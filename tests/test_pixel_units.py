"""The unit of pixels from `fit` to predictions, files, warm starts, ONNX and the model card."""

from __future__ import annotations

import numpy as np
import pytest

import stnclf
from stnclf import CiresanBaseline, STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.persistence import model_card

#: The same pixels in other units: exactly the same part of the full range.
UNITS = {
    "uint8": lambda X: X,
    "uint16": lambda X: X.astype(np.uint16) * 257,
    "0 to 1": lambda X: (X / 255).astype(np.float32),
}
WORDS = {"uint8": "8-bit pixels", "uint16": "16-bit pixels", "0 to 1": "pixels from 0 to 1"}
ONE = {"classifier_epochs": 1, "localizer_epochs": 1, "joint_epochs": 1, "random_state": 0}


@pytest.fixture(scope="module")
def cells():
    return make_cells(24, patch_size=64, offset=6, random_state=0)


@pytest.fixture(scope="module", params=UNITS)
def fitted(request, cells):
    X, y, centers = cells
    clf = STNCellClassifier(**ONE).fit(UNITS[request.param](X), y, centers=centers)
    return request.param, clf


def test_units_of_the_same_pixels_give_the_same(fitted, cells):
    name, clf = fitted
    wanted = clf.predict_proba(UNITS[name](cells[0]))
    for other in UNITS:
        if name != other == "uint16":  # finer than what it was fitted on, or no part of a range
            with pytest.raises(ValueError, match=r"X: got uint16 .* fitted on"):
                clf.predict_proba(UNITS[other](cells[0]))
        else:
            found = clf.predict_proba(UNITS[other](cells[0]))
            np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_files_keep_the_unit(fitted, cells, tmp_path):
    name, clf = fitted
    stnclf.save(clf, tmp_path / "model.safetensors")
    again = stnclf.load(tmp_path / "model.safetensors")
    assert again.pixel_unit_ == clf.pixel_unit_
    X = UNITS[name](cells[0])
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    with pytest.raises(ValueError, match=r"X: got .*fitted on"):
        again.predict(cells[0] * np.float32(700))
    assert f"| pixels | {WORDS[name]}" in model_card(again)


def test_warm_starts_keep_to_the_unit(fitted, cells, tmp_path):
    name, clf = fitted
    X, y, centers = cells
    stnclf.save(clf, tmp_path / "model.safetensors")
    warm = stnclf.load(tmp_path / "model.safetensors").set_params(warm_start=True)
    with pytest.raises(ValueError, match=r"X: got .*fitted on"):
        warm.fit(X * np.float32(700), y, centers=centers)
    warm.fit(UNITS[name](X), y, centers=centers)
    assert warm.pixel_unit_ == clf.pixel_unit_


@pytest.mark.parametrize("name", UNITS)
def test_onnx_takes_bytes_or_fractions_of_the_range(name, cells, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    from stnclf.onnx import to_onnx

    # The unit is handled before any network; the baseline's export takes the least time.
    X, y, _ = cells
    clf = CiresanBaseline(epochs=1, random_state=0).fit(UNITS[name](X), y)
    wanted = clf.predict_proba(UNITS[name](X))
    for dtype, given in (("uint8", X), ("float32", UNITS["0 to 1"](X))):
        path = tmp_path / f"{dtype}.onnx"
        to_onnx(clf, path, dtype=dtype)
        session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        out = session.run(None, {session.get_inputs()[0].name: given})
        np.testing.assert_allclose(out[names.index("probabilities")], wanted, atol=1e-5)


def test_onnx_of_a_range_that_bytes_do_not_have_is_refused(cells, tmp_path):
    pytest.importorskip("onnxscript")
    from stnclf.onnx import to_onnx

    X, y, centers = cells
    half = X.astype(np.int16) * 128  # whole numbers, and not the full range of a type
    clf = STNCellClassifier(**ONE).fit(half, y, centers=centers)
    with pytest.raises(ValueError, match="dtype: got 'uint8', but the estimator was fitted on"):
        to_onnx(clf, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_a_scan_refuses_models_of_other_units(cells):
    from stnclf.datasets import make_slide
    from stnclf.scan import scan
    from stnclf.slides import Slide

    X, y, centers = cells
    image, _, mpp = make_slide((256, 320), n_mitoses=2, random_state=0)
    clf = STNCellClassifier(**ONE).fit(X * np.float32(30), y, centers=centers)
    with pytest.raises(ValueError, match="fitted on"):
        scan(clf, Slide(image, mpp=mpp), mpp=mpp)
