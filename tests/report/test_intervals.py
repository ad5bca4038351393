"""Intervals by bootstrap, against a plain loop over resampled slides and scikit-learn's scores."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from stnclf.report import evaluate
from stnclf.report._intervals import ENDS, Pairs, measures

RNG = np.random.default_rng(3)
TRUE = RNG.choice(list("abc"), 60, p=[0.5, 0.4, 0.1])
PRED = np.where(RNG.random(60) < 0.7, TRUE, RNG.choice(list("abc"), 60))
SLIDES = RNG.choice(["s1", "s2", "s3", "s4", "s5"], 60)
LABELS = np.array(list("abc"))
EVERY = np.ones(60, dtype=bool)


def scores(true, pred):
    """Score with scikit-learn; classes that do not occur are left out by it."""
    return (
        accuracy_score(true, pred),
        balanced_accuracy_score(true, pred),
        f1_score(true, pred, average="macro", zero_division=0),
    )


@pytest.mark.filterwarnings("ignore:y_pred contains classes", "ignore:A single label")
def test_slides_are_drawn_as_a_loop_draws_them():
    rng = np.random.RandomState(7)
    names = np.unique(SLIDES)
    drawn = []
    for _ in range(50):
        rows = [np.flatnonzero(names[k] == SLIDES) for k in rng.randint(5, size=5)]
        rows = np.concatenate(rows)
        drawn.append(scores(TRUE[rows], PRED[rows]))
    want = np.percentile(drawn, ENDS, axis=0).T
    found = Pairs(TRUE, PRED, LABELS, 50, 7).over_groups(EVERY, SLIDES)
    np.testing.assert_allclose(list(found.values()), want)


@pytest.mark.filterwarnings("ignore:y_pred contains classes", "ignore:A single label")
def test_cells_of_a_slide_are_drawn_as_a_loop_draws_them():
    here = SLIDES == "s2"
    pairs = [(t, p) for t in LABELS for p in LABELS]
    counts = [((t == TRUE) & (p == PRED) & here).sum() for t, p in pairs]
    rng = np.random.RandomState(7)
    drawn = []
    for _ in range(50):
        times = rng.multinomial(here.sum(), np.array(counts) / here.sum())
        true, pred = np.repeat(pairs, times, axis=0).T
        drawn.append(scores(true, pred))
    want = np.percentile(drawn, ENDS, axis=0).T
    found = Pairs(TRUE, PRED, LABELS, 50, 7).over_cells(here)
    np.testing.assert_allclose(list(found.values()), want)


def test_one_slide_says_nothing_about_others():
    assert Pairs(TRUE, PRED, LABELS, 5, 0).over_groups(SLIDES == "s2", SLIDES) is None


def test_scores_of_several_matrices_are_those_of_each():
    pairs = Pairs(TRUE, PRED, LABELS, 5, 0).count(EVERY)
    np.testing.assert_allclose(measures(np.stack([pairs, pairs]))[:, 1], scores(TRUE, PRED))


def test_the_seed_decides_and_domains_change_no_slide():
    first = evaluate(TRUE, PRED, groups=SLIDES)
    assert evaluate(TRUE, PRED, groups=SLIDES.tolist(), random_state=0) == first
    other = evaluate(TRUE, PRED, groups=SLIDES, random_state=1)
    assert other["intervals"] != first["intervals"]
    domains = np.where(SLIDES < "s3", "Leica", "Roche")
    both = evaluate(TRUE, PRED, groups=SLIDES, domains=domains)
    assert (both["groups"], both["intervals"]) == (first["groups"], first["intervals"])
    assert {d: one["n_groups"] for d, one in both["domains"].items()} == {"Leica": 2, "Roche": 3}
    assert evaluate(TRUE, PRED)["intervals"] is None
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        low, high = first["intervals"][name]
        assert low < first[name] < high
