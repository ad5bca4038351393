"""What the report shows of slides: an overview, the cells on it, and pictures of some of them."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from itertools import compress
from numbers import Real

import numpy as np
from PIL import Image

from .._utils.names import composed
from .._utils.values import check_positive, is_missing
from ..metrics._detection import match_points
from ..scan._density import adapted_sigma, cell_density, density_colours
from ..scan._hotspots import rows_of
from ..slides._slide import opened
from ..slides._tissue import known_mpp, metric_mpp
from ._data import COLUMNS, data_uri, encoded, sheet

__all__ = ["slide_data"]

#: Bytes of overviews before base64, of all slides together.
SLIDE_BYTES = 1_500_000
SLIDE_STEPS = ((2048, 82), (1536, 80), (1280, 78), (1024, 75), (768, 72), (512, 65), (384, 55))
DENSITY_SIDE = 384
DENSITY_LEVELS = 32
MOST_DETECTIONS = 20_000
#: Pictures of cells, of all slides together and of one, and what each shows.
MOST_CROPS, CROPS_OF_A_SLIDE = 400, 60
CROP_UM, CROP_PX, CROP_QUALITY = 32.0, 96, 72
#: Most pixels of a slide across a picture, where its resolution is not known.
MOST_SIDE = 1024
#: Largest distance in micrometres of a detection from its cell.
RADIUS_UM = 7.5


def slide_data(slides):
    """Shrink slides, and write down what was found on them.

    Parameters
    ----------
    slides : list of (name, parts)
        Names, and dicts of ``slide``, what `stnclf.slides.Slide` opens, and of ``detections``,
        ``fields``, ``truth``, ``thresholds`` and ``radius_px`` as `write_report` takes them.

    Returns
    -------
    data : list of dict
        Positions and lengths are in pixels of level 0.
    """
    n_crops = min(CROPS_OF_A_SLIDE, MOST_CROPS // max(1, len(slides)))
    return [_one_slide(name, parts, SLIDE_BYTES / len(slides), n_crops) for name, parts in slides]


def _one_slide(name, parts, most_bytes, n_crops):
    with opened(parts["slide"]) as slide:
        width, height = slide.size
        mpp = metric_mpp(slide)
        image, _ = slide.thumbnail(SLIDE_STEPS[0][0])
        for side, quality in SLIDE_STEPS:
            picture = Image.fromarray(image)
            picture.thumbnail((side, side))
            thumbnail = encoded(picture, quality)
            if len(thumbnail) <= most_bytes:
                break
        data = {"name": name, "width": width, "height": height, "mpp": mpp}
        data["thumbnail"] = data_uri(thumbnail)
        found = _table(name, "detections", parts.get("detections"), slide)
        cells = _table(name, "truth", parts.get("truth"), slide)
        if found is not None and not len(found["x"]) and cells is None:
            found = None
        _check_inside(name, "detections", found, slide.size)
        _check_inside(name, "truth", cells, slide.size)
        cells, unknown = _by_knowledge(cells)
        partner = None
        if found is not None and cells is not None:
            radius = _radius(name, parts.get("radius_px"), known_mpp(slide))
            partner = _partners(found, cells, unknown, radius)
        data["cells"] = _cells(found, partner)
        data["truth"] = _truth(found, cells, partner)
        data["unknown"] = 0 if unknown is None else len(unknown["x"])
        data["labels"] = sorted({*(found or {}).get("label", ()), *(cells or {}).get("label", ())})
        for one in (data["cells"], data["truth"]):
            if one is not None:
                one["label"] = [data["labels"].index(label) for label in one["label"]]
        thresholds = _thresholds(name, parts.get("thresholds"))
        data["thresholds"] = [thresholds.get(label, 0.0) for label in data["labels"]]
        data["density"] = None
        if found is not None and len(found["x"]):
            sigma = adapted_sigma(slide.size, mpp, parts.get("fields"))
            data["density"] = _density(found, slide.size, sigma)
        wide = parts.get("radius_px")
        side = _crop_side(mpp, None if wide is None else _radius(name, wide, mpp))
        data["crops"] = _crops(slide, mpp, side, data["cells"], data["truth"], n_crops)
    data["fields"] = _fields(name, parts.get("fields"))
    return data


def _thresholds(name, thresholds):
    """Check thresholds by class; None is none."""
    if thresholds is None:
        return {}
    is_known = isinstance(thresholds, Mapping) and all(
        isinstance(value, Real) and math.isfinite(value) for value in thresholds.values()
    )
    if not is_known:
        raise ValueError(
            f"slides[{name!r}]: thresholds must be a dict of a number for each class, got "
            f"{thresholds!r:.80}."
        )
    return {composed(str(k)): float(v) for k, v in thresholds.items()}


def _table(name, part, table, slide):
    """Read positions, labels and probabilities, the most certain first; None without a table."""
    if table is None:
        return None
    x, y = (_numbers(table, column, name) for column in "xy")
    if "label" not in table:
        raise ValueError(f"slides[{name!r}]: {part} must have a column 'label'.")
    labels = [None if is_missing(label) else composed(str(label)) for label in table["label"]]
    if len({len(x), len(y), len(labels)}) > 1:
        raise ValueError(f"slides[{name!r}]: {part} must have columns of one length.")
    certain = np.ones(len(x))
    if part == "detections" and "probability" in table:
        certain = _numbers(table, "probability", name)
    rows = rows_of(table, slide) if len(x) else np.zeros(0, dtype=bool)
    if part == "detections":  # what is of no class is found for none
        rows = rows & np.array([label is not None for label in labels], dtype=bool)
    order = np.argsort(-certain[rows], kind="stable")
    labels = list(compress(labels, rows))
    return {
        "x": x[rows][order],
        "y": y[rows][order],
        "label": [labels[i] for i in order],
        "probability": certain[rows][order],
    }


def _check_inside(name, part, table, size):
    if table is None:
        return
    x, y = table["x"], table["y"]
    outside = (x < -0.5) | (y < -0.5) | (x > size[0] - 0.5) | (y > size[1] - 0.5)
    if outside.any():
        raise ValueError(
            f"slides[{name!r}]: {outside.sum()} of {len(x)} {part} lie outside the slide of "
            f"{size[0]} x {size[1]} px."
        )


def _radius(name, radius_px, mpp):
    if radius_px is not None:
        return check_positive(f"slides[{name!r}]['radius_px']", radius_px, "pixels")
    if mpp is None:
        raise ValueError(
            f"slides[{name!r}] must hold radius_px with truth: its resolution is not known."
        )
    return RADIUS_UM / mpp


def _by_knowledge(cells):
    """Part annotated cells into those of a class, and those whose class nobody knows."""
    if cells is None:
        return None, None
    known = [label is not None for label in cells["label"]]
    return [
        {
            name: list(compress(values, rows)) if name == "label" else values[np.array(rows, bool)]
            for name, values in cells.items()
        }
        for rows in (known, [not one for one in known])
    ]


def _partners(found, cells, unknown, radius):
    """Find the cell of each detection: as `detection_score` does, class by class.

    -1 is for none, and -2 for a cell whose class nobody knows, where it counts neither way.
    """
    partner = np.full(len(found["x"]), -1, dtype=np.intp)
    at, unclassed = (np.stack([t["x"], t["y"]], axis=1) for t in (found, unknown))
    for label in set(found["label"]):
        here, there = (np.flatnonzero(np.array(t["label"]) == label) for t in (found, cells))
        targets = np.stack([cells["x"][there], cells["y"][there]], axis=1)
        matched = match_points(targets, at[here], radius)
        partner[here[matched >= 0]] = there[matched[matched >= 0]]
        wrong = here[matched < 0]
        partner[wrong[match_points(unclassed, at[wrong], radius) >= 0]] = -2
    return partner


def _cells(found, partner):
    """Write down the most probable cells and, where it is known, which of them are right.

    1 is right, 0 false, and None neither: on a cell whose class nobody knows.
    """
    if found is None:
        return None
    first = slice(MOST_DETECTIONS)
    right = None
    if partner is not None:
        right = [None if k == -2 else int(k >= 0) for k in partner[first].tolist()]
    return {
        "n": len(found["x"]),
        "x": found["x"][first].round(1).tolist(),
        "y": found["y"][first].round(1).tolist(),
        "label": found["label"][first],
        # As tables have them: a threshold is one of these numbers.
        "probability": found["probability"][first].round(6).tolist(),
        "right": right,
    }


def _truth(found, cells, partner):
    """Write down annotated cells, and the probability up to which each is found, or None."""
    if cells is None:
        return None
    at = [None] * len(cells["x"])
    for k, which in enumerate(() if partner is None else partner.tolist()):
        if which >= 0:
            at[which] = round(float(found["probability"][k]), 6)
    columns = {axis: cells[axis].round(1).tolist() for axis in "xy"}
    return {**columns, "label": cells["label"], "at": at}


def _crop_side(mpp, radius_px):
    """How wide the picture of a cell is on the slide, in pixels of level 0."""
    if mpp is not None:
        return CROP_UM / mpp
    # The radius is half the width of a cell, where nobody knows more.
    return max(CROP_PX, min(MOST_SIDE, round(CROP_UM / RADIUS_UM * (radius_px or 0))))


def _crops(slide, mpp, side, cells, truth, most):
    """Cut out the most certain cells; where it is known, half of the false, and missed ones."""
    chosen, missed = [], []
    if cells is not None:
        chosen = list(range(min(most, len(cells["x"]))))
        if cells["right"] is not None:
            false = [k for k, right in enumerate(cells["right"]) if right == 0]
            others = [k for k, right in enumerate(cells["right"]) if right != 0]
            false = false[: max(most // 2, most - len(others))]
            chosen = sorted(false + others[: most - len(false)])
    if truth is not None:
        missed = [k for k, at in enumerate(truth["at"]) if at is None][: most // 2]
    places = [(cells["x"][k], cells["y"][k]) for k in chosen]
    places += [(truth["x"][k], truth["y"][k]) for k in missed]
    scale = side / CROP_PX
    pictures = []
    for x, y in places:
        corner = [middle + 0.5 - scale * CROP_PX / 2 for middle in (x, y)]
        try:
            if mpp is None:
                whole = Image.fromarray(slide.read_region(*corner, side, side))
                whole = whole.resize((CROP_PX, CROP_PX), Image.Resampling.BOX)
                pictures.append(np.asarray(whole))
            else:
                pictures.append(slide.read_region(*corner, CROP_PX, CROP_PX, scale * mpp))
        except OSError:  # a slide that is broken here
            pictures.append(np.full((CROP_PX, CROP_PX, 3), 255, dtype=np.uint8))
    sheets = [
        data_uri(sheet(pictures[i : i + COLUMNS**2], (CROP_PX, CROP_PX), CROP_QUALITY))
        for i in range(0, len(pictures), COLUMNS**2)
    ]
    facts = {"side": CROP_PX, "columns": COLUMNS, "scale": scale}
    return {"cells": chosen, "missed": missed, "sheets": sheets, **facts}


def _density(found, size, sigma):
    scale = max(1.0, max(size) / DENSITY_SIDE)
    shape = tuple(max(1, round(side / scale)) for side in size[::-1])
    points = np.stack([found["x"], found["y"]], axis=1)
    return data_uri(_density_png(cell_density(points, shape, scale, sigma)))


def _density_png(density):
    """Paint the density in a few colours, from transparent to dark red."""
    levels = np.arange(DENSITY_LEVELS) / (DENSITY_LEVELS - 1)
    colours, cover = density_colours(levels)
    picture = Image.fromarray(np.rint(density * (DENSITY_LEVELS - 1)).astype(np.uint8), "P")
    picture.putpalette(np.rint(colours).astype(np.uint8).tobytes())
    alpha = np.rint(255 * cover).astype(np.uint8).tobytes()
    with io.BytesIO() as file:
        picture.save(file, "PNG", optimize=True, transparency=alpha)
        return file.getvalue()


def _fields(name, fields):
    if fields is None:
        return []
    columns = {c: _numbers(fields, c, name) for c in ("x", "y", "width", "height")}
    for optional in ("count", "per_mm2"):
        if optional in fields:
            columns[optional] = _numbers(fields, optional, name)
    return [dict(zip(columns, map(float, row))) for row in zip(*columns.values())]


def _numbers(table, column, name):
    try:
        values = np.array(list(table[column]), dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"slides[{name!r}]: wants a column {column!r} of numbers.") from error
    if not np.isfinite(values).all():
        raise ValueError(f"slides[{name!r}]: column {column!r} holds NaN or infinity.")
    return values
