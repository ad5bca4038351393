"""Calibration against a plain loop over the definition, and against counts by hand."""

import numpy as np
import pytest

from stnclf.metrics import expected_calibration_error, reliability_curve


def by_loop(y_true, proba, labels, n_bins):
    """Go through samples and bins one by one, as the papers write it."""
    sums = [[0.0, 0.0, 0] for _ in range(n_bins)]
    for label, row in zip(y_true, proba):
        best = max(range(len(row)), key=lambda k: row[k])
        for m in range(1, n_bins + 1):
            low = -1 if m == 1 else (m - 1) / n_bins
            if low < row[best] <= m / n_bins:
                sums[m - 1][0] += row[best]
                sums[m - 1][1] += labels[best] == label
                sums[m - 1][2] += 1
    return sums


@pytest.mark.parametrize("n_bins", [1, 7, 10, 15])
def test_the_curve_and_the_error_are_those_of_the_definition(n_bins):
    rng = np.random.default_rng(3)
    labels = ["z", "b", "m"]  # not sorted: columns must be read in this order
    proba = rng.dirichlet([0.4, 0.7, 0.5], 300)
    y_true = np.array(labels)[[rng.choice(3, p=0.6 * p + 0.4 / 3) for p in proba]]
    confidence, accuracy, count = reliability_curve(y_true, proba, labels=labels, n_bins=n_bins)
    error = 0.0
    for m, (top, right, n) in enumerate(by_loop(y_true, proba.tolist(), labels, n_bins)):
        assert count[m] == n
        if n:
            assert confidence[m] == pytest.approx(top / n)
            assert accuracy[m] == pytest.approx(right / n)
            error += n / 300 * abs(right / n - top / n)
        else:
            assert np.isnan([confidence[m], accuracy[m]]).all()
    got = expected_calibration_error(y_true, proba, labels=labels, n_bins=n_bins)
    assert got == pytest.approx(error)
    assert error > 0.05


def test_a_confidence_on_an_edge_lies_in_the_bin_below_it():
    proba = [[0.3, 0.3, 0.4], [0.25, 0.35, 0.4], [0.7, 0.2, 0.1], [1.0, 0.0, 0.0]]
    _, _, count = reliability_curve(list("abca"), proba, n_bins=10)
    assert count.tolist() == [0, 0, 0, 2, 0, 0, 1, 0, 0, 1]


def test_known_errors():
    # 0.9 sure and always right, 0.6 sure and never right: (0.1 + 0.6) / 2.
    assert expected_calibration_error(
        ["a", "b"], [[0.9, 0.1], [0.6, 0.4]], labels=["a", "b"]
    ) == pytest.approx(0.35)
    assert expected_calibration_error([0, 1], [[1, 0], [0, 1]]) == 0.0
    assert expected_calibration_error([0, 1], [[0, 1], [1, 0]]) == 1.0


def test_labels_may_hold_classes_that_do_not_occur():
    confidence, accuracy, _ = reliability_curve([2, 2], [[0.2, 0.8]] * 2, labels=[1, 2], n_bins=1)
    assert (confidence.tolist(), accuracy.tolist()) == ([0.8], [1.0])


@pytest.mark.parametrize("function", [reliability_curve, expected_calibration_error])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_true": []}, "y_true must be 1-D and not empty"),
        ({"y_true": [["a", "b"]]}, r"y_true must be 1-D and not empty, got shape \(1, 2\)"),
        ({"labels": ["a", "c"]}, r"labels must hold every class of y_true, but lacks \['b'\]"),
        ({"labels": ["a", "b", "b"]}, "labels must be 1-D without repetitions"),
        ({"proba": [[1, 0, 0]] * 2}, r"proba must have shape \(2, 2\), .* got \(2, 3\)"),
        ({"proba": "high"}, "proba must be an array of numbers, got 'high'"),
        ({"proba": [[0.5, 0.5], [0.9, 0.3]]}, r"row 1 holds \[0.9, 0.3\]"),
        ({"proba": [[1.5, -0.5], [1, 0]]}, "row 0 holds"),
        ({"proba": [[0.5, 0.5], [np.nan, 1]]}, "row 1 holds"),
        ({"n_bins": 0}, "n_bins must be a whole number of at least 1, got 0"),
        ({"n_bins": 2.0}, "n_bins must be a whole number of at least 1, got 2.0"),
    ],
)
def test_bad_arguments_are_named(function, changes, message):
    arguments = {"y_true": ["a", "b"], "proba": [[0.5, 0.5], [0.1, 0.9]], **changes}
    with pytest.raises(ValueError, match=message):
        function(arguments.pop("y_true"), arguments.pop("proba"), **arguments)
