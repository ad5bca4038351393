"""Scores of detections, pooled and for each slide, and their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..metrics import detection_score
from ._tables import layout

__all__ = ["detection_table", "score_slides"]


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
    kept = detections
    if thresholds:
        least = np.array([thresholds.get(label, -np.inf) for label in detections["label"]])
        kept = detections[detections["probability"].to_numpy() >= least]
    how: dict[str, Any] = {"radius_px": radius_px, "labels": labels}

    def scored(truth: Any, everything: Any, kept: Any) -> dict[Any, dict[str, Any]]:
        scores = detection_score(truth, kept, **how)
        for label, all_of_them in detection_score(truth, everything, **how).items():
            scores[label]["average_precision"] = all_of_them["average_precision"]
        return scores

    names = sorted({*truth["image"], *detections["image"]})
    parts = {
        name: [table[table["image"] == name] for table in (truth, detections, kept)]
        for name in names
    }
    return {
        "pooled": scored(truth, detections, kept),
        "slides": {name: scored(*tables) for name, tables in parts.items()},
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
    header = ["slide", "class", "cells", "found", "found - cells"]
    header += ["precision", "recall", "F1", "AP"]
    rows = []
    blocks = {"all": scores["pooled"]}
    blocks |= scores["slides"] if len(scores["slides"]) > 1 else {}
    for name, block in blocks.items():
        for i, (label, score) in enumerate(block.items()):
            n_cells, n_found = score["n_truth"], score["n_detections"]
            measures = [score[key] for key in ("precision", "recall", "f1", "average_precision")]
            shown = ["-" if value is None else f"{value:.3f}" for value in measures]
            first = name if i == 0 else ""
            counts = [str(n_cells), str(n_found), f"{n_found - n_cells:+d}"]
            rows.append([first, str(label), *counts, *shown])
    return layout(header, rows, n_text=2, fmt=fmt)
