"""The fields of a slide that hold most cells."""

from __future__ import annotations

import math
import warnings
from numbers import Integral
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.stats import chi2

from .._utils.containers import column_of
from .._utils.errors import argument_error
from .._utils.names import composed, probability_column, rows_named
from .._utils.optional import import_pandas
from .._utils.printable import listed
from .._utils.typing import PathLike, Pixels, Table
from .._utils.values import check_positive, is_missing
from ..annotations._slide_facts import slide_facts
from ..slides import Slide
from ..slides._slide import name_of, opened
from ..slides._tissue import known_mpp

__all__ = ["AREA_MM2", "field_extent", "hotspots", "points_of", "rows_of"]

#: Area of a field where nobody says it: that of ten high-power fields.
AREA_MM2 = 2.37

#: Micrometres from one place of a field to the next: a cell of the tissue mask.
_STEP = 8.0

#: Digits of positions in pixels; sizes are even in the last, so that their halves have no more.
_DIGITS = 3

#: The same as a share of the width, where that is given in pixels.
_SHARE = 0.01


def hotspots(
    detections: Table,
    slide: Slide | PathLike | Pixels,
    *,
    area_mm2: float | None = None,
    width_px: float | None = None,
    aspect: float = 4 / 3,
    label: Any = None,
    n: int = 1,
) -> Table:
    """Find the fields of a slide that hold most cells.

    Parameters
    ----------
    detections : pandas.DataFrame
        Cells: ``x``, ``y`` and ``label``, as `scan` gives them. If there is a column ``image``
        with several names, the rows of this slide count; if it is empty, all rows do.
    slide : Slide, str, path-like or uint8 ndarray of shape (height, width, 3)
        The slide. Its pixels are not read.
    area_mm2 : float, default=None
        Area of a field in square millimetres, which wants a slide whose resolution is known. None
        is 2.37, that of ten high-power fields, unless `width_px` is given.
    width_px : float, default=None
        Width of a field in pixels of level 0 instead, for photographs whose resolution nobody
        knows.
    aspect : float, default=1.3333333333333333
        Width of a field over its height.
    label : label, default=None
        The class that is counted; None counts all rows.
    n : int, default=1
        How many fields.

    Returns
    -------
    fields : pandas.DataFrame
        The fields by falling count, no two of which overlap: ``image``, ``x`` and ``y`` of the
        middle, ``label`` ("hotspot"), ``type`` ("area"), ``width`` and ``height`` in pixels of
        level 0, ``count``, and, where the resolution is known, ``per_mm2``, the count for a square
        millimetre, and its interval of 95 %, ``per_mm2_low`` to ``per_mm2_high``, if the count is
        Poisson distributed (see Notes). Fields without cells are left out, so there may be fewer
        than `n`.

    Raises
    ------
    FileNotFoundError
        If there is no such slide.
    ImportError
        If pandas is missing.
    TypeError, ValueError
        If an argument is not as described, some rows lack their image, a cell lies outside the
        slide, the slide is smaller than a field, or the resolution is not known and `width_px` is
        not given.

    See Also
    --------
    stnclf.annotations.write_annotations : Writes the fields for other programs.

    Notes
    -----
    Fields lie along the axes and inside the slide. No other place has more cells than the first
    field; each following one is the best of those that overlap none before. Fields are counted at
    a step of 8 um, a cell of the tissue mask, or of a hundredth of `width_px`; where there could be
    more between these places, all fields with a cell on their edges are compared. In the end a
    field is moved so that its cells are in its middle, if that is possible.

    The interval is the exact one [1]_: between the densities of which so many cells or more, and
    so many or fewer, are counted in a field with a probability of 2.5 %. It says what counting
    leaves open, neither that the field was chosen for its count nor that detections are wrong.

    References
    ----------
    .. [1] F. Garwood, "Fiducial Limits for the Poisson Distribution", Biometrika 28, 1936.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from stnclf.scan import hotspots
    >>> from stnclf.slides import Slide
    >>> slide = Slide(np.zeros((600, 800, 3), np.uint8), mpp=1.0)
    >>> cells = pd.DataFrame({"x": [90, 110, 700], "y": [200, 220, 500], "label": "mitosis"})
    >>> field = hotspots(cells, slide, area_mm2=0.03).loc[0]
    >>> float(field.x), float(field.y), round(field.width), round(field.height), int(field["count"])
    (100.0, 210.0, 200, 150, 2)
    """
    if area_mm2 is not None and width_px is not None:
        raise argument_error("width_px", "is the size of a field, as area_mm2 is: give one.")
    if width_px is None:
        area_mm2 = AREA_MM2 if area_mm2 is None else area_mm2
        area_mm2 = check_positive("area_mm2", area_mm2, "square millimetres")
    else:
        width_px = check_positive("width_px", width_px, "pixels")
    aspect = check_positive("aspect", aspect, "width over height")
    if not isinstance(n, Integral) or isinstance(n, bool) or n < 1:
        raise argument_error("n", f"got {n!r}, wants a number of fields of at least 1.")
    pandas = import_pandas()
    with opened(slide) as slide:
        size = np.array(slide.size)
        mpp = known_mpp(slide) if width_px is not None else _mpp_of(slide)
        points = points_of(detections, slide, label)
    extent = field_extent(mpp, area_mm2, width_px, aspect)
    _check_fits(extent, size, area_mm2)
    extent = np.maximum(np.round(extent / 2, _DIGITS), 10.0**-_DIGITS) * 2
    step = _STEP / mpp if width_px is None else width_px * _SHARE
    if width_px is not None and mpp is not None:
        area_mm2 = float(extent.prod()) * (mpp / 1000) ** 2
    corners, counts = _best_places(points, size, extent, step, n)
    fields = {
        "image": [name_of(slide)] * len(corners),
        "x": _tidy(corners[:, 0] + extent[0] / 2 - 0.5),
        "y": _tidy(corners[:, 1] + extent[1] / 2 - 0.5),
        "label": ["hotspot"] * len(corners),
        "type": ["area"] * len(corners),
        "width": extent[0],
        "height": extent[1],
        "count": counts,
    }
    if area_mm2 is not None:
        fields["per_mm2"] = counts / area_mm2
        fields["per_mm2_low"] = chi2.ppf(0.025, 2 * counts) / 2 / area_mm2
        fields["per_mm2_high"] = chi2.ppf(0.975, 2 * counts + 2) / 2 / area_mm2
    return pandas.DataFrame(fields)


