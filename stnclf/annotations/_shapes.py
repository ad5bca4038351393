"""Points and shapes that the viewers' XML and JSON formats share."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree.ElementTree import Element

from .._utils.printable import quoted
from ._numbers import middle
from ._outlines import Outlines

HALF = "0.5"
_number = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*").fullmatch


def number_of(text: str | None, what: str) -> float:
    """Read the number in an attribute or a text.

    Raises
    ------
    ValueError
        If it is none; `what` begins the message.
    """
    value = float(text) if text is not None and _number(text) else math.nan
    if not math.isfinite(value):
        raise ValueError(f"{what} has {quoted(text)} for a coordinate, which is no number.")
    return value


def point_of(item: Element, x: str, y: str, name: str) -> list[float]:
    """Read the point in two attributes of an element."""
    return [number_of(item.get(x), name), number_of(item.get(y), name)]


def shape_row(
    image: str,
    kind: str,
    points: list[list[float]],
    outlines: Outlines,
    known: dict[str, Any],
    name: str,
) -> dict[str, Any]:
    """Make a row of a shape whose points count along the edges of pixels.

    Parameters
    ----------
    image : str
        Name of the image.
    kind : {"spot", "area", "circle", "line", "polygon"}
        A spot is its first point; the middle of a polygon is its centroid, of anything else that
        of its bounding box.
    points : list of [x, y]
        At least one.
    outlines : Outlines
        Gets polygons; its shift must be -0.5.
    known : dict
        Further columns.
    name : str
        What messages call the shape.

    Returns
    -------
    row : dict
        Its position may come only with ``outlines.finish()``.
    """
    row: dict[str, Any] = {"image": image, "x": None, "y": None, "type": kind}
    row |= {"width": None, "height": None, **known}
    if kind == "polygon":
        outlines.add(row, [[points]], name)
        return row
    for axis, side, i in (("x", "width", 0), ("y", "height", 1)):
        values = [point[i] for point in (points[:1] if kind == "spot" else points)]
        row[axis], size = middle(min(values), max(values), HALF)
        row[side] = None if kind == "spot" else size
    return row
