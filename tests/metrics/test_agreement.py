"""Agreement of annotators, against published examples and counts by hand."""

import json
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from stnclf.metrics import annotator_agreement, fleiss_kappa

#: J. L. Fleiss, Psychological Bulletin 76(5), 1971, table 1: the diagnoses that six psychiatrists
#: made of each of thirty patients. He computes a kappa of .430.
DIAGNOSES = """
    444444 222555 233335 555555 222444 113333 333355 113334 114444 555555
    144444 124444 222333 144444 224445 333335 111455 111112 224444 133555
    555555 244444 224555 114444 144445 222224 111155 224444 133333 555555
"""

#: The worked example of https://en.wikipedia.org/wiki/Fleiss%27_kappa: fourteen raters, ten
#: subjects, five classes.
FOURTEEN = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def by_hand(counts):
    """Count the pairs of votes that agree, and those that would by chance, one by one."""
    shares, votes = [], []
    for row in counts:
        said = [k for k, n in enumerate(row) for _ in range(n)]
        pairs = [(i, j) for i in range(len(said)) for j in range(len(said)) if i != j]
        shares.append(Fraction(sum(said[i] == said[j] for i, j in pairs), len(pairs)))
        votes += said
    observed = sum(shares) / len(shares)
    chance = sum(Fraction(votes.count(k), len(votes)) ** 2 for k in set(votes))
    return float((observed - chance) / (1 - chance))


def test_published_examples():
    patients = [[patient.count(k) for k in "12345"] for patient in DIAGNOSES.split()]
    assert round(fleiss_kappa(patients), 3) == 0.430
    assert round(fleiss_kappa(FOURTEEN), 3) == 0.210
    for counts in (patients, FOURTEEN):
        assert fleiss_kappa(counts) == pytest.approx(by_hand(counts), abs=1e-12)


def test_cells_with_different_numbers_of_votes():
    counts = [[2, 0, 0], [1, 1, 1], [0, 4, 1], [0, 0, 3]]
    # p = (1 + 0 + 6 / 10 + 1) / 4, e = (3^2 + 5^2 + 5^2) / 13^2
    p, e = 2.6 / 4, 59 / 169
    assert fleiss_kappa(counts) == pytest.approx((p - e) / (1 - e))
    assert fleiss_kappa(counts) == pytest.approx(by_hand(counts))


def test_nothing_to_agree_on():
    assert fleiss_kappa([[3, 0], [0, 3]]) == 1
    assert np.isnan(fleiss_kappa([[3, 0], [2, 0]]))


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([[1, 0]], "two people for each cell"),
        ([], "n_cells, n_classes"),
        (np.zeros((0, 2)), "at least one cell"),
        ([1, 2], "n_cells, n_classes"),
        ([[2.5, 0]], "whole numbers"),
        ([[3, -1]], "whole numbers"),
        ([["x", "y"]], "counts"),
    ],
)
def test_bad_counts_are_refused(counts, words):
    with pytest.raises(ValueError, match=words):
        fleiss_kappa(counts)


def test_pairs_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    said = rng.choice(["mitosis", "other", "granulocyte"], (50, 3))
    said[:20, 1] = said[:20, 0]
    table = {
        "votes": [tuple(row) for row in said.tolist()] + [("other",), (None, "other"), None],
        "voters": [("B", "A", "ä")] * 50 + [("A",), ("A", "B"), None],
    }
    found = annotator_agreement(table)
    assert found["n_cells"] == 50
    assert found["agreed"] == np.mean([len(set(row)) == 1 for row in said.tolist()])
    classes = ("granulocyte", "mitosis", "other")
    counts = [[list(row).count(k) for k in classes] for row in said]
    assert found["fleiss_kappa"] == pytest.approx(fleiss_kappa(counts))
    assert [pair["voters"] for pair in found["pairs"]] == [("A", "B"), ("A", "ä"), ("B", "ä")]
    for pair, (i, j) in zip(found["pairs"], [(1, 0), (1, 2), (0, 2)]):
        assert pair["n_cells"] == 50
        assert pair["cohen_kappa"] == pytest.approx(cohen_kappa_score(said[:, i], said[:, j]))


def test_who_has_seen_what():
    table = {
        "votes": [("m", "m"), ("m", "n", "n"), ("n", "n"), ("m", "m", "n")],
        "voters": [("A", "B"), ("A", "B", "C"), ("A", "C"), ("A", "C", "C")],
    }
    pairs = annotator_agreement(table)["pairs"]
    # The last vote of C on the last cell counts; A and B share two cells, B and C one.
    numbers = {pair["voters"]: pair["n_cells"] for pair in pairs}
    assert list(numbers.items()) == [(("A", "C"), 3), (("A", "B"), 2), (("B", "C"), 1)]
    assert np.isnan(pairs[2]["cohen_kappa"])  # both say n, and nothing else is there
    del table["voters"]
    assert annotator_agreement(table)["pairs"] == []


def test_one_vote_each_is_no_agreement():
    found = annotator_agreement({"votes": [("m",), (), None]})
    assert found == {"n_cells": 0, "agreed": None, "fleiss_kappa": None, "pairs": []}


