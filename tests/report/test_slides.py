"""What a report has of slides: cells by threshold, those that are right, and their pictures."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import stnclf.report._slides as report_slides
from stnclf.metrics import detection_score
from stnclf.report._slides import slide_data
from stnclf.slides import Slide

BLACK = np.zeros((10, 10, 3), np.uint8)
RNG = np.random.default_rng(0)
TRUTH = pd.DataFrame(
    {
        "x": RNG.uniform(20, 380, 60),
        "y": RNG.uniform(20, 280, 60),
        "label": RNG.choice(["a", "b"], 60),
    }
)
FOUND = pd.DataFrame(
    {
        "x": np.clip(TRUTH["x"] + RNG.normal(0, 6, 60), 0, 399),
        "y": np.clip(TRUTH["y"] + RNG.normal(0, 6, 60), 0, 299),
        "label": RNG.choice(["a", "b"], 60),
        "probability": RNG.uniform(0.05, 1, 60).round(6),
    }
)


@pytest.fixture(scope="module")
def judged():
    """A slide whose pixels say where they are: red is x / 2, green is y / 2."""
    x, y = np.meshgrid(np.arange(400) // 2, np.arange(300) // 2)
    pixels = np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)
    parts = {"slide": Slide(pixels, mpp=0.5), "detections": FOUND, "truth": TRUTH}
    return slide_data([("s", {**parts, "thresholds": {"b": 0.25}, "radius_px": 9})])[0]


@pytest.mark.parametrize("threshold", [0, 0.3, 0.31, 0.8])
def test_counts_at_any_threshold_are_those_of_the_score(judged, threshold):
    cells, truth = judged["cells"], judged["truth"]
    kept = FOUND[FOUND["probability"] >= threshold]
    for k, label in enumerate(judged["labels"]):
        want = detection_score(TRUTH, kept, radius_px=9)[label]
        rows = zip(cells["label"], cells["probability"], cells["right"])
        right = [r for which, p, r in rows if which == k and p >= threshold]
        assert (len(right), sum(right)) == (want["n_detections"], want["true_positives"])
        at = [p for which, p in zip(truth["label"], truth["at"]) if which == k]
        missed = [p for p in at if p is None or p < threshold]
        assert len(missed) == want["false_negatives"]


def test_thresholds_are_those_of_the_classes(judged):
    assert judged["labels"] == ["a", "b"]
    assert judged["thresholds"] == [0.0, 0.25]


def test_pictures_show_the_cells(judged):
    crops = judged["crops"]
    assert crops["scale"] == pytest.approx(32 / 96 / 0.5)
    n = len(crops["cells"])
    assert (n, len(crops["missed"])) == (60, 30)  # of 35
    for place in (0, 30, n, n + 1):
        part, row = (
            ("cells", crops["cells"][place]) if place < n else ("truth", crops["missed"][place - n])
        )
        data = crops["sheets"][place // 25].split(",")[1]
        sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
        top, left = (96 * k for k in divmod(place % 25, 5))
        found = sheet[top + 44 : top + 52, left + 44 : left + 52].mean(axis=(0, 1))
        want = np.array([judged[part][axis][row] for axis in "xy"]) / 2
        np.testing.assert_allclose(found[:2], want, atol=6)


def test_pictures_without_a_resolution_are_as_wide_as_cells_want():
    x, y = np.meshgrid(np.arange(400) // 2, np.arange(300) // 2)
    pixels = np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)
    cells = {"x": [200], "y": [150], "label": ["a"]}
    parts = {"slide": pixels, "detections": cells, "truth": cells}
    for radius, side in ((45, 192), (9, 96)):  # 32 um for 7.5, and never magnified
        (slide,) = slide_data([("s", {**parts, "radius_px": radius})])
        assert slide["crops"]["scale"] == side / 96
        data = slide["crops"]["sheets"][0].split(",")[1]
        sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
        row = sheet[44:52, 2:94, 0].mean(axis=0)
        assert row[45:47].mean() == pytest.approx(100, abs=4)
        assert row[-1] - row[0] == pytest.approx(side / 2 * 91 / 96, abs=6)


def test_few_pictures_go_to_false_ones_by_half(monkeypatch):
    monkeypatch.setattr(report_slides, "CROPS_OF_A_SLIDE", 10)
    parts = {"slide": Slide(np.zeros((300, 400, 3), np.uint8)), "detections": FOUND}
    (plain,) = slide_data([("s", parts)])
    assert plain["crops"]["cells"] == list(range(10))
    assert plain["cells"]["right"] is None
    (judged,) = slide_data([("s", {**parts, "truth": TRUTH, "radius_px": 9})])
    right = [judged["cells"]["right"][k] for k in judged["crops"]["cells"]]
    assert (len(right), sum(right)) == (10, 5)
    assert len(judged["crops"]["missed"]) == 5


@pytest.mark.parametrize("truth", [None, {"x": [1], "y": [1], "label": ["a"]}])
@pytest.mark.parametrize("radius", [-3, 0, np.nan, "wide"])
def test_a_radius_that_is_none_is_named(radius, truth):
    parts = {"slide": BLACK, "truth": truth, "radius_px": radius}
    parts["detections"] = {"x": [1], "y": [1], "label": ["a"]}
    with pytest.raises(
        (TypeError, ValueError), match=r"^slides\['s'\]\['radius_px'\]: got .*pixels"
    ):
        slide_data([("s", parts)])


def test_a_radius_wants_a_resolution():
    with pytest.raises(ValueError, match=r"slides\['s'\] must hold radius_px with truth"):
        slide_data(
            [
                (
                    "s",
                    {
                        "slide": np.zeros((300, 400, 3), np.uint8),
                        "detections": FOUND,
                        "truth": TRUTH,
                    },
                )
            ]
        )


def test_slides_share_their_bytes(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    monkeypatch.setattr(report_slides, "SLIDE_STEPS", ((300, 80), (150, 80), (75, 60)))
    monkeypatch.setattr(report_slides, "SLIDE_BYTES", 8_000)
    alone = slide_data([("a", {"slide": noise})])
    both = slide_data([("a", {"slide": noise}), ("b", {"slide": noise})])
    sizes = [len(slide["thumbnail"]) for slide in (*alone, *both)]
    assert sizes[1] == sizes[2] < sizes[0] < 4 / 3 * 8_000 + 50


def test_only_the_most_probable_cells_are_kept(monkeypatch):
    monkeypatch.setattr(report_slides, "MOST_DETECTIONS", 2)
    cells = {"x": [1, 2, 3], "y": [4, 5, 6], "label": [7, 7, 8], "probability": [0.5, 0.9, 0.7]}
    (slide,) = slide_data([("a", {"slide": BLACK, "detections": cells})])
    assert slide["cells"]["n"] == 3
    assert slide["cells"]["x"] == [2.0, 3.0]
    assert slide["labels"] == ["7", "8"]
    assert slide["cells"]["label"] == [0, 1]


def test_cells_of_other_slides_are_left_out():
    cells = {"x": [1, 2], "y": [4, 5], "label": ["a", "b"], "image": ["array", "b.svs"]}
    (slide,) = slide_data([("a", {"slide": BLACK, "detections": cells})])
    assert (slide["cells"]["x"], slide["labels"]) == ([1.0], ["a"])


@pytest.mark.parametrize("threshold", [0, 0.3, 0.8])
@pytest.mark.parametrize("missing", [None, np.nan])
def test_what_is_found_on_cells_of_no_known_class_is_neither_right_nor_false(threshold, missing):
    truth = TRUTH.assign(label=[missing if k % 3 == 0 else v for k, v in enumerate(TRUTH["label"])])
    parts = {"slide": Slide(np.zeros((300, 400, 3), np.uint8)), "detections": FOUND}
    (slide,) = slide_data([("s", {**parts, "truth": truth, "radius_px": 9})])
    cells = slide["cells"]
    assert (slide["labels"], slide["unknown"]) == (["a", "b"], 20)
    assert len(slide["truth"]["x"]) == 40
    rows = list(zip(cells["label"], cells["probability"], cells["right"]))
    neither = [p for _, p, right in rows if right is None]
    assert len(neither) > 10
    for k, label in enumerate(slide["labels"]):
        kept = FOUND[FOUND["probability"] >= threshold]
        want = detection_score(truth, kept, radius_px=9)[label]
        right = [r for which, p, r in rows if which == k and p >= threshold and r is not None]
        assert (len(right), sum(right)) == (want["n_detections"], want["true_positives"])
    # They are among the cells that have a picture.
    pictures = slide["crops"]["cells"]
    assert {cells["right"][k] for k in pictures} == {0, 1, None}


def test_a_detection_of_a_class_that_is_not_annotated_may_lie_on_a_cell_of_none():
    truth = {"x": [100, 200], "y": [50, 50], "label": [None, "a"]}
    found = {"x": [101, 102, 300], "y": [50, 50, 50], "label": ["b", "b", "b"]}
    parts = {"slide": np.zeros((300, 400, 3), np.uint8), "truth": truth, "radius_px": 9}
    (slide,) = slide_data([("s", {**parts, "detections": found})])
    assert slide["cells"]["right"] == [None, 0, 0]  # one detection of a class for each


def test_labels_are_one_whatever_form_of_unicode_they_have():
    composed, apart = "z\u00fc", "zu\u0308"
    parts = {"slide": BLACK, "truth": {"x": [1], "y": [1], "label": [composed]}, "radius_px": 2}
    found = {"x": [1, 2], "y": [1, 2], "label": [apart, None]}
    parts |= {"detections": found, "thresholds": {apart: 0.25}}
    (slide,) = slide_data([("a", parts)])
    assert (slide["labels"], slide["cells"]["right"]) == ([composed], [1])
    assert slide["thresholds"] == [0.25]
