"""Pictures of the report: smaller where there are many, chosen fairly, safe as JSON."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

import stnclf.report._data as report_data
from stnclf.report._data import as_json, choose_patches, patch_data


def test_json_cannot_end_its_element():
    data = {"label": "</script><!-- & \u2028\u2029", "n": [1, 0.5, None, True]}
    text = as_json(data)
    assert not set("<>&\u2028\u2029") & set(text)
    shown = "</script><!-- & \\u2028\\u2029"
    assert json.loads(text) == {**data, "label": shown}
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json([float("nan")])


@pytest.mark.parametrize(
    ("n", "n_wrong", "most", "want_wrong"),
    [(10, 4, 10, 4), (100, 4, 20, 4), (100, 50, 20, 10), (100, 95, 20, 15), (100, 100, 20, 20)],
)
def test_half_of_the_places_go_to_wrong_answers(n, n_wrong, most, want_wrong):
    is_wrong = np.arange(n) < n_wrong
    chosen = choose_patches(is_wrong, most, np.random.RandomState(0))
    assert len(set(chosen.tolist())) == len(chosen) == min(n, most)
    assert (np.diff(chosen) > 0).all()
    assert is_wrong[chosen].sum() == want_wrong


def test_many_patches_are_made_smaller(monkeypatch):
    X = np.random.default_rng(0).integers(0, 255, (60, 32, 48, 3), dtype=np.uint8)
    free = patch_data(X, np.arange(60), (32, 48))
    assert free["tile"] == [32, 48]
    size = sum(len(sheet) for sheet in free["sheets"])
    steps = ((48, 85), (32, 75), (24, 70), (16, 60), (8, 50))
    monkeypatch.setattr(report_data, "PATCH_STEPS", steps)
    monkeypatch.setattr(report_data, "PATCH_BYTES", size // 4)
    tight = patch_data(X, np.arange(60), (32, 48))
    assert tight["size"] == [32, 48]
    assert tight["tile"][1] < 48
    assert tight["tile"][0] / tight["tile"][1] == pytest.approx(32 / 48, abs=0.03)
    assert sum(len(sheet) for sheet in tight["sheets"]) < 4 / 3 * size / 4
    assert len(tight["sheets"]) == 3
    # The last sheet holds ten patches: two rows.
    height, width = tight["tile"]
    last = Image.open(io.BytesIO(base64.b64decode(tight["sheets"][2].split(",")[1])))
    assert last.size == (5 * width, 2 * height)


def test_pictures_without_webp_are_jpeg(monkeypatch):
    monkeypatch.setattr(report_data.features, "check", lambda name: False)
    data = patch_data(np.zeros((2, 8, 8, 3), np.uint8), np.arange(2), (8, 8))
    assert data["sheets"][0].startswith("data:image/jpeg;base64,/9j/")
