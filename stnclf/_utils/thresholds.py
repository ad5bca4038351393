"""Thresholds on the probability of detections, one for each class of an estimator."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real

import numpy as np

from .errors import argument_error

__all__ = ["DEFAULT", "check_thresholds", "least_probabilities"]

#: What a class without a threshold has.
DEFAULT = 0.5


def check_thresholds(thresholds, classes, argument="detection_thresholds_"):
    """Check thresholds by label.

    Parameters
    ----------
    thresholds : mapping of label to float
        As `stnclf.metrics.choose_thresholds` returns them.
    classes : ndarray of shape (n_classes,)
        The labels that an estimator knows.
    argument : str, default="detection_thresholds_"
        What messages call them.

    Returns
    -------
    dict of label to float
        In the order of the classes.

    Raises
    ------
    ValueError
        If they are no such mapping, name another class, or hold no probability.

    Examples
    --------
    >>> import numpy as np
    >>> from stnclf._utils.thresholds import check_thresholds
    >>> check_thresholds({"q": 0.25}, np.array(["p", "q"]))
    {'q': 0.25}
    """
    names = classes.tolist()
    if not isinstance(thresholds, Mapping):
        raise argument_error(
            argument, f"got {thresholds!r:.80}, wants thresholds by label, from 0 to 1."
        )
    for label, value in thresholds.items():
        if label not in names:
            raise argument_error(argument, f"got the class {label!r}, wants some of {names}.")
        _check_probability(value, argument)
    return {label: float(thresholds[label]) for label in names if label in thresholds}


def least_probabilities(estimator, given):
    """Return the least probability that a detection of each class must have.

    Parameters
    ----------
    estimator : estimator
        Fitted; its ``detection_thresholds_`` count where nothing is given.
    given : float, mapping of label to float, or None
        The argument `min_probability`.

    Returns
    -------
    float64 ndarray of shape (n_classes,)
        0.5 for classes without a threshold.

    Raises
    ------
    ValueError
        If a number is none from 0 to 1, or a label is unknown.
    """
    classes = estimator.classes_
    if given is not None and not isinstance(given, Mapping):
        return np.full(len(classes), _check_probability(given, "min_probability"))
    if given is None:
        argument, given = "detection_thresholds_", getattr(estimator, "detection_thresholds_", {})
    else:
        argument = "min_probability"
    known = check_thresholds(given, classes, argument)
    return np.array([known.get(label, DEFAULT) for label in classes.tolist()])


def _check_probability(value, argument):
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value <= 1:
        raise argument_error(argument, f"got {value!r}, wants a number from 0 to 1.")
    return float(value)
