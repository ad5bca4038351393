"""Every public function refuses what is not right by an error that says what and where."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from unittest import mock

import pandas as pd
import pytest

import stnclf
from stnclf.datasets import make_slide
from stnclf.slides import Slide, _read_errors

from .bad_input import N, write_images
from .bad_input.calls import CASES

pytest.importorskip("skimage", reason="the features need the extra [classical]")
pytest.importorskip("matplotlib", reason="the figures need the extra [plot]")
pytest.importorskip("onnx", reason="exported networks need the extra [onnx]")
pytest.importorskip("openslide", reason="slides need the extra [slides]")


def without(name, use, r):
    """Use something as if a package were not installed."""
    loaded = [key for key in sys.modules if key.startswith(f"{name}.")]
    with mock.patch.dict(sys.modules, dict.fromkeys([name, *loaded])):
        return use(r)


@pytest.fixture(scope="module")
def r(tmp_path_factory, blobs):
    """Arguments that are right, and files."""
    X, y, centers = (array[:N] for array in blobs)
    folder = tmp_path_factory.mktemp("images")
    files = write_images(folder, X)
    fit = {"y": y, "centers": centers, "stages": ("classifier",)}
    clf = stnclf.STNCellClassifier(classifier_epochs=0, random_state=0).fit(X, **fit)
    stnclf.save(clf, folder / "model.safetensors")
    for name in ("there.sqlite", "a.ndpi"):
        (folder / name).write_bytes(b"something")
    (folder / "blocked.csv.progress").mkdir()
    pixels, _, mpp = make_slide((256, 256), mpp=0.5, random_state=0)
    r = SimpleNamespace(
        X=X,
        y=y,
        centers=centers,
        folder=folder,
        files=files,
        clf=clf,
        grey=stnclf.STNCellClassifier(classifier_epochs=0, random_state=0).fit(X[..., 0], **fit),
        baseline=stnclf.CiresanBaseline(epochs=0, random_state=0).fit(X, **fit),
        features=stnclf.CellFeatures(families=("intensity",)).fit(X),
        model=folder / "model.safetensors",
        slide_pixels=pixels,
        slide=Slide(pixels, mpp=mpp),
        table=pd.DataFrame({"image": "a.png", "x": [3.0, 8, 9], "y": [2.0, 5, 6], "label": "a"}),
    )
    r.without = lambda name, use: without(name, use, r)
    return r


@pytest.mark.parametrize(("function", "argument", "error", "words", "use"), CASES)
def test_bad_calls_are_refused(function, argument, error, words, use, r, monkeypatch):
    monkeypatch.setattr(_read_errors, "_sleep", lambda seconds: None)
    with pytest.raises(error) as raised:
        use(r)
    message = str(raised.value)
    # Errors of the interpreter and of other packages, which name nothing, are often subclasses.
    kinds = {error, OSError} if error is OSError else {error}
    assert kinds & set(type(raised.value).__mro__[:2]), type(raised.value)
    assert argument == "file" or re.search(rf"\b{argument}\b", message), message
    assert re.search(words, message), message


def test_there_are_enough_cases_and_no_case_twice():
    names = [case.id for case in CASES]
    assert len(names) >= 80
    assert len(set(names)) == len(names)
