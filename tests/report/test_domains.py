"""Scores by domain, against scikit-learn's on the rows of each."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from stnclf.report import domain_table, evaluate
from stnclf.report._domains import domain_rows, group_rows
from tests.report.test_evaluation import Y_PRED, Y_TRUE

DOMAINS = np.array(["Leica", "Roche", "Leica", "Leica", "Roche"] * 2)


def test_each_domain_is_scored_by_itself():
    scores = evaluate(Y_TRUE, Y_PRED, domains=DOMAINS)["domains"]
    assert list(scores) == ["Leica", "Roche"]
    for name, found in scores.items():
        true, pred = Y_TRUE[name == DOMAINS], Y_PRED[name == DOMAINS]
        assert found["n"] == len(true)
        assert found["macro_f1"] == pytest.approx(f1_score(true, pred, average="macro"))
        assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(true, pred))
        assert found["accuracy"] == (true == pred).mean()
        assert (found["n_groups"], found["intervals"]) == (None, None)
    assert evaluate(Y_TRUE, Y_PRED, domains=DOMAINS.tolist())["domains"] == scores
    assert evaluate(Y_TRUE, Y_PRED)["domains"] is None
    numbers = evaluate(Y_TRUE, Y_PRED, domains=np.arange(10) % 2)["domains"]
    assert list(numbers) == ["0", "1"]


def test_the_table_ends_with_all():
    scores = evaluate(Y_TRUE, Y_PRED, domains=DOMAINS)
    header, rows = domain_rows({"A": scores, "old": {**scores, "domains": None}, "B": scores})
    assert header[:3] == ["approach", "domain", "cells"]
    assert [row[:3] for row in rows[:3]] == [
        ["A", "Leica", "6"],
        ["", "Roche", "4"],
        ["", "all", "10"],
    ]
    assert [row[0] for row in rows] == ["A", "", "", "B", "", ""]
    assert rows[2][3:] == [f"{scores['balanced_accuracy']:.3f}", f"{scores['macro_f1']:.3f}"]
    assert domain_table({"A": scores}, fmt="markdown").startswith("| approach | domain | cells |")


def test_slides_have_rows_with_their_intervals():
    slides = np.array([f"s{i % 3}" for i in range(10)])
    scores = evaluate(Y_TRUE, Y_PRED, domains=DOMAINS, groups=slides)
    header, rows = group_rows({"A": scores, "old": evaluate(Y_TRUE, Y_PRED)})
    assert header[1:4] == ["slide", "cells", "accuracy"]
    assert [row[:3] for row in rows] == [
        ["A", "all", "10"],
        ["", "s0", "4"],
        ["", "s1", "3"],
        ["", "s2", "3"],
    ]
    low, high = scores["groups"]["s0"]["intervals"]["macro_f1"]
    assert rows[1][5] == f"{scores['groups']['s0']['macro_f1']:.3f} [{low:.3f}, {high:.3f}]"
    header, rows = domain_rows({"A": scores})
    assert header == ["approach", "domain", "slides", "cells", "balanced acc.", "macro F1"]
    assert [row[2] for row in rows] == ["3", "2", "3"]
    assert rows[0][-1].endswith("]")


def test_what_has_no_domains_is_refused():
    with pytest.raises(ValueError, match=r"domains must have shape \(10,\), got \(9,\)"):
        evaluate(Y_TRUE, Y_PRED, domains=DOMAINS[1:])
    with pytest.raises(ValueError, match=r"scores by domain, evaluate\(..., domains=...\)"):
        domain_table({"A": evaluate(Y_TRUE, Y_PRED)})
    with pytest.raises(ValueError, match=r"groups must have shape \(10,\), got \(1,\)"):
        evaluate(Y_TRUE, Y_PRED, groups=["s"])


def test_a_class_that_does_not_occur_counts_nowhere():
    """The model knows it, these patches lack it: all and their only domain have the same scores."""
    scores = evaluate(
        list("aabb"), list("aaba"), labels=list("abc"), domains=["x"] * 4, groups=list("pqpq")
    )
    want = f1_score(list("aabb"), list("aaba"), average="macro")
    assert scores["macro_f1"] == scores["domains"]["x"]["macro_f1"] == pytest.approx(want)
    low, high = scores["intervals"]["macro_f1"]
    assert low <= want <= high


def test_a_part_that_is_called_all_is_another_row():
    parts = ["all", "b"] * 5
    scores = evaluate(Y_TRUE, Y_PRED, domains=parts, groups=parts)
    assert [row[1] for row in domain_rows({"A": scores})[1]] == ["all", "b", "all together"]
    assert [row[1] for row in group_rows({"A": scores})[1]] == ["all together", "all", "b"]
