"""Scores of detections, pooled and for each slide, and their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from .._utils.typing import RandomState
from ..metrics._detection import matched_detections, scores_of
from ._intervals import ENDS
from ._tables import layout, with_interval

__all__ = ["detection_intervals", "detection_rows", "detection_table", "score_slides"]

_MEASURES = ("precision", "recall", "f1")


def score_slides(
    truth: Any,
    detections: Any,
    *,
    radius_px: float,
    labels: Sequence[Any],
    thresholds: Mapping[Any, float] | None = None,
) -> dict[str, Any]:
    """Score detections on all slides together and on each of them.

    Parameters
    ----------
    truth, detections : DataFrame
        Cells with ``image``, ``x``, ``y``, ``label``, and of detections ``probability``.
    radius_px : float
        Radius of a match, in the unit of the positions.
    labels : sequence of labels
        Classes to score.
    thresholds : mapping of label to float, default=None
        Least probability of a detection of each class; others have none. It changes counts and
        what is made of them, but not the average precision.

    Returns
    -------
    dict
        ``pooled``: label -> scores of `stnclf.metrics.detection_score`; ``slides``: name of the
        slide -> the same.
    """
    least = thresholds or {}

    def scored(truth: Any, detections: Any) -> dict[Any, dict[str, Any]]:
        scores = {}
        # The most certain ones choose first, so that what is kept has the partners that it has.
        matched = matched_detections(truth, detections, None, None, radius_px, labels)
        for label, (probability, is_true, n_truth) in matched.items():
            kept = probability >= least.get(label, -np.inf)
            scores[label] = scores_of(probability[kept], is_true[kept], n_truth)
            every = scores_of(probability, is_true, n_truth)
            scores[label]["average_precision"] = every["average_precision"]
        return scores

    names = sorted({*truth["image"], *detections["image"]})
    return {
        "pooled": scored(truth, detections),
        "slides": {
            name: scored(*(table[table["image"] == name] for table in (truth, detections)))
            for name in names
        },
    }


def detection_table(scores: Mapping[str, Any], *, fmt: str = "text") -> str:
    """Lay out what `score_slides` returned.

    Parameters
    ----------
    scores : dict
        Pooled and by slide.
    fmt : {"text", "markdown"}, default="text"
        Aligned plain text, or a Markdown table.

    Returns
    -------
    str
        A row for each slide and class, all slides together first. A dash stands where a score is
        not defined.
    """
    return layout(*detection_rows(scores), n_text=2, fmt=fmt)


def detection_rows(scores: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Format the header and the rows of `detection_table`, in strings."""
    header = ["slide", "class", "cells", "found", "found - cells"]
    header += ["precision", "recall", "F1", "AP"]
    rows, measures = [], (*_MEASURES, "average_precision")
    intervals = scores.get("intervals") or {}
    blocks = {"all": scores["pooled"]}
    blocks |= scores["slides"] if len(scores["slides"]) > 1 else {}
    for name, block in blocks.items():
        for i, (label, score) in enumerate(block.items()):
            n_cells, n_found = score["n_truth"], score["n_detections"]
            ends = intervals.get(str(label), {}) if block is scores["pooled"] else {}
            shown = [with_interval(score[key], ends.get(key)) for key in measures]
            first = name if i == 0 else ""
            counts = [str(n_cells), str(n_found), f"{n_found - n_cells:+d}"]
            rows.append([first, str(label), *counts, *shown])
    return header, rows


def detection_intervals(
    scores: Mapping[str, Any], *, n_bootstrap: int = 1000, random_state: RandomState = 0
) -> dict[str, dict[str, list[float] | None]]:
    """Find confidence intervals of the pooled scores by resampling slides.

    Parameters
    ----------
    scores : dict
        What `score_slides` returned.
    n_bootstrap : int, default=1000
        Resamples: as many slides as there are, drawn with replacement.
    random_state : int, RandomState instance or None, default=0
        Decides what is drawn.

    Returns
    -------
    dict
        Class -> ``precision``, ``recall`` and ``f1``, each the percentiles 2.5 and 97.5 of the
        resamples in which it is defined, or None. Empty for one slide.
    """
    blocks = list(scores["slides"].values())
    if len(blocks) < 2:
        return {}
    drawn = check_random_state(random_state).randint(len(blocks), size=(n_bootstrap, len(blocks)))
    intervals = {}
    for label in scores["pooled"]:
        keys = ("true_positives", "n_detections", "n_truth")
        counts = np.array([[block[label][key] for key in keys] for block in blocks])
        right, found, cells = counts[drawn].sum(axis=1).T
        with np.errstate(invalid="ignore"):
            measures = right / found, right / cells, 2 * right / (found + cells)
        intervals[str(label)] = {
            name: np.nanpercentile(values, ENDS).tolist() if (values == values).any() else None
            for name, values in zip(_MEASURES, measures)
        }
    return intervals
