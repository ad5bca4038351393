"""Scores of detections over all thresholds, and the threshold with the best F1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._utils.typing import Table
from ._detection import matched_detections

__all__ = ["best_thresholds", "choose_thresholds", "detection_curve"]

#: Tables hold probabilities with six digits.
_DIGIT = 1e-6


def detection_curve(
    truth: Table,
    detections: Table,
    *,
    mpp: float | None = None,
    radius_um: float | None = None,
    radius_px: float | None = None,
    labels: Sequence[Any] | None = None,
) -> dict[Any, dict[str, Any]]:
    """Scores of detections at every threshold on their probability.

    Parameters
    ----------
    truth, detections : DataFrame or mapping of columns
        As `detection_score` takes them.
    mpp, radius_um, radius_px : float, default=None
        Likewise.
    labels : sequence of labels, default=None
        Classes to report; None takes all that occur in either table.

    Returns
    -------
    curves : dict of label to dict
        For each class ``n_truth``, and arrays with an item for each probability that occurs, in
        descending order: ``threshold``, the probability; ``n_detections`` and ``true_positives``
        among those of at least that probability; ``precision``, ``recall`` and ``f1`` of these,
        NaN where one is not defined.

    Raises
    ------
    ValueError
        As `detection_score`.

    See Also
    --------
    detection_score : The same of all detections, and the area under the curve.
    choose_thresholds : The best point of each curve.

    Examples
    --------
    >>> from stnclf.metrics import detection_curve
    >>> truth = {"x": [10, 90], "y": [20, 20], "label": ["mitosis", "mitosis"]}
    >>> found = {"x": [12, 50, 91], "y": [20, 20, 20], "label": ["mitosis"] * 3}
    >>> found["probability"] = [0.9, 0.8, 0.6]
    >>> curve = detection_curve(truth, found, radius_px=30)["mitosis"]
    >>> curve["threshold"].tolist(), curve["f1"].round(3).tolist()
    ([0.9, 0.8, 0.6], [0.667, 0.5, 0.8])
    """
    matched = matched_detections(truth, detections, mpp, radius_um, radius_px, labels)
    curves = {}
    for label, (probability, is_true, n_truth) in matched.items():
        order = np.argsort(-probability, kind="stable")
        # Detections of one probability pass a threshold together.
        steps = np.flatnonzero(np.diff(probability[order], append=-np.inf))
        hits, n_found = np.cumsum(is_true[order])[steps], steps + 1
        curves[label] = {
            "n_truth": n_truth,
            "threshold": probability[order][steps],
            "n_detections": n_found,
            "true_positives": hits,
            "precision": hits / n_found,
            "recall": hits / n_truth if n_truth else np.full(len(steps), np.nan),
            "f1": 2 * hits / (n_truth + n_found),
        }
    return curves


def choose_thresholds(
    truth: Table,
    detections: Table,
    *,
    mpp: float | None = None,
    radius_um: float | None = None,
    radius_px: float | None = None,
    labels: Sequence[Any] | None = None,
) -> dict[Any, float]:
    """Thresholds on the probability with the best F1, one for each class.

    Parameters
    ----------
    truth, detections : DataFrame or mapping of columns
        As `detection_score` takes them; of slides that have not served for training. Detections
        that were left out for a low probability cannot be chosen.
    mpp, radius_um, radius_px : float, default=None
        Likewise.
    labels : sequence of labels, default=None
        Classes to choose for; None takes all that occur in either table.

    Returns
    -------
    thresholds : dict of label to float
        Half-way between the last probability that is kept and the next one, so that neither
        rounding nor a slightly different slide decides; of several that are equally good the
        highest. Classes of which no detection finds a cell are not in it.

    Raises
    ------
    ValueError
        As `detection_score`.

    Examples
    --------
    >>> from stnclf.metrics import choose_thresholds
    >>> truth = {"x": [10, 90], "y": [20, 20], "label": ["mitosis", "mitosis"]}
    >>> found = {"x": [12, 91, 50], "y": [20, 20, 20], "label": ["mitosis"] * 3}
    >>> found["probability"] = [0.9, 0.8, 0.6]
    >>> round(choose_thresholds(truth, found, radius_px=30)["mitosis"], 3)
    0.7
    """
    curves = detection_curve(
        truth, detections, mpp=mpp, radius_um=radius_um, radius_px=radius_px, labels=labels
    )
    return best_thresholds(curves)


def best_thresholds(curves: dict[Any, dict[str, Any]]) -> dict[Any, float]:
    """Choose the thresholds that `choose_thresholds` does, from curves that are there.

    Parameters
    ----------
    curves : dict of label to dict
        What `detection_curve` returned.

    Returns
    -------
    dict of label to float
    """
    chosen = {}
    for label, curve in curves.items():
        if not curve["true_positives"].any():
            continue
        best = int(curve["f1"].argmax())
        below = curve["threshold"][best + 1 : best + 2]
        threshold = curve["threshold"][best]
        lower = below[0] if len(below) else threshold - 2 * _DIGIT
        if threshold >= 0:  # a threshold on probabilities is one
            lower = max(lower, 0.0)
        chosen[label] = float((threshold + lower) / 2)
    return chosen
