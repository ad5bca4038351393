"""Scores over thresholds: those of detection_score with the rest left out; the best one."""

import numpy as np
import pytest

from stnclf.metrics import choose_thresholds, detection_curve, detection_score


def tables(seed):
    """Cells of two classes on two images, and detections, half of them near a cell."""
    rng = np.random.default_rng(seed)
    truth = {"x": rng.uniform(0, 900, 60), "y": rng.uniform(0, 700, 60)}
    truth |= {"label": rng.choice(["a", "b"], 60), "image": rng.choice(["p", "q"], 60)}
    near = rng.integers(0, 60, 40)
    found = {
        "x": np.concatenate([truth["x"][near] + rng.normal(0, 4, 40), rng.uniform(0, 900, 50)]),
        "y": np.concatenate([truth["y"][near] + rng.normal(0, 4, 40), rng.uniform(0, 700, 50)]),
        "label": np.concatenate([truth["label"][near], rng.choice(["a", "b"], 50)]),
        "image": np.concatenate([truth["image"][near], rng.choice(["p", "q"], 50)]),
    }
    certain = np.concatenate([rng.beta(4, 2, 40), rng.beta(2, 4, 50)])
    return truth, {**found, "probability": certain.round(2)}  # with equal ones


def above(found, threshold):
    kept = found["probability"] >= threshold
    return {name: values[kept] for name, values in found.items()}


@pytest.mark.parametrize("seed", range(3))
def test_each_point_is_the_score_of_what_is_left(seed):
    truth, found = tables(seed)
    curves = detection_curve(truth, found, mpp=0.5, radius_um=4)
    assert list(curves) == ["a", "b"]
    for label, curve in curves.items():
        own = found["probability"][found["label"] == label]
        assert curve["threshold"].tolist() == sorted(set(own.tolist()), reverse=True)
        for k, threshold in enumerate(curve["threshold"].tolist()):
            score = detection_score(truth, above(found, threshold), radius_px=8)[label]
            assert curve["n_truth"] == score["n_truth"]
            for name in ("n_detections", "true_positives", "precision", "recall", "f1"):
                assert curve[name][k] == pytest.approx(score[name]), (label, threshold, name)


@pytest.mark.parametrize("seed", range(3))
def test_no_threshold_is_better_than_the_chosen_one(seed):
    truth, found = tables(seed)
    chosen = choose_thresholds(truth, found, radius_px=8)
    assert set(chosen) == {"a", "b"}
    for label, threshold in chosen.items():
        best = detection_score(truth, above(found, threshold), radius_px=8)[label]["f1"]
        others = [
            detection_score(truth, above(found, t), radius_px=8, labels=[label])[label]["f1"]
            for t in np.linspace(0, 1, 101)
        ]
        assert best == pytest.approx(max(others))


def test_the_threshold_lies_between_what_is_kept_and_the_next():
    truth = {"x": [0.0, 50.0], "y": [0.0, 0.0], "label": ["m", "m"]}
    found = {"x": [0.0, 50.0, 90.0], "y": [0.0] * 3, "label": ["m"] * 3}
    found["probability"] = [0.9, 0.7, 0.3]
    assert choose_thresholds(truth, found, radius_px=5) == {"m": pytest.approx(0.5)}
    # The last one of all: just below it, whatever rounding did to it.
    found = {name: values[:2] for name, values in found.items()}
    chosen = choose_thresholds(truth, found, radius_px=5)["m"]
    assert 0.699998 < chosen < 0.7
    # Of equally good ones, the one with fewer false detections: 2 of 2, or 4 of 6 cells.
    truth = {"x": [0.0, 50.0], "y": [0.0, 0.0], "label": ["m"] * 2}
    found = {"x": [0.0, 90.0, 91.0, 50.0], "y": [0.0] * 4, "label": ["m"] * 4}
    found["probability"] = [0.9, 0.8, 0.7, 0.6]  # F1 2/3 at 0.9 and again at 0.6
    assert choose_thresholds(truth, found, radius_px=5) == {"m": pytest.approx(0.85)}


def test_what_finds_nothing_has_no_threshold():
    truth = {"x": [0.0], "y": [0.0], "label": ["m"]}
    found = {"x": [300.0, 0.0], "y": [0.0, 0.0], "label": ["m", "n"], "probability": [0.5, 0.6]}
    assert choose_thresholds(truth, found, radius_px=5) == {}
    curve = detection_curve(truth, found, radius_px=5)
    assert np.isnan(curve["n"]["recall"]).all()
    assert curve["n"]["f1"].tolist() == [0.0]
    nothing = {"x": [], "y": [], "label": [], "probability": []}
    assert detection_curve(truth, nothing, radius_px=5)["m"]["threshold"].tolist() == []


def test_a_chosen_threshold_is_a_probability():
    truth = {"x": [10], "y": [20], "label": ["m"]}
    for probability in (0.0, 1e-6, 1.0):
        found = {**truth, "probability": [probability]}
        chosen = choose_thresholds(truth, found, radius_px=3)["m"]
        assert 0 <= chosen <= probability
