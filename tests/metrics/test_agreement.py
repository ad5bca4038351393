"""Agreement of annotators, against published examples and counts by hand."""

from fractions import Fraction

import numpy as np
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