def test_bad_tables_are_refused():
    with pytest.raises(ValueError, match="column votes"):
        annotator_agreement({"x": [1]})
    with pytest.raises(ValueError, match="got 1 for 2, row 0"):
        annotator_agreement({"votes": [("m", "n")], "voters": [("A",)]})


VOTES = [("a", "b"), ("a", "a"), ("b", "b", "a")]
VOTERS = [("x", "y"), ("x", "y"), ("y", "x", "z")]


def forms():
    pl = pytest.importorskip("polars", reason="needs polars")
    return {
        "tuples": (VOTES, VOTERS),
        "lists": ([list(v) for v in VOTES], [list(v) for v in VOTERS]),
        "arrays": ([np.array(v) for v in VOTES], [np.array(v, dtype=object) for v in VOTERS]),
        "a table": [pd.Series([np.array(v) for v in column]) for column in (VOTES, VOTERS)],
        "polars": [pl.Series([list(v) for v in column]) for column in (VOTES, VOTERS)],
        "text of a CSV file": [[json.dumps(v) for v in column] for column in (VOTES, VOTERS)],
        "two forms of Unicode": (
            [("a\u0308", "b"), ("\u00e4", "a\u0308"), ("b", "b", "\u00e4")],
            VOTERS,
        ),
    }


@pytest.mark.parametrize("form", forms())
def test_votes_are_read_in_every_form(form):
    votes, voters = forms()[form]
    found = annotator_agreement({"votes": votes, "voters": voters})
    assert found == annotator_agreement({"votes": VOTES, "voters": VOTERS})
    assert (found["n_cells"], found["agreed"]) == (3, pytest.approx(1 / 3))
    assert [pair["voters"] for pair in found["pairs"]] == [("x", "y"), ("x", "z"), ("y", "z")]
    assert [pair["n_cells"] for pair in found["pairs"]] == [3, 1, 1]
    json.dumps(found, allow_nan=True)


def test_tables_of_other_libraries():
    pl = pytest.importorskip("polars", reason="needs polars")
    columns = {"votes": [list(v) for v in VOTES], "voters": [list(v) for v in VOTERS]}
    expected = annotator_agreement({"votes": VOTES, "voters": VOTERS})
    for table in (pl.DataFrame(columns), pd.DataFrame(columns), pd.DataFrame(columns, [7, 8, 9])):
        assert annotator_agreement(table) == expected
    assert annotator_agreement(pl.DataFrame(columns).drop("voters"))["pairs"] == []


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_missing_vote_is_none(missing):
    table = {"votes": [("a", missing), ("a", "a"), missing], "voters": [("x", "y")] * 3}
    table["voters"][2] = missing
    found = annotator_agreement(table)
    assert (found["n_cells"], found["agreed"]) == (1, 1.0)
    assert [(pair["voters"], pair["n_cells"]) for pair in found["pairs"]] == [(("x", "y"), 1)]
    # Of whom nobody knows the name, there is a vote, and no pair.
    unknown = annotator_agreement({"votes": [("a", "b")], "voters": [("x", missing)]})
    assert (unknown["n_cells"], unknown["pairs"]) == (1, [])
    nothing = annotator_agreement({"votes": [("a", missing), missing]})
    assert nothing == {"n_cells": 0, "agreed": None, "fleiss_kappa": None, "pairs": []}
    masked = np.ma.array(["a", "b"], mask=[False, True])
    assert annotator_agreement({"votes": [masked, ("a", "a")]})["n_cells"] == 1


@pytest.mark.parametrize("name", ["votes", "voters"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("mitosis", "'mitosis'"),
        ('{"a": 1}', "{'a'"),
        ('["a"', "'"),
        (3, "3"),
        ({"a", "b"}, "{'"),
        ({"a": 1}, "{'a'"),
        (np.zeros((2, 2)), r"\[\[0.0"),
        ([["a"], ["b"]], r"\[\['a'\]"),
    ],
)
def test_what_is_no_list_of_names_is_refused(name, value, words):
    table = {"votes": [("a", "b")] * 2, "voters": [("x", "y")] * 2}
    table[name][1] = value
    with pytest.raises(ValueError, match=rf"^annotations\['{name}'\], row 1: got .*{words}.*wants"):
        annotator_agreement(table)


def test_columns_are_of_one_length_and_votes_of_one_type():
    with pytest.raises(ValueError, match="voters must have 2 rows, got 1"):
        annotator_agreement({"votes": VOTES[:2], "voters": VOTERS[:1]})
    with pytest.raises(ValueError, match=r"votes.*got the label '1', but votes has 1"):
        annotator_agreement({"votes": [(1, "1")]})
    with pytest.raises(ValueError, match="annotations must have a column votes"):
        annotator_agreement([1, 2])


def test_an_empty_text_is_no_vote_and_a_categorical_is_a_list():
    votes = ["", pd.Categorical(["a", "b"]), '["a", "a"]']
    assert annotator_agreement({"votes": votes})["n_cells"] == 2