def field_extent(mpp, area_mm2, width_px, aspect):
    """Width and height in level-0 pixels of a field whose area or, if not None, width is given."""
    if width_px is not None:
        return np.array([width_px, width_px / aspect])
    return 1000 / mpp * np.array([math.sqrt(area_mm2 * aspect), math.sqrt(area_mm2 / aspect)])


def _mpp_of(slide):
    """Return the resolution, or say what does without."""
    try:
        return slide.mpp
    except ValueError as error:
        text = str(error).removesuffix(".")
        raise ValueError(f"{text}, or width_px= to hotspots.") from error


def _check_fits(extent, size, area_mm2):
    """Refuse a field that is larger than the slide, and say which one fits."""
    if not np.any(extent > size):
        return
    share = np.min(size / extent)
    there = f"the slide is {size[0]} x {size[1]} px; the largest field that fits"
    if area_mm2 is None:
        raise argument_error(
            "width_px",
            f"a field is {extent[0]:.0f} x {extent[1]:.0f} px (width x height), {there} is "
            f"{math.floor(extent[0] * share)} px wide.",
        )
    fits = area_mm2 * share**2
    digits = 2 - math.floor(math.log10(fits))
    raise argument_error(
        "area_mm2",
        f"a field of {area_mm2:g} mm2 is {extent[0]:.0f} x {extent[1]:.0f} px "
        f"(width x height), {there} has {math.floor(fits * 10**digits) / 10**digits:.3g} mm2.",
    )


