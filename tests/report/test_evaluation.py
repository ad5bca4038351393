"""Scores against hand-counted answers, tables cell by cell, and what the figure shows."""

import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, classification_report

from stnclf.report import evaluate

# 5 g, 3 m, 2 t; the rows of the confusion matrix differ from its columns.
Y_TRUE = np.array(list("gggggmmmtt"))


Y_PRED = np.array(list("ggggmmmtmm"))


def example(**changes):
    rng = np.random.default_rng(0)
    true = rng.uniform(20, 80, (10, 2))
    pred = true + np.repeat([[3.0, 4.0], [12.0, 16.0]], [6, 4], axis=0)
    known = {"centers_true": true, "centers_pred": pred, "image_size": 100, "fit_seconds": 12.34}
    return evaluate(Y_TRUE, Y_PRED, **{**known, **changes})


def test_scores_equal_scikit_learn_and_a_count_by_hand():
    scores = evaluate(Y_TRUE, Y_PRED)
    assert scores["labels"] == ["g", "m", "t"]
    assert scores["confusion"] == [[4, 1, 0], [0, 2, 1], [0, 2, 0]]
    assert scores["accuracy"] == 0.6
    assert scores["classes"]["m"] == {"precision": 0.4, "recall": 2 / 3, "f1": 0.5, "support": 3}
    want = classification_report(Y_TRUE, Y_PRED, output_dict=True, zero_division=0)
    assert scores["macro_f1"] == pytest.approx(want["macro avg"]["f1-score"])
    for ours, theirs in [("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")]:
        assert scores["average"][ours] == pytest.approx(want["weighted avg"][theirs])
    assert scores["balanced_accuracy"] == balanced_accuracy_score(Y_TRUE, Y_PRED)


def test_a_class_that_was_only_predicted_does_not_count_in_balanced_accuracy():
    scores = evaluate(["a", "a"], ["a", "b"])
    assert scores["balanced_accuracy"] == 0.5
    assert scores["classes"]["b"]["support"] == 0


def test_labels_give_order_and_may_be_numbers():
    scores = evaluate([3, 1, 1], [3, 1, 3], labels=[3, 1])
    assert scores["labels"] == ["3", "1"]
    assert scores["confusion"] == [[1, 0], [1, 1]]


def test_localization_is_summed_up_overall_and_by_class():
    scores = example()
    assert scores["localization"]["mean"] == pytest.approx((6 * 5 + 4 * 20) / 10)
    assert scores["localization"]["median"] == pytest.approx(5)
    assert scores["localization"]["within"] == 0.6
    by_class = scores["localization"]["classes"]
    assert [by_class[c]["n"] for c in "gmt"] == [5, 3, 2]
    assert [round(by_class[c]["mean"], 6) for c in "gmt"] == [5, 15, 20]
    assert example(radius=20.5)["localization"]["within"] == 1.0


def test_a_method_that_does_not_localise_still_gets_the_centre_guess():
    scores = example(centers_pred=None, centers_true=np.full((10, 2), [49.5, 52.5]))
    assert scores["localization"] is None
    assert scores["center_guess"]["mean"] == 3.0


def test_probabilities_give_the_calibration():
    proba = np.tile([0.55, 0.25, 0.2], (10, 1))
    proba[3:5] = [0.05, 0.05, 0.9]
    calibration = example(proba=proba)["calibration"]
    # Eight are 0.55 sure of g, of which 3 are g; two are 0.9 sure of t, of which none is.
    assert calibration["count"] == [0, 0, 0, 0, 0, 8, 0, 0, 2, 0]
    assert calibration["confidence"][5] == pytest.approx(0.55)
    assert calibration["accuracy"][5] == pytest.approx(3 / 8)
    assert calibration["accuracy"][0] is None
    assert calibration["ece"] == pytest.approx(0.8 * (0.55 - 3 / 8) + 0.2 * 0.9)
    assert example()["calibration"] is None


