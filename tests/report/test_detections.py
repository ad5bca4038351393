"""Scores pooled and by slide, and their table."""

import numpy as np
import pandas as pd
import pytest

from stnclf.metrics import detection_score
from stnclf.report._detections import detection_table, score_slides

# Slide a: two of three mitoses found, one false; slide b: nothing found of one; c: nothing there.
TRUTH = pd.DataFrame(
    {"image": ["a", "a", "a", "b"], "x": [10, 50, 90, 10], "y": [10, 10, 10, 20], "label": "m"}
)
FOUND = pd.DataFrame(
    {
        "image": ["a", "a", "a", "c"],
        "x": [11, 52, 200, 10],
        "y": [10, 11, 90, 20],
        "label": "m",
        "probability": [0.9, 0.4, 0.6, 0.5],
    }
)


def test_slides_are_scored_apart_and_together():
    scores = score_slides(TRUTH, FOUND, radius_px=5, labels=["m"])
    assert scores["pooled"] == detection_score(TRUTH, FOUND, radius_px=5)
    assert list(scores["slides"]) == ["a", "b", "c"]
    one = scores["slides"]["a"]["m"]
    assert (one["true_positives"], one["false_positives"], one["false_negatives"]) == (2, 1, 1)
    assert scores["slides"]["b"]["m"]["recall"] == 0
    assert scores["slides"]["c"]["m"]["recall"] is None
    hits = sum(block["m"]["true_positives"] for block in scores["slides"].values())
    assert hits == scores["pooled"]["m"]["true_positives"]


def test_a_threshold_leaves_the_average_precision():
    scores = score_slides(TRUTH, FOUND, radius_px=5, labels=["m"], thresholds={"m": 0.5})
    pooled = scores["pooled"]["m"]
    assert (pooled["n_detections"], pooled["true_positives"]) == (3, 1)
    every = detection_score(TRUTH, FOUND, radius_px=5)["m"]
    assert pooled["average_precision"] == pytest.approx(every["average_precision"])
    assert not np.isclose(pooled["f1"], every["f1"])


def test_the_table_has_a_row_for_each_slide_and_class():
    scores = score_slides(TRUTH, FOUND, radius_px=5, labels=["m"])
    lines = detection_table(scores).splitlines()
    assert lines[2].split() == ["all", "m", "4", "4", "+0", "0.500", "0.500", "0.500"] + [
        f"{scores['pooled']['m']['average_precision']:.3f}"
    ]
    assert [line.split()[0] for line in lines[3:]] == ["a", "b", "c"]
    assert lines[4].split() == ["b", "m", "1", "0", "-1", "-", "0.000", "0.000", "0.000"]
    only = {**scores, "slides": {"a": scores["slides"]["a"]}}
    assert len(detection_table(only).splitlines()) == 3
    assert detection_table(scores, fmt="markdown").startswith("| slide")