def points_of(detections, slide, label):
    """Check the cells and give the places (n, 2) of those that count."""
    try:
        columns = [column_of(detections, name) for name in ("x", "y", "label")]
        x, y = (np.array(values, dtype=np.float64) for values in columns[:2])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise argument_error(
            "detections", f"wants a table with numbers x and y and with label ({error!r})."
        ) from error
    rows = rows_of(detections, slide, label)
    points = np.stack([x, y], axis=1)[rows]
    for axis, values in zip("xy", points.T):
        broken = np.isnan(values)
        if broken.any():
            first = np.flatnonzero(rows)[broken.argmax()]
            raise argument_error(
                "detections",
                f"{axis} holds NaN in {broken.sum()} of {len(points)} cells, the first in row "
                f"{first}.",
            )
    if label is not None and len(x) and probability_column(label) not in detections:
        names = {_one_form(name): name for name in columns[2]}
        if _one_form(label) not in names:
            warnings.warn(
                f"label: got {label!r}, of which the table has no cell; it has "
                f"{listed(names.values())}.",
                UserWarning,
                stacklevel=3,
            )
    inside = ((points >= -0.5) & (points <= np.array(slide.size) - 0.5)).all(axis=1)
    if not inside.all():
        raise argument_error(
            "detections",
            f"{(~inside).sum()} of {len(points)} cells lie outside the slide of "
            f"{slide.size[0]} x {slide.size[1]} px.",
        )
    return points


def rows_of(detections, slide, label=None):
    """Mark the rows of a table that are of this slide and of this class."""
    counts = np.ones(len(list(detections["label"])), dtype=bool)
    if label is not None:
        # The dtype is given for a table without rows.
        label = _one_form(label)
        counts &= np.array([_one_form(name) == label for name in detections["label"]], dtype=bool)
    images = list(detections["image"]) if "image" in detections else []
    if len({*images}) > 1 and not all(map(is_missing, images)):
        counts &= rows_named(images, name_of(slide), "detections")
    _check_origin(detections, slide, counts)
    return counts


def _one_form(name):
    return composed(name) if isinstance(name, str) else name


def _check_origin(detections, slide, counts):
    """Refuse positions that count from the corner of the scanned area, unless that is pixel 0."""
    if "origin" not in detections or slide.path is None:
        return
    from_bounds = np.array([origin == "bounds" for origin in detections["origin"]], dtype=bool)
    if (from_bounds & counts).any():
        facts = slide_facts(slide.path)
        if facts is not None and facts.bounds != (0, 0):
            raise argument_error(
                "detections",
                "positions count from the corner of the scanned area, at pixel "
                f"{facts.bounds} of {name_of(slide)!r}: pass slides= to read_annotations.",
            )


def _best_places(points, size, extent, step, n):
    """Corners (k, 2) of the best fields, as edges of pixels, and their counts; k <= n."""
    edges = points + 0.5
    # At the step, and at the far border.
    places = [np.append(np.arange(0, room, step), room) for room in size - extent]
    corners = np.empty((0, 2))
    for _ in range(n):
        corner = _best_place(edges, places, extent, step, corners)
        if corner is None:
            break
        inside = edges[_in_field(edges, corner, extent)]
        middle = (inside.min(axis=0) + inside.max(axis=0)) / 2
        centred = np.clip(middle - extent / 2, 0, size - extent)
        tidy = np.clip(np.round(centred, _DIGITS), 0, size - extent)
        for better in (tidy, centred, np.round(corner, _DIGITS)):
            is_free = not (np.abs(corners - better) < extent).all(axis=1).any()
            if is_free and _in_field(inside, better, extent).all():
                corner = better
                break
        corners = np.concatenate([corners, corner[None]])
    numbers = np.array([_in_field(edges, c, extent).sum() for c in corners], dtype=np.int64)
    order = np.argsort(-numbers, kind="stable")
    return corners[order], numbers[order]


