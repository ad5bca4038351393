"""What is said of scores that should not be believed."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from stnclf.cli.cautions import all_in_the_middle, cautions_about_scores


def scores(found, guess):
    return {
        "localization": None if found is None else {"median": found},
        "center_guess": None if guess is None else {"median": guess},
    }


@pytest.mark.parametrize(
    ("found", "guess", "n"),
    [(7.0, 7.0, 1), (9.0, 7.0, 1), (6.9, 7.0, 0), (None, 7.0, 0), (3.0, None, 0), (2.0, 0.0, 0)],
)
def test_a_localizer_is_compared_with_the_guess(found, guess, n):
    cautions = cautions_about_scores({"STN": scores(found, guess), "CNN": scores(1.0, 5.0)})
    assert len(cautions) == n
    if n:
        assert cautions[0].startswith("STN finds cells no better")
        assert f"{found:.1f} px, of the guess 7.0 px): trained too little?" in cautions[0]


def test_the_middle_is_that_of_x_and_y():
    X = np.zeros((2, 11, 21, 3))

    def patches(*centers):
        return SimpleNamespace(X=X, centers=np.array(centers))

    assert all_in_the_middle(SimpleNamespace(X=X, centers=None))
    assert all_in_the_middle(patches([10, 5], [np.nan, np.nan]))
    assert not all_in_the_middle(patches([14, 5], [np.nan, np.nan]))
    assert all_in_the_middle(patches([10, 5], [10.9, 4.1]))
    assert not all_in_the_middle(patches([10, 5], [10, 6.1]))
    assert not all_in_the_middle(patches([5, 10]))


def test_a_model_is_not_scored_on_its_own_patches_in_silence(road, tmp_path, invoke):
    out, page = tmp_path / "s.json", tmp_path / "r.html"
    line = ("evaluate", road / "patches", "--model", road / "model.safetensors")
    code, _, lines = invoke(*line, "-o", out, "--report", page)
    assert (code, len(lines)) == (0, 2)
    caution = "model.safetensors was trained on these patches"
    assert lines[0].startswith(f"caution: {caution}")
    assert caution in json.loads(out.read_text(encoding="utf-8"))["cautions"][0]
    assert caution in page.read_text(encoding="utf-8")
    # Without one of them they are other patches.
    shutil.copytree(road / "patches", tmp_path / "p")
    for name in ("X", "y", "centers", "groups"):
        path = tmp_path / "p" / f"{name}.npy"
        np.save(path, np.load(path)[1:])
    code, _, lines = invoke("evaluate", tmp_path / "p", *line[2:])
    assert (code, len(lines)) == (0, 1)
