"""How many annotated cells are found, and how many detections are none."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._utils.containers import as_floats, column_of
from .._utils.errors import argument_error
from .._utils.labels import refuse_lookalikes, refuse_missing
from .._utils.names import composed, same_but_for_place
from .._utils.printable import listed
from .._utils.typing import Floats, Table
from .._utils.values import is_missing

__all__ = ["detection_score", "match_points", "matched_detections", "scores_of"]


def detection_score(
    truth: Table,
    detections: Table,
    *,
    mpp: float | None = None,
    radius_um: float | None = None,
    radius_px: float | None = None,
    labels: Sequence[Any] | None = None,
) -> dict[Any, dict[str, Any]]:
    """Precision, recall, F1 and average precision of cells that were found on slides.

    A detection and an annotated cell of the same class belong together if they are no further
    apart than a radius, each with one partner at most. Detections choose in descending order
    of probability, each the nearest cell that is left. Those that find none are false, a second
    detection of one cell among them; cells without a detection are missed.

    Parameters
    ----------
    truth : DataFrame or mapping of columns
        Annotated cells: ``x``, ``y``, in pixels of level 0, and ``label``, None or NaN where
        nobody knows the class.
    detections : DataFrame or mapping of columns
        Cells that were found: the same, and ``probability``, from the most to the least certain
        ones without it. If both tables have a column ``image``, cells of different images are
        kept apart; the names must be the same in both, with their folder and ending.
    mpp : float, default=None
        Micrometres per pixel of level 0, of all images; needed unless the radius is in pixels. Of
        slides that differ, multiply ``x`` and ``y`` of both tables by the resolution of each, and
        pass ``radius_px=7.5``.
    radius_um : float, default=None
        Largest distance in micrometres of a detection from its cell; a distance equal to it
        still counts. None is 7.5, unless `radius_px` is given.
    radius_px : float, default=None
        The same in pixels of level 0, for images whose resolution is not known.
    labels : sequence of labels, default=None
        Classes to report; None takes all that occur in either table.

    Returns
    -------
    scores : dict of label to dict
        For each class ``n_truth`` and ``n_detections``, those that count, ``true_positives``,
        ``false_positives``, ``false_negatives``, ``precision``, ``recall``, ``f1`` and
        ``average_precision``; plain numbers, None where one is not defined (precision without
        detections, recall and average precision without cells).

    Raises
    ------
    ValueError
        If a table lacks a column, holds NaN or infinity for a position or probability, or lacks
        the image of some cells, or of all where the other has several; if an image has another
        name in each table, ``a.svs`` and ``a.tif``; if labels read the same and are not, 1 and
        "1"; if `mpp` or the radius is not a positive number, both radii are given, or `labels` is
        no sequence.

    Warns
    -----
    UserWarning
        If both tables name images, and not one is in both.

    Notes
    -----
    The rule of the MIDOG challenge [1]_: 7.5 um, one to one. Cells without a label, on which
    annotators disagree for example, need not be found; and what is found on one of them, and on no
    cell of its class, counts neither as true nor as false, one detection of a class for each.

    The average precision is the sum of precision times gain in recall over the thresholds on
    the probability, without interpolation. Detections that were left out for a low probability
    are missing in it.

    References
    ----------
    .. [1] Aubreville et al., "Mitosis domain generalization in histopathology images: The MIDOG
       challenge", Medical Image Analysis 2023, https://doi.org/10.1016/j.media.2022.102699

    Examples
    --------
    >>> from stnclf.metrics import detection_score
    >>> truth = {"x": [10, 90], "y": [20, 20], "label": ["mitosis", "mitosis"]}
    >>> found = {"x": [12, 13, 300], "y": [20, 20, 20], "label": ["mitosis"] * 3}
    >>> score = detection_score(truth, found, mpp=0.25)["mitosis"]
    >>> score["precision"], score["recall"], score["f1"]
    (0.3333333333333333, 0.5, 0.4)
    """
    matched = matched_detections(truth, detections, mpp, radius_um, radius_px, labels)
    return {label: scores_of(*found) for label, found in matched.items()}


def matched_detections(
    truth: Table,
    detections: Table,
    mpp: float | None,
    radius_um: float | None,
    radius_px: float | None,
    labels: Sequence[Any] | None,
) -> dict[Any, tuple[Floats, NDArray[np.bool_], int]]:
    """Match the detections of each class.

    Parameters
    ----------
    truth, detections, mpp, radius_um, radius_px, labels
        As `detection_score` takes them.

    Returns
    -------
    dict of label to tuple
        Probability of each detection, whether it found a cell, and the number of cells.

    Raises
    ------
    ValueError
        As `detection_score`.
    """
    radius = _radius(mpp, radius_um, radius_px)
    cells, found = _as_cells(truth, "truth"), _as_cells(detections, "detections")
    _leave_out_empty_images({"truth": cells, "detections": found})
    if cells["image"] is None or found["image"] is None:
        for table in (cells, found):
            table["image"] = [None] * len(table["label"])
    else:
        for name, table in (("truth", cells), ("detections", found)):
            refuse_missing(f"{name}['image']", table["image"])
        _check_images({*cells["image"]}, {*found["image"]})
    if isinstance(labels, str) or not (labels is None or np.iterable(labels)):
        raise ValueError(f"labels must be a sequence of classes, got {labels!r}.")
    labels = None if labels is None else list(labels)
    refuse_missing("labels", labels or [])
    named = {"truth": {*cells["label"]} - {None}, "detections": {*found["label"]} - {None}}
    refuse_lookalikes({**named, "labels": map(_one_form, labels or ())})
    if labels is None:
        either = named["truth"] | named["detections"]
        labels = sorted(either, key=lambda label: (isinstance(label, str), label))
    unknown = _by_image(cells, None)
    return {
        label: _match_images(
            _by_image(cells, _one_form(label)),
            _by_image(found, _one_form(label)),
            radius,
            unknown,
        )
        for label in labels
    }


def _leave_out_empty_images(tables: dict[str, dict[str, Any]]) -> None:
    """Take a column of images with nothing in it for none, unless the other table has several."""
    known = {
        name: {image for image in table["image"] or () if not is_missing(image)}
        for name, table in tables.items()
    }
    for (name, table), other in zip(tables.items(), reversed(tables)):
        if not table["image"] or known[name]:
            continue
        if len(known[other]) > 1:
            raise argument_error(
                name,
                f"no row says its image, but {other} has {len(known[other])}; wants the image of "
                "each cell.",
            )
        table["image"] = None


def _check_images(truth: set[Any], detections: set[Any]) -> None:
    """Refuse tables that call the same images by other names; warn if no image is in both.

    That alone is no mistake: of two slides, one may have cells, and the other what is found.
    """
    if not truth or not detections:
        return
    cells, found = sorted(truth, key=str), sorted(detections, key=str)
    same = same_but_for_place(cells, found)
    if same is not None:
        raise argument_error(
            "detections",
            f"got the image {same[1]!r}, but truth has {same[0]!r}; wants the same names in both "
            "tables.",
        )
    if truth & detections:
        return
    warnings.warn(
        f"truth and detections have no image in common: truth is on {listed(cells)}, detections on "
        f"{listed(found)}; all detections count as false, and all cells as missed.",
        UserWarning,
        stacklevel=4,
    )


def _radius(mpp: float | None, radius_um: float | None, radius_px: float | None) -> float:
    """Check the radius and return it in pixels."""
    numbers: dict[str, Any]
    if radius_px is None:
        numbers = {"mpp": mpp, "radius_um": 7.5 if radius_um is None else radius_um}
    elif radius_um is not None:
        raise ValueError(f"radius_px must be None beside radius_um, got {radius_px!r}.")
    else:
        numbers = {"radius_px": radius_px}
    for name, value in numbers.items():
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not is_number or not 0 < value < np.inf:
            raise ValueError(f"{name} must be a positive number, got {value!r}.")
    return radius_px if radius_px is not None else numbers["radius_um"] / numbers["mpp"]


def _match_images(
    cells: dict[Any, tuple[Floats, Floats]],
    found: dict[Any, tuple[Floats, Floats]],
    radius: float,
    unknown: dict[Any, tuple[Floats, Floats]],
) -> tuple[Floats, NDArray[np.bool_], int]:
    """Match the points of a class image by image; those on cells of no known class are left out."""
    probability, is_true = [np.empty(0)], [np.empty(0, dtype=bool)]
    none = np.empty((0, 2)), np.empty(0)
    for image, (points, certainty) in found.items():
        order = np.argsort(-certainty, kind="stable")
        is_right = match_points(cells.get(image, none)[0], points[order], radius) >= 0
        wrong = order[~is_right]
        counts = np.ones(len(order), dtype=bool)
        counts[~is_right] = match_points(unknown.get(image, none)[0], points[wrong], radius) < 0
        probability.append(certainty[order][counts])
        is_true.append(is_right[counts])
    n_truth = sum(len(points) for points, _ in cells.values())
    return np.concatenate(probability), np.concatenate(is_true), n_truth


def scores_of(probability: Floats, is_true: NDArray[np.bool_], n_truth: int) -> dict[str, Any]:
    """Compute the scores of a class from what `matched_detections` returned for it."""
    n_found, hits = len(is_true), int(is_true.sum())
    return {
        "n_truth": n_truth,
        "n_detections": n_found,
        "true_positives": hits,
        "false_positives": n_found - hits,
        "false_negatives": n_truth - hits,
        "precision": hits / n_found if n_found else None,
        "recall": hits / n_truth if n_truth else None,
        "f1": 2 * hits / (n_truth + n_found) if n_truth + n_found else None,
        "average_precision": _average_precision(probability, is_true, n_truth),
    }


def match_points(targets: Floats, points: Floats, radius: float) -> NDArray[np.intp]:
    """Match points greedily, in order of confidence, each to at most one target.

    Parameters
    ----------
    targets : ndarray of shape (n_targets, 2)
        Where cells are.
    points : ndarray of shape (n_points, 2)
        Where they were found, the most certain first.
    radius : float
        Largest distance of a pair.

    Returns
    -------
    ndarray of shape (n_points,), int
        Index of the target of each point, -1 where it has none.
    """
    partner = np.full(len(points), -1, dtype=np.intp)
    # Sorted, so that only the targets in a strip around each point are looked at.
    order = np.argsort(targets[:, 0], kind="stable")
    targets = targets[order]
    is_free = np.ones(len(targets), dtype=bool)
    # A strip that rounding makes too narrow would lose a target; distances decide.
    first = np.searchsorted(targets[:, 0], points[:, 0] - 1.001 * radius)
    last = np.searchsorted(targets[:, 0], points[:, 0] + 1.001 * radius, side="right")
    for i, point in enumerate(points):
        strip = slice(first[i], last[i])
        distance = np.hypot(*(targets[strip] - point).T)
        distance[~is_free[strip]] = np.inf
        if len(distance) and distance.min() <= radius:
            nearest = first[i] + distance.argmin()
            is_free[nearest] = False
            partner[i] = order[nearest]
    return partner


def _average_precision(
    probability: Floats, is_true: NDArray[np.bool_], n_truth: int
) -> float | None:
    if not n_truth:
        return None
    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(is_true[order])
    # Detections of one probability pass a threshold together.
    steps = np.flatnonzero(np.diff(probability[order], append=-np.inf))
    gained = np.diff(hits[steps], prepend=0) / n_truth
    return float((gained * hits[steps] / (steps + 1)).sum())


def _as_cells(table: Table, name: str) -> dict[str, Any]:
    """Check the columns of a table of cells: points, label, probability, image."""
    columns: dict[str, Any] = {}
    for key in ("x", "y", "label", "probability", "image"):
        try:
            columns[key] = column_of(table, key)
        except (KeyError, IndexError, TypeError):
            if key in ("x", "y", "label"):
                raise ValueError(f"{name} must have a column {key!r}.") from None
            columns[key] = None
    n_cells = len(columns["x"])
    if any(values is not None and len(values) != n_cells for values in columns.values()):
        raise ValueError(f"{name} must have columns of one length.")
    places = [as_floats(columns[axis], f"{name}[{axis!r}]", truth=False) for axis in "xy"]
    points = np.stack(places, axis=1)
    certainty = columns["probability"]
    if certainty is None:
        certainty = -np.arange(n_cells, dtype=np.float64)
    certainty = as_floats(certainty, f"{name}['probability']")
    broken = ~np.isfinite(np.column_stack([points, certainty])).all(axis=1)
    if broken.any():
        raise ValueError(
            f"{name} holds NaN or infinity in {broken.sum()} of {n_cells} rows, first in row "
            f"{broken.argmax()}."
        )
    images = columns["image"]
    return {
        "label": [None if is_missing(label) else _one_form(label) for label in columns["label"]],
        "image": images and [_one_form(image) for image in images],
        "points": points,
        "probability": certainty,
    }


def _by_image(cells: dict[str, Any], label: object) -> dict[Any, tuple[Floats, Floats]]:
    """Group the points and probabilities of the cells of a class by image; None is that of none."""
    rows: dict[Any, list[int]] = {}
    for row, (image, name) in enumerate(zip(cells["image"], cells["label"])):
        if name is None if label is None else name is not None and name == label:
            rows.setdefault(image, []).append(row)
    return {
        image: (cells["points"][index], cells["probability"][index])
        for image, index in rows.items()
    }


def _one_form(name: Any) -> Any:
    """Write a name whose letters may have two forms of Unicode in one."""
    return composed(name) if isinstance(name, str) else name
