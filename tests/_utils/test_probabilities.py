"""Probabilities with names: by the classes, whatever holds them and wherever they are given."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pandas as pd
import pytest

from stnclf._utils.probabilities import proba_by_name
from stnclf.metrics import coverage_curve, expected_calibration_error, reliability_curve
from stnclf.report import evaluate, plot_examples, write_report
from stnclf.report._inputs import check_predictions

PROBA = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
Y = np.array(["a", "b", "b"])
Row = namedtuple("Row", "b a")
RECORDS = np.zeros(3, dtype=[("b", float), ("a", np.float32)])
RECORDS["a"], RECORDS["b"] = PROBA.T
A, B = PROBA.T


def tables():
    pl = pytest.importorskip("polars", reason="needs polars")
    nw = pytest.importorskip("narwhals", reason="needs narwhals")
    return {
        "array": PROBA,
        "list": PROBA.tolist(),
        "pandas": pd.DataFrame({"b": B, "a": A}, index=[7, 8, 9]),
        "polars": pl.DataFrame({"b": B, "a": A}),
        "narwhals": nw.from_native(pl.DataFrame({"b": B, "a": A})),
        "mapping": {"b": B.tolist(), "a": A},
        "list of dicts": [{"b": b, "a": a} for a, b in PROBA],
        "named tuples": [Row(b, a) for a, b in PROBA],
        "records": RECORDS,
        "probability_": pd.DataFrame({"probability_b": B, "probability_a": A}),
        "of predict": pd.DataFrame(
            {
                "image": "i.png",
                "label": "a",
                "probability": 0.9,
                "probability_b": B,
                "probability_a": A,
                "disagreement": 0.1,
            }
        ),
        "pandas, no names": pd.DataFrame(PROBA),
        "polars, no names": pl.DataFrame(PROBA),
        "numbers as text": pd.DataFrame({"0": A, "1": B}),
    }


@pytest.mark.parametrize("form", tables())
def test_columns_are_taken_by_the_names_of_the_classes(form):
    found = np.asarray(proba_by_name("proba", tables()[form], np.array(["a", "b"])), float)
    np.testing.assert_allclose(found, PROBA, atol=1e-7)


def test_what_has_no_names_stays_what_it_is():
    for proba in (PROBA, PROBA.tolist(), [], None, 3, pd.DataFrame(PROBA)):
        assert proba_by_name("proba", proba, np.array(["a", "b"])) is proba


def test_labels_may_be_numbers():
    labels = np.array([3, 1])
    by_number = pd.DataFrame({1: B, 3: A})
    np.testing.assert_array_equal(proba_by_name("proba", by_number, labels), PROBA)
    # As a table that was written and read again.
    by_text = pd.DataFrame({"1": B, "3": A})
    np.testing.assert_array_equal(proba_by_name("proba", by_text, labels.astype(float)), PROBA)
    # Numbered from 0 without a word: pandas' names are no labels, those of a list of labels are.
    plain, named = pd.DataFrame(PROBA), pd.DataFrame(PROBA, columns=pd.Index([0, 1]))
    labels = np.array([1, 0])
    assert proba_by_name("proba", plain, labels) is plain
    np.testing.assert_array_equal(proba_by_name("proba", named, labels), PROBA[:, ::-1])


def test_names_may_be_in_either_form_of_unicode():
    table = pd.DataFrame({"b": B, "e\u0301": A})
    np.testing.assert_array_equal(proba_by_name("proba", table, np.array(["\u00e9", "b"])), PROBA)


OTHERS = {
    "another class": {"a": A, "c": B},
    "too few": {"a": A},
    "too many": {"a": A, "b": B, "c": B},
    "a class too many of predict": {"probability_a": A, "probability_b": B, "probability_c": B},
    "other numbers": {5: A, 7: B},
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_names_are_refused_with_both(name):
    given = OTHERS[name]
    for table in (pd.DataFrame(given), given):
        with pytest.raises(ValueError, match=r"^proba: got the columns \[.*\], wants .*'a', 'b'\]"):
            proba_by_name("proba", table, np.array(["a", "b"]))


def test_columns_are_of_one_length_and_not_masked():
    labels = np.array(["a", "b"])
    with pytest.raises(ValueError, match=r"^proba: .*wants columns of one length"):
        proba_by_name("proba", {"a": A, "b": B[:2]}, labels)
    for values in (np.ma.array(B, mask=[0, 1, 0]), np.ma.masked_array(PROBA, mask=PROBA == 0.8)):
        given = values if values.ndim == 2 else {"a": A, "b": values}
        with pytest.raises(ValueError, match=r"proba.*masked values, the first at index 1"):
            proba_by_name("proba", given, labels)


TABLE = pd.DataFrame({"b": B, "a": A})


@pytest.mark.parametrize(
    "function", [reliability_curve, coverage_curve, expected_calibration_error]
)
def test_metrics_take_probabilities_by_name(function):
    np.testing.assert_array_equal(function(Y, TABLE), function(Y, PROBA))
    turned = function(Y, PROBA[:, ::-1], labels=["b", "a"])
    np.testing.assert_array_equal(function(Y, TABLE, labels=["b", "a"]), turned)
    with pytest.raises(ValueError, match=r"proba: got the columns .*'c'.*, wants .*'b'"):
        function(Y, TABLE.rename(columns={"b": "c"}))
    for wrong in (None, np.nan, pd.NA):
        with pytest.raises(ValueError, match="proba"):
            function(Y, TABLE.astype(object).mask(TABLE == 0.8, wrong))
    with pytest.raises(ValueError, match="proba: 1 row has masked values, the first at index 1"):
        function(Y, np.ma.array(PROBA, mask=PROBA == 0.8))


def test_certainties_that_are_masked_are_refused():
    certainty = np.ma.array([0.5, 0.9, 0.3], mask=[False, True, False])
    with pytest.raises(ValueError, match="certainty: 1 row has masked values"):
        coverage_curve(Y, PROBA, certainty=certainty)


def test_scores_take_probabilities_by_name():
    assert evaluate(Y, Y, proba=TABLE) == evaluate(Y, Y, proba=PROBA)
    with pytest.raises(ValueError, match="proba: got the columns"):
        evaluate(Y, Y, proba=TABLE.rename(columns={"b": "c"}))


def test_reports_take_probabilities_by_name(tmp_path):
    pages = []
    for proba in (TABLE, PROBA):
        given = {"predictions": {"STN": {"proba": proba}}, "y_true": Y}
        pages.append(write_report(tmp_path / "r.html", **given).read_bytes())
    assert pages[0] == pages[1]
    given = check_predictions({"STN": {"proba": TABLE}}, Y, ["b", "a"], None)
    assert given.methods["STN"]["y_pred"].tolist() == ["a", "b", "a"]
    with pytest.raises(ValueError, match=r"predictions\['STN'\]\['proba'\]: got the columns"):
        check_predictions({"STN": {"proba": TABLE.rename(columns={"b": "c"})}}, Y, None, None)


def test_examples_take_probabilities_by_name():
    pytest.importorskip("matplotlib", reason="needs the extra [plot]")
    images = np.zeros((3, 6, 7, 3), np.uint8)
    figure = plot_examples(images, Y, Y, TABLE, ["a", "b"], n_correct=3, random_state=0)
    plain = plot_examples(images, Y, Y, PROBA, ["a", "b"], n_correct=3, random_state=0)
    texts = [[text.get_text() for ax in f.axes for text in ax.texts] for f in (figure, plain)]
    assert texts[0] == texts[1]
    assert "0.90" in texts[0]