def test_probabilities_give_the_coverage():
    proba = np.tile([0.55, 0.25, 0.2], (10, 1))
    proba[3:5] = [0.05, 0.9, 0.05]
    proba[0] = [0.99, 0.005, 0.005]
    # The first one is right; with the two that are sure of m, one of three; with all, three of ten.
    coverage = example(proba=proba)["coverage"]
    assert coverage["coverage"] == [0.1, 0.3, 1.0]
    assert coverage["accuracy"] == pytest.approx([1, 1 / 3, 3 / 10])
    assert example()["coverage"] is None
    many = evaluate(
        ["a", "b"] * 50, ["a"] * 100, proba=[[1 - i / 300, i / 300] for i in range(100)]
    )
    np.testing.assert_allclose(many["coverage"]["coverage"], np.arange(1, 21) / 20)
    assert many["coverage"]["accuracy"][0] == 3 / 5


def test_scores_survive_json():
    proba = np.tile([0.5, 0.25, 0.25], (10, 1))
    scores = example(proba=proba, domains=np.arange(10) // 4)
    assert json.loads(json.dumps(scores)) == scores


def test_numbers_and_words_may_come_as_objects():
    true, pred = [3, 3, 7, 7], [3, 7, 7, 7]
    for kind in (int, float, str):
        plain = [np.array(values).astype(kind) for values in (true, pred)]
        objects = [values.astype(object) for values in plain]
        assert evaluate(*objects) == evaluate(*plain)
        assert evaluate(objects[0], plain[1], labels=objects[0][[3, 0]])["accuracy"] == 0.75


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_pred": ["g"]}, "y_pred must have 10 rows, got 1"),
        ({"y_true": [], "y_pred": []}, "y_true must be 1-D and not empty"),
        ({"y_true": [["g"]] * 10}, r"y_true must be 1-D and not empty, got shape \(10, 1\)"),
        ({"proba": np.ones((10, 2)) / 2}, r"proba must have shape \(10, 3\)"),
        ({"labels": ["g", "m"]}, r"labels must hold every class .* lacks \['t'\]"),
        ({"y_true": np.arange(10) % 2 + 0.5}, r"y_true: got 0.5, wants classes: words or whole"),
        ({"y_pred": np.arange(10) % 2 + 1.5}, r"y_pred: got 1.5, wants classes: words or whole"),
        ({"y_pred": np.arange(10) % 3}, "y_pred: got the label 0, but y_true has '.'; wants"),
        ({"labels": [0, 1]}, "labels: got the label 0, but y_true has"),
        ({"centers_pred": np.zeros((10, 2))}, "centers_true must be given"),
        ({"centers_true": np.zeros((9, 2))}, r"centers_true must have shape \(10, 2\), got \(9"),
        ({"centers_true": [[np.nan, 1.0]] * 10}, "centers_true holds NaN"),
    ],
)
def test_bad_arguments_are_named(changes, message):
    arguments = {"y_true": Y_TRUE, "y_pred": Y_PRED, **changes}
    with pytest.raises(ValueError, match=message):
        evaluate(**arguments)


# The figure


def test_patches_without_a_cell_have_no_distance():
    true = [[3.0, 4.0], [np.nan, np.nan], [10.0, 20.0]]
    found = [[6.0, 8.0], [1.0, 1.0], [10.0, 21.0]]
    how = {"image_size": 40, "labels": ["a", "b"]}
    scores = evaluate(list("aba"), list("aba"), centers_true=true, centers_pred=found, **how)
    here = {"centers_true": [true[0], true[2]], "centers_pred": [found[0], found[2]]}
    alone = evaluate(list("aa"), list("aa"), **how, **here)
    for name in ("n", "mean", "median"):
        assert scores["localization"][name] == alone["localization"][name]
        assert scores["center_guess"][name] == alone["center_guess"][name]
    assert scores["n"] == 3
    assert scores["localization"]["classes"]["b"]["n"] == 0
    none = [[np.nan, np.nan]] * 2
    nothing = evaluate(list("ab"), list("ab"), centers_true=none, centers_pred=found[:2])
    assert nothing["localization"] is None
    for wrong in ([[np.nan, 4.0], [1.0, 1.0]], [[np.inf, 4.0], [1.0, 1.0]]):
        with pytest.raises(ValueError, match="centers_true holds NaN or infinity"):
            evaluate(list("ab"), list("ab"), centers_true=wrong)