def _best_place(edges, places, extent, step, taken):
    """Find the corner of the field with most points that overlaps none of `taken`; None without.

    Counts at the step say which places between them could have more, and only these are swept.
    """
    counts = _count_everywhere(edges, places, extent)
    # No corner from one place to the next has more than a field that is larger by the step, and
    # by what floats may lose.
    most = _count_everywhere(edges, places, extent + step + 10.0**-_DIGITS)
    for corner in taken:
        near = [np.abs(p - c) < e for p, c, e in zip(places, corner, extent)]
        counts[np.ix_(near[1], near[0])] = 0
        near = [a & np.append(a[1:], a[-1]) for a in near]
        most[np.ix_(near[1], near[0])] = 0
    row, column = np.unravel_index(counts.argmax(), counts.shape)
    best, corner = counts[row, column], np.array([places[0][column], places[1][row]])
    parts, _ = ndimage.label(most > best, np.ones((3, 3)))
    boxes = ndimage.find_objects(parts)
    highest = ndimage.maximum(most, parts, np.arange(1, len(boxes) + 1))
    for k in np.argsort(-np.asarray(highest), kind="stable"):
        if highest[k] <= best:
            break
        (top, bottom), (left, right) = ((part.start, part.stop) for part in boxes[k])
        low = np.array([places[0][left], places[1][top]])
        last = [min(i, len(p) - 1) for i, p in zip((right, bottom), places)]
        high = np.array([places[0][last[0]], places[1][last[1]]])
        best, corner = _sweep(edges, low, high, extent, taken, best, corner)
    return corner if best > 0 else None


def _sweep(edges, low, high, extent, taken, best, corner):
    """Look for a field with more than `best` points whose corner lies from `low` to `high`.

    A field can be moved right and down, and keeps its points, until one of them lies on its left
    and one on its upper edge, or it is stopped by a border or by a field that is `taken`. These
    corners are tried, row by row: only where points have come in can there be more than before.
    """
    near = ((edges >= low) & (edges < high + extent)).all(axis=1)
    edges = edges[near][np.argsort(edges[near, 1], kind="stable")]
    stops = np.concatenate([edges, taken - extent, taken + extent, [low, high]])
    x, y = (np.unique(a[(a >= b) & (a <= c)]) for a, b, c in zip(stops.T, low, high))
    # Where in x the fields begin and end that hold a point, and which points each row has.
    first = np.searchsorted(x + extent[0], edges[:, 0], side="right")
    last = np.searchsorted(x, edges[:, 0], side="right")
    gone, come = np.searchsorted(edges[:, 1], y), np.searchsorted(edges[:, 1], y + extent[1])
    barred_x = np.abs(x[None] - taken[:, :1]) < extent[0]
    barred_y = np.abs(y[None] - taken[:, 1:]) < extent[1]
    counts, barred, n_in, n_out = np.zeros(len(x), dtype=np.int64), None, 0, 0
    for row in range(len(y)):
        for i in range(n_in, come[row]):
            counts[first[i] : last[i]] += 1
        for i in range(n_out, gone[row]):
            counts[first[i] : last[i]] -= 1
        new, n_in, n_out = slice(n_in, come[row]), come[row], gone[row]
        before, barred = barred, barred_x[barred_y[:, row]].any(axis=0)
        if before is None or not np.array_equal(before, barred):
            span = slice(None)
        elif new.start == new.stop:
            continue
        else:
            span = slice(first[new].min(), last[new].max())
        found = np.where(barred[span], 0, counts[span])
        if found.size and found.max() > best:
            best = found.max()
            corner = np.array([x[span][found.argmax()], y[row]])
    return best, corner


def _tidy(values):
    """Leave out what floats add behind the last digit; what has more digits keeps them."""
    rounded = np.round(values, _DIGITS)
    return np.where(np.abs(rounded - values) < 1e-6, rounded, values)


def _in_field(edges, corner, extent):
    return ((edges >= corner) & (edges < corner + extent)).all(axis=1)


def _count_everywhere(edges, places, extent):
    """Count the points in the field at every place: (n_y, n_x), from the places of each point."""
    first, last = [], []
    for axis in (0, 1):
        # The very sum of `_in_field`: that of a difference is another float.
        ends = places[axis] + extent[axis]
        first.append(np.searchsorted(ends, edges[:, axis], side="right"))
        last.append(np.searchsorted(places[axis], edges[:, axis], side="right"))
    change = np.zeros((len(places[1]) + 1, len(places[0]) + 1), dtype=np.int32)
    for x, y, sign in ((first, first, 1), (last, first, -1), (first, last, -1), (last, last, 1)):
        np.add.at(change, (y[1], x[0]), sign)
    return change.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]
