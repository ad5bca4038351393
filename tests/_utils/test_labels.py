"""Labels outside `fit`: the same ones are refused, in the same words, by the argument's name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stnclf._utils.checks import check_y
from stnclf._utils.labels import as_labels, refuse_lookalikes
from stnclf.metrics import coverage_curve, expected_calibration_error, reliability_curve
from stnclf.report import evaluate, plot_examples, write_report

NFC, NFD = "\u00e9", "e\u0301"
MASKED = np.ma.array(["a", "b", "a"], mask=[False, False, True])
PROBA = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]

#: What `fit` refuses, and how its message goes on behind the name of the argument.
REFUSED = {
    "None": (["a", None, "b"], "1 of 3, the first at index 1"),
    "NaN in a list": (["a", "b", np.nan], "1 of 3, the first at index 2"),
    "NaN among numbers": (np.array([0.0, np.nan, np.nan]), "2 of 3, the first at index 1"),
    "NA": (pd.Series(["a", pd.NA, "b"], dtype="string"), "1 of 3, the first at index 1"),
    "NaT": (np.array(["2020", "NaT", "2021"], dtype="M8[D]"), "1 of 3, the first at index 1"),
    "a category": (pd.Categorical(["a", None, "b"]), "1 of 3, the first at index 1"),
    "masked": (MASKED, "1 row has masked values, the first at index 2"),
    "two forms": (["a", NFC, NFD], "are one name in two forms of Unicode"),
    "half a character": (["a", "\ud800", "b"], "lone surrogate), the first at index 1"),
    "several kinds": (np.array(["a", 1, "b"], dtype=object), "wants"),
    "bytes": (np.array([b"a", b"b", b"a"]), "labels are bytes"),
    "infinity": (np.array([0.0, np.inf, 1.0]), "infinity"),
}


def refused_by(call, error=ValueError):
    with pytest.raises(error) as raised:
        call()
    return str(raised.value)


@pytest.mark.parametrize("name", REFUSED)
def test_what_fit_refuses_is_refused_in_its_words(name):
    labels, words = REFUSED[name]
    of_fit = refused_by(lambda: check_y(np.zeros(3), labels, "Any"), (TypeError, ValueError))
    ours = refused_by(lambda: as_labels(labels, "y"))
    assert words in of_fit
    assert ours.partition("; wants")[0] == of_fit.partition("; wants")[0]
    where = "predictions['A (B)']['y_pred']"
    named = refused_by(lambda: as_labels(labels, where))
    assert where in named
    assert words in named


@pytest.mark.parametrize(
    "labels", [["a", "nan", "b"], [3, 1, 1], [True, False], np.array(["a", "b"], object), (1.0, 2)]
)
def test_labels_stay_what_they_are(labels):
    assert as_labels(labels, "y").tolist() == list(labels)
    masked = np.ma.array(np.asarray(labels), mask=False)
    assert as_labels(masked, "y").tolist() == list(labels)


@pytest.mark.parametrize("labels", [[], [["a"], ["b"]], "ab", None, 3])
def test_labels_are_in_one_row(labels):
    with pytest.raises(ValueError, match="y must be 1-D and not empty, got shape"):
        as_labels(labels, "y")


AB, IMAGES = ["a", "b", "a"], np.zeros((3, 6, 7, 3), np.uint8)


def page(folder, **changes):
    given = {"predictions": {"STN": {"y_pred": AB}}, "y_true": AB, **changes}
    return write_report(folder / "r.html", **given)


#: Who takes labels, or names of groups, and what it calls them.
TAKERS = {
    "reliability": ("y_true", lambda v, _: reliability_curve(v, PROBA)),
    "error": ("y_true", lambda v, _: expected_calibration_error(v, PROBA)),
    "coverage": ("y_true", lambda v, _: coverage_curve(v, PROBA)),
    "coverage, labels": ("labels", lambda v, _: coverage_curve(AB, PROBA, labels=v)),
    "evaluate": ("y_true", lambda v, _: evaluate(v, AB)),
    "evaluate, y_pred": ("y_pred", lambda v, _: evaluate(AB, v)),
    "evaluate, labels": ("labels", lambda v, _: evaluate(AB, AB, labels=v)),
    "evaluate, groups": ("groups", lambda v, _: evaluate(AB, AB, groups=v)),
    "evaluate, domains": ("domains", lambda v, _: evaluate(AB, AB, domains=v)),
    "report": ("y_true", lambda v, folder: page(folder, y_true=v)),
    "report, y_pred": (
        "predictions['STN']['y_pred']",
        lambda v, folder: page(folder, predictions={"STN": {"y_pred": v}}),
    ),
    "report, labels": ("labels", lambda v, folder: page(folder, labels=v)),
    "report, groups": ("groups", lambda v, folder: page(folder, groups=v)),
    "report, domains": ("domains", lambda v, folder: page(folder, domains=v)),
    "examples": ("y_true", lambda v, _: plot_examples(IMAGES, v, AB)),
    "examples, y_pred": ("y_pred", lambda v, _: plot_examples(IMAGES, AB, v)),
    "examples, classes": ("classes", lambda v, _: plot_examples(IMAGES, AB, AB, PROBA, v)),
}


@pytest.mark.parametrize("name", ["None", "NaN in a list", "NA", "masked", "two forms"])
@pytest.mark.parametrize("taker", TAKERS)
def test_everybody_refuses_them_by_name(taker, name, tmp_path):
    (argument, call), (labels, words) = TAKERS[taker], REFUSED[name]
    message = refused_by(lambda: call(labels, tmp_path))
    assert argument in message
    assert words in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ([NFC, "b"], [NFD, "b"], "are one name in two forms of Unicode"),
        ([1, 2], ["1", "3"], r"got the label '1', but y_true has 1, which reads the same"),
        (["2", "3"], [1.0, 2.0], r"got the label 2.0, but y_true has '2', which reads the same"),
        ([True, False], ["True", "b"], "got the label 'True', but y_true has True"),
    ],
)
def test_two_arguments_have_one_form_of_a_label(one, other, words, tmp_path):
    proba = np.eye(2)
    with pytest.raises(ValueError, match=f"y_pred.*{words}"):
        evaluate(one, other)
    with pytest.raises(ValueError, match=f"labels.*{words}"):
        evaluate(one, one, labels=other)
    with pytest.raises(ValueError, match=f"labels.*{words}"):
        coverage_curve(one, proba, labels=other)
    with pytest.raises(ValueError, match=f"y_pred.*{words}"):
        plot_examples(IMAGES[:2], one, other)
    vectors = {"predictions": {"STN": {"y_pred": other}}, "y_true": one}
    with pytest.raises(ValueError, match=rf"predictions\['STN'\]\['y_pred'\].*{words}"):
        write_report(tmp_path / "r.html", **vectors)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("labels", [[1, "1", "a"], ("a", True), ["2.0", 2.0]], ids=str)
def test_lists_of_words_and_numbers_are_refused(labels):
    with pytest.raises(ValueError, match=r"^groups: labels are words and numbers, '"):
        as_labels(labels, "groups")
    with pytest.raises(TypeError, match=r"^y: labels are words and numbers, '.*; wants one label"):
        check_y(np.zeros(len(labels)), labels, "X")


def test_equal_labels_of_several_types_are_one():
    refuse_lookalikes({"y_true": [1, True, np.float64(2)], "y_pred": [1.0, np.int64(2), "b"]})
    assert evaluate([1, 2], [1.0, 1.0])["accuracy"] == 0.5
