"""The curve of coverage, against a loop and against counts by hand."""

import numpy as np
import pytest

from stnclf.metrics import coverage_curve


def test_a_count_by_hand():
    proba = [[0.2, 0.8], [0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.5, 0.5]]
    coverage, accuracy, threshold = coverage_curve(list("babab"), proba)
    # 0.9 is right; the two of 0.8 come together, one is right; 0.6 is right; the last, a, is not.
    np.testing.assert_allclose(coverage, [1 / 5, 3 / 5, 4 / 5, 1])
    np.testing.assert_allclose(accuracy, [1, 2 / 3, 3 / 4, 3 / 5])
    np.testing.assert_allclose(threshold, [0.9, 0.8, 0.6, 0.5])


def test_the_curve_is_that_of_a_loop():
    rng = np.random.default_rng(1)
    labels = ["z", "b", "m"]
    proba, y_true = rng.dirichlet([1, 2, 1], 200), rng.choice(labels, 200)
    certainty = rng.integers(0, 30, 200) / 7 - 2
    curve = coverage_curve(y_true, proba, labels=labels, certainty=certainty)
    right = np.array([labels[row.argmax()] == true for row, true in zip(proba, y_true)])
    expected = []
    for least in sorted(set(certainty.tolist()), reverse=True):
        kept = certainty >= least
        expected.append((kept.mean(), right[kept].mean(), least))
    np.testing.assert_allclose(np.stack(curve, 1), expected)


@pytest.mark.parametrize(
    ("certainty", "words"),
    [([1.0], "2 finite numbers"), ([0, np.nan], "2 finite"), (["x", "y"], "an array of numbers")],
)
def test_bad_certainties_are_refused(certainty, words):
    with pytest.raises(ValueError, match=f"certainty must .*{words}"):
        coverage_curve(["a", "b"], [[1, 0], [0, 1]], certainty=certainty)
