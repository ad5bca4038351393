"""Scores pooled and by slide, and their table."""

import numpy as np
import pandas as pd
import pytest

from stnclf.metrics import detection_score
from stnclf.report import write_report
from stnclf.report._detections import detection_intervals, detection_table, score_slides

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


@pytest.mark.parametrize("threshold", [0, 0.3, 0.55, 0.9, 2])
def test_scores_above_a_threshold_are_those_of_what_is_kept(threshold):
    rng = np.random.default_rng(2)
    tables = []
    for n in (150, 250):
        table = pd.DataFrame(rng.uniform(0, 150, (n, 2)), columns=["x", "y"])
        table["label"] = rng.choice(np.array(["m", "n", None], dtype=object), n)
        table["image"] = rng.choice(["a", "b"], n)
        tables.append(table)
    truth, found = tables
    found["probability"] = rng.uniform(0, 1, 250).round(1)  # with equal ones
    how = {"radius_px": 9, "labels": ["m", "n"]}
    scores = score_slides(truth, found, **how, thresholds={"m": threshold})
    kept = found[(found["label"] != "m") | (found["probability"] >= threshold)]
    for name, block in {"": scores["pooled"], **scores["slides"]}.items():
        here = [t[t["image"] == name] if name else t for t in (truth, kept, found)]
        expected, every = (detection_score(here[0], table, **how) for table in here[1:])
        for label in ("m", "n"):
            every[label] = {"average_precision": every[label]["average_precision"]}
            assert block[label] == {**expected[label], **every[label]}


def test_slides_of_which_only_others_have_cells_are_no_mistake_of_a_threshold():
    # Above 0.45 something is found on c alone, where there is no cell.
    found = FOUND.assign(probability=[0.3, 0.4, 0.2, 0.5])
    score = score_slides(TRUTH, found, radius_px=5, labels=["m"], thresholds={"m": 0.45})
    assert (score["pooled"]["m"]["n_detections"], score["pooled"]["m"]["f1"]) == (1, 0)


@pytest.mark.filterwarnings("ignore:truth and detections have no image in common")
def test_intervals_are_those_of_a_loop_over_slides():
    scores = score_slides(TRUTH, FOUND, radius_px=5, labels=["m"])
    found = detection_intervals(scores, n_bootstrap=40, random_state=3)["m"]
    rng, names, drawn = np.random.RandomState(3), list("abc"), []
    for _ in range(40):
        chosen = [names[k] for k in rng.randint(3, size=3)]
        truth, table = (
            pd.concat([t[t["image"] == n].assign(image=str(i)) for i, n in enumerate(chosen)])
            for t in (TRUTH, FOUND)
        )
        drawn.append(detection_score(truth, table, radius_px=5, labels=["m"])["m"])
    for name in ("precision", "recall", "f1"):
        values = [one[name] for one in drawn if one[name] is not None]
        assert found[name] == pytest.approx(np.percentile(values, [2.5, 97.5]))
    assert found == detection_intervals(scores, n_bootstrap=40, random_state=3)["m"]
    assert detection_intervals({**scores, "slides": {"a": scores["slides"]["a"]}}) == {}


def test_a_report_has_the_table_with_intervals(tmp_path):
    scores = score_slides(TRUTH, FOUND, radius_px=5, labels=["m"])
    intervals = detection_intervals(scores)
    scores |= {"intervals": intervals, "radius_um": 7.5}
    page = write_report(tmp_path / "r.html", detection={"STN": scores}).read_text(encoding="utf-8")
    low, high = intervals["m"]["f1"]
    assert f"<td>0.500 [{low:.3f}, {high:.3f}]</td>" in page
    assert "within 7.5 \u00b5m" in page
    assert page.count("<tr") == 5
