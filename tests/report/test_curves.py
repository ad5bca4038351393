"""Curves: exact counts at every threshold, from a plain loop, and few enough of them."""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from stnclf.report._curves import STEP, class_curves

RNG = np.random.default_rng(0)
TRUE = RNG.choice(list("abb"), 400)
LABELS = np.array(list("abc"))  # c does not occur


def proba(sharpness):
    p = RNG.dirichlet([1, 1, 1], 400) ** sharpness
    return p / p.sum(axis=1, keepdims=True)


def test_counts_are_those_of_a_loop():
    given = {"one": proba(1), "two": proba(9)}
    given["one"][0] = [1, 0, 0]
    data = class_curves(TRUE, LABELS, given)
    assert data["methods"] == ["one", "two"]
    assert [one["label"] for one in data["classes"]] == ["a", "b"]
    for k, one in enumerate(data["classes"]):
        here = LABELS[k] == TRUE
        assert (one["n"], one["n_others"]) == (here.sum(), (~here).sum())
        for method, values in zip(one["methods"], given.values()):
            score = values[:, k]
            for step, found, false in zip(one["thresholds"], method["found"], method["false"]):
                assert found == sum(score[here] >= step * STEP - 1e-9)
                assert false == sum(score[~here] >= step * STEP - 1e-9)
            assert method["roc_auc"] == roc_auc_score(here, score)
            assert method["average_precision"] == average_precision_score(here, score)
            assert (method["found"][0], method["false"][0]) == (here.sum(), (~here).sum())
        # Nowhere far from one point to the next.
        assert np.diff(one["methods"][0]["found"]).min() >= -here.sum() / 30
        assert np.diff(one["methods"][0]["false"]).min() >= -(~here).sum() / 30
        assert len(one["thresholds"]) <= 301


def test_all_points_of_few_cells_are_there():
    score = np.array([[0.91234567, 0.08765433], [0.3, 0.7], [0.00004, 0.99996]])
    one = class_curves(np.array(list("aab")), np.array(list("ab")), {"m": score})["classes"][0]
    assert {91234, 30000, 4} <= set(one["thresholds"])
    k = one["thresholds"].index(91234)
    assert (one["methods"][0]["found"][k], one["methods"][0]["false"][k]) == (1, 0)


def test_there_are_none_without_two_classes_or_probabilities():
    assert class_curves(np.array(["a", "a"]), LABELS, {"m": np.ones((2, 3)) / 3}) is None
    assert class_curves(TRUE, LABELS, {}) is None
