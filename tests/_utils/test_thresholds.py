"""Thresholds by class: what is given, what the estimator has, what neither says."""

from types import SimpleNamespace

import numpy as np
import pytest

from stnclf._utils.thresholds import check_thresholds, least_probabilities

CLASSES = np.array(["p", "q", "r"])


def estimator(**chosen):
    return SimpleNamespace(classes_=CLASSES, detection_thresholds_=chosen)


def test_what_is_given_comes_before_what_the_estimator_has():
    assert least_probabilities(estimator(q=0.8), None).tolist() == [0.5, 0.8, 0.5]
    assert least_probabilities(estimator(q=0.8), 0.2).tolist() == [0.2] * 3
    assert least_probabilities(estimator(q=0.8), {"r": 0.1}).tolist() == [0.5, 0.5, 0.1]
    assert least_probabilities(estimator(), None).tolist() == [0.5] * 3
    older = SimpleNamespace(classes_=CLASSES)
    assert least_probabilities(older, None).tolist() == [0.5] * 3


def test_thresholds_come_in_the_order_of_the_classes():
    assert list(check_thresholds({"r": 1, "p": 0}, CLASSES).items()) == [("p", 0.0), ("r", 1.0)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (1.5, "min_probability: got 1.5, wants a number from 0 to 1"),
        (True, "min_probability: got True"),
        (np.nan, "min_probability: got nan"),
        ("0.5", "min_probability: got '0.5'"),
        ({"s": 0.5}, "min_probability: got the class 's', wants some of .'p', 'q', 'r'"),
        ({"p": -0.1}, "min_probability: got -0.1"),
    ],
)
def test_wrong_ones_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        least_probabilities(estimator(), given)


def test_wrong_ones_of_the_estimator_are_named():
    with pytest.raises(ValueError, match="detection_thresholds_: got the class 's'"):
        least_probabilities(estimator(s=0.5), None)
    with pytest.raises(ValueError, match=r"detection_thresholds_: got \[0.5\], wants thresholds"):
        check_thresholds([0.5], CLASSES)
